//! Prints snapshots and backups, and restores packages from one.

use cms::{Archive, clock, shown};
use serde_json::{Value as Json, json};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::records::print_revision;
use crate::shape::Shape;

/// Fails if packages were left out of an archive because they could not be read.
pub fn check_complete(info: &cms::ArchiveInfo) -> Result<Exit, Failure> {
    if info.left_out.is_empty() {
        return Ok(Exit::Ok);
    }
    let names = info.left_out.join(", ");
    let text =
        format!("left out, because they could not be read: {names}; a restore leaves them as they are");
    Err(Failure::Other(Exit::Permission, text))
}

pub fn kind(info: &cms::ArchiveInfo) -> &'static str {
    if info.is_automatic() { "automatic" } else { "labelled" }
}

/// What [`archive_json`] returns.
pub const ARCHIVE: Shape = Shape::named(
    "archive",
    "
    label text its label
    kind text labelled or automatic
    time text when it was made, in UTC
    revision number the transaction whose state it holds
    source text the name of the program that made it
    path text its file
    size number its size, in bytes
    left_out [text] packages that could not be read and are not in it",
);

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
    let done = context.store.archives().restore_of(archive, packages, None)?;
    print_revision(context, &what, done)
}
