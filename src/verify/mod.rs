//! Verifiers: programs that are asked about each transaction that would change keys of their pattern, before it is
//! made, and may refuse it with a reason.
//!
//! A verifier is a thread of its process behind a socket in the run directory (`verifier`). A commit looks for
//! verifiers (`presence`), asks all that it concerns at the same time (`inquiry`), and goes on if none of them
//! refuses it. There is no service in between.
//!
//! # When
//!
//! The commit asks while it holds all locks of the transaction, and before it writes the log. So exactly the verified
//! transaction is made, and readers see the state before it meanwhile. If an editor saves the file in that time, the
//! commit tries again, and asks again. Transactions of a group are verified and made one after the other, so that
//! each verifier reads the state after the transaction before. Changes of comments or notation only are not verified,
//! nor are edits by hand, which have happened already. A rollback of an unconfirmed commit cannot be refused: it is
//! the safety net.
//!
//! # What refuses
//!
//! Verifiers exist to keep out bad configurations. So a verifier that does not answer within
//! [`crate::Options::verify_timeout`], cannot be asked, or ends while it is asked, refuses the transaction; the
//! error names it. A verifier that had ended before is removed and ignored.
//!
//! # What a verifier must not do
//!
//! A verifier must not commit: the commit would wait for the verifier itself. While its callback runs, commits of its
//! thread fail, and so do commands that run with [`VERIFYING`](crate::VERIFYING) set. Another verifier may still
//! refuse the transaction; use a watch to act on committed transactions.

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

/// The answer of one verifier to a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// The verifier.
    pub verifier: Subscriber,
    /// Why it refuses the transaction; `None` if it accepts.
    pub refusal: Option<String>,
}

/// The effects that a commit would have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Preview {
    /// The answers of the verifiers that it concerns.
    pub verdicts: Vec<Verdict>,
    /// The watches that would get an event.
    pub watchers: Vec<Subscriber>,
}

/// Asks the verifiers that a transaction concerns.
#[derive(Debug, Default)]
pub(crate) struct Verifiers {
    /// Verifiers that have not answered in time.
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

/// Asks the verifiers about the staged changes: see [`crate::Engine::preview`].
pub(crate) fn preview(core: &Core, places: &[Place]) -> Result<Preview> {
    let mut changes = Vec::new();
    for place in places.iter().filter(|place| proposal::needs_gate(core, place)) {
        let staged = loader::load(core, place.name.as_bytes())?;
        let committed = loader::load_committed_or_new(core, place.clone())?;
        changes.push((place.name.clone(), log::compare_packages(&committed.package, &staged.package)));
    }
    let record = proposal::record(core, changes, &Intent::COMMIT);
    let verifiers = Presence::all(core.dirs(), Role::Verifier);
    let watchers = Presence::all(core.dirs(), Role::Watcher);
    let watchers = watchers.iter().flat_map(Presence::list).map(|(watcher, _)| watcher);
    let watchers = watchers.filter(|watcher| concerns(&watcher.pattern, &record)).collect();
    let timeout = core.settings.get().verify_timeout;
    Ok(Preview { verdicts: inquiry::ask(&verifiers, &record, timeout, None), watchers })
}

/// Reports whether a transaction changes keys that a pattern selects.
fn concerns(pattern: &str, record: &Record) -> bool {
    Pattern::parse(pattern).is_ok_and(|pattern| Event::of(Arc::new(record.clone()), &pattern).is_some())
}
