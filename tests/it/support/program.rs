//! A program that takes the steps of a scenario. Only this file calls the engine for the scenarios.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cms::log::Attribution;
use cms::testing::Files;
use cms::text::Dialect;
use cms::{Adopted, CommitOptions, Committed, Delta, Durability, Engine, Error, Exchange, Form};
use cms::{Place, Result, Store, Unstaged};

use super::keys::{keys, value};
use super::scenario::State;
use super::world::World;

/// A program that takes the steps of a scenario.
pub struct Program<'w> {
    pub world: &'w World,
    pub store: Store,
    pub(super) reader: Option<Store>,
    pub(super) files: Files,
    pub(super) level: Durability,
}

impl Program<'_> {
    /// Sets keys in one transaction.
    pub fn set(&self, values: &[(String, String)]) -> Result<()> {
        let mut transaction = self.store.begin().expect("few are open");
        for (key, value) in values {
            transaction.set(key.as_bytes(), value.as_bytes())?;
        }
        transaction.commit().map(drop)
    }

    /// Sets keys in one transaction, while an editor writes a package before the commit.
    pub fn set_while_edited(&self, values: &[(String, String)], package: &str, text: &str) -> Result<()> {
        let mut transaction = self.store.begin().expect("few are open");
        let set =
            values.iter().try_for_each(|(key, value)| transaction.set(key.as_bytes(), value.as_bytes()));
        self.world.write(package, text);
        set.and_then(|()| transaction.commit().map(drop))
    }

    /// Deletes a package, makes another one with a section, and a third one without any, in one transaction.
    pub fn exchange(&self, old: &str, (section, section_type): (&str, &str), empty: &str) -> Result<()> {
        let mut transaction = self.store.begin().expect("few are open");
        transaction.delete_package(old.as_bytes())?;
        transaction.set(section.as_bytes(), section_type.as_bytes())?;
        transaction.add_package(empty.as_bytes())?;
        transaction.commit().map(drop)
    }

    /// Places the texts that are behind the log.
    pub fn place_texts(&self) -> Result<()> {
        self.store.flush()
    }

    /// Reports whether the text of a package is behind the log.
    pub fn is_behind(&self, package: &str) -> bool {
        self.world.package(&format!(".{package}.behind")).is_symlink()
    }

    /// Starts another program with its own log.
    pub fn with_another_log(&self) -> Program<'_> {
        self.world.program_with_another_log(self.level, self.files.clone())
    }

    /// Reports whether a path is in the save directory.
    pub fn is_staged(&self, path: &Path) -> bool {
        path.starts_with(self.world.path("save"))
    }

    /// Returns the first key for which the other program reads a value that is not of this state. If a commit could not be
    /// published, that program sees it after a refresh.
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

    /// Returns the place of a package, which need not exist.
    fn place(&self, package: &str) -> Place {
        self.engine()
            .packages()
            .find_to_write(package.as_bytes())
            .unwrap_or_else(|error| panic!("{package}: {error}"))
    }

    pub fn recover(&self) -> Result<()> {
        self.engine().confirmations().recover()
    }

    /// Repairs the log and removes the marks of a lost log, as `cms repair` does.
    pub fn repair(&self) -> Result<()> {
        self.engine().audit().repair().map(drop)
    }

    /// Notes changes by hand in the log.
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

    /// Commits the staged changes of packages as one transaction. Returns the number of changes of each.
    pub fn commit_staged(&self, packages: &[&str], form: Form) -> Result<Vec<usize>> {
        let places: Vec<Place> = packages.iter().map(|package| self.place(package)).collect();
        let done = self.engine().commit_together(&places, form, None)?;
        Ok(done.iter().map(|done: &Committed| done.applied).collect())
    }

    /// Commits staged changes even if another program has changed the same keys.
    pub fn commit_by_force(&self, package: &str) -> Result<()> {
        let force = CommitOptions::new().force(true);
        self.engine().commit_as(&[self.place(package)], Vec::new(), &force).map(drop)
    }

    /// Commits the staged changes of packages together with these unstaged changes of each.
    pub fn commit_with(&self, packages: &[&str], deltas: &[Delta]) -> Result<()> {
        let places: Vec<Place> = packages.iter().map(|package| self.place(package)).collect();
        let plain = self.world.program();
        let unstaged = places.iter().map(|place| {
            let before = plain.engine().packages().load(place.name.as_bytes()).expect("loads").package;
            Unstaged::new(place.clone(), before, deltas.to_vec())
        });
        let unstaged = unstaged.collect();
        self.engine().commit_with(&places, unstaged, Form::Lossless, None).map(drop)
    }

    /// Changes a package without staging.
    pub fn update(&self, package: &str, delta: &Delta) -> Result<()> {
        let edit = |package: &mut cms::Package| package.apply(delta, Dialect::Cms).map(|_| ());
        self.engine().update(&self.place(package), Form::Lossless, edit)
    }

    pub fn replace(&self, texts: &[(&str, &str)]) -> Result<()> {
        let texts: Vec<_> =
            texts.iter().map(|(name, text)| (name.as_bytes().into(), text.as_bytes().into())).collect();
        self.engine().replace_together(&texts)
    }

    /// Exchanges the text of one package, and makes another one.
    pub fn exchange_texts(&self, changed: (&str, &str, &str), made: (&str, &str)) -> Result<()> {
        let text = |text: &str| Some(Arc::new(text.as_bytes().to_vec()));
        let changed = Exchange::new(changed.0.as_bytes(), text(changed.1), text(changed.2));
        let made = Exchange::new(made.0.as_bytes(), None, text(made.1));
        self.engine().exchange(&[changed, made], &CommitOptions::new()).map(drop)
    }

    /// Adopts texts that were decided elsewhere.
    pub fn adopt(&self, texts: &[(&str, Option<&str>)]) -> Result<()> {
        let text = |text: &str| Arc::new(text.as_bytes().to_vec());
        let texts: Vec<_> =
            texts.iter().map(|(name, new)| Adopted::new(name.as_bytes(), new.map(text))).collect();
        let by = Attribution::new().author("database").time(1);
        self.engine().adopt(&texts, &by).map(drop)
    }

    /// Deletes packages.
    pub fn delete(&self, packages: &[&str]) -> Result<()> {
        let names: Vec<Vec<u8>> = packages.iter().map(|name| name.as_bytes().to_vec()).collect();
        self.engine().delete_together(&names).map(drop)
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

    /// Returns the paths of damaged archives.
    pub fn broken_labels(&self) -> Vec<PathBuf> {
        let labels = self.engine().archives().labels().expect("readable");
        labels.into_iter().map(|info| info.path).filter(|path| cms::Archive::read(path).is_err()).collect()
    }
}
