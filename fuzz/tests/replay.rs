//! Replays the corpus and the inputs that once failed, without libFuzzer.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// Lists the files of a directory, which need not exist, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a directory entry").path()).collect();
    files.sort();
    files
}

fn replay(name: &str, minimum: usize) {
    let (_, target) = cms_fuzz::TARGETS.into_iter().find(|target| target.0 == name).expect("a target");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = files(&root.join("corpus").join(name));
    assert!(corpus.len() >= minimum, "the corpus of {name} is missing");
    let failed: Vec<PathBuf> = corpus
        .into_iter()
        .chain(files(&root.join("regressions").join(name)))
        .filter(|file| {
            let data = fs::read(file).expect("a file that can be read");
            catch_unwind(|| target(&data)).is_err()
        })
        .collect();
    assert!(failed.is_empty(), "{name}: {failed:#?}");
}

#[test]
fn parse() {
    replay("parse", 20);
}

#[test]
fn edit() {
    replay("edit", 20);
}

#[test]
fn delta() {
    replay("delta", 10);
}

#[test]
fn key() {
    replay("key", 10);
}

#[test]
fn map() {
    replay("map", 30);
}

#[test]
fn datatype() {
    replay("datatype", 40);
}
