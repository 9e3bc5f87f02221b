//! Which log belongs to a store: that of the configuration directory as it is now.
//!
//! The path of the directory may lead elsewhere from one moment to the next, by a symbolic link that is replaced, and
//! what is committed then belongs to the log of that directory. What was committed to the one before, and is not in its
//! texts yet, is put there, and never into the other one.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::commit::engine::Engine;
use crate::commit::log_session::Ledger;
use crate::log::Log;

/// The logs of the directories that the path has led to. None is forgotten: others may be using it.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    first: OnceLock<Box<Node>>,
    current: AtomicUsize,
    /// Device and inode of the directory when it was last looked at.
    ground: Mutex<Option<(u64, u64)>>,
    /// Whether it is another's log, or one of another directory, whatever the path leads to.
    is_fixed: bool,
}

#[derive(Debug)]
struct Node {
    /// The directory, without symbolic links on the way.
    real: Option<PathBuf>,
    log: Option<Log>,
    next: OnceLock<Box<Node>>,
}

impl Logs {
    pub fn of(log: Log) -> Self {
        let node = Node { real: None, log: Some(log), next: OnceLock::new() };
        Self { first: OnceLock::from(Box::new(node)), is_fixed: true, ..Self::default() }
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        std::iter::successors(self.first.get(), |node| node.next.get()).map(|node| &**node)
    }

    fn current(&self) -> Option<&Node> {
        // Acquire: pairs with the store of who has added it.
        self.nodes().nth(self.current.load(Ordering::Acquire))
    }

    /// Adds a node at the end, and returns where it is.
    fn add(&self, node: Node) -> usize {
        let (mut node, mut at, mut place) = (Box::new(node), 0, &self.first);
        while let Err(back) = place.set(node) {
            node = back;
            let Some(taken) = place.get() else { break };
            (place, at) = (&taken.next, at + 1);
        }
        at
    }
}

impl Engine {
    /// Returns the log; `None` where there is no place for one.
    pub(crate) fn log(&self) -> Option<&Log> {
        if self.log.current().is_none() {
            let real = std::fs::canonicalize(&self.dirs().config.path).ok();
            let log = real.as_deref().and_then(|real| self.log_of(real));
            // Where another thread was faster it is the same.
            self.log.add(Node { real, log, next: OnceLock::new() });
        }
        self.log.current()?.log.as_ref()
    }

    /// Reports whether the path of the configuration directory leads to another one than when it was last looked at.
    pub(crate) fn is_config_elsewhere(&self) -> bool {
        let Ok(found) = std::fs::metadata(&self.dirs().config.path) else { return false };
        if self.log.is_fixed {
            return false;
        }
        let now = (found.dev(), found.ino());
        let mut ground = self.log.ground.lock().unwrap_or_else(PoisonError::into_inner);
        *ground.get_or_insert(now) != now
    }

    /// Goes on with the log of the configuration directory as it is now, if that is another one. Returns whether it is.
    pub(crate) fn follow_config(&self) -> bool {
        let Ok(found) = std::fs::metadata(&self.dirs().config.path) else { return false };
        if self.log.is_fixed {
            return false;
        }
        let mut ground = self.log.ground.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Some((found.dev(), found.ino()));
        let before = std::mem::replace(&mut *ground, now);
        if before == now || before.is_none() && self.log.current().is_none() {
            return false;
        }
        let Ok(real) = std::fs::canonicalize(&self.dirs().config.path) else { return false };
        let old = self.log.current().and_then(|node| node.real.clone());
        if old.as_ref() == Some(&real) {
            return before.is_some();
        }
        if let Some(old) = old.filter(|_| self.is_behind()) {
            self.finish_in(&old);
        }
        let known = self.log.nodes().position(|node| node.real.as_ref() == Some(&real));
        let at = known.unwrap_or_else(|| {
            let log = self.log_of(&real);
            self.log.add(Node { real: Some(real), log, next: OnceLock::new() })
        });
        self.log.current.store(at, Ordering::Release);
        self.deferred.clear();
        true
    }

    /// Puts the texts in place that are behind the log in use, in the directory that it is of. Where that fails, whoever
    /// looks at one of them next does it: there is a mark beside it.
    fn finish_in(&self, real: &Path) {
        let Some(dir) = self.log().map(|log| log.dir().to_owned()) else { return };
        let mut other = self.clone();
        other.log = Arc::new(Logs::of(Log::new(dir, self.options.files.clone(), self.options.log)));
        other.deferred = Arc::default();
        other.options.dirs.config.path = real.to_owned();
        let Some(log) = other.log() else { return };
        if let Ok(writer) = log.write(Instant::now() + Duration::from_secs(1), Duration::from_secs(1)) {
            let _ = Ledger::of(&other, writer).recover();
        }
    }
}
