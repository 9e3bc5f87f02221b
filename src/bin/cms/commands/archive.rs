//! The state of all packages, kept: `snapshot`, `snapshots`, `backup` and `restore`.

use cms::{Archive, clock, shown};
use serde_json::{Value as Json, json};

use super::context::{Context, path, show};
use super::failure::{Exit, Failure};
use super::history::tell_revision;
use super::line::Line;

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
        None => clock::show(clock::parse("now", clock::micros(std::time::SystemTime::now())).unwrap_or(0))
            .replace(':', "-"),
    };
    if context.dry_run {
        context.note(&format!("would keep the state of all packages as {}", shown::quoted(&label)));
        return Ok(Exit::Ok);
    }
    let info = context.store.label(&label)?;
    if context.json {
        context.put_json(&archive_json(&info))?;
    } else {
        context.say(&shown::text(&info.label))?;
    }
    whole(&info)
}

/// Says so, with an exit code, if packages were left out of an archive since they could not be read.
fn whole(info: &cms::ArchiveInfo) -> Result<Exit, Failure> {
    if info.left_out.is_empty() {
        return Ok(Exit::Ok);
    }
    let names = info.left_out.join(", ");
    let text = format!("not in it, since they could not be read: {names}; a restore leaves them as they are");
    Err(Failure::Other(Exit::Permission, text))
}

fn kind(info: &cms::ArchiveInfo) -> &'static str {
    if info.is_automatic() { "automatic" } else { "labelled" }
}

fn archive_json(info: &cms::ArchiveInfo) -> Json {
    json!({"label": info.label, "kind": kind(info), "time": clock::show(info.time), "revision": info.revision,
        "source": info.source, "path": info.path, "size": info.size, "left_out": info.left_out})
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
            "{}Z {:>8} {:>9} {:10} {:9} {}",
            &time[..19],
            info.revision,
            info.size,
            shown::text(&info.source),
            kind(&info),
            shown::text(cms::name_of_label(&info.label))
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
    let info = if file == b"-" {
        if context.json {
            return Err(Failure::Usage("standard output cannot hold both the backup and JSON".into()));
        }
        context.store.backup_to(&mut context.out)?
    } else {
        context.store.backup(path(file))?
    };
    context.verbose(&format!("{} bytes written", info.size));
    if context.json {
        context.put_json(&archive_json(&info))?;
    }
    whole(&info)
}

pub fn restore(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let [file] = line.expect(1, 1)? else { return Ok(Exit::Usage) };
    let archive = Archive::read(path(file))?;
    restore_archive(context, &archive, &[])
}

pub fn restore_archive(
    context: &mut Context,
    archive: &Archive,
    packages: &[String],
) -> Result<Exit, Failure> {
    let what =
        format!("back at {} of {}", shown::quoted(&archive.info.label), clock::show(archive.info.time));
    if context.dry_run {
        context.note(&format!("would go {what}"));
        return Ok(Exit::Ok);
    }
    let done = context.store.restore_of(archive, packages, None)?;
    tell_revision(context, &what, done)
}
