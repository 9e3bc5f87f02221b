//! Group `large`: `cms commit` of one option in packages of 40 MB and 1 GB, compared with a plain copy of the file.
//!
//! The copy reads the file and writes it to a new one in the same directory, syncs it, and does nothing else. The
//! change was staged before; only the commit is measured. TMPDIR must be on a disk.

use std::cell::Cell;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Instant;

use crate::Result;
use crate::data::{self, Shape};
use crate::environment::{Environment, human};
use crate::memory;
use crate::parse::float;
use crate::process::{Line, Tree, spawn};
use crate::report::{Bound, Figure, Report, Unit};
use crate::rounds::{Entrant, Rounds};

/// The changed option.
const KEY: &str = "bench.host7.opt3";
/// The names of the contenders.
const COMMIT: &str = "cms commit";
/// See above.
const COPY: &str = "copy, fsync";

/// Runs the group.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let Some((_, program)) = environment.cms.first() else {
        report.note("left out: CMS_BIN is not set");
        return Ok(());
    };
    let first = if environment.quick { 100_000 } else { 1_000_000 };
    one(environment, report, program, (first, environment.repetitions(7)))?;
    if !environment.slow {
        report
            .note("the package of 1 GB is left out: needs CMS_BENCH_SLOW=1, 5 GB of disk and 4 GB of memory");
        return Ok(());
    }
    one(environment, report, program, (25_000_000, 3))
}

/// Measures a package with so many options, in so many rounds.
fn one(
    environment: &Environment,
    report: &mut Report,
    program: &Path,
    (options, rounds): (usize, usize),
) -> Result<()> {
    let tree = Tree::create(environment.dir(), &data::text(Shape::Sections, options))?;
    let (package, count) = (tree.package(), Cell::new(0));
    let bytes = std::fs::metadata(&package)?.len();
    let commit = || -> Result<Line> {
        count.set(count.get() + 1);
        let change = format!("{KEY}=committed-value-{:06}", count.get());
        spawn(&tree.line(program, &[], &["set", &change]))?;
        Ok(tree.line(program, &[], &["commit", "bench"]))
    };
    let entrants: [Entrant<'_>; 2] = [
        (COMMIT, Box::new(|| Ok(spawn(&commit()?)?.as_secs_f64() * 1e3))),
        (COPY, Box::new(|| copy(&package, &environment.dir().join("copy")))),
    ];
    let results = Rounds::run(&entrants, rounds)?;
    drop(entrants);
    let case = format!("commit one of {} options, {} MB", human(options), bytes / 1_000_000);
    report.case(&case, Unit::Milliseconds, &results.figures_to(&[COPY]))?;
    let ratio = results.ratio(COMMIT, COPY).ok_or("both took part")?;
    report.goal(&format!("{case}: {COMMIT} to {COPY}"), ratio.median, Bound::AtMost(4.0))?;
    committed(&package, count.get())?;
    let Some(peak) = &environment.rivals.peak else {
        report.note("memory left out: needs a C compiler and a static libc");
        return Ok(());
    };
    let kibibytes = memory::measure(peak, commit()?)?;
    report.case(&format!("{case}, peak memory"), Unit::Kibibytes, &[Figure::exact(COMMIT, kibibytes)])?;
    let text = float(usize::try_from(bytes)?);
    report.goal(&format!("{case}: peak memory to text"), kibibytes * 1024.0 / text, Bound::AtMost(1.5))?;
    committed(&package, count.get())
}

/// Copies a file and syncs the copy; returns the time in milliseconds.
fn copy(from: &Path, to: &Path) -> Result<f64> {
    let mut buffer = vec![0; 1 << 20];
    let start = Instant::now();
    let (mut from, mut copy) = (File::open(from)?, File::create(to)?);
    loop {
        match from.read(&mut buffer)? {
            0 => break,
            count => copy.write_all(&buffer[..count])?,
        }
    }
    copy.sync_all()?;
    let time = start.elapsed();
    std::fs::remove_file(to)?;
    Ok(time.as_secs_f64() * 1e3)
}

/// Compares the value at the changed option, which is near the start, with that of commit number `count`.
fn committed(package: &Path, count: usize) -> Result<()> {
    let mut start = vec![0; 1 << 16];
    let length = File::open(package)?.read(&mut start)?;
    let value = format!("'committed-value-{count:06}'");
    match memchr::memmem::find(&start[..length], value.as_bytes()) {
        Some(_) => Ok(()),
        None => Err(format!("{KEY}: {value} is not in {}", package.display()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_found_by_its_number_only() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "\toption opt3 'committed-value-000002'\n").expect("written");
        assert!(committed(file.path(), 2).is_ok());
        assert!(committed(file.path(), 3).is_err());
    }
}
