//! What a command works with: the store, the output, and the packages it has loaded.

use std::ffi::OsString;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cms::{DirOptions, Dirs, Error, Key, Loaded, OptionView, Options, Package, Section, Store};

use super::failure::{Exit, Failure};
use super::line::Line;

/// See the module documentation.
pub struct Context {
    pub store: Store,
    pub out: BufWriter<io::Stdout>,
    pub json: bool,
    pub json_lines: bool,
    pub quiet: bool,
    pub verbose: bool,
    pub dry_run: bool,
    /// The worst of what was reported and passed over.
    pub worst: Exit,
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
        if let Some(seconds) = line.text("lock-timeout") {
            let parsed = seconds.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            let wrong = || Failure::Usage(format!("'{seconds}' is not a number of seconds"));
            options.lock_timeout = parsed.ok_or_else(wrong)?;
        }
        Ok(Self {
            store: Store::new(options),
            out: BufWriter::with_capacity(1 << 16, io::stdout()),
            json: line.has("json"),
            json_lines: line.has("json-lines"),
            quiet: line.has("quiet"),
            verbose: line.has("verbose"),
            dry_run: line.has("dry-run"),
            worst: Exit::Ok,
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

    /// Writes a JSON value and a newline to standard output.
    pub fn put_json(&mut self, value: &serde_json::Value) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{value}")?)
    }

    /// Tells something that is no failure, unless told to be quiet.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            eprintln!("cms: {text}");
        }
    }

    /// Reports a failure and goes on; the command then ends with its exit code.
    pub fn report(&mut self, failure: &Failure) -> Result<(), Failure> {
        if matches!(failure, Failure::BrokenPipe) {
            return Err(Failure::BrokenPipe);
        }
        self.out.flush()?;
        if self.json {
            failure.print_json();
        } else {
            failure.print();
        }
        if self.worst == Exit::Ok {
            self.worst = failure.exit();
        }
        Ok(())
    }

    /// Loads a package with its staged changes, once per command.
    pub fn load(&mut self, package: &[u8]) -> Result<&Loaded, Failure> {
        if let Some(index) = self.loaded.iter().position(|(name, _)| name == package) {
            return Ok(&self.loaded[index].1);
        }
        let loaded = self.store.load(package)?;
        self.loaded.push((package.to_vec(), loaded));
        Ok(&self.loaded[self.loaded.len() - 1].1)
    }

    /// Forgets what was loaded, because it may have changed.
    pub fn forget(&mut self) {
        self.loaded.clear();
    }

    /// Returns the packages named, or all there are.
    pub fn packages(&self, named: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Failure> {
        if !named.is_empty() {
            return named.iter().map(|name| Ok(Key::parse(name)?.package)).collect();
        }
        Ok(self.store.packages()?.into_iter().map(String::into_bytes).collect())
    }
}

/// Shows on the terminal how far reading has got, once it takes over a second.
fn progress(read: usize, all: usize) {
    static START: OnceLock<Instant> = OnceLock::new();
    static SHOWN: AtomicBool = AtomicBool::new(false);
    let start = START.get_or_init(Instant::now);
    // The flag only remembers whether there is a line to wipe; nothing else depends on it.
    if read == all {
        if SHOWN.swap(false, Ordering::Relaxed) {
            eprint!("\r\x1b[K");
        }
    } else if start.elapsed() > Duration::from_secs(1) {
        SHOWN.store(true, Ordering::Relaxed);
        eprint!("\rreading: {} % of {} MB", read * 100 / all.max(1), all / 1_000_000);
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

/// Shows bytes to a person.
pub fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
