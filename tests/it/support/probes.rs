//! Probes of system calls: one that fails by number, one that fails by kind, one that records, and one that runs code of
//! the test. The fifth is the disk whose power can be cut (see `power`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cms::testing::{Call, Files, Probe};

pub const EIO: i32 = 5;
pub const EACCES: i32 = 13;
pub const ENOSPC: i32 = 28;
pub const EROFS: i32 = 30;
pub const EDQUOT: i32 = 122;

/// The fault at the selected call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails with this error; later calls work.
    Error(i32),
    /// The call fails with this error, and so do all later ones of its kind in the same directory.
    Stays(i32),
    /// A write stops half way with a full disk.
    ShortWrite,
    /// The process dies: this call and all later ones fail.
    Death,
}

/// Lets calls through until the one with a number, counted from 0.
pub struct FailAt {
    at: usize,
    fault: Fault,
    count: AtomicUsize,
    hit: Mutex<Option<(Call, PathBuf)>>,
}

impl FailAt {
    pub fn new(at: usize, fault: Fault) -> Arc<Self> {
        Arc::new(Self { at, fault, count: AtomicUsize::new(0), hit: Mutex::default() })
    }

    pub fn files(self: &Arc<Self>) -> Files {
        Files::probed(Arc::clone(self) as Arc<dyn Probe>)
    }

    pub fn was_reached(&self) -> bool {
        self.count.load(Ordering::Relaxed) > self.at
    }

    /// Returns the selected call, once it was made.
    pub fn hit(&self) -> Option<(Call, PathBuf)> {
        self.hit.lock().expect("no panic").clone()
    }
}

impl Probe for FailAt {
    fn before(&self, call: Call, path: &Path) -> io::Result<usize> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut hit = self.hit.lock().expect("no panic");
        if count == self.at {
            *hit = Some((call, path.to_path_buf()));
        }
        let alike = || hit.as_ref().is_some_and(|(c, p)| *c == call && p.parent() == path.parent());
        match self.fault {
            Fault::Error(code) if count == self.at => Err(io::Error::from_raw_os_error(code)),
            Fault::Stays(code) if alike() => Err(io::Error::from_raw_os_error(code)),
            Fault::ShortWrite if count == self.at && call == Call::Write => Ok(3),
            Fault::Death if count >= self.at => Err(io::Error::from_raw_os_error(EIO)),
            _ => Ok(usize::MAX),
        }
    }
}

/// Selects calls by their kind and path.
type Picks = Box<dyn Fn(Call, &Path) -> bool + Send + Sync>;

/// How many of the selected calls fail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    Each,
    Once,
    /// After the first selected call every call fails, as if the process had died.
    ForGood,
}

/// Makes calls of one kind fail while it is armed; it is armed at first.
pub struct Fail {
    picks: Picks,
    error: i32,
    times: Times,
    /// How many selected calls pass before the first one fails.
    spared: AtomicUsize,
    is_armed: AtomicBool,
    has_failed: AtomicBool,
}

impl Fail {
    /// Makes each call for which `picks` returns true fail with EIO.
    pub fn when(picks: impl Fn(Call, &Path) -> bool + Send + Sync + 'static) -> Self {
        Self {
            picks: Box::new(picks),
            error: EIO,
            times: Times::Each,
            spared: AtomicUsize::new(0),
            is_armed: AtomicBool::new(true),
            has_failed: AtomicBool::new(false),
        }
    }

    pub fn with(self, error: i32) -> Self {
        Self { error, ..self }
    }

    pub fn once(self) -> Self {
        Self { times: Times::Once, ..self }
    }

    pub fn for_good(self) -> Self {
        Self { times: Times::ForGood, ..self }
    }

    /// Lets the first `count` of the calls through.
    pub fn after(self, count: usize) -> Self {
        Self { spared: count.into(), ..self }
    }

    pub fn disarmed(self) -> Self {
        Self { is_armed: false.into(), ..self }
    }

    pub fn arm(&self, is_armed: bool) {
        self.is_armed.store(is_armed, Ordering::SeqCst);
    }

    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::SeqCst)
    }

    pub fn files(self: &Arc<Self>) -> Files {
        Files::probed(Arc::clone(self) as Arc<dyn Probe>)
    }

    fn fails(&self, call: Call, path: &Path) -> bool {
        if !self.is_armed.load(Ordering::SeqCst) {
            return false;
        }
        if self.has_failed() && self.times != Times::Each {
            return self.times == Times::ForGood;
        }
        let spare = |left: usize| left.checked_sub(1);
        (self.picks)(call, path)
            && self.spared.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spare).is_err()
            && (self.times != Times::Once || !self.has_failed.swap(true, Ordering::SeqCst))
    }
}

impl Probe for Fail {
    fn before(&self, call: Call, path: &Path) -> io::Result<usize> {
        if self.fails(call, path) {
            self.has_failed.store(true, Ordering::SeqCst);
            return Err(io::Error::from_raw_os_error(self.error));
        }
        Ok(usize::MAX)
    }
}

/// Records the calls of some kinds.
pub struct Trace {
    picks: Picks,
    calls: Mutex<Vec<(Call, PathBuf)>>,
}

impl Trace {
    pub fn of(picks: impl Fn(Call, &Path) -> bool + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { picks: Box::new(picks), calls: Mutex::default() })
    }

    pub fn files(self: &Arc<Self>) -> Files {
        Files::probed(Arc::clone(self) as Arc<dyn Probe>)
    }

    /// Counts the calls since the last [`Trace::take`].
    pub fn count(&self) -> usize {
        self.calls.lock().expect("no panic").len()
    }

    /// Returns the calls so far, and forgets them.
    pub fn take(&self) -> Vec<(Call, PathBuf)> {
        std::mem::take(&mut *self.calls.lock().expect("no panic"))
    }
}

impl Probe for Trace {
    fn before(&self, call: Call, path: &Path) -> io::Result<usize> {
        if (self.picks)(call, path) {
            self.calls.lock().expect("no panic").push((call, path.to_owned()));
        }
        Ok(usize::MAX)
    }
}

/// Runs code of a test before each call.
struct Before<F>(F);

impl<F: Fn(Call, &Path) -> io::Result<usize> + Send + Sync> Probe for Before<F> {
    fn before(&self, call: Call, path: &Path) -> io::Result<usize> {
        self.0(call, path)
    }
}

/// Runs `act` before each call: it returns how many bytes a write may take, or the error that the call fails with.
pub fn before(act: impl Fn(Call, &Path) -> io::Result<usize> + Send + Sync + 'static) -> Files {
    Files::probed(Arc::new(Before(act)))
}
