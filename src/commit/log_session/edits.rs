//! Changes that were made by hand: with an editor, or by a program that does not use the log. The next session that
//! reads a package compares its text with the log, and notes there that the package was edited, made or deleted.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::commit::core::CommittedTexts;
use crate::commit::intent::Intent;
use crate::commit::last_good;
use crate::commit::log_session::LogSession;
use crate::commit::packages::first_changes;
use crate::commit::packages::is_gone;
use crate::commit::parsed_text::ParsedText;
use crate::commit::place::Place;
use crate::error::Result;
use crate::history::archive::Committed;
use crate::log::{self, Digest, Kind, Log, PackageChange, Record, Writer};

impl LogSession<'_> {
    /// Compares the text of a package with its newest text in the log, and notes a difference as a change by hand. Returns
    /// whether they differ.
    pub fn look(&mut self, place: &Place, text: &[u8]) -> Result<bool> {
        self.look_at(place, text, Digest::of(text))
    }

    /// Does what [`LogSession::look`] does, with the digest of the text.
    pub fn look_at(&mut self, place: &Place, text: &[u8], digest: Digest) -> Result<bool> {
        if !place.is_logged() {
            return Ok(false);
        }
        let (Some(writer), Some(log)) = (&self.writer, self.core.logs.current()) else { return Ok(false) };
        let newest = self.newest_noted(&place.name);
        if newest == Some((digest, false)) {
            return Ok(false);
        }
        let mut record = self.edit_by_hand(owner(&place.path));
        let mut change = PackageChange {
            before: newest.and_then(|(newest, gone)| (!gone).then_some(newest)),
            ..PackageChange::new(&place.name, digest)
        };
        match newest {
            Some((newest, _)) => match self.text_of(log, &place.name, newest)? {
                Some(old) => {
                    change.hunks = log::compare_texts(&old, text);
                    (change.changes, record.message) =
                        last_good::changes_of_edit(self.core, place, &old, text);
                }
                None => {
                    change.unknown = true;
                    log.keep_text(&place.name, text)?;
                }
            },
            // A log begins with all packages that can be read, so this one was made later.
            None if writer.sequence() > 0 && is_newer_than(log, place) => {
                change.hunks = log::compare_texts(b"", text);
                change.changes = first_changes(self.core.options.format_of(place.format), &place.name, text);
                log.keep_text(&place.name, b"")?;
            }
            None => {
                log.keep_text(&place.name, text)?;
                if let Some(first) = self.waiting.last_mut().filter(|last| last.kind == Kind::Baseline) {
                    first.packages.push(change);
                    return Ok(true);
                }
                (record.kind, record.uid, record.source) = (Kind::Baseline, 0, "cms".into());
            }
        }
        record.packages.push(change);
        self.waiting.push(record);
        Ok(true)
    }

    /// Returns the newest text of a package, from the log or from the records that wait to be appended.
    fn text_of(&self, log: &Log, package: &str, newest: Digest) -> Result<Option<Vec<u8>>> {
        if let Some(text) = log.text_of(package, newest)? {
            return Ok(Some(text));
        }
        // The text was changed more than once while the log's lock was held; the log has the text before these changes.
        let known = self.writer.as_ref().and_then(|writer| writer.newest(package));
        let Some(before) = known.map(|known| log.text_of(package, known.digest)).transpose()?.flatten()
        else {
            return Ok(None);
        };
        let mut waiting = self.waiting.iter().filter_map(|record| record.package(package));
        let text = waiting.try_fold(before, |text: Vec<u8>, change| log::apply(&text, &change.hunks));
        Ok(text.filter(|text| Digest::of(text) == newest))
    }

    /// Keeps the newest text of a package in the log again if a record of its changes was lost. Without it the next
    /// change by hand could not be compared.
    pub fn keep_text_again(&self, place: &Place, text: &[u8]) -> Result<()> {
        let (Some(writer), Some(log)) = (&self.writer, self.core.logs.current()) else { return Ok(()) };
        let digest = Digest::of(text);
        let newest = writer.newest(&place.name).filter(|newest| !newest.gone && newest.digest == digest);
        if newest.is_some() && place.is_logged() && log.text_of(&place.name, digest)?.is_none() {
            log.keep_text(&place.name, text)?;
        }
        Ok(())
    }

    /// Notes a change by hand in a text that was read, and returns the state of the package.
    ///
    /// # Errors
    ///
    /// As for [`LogSession::look`], and [`crate::Error::Parse`].
    pub fn note_and_parse(&mut self, place: &Place, text: Vec<u8>) -> Result<Arc<ParsedText>> {
        let core = self.core;
        if let Some(known) = core.states.find(place, &text) {
            self.look_at(place, &text, known.digest)?;
            return Ok(known);
        }
        self.look(place, &text)?;
        core.states.parse(place, text)
    }

    /// Notes that a package without a file was deleted by hand. Returns whether the log knew of a file.
    pub fn note_deletion(&mut self, place: &Place) -> Result<bool> {
        let known = self.newest_noted(&place.name).filter(|(_, gone)| !gone && place.is_logged());
        let (Some(log), Some((before, _))) = (self.core.logs.current(), known) else { return Ok(false) };
        // The user who has deleted it could write the directory.
        let mut record = self.edit_by_hand(owner(place.path.parent().unwrap_or(Path::new("."))));
        let old = self.text_of(log, &place.name, before)?;
        let compared = old.as_ref().map(|old| {
            super::hunks_and_changes(self.core.options.format_of(place.format), &place.name, old, b"")
        });
        if old.is_none() {
            log.keep_text(&place.name, b"")?;
        }
        let (hunks, changes) = compared.unwrap_or_default();
        record.packages.push(PackageChange {
            before: Some(before),
            deleted: true,
            unknown: old.is_none(),
            hunks,
            changes,
            ..PackageChange::new(&place.name, Digest::of(b""))
        });
        self.waiting.push(record);
        Ok(true)
    }

    /// Calls [`LogSession::note_deletion`] for all packages of the log that have no file.
    pub fn note_deletions(&mut self) -> Result<()> {
        let names = self.writer.as_ref().map(Writer::packages).unwrap_or_default();
        for place in names.iter().map(|name| self.core.packages.in_config(name)) {
            if is_gone(&place.path) {
                self.note_deletion(&place)?;
            }
        }
        Ok(())
    }

    /// Returns the newest change by hand of a key among the records that wait to be appended.
    pub fn waiting_change(&self, package: &str, section: &[u8], option: Option<&[u8]>) -> Option<&Record> {
        self.waiting.iter().rev().find(|record| {
            let changes = record.package(package).into_iter().flat_map(|change| &change.changes);
            changes.into_iter().any(|change| change.section == section && change.option.as_deref() == option)
        })
    }

    /// Returns the digest of the newest text of a package, with the waiting records, and whether the package was deleted.
    fn newest_noted(&self, package: &str) -> Option<(Digest, bool)> {
        match self.waiting.iter().rev().find_map(|record| record.package(package)) {
            Some(noted) => Some((noted.after, noted.deleted)),
            None => self.writer.as_ref()?.newest(package).map(|newest| (newest.digest, newest.gone)),
        }
    }

    /// Begins the record of a change by hand, with the likely author.
    fn edit_by_hand(&self, uid: u32) -> Record {
        let mut record = self.core.record(&Intent::new(Kind::FileEdit, 0));
        (record.pid, record.uid) = (0, uid);
        (record.source, record.message) = ("file-edit".into(), String::new());
        // Not the person for whom this program commits.
        (record.author, record.request, record.decided) = (String::new(), None, None);
        record
    }
}

impl CommittedTexts for LogSession<'_> {
    fn sequence(&self) -> u64 {
        Self::sequence(self)
    }

    fn committed_texts(&mut self) -> Result<Committed> {
        let mut texts = BTreeMap::new();
        let packages = &self.core.packages;
        let left_out = packages.each_text(packages.list()?, |place, text| {
            self.look(&place, &text)?;
            texts.insert(place.name, text);
            Ok(())
        })?;
        self.note_deletions()?;
        self.note()?;
        Ok(Committed { texts, left_out })
    }
}

/// Reports whether a package was probably made after the log was begun.
fn is_newer_than(log: &log::Log, place: &Place) -> bool {
    let written = std::fs::metadata(&place.path).and_then(|found| found.modified()).ok();
    let written = written.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let begun = log.begun().map(Duration::from_micros);
    !place.name.contains(['.', '/']) && written.zip(begun).is_some_and(|(written, begun)| written > begun)
}

/// Returns the owner of a file, who is its likely author.
fn owner(path: &Path) -> u32 {
    std::fs::metadata(path).map_or(0, |found| std::os::unix::fs::MetadataExt::uid(&found))
}
