//! Commits that go back unless they are confirmed: what they were asked to do besides, and the guard that takes them
//! back.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::time::Duration;

use cms::clock::{parse_span, show_span};
use cms::log::Record;
use cms::{Committed, Engine, Guards, Options, StandingGuard};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;

use crate::context::Context;
use crate::failure::{Exit, Failure, tell};
use crate::hook;
use crate::hook::Ended;
use crate::line::Line;
use crate::records::{Users, record_json};

/// How long the command of `--then` has, if the commit need not be confirmed, and that of `--on-rollback`.
pub const HOOK_TIME: Duration = Duration::from_secs(300);

/// What a commit was asked to do besides committing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    time: Option<Duration>,
    then: Option<Vec<u8>>,
    on_rollback: Option<Vec<u8>>,
}

impl Terms {
    /// Reads them from a command line.
    pub fn of(line: &Line) -> Result<Self, Failure> {
        let time = match line.text("confirm") {
            Some(text) => match parse_span(&text) {
                Some(Duration::ZERO) => {
                    let why = "--confirm 0: there has to be time to confirm, for example 5min";
                    return Err(Failure::Usage(why.into()));
                }
                Some(time) => Some(time),
                None => {
                    let why =
                        format!("'{text}' is no time: a number and s, min, h or days, for example 5min");
                    return Err(Failure::Usage(why));
                }
            },
            None => None,
        };
        let command = |name: &str| line.value(name).map(<[u8]>::to_vec);
        let terms = Self { time, then: command("then"), on_rollback: command("on-rollback") };
        if terms.on_rollback.is_some() && time.is_none() {
            return Err(Failure::Usage(
                "--on-rollback goes with --confirm TIME: its guard runs the command".into(),
            ));
        }
        Ok(terms)
    }

    /// Reports whether it is a plain commit.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// How long there is to confirm the commit.
    pub fn time(&self) -> Option<Duration> {
        self.time
    }

    /// Starts the guard. A commit that nobody would guard is not made.
    pub fn begin(&self, context: &Context) -> Result<Option<StandingGuard>, Failure> {
        if self.is_plain() {
            return Ok(None);
        }
        // Neither can be without the log.
        context.store.revision()?;
        if self.time.is_none() {
            return Ok(None);
        }
        let program = std::env::current_exe().map_err(|error| {
            Failure::Other(Exit::Io, format!("the guard of the commit cannot be started: {error}"))
        })?;
        let guards = Guards::Program(program);
        let store = Engine::new(Options { guards, ..context.store.options().clone() });
        Ok(Some(store.start_guard(self.on_rollback.as_deref().map(OsStr::from_bytes))?))
    }

    /// Says what there is to say once the commit is made, and runs the command that goes with it.
    pub fn finish(
        &self,
        context: &Context,
        outcomes: &[Committed],
        guard: Option<StandingGuard>,
    ) -> Result<Exit, Failure> {
        if self.is_plain() {
            return Ok(Exit::Ok);
        }
        let mut made: Vec<u64> = outcomes.iter().filter_map(|outcome| outcome.revision).collect();
        made.sort_unstable();
        made.dedup();
        if made.is_empty() {
            context.note("nothing was to be committed, and so nothing is to be confirmed or run");
            return Ok(Exit::Ok);
        }
        let process = guard.as_ref().and_then(StandingGuard::process);
        drop(guard);
        let left = self.tell(context, process)?;
        let Some(command) = &self.then else { return Ok(Exit::Ok) };
        let packages = packages_of(context, &made)?;
        let mut variables =
            vec![("CMS_REVISION", made[made.len() - 1].to_string().into()), ("CMS_PACKAGES", packages)];
        variables.extend(left.map(|left| ("CMS_SECONDS_LEFT", left.as_secs().to_string().into())));
        let ended = hook::run(context, command, variables, left.unwrap_or(HOOK_TIME), false);
        let code = match ended {
            Ended::Well => return Ok(Exit::Ok),
            Ended::Badly(code) => code,
            Ended::Late => Exit::TimeOut as u8,
            Ended::Never(_) => 127,
        };
        for revision in made.into_iter().rev() {
            let message = format!("taken back: {ended}");
            match context.store.take_back(revision, &message)? {
                Some(by) => tell(&format!("cms: {ended}, so transaction {revision} is taken back by {by}")),
                None => tell(&format!("cms: {ended}; transaction {revision} was taken back already")),
            }
        }
        // As the command's, whatever it is.
        std::process::exit(i32::from(code));
    }

    /// Says until when the commit has to be confirmed, if it has to be. Returns how long that is.
    fn tell(&self, context: &Context, process: Option<u32>) -> Result<Option<Duration>, Failure> {
        if self.time.is_none() {
            return Ok(None);
        }
        let Some(pending) = context.store.pending()? else { return Ok(None) };
        let by = process.map_or_else(String::new, |process| format!("; the guard is process {process}"));
        context.note(&format!(
            "transaction {} is taken back in {} unless it is confirmed with 'cms confirm'{by}",
            pending.sequence,
            show_span(pending.left)
        ));
        if pending.baseline + 1 < pending.sequence
            && let Some(waiting) = context.store.waiting()?.filter(|waiting| waiting.transactions.len() > 1)
        {
            let others = waiting.transactions.len() - 1;
            context.note(&format!(
                "it joins {others} that waited already: this time counts for all, and 'cms confirm' confirms all"
            ));
        }
        Ok(Some(pending.left))
    }
}

/// Names the packages that transactions changed, with blanks between them.
fn packages_of(context: &Context, revisions: &[u64]) -> Result<OsString, Failure> {
    let mut names = Vec::new();
    for revision in revisions {
        let record = context.store.transaction(*revision)?;
        names.extend(record.packages.into_iter().map(|change| change.package));
    }
    names.sort_unstable();
    names.dedup();
    Ok(names.join(" ").into())
}

/// Tells who has changed something that something else waits to be confirmed. Nothing is said if that cannot be found
/// out: the change is made.
pub fn warn(context: &Context) {
    let Ok(Some(notice)) = context.store.notice_of_process() else { return };
    if context.json {
        let users = &mut Users::default();
        let row = json!({"notice": {
            "message": notice.to_string(), "revision": notice.pending.sequence,
            "seconds_left": notice.pending.left.as_secs_f64(), "by": record_json(&notice.by, users),
            "keys": notice.keys,
        }});
        tell(&row.to_string());
    } else {
        context.note(&format!("warning: {notice}"));
    }
}

/// Becomes the guard of a commit that another process is about to make: `NUMBER OPTIONS confirm --wait`. See
/// [`Engine::start_guard`].
pub fn guard(words: &[OsString]) -> ExitCode {
    // It outlives the terminal and whoever started it.
    let _ = rustix::process::setsid();
    match stand(words) {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => failure.exit().into(),
    }
}

fn stand(words: &[OsString]) -> Result<(), Failure> {
    let wrong = || Failure::Usage("a guard is told whose commit it guards".into());
    let (process, words) = words.split_first().ok_or_else(wrong)?;
    let process: u32 = process.to_str().and_then(|process| process.parse().ok()).ok_or_else(wrong)?;
    let line = Line::parse(words)?;
    let context = Context::new(&line)?;
    let since = context.store.revision()?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}{}", cms::STANDS, std::process::id())?;
    stdout.flush()?;
    let stdin = std::io::stdin();
    context.store.stand_guard(&mut |time| {
        let time = Timespec::try_from(time).ok();
        // Nothing is ever sent: the end is what is waited for.
        !matches!(poll(&mut [PollFd::new(&stdin, PollFlags::IN)], time.as_ref()), Ok(1..))
    });
    let Some(command) = line.value("on-rollback") else { return Ok(()) };
    if let Some((mine, by)) = context.store.was_taken_back(process, since)? {
        hook::run(&context, command, rollback_variables(mine, &by), HOOK_TIME, true);
    }
    Ok(())
}

/// What the command of `--on-rollback` is told.
pub fn rollback_variables(mine: u64, by: &Record) -> Vec<(&'static str, OsString)> {
    let packages: Vec<&str> = by.packages.iter().map(|change| change.package.as_str()).collect();
    vec![
        ("CMS_REVISION", by.sequence.to_string().into()),
        ("CMS_TRANSACTION", mine.to_string().into()),
        ("CMS_PACKAGES", packages.join(" ").into()),
    ]
}
