//! The engine: all work with a store except fast reading, which [`crate::Store`] does.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::Audit;
use crate::commit::core::Core;
use crate::commit::exchange::{self, Adopted, Exchange};
use crate::commit::loader::Packages;
use crate::commit::part::Form;
use crate::commit::place::Place;
use crate::commit::stage::StagedChanges;
use crate::commit::staged::{self, CommitOptions, Committed, Unstaged};
use crate::commit::three_way::{self, ThreeWay};
use crate::commit::{deferred, write};
use crate::confirm::Confirmations;
use crate::error::Result;
use crate::log::Attribution;
use crate::map_reports::Maps;
use crate::model::package::Package;
use crate::os::dirs::Dirs;
use crate::restore::archive::Archives;
use crate::restore::automatic::segment_begun;
use crate::restore::history::History;
#[cfg(feature = "schema")]
use crate::schemas::Schemas;
use crate::secret::Marks;
use crate::settings::options::Options;
use crate::settings::resolved::Settings;
use crate::verify::{self, Preview, Verifiers};

/// An engine reads and commits packages, and maintains the log and the maps. Each call reads the files as they are at the
/// time; some files of the log, locks and maps stay open. A clone shares them.
///
/// Verifiers decide on its transactions, and automatic snapshots are made when the log begins a segment.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) core: Core,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl Engine {
    /// Makes an engine. Nothing is read or created yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { core: Core::new(options, Arc::new(Verifiers::default()), segment_begun) }
    }

    /// Returns the options that the engine was made with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.core.options
    }

    /// Returns the directories in use.
    #[must_use]
    pub fn dirs(&self) -> &Dirs {
        self.core.dirs()
    }

    /// Returns the settings, which merge the policy, the environment and the options. The policy is read at the first call,
    /// and again when its file has changed and something is committed.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.core.settings.get()
    }

    /// Returns the settings, and reads the policy again if its file has changed since it was read.
    pub fn settings_now(&self) -> Arc<Settings> {
        self.core.settings.now()
    }

    /// Returns which values are secret, by the package `cms` as it is when the settings are read.
    #[must_use]
    pub fn marks(&self) -> Marks {
        self.core.marks()
    }

    /// Returns the text of a package as people see it: with a stand-in for each secret value. `None` if it has errors, since it is unknown then
    /// which values are secret.
    #[must_use]
    pub fn redacted(&self, package: &str, text: &[u8]) -> Option<Arc<Vec<u8>>> {
        let format = self.core.packages.format_of(package);
        let read = format.read_strictly(package, &Arc::new(text.to_vec())).ok()?;
        Some(self.marks().text(format, &read))
    }

    /// Refuses to write in safe mode.
    ///
    /// # Errors
    ///
    /// [`crate::Error::SafeMode`].
    pub fn check_may_write(&self) -> Result<()> {
        self.core.settings.check_may_write()
    }

    /// Returns the warnings that were given so far, sorted.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.core.warnings.list()
    }

    /// Finds, lists and loads packages.
    #[must_use]
    pub fn packages(&self) -> Packages<'_> {
        Packages::of(&self.core)
    }

    /// Stages changes for a later commit.
    #[must_use]
    pub fn staging(&self) -> StagedChanges<'_> {
        StagedChanges::of(&self.core)
    }

    /// Reads earlier states, and rolls back to them.
    #[must_use]
    pub fn history(&self) -> History<'_> {
        History::of(&self.core)
    }

    /// Makes snapshots and backups, and restores them.
    #[must_use]
    pub fn archives(&self) -> Archives<'_> {
        Archives::of(&self.core)
    }

    /// Checks and repairs the log and the texts.
    #[must_use]
    pub fn audit(&self) -> Audit<'_> {
        Audit::of(&self.core)
    }

    /// Confirms commits, or rolls them back.
    #[must_use]
    pub fn confirmations(&self) -> Confirmations<'_> {
        Confirmations::of(&self.core)
    }

    /// Finds schemas, and checks packages with them.
    #[cfg(feature = "schema")]
    #[must_use]
    pub fn schemas(&self) -> Schemas<'_> {
        Schemas::of(&self.core)
    }

    /// Lists, checks and rebuilds the shared maps.
    #[must_use]
    pub fn maps(&self) -> Maps<'_> {
        Maps::of(&self.core)
    }

    /// Commits the staged changes of a package.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Parse`] if the package's text has errors; [`crate::Error::Locked`] if another writer does not
    /// finish in time; [`crate::Error::Conflict`] if the file keeps changing; [`crate::Error::Io`] if a system call
    /// fails. The file and the staged changes are as before then. [`crate::Error::NotDurable`] if the new file is
    /// in place but could not be synced; [`crate::Error::Unfinished`] if the change is committed, but not in the file yet.
    pub fn commit(&self, place: &Place, form: Form) -> Result<Committed> {
        let outcomes = self.commit_together(std::slice::from_ref(place), form, None)?;
        Ok(outcomes.first().copied().unwrap_or_default())
    }

    /// Commits the staged changes of several packages as one transaction. With `confirm` the transaction is rolled back
    /// unless it is confirmed within that time: see [`crate::Confirmations::confirm`].
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`], for the first package that fails; none is changed then.
    /// [`crate::Error::Conflict`] also if others have changed a key since a change of it was staged, to a value that is
    /// neither the one it had then nor the staged one.
    pub fn commit_together(
        &self,
        places: &[Place],
        form: Form,
        confirm: Option<Duration>,
    ) -> Result<Vec<Committed>> {
        self.commit_with(places, Vec::new(), form, confirm)
    }

    /// Commits staged changes as [`crate::Engine::commit_together`] does, together with changes that are not staged. In a
    /// package of `places` the unstaged changes follow the staged ones; the staged changes of any other package stay staged.
    /// Returns the result for each of `places`, then for each package that only `unstaged` names.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit_together`]; [`crate::Error::Conflict`] if the value of a key differs from the
    /// one before its unstaged change; the error of a change that is refused. Nothing is changed then.
    pub fn commit_with(
        &self,
        places: &[Place],
        unstaged: Vec<Unstaged>,
        form: Form,
        confirm: Option<Duration>,
    ) -> Result<Vec<Committed>> {
        self.commit_as(places, unstaged, &CommitOptions::new().form(form).confirm(confirm))
    }

    /// Commits staged and unstaged changes as [`crate::Engine::commit_with`] does, with all options of a commit.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit_with`].
    pub fn commit_as(
        &self,
        places: &[Place],
        unstaged: Vec<Unstaged>,
        options: &CommitOptions,
    ) -> Result<Vec<Committed>> {
        staged::commit_as(&self.core, places, unstaged, options)
    }

    /// Reads a package, changes it and writes it back under one lock, without staging.
    ///
    /// # Errors
    ///
    /// The error of `edit`, and as for [`crate::Engine::commit`]; the file is as before then.
    pub fn update<R>(
        &self,
        place: &Place,
        form: Form,
        edit: impl FnMut(&mut Package) -> Result<R>,
    ) -> Result<R> {
        write::update(&self.core, place, form, edit)
    }

    /// Replaces the whole content of a package of the configuration directory; the package need not exist.
    /// Changes staged for the old content are set aside in `.PACKAGE.replaced` in the save directory.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`]; [`crate::Error::Invalid`] if `package` is not a package name.
    pub fn replace(&self, package: &[u8], text: &[u8]) -> Result<()> {
        self.replace_together(&[(package.to_vec(), text.to_vec())])
    }

    /// Replaces several packages as [`crate::Engine::replace`] does, as one transaction: all are replaced, or none. If there
    /// are several texts for the same package, the last one counts.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::replace`], for the first package that fails.
    pub fn replace_together(&self, texts: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        exchange::replace_together(&self.core, texts)
    }

    /// Replaces the texts of several packages, or makes or deletes packages, as one transaction: all, or none. Each package
    /// must be as it was when its new text was made. Returns the revision, if there is a log or there are maps.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::replace`]; [`crate::Error::Conflict`] if a package has changed since. Nothing is changed
    /// then.
    pub fn exchange(&self, exchanges: &[Exchange], options: &CommitOptions) -> Result<Option<u64>> {
        exchange::exchange(&self.core, exchanges, options)
    }

    /// Commits whole texts that were decided elsewhere: see [`crate::Store::adopt`], which also shows them in private maps.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::replace_together`]; nothing is changed then.
    pub fn adopt(&self, texts: &[Adopted], by: &Attribution) -> Result<Option<u64>> {
        exchange::adopt(&self.core, texts, by)
    }

    /// Deletes a package of the configuration directory, even if its text has errors. A symbolic link is removed, and its
    /// target stays. Staged changes are set aside as in [`crate::Engine::replace`]. Undoing the transaction brings the
    /// package back.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`]; [`crate::Error::NotFound`] if there is no such package.
    pub fn delete(&self, package: &[u8]) -> Result<()> {
        self.delete_together(&[package.to_vec()]).map(drop)
    }

    /// Deletes several packages as [`crate::Engine::delete`] does, as one transaction: all are deleted, or none. Returns
    /// the revision, if there is a log or there are maps.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::delete`], for the first package that fails.
    pub fn delete_together(&self, packages: &[Vec<u8>]) -> Result<Option<u64>> {
        exchange::delete_together(&self.core, packages)
    }

    /// Merges a text that was edited with the text of the same package that others have committed meanwhile: `base` is what
    /// both were made from. Nothing is read or changed.
    #[must_use]
    pub fn merge(&self, package: &str, base: &[u8], mine: &[u8], theirs: &[u8]) -> ThreeWay {
        three_way::merge(self.core.packages.format_of(package), package, base, mine, theirs)
    }

    /// Tidies the text of a package: see [`crate::format::Format::tidy`].
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`].
    pub fn tidy(&self, place: &Place) -> Result<()> {
        write::tidy(&self.core, place)
    }

    /// Puts the texts in place that are behind the log.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`]. The transactions stay committed, and their texts follow later.
    pub fn flush(&self) -> Result<()> {
        deferred::flush(&self.core)
    }

    /// Asks the verifiers about a commit of the staged changes of these packages, and lists the programs that would
    /// get an event. Nothing is changed or locked.
    ///
    /// # Errors
    ///
    /// As for [`crate::Packages::load`].
    pub fn preview(&self, places: &[Place]) -> Result<Preview> {
        verify::preview(&self.core, places)
    }
}
