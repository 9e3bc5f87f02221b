//! How long after `uci commit` has returned others know of it: a program that watches, and one that only reads.

use std::path::Path;
use std::process::{Command, Stdio};

use super::channel::{Channel, Teller};
use super::listener::{Process, Way};
use super::{Board, Scene};
use crate::Result;
use crate::report::{Figure, Report, Unit};
use crate::stage::Stage;
use crate::trial::{Entrant, Trial};

/// Measures it.
pub fn run(stage: &Stage, report: &mut Report, place: &str, scene: &Scene<'_>) -> Result<()> {
    let Some((_, cms)) = stage.cms.first() else {
        report.note("uci commit left out: CMS_BIN is not set");
        return Ok(());
    };
    let all =
        [channel(scene, cms, "cms next", Way::Next)?, channel(scene, cms, "cms get every 50 us", Way::Get)?];
    let entrants: Vec<Entrant<'_>> =
        all.iter().map(|one| (one.name, Box::new(|| one.round()) as Box<dyn Fn() -> _>)).collect();
    Trial::run(&entrants, stage.repetitions(15))?;
    for percent in [50, 99] {
        let figures: Vec<Figure> = all.iter().map(|one| one.percentile(percent, false)).collect();
        report.case(&format!("after uci commit, {place}, p{percent}"), Unit::Microseconds, &figures)?;
    }
    Ok(())
}

/// Commits by `uci`, and a process that listens in this way.
fn channel(scene: &Scene<'_>, cms: &Path, name: &'static str, way: Way) -> Result<Channel> {
    let (home, live, board) = scene.home()?;
    drop(live);
    let process = Process::start(way, 1, &board, &board, &home.environment(), Stdio::null())?;
    let mut environment = home.environment().to_vec();
    environment.push(("CMS_DURABILITY", format!("{:?}", scene.durability).to_lowercase().into()));
    let program = cms.to_path_buf();
    let uci = move |words: &[&str]| -> Result<()> {
        let mut command = Command::new(&program);
        command.arg("uci").args(words).envs(environment.iter().map(|(name, value)| (name, value)));
        let status = command.status()?;
        if status.success() { Ok(()) } else { Err(format!("uci {words:?}: {status}").into()) }
    };
    let teller: Teller = Box::new(move |number| {
        // The first value of a round is not the one there was.
        uci(&["set", &format!("network.lan.mtu={}", number + 1_000_000)])?;
        uci(&["commit", "network"])
    });
    Ok(Channel::new(name, 1, Board::open(&board)?, teller, true).listened_by(process).keeping(home))
}
