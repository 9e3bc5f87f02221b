//! Looking after the log and the texts: whether records are as they were written, and mending what is not.

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

pub use crate::log::Verified;

/// A package that was brought back to its newest text without errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// The package.
    pub package: String,
    /// The revision whose text it has now.
    pub revision: u64,
    /// The transaction that brought it back.
    pub sequence: u64,
}

/// What was mended.
#[derive(Debug, Default)]
pub struct Repair {
    /// What was wrong with the log; what is damaged of it is set aside. See [`Verified::problems`].
    pub problems: Vec<String>,
    /// The packages that were brought back.
    pub packages: Vec<Repaired>,
    /// What could not be mended: mostly texts with errors of which the log has no better one.
    pub unmended: Vec<Error>,
}

/// Passes over the error that the log is damaged, which repair goes on from.
fn unless_damaged(done: Result<()>) -> Result<()> {
    match done {
        Err(Error::Damaged { what: Damage::Log, .. }) => Ok(()),
        done => done,
    }
}

/// Looks after the log of a store: see [`crate::Engine::audit`].
#[derive(Debug, Clone, Copy)]
pub struct Audit<'e> {
    core: &'e Core,
}

impl<'e> Audit<'e> {
    pub(crate) fn of(core: &'e Core) -> Self {
        Self { core }
    }

    /// Returns the directory of the log, which exists once something was committed; `None` where there is no
    /// place for one.
    #[must_use]
    pub fn log_dir(&self) -> Option<&'e Path> {
        self.core.logs.current().map(Log::dir)
    }

    /// Reports whether the log has been begun: with the first commit, or the first look at the history.
    #[must_use]
    pub fn has_log(&self) -> bool {
        self.core.logs.current().is_some_and(Log::is_begun)
    }

    /// Returns why commits are not logged, if they are not. Nothing is made to find that out.
    #[must_use]
    pub fn log_problem(&self) -> Option<String> {
        self.core.logs.problem()
    }

    /// Returns the damage of the log that was found so far, by whatever has read it through this engine; see
    /// [`Audit::verify_log`], which reads all of it.
    #[must_use]
    pub fn log_problems(&self) -> Vec<String> {
        self.core.logs.damage()
    }

    /// Returns the directory of the logs of root, and its owner, where this user has a log of his own since he may not
    /// read that: what is not in his may be in the other.
    #[must_use]
    pub fn log_of_root(&self) -> Option<(PathBuf, u32)> {
        self.core.logs.of_root()
    }
}

impl Audit<'_> {
    /// Checks all records there are against their chain: each is tied to the one before it, so that none can be
    /// changed, taken out or put in without a trace. Who can write the log can make it wholly anew, though: keep
    /// [`Verified::chain`] somewhere else to find that out.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no log, [`Error::Io`] if it cannot be read.
    pub fn verify_log(&self) -> Result<Verified> {
        self.core.logs.require()?.verify()
    }

    /// Mends what can be mended: finishes what a crash has left, brings each package whose text has errors back to
    /// its newest text without, as the log has it, and sets damaged pieces of the log aside. What can be read of the log
    /// stays. What cannot be mended keeps nothing else from it: see [`Repair::unmended`].
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`], and what keeps the log from being written.
    pub fn repair(&self) -> Result<Repair> {
        let problems = self.verify_log()?.problems;
        self.core.warnings.mark_given(&problems);
        for package in mark::remove_lost_marks(self.core)? {
            self.core.warnings.warn(&format!(
                "{package}: the log that held its last commits is gone, so these commits are lost"
            ));
        }
        // What is in the log and not in the texts has to be put there before anything else is done.
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

    /// Has the log know the newest text of each package, also where a record that led to it was lost.
    fn keep_texts_again(&self) -> Result<()> {
        let session = open_session::session_of_log(self.core)?;
        self.core
            .packages
            .each_text(self.core.packages.list()?, |place, text| session.keep_text_again(&place, &text))
            .map(|_| ())
    }

    /// Lists the packages whose text has errors, with the first of each.
    fn broken(&self) -> Result<Vec<(Place, Error)>> {
        let mut broken = Vec::new();
        self.core.packages.each_text(self.core.packages.list()?, |place, text| {
            let parsed = self.core.packages.parse(&place, text.to_vec());
            broken.extend(parsed.err().map(|error| (place, error)));
            Ok(())
        })?;
        Ok(broken)
    }

    /// Brings packages back to their newest text without errors.
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
