//! Help, manual pages and completion scripts, all made from the command table.

use std::fmt::Write;

use super::context::{Context, path, show};
use super::failure::{Exit, Failure};
use super::line::Line;
use super::table::{COMMANDS, Command, Flag, GLOBAL, find};

/// What the exit codes mean.
const EXITS: &[(u8, &str)] = &[
    (0, "done"),
    (1, "key not found, or files differ"),
    (2, "the command line is wrong"),
    (3, "invalid input"),
    (4, "not permitted"),
    (5, "conflict with someone else's change"),
    (6, "input, output or storage failed"),
    (8, "waited too long for another writer"),
    (9, "refused by a program that verifies changes"),
];

/// What a key looks like.
const KEYS: &[(&str, &str)] = &[
    ("network.lan.ipaddr", "an option"),
    ("network.lan", "a section"),
    ("firewall.@rule[0].name", "an option of the first section of a type; -1 is the last"),
    ("firewall.@rule[name=Allow-Ping].target", "an option of the section whose option has that value"),
];

fn flag_text(flag: &Flag) -> String {
    let short = flag.short.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
    let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
    format!("{short}--{}{value}", flag.long)
}

/// Prints all commands and global options.
pub fn overview(context: &mut Context) -> Result<(), Failure> {
    let mut text = String::from(
        "Usage: cms [OPTIONS] COMMAND [ARGUMENTS]\n       cms uci ...   (stock uci)\n\nCommands:\n",
    );
    for command in COMMANDS {
        let _ = writeln!(text, "  {:<11} {}", command.name, command.summary);
    }
    text.push_str("\nKeys:\n");
    for (key, meaning) in KEYS {
        let _ = writeln!(text, "  {key:<40} {meaning}");
    }
    text.push_str("\nOptions:\n");
    push_flags(&mut text, GLOBAL);
    text.push_str("\nExit codes:\n");
    for (code, meaning) in EXITS {
        let _ = writeln!(text, "  {code}  {meaning}");
    }
    context.put(text.as_bytes())
}

fn push_flags(text: &mut String, flags: &[Flag]) {
    for flag in flags {
        let _ = writeln!(text, "  {:<26} {}", flag_text(flag), flag.help);
    }
}

/// Prints what there is to know of one command.
pub fn command_help(context: &mut Context, command: &Command) -> Result<(), Failure> {
    let mut text =
        format!("Usage: cms {} [OPTIONS] {}\n\n{}\n", command.name, command.arguments, command.summary);
    if !command.aliases.is_empty() {
        let _ = writeln!(text, "\nAlso: {}", command.aliases.join(", "));
    }
    if !command.flags.is_empty() {
        text.push_str("\nOptions:\n");
        push_flags(&mut text, command.flags);
    }
    text.push_str("\n'cms help' lists the options that every command takes, and the exit codes.\n");
    context.put(text.as_bytes())
}

pub fn help(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    match line.expect(0, 1)?.first().map(|name| show(name)) {
        None => overview(context)?,
        Some(name) => {
            let command = find(&name).ok_or_else(|| Failure::Usage(format!("no command '{name}'")))?;
            command_help(context, command)?;
        }
    }
    Ok(Exit::Ok)
}

pub fn man(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    if line.has("all") {
        let [dir] = line.expect(1, 1)? else { return Ok(Exit::Usage) };
        let dir = path(dir).to_path_buf();
        let write = |name: String, text: String| {
            let path = dir.join(name);
            std::fs::write(&path, text).map_err(|source| cms::Error::Io { op: "write", path, source })
        };
        write("cms.1".into(), overview_page())?;
        for command in COMMANDS {
            write(format!("cms-{}.1", command.name), command_page(command))?;
        }
        return Ok(Exit::Ok);
    }
    let page = match line.expect(0, 1)?.first().map(|name| show(name)) {
        None => overview_page(),
        Some(name) => {
            command_page(find(&name).ok_or_else(|| Failure::Usage(format!("no command '{name}'")))?)
        }
    };
    context.put(page.as_bytes())?;
    Ok(Exit::Ok)
}

/// Escapes text for roff: backslashes, dashes, and a dot or quote at the start of a line.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn page(name: &str, summary: &str, synopsis: &str, body: &str) -> String {
    let title = name.to_uppercase();
    let version = env!("CARGO_PKG_VERSION");
    format!(
        ".TH {} 1 \"\" \"cms {version}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n{}\n{body}",
        roff(&title),
        roff(name),
        roff(summary),
        roff(synopsis)
    )
}

fn push_section(page: &mut String, title: &str, rows: impl Iterator<Item = (String, String)>) {
    let _ = writeln!(page, ".SH {title}");
    for (term, text) in rows {
        let _ = writeln!(page, ".TP\n.B {}\n{}", roff(&term), roff(&text));
    }
}

fn flag_rows(flags: &'static [Flag]) -> impl Iterator<Item = (String, String)> {
    flags.iter().map(|flag| (flag_text(flag).trim().to_owned(), flag.help.to_owned()))
}

fn overview_page() -> String {
    let mut body = String::from(
        ".SH DESCRIPTION\nReads and changes configuration that is kept as plain text, one file a package.\nChanges are staged until they are committed.\nCalled as uci, or as \"cms uci\", it is stock uci.\n",
    );
    let commands = COMMANDS.iter().map(|c| (format!("{} {}", c.name, c.arguments), c.summary.to_owned()));
    push_section(&mut body, "COMMANDS", commands);
    push_section(&mut body, "KEYS", KEYS.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())));
    push_section(&mut body, "OPTIONS", flag_rows(GLOBAL));
    push_section(
        &mut body,
        "EXIT STATUS",
        EXITS.iter().map(|(code, text)| (code.to_string(), (*text).to_owned())),
    );
    page("cms", "configuration store", "cms [OPTIONS] COMMAND [ARGUMENTS]", &body)
}

fn command_page(command: &'static Command) -> String {
    let mut body = format!(".SH DESCRIPTION\n{}\n", roff(command.summary));
    if !command.flags.is_empty() {
        push_section(&mut body, "OPTIONS", flag_rows(command.flags));
    }
    body.push_str(".SH SEE ALSO\n.BR cms (1)\n");
    let synopsis = format!("cms {} [OPTIONS] {}", command.name, command.arguments);
    page(&format!("cms-{}", command.name), command.summary, &synopsis, &body)
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

pub fn completion(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let shell = line.expect(1, 1)?.first().map(|shell| show(shell)).unwrap_or_default();
    let script = match shell.as_str() {
        "bash" => BASH,
        "zsh" => ZSH,
        "fish" => FISH,
        other => return Err(Failure::Usage(format!("no completion for '{other}': bash, zsh or fish"))),
    };
    context.put(script.as_bytes())?;
    Ok(Exit::Ok)
}
