//! What the program that opens a store asks for.

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

/// How a store behaves, as far as its policy lets a program decide: see [`crate::Engine::settings`]. The default is the intended dialect, strict, and ten seconds for a lock.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directories.
    pub dirs: Dirs,
    /// The format of the package files. Delta files and the policy are UCI text in any case.
    #[doc(hidden)]
    pub format: &'static dyn Format,
    /// Which reading of UCI's corner cases applies.
    pub dialect: Dialect,
    /// Refuse text with errors; otherwise what can be read is read.
    pub strict: bool,
    /// How long to wait for another writer. In a command that runs for a verifier ([`crate::VERIFYING`]) it is not
    /// waited unless it is set: the writer waits for the verifier.
    pub lock_timeout: Duration,
    /// How long a commit waits for those who verify it: see [`crate::Store::verify`].
    pub verify_timeout: Duration,
    /// The file operations; a test can make them fail.
    pub files: Files,
    /// Called now and then while a long text is read, with the bytes read and the bytes in all; at the end
    /// the two are equal.
    pub progress: Option<fn(usize, usize)>,
    /// Called with each warning, once for a store: what was passed over, and does not stop what was asked for.
    pub warn: Option<Warn>,
    /// How many bytes the map of a package may have. A commit that would need more is refused.
    pub map_limit: Option<u64>,
    /// Keep maps private to this process.
    pub private_maps: bool,
    /// How much of the log is kept.
    pub log: Limits,
    /// What a commit survives.
    pub durability: Durability,
    /// What commits to single packages survive, if not that.
    pub package_durability: BTreeMap<String, Durability>,
    /// For how long the text of a package may be older than the log, with [`Durability::Log`]. A store that is open
    /// puts it in place then, on a thread that starts with the first such commit.
    pub text_delay: Duration,
    /// Read texts as they are, also where commits are made that are not in the file yet ([`Durability::Log`]).
    pub stale: bool,
    /// What stands guard over commits that are to be confirmed.
    pub guards: Guards,
    /// How many automatic snapshots are kept.
    pub snapshots_keep: u64,
    /// The settings above that count as given although they are at their default: see [`crate::Engine::settings`].
    pub given: BTreeSet<Setting>,
    /// How long the system has been running; a test can tell otherwise.
    pub uptime: fn() -> clock::Uptime,
    /// What time it is; a test can tell otherwise.
    pub time: fn() -> SystemTime,
    /// What changes are made through, for the log.
    pub source: String,
    /// What the author of changes has to say, for the log.
    pub message: String,
}

impl Options {
    /// Returns how text is to be read.
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

/// What stands guard over commits that are to be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Guards {
    /// The `cms` that is found in `PATH` or where programs mostly are; where there is none, a thread.
    #[default]
    Any,
    /// This `cms`, and nothing else.
    Program(PathBuf),
    /// A thread of this program. It ends when the program does; then whoever opens the store next takes the commit back.
    Thread,
    /// Nobody: the program does it by itself, with [`crate::Confirmations::stand_guard`], or whoever opens the store next.
    Nobody,
}
