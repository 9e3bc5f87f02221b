//! Checks the log and the texts: verifies that records are unchanged, and repairs damage.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::commit::core::Core;
use crate::commit::intent::Intent;
use crate::commit::note_edits;
use crate::commit::place::Place;
use crate::commit::{mark, open_session, recovery, unpark};
use crate::confirm::Confirmations;
use crate::error::{Damage, Error, Result};
use crate::log::{Kind, Log};
use crate::restore::history::History;

pub use crate::log::LogInfo;

/// A package that was restored to its newest text without errors.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repaired {
    /// The package.
    pub package: String,
    /// The revision of the restored text.
    pub revision: u64,
    /// The transaction that restored it.
    pub sequence: u64,
}

/// The result of a repair.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Repair {
    /// The damage of the log, which was set aside. See [`LogInfo::problems`].
    pub problems: Vec<String>,
    /// The packages that were restored.
    pub packages: Vec<Repaired>,
    /// The errors that could not be repaired: mostly texts with errors of packages that have no text without errors
    /// in the log.
    pub unmended: Vec<Error>,
}

/// Ignores an error of a damaged log, so that the repair goes on.
fn unless_damaged(done: Result<()>) -> Result<()> {
    match done {
        Err(Error::Damaged { what: Damage::Log, .. }) => Ok(()),
        done => done,
    }
}

/// Checks and repairs the log of a store: see [`crate::Engine::audit`].
#[derive(Debug, Clone, Copy)]
pub struct Audit<'e> {
    core: &'e Core,
}

impl<'e> Audit<'e> {
    pub(crate) fn of(core: &'e Core) -> Self {
        Self { core }
    }

    /// Returns the directory of the log, which the first commit creates; `None` if there is no directory for a log.
    #[must_use]
    pub fn log_dir(&self) -> Option<&'e Path> {
        self.core.logs.current().map(Log::dir)
    }

    /// Reports whether the log exists: the first commit, or the first read of the history, creates it.
    #[must_use]
    pub fn has_log(&self) -> bool {
        self.core.logs.current().is_some_and(Log::is_begun)
    }

    /// Returns why commits are not logged; `None` if they are. It creates no file.
    #[must_use]
    pub fn log_problem(&self) -> Option<String> {
        self.core.logs.problem()
    }

    /// Returns the damage of the log that reads through this engine have found so far; see [`Audit::check_log`],
    /// which reads all of it.
    #[must_use]
    pub fn log_problems(&self) -> Vec<String> {
        self.core.logs.damage()
    }

    /// Returns the directory of root's logs and its owner, if this user has a separate log since he may not read
    /// those: transactions missing in his log may be in the other.
    #[must_use]
    pub fn log_of_root(&self) -> Option<(PathBuf, u32)> {
        self.core.logs.of_root()
    }
}

impl Audit<'_> {
    /// Checks the hash chain of all records: each record is tied to the one before it, so none can be changed,
    /// removed or inserted unnoticed. A user who can write the log can forge all of it, though: keep
    /// [`LogInfo::chain`] elsewhere to detect that.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no log, [`Error::Io`] if it cannot be read.
    pub fn check_log(&self) -> Result<LogInfo> {
        self.core.logs.require()?.check()
    }

    /// Repairs the store as far as possible: finishes a commit that a crash has interrupted, restores each package
    /// whose text has errors to its newest text without errors in the log, and sets damaged parts of the log aside.
    /// Readable parts of the log stay. An error in one package does not stop the repair of others: see
    /// [`Repair::unmended`].
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`], and any error that prevents writing the log.
    pub fn repair(&self) -> Result<Repair> {
        let problems = self.check_log()?.problems;
        self.core.warnings.mark_given(&problems);
        for package in mark::remove_lost_marks(self.core)? {
            self.core.warnings.warn(&format!(
                "{package}: the log that held its last commits is gone, so these commits are lost"
            ));
        }
        // First write the deferred texts.
        unless_damaged(recovery::finish_last(self.core))?;
        unpark::place_parked(self.core)?;
        let broken = self.broken()?;
        if !problems.is_empty() {
            unless_damaged(open_session::session(self.core).and_then(|mut session| session.leave_damaged()))?;
            self.core.logs.require()?.set_aside()?;
        }
        let (packages, unmended) = match self.mend(broken) {
            Err(error @ Error::Damaged { what: Damage::Log, .. }) => (Vec::new(), vec![error]),
            mended => mended?,
        };
        if !problems.is_empty() {
            unless_damaged(self.keep_texts_again())?;
        }
        Ok(Repair { problems, packages, unmended })
    }

    /// Writes the newest text of each package to the log, since a record of its changes may be lost.
    fn keep_texts_again(&self) -> Result<()> {
        let session = open_session::session_of_log(self.core)?;
        self.core
            .packages
            .each_text(self.core.packages.list()?, |place, text| session.keep_text_again(&place, &text))
            .map(|_| ())
    }

    /// Lists the packages whose text has errors, each with its first error.
    fn broken(&self) -> Result<Vec<(Place, Error)>> {
        let mut broken = Vec::new();
        self.core.packages.each_text(self.core.packages.list()?, |place, text| {
            let parsed = self.core.packages.parse(&place, text.to_vec());
            broken.extend(parsed.err().map(|error| (place, error)));
            Ok(())
        })?;
        Ok(broken)
    }

    /// Restores packages to their newest text without errors.
    fn mend(&self, broken: Vec<(Place, Error)>) -> Result<(Vec<Repaired>, Vec<Error>)> {
        drop(open_session::session_of_log(self.core)?);
        Confirmations::of(self.core).recover()?;
        note_edits::note_edits(self.core)?;
        let (mut repaired, mut unmended) = (Vec::new(), Vec::new());
        for (place, error) in broken {
            let mut revisions = Vec::new();
            History::of(self.core).each_transaction(|record| {
                if record.package(&place.name).is_some() {
                    revisions.push(record.sequence);
                }
                Ok(ControlFlow::<()>::Continue(()))
            })?;
            let good = revisions.into_iter().find(|revision| {
                let text = History::of(self.core).text_at(&place.name, *revision);
                text.is_ok_and(|text| text.is_some_and(|text| self.core.packages.parse(&place, text).is_ok()))
            });
            let Some(revision) = good else {
                unmended.push(error);
                continue;
            };
            let intent = Intent { message: Some("repair".into()), ..Intent::new(Kind::Rollback, revision) };
            match History::of(self.core).rollback_because(
                revision,
                std::slice::from_ref(&place.name),
                &intent,
            ) {
                Ok(sequence) => {
                    let repaired_one = |sequence| Repaired { package: place.name, revision, sequence };
                    repaired.extend(sequence.map(repaired_one));
                }
                Err(error) => unmended.push(error),
            }
        }
        Ok((repaired, unmended))
    }
}
