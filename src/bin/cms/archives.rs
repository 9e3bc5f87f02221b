//! Snapshots and backups: how they are shown, and how packages are brought back from one.

use cms::{Archive, clock, shown};
use serde_json::{Value as Json, json};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::records::tell_revision;

/// Says so, with an exit code, if packages were left out of an archive since they could not be read.
pub fn whole(info: &cms::ArchiveInfo) -> Result<Exit, Failure> {
    if info.left_out.is_empty() {
        return Ok(Exit::Ok);
    }
    let names = info.left_out.join(", ");
    let text = format!("left out, since they could not be read: {names}; a restore leaves them as they are");
    Err(Failure::Other(Exit::Permission, text))
}

pub fn kind(info: &cms::ArchiveInfo) -> &'static str {
    if info.is_automatic() { "automatic" } else { "labelled" }
}

pub fn archive_json(info: &cms::ArchiveInfo) -> Json {
    json!({"label": info.label, "kind": kind(info), "time": clock::show(info.time), "revision": info.revision,
        "source": info.source, "path": info.path, "size": info.size, "left_out": info.left_out})
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
