//! See `faults_list`: the library's promises to programs in any language.

use cms::Store;
use cms::log::Content;
use proptest::prelude::*;

use crate::support::fixture::Fixture;
use crate::support::sandbox::Sandbox;

/// A value that a file may have: any bytes but NUL, also bytes that no program may set.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => prop::sample::select(&b"abc 0"[..]),
        2 => prop::sample::select(&b"'\"\\\n\t\r#;"[..]),
        1 => prop::sample::select(&b"\x01\x7f\x80\xc3\xff"[..]),
    ];
    prop::collection::vec(byte, 0..6)
}

/// A string, or a list.
fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        value().prop_map(Content::String),
        prop::collection::vec(value(), 1..5).prop_map(Content::List),
    ]
}

fn quoted(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    for byte in value {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            _ => out.push(*byte),
        }
    }
    out.push(b'\'');
}

/// Writes a package of one section with these options.
fn text(options: &[Content]) -> Vec<u8> {
    let mut text = b"# by hand\nconfig a 'b'\n".to_vec();
    for (number, option) in options.iter().enumerate() {
        let word = if matches!(option, Content::List(_)) { "list" } else { "option" };
        for item in option.items() {
            text.extend_from_slice(format!("\t{word} o{number} ").as_bytes());
            quoted(item, &mut text);
            text.extend_from_slice(b"\t# kept\n");
        }
    }
    text
}

fn open(text: &[u8]) -> (Fixture, Store) {
    let fixture = Fixture::new(&[]);
    std::fs::write(fixture.path("config/p"), text).expect("written");
    let live = fixture.live();
    (fixture, live)
}

fn set(transaction: &mut cms::Transaction, key: &[u8], value: &Content) -> cms::Result<()> {
    match value {
        Content::String(string) => transaction.set(key, string),
        Content::List(items) => {
            transaction.set_list(key, &items.iter().map(Vec::as_slice).collect::<Vec<_>>())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn m14_to_write_back_what_was_read_changes_nothing(options in prop::collection::vec(content(), 0..6)) {
        let before = text(&options);
        let (fixture, live) = open(&before);
        let mut transaction = live.begin().expect("begun");
        for (number, option) in options.iter().enumerate() {
            let key = format!("p.b.o{number}");
            // An option without text does not exist.
            if let Some(value) = transaction.get(key.as_bytes()).expect("readable") {
                prop_assert_eq!(&value, option);
                set(&mut transaction, key.as_bytes(), &value).expect("what was read can be set");
            }
        }
        prop_assert_eq!(transaction.count(), 0);
        transaction.commit().expect("committed");
        prop_assert_eq!(std::fs::read(fixture.path("config/p")).expect("there"), before);
    }

    #[test]
    fn s21_what_was_set_is_read_back_and_nothing_else_changes(
        options in prop::collection::vec(content(), 2..5),
        index in 0_usize..5,
        new in content(),
    ) {
        prop_assume!(new.items().iter().flatten().all(|byte| *byte >= 32 || b"\t\n\r".contains(byte)));
        prop_assume!(options.iter().chain([&new]).all(|value| *value != Content::String(Vec::new())));
        let index = index % options.len();
        let (_fixture, live) = open(&text(&options));
        let mut transaction = live.begin().expect("begun");
        set(&mut transaction, format!("p.b.o{index}").as_bytes(), &new).expect("set");
        let read = transaction.get(format!("p.b.o{index}").as_bytes()).expect("readable");
        prop_assert_eq!(read.as_ref(), Some(&new));
        transaction.commit().expect("committed");
        let snapshot = live.snapshot().expect("a snapshot");
        let package = snapshot.package(b"p").expect("there");
        let found: Vec<(Vec<u8>, Vec<Vec<u8>>)> = package
            .section(b"b")
            .expect("there")
            .options()
            .map(|(name, value)| (name.to_vec(), value.items().map(<[u8]>::to_vec).collect()))
            .collect();
        let mut expected = options;
        expected[index] = new;
        let expected: Vec<(Vec<u8>, Vec<Vec<u8>>)> = expected
            .iter()
            .enumerate()
            .map(|(number, value)| (format!("o{number}").into_bytes(), value.items().to_vec()))
            .collect();
        // The option keeps its position.
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn s21_a_list_is_set_whole_or_not_at_all() {
    let (_fixture, live) = open(b"config a 'b'\n\tlist l 'x'\n\tlist l 'y'\n\toption s 'z'\n");
    let mut transaction = live.begin().expect("begun");
    assert!(transaction.set_list(b"p.b.l", &[b"1", b"\x01"]).is_err());
    assert!(transaction.set_list(b"p.b", &[b"1"]).is_err());
    assert!(transaction.set_list(b"p.none.l", &[b"1"]).is_err());
    assert_eq!(transaction.count(), 0);
    let read = transaction.get(b"p.b.l").expect("readable");
    assert_eq!(read, Some(Content::List(vec![b"x".to_vec(), b"y".to_vec()])));
    transaction.set_list(b"p.b.s", &[b"z"]).expect("a string becomes a list of one");
    assert_eq!(transaction.get(b"p.b.s").expect("readable"), Some(Content::List(vec![b"z".to_vec()])));
    transaction.set_list(b"p.b.l", &[]).expect("deleted");
    assert_eq!(transaction.get(b"p.b.l").expect("readable"), None);
    // Another transaction has appended to the list that this one sets: that change must not be lost.
    let mut other = live.begin().expect("begun");
    other.add_list(b"p.b.l", b"w").expect("appended");
    other.commit().expect("committed");
    assert!(matches!(transaction.commit(), Err(cms::Error::Conflict { .. })));
}

#[test]
fn a13_too_little_memory_is_an_error_and_not_the_end() {
    let sandbox = Sandbox::new();
    let mut text = String::new();
    for number in 0..15_000 {
        text.push_str(&format!("config t 's{number}'\n\toption a '{number}'\n\tlist l 'x'\n"));
    }
    std::fs::write(sandbox.path("config/big"), text).expect("written");
    let (mut refused, mut done) = (0, 0);
    for megabytes in (16..512).step_by(6) {
        let cms = sandbox.command();
        let mut command = std::process::Command::new("sh");
        let script = format!("ulimit -v {} && exec \"$0\" get big.s7.a", megabytes << 10);
        command.args(["-c", &script]).arg(cms.get_program());
        command.envs(cms.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = command.output().expect("run");
        let error = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => done += 1,
            Some(6) if error.contains("memory") => refused += 1,
            // With this limit the system cannot even load the program: its loader says so, or the kernel kills it.
            Some(127) | None if refused == 0 && done == 0 => {}
            code => panic!("{megabytes} MiB: {code:?}: {error}"),
        }
        if done == 3 {
            break;
        }
    }
    assert!(refused > 0 && done > 0, "{refused} refused, {done} done");
}

#[test]
fn m13_hints_of_the_library_name_no_commands() {
    let fixture = Fixture::new(&[("p", "config a 'b'\n")]);
    let live = fixture.live();
    let store = live.engine();
    let mut transaction = live.begin().expect("begun");
    transaction.set(b"p.b.o", b"1").expect("set");
    transaction.commit().expect("committed");
    let mut elsewhere = fixture.dirs();
    elsewhere.config.path = fixture.path("nowhere");
    let errors = [
        Store::open(fixture.options().dirs(elsewhere)).map(drop),
        store.history().find_revision("nope").map(drop),
        store.history().find_revision("99").map(drop),
        store.history().undo(99, None).map(drop),
        store.history().rollback(99, &[], None).map(drop),
        store.archives().labelled("nope").map(drop),
        store.confirmations().confirm(Some(7), None).map(drop),
    ];
    let mut hints = 0;
    for error in errors {
        let error = error.expect_err("nothing of the kind is there");
        let hint = error.hint().unwrap_or_default();
        assert!(!hint.contains("cms") && !hint.contains("CMS_"), "{error}: {hint}");
        hints += usize::from(!hint.is_empty());
    }
    assert!(hints > 4, "{hints}");
}

/// The requirements of the recipes: a router's packages, more than 42 transactions, and stand-ins for programs of the
/// system.
const BEFORE: &str = r#"
printf "config interface 'lan'\n\toption proto 'static'\n\toption ipaddr '192.168.1.1'\t# the printer knows this one\n\tlist dns '1.1.1.1'\n" > "$CMS_CONFIG_DIR/network"
printf "config system\n\toption hostname 'one'\n" > "$CMS_CONFIG_DIR/system"
printf "config rule\n\toption name 'Allow-Ping'\n\toption target 'ACCEPT'\n" > "$CMS_CONFIG_DIR/firewall"
printf "config wifi 'home'\n\toption key 'secret'\n" > "$CMS_CONFIG_DIR/wireless"
for program in service systemctl logger; do printf '#!/bin/sh\nexit 0\n' > "$HERE/bin/$program"; done
printf '#!/bin/sh\n[ "$1" != verify ] || exec "$CMS_REAL" "$@"\n"$CMS_REAL" "$@"\ncode=$?\n[ $code = 0 ] || echo "$code cms $*" >> "$HERE/failed"\nexit $code\n' > "$HERE/bin/cms"
printf '#!/bin/sh\nshift\nexec "$@"\n' > "$HERE/bin/ssh"
printf '#!/bin/sh\n! grep -q metric "$CMS_CONFIG_DIR/network"\n' > "$HERE/bin/ping"
printf '#!/bin/sh\necho secret\n' > "$HERE/bin/pass"
printf '#!/bin/sh\nexec sleep 60\n' > "$HERE/bin/mydaemon"
printf "package network\n\nconfig interface 'lan'\n\toption proto 'dhcp'\n" > wanted.conf
printf 'secret' > key
export EDITOR=true
printf 'set network.lan.mtu=1400\ncommit\n' > script
chmod +x "$HERE"/bin/*
: > "$HERE/failed"
key=secret
number=0
while [ $number -lt 45 ]; do
    "$CMS_REAL" set --commit -q network.lan.metric=$number || exit 1
    number=$((number + 1))
done
"#;

/// Returns the lines of a document's indented blocks, with a pause after each command that runs in the background.
fn script_of(document: &str) -> String {
    let mut script = String::new();
    for line in document.lines().filter_map(|line| line.strip_prefix("    ")) {
        let line = line.strip_prefix("$ ").unwrap_or(line);
        script.push_str(line);
        script.push_str(if line.ends_with('&') {
            "\nbackground=\"$background $!\"\nsleep 1\n"
        } else {
            "\n"
        });
    }
    script
}

/// Runs a script in an environment with the requirements of a recipe; returns the commands that failed, with their
/// exit codes, and the messages of the shell.
fn failures_of(script: &str) -> (Vec<String>, String) {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("bin")).expect("made");
    let cms = sandbox.command();
    let path = format!("{}:{}", sandbox.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    let script = format!("{BEFORE}\n{script}\n[ -z \"$background\" ] || kill $background\n");
    let mut shell = std::process::Command::new("timeout");
    shell.envs(cms.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("PATH", path).env("CMS_REAL", cms.get_program()).env("HERE", sandbox.path(""));
    // No pipe is used, since processes that are left running would keep it open.
    let said = std::fs::File::create(sandbox.path("said")).expect("made");
    shell.stdout(said.try_clone().expect("one more")).stderr(said).stdin(std::process::Stdio::null());
    let ended = shell.current_dir(sandbox.path("")).args(["-k", "5", "120", "sh", "-c", &script]).status();
    assert_ne!(ended.expect("run").code(), Some(124), "it hangs");
    let said = std::fs::read_to_string(sandbox.path("said")).expect("written");
    let failed = std::fs::read_to_string(sandbox.path("failed")).expect("written");
    (failed.lines().map(str::to_owned).collect(), said)
}

#[test]
fn a16_every_command_of_the_recipes_does_what_it_says() {
    let recipes = include_str!("../../../docs/recipes.md").replace("/mnt/usb", "$HERE");
    // These need programs and directories of a real system.
    let ours = |line: &&str| !line.contains("/etc/init.d");
    let recipes: Vec<&str> = recipes.lines().filter(ours).collect();
    let (failed, said) = failures_of(&script_of(&recipes.join("\n")));
    let expected = [
        // These report a difference or a missing state: no log is two hours old here, and there is no @4711.
        "1 cms diff network",
        "1 cms apply --check wanted.conf",
        "1 cms get --at @{2 hours ago} network.lan.ipaddr",
        "1 cms diff -3 now",
        "1 cms diff @4711 now",
        "1 cms rollback @4711 network",
        "9 cms set --commit network.lan.mtu=65535",
    ];
    assert_eq!(failed, expected, "{said}");
}

#[test]
fn a16_what_the_readme_shows_is_what_happens() {
    // The second has an empty line in what it shows.
    for (first, until, expected) in
        [("$ cms get", "\n\n", &["1 cms diff"][..]), ("$ cms set app", "\n\nA schema", &[])]
    {
        readme_block(first, until, expected);
    }
}

/// Runs the commands of the block of the README that begins with `first`, and looks for all that it shows.
fn readme_block(first: &str, until: &str, expected: &[&str]) {
    let readme = include_str!("../../../README.md").replace("/etc/config/", "config/");
    let start = readme.find(&format!("    {first}")).expect("there");
    let end = readme[start..].find(until).expect("an end");
    let block: Vec<&str> = readme[start..start + end].lines().collect();
    let commands: Vec<&str> = block.iter().copied().filter(|line| line.starts_with("    $ ")).collect();
    let (failed, said) = failures_of(&script_of(&commands.join("\n")));
    assert_eq!(failed, expected, "{said}");
    for shown in block.iter().filter(|line| !line.starts_with("    $ ")) {
        // All but the number and the time of a transaction.
        let shown = shown.strip_prefix("    ").unwrap_or(shown);
        let shown = shown.split_once("Z root").map_or(shown, |(_, rest)| rest);
        assert!(said.contains(shown), "{shown:?} is not in\n{said}");
    }
}

#[test]
fn a16_documents_name_no_exit_code_that_there_is_not() {
    let commands = include_str!("../../../docs/commands.md");
    let exits = include_str!("../../../src/bin/cms/failure.rs");
    for code in 0..20 {
        let is_listed = commands.lines().any(|line| line.starts_with(&format!("  {code}  ")));
        assert_eq!(is_listed, exits.contains(&format!(" = {code},")), "exit code {code}");
    }
}

#[test]
fn a16_links_between_documents_lead_somewhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents =
        std::fs::read_dir(root.join("docs")).expect("documents").map(|entry| entry.expect("one").path());
    let others =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "python/README.md"].map(|name| root.join(name));
    let mut links = 0;
    for path in documents.chain(others).filter(|path| path.extension().is_some_and(|end| end == "md")) {
        let text = std::fs::read_to_string(&path).expect("text");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let link = link.split('#').next().unwrap_or_default();
            if link.is_empty() || link.contains("://") || link.contains(char::is_whitespace) {
                continue;
            }
            let target = path.parent().expect("a directory").join(link);
            assert!(target.exists(), "{}: there is no {link}", path.display());
            links += 1;
        }
    }
    assert!(links > 10, "{links}");
}
