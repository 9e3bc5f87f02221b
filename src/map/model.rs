//! Models of the memory that a writer and readers share. Loom checks every order of their steps that the memory model
//! allows: `make loom`.
//!
//! They run the production code, on a region whose words and bytes loom watches. Each model has twins in which one
//! ordering is weaker than in the code. The twins must fail: that shows that the ordering is needed, and that the
//! model detects it.

use std::sync::Arc as Outside;
use std::sync::atomic::Ordering;

use loom::sync::Arc;
use loom::thread;

use super::directory::control::{Control, commit, committed};
use super::layout::columns::Columns;
use super::layout::format::{
    At, BUCKET, C_BEGUN, C_COMMITTED, C_ROUNDS_AFTER, C_ROUNDS_BEFORE, CONTROL, H_BUCKETS, H_INDEX, Seq,
    W_BEGUN, W_DEAD, W_DONE, W_RETIRED, W_RETIRED_SEQ, W_SOURCE, W_TAIL, low,
};
use super::layout::region::{Region, Weaken};
use super::layout::source::Source;
use super::layout::value::MapValue;
use super::read::fast::Answer;
use super::read::fast_key::{FastKey, ScannedKey};
use super::read::map::Map;
use super::read::path::KeyPath;
use super::write::build::{Image, Making, Slack, build};
use super::write::publish::PublishOutcome;
use crate::format::uci::{Dialect, ParseOptions, parse};
use crate::model::change::{Delta, DeltaKind};
use crate::model::digest::u32_at;
use crate::model::package::Package;

mod current;
mod entry;
mod slots;
mod unpinned;

/// How often a thread is preempted. A larger number finds the same failures in much more time.
const PREEMPTIONS: usize = 2;

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(model);
}

/// The orderings of the code.
fn as_they_are(_: bool, _: usize, asked: Ordering) -> Ordering {
    asked
}

fn stored_relaxed(is_store: bool, _: usize, asked: Ordering) -> Ordering {
    if is_store { Ordering::Relaxed } else { asked }
}

fn loaded_relaxed(is_store: bool, _: usize, asked: Ordering) -> Ordering {
    if is_store { asked } else { Ordering::Relaxed }
}

/// The words of the control file.
const CONTROL_WORDS: [usize; 4] = [C_COMMITTED, C_ROUNDS_BEFORE, C_ROUNDS_AFTER, C_BEGUN];

fn control(revision: u64, weaken: Weaken) -> Region {
    let region = Region::heap(&Control::image(7), CONTROL);
    commit(&region, revision);
    region.watched(CONTROL_WORDS.into_iter(), 0..0, weaken)
}

mod revision {
    use super::*;

    /// Two commits, of which the first overflows the low half.
    fn run(weaken: Weaken) {
        check(move || {
            let before = u64::from(u32::MAX);
            let words = Arc::new(control(before, weaken));
            let writer = {
                let words = words.clone();
                thread::spawn(move || {
                    words.written_from_here();
                    (1..3).for_each(|more| commit(&*words, before + more));
                })
            };
            let first = committed(&*words);
            let second = committed(&*words);
            assert!((before..=before + 2).contains(&first), "torn or gone back: {first:x}");
            assert!((first..=before + 2).contains(&second), "torn or gone back: {first:x}, {second:x}");
            writer.join().expect("done");
            assert_eq!(committed(&*words), before + 2);
        });
    }

    #[test]
    fn it_is_seen_whole_and_never_goes_back() {
        run(as_they_are);
    }

    #[test]
    #[should_panic(expected = "torn or gone back")]
    fn it_is_torn_if_it_is_loaded_relaxed() {
        run(loaded_relaxed);
    }

    #[test]
    #[should_panic(expected = "torn or gone back")]
    fn it_is_torn_if_it_is_stored_relaxed() {
        run(stored_relaxed);
    }
}

/// The document all maps are made from.
fn document() -> Package {
    let text = b"config t 's'\n\toption x '1'\n\toption y '1'\n\tlist l '1'\n".to_vec();
    parse(b"p", Outside::new(text), &ParseOptions::default()).expect("good text").package
}

fn image() -> Image {
    let making = Making {
        seed: 7,
        base: Seq(1),
        source: Source::fixed(),
        slack: Slack { share: 64, least: 1024 },
        columns: Columns::NONE,
    };
    build(b"p", &document(), &making).expect("a map")
}

/// Makes a map that loom watches: its words, and the bytes behind the tail.
fn map(image: &Image, weaken: Weaken) -> Map {
    let word = |offset| u32_at(&image.bytes[offset..], 0);
    let (index, tail) = (At(word(H_INDEX)).offset(), At(word(W_TAIL)).offset());
    let index = (index..index + word(H_BUCKETS) as usize * BUCKET).step_by(4);
    let words = [W_RETIRED, W_RETIRED_SEQ, W_BEGUN, W_DONE, W_TAIL, W_DEAD, W_SOURCE];
    let region = Region::heap(&image.bytes, image.capacity);
    let region = region.watched(words.into_iter().chain(index), tail..tail + 256, weaken);
    Map::new(region).expect("a good one")
}

/// A map and the control file.
struct Shared {
    map: Map,
    control: Region,
}

/// The orderings of a map and of the control file.
type Orderings = [Weaken; 2];

fn shared(image: &Image, [on_map, on_control]: Orderings) -> Arc<Shared> {
    Arc::new(Shared { map: map(image, on_map), control: control(1, on_control) })
}

impl Shared {
    fn written_from_here(&self) {
        self.map.region.written_from_here();
        self.control.written_from_here();
    }

    /// Reads an option as a number; 0 if there is none. As programs in C read it: in the fast way, if that knows.
    fn get(&self, key: &[u8], seq: Option<Seq>) -> u32 {
        let text = std::ffi::CString::new(key).expect("no NUL byte");
        let scanned = ScannedKey::of(text.as_c_str().into()).expect("short");
        let fast = FastKey::of(scanned, self.map.seed()).expect("a key");
        match self.map.fast(&fast, seq) {
            Answer::Found(value) => String::from_utf8_lossy(value).parse().expect("a number"),
            Answer::Missing(_) => 0,
            Answer::Unknown => self.get_slowly(key, seq),
        }
    }

    /// As above, in the slow way.
    fn get_slowly(&self, key: &[u8], seq: Option<Seq>) -> u32 {
        let path = KeyPath::split(key, self.map.seed()).expect("a key");
        let value = self.map.get(&path, seq);
        let item = value.and_then(|value| value.items().next().map(<[u8]>::to_vec));
        item.map_or(0, |item| String::from_utf8_lossy(&item).parse().expect("a number"))
    }

    /// Publishes the second commit, as `Store` does: x and y become 2, `z` is new, the list is deleted.
    fn publish(&self) {
        let mut document = document();
        for (kind, option, value) in [
            (DeltaKind::Set, "x", "2"),
            (DeltaKind::Set, "y", "2"),
            (DeltaKind::Set, "z", "2"),
            (DeltaKind::Delete, "l", ""),
        ] {
            let value = Some(value.as_bytes()).filter(|value| !value.is_empty());
            let delta = Delta::new(kind, b"s", Some(option.as_bytes()), value);
            document.apply(&delta, Dialect::Cms).expect("allowed");
        }
        self.control.store(C_BEGUN, 2, Ordering::Release);
        self.map.mark(true, Seq(2));
        let outcome = self.map.publish(&document, document.touched(), Seq(2)).expect("can be held");
        assert_eq!(outcome, PublishOutcome::Done);
        commit(&self.control, 2);
        self.map.mark(false, Seq(2));
    }
}

/// Runs a writer that publishes one commit beside a reader.
fn beside_a_writer(orderings: Orderings, read: fn(&Shared)) {
    let image = image();
    check(move || {
        let shared = shared(&image, orderings);
        let writer = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.written_from_here();
                shared.publish();
            })
        };
        read(&shared);
        writer.join().expect("done");
        assert_eq!(
            [&b"p.s.x"[..], b"p.s.y", b"p.s.z", b"p.s.l"].map(|key| shared.get(key, None)),
            [2, 2, 2, 0]
        );
    });
}

mod publishing {
    use super::*;

    /// Reads each value by itself, as `Store::get` does: a value never goes back.
    fn live(shared: &Shared) {
        let first = shared.get(b"p.s.x", None);
        let second = shared.get(b"p.s.x", None);
        assert!((1..=2).contains(&first) && (first..=2).contains(&second), "{first} {second}");
        assert!([0, 2].contains(&shared.get(b"p.s.z", None)));
        assert!([0, 1].contains(&shared.get(b"p.s.l", None)));
    }

    /// As above, in the slow way.
    fn live_slowly(shared: &Shared) {
        let first = shared.get_slowly(b"p.s.x", None);
        let second = shared.get_slowly(b"p.s.x", None);
        assert!((1..=2).contains(&first) && (first..=2).contains(&second), "{first} {second}");
        assert!([0, 2].contains(&shared.get_slowly(b"p.s.z", None)));
        assert!([0, 1].contains(&shared.get_slowly(b"p.s.l", None)));
    }

    /// Reads several values, as a snapshot does: all are of the snapshot's commit.
    fn snapshot(shared: &Shared) {
        let seq = low(committed(&shared.control));
        let seen = [&b"p.s.x"[..], b"p.s.z", b"p.s.l", b"p.s.y"].map(|key| shared.get(key, Some(seq)));
        let expected = if seq == Seq(1) { [1, 0, 1, 1] } else { [2, 2, 0, 2] };
        assert!(seen == expected, "half of a commit: {seen:?} as of {seq:?}");
    }

    /// A prepared key.
    fn prepared(shared: &Shared) {
        let path = KeyPath::split(b"p.s.x", shared.map.seed()).expect("a key");
        let placed = shared.map.place(&path).expect("there");
        let value = shared.map.at_place(&placed);
        let found = if value == Some(MapValue::String(b"2")) { 2 } else { 1 };
        assert!(value == Some(MapValue::String(if found == 2 { b"2" } else { b"1" })));
        if shared.map.still(&placed) {
            assert_eq!(shared.map.at_place(&placed), value);
        } else {
            assert_eq!((found, shared.get(b"p.s.x", None)), (1, 2));
        }
    }

    #[test]
    fn a_value_is_read_whole() {
        beside_a_writer([as_they_are; 2], live);
    }

    #[test]
    fn a_value_does_not_go_back_in_the_slow_way() {
        beside_a_writer([as_they_are; 2], live_slowly);
    }

    #[test]
    fn a_snapshot_sees_whole_commits() {
        beside_a_writer([as_they_are; 2], snapshot);
    }

    #[test]
    fn a_prepared_key_leads_to_what_was_published() {
        beside_a_writer([as_they_are; 2], prepared);
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn a_value_is_read_while_it_is_written_if_slots_are_stored_relaxed() {
        beside_a_writer([stored_relaxed, as_they_are], live);
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn a_value_is_read_while_it_is_written_if_slots_are_loaded_relaxed() {
        beside_a_writer([loaded_relaxed, as_they_are], live);
    }

    #[test]
    #[should_panic(expected = "half of a commit")]
    fn a_snapshot_sees_half_of_a_commit_if_its_number_is_stored_relaxed() {
        beside_a_writer([as_they_are, stored_relaxed], snapshot);
    }

    #[test]
    #[should_panic(expected = "half of a commit")]
    fn a_snapshot_sees_half_of_a_commit_if_its_number_is_loaded_relaxed() {
        beside_a_writer([as_they_are, loaded_relaxed], snapshot);
    }
}

mod retiring {
    use super::*;

    /// A writer replaces the map and then raises the number, which belongs to the new map.
    fn run(orderings: Orderings) {
        let image = image();
        check(move || {
            let shared = shared(&image, orderings);
            let writer = {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.written_from_here();
                    shared.map.retire(Seq(2));
                    commit(&shared.control, 2);
                })
            };
            let seen = low(committed(&shared.control));
            let retired = shared.map.retired();
            assert!(seen == Seq(1) || retired.is_some(), "the old map is taken for the new one");
            assert!(retired.is_none_or(|at| at == Seq(2)), "it was retired at {retired:?}");
            writer.join().expect("done");
        });
    }

    #[test]
    fn whoever_sees_a_commit_to_the_new_map_sees_that_the_old_one_is_retired_and_when() {
        run([as_they_are; 2]);
    }

    #[test]
    #[should_panic(expected = "it was retired at")]
    fn it_is_not_known_when_if_the_mark_is_stored_relaxed() {
        run([stored_relaxed, as_they_are]);
    }

    #[test]
    #[should_panic(expected = "the old map is taken for the new one")]
    fn it_is_not_known_at_all_if_the_number_is_stored_relaxed() {
        run([as_they_are, stored_relaxed]);
    }
}
