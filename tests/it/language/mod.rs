//! The language of messages (PRN-22, PRN-23): German where the locale asks for it, and nothing that programs read in
//! another language than before.

mod sentences;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;

use crate::support::sandbox::Sandbox;
use sentences::{is_sentence, of_source, places, without_names};

const CATALOGUE: &str = include_str!("../../../src/bin/cms/language/german.txt");

/// English lines of entries that come from elsewhere: the system, lexopt, and messages that are put together.
const OTHERS: &[&str] = &["## Frames", "## The system", "## The words of lexopt"];

/// Sentences of the source that no message has, by the begin of the file's name.
const NO_MESSAGES: &[(&str, &[&str])] = &[
    // What programs read: file formats, JSON and its description, scripts and pages.
    (
        "",
        &[
            "package {name} {1}\n",
            "left-out {name}",
            "{mode} {uid} {gid} {name}",
            "{id} {1} {since} {2} ",
            "cms-commit 2 {new} {old} {text} {taken} {consumed} {name}\n",
            " is staged by ",
            " cannot be undone: ",
            " cannot be made again: ",
            " (to be confirmed)",
            " (against its schema)",
            "\nOn standard error:\n",
            "\nExit codes:\n",
            "{title}Types and names:\n",
            // Lines of changes, which messages contain.
            "    {1}: only comments or layout",
            "    {1}: the package was deleted",
            "       cms uci ...   (stock uci)\n\n{1}",
            "({1}) at line {2}, byte {3}",
            "{HEAD}label {label}\ntime {time}\nrevision {revision}\nsource {source}\nsha256 {sum}\n",
            "{TITLE}\nspace {1}\nstarted {2}\npid {3}\nprogram {4}\npattern {pattern}\n",
        ],
    ),
    ("bin/cms/shape.rs", &[]),
    ("bin/cms/messages.rs", &[]),
    ("bin/cms/command/man.rs", &[]),
    ("bin/cms/command/completion.rs", &[]),
    ("bin/cms/schema/export.rs", &[]),
    ("os/environment.rs", &[]),
    // The script that starts the pager.
    ("bin/cms/pager.rs", &[]),
    // Reports on standard output.
    ("bin/cms/command/paths.rs", &[]),
    ("bin/cms/command/status.rs", &[]),
    ("bin/cms/difference.rs", &[]),
    ("bin/cms/command/apply.rs", &["would change {1} ({count})", "would create {1} ({count})"]),
    ("bin/cms/command/ensure.rs", &["would change"]),
    // For programmers.
    ("model/package/names_miri.rs", &[]),
    ("map/layout/simd.rs", &[]),
    ("map/sync.rs", &[]),
];

/// The entries, each with the title above it.
fn entries() -> Vec<(&'static str, &'static str, &'static str)> {
    let (mut entries, mut title, mut english) = (Vec::new(), "", "");
    for line in CATALOGUE.lines() {
        match line.strip_prefix("    ") {
            Some(german) => entries.push((title, english, german)),
            None if line.starts_with("## ") => title = line,
            None => english = line,
        }
    }
    entries
}

fn unescaped(line: &str) -> String {
    line.replace("\\n", "\n").replace("\\_", " ")
}

fn is_no_message(sentence: &str, file: &str) -> bool {
    NO_MESSAGES.iter().any(|(begin, sentences)| {
        file.starts_with(begin) && (sentences.contains(&sentence) || sentences.is_empty())
    }) || ["With --json", "With --exec", "The standard input of"]
        .iter()
        .any(|begin| sentence.starts_with(begin))
}

#[test]
fn prn_23_each_message_of_the_source_has_german_with_the_same_places() {
    let german: BTreeSet<String> =
        entries().iter().map(|(_, english, _)| without_names(&unescaped(english))).collect();
    let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (sentence, file) in of_source() {
        // "warning: " has an entry of its own.
        let rest = sentence.strip_prefix("warning: ").unwrap_or(&sentence);
        if is_sentence(rest) && !is_no_message(&sentence, &file) && !german.contains(&without_names(rest)) {
            missing.entry(file).or_default().push(sentence.replace('\n', "\\n"));
        }
    }
    assert!(missing.is_empty(), "src/bin/cms/language/german.txt has no entry for: {missing:#?}");
}

#[test]
fn prn_23_each_entry_is_used_once_and_has_german_with_the_same_places() {
    let source: BTreeSet<String> = of_source()
        .into_keys()
        .map(|sentence| without_names(sentence.strip_prefix("warning: ").unwrap_or(&sentence)))
        .collect();
    let (mut seen, mut unused) = (BTreeSet::new(), Vec::new());
    for (title, english, german) in entries() {
        assert!(seen.insert(english), "two entries: {english}");
        let is_others = OTHERS.contains(&title);
        if !is_others && !source.contains(&without_names(&unescaped(english))) {
            unused.push(english);
        }
        // A place may be left out or come twice, but none comes from nowhere.
        let names = |line: &str| -> BTreeSet<String> {
            let line = places(&line.replace("!}", "}"));
            line.split('{')
                .skip(1)
                .filter_map(|rest| rest.split_once('}'))
                .map(|(name, _)| name.into())
                .collect()
        };
        assert!(names(german).is_subset(&names(english)), "other places: {english} / {german}");
        let begins = |line: &str| (line.starts_with("\\_"), line.ends_with("\\_"));
        assert_eq!(begins(english), begins(german), "blanks: {english}");
        assert!(english != german || english.len() < 20, "not translated: {english}");
    }
    assert!(unused.is_empty(), "no longer in the source: {unused:#?}");
}

/// Runs a command line in a locale.
fn run(sandbox: &Sandbox, locale: &[(&str, &str)], words: &[&str]) -> Output {
    let mut command = sandbox.command();
    for name in ["LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE"] {
        command.env_remove(name);
    }
    command.envs(locale.iter().copied()).args(words).output().expect("cms runs")
}

const GERMAN: &[(&str, &str)] = &[("LC_ALL", "de_DE.UTF-8")];

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[test]
fn prn_23_messages_are_german_and_values_stay() {
    let sandbox = Sandbox::new();
    for (words, german) in [
        (&["get", "network.lan.nope"][..], "cms: network.lan.nope: nicht gefunden\n"),
        (&["comit"], "cms: kein Befehl »comit«\nHinweis: war »commit« gemeint?\n"),
        (
            &["get", "--at", "nope", "network.lan"],
            "cms: Revision nope: es ist weder eine Revision noch der Name eines Schnappschusses\nHinweis: eine Revision \
             ist eine Nummer, -N, @{10 min ago}, @{2026-11-21 08:02} oder der Name eines Schnappschusses; siehe »cms \
             history« und »cms snapshots«\n",
        ),
        (&["confirm"], "cms: kein Commit wartet auf Bestätigung\n"),
        (&["set", "network.lan=a b"], ""),
        (
            &["set", "network.lan.na-me=1"],
            "cms: »na-me«: der Name einer Option hat nur Buchstaben, Ziffern und »_«\n",
        ),
    ] {
        let output = run(&sandbox, GERMAN, words);
        if !german.is_empty() {
            assert_eq!(said(&output), german, "{words:?}");
        }
    }
    // A redo whose key was changed since: one sentence of three parts.
    for value in ["10.0.0.2", "10.0.0.3"] {
        sandbox.ok(&["set", "--commit", &format!("network.lan.ipaddr={value}")]);
        if value.ends_with('2') {
            sandbox.ok(&["undo", "-q"]);
        }
    }
    let output = said(&run(&sandbox, GERMAN, &["redo"]));
    assert!(
        output.starts_with(
            "cms: network.lan.ipaddr: Transaktion 3 lässt sich nicht wiederholen: inzwischen geändert, durch Transaktion 5 von "
        ),
        "{output}"
    );
    let output = said(&run(&sandbox, GERMAN, &["redo", "5"]));
    assert!(output.starts_with("cms: Transaktion 5: sie ist nicht rückgängig gemacht"), "{output}");
    // What looks like a message inside a value is a value.
    sandbox.write("odd", "config x 'y'\n\toption z 'a: not found'\n");
    let output = run(&sandbox, GERMAN, &["del", "odd.y.z=not found"]);
    assert_eq!(
        said(&output),
        "cms: odd.y.z: der Wert ist »a: not found«, nicht »not found«; nichts wird gelöscht\n"
    );
    let broken = "config x\n\toption 'y\n";
    sandbox.write("broken", broken);
    let said = said(&run(&sandbox, GERMAN, &["get", "broken.y.z"]));
    assert!(said.contains("das Zeichen ' ist nicht geschlossen\n"), "{said}");
    assert!(said.contains("\nHinweis: das schließende ' ergänzen"), "{said}");
}

#[test]
fn prn_23_the_locale_is_chosen_as_posix_orders_its_variables() {
    let sandbox = Sandbox::new();
    let is_german = |locale: &[(&str, &str)]| {
        let said = said(&run(&sandbox, locale, &["get", "network.lan.nope"]));
        assert!(said.ends_with(": nicht gefunden\n") || said.ends_with(": not found\n"), "{said}");
        said.ends_with(": nicht gefunden\n")
    };
    let de = "de_DE.UTF-8";
    assert!(is_german(&[("LANG", de)]));
    assert!(is_german(&[("LANG", "en_GB.UTF-8"), ("LC_MESSAGES", de)]));
    assert!(is_german(&[("LANG", "en_GB.UTF-8"), ("LC_MESSAGES", "C"), ("LC_ALL", "de_AT.utf8")]));
    assert!(is_german(&[("LC_ALL", ""), ("LANG", de)]), "an empty variable is not set");
    for english in [
        &[][..],
        &[("LC_ALL", "C"), ("LANG", de)],
        &[("LC_MESSAGES", "C.UTF-8"), ("LANG", de)],
        &[("LANG", "de_DE.ISO-8859-1")],
        &[("LANG", "nl_NL.UTF-8")],
    ] {
        assert!(!is_german(english), "{english:?}");
    }
}

#[test]
fn prn_23_what_programs_read_is_the_same_in_every_language() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.0.0.2"]);
    for words in [
        &["--json", "get", "network.lan.nope"][..],
        &["--json", "comit"],
        &["--json", "pending"],
        &["--json-lines", "history"],
        &["--json", "status"],
        &["uci", "get", "network.lan.nope"],
        &["uci", "frobnicate"],
        &["uci", "show", "network"],
        &["status"],
        &["paths"],
        &["history"],
        &["show", "network"],
        &["blame", "network"],
        &["man", "get"],
        &["completion", "bash"],
        &["snapshots"],
    ] {
        let (english, german) = (run(&sandbox, &[("LC_ALL", "C")], words), run(&sandbox, GERMAN, words));
        assert_eq!(english.status.code(), german.status.code(), "{words:?}");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(&english.stdout), text(&german.stdout), "{words:?}");
        if words[0] == "uci" || words[0].starts_with("--json") {
            assert_eq!(said(&english), said(&german), "{words:?}");
        }
    }
}

#[test]
fn prn_23_help_lists_the_commands_in_german() {
    let sandbox = Sandbox::new();
    let help = String::from_utf8(run(&sandbox, GERMAN, &["help"]).stdout).expect("UTF-8");
    for line in ["Aufruf: cms [OPTIONS] COMMAND", "  get         Werte ausgeben\n", "  5  Konflikt mit"] {
        assert!(help.contains(line), "{help}");
    }
}
