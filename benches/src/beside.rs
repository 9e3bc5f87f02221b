//! Group `beside`: counts lost commits when two programs commit to one package at the same time, one of them stock
//! uci.
//!
//! Each commit sets a new key, so that a key that is missing in the end is an acknowledged commit that was lost. Two
//! stock uci lose each other's commits: stock uci opens the file before it takes the lock, and renames its new file
//! after it has released the lock.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use cms::{Durability, Store};

use crate::Result;
use crate::commit::disk_store::{DiskStore, tmpfs};
use crate::dataset::Dataset;
use crate::environment::Environment;
use crate::parse::float;
use crate::report::{Bound, Figure, Report, Unit};

/// How many commits the first of the two makes, while the other commits without a pause.
const COMMITS: usize = 300;

/// A function that makes a commit; its argument is the number of the commit, which is also the value.
type Commit<'c> = Box<dyn FnMut(usize) -> Result<()> + 'c>;

/// Runs the group on the file system of `TMPDIR`, and on tmpfs.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let Some(stock) = &environment.rivals.stock else {
        report.note("left out: there is no stock uci");
        return Ok(());
    };
    let shm = tmpfs().map(|shm| tempfile::Builder::new().prefix("cms-bench-").tempdir_in(shm)).transpose()?;
    let mut places = vec![("disk", environment.dir())];
    places.extend(shm.as_ref().map(|shm| ("tmpfs", shm.path())));
    let commits = if environment.quick { 30 } else { COMMITS };
    for (place, dir) in places {
        for durability in [Durability::Full, Durability::Log, Durability::None] {
            let disk = DiskStore::create(dir, Dataset::Router)?;
            let live = Store::open(disk.options(durability))?;
            let commit = Box::new(|number| set(&live, number));
            let name = format!("cms, {}", durability.name());
            let lost = pair(report, place, &name, (&disk, commits, stock), commit, &|| live.flush())?;
            let goal = format!("lost beside stock uci, {place}: {name} and stock uci");
            report.goal(&goal, float(lost), Bound::AtMost(0.0))?;
        }
        let programs = environment.cms.first().map(|(_, cms)| ("cms uci", cms, ["uci"].as_slice()));
        for (name, program, before) in programs.into_iter().chain([("stock uci", stock, [].as_slice())]) {
            let disk = DiskStore::create(dir, Dataset::Router)?;
            let save = disk.path("own-save");
            std::fs::create_dir(&save)?;
            let own = By { program, before, disk: &disk, save, section: "own" };
            let commit = Box::new(|number| own.commit(number));
            pair(report, place, name, (&disk, commits, stock), commit, &|| Ok(()))?;
        }
    }
    Ok(())
}

/// Commits one key through an open store.
fn set(live: &Store, number: usize) -> Result<()> {
    let mut transaction = live.begin()?;
    if number == 0 {
        transaction.set(b"network.own", b"own")?;
    }
    transaction.set(format!("network.own.k{number}").as_bytes(), number.to_string().as_bytes())?;
    transaction.commit()?;
    Ok(())
}

/// A program that takes uci's commands.
struct By<'b> {
    /// The program.
    program: &'b Path,
    /// The words before the options.
    before: &'static [&'static str],
    /// Where it commits.
    disk: &'b DiskStore,
    /// Where it stages.
    save: PathBuf,
    /// The section that its keys are in.
    section: &'static str,
}

impl By<'_> {
    /// Commits one key.
    fn commit(&self, number: usize) -> Result<()> {
        let section = self.section;
        if number == 0 {
            self.run(&["set", &format!("network.{section}=own")])?;
        }
        self.run(&["set", &format!("network.{section}.k{number}={number}")])?;
        self.run(&["commit", "network"])
    }

    /// Runs one command.
    fn run(&self, words: &[&str]) -> Result<()> {
        let mut command = Command::new(self.program);
        command.args(self.before).arg("-c").arg(self.disk.path("config")).arg("-t").arg(&self.save);
        let output = command.args(words).envs(self.disk.environment()).output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(format!("{} {words:?}: {}: {said}", self.program.display(), output.status).into())
    }
}

/// Commits beside a stock uci, writes deferred texts, and reports the made and the lost commits of both. Returns the
/// numbers.
fn pair(
    report: &mut Report,
    place: &str,
    name: &str,
    (disk, commits, stock): (&DiskStore, usize, &Path),
    mut commit: Commit<'_>,
    flush: &dyn Fn() -> cms::Result<()>,
) -> Result<usize> {
    let rival = By { program: stock, before: &[], disk, save: disk.path("save"), section: "stock" };
    let stop = AtomicBool::new(false);
    let (own, by_rival) = std::thread::scope(|scope| -> Result<(Tried, Tried)> {
        let rival = scope.spawn(|| {
            let mut tried = Tried::default();
            // No other memory depends on the flag.
            while !stop.load(Ordering::Relaxed) {
                tried.note(rival.commit(tried.made + tried.failed.len()));
            }
            tried
        });
        let mut own = Tried::default();
        for number in 0..commits {
            own.note(commit(number));
        }
        stop.store(true, Ordering::Relaxed);
        Ok((own, rival.join().map_err(|_| "a thread has panicked")?))
    })?;
    drop(commit);
    flush()?;
    let text = std::fs::read_to_string(disk.path("config").join("network"))?;
    let mut lost = 0;
    let mut figures = Vec::new();
    for (who, section, tried) in [(name, "own", &own), ("stock uci", "stock", &by_rival)] {
        let missing = missing(&text, section, tried);
        lost += missing.len();
        figures.push(Figure::exact(&format!("{who}: commits"), float(tried.made)));
        figures.push(Figure::exact(&format!("{who}: lost"), float(missing.len())));
        if !missing.is_empty() {
            report.note(&format!("{place}: {who}: lost {missing:?}"));
        }
        if let Some((number, why)) = tried.failed.first() {
            report.note(&format!("{place}: {who}: {} failed, first {number}: {why}", tried.failed.len()));
        }
    }
    report.case(&format!("{name} beside stock uci, {place}"), Unit::Count, &figures)?;
    Ok(lost)
}

/// The outcome of the commits of one of the two.
#[derive(Default)]
struct Tried {
    /// How many were acknowledged.
    made: usize,
    /// The refused commits, with the reasons.
    failed: Vec<(usize, String)>,
}

impl Tried {
    /// Records the outcome of the next commit.
    fn note(&mut self, outcome: Result<()>) {
        match outcome {
            Ok(()) => self.made += 1,
            Err(error) => self.failed.push((self.made + self.failed.len(), error.to_string())),
        }
    }
}

/// Returns the acknowledged commits that a text does not show.
fn missing(text: &str, section: &str, tried: &Tried) -> Vec<usize> {
    let header = format!("config own '{section}'");
    let body = text.split_once(&header).map_or("", |(_, body)| body);
    let body = body.split_once("\nconfig ").map_or(body, |(body, _)| body);
    let is_there = |number: &usize| body.contains(&format!("option k{number} '{number}'"));
    let is_failed = |number: &usize| tried.failed.iter().any(|(failed, _)| failed == number);
    let all = 0..tried.made + tried.failed.len();
    all.filter(|number| !is_failed(number) && !is_there(number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_what_was_acknowledged_and_is_not_in_its_section() {
        let text =
            "config own 'stock'\n\toption k0 '0'\n\toption k1 '1'\n\nconfig own 'own'\n\toption k1 '1'\n";
        let tried = Tried { made: 2, failed: vec![(2, "refused".into())] };
        assert_eq!(missing(text, "own", &tried), [0]);
        assert!(missing(text, "stock", &tried).is_empty());
    }
}
