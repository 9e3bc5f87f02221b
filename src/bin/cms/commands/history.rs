//! What has changed and when: `history`, `blame`, `diff` of revisions.

use std::collections::HashMap;

use cms::log::{Content, KeyChange, Kind, Record, What};
use cms::{Key, State, clock, shown};
use serde_json::{Value as Json, json};

use super::context::{Context, path, show};
use super::failure::{Exit, Failure};
use super::json::text;
use super::line::Line;
use super::stage::unified;

/// The names of users, as far as the system knows them.
#[derive(Default)]
pub struct Users(HashMap<u32, String>);

impl Users {
    pub fn name(&mut self, uid: u32) -> &str {
        self.0.entry(uid).or_insert_with(|| {
            let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
            let name = known.lines().find_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next()?;
                (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
            });
            name.unwrap_or_else(|| uid.to_string())
        })
    }
}

/// Notes changes by hand first, as far as that is allowed, so that they show.
pub fn bring_up_to_date(context: &Context) {
    if let Err(error) = context.store.note_edits() {
        context.verbose(&format!("changes by hand are not noted: {error}"));
    }
}

fn content(content: &Content) -> Vec<u8> {
    match content {
        Content::String(string) => shown::quoted(string).into_bytes(),
        Content::List(items) => {
            let items: Vec<String> = items.iter().map(shown::quoted).collect();
            format!("({})", items.join(" ")).into_bytes()
        }
    }
}

fn content_json(content: Option<&Content>) -> Json {
    match content {
        None => Json::Null,
        Some(Content::String(string)) => text(string),
        Some(Content::List(items)) => items.iter().map(|item| text(item)).collect(),
    }
}

/// Writes a change as a line: `+KEY='new'`, `-KEY='old'`, `KEY: 'old' -> 'new'`, or `^KEY: 3 -> 0`.
pub fn change_line(package: &str, change: &KeyChange) -> Vec<u8> {
    let key = change.key(package);
    match &change.what {
        What::Added(new) => [b"+", &key[..], b"=", &content(new)].concat(),
        What::Deleted(old) => [b"-", &key[..], b"=", &content(old)].concat(),
        What::Changed { old, new } => [&key[..], b": ", &content(old), b" -> ", &content(new)].concat(),
        What::Moved { old, new } => [b"^", &key[..], format!(": {old} -> {new}").as_bytes()].concat(),
    }
}

pub fn change_json(package: &str, change: &KeyChange) -> Json {
    let (old, new) = change.values();
    let mut row = json!({"key": show(&change.key(package)), "change": match change.what {
        What::Added(_) => "added",
        What::Deleted(_) => "deleted",
        What::Changed { .. } => "changed",
        What::Moved { .. } => "moved",
    }, "old": content_json(old), "new": content_json(new)});
    if let What::Moved { old, new } = change.what {
        (row["old"], row["new"]) = (json!(old), json!(new));
    }
    row
}

pub fn record_json(record: &Record, users: &mut Users) -> Json {
    let packages: Vec<&str> = record.packages.iter().map(|change| change.package.as_str()).collect();
    let gone = record.packages.iter().filter(|change| change.deleted);
    let deleted: Vec<&str> = gone.map(|change| change.package.as_str()).collect();
    let changes: Vec<Json> = record
        .packages
        .iter()
        .flat_map(|package| package.changes.iter().map(|change| change_json(&package.package, change)))
        .collect();
    json!({
        "revision": record.sequence, "time": clock::show(record.time), "uid": record.uid,
        "user": users.name(record.uid), "pid": record.pid, "source": record.source,
        "kind": record.kind.name(), "refers": record.refers, "message": record.message,
        "confirm_within_ms": record.guard.map(|guard| guard.milliseconds),
        "packages": packages, "deleted": deleted, "changes": changes,
    })
}

pub fn record_title(record: &Record, users: &mut Users) -> String {
    let time = clock::show(record.time);
    let mut title = format!("{} {}Z {}", record.sequence, &time[..19], users.name(record.uid));
    if record.source != record.kind.name() {
        title.push_str(&format!(" through {}", shown::text(&record.source)));
    }
    if record.kind != Kind::Commit {
        title.push_str(&format!(" ({}", record.kind.name()));
        if record.refers != 0 {
            title.push_str(&format!(" {}", record.refers));
        }
        title.push(')');
    }
    if record.guard.is_some() {
        title.push_str(" (to be confirmed)");
    }
    if !record.message.is_empty() {
        title.push_str(&format!(": {}", shown::text(&record.message)));
    }
    title
}

pub fn history(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    bring_up_to_date(context);
    let key = line.expect(0, 1)?.first().map(|key| Key::parse(key)).transpose()?;
    let most = match line.text("number") {
        Some(number) => number
            .parse()
            .map_err(|_| Failure::Usage(format!("'{number}' is not a number of transactions")))?,
        None => usize::MAX,
    };
    let records = context.store.history(key.as_ref(), most)?;
    let is_baseline = records.iter().all(|record| record.kind == Kind::Baseline);
    let mut users = Users::default();
    if context.json {
        let rows = records.iter().map(|record| record_json(record, &mut users)).collect();
        context.put_rows(rows)?;
        if is_baseline {
            may_be_elsewhere(context)?;
        }
        return Ok(if records.is_empty() { Exit::NotFound } else { readable(context) });
    }
    for record in &records {
        let title = record_title(record, &mut users);
        context.say(&title)?;
        for package in &record.packages {
            for change in &package.changes {
                context.put_line(&[b"    ", &change_line(&package.package, change)[..]].concat())?;
            }
            // Which keys an unreadable text has changed is not known until it can be read again; the title says so.
            let is_readable = record.problem().is_none();
            let silent = package.changes.is_empty() && record.kind != Kind::Baseline && key.is_none();
            if package.deleted {
                context.say(&format!("    {}: the package was deleted", package.package))?;
            } else if package.unknown {
                context.say(&format!("    {}: what was changed is not known", package.package))?;
            } else if silent && is_readable {
                context.say(&format!("    {}: only comments or layout", package.package))?;
            }
        }
    }
    if is_baseline {
        may_be_elsewhere(context)?;
    }
    if !records.is_empty() {
        return Ok(readable(context));
    }
    match &key {
        Some(key) => {
            // A package that is gone has a history all the same; one that never was has none.
            context.store.place(&key.package)?;
            context.note(&format!("no transaction in the log changed {}", key.text()));
        }
        None => {
            check_logged(context)?;
            context.note("the log holds no transaction yet");
        }
    }
    Ok(Exit::NotFound)
}

/// Refuses to say that nothing was committed where commits are not logged.
pub fn check_logged(context: &Context) -> Result<(), Failure> {
    let Some(why) = context.store.log_problem() else { return Ok(()) };
    Err(Failure::Other(Exit::Permission, format!("commits are not logged, so there is no history: {why}")))
}

/// Refuses to say that there is nothing, where there may be something in a log that this user may not read.
pub fn may_be_elsewhere(context: &Context) -> Result<(), Failure> {
    let Some((path, owner)) = context.store.log_of_root() else { return Ok(()) };
    let (path, owner) = (path.display(), Users::default().name(owner).to_owned());
    let why =
        format!("not permitted: transactions may be in the log in {path}, which belongs to user {owner}");
    Err(Failure::Other(Exit::Permission, why))
}

/// Returns the exit code of what was read of the log: what was damaged was left out.
fn readable(context: &Context) -> Exit {
    if context.store.log_problems().is_empty() { Exit::Ok } else { Exit::Invalid }
}

pub fn blame(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    bring_up_to_date(context);
    let [package] = line.expect(1, 1)? else { return Ok(Exit::Usage) };
    let lines = context.store.blame(&show(package))?;
    let mut users = Users::default();
    if context.json {
        let row = |line: &cms::BlameLine| {
            let by = line.by.as_deref();
            json!({"line": text(&line.text), "revision": by.map(|by| by.sequence),
                "time": by.map(|by| clock::show(by.time)), "user": by.map(|by| users.name(by.uid).to_owned()),
                "source": by.map(|by| by.source.clone()), "message": by.map(|by| by.message.clone())})
        };
        let rows = lines.iter().map(row).collect();
        context.put_rows(rows)?;
        return Ok(Exit::Ok);
    }
    for line in &lines {
        let by = match &line.by {
            Some(by) => {
                let time = clock::show(by.time);
                format!(
                    "{:>6} {} {:<10} {:<12}",
                    by.sequence,
                    &time[..16],
                    users.name(by.uid),
                    shown::text(&by.source)
                )
            }
            None => format!("{:>6} {:16} {:10} {:12}", "", "", "", ""),
        };
        context.say(&format!("{by} | {}", shown::lines(&line.text)))?;
    }
    Ok(Exit::Ok)
}

/// Returns the two states that `diff` was given; `None` if its arguments are packages or files.
pub fn two_states(context: &Context, line: &Line) -> Result<Option<(State, State)>, Failure> {
    let [a, b, ..] = line.arguments.as_slice() else { return Ok(None) };
    // What names a state is that, whatever files there are in the current directory.
    let is_file = |argument: &[u8]| {
        argument.contains(&b'/')
            || path(argument).is_file() && context.store.resolve(&show(argument)).is_err()
    };
    let is_package =
        |argument: &[u8]| context.store.place(argument).is_ok() && !argument.iter().all(u8::is_ascii_digit);
    if is_file(a) || is_file(b) || (is_package(a) && is_package(b)) {
        return Ok(None);
    }
    bring_up_to_date(context);
    Ok(Some((context.store.resolve(&show(a))?, context.store.resolve(&show(b))?)))
}

/// Compares two states, of the packages named or of all.
pub fn diff(
    context: &mut Context,
    packages: &[String],
    old: &State,
    new: &State,
    line: &Line,
) -> Result<Exit, Failure> {
    context.store.check_packages(packages, old).or_else(|_| context.store.check_packages(packages, new))?;
    let mut names = context.store.changed_between(old, new)?;
    names.retain(|name| packages.is_empty() || packages.contains(name));
    let by_key = line.has("keys") || context.json;
    let (mut rows, mut same) = (Vec::new(), true);
    for name in names {
        if by_key {
            let at = |state| {
                let found = context.store.package_in(&name, state);
                found.map(|found| found.unwrap_or_else(|| cms::Package::new(name.as_bytes())))
            };
            for change in cms::Engine::compare(&at(old)?, &at(new)?) {
                same = false;
                if context.json {
                    rows.push(change_json(&name, &change));
                } else {
                    context.put_line(&change_line(&name, &change))?;
                }
            }
            continue;
        }
        let (then, now) = (context.store.text_in(&name, old)?, context.store.text_in(&name, new)?);
        let titles = (format!("{name} at {}", old.name()), format!("{name} at {}", new.name()));
        let lines = unified(&then.unwrap_or_default(), &now.unwrap_or_default(), &titles.0, &titles.1);
        same &= lines.is_empty();
        context.put(lines.as_bytes())?;
    }
    if context.json {
        context.put_rows(rows)?;
    }
    Ok(if same { Exit::Ok } else { Exit::NotFound })
}

pub fn tell_revision(context: &mut Context, what: &str, sequence: Option<u64>) -> Result<Exit, Failure> {
    context.forget();
    if context.json {
        context.put_json(&json!({"revision": sequence}))?;
        return Ok(Exit::Ok);
    }
    match sequence {
        Some(sequence) => context.note(&format!("{what}, as transaction {sequence}")),
        None => context.note("nothing had to change"),
    }
    Ok(Exit::Ok)
}
