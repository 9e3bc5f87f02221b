//! Verifiers: whoever asks is shown each transaction that would change what it asked for, before it is made, and may
//! refuse it with a reason.
//!
//! A verifier is a thread of the process that wants it, behind a socket in the run directory (`verifier`). Whoever
//! commits looks whether there are any (`roster`), asks all that are concerned at the same time (`inquiry`), and
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

use inquiry::Hanging;
pub use verifier::Verifier;

use crate::commit::engine::{Engine, Place};
use crate::commit::gate::Gate;
use crate::commit::log_session::Why;
use crate::commit::write::Part;
use crate::error::{Error, Result};
use crate::log::{self, Digest, KeyChange, PackageChange, Record};
use crate::map::{Map, Shared};
use crate::presence::{Role, Roster, Subscriber};
use crate::watch::{Event, Pattern};

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
    hanging: Hanging,
}

impl Gate for Verifiers {
    /// Where there is no verifier it costs one look.
    fn is_guarded(&self, engine: &Engine) -> bool {
        !Roster::all(engine.dirs(), Role::Verifier).is_empty()
    }

    fn ask(&self, engine: &Engine, parts: &[Part<'_>], why: &Why) -> Result<()> {
        let rosters = match why.refusable {
            true => Roster::all(engine.dirs(), Role::Verifier),
            false => Vec::new(),
        };
        if rosters.is_empty() {
            return Ok(());
        }
        parts.iter().for_each(|part| let_read(engine, part.place));
        // They may read the packages with stock uci, which waits for these locks.
        lock_old_files(engine, parts, false)?;
        let changes = parts.iter().filter(|part| is_verified(engine, part.place));
        let changes = changes.map(|part| (part.place.name.clone(), key_changes(engine, part))).collect();
        let record = proposal(engine, changes, why);
        let verdicts = inquiry::ask(&rosters, &record, engine.settings().verify_timeout, Some(&self.hanging));
        lock_old_files(engine, parts, true)?;
        let refused = verdicts.into_iter().find_map(|verdict| Some((verdict.verifier, verdict.refusal?)));
        match refused {
            Some((by, reason)) => Err(Error::Refused { program: by.program, pid: by.pid, reason }),
            None => Ok(()),
        }
    }
}

/// Locks the files that are to be replaced so that others may read them, or so that they may not. In between
/// others may have written to them, which is seen when they are replaced.
fn lock_old_files(engine: &Engine, parts: &[Part<'_>], exclusive: bool) -> Result<()> {
    parts.iter().try_for_each(|part| engine.lock_old_file(&part.draft, exclusive))
}

/// Reports whether transactions of a package are verified: of one that is in the configuration directory, also by
/// who looks for packages elsewhere first, as stock uci does. Those are not logged.
fn is_verified(engine: &Engine, place: &Place) -> bool {
    place.staged && place.path == engine.dirs().config.path.join(&place.name)
}

/// Sees to it that there is a map of a package, up to its text. Whoever verifies could not make one now, since we
/// hold the lock.
fn let_read(engine: &Engine, place: &Place) {
    let shared = Shared::find(engine.dirs(), &engine.options.files, false);
    let shared = shared.filter(|shared| shared.control().is_some() && is_verified(engine, place));
    let (Some(shared), Ok(text)) = (shared, std::fs::metadata(&place.path)) else { return };
    let is_up = |map: Map| !map.is_retired() && map.source().is_some_and(|source| source.is(&text));
    if !shared.open(&place.name, false).ok().flatten().is_some_and(is_up) {
        // Without one it can be read as well, by the side.
        let _ = engine.share_locked(&shared, place);
    }
}

fn key_changes(engine: &Engine, part: &Part<'_>) -> Vec<KeyChange> {
    if let Some(step) = &part.step {
        // What comes into an empty package the log tells by its text alone.
        return match step.old.text().is_empty() {
            true => log::compare_packages(&step.old.package, &step.new.package),
            false => step.changes.clone(),
        };
    }
    let before = part.before.clone().unwrap_or_default();
    let parse = |text: &Arc<Vec<u8>>| engine.parse_leniently(&part.place.name, text);
    let both = parse(&before).zip(parse(&part.text));
    both.map(|(old, new)| log::compare_packages(&old, &new)).unwrap_or_default()
}

/// Makes the record of a transaction that may come to be.
fn proposal(engine: &Engine, changes: Vec<(String, Vec<KeyChange>)>, why: &Why) -> Record {
    let none = Digest { len: 0, hash: 0 };
    let of = |(package, changes): (String, Vec<KeyChange>)| PackageChange {
        deleted: false,
        package,
        before: None,
        after: none,
        unknown: false,
        hunks: Vec::new(),
        changes,
    };
    let mut record = engine.record(why);
    record.time = engine.now();
    record.packages = changes.into_iter().map(of).filter(|package| !package.changes.is_empty()).collect();
    record
}

impl Engine {
    /// Asks those who would verify a commit of what is staged for these packages what they say to it, and finds out
    /// who would be told. Nothing is changed, and nothing locked.
    ///
    /// # Errors
    ///
    /// As for [`Engine::load`].
    pub fn preview(&self, places: &[Place]) -> Result<Preview> {
        let mut changes = Vec::new();
        for place in places.iter().filter(|place| is_verified(self, place)) {
            let staged = self.load(place.name.as_bytes())?;
            let committed = self.load_committed_or_new(place.clone())?;
            changes.push((place.name.clone(), log::compare_packages(&committed.package, &staged.package)));
        }
        let record = proposal(self, changes, &Why::COMMIT);
        let verifiers = Roster::all(self.dirs(), Role::Verifier);
        let watchers = Roster::all(self.dirs(), Role::Watcher);
        let told = watchers.iter().flat_map(Roster::list).map(|(watcher, _)| watcher);
        let told = told.filter(|watcher| concerns(&watcher.pattern, &record)).collect();
        Ok(Preview {
            verdicts: inquiry::ask(&verifiers, &record, self.settings().verify_timeout, None),
            told,
        })
    }
}

/// Reports whether a transaction changes anything that a pattern selects.
fn concerns(pattern: &str, record: &Record) -> bool {
    Pattern::parse(pattern).is_ok_and(|pattern| Event::of(Arc::new(record.clone()), &pattern).is_some())
}
