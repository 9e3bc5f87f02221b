//! `cms paths`: the directories and files of the store.

use std::path::Path;

use cms::{Dir, Origin, shown};
use serde_json::{Map, json};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::settings;
use crate::settings::SETTING;
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "paths",
    aliases: &[],
    arguments: "",
    summary: "print what is read and written where, and why",
    flags: &[],
    writes: Writes::Nothing,
    json: &[Output::members(&PATHS)],
    run,
};

/// The directories of the store.
const PATHS: Shape = Shape::of(
    "
    config directory where packages are
    save directory where changes are staged
    run directory|null where locks and maps are
    state directory|null where the log is
    unlogged text|null why commits are not logged
    settings {setting} as cms policy prints them",
)
.using(&[&DIRECTORY, &SETTING]);

/// A directory.
const DIRECTORY: Shape = Shape::named(
    "directory",
    "
    path text its path
    from text default, or which option or variable names it
    state text writable, read-only, not readable, not a directory or does not exist
    purpose text what it is for",
);

fn run(context: &mut Context, _: &Call) -> Result<Exit, Failure> {
    let dirs = context.store.dirs().clone();
    let locks = match context.store.maps().publishes() {
        true => "locks are kept in",
        false => {
            "locks are kept in; its maps belong to another user, so programs see your commits as edits by hand"
        }
    };
    let rows = [
        ("config", Some(&dirs.config), "packages are read from and committed to"),
        ("save", Some(&dirs.save), "changes are staged in"),
        ("run", dirs.run.as_ref(), locks),
        ("state", dirs.state.as_ref(), "the transaction log is kept in"),
    ];
    let mut object = Map::new();
    for (name, dir, purpose) in rows {
        let Some(dir) = dir else {
            if context.json {
                object.insert(name.into(), serde_json::Value::Null);
                continue;
            }
            let instead = match name {
                "run" => "writers exclude each other by the files alone",
                _ => "there is no history, and commits cannot wait for a confirmation",
            };
            context.print_line(&format!("{name:7} none: no directory is writable; {instead}"))?;
            continue;
        };
        // The log has its own directory in it, which may belong to another user.
        let log = context.store.audit().log_dir().filter(|log| name == "state" && log.exists());
        let state = state(log.unwrap_or(&dir.path));
        let path = dir.path.display().to_string();
        if context.json {
            let row = json!({"path": path, "from": origin(dir), "state": state, "purpose": purpose});
            object.insert(name.into(), row);
        } else {
            let path = shown::text(path);
            context.print_line(&format!("{name:7} {path}  ({}; {state}; {purpose})", origin(dir)))?;
        }
    }
    let (unlogged, settings) = (context.store.audit().log_problem(), context.store.settings());
    if context.json {
        object.insert("unlogged".into(), json!(unlogged));
        object.insert("settings".into(), settings::all_json(&settings));
        context.put_map(object)?;
        return Ok(Exit::Ok);
    }
    if let Some(why) = unlogged {
        context.print_line(&format!("commits are not logged: {}", shown::text(why)))?;
    }
    settings::show(context, &settings)?;
    Ok(Exit::Ok)
}

fn origin(dir: &Dir) -> String {
    match dir.origin {
        Origin::Given => "from the command line".into(),
        Origin::Environment(variable) => format!("from {variable}"),
        Origin::Default => "default".into(),
    }
}

fn state(path: &Path) -> &'static str {
    use rustix::fs::{Access, access};
    match () {
        () if !path.exists() => "does not exist",
        () if !path.is_dir() => "not a directory",
        () if access(path, Access::WRITE_OK).is_ok() => "writable",
        () if access(path, Access::READ_OK).is_ok() => "read-only",
        () => "not readable",
    }
}
