//! The log of the directory that the configuration path leads to now.
//!
//! If the path of the directory is a symbolic link, it may be replaced at any moment by one that leads to another
//! directory. Later commits then belong to the log of the new directory: see [`Logs::follow`] and
//! `open_session::follow_config`. Deferred texts of the old log are put in place in the old directory, never in the
//! new one.
//!
//! The logs are a list that only grows, so references to them stay valid as long as the engine lives.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use crate::error::not_found::Missing;
use crate::error::{Code, Error, Result};
use crate::history::Past;
use crate::log::Log;
use crate::os::dirs::Origin;
use crate::os::file_name;
use crate::os::files::{FileId, Files, OpenFile, Wait};
use crate::os::trust::Config;
use crate::settings::options::Options;

/// The logs of the directories that the path has led to. None is dropped: callers hold references to them.
#[derive(Debug)]
pub(crate) struct Logs {
    options: Arc<Options>,
    first: OnceLock<Box<Node>>,
    current: AtomicUsize,
    /// The directory at the last check.
    config_id: Mutex<Option<FileId>>,
    /// Whether the path of the directory was no symbolic link then.
    is_plain: AtomicBool,
    /// Whether the log was given, so that the path of the directory does not matter.
    is_fixed: bool,
}

#[derive(Debug)]
struct Node {
    /// The directory, with all symbolic links resolved.
    real: Option<PathBuf>,
    log: Option<Log>,
    next: OnceLock<Box<Node>>,
}

impl Logs {
    /// Makes the logs of an engine. Nothing is read or created yet.
    pub fn new(options: Arc<Options>) -> Self {
        let (first, current) = (OnceLock::new(), AtomicUsize::default());
        let is_plain = AtomicBool::default();
        Self { options, first, current, config_id: Mutex::default(), is_plain, is_fixed: false }
    }

    /// Makes the logs of an engine that works with this log only, even if the path of its directory leads elsewhere.
    pub fn of_one(options: Arc<Options>, log: Log) -> Self {
        let node = Node { real: None, log: Some(log), next: OnceLock::new() };
        Self { first: OnceLock::from(Box::new(node)), is_fixed: true, ..Self::new(options) }
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        std::iter::successors(self.first.get(), |node| node.next.get()).map(|node| &**node)
    }

    fn current_node(&self) -> Option<&Node> {
        // Acquire: pairs with the store in `follow`.
        self.nodes().nth(self.current.load(Ordering::Acquire))
    }

    /// Adds a node at the end, and returns its index.
    fn add(&self, node: Node) -> usize {
        let (mut node, mut at, mut place) = (Box::new(node), 0, &self.first);
        while let Err(back) = place.set(node) {
            node = back;
            let Some(taken) = place.get() else { break };
            (place, at) = (&taken.next, at + 1);
        }
        at
    }

    fn config(&self) -> &Path {
        &self.options.dirs.config.path
    }

    /// Returns the current log; `None` if there is no directory for one.
    pub fn current(&self) -> Option<&Log> {
        if self.current_node().is_none() {
            let real = std::fs::canonicalize(self.config()).ok();
            let log = real.as_deref().and_then(|real| self.log_of(real));
            // If another thread was faster, its node is the same.
            self.add(Node { real, log, next: OnceLock::new() });
        }
        self.current_node()?.log.as_ref()
    }

    /// Returns the current log, or an error if there is no directory for one.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`].
    pub fn require(&self) -> Result<&Log> {
        self.current().ok_or_else(|| Missing::config_dir(self.config()).unwrap_or(Missing::Log).into())
    }

    /// Returns the log and the texts to read earlier states from.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no log.
    pub fn past(&self) -> Result<Past<'_>> {
        let log = self.require()?;
        Ok(Past { log, log_dir: log.dir(), files: &self.options.files, config: self.config() })
    }

    /// Returns the directory of the snapshots.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no log.
    pub fn snapshot_dir(&self) -> Result<PathBuf> {
        Ok(self.require()?.dir().join("snapshots"))
    }

    /// Returns the reason if commits cannot be logged. Creates nothing.
    pub fn problem(&self) -> Option<String> {
        use rustix::fs::{Access, access};
        let Some(log) = self.current() else { return Some(Missing::Log.to_string()) };
        // The log, or the directory it would be made in.
        let nearest = log.dir().ancestors().find(|path| path.exists())?;
        if let Err(denied) = access(nearest, Access::WRITE_OK | Access::EXEC_OK) {
            return Some(Error::io("write to", nearest)(denied.into()).to_string());
        }
        // Root may write anywhere, but a path that an untrusted user controls is refused.
        log.within(None).err().filter(|error| error.code() == Code::Permission).map(|error| error.to_string())
    }

    /// Returns the damage of the log that was found so far.
    pub fn damage(&self) -> Vec<String> {
        self.current().map(Log::problems).unwrap_or_default()
    }

    /// Returns the directory of root's logs, and its owner, if this user has a log of his own because he may not read
    /// root's. Transactions that are not in his log may be in root's.
    pub fn of_root(&self) -> Option<(PathBuf, u32)> {
        let chosen = |origin| matches!(origin, Origin::Given | Origin::Environment("CMS_STATE_DIR"));
        let system = PathBuf::from(crate::os::dirs::SYSTEM_STATE);
        let state = self.options.dirs.state.as_ref();
        let is_own = state.is_some_and(|dir| chosen(dir.origin) || dir.path == system);
        let owner = std::fs::symlink_metadata(&system).ok()?.uid();
        (!is_own && owner != crate::os::trust::user()).then_some((system, owner))
    }

    /// Returns the log of a configuration directory, given without symbolic links.
    fn log_of(&self, real: &Path) -> Option<Log> {
        let state = self.options.dirs.state.as_ref()?;
        let dir = log_dir(&self.options.files, &state.path, real);
        let found = std::fs::metadata(real).ok()?;
        let log = Log::new(dir, self.options.files.clone(), self.options.log_limits());
        Some(log.with_clock(self.options.time).of_config(Config::of(&found)))
    }

    fn config_id(&self) -> MutexGuard<'_, Option<FileId>> {
        self.config_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn config_now(&self) -> Option<Config> {
        if self.is_fixed {
            return None;
        }
        let found = std::fs::symlink_metadata(self.config()).ok();
        let is_link = found.as_ref().is_some_and(Metadata::is_symlink);
        // Relaxed: it is read by the thread that holds the log's lock, which has set it.
        self.is_plain.store(!is_link, Ordering::Relaxed);
        let found = if is_link { std::fs::metadata(self.config()).ok() } else { found };
        found.as_ref().map(Config::of)
    }

    /// Reports whether a file is in the configuration directory and the path of that directory is the real one: it was
    /// when the log was found, and the last check has found no symbolic link at the path.
    pub fn is_in_plain_config(&self, file: &Path) -> bool {
        let real = self.current_node().and_then(|node| node.real.as_deref());
        real.is_some_and(|real| real == self.config() && file.parent() == Some(real))
            && self.is_plain.load(Ordering::Relaxed)
    }

    /// Looks where the path of the configuration directory leads. Reports whether that is another directory than at the
    /// last check, and returns the directory: `None` if there is none, or if the path does not matter.
    pub fn look_at_config(&self) -> (bool, Option<Config>) {
        let now = self.config_now();
        let is_elsewhere = now.is_some_and(|now| *self.config_id().get_or_insert(now.id) != now.id);
        (is_elsewhere, now)
    }

    /// Checks which directory the configuration path leads to, and switches to the log of that directory if it is
    /// another one. Before that it calls `finish` with the old log and the old directory. Returns whether the
    /// directory is another one.
    pub fn follow(&self, finish: impl FnOnce(&Log, &Path)) -> bool {
        let Some(now) = self.config_now().map(|now| now.id) else { return false };
        let mut config_id = self.config_id();
        let before = config_id.replace(now);
        if before == Some(now) || before.is_none() && self.current_node().is_none() {
            return false;
        }
        let Ok(real) = std::fs::canonicalize(self.config()) else { return false };
        let old = self.current_node().and_then(|node| node.real.as_ref());
        if old == Some(&real) {
            return before.is_some();
        }
        if let (Some(old), Some(log)) = (old, self.current()) {
            finish(log, old);
        }
        let known = self.nodes().position(|node| node.real.as_ref() == Some(&real));
        let at = known.unwrap_or_else(|| {
            let log = self.log_of(&real);
            self.add(Node { real: Some(real), log, next: OnceLock::new() })
        });
        // Release: a thread that loads the index sees the node.
        self.current.store(at, Ordering::Release);
        true
    }
}

/// Returns the directory of the log of a configuration directory; each configuration directory has its own. A
/// directory that an earlier version has made under another name is renamed, unless a program of that version uses it
/// right now.
pub(crate) fn log_dir(files: &Files, state: &Path, config: &Path) -> PathBuf {
    let dir = state.join(file_name::escaped(config.as_os_str()));
    let before = || file_name::escaped_before(config).map(|name| state.join(name)).filter(|old| old.is_dir());
    if dir.exists() {
        return dir;
    }
    let Some(old) = before() else { return dir };
    let lock = files.open_to_write(&old.join("lock"));
    let is_free = |lock: &OpenFile| matches!(files.lock(lock, true, Instant::now()), Ok(Wait::Held));
    let renamed = lock.is_ok_and(|lock| is_free(&lock) && files.rename_new(&old, &dir).is_ok());
    if renamed || dir.exists() { dir } else { old }
}
