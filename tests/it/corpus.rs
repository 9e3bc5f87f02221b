//! Real OpenWrt configuration files, where they are at hand: `CMS_SHARED`, or `../shared`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use cms::text::{Dialect, ParseOptions, parse, render};
use cms::{Delta, DeltaKind, DirOptions, Dirs, Engine, Form, Options};

/// Returns the directory of the corpus, or says that the test is skipped.
pub fn corpus() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("CMS_SHARED").map_or(default, PathBuf::from);
    let corpus = shared.join("corpus");
    if corpus.is_dir() {
        return Some(corpus);
    }
    eprintln!("skipped: no corpus of OpenWrt files in {}", corpus.display());
    None
}

pub fn files(corpus: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(corpus.join("openwrt"))
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(files.len() >= 100, "the corpus has {} files", files.len());
    files
}

#[test]
fn every_real_file_survives_parse_and_print_byte_by_byte() {
    let Some(corpus) = corpus() else { return };
    for file in files(&corpus) {
        let text = std::fs::read(&file).expect("a file");
        for dialect in [Dialect::Cms, Dialect::Uci] {
            let options = ParseOptions::new().dialect(dialect);
            let package =
                parse(b"pkg", Arc::new(text.clone()), &options).expect("a real file parses").package;
            assert!(render(&package, &options).expect("rendered") == text, "{}", file.display());
        }
    }
}

#[test]
fn show_and_export_print_what_stock_uci_prints() {
    let Some(corpus) = corpus() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    for file in files(&corpus) {
        std::fs::copy(&file, dir.path().join("pkg")).expect("copied");
        for command in ["show", "export"] {
            let output = Command::new(env!("CARGO_BIN_EXE_cms"))
                .args(["uci", "-c"])
                .arg(dir.path())
                .arg("-t")
                .arg(dir.path().join("save"))
                .args([command, "pkg"])
                .output()
                .expect("cms runs");
            let name = format!("{}.{command}", file.file_name().expect("a name").to_string_lossy());
            let want = std::fs::read(corpus.join("expected").join(&name)).expect("a recorded output");
            assert!(output.stdout == want, "{name}");
        }
    }
}

#[test]
fn one_set_and_commit_changes_or_adds_exactly_one_line() {
    let Some(corpus) = corpus() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| Some(dir.path().join(name));
    let dirs = Dirs::choose(
        DirOptions::new().config(path("")).save(path("save")).run(path("run")).state(path("state")),
    );
    let store = Engine::new(Options::new().dirs(dirs));
    for file in files(&corpus) {
        let before = std::fs::read(&file).expect("a file");
        std::fs::write(dir.path().join("pkg"), &before).expect("copied");
        let place = store.packages().find(b"pkg").expect("a package");
        let loaded = store.packages().load(b"pkg").expect("loads");
        let Some(section) = loaded.package.sections().next() else { continue };
        let existing = section.options().find(|option| matches!(option.value(), cms::Value::String(_)));
        for option in existing.map(|option| option.name()).into_iter().chain([&b"cms_was_here"[..]]) {
            std::fs::write(dir.path().join("pkg"), &before).expect("copied");
            let set = Delta::new(DeltaKind::Set, section.name(), Some(option), Some(b"quite new"));
            store.staging().stage(&place, &[set]).expect("staged");
            assert!(store.commit(&place, Form::Lossless).expect("committed").written);
            let after = std::fs::read(dir.path().join("pkg")).expect("a file");
            let gone = lines_missing(&before, &after);
            let come = lines_missing(&after, &before);
            let last_line_was_open = !before.ends_with(b"\n");
            assert!(come == 1 || (last_line_was_open && come == 2), "{}: {come} new lines", file.display());
            assert!(gone <= come, "{}: {gone} lines gone", file.display());
        }
    }
}

/// Counts the lines of `a` that are not in `b`, each as often as it stands there.
fn lines_missing(a: &[u8], b: &[u8]) -> usize {
    let mut rest: Vec<&[u8]> = b.split_inclusive(|byte| *byte == b'\n').collect();
    let missing = |line: &&[u8]| match rest.iter().position(|other| other == line) {
        Some(found) => {
            rest.swap_remove(found);
            false
        }
        None => true,
    };
    a.split_inclusive(|byte| *byte == b'\n').filter(missing).count()
}

#[test]
fn m3_tidying_a_real_file_twice_is_tidying_it_once_and_keeps_its_comments() {
    let Some(corpus) = corpus() else { return };
    for file in files(&corpus) {
        let text = std::fs::read(&file).expect("a file");
        let once = cms::text::tidy(&Arc::new(text.clone())).expect("a real file parses");
        let twice = cms::text::tidy(&Arc::new(once.clone())).expect("tidy text parses");
        assert!(once == twice, "{}", file.display());
        let comments = |text: &[u8]| -> Vec<String> {
            let text = String::from_utf8_lossy(text).into_owned();
            text.lines().map(str::trim).filter(|line| line.starts_with('#')).map(str::to_owned).collect()
        };
        assert_eq!(comments(&once), comments(&text), "{}", file.display());
    }
}
