//! What a command works with: the store, the output, and the packages it has loaded.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cms::State;
use cms::{
    DirOptions, Dirs, Engine, Error, Key, Loaded, Missing, OptionView, Options, Package, Section, Setting,
    Store, Warn,
};

use serde_json::{Map, Value as Json, json};

use super::failure::{Exit, Failure, tell};
use super::gather::Gathered;
use super::line::Line;

/// From this size on, in bytes, a package is read through its map; see `docs/measurements.md`.
const LARGE: u64 = 48 * 1024;

/// Which state packages are read in.
enum At {
    /// With what is staged.
    Staged,
    /// Without what is staged: `--at now`. This is what the files say, also where the log does not know of it yet.
    Committed,
    /// As they were at a revision or in a snapshot.
    State(State),
}

/// See the module documentation.
pub struct Context {
    pub store: Engine,
    pub out: BufWriter<io::Stdout>,
    /// Whether output and errors are JSON; with `json_lines`, one object a line.
    pub json: bool,
    pub json_lines: bool,
    pub quiet: bool,
    pub verbose: bool,
    pub dry_run: bool,
    color: bool,
    at: At,
    /// The worst of what was reported and passed over.
    pub worst: Exit,
    /// What the lines of a batch have changed so far, if this command is one of them.
    pub gathered: Option<Gathered>,
    loaded: Vec<(Vec<u8>, Loaded)>,
}

impl Context {
    pub fn new(line: &Line) -> Result<Self, Failure> {
        let path =
            |name: &str| line.value(name).map(|value| PathBuf::from(OsString::from_vec(value.to_vec())));
        let dirs = Dirs::choose(DirOptions {
            config: path("config-dir"),
            save: path("save-dir"),
            run: path("run-dir"),
            state: path("state-dir"),
        });
        let show = !line.has("quiet") && io::stderr().is_terminal();
        let mut options = Options { dirs, progress: show.then_some(progress), ..Options::default() };
        options.warn = (!line.has("quiet")).then(|| Warn::new(warn));
        options.source = line.text("source").unwrap_or_else(|| "cms".into());
        options.message = line.text("message").unwrap_or_default();
        options.stale = line.has("stale");
        cms::check_environment().map_err(|error| Failure::Usage(error.to_string()))?;
        if let Some(timeout) = line.seconds("lock-timeout")? {
            options.lock_timeout = timeout;
            options.given.insert(Setting::LockTimeout);
        }
        if let Some(timeout) = line.seconds("verify-timeout")? {
            options.verify_timeout = timeout;
            options.given.insert(Setting::VerifyTimeout);
        }
        let store = Engine::new(options);
        // What a crash has left is finished, and what was not confirmed in time taken back, before anything is read.
        if !store.options().stale
            && let Err(error) = store.recover()
        {
            warn(&format!("what was interrupted cannot be finished: {error}"));
        }
        Self::with(store, line)
    }

    /// As [`Context::new`], with a store that is there.
    pub fn with(store: Engine, line: &Line) -> Result<Self, Failure> {
        Ok(Self {
            store,
            out: BufWriter::with_capacity(1 << 16, io::stdout()),
            json: line.has("json") || line.has("json-lines"),
            color: wants_color(line.text("color").as_deref())?,
            json_lines: line.has("json-lines"),
            quiet: line.has("quiet"),
            verbose: line.has("verbose"),
            dry_run: line.has("dry-run"),
            at: At::Staged,
            worst: Exit::Ok,
            gathered: None,
            loaded: Vec::new(),
        })
    }

    /// Writes to standard output.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.out.write_all(bytes)?)
    }

    /// Writes a line to standard output.
    pub fn say(&mut self, line: &str) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{line}")?)
    }

    /// Writes a line that need not be UTF-8 to standard output.
    pub fn put_line(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.put(line)?;
        self.put(b"\n")
    }

    /// Writes a JSON value and a newline to standard output.
    pub fn put_json(&mut self, value: &Json) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{value}")?)
    }

    /// Writes rows as a JSON array, or one a line.
    pub fn put_rows(&mut self, rows: Vec<Json>) -> Result<(), Failure> {
        if self.json_lines {
            return rows.iter().try_for_each(|row| self.put_json(row));
        }
        self.put_json(&Json::Array(rows))
    }

    /// Writes keys and values as a JSON object, or one `{"key": ..., "value": ...}` a line.
    pub fn put_map(&mut self, map: Map<String, Json>) -> Result<(), Failure> {
        if self.json_lines {
            let row = |(key, value)| json!({"key": key, "value": value});
            return map.into_iter().map(row).try_for_each(|row| self.put_json(&row));
        }
        self.put_json(&Json::Object(map))
    }

    /// Tells something that is no failure, unless told to be quiet.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            tell(&format!("cms: {}", cms::shown::lines(text)));
        }
    }

    /// Tells what was done, if told to be verbose.
    pub fn verbose(&self, text: &str) {
        if self.verbose {
            tell(&format!("cms: {}", cms::shown::lines(text)));
        }
    }

    /// Reports a failure and goes on; the command then ends with its exit code.
    pub fn report(&mut self, failure: &Failure) -> Result<(), Failure> {
        if matches!(failure, Failure::BrokenPipe) {
            return Err(Failure::BrokenPipe);
        }
        self.out.flush()?;
        failure.print(self.json, self.color);
        if matches!(self.worst, Exit::Ok | Exit::NotFound) {
            self.worst = failure.exit();
        }
        Ok(())
    }

    /// Loads a package with its staged changes, once per command.
    pub fn load(&mut self, package: &[u8]) -> Result<&Loaded, Failure> {
        if let Some(index) = self.loaded.iter().position(|(name, _)| name == package) {
            return Ok(&self.loaded[index].1);
        }
        let loaded = match &self.at {
            At::State(state) => self.load_at(package, state)?,
            At::Committed => self.store.load_committed(self.store.place(package)?)?,
            At::Staged => self.load_now(package)?,
        };
        self.loaded.push((package.to_vec(), loaded));
        Ok(&self.loaded[self.loaded.len() - 1].1)
    }

    /// As [`Context::load`], to print it: of a package whose text cannot be parsed, the last good state, with a warning.
    pub fn load_good(&mut self, package: &[u8]) -> Result<&Loaded, Failure> {
        let is_loaded = self.loaded.iter().any(|(name, _)| name == package);
        if !is_loaded && matches!(self.at, At::Staged) && self.gathered.is_none() {
            let (loaded, problem) = self.store.load_good(package)?;
            if let Some(problem) = problem {
                warn_of(&Error::Parse(problem));
            }
            self.loaded.push((package.to_vec(), loaded));
        }
        self.load(package)
    }

    /// Loads a package with its staged changes, and with what earlier lines of the batch have changed.
    pub fn load_now(&self, package: &[u8]) -> Result<Loaded, Error> {
        let gathered = self.gathered.as_ref().and_then(|gathered| gathered.look(package));
        gathered.map_or_else(|| self.store.load(package), Ok)
    }

    /// Loads a package that is to be changed.
    pub fn load_to_change(&mut self, package: &[u8]) -> Result<Loaded, Failure> {
        match &mut self.gathered {
            Some(gathered) => gathered.lend(&self.store, package, self.dry_run),
            None => Ok(self.store.load_to_change(package)?),
        }
    }

    /// Loads a package as it was at a revision.
    fn load_at(&self, package: &[u8], state: &State) -> Result<Loaded, Failure> {
        let missing = || Error::NotFound { key: show(package) };
        let name = std::str::from_utf8(package).map_err(|_| missing())?;
        let found = self.store.package_in(name, state)?;
        // There may be no file of it now.
        let place = self.store.place_to_write(name.as_bytes())?;
        let package = found.ok_or_else(|| {
            Error::from(Missing::Before { package: name.to_owned(), revision: state.revision() })
        })?;
        Ok(Loaded { place, package, changes: Vec::new(), followups: Vec::new(), errors: Vec::new() })
    }

    /// Takes the state that `--at` names.
    pub fn go_back(&mut self, line: &Line) -> Result<(), Failure> {
        if let Some(spec) = line.text("at") {
            let is_now = matches!(&*spec, "now" | "HEAD");
            self.at = if is_now { At::Committed } else { At::State(self.store.resolve(&spec)?) };
        }
        Ok(())
    }

    /// Reads the value of a key of a large package from its map: that takes no time, parsing it would. `None`
    /// if the package is small, has staged changes, or has no map and cannot get one.
    pub fn read_mapped(&self, key: &Key) -> Option<Result<Vec<Vec<u8>>, Error>> {
        let (place, size) = self.store.place_and_size(&key.package).ok().filter(|(place, _)| place.staged)?;
        let is_changed = self.gathered.as_ref().is_some_and(|gathered| gathered.look(&key.package).is_some());
        if !matches!(self.at, At::Staged)
            || size < LARGE
            || key.section.is_none()
            || self.store.may_be_staged(&place)
            || is_changed
        {
            return None;
        }
        let live = Store::open(self.store.options().clone()).ok()?;
        let items = |value: cms::map::Value<'_>| value.items().map(<[u8]>::to_vec).collect();
        match live.get(key.text().as_bytes(), items) {
            Ok(Some(items)) => {
                live.problem(&key.package).iter().for_each(warn_of);
                Some(Ok(items))
            }
            Ok(None) => Some(Err(Error::NotFound { key: key.text() })),
            Err(_) => None,
        }
    }

    /// Forgets what was loaded, because it may have changed.
    pub fn forget(&mut self) {
        self.loaded.clear();
    }

    /// As [`Context::packages`], with those that are only staged.
    pub fn packages_and_new(&self, named: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Failure> {
        let mut packages = self.packages(named)?;
        if named.is_empty() {
            packages.extend(self.store.new_packages().into_iter().map(String::into_bytes));
            packages.sort_unstable();
        }
        Ok(packages)
    }

    /// Returns all packages of the state that is read: with those that are only staged, or those that there were then.
    pub fn packages_of_state(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let names = match &self.at {
            At::Staged => return self.packages_and_new(&[]),
            At::Committed => return self.packages(&[]),
            At::State(State::Snapshot(archive)) => archive.packages.keys().cloned().collect(),
            At::State(state @ State::Revision(revision)) => {
                let mut names: BTreeSet<String> = self.store.changed_since(*revision)?.into_iter().collect();
                names.extend(self.store.packages()?);
                // One that came later was not there; what cannot be had any more is told when it is read.
                names.retain(|name| {
                    let then = self.store.text_in(name, state);
                    !matches!(then, Ok(None) | Err(Error::Missing(Missing::Unlogged { .. })))
                });
                names
            }
        };
        Ok(names.into_iter().map(String::into_bytes).collect())
    }

    /// Returns the packages named, or all there are.
    pub fn packages(&self, named: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Failure> {
        if !named.is_empty() {
            let package = |name: &Vec<u8>| match Key::parse(name)? {
                Key { package, section: None, .. } => Ok(package),
                key => Err(Failure::Usage(format!("'{}': the name of a package is expected", key.text()))),
            };
            return named.iter().map(package).collect();
        }
        Ok(self.store.packages()?.into_iter().map(String::into_bytes).collect())
    }
}

/// Gives a warning of the library.
fn warn(text: &str) {
    tell(&format!("cms: warning: {}", cms::shown::text(text)));
}

/// Says that a package is printed as it was before its text was broken.
fn warn_of(problem: &Error) {
    warn(&format!("{problem}; this is what it said before"));
}

/// Shows on the terminal how far reading has got, once it takes over a second.
fn progress(read: usize, all: usize) {
    static START: OnceLock<Instant> = OnceLock::new();
    static SHOWN: AtomicBool = AtomicBool::new(false);
    let start = START.get_or_init(Instant::now);
    // The flag only remembers whether there is a line to wipe; nothing else depends on it.
    if read == all {
        if SHOWN.swap(false, Ordering::Relaxed) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    } else if start.elapsed() > Duration::from_secs(1) {
        SHOWN.store(true, Ordering::Relaxed);
        let _ = write!(io::stderr(), "\rreading: {} % of {} MB", read * 100 / all.max(1), all / 1_000_000);
    }
}

/// What a key names in a package.
pub enum Found<'p> {
    Package(&'p Package),
    Section(Section<'p>),
    Option(Section<'p>, OptionView<'p>),
}

/// Finds what a key names.
pub fn find<'p>(package: &'p Package, key: &Key) -> Result<Found<'p>, Error> {
    let missing = || Error::NotFound { key: key.text() };
    let Some(selector) = &key.section else { return Ok(Found::Package(package)) };
    let section = package.select(selector)?.ok_or_else(missing)?;
    match &key.option {
        None => Ok(Found::Section(section)),
        Some(option) => Ok(Found::Option(section, section.option(option).ok_or_else(missing)?)),
    }
}

/// Decides whether errors are coloured.
pub fn wants_color(when: Option<&str>) -> Result<bool, Failure> {
    match when {
        Some("always") => Ok(true),
        Some("never") => Ok(false),
        None | Some("auto") => {
            let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
            Ok(io::stderr().is_terminal() && !set("NO_COLOR") && !dumb)
        }
        Some(other) => Err(Failure::Usage(format!("no colour '{other}': auto, always or never"))),
    }
}

/// Returns an argument as a path; it need not be UTF-8.
pub fn path(argument: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(argument))
}

/// Opens a file, or standard input if there is none or it is `-`, and says what it is called.
pub fn open_input(file: Option<&Vec<u8>>) -> Result<(String, Box<dyn Read>), Failure> {
    let Some(file) = file.filter(|file| *file != b"-") else {
        return Ok(("standard input".into(), Box::new(io::stdin())));
    };
    let open = std::fs::File::open(path(file));
    let open = open.map_err(|source| Error::Io { op: "open", path: path(file).into(), source })?;
    Ok((show(file), Box::new(open)))
}

/// Reads a file, or standard input if there is none or it is `-`.
pub fn read_input(file: Option<&[u8]>) -> Result<Vec<u8>, Failure> {
    let name = path(file.unwrap_or(b"-"));
    let read = cms::named_file::read(name, cms::MAX_TEXT, b"");
    let shown = if name == Path::new("-") { Path::new("standard input") } else { name };
    Ok(read.map_err(|source| Error::Io { op: "read", path: shown.into(), source })?)
}

/// As [`read_input`], of a value: from standard input, which need not end, no more is read than a value may have.
pub fn read_value(file: Option<&[u8]>) -> Result<Vec<u8>, Failure> {
    if file.is_some_and(|file| file != b"-") {
        return read_input(file);
    }
    // With the newline that ends the last line.
    let read = cms::named_file::read(Path::new("-"), cms::name::MAX_VALUE + 1, b"");
    read.map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => {
            Failure::Other(Exit::Invalid, "standard input: values have less than 4 MiB".into())
        }
        _ => Error::Io { op: "read", path: "standard input".into(), source }.into(),
    })
}

/// Shows bytes to a person.
pub fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
