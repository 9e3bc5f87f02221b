//! The directories of a store for the scenarios, and how programs open it and die in it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cms::testing::{Call, Files};
use cms::{Durability, Error, Options, Result, Store};

use super::keys::keys;
use super::oracle::options;
use super::power::Disk;
use super::probes::Fail;
use super::program::Program;
use super::scenario::Scenario;

pub const LEVELS: [Durability; 3] = [Durability::Full, Durability::Log, Durability::None];

/// The mode of the packages, which differs from that of a new file.
pub const MODE: u32 = 0o640;

/// The directories of a store.
pub struct World {
    pub root: PathBuf,
    log_size: u64,
    /// The disk of the directories, once they are prepared.
    pub(super) disk: Option<Arc<Disk>>,
}

impl World {
    pub fn at(root: &Path, log_size: u64) -> Self {
        Self { root: root.to_owned(), log_size, disk: None }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn package(&self, name: &str) -> PathBuf {
        self.path("config").join(name)
    }

    /// Writes a package by hand.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.package(name), text).expect("written");
        self.settle();
    }

    /// Makes changes by hand durable.
    pub fn settle(&self) {
        self.disk.iter().for_each(|disk| disk.settle());
    }

    pub fn make(&self, name: &str, text: &str) {
        self.write(name, text);
        std::fs::set_permissions(self.package(name), PermissionsExt::from_mode(MODE)).expect("set");
    }

    /// Returns options with which deferred texts are placed only when the store is closed.
    fn options(&self, level: Durability, files: Files) -> Options {
        let text_delay = Duration::from_secs(100_000);
        options(&self.root, files, self.log_size).durability(level).text_delay(text_delay)
    }

    pub fn open(&self) -> Store {
        Store::open(self.options(Durability::Full, Files::default())).expect("opens")
    }

    /// Starts a program that is not disturbed.
    pub fn program(&self) -> Program<'_> {
        self.program_with(Durability::Full, Files::default())
    }

    /// Starts a program with these file operations.
    pub fn program_with(&self, level: Durability, files: Files) -> Program<'_> {
        let store = Store::open(self.options(level, files.clone())).expect("opens");
        Program { world: self, store, reader: None, files, level }
    }

    /// As [`World::program_with`], with another state directory.
    pub fn program_with_another_log(&self, level: Durability, files: Files) -> Program<'_> {
        let options = self.options(level, files.clone());
        let mut dirs = options.get_dirs().clone();
        dirs.state.as_mut().expect("one").path = self.path("state-b");
        let store = Store::open(options.dirs(dirs)).expect("opens");
        Program { world: self, store, reader: None, files, level }
    }

    /// Starts the program that takes the steps of a scenario. Another program has read all packages from their maps, unless
    /// the steps recover.
    pub fn program_of(&self, scenario: &Scenario, level: Durability, files: Files) -> Program<'_> {
        let reader = (!scenario.recovers).then(|| self.open());
        for (key, _) in keys(&(scenario.states)()[0].texts) {
            let read = reader.as_ref().map(|reader| reader.get(key.as_bytes(), |_| ()));
            read.transpose().unwrap_or_else(|error| panic!("{key}: {error}"));
        }
        Program { reader, ..self.program_with(level, files) }
    }

    /// Lets a program die in a commit, after it has placed some texts.
    pub fn die_after_renames(&self, renames: usize, commit: impl FnOnce(&Program<'_>) -> Result<()>) {
        let places_a_text = |call, path: &Path| {
            call == Call::Rename && path.parent().is_some_and(|dir| dir.ends_with("config"))
        };
        let dies = Arc::new(Fail::when(places_a_text).after(renames).for_good());
        let outcome = commit(&self.program_with(Durability::Full, dies.files()));
        assert!(matches!(outcome, Err(Error::Unfinished { .. })), "{outcome:?}");
    }

    /// Lets a program die after a commit, before it has placed the deferred texts.
    pub fn die_before_texts_are_placed(&self, commit: impl FnOnce(&Program<'_>) -> Result<()>) {
        let dies = Arc::new(Fail::when(|_, _| true).for_good().disarmed());
        let program = self.program_with(Durability::Log, dies.files());
        commit(&program).expect("committed");
        dies.arm(true);
    }
}
