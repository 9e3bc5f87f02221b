//! Earlier states as a store reads them: [`crate::history`] does the work, and here damage that it finds is told of.

use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::commit::engine::Engine;
use crate::error::not_found::Missing;
use crate::error::{Error, Result};
use crate::history::archive::ArchiveInfo;
use crate::history::{BlameLine, History};
use crate::log::{self, Kind, Log, Record};
use crate::model::package::{Key, Package, Selector};

impl Engine {
    pub(crate) fn the_log(&self) -> Result<&Log> {
        self.log().ok_or_else(|| self.config_missing().unwrap_or(Missing::Log).into())
    }

    /// Returns what earlier states are read from.
    pub(crate) fn past(&self) -> Result<History<'_>> {
        let config = &self.dirs().config.path;
        Ok(History { log: self.the_log()?, files: &self.options.files, config })
    }

    pub(crate) fn snapshot_dir(&self) -> Result<PathBuf> {
        Ok(self.the_log()?.dir().join("snapshots"))
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
        look: impl FnMut(Record) -> Result<ControlFlow<B>>,
    ) -> Result<Option<B>> {
        let found = self.past()?.each_transaction(look);
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
        self.past()?.revision()
    }

    /// Returns one transaction.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is none of that number, or it is not kept any more.
    pub fn transaction(&self, sequence: u64) -> Result<Record> {
        let found = self.past()?.transaction(sequence);
        self.warn_of_damage();
        found
    }

    /// Returns the text a package had after a transaction; `Ok(None)` if there was no such package. Changes by
    /// hand that are not in the log yet count as later ones. Before it was first seen, a package is taken to have
    /// been as it was then. Where the log does not go back that far, a snapshot of that revision is taken.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if the log does not go back that far; as for [`Engine::each_transaction`].
    pub fn text_at(&self, package: &str, revision: u64) -> Result<Option<Vec<u8>>> {
        self.past()?.text_at(package, revision)
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
        self.past()?.changed_since(revision, || self.packages())
    }

    /// Returns the lines of a package, each with the last transaction that wrote it.
    ///
    /// # Errors
    ///
    /// As for [`Engine::text_at`].
    pub fn blame(&self, package: &str) -> Result<Vec<BlameLine>> {
        let lines = self.past()?.blame(package);
        self.warn_of_damage();
        lines
    }

    /// Lists the snapshots, with a label and automatic ones, the oldest first. Files that are none are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no state directory; [`Error::Io`].
    pub fn labels(&self) -> Result<Vec<ArchiveInfo>> {
        self.past()?.archives()
    }
}
