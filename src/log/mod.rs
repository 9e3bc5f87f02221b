//! The log: every transaction, in order, in files that are only appended to.
//!
//! A directory holds segments named by the sequence of their first record, `00000000000000000001.log`; the lock
//! of who appends; and in `texts` a text of each package, from which its newest one can be made with the records
//! (see `Log::newest_text`). Who holds the lock may append, and may write the texts of packages the log knows.
//!
//! Invariants, each with a test:
//!
//! - G1. A record counts from the moment its last byte is durable; before that it does not, whatever of it is on
//!   the disk, and in whatever order that came there (`segment`).
//! - G2. Sequences have no gaps, times do not go back.
//! - G3. A segment starts with the newest digest of each package, and with the commit that waits to be confirmed, so that one segment is enough to go on from.
//! - G4. Only records at the end are without the mark that their texts are in place.
//! - G5. What is dropped is whole segments, the oldest first, and never the two newest. Before, the text of each
//!   package that needs a record of them is written anew.
//! - G6. After a sync has failed nothing is appended any more through this handle: what is durable is unknown.

mod change;
mod hunks;
mod keys;
mod reader;
mod record;
mod segment;
mod turn;
mod wire;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) use change::compare as compare_packages;
pub use change::{Content, KeyChange, What};
pub use hunks::Hunk;
pub(crate) use hunks::{apply, compare as compare_texts, revert};
pub(crate) use keys::Wanted;
pub(crate) use reader::{Batch, Reader, TAKEN_BACK};
pub(crate) use record::Digest;
pub use record::{Guard, Kind, PackageChange, Record};
use segment::{Chain, Frame, HEAD, Head, ORIGIN, RECORD_HEAD};
use turn::{Turn, Turns};

use crate::error::{Error, Result};
use crate::files::{Files, OpenFile, Pauses, Wait};

/// How much of the log is kept. The oldest segments go when one of the bounds is passed; see G5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in all, at least 256 KiB. One record that is larger is kept nevertheless.
    pub bytes: u64,
    /// How old a record may be.
    pub age: Option<Duration>,
    /// How many records.
    pub records: Option<u64>,
}

impl Default for Limits {
    /// 4 MiB, for the flash of a router.
    fn default() -> Self {
        Self { bytes: 4 << 20, age: None, records: None }
    }
}

impl Limits {
    /// How long a segment is, in bytes.
    fn segment(self) -> usize {
        usize::try_from(self.bytes / 32).unwrap_or(usize::MAX).clamp(64 << 10, 16 << 20)
    }
}

/// How the names of segments start that are not whole yet; see [`Files::create_unique`].
const UNFINISHED: &str = ".segment.cms-";

/// How who comes next waits for the lock. There is one who waits like this, so that it may look often.
const NEXT: Pauses = Pauses { first: Duration::from_micros(100), last: Duration::from_micros(500) };

/// How those behind wait to come next: who has waited for long looks more often, so that nobody waits forever.
const QUEUED: Pauses = Pauses { first: Duration::from_millis(3), last: Duration::from_micros(500) };

/// The log of a store. It may be used from many threads.
#[derive(Debug)]
pub(crate) struct Log {
    dir: PathBuf,
    files: Files,
    limits: Limits,
    /// Where the log ends, as far as this handle knows; held while it is appended to.
    tail: Mutex<Option<Tail>>,
    /// Who comes to the tail next.
    turns: Turns,
    /// See G6.
    broken: AtomicBool,
}

#[derive(Debug)]
struct Tail {
    /// The process that opened the files: after a fork the child must not share the lock.
    process: u32,
    lock: OpenFile,
    /// Locked by who comes next, so that who has just let go of the lock does not get it again before others.
    queue: OpenFile,
    /// `None` in a log that is empty.
    segment: Option<Segment>,
    end: End,
    /// The records whose texts may not be in place, the oldest first.
    open_ends: Vec<Spot>,
}

#[derive(Debug)]
struct Segment {
    open: OpenFile,
    first: u64,
    length: usize,
    /// Where the next record goes.
    end: usize,
}

/// Where a record is.
#[derive(Debug, Clone, Copy)]
struct Spot {
    /// The first record of its segment.
    first: u64,
    offset: usize,
}

/// The end of the log.
#[derive(Debug, Clone)]
struct End {
    sequence: u64,
    time: u64,
    chain: Chain,
    packages: BTreeMap<String, Newest>,
    /// The commit that waits to be confirmed.
    pending: Option<(u64, Guard)>,
}

/// The newest state of a package the log knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Newest {
    /// The transaction that made it.
    pub sequence: u64,
    pub digest: Digest,
}

/// The right to append: the lock is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Writer<'l> {
    log: &'l Log,
    // Before the turn: it is the next thread's once it ends.
    tail: MutexGuard<'l, Option<Tail>>,
    _turn: Turn<'l>,
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if let Some(tail) = &*self.tail {
            self.log.files.unlock(&tail.lock);
        }
    }
}

pub(crate) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

impl Log {
    pub fn new(dir: PathBuf, files: Files, limits: Limits) -> Self {
        Self {
            dir,
            files,
            limits,
            tail: Mutex::new(None),
            turns: Turns::default(),
            broken: AtomicBool::new(false),
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, first: u64) -> PathBuf {
        self.dir.join(format!("{first:020}.log"))
    }

    fn keys_path(&self, first: u64) -> PathBuf {
        self.path(first).with_extension("keys")
    }

    /// Lists the segments: the sequence of the first record of each, in order.
    fn segments(&self) -> Result<Vec<u64>> {
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read", &self.dir)(error)),
        };
        let mut firsts = Vec::new();
        for entry in entries {
            let name = entry.map_err(Error::io("read", &self.dir))?.file_name();
            let first = name.to_str().and_then(|name| name.strip_suffix(".log"));
            firsts.extend(first.filter(|name| name.len() == 20).and_then(|name| name.parse::<u64>().ok()));
        }
        firsts.sort_unstable();
        Ok(firsts)
    }

    /// Reads a segment; `None` if it is gone, or is becoming another one.
    fn read(&self, first: u64) -> Result<Option<(Head, Vec<u8>)>> {
        let path = self.path(first);
        let open = match self.files.open(&path, None) {
            Ok(open) => open,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        let bytes = self.files.read(&open).map_err(Error::io("read", &path))?;
        let head = Head::decode(&bytes).map_err(|why| Error::Damaged { path, why: why.into() })?;
        Ok((head.first == first).then_some((head, bytes)))
    }

    /// Calls `look` with each record, the newest first, until it breaks off or there are no more.
    pub fn each_back<B>(&self, look: impl FnMut(Record) -> Result<ControlFlow<B>>) -> Result<Option<B>> {
        self.each_back_of(None, look)
    }

    /// As [`Log::each_back`], but segments that have nothing to do with what is wanted are left out.
    pub fn each_back_of<B>(
        &self,
        wanted: Option<&Wanted>,
        mut look: impl FnMut(Record) -> Result<ControlFlow<B>>,
    ) -> Result<Option<B>> {
        for first in self.segments()?.into_iter().rev() {
            if wanted.is_some_and(|wanted| !wanted.may_be_in(&self.keys_path(first))) {
                continue;
            }
            let Some((head, bytes)) = self.read(first)? else { continue };
            let frames: Vec<Frame<'_>> = segment::frames(&bytes, HEAD, head.chain).collect();
            for frame in frames.into_iter().rev() {
                let Some(record) = Record::decode(frame.body) else { continue };
                if let ControlFlow::Break(found) = look(record)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Reports whether the last record may not have its texts in place, at the cost of reading a few bytes.
    pub fn is_open_ended(&self) -> bool {
        let look = || -> Option<bool> {
            let first = *self.segments().ok()?.last()?;
            let open = self.files.open(&self.path(first), None).ok()?;
            let head = Head::decode(&self.files.read_at(&open, 0, HEAD).ok()?).ok()?;
            let mut offset = head.hint as usize;
            let mut applied = true;
            let mut chain = None;
            // Mostly one turn: where the hint leads to is the last record.
            while offset != 0 {
                let bytes = self.files.read_at(&open, offset as u64, RECORD_HEAD).ok()?;
                let len = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
                let bytes = self.files.read_at(&open, offset as u64, RECORD_HEAD + len).ok()?;
                let found = segment::frame(&bytes, 0);
                let Some(found) = found.filter(|found| {
                    chain.is_none_or(|chain| {
                        segment::frames(&bytes, 0, chain).next().is_some_and(|next| next.end == found.end)
                    })
                }) else {
                    break;
                };
                applied = found.applied;
                chain = Some(found.chain);
                offset += found.end;
            }
            Some(!applied)
        };
        look().unwrap_or(false)
    }

    /// Takes the lock, and finds the end of the log. The directory is made if it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if another writer does not finish in time, [`Error::Io`], and [`Error::Damaged`] if the
    /// log is by a later version, or an earlier sync has failed.
    pub fn write(&self, deadline: Instant, timeout: Duration) -> Result<Writer<'_>> {
        if self.broken.load(Ordering::Relaxed) {
            let why = "a sync has failed, so it is not known what is durable: open the store anew".to_owned();
            return Err(Error::Damaged { path: self.dir.clone(), why });
        }
        let locked =
            |path: &Path, holder: String| Error::Locked { path: path.into(), holder, waited: timeout };
        let Some(turn) = self.turns.take(deadline) else {
            return Err(locked(&self.dir, "another thread of this process".into()));
        };
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        let known = match tail.take().filter(|tail| tail.process == process) {
            Some(known) => known,
            None => self.open(process)?,
        };
        let known = tail.insert(known);
        let wait = |open: &OpenFile, pauses| match self.files.lock_paced(open, deadline, pauses) {
            Ok(Wait::Held) => Ok(()),
            Ok(Wait::TimedOut) => Err(locked(&open.path, crate::lock::holder_of_file(&known.lock))),
            Err(error) => Err(Error::io("lock", &open.path)(error)),
        };
        wait(&known.queue, QUEUED)?;
        let held = wait(&known.lock, NEXT);
        self.files.unlock(&known.queue);
        held?;
        let mut writer = Writer { log: self, tail, _turn: turn };
        writer.follow()?;
        Ok(writer)
    }

    fn open(&self, process: u32) -> Result<Tail> {
        self.make_dir()?;
        let path = self.dir.join("lock");
        let lock = self.files.open(&path, Some(0o600)).map_err(Error::io("open", &path))?;
        let path = self.dir.join("queue");
        let queue = self.files.open(&path, Some(0o600)).map_err(Error::io("open", &path))?;
        let end = End { sequence: 0, time: 0, chain: ORIGIN, packages: BTreeMap::new(), pending: None };
        Ok(Tail { process, lock, queue, segment: None, end, open_ends: Vec::new() })
    }

    /// Makes the directory, so that a power cut does not take it with all that is in it.
    fn make_dir(&self) -> Result<()> {
        let missing: Vec<&Path> = self.dir.ancestors().take_while(|dir| !dir.is_dir()).collect();
        for dir in missing.into_iter().rev() {
            match self.files.mkdir(dir, 0o700) {
                Err(error) if !dir.is_dir() => return Err(Error::io("create the directory", dir)(error)),
                _ => {}
            }
            let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            self.files.sync_dir(parent).map_err(Error::io("sync", parent))?;
        }
        Ok(())
    }

    /// Removes what a crash has left of a segment that was being made. For who holds the lock.
    fn sweep(&self) {
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                // It takes room, and no more.
                let _ = self.files.remove(&entry.path());
            }
        }
    }

    /// Finds the records without a mark at the end of what comes before a segment. There are some only if the
    /// segment's first record has none either.
    fn open_ends_before(&self, first: u64) -> Result<Vec<Spot>> {
        let unmarked = |bytes: &[u8]| segment::frame(bytes, HEAD).is_some_and(|frame| !frame.applied);
        let before = self.segments()?.into_iter().rev().find(|other| *other < first);
        let (Some((_, bytes)), Some(before)) = (self.read(first)?, before) else { return Ok(Vec::new()) };
        if !unmarked(&bytes) {
            return Ok(Vec::new());
        }
        let Some((head, bytes)) = self.read(before)? else { return Ok(Vec::new()) };
        let mut spots = self.open_ends_before(before)?;
        for frame in segment::frames(&bytes, HEAD, head.chain) {
            if frame.applied {
                spots.clear();
            } else {
                spots.push(Spot { first: before, offset: frame.offset });
            }
        }
        Ok(spots)
    }

    fn text_path(&self, package: &str) -> PathBuf {
        self.dir.join("texts").join(crate::dirs::escape(package))
    }

    /// Writes the text of a package down, for [`Log::newest_text`]. It need not survive: it is looked at before
    /// it is used.
    pub fn keep_text(&self, package: &str, text: &[u8]) -> Result<()> {
        let path = self.text_path(package);
        let dir = self.dir.join("texts");
        make_private_dir(&dir)?;
        let new = self.files.create_unique(&dir, "text").map_err(Error::io("create a file in", &dir))?;
        let written = self.files.write(&new, text).and_then(|()| self.files.rename(&new.path, &path));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&new.path);
            Error::io("write", &path)(error)
        })
    }

    /// Returns the newest text of a package that the log knows of: the one written down, and what the records
    /// since have made of it. `None` if it cannot be had.
    pub fn newest_text(&self, package: &str, newest: Digest) -> Result<Option<Vec<u8>>> {
        let Ok(kept) = std::fs::read(self.text_path(package)) else { return Ok(None) };
        let kept_digest = Digest::of(&kept);
        if kept_digest == newest {
            return Ok(Some(kept));
        }
        let mut since = Vec::new();
        let found = self.each_back(|record| {
            let change = record.packages.into_iter().find(|change| change.package == package);
            Ok(match change {
                Some(change) if change.after == kept_digest => ControlFlow::Break(()),
                Some(change) => {
                    since.push(change.hunks);
                    ControlFlow::Continue(())
                }
                None => ControlFlow::Continue(()),
            })
        })?;
        if found.is_none() {
            return Ok(None);
        }
        let text = since.into_iter().rev().try_fold(kept, |text, hunks| apply(&text, &hunks));
        Ok(text.filter(|text| Digest::of(text) == newest))
    }
}

/// What a check of the log has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// The oldest and the newest record there is; 0 if there is none.
    pub first: u64,
    /// See `first`.
    pub last: u64,
    /// The chain of the newest record, in hexadecimal digits.
    pub chain: String,
    /// What is wrong, each with its file.
    pub problems: Vec<String>,
}

impl Log {
    /// Checks all records; see [`Verified`].
    pub fn verify(&self) -> Result<Verified> {
        let mut found = Verified::default();
        let mut before: Option<(u64, Chain)> = None;
        for first in self.segments()? {
            let path = self.path(first);
            let (head, bytes) = match self.read(first) {
                Ok(Some(read)) => read,
                Ok(None) => {
                    found.problems.push(format!("{}: it is not the segment its name says", path.display()));
                    continue;
                }
                Err(Error::Damaged { path, why }) => {
                    found.problems.push(format!("{}: {why}", path.display()));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let fits = before.is_none_or(|(last, chain)| last + 1 == first && chain == head.chain);
            if !fits {
                let (last, _) = before.unwrap_or_default();
                found.problems.push(format!(
                    "{}: it does not follow on record {last}: records are missing, or were changed",
                    path.display()
                ));
            }
            let (mut sequence, mut chain, mut end) = (first - 1, head.chain, HEAD);
            for frame in segment::frames(&bytes, HEAD, head.chain) {
                match Record::decode(frame.body) {
                    Some(record) if record.sequence == sequence + 1 => sequence += 1,
                    _ => {
                        found.problems.push(format!(
                            "{}: record {}: it cannot be read",
                            path.display(),
                            sequence + 1
                        ));
                        break;
                    }
                }
                (chain, end) = (frame.chain, frame.end);
            }
            // Whoever appended noted where the last record starts: if that is not reached, one is not right.
            if (head.hint as usize) >= end {
                found.problems.push(format!(
                    "{}: record {} is damaged, or was changed",
                    path.display(),
                    sequence + 1
                ));
            }
            if found.first == 0 {
                found.first = first;
            }
            found.last = sequence;
            before = Some((sequence, chain));
        }
        if let Some((_, chain)) = before {
            found.chain = chain.iter().map(|byte| format!("{byte:02x}")).collect();
        }
        Ok(found)
    }

    /// Sets the segments of a damaged log aside, for someone to look at: `.log` becomes `.damaged`.
    pub fn set_aside(&self) -> Result<()> {
        for first in self.segments()? {
            let path = self.path(first);
            let aside = path.with_extension("damaged");
            self.files.rename(&path, &aside).map_err(Error::io("rename", path))?;
        }
        self.files.sync_dir(&self.dir).map_err(Error::io("sync", &self.dir))
    }
}

/// Makes a directory that only its owner may read: values may be secrets.
pub(crate) fn make_private_dir(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    match std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        Err(error) if !dir.is_dir() => Err(Error::io("create the directory", dir)(error)),
        _ => Ok(()),
    }
}

impl Writer<'_> {
    fn tail(&mut self) -> &mut Tail {
        self.tail.as_mut().expect("it is there as long as the lock is held")
    }

    fn known(&self) -> &End {
        &self.tail.as_ref().expect("it is there as long as the lock is held").end
    }

    /// Returns the sequence of the last record.
    pub fn sequence(&self) -> u64 {
        self.known().sequence
    }

    /// Returns the newest state of a package.
    pub fn newest(&self, package: &str) -> Option<Newest> {
        self.known().packages.get(package).copied()
    }

    /// Returns the commit that waits to be confirmed, and its number.
    pub fn pending(&self) -> Option<(u64, Guard)> {
        self.known().pending
    }

    /// Finds the end of the log, from where it was when this handle last looked.
    fn follow(&mut self) -> Result<()> {
        let log = self.log;
        loop {
            let tail = self.tail();
            let at = tail.segment.as_ref().map(|segment| log.path(segment.first));
            // A segment that was dropped, or is used again, is no place to go on from.
            let gone = match (&tail.segment, at) {
                (Some(segment), Some(path)) => !is_at(&segment.open, &path),
                _ => true,
            };
            if gone {
                log.sweep();
                let Some(first) = log.segments()?.last().copied() else { return Ok(()) };
                self.enter(first)?;
                self.tail().open_ends = log.open_ends_before(first)?;
            }
            self.forget_marked();
            self.read_on()?;
            let next = self.known().sequence + 1;
            if !log.path(next).exists() || self.tail().segment.as_ref().is_none_or(|s| s.first == next) {
                return Ok(());
            }
            self.enter(next)?;
        }
    }

    /// Forgets the records that another process has marked since.
    fn forget_marked(&mut self) {
        let files = self.log.files.clone();
        let tail = self.tail();
        let Some(segment) = &tail.segment else { return };
        let is_marked = |spot: &Spot| {
            let (offset, mark) = segment::applied(spot.offset);
            // One of an earlier segment is before those of this one; it can stay.
            spot.first == segment.first
                && files.read_at(&segment.open, offset, mark.len()).is_ok_and(|found| found == mark)
        };
        if let Some(last) = tail.open_ends.iter().rposition(is_marked) {
            tail.open_ends.drain(..=last);
        }
    }

    /// Goes to the start of a segment.
    fn enter(&mut self, first: u64) -> Result<()> {
        let path = self.log.path(first);
        let open = self.log.files.open_existing(&path).map_err(Error::io("open", &path))?;
        let length = open.file.metadata().map_err(Error::io("read", &path))?.len();
        let bytes = self.log.files.read_at(&open, 0, HEAD).map_err(Error::io("read", &path))?;
        let head =
            Head::decode(&bytes).map_err(|why| Error::Damaged { path: path.clone(), why: why.into() })?;
        if head.first != first {
            let why = format!("it starts with record {}, not with {first}", head.first);
            return Err(Error::Damaged { path, why });
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let tail = self.tail();
        tail.end.sequence = first - 1;
        tail.end.chain = head.chain;
        tail.segment = Some(Segment { open, first, length, end: HEAD });
        Ok(())
    }

    /// Reads the records that were appended since.
    fn read_on(&mut self) -> Result<()> {
        let files = self.log.files.clone();
        let tail = self.tail();
        let Some(segment) = &mut tail.segment else { return Ok(()) };
        let io = |error| Error::io("read", &segment.open.path)(error);
        let next = files.read_at(&segment.open, segment.end as u64, 4).map_err(io)?;
        if next.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let rest = segment.length.saturating_sub(segment.end);
        let bytes = files.read_at(&segment.open, segment.end as u64, rest).map_err(io)?;
        let start = segment.end;
        for frame in segment::frames(&bytes, 0, tail.end.chain) {
            let Some(record) = Record::decode(frame.body) else {
                let why = format!("record {} is by a later version of cms", tail.end.sequence + 1);
                return Err(Error::Damaged { path: segment.open.path.clone(), why });
            };
            tail.end.take(&record, frame.chain);
            segment.end = start + frame.end;
            if frame.applied {
                tail.open_ends.clear();
            } else {
                tail.open_ends.push(Spot { first: segment.first, offset: start + frame.offset });
            }
        }
        Ok(())
    }

    /// Returns the records whose texts may not be in place, the oldest first.
    pub fn open_ended(&self) -> Result<Vec<Record>> {
        let spots = self.tail.as_ref().map_or(&[][..], |tail| &tail.open_ends);
        let mut records = Vec::with_capacity(spots.len());
        for spots in spots.chunk_by(|a, b| a.first == b.first) {
            let Some((_, bytes)) = self.log.read(spots[0].first)? else { continue };
            let frames = spots.iter().filter_map(|spot| segment::frame(&bytes, spot.offset));
            let found = frames.filter_map(|frame| Record::decode(frame.body));
            // What starts a segment changes nothing.
            records.extend(found.filter(|record| record.kind != Kind::Heads));
        }
        Ok(records)
    }

    /// Appends records, all of them or none, and makes them durable if told so. Their sequences and times are
    /// given to them here. Returns the last sequence.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: nothing was appended. After an error of the sync the log takes no more, see G6.
    pub fn append(&mut self, mut records: Vec<Record>, durable: bool) -> Result<u64> {
        let room = self.tail().segment.as_ref().map_or(0, |segment| segment.length - segment.end);
        // The first record of a new segment comes before them, so their chains are made after that.
        let wanted = records.iter().map(segment::size).sum::<usize>();
        if wanted > room {
            self.rotate(wanted)?;
        }
        let (bytes, chains) = self.encode(&mut records)?;
        let files = self.log.files.clone();
        let log = self.log;
        let tail = self.tail();
        let Some(segment) = &mut tail.segment else { return Ok(tail.end.sequence) };
        let start = segment.end;
        let forget = |segment: &Segment| {
            // What is there may be a record, or part of one, that nobody is told of.
            let _ = std::os::unix::fs::FileExt::write_all_at(&segment.open.file, &[0; 8], start as u64);
        };
        if let Err(error) = files.write_at(&segment.open, &bytes, start as u64) {
            forget(segment);
            return Err(Error::io("append to", &segment.open.path)(error));
        }
        if durable && let Err(error) = files.sync_data(&segment.open) {
            forget(segment);
            log.broken.store(true, Ordering::Relaxed);
            return Err(Error::io("sync", &segment.open.path)(error));
        }
        let mut offset = start;
        for (record, chain) in records.iter().zip(chains) {
            tail.open_ends.push(Spot { first: segment.first, offset });
            let end = segment::frame(&bytes, offset - start).map_or(bytes.len(), |frame| frame.end);
            let hint = u32::try_from(offset).unwrap_or(0).to_le_bytes();
            // Only a hint: without it finding the end takes longer.
            let _ = files.write_at(&segment.open, &hint, segment::hint_offset());
            offset = start + end;
            tail.end.take(record, chain);
        }
        segment.end = offset;
        Ok(tail.end.sequence)
    }

    /// Numbers records, and writes them into one piece; returns it with their chains.
    fn encode(&self, records: &mut [Record]) -> Result<(Vec<u8>, Vec<Chain>)> {
        let end = self.known();
        let (mut chain, mut sequence, mut time) = (end.chain, end.sequence, end.time.max(now()));
        let (mut bytes, mut chains) = (Vec::new(), Vec::new());
        for record in records {
            sequence += 1;
            (record.sequence, record.time) = (sequence, time);
            time += 1;
            let too_large = || Error::invalid(b"", "a transaction of more than 4 GiB cannot be logged");
            chain = segment::encode(record, &chain, &mut bytes).ok_or_else(too_large)?;
            chains.push(chain);
        }
        Ok((bytes, chains))
    }

    /// Marks all records: their texts are in place. The last comes first: who sees the mark of one sees those
    /// behind it, and so what takes it back.
    pub fn mark_applied(&mut self) {
        let log = self.log;
        let tail = self.tail();
        for spot in std::mem::take(&mut tail.open_ends).into_iter().rev() {
            let (offset, bytes) = segment::applied(spot.offset);
            // Without the mark whoever comes next finds out by looking at the texts.
            let _ = match &tail.segment {
                Some(segment) if segment.first == spot.first => {
                    log.files.write_at(&segment.open, &bytes, offset)
                }
                _ => log
                    .files
                    .open_existing(&log.path(spot.first))
                    .and_then(|open| log.files.write_at(&open, &bytes, offset)),
            };
        }
    }

    /// Makes durable what the last segment holds: who has appended it may have died before it was, or have had no
    /// need of that.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; the log takes no more then, see G6.
    pub fn sync(&mut self) -> Result<()> {
        let (log, files) = (self.log, self.log.files.clone());
        let Some(segment) = &self.tail().segment else { return Ok(()) };
        files.sync_data(&segment.open).map_err(|error| {
            log.broken.store(true, Ordering::Relaxed);
            Error::io("sync", &segment.open.path)(error)
        })
    }

    /// Begins a new segment with room for `needed` bytes of records.
    fn rotate(&mut self, needed: usize) -> Result<()> {
        // What goes on from a record must not be there without it.
        self.sync()?;
        let end = self.known().clone();
        let heads = |(package, newest): (&String, &Newest)| PackageChange {
            package: package.clone(),
            before: None,
            after: newest.digest,
            unknown: false,
            hunks: Vec::new(),
            changes: Vec::new(),
        };
        let record = Record {
            sequence: end.sequence + 1,
            time: end.time.max(now()),
            uid: 0,
            pid: 0,
            kind: Kind::Heads,
            refers: end.pending.map_or(0, |(sequence, _)| sequence),
            source: String::new(),
            message: String::new(),
            guard: end.pending.map(|(_, guard)| guard),
            packages: end.packages.iter().map(heads).collect(),
        };
        let created = now();
        let first = record.sequence;
        let head = Head { first, chain: end.chain, created, hint: u32::try_from(HEAD).unwrap_or(0) };
        let mut bytes = head.encode().to_vec();
        let chain = segment::encode(&record, &end.chain, &mut bytes)
            .ok_or_else(|| Error::invalid(b"", "there are too many packages for the log"))?;
        if self.tail().open_ends.is_empty() {
            // The mark of the last record says whether those before it have theirs.
            let (at, mark) = segment::applied(HEAD);
            let at = usize::try_from(at).unwrap_or(0);
            bytes[at..at + mark.len()].copy_from_slice(&mark);
        }
        let length = (bytes.len() * 2 + needed).max(self.log.limits.segment()).next_multiple_of(4096);
        let open = self.make_segment(first, &bytes, length)?;
        if let Some(full) = self.tail().segment.as_ref().map(|full| full.first) {
            keys::write(&self.log.files, &self.log.path(full), &self.log.keys_path(full));
        }
        let tail = self.tail();
        tail.segment = Some(Segment { open, first, length, end: bytes.len() });
        tail.end.take(&record, chain);
        self.drop_old()
    }

    /// Makes the file of a new segment: zeros behind what is given, so that appending to it later changes
    /// nothing but the bytes written. It shows under its name once it is whole.
    fn make_segment(&self, first: u64, bytes: &[u8], length: usize) -> Result<OpenFile> {
        let (log, files) = (self.log, &self.log.files);
        let path = log.path(first);
        let mut new =
            files.create_unique(&log.dir, "segment").map_err(Error::io("create a file in", &log.dir))?;
        let made = files
            .write(&new, bytes)
            .and_then(|()| files.fill_with_zeros(&new, (length - bytes.len()) as u64))
            .and_then(|()| files.sync(&new))
            .and_then(|()| files.rename(&new.path, &path))
            .and_then(|()| files.sync_dir(&log.dir));
        if let Err(error) = made {
            let _ = std::fs::remove_file(&new.path);
            return Err(Error::io("write", &path)(error));
        }
        new.path = path;
        Ok(new)
    }

    /// Drops the oldest segments, as far as the limits demand it: see G5.
    fn drop_old(&mut self) -> Result<()> {
        let (log, limits) = (self.log, self.log.limits);
        let firsts = log.segments()?;
        let size = |first: &u64| std::fs::metadata(log.path(*first)).map_or(0, |found| found.len());
        let mut total: u64 = firsts.iter().map(size).sum();
        let newest = self.known().sequence;
        for pair in firsts.windows(2).take(firsts.len().saturating_sub(2)) {
            let (first, next) = (pair[0], pair[1]);
            // The age of its last record, which is not older than the start of the next segment.
            let until = log.read(next)?.map_or(0, |(head, _)| head.created);
            let too_old =
                limits.age.is_some_and(|age| Duration::from_micros(now().saturating_sub(until)) > age);
            let too_many = limits.records.is_some_and(|records| newest.saturating_sub(next) > records);
            if total <= limits.bytes && !too_old && !too_many {
                break;
            }
            self.keep_texts_before(next)?;
            total -= size(&first);
            let path = log.path(first);
            log.files.remove(&path).map_err(Error::io("remove", path))?;
            // Where there is no list, there is nothing to remove.
            let _ = log.files.remove(&log.keys_path(first));
        }
        Ok(())
    }

    /// Writes down anew the texts that need records before `next`.
    fn keep_texts_before(&self, next: u64) -> Result<()> {
        let mut needy = BTreeMap::new();
        for (package, newest) in &self.known().packages {
            // One that is as it was needs no record; of one that cannot be had nothing can be made.
            let kept = std::fs::read(self.log.text_path(package)).map(|text| Digest::of(&text));
            if let Some(kept) = kept.ok().filter(|kept| *kept != newest.digest) {
                needy.insert(package.as_str(), (kept, newest.digest));
            }
        }
        self.log.each_back(|record| {
            for change in &record.packages {
                // The record that made the text is one that stays, and so are those after it.
                if needy.get(change.package.as_str()).is_some_and(|(kept, _)| *kept == change.after) {
                    needy.remove(change.package.as_str());
                }
            }
            let done = record.sequence <= next || needy.is_empty();
            Ok(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        for (package, (_, newest)) in needy {
            if let Some(text) = self.log.newest_text(package, newest)? {
                self.log.keep_text(package, &text)?;
            }
        }
        Ok(())
    }
}

impl End {
    fn take(&mut self, record: &Record, chain: Chain) {
        self.sequence = record.sequence;
        self.time = self.time.max(record.time + 1);
        self.chain = chain;
        let ended = |(sequence, guard): (u64, Guard)| match record.kind {
            Kind::Confirm => true,
            Kind::Rollback => record.refers == guard.baseline,
            Kind::Undo => record.refers == sequence,
            _ => false,
        };
        self.pending = match (record.kind, record.guard) {
            (Kind::Heads, guard) => guard.map(|guard| (record.refers, guard)),
            (_, Some(guard)) => Some((record.sequence, guard)),
            (_, None) => self.pending.filter(|pending| !ended(*pending)),
        };
        for change in &record.packages {
            let newest = Newest { sequence: record.sequence, digest: change.after };
            // The first record of a segment only repeats what was.
            match self.packages.get_mut(&change.package) {
                Some(known) if record.kind == Kind::Heads && known.digest == change.after => {}
                Some(known) => *known = newest,
                None => drop(self.packages.insert(change.package.clone(), newest)),
            }
        }
    }
}

/// Reports whether an open file is the one at a path.
fn is_at(open: &OpenFile, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let held = open.file.metadata().map(|found| (found.dev(), found.ino()));
    let there = std::fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()));
    held.is_ok() && held.ok() == there.ok()
}

#[cfg(test)]
mod tests;
