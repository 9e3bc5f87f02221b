//! The adversary that cuts the power: at each call of a scenario, in the recovery after a cut, and after the recovery. Unsynced
//! changes are then on the disk, or not, or in part, or in another order (see `power`).

use std::collections::HashSet;

use cms::Durability;

use super::adversaries::{at_each_level, is_tried, tell};
use super::aftermath::Expected;
use super::dice::Dice;
use super::oracle::is_exhaustive;
use super::power::{Image, Moment};
use super::prepared::Prepared;
use super::scenario::{Effort, LOG_SIZE, Scenario};

/// Goes through the images of the disk that a power cut may leave, each once.
struct Cuts {
    seen: HashSet<(u64, u64, u64)>,
    dice: Dice,
    samples: usize,
    /// Whether to make images with each unsynced change alone, and without each.
    has_singles: bool,
}

/// A check of an image that is on the disk; its arguments are the moment, the number of the image, and a description.
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

    /// Puts each new image on the disk, and calls `check`.
    fn each(&mut self, prepared: &Prepared, moments: &[Moment], check: &mut Check<'_>) {
        for (index, moment) in moments.iter().enumerate() {
            for (kind, image) in self.images(moment) {
                if self.seen.insert((image.hash(), moment.acknowledged, moment.begun)) {
                    prepared.disk.restore(&image);
                    check(moment, self.seen.len(), &format!("moment {index}, {}, {kind}", moment.what));
                }
            }
        }
    }
}

/// Returns the number of random images of each moment.
fn samples(scenario: &Scenario, level: Durability) -> usize {
    match (scenario.effort, level) {
        _ if is_exhaustive() => 400,
        _ if scenario.log_size < LOG_SIZE => 2,
        (Effort::Full, Durability::Full) => 12,
        (Effort::Full, _) => 3,
        (Effort::Errors | Effort::Sample, _) => 1,
    }
}

/// Takes the steps, and returns the moments at which the power may be cut.
fn record(prepared: &Prepared, level: Durability) -> Vec<Moment> {
    prepared.reset();
    prepared.disk.restart(0, 0);
    let program = prepared.program(level, prepared.disk.files());
    for (number, step) in (1..).zip(prepared.scenario.steps) {
        prepared.disk.begin(number);
        step(&program).unwrap_or_else(|error| panic!("{level:?}, step {number}: {error}"));
        prepared.disk.acknowledge(number);
    }
    let moments = prepared.disk.moments("at the end");
    drop(program);
    moments
}

/// Recovers after a death or a power cut, and returns the moments of the recovery.
fn recover(prepared: &Prepared, what: &str) -> Vec<Moment> {
    let program = prepared.world.program_with(Durability::Full, prepared.disk.files());
    program.recover().unwrap_or_else(|error| panic!("{what}: {error}"));
    let moments = prepared.disk.moments("after recovery");
    drop(program);
    moments
}

/// Returns the expected result of a power cut.
fn expected(prepared: &Prepared, moment: &Moment, level: Durability) -> Expected {
    let number = |number: u64| usize::try_from(number).expect("small");
    Expected {
        may_be_mixed: level == Durability::None,
        is_after_a_death: true,
        may_lose_staged: prepared.scenario.is_volatile,
        ..Expected::one_of(&(number(moment.acknowledged)..=number(moment.begun)).collect())
    }
}

/// Reports whether the power is cut at each moment, and not only at those that [`is_tried`] picks.
fn is_whole(scenario: &Scenario, level: Durability, has_other_moments: bool) -> bool {
    let is_long = scenario.log_size < LOG_SIZE;
    is_long || scenario.effort == Effort::Full || level == Durability::Log && has_other_moments
}

/// Cuts the power at each call of the steps. In most scenarios the other levels differ little from full durability, which is
/// the first level.
pub fn power_is_cut(name: &str, scenario: &Scenario) {
    let prepared = Prepared::new(scenario);
    let mut at_first = None;
    let counts = at_each_level(|level| {
        let mut moments = record(&prepared, level);
        let has_other_moments = *at_first.get_or_insert(moments.len()) != moments.len();
        if !is_whole(scenario, level, has_other_moments) {
            let mut at = 0..;
            moments.retain(|_| at.next().is_some_and(|at| is_tried(at, level, false)));
        }
        let mut cuts = Cuts::new(scenario, samples(scenario, level));
        cuts.each(&prepared, &moments, &mut |moment, number, what| {
            prepared.check(&expected(&prepared, moment, level), number, &format!("{level:?}, {what}"));
        });
        cuts.seen.len()
    });
    tell(name, "power cuts", &counts);
}

/// Cuts the power at each call of the steps, and again at each call of the recovery.
pub fn power_is_cut_in_recovery(name: &str, scenario: &Scenario) {
    let prepared = Prepared::new(scenario);
    let (mut recoveries, mut images) = (0, 0);
    for level in [Durability::Full, Durability::Log].into_iter().take(if is_exhaustive() { 2 } else { 1 }) {
        let moments = record(&prepared, level);
        let mut outer = Cuts::new(scenario, samples(scenario, Durability::Full) / 6);
        outer.each(&prepared, &moments, &mut |moment, _, what| {
            prepared.disk.restart(moment.acknowledged, moment.begun);
            let inner_moments = recover(&prepared, what);
            // A recovery with fewer calls has found nothing to do.
            if inner_moments.len() > 20 {
                recoveries += 1;
                let mut inner = Cuts::new(scenario, samples(scenario, Durability::Full) / 6);
                inner.each(&prepared, &inner_moments, &mut |moment, number, inner| {
                    let expected = expected(&prepared, moment, level);
                    prepared.check(&expected, number, &format!("{level:?}, {what}: {inner}"));
                });
                images += inner.seen.len();
            }
        });
    }
    assert!(recoveries > 10, "only {recoveries} recoveries");
    println!("{name}: {recoveries} recoveries, {images} images of the disk");
}

/// Recovers after a death at a moment, and returns the moments of the recovery.
fn recover_after(prepared: &Prepared, moment: &Moment, what: &str) -> Vec<Moment> {
    prepared.disk.resume(moment);
    let mut moments = recover(prepared, what);
    // Another program may have read this state by now, so a power cut must not lose it.
    let texts = prepared.texts(what);
    let found = prepared.states.iter().position(|state| state.texts == texts);
    let found =
        u64::try_from(found.unwrap_or_else(|| panic!("{what}: half of a commit: {texts:?}"))).expect("small");
    let last = moments.last_mut().expect("one");
    (last.acknowledged, last.begun) = (found, found);
    moments
}

/// Lets the process die at each call of the steps, and the next program at some calls of its recovery. Then cuts the power.
pub fn power_is_cut_after_recovery(name: &str, scenario: &Scenario) {
    let prepared = Prepared::new(scenario);
    let level = Durability::Full;
    let mut cuts = Cuts::new(scenario, samples(scenario, level));
    let mut recoveries = 0;
    for (index, moment) in record(&prepared, level).iter().enumerate() {
        let what = format!("death at moment {index}, {}", moment.what);
        let first = recover_after(&prepared, moment, &what);
        let mut ends = vec![first.last().expect("one").clone()];
        let deaths = first.iter().enumerate().filter(|(index, _)| is_exhaustive() || index % 27 == 13);
        for (inner, moment) in deaths.filter(|_| first.len() > 20) {
            let what = format!("{what}; then at moment {inner}, {}", moment.what);
            ends.extend(recover_after(&prepared, moment, &what).pop());
        }
        recoveries += ends.len();
        cuts.each(&prepared, &ends, &mut |moment, number, inner| {
            prepared.check(&expected(&prepared, moment, level), number, &format!("{what}; {inner}"));
        });
    }
    println!("{name}: {recoveries} recoveries after deaths, {} images of the disk", cuts.seen.len());
}
