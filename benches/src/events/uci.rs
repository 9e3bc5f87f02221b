//! The time from the return of `uci commit` until others see the commit: a program that watches, and one that only
//! reads.

use std::path::Path;
use std::process::{Command, Stdio};

use super::channel::{Channel, Teller};
use super::listener::{Process, Way};
use super::{Scene, SharedWords};
use crate::Result;
use crate::environment::Environment;
use crate::report::{Figure, Report, Unit};
use crate::rounds::{Entrant, Rounds};

/// Measures it.
pub fn run(environment: &Environment, report: &mut Report, place: &str, scene: &Scene<'_>) -> Result<()> {
    let Some((_, cms)) = environment.cms.first() else {
        report.note("uci commit left out: CMS_BIN is not set");
        return Ok(());
    };
    let all =
        [channel(scene, cms, "cms next", Way::Next)?, channel(scene, cms, "cms get every 50 us", Way::Get)?];
    let entrants: Vec<Entrant<'_>> =
        all.iter().map(|one| (one.name, Box::new(|| one.round()) as Box<dyn Fn() -> _>)).collect();
    Rounds::run(&entrants, environment.repetitions(15))?;
    for percent in [50, 99] {
        let figures: Vec<Figure> = all.iter().map(|one| one.percentile(percent, false)).collect();
        report.case(&format!("after uci commit, {place}, p{percent}"), Unit::Microseconds, &figures)?;
    }
    Ok(())
}

/// Commits by `uci`, and a process that listens in this way.
fn channel(scene: &Scene<'_>, cms: &Path, name: &'static str, way: Way) -> Result<Channel> {
    let (disk, live, words) = scene.disk_store()?;
    drop(live);
    let process = Process::start(way, 1, &words, &words, &disk.environment(), Stdio::null())?;
    let mut environment = disk.environment().to_vec();
    environment.push(("CMS_DURABILITY", format!("{:?}", scene.durability).to_lowercase().into()));
    let program = cms.to_path_buf();
    let uci = move |words: &[&str]| -> Result<()> {
        let mut command = Command::new(&program);
        command.arg("uci").args(words).envs(environment.iter().map(|(name, value)| (name, value)));
        let status = command.status()?;
        if status.success() { Ok(()) } else { Err(format!("uci {words:?}: {status}").into()) }
    };
    let teller: Teller = Box::new(move |number| {
        // The first value of a round differs from the last one of the round before.
        uci(&["set", &format!("network.lan.mtu={}", number + 1_000_000)])?;
        uci(&["commit", "network"])
    });
    Ok(Channel::new(name, 1, SharedWords::open(&words)?, teller, true).listened_by(process).keeping(disk))
}
