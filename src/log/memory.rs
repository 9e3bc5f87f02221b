//! A log in memory, for tests: the second implementation of [`LogStore`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::keys::Wanted;
use super::reader::{Batch, hand_out};
use super::record::{Digest, Guard, Kind, Record};
use super::store::{Heads, LogRead, LogStore, LogWriter, Look};
use super::summary::{Newest, Summary};
use super::texts::text_from;
use super::ticket::{Turn, Turns};
use super::{Behind, End, LogInfo};
use crate::error::{Error, Result};
use crate::os::clock::micros;

/// A handle of a log in memory; its clones are further handles of the same log.
#[derive(Debug, Default, Clone)]
pub(crate) struct MemoryLog(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    turns: Turns,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    id: Option<String>,
    entries: Vec<Entry>,
    texts: BTreeMap<String, Vec<u8>>,
    summary: Summary,
}

#[derive(Debug)]
struct Entry {
    /// The encoded record, as in a segment, so that reading it returns the same parts.
    bytes: Vec<u8>,
    mark: Option<Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Applied,
    Ahead,
}

impl Entry {
    fn record(&self) -> Record {
        Record::decode(&self.bytes).expect("it was encoded here")
    }
}

/// Returns the first record of a log: there are no packages before it.
fn heads() -> Record {
    Record::new(Kind::Heads)
}

impl Kept {
    fn push(&mut self, mut record: Record, mark: Option<Mark>) {
        record.sequence = self.summary.sequence + 1;
        record.time = self.summary.time_of_next(micros(SystemTime::now()));
        self.summary.add(&record);
        self.entries.push(Entry { bytes: record.encode(), mark });
    }

    /// Returns the ripe records (see `log::store`).
    fn ripe(&self) -> &[Entry] {
        let marked = self.entries.iter().rposition(|entry| entry.mark.is_some());
        &self.entries[..marked.map_or(0, |last| last + 1)]
    }

    /// Returns the records whose texts may not be in place.
    fn unplaced(&self) -> &[Entry] {
        let placed = self.entries.iter().rposition(|entry| entry.mark == Some(Mark::Applied));
        &self.entries[placed.map_or(0, |last| last + 1)..]
    }
}

impl MemoryLog {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogRead for MemoryLog {
    fn first(&self) -> Result<u64> {
        Ok(self.kept().entries.first().map_or(0, |entry| entry.record().sequence))
    }

    fn read_back(&self, wanted: Option<&Wanted>, look: Look<'_>) -> Result<()> {
        let records: Vec<Record> = self.kept().entries.iter().rev().map(Entry::record).collect();
        for record in records {
            if wanted.is_none_or(|wanted| wanted.may_be_of(&record)) && look(record)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn text_of(&self, package: &str, wanted: Digest) -> Result<Option<Vec<u8>>> {
        let text = self.kept().texts.get(package).cloned();
        text.map_or(Ok(None), |text| text_from(self, package, text, wanted))
    }
}

impl LogStore for MemoryLog {
    fn id(&self) -> Option<String> {
        self.kept().id.clone()
    }

    fn end(&self) -> Option<End> {
        let kept = self.kept();
        Some(End { last: kept.summary.sequence, is_open: !kept.unplaced().is_empty() })
    }

    fn heads(&self) -> Result<Heads> {
        let mut heads = Heads::default();
        self.kept().ripe().iter().for_each(|entry| heads.add(&entry.record()));
        Ok(heads)
    }

    fn read_after(&self, since: u64) -> Result<Batch> {
        let kept = self.kept();
        if since > kept.summary.sequence {
            return Err(Error::TooOld { since, revision: kept.summary.sequence });
        }
        let mut batch = Batch { last: since, ..Batch::default() };
        for record in kept.ripe().iter().map(Entry::record).filter(|record| record.sequence > since) {
            batch.last = record.sequence;
            hand_out(&mut batch.records, record, since);
        }
        batch.unripe = batch.last < kept.summary.sequence;
        Ok(batch)
    }

    fn keep_text(&self, package: &str, text: &[u8]) -> Result<()> {
        self.kept().texts.insert(package.to_owned(), text.to_vec());
        Ok(())
    }

    fn damage(&self) -> Vec<String> {
        Vec::new()
    }

    fn check(&self) -> Result<LogInfo> {
        let (first, last) = (self.first()?, self.kept().summary.sequence);
        Ok(LogInfo { first, last, ..LogInfo::default() })
    }

    fn writer(&self, deadline: Instant, waited: Duration) -> Result<Box<dyn LogWriter + '_>> {
        let locked =
            || Error::Locked { path: PathBuf::from("memory"), holder: "another thread".into(), waited };
        let turn = self.0.turns.take(deadline).ok_or_else(locked)?;
        Ok(Box::new(MemoryWriter { log: self, _turn: turn }))
    }
}

/// The writer of a log in memory.
#[derive(Debug)]
struct MemoryWriter<'l> {
    log: &'l MemoryLog,
    _turn: Turn<'l>,
}

impl LogWriter for MemoryWriter<'_> {
    fn make_id(&mut self) -> Result<String> {
        let number = Arc::as_ptr(&self.log.0).addr();
        Ok(self.log.kept().id.get_or_insert_with(|| format!("{number:032x}")).clone())
    }

    fn sequence(&self) -> u64 {
        self.log.kept().summary.sequence
    }

    fn newest(&self, package: &str) -> Option<Newest> {
        self.log.kept().summary.packages.get(package).copied()
    }

    fn packages(&self) -> Vec<String> {
        self.log.kept().summary.present()
    }

    fn pending(&self) -> Option<(u64, Guard)> {
        self.log.kept().summary.pending
    }

    fn append(&mut self, records: Vec<Record>, _: bool) -> Result<u64> {
        let mut kept = self.log.kept();
        if kept.entries.is_empty() {
            kept.push(heads(), Some(Mark::Applied));
        }
        records.into_iter().for_each(|record| kept.push(record, None));
        Ok(kept.summary.sequence)
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    fn mark_applied(&mut self) {
        self.log.kept().entries.iter_mut().for_each(|entry| entry.mark = Some(Mark::Applied));
    }

    fn mark_ahead(&mut self) {
        self.log.kept().entries.iter_mut().for_each(|entry| _ = entry.mark.get_or_insert(Mark::Ahead));
    }

    fn open_ended(&self) -> Result<Vec<(Record, bool)>> {
        let kept = self.log.kept();
        let found = kept.unplaced().iter().map(|entry| (entry.record(), entry.mark.is_some()));
        Ok(found.filter(|(record, _)| record.kind != Kind::Heads).collect())
    }

    fn behind(&self) -> Behind {
        match self.log.kept().unplaced() {
            [] => Behind::Nowhere,
            unplaced if unplaced.iter().all(|entry| entry.mark.is_some()) => Behind::Later,
            _ => Behind::Now,
        }
    }

    fn is_behind(&self, package: &str) -> bool {
        let kept = self.log.kept();
        kept.unplaced().iter().any(|entry| entry.record().package(package).is_some())
    }
}
