//! Opening watches, waiting for events, and events as JSON.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use cms::{Changed, Event, Pattern, Store, Watch};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value as Json, json};

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::near::{hint, nearest};
use crate::records::{CHANGE, RECORD, Users, change_json, record_json};
use crate::shape::Shape;

pub fn open(context: &Context, patterns: &[Vec<u8>], since: Option<u64>) -> Result<Watch, Failure> {
    let patterns: Vec<String> = patterns.iter().map(|pattern| show(pattern)).collect();
    let pattern = if patterns.is_empty() { "*".to_owned() } else { patterns.join(" ") };
    let live = Store::open(context.store.options().clone())?;
    Ok(live.watch(&pattern, since)?)
}

/// Warns of each pattern that selects no package there is: the watch waits until one is made.
pub fn warn_of_unknown(context: &Context, patterns: &[Vec<u8>]) -> Result<(), Failure> {
    let packages = context.packages_and_new(&[])?;
    let packages: Vec<String> = packages.iter().map(|name| show(name)).collect();
    for text in patterns.iter().map(|pattern| show(pattern)) {
        for one in text.split_whitespace() {
            let selects = |pattern: &Pattern| packages.iter().any(|name| pattern.selects_package(name));
            if Pattern::parse(one).is_ok_and(|pattern| !selects(&pattern)) {
                let package = one.split('.').next().unwrap_or(one);
                let near = nearest(package, packages.iter().map(String::as_str));
                let near = near.map(|near| format!("; {}", hint(near))).unwrap_or_default();
                context.note(&format!("warning: pattern '{one}' matches no package{near}"));
            }
        }
    }
    Ok(())
}

/// Waits until there may be an event, or one of `others` is readable or broken; at most for the given time.
pub fn wait(watch: &mut Watch, others: &[&dyn AsFd], left: Option<Duration>) -> Result<(), Failure> {
    let fd = watch.fd()?;
    let others: Vec<BorrowedFd<'_>> = others.iter().map(|other| other.as_fd()).collect();
    let mut fds = vec![PollFd::new(&fd, PollFlags::IN)];
    fds.extend(others.iter().map(|other| PollFd::new(other, PollFlags::IN)));
    let timeout = left.and_then(|left| Timespec::try_from(left).ok());
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(Failure::Other(Exit::Io, format!("cannot wait: {error}"))),
    }
}

/// What [`event_json`] returns.
pub const EVENT: Shape = Shape::named(
    "event",
    "
    ... record
    unknown [text] the packages of which it is not known what was changed
    first? number of several transactions in one event: the first; revision is the last",
)
.using(&[&RECORD]);

/// An event, as a command reads it that is run for one change of the event.
pub const EVENT_OF_CHANGE: Shape = Shape::of(
    "
    ... event
    change change the change that the command is run for",
)
.using(&[&EVENT, &CHANGE]);

pub fn event_json(event: &Event, users: &mut Users) -> Json {
    let mut row = record_json(event.record(), users);
    row["changes"] =
        event.changes().map(|Changed { package, change, .. }| change_json(package, change)).collect();
    row["unknown"] = event.unknown().collect();
    if event.first() != event.sequence() {
        row["first"] = json!(event.first());
    }
    row
}
