//! Begins new segments, and drops old ones.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use super::Writer;
use super::tail::Segment;
use crate::error::{Error, Result};
use crate::log::record::{Digest, Kind, PackageChange, Record};
use crate::log::segment::{self, HEAD, Head};
use crate::log::summary::Newest;
use crate::log::{Log, keys, size_of};
use crate::os::files::OpenFile;

impl Log {
    /// Returns how much room the texts take.
    fn size_of_texts(&self) -> u64 {
        let entries = std::fs::read_dir(self.dir.join("texts")).into_iter().flatten().flatten();
        entries.map(|entry| size_of(&entry.path())).sum()
    }
}

impl Writer<'_> {
    /// Begins a new segment with room for `needed` bytes of records.
    pub(super) fn rotate(&mut self, needed: usize) -> Result<()> {
        // A record must not become durable before the ones that its chain follows from.
        self.sync()?;
        let known = self.known();
        let (summary, before) = (&known.summary, known.chain);
        let heads = |(package, newest): (&String, &Newest)| PackageChange {
            deleted: newest.gone,
            ..PackageChange::new(package, newest.digest)
        };
        let record = Record {
            sequence: summary.sequence + 1,
            time: summary.time_of_next(self.log.now()),
            refers: summary.pending.map_or(0, |(sequence, _)| sequence),
            guard: summary.pending.map(|(_, guard)| guard),
            packages: summary.packages.iter().map(heads).collect(),
            ..Record::new(Kind::Heads)
        };
        let created = self.log.now();
        let first = record.sequence;
        let hint = u32::try_from(HEAD).unwrap_or(0);
        let head = Head { first, chain: before, created, hint, is_old: false };
        let mut bytes = head.encode().to_vec();
        let chain = segment::encode(&record, &before, &mut bytes)
            .ok_or_else(|| Error::invalid(b"", "there are too many packages for the log"))?;
        if self.tail().unplaced.is_empty() {
            // The mark of the last record also holds for those before it.
            let (at, mark) = segment::applied(HEAD);
            let at = usize::try_from(at).unwrap_or(0);
            bytes[at..at + mark.len()].copy_from_slice(&mark);
        }
        let length = (bytes.len() * 2 + needed).max(self.log.limits().segment()).next_multiple_of(4096);
        let damaged = self.tail().segment.as_ref().filter(|segment| segment.is_damaged);
        if let Some(damaged) = damaged.map(|damaged| damaged.first) {
            // This stops processes that have the old segment open from appending to it.
            self.log.renew(damaged)?;
        }
        let open = self.make_segment(first, &bytes, length)?;
        let id = open.id;
        if let Some(full) = self.tail().segment.as_ref().map(|full| full.first) {
            keys::write(&self.log.files, &self.log.path(full), &self.log.keys_path(full));
        }
        let tail = self.tail();
        let end = bytes.len();
        tail.segment =
            Some(Segment { open, id, first, length, end, is_closed: false, is_damaged: false, hint: HEAD });
        tail.chain = chain;
        tail.summary.add(&record);
        self.drop_old()
    }

    /// Makes the file of a new segment: the given bytes and then zeros, so that later appends change only the bytes
    /// written. A segment for a single large record gets allocated room instead of zeros, since the record overwrites
    /// it at once. The file gets its name once it is complete.
    fn make_segment(&self, first: u64, bytes: &[u8], length: usize) -> Result<OpenFile> {
        let (log, files) = (self.log, self.log.within(None)?);
        if !self.is_current() {
            // The directory that was opened belongs to another log.
            return Err(log.replaced());
        }
        let (path, rest) = (log.path(first), (length - bytes.len()) as u64);
        let mut new =
            files.create_unique(&log.dir, "segment").map_err(Error::io("create a file in", &log.dir))?;
        let made = files
            .write(&new, bytes)
            .and_then(|()| match length > log.limits().segment().next_multiple_of(4096) {
                true => files.allocate(&new, bytes.len() as u64, rest),
                false => files.fill_with_zeros(&new, rest),
            })
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

    /// Drops the oldest segments until the log is within its limits: see G5.
    fn drop_old(&mut self) -> Result<()> {
        let (log, limits) = (self.log, self.log.limits());
        let firsts = log.segments()?;
        let size = |first: &u64| size_of(&log.path(*first)) + size_of(&log.keys_path(*first));
        let mut total: u64 = firsts.iter().map(size).sum();
        total += log.size_of_texts() + limits.for_snapshots();
        let newest = self.sequence();
        let needed = self.pending().map_or(u64::MAX, |(_, guard)| guard.baseline + 1);
        for pair in firsts.windows(2).take(firsts.len().saturating_sub(2)) {
            let (first, next) = (pair[0], pair[1]);
            // The time at which the next segment was begun is used as the time of this segment's last record.
            let until = log.read(next)?.map_or(0, |whole| whole.head.created);
            let too_old =
                limits.age.is_some_and(|age| Duration::from_micros(log.now().saturating_sub(until)) > age);
            let too_many = limits.records.is_some_and(|records| newest.saturating_sub(next) > records);
            if total <= limits.bytes && !too_old && !too_many || next > needed {
                break;
            }
            self.keep_texts_before(next)?;
            total -= size(&first);
            let path = log.path(first);
            log.files.remove(&path).map_err(Error::io("remove", path))?;
            // The list may be missing.
            let _ = log.files.remove(&log.keys_path(first));
        }
        Ok(())
    }

    /// Stores again the texts that need records before `next`.
    fn keep_texts_before(&self, next: u64) -> Result<()> {
        let mut needy = BTreeMap::new();
        for (package, newest) in &self.summary().packages {
            // An unchanged text needs no record; a text that cannot be read cannot be stored.
            let kept =
                self.log.files.read_at_path(&self.log.text_path(package)).map(|text| Digest::of(&text));
            if let Some(kept) = kept.ok().filter(|kept| *kept != newest.digest) {
                needy.insert(package.as_str(), (kept, newest.digest));
            }
        }
        self.log.each_back(|record| {
            for change in &record.packages {
                // The record that made the stored text is kept, and so are those after it.
                if needy.get(change.package.as_str()).is_some_and(|(kept, _)| *kept == change.after) {
                    needy.remove(change.package.as_str());
                }
            }
            let done = record.sequence <= next || needy.is_empty();
            Ok(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        for (package, (_, newest)) in needy {
            if let Some(text) = self.log.text_of(package, newest)? {
                self.log.keep_text(package, &text)?;
            }
        }
        Ok(())
    }
}
