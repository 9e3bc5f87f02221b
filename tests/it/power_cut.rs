//! The power is cut at every system call of commits, of new segments, of recovery, and of noting changes by hand;
//! what was not synced is then there, or not, or in part, or in another order (see `disk`). A store that is opened
//! on what is left must pass `oracle`, and no acknowledged commit may be missing.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::Path;

use cms::files::Files;
use cms::log::Limits;
use cms::{Delta, DeltaKind, Durability, Engine, Form, Options, Store};
use tempfile::TempDir;

use crate::support::dice::Dice;
use crate::support::oracle::{Triple, is_exhaustive, options, scratch};
use crate::support::power::{Disk, Image, Moment};

/// How many random images are made of each moment.
fn samples() -> usize {
    if is_exhaustive() { 400 } else { 12 }
}

/// Is given a moment, an image of it that is on the disk, the numbers that may be there, and words for it.
type Check<'c> = dyn FnMut(&Moment, &Image, &RangeInclusive<u64>, &str) + 'c;

/// Goes through the images of moments, each once.
struct Cuts {
    seen: HashSet<(u64, RangeInclusive<u64>)>,
    dice: Dice,
    samples: usize,
}

impl Cuts {
    fn new(samples: usize) -> Self {
        Self { seen: HashSet::new(), dice: Dice(0x9e37_79b9_7f4a_7c15), samples }
    }

    fn images(&mut self, moment: &Moment) -> Vec<(String, Image)> {
        let [nothing, all] = moment.extremes();
        let renames = ("renames, and nothing else un-synced".to_owned(), moment.renames_only());
        let mut images =
            vec![("nothing un-synced".to_owned(), nothing), ("all un-synced".to_owned(), all), renames];
        for is_there in [true, false] {
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
    fn each(&mut self, disk: &Disk, moments: &[Moment], check: &mut Check<'_>) {
        for (index, moment) in moments.iter().enumerate() {
            let allowed = moment.acknowledged..=moment.begun;
            for (kind, image) in self.images(moment) {
                if self.seen.insert((image.hash(), allowed.clone())) {
                    disk.restore(&image);
                    check(moment, &image, &allowed, &format!("moment {index}, {}, {kind}", moment.what));
                }
            }
        }
    }
}

struct Run {
    triple: Triple,
    disk: std::sync::Arc<Disk>,
    _vault: TempDir,
}

/// Makes a store with `times` commits, and records what `act` does to it.
fn record(padding: usize, limits: Limits, times: u64, act: impl FnOnce(&Run, &Store)) -> (Run, Vec<Moment>) {
    record_at(Durability::Full, padding, limits, times, act)
}

/// As [`record`], with another durability.
fn record_at(
    durability: Durability,
    padding: usize,
    limits: Limits,
    times: u64,
    act: impl FnOnce(&Run, &Store),
) -> (Run, Vec<Moment>) {
    let triple = Triple::new(padding, limits);
    let live = triple.live(Files::default());
    for number in 1..=times {
        triple.commit(&live, number).expect("committed");
    }
    drop(live);
    let vault = scratch();
    let disk = Disk::new(triple.root.path(), vault.path());
    let run = Run { triple, disk, _vault: vault };
    run.disk.restart(times, times);
    let text_delay = std::time::Duration::from_secs(100_000);
    let options = options(run.triple.root.path(), run.disk.files(), run.triple.limits);
    let live = Store::open(Options { durability, text_delay, ..options }).expect("opens");
    act(&run, &live);
    let moments = run.disk.moments("at the end");
    drop(live);
    (run, moments)
}

fn commit(run: &Run, live: &Store, number: u64) {
    run.disk.begin(number);
    run.triple.commit(live, number).expect("committed");
    run.disk.acknowledge(number);
}

fn check_all(what: &str, samples: usize, run: &Run, moments: &[Moment]) {
    let mut cuts = Cuts::new(samples);
    cuts.each(&run.disk, moments, &mut |_, _, allowed, what| {
        run.triple.check(allowed, what);
    });
    println!("{what}: {} moments, {} crash images", moments.len(), cuts.seen.len());
}

#[test]
fn a_commit_over_three_packages_survives_a_power_cut_at_any_moment() {
    let (run, moments) = record(600, Limits::default(), 1, |run, live| {
        commit(run, live, 2);
        commit(run, live, 3);
    });
    check_all("commits", samples(), &run, &moments);
}

#[test]
fn a_commit_whose_texts_come_later_survives_a_power_cut_at_any_moment() {
    let (run, moments) = record_at(Durability::Log, 600, Limits::default(), 1, |run, live| {
        // With maps, that others could see it by.
        assert!(live.get(b"alpha.s.v", |_| ()).expect("readable").is_some());
        for number in 2..5 {
            commit(run, live, number);
        }
        assert_eq!(run.triple.number("before"), 1, "the texts are for later");
        live.flush().expect("put in place");
        commit(run, live, 5);
    });
    check_all("texts that come later", samples() / 2, &run, &moments);
}

#[test]
fn changes_by_hand_of_a_text_that_is_behind_survive_a_power_cut_at_any_moment() {
    let (run, moments) = record_at(Durability::Log, 600, Limits::default(), 1, |run, live| {
        assert!(live.get(b"alpha.s.v", |_| ()).expect("readable").is_some());
        commit(run, live, 2);
        let edited = run.triple.text("beta", 1) + "# by hand\n";
        std::fs::write(run.triple.path("config/beta"), edited).expect("written");
        run.disk.settle();
        commit(run, live, 3);
    });
    check_edited("changes by hand of a text that is behind", &run, &moments);
}

#[test]
fn segments_that_are_begun_while_texts_are_to_come_survive_a_power_cut_at_any_moment() {
    let limits = Limits { bytes: 256 << 10, ..Limits::default() };
    let (run, moments) = record_at(Durability::Log, 2800, limits, 7, |run, live| {
        assert!(live.get(b"alpha.s.v", |_| ()).expect("readable").is_some());
        (8..11).for_each(|number| commit(run, live, number));
    });
    check_all("segments, and texts that come later", samples() / 4, &run, &moments);
}

#[test]
fn x_h1_commits_that_are_not_durable_leave_whole_texts_after_a_power_cut_at_any_moment() {
    let (run, moments) = record_at(Durability::None, 600, Limits::default(), 1, |run, live| {
        assert!(live.get(b"alpha.s.v", |_| ()).expect("readable").is_some());
        (2..5).for_each(|number| commit(run, live, number));
    });
    let mut cuts = Cuts::new(samples());
    cuts.each(&run.disk, &moments, &mut |_, _, allowed, what| {
        // The last ones may be gone, but what was durable before is not.
        run.triple.check_each(&(1..=*allowed.end()), what);
    });
    println!("not durable: {} moments, {} crash images", moments.len(), cuts.seen.len());
}

#[test]
fn x_h1_recovery_takes_an_empty_text_for_damage_and_makes_it_from_the_log() {
    // As a program has left it that did not sync its texts: the transaction is in the log, the new text in place, and
    // of that nothing is on the disk but the name.
    let (run, _) = record_at(Durability::Log, 600, Limits::default(), 1, |run, live| {
        assert!(live.get(b"alpha.s.v", |_| ()).expect("readable").is_some());
        commit(run, live, 2);
        std::fs::write(run.triple.path("config/beta"), "").expect("written");
    });
    assert_eq!(run.triple.check(&(2..=2), "an empty text"), 2);
}

#[test]
fn the_first_commit_of_all_survives_a_power_cut_at_any_moment() {
    let (run, moments) = record(600, Limits::default(), 0, |run, live| commit(run, live, 1));
    check_all("first commit", samples(), &run, &moments);
}

#[test]
fn new_segments_and_dropped_ones_survive_a_power_cut_at_any_moment() {
    let limits = Limits { bytes: 256 << 10, ..Limits::default() };
    let (run, moments) = record(2800, limits, 7, |run, live| {
        commit(run, live, 8);
        commit(run, live, 9);
    });
    check_all("segments", samples() / 2, &run, &moments);
}

#[test]
fn recovery_survives_a_power_cut_at_any_moment() {
    let (run, moments) = record(600, Limits::default(), 1, |run, live| commit(run, live, 2));
    let mut outer = Cuts::new(samples() / 6);
    let (mut recoveries, mut images) = (0, 0);
    outer.each(&run.disk, &moments, &mut |moment, _, _, what| {
        run.disk.restart(moment.acknowledged, moment.begun);
        let store = Engine::new(options(run.triple.root.path(), run.disk.files(), run.triple.limits));
        store.confirmations().recover().unwrap_or_else(|error| panic!("{what}: {error}"));
        let inner_moments = run.disk.moments("after recovery");
        // Less is no more than a look.
        if inner_moments.len() > 20 {
            recoveries += 1;
            let mut inner = Cuts::new(samples() / 6);
            inner.each(&run.disk, &inner_moments, &mut |_, _, allowed, inner| {
                run.triple.check(allowed, &format!("{what}: {inner}"));
            });
            images += inner.seen.len();
        }
    });
    assert!(recoveries > 10, "only {recoveries} recoveries");
    println!("recovery: {recoveries} recoveries of {} images, {images} crash images", outer.seen.len());
}

/// Recovers after a death at a moment, and returns the moments of that.
fn recover_after(run: &Run, moment: &Moment, what: &str) -> Vec<Moment> {
    run.disk.resume(moment);
    let store = Engine::new(options(run.triple.root.path(), run.disk.files(), run.triple.limits));
    store.confirmations().recover().unwrap_or_else(|error| panic!("{what}: {error}"));
    // Someone may have seen it by now.
    let number = run.triple.number(what);
    run.disk.begin(number);
    run.disk.acknowledge(number);
    run.disk.moments("after recovery")
}

#[test]
fn what_recovery_has_finished_stays_so_after_a_power_cut() {
    let (run, moments) = record(600, Limits::default(), 1, |run, live| commit(run, live, 2));
    let mut cuts = Cuts::new(samples());
    let mut recoveries = 0;
    for (index, moment) in moments.iter().enumerate() {
        let what = format!("death at moment {index}, {}", moment.what);
        let first = recover_after(&run, moment, &what);
        let mut ends = vec![first.last().expect("one").clone()];
        // The one who recovers dies as well.
        let deaths = first.iter().enumerate().filter(|(index, _)| is_exhaustive() || index % 9 == 4);
        for (inner, moment) in deaths.filter(|_| first.len() > 20) {
            let what = format!("{what}; then at moment {inner}, {}", moment.what);
            ends.extend(recover_after(&run, moment, &what).pop());
        }
        recoveries += ends.len();
        cuts.each(&run.disk, &ends, &mut |_, _, allowed, inner| {
            run.triple.check(allowed, &format!("{what}; {inner}"));
        });
    }
    println!("after recovery: {recoveries} recoveries, {} crash images", cuts.seen.len());
}

#[test]
fn changes_by_hand_that_are_noted_survive_a_power_cut_at_any_moment() {
    let (run, moments) = record(600, Limits::default(), 1, |run, live| {
        let edited = run.triple.text("beta", 1) + "# by hand\n";
        std::fs::write(run.triple.path("config/beta"), edited).expect("written");
        run.disk.settle();
        live.engine().history().note_edits().expect("noted");
        commit(run, live, 2);
    });
    check_edited("changes by hand", &run, &moments);
}

/// Checks the moments from an edit of `beta` on.
fn check_edited(what: &str, run: &Run, moments: &[Moment]) {
    let mut cuts = Cuts::new(samples());
    let edited = moments.iter().position(|moment| moment.is_settled("beta", b"# by hand\n")).expect("edited");
    cuts.each(&run.disk, &moments[edited..], &mut |_, _, allowed, what| {
        let live = run.triple.live(Files::default());
        live.engine().history().note_edits().unwrap_or_else(|error| panic!("{what}: {error}"));
        drop(live);
        run.triple.check(allowed, what);
        let text = std::fs::read_to_string(run.triple.path("config/beta")).expect("there");
        assert!(text.ends_with("# by hand\n"), "{what}: {text}");
    });
    println!("{what}: {} moments, {} crash images", moments.len(), cuts.seen.len());
}

const OLD: &str = "# kept\nconfig a 'x'\n\toption o '1'\n\tlist l 'one'\n";
const NEW: &str = "# kept\nconfig a 'x'\n\toption o '2'\n\tlist l 'one'\n\tlist l 'two'\n\nconfig b\n";

/// Changes whose effect shows when they are applied twice.
fn staged() -> Vec<Delta> {
    vec![
        Delta::new(DeltaKind::Set, b"x", Some(b"o"), Some(b"2")),
        Delta::new(DeltaKind::AddList, b"x", Some(b"l"), Some(b"two")),
        Delta::new(DeltaKind::Add, b"cfg02b607", None, Some(b"b")),
    ]
}

fn store(root: &Path, files: Files) -> Engine {
    Engine::new(options(root, files, Limits::default()))
}

#[test]
fn staged_changes_are_committed_once_whenever_the_power_is_cut() {
    let (root, vault) = (scratch(), scratch());
    let config = root.path().join("config");
    std::fs::create_dir(&config).expect("made");
    std::fs::write(config.join("n"), OLD).expect("written");
    let plain = store(root.path(), Files::default());
    plain.history().note_edits().expect("noted");
    plain.staging().stage(&plain.packages().find(b"n").expect("there"), &staged()).expect("staged");
    let disk = Disk::new(root.path(), vault.path());
    let recorded = store(root.path(), disk.files());
    disk.begin(1);
    recorded.commit(&recorded.packages().find(b"n").expect("there"), Form::Lossless).expect("committed");
    disk.acknowledge(1);
    let moments = disk.moments("at the end");
    let mut cuts = Cuts::new(samples() * 2);
    cuts.each(&disk, &moments, &mut |moment, image, _, what| {
        let after = store(root.path(), Files::default());
        after.confirmations().recover().unwrap_or_else(|error| panic!("{what}: {error}"));
        let text = std::fs::read_to_string(config.join("n")).expect("there");
        assert!(text == NEW || text == OLD && moment.acknowledged == 0, "{what}: {text}");
        let place = after.packages().find(b"n").expect("there");
        let mut wanted = NEW.to_owned();
        if image.hash().is_multiple_of(2) {
            // Someone else changes the package before what is staged is looked at.
            let set = Delta::new(DeltaKind::Set, b"x", Some(b"o"), Some(b"3"));
            let edit = |package: &mut cms::Package| package.apply(&set, cms::text::Dialect::Cms).map(|_| ());
            after.update(&place, Form::Lossless, edit).unwrap_or_else(|error| panic!("{what}: {error}"));
            if text == NEW {
                wanted = NEW.replace("'2'", "'3'");
            } else {
                // What is still staged was staged before that.
                let refused = after.commit(&place, Form::Lossless);
                assert!(matches!(refused, Err(cms::Error::Conflict { .. })), "{what}: {refused:?}");
                let force = cms::CommitOptions { force: true, ..cms::CommitOptions::default() };
                let forced = after.commit_as(std::slice::from_ref(&place), Vec::new(), &force);
                forced.unwrap_or_else(|error| panic!("{what}: {error}"));
            }
        }
        after.commit(&place, Form::Lossless).unwrap_or_else(|error| panic!("{what}: {error}"));
        let text = std::fs::read_to_string(config.join("n")).expect("there");
        assert_eq!(text, wanted, "{what}");
        let left = after.packages().load(b"n").expect("loads").changes.len();
        assert_eq!(left, 0, "{what}: still staged");
    });
    println!("staged: {} moments, {} crash images", moments.len(), cuts.seen.len());
}
