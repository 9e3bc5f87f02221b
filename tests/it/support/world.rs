//! A store that can be brought back to what it was, and those who work with it. Only this file calls the engine for the
//! scenarios.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cms::testing::{Call, Files};
use cms::text::Dialect;
use cms::{CommitOptions, Committed, Delta, Durability, Engine, Error, Form, Options, Result};
use cms::{Place, Store, Unstaged};
use tempfile::TempDir;

use super::fixture::show;
use super::oracle::{options, scratch};
use super::power::{Disk, Image};
use super::probes::Fail;
use super::scenario::{Scenario, State, Texts};

pub const LEVELS: [Durability; 3] = [Durability::Full, Durability::Log, Durability::None];

/// The mode of the packages, which is not that of a new file.
pub const MODE: u32 = 0o640;

/// The directories of a store.
pub struct World {
    pub root: PathBuf,
    log_size: u64,
    /// The disk it is on, if the power of that may be cut.
    disk: Option<Arc<Disk>>,
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

    /// Writes a package as an editor does that writes into the file.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.package(name), text).expect("written");
        self.settle();
    }

    /// Makes what was done by hand durable.
    pub fn settle(&self) {
        self.disk.iter().for_each(|disk| disk.settle());
    }

    pub fn make(&self, name: &str, text: &str) {
        self.write(name, text);
        std::fs::set_permissions(self.package(name), PermissionsExt::from_mode(MODE)).expect("set");
    }

    /// Options whose texts come later only when the store is closed.
    fn options(&self, level: Durability, files: Files) -> Options {
        let text_delay = Duration::from_secs(100_000);
        options(&self.root, files, self.log_size).durability(level).text_delay(text_delay)
    }

    pub fn open(&self) -> Store {
        Store::open(self.options(Durability::Full, Files::default())).expect("opens")
    }

    /// Opens the store undisturbed.
    pub fn actor(&self) -> Actor<'_> {
        self.actor_with(Durability::Full, Files::default())
    }

    /// Opens the store with these file operations.
    pub fn actor_with(&self, level: Durability, files: Files) -> Actor<'_> {
        let store = Store::open(self.options(level, files.clone())).expect("opens");
        Actor { world: self, store, reader: None, files, level }
    }

    /// As [`World::actor_with`], with a log of its own.
    pub fn actor_with_another_log(&self, level: Durability, files: Files) -> Actor<'_> {
        let options = self.options(level, files.clone());
        let mut dirs = options.get_dirs().clone();
        dirs.state.as_mut().expect("one").path = self.path("state-b");
        let store = Store::open(options.dirs(dirs)).expect("opens");
        Actor { world: self, store, reader: None, files, level }
    }

    /// Opens the store to take the steps of a scenario, perhaps beside a program that reads all packages, and so has maps
    /// of them.
    pub fn actor_of(&self, scenario: &Scenario, level: Durability, files: Files) -> Actor<'_> {
        let reader = (!scenario.recovers).then(|| self.open());
        for (key, _) in keys(&(scenario.states)()[0].texts) {
            let read = reader.as_ref().map(|reader| reader.get(key.as_bytes(), |_| ()));
            read.transpose().unwrap_or_else(|error| panic!("{key}: {error}"));
        }
        Actor { reader, ..self.actor_with(level, files) }
    }
}

/// Lists the keys of packages with their values, by a reading of its own. It knows what the texts of the tests hold.
pub fn keys(texts: &Texts) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for (package, text) in texts {
        let mut section = None;
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (kind, name) = (words.next(), words.next().unwrap_or_default());
            let value = line.split('\'').nth(1);
            match (kind, value, section) {
                (Some("config"), value, _) => section = value,
                (Some("option"), Some(value), Some(section)) => {
                    found.push((format!("{package}.{section}.{name}"), value.to_owned()));
                }
                (Some("list"), Some(value), Some(section)) => {
                    let key = format!("{package}.{section}.{name}");
                    match found.last_mut().filter(|(last, _)| *last == key) {
                        Some((_, items)) => *items = format!("{items} {value}"),
                        None => found.push((key, value.to_owned())),
                    }
                }
                _ => {}
            }
        }
    }
    found
}

/// Reads a key as text.
pub fn value(store: &Store, key: &str) -> Result<Option<String>> {
    store.get(key.as_bytes(), show)
}

/// A program that takes the steps of a scenario.
pub struct Actor<'w> {
    pub world: &'w World,
    pub store: Store,
    reader: Option<Store>,
    files: Files,
    level: Durability,
}

impl Actor<'_> {
    /// Gives keys values in one transaction.
    pub fn set(&self, values: &[(String, String)]) -> Result<()> {
        let mut transaction = self.store.begin().expect("few are open");
        for (key, value) in values {
            transaction.set(key.as_bytes(), value.as_bytes())?;
        }
        transaction.commit().map(drop)
    }

    /// Gives keys values in one transaction, while an editor writes a package before that is committed, or refused.
    pub fn set_while_edited(&self, values: &[(String, String)], package: &str, text: &str) -> Result<()> {
        let mut transaction = self.store.begin().expect("few are open");
        let set =
            values.iter().try_for_each(|(key, value)| transaction.set(key.as_bytes(), value.as_bytes()));
        self.world.write(package, text);
        set.and_then(|()| transaction.commit().map(drop))
    }

    /// Puts texts in place that are behind the log.
    pub fn place_texts(&self) -> Result<()> {
        self.store.flush()
    }

    /// Reports whether the text of a package is behind the log.
    pub fn is_behind(&self, package: &str) -> bool {
        self.world.package(&format!(".{package}.behind")).is_symlink()
    }

    /// Another program, with a log of its own.
    pub fn with_another_log(&self) -> Actor<'_> {
        self.world.actor_with_another_log(self.level, self.files.clone())
    }

    /// Reports whether this is a file of staged changes.
    pub fn is_staged(&self, path: &Path) -> bool {
        path.starts_with(self.world.path("save"))
    }

    /// Tells what the program beside it reads that is not of a state. What could not be published it sees once it looks
    /// for it.
    pub fn misses(&self, state: &State) -> Option<String> {
        let reader = self.reader.as_ref()?;
        Self::reads_old(reader, state)?;
        reader.refresh().expect("nothing disturbs it");
        Self::reads_old(reader, state)
    }

    fn reads_old(reader: &Store, state: &State) -> Option<String> {
        keys(&state.texts).into_iter().find_map(|(key, wanted)| match value(reader, &key) {
            Ok(Some(found)) if found == wanted => None,
            found => Some(format!("{key} is {found:?}, not {wanted}")),
        })
    }

    fn engine(&self) -> &Engine {
        self.store.engine()
    }

    fn place(&self, package: &str) -> Place {
        self.engine().packages().find(package.as_bytes()).unwrap_or_else(|error| panic!("{package}: {error}"))
    }

    pub fn recover(&self) -> Result<()> {
        self.engine().confirmations().recover()
    }

    /// Repairs the log and removes what is left of one that is gone, as `cms repair` does.
    pub fn repair(&self) -> Result<()> {
        self.engine().audit().repair().map(drop)
    }

    /// Notes what was changed by hand.
    pub fn note_edits(&self) -> Result<()> {
        self.engine().history().note_edits()
    }

    pub fn stage(&self, package: &str, deltas: &[Delta]) -> Result<()> {
        self.engine().staging().stage(&self.place(package), deltas)
    }

    /// Counts the staged changes.
    pub fn staged(&self, package: &str) -> Result<usize> {
        match self.engine().packages().load(package.as_bytes()) {
            Ok(loaded) => Ok(loaded.changes.len()),
            Err(Error::NotFound { .. }) => Ok(0),
            Err(error) => Err(error),
        }
    }

    pub fn revert(&self, package: &str, section: &str, option: &str) -> Result<usize> {
        self.engine().staging().revert(
            &self.place(package),
            Some(section.as_bytes()),
            Some(option.as_bytes()),
        )
    }

    /// Commits what is staged for packages as one transaction. Returns how many changes each had.
    pub fn commit_staged(&self, packages: &[&str], form: Form) -> Result<Vec<usize>> {
        let places: Vec<Place> = packages.iter().map(|package| self.place(package)).collect();
        let done = self.engine().commit_together(&places, form, None)?;
        Ok(done.iter().map(|done: &Committed| done.applied).collect())
    }

    /// As [`Actor::commit_staged`], whatever others have changed since.
    pub fn commit_by_force(&self, package: &str) -> Result<()> {
        let force = CommitOptions::new().force(true);
        self.engine().commit_as(&[self.place(package)], Vec::new(), &force).map(drop)
    }

    /// Commits what is staged for packages together with changes of each that are not staged.
    pub fn commit_with(&self, packages: &[&str], deltas: &[Delta]) -> Result<()> {
        let places: Vec<Place> = packages.iter().map(|package| self.place(package)).collect();
        let plain = self.world.actor();
        let unstaged = places.iter().map(|place| {
            let before = plain.engine().packages().load(place.name.as_bytes()).expect("loads").package;
            Unstaged::new(place.clone(), before, deltas.to_vec())
        });
        let unstaged = unstaged.collect();
        self.engine().commit_with(&places, unstaged, Form::Lossless, None).map(drop)
    }

    /// Changes a package in one go.
    pub fn update(&self, package: &str, delta: &Delta) -> Result<()> {
        let edit = |package: &mut cms::Package| package.apply(delta, Dialect::Cms).map(|_| ());
        self.engine().update(&self.place(package), Form::Lossless, edit)
    }

    pub fn replace(&self, texts: &[(&str, &str)]) -> Result<()> {
        let texts: Vec<_> =
            texts.iter().map(|(name, text)| (name.as_bytes().into(), text.as_bytes().into())).collect();
        self.engine().replace_together(&texts)
    }

    /// Returns the number of the last transaction.
    pub fn revision(&self) -> Result<u64> {
        self.engine().history().revision()
    }

    pub fn rollback(&self, revision: u64) -> Result<()> {
        self.engine().history().rollback(revision, &[], None).map(drop)
    }

    pub fn undo(&self, revision: u64) -> Result<()> {
        self.engine().history().undo(revision, None).map(drop)
    }

    /// Takes a snapshot with a name.
    pub fn label(&self, name: &str) -> Result<()> {
        self.engine().archives().label(name).map(drop)
    }

    /// Returns the names of the archives that are not whole.
    pub fn broken_labels(&self) -> Vec<PathBuf> {
        let labels = self.engine().archives().labels().expect("readable");
        labels.into_iter().map(|info| info.path).filter(|path| cms::Archive::read(path).is_err()).collect()
    }
}

impl World {
    /// Has a program die while it commits: after some texts were put in place.
    pub fn die_after_renames(&self, renames: usize, commit: impl FnOnce(&Actor<'_>) -> Result<()>) {
        let places_a_text = |call, path: &Path| {
            call == Call::Rename && path.parent().is_some_and(|dir| dir.ends_with("config"))
        };
        let dies = Arc::new(Fail::when(places_a_text).after(renames).for_good());
        let outcome = commit(&self.actor_with(Durability::Full, dies.files()));
        assert!(matches!(outcome, Err(Error::Unfinished { .. })), "{outcome:?}");
    }

    /// Has a program die after a commit whose texts were to be placed later.
    pub fn die_before_texts_are_placed(&self, commit: impl FnOnce(&Actor<'_>) -> Result<()>) {
        let dies = Arc::new(Fail::when(|_, _| true).for_good().disarmed());
        let actor = self.actor_with(Durability::Log, dies.files());
        commit(&actor).expect("committed");
        dies.arm(true);
    }
}

/// A scenario that is prepared, as often as it is wanted.
pub struct Stage {
    pub scenario: Scenario,
    pub states: Vec<State>,
    pub world: World,
    pub disk: Arc<Disk>,
    prepared: Image,
    /// The packages that are symbolic links.
    pub links: Vec<String>,
    _dirs: [TempDir; 2],
}

impl Stage {
    pub fn new(scenario: &Scenario) -> Self {
        let dirs = [scratch(), scratch()];
        let mut world = World::at(dirs[0].path(), scenario.log_size);
        std::fs::create_dir(world.path("config")).expect("made");
        for (name, text) in (scenario.packages)() {
            world.make(&name, &text);
        }
        (scenario.prepare)(&world);
        let states = (scenario.states)();
        assert_eq!(states.len(), scenario.steps.len() + 1, "a state before the steps, and one after each");
        let links = states[0].texts.keys().filter(|name| world.package(name).is_symlink()).cloned().collect();
        let disk = Disk::new(dirs[0].path(), dirs[1].path());
        let prepared = disk.now();
        world.disk = Some(Arc::clone(&disk));
        Self { scenario: *scenario, states, world, disk, prepared, links, _dirs: dirs }
    }

    /// Makes everything what it was before the steps.
    pub fn reset(&self) {
        self.disk.restore(&self.prepared);
    }

    pub fn actor(&self, level: Durability, files: Files) -> Actor<'_> {
        self.world.actor_of(&self.scenario, level, files)
    }
}
