//! What `cms undo` and `cms redo` share: the options, the question on a terminal, and what they print.

use cms::log::Record;
use cms::{Error, Missing, State};
use serde_json::json;

use crate::ask::{can_ask, says_yes};
use crate::context::Context;
use crate::difference::print_difference;
use crate::failure::{Exit, Failure};
use crate::language::message;
use crate::records::{
    RECORD, Users, change_line, check_log_of_root, check_logged, record_json, record_title,
};
use crate::shape::Shape;
use crate::spec::{Flag, FlagValues, switch};

#[derive(Default)]
pub struct Flags {
    pub mine: bool,
    yes: bool,
}

impl FlagValues for Flags {}

pub const FLAGS: &[Flag<Flags>] = &[
    switch("mine", "look only at your own transactions", |flags: &mut Flags| &mut flags.mine),
    switch(
        "yes",
        "do not ask, on a terminal, before a transaction of another user is reversed",
        |flags: &mut Flags| &mut flags.yes,
    )
    .short('y'),
];

/// What both commands print with `--json`.
pub const REVERSAL: Shape = Shape::of(
    "
    revision number the transaction that was made
    of number the transaction that is undone or made again
    user text the name of the user who had made that one
    made record the transaction that was made, with all it changed",
)
.using(&[&RECORD]);

/// Which of the two commands it is.
#[derive(Clone, Copy)]
pub enum Reversal {
    Undo,
    Redo,
}

impl Reversal {
    fn done(self) -> &'static str {
        match self {
            Self::Undo => "undone",
            Self::Redo => "made again",
        }
    }

    fn question(self) -> &'static str {
        match self {
            Self::Undo => "undo it?",
            Self::Redo => "make it again?",
        }
    }

    /// Says whose transactions count: `--mine` means those of the caller.
    pub fn by(flags: &Flags) -> Option<u32> {
        flags.mine.then(|| rustix::process::getuid().as_raw())
    }

    /// Explains why there is nothing to reverse: perhaps there is no log, or one that cannot be read.
    pub fn nothing(context: &Context, flags: &Flags, error: Error) -> Failure {
        let why = || check_log_of_root(context).and_then(|()| check_logged(context));
        let own = |text: String| Failure::Other(Exit::NotFound, format!("{text} and of this user"));
        match error {
            Error::Missing(Missing::ToUndo | Missing::ToRedo) => {
                why().err().unwrap_or_else(|| if flags.mine { own(error.to_string()) } else { error.into() })
            }
            error => error.into(),
        }
    }

    /// Reverses a record of the log. `is_chosen` says that the caller named it, so that there is no question.
    pub fn run(
        self,
        context: &mut Context,
        flags: &Flags,
        record: &Record,
        is_chosen: bool,
    ) -> Result<Exit, Failure> {
        let sequence = record.sequence;
        if context.dry_run {
            let (old, new) = (State::Revision(sequence), State::Revision(sequence.saturating_sub(1)));
            return print_difference(context, &[], &old, &new, false);
        }
        // A redo reverses an undo, and makes again what that has undone.
        let (of, original) = match self {
            Self::Undo => (sequence, None),
            Self::Redo => (record.refers, context.store.history().transaction(record.refers).ok()),
        };
        let user = original.as_ref().unwrap_or(record).uid;
        let mut users = Users::default();
        if !is_chosen && !flags.yes && can_ask() && !self.is_wanted(record, &mut users) {
            context.note("nothing was changed");
            return Ok(Exit::NotFound);
        }
        let done = context.store.history().undo(sequence, None)?;
        context.forget();
        let mut made = context.store.history().transaction(done)?;
        if context.json {
            let made = record_json(&made, &mut users);
            let user = users.name(user);
            context.put_json(&json!({"revision": done, "of": of, "user": user, "made": made}))?;
            return Ok(Exit::Ok);
        }
        context.store.history().section_names().rename(&mut made);
        let title =
            format!("transaction {of} of {} is {}, as transaction {done}", users.name(user), self.done());
        context.note(&format!("{title}\n{}", change_lines(&made).join("\n")));
        Ok(Exit::Ok)
    }

    /// Asks about a record of another user.
    fn is_wanted(self, record: &Record, users: &mut Users) -> bool {
        if record.uid == rustix::process::getuid().as_raw() {
            return true;
        }
        let title = record_title(record, users);
        let lines = change_lines(record).join("\n");
        let user = users.name(record.uid);
        says_yes(&format!("{title}\n{lines}\nthis transaction was made by {user}; {}", self.question()))
    }
}

const INDENT: &str = "    ";

/// How many changes are printed; 'cms history' prints all.
const MOST: usize = 20;

/// Returns what a transaction changed, a line for each key.
fn change_lines(record: &Record) -> Vec<String> {
    let mut lines = Vec::new();
    for package in &record.packages {
        let line = |change| [INDENT, &cms::shown::lines(change_line(&package.package, change))].concat();
        lines.extend(package.changes.iter().map(line));
        if package.deleted {
            lines.push(
                [INDENT, &format!("{}: {}", package.package, message("the package was deleted"))].concat(),
            );
        } else if package.changes.is_empty() {
            lines.push(
                [INDENT, &format!("{}: {}", package.package, message("only comments or layout"))].concat(),
            );
        }
    }
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push([INDENT, &*message(&format!("and {more} more"))].concat());
    }
    lines
}
