//! Taking the log's lock: what others have left is finished before anything else is done.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::commit::core::Core;
use crate::commit::log_session::{LogSession, cannot_be_written};
use crate::commit::{publish, retry};
use crate::error::Result;
use crate::error::not_found::Missing;
use crate::log::{Behind, Log, Writer};
use crate::os::patience::Patience;

/// Takes the log's lock, finishes what a crash has left, and puts texts in place that were to be later. Where
/// the log cannot be written, for want of rights for example, commits are not logged.
///
/// # Errors
///
/// [`crate::Error::Locked`] if another writer does not finish in time, [`crate::Error::Damaged`] if the log is by a later
/// version, [`crate::Error::Io`]: there is no room for the log, for example.
pub(crate) fn session(core: &Core) -> Result<LogSession<'_>> {
    retry::retry(core, |patience| session_within(core, patience))
}

/// As [`session`], for who goes on to take other locks: see [`retry::with_session`].
pub(crate) fn session_within<'e>(core: &'e Core, patience: &Patience) -> Result<LogSession<'e>> {
    let mut session = session_behind(core, patience)?;
    session.recover()?;
    Ok(session)
}

/// As [`session_within`], but texts that this store is to put in place later may not be.
pub(crate) fn session_behind<'e>(core: &'e Core, patience: &Patience) -> Result<LogSession<'e>> {
    crate::os::caller::check_may_commit()?;
    let mut session = LogSession::new(core);
    let Some(log) = core.logs.current() else {
        session.unlogged = Some(Missing::Log.into());
        core.settings.now();
        return Ok(session);
    };
    session.writer = match log.write(patience.deadline, patience.timeout) {
        Ok(writer) if core.logs.is_config_elsewhere() => {
            drop(writer);
            follow_config(core);
            return session_behind(core, patience);
        }
        Ok(writer) => Some(writer),
        Err(error) if cannot_be_written(&error) => {
            session.unlogged = Some(error);
            core.settings.now();
            return Ok(session);
        }
        Err(error) => return Err(crate::os::caller::explain(error)),
    };
    // Nobody commits another policy meanwhile.
    log.limit(core.settings.now().log);
    core.warn_of_damage();
    if session.sequence() == 0 || !core.logs.damage().is_empty() {
        session.go_on_above(publish::highest_number(core));
    }
    let behind = session.behind();
    // One that was begun when texts were left behind counts as new once they are not.
    session.segment = session.writer.as_ref().map_or(0, Writer::rested_segment);
    if behind != Behind::Later {
        session.recover()?;
    }
    if session.sequence() == 0 {
        // A log begins with what there is, so that changes by hand can be told from the start.
        // One that cannot be read is noted when it is first committed, by someone who can.
        core.packages
            .each_text(core.packages.list()?, |place, text| session.look(&place, &text).map(|_| ()))?;
        session.note()?;
    }
    Ok(session)
}

/// As [`session`], for what makes no sense without the log.
///
/// # Errors
///
/// As for [`session`]; and what keeps the log from being written.
pub(crate) fn session_of_log(core: &Core) -> Result<LogSession<'_>> {
    retry::retry(core, |patience| session_of_log_within(core, patience))
}

/// As [`session_of_log`], for who goes on to take other locks: see [`retry::with_session`].
pub(crate) fn session_of_log_within<'e>(core: &'e Core, patience: &Patience) -> Result<LogSession<'e>> {
    let session = session_within(core, patience)?;
    if session.writer.is_some() {
        return Ok(session);
    }
    // What is in the way is asked once more, to be told.
    core.logs.require()?.write(patience.deadline, patience.timeout)?;
    session_within(core, patience)
}

/// Goes on with the log of the configuration directory as it is now, if that is another one. What was committed to the
/// one before, and is not in its texts yet, is put there, and never into the other one. Returns whether it is another.
pub(crate) fn follow_config(core: &Core) -> bool {
    core.logs.follow(|log, real| {
        if core.deferred.is_behind() {
            finish_in(core, log, real);
        }
        core.deferred.clear();
    })
}

/// Puts the texts in place that are behind a log, in the directory that it is of. Where that fails, the next program that
/// looks at one of them does it: there is a mark beside it.
fn finish_in(core: &Core, log: &Log, real: &Path) {
    let log = Log::new(log.dir().to_owned(), core.options.files.clone(), core.options.log);
    let other = core.elsewhere(real, Some(log));
    let Some(log) = other.logs.current() else { return };
    if let Ok(writer) = log.write(Instant::now() + Duration::from_secs(1), Duration::from_secs(1)) {
        let _ = LogSession::of(&other, writer).recover();
    }
}
