//! `cms completion`: scripts for shells, which call [`crate::complete`].

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "completion",
    aliases: &[],
    arguments: "bash|zsh|fish",
    summary: "print a completion script",
    flags: &[],
    writes: Writes::Nothing,
    json: &[Output::text(&TEXT)],
    run,
};

/// See the summary.
const TEXT: Shape = Shape::of(
    "
    . text a script",
);

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    let shell = call.expect(1, 1)?.first().map(|shell| show(shell)).unwrap_or_default();
    let script = match shell.as_str() {
        "bash" => BASH,
        "zsh" => ZSH,
        "fish" => FISH,
        other => return Err(Failure::Usage(format!("no completion for '{other}': bash, zsh or fish"))),
    };
    context.put(script.as_bytes())?;
    Ok(Exit::Ok)
}

const BASH: &str = r#"# bash completion for cms: source it, or put it into /etc/bash_completion.d
_cms() {
    local line=${COMP_LINE:0:COMP_POINT} word words candidate
    # Words are separated by blanks alone: bash would split keys at '=', ':' and '@'.
    word=${line##* }
    read -r -a words <<<"${line% *}"
    words=("${words[@]//[\'\"\\]/}")
    local head=${word%"${word##*[=:@]}"}
    COMPREPLY=()
    while IFS= read -r candidate; do
        [ -n "$candidate" ] || continue
        # A complete word ends with a blank, which is not quoted.
        local end=${candidate##*[! ]}
        candidate=${candidate%"$end"}
        candidate=${candidate#"$head"}
        [ -z "$candidate" ] || printf -v candidate %q "$candidate"
        COMPREPLY+=("$candidate$end")
    done < <(cms __complete "${words[@]:1}" "${word//[\'\"\\]/}" 2>/dev/null)
}
complete -o nospace -F _cms cms
"#;

const ZSH: &str = r#"#compdef cms
# zsh completion for cms: put it into a directory of $fpath as _cms
_cms() {
    local -a whole part
    local candidate
    for candidate in ${(f)"$(cms __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)"}; do
        # A complete word ends with a blank.
        if [[ $candidate == *' ' ]]; then whole+=("${candidate% }"); else part+=("$candidate"); fi
    done
    compadd -a whole
    compadd -S '' -a part
}
if [ "$funcstack[1]" = _cms ]; then _cms "$@"; else compdef _cms cms; fi
"#;

const FISH: &str = r#"# fish completion for cms: put it into ~/.config/fish/completions/cms.fish
# fish itself adds a blank to a word that is complete, and none after '.', '=' and '/'.
complete -c cms -f -a '(cms __complete (commandline -opc)[2..] "$(commandline -ct)" 2>/dev/null | string trim --right)'
"#;
