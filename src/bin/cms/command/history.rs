//! `cms history`: lists transactions.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use cms::log::{Kind, Record, What};
use cms::{Key, SectionNames, shown};

use crate::chosen::Chosen;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::near;
use crate::records::RECORD;
use crate::records::{
    Users, change_line, check_log_of_root, check_logged, kind_text, record_json, title_of_kind,
};
use crate::shape::Output;
use crate::spec::{Call, Command, FlagValues, Writes, parsed, switch, text};
use crate::zone;

#[derive(Default)]
pub struct Flags {
    number: Option<usize>,
    oneline: bool,
    stat: bool,
    since: Option<String>,
    until: Option<String>,
    author: Option<String>,
    source: Option<String>,
    grep: Option<String>,
    reverse: bool,
    utc: bool,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "history",
    aliases: &["log"],
    arguments: "[KEY]",
    summary: "list the transactions that changed the store, a package, a section or an option",
    flags: &[
        parsed("number", "N", "at most N transactions, the newest", |flags: &mut Flags, text| {
            let wrong = |_| Failure::Usage(format!("'{text}' is not a number of transactions"));
            flags.number = Some(text.parse::<NonZeroUsize>().map_err(wrong)?.get());
            Ok(())
        })
        .short('n'),
        switch("oneline", "a line for each transaction", |flags: &mut Flags| &mut flags.oneline),
        switch("stat", "how many keys of each package were changed", |flags: &mut Flags| &mut flags.stat),
        text(
            "since",
            "TIME",
            "only transactions since this time or after this revision",
            |flags: &mut Flags| &mut flags.since,
        ),
        text("until", "TIME", "only transactions until this time or revision", |flags: &mut Flags| {
            &mut flags.until
        }),
        text("author", "AUTHOR", "only those of this author or user", |flags: &mut Flags| &mut flags.author),
        text("source", "PROGRAM", "only those of programs whose name contains this", |flags: &mut Flags| {
            &mut flags.source
        }),
        text("grep", "TEXT", "only those whose message contains this", |flags: &mut Flags| &mut flags.grep),
        switch("reverse", "the oldest first", |flags: &mut Flags| &mut flags.reverse),
        switch("utc", "times in UTC, not in the local time zone (TZ)", |flags: &mut Flags| &mut flags.utc),
    ],
    writes: Writes::Nothing,
    json: &[Output::rows(&RECORD)],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let flags = &call.flags;
    if flags.utc {
        zone::use_utc();
    }
    context.note_edits();
    let key = call.expect(0, 1)?.first().map(|key| Key::parse(key)).transpose()?;
    let chosen = Chosen::new(context, flags.since.as_deref(), flags.until.as_deref())?.by(
        flags.author.as_deref(),
        flags.source.as_deref(),
        flags.grep.as_deref(),
    );
    context.page();
    let mut list = List { users: Users::default(), is_empty: true, is_baseline: true, reversals: None };
    let records = newest(context, flags, key.as_ref(), &chosen, &mut list)?;
    if context.json {
        let rows = records.iter().map(|record| record_json(record, &mut list.users)).collect();
        context.put_rows(rows)?;
    } else {
        for record in &records {
            list.print(context, flags, record, key.is_some())?;
        }
    }
    if list.is_baseline {
        check_log_of_root(context)?;
    }
    if !list.is_empty {
        return Ok(readable(context));
    }
    if context.json {
        return Ok(Exit::NotFound);
    }
    match &key {
        Some(key) => {
            // A deleted package still has a history; a package that never existed is an error.
            context.store.packages().find(&key.package)?;
            context.note(&format!("no transaction in the log changed {}", key.text()));
            near::print_near(context, key);
        }
        None => {
            check_logged(context)?;
            let why = if takes_all(flags) {
                "the log holds no transaction yet"
            } else {
                "the log holds no such transaction"
            };
            context.note(why);
        }
    }
    Ok(Exit::NotFound)
}

/// Returns the records that are wanted and were not printed while the log was read: those to be printed as JSON or in
/// another order.
fn newest(
    context: &mut Context,
    flags: &Flags,
    key: Option<&Key>,
    chosen: &Chosen,
    list: &mut List,
) -> Result<Vec<Record>, Failure> {
    let most = flags.number.unwrap_or(usize::MAX);
    let store = context.store.clone();
    let history = store.history();
    let at_once = !context.json && !flags.reverse;
    let mut names = (!context.json && !flags.oneline && !flags.stat).then(|| history.section_names());
    let (mut records, mut count, mut failure) = (Vec::new(), 0, None);
    let mut take = |mut record: Record| {
        if count == most || chosen.is_before(&record) {
            return ControlFlow::Break(());
        }
        let is_wanted = chosen.has(&record, &mut list.users);
        list.is_baseline &= record.kind == Kind::Baseline;
        names.iter_mut().for_each(|names: &mut SectionNames<'_>| names.rename(&mut record));
        if !is_wanted {
            return ControlFlow::Continue(());
        }
        count += 1;
        list.is_empty = false;
        if !at_once {
            records.push(record);
        } else if let Err(error) = list.print(context, flags, &record, key.is_some()) {
            failure = Some(error);
            return ControlFlow::Break(());
        }
        if count == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match key {
        None => history.each_transaction(|record| Ok(take(record))).map(drop)?,
        Some(_) => {
            let all = history.changes(key, if takes_all(flags) { most } else { usize::MAX })?;
            let _ = all.into_iter().try_for_each(take);
        }
    }
    if flags.reverse {
        records.reverse();
    }
    failure.map_or(Ok(records), Err)
}

/// Reports whether no option leaves transactions out.
fn takes_all(flags: &Flags) -> bool {
    let given = [&flags.since, &flags.until, &flags.author, &flags.source, &flags.grep];
    given.iter().all(|one| one.is_none())
}

/// Returns the exit code of a command that has read the log. It is not 0 if damaged records were left out.
fn readable(context: &Context) -> Exit {
    if context.store.audit().log_problems().is_empty() { Exit::Ok } else { Exit::Invalid }
}

/// What was listed so far.
struct List {
    users: Users,
    is_empty: bool,
    /// Whether no record is of a change.
    is_baseline: bool,
    /// What each undo and redo is about, once one was found.
    reversals: Option<HashMap<u64, (u64, bool)>>,
}

impl List {
    fn print(
        &mut self,
        context: &mut Context,
        flags: &Flags,
        record: &Record,
        is_of_key: bool,
    ) -> Result<(), Failure> {
        let paint = context.paint;
        if record.kind == Kind::Undo && self.reversals.is_none() {
            // A redo is an undo of an undo, which comes later in this order.
            self.reversals = Some(context.store.history().reversals()?);
        }
        let kind = kind_text(record, self.reversals.as_ref());
        if flags.oneline {
            let line = self.one_line(record, kind.as_deref());
            return context.put_line(&paint.title(&line));
        }
        let title = title_of_kind(record, kind.as_deref(), &mut self.users);
        context.put_line(&paint.title(&title))?;
        for package in &record.packages {
            if flags.stat && record.kind == Kind::Baseline {
                continue;
            }
            if flags.stat {
                context.print_line(&format!("    {}", counts(package)))?;
                continue;
            }
            for change in &package.changes {
                let line = paint.change(&change_line(&package.package, change));
                context.put_line(&[b"    ", &line[..]].concat())?;
            }
            // The keys that an edit has changed are unknown as long as the text cannot be parsed; the title says that it cannot.
            let is_readable = record.problem().is_none();
            let silent = package.changes.is_empty() && record.kind != Kind::Baseline && !is_of_key;
            if package.deleted {
                context.print_line(&format!("    {}: the package was deleted", package.package))?;
            } else if package.unknown {
                context.print_line(&format!("    {}: what was changed is not known", package.package))?;
            } else if silent && is_readable {
                context.print_line(&format!("    {}: only comments or layout", package.package))?;
            }
        }
        Ok(())
    }

    /// The number, the time, the user, and the message, or the first key that was changed.
    fn one_line(&mut self, record: &Record, kind: Option<&str>) -> String {
        let mut line = format!("{} {} ", record.sequence, zone::show(record.time));
        line.push_str(&shown::text(self.users.author(record)));
        if let Some(kind) = kind {
            line.push(' ');
            line.push_str(kind);
        }
        if !record.message.is_empty() {
            line.push(' ');
            line.push_str(&shown::text(&record.message));
            return line;
        }
        let mut changes =
            record.packages.iter().flat_map(|package| package.changes.iter().map(move |one| (package, one)));
        if let Some((package, change)) = changes.next() {
            line.push(' ');
            line.push_str(&shown::text(change.key(&package.package)));
            let more = changes.count();
            if more > 0 {
                line.push_str(&format!(" and {more} more"));
            }
        } else if let Some(package) = record.packages.first() {
            line.push(' ');
            line.push_str(&package.package);
        }
        line
    }
}

/// Returns how many keys of a package were changed.
fn counts(package: &cms::log::PackageChange) -> String {
    let of = |wanted: fn(&What) -> bool| package.changes.iter().filter(|change| wanted(&change.what)).count();
    let kinds = [
        (of(|what| matches!(what, What::Added(_))), "added"),
        (of(|what| matches!(what, What::Changed { .. })), "changed"),
        (of(|what| matches!(what, What::Deleted(_))), "deleted"),
        (of(|what| matches!(what, What::Moved { .. })), "moved"),
    ];
    let kinds: Vec<String> =
        kinds.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| format!("{count} {kind}")).collect();
    let what = if package.deleted { "the package was deleted".to_owned() } else { kinds.join(", ") };
    let what = if what.is_empty() { "only comments or layout".to_owned() } else { what };
    format!("{}: {what}", package.package)
}
