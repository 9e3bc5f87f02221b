//! The options that a program opens a store with.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::error::Result;
use crate::error::warn::Warn;
use crate::format::{self, Format, ParseOptions};
use crate::log::Limits;
use crate::model::dialect::Dialect;
use crate::model::format_kind::FormatKind;
use crate::os::clock;
use crate::os::dirs::{DirOptions, Dirs};
use crate::os::files::Files;
use crate::settings::durability::{Durability, Levels};

/// The options of a store.
///
/// Each method sets one option and returns the options. They take the options by value because [`crate::Store::open`]
/// keeps them: so the Rust API guidelines have it for such builders, and a chain of calls needs no variable.
///
/// ```
/// use std::time::Duration;
/// use cms::{Durability, Options};
///
/// let options = Options::new()
///     .durability(Durability::Log)
///     .text_delay(Duration::from_millis(200))
///     .source("dhcp-server")
///     .warn(|problem| eprintln!("cms: {problem}"));
/// # let _ = options;
/// ```
///
/// The policy of the store and the environment have a say in [`durability`](Options::durability),
/// [`log_size`](Options::log_size), [`snapshots_keep`](Options::snapshots_keep), [`text_delay`](Options::text_delay),
/// [`verify_timeout`](Options::verify_timeout) and [`lock_timeout`](Options::lock_timeout): [`crate::Engine::settings`]
/// returns what results. An option counts as given if its method was called, also with the default.
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) dirs: Dirs,
    pub(crate) dialect: Dialect,
    pub(crate) strict: bool,
    pub(crate) stale: bool,
    pub(crate) private_maps: bool,
    pub(crate) map_limit: Option<u64>,
    pub(crate) guards: Guards,
    pub(crate) progress: Option<fn(usize, usize)>,
    pub(crate) warn: Option<Warn>,
    pub(crate) source: String,
    pub(crate) message: String,
    pub(super) log_age: Option<Duration>,
    pub(super) log_records: Option<u64>,
    // The options that the policy or the environment may override; `None` is not given.
    pub(super) durability: Levels,
    pub(super) log_size: Option<u64>,
    pub(super) snapshots_keep: Option<u64>,
    pub(super) text_delay: Option<Duration>,
    pub(super) verify_timeout: Option<Duration>,
    pub(super) lock_timeout: Option<Duration>,
    // The seams for tests: see `settings/seams.rs`.
    pub(crate) files: Files,
    pub(crate) format: &'static dyn Format,
    pub(crate) uptime: fn() -> clock::Uptime,
    pub(crate) time: fn() -> SystemTime,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dirs: Dirs::choose(DirOptions::default()),
            dialect: Dialect::Cms,
            strict: true,
            stale: false,
            private_maps: false,
            map_limit: None,
            guards: Guards::default(),
            progress: None,
            warn: None,
            source: format!("rust-pid-{}", std::process::id()),
            message: String::new(),
            log_age: None,
            log_records: None,
            durability: Levels::default(),
            log_size: None,
            snapshots_keep: None,
            text_delay: None,
            verify_timeout: None,
            lock_timeout: None,
            files: Files::default(),
            format: format::DEFAULT,
            uptime: clock::uptime,
            time: SystemTime::now,
        }
    }
}

impl Options {
    /// Returns the defaults: the directories of the system, the dialect of cms, strict parsing, and ten seconds for a lock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the directories. The default is [`Dirs::choose`] with no directory given.
    #[must_use]
    pub fn dirs(self, dirs: Dirs) -> Self {
        Self { dirs, ..self }
    }

    /// Sets how the corner cases of UCI are read. The default is [`Dialect::Cms`].
    #[must_use]
    pub fn dialect(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// Sets whether a text with errors is refused, which is the default. Otherwise statements with errors are skipped
    /// and the rest of the text is read.
    #[must_use]
    pub fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// Sets whether texts are read without waiting, even if newer commits are not in them yet ([`Durability::Log`]).
    #[must_use]
    pub fn stale(self, stale: bool) -> Self {
        Self { stale, ..self }
    }

    /// Sets whether maps are kept private to this process.
    #[must_use]
    pub fn private_maps(self, private_maps: bool) -> Self {
        Self { private_maps, ..self }
    }

    /// Sets the maximum size of the map of a package, in bytes. A commit that would need more is refused.
    #[must_use]
    pub fn map_limit(self, bytes: u64) -> Self {
        Self { map_limit: Some(bytes), ..self }
    }

    /// Sets the guard over commits that have to be confirmed.
    #[must_use]
    pub fn guards(self, guards: Guards) -> Self {
        Self { guards, ..self }
    }

    /// Sets a function that is called now and then while a long text is read, with the bytes read and the bytes in all; at
    /// the end the two are equal.
    #[must_use]
    pub fn progress(self, progress: fn(usize, usize)) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// Sets a function that is called with each warning, once for a store. A warning names a problem that does not stop the
    /// call that found it.
    ///
    /// The function runs on the thread whose call causes the warning, or on a thread of the library. It must not use the
    /// store, since locks may be held.
    #[must_use]
    pub fn warn(self, warn: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { warn: Some(Warn::new(warn)), ..self }
    }

    /// Sets the name of the program or interface that makes the changes, for the log. The default is `rust-pid-` and the
    /// number of the process.
    #[must_use]
    pub fn source(self, source: impl Into<String>) -> Self {
        Self { source: source.into(), ..self }
    }

    /// Sets the message of the author of changes, for the log.
    #[must_use]
    pub fn message(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// Sets the durability of commits. The default is [`Durability::Full`].
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability.general = Some(durability);
        self
    }

    /// Sets the durability of commits to one package.
    #[must_use]
    pub fn package_durability(mut self, package: impl Into<String>, durability: Durability) -> Self {
        self.durability.packages.insert(package.into(), durability);
        self
    }

    /// Sets the durability from a text: `full`, `log` or `none` for all packages, and `PACKAGE=LEVEL` for one, separated by
    /// commas. Levels that the text does not name stay as they were.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Invalid`] if the text has another form.
    pub fn durability_levels(mut self, levels: &str) -> Result<Self> {
        let Levels { general, packages } = Levels::parse(levels)?;
        self.durability.general = general.or(self.durability.general);
        self.durability.packages.extend(packages);
        Ok(self)
    }

    /// Sets the maximum size of the log, in bytes, at least 256 KiB. The default is 4 MiB, for the flash of a router; see
    /// [`Limits::bytes`].
    #[must_use]
    pub fn log_size(self, bytes: u64) -> Self {
        Self { log_size: Some(bytes), ..self }
    }

    /// Sets how old a record of the log may be. By default there is no limit.
    #[must_use]
    pub fn log_age(self, age: Duration) -> Self {
        Self { log_age: Some(age), ..self }
    }

    /// Sets how many records the log may have. By default there is no limit.
    #[must_use]
    pub fn log_records(self, records: u64) -> Self {
        Self { log_records: Some(records), ..self }
    }

    /// Sets the number of automatic snapshots to keep. The default is 8.
    #[must_use]
    pub fn snapshots_keep(self, snapshots: u64) -> Self {
        Self { snapshots_keep: Some(snapshots), ..self }
    }

    /// Sets how long the text of a package may be older than the log, with [`Durability::Log`]. An open store then puts the
    /// text in place, on a thread that starts with the first such commit. The default is a second.
    #[must_use]
    pub fn text_delay(self, delay: Duration) -> Self {
        Self { text_delay: Some(delay), ..self }
    }

    /// Sets how long a commit waits for its verifiers: see [`crate::Store::verify`]. The default is five seconds.
    #[must_use]
    pub fn verify_timeout(self, timeout: Duration) -> Self {
        Self { verify_timeout: Some(timeout), ..self }
    }

    /// Sets how long to wait for another writer. The default is ten seconds; in a command that runs for a verifier
    /// ([`crate::VERIFYING`]) it is zero: the writer waits for the verifier.
    #[must_use]
    pub fn lock_timeout(self, timeout: Duration) -> Self {
        Self { lock_timeout: Some(timeout), ..self }
    }

    /// Returns the directories.
    #[must_use]
    pub fn get_dirs(&self) -> &Dirs {
        &self.dirs
    }

    /// Returns the dialect.
    #[must_use]
    pub fn get_dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns the name of the program or interface that makes the changes.
    #[must_use]
    pub fn get_source(&self) -> &str {
        &self.source
    }

    /// Returns the limits of the log according to these options.
    pub(crate) fn log_limits(&self) -> Limits {
        let bytes = self.log_size.unwrap_or(Limits::default().bytes);
        Limits { bytes, age: self.log_age, records: self.log_records }
    }

    /// Returns the format of packages of a kind. Where a test sets a format, it is that of all packages.
    pub(crate) fn format_of(&self, kind: FormatKind) -> &'static dyn Format {
        match self.format.is_uci() {
            true => format::of_kind(kind),
            false => self.format,
        }
    }

    /// Reports whether files of the configuration directory may have other formats than UCI: stock uci has none.
    pub(crate) fn has_other_formats(&self) -> bool {
        self.dialect == Dialect::Cms && self.format.is_uci()
    }

    /// Returns the options for parsing texts.
    #[must_use]
    pub fn parse_options(&self) -> ParseOptions<'_> {
        let progress = self.progress.as_ref().map(|progress| progress as &dyn Fn(usize, usize));
        ParseOptions { dialect: self.dialect, strict: self.strict, progress }
    }
}

/// The guard over commits that have to be confirmed: it rolls a commit back if it is not confirmed in time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Guards {
    /// The `cms` in `PATH` or in a usual directory of programs; a thread if there is none.
    #[default]
    Any,
    /// The `cms` at this path, and no other.
    Program(PathBuf),
    /// A thread of this program. It ends with the program; then the next program that opens the store rolls the commit back.
    Thread,
    /// No guard: the program calls [`crate::Confirmations::run_guard`], or the next program that opens the store rolls the
    /// commit back.
    Nobody,
}
