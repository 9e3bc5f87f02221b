//! Commits that are rolled back unless they are confirmed: the commands that run with them, and the guard that rolls
//! them back.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::time::Duration;

use cms::clock::show_span;
use cms::log::Record;
use cms::{Committed, Engine, GuardHandle, Guards};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;

use crate::context::Context;
use crate::failure::{Exit, Failure, print_error};
use crate::hook;
use crate::keeper;
use crate::line::Line;
use crate::records::{Users, record_json};
use crate::spec::Commands;
use crate::terms::Terms;

/// How long the command of `--on-rollback` may take, and that of `--then` if the commit need not be confirmed.
pub const HOOK_TIME: Duration = Duration::from_secs(300);

/// Starts the guard, before the commit is made.
pub fn begin(context: &Context, terms: &Terms) -> Result<Option<GuardHandle>, Failure> {
    if terms.is_plain() {
        return Ok(None);
    }
    // Both need the log.
    context.store.history().revision()?;
    if terms.time.is_none() {
        return Ok(None);
    }
    let program = std::env::current_exe().map_err(|error| {
        Failure::Other(Exit::Io, format!("the guard of the commit cannot be started: {error}"))
    })?;
    let guards = Guards::Program(program);
    let store = Engine::new(context.store.options().clone().guards(guards));
    Ok(Some(store.confirmations().start_guard(terms.on_rollback.as_deref().map(OsStr::from_bytes))?))
}

/// Prints by when the commit has to be confirmed, and runs the command of `--then`.
pub fn finish(
    context: &Context,
    terms: &Terms,
    outcomes: &[Committed],
    guard: Option<GuardHandle>,
) -> Result<Exit, Failure> {
    if terms.is_plain() {
        return Ok(Exit::Ok);
    }
    let mut made: Vec<u64> = outcomes.iter().filter_map(|outcome| outcome.revision).collect();
    made.sort_unstable();
    made.dedup();
    if made.is_empty() {
        context.note("there was nothing to commit, so there is nothing to confirm or run");
        return Ok(Exit::Ok);
    }
    let process = guard.as_ref().and_then(GuardHandle::process);
    drop(guard);
    let left = print_deadline(context, terms, process)?;
    let Some(command) = &terms.then else { return Ok(Exit::Ok) };
    let packages = packages_of(context, &made)?;
    let mut variables =
        vec![("CMS_REVISION", made[made.len() - 1].to_string().into()), ("CMS_PACKAGES", packages)];
    variables.extend(left.map(|left| ("CMS_SECONDS_LEFT", left.as_secs().to_string().into())));
    match keeper::run(context, command, variables, left.unwrap_or(HOOK_TIME), &made)? {
        0 => Ok(Exit::Ok),
        // The exit code of the command.
        code => std::process::exit(i32::from(code)),
    }
}

/// Prints by when the commit has to be confirmed, if it has to be. Returns the time that is left for that.
fn print_deadline(
    context: &Context,
    terms: &Terms,
    process: Option<u32>,
) -> Result<Option<Duration>, Failure> {
    if terms.time.is_none() {
        return Ok(None);
    }
    let Some(pending) = context.store.confirmations().pending()? else { return Ok(None) };
    let by = process.map_or_else(String::new, |process| format!("; the guard is process {process}"));
    context.note(&format!(
        "transaction {} is rolled back in {} unless it is confirmed with 'cms confirm'{by}",
        pending.sequence,
        show_span(pending.left)
    ));
    if pending.baseline + 1 < pending.sequence
        && let Some(waiting) =
            context.store.confirmations().waiting()?.filter(|waiting| waiting.transactions.len() > 1)
    {
        let others = waiting.transactions.len() - 1;
        context.note(&format!(
            "{others} waited already: the new time holds for all, and 'cms confirm' confirms all"
        ));
    }
    Ok(Some(pending.left))
}

/// Names the packages that transactions changed, with blanks between them.
fn packages_of(context: &Context, revisions: &[u64]) -> Result<OsString, Failure> {
    let mut names = Vec::new();
    for revision in revisions {
        let record = context.store.history().transaction(*revision)?;
        names.extend(record.packages.into_iter().map(|change| change.package));
    }
    names.sort_unstable();
    names.dedup();
    Ok(names.join(" ").into())
}

/// Warns if this command has changed keys that are rolled back with a commit that waits to be confirmed. The command
/// has made its change by now, so an error of this check is ignored.
pub fn warn(context: &Context) {
    let Ok(Some(notice)) = context.store.confirmations().notice_of_process() else { return };
    if context.json {
        let users = &mut Users::default();
        let row = json!({"notice": {
            "message": notice.to_string(), "revision": notice.pending.sequence,
            "seconds_left": notice.pending.left.as_secs_f64(), "by": record_json(&notice.by, users),
            "keys": notice.keys,
        }});
        print_error(&row.to_string());
    } else {
        context.note(&format!("warning: {notice}"));
    }
}

/// Makes this process the guard of a commit that another process is about to make: `NUMBER OPTIONS confirm --wait`.
/// See [`crate::Confirmations::start_guard`].
pub fn guard(commands: Commands, words: &[OsString]) -> ExitCode {
    // The guard outlives the terminal and the process that started it.
    let _ = rustix::process::setsid();
    match become_guard(commands, words) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.exit().into(),
    }
}

fn become_guard(commands: Commands, words: &[OsString]) -> Result<Exit, Failure> {
    let wrong = || Failure::Usage("expected the number of the process whose commit is guarded".into());
    let (process, words) = words.split_first().ok_or_else(wrong)?;
    let process = process.to_str().and_then(|process| process.parse().ok()).ok_or_else(wrong)?;
    let mut line = Line::parse(commands, words)?;
    line.check()?;
    let mut context = Context::new(&line.global, line.stale())?;
    context.guards = Some(process);
    line.run(&mut context)
}

/// Guards the commit of a process.
pub fn guard_commit(context: &Context, process: u32, on_rollback: Option<&[u8]>) -> Result<Exit, Failure> {
    let since = context.store.history().revision()?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}{}", cms::GUARD_READY, std::process::id())?;
    stdout.flush()?;
    let stdin = std::io::stdin();
    context.store.confirmations().run_guard(&mut |time| {
        let time = Timespec::try_from(time).ok();
        // Nothing is ever sent through this pipe; the guard waits for its end.
        !matches!(poll(&mut [PollFd::new(&stdin, PollFlags::IN)], time.as_ref()), Ok(1..))
    });
    let Some(command) = on_rollback else { return Ok(Exit::Ok) };
    if let Some((mine, by)) = context.store.confirmations().was_rolled_back(process, since)? {
        hook::run(context, command, rollback_variables(mine, &by), HOOK_TIME, true);
    }
    Ok(Exit::Ok)
}

/// The environment of the command of `--on-rollback`.
pub fn rollback_variables(mine: u64, by: &Record) -> Vec<(&'static str, OsString)> {
    let packages: Vec<&str> = by.packages.iter().map(|change| change.package.as_str()).collect();
    vec![
        ("CMS_REVISION", by.sequence.to_string().into()),
        ("CMS_TRANSACTION", mine.to_string().into()),
        ("CMS_PACKAGES", packages.join(" ").into()),
    ]
}
