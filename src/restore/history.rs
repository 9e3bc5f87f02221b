//! The history of a store: its transactions, and its packages at earlier revisions.

use std::ops::ControlFlow;

use crate::commit::core::Core;
use crate::commit::{loader, note_edits, recovery};
use crate::error::{Error, Result};
use crate::history::BlameLine;
use crate::log::{self, KeyChange, Record, RequestId};
use crate::model::package::{Key, Package, Selector};
use crate::restore::sections::SectionNames;

/// The history of a store: see [`crate::History::changes`].
#[derive(Debug, Clone, Copy)]
pub struct History<'e> {
    pub(super) core: &'e Core,
}

impl<'e> History<'e> {
    pub(crate) fn of(core: &'e Core) -> Self {
        Self { core }
    }

    /// Finds the last transaction after a revision, 0 for all in the log, that has changed a section or an option.
    ///
    /// # Errors
    ///
    /// As for [`History::each_transaction`].
    pub fn last_change(
        &self,
        after: u64,
        package: &str,
        section: &[u8],
        option: Option<&[u8]>,
    ) -> Result<Option<Record>> {
        self.core.logs.past()?.last_change(after, package, section, option)
    }

    /// Calls `look` with the transactions, the newest first, until `look` stops it. Records that only note the state
    /// of packages are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no log, [`Error::Io`] and [`Error::Damaged`] if it cannot be read; the error of
    /// `look`.
    pub fn each_transaction<B>(
        &self,
        look: impl FnMut(Record) -> Result<ControlFlow<B>>,
    ) -> Result<Option<B>> {
        let found = self.core.logs.past()?.each_transaction(look);
        self.core.warn_of_damage();
        found
    }

    /// Returns at most `most` transactions that changed a package, a section or an option, the newest first; of all
    /// transactions if `key` is `None`. Each holds only the changes of the key.
    ///
    /// # Errors
    ///
    /// As for [`History::each_transaction`]; [`Error::NotFound`] if the key selects a section by its type and position, and
    /// there is no such section.
    pub fn changes(&self, key: Option<&Key>, most: usize) -> Result<Vec<Record>> {
        let key = key.map(|key| self.settle(key)).transpose()?;
        let section = match key.as_ref().and_then(|key| key.section.as_ref()) {
            Some(Selector::Name(name)) => Some(name.clone()),
            _ => None,
        };
        let found = self.core.logs.past()?.changes(key.as_ref(), section.as_deref(), most);
        self.core.warn_of_damage();
        found
    }

    /// Returns the newest transaction of a request that was committed; `None` if there is none, or its record is not kept
    /// any more. A program that repeats a request, since it does not know whether the first try was committed, asks this
    /// first. A commit that a crash has interrupted is completed before the log is read.
    ///
    /// # Errors
    ///
    /// As for [`History::each_transaction`].
    pub fn find_request(&self, request: RequestId) -> Result<Option<Record>> {
        recovery::finish_last(self.core)?;
        let found = self.core.logs.past()?.find_request(request);
        self.core.warn_of_damage();
        found
    }

    /// Returns what gives the anonymous sections of records stable names, for people.
    #[must_use]
    pub fn section_names(&self) -> SectionNames<'e> {
        SectionNames::of(*self)
    }

    /// Returns a key as its package has it, with the name of the section in place of a selector.
    fn settle(&self, key: &Key) -> Result<Key> {
        let packages = &self.core.packages;
        packages.check_key(key)?;
        let load = || -> Result<Package> {
            let place = packages.find(&key.package)?;
            Ok(loader::load_committed(self.core, place)?.package)
        };
        match &key.section {
            None => Ok(key.clone()),
            Some(Selector::Name(_)) if !packages.has_free_names(&key.package) => Ok(key.clone()),
            // A key that the package does not have any more is looked for as it is written.
            Some(Selector::Name(_)) => load().map_or_else(|_| Ok(key.clone()), |p| p.settle(key.clone())),
            Some(selector) => {
                let package = load()?;
                let section = package.select(selector)?;
                let section = section.ok_or_else(|| Error::NotFound { key: key.text() })?;
                Ok(Key { section: Some(Selector::Name(section.name().to_vec())), ..key.clone() })
            }
        }
    }

    /// Returns the number of the last transaction; 0 if there is none.
    ///
    /// # Errors
    ///
    /// As for [`History::each_transaction`].
    pub fn revision(&self) -> Result<u64> {
        self.core.logs.past()?.revision()
    }

    /// Returns one transaction.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no transaction with that number, or its record is not kept any more.
    pub fn transaction(&self, sequence: u64) -> Result<Record> {
        let found = self.core.logs.past()?.transaction(sequence);
        self.core.warn_of_damage();
        found
    }

    /// Returns the text of a package after a transaction; `Ok(None)` if there was no such package. Changes by hand that are
    /// not in the log yet count as later ones. Before a package was first seen, it is assumed to have been the same. If the
    /// log does not go back that far, the text comes from a snapshot of that revision.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if the log does not go back that far, or there is no such revision yet; `u64::MAX` stands for
    /// the last one. As for [`History::each_transaction`].
    pub fn text_at(&self, package: &str, revision: u64) -> Result<Option<Vec<u8>>> {
        if revision != u64::MAX {
            self.check_revision(revision)?;
        }
        self.core.logs.past()?.text_at(package, revision)
    }

    /// Returns a package as it was after a transaction; `Ok(None)` if there was no such package.
    ///
    /// # Errors
    ///
    /// As for [`History::text_at`]; [`Error::Parse`] if its text had errors.
    pub fn package_at(&self, package: &str, revision: u64) -> Result<Option<Package>> {
        let Some(text) = self.text_at(package, revision)? else { return Ok(None) };
        let place = self.core.packages.in_config(package);
        self.core.packages.parse(&place, text).map(|(package, _)| Some(package))
    }

    /// Lists the packages that were changed after a transaction, sorted by name. If the log does not go back that far, the
    /// list may also hold packages that were not changed.
    ///
    /// # Errors
    ///
    /// As for [`History::each_transaction`].
    pub fn changed_since(&self, revision: u64) -> Result<Vec<String>> {
        self.core.logs.past()?.changed_since(revision, || self.core.packages.list())
    }

    /// Returns the lines of a package, each with the last transaction that wrote it.
    ///
    /// # Errors
    ///
    /// As for [`History::text_at`].
    pub fn blame(&self, package: &str) -> Result<Vec<BlameLine>> {
        let lines = self.core.logs.past()?.blame(package);
        self.core.warn_of_damage();
        lines
    }

    /// Notes in the log the changes by hand since the last transaction: packages that were edited, created or deleted.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`].
    pub fn note_edits(&self) -> Result<()> {
        note_edits::note_edits(self.core)
    }

    /// Notes the changes by hand of some packages, as [`History::note_edits`] does of all. Packages that cannot be
    /// read are skipped. The changes are also published, so that programs that get the event can read them. Returns
    /// whether the log can be written.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`].
    pub fn note_edits_of(&self, names: &[String]) -> Result<bool> {
        note_edits::note_edits_of(self.core, names)
    }

    /// Compares two states of a package key by key.
    #[must_use]
    pub fn compare(old: &Package, new: &Package) -> Vec<KeyChange> {
        log::compare_packages(old, new)
    }
}
