//! The reference (M30): each command is explained, its examples print what they say, and the tables are complete.
//!
//! `CMS_UPDATE_DOCS=1` writes what the examples print into the texts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cms::environment::VARIABLES;
use regex_lite::Regex;

use crate::support::sandbox::Sandbox;

const MANUAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/cms/manual");

/// The packages that the examples begin with.
const PACKAGES: [(&str, &str); 3] = [
    (
        "network",
        "# the house\nconfig interface 'loopback'\n\toption device 'lo'\n\toption ipaddr '127.0.0.1'\n\nconfig interface \
         'lan'\n\toption device 'br-lan'\n\toption ipaddr '192.168.1.1'\t# the printer knows this one\n\tlist dns \
         '9.9.9.9'\n\tlist dns '1.1.1.1'\n",
    ),
    (
        "firewall",
        "config defaults\n\toption input 'REJECT'\n\nconfig rule\n\toption name 'Allow-Ping'\n\toption proto \
         'icmp'\n\toption target 'ACCEPT'\n\nconfig rule\n\toption name 'Allow-SSH'\n\toption target 'ACCEPT'\n",
    ),
    ("system", "config system\n\toption hostname 'gateway'\n"),
];

/// A text with its examples.
struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    fn all() -> Vec<Self> {
        let folders = ["commands", "topics"].map(|folder| Path::new(MANUAL).join(folder));
        let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("a folder"));
        let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
        paths.sort();
        let page = |path: PathBuf| Self { text: std::fs::read_to_string(&path).expect("text"), path };
        paths.into_iter().map(page).collect()
    }

    fn name(&self) -> String {
        self.path.file_stem().expect("a name").to_string_lossy().into_owned()
    }

    /// The lines of the examples, and where they begin and end.
    fn examples(&self) -> (usize, usize, Vec<&str>) {
        let title = "\nExamples:\n";
        let begin = self.text.find(title).expect("examples") + title.len();
        let end = self.text[begin..].find("\n\nExit codes:\n").map_or(self.text.len() - 1, |end| begin + end);
        let lines = self.text[begin..end].lines();
        (begin, end, lines.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect())
    }

    fn commands(&self) -> Vec<String> {
        let (_, _, lines) = self.examples();
        lines.iter().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect()
    }
}

/// Runs command lines in one shell, and returns what each prints, on both outputs.
fn session(commands: &[String]) -> Vec<String> {
    let sandbox = Sandbox::new();
    for (name, text) in PACKAGES {
        sandbox.write(name, text);
    }
    let (bin, here) = (sandbox.path("bin"), sandbox.path("here"));
    std::fs::create_dir(&bin).expect("made");
    std::fs::create_dir(&here).expect("made");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cms"), bin.join("cms")).expect("linked");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    // The line of a command ends with its number, so that what it prints is found even if the last line has no end.
    let script: String = commands.iter().map(|command| format!("{command}\necho '<end>'\n")).collect();
    let store = sandbox.command();
    // A file and not a pipe: a program that an example leaves running would hold the pipe open.
    let said = sandbox.path("said");
    let file = std::fs::File::create(&said).expect("made");
    let status = Command::new("timeout")
        .args(["-k", "1", "60", "sh", "-c", &format!("exec 2>&1\n{script}")])
        .current_dir(&here)
        .envs(store.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("PATH", path)
        .env("TZ", "UTC0")
        .stdin(Stdio::null())
        .stdout(file)
        .status()
        .expect("a shell");
    assert_ne!(status.code(), Some(124), "an example does not end: {commands:?}");
    let said = std::fs::read_to_string(said).expect("UTF-8");
    let root = sandbox.root().display().to_string();
    let dirs =
        [("config", "/etc/config"), ("save", "/tmp/.uci"), ("run", "/run/cms"), ("state", "/var/lib/cms")];
    let said = dirs.iter().fold(said, |said, (dir, shown)| said.replace(&format!("{root}/{dir}"), shown));
    let escaped = root.replace('/', "%2F");
    let said = said.replace(&format!("{escaped}%2Fconfig"), "%2Fetc%2Fconfig").replace(&root, "/home/me");
    said.split("<end>\n").map(str::to_owned).collect()
}

/// Text without what differs from run to run: times, processes, users, sums, sizes.
fn normal(text: &str) -> String {
    let user = rustix::process::getuid().as_raw();
    let text = text.replace(&format!("user {user}"), "user 0");
    [
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?Z?", "TIME"),
        (r"process \d+", "process N"),
        (r"/tmp/cms-edit-\d+-\d+-\d+", "COPY"),
        (r"[0-9a-f]{16,}", "SUM"),
        (r"cfg[0-9a-f]{6}", "cfgNAME"),
        (r"in [0-9]+ (min|s)( [0-9]+ s)?", "in SPAN"),
        (r"\d+(\.\d+)? (bytes|kB|MB)", "SIZE"),
        (r"  +", "  "),
    ]
    .iter()
    .fold(text, |text, (pattern, to)| {
        Regex::new(pattern).expect("a pattern").replace_all(&text, *to).into_owned()
    })
}

/// Runs the examples of a page.
fn run(page: Page) -> (Page, Vec<String>, Vec<String>) {
    let commands = page.commands();
    assert!(commands.len() >= 2, "{}: two examples at least", page.name());
    let said = session(&commands);
    (page, commands, said)
}

#[test]
fn m30_the_examples_of_each_page_print_what_they_say() {
    let update = std::env::var_os("CMS_UPDATE_DOCS").is_some();
    let mut wrong = String::new();
    std::thread::scope(|scope| {
        let pages = Page::all();
        let running: Vec<_> = pages.into_iter().map(|page| scope.spawn(|| run(page))).collect();
        for page in running {
            let (page, commands, said) = page.join().expect("runs");
            let mut lines = Vec::new();
            for (command, said) in commands.iter().zip(&said) {
                lines.push(format!("$ {command}"));
                lines.extend(said.lines().map(|line| line.trim_end().to_owned()));
            }
            let (begin, end, shown) = page.examples();
            if normal(&shown.join("\n")) == normal(&lines.join("\n")) {
                continue;
            }
            wrong += &format!("\n{}:\n{}\nbut it is\n{}\n", page.name(), shown.join("\n"), lines.join("\n"));
            if update {
                let lines: Vec<String> =
                    lines.iter().map(|line| format!("    {line}").trim_end().to_owned()).collect();
                let text = format!("{}{}{}", &page.text[..begin], lines.join("\n"), &page.text[end..]);
                std::fs::write(&page.path, text).expect("written");
            }
        }
    });
    assert!(wrong.is_empty() || update, "CMS_UPDATE_DOCS=1 mends the texts:{wrong}");
}

/// The names of all commands.
fn commands(sandbox: &Sandbox) -> Vec<String> {
    let help = sandbox.ok(&["help"]);
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

#[test]
fn m30_each_command_is_explained_with_examples_and_exit_codes() {
    let sandbox = Sandbox::new();
    let commands = commands(&sandbox);
    assert!(commands.len() > 40);
    for command in &commands {
        let help = sandbox.ok(&["help", command]);
        for title in ["\nExamples:\n", "\nExit codes:\n"] {
            assert!(
                help.contains(title),
                "src/bin/cms/manual/commands/{command}.txt: no {title:?}, or not in mod.rs"
            );
        }
        let examples = help.lines().filter(|line| line.starts_with("  $ ")).count();
        assert!(examples >= 2, "{command}: {examples} examples");
        assert!(
            help.lines().any(|line| line.starts_with("  $ ") && line.contains(&format!("cms {command}")))
                || help.contains(&format!("cms --dry-run {command}")),
            "{command}: an example of itself"
        );
        let page = sandbox.ok(&["man", command]);
        for title in [".SH DESCRIPTION", ".SH EXAMPLES", ".SH EXIT STATUS"] {
            assert!(page.contains(title), "{command}: the page has no {title}");
        }
    }
    let files = Page::all()
        .into_iter()
        .filter(|page| page.path.parent().is_some_and(|dir| dir.ends_with("commands")));
    let named: BTreeSet<String> = files.map(|page| page.name()).collect();
    assert_eq!(named, commands.into_iter().collect(), "a text for each command, and no other");
}

#[test]
fn m30_help_has_the_topics_and_names_them() {
    let sandbox = Sandbox::new();
    let help = sandbox.ok(&["help"]);
    for topic in [
        "keys",
        "revisions",
        "times",
        "patterns",
        "environment",
        "scripting",
        "multi-user",
        "json",
        "exit-codes",
    ] {
        let text = sandbox.ok(&["help", topic]);
        assert!(text.contains("\nExamples:\n  $ "), "{topic}: {text}");
        assert!(help.lines().last().is_some_and(|line| line.contains(topic)), "{topic} is not in 'cms help'");
    }
    assert_eq!(
        sandbox.fails(2, &["help", "nope"]),
        "cms: no command or topic 'nope'\nhint: see 'cms help'\n"
    );
}

#[test]
fn m30_a_line_of_the_reference_fits_a_screen() {
    for page in Page::all() {
        let explanation = page.text.split("\nExamples:\n").next().expect("text");
        for line in explanation.lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", page.name());
        }
    }
}

/// The variables that the source names, outside of the table and of tests.
fn variables_of_source() -> BTreeSet<String> {
    let known: Vec<&str> = VARIABLES.iter().map(|variable| variable.name).collect();
    let literals = Regex::new(r#""([A-Z][A-Z_]+)""#).expect("a pattern");
    let calls = Regex::new(r#"(?:variable|var_os|var)\("([A-Z][A-Z_]+)"\)"#).expect("a pattern");
    let is_variable = |name: &str| {
        known.contains(&name)
            || ["CMS_", "CONFIGSTORE_", "XDG_", "LC_"].iter().any(|begin| name.starts_with(begin))
    };
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs")
                && !path.ends_with("tests.rs")
                && !path.ends_with("os/environment.rs")
            {
                let text = std::fs::read_to_string(&path).expect("text");
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                let names = literals.captures_iter(code).filter_map(|found| found.get(1));
                found.extend(names.map(|name| name.as_str().to_owned()).filter(|name| is_variable(name)));
                let names = calls.captures_iter(code).filter_map(|found| found.get(1));
                found.extend(names.map(|name| name.as_str().to_owned()));
            }
        }
    }
    found
}

/// Variables that cms sets for the commands it starts; `cms help COMMAND` describes them.
const GIVEN: [&str; 16] = [
    "CMS_AUTHOR",
    "CMS_CHANGE",
    "CMS_KEY",
    "CMS_KEYS",
    "CMS_KIND",
    "CMS_LEFT_OUT",
    "CMS_MESSAGE",
    "CMS_NEW",
    "CMS_OLD",
    "CMS_PACKAGES",
    "CMS_REVISION",
    "CMS_SECONDS_LEFT",
    "CMS_SOURCE",
    "CMS_TRANSACTION",
    "CMS_USER",
    "CMS_VERIFYING",
];

#[test]
fn m30_doc_06_the_table_of_variables_is_what_the_code_reads_and_what_help_and_man_show() {
    let listed: BTreeSet<String> = VARIABLES.iter().map(|variable| variable.name.to_owned()).collect();
    let read: BTreeSet<String> = variables_of_source()
        .into_iter()
        .filter(|name| !GIVEN.contains(&name.as_str()) || listed.contains(name))
        .collect();
    assert_eq!(read, listed);
    let sandbox = Sandbox::new();
    let (help, page) = (sandbox.ok(&["help", "environment"]), sandbox.ok(&["man"]));
    for variable in VARIABLES {
        for name in variable.names() {
            assert!(help.contains(name), "help environment: {name}");
            assert!(page.contains(name), "cms(1): {name}");
        }
        assert!(help.contains(variable.meaning), "{}", variable.name);
    }
    // The options of all commands are in the page as --help lists them.
    let plain = page.replace("\\-", "-");
    for line in sandbox.ok(&["--help"]).lines().filter(|line| line.trim_start().starts_with('-')) {
        let option = line.split_whitespace().find(|word| word.starts_with("--")).expect("an option");
        assert!(plain.contains(option), "cms(1): {option}");
    }
}

/// Runs a checker on a manual page, and returns what it finds; `None` if it is not installed.
fn findings(program: &str, arguments: &[&str], page: &Path) -> Option<Vec<String>> {
    let output = Command::new(program).args(arguments).arg(page).output().ok()?;
    // groff prints the page on its standard output, mandoc what it finds.
    let said = if program == "groff" { output.stderr } else { output.stdout };
    let said = String::from_utf8_lossy(&said).into_owned();
    // Long lines of examples are no fault.
    let is_fault = |line: &&str| !line.contains("cannot adjust") && !line.contains("can't break");
    Some(said.lines().filter(is_fault).map(str::to_owned).collect())
}

#[test]
fn m30_groff_and_mandoc_accept_every_manual_page() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("man");
    std::fs::create_dir(&dir).expect("made");
    sandbox.ok(&["man", "--all", dir.to_str().expect("UTF-8")]);
    for (program, arguments) in
        [("groff", &["-man", "-Tutf8", "-ww"][..]), ("mandoc", &["-T", "lint", "-W", "error"])]
    {
        for page in std::fs::read_dir(&dir).expect("pages") {
            let page = page.expect("a page").path();
            match findings(program, arguments, &page) {
                Some(findings) => assert!(findings.is_empty(), "{}: {findings:?}", page.display()),
                None => {
                    eprintln!("skipped: {program} is not installed");
                    break;
                }
            }
        }
    }
}
