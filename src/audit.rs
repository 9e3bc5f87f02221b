//! Looking after the log and the texts: whether records are as they were written, and mending what is not.

use std::ops::ControlFlow;

use crate::commit::engine::{Engine, Place};
use crate::commit::log_session::Why;
use crate::error::{Damage, Error, Result};
use crate::log::Kind;

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

impl Engine {
    /// Checks all records there are against their chain: each is tied to the one before it, so that none can be
    /// changed, taken out or put in without a trace. Who can write the log can make it wholly anew, though: keep
    /// [`Verified::chain`] somewhere else to find that out.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no log, [`Error::Io`] if it cannot be read.
    pub fn verify_log(&self) -> Result<Verified> {
        self.the_log()?.verify()
    }

    /// Mends what can be mended: finishes what a crash has left, brings each package whose text has errors back to
    /// its newest text without, as the log has it, and sets damaged pieces of the log aside. What can be read of the log
    /// stays. What cannot be mended keeps nothing else from it: see [`Repair::unmended`].
    ///
    /// # Errors
    ///
    /// As for [`Engine::commit`], and what keeps the log from being written.
    pub fn repair(&self) -> Result<Repair> {
        let problems = self.verify_log()?.problems;
        self.reports_damage(&problems);
        for package in self.remove_lost_marks()? {
            self.warn(&format!(
                "{package}: the log that held its last commits is gone, so these commits are lost"
            ));
        }
        // What is in the log and not in the texts has to be put there before anything else is done.
        unless_damaged(self.finish_last())?;
        self.place_parked()?;
        let broken = self.broken()?;
        if !problems.is_empty() {
            unless_damaged(self.ledger().and_then(|mut ledger| ledger.leave_damaged()))?;
            self.the_log()?.set_aside()?;
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
        let ledger = self.ledger_of_log()?;
        self.each_text(self.packages()?, |place, text| ledger.keep_text_again(&place, &text)).map(|_| ())
    }

    /// Lists the packages whose text has errors, with the first of each.
    fn broken(&self) -> Result<Vec<(Place, Error)>> {
        let mut broken = Vec::new();
        self.each_text(self.packages()?, |place, text| {
            let parsed = self.parse(&place, text.to_vec());
            broken.extend(parsed.err().map(|error| (place, error)));
            Ok(())
        })?;
        Ok(broken)
    }

    /// Brings packages back to their newest text without errors.
    fn mend(&self, broken: Vec<(Place, Error)>) -> Result<(Vec<Repaired>, Vec<Error>)> {
        drop(self.ledger_of_log()?);
        self.recover()?;
        self.note_edits()?;
        let (mut repaired, mut unmended) = (Vec::new(), Vec::new());
        for (place, error) in broken {
            let mut revisions = Vec::new();
            self.each_transaction(|record| {
                if record.package(&place.name).is_some() {
                    revisions.push(record.sequence);
                }
                Ok(ControlFlow::<()>::Continue(()))
            })?;
            let good = revisions.into_iter().find(|revision| {
                let text = self.text_at(&place.name, *revision);
                text.is_ok_and(|text| text.is_some_and(|text| self.parse(&place, text).is_ok()))
            });
            let Some(revision) = good else {
                unmended.push(error);
                continue;
            };
            let why = Why { message: Some("repair".into()), ..Why::new(Kind::Rollback, revision) };
            match self.rollback_because(revision, std::slice::from_ref(&place.name), &why) {
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
