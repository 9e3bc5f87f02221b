//! Looking after the log and the texts: whether records are as they were written, and mending what is not.

use std::ops::ControlFlow;

use crate::error::{Damage, Error, Result};
use crate::ledger::Why;
use crate::log::Kind;
use crate::store::{Place, Store};

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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repair {
    /// What was wrong with the log, which is set aside if anything was; see [`Verified::problems`].
    pub problems: Vec<String>,
    /// The packages that were brought back.
    pub packages: Vec<Repaired>,
}

impl Store {
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
    /// its newest text without, as the log has it, and then sets a damaged log aside and begins a new one.
    ///
    /// # Errors
    ///
    /// As for [`Store::commit`], and what keeps the log from being written; [`Error::Parse`] for the first package
    /// that has errors and no better text.
    pub fn repair(&self) -> Result<Repair> {
        let problems = self.verify_log()?.problems;
        match self.finish_last() {
            // What is in the log and not in the texts has to be put there before the log is set aside.
            Ok(()) | Err(Error::Damaged { what: Damage::Log, .. }) => {}
            Err(error) => return Err(error),
        }
        let broken = self.broken()?;
        let mut packages = Vec::new();
        // There is no need to write to a damaged log, but for what it tells of a good text.
        if problems.is_empty() || !broken.is_empty() {
            match self.mend(broken) {
                Ok(mended) => packages = mended,
                Err(Error::Damaged { what: Damage::Log, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if !problems.is_empty() {
            self.the_log()?.set_aside()?;
            self.note_edits()?;
        }
        match self.broken()?.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(Repair { problems, packages }),
        }
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
    fn mend(&self, broken: Vec<(Place, Error)>) -> Result<Vec<Repaired>> {
        drop(self.ledger_of_log()?);
        self.recover()?;
        self.note_edits()?;
        let mut repaired = Vec::new();
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
            let Some(revision) = good else { return Err(error) };
            let why = Why { message: Some("repair".into()), ..Why::new(Kind::Rollback, revision) };
            let sequence = self.rollback_because(revision, std::slice::from_ref(&place.name), &why)?;
            repaired.extend(sequence.map(|sequence| Repaired { package: place.name, revision, sequence }));
        }
        Ok(repaired)
    }
}
