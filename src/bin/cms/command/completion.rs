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
    local IFS=$'\n' line=${COMP_LINE:0:COMP_POINT} word words
    word=${line##* }
    read -r -a words <<<"${line% *}"
    IFS=' ' read -r -a words <<<"${line% *}"
    IFS=$'\n' COMPREPLY=($(cms __complete "${words[@]:1}" "$word" 2>/dev/null))
    # bash splits words at '=' and ':'; give it what is behind them.
    local head=${word%"${word##*[=:]}"}
    [ -n "$head" ] && COMPREPLY=("${COMPREPLY[@]#"$head"}")
}
complete -o nospace -F _cms cms
"#;

const ZSH: &str = r#"#compdef cms
# zsh completion for cms: put it into a directory of $fpath as _cms
_cms() {
    local -a candidates
    candidates=(${(f)"$(cms __complete ${words[2,CURRENT]} 2>/dev/null)"})
    compadd -S '' -a candidates
}
_cms "$@"
"#;

const FISH: &str = "# fish completion for cms: put it into ~/.config/fish/completions/cms.fish
complete -c cms -f -a '(cms __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
";
