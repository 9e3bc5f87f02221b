//! Verifiers: whoever asks is shown each transaction that would change what it asked for, before it is made, and may
//! refuse it with a reason.
//!
//! A verifier is a thread of the process that wants it, behind a socket in the run directory (`verifier`). Whoever
//! commits looks whether there are any (`presence`), asks all that are concerned at the same time (`inquiry`), and
//! makes the transaction if none of them refuses it. There is no service in between.
//!
//! # When
//!
//! With all locks of the transaction held, and before it is in the log: what is verified is what is made, key by key,
//! and what can be read meanwhile is the state before it. An editor that saves the file in that time leads to another
//! attempt, which is verified anew. Transactions of a group are verified, and made, one after the other, so that each
//! verifier reads what the one before has left. What only changes comments, or how a value is written, is not shown
//! to anyone, and edits by hand cannot be verified: they have happened. Nor can a commit be refused that goes back to
//! what was before one that was not confirmed: it is the safety net.
//!
//! # What refuses
//!
//! A verifier is there since a bad configuration must not get through. So whoever does not answer within
//! [`crate::Options::verify_timeout`], cannot be asked, or ends while it is asked, has refused; the error names it.
//! One that has ended before is removed, and does not count.
//!
//! # What a verifier must not do
//!
//! Commit: it would wait for itself. While its callback runs, its thread gets an error instead, and so do the commands
//! that [`VERIFYING`](crate::VERIFYING) is set for. It has no part in what becomes of the transaction, which another one may refuse; to
//! act on what was made there are watches.

mod inquiry;
mod message;
mod questions;
mod verifier;

use std::sync::Arc;

use inquiry::Unresponsive;

use crate::commit::core::Core;
use crate::commit::gate::{Gate, Proposal};
use crate::commit::intent::Intent;
use crate::commit::place::Place;
use crate::commit::{loader, proposal};
use crate::error::{Error, Result};
use crate::log::{self, Record};
use crate::os::dirs::Dirs;
use crate::presence::{Presence, Role, Subscriber};
use crate::watch::{Event, Pattern};

pub use verifier::Verifier;

/// What a verifier says to a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Who.
    pub verifier: Subscriber,
    /// Why it refuses the transaction; `None` if it does not.
    pub refusal: Option<String>,
}

/// What would come of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preview {
    /// Those who would be asked, and what they say.
    pub verdicts: Vec<Verdict>,
    /// Those who would be told.
    pub told: Vec<Subscriber>,
}

/// Asks the verifiers that a transaction concerns.
#[derive(Debug, Default)]
pub(crate) struct Verifiers {
    /// Those that have not answered in time.
    unresponsive: Unresponsive,
}

impl Gate for Verifiers {
    fn is_guarded(&self, dirs: &Dirs) -> bool {
        !Presence::all(dirs, Role::Verifier).is_empty()
    }

    fn ask(&self, dirs: &Dirs, proposal: &dyn Proposal) -> Result<()> {
        let presences = match proposal.is_refusable() {
            true => Presence::all(dirs, Role::Verifier),
            false => Vec::new(),
        };
        if presences.is_empty() {
            return Ok(());
        }
        proposal.let_read()?;
        let verdicts =
            inquiry::ask(&presences, &proposal.record(), proposal.timeout(), Some(&self.unresponsive));
        proposal.end_reading()?;
        let refused = verdicts.into_iter().find_map(|verdict| Some((verdict.verifier, verdict.refusal?)));
        match refused {
            Some((by, reason)) => Err(Error::Refused { program: by.program, pid: by.pid, reason }),
            None => Ok(()),
        }
    }
}

/// Asks the verifiers about what is staged: see [`crate::Engine::preview`].
pub(crate) fn preview(core: &Core, places: &[Place]) -> Result<Preview> {
    let mut changes = Vec::new();
    for place in places.iter().filter(|place| proposal::is_asked_about(core, place)) {
        let staged = loader::load(core, place.name.as_bytes())?;
        let committed = loader::load_committed_or_new(core, place.clone())?;
        changes.push((place.name.clone(), log::compare_packages(&committed.package, &staged.package)));
    }
    let record = proposal::record(core, changes, &Intent::COMMIT);
    let verifiers = Presence::all(core.dirs(), Role::Verifier);
    let watchers = Presence::all(core.dirs(), Role::Watcher);
    let told = watchers.iter().flat_map(Presence::list).map(|(watcher, _)| watcher);
    let told = told.filter(|watcher| concerns(&watcher.pattern, &record)).collect();
    let timeout = core.settings.get().verify_timeout;
    Ok(Preview { verdicts: inquiry::ask(&verifiers, &record, timeout, None), told })
}

/// Reports whether a transaction changes anything that a pattern selects.
fn concerns(pattern: &str, record: &Record) -> bool {
    Pattern::parse(pattern).is_ok_and(|pattern| Event::of(Arc::new(record.clone()), &pattern).is_some())
}
