//! The adversary that cuts the power: at each call of a scenario, in the recovery after that, and after it. What was not
//! synced is then there, or not, or in part, or in another order (see `power`).

use std::collections::HashSet;

use cms::Durability;

use super::adversaries::{at_each_level, is_tried, tell};
use super::aftermath::May;
use super::dice::Dice;
use super::oracle::is_exhaustive;
use super::power::{Image, Moment};
use super::scenario::{Effort, LOG_SIZE, Scenario};
use super::world::Stage;

/// Goes through the images of the disk that a power cut may leave, each once.
struct Cuts {
    seen: HashSet<(u64, u64, u64)>,
    dice: Dice,
    samples: usize,
    /// Whether of what is not synced each thing alone is there, and each alone is not.
    has_singles: bool,
}

/// Is given a moment, an image of it that is on the disk, and words for it.
type Check<'c> = dyn FnMut(&Moment, usize, &str) + 'c;

impl Cuts {
    fn new(scenario: &Scenario, samples: usize) -> Self {
        let is_long = scenario.log_size < LOG_SIZE;
        let has_singles = is_exhaustive() || is_long || scenario.effort != Effort::Sample;
        Self { seen: HashSet::new(), dice: Dice(0x9e37_79b9_7f4a_7c15), samples, has_singles }
    }

    fn images(&mut self, moment: &Moment) -> Vec<(String, Image)> {
        let [nothing, all] = moment.extremes();
        let renames = ("renames, and nothing else un-synced".to_owned(), moment.renames_only());
        let mut images =
            vec![("nothing un-synced".to_owned(), nothing), ("all un-synced".to_owned(), all), renames];
        for is_there in [true, false].into_iter().filter(|_| self.has_singles) {
            for index in 0.. {
                let Some(image) = moment.single(index, is_there) else { break };
                images.push((format!("single {index} {is_there}"), image));
            }
        }
        images.extend(
            (0..self.samples).map(|index| (format!("random {index}"), moment.random(&mut self.dice))),
        );
        images
    }

    /// Calls `check` with each image that was not seen yet, once it is on the disk.
    fn each(&mut self, stage: &Stage, moments: &[Moment], check: &mut Check<'_>) {
        for (index, moment) in moments.iter().enumerate() {
            for (kind, image) in self.images(moment) {
                if self.seen.insert((image.hash(), moment.acknowledged, moment.begun)) {
                    stage.disk.restore(&image);
                    check(moment, self.seen.len(), &format!("moment {index}, {}, {kind}", moment.what));
                }
            }
        }
    }
}

/// How many random images are made of each moment.
fn samples(scenario: &Scenario, level: Durability) -> usize {
    match (scenario.effort, level) {
        _ if is_exhaustive() => 400,
        _ if scenario.log_size < LOG_SIZE => 2,
        (Effort::Full, Durability::Full) => 12,
        (Effort::Full, _) => 3,
        (Effort::Errors | Effort::Sample, _) => 1,
    }
}

/// Takes the steps, and returns the moments of that at which the power may be cut.
fn record(stage: &Stage, level: Durability) -> Vec<Moment> {
    stage.reset();
    stage.disk.restart(0, 0);
    let actor = stage.actor(level, stage.disk.files());
    for (number, step) in (1..).zip(stage.scenario.steps) {
        stage.disk.begin(number);
        step(&actor).unwrap_or_else(|error| panic!("{level:?}, step {number}: {error}"));
        stage.disk.acknowledge(number);
    }
    let moments = stage.disk.moments("at the end");
    drop(actor);
    moments
}

/// Recovers with what a death or a power cut has left, and returns the moments of that.
fn recover(stage: &Stage, what: &str) -> Vec<Moment> {
    let actor = stage.world.actor_with(Durability::Full, stage.disk.files());
    actor.recover().unwrap_or_else(|error| panic!("{what}: {error}"));
    let moments = stage.disk.moments("after recovery");
    drop(actor);
    moments
}

/// What may be there after the power was cut.
fn may_be(stage: &Stage, moment: &Moment, level: Durability) -> May {
    let number = |number: u64| usize::try_from(number).expect("small");
    May {
        be_mixed: level == Durability::None,
        be_after_a_death: true,
        be_torn: stage.scenario.is_volatile,
        ..May::be(&(number(moment.acknowledged)..=number(moment.begun)).collect())
    }
}

/// Reports whether the power is cut at every moment. Otherwise the moments take turns: it is cut at one of three.
fn is_whole(scenario: &Scenario, level: Durability, has_other_moments: bool) -> bool {
    let is_long = scenario.log_size < LOG_SIZE;
    is_long || scenario.effort == Effort::Full || level == Durability::Log && has_other_moments
}

/// Cuts the power at each call of the steps. Most scenarios differ little between full durability, which is the first
/// level, and the others.
pub fn power_is_cut(name: &str, scenario: &Scenario) {
    let stage = Stage::new(scenario);
    let mut at_first = None;
    let counts = at_each_level(|level| {
        let mut moments = record(&stage, level);
        let has_other_moments = *at_first.get_or_insert(moments.len()) != moments.len();
        if !is_whole(scenario, level, has_other_moments) {
            let mut at = 0..;
            moments.retain(|_| at.next().is_some_and(|at| is_tried(at, level, false)));
        }
        let mut cuts = Cuts::new(scenario, samples(scenario, level));
        cuts.each(&stage, &moments, &mut |moment, number, what| {
            stage.check(&may_be(&stage, moment, level), number, &format!("{level:?}, {what}"));
        });
        cuts.seen.len()
    });
    tell(name, "power cuts", &counts);
}

/// Cuts the power at each call of the steps, and again at each call of the recovery from that.
pub fn power_is_cut_in_recovery(name: &str, scenario: &Scenario) {
    let stage = Stage::new(scenario);
    let (mut recoveries, mut images) = (0, 0);
    for level in [Durability::Full, Durability::Log].into_iter().take(if is_exhaustive() { 2 } else { 1 }) {
        let moments = record(&stage, level);
        let mut outer = Cuts::new(scenario, samples(scenario, Durability::Full) / 6);
        outer.each(&stage, &moments, &mut |moment, _, what| {
            stage.disk.restart(moment.acknowledged, moment.begun);
            let inner_moments = recover(&stage, what);
            // Less is no more than a look.
            if inner_moments.len() > 20 {
                recoveries += 1;
                let mut inner = Cuts::new(scenario, samples(scenario, Durability::Full) / 6);
                inner.each(&stage, &inner_moments, &mut |moment, number, inner| {
                    let may = may_be(&stage, moment, level);
                    stage.check(&may, number, &format!("{level:?}, {what}: {inner}"));
                });
                images += inner.seen.len();
            }
        });
    }
    assert!(recoveries > 10, "only {recoveries} recoveries");
    println!("{name}: {recoveries} recoveries, {images} images of the disk");
}

/// Recovers after a death at a moment, and returns the moments of that.
fn recover_after(stage: &Stage, moment: &Moment, what: &str) -> Vec<Moment> {
    stage.disk.resume(moment);
    let mut moments = recover(stage, what);
    // Somebody may have seen it by now.
    let texts = stage.texts(what);
    let found = stage.states.iter().position(|state| state.texts == texts);
    let found =
        u64::try_from(found.unwrap_or_else(|| panic!("{what}: half of a commit: {texts:?}"))).expect("small");
    let last = moments.last_mut().expect("one");
    (last.acknowledged, last.begun) = (found, found);
    moments
}

/// Has the process die at each call of the steps, and then the one that recovers; and cuts the power after that.
pub fn power_is_cut_after_recovery(name: &str, scenario: &Scenario) {
    let stage = Stage::new(scenario);
    let level = Durability::Full;
    let mut cuts = Cuts::new(scenario, samples(scenario, level));
    let mut recoveries = 0;
    for (index, moment) in record(&stage, level).iter().enumerate() {
        let what = format!("death at moment {index}, {}", moment.what);
        let first = recover_after(&stage, moment, &what);
        let mut ends = vec![first.last().expect("one").clone()];
        let deaths = first.iter().enumerate().filter(|(index, _)| is_exhaustive() || index % 9 == 4);
        for (inner, moment) in deaths.filter(|_| first.len() > 20) {
            let what = format!("{what}; then at moment {inner}, {}", moment.what);
            ends.extend(recover_after(&stage, moment, &what).pop());
        }
        recoveries += ends.len();
        cuts.each(&stage, &ends, &mut |moment, number, inner| {
            stage.check(&may_be(&stage, moment, level), number, &format!("{what}; {inner}"));
        });
    }
    println!("{name}: {recoveries} recoveries after deaths, {} images of the disk", cuts.seen.len());
}
