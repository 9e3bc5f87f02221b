//! Looking after the log and the texts: whether records are as they were written, and mending what is not.

use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::ledger::Why;
use crate::log::Kind;
use crate::store::Store;

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

impl Store {
    /// Checks all records there are against their chain: each is tied to the one before it, so that none can be
    /// changed, taken out or put in without a trace. Who can write the log can make it wholly anew, though: keep
    /// [`Verified::chain`] somewhere else to find that out.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no log, [`Error::Io`] if it cannot be read.
    pub fn verify_log(&self) -> Result<Verified> {
        self.the_log()?.verify()
    }

    /// Mends what can be mended: sets a damaged log aside, finishes what a crash has left, and brings each
    /// package whose text has errors back to its newest text without, as the log has it.
    ///
    /// # Errors
    ///
    /// As for [`Store::commit`]; [`Error::Parse`] for the first package that has errors and no better text.
    pub fn repair(&self) -> Result<Vec<Repaired>> {
        if let Err(Error::Damaged { .. }) = self.ledger().map(drop) {
            self.the_log()?.set_aside()?;
        }
        self.recover()?;
        self.note_edits()?;
        let mut repaired = Vec::new();
        for name in self.packages()? {
            let place = self.place(name.as_bytes())?;
            let (text, _) = self.read_settled(&place)?;
            let Err(error) = self.parse(&place, text.to_vec()) else { continue };
            let mut revisions = Vec::new();
            self.each_transaction(|record| {
                if record.package(&name).is_some() {
                    revisions.push(record.sequence);
                }
                Ok(ControlFlow::<()>::Continue(()))
            })?;
            let good = revisions.into_iter().find(|revision| {
                let text = self.text_at(&name, *revision);
                text.is_ok_and(|text| text.is_some_and(|text| self.parse(&place, text).is_ok()))
            });
            let Some(revision) = good else { return Err(error) };
            let why = Why { message: Some("repair".into()), ..Why::new(Kind::Rollback, revision) };
            let sequence = self.rollback_because(revision, std::slice::from_ref(&name), &why)?;
            repaired.extend(sequence.map(|sequence| Repaired { package: name, revision, sequence }));
        }
        Ok(repaired)
    }
}
