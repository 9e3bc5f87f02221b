//! The adversaries of a scenario: a call fails, the process dies, or it is killed; each at every call of the steps,
//! at each level of durability. The fourth adversary cuts the power (see `power_cuts`).

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use cms::Durability;
use cms::testing::Call;
use rustix::process::Signal;

use super::aftermath::Expected;
use super::oracle::is_exhaustive;
use super::parts::this_program;
use super::prepared::Prepared;
use super::probes::{EACCES, EDQUOT, EIO, ENOSPC, EROFS, FailAt, Fault, Trace, before};
use super::scenario::{Effort, Scenario, Trouble};
use super::world::{LEVELS, World};

const ERRORS: [i32; 5] = [EIO, ENOSPC, EDQUOT, EROFS, EACCES];

/// Lists the calls of the undisturbed steps.
fn calls(prepared: &Prepared, level: Durability) -> Vec<(Call, PathBuf)> {
    prepared.reset();
    let trace = Trace::of(|_, _| true);
    let program = prepared.program(level, trace.files());
    let played = prepared.scenario.play(&program, &prepared.states, Trouble::Once);
    assert_eq!(played.may_be, [prepared.scenario.steps.len()].into(), "{}", played.said);
    assert_eq!(played.unseen, None);
    drop(program);
    let expected = Expected::one_of(&played.may_be);
    prepared.check(&expected, 0, "undisturbed");
    trace.take()
}

/// Lists the errors that a call fails with: all of them at full effort, else in turn.
fn faults(calls: &[(Call, PathBuf)], at: usize, is_all: bool) -> Vec<Fault> {
    let is_write = calls.get(at).is_none_or(|(call, _)| *call == Call::Write);
    let comes_again = calls.get(at).is_none_or(|(call, path)| {
        calls[at + 1..].iter().any(|(other, there)| other == call && there.parent() == path.parent())
    });
    let turn = |of: usize| is_all || at.is_multiple_of(of);
    let pick = |errors: &[i32], turn: usize| match is_all {
        true => errors.to_vec(),
        false => vec![errors[turn % errors.len()]],
    };
    let mut faults: Vec<Fault> = pick(&ERRORS, at).into_iter().map(Fault::Error).collect();
    if comes_again && turn(2) {
        faults.extend(pick(&[EIO, EROFS], at / 2).into_iter().map(Fault::Stays));
    }
    if is_write {
        faults.push(Fault::ShortWrite);
    }
    faults
}

/// Reports whether a store continues without a log after this fault, as on a read-only disk.
fn bars_the_log(fault: Fault) -> bool {
    matches!(fault, Fault::Error(EROFS | EACCES) | Fault::Stays(EROFS | EACCES))
}

/// The number of disturbed runs at each level.
pub type Counts = Vec<(Durability, usize)>;

pub fn tell(scenario: &str, what: &str, counts: &Counts) {
    let all: usize = counts.iter().map(|(_, count)| count).sum();
    println!("{scenario}: {what}: {all} {counts:?}");
}

pub fn at_each_level(mut act: impl FnMut(Durability) -> usize) -> Counts {
    LEVELS.iter().map(|level| (*level, act(*level))).collect()
}

fn is_all(effort: Effort, level: Durability) -> bool {
    is_exhaustive() || effort != Effort::Sample && level == Durability::Full
}

/// Reports whether a call is tried. At full durability each call fails, and the process dies at each. The other levels
/// differ only in a few calls: of five calls one fails, and the process dies at another.
pub fn is_tried(at: usize, level: Durability, is_death: bool) -> bool {
    let turn = match level {
        _ if is_exhaustive() => return true,
        Durability::Log => at,
        Durability::None => at + 2,
        _ => return true,
    };
    turn % 5 == usize::from(is_death)
}

/// Makes each call of the steps fail, in several ways.
pub fn calls_fail(name: &str, scenario: &Scenario) {
    let prepared = Prepared::new(scenario);
    let counts = at_each_level(|level| {
        let calls = calls(&prepared, level);
        let mut count = 0;
        for at in 0.. {
            assert!(at < 1000, "the number of calls is bounded");
            if !is_tried(at, level, false) && at < calls.len() {
                continue;
            }
            let mut is_reached = false;
            for fault in faults(&calls, at, is_all(scenario.effort, level)) {
                let hit = disturb(&prepared, level, fault, at, count);
                count += usize::from(hit);
                is_reached |= hit;
            }
            if !is_reached && at >= calls.len() {
                break;
            }
        }
        count
    });
    tell(name, "calls that fail", &counts);
}

/// Simulates the death of the process at each call of the steps: all later calls fail.
pub fn process_dies(name: &str, scenario: &Scenario) {
    let prepared = Prepared::new(scenario);
    let counts = at_each_level(|level| {
        let is_reached = |at: &usize| disturb(&prepared, level, Fault::Death, *at, *at);
        (0..1000).filter(|at| is_tried(*at, level, true)).take_while(is_reached).count()
    });
    tell(name, "deaths", &counts);
}

/// Runs the scenario with a fault at one of the calls. Returns whether the fault occurred.
fn disturb(prepared: &Prepared, level: Durability, fault: Fault, at: usize, number: usize) -> bool {
    prepared.reset();
    let probe = FailAt::new(at, fault);
    let program = prepared.program(level, probe.files());
    let trouble = match fault {
        Fault::Death => Trouble::Death,
        Fault::Stays(_) => Trouble::Stays,
        _ => Trouble::Once,
    };
    let played = prepared.scenario.play(&program, &prepared.states, trouble);
    drop(program);
    if !probe.was_reached() {
        assert!(at > 2, "the fault was not reached");
        return false;
    }
    let what = format!("{level:?}, {fault:?} at call {at}, {:?}: {}", probe.hit(), played.said);
    // With deferred texts, a failed publication becomes visible when the texts are placed.
    assert!(played.unseen.is_none() || level == Durability::Log, "{what}: {:?}", played.unseen);
    prepared.check_each(level, &what);
    let expected = Expected {
        may_be_unlogged: bars_the_log(fault),
        is_after_a_death: fault == Fault::Death,
        ..Expected::one_of(&played.may_be)
    };
    prepared.check(&expected, number, &what);
    true
}

const SCENARIO: &str = "CMS_TEST_SCENARIO";

/// Runs the steps in another process, which kills itself before a call: its locks and mappings are lost.
pub fn process_is_killed(name: &str, scenario: &Scenario) {
    let prepared = Prepared::new(scenario);
    let counts = at_each_level(|level| {
        let all = calls(&prepared, level).len();
        let apart = if is_exhaustive() { 1 } else { (all / 2).max(1) };
        let first = if is_exhaustive() { 0 } else { name.len() % apart };
        let mut count = 0;
        for at in (first..all).step_by(apart) {
            prepared.reset();
            let mut command = this_program("scenarios", name);
            let told = format!("{level:?} {at} {}", prepared.world.root.display());
            let output = command.env(SCENARIO, told).output().expect("runs");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let steps = said.matches("step made.").count();
            let is_killed = !said.contains("closed.");
            let what = format!("{level:?}, killed at call {at} after {steps} steps");
            assert!(!is_killed || output.status.code().is_none(), "{what}: {said}");
            assert!(is_killed || steps == scenario.steps.len(), "{what}: {said}");
            let last = if is_killed { (steps + 1).min(scenario.steps.len()) } else { steps };
            prepared.check_each(level, &what);
            let expected = Expected { is_after_a_death: true, ..Expected::one_of(&(steps..=last).collect()) };
            prepared.check(&expected, at, &what);
            count += usize::from(is_killed);
        }
        count
    });
    tell(name, "kills", &counts);
}

/// Runs the steps of a scenario in the process that will be killed.
pub fn be_killed(scenario: &Scenario) {
    let told = std::env::var(SCENARIO).expect("it is told");
    let [level, at, root] = *told.splitn(3, ' ').collect::<Vec<_>>() else { panic!("{told}") };
    let level = *LEVELS.iter().find(|known| format!("{known:?}") == level).expect("a level");
    let (at, count) = (at.parse::<usize>().expect("a number"), AtomicUsize::new(0));
    let files = before(move |_, _| {
        if count.fetch_add(1, Ordering::SeqCst) == at {
            rustix::process::kill_process(rustix::process::getpid(), Signal::KILL).expect("our own");
        }
        Ok(usize::MAX)
    });
    let world = World::at(root.as_ref(), scenario.log_size);
    let program = world.program_of(scenario, level, files);
    for step in scenario.steps {
        step(&program).expect("nothing else disturbs it");
        println!("step made.");
    }
    drop(program);
    println!("closed.");
}
