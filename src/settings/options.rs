//! The options that a program opens a store with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::error::warn::Warn;
use crate::format::{self, Format, ParseOptions};
use crate::log::Limits;
use crate::model::dialect::Dialect;
use crate::os::dirs::{DirOptions, Dirs};
use crate::os::files::Files;
use crate::os::{caller, clock};
use crate::settings::durability::Durability;
use crate::settings::resolved::{SNAPSHOTS_KEEP, Setting, TEXT_DELAY};

/// The options of a store. The policy limits some of them: see [`crate::Engine::settings`]. The defaults are the dialect of
/// cms, strict parsing, and ten seconds for a lock.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directories.
    pub dirs: Dirs,
    /// The format of the package files. Delta files and the policy are UCI text in any case.
    #[doc(hidden)]
    pub format: &'static dyn Format,
    /// Which reading of UCI's corner cases applies.
    pub dialect: Dialect,
    /// Refuse text with errors. If not set, statements with errors are skipped and the rest of the text is read.
    pub strict: bool,
    /// How long to wait for another writer. In a command that runs for a verifier ([`crate::VERIFYING`]) the default is zero:
    /// the writer waits for the verifier.
    pub lock_timeout: Duration,
    /// How long a commit waits for its verifiers: see [`crate::Store::verify`].
    pub verify_timeout: Duration,
    /// The file operations; a test can make them fail.
    pub files: Files,
    /// Called now and then while a long text is read, with the bytes read and the bytes in all; at the end
    /// the two are equal.
    pub progress: Option<fn(usize, usize)>,
    /// Called with each warning, once for a store. A warning names a problem that does not stop the call that found it.
    pub warn: Option<Warn>,
    /// The maximum size of the map of a package, in bytes. A commit that would need more is refused.
    pub map_limit: Option<u64>,
    /// Keep maps private to this process.
    pub private_maps: bool,
    /// The limits of the log's size.
    pub log: Limits,
    /// The durability of commits.
    pub durability: Durability,
    /// The durability of commits to single packages, if it differs.
    pub package_durability: BTreeMap<String, Durability>,
    /// How long the text of a package may be older than the log, with [`Durability::Log`]. An open store then puts the text
    /// in place, on a thread that starts with the first such commit.
    pub text_delay: Duration,
    /// Read texts without waiting, even if newer commits are not in them yet ([`Durability::Log`]).
    pub stale: bool,
    /// The guard over commits that have to be confirmed.
    pub guards: Guards,
    /// The number of automatic snapshots to keep.
    pub snapshots_keep: u64,
    /// The settings above that count as set by the program although they have their default value: see
    /// [`crate::Engine::settings`].
    pub given: BTreeSet<Setting>,
    /// Returns the uptime of the system; a test can replace it.
    pub uptime: fn() -> clock::Uptime,
    /// Returns the time; a test can replace it.
    pub time: fn() -> SystemTime,
    /// The program or interface that makes the changes, for the log.
    pub source: String,
    /// The message of the author of changes, for the log.
    pub message: String,
}

impl Options {
    /// Returns the options for parsing texts.
    #[must_use]
    pub fn parse_options(&self) -> ParseOptions<'_> {
        let progress = self.progress.as_ref().map(|progress| progress as &dyn Fn(usize, usize));
        ParseOptions { dialect: self.dialect, strict: self.strict, progress }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dirs: Dirs::choose(DirOptions::default()),
            format: format::DEFAULT,
            dialect: Dialect::Cms,
            strict: true,
            lock_timeout: caller::default_patience(),
            verify_timeout: caller::TIMEOUT,
            files: Files::default(),
            progress: None,
            warn: None,
            map_limit: None,
            private_maps: false,
            log: Limits::default(),
            durability: Durability::default(),
            package_durability: BTreeMap::new(),
            snapshots_keep: SNAPSHOTS_KEEP,
            text_delay: TEXT_DELAY,
            given: BTreeSet::new(),
            stale: false,
            guards: Guards::default(),
            uptime: clock::uptime,
            time: SystemTime::now,
            source: format!("rust-pid-{}", std::process::id()),
            message: String::new(),
        }
    }
}

/// The guard over commits that have to be confirmed: it rolls a commit back if it is not confirmed in time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
