//! The first step of a commit: it takes the log's lock and completes commits that other programs have left
//! unfinished.
//!
//! Invariants of a session that [`session`] or [`session_within`] has opened:
//! - No other program commits to this log as long as the session lives.
//! - The texts are not behind the log: recovery has put them in place. Only [`session_behind`] may leave those that this
//!   store is to put in place later ([`crate::Durability::Log`]).
//! - The policy is the newest one.
//! - The log has at least one record: a new log begins with the present texts.
//! - The log belongs to the directory that the configuration path leads to now. If the path leads elsewhere since the
//!   last session, the deferred texts of the old log are put in place in the old directory, never in the new one.
//!
//! The log's lock comes before the locks of packages. A caller that takes those as well opens the session with
//! `retry::with_session`.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::commit::core::Core;
use crate::commit::log_session::{LogSession, cannot_be_written};
use crate::commit::{publish, retry};
use crate::error::Result;
use crate::error::not_found::Missing;
use crate::log::{Behind, Log, Writer};
use crate::os::patience::Patience;

/// Takes the log's lock, recovers from a crash, and puts deferred texts in place. If the log cannot be written, for
/// example because this user lacks the rights, commits are not logged.
///
/// # Errors
///
/// [`crate::Error::Locked`] if another writer does not finish in time, [`crate::Error::Damaged`] if the log is by a later
/// version, [`crate::Error::Io`] if, for example, there is no room for the log.
pub(crate) fn session(core: &Core) -> Result<LogSession<'_>> {
    retry::retry(core, |patience| session_within(core, patience))
}

/// Opens a session as [`session`] does, for callers that take other locks after it: see [`retry::with_session`].
pub(crate) fn session_within<'e>(core: &'e Core, patience: &Patience) -> Result<LogSession<'e>> {
    let mut session = session_behind(core, patience)?;
    session.recover()?;
    Ok(session)
}

/// Opens a session as [`session_within`] does, but may leave the deferred texts of this store for later.
pub(crate) fn session_behind<'e>(core: &'e Core, patience: &Patience) -> Result<LogSession<'e>> {
    crate::os::caller::check_may_commit()?;
    let mut session = LogSession::new(core);
    let Some(log) = core.logs.current() else {
        session.unlogged = Some(Missing::Log.into());
        core.settings.now();
        return Ok(session);
    };
    session.writer = match log.write(patience.deadline, patience.timeout) {
        Ok(writer) => {
            let (is_elsewhere, config) = core.logs.look_at_config();
            if is_elsewhere {
                drop(writer);
                follow_config(core);
                return session_behind(core, patience);
            }
            session.config = config;
            Some(writer)
        }
        Err(error) if cannot_be_written(&error) => {
            session.unlogged = Some(error);
            core.settings.now();
            return Ok(session);
        }
        Err(error) => return Err(crate::os::caller::explain(error)),
    };
    // The log's lock is held, so no other program changes the policy meanwhile.
    log.limit(core.settings.now().log);
    core.warn_of_damage();
    if session.sequence() == 0 || !core.logs.damage().is_empty() {
        session.go_on_above(publish::highest_number(core));
    }
    let behind = session.behind();
    // A segment that was begun while texts were behind the log counts as new once they are in place.
    session.segment = session.writer.as_ref().map_or(0, Writer::settled_segment);
    if behind != Behind::Later {
        session.recover()?;
    }
    if session.sequence() == 0 {
        // A new log begins with the present texts, so that changes by hand are found from the start. A package that
        // cannot be read here is noted at its first commit, by a user who can read it.
        core.packages
            .each_text(core.packages.list()?, |place, text| session.look(&place, &text).map(|_| ()))?;
        session.note()?;
    }
    Ok(session)
}

/// Opens a session as [`session`] does, and fails if the log cannot be written.
///
/// # Errors
///
/// As for [`session`], and the error that keeps the log from being written.
pub(crate) fn session_of_log(core: &Core) -> Result<LogSession<'_>> {
    retry::retry(core, |patience| session_of_log_within(core, patience))
}

/// Opens a session as [`session_of_log`] does, for callers that take other locks after it: see
/// [`retry::with_session`].
pub(crate) fn session_of_log_within<'e>(core: &'e Core, patience: &Patience) -> Result<LogSession<'e>> {
    let session = session_within(core, patience)?;
    if session.writer.is_some() {
        return Ok(session);
    }
    // Opening the log once more returns the error to report.
    core.logs.require()?.write(patience.deadline, patience.timeout)?;
    session_within(core, patience)
}

/// Switches to the log of the directory that the configuration path leads to now, if that is another one. Before that
/// it puts the deferred texts of the old log in place, in the old directory and never in the new one. Returns whether
/// the path leads to another directory.
pub(crate) fn follow_config(core: &Core) -> bool {
    core.logs.follow(|log, real| {
        if core.deferred.is_behind() {
            finish_in(core, log, real);
        }
        core.deferred.clear();
    })
}

/// Puts the deferred texts of a log in place, in the directory of that log. If that fails, the next program that
/// looks at one of them finds the mark beside it and does it.
fn finish_in(core: &Core, log: &Log, real: &Path) {
    let log = Log::new(log.dir().to_owned(), core.options.files.clone(), core.options.log_limits());
    let other = core.elsewhere(real, Some(log));
    let Some(log) = other.logs.current() else { return };
    if let Ok(writer) = log.write(Instant::now() + Duration::from_secs(1), Duration::from_secs(1)) {
        let _ = LogSession::of(&other, writer).recover();
    }
}
