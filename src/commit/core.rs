//! The collaborators of an engine, which all functions of `commit` and of the layers above it work with.
//!
//! A [`Core`] has no state of its own and is cheap to clone: clones share the collaborators. Each collaborator guards its
//! state with a mutex inside this process. The locks that other processes see (of the log, of packages and of their files)
//! are taken by the steps of a commit: see `pipeline` and `retry`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::commit::attributes::KeptAttributes;
use crate::commit::deferred_texts::DeferredTexts;
use crate::commit::gate::Gate;
use crate::commit::intent::Intent;
use crate::commit::logs::Logs;
use crate::commit::packages::PackageFiles;
use crate::commit::parsed_text::ParsedTexts;
use crate::commit::pending::PendingNote;
use crate::commit::place::Place;
use crate::commit::queue::Queue;
#[cfg(feature = "schema")]
use crate::commit::secret_fields::SchemaSecrets;
use crate::commit::settings::SettingsReader;
use crate::commit::warnings::Warnings;
use crate::error::Result;
use crate::history::archive::Committed;
use crate::log::{Attribution, Log, Record};
use crate::map::KeptSession;
use crate::os::caller;
use crate::os::dirs::Dirs;
use crate::os::lock::Locks;
#[cfg(feature = "schema")]
use crate::schema::files::SchemaFiles;
use crate::secret::Marks;
use crate::settings::options::Options;
use crate::staging::delta_file::Staging;
use crate::staging::save_dir::SaveDir;

/// Reads the committed texts of all packages. The implementer holds the log's lock.
pub(crate) trait CommittedTexts {
    /// Returns the number of the last transaction.
    fn sequence(&self) -> u64;

    /// Reads the packages that can be read, and first notes changes by hand in the log.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Io`] if the directory or the log cannot be read.
    fn committed_texts(&mut self) -> Result<Committed>;
}

/// A function that is called when a segment of the log was begun and all texts are in place.
pub(crate) type SegmentHook = fn(&Core, &mut dyn CommittedTexts);

/// The collaborators of an engine. Each owns its state; operations on several of them are functions of the modules above
/// this one. Some files of the log, locks and maps stay open.
#[derive(Debug, Clone)]
pub(crate) struct Core {
    pub options: Arc<Options>,
    pub warnings: Arc<Warnings>,
    pub logs: Arc<Logs>,
    pub settings: Arc<SettingsReader>,
    pub packages: Arc<PackageFiles>,
    pub states: Arc<ParsedTexts>,
    pub attributes: Arc<KeptAttributes>,
    pub pending: Arc<PendingNote>,
    pub deferred: Arc<DeferredTexts>,
    pub queue: Arc<Queue>,
    /// The lock files that are open.
    pub locks: Arc<Locks>,
    /// The maps that are open to be published to.
    pub maps: Arc<KeptSession>,
    /// The schemas of packages.
    #[cfg(feature = "schema")]
    pub schemas: Arc<SchemaFiles>,
    pub gate: Arc<dyn Gate>,
    pub on_segment: SegmentHook,
    /// The author of the transactions of this clone: see [`crate::Store::with`].
    pub by: Option<Arc<Attribution>>,
}

impl Core {
    /// Puts the collaborators of an engine together. Nothing is read or created yet.
    pub fn new(options: Options, gate: Arc<dyn Gate>, on_segment: SegmentHook) -> Self {
        let options = Arc::new(options);
        let warnings = Arc::new(Warnings::new(options.warn.clone()));
        let logs = Arc::new(Logs::new(options.clone()));
        let packages = Arc::new(PackageFiles::new(options.clone(), warnings.clone()));
        Self {
            settings: Arc::new(SettingsReader::new(options.clone(), logs.clone(), warnings.clone())),
            states: Arc::new(ParsedTexts::new(packages.clone())),
            attributes: Arc::new(KeptAttributes::new(options.clone(), logs.clone())),
            pending: Arc::new(PendingNote::new(options.clone(), logs.clone())),
            deferred: Arc::default(),
            queue: Arc::default(),
            locks: Arc::default(),
            maps: Arc::default(),
            #[cfg(feature = "schema")]
            schemas: Arc::new(SchemaFiles::new(options.dirs.schema.clone())),
            options,
            warnings,
            logs,
            packages,
            gate,
            on_segment,
            by: None,
        }
    }

    /// Makes a core that shares everything, and whose transactions are of another author, program or request.
    pub fn attributed(&self, by: Option<Arc<Attribution>>) -> Self {
        Self { by, ..self.clone() }
    }

    /// Returns which values are secret.
    pub fn marks(&self) -> Marks {
        let run = self.dirs().run.as_ref().map(|run| run.path.as_path());
        let marks = Marks::new(self.settings.get().secrets.clone(), run);
        #[cfg(feature = "schema")]
        let marks = {
            let fields = SchemaSecrets::new(self.schemas.clone(), self.packages.clone());
            marks.with_fields(Arc::new(fields))
        };
        marks
    }

    /// Begins the record of a transaction.
    pub fn record(&self, intent: &Intent) -> Record {
        intent.record(&self.options, self.by.as_deref())
    }

    /// Returns the name of the program that makes the transactions.
    pub fn source(&self) -> &str {
        let given = self.by.as_ref().and_then(|by| by.source.as_deref());
        given.unwrap_or(&self.options.source)
    }

    /// Returns the directories in use.
    pub fn dirs(&self) -> &Dirs {
        &self.options.dirs
    }

    /// Returns the time: microseconds since 1970.
    pub fn now(&self) -> u64 {
        crate::os::clock::micros((self.options.time)())
    }

    /// Returns how long to wait for locks. In a callback of a verifier it is zero, since the program that holds the
    /// locks waits for the verifier.
    pub fn patience(&self) -> Duration {
        if caller::IN_VERIFIER.get() { Duration::ZERO } else { self.settings.get().lock_timeout }
    }

    /// Warns of the damage of the log that was found so far.
    pub fn warn_of_damage(&self) {
        self.warnings.warn_of_damage(&self.logs.damage());
    }

    /// Returns the delta file of a package in a directory of the search path.
    pub fn staging<'s>(&'s self, place: &'s Place, dir: &'s Path) -> Staging<'s> {
        let save = SaveDir::new(&self.options.files, self.dirs(), dir);
        Staging {
            files: save.files.clone(),
            save,
            dir,
            package: &place.name,
            target: &place.path,
            timeout: Box::new(|| self.patience()),
            warn: self.options.warn.as_ref(),
        }
    }

    /// Returns the delta file of a package in the directory that changes are staged in.
    pub fn staged<'s>(&'s self, place: &'s Place) -> Staging<'s> {
        self.staging(place, &self.dirs().save.path)
    }

    /// Makes a core with the highest durability, to complete the commits of other programs: the settings of this
    /// program may be less durable than theirs.
    pub fn fully_durable(&self) -> Self {
        Self { settings: Arc::new(self.settings.fully_durable()), ..self.clone() }
    }

    /// Makes a core that works in another configuration directory, and with another log if one is given.
    pub fn elsewhere(&self, config: &Path, log: Option<Log>) -> Self {
        let mut options = (*self.options).clone();
        options.dirs.overriding = None;
        config.clone_into(&mut options.dirs.config.path);
        let options = Arc::new(options);
        let (logs, deferred) = match log {
            Some(log) => (Arc::new(Logs::of_one(options.clone(), log)), Arc::default()),
            None => (self.logs.clone(), self.deferred.clone()),
        };
        Self {
            packages: Arc::new(PackageFiles::new(options.clone(), self.warnings.clone())),
            attributes: Arc::new(KeptAttributes::new(options.clone(), logs.clone())),
            pending: Arc::new(PendingNote::new(options.clone(), logs.clone())),
            options,
            logs,
            deferred,
            ..self.clone()
        }
    }
}
