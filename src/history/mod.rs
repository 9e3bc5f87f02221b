//! What the log tells: who changed what and when, and what packages were at an earlier revision.
//!
//! A revision is the sequence of a transaction: the state after it. Earlier texts are made from the newest one by
//! taking the changes back, one transaction after the other, byte for byte.

pub(crate) mod archive;
pub(crate) mod audit;
pub(crate) mod automatic;
pub(crate) mod revision;
pub(crate) mod undo;

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::commit::engine::Engine;
use crate::error::not_found::Missing;
use crate::error::{Error, Result};
use crate::log::{self, Digest, Kind, Log, PackageChange, Record};
use crate::model::package::{Key, Package, Selector};

/// A line of a package and the transaction it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlameLine {
    /// The line, without its newline.
    pub text: Vec<u8>,
    /// The transaction; `None` if it is older than what is kept of the log.
    pub by: Option<Arc<Record>>,
}

pub(crate) fn too_old(package: &str, revision: u64) -> Error {
    Missing::TooOld { package: package.to_owned(), revision }.into()
}

impl Engine {
    pub(crate) fn the_log(&self) -> Result<&Log> {
        self.log().ok_or_else(|| self.config_missing().unwrap_or(Missing::Log).into())
    }

    /// Calls `look` with the transactions, the newest first, until it breaks off. Those that only note what
    /// packages are, are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no log, [`Error::Io`] and [`Error::Damaged`] if it cannot be read; what
    /// `look` returns.
    pub fn each_transaction<B>(
        &self,
        mut look: impl FnMut(Record) -> Result<ControlFlow<B>>,
    ) -> Result<Option<B>> {
        let found = self.the_log()?.each_back(|record| match record.kind {
            Kind::Heads => Ok(ControlFlow::Continue(())),
            _ => Ok(match look(record)? {
                ControlFlow::Break(found) => ControlFlow::Break(found),
                ControlFlow::Continue(()) => ControlFlow::Continue(()),
            }),
        });
        self.warn_of_damage();
        found
    }

    /// Returns the transactions that changed a package, a section or an option, the newest first, at most so
    /// many; all of them if `key` is `None`. Of each only what concerns the key is in it.
    ///
    /// # Errors
    ///
    /// As for [`Engine::each_transaction`].
    pub fn history(&self, key: Option<&Key>, most: usize) -> Result<Vec<Record>> {
        let name = |key: &Key| match &key.section {
            Some(Selector::Name(name)) => Ok(Some(name.clone())),
            Some(_) => {
                let package = self.load_committed(self.place(&key.package)?)?.package;
                let found = package.select(key.section.as_ref().unwrap_or(&Selector::Name(Vec::new())))?;
                let missing = || Error::NotFound { key: key.text() };
                found.map(|section| Some(section.name().to_vec())).ok_or_else(missing)
            }
            None => Ok(None),
        };
        let section = key.map(name).transpose()?.flatten();
        let wanted = key.map(|key| log::Wanted::of(key, section.as_deref()));
        let mut found = Vec::new();
        self.the_log()?.each_back_of(wanted.as_ref(), |mut record| {
            if record.kind == Kind::Heads {
                return Ok(ControlFlow::Continue(()));
            }
            if let Some(key) = key {
                record.packages.retain(|change| change.package.as_bytes() == key.package);
                for change in &mut record.packages {
                    let matches = |changed: &log::KeyChange| {
                        section.as_ref().is_none_or(|section| *section == changed.section)
                            && key.option.as_ref().is_none_or(|option| {
                                changed.option.as_ref().is_none_or(|changed| changed == option)
                            })
                    };
                    change.changes.retain(matches);
                }
                // A change of comments only is one of the package; of a section it is not known to be.
                record.packages.retain(|change| section.is_none() || !change.changes.is_empty());
            }
            if key.is_none() || !record.packages.is_empty() {
                found.push(record);
            }
            Ok(if found.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        self.warn_of_damage();
        Ok(found)
    }

    /// Returns the number of the last transaction; 0 if there is none.
    ///
    /// # Errors
    ///
    /// As for [`Engine::each_transaction`].
    pub fn revision(&self) -> Result<u64> {
        let last = self.the_log()?.each_back(|record| Ok(ControlFlow::Break(record.sequence)))?;
        Ok(last.unwrap_or(0))
    }

    /// Returns one transaction.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is none of that number, or it is not kept any more.
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

    /// Returns the text a package had after a transaction; `Ok(None)` if there was no such package. Changes by
    /// hand that are not in the log yet count as later ones. Before it was first seen, a package is taken to have
    /// been as it was then. Where the log does not go back that far, a snapshot of that revision is taken.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if the log does not go back that far; as for [`Engine::each_transaction`].
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
        let log = self.the_log()?;
        let mut text: Option<Option<Vec<u8>>> = None;
        let too_old = || too_old(package, revision);
        let done = log.each_back(|record| {
            if record.sequence <= revision
                && (text.is_some() || record.kind == Kind::Heads || record.package(package).is_some())
            {
                // What it was then is known, or was never changed since.
                if text.is_none() {
                    let Some(change) = record.package(package) else {
                        return Ok(ControlFlow::Break(None));
                    };
                    text = Some(self.left_by(log, change)?.ok_or_else(too_old)?);
                }
                return Ok(ControlFlow::Break(text.take().flatten()));
            }
            let Some(change) = record.packages.into_iter().find(|change| change.package == package) else {
                return Ok(ControlFlow::Continue(()));
            };
            if record.kind == Kind::Heads {
                return Ok(ControlFlow::Continue(()));
            }
            let after = match text.take() {
                // Versions that noted no deletions have begun again with a package that was there.
                Some(None) if !change.deleted => return Ok(ControlFlow::Break(None)),
                Some(after) => after,
                None => self.left_by(log, &change)?.ok_or_else(too_old)?,
            };
            if record.kind == Kind::Baseline {
                // What it was before nobody has noted, so it is taken to have been the same; but not in another log.
                let first = log.first()?;
                if first > 1 && revision < first {
                    return Err(too_old());
                }
                return Ok(ControlFlow::Break(after));
            }
            text = Some(match change.before {
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
            // The log ends before: it is the state before the first transaction that is kept.
            None if text.is_some() && revision == 0 => Ok(text.flatten()),
            None if text.is_none() => Err(Missing::Unlogged { package: package.to_owned() }.into()),
            None => Err(too_old()),
        }
    }

    /// Returns the text that the newest change of a package has left, `Some(None)` if it was deleted; `None` if the text
    /// cannot be had.
    fn left_by(&self, log: &Log, change: &PackageChange) -> Result<Option<Option<Vec<u8>>>> {
        if change.deleted {
            return Ok(Some(None));
        }
        Ok(self.newest(log, &change.package, change.after)?.map(Some))
    }

    /// Returns the newest text the log knows of: mostly the one in place.
    fn newest(&self, log: &Log, package: &str, digest: Digest) -> Result<Option<Vec<u8>>> {
        let path = self.dirs().config.path.join(package);
        match self.options.files.read_package(&path) {
            Ok(text) if Digest::of(&text) == digest => Ok(Some(text)),
            _ => log.text_of(package, digest),
        }
    }

    /// Returns a package as it was after a transaction; `Ok(None)` if there was none.
    ///
    /// # Errors
    ///
    /// As for [`Engine::text_at`]; [`Error::Parse`] if its text had errors.
    pub fn package_at(&self, package: &str, revision: u64) -> Result<Option<Package>> {
        let Some(text) = self.text_at(package, revision)? else { return Ok(None) };
        let place = self.config_place(package);
        self.parse(&place, text).map(|(package, _)| Some(package))
    }

    /// Lists the packages that were changed after a transaction, in the order of their names; some may not have been
    /// changed, if the log does not go back that far.
    ///
    /// # Errors
    ///
    /// As for [`Engine::each_transaction`].
    pub fn changed_since(&self, revision: u64) -> Result<Vec<String>> {
        let mut names = std::collections::BTreeSet::new();
        let mut first = u64::MAX;
        self.the_log()?.each_back(|record| {
            first = record.sequence;
            if record.sequence <= revision {
                return Ok(ControlFlow::Break(()));
            }
            if !matches!(record.kind, Kind::Baseline | Kind::Heads) {
                names.extend(record.packages.into_iter().map(|change| change.package));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        // What has changed before the log begins, a snapshot may tell.
        if first > revision.saturating_add(1)
            && let Some(archive) = self.archive_at(revision)
        {
            names.extend(self.packages()?);
            names.extend(archive.packages.into_keys());
        }
        Ok(names.into_iter().collect())
    }

    /// Returns the lines of a package, each with the last transaction that wrote it.
    ///
    /// # Errors
    ///
    /// As for [`Engine::text_at`].
    pub fn blame(&self, package: &str) -> Result<Vec<BlameLine>> {
        let text = self.text_at(package, u64::MAX)?;
        let text = text.ok_or_else(|| Error::NotFound { key: package.to_owned() })?;
        let mut lines = Vec::new();
        // Of the lines nobody has been found for: which, and where it starts in the text of the moment.
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
                // How much longer the text after is than the one before, up to the hunk.
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
}
