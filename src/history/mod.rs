//! History, read from the log: the author, time and changes of each transaction, and packages at an earlier revision.
//!
//! A revision is the sequence of a transaction and names the state after it. Earlier texts are made from the newest one by
//! reverting one transaction after the other, byte for byte. Nothing here takes a lock or writes.

pub(crate) mod archive;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::error::not_found::Missing;
use crate::error::{Error, Result};
use crate::history::archive::Archive;
use crate::log::{self, Digest, KeyChange, Kind, LogRead, PackageChange, Record, RequestId};
use crate::model::package::Key;
use crate::os::files::Files;

/// A line of a package and the transaction it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlameLine {
    /// The line, without its newline.
    pub text: Vec<u8>,
    /// The transaction; `None` if it is older than the oldest record in the log.
    pub by: Option<Arc<Record>>,
}

pub(crate) fn too_old(package: &str, revision: u64) -> Error {
    Missing::TooOld { package: package.to_owned(), revision }.into()
}

/// The state of a package at an earlier time, as far as it is known while the log is read backwards.
#[derive(Default)]
enum PastState {
    /// Not known yet.
    #[default]
    Unknown,
    /// There was no such package.
    Absent,
    Text(Vec<u8>),
}

impl PastState {
    fn of(text: Option<Vec<u8>>) -> Self {
        text.map_or(Self::Absent, Self::Text)
    }

    fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown)
    }

    fn text(self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Unknown => None,
        }
    }
}

/// The log of a configuration directory and the texts that are in place, to read earlier states from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Past<'s> {
    pub log: &'s dyn LogRead,
    /// The directory of the log, in which archives are kept as well.
    pub log_dir: &'s Path,
    pub files: &'s Files,
    /// The configuration directory.
    pub config: &'s Path,
}

impl Past<'_> {
    /// Calls `look` with the transactions, the newest first, until `look` stops it. Records that only note the state
    /// of packages are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no log, [`Error::Io`] and [`Error::Damaged`] if it cannot be read; the error of
    /// `look`.
    pub fn each_transaction<B>(
        &self,
        mut look: impl FnMut(Record) -> Result<ControlFlow<B>>,
    ) -> Result<Option<B>> {
        self.log.each_back(|record| match record.kind {
            Kind::Heads => Ok(ControlFlow::Continue(())),
            _ => Ok(match look(record)? {
                ControlFlow::Break(found) => ControlFlow::Break(found),
                ControlFlow::Continue(()) => ControlFlow::Continue(()),
            }),
        })
    }

    /// Returns at most `most` transactions that changed a package, a section or an option, the newest first; of all
    /// transactions if `key` is `None`. Each holds only the changes of the key. `section` is the name of the section that
    /// the key selects.
    ///
    /// # Errors
    ///
    /// As for [`Past::each_transaction`].
    pub fn changes(&self, key: Option<&Key>, section: Option<&[u8]>, most: usize) -> Result<Vec<Record>> {
        let wanted = key.map(|key| log::Wanted::of(key, section));
        let mut found = Vec::new();
        self.log.each_back_of(wanted.as_ref(), |mut record| {
            if record.kind == Kind::Heads {
                return Ok(ControlFlow::Continue(()));
            }
            if let Some(key) = key {
                record.packages.retain(|change| change.package.as_bytes() == key.package);
                for change in &mut record.packages {
                    let matches = |changed: &log::KeyChange| {
                        section.is_none_or(|section| *section == changed.section)
                            && key.option.as_ref().is_none_or(|option| {
                                changed.option.as_ref().is_none_or(|changed| changed == option)
                            })
                    };
                    change.changes.retain(matches);
                }
                // A change of comments only is a change of the package; its section is not known.
                record.packages.retain(|change| section.is_none() || !change.changes.is_empty());
            }
            if key.is_none() || !record.packages.is_empty() {
                found.push(record);
            }
            Ok(if found.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// Returns the number of the last transaction; 0 if there is none.
    ///
    /// # Errors
    ///
    /// As for [`Past::each_transaction`].
    pub fn revision(&self) -> Result<u64> {
        let last = self.log.each_back(|record| Ok(ControlFlow::Break(record.sequence)))?;
        Ok(last.unwrap_or(0))
    }

    /// Returns one transaction.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no transaction with that number, or its record is not kept any more.
    pub fn transaction(&self, sequence: u64) -> Result<Record> {
        let found = self.each_transaction(|record| {
            Ok(match record.sequence {
                found if found == sequence => ControlFlow::Break(Some(record)),
                found if found < sequence => ControlFlow::Break(None),
                _ => ControlFlow::Continue(()),
            })
        })?;
        found.flatten().ok_or_else(|| Missing::Transaction(sequence).into())
    }

    /// Returns the newest transaction of a request; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As for [`Past::each_transaction`].
    pub fn find_request(&self, request: RequestId) -> Result<Option<Record>> {
        let mut cancelled = HashSet::new();
        let found = self.log.each_back_of(Some(&log::Wanted::request(request)), |record| {
            if record.request == Some(request) {
                // The record of a rollback has the request of the transaction that it rolls back.
                if log::is_cancellation(&record) {
                    cancelled.insert(record.refers);
                } else if !cancelled.contains(&record.sequence) {
                    return Ok(ControlFlow::Break(record));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Returns the text of a package after a transaction; `Ok(None)` if there was no such package. Changes by hand that are
    /// not in the log yet count as later ones. Before a package was first seen, it is assumed to have been the same. If the
    /// log does not go back that far, the text comes from a snapshot of that revision.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if the log does not go back that far; as for [`Past::each_transaction`].
    pub fn text_at(&self, package: &str, revision: u64) -> Result<Option<Vec<u8>>> {
        match self.logged_text_at(package, revision) {
            Err(error @ Error::Missing(_)) => match self.archive_at(revision) {
                Some(mut archive) if !archive.info.left_out.iter().any(|name| name == package) => {
                    Ok(archive.packages.remove(package))
                }
                _ => Err(error),
            },
            found => found,
        }
    }

    fn logged_text_at(&self, package: &str, revision: u64) -> Result<Option<Vec<u8>>> {
        let log = self.log;
        let mut then = PastState::Unknown;
        let too_old = || too_old(package, revision);
        let done = log.each_back(|record| {
            if record.sequence <= revision
                && (then.is_known() || record.kind == Kind::Heads || record.package(package).is_some())
            {
                // The text at that revision is known, or it was never changed since.
                if !then.is_known() {
                    let Some(change) = record.package(package) else {
                        return Ok(ControlFlow::Break(None));
                    };
                    then = self.state_after(change, revision)?;
                }
                return Ok(ControlFlow::Break(std::mem::take(&mut then).text()));
            }
            let Some(change) = record.packages.into_iter().find(|change| change.package == package) else {
                return Ok(ControlFlow::Continue(()));
            };
            if record.kind == Kind::Heads {
                return Ok(ControlFlow::Continue(()));
            }
            let after = match std::mem::take(&mut then) {
                // Earlier versions of this library did not log deletions; a package that was made again looks new.
                PastState::Absent if !change.deleted => return Ok(ControlFlow::Break(None)),
                PastState::Unknown => self.state_after(&change, revision)?.text(),
                known => known.text(),
            };
            if record.kind == Kind::Baseline {
                // The log does not have the text before the change, so the text is assumed to have been the same
                // since the log began.
                let first = log.first()?;
                if first > 1 && revision < first {
                    return Err(too_old());
                }
                return Ok(ControlFlow::Break(after));
            }
            then = PastState::of(match change.before {
                Some(before) if !change.unknown => {
                    let text = log::revert(&after.unwrap_or_default(), &change.hunks);
                    Some(text.filter(|text| Digest::of(text) == before).ok_or_else(too_old)?)
                }
                Some(_) => return Err(too_old()),
                None => None,
            });
            Ok(ControlFlow::Continue(()))
        })?;
        match done {
            Some(found) => Ok(found),
            // The log begins later: this is the state before its first transaction.
            None if then.is_known() && revision == 0 => Ok(then.text()),
            None if !then.is_known() => Err(Missing::Unlogged { package: package.to_owned() }.into()),
            None => Err(too_old()),
        }
    }

    /// Returns the state of a package after its newest change.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if the text is not kept any more.
    fn state_after(&self, change: &PackageChange, revision: u64) -> Result<PastState> {
        if change.deleted {
            return Ok(PastState::Absent);
        }
        let newest = self.newest(&change.package, change.after)?;
        newest.map(PastState::Text).ok_or_else(|| too_old(&change.package, revision))
    }

    /// Returns the newest text of a package in the log: mostly the one in place.
    fn newest(&self, package: &str, digest: Digest) -> Result<Option<Vec<u8>>> {
        let path = self.config.join(package);
        match self.files.read_package(&path) {
            Ok(text) if Digest::of(&text) == digest => Ok(Some(text)),
            _ => self.log.text_of(package, digest),
        }
    }

    /// Reports whether a package was changed after a transaction.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if the log does not go back that far; as for [`Past::each_transaction`].
    pub fn is_changed_since(&self, package: &str, revision: u64) -> Result<bool> {
        let mut next = None;
        let changed = self.log.each_back(|record| {
            if record.sequence <= revision {
                next = Some(revision + 1);
                return Ok(ControlFlow::Break(false));
            }
            next = Some(record.sequence);
            let is_change = !matches!(record.kind, Kind::Baseline | Kind::Heads);
            Ok(match is_change && record.package(package).is_some() {
                true => ControlFlow::Break(true),
                false => ControlFlow::Continue(()),
            })
        })?;
        match changed {
            Some(changed) => Ok(changed),
            None if next.unwrap_or(1) == revision + 1 => Ok(false),
            None => Err(too_old(package, revision)),
        }
    }

    /// Lists the packages that were changed after a transaction, sorted by name. If the log does not go back that far, the
    /// list may also hold packages that were not changed; `present` returns the packages that exist now.
    ///
    /// # Errors
    ///
    /// As for [`Past::each_transaction`].
    pub fn changed_since(
        &self,
        revision: u64,
        present: impl FnOnce() -> Result<Vec<String>>,
    ) -> Result<Vec<String>> {
        let mut names = std::collections::BTreeSet::new();
        let mut first = u64::MAX;
        self.log.each_back(|record| {
            first = record.sequence;
            if record.sequence <= revision {
                return Ok(ControlFlow::Break(()));
            }
            if !matches!(record.kind, Kind::Baseline | Kind::Heads) {
                names.extend(record.packages.into_iter().map(|change| change.package));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        // A snapshot may show the changes before the log begins.
        if first > revision.saturating_add(1)
            && let Some(archive) = self.archive_at(revision)
        {
            names.extend(present()?);
            names.extend(archive.packages.into_keys());
        }
        Ok(names.into_iter().collect())
    }

    /// Finds the last transaction after a revision that changed a key.
    pub fn last_change(
        &self,
        after: u64,
        package: &str,
        section: &[u8],
        option: Option<&[u8]>,
    ) -> Result<Option<Record>> {
        let wanted = log::Wanted::new(package.as_bytes(), Some(section), option);
        let found = self.log.each_back_of(Some(&wanted), |record| {
            let concerns =
                |change: &KeyChange| change.section == section && change.option.as_deref() == option;
            let hit = record.package(package).is_some_and(|found| found.changes.iter().any(concerns));
            Ok(match () {
                () if record.sequence <= after => ControlFlow::Break(None),
                () if hit => ControlFlow::Break(Some(record)),
                () => ControlFlow::Continue(()),
            })
        })?;
        Ok(found.flatten())
    }

    /// Returns the lines of a package, each with the last transaction that wrote it.
    ///
    /// # Errors
    ///
    /// As for [`Past::text_at`].
    pub fn blame(&self, package: &str) -> Result<Vec<BlameLine>> {
        let text = self.text_at(package, u64::MAX)?;
        let text = text.ok_or_else(|| Error::NotFound { key: package.to_owned() })?;
        let mut lines = Vec::new();
        // The lines without a transaction so far: the index of each, and its start in the text that is examined.
        let mut open: Vec<(usize, usize)> = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            open.push((lines.len(), start));
            start += line.len();
            let text = line.strip_suffix(b"\n").unwrap_or(line).to_vec();
            lines.push(BlameLine { text, by: None });
        }
        self.each_transaction(|mut record| {
            let at = record.packages.iter().position(|change| change.package == package);
            let Some(at) = at.filter(|_| record.kind != Kind::Baseline) else {
                return Ok(ControlFlow::Continue(()));
            };
            let (hunks, unknown) =
                (std::mem::take(&mut record.packages[at].hunks), record.packages[at].unknown);
            let record = Arc::new(record);
            open.retain_mut(|(line, start)| {
                let mut back = *start;
                // The growth of the text up to the hunk, in bytes.
                let mut longer = 0_isize;
                for hunk in &hunks {
                    let after = hunk.at.saturating_add_signed(longer);
                    if *start < after {
                        break;
                    }
                    if *start < after + hunk.inserted.len() {
                        lines[*line].by = Some(record.clone());
                        return false;
                    }
                    let grown = hunk.inserted.len().cast_signed() - hunk.removed.len().cast_signed();
                    longer += grown;
                    back = back.saturating_add_signed(-grown);
                }
                *start = back;
                true
            });
            let done = open.is_empty() || unknown;
            Ok(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(lines)
    }

    /// Returns the snapshot that holds the state after a transaction, if there is one.
    pub fn archive_at(&self, revision: u64) -> Option<Archive> {
        let mut found = self.archives().ok()?.into_iter().filter(|info| info.revision == revision);
        found.find_map(|info| Archive::read(&info.path).ok())
    }
}

#[cfg(test)]
mod tests;
