//! What the log is for: `history`, `blame`, `undo`, `rollback`, `bisect`, `diff` of revisions, `audit`, `repair`.

use std::collections::HashMap;
use std::process::Command;
use std::sync::Arc;

use cms::log::{Content, KeyChange, Kind, Record, What};
use cms::{Archive, Error, Key, Live, Transaction, clock};
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
fn bring_up_to_date(context: &Context) {
    if let Err(error) = context.store.note_edits() {
        context.verbose(&format!("changes by hand are not noted: {error}"));
    }
}

fn content(content: &Content) -> Vec<u8> {
    match content {
        Content::String(string) => quote(string),
        Content::List(items) => {
            let items: Vec<Vec<u8>> = items.iter().map(|item| quote(item)).collect();
            [b"(", items.join(&b' ').as_slice(), b")"].concat()
        }
    }
}

fn quote(value: &[u8]) -> Vec<u8> {
    [b"'", value, b"'"].concat()
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
        "packages": packages, "changes": changes,
    })
}

pub fn record_title(record: &Record, users: &mut Users) -> String {
    let time = clock::show(record.time);
    let mut title = format!("{} {}Z {}", record.sequence, &time[..19], users.name(record.uid));
    if record.source != record.kind.name() {
        title.push_str(&format!(" through {}", record.source));
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
        title.push_str(&format!(": {}", record.message));
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
    let mut users = Users::default();
    if context.json {
        let rows = records.iter().map(|record| record_json(record, &mut users)).collect();
        context.put_rows(rows)?;
        return Ok(if records.is_empty() { Exit::NotFound } else { Exit::Ok });
    }
    for record in &records {
        let title = record_title(record, &mut users);
        context.say(&title)?;
        for package in &record.packages {
            for change in &package.changes {
                context.put_line(&[b"    ", &change_line(&package.package, change)[..]].concat())?;
            }
            let silent = package.changes.is_empty() && record.kind != Kind::Baseline && key.is_none();
            if package.unknown {
                context.say(&format!("    {}: what was changed is not known", package.package))?;
            } else if silent {
                context.say(&format!("    {}: only comments or layout", package.package))?;
            }
        }
    }
    Ok(if records.is_empty() { Exit::NotFound } else { Exit::Ok })
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
                format!("{:>6} {} {:<10} {:<12}", by.sequence, &time[..16], users.name(by.uid), by.source)
            }
            None => format!("{:>6} {:16} {:10} {:12}", "", "", "", ""),
        };
        context.put_line(&[by.as_bytes(), b" | ", &line.text[..]].concat())?;
    }
    Ok(Exit::Ok)
}

/// Returns the two revisions that `diff` was given; `None` if its arguments are packages or files.
pub fn two_revisions(context: &Context, line: &Line) -> Result<Option<(u64, u64)>, Failure> {
    let [a, b, ..] = line.arguments.as_slice() else { return Ok(None) };
    let is_file = |argument: &[u8]| argument.contains(&b'/') || path(argument).is_file();
    let is_package = |argument: &[u8]| context.store.place(argument).is_ok();
    if is_file(a) || is_file(b) || (is_package(a) && is_package(b)) {
        return Ok(None);
    }
    bring_up_to_date(context);
    Ok(Some((context.store.find_revision(&show(a))?, context.store.find_revision(&show(b))?)))
}

/// Compares two revisions, of the packages named behind them or of all.
pub fn diff(context: &mut Context, line: &Line, old: u64, new: u64) -> Result<Exit, Failure> {
    let mut names = context.store.changed_since(old.min(new))?;
    if let Some(wanted) = line.arguments.get(2..).filter(|wanted| !wanted.is_empty()) {
        names.retain(|name| wanted.iter().any(|wanted| wanted == name.as_bytes()));
    }
    let by_key = line.has("keys") || context.json;
    let (mut rows, mut same) = (Vec::new(), true);
    for name in names {
        if by_key {
            let at = |revision| {
                let found = context.store.package_at(&name, revision);
                found.map(|found| found.unwrap_or_else(|| cms::Package::new(name.as_bytes())))
            };
            for change in cms::Store::compare(&at(old)?, &at(new)?) {
                same = false;
                if context.json {
                    rows.push(change_json(&name, &change));
                } else {
                    context.put_line(&change_line(&name, &change))?;
                }
            }
            continue;
        }
        let (then, now) = (context.store.text_at(&name, old)?, context.store.text_at(&name, new)?);
        let titles = (format!("{name} at {old}"), format!("{name} at {new}"));
        let lines = unified(&then.unwrap_or_default(), &now.unwrap_or_default(), &titles.0, &titles.1);
        same &= lines.is_empty();
        context.put(lines.as_bytes())?;
    }
    if context.json {
        context.put_rows(rows)?;
    }
    Ok(if same { Exit::Ok } else { Exit::NotFound })
}

fn tell_revision(context: &mut Context, what: &str, sequence: Option<u64>) -> Result<Exit, Failure> {
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

pub fn undo(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    bring_up_to_date(context);
    let sequence = match line.expect(0, 1)?.first() {
        Some(spec) => context.store.find_revision(&show(spec))?,
        None => {
            let last = context.store.history(None, usize::MAX)?.into_iter();
            let found =
                last.filter(|r| !matches!(r.kind, Kind::Baseline | Kind::Confirm)).map(|r| r.sequence).next();
            found.ok_or_else(|| Error::NotFound { key: "a transaction to take back".into() })?
        }
    };
    if context.dry_run {
        return diff(context, line, sequence, sequence.saturating_sub(1));
    }
    let done = context.store.undo(sequence, None)?;
    tell_revision(context, &format!("transaction {sequence} is taken back"), Some(done))
}

pub fn rollback(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    bring_up_to_date(context);
    let Some((spec, packages)) = line.expect(1, usize::MAX)?.split_first() else { return Ok(Exit::Usage) };
    let packages: Vec<String> = packages.iter().map(|name| show(name)).collect();
    if spec.contains(&b'/') || path(spec).is_file() {
        let archive = Archive::read(path(spec))?;
        return if line.has("merge") {
            overlay(context, archive.packages.into_iter().collect(), &packages)
        } else {
            restore_archive(context, &archive)
        };
    }
    let revision = match context.store.find_revision(&show(spec)) {
        Err(Error::NotFound { .. }) if context.store.labelled(&show(spec)).is_ok() => 0,
        found => found?,
    };
    // A snapshot has all it takes, however far back it is.
    let labelled = context.store.labelled(&show(spec)).ok();
    if line.has("merge") {
        let texts = match labelled {
            Some(archive) => archive.packages.into_iter().collect(),
            None => {
                let mut texts = Vec::new();
                for name in context.store.changed_since(revision)? {
                    let text = context.store.text_at(&name, revision)?;
                    texts.extend(text.map(|text| (name, text)));
                }
                texts
            }
        };
        return overlay(context, texts, &packages);
    }
    if let (Some(archive), true) = (labelled, packages.is_empty()) {
        return restore_archive(context, &archive);
    }
    if context.dry_run {
        let now = context.store.revision()?;
        return diff(context, line, now, revision);
    }
    let done = context.store.rollback(revision, &packages, None)?;
    tell_revision(context, &format!("back at revision {revision}"), done)
}

/// Sets all that texts set, as one transaction; what they do not have stays. An anonymous section is taken for the
/// one at the same place among those of its type.
fn overlay(
    context: &mut Context,
    texts: Vec<(String, Vec<u8>)>,
    packages: &[String],
) -> Result<Exit, Failure> {
    let live = Live::open(context.store.options().clone())?;
    let mut transaction = live.begin()?;
    for (name, text) in texts {
        if !packages.is_empty() && !packages.contains(&name) {
            continue;
        }
        let read = cms::text::parse(name.as_bytes(), Arc::new(text), &context.store.parse_options())?;
        let mut counts: HashMap<Vec<u8>, usize> = HashMap::new();
        for section in read.package.sections() {
            let count = counts.entry(section.section_type().to_vec()).or_default();
            let place = format!("{name}.@{}[{count}]", show(section.section_type()));
            *count += 1;
            let key = if !section.is_anonymous() {
                let key = format!("{name}.{}", show(section.name()));
                transaction.set(key.as_bytes(), section.section_type())?;
                key
            } else if transaction.get(place.as_bytes())?.is_some() {
                place
            } else {
                let added = transaction.add_section(name.as_bytes(), section.section_type())?;
                format!("{name}.{added}")
            };
            for option in section.options() {
                overlay_option(&mut transaction, &format!("{key}.{}", show(option.name())), option.value())?;
            }
        }
    }
    if context.dry_run {
        for (package, delta) in transaction.changes() {
            context.put_line(&super::stage::describe(package, delta))?;
        }
        return Ok(Exit::Ok);
    }
    let count = transaction.count();
    let revision = transaction.commit()?;
    tell_revision(context, &format!("{count} changes made"), (count > 0).then_some(revision))
}

fn overlay_option(transaction: &mut Transaction, key: &str, value: cms::Value<'_>) -> Result<(), Failure> {
    let wanted: Vec<Vec<u8>> = value.items().map(<[u8]>::to_vec).collect();
    if transaction.get(key.as_bytes())?.as_ref() == Some(&wanted) {
        return Ok(());
    }
    match value {
        cms::Value::String(string) => transaction.set(key.as_bytes(), string)?,
        cms::Value::List(_) => {
            if transaction.get(key.as_bytes())?.is_some() {
                transaction.delete(key.as_bytes())?;
            }
            wanted.iter().try_for_each(|item| transaction.add_list(key.as_bytes(), item))?;
        }
    }
    Ok(())
}

fn restore_archive(context: &mut Context, archive: &Archive) -> Result<Exit, Failure> {
    let what = format!("back at '{}' of {}", archive.info.label, clock::show(archive.info.time));
    if context.dry_run {
        context.note(&format!("would go {what}"));
        return Ok(Exit::Ok);
    }
    let done = context.store.restore(archive, None)?;
    tell_revision(context, &what, done)
}

pub fn snapshot(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    if line.has("delete") {
        for label in line.expect(1, usize::MAX)? {
            if !context.dry_run {
                context.store.delete_label(&show(label))?;
            }
        }
        return Ok(Exit::Ok);
    }
    let label = match line.expect(0, 1)?.first() {
        Some(label) => show(label),
        // Times are unique, since no two archives are made in one microsecond under the lock.
        None => clock::show(clock::parse("now", micros()).unwrap_or(0)).replace(':', "-"),
    };
    if context.dry_run {
        context.note(&format!("would keep the state of all packages as '{label}'"));
        return Ok(Exit::Ok);
    }
    let info = context.store.label(&label)?;
    if context.json {
        context.put_json(&archive_json(&info))?;
    } else {
        context.say(&info.label)?;
    }
    Ok(Exit::Ok)
}

fn micros() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(0)
}

fn archive_json(info: &cms::ArchiveInfo) -> Json {
    json!({"label": info.label, "time": clock::show(info.time), "revision": info.revision,
        "source": info.source, "path": info.path, "size": info.size})
}

pub fn snapshots(context: &mut Context, _: &Line) -> Result<Exit, Failure> {
    let all = context.store.labels()?;
    if context.json {
        context.put_rows(all.iter().map(archive_json).collect())?;
        return Ok(Exit::Ok);
    }
    for info in all {
        let time = clock::show(info.time);
        context.say(&format!(
            "{}Z {:>8} {:>9} {:10} {}",
            &time[..19],
            info.revision,
            info.size,
            info.source,
            info.label
        ))?;
    }
    Ok(Exit::Ok)
}

pub fn backup(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let [file] = line.expect(1, 1)? else { return Ok(Exit::Usage) };
    if context.dry_run {
        context.note(&format!("would write {}", show(file)));
        return Ok(Exit::Ok);
    }
    let info = context.store.backup(path(file))?;
    context.verbose(&format!("{} bytes written", info.size));
    if context.json {
        context.put_json(&archive_json(&info))?;
    }
    Ok(Exit::Ok)
}

pub fn restore(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let [file] = line.expect(1, 1)? else { return Ok(Exit::Usage) };
    let archive = Archive::read(path(file))?;
    restore_archive(context, &archive)
}

pub fn confirm(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    if line.has("wait") {
        let confirmed = context.store.wait_for_confirmation()?;
        return Ok(if confirmed { Exit::Ok } else { Exit::NotFound });
    }
    if line.has("enforce") {
        // What is overdue was taken back before this command began.
        return Ok(Exit::Ok);
    }
    let sequence = match line.expect(0, 1)?.first() {
        Some(id) => Some(
            show(id).parse().map_err(|_| Failure::Usage(format!("'{}' is not a transaction", show(id))))?,
        ),
        None => None,
    };
    if context.dry_run {
        return pending(context, line);
    }
    let done = context.store.confirm(sequence, None)?;
    context.note(&format!("transaction {done} is confirmed"));
    Ok(Exit::Ok)
}

pub fn pending(context: &mut Context, _: &Line) -> Result<Exit, Failure> {
    let pending = context.store.pending()?;
    if context.json {
        context.put_json(&pending.map_or(Json::Null, |pending| {
            json!({"revision": pending.sequence, "baseline": pending.baseline,
                "seconds_left": pending.left.as_secs_f64()})
        }))?;
    } else if let Some(pending) = pending {
        context.say(&format!(
            "transaction {} goes back to revision {} in {} s unless it is confirmed",
            pending.sequence,
            pending.baseline,
            pending.left.as_secs_f64().ceil()
        ))?;
    }
    Ok(if pending.is_some() { Exit::Ok } else { Exit::NotFound })
}

pub fn audit(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    match line.expect(1, 1)?.first().map(Vec::as_slice) {
        Some(b"verify") => {}
        _ => return Err(Failure::Usage("cms audit verify".into())),
    }
    let found = context.store.verify_log()?;
    if context.json {
        context.put_json(&json!({"first": found.first, "last": found.last, "chain": found.chain,
            "problems": found.problems}))?;
    } else if found.problems.is_empty() {
        context.say(&format!(
            "records {} to {} are as they were written; chain {}",
            found.first, found.last, found.chain
        ))?;
    }
    let good = found.problems.is_empty();
    for problem in found.problems {
        if !context.json {
            context.report(&Failure::Other(Exit::Invalid, problem))?;
        }
    }
    Ok(if good { Exit::Ok } else { Exit::Invalid })
}

pub fn repair(context: &mut Context, _: &Line) -> Result<Exit, Failure> {
    if context.dry_run {
        context.note(
            "would set a damaged log aside, and bring packages with errors back to their newest text without",
        );
        return Ok(Exit::Ok);
    }
    let repaired = context.store.repair()?;
    context.forget();
    if context.json {
        let row = |one: &cms::Repaired| json!({"package": one.package, "text_of": one.revision, "revision": one.sequence});
        context.put_rows(repaired.iter().map(row).collect())?;
        return Ok(Exit::Ok);
    }
    for one in &repaired {
        context.say(&format!("{}: back at its text of revision {}", one.package, one.revision))?;
    }
    if repaired.is_empty() {
        context.note("nothing had to be mended");
    }
    Ok(Exit::Ok)
}

pub fn bisect(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    bring_up_to_date(context);
    let Some((program, arguments)) = line.expect(1, usize::MAX)?.split_first() else {
        return Ok(Exit::Usage);
    };
    let mut revisions: Vec<u64> =
        context.store.history(None, usize::MAX)?.iter().map(|record| record.sequence).collect();
    revisions.reverse();
    let bound = |name: &str, default: Option<u64>| match line.text(name) {
        Some(spec) => context.store.find_revision(&spec).map(Some),
        None => Ok(default),
    };
    let none = || Error::NotFound { key: "transactions to look through".into() };
    let (good, bad) = (bound("good", revisions.first().copied())?, bound("bad", revisions.last().copied())?);
    let (good, bad) = (good.ok_or_else(none)?, bad.ok_or_else(none)?);
    revisions.retain(|revision| (good..=bad).contains(revision));
    // The first is taken for good and the last for bad; what is between is tried.
    let (mut low, mut high) = (0, revisions.len().saturating_sub(1));
    while high > low + 1 {
        let middle = usize::midpoint(low, high);
        let works = try_at(context, revisions[middle], program, arguments)?;
        context.note(&format!("revision {}: {}", revisions[middle], if works { "good" } else { "bad" }));
        if works { low = middle } else { high = middle }
    }
    let first = *revisions.get(high).ok_or_else(none)?;
    let record = context.store.transaction(first)?;
    let title = record_title(&record, &mut Users::default());
    context.say(&format!("the first bad one is {title}"))?;
    for package in &record.packages {
        for change in &package.changes {
            context.put_line(&[b"    ", &change_line(&package.package, change)[..]].concat())?;
        }
    }
    Ok(Exit::Ok)
}

/// Runs a command with the packages as they were at a revision, in a directory of their own.
fn try_at(context: &Context, revision: u64, program: &[u8], arguments: &[Vec<u8>]) -> Result<bool, Failure> {
    use std::os::unix::ffi::OsStrExt;
    let dir = std::env::temp_dir().join(format!("cms-bisect-{}", std::process::id()));
    let io = |source| Error::Io { op: "write", path: dir.clone(), source };
    std::fs::create_dir(&dir).map_err(io)?;
    let attempt = || -> Result<bool, Failure> {
        for name in context.store.packages()? {
            // A package that was not known then is left as it is.
            let text = match context.store.text_at(&name, revision) {
                Ok(text) => text.unwrap_or_default(),
                Err(_) => std::fs::read(context.store.dirs().config.path.join(&name)).unwrap_or_default(),
            };
            std::fs::write(dir.join(&name), text).map_err(io)?;
        }
        let words = arguments.iter().map(|word| std::ffi::OsStr::from_bytes(word));
        let status = Command::new(std::ffi::OsStr::from_bytes(program))
            .args(words)
            .env("CMS_CONFIG_DIR", &dir)
            .env("CMS_REVISION", revision.to_string())
            .status()
            .map_err(|source| Error::Io { op: "run", path: path(program).into(), source })?;
        Ok(status.success())
    };
    let works = attempt();
    let _ = std::fs::remove_dir_all(&dir);
    works
}
