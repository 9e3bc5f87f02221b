//! Prints transactions of the log as text and as JSON, and checks why there may be none.

use std::collections::HashMap;

use cms::log::{Content, KeyChange, Kind, Record, What};
use cms::{clock, shown};
use serde_json::{Value as Json, json};

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::json;
use crate::secrets;
use crate::shape::Shape;
use crate::zone;

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

    /// Returns the author of a transaction: the one that the program gave, or the name of the user.
    pub fn author<'a>(&'a mut self, record: &'a Record) -> &'a str {
        if record.author.is_empty() { self.name(record.uid) } else { &record.author }
    }
}

fn content(package: &str, change: &KeyChange, content: &Content) -> Vec<u8> {
    let items = secrets::items_of(package, change, content);
    let items: Vec<String> = items.iter().map(|item| item.quoted()).collect();
    let items = items.join(" ");
    match content {
        Content::String(_) => items.into_bytes(),
        Content::List(_) => format!("({items})").into_bytes(),
    }
}

fn content_json(package: &str, change: &KeyChange, content: Option<&Content>) -> Json {
    let Some(content) = content else { return Json::Null };
    let items = secrets::items_of(package, change, content);
    let mut items = items.iter().map(|item| json::text(&item.bytes()));
    match content {
        Content::String(_) => items.next().unwrap_or_default(),
        Content::List(_) => items.collect(),
    }
}

/// Writes a change as a line: `+KEY='new'`, `-KEY='old'`, `KEY: 'old' -> 'new'`, or `^KEY: 3 -> 0`.
pub fn change_line(package: &str, change: &KeyChange) -> Vec<u8> {
    let key = change.key(package);
    let value = |value| content(package, change, value);
    match &change.what {
        What::Added(new) => [b"+", &key[..], b"=", &value(new)].concat(),
        What::Deleted(old) => [b"-", &key[..], b"=", &value(old)].concat(),
        What::Changed { old, new } => [&key[..], b": ", &value(old), b" -> ", &value(new)].concat(),
        What::Moved { old, new } => [b"^", &key[..], format!(": {old} -> {new}").as_bytes()].concat(),
    }
}

/// What [`change_json`] returns.
pub const CHANGE: Shape = Shape::named(
    "change",
    "
    key text the key of the section or option
    change text added, deleted, changed or moved
    old value|number|null its value before (of a section its type); if moved, its position
    new value|number|null its value after, likewise",
);

pub fn change_json(package: &str, change: &KeyChange) -> Json {
    let (old, new) = change.values();
    let mut row = json!({"key": show(&change.key(package)), "change": match change.what {
        What::Added(_) => "added",
        What::Deleted(_) => "deleted",
        What::Changed { .. } => "changed",
        What::Moved { .. } => "moved",
    }, "old": content_json(package, change, old), "new": content_json(package, change, new)});
    if let What::Moved { old, new } = change.what {
        (row["old"], row["new"]) = (json!(old), json!(new));
    }
    row
}

/// What [`record_json`] returns.
pub const RECORD: Shape = Shape::named(
    "record",
    "
    revision number|null the number of the transaction; null if it is not made yet
    time text when it was made, in UTC
    uid number the user who made it
    user text the name of that user
    author text the author that the program gave, alice@192.168.7.20 for example; else the name of the user
    request text|null the id of the request that it was made for, in hexadecimal digits
    pid number the process
    source text the name of the program
    kind text commit, file-edit, undo, rollback, confirm, remote, layer, baseline or heads
    decided text|null of the kind remote: when it was decided elsewhere, in UTC
    forced number how many violations of schemas it has made by force
    layer text|null of the kind layer: the layer and its transaction, as LAYER:N
    refers number the transaction that it undoes or confirms; 0 if none
    message text why it was made
    confirm_within_ms number|null how long it waits to be confirmed, in milliseconds
    packages [text] the packages it changes
    deleted [text] the packages it deletes
    changes [change] what it changes",
)
.using(&[&CHANGE]);

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
        "user": users.name(record.uid), "author": users.author(record),
        "request": record.request.map(|request| request.to_string()),
        "pid": record.pid, "source": record.source, "kind": record.kind.name(),
        "decided": record.decided.map(clock::show),
        "forced": record.forced,
        "layer": record.layer.as_ref().map(ToString::to_string),
        "refers": record.refers, "message": record.message,
        "confirm_within_ms": record.guard.map(|guard| guard.milliseconds),
        "packages": packages, "deleted": deleted, "changes": changes,
    })
}

/// Returns what kind of transaction it is, for a title; `None` for a commit. `reversals` is of
/// [`cms::History::reversals`].
pub fn kind_text(record: &Record, reversals: Option<&HashMap<u64, (u64, bool)>>) -> Option<String> {
    let (kind, refers) = match reversals.and_then(|all| all.get(&record.sequence)) {
        Some((of, true)) => ("redo", *of),
        Some((of, false)) => ("undo", *of),
        None => (record.kind.name(), record.refers),
    };
    let refers = match &record.layer {
        Some(layer) => format!(" {}", shown::text(layer.to_string())),
        None if refers == 0 => String::new(),
        None => format!(" {refers}"),
    };
    (record.kind != Kind::Commit).then(|| format!("({kind}{refers})"))
}

pub fn record_title(record: &Record, users: &mut Users) -> String {
    let kind = kind_text(record, None);
    title_of_kind(record, kind.as_deref(), users)
}

/// As [`record_title`], with the text for the kind of transaction.
pub fn title_of_kind(record: &Record, kind: Option<&str>, users: &mut Users) -> String {
    let time = zone::show(record.time);
    let mut title = format!("{} {time} {}", record.sequence, shown::text(users.author(record)));
    if record.source != record.kind.name() {
        title.push_str(&format!(" through {}", shown::text(&record.source)));
    }
    if let Some(kind) = kind {
        title.push(' ');
        title.push_str(kind);
    }
    if record.guard.is_some() {
        title.push_str(" (to be confirmed)");
    }
    if record.forced != 0 {
        title.push_str(" (against its schema)");
    }
    if !record.message.is_empty() {
        title.push_str(&format!(": {}", shown::text(&record.message)));
    }
    title
}

/// Fails if commits are not logged, since an empty history would be wrong then.
pub fn check_logged(context: &Context) -> Result<(), Failure> {
    let Some(why) = context.store.audit().log_problem() else { return Ok(()) };
    Err(Failure::Other(Exit::Permission, format!("commits are not logged, so there is no history: {why}")))
}

/// Fails if there may be records in a log that this user may not read, since an empty history would be wrong then.
pub fn check_log_of_root(context: &Context) -> Result<(), Failure> {
    let Some((path, owner)) = context.store.audit().log_of_root() else { return Ok(()) };
    let (path, owner) = (path.display(), Users::default().name(owner).to_owned());
    let why = format!("permission denied: there may be a log in {path}, which belongs to user {owner}");
    Err(Failure::Other(Exit::Permission, why))
}

/// What [`print_revision`] prints.
pub const REVISION: Shape =
    Shape::of("revision number|null the transaction that was made; null if nothing had to change");

pub fn print_revision(context: &mut Context, what: &str, sequence: Option<u64>) -> Result<Exit, Failure> {
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
