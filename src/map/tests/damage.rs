//! Maps with every kind of damage, and maps that are odd but sound.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::atomic::Ordering;

use super::*;
use crate::DeltaKind::{Add, Delete, Set};
use crate::map::layout::block::Block;
use crate::map::layout::format::{
    At, BUCKET, FIRST_SLOT, H_INDEX, HEADER, OVERFLOW, SLOTS, W_BEGUN, W_DEAD, W_DONE, W_RETIRED,
    W_RETIRED_SEQ, W_TAIL,
};
use crate::map::layout::header::Unusable;
use crate::map::layout::index::SlotId;
use crate::model::digest::u32_at;
use crate::model::package::Touched;

/// A small map with every kind of block: lists, a split section, anonymous and deleted ones, several versions.
pub fn rich() -> Map {
    let mut text =
        "config a 'one'\n\toption x '1'\n\tlist l 'a'\n\tlist l 'b'\nconfig b\n\toption y '2'\n".to_owned();
    text += "config a 'big'\n";
    for option in 0..66 {
        text += &format!("\toption o{option} '{option}'\n");
    }
    let package = typed::copy(&document(&text), crate::FormatKind::Json);
    let mut package = typed::add_all_types(&package, "all", 10);
    let map = roomy(&package, 4);
    change(&mut package, Set, "one", Some("x"), Some("3"));
    assert_eq!(apply(&map, &package, 2), PublishOutcome::Done);
    change(&mut package, Delete, "one", None, None);
    change(&mut package, Delete, "big", Some("o7"), None);
    assert_eq!(apply(&map, &package, 3), PublishOutcome::Done);
    map
}

/// Reads a whole map, at several commits, by every function. Returns a hash of the results.
fn read_all(map: &Map) -> u64 {
    let mut seen = DefaultHasher::new();
    // Under Miri read less of each map, so that more maps can be tested.
    let all = [None, Some(Seq(1)), Some(Seq(0)), Some(Seq(3))];
    for seq in all.into_iter().take(if cfg!(miri) { 2 } else { 4 }) {
        let package = MapPackage::of(map, seq);
        (package.name(), package.len()).hash(&mut seen);
        for section in package.sections().take(1000) {
            (section.name(), section.section_type(), section.is_anonymous()).hash(&mut seen);
            let mut options = section.options();
            for (name, typed) in std::iter::from_fn(|| options.next_typed()).take(1000) {
                (name, typed.value_type).hash(&mut seen);
                typed.value.items().for_each(|item| item.hash(&mut seen));
            }
            section.get(b"o7").map(|value| value.items().count()).hash(&mut seen);
        }
        let given =
            ["all.float", "all.list_empty", "one.x", "one.l", "one.none", "big.o69", "cfg024b7f.y", "none.x"]
                .map(str::to_owned);
        let few = if seq.is_none() && !cfg!(miri) { 1 } else { 9 };
        for key in (0..66).step_by(few).map(|option| format!("big.o{option}")).chain(given) {
            let key = format!("p.{key}");
            let path = KeyPath::split(key.as_bytes(), map.seed).expect("a key");
            let value = map.get(&path, seq);
            value.iter().flat_map(|value| value.items()).for_each(|item| item.hash(&mut seen));
            value.is_some().hash(&mut seen);
            map.get_typed(&path, seq).map(|typed| typed.value_type).hash(&mut seen);
            fast(map, &key, seq).hash(&mut seen);
            if seq.is_none() && (key.contains("o6") || key.contains("one")) {
                let placed = map.place(&path);
                let again = placed.as_ref().and_then(|placed| map.at_place(placed));
                (placed.is_some(), again.map(|value| value.items().count())).hash(&mut seen);
            }
        }
        for section_type in [&b"a"[..], b"b", b"none", b""] {
            let names = package.sections_of_type(section_type).take(1000).map(|section| section.name());
            names.collect::<Vec<_>>().hash(&mut seen);
            package.section_of_type(section_type, -1).map(|section| section.name()).hash(&mut seen);
        }
        for (kind, option, value) in [("a", "x", "1"), ("a", "x", "3"), ("a", "l", "b"), ("b", "y", "2")] {
            let [kind, option, value] = [kind, option, value].map(str::as_bytes);
            let rows = package.sections_with(kind, option, value).take(1000);
            rows.map(|row| row.name()).collect::<Vec<_>>().hash(&mut seen);
        }
        package.section(b"one").is_some().hash(&mut seen);
    }
    seen.finish()
}

pub fn bytes_of(map: &Map) -> Vec<u8> {
    map.region.bytes(0, map.region.len()).expect("all of it").to_vec()
}

fn word(map: &Map, offset: usize) -> u32 {
    map.region.load(offset, Ordering::Relaxed)
}

/// Lists the bytes whose damage the check does not find, with the reason why the damage is harmless.
fn unimportant(map: &Map) -> Vec<(Range<usize>, &'static str)> {
    let tail = At(word(map, W_TAIL)).offset();
    let mut known = vec![
        (W_RETIRED..W_RETIRED + 1, "readers look for another map, and find the same or make one"),
        (W_RETIRED_SEQ..W_RETIRED_SEQ + 4, "is looked at in a retired map only"),
        (W_BEGUN..W_BEGUN + 4, "is looked at when a writer has died"),
        (W_DONE..W_DONE + 4, "the same"),
        (W_DEAD..W_DEAD + 4, "only says when it is worth while to make the map anew"),
        (tail..tail.next_multiple_of(4), "half a word of the free space, which the next commit writes over"),
    ];
    for bucket in 0..map.index.buckets as usize {
        let start = map.index.start + bucket * BUCKET;
        known.push((start + OVERFLOW * 4..start + OVERFLOW * 4 + 4, "readers look into one more bucket"));
        for slot in (0..SLOTS).filter(|slot| word(map, start + (FIRST_SLOT + slot) * 4) == 0) {
            known.push((start + slot..start + slot + 1, "the slot is not used by commits to come"));
        }
    }
    known
}

#[test]
fn a_sound_map_is_found_sound() {
    let map = rich();
    assert_eq!(map.check(), Ok(()));
    assert_eq!(read_all(&map), read_all(&rich()));
}

#[test]
fn no_flipped_bit_harms_a_reader_and_those_that_matter_are_found() {
    let good = rich();
    let (bytes, expected, unimportant) = (bytes_of(&good), read_all(&good), unimportant(&good));
    let tail = At(word(&good, W_TAIL)).offset();
    let flip = |bit: usize| {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Ok(map) = Map::new(Region::heap(&flipped, flipped.len())) else { return };
        let sound = map.check().is_ok();
        if bit / 8 >= tail {
            // No block in use leads there, so there is nothing to read.
            assert!(!sound || bit / 8 < tail.next_multiple_of(4), "bit {bit} of the free space is not found");
            return;
        }
        let seen = read_all(&map);
        if sound {
            assert_eq!(seen, expected, "bit {bit} changes what is read, and is not found");
            let known = unimportant.iter().any(|(range, _)| range.contains(&(bit / 8)));
            assert!(known, "bit {bit} of byte {} is not found", bit / 8);
        }
    };
    in_threads(bytes.len() * 8, step(13, 16_381), flip);
}

/// Returns the step from one case to the next: 1 with CMS_EXHAUSTIVE=1, as set by `make soak`, so that no case is
/// skipped. The steps are odd, so that all bits of a byte are tested.
fn step(usual: usize, under_miri: usize) -> usize {
    match (cfg!(miri), std::env::var_os("CMS_EXHAUSTIVE")) {
        (true, _) => under_miri,
        (false, Some(_)) => 1,
        (false, None) => usual,
    }
}

/// Calls `each` with the numbers below `end`, or with one of each `step` numbers, from several threads.
fn in_threads(end: usize, step: usize, each: impl Fn(usize) + Sync) {
    let threads = if cfg!(miri) { 1 } else { 4 };
    std::thread::scope(|scope| {
        let each = &each;
        let run = |first| move || (first..end).step_by(step * threads).for_each(each);
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(run(first * step))).collect();
        running.into_iter().for_each(|thread| thread.join().expect("nothing panics"));
    });
}

#[test]
fn no_flipped_bit_harms_a_writer() {
    let bytes = bytes_of(&rich());
    let mut few = document("config a 'one'\n\toption x '1'\n");
    change(&mut few, Set, "one", Some("x"), Some("9"));
    let lines: String = (0..90).map(|option| format!("\toption o{option} '{option}'\n")).collect();
    let mut many = document(&format!("config a 'big'\n{lines}"));
    change(&mut many, Set, "big", Some("q"), Some("1"));
    let mut added = document("config b\n");
    change(&mut added, Add, "new", None, Some("a"));
    in_threads(bytes.len() * 8, step(31, 40_009), |bit| {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        for document in [&few, &many, &added] {
            for touched in [document.touched(), &Touched::Everything] {
                let Ok(map) = Map::new(Region::heap(&flipped, flipped.len())) else { continue };
                let _ = map.publish(document, touched, Seq(4));
                // Whatever was written, reading must not fail.
                read_some(&map);
            }
        }
    });
}

fn read_some(map: &Map) {
    let package = MapPackage::of(map, None);
    let options = |section: MapSection<'_>| section.options().take(100).count();
    assert!(package.sections().take(10).map(options).sum::<usize>() < 10_000);
}

/// Returns where each block of a map starts.
fn block_starts(map: &Map) -> Vec<usize> {
    let tail = At(word(map, W_TAIL)).offset();
    let mut starts = vec![HEADER];
    while let Some(start) = starts.last().copied().filter(|start| *start < tail) {
        let block = Block::at(&map.region, At::of(start).expect("near")).expect("a block");
        starts.push(start + block.bytes.len());
    }
    starts
}

/// Compacting allocated as many bytes as the header said were in use, and the process was aborted when memory ran
/// out.
#[test]
fn no_more_is_in_use_than_there_is_whatever_the_header_says() {
    let map = rich();
    for word in [W_TAIL, W_DEAD] {
        map.region.store(word, u32::MAX, Ordering::Relaxed);
        let usage = map.usage();
        assert!(usage.live.max(usage.dead) <= usage.capacity, "{usage:?}");
    }
}

#[test]
fn no_truncation_harms_a_reader() {
    let good = rich();
    let bytes = bytes_of(&good);
    let mut lengths: Vec<usize> = (0..bytes.len()).step_by(64).collect();
    lengths.extend(block_starts(&good));
    for len in lengths.into_iter().step_by(step(1, 151)) {
        // A file that is shorter than its header says is refused; missing bytes that were replaced by zeros are
        // detected.
        assert!(Map::new(Region::heap(&bytes[..len], len)).is_err());
        let Ok(map) = Map::new(Region::heap(&bytes[..len], bytes.len())) else { continue };
        read_all(&map);
        // Zeros at the end of the last block may be part of it, so cutting them does no harm.
        assert!(map.check().is_err() || bytes[len..].iter().all(|byte| *byte == 0), "cut at {len}");
    }
}

#[test]
fn other_versions_other_machines_and_other_files_are_refused() {
    let bytes = bytes_of(&rich());
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        let len = bytes.len();
        Map::new(Region::heap(&bytes, len)).err()
    };
    assert_eq!(refused(&|b| b[8] = 9), Some(Unusable::Version(9)));
    assert!(refused(&|b| b[0] ^= 0xff).is_some());
    // A text editor has changed the line ends.
    assert!(refused(&|b| b.splice(7..8, *b"\r\n").for_each(drop)).is_some());
    for size in [2, 4, 8] {
        assert!(refused(&|b| b.chunks_exact_mut(size).for_each(<[u8]>::reverse)).is_some());
        // The same, from a program that wrote the numbers, but not the magic, in the wrong byte order.
        assert!(refused(&|b| b[8..].chunks_exact_mut(size).for_each(<[u8]>::reverse)).is_some());
    }
    assert!(refused(&|b| b.fill(0)).is_some());
    assert!(refused(&|b| b.fill(0xff)).is_some());
    assert!(refused(&|b| b.clear()).is_some());
    assert!(refused(&|b| b.extend_from_slice(&[0; 8])).is_some());
}

#[test]
fn a_slot_that_leads_to_another_place_is_found() {
    let good = rich();
    let bytes = bytes_of(&good);
    let words: Vec<u32> =
        (0..good.index.slots()).map(|slot| good.index.word(&good.region, SlotId(slot))).collect();
    let mut other: Vec<u32> = words.iter().copied().filter(|word| *word != 0).collect();
    // The starts of all blocks, old versions included.
    other.extend(block_starts(&good).into_iter().filter_map(|start| Some(At::of(start)?.0 | 1 << 31)));
    in_threads(words.len() * other.len(), step(37, 60_013), |pair| {
        let (slot, word) = (pair / other.len(), other[pair % other.len()]);
        if words[slot] == word {
            return;
        }
        let mut changed = bytes.clone();
        let at = good.index.word_of(SlotId(u32::try_from(slot).expect("few")));
        changed[at..at + 4].copy_from_slice(&word.to_le_bytes());
        let map = Map::new(Region::heap(&changed, changed.len())).expect("the header is good");
        read_all(&map);
        assert!(map.check().is_err(), "slot {slot} leads to {word:x}");
    });
}

#[test]
fn the_index_is_where_the_header_says() {
    let map = rich();
    let header = map.region.bytes(0, HEADER).expect("there");
    assert_eq!(At(u32_at(header, H_INDEX)).offset(), map.index.start);
    assert!(block_starts(&map).iter().any(|start| (start + 8).next_multiple_of(BUCKET) == map.index.start));
}
#[test]
fn a_generated_name_that_another_section_was_given_leads_to_that_one_and_both_are_shown() {
    let text =
        "config a 'cfg02b606'\n\toption x '1'\nconfig a\n\toption x '2'\n\toption y '3'\nconfig b 'c'\n";
    let mut package = document(text);
    assert!(package.sections().take(2).all(|section| section.name() == b"cfg02b606"));
    let map = roomy(&package, 1);
    assert_eq!(map.check(), Ok(()));
    let view = MapPackage::of(&map, None);
    assert_eq!(get(&map, "p.cfg02b606.x"), Some(MapValue::String(b"1")));
    assert_eq!(get(&map, "p.cfg02b606.y"), None);
    let x = |section: MapSection<'_>| section.get(b"x").map(|value| value.items().count());
    assert_eq!(view.sections().map(x).collect::<Vec<_>>(), [Some(1), Some(1), None]);
    let second = view.section_of_type(b"a", 1).expect("there");
    assert_eq!(second.get(b"x"), Some(MapValue::String(b"2")));
    assert!(second.is_anonymous() && second.options().count() == 2);
    // The first may change; if the other changes, the map is rebuilt, since names cannot distinguish the two.
    change(&mut package, Set, "cfg02b606", Some("x"), Some("4"));
    assert_eq!(apply(&map, &package, 2), PublishOutcome::Done);
    assert_eq!((get(&map, "p.cfg02b606.x"), map.check()), (Some(MapValue::String(b"4")), Ok(())));
    change(&mut package, Delete, "c", None, None);
    assert_eq!(apply(&map, &package, 3), PublishOutcome::Full);
    change(&mut package, Delete, "cfg02b606", None, None);
    assert_eq!(apply(&map, &package, 3), PublishOutcome::Full);
    assert_eq!(map_of(&package).check(), Ok(()));
}
