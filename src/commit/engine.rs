//! A store: the packages of a configuration directory and the changes staged for them.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::commit::deferred::Deferred;
use crate::commit::gate::{Gate, SegmentHook};
use crate::commit::group::Queue;
use crate::commit::listing::{Found, names_package};
use crate::commit::log_home::Logs;
use crate::commit::plan::KnownStates;
use crate::commit::settings::Held;
use crate::commit::warnings::Warnings;
use crate::error::not_found::Missing;
use crate::error::{Code, Error, Result};
use crate::format::uci::{Dialect, ParseError, ParseOptions, parse};
use crate::map::Kept;
use crate::model::change::Delta;
use crate::model::package::Package;
use crate::model::package::replay::Replay;
use crate::os::caller;
use crate::os::dirs::Dirs;
use crate::os::files::FileId;
use crate::os::lock::Locks;
use crate::settings::options::Options;
use crate::staging::delta_file::Staging;
use crate::staging::save_dir::SaveDir;

/// Where a package's file is and whether changes to it are staged.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The package's name.
    pub name: String,
    /// Whether changes are staged; not for a package named by its path.
    pub staged: bool,
    /// Whether the file is one of the overriding directory ([`Dirs::overriding`]): the log and the maps are those of
    /// the configuration directory, and have nothing to do with it.
    pub overridden: bool,
}

/// A staged change.
#[derive(Debug, Clone)]
pub struct Change {
    /// What is to be changed.
    pub delta: Delta,
    /// Why it cannot be applied, if it cannot.
    pub failure: Option<String>,
}

/// A package as it would be after a commit, and what makes the difference.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Where it came from.
    pub place: Place,
    /// The package, staged changes applied.
    pub package: Package,
    /// The staged changes, those that cannot be applied included.
    pub changes: Vec<Change>,
    /// Changes that applying the staged ones brought about and that are to be staged as well; only in
    /// stock uci's dialect.
    pub followups: Vec<Delta>,
    /// Errors in the text that were passed over, in a store that is not strict.
    pub errors: Vec<ParseError>,
}

impl Loaded {
    /// A package with nothing staged.
    pub(crate) fn of(place: Place, package: Package) -> Self {
        Self { place, package, changes: Vec::new(), followups: Vec::new(), errors: Vec::new() }
    }
}

/// A store. Each call sees what is there at the time; some files of the log, locks and maps stay open.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) options: Options,
    /// The log, once it was asked for; see [`Engine::log`].
    pub(crate) log: Arc<Logs>,
    /// The transactions that are to be committed.
    pub(crate) queue: Arc<Queue>,
    /// What is known of packages.
    pub(crate) states: Arc<KnownStates>,
    /// The packages whose texts are to be put in place later.
    pub(crate) deferred: Arc<Deferred>,
    /// What is known of the attributes of packages.
    pub(crate) attributes: Arc<crate::commit::attributes::KeptAttributes>,
    /// The lock files that are open.
    pub(crate) locks: Arc<Locks>,
    /// The maps that are open to be published to.
    pub(crate) kept: Arc<Kept>,
    /// What decides whether a transaction is made.
    pub(crate) gate: Arc<dyn Gate>,
    /// What is to be done when a segment of the log was begun.
    pub(crate) on_segment: SegmentHook,
    /// The warnings that were given.
    pub(crate) warnings: Arc<Warnings>,
    /// What counts of policy, environment and options.
    pub(crate) held: Arc<Held>,
}

impl Engine {
    /// Puts an engine together. Nothing is read or created yet.
    pub(crate) fn with(options: Options, gate: Arc<dyn Gate>, on_segment: SegmentHook) -> Self {
        Self {
            options,
            gate,
            on_segment,
            log: Arc::default(),
            queue: Arc::default(),
            states: Arc::default(),
            deferred: Arc::default(),
            locks: Arc::default(),
            kept: Arc::default(),
            warnings: Arc::default(),
            held: Arc::default(),
            attributes: Arc::default(),
        }
    }

    /// Returns the time: microseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        crate::os::clock::micros((self.options.time)())
    }

    /// Returns how long to wait for locks: not at all in a callback of a verifier, for which whoever holds them waits.
    pub(crate) fn patience(&self) -> Duration {
        if caller::ASKED.get() { Duration::ZERO } else { self.settings().lock_timeout }
    }

    /// Returns the options the store was made with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the directories in use.
    #[must_use]
    pub fn dirs(&self) -> &Dirs {
        &self.options.dirs
    }

    /// Finds the file of a package: by name in the configuration directory (or the one that overrides it),
    /// or by a path that starts with `/` or `./`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such regular file; [`Error::Missing`] if there is not even the
    /// configuration directory.
    pub fn place(&self, package: &[u8]) -> Result<Place> {
        self.find(package).map(|(place, _)| place)
    }

    /// As [`Engine::place`], with the size of the file in bytes.
    ///
    /// # Errors
    ///
    /// As for [`Engine::place`].
    pub fn place_and_size(&self, package: &[u8]) -> Result<(Place, u64)> {
        self.find(package).map(|(place, found)| (place, found.len()))
    }

    /// As [`Engine::place`], with the attributes of the file.
    pub(crate) fn find(&self, package: &[u8]) -> Result<(Place, std::fs::Metadata)> {
        let missing = || Error::NotFound { key: crate::error::shown::name(package) };
        let path = Path::new(std::ffi::OsStr::from_bytes(package));
        let by_path = package.starts_with(b"/") || package.starts_with(b"./");
        let (path, overriding) = match by_path {
            true => (path.to_path_buf(), None),
            false if !names_package(package) => return Err(missing()),
            false => (self.dirs().config.path.join(path), self.overriding_path(path)),
        };
        let (staged, overridden) = (!by_path, overriding.is_some());
        let path = overriding.unwrap_or(path);
        let Some(metadata) = Found::at(&path).file() else {
            let dir = self.config_missing().filter(|_| staged);
            return Err(dir.map_or_else(missing, Error::from));
        };
        let file_name = package.rsplit(|byte| *byte == b'/').next().unwrap_or(package);
        let name = if by_path { file_name } else { package };
        Ok((Place { path, name: crate::error::shown::name(name), staged, overridden }, metadata))
    }

    /// Returns the place of a package in the configuration directory, whether there is such a file or not.
    pub(crate) fn config_place(&self, name: &str) -> Place {
        let path = self.dirs().config.path.join(name);
        Place { path, name: name.to_owned(), staged: true, overridden: false }
    }

    /// Says so if there is no configuration directory.
    pub(crate) fn config_missing(&self) -> Option<Missing> {
        let dir = &self.dirs().config.path;
        let found = std::fs::metadata(dir);
        let missing = found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        missing.then(|| Missing::ConfigDir(dir.clone()))
    }

    /// Returns the file of the overriding directory that is used instead of a package's own, if there is one.
    fn overriding_path(&self, name: &Path) -> Option<PathBuf> {
        let path = self.dirs().overriding.as_ref()?.join(name);
        let found = std::fs::metadata(&path).ok()?;
        // A directory that overrides itself overrides nothing.
        let own = FileId::at(&self.dirs().config.path.join(name));
        (own != Some(FileId::of(&found))).then_some(path)
    }

    /// Loads a package with its staged changes.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such package, [`Error::Io`] if it cannot be read,
    /// [`Error::Parse`] if its text has errors and the store is strict; [`Error::Locked`] and [`Error::Io`] also if
    /// what is staged cannot be read.
    pub fn load(&self, package: &[u8]) -> Result<Loaded> {
        let missing = match self.place(package) {
            Err(error @ Error::NotFound { .. }) => error,
            place => return self.load_at(place?),
        };
        // A package may be staged and not exist yet.
        match self.place_to_write(package).and_then(|place| self.load_at(place)) {
            Ok(loaded) if !loaded.changes.is_empty() => Ok(loaded),
            Err(error) if error.code() != Code::NotFound => Err(error),
            _ => Err(missing),
        }
    }

    /// As [`Engine::load`], of a place; a package that there is no file of is empty.
    pub(crate) fn load_at(&self, place: Place) -> Result<Loaded> {
        self.with_staged(self.load_committed_or_new(place)?)
    }

    /// Adds the staged changes of a package to it.
    pub(crate) fn with_staged(&self, mut loaded: Loaded) -> Result<Loaded> {
        if loaded.place.staged {
            for dir in self.dirs().overlays.iter().chain([&self.dirs().save.path]) {
                let mut replay = Replay::new(self.options.dialect);
                for delta in self.staged_in(&loaded.place, dir)? {
                    let failure =
                        replay.apply(&mut loaded.package, &delta).err().map(|error| error.to_string());
                    loaded.changes.push(Change { delta, failure });
                }
                loaded.followups.extend(replay.followups);
            }
        }
        Ok(loaded)
    }

    /// Returns what is staged for a package in a directory. Stock uci waits until it can read it, however long.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] and [`Error::Io`] if it cannot be read.
    pub(crate) fn staged_in(&self, place: &Place, dir: &Path) -> Result<Vec<Delta>> {
        let mut staging = self.staging(place, dir);
        if self.options.dialect == Dialect::Uci {
            staging.timeout = Box::new(|| Duration::from_secs(u64::from(u32::MAX)));
        }
        staged_lines(&staging)
    }

    /// Loads a package without staged changes.
    ///
    /// # Errors
    ///
    /// As for [`Engine::load`], and [`Error::Locked`] if another's log is ahead of the text, which is not put in place in
    /// time: see [`Options::stale`].
    pub fn load_committed(&self, place: Place) -> Result<Loaded> {
        if !self.options.stale {
            if let Some(package) = self.read_ahead(&place) {
                return Ok(Loaded::of(place, package));
            }
            self.await_text(&place.path)?;
        }
        let (text, _) = self.read_steady(&place)?;
        let (package, errors) = self.parse(&place, text)?;
        Ok(Loaded { place, package, changes: Vec::new(), followups: Vec::new(), errors })
    }

    pub(crate) fn parse(&self, place: &Place, text: Vec<u8>) -> Result<(Package, Vec<ParseError>)> {
        let parsed = parse(place.name.as_bytes(), Arc::new(text), &self.parse_options());
        match parsed {
            Ok(parsed) => {
                let errors = parsed.errors.into_iter().map(|error| error.in_file(&place.path)).collect();
                Ok((parsed.package, errors))
            }
            Err(Error::Parse(error)) => Err(error.in_file(&place.path).into()),
            Err(error) => Err(error),
        }
    }

    /// Returns how text is to be read.
    #[must_use]
    pub fn parse_options(&self) -> ParseOptions<'_> {
        let progress = self.options.progress.as_ref().map(|progress| progress as &dyn Fn(usize, usize));
        ParseOptions { dialect: self.options.dialect, strict: self.options.strict, progress }
    }

    pub(crate) fn staging<'s>(&'s self, place: &'s Place, dir: &'s Path) -> Staging<'s> {
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

    /// Reports whether a package may have staged changes that a commit takes, without reading them.
    #[must_use]
    pub fn may_be_staged(&self, place: &Place) -> bool {
        let dirs = self.dirs();
        // Stock uci commits what is staged in the other directories of the search path as well.
        let others = dirs.overlays.iter().filter(|_| self.options.dialect == Dialect::Uci);
        others.chain([&dirs.save.path]).any(|dir| self.staging(place, dir).may_hold_lines())
    }

    /// Returns why this user cannot commit what is staged for a package, if it was staged by another user who lets
    /// nobody else do that. What this user has staged for other packages can be committed all the same.
    #[must_use]
    pub fn staged_by_another(&self, place: &Place) -> Option<Error> {
        self.staging(place, &self.dirs().save.path).barred()
    }

    /// Stages changes for the next commit. They are not checked; see [`Package::apply`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if they cannot be written, [`Error::Locked`] if the delta file stays locked. Nothing
    /// is staged then.
    pub fn stage(&self, place: &Place, deltas: &[Delta]) -> Result<()> {
        if deltas.is_empty() {
            return Ok(());
        }
        self.settings_now();
        self.check_may_write()?;
        let bases = |staged: &[u8], bases: &[u8]| self.bases_to_write(place, deltas, staged, bases);
        self.staging(place, &self.dirs().save.path).append(deltas, &self.dirs().config.path, &bases)
    }

    /// Drops staged changes: of the package, of a section with its options, or of one option. Returns how
    /// many. Lines that are not changes of this package stay as they are.
    ///
    /// In stock uci's dialect a line that is no change at all makes this do nothing, and the lines that stay
    /// are written anew.
    ///
    /// # Errors
    ///
    /// As for [`Engine::stage`].
    pub fn revert(&self, place: &Place, section: Option<&[u8]>, option: Option<&[u8]>) -> Result<usize> {
        self.settings_now();
        self.check_may_write()?;
        let staging = self.staging(place, &self.dirs().save.path);
        let Some(locked) = staging.lock()? else { return Ok(0) };
        let stock = self.options.dialect == Dialect::Uci;
        let lines = crate::format::uci::delta_line::read_lines(&locked.text);
        if stock && lines.iter().any(|line| line.delta.is_none()) {
            return Ok(0);
        }
        let mut kept = Vec::new();
        let mut dropped = 0;
        for line in lines {
            let hit = line.delta.as_ref().is_some_and(|(package, delta)| {
                package == place.name.as_bytes()
                    && section.is_none_or(|section| delta.section == section)
                    && option.is_none_or(|option| delta.option.as_deref() == Some(option))
            });
            match line.delta {
                _ if hit => dropped += 1,
                Some((package, delta)) if stock => delta.write_line(&package, &mut kept),
                _ => kept.extend_from_slice(&locked.text[line.range]),
            }
        }
        if kept != locked.text {
            staging.rewrite(&locked, &kept)?;
        }
        Ok(dropped)
    }
}

/// Returns the changes of a package that its delta file holds.
pub(crate) fn staged_lines(staging: &Staging<'_>) -> Result<Vec<Delta>> {
    let (_, lines) = staging.lines()?;
    let deltas = lines.into_iter().filter_map(|line| line.delta);
    Ok(deltas.filter(|(of, _)| *of == staging.package.as_bytes()).map(|(_, delta)| delta).collect())
}
