//! `cms bisect`: finds the transaction after which a command fails.
//!
//! The exit codes of the command have the meaning that they have for `git bisect run`: 0 is good; 1 to 127 is bad,
//! except 125, which says that this revision cannot be tested; a code from 128 on, or a signal, ends the search. The
//! command is run at both ends as well: a transaction is named only if the command failed after it and worked before
//! it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;

use cms::Error;

use crate::argument::path;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::records::RECORD;
use crate::records::{Users, change_line, record_json, record_title};
use crate::shape::Output;
use crate::spec::{Call, Command, FlagValues, Writes, text};

#[derive(Default)]
pub struct Flags {
    good: Option<String>,
    bad: Option<String>,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "bisect",
    aliases: &[],
    arguments: "-- COMMAND [ARGUMENT...]",
    summary: "find the transaction after which a command fails",
    flags: &[
        text("good", "REVISION", "where it works (default: the oldest)", |flags: &mut Flags| &mut flags.good),
        text("bad", "REVISION", "where it fails (default: the newest)", |flags: &mut Flags| &mut flags.bad),
    ],
    writes: Writes::Nothing,
    json: &[Output::rows(&RECORD)],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    context.note_edits();
    let Some((program, arguments)) = call.expect(1, usize::MAX)?.split_first() else {
        return Ok(Exit::Usage);
    };
    let revisions = revisions(context, &call.flags)?;
    let mut verdicts = vec![None; revisions.len()];
    let mut test = |context: &Context, at: usize| -> Result<Verdict, Failure> {
        let verdict = run_at(context, revisions[at], program, arguments)?;
        let word = match verdict {
            Verdict::Good => "good",
            Verdict::Bad => "bad",
            Verdict::Untestable => "cannot be tested",
        };
        context.note(&format!("revision {}: {word}", revisions[at]));
        verdicts[at] = Some(verdict);
        Ok(verdict)
    };
    let (mut good, mut bad) = (0, revisions.len() - 1);
    for (end, wanted, word) in [(bad, Verdict::Bad, "fail"), (good, Verdict::Good, "work")] {
        let verdict = test(context, end)?;
        if verdict != wanted {
            let what = match verdict {
                Verdict::Untestable => "cannot test revision".to_owned(),
                Verdict::Good | Verdict::Bad => format!("does not {word} at revision"),
            };
            let why = format!(
                "the command {what} {}: there is nothing to find between it and {}",
                revisions[end],
                revisions[revisions.len() - 1 - end]
            );
            return Err(Failure::Other(Exit::NotFound, why));
        }
    }
    let mut untestable = BTreeSet::new();
    while let Some(next) = nearest_to_the_middle(good, bad, &untestable) {
        match test(context, next)? {
            Verdict::Good => good = next,
            Verdict::Bad => bad = next,
            Verdict::Untestable => drop(untestable.insert(next)),
        }
    }
    if context.json {
        let (revisions, users) = (&revisions[good + 1..=bad], &mut Users::default());
        let records = revisions.iter().map(|revision| context.store.history().transaction(*revision));
        let rows: Result<_, Error> = records.map(|record| Ok(record_json(&record?, users))).collect();
        context.put_rows(rows?)?;
        return Ok(if bad == good + 1 { Exit::Ok } else { Exit::NotFound });
    }
    if bad == good + 1 {
        print(context, "the first bad one is ", revisions[bad])?;
        return Ok(Exit::Ok);
    }
    context.print_line("the first bad one is one of these, which could not all be tested:")?;
    (good + 1..=bad).try_for_each(|at| print(context, "", revisions[at]))?;
    Ok(Exit::NotFound)
}

/// The exit code of a command that cannot test this revision.
const UNTESTABLE: i32 = 125;

/// The search ends at this exit code and above: a shell returns these codes if a signal has ended the command.
const ABORT: i32 = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
    Untestable,
}

/// Lists the revisions from the good end to the bad end.
fn revisions(context: &Context, flags: &Flags) -> Result<Vec<u64>, Failure> {
    let mut revisions: Vec<u64> =
        context.store.history().changes(None, usize::MAX)?.iter().map(|record| record.sequence).collect();
    revisions.reverse();
    let bound = |named: &Option<String>, default: Option<&u64>| match named {
        Some(spec) => context.find_revision(spec).map(Some),
        None => Ok(default.copied()),
    };
    let (good, bad) = (bound(&flags.good, revisions.first())?, bound(&flags.bad, revisions.last())?);
    if let (Some(good), Some(bad)) = (good, bad) {
        if good > bad {
            let why =
                format!("--good names revision {good}, which comes after revision {bad} that --bad names");
            return Err(Failure::Usage(why));
        }
        revisions.retain(|revision| (good..=bad).contains(revision));
    }
    if revisions.len() < 2 {
        let why = "the log holds no transaction between a good and a bad one";
        return Err(Failure::Other(Exit::NotFound, why.into()));
    }
    Ok(revisions)
}

/// Picks the next revision to test between the last good one and the first bad one.
fn nearest_to_the_middle(good: usize, bad: usize, untestable: &BTreeSet<usize>) -> Option<usize> {
    let middle = usize::midpoint(good, bad);
    (good + 1..bad).filter(|at| !untestable.contains(at)).min_by_key(|at| at.abs_diff(middle))
}

fn print(context: &mut Context, lead: &str, revision: u64) -> Result<(), Failure> {
    let record = context.store.history().transaction(revision)?;
    context.print_line(&format!("{lead}{}", record_title(&record, &mut Users::default())))?;
    for package in &record.packages {
        for change in &package.changes {
            context.put_line(&[b"    ", &change_line(&package.package, change)[..]].concat())?;
        }
    }
    Ok(())
}

/// Runs the command with the packages of a revision, in separate directories.
fn run_at(
    context: &Context,
    revision: u64,
    program: &[u8],
    arguments: &[Vec<u8>],
) -> Result<Verdict, Failure> {
    let scratch = Scratch::new()?;
    let config = scratch.0.join("config");
    write_packages(context, revision, &config)?;
    let mut command = process::Command::new(OsStr::from_bytes(program));
    command.args(arguments.iter().map(|word| OsStr::from_bytes(word)));
    for (variable, name) in [
        ("CMS_CONFIG_DIR", "config"),
        ("CMS_SAVE_DIR", "save"),
        ("CMS_RUN_DIR", "run"),
        ("CMS_STATE_DIR", "state"),
    ] {
        command.env(variable, scratch.0.join(name));
    }
    let status = command.env("CMS_REVISION", revision.to_string()).status().map_err(|source| Error::Io {
        op: "run",
        path: path(program).into(),
        source,
    })?;
    match status.code() {
        Some(0) => Ok(Verdict::Good),
        Some(UNTESTABLE) => Ok(Verdict::Untestable),
        Some(code) if code < ABORT => Ok(Verdict::Bad),
        _ => {
            let why = format!("the command ended with {status} at revision {revision}; nothing was found");
            Err(Failure::Other(Exit::Io, why))
        }
    }
}

/// Writes the packages that existed at a revision, with their texts of that revision.
fn write_packages(context: &Context, revision: u64, config: &Path) -> Result<(), Failure> {
    let mut names: BTreeSet<String> = context.store.packages().list()?.into_iter().collect();
    names.extend(context.store.history().changed_since(revision)?);
    for name in names {
        if let Some(text) = context.store.history().text_at(&name, revision)? {
            let file = config.join(&name);
            std::fs::write(&file, text).map_err(|source| Error::Io { op: "write", path: file, source })?;
        }
    }
    Ok(())
}

/// A directory for one run, with a configuration directory in it. It is removed when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        let root = std::env::temp_dir().join(format!("cms-bisect-{}", std::process::id()));
        // Values may be secrets, so that only this user may enter it. A directory that exists already may be another
        // user's, and is an error.
        let make = |dir: &Path| std::fs::DirBuilder::new().mode(0o700).create(dir);
        make(&root).map_err(|source| Error::Io { op: "create", path: root.clone(), source })?;
        let scratch = Self(root);
        make(&scratch.0.join("config")).map_err(|source| Error::Io {
            op: "create",
            path: scratch.0.join("config"),
            source,
        })?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
