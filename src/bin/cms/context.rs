//! The context of a command: the store, and the packages it has loaded.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, IsTerminal};
use std::path::PathBuf;

use cms::{
    DirOptions, Dirs, Engine, Error, Key, Loaded, Missing, OptionView, Options, Package, Place, Section,
    Snapshot, State, Store, ValueType,
};

use cms::environment::variable;

use crate::argument::show;
use crate::failure::{Exit, Failure, print_message};
use crate::gather::Gathered;
use crate::global::Global;
use crate::log_file;
use crate::pager::Out;
use crate::paint::{Paint, colors_errors, wants_color};
use crate::progress;
use crate::secrets;
use crate::zone;

/// From this size on, in bytes, a package is read through its map; see `docs/measurements.md`.
pub const LARGE: u64 = 48 * 1024;

/// Which state packages are read in.
enum At {
    /// With staged changes.
    Staged,
    /// Without staged changes: `--at now`. The files are read, even if the log does not have their newest edits yet.
    Committed,
    /// The state at a revision or in a snapshot.
    State(State),
}

/// See the module documentation.
pub struct Context {
    pub store: Engine,
    /// The options of the command line, for lines that are part of it.
    pub global: Global,
    /// The process whose commit is guarded, if this process is the guard of one.
    pub guards: Option<u32>,
    pub out: BufWriter<Out>,
    /// Whether output and errors are JSON; with `json_lines`, one object a line.
    pub json: bool,
    pub json_lines: bool,
    pub quiet: bool,
    pub verbose: bool,
    pub dry_run: bool,
    /// Whether errors are coloured.
    pub color: bool,
    /// Colours the output.
    pub paint: Paint,
    at: At,
    /// The exit code of the worst failure that was reported without ending the command.
    pub worst: Exit,
    /// The changes of the lines of a batch so far, if this command is one of them.
    pub gathered: Option<Gathered>,
    loaded: Vec<(Vec<u8>, Loaded)>,
    /// The arguments of the command, for suggestions in errors.
    pub arguments: Vec<Vec<u8>>,
}

/// The items of a value, or the one that it is, and its type.
pub type TypedItems = (Vec<Vec<u8>>, ValueType);

impl Context {
    /// Opens the store that the options name, and finishes commits that a crash has interrupted. With `stale`, files
    /// are read without deferred texts.
    pub fn new(global: &Global, stale: bool) -> Result<Self, Failure> {
        let dirs = Dirs::choose(
            DirOptions::new()
                .config(global.config_dir.clone())
                .save(global.save_dir.clone())
                .run(global.run_dir.clone())
                .state(global.state_dir.clone()),
        );
        let log_file = global.log_file.clone().or_else(|| variable("CMS_LOG_FILE").map(PathBuf::from));
        log_file.map_or(Ok(()), |path| log_file::open(&path))?;
        let show = !global.quiet && io::stderr().is_terminal();
        let source = global.source.as_deref().unwrap_or("cms");
        let message = global.message.as_deref().unwrap_or_default();
        let mut options = Options::new().dirs(dirs).source(source).message(message).stale(stale);
        if show {
            options = options.progress(progress::read);
        }
        if !global.quiet {
            options = options.warn(warn);
        }
        cms::check_environment().map_err(|error| Failure::Usage(error.to_string()))?;
        if let Some(timeout) = global.lock_timeout {
            options = options.lock_timeout(timeout);
        }
        if let Some(timeout) = global.verify_timeout {
            options = options.verify_timeout(timeout);
        }
        let store = Engine::new(options);
        // Before anything is read, interrupted commits are finished, and those not confirmed in time are rolled back.
        if !stale && let Err(error) = store.confirmations().recover() {
            warn(&format!("an interrupted commit cannot be finished: {error}"));
        }
        Self::with(store, global)
    }

    /// As [`Context::new`], with a store that is open already.
    pub fn with(store: Engine, global: &Global) -> Result<Self, Failure> {
        secrets::of_store(&store, global.reveal);
        Ok(Self {
            store,
            out: BufWriter::with_capacity(1 << 16, Out::Stdout(io::stdout())),
            global: global.clone(),
            json: global.wants_json(),
            color: colors_errors(global.color.as_deref())?,
            paint: Paint(wants_color(global.color.as_deref(), &io::stdout())? && !global.wants_json()),
            json_lines: global.json_lines,
            quiet: global.quiet,
            verbose: !global.quiet && (global.verbose || wants_verbose()),
            dry_run: global.dry_run,
            guards: None,
            at: At::Staged,
            worst: Exit::Ok,
            gathered: None,
            loaded: Vec::new(),
            arguments: Vec::new(),
        })
    }

    /// Loads a package with its staged changes, once per command.
    pub fn load(&mut self, package: &[u8]) -> Result<&Loaded, Failure> {
        if let Some(index) = self.loaded.iter().position(|(name, _)| name == package) {
            return Ok(&self.loaded[index].1);
        }
        let loaded = self.load_read(package)?;
        self.say_read(&loaded);
        self.loaded.push((package.to_vec(), loaded));
        Ok(&self.loaded[self.loaded.len() - 1].1)
    }

    /// As [`Context::load`], to print it: of a package whose text cannot be parsed, the last good state, with a warning.
    pub fn load_good(&mut self, package: &[u8]) -> Result<&Loaded, Failure> {
        let is_loaded = self.loaded.iter().any(|(name, _)| name == package);
        if !is_loaded && matches!(self.at, At::Staged) && self.gathered.is_none() {
            let (loaded, problem) = self.store.packages().load_good(package)?;
            if let Some(problem) = problem {
                warn_of(&Error::Parse(problem));
            }
            self.say_read(&loaded);
            self.loaded.push((package.to_vec(), loaded));
        }
        self.load(package)
    }

    /// Loads a package with its staged changes, and with the changes of earlier lines of the batch.
    pub fn load_now(&self, package: &[u8]) -> Result<Loaded, Error> {
        let gathered = self.gathered.as_ref().and_then(|gathered| gathered.package(package));
        gathered.map_or_else(|| self.store.packages().load(package), Ok)
    }

    /// Loads a package that will be changed.
    pub fn load_to_change(&mut self, package: &[u8]) -> Result<Loaded, Failure> {
        match &mut self.gathered {
            Some(gathered) => gathered.borrow(&self.store, package, self.dry_run),
            None => {
                let loaded = self.store.packages().load_to_change(package)?;
                self.say_read(&loaded);
                Ok(loaded)
            }
        }
    }

    /// Says where a package was read from, with `--verbose`.
    fn say_read(&self, loaded: &Loaded) {
        let (name, path) = (&loaded.place.name, loaded.place.path.display());
        match &self.at {
            At::State(State::Revision(revision)) => {
                self.verbose(&format!("{name}: read from the log, as of revision {revision}"));
            }
            At::State(State::Snapshot(archive)) => {
                self.verbose(&format!("{name}: read from snapshot {}", archive.info.label));
            }
            At::Staged if !loaded.changes.is_empty() => {
                let (count, dir) = (loaded.changes.len(), self.store.dirs().save.path.display());
                self.verbose(&format!("{name}: read from {path}, with {count} staged changes of {dir}"));
            }
            At::Staged | At::Committed => self.verbose(&format!("{name}: read from {path}")),
        }
    }

    /// Loads a package as it was at a revision.
    fn load_at(&self, package: &[u8], state: &State) -> Result<Loaded, Failure> {
        let missing = || Error::NotFound { key: show(package) };
        let name = std::str::from_utf8(package).map_err(|_| missing())?;
        let found = self.store.history().package_in(name, state)?;
        if found.is_none() {
            self.store.history().check_packages(&[name.to_owned()], state)?;
        }
        // The package may have no file now.
        let place = self.store.packages().find_to_write(name.as_bytes())?;
        let package = found.ok_or_else(|| {
            Error::from(Missing::Before { package: name.to_owned(), revision: state.revision() })
        })?;
        Ok(Loaded::of(place, package))
    }

    /// Finds a state by its name; dates are local time.
    pub fn resolve(&self, spec: &str) -> Result<State, Error> {
        self.store.history().resolve(&zone::revision(spec))
    }

    /// Finds a revision by its name; dates are local time.
    pub fn find_revision(&self, spec: &str) -> Result<u64, Error> {
        self.store.history().find_revision(&zone::revision(spec))
    }

    /// Notes edits by hand in the log, if the user may write it, so that the history has them.
    pub fn note_edits(&self) {
        if let Err(error) = self.store.history().note_edits() {
            self.verbose(&format!("edits by hand cannot be noted in the log: {error}"));
        }
    }

    /// Takes the state that `--at` names.
    pub fn read_at(&mut self, at: Option<&str>) -> Result<(), Failure> {
        if let Some(spec) = at {
            self.at = if matches!(spec, "now" | "HEAD") {
                At::Committed
            } else {
                // The log has to have packages that were deleted by hand.
                self.note_edits();
                At::State(self.resolve(spec)?)
            };
        }
        Ok(())
    }

    /// Returns the place of a package that is better read from its map: it is large, and nothing of it is staged.
    fn place_of_map(&self, package: &[u8]) -> Option<Place> {
        let (place, size) = self.store.packages().find_with_size(package).ok()?;
        let is_changed =
            || self.gathered.as_ref().is_some_and(|gathered| gathered.package(package).is_some());
        let is_mapped = place.staged
            && matches!(self.at, At::Staged)
            && size >= LARGE
            && !self.store.staging().may_be_staged(&place)
            && !is_changed();
        is_mapped.then_some(place)
    }

    /// Opens the map of a large package, which is faster than parsing the text. `None` if the package is small, has
    /// staged changes, or has no map and cannot get one.
    pub fn mapped(&self, package: &[u8]) -> Option<Snapshot> {
        self.place_of_map(package)?;
        let snapshot = Store::open(self.store.options().clone()).ok()?.snapshot().ok()?;
        snapshot.package(package).is_ok().then_some(snapshot)
    }

    /// Reads the value of a key of a large package from its map, as [`Context::mapped`] opens it.
    pub fn read_mapped(&self, key: &Key) -> Option<Result<TypedItems, Error>> {
        key.section.as_ref()?;
        let place = self.place_of_map(&key.package)?;
        let live = Store::open(self.store.options().clone()).ok()?;
        let items = |typed: cms::map::TypedValue<'_>| {
            (typed.value.items().map(<[u8]>::to_vec).collect(), typed.value_type)
        };
        match live.get_typed(key.text().as_bytes(), items) {
            Ok(Some(items)) => {
                self.verbose(&format!("{}: read from the map of {}", key.text(), place.path.display()));
                live.problem(&key.package).iter().for_each(warn_of);
                Some(Ok(items))
            }
            Ok(None) => Some(Err(Error::NotFound { key: key.text() })),
            Err(_) => None,
        }
    }

    /// Forgets the loaded packages, because they may have changed.
    pub fn forget(&mut self) {
        self.loaded.clear();
    }

    /// As [`Context::packages`], with those that are only staged.
    pub fn packages_and_new(&self, named: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Failure> {
        let mut packages = self.packages(named)?;
        if named.is_empty() {
            packages.extend(self.store.packages().list_new().into_iter().map(String::into_bytes));
            packages.sort_unstable();
        }
        Ok(packages)
    }

    /// Returns all packages of the state that is read: of the present state with those that are only staged, else
    /// those that existed at that revision.
    pub fn packages_of_state(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let names = match &self.at {
            At::Staged => return self.packages_and_new(&[]),
            At::Committed => return self.packages(&[]),
            At::State(State::Snapshot(archive)) => archive.packages.keys().cloned().collect(),
            At::State(state @ State::Revision(revision)) => {
                let mut names: BTreeSet<String> =
                    self.store.history().changed_since(*revision)?.into_iter().collect();
                names.extend(self.store.packages().list()?);
                // Packages that were made later are left out. A text that the log has dropped is an error when it is
                // read.
                names.retain(|name| {
                    let then = self.store.history().text_in(name, state);
                    !matches!(then, Ok(None) | Err(Error::Missing(Missing::Unlogged { .. })))
                });
                names
            }
        };
        Ok(names.into_iter().map(String::into_bytes).collect())
    }

    /// Returns the packages named, or all packages of the state that is read.
    pub fn packages_read(&self, named: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Failure> {
        if named.is_empty() { self.packages_of_state() } else { self.packages(named) }
    }

    /// Loads a package in the state that is read, with the changes of earlier lines of a batch if that is the present
    /// one. It is not kept.
    pub fn load_read(&self, package: &[u8]) -> Result<Loaded, Failure> {
        match &self.at {
            At::Staged => Ok(self.load_now(package)?),
            At::Committed => {
                Ok(self.store.packages().load_committed(self.store.packages().find(package)?)?)
            }
            At::State(state) => self.load_at(package, state),
        }
    }

    /// Returns the packages named, or all packages.
    pub fn packages(&self, named: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Failure> {
        if !named.is_empty() {
            let package = |name: &Vec<u8>| match Key::parse(name)? {
                Key { package, section: None, .. } => Ok(package),
                key => Err(Failure::Usage(format!("'{}': the name of a package is expected", key.text()))),
            };
            return named.iter().map(package).collect();
        }
        Ok(self.store.packages().list()?.into_iter().map(String::into_bytes).collect())
    }
}

/// Reports whether the environment asks for what `--verbose` says.
fn wants_verbose() -> bool {
    let is = |name, accepted: &[&str]| {
        variable(name).is_some_and(|value| accepted.iter().any(|accepted| value == *accepted))
    };
    is("CMS_VERBOSE", &["1", "on", "yes", "true"]) || is("RUST_LOG", &["debug", "trace"])
}

/// Prints a warning of the library.
fn warn(text: &str) {
    print_message(&format!("warning: {}", cms::shown::text(text)));
}

/// Warns that the last good state of a package is printed, because its text has an error.
fn warn_of(problem: &Error) {
    warn(&format!("{problem}; the last good content is shown"));
}

/// The package, section or option that a key names.
pub enum Found<'p> {
    Package(&'p Package),
    Section(Section<'p>),
    Option(Section<'p>, OptionView<'p>),
}

/// Finds the package, section or option that a key names.
pub fn find<'p>(package: &'p Package, key: &Key) -> Result<Found<'p>, Error> {
    let missing = || Error::NotFound { key: key.text() };
    let settled = package.settle(key.clone())?;
    let Some(selector) = &settled.section else { return Ok(Found::Package(package)) };
    let section = package.select(selector)?.ok_or_else(missing)?;
    match &settled.option {
        None => Ok(Found::Section(section)),
        Some(option) => Ok(Found::Option(section, section.option(option).ok_or_else(missing)?)),
    }
}
