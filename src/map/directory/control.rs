//! The control file of a store: the last round of publishing, shared by all its maps, and the revision it shows.
//!
//! Each publication is a *round*. Rounds distinguish old values in the maps from new ones; their numbers are not part
//! of any interface. A *revision* is the number of a transaction in the log. Each round belongs to one revision,
//! which never changes: a writer notes the revision of a new round before it sets `committed` to that round. So a
//! reader can read both consistently. A round without a transaction (of a map that was rebuilt) has the revision of
//! the round before. A round has no revision if there is no log, or if it was published by a version of cms that does
//! not note revisions.
//!
//! Writers hold the lock (see `MapDirectory::begin`) for the short time they publish, so that there is one at a time:
//! 1. `begun` becomes the new number; each map concerned is marked as begun.
//! 2. The blocks are published in all maps.
//! 3. The round's revision is noted, then `committed` becomes the new number: from here on snapshots see the commit, all
//!    of it.
//! 4. The maps are marked as done.
//!
//! A writer that dies between 1 and 3 leaves `begun` ahead of `committed`. The next publisher detects this, retires
//! the maps that were begun and not done, and takes the next number: see `MapDirectory::begin`.
//!
//! Rounds have 64 bits, the words of the file 32, since some machines have no wider atomics. The number of overflows
//! of the low half is stored twice. A writer whose round overflows raises the first copy, clears the low half, and
//! raises the second copy; a reader loads them in the opposite order, and starts again if the two copies differ. That
//! happens once in four thousand million commits.
//!
//! Watches wait for `logged`. A process that is going to wait sets a bit of `waiting`, checks once more for new
//! transactions, and waits; a writer stores `logged`, the low half of the revision, takes the bits and wakes the
//! processes that wait. At least one of the two sees the store of the other, since both are sequentially consistent.
//! A process that dies while it waits leaves at most a bit that costs the next writer one system call. A process that
//! only reads never writes to the file.

use std::io;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use crate::map::layout::format::{
    C_BEGUN, C_COMMITTED, C_LOGGED, C_MAGIC, C_REVISION_SIZE, C_REVISIONS, C_ROUNDS_AFTER, C_ROUNDS_BEFORE,
    C_SEED, C_VERSION, C_WAITING, CONTROL, CONTROL_MAGIC, Seq, VERSION, low,
};
use crate::map::layout::region::Region;
use crate::model::digest::{u32_at, u64_at};
use crate::os::files::OpenFile;

/// Words that can be loaded and stored: those of a region, or of a model in a test.
pub(crate) trait Words {
    fn load(&self, offset: usize) -> u32;
    fn store(&self, offset: usize, value: u32);
}

/// Orderings: every load is an acquire and every store a release, so that a thread that sees a number sees all that was
/// written before it was stored.
impl Words for Region {
    fn load(&self, offset: usize) -> u32 {
        Self::load(self, offset, Ordering::Acquire)
    }

    fn store(&self, offset: usize, value: u32) {
        Self::store(self, offset, value, Ordering::Release);
    }
}

/// How often a reader tries again before it returns its last result; see the module documentation.
const TRIES: u32 = 16;

/// Reads the number of the last round.
pub(crate) fn committed(words: &impl Words) -> u64 {
    for _ in 0..TRIES {
        let after = words.load(C_ROUNDS_AFTER);
        let low = words.load(C_COMMITTED);
        if words.load(C_ROUNDS_BEFORE) == after {
            return u64::from(after) << 32 | u64::from(low);
        }
    }
    // A writer has died during the overflow. The next writer repairs the words; until then the round counts as begun.
    u64::from(words.load(C_ROUNDS_BEFORE)) << 32
}

/// Writes the number of the last round. Only one thread may call it at a time.
pub(crate) fn commit(words: &impl Words, round: u64) {
    let [_, _, _, _, a, b, c, d] = round.to_le_bytes();
    let rounds = u32::from_le_bytes([a, b, c, d]);
    if words.load(C_ROUNDS_BEFORE) != rounds {
        words.store(C_ROUNDS_BEFORE, rounds);
    }
    words.store(C_COMMITTED, low(round).0);
    if words.load(C_ROUNDS_AFTER) != rounds {
        words.store(C_ROUNDS_AFTER, rounds);
    }
}

/// Returns the offset of the revision of a round. If a reader loads the same round before and after the revision, the
/// order of the stores guarantees that they belong together.
fn revision_of(round: u64) -> usize {
    C_REVISIONS + if round.is_multiple_of(2) { 0 } else { C_REVISION_SIZE }
}

/// Notes the revision of the next round, before it is committed. Only one thread may call it at a time.
pub(crate) fn note_revision(words: &impl Words, round: u64, revision: Option<u64>) {
    let at = revision_of(round);
    let [a, b, c, d, e, f, g, h] = revision.map_or(0, |revision| revision + 1).to_le_bytes();
    words.store(at, 0);
    words.store(at + 4, u32::from_le_bytes([a, b, c, d]));
    words.store(at + 8, u32::from_le_bytes([e, f, g, h]));
    words.store(at, low(round).0);
}

/// Reads the number of the last round, and the revision that belongs to it.
pub(crate) fn shown(words: &impl Words) -> (u64, Option<u64>) {
    for _ in 0..TRIES {
        let round = committed(words);
        let at = revision_of(round);
        let is_its = || words.load(at) == low(round).0;
        if is_its() {
            let (low, high) = (words.load(at + 4), words.load(at + 8));
            if is_its() {
                return (round, (u64::from(high) << 32 | u64::from(low)).checked_sub(1));
            }
        } else if committed(words) == round {
            // The publisher was a version of cms that does not note revisions.
            return (round, None);
        }
    }
    (committed(words), None)
}

/// An open control file.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) region: Region,
    /// Device and inode, to check whether it is still the file at its path.
    pub identity: (u64, u64),
}

impl Control {
    /// Uses an open file as a control file, if it is a valid one.
    pub fn of(open: &OpenFile, writable: bool) -> io::Result<Option<Self>> {
        use std::os::unix::fs::MetadataExt;
        let found = open.file.metadata()?;
        if found.len() != CONTROL as u64 || found.blocks() * 512 < found.len() {
            return Ok(None);
        }
        let region = Region::map(&open.file, CONTROL, writable)?;
        let head = region.bytes(0, C_SEED).unwrap_or_default();
        let good =
            head.get(..CONTROL_MAGIC.len()) == Some(&CONTROL_MAGIC[..]) && u32_at(head, C_VERSION) == VERSION;
        Ok(good.then_some(Self { region, identity: (found.dev(), found.ino()) }))
    }

    /// Returns the content of a new control file.
    pub fn image(seed: u64) -> Vec<u8> {
        let mut bytes = vec![0; CONTROL];
        bytes[C_MAGIC..C_MAGIC + CONTROL_MAGIC.len()].copy_from_slice(&CONTROL_MAGIC);
        bytes[C_VERSION..C_VERSION + 4].copy_from_slice(&VERSION.to_le_bytes());
        bytes[C_SEED..C_SEED + 8].copy_from_slice(&seed.to_le_bytes());
        bytes[C_COMMITTED..C_COMMITTED + 4].copy_from_slice(&1_u32.to_le_bytes());
        bytes[C_BEGUN..C_BEGUN + 4].copy_from_slice(&1_u32.to_le_bytes());
        bytes
    }

    /// Returns the seed of the hashes in all maps of the store.
    pub fn seed(&self) -> u64 {
        self.region.bytes(C_SEED, 8).map_or(0, |bytes| u64_at(bytes, 0))
    }

    /// Returns the number of the last round.
    pub fn round(&self) -> u64 {
        committed(&self.region)
    }

    /// Returns the number of the last round, and the revision that its maps show; `None` if no log belongs to them.
    pub fn shown(&self) -> (u64, Option<u64>) {
        let (round, revision) = shown(&self.region);
        // Versions of cms that note no revisions announce transactions all the same.
        (round, revision.or_else(|| self.logged().map(|seq| seq.0.into())))
    }

    /// Returns the number of the last commit that began to publish.
    pub fn begun(&self) -> Seq {
        Seq(Words::load(&self.region, C_BEGUN))
    }

    pub(crate) fn set_begun(&self, seq: Seq) {
        Words::store(&self.region, C_BEGUN, seq.0);
    }

    /// Commits a round, with the revision that its maps show.
    pub(crate) fn set_committed(&self, round: u64, revision: Option<u64>) {
        note_revision(&self.region, round, revision);
        commit(&self.region, round);
    }
}

/// How a process waits: for the word `logged` itself, or for a change of the file's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    Word,
    Times,
}

impl Waiting {
    fn bit(self) -> u32 {
        match self {
            Self::Word => 1,
            Self::Times => 2,
        }
    }
}

impl Control {
    /// Returns the low half of the last transaction of the log up to which the maps show all, if it is known.
    pub fn logged(&self) -> Option<Seq> {
        Some(Seq(Words::load(&self.region, C_LOGGED))).filter(|seq| *seq != Seq::default())
    }

    /// Sets the bit that says that a watch waits, and returns the value to wait on.
    pub fn announce_waiting(&self, how: Waiting) -> u32 {
        let value = Words::load(&self.region, C_LOGGED);
        if self.region.load(C_WAITING, Ordering::Relaxed) & how.bit() == 0 {
            self.region.set_bits(C_WAITING, how.bit(), Ordering::SeqCst);
        }
        // This comes before the caller's check for new transactions, and pairs with the one in `set_logged`.
        fence(Ordering::SeqCst);
        value
    }

    /// Waits until `logged` is no longer `value`, or until the time is over.
    pub fn wait(&self, value: u32, timeout: Duration) {
        self.region.wait(C_LOGGED, value, timeout);
    }

    /// Notes the last transaction that the maps show, and wakes the watches that wait for it. `file` is the control
    /// file.
    pub(crate) fn set_logged(&self, seq: Seq, file: &std::fs::File) {
        Words::store(&self.region, C_LOGGED, seq.0);
        // Stored before the waiting bits are read, see the module documentation.
        fence(Ordering::SeqCst);
        if self.region.load(C_WAITING, Ordering::Relaxed) == 0 {
            return;
        }
        let waiting = self.region.take(C_WAITING, Ordering::SeqCst);
        if waiting & Waiting::Word.bit() != 0 {
            self.region.wake(C_LOGGED);
        }
        if waiting & Waiting::Times.bit() != 0 {
            let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
            let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
            // A lost wake-up does no harm: waiting watches check again after a while.
            let _ = rustix::fs::futimens(file, &times);
        }
    }
}
