//! A store in a temporary directory, for tests of the library.

use std::path::{Path, PathBuf};

use cms::map::MapValue;
use cms::{DirOptions, Dirs, Options, Store};

use super::oracle::scratch;

/// The directories of a store; they are removed with it.
pub struct Fixture {
    pub dir: tempfile::TempDir,
}

impl Fixture {
    /// Makes a configuration directory with these packages, each a name and a text.
    pub fn new(packages: &[(&str, &str)]) -> Self {
        Self::made_in(tempfile::tempdir().expect("a directory"), packages)
    }

    /// As [`Fixture::new`], but in memory if possible: for tests with so many commits that they would mostly wait for
    /// the disk.
    pub fn in_memory(packages: &[(&str, &str)]) -> Self {
        Self::made_in(scratch(), packages)
    }

    fn made_in(dir: tempfile::TempDir, packages: &[(&str, &str)]) -> Self {
        let fixture = Self { dir };
        std::fs::create_dir(fixture.path("config")).expect("made");
        for (name, text) in packages {
            fixture.write(name, text);
        }
        fixture
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, package: &str, text: &str) {
        std::fs::write(self.path("config").join(package), text).expect("written");
    }

    pub fn text(&self, package: &str) -> String {
        std::fs::read_to_string(self.path("config").join(package)).expect("readable")
    }

    pub fn dirs(&self) -> Dirs {
        dirs(self.dir.path())
    }

    pub fn options(&self) -> Options {
        Options::new().dirs(self.dirs())
    }

    pub fn live(&self) -> Store {
        Store::open(self.options()).expect("opens")
    }

    /// Lists the map files in the run directory.
    pub fn maps(&self) -> Vec<PathBuf> {
        let stores = std::fs::read_dir(self.path("run").join("maps")).into_iter().flatten().flatten();
        let files = stores.flat_map(|store| std::fs::read_dir(store.path()).expect("readable")).flatten();
        files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "map")).collect()
    }
}

/// Returns the directories of a store in `root`.
pub fn dirs(root: &Path) -> Dirs {
    let path = |name: &str| Some(root.join(name));
    let wanted =
        DirOptions::new().config(path("config")).save(path("save")).run(path("run")).state(path("state"));
    Dirs::choose(wanted)
}

/// Reads a key; lists are joined with spaces.
pub fn get(live: &Store, key: &str) -> Option<String> {
    live.get(key.as_bytes(), show).expect("readable")
}

/// Formats the items of a value with spaces between them.
pub fn show(value: MapValue<'_>) -> String {
    let items: Vec<_> = value.items().map(String::from_utf8_lossy).collect();
    items.join(" ")
}
