//! For `fuzz/` only: makes maps to damage, and calls everything that reads a map. It is no part of the library's
//! interface.

use std::sync::Arc;

use super::layout::columns::Columns;
use super::layout::format::{
    At, B_CHECKSUM, H_CHECKSUM, H_FIXED, HEADER, INDEX, KIND_BITS, Seq, W_RETIRED, W_TAIL,
};
use super::layout::header::header_checksum;
use super::layout::region::Region;
use super::layout::source::Source;
use super::read::fast::Answer;
use super::read::fast_key::{FastKey, ScannedKey};
use super::read::map::Map;
use super::read::path::KeyPath;
use super::read::view::MapPackage;
use super::write::build::{Making, Slack, build};
use crate::format::uci::{ParseOptions, parse};
use crate::model::change::{Delta, DeltaKind};
use crate::model::digest::u32_at;
use crate::model::package::{Package, Touched};

/// How many items are read from an iterator that a damaged map may make very long.
const MOST: usize = 300;

fn document(text: &[u8]) -> Package {
    parse(b"p", Arc::new(text.to_vec()), &ParseOptions::default()).expect("good text").package
}

fn making() -> Making<'static> {
    Making {
        seed: 7,
        base: Seq(1),
        source: Source::fixed(),
        slack: Slack { share: 4, least: 1024 },
        columns: Columns::NONE,
    }
}

fn open(bytes: &[u8]) -> Option<Map> {
    Map::new(Region::heap(bytes, bytes.len())).ok()
}

/// Makes the map of a package `p` from several texts, one commit for each.
///
/// # Panics
///
/// If one of them has errors, or there is no room for all.
#[must_use]
pub fn made_of(texts: &[&[u8]]) -> Vec<u8> {
    let (first, later) = texts.split_first().expect("a text");
    let image = build(b"p", &document(first), &making()).expect("a map");
    let map = Map::private(&image).expect("a good one");
    for (seq, text) in (2..).zip(later) {
        map.mark(true, Seq(seq));
        let outcome = map.publish(&document(text), &Touched::Everything, Seq(seq)).expect("can be held");
        assert_eq!(outcome, super::write::publish::PublishOutcome::Done, "more room is needed");
        map.mark(false, Seq(seq));
    }
    map.check().expect("sound");
    map.region.bytes(0, map.region.len()).expect("all of it").to_vec()
}

/// Corrects the checksums of the header and of all blocks that can be reached one after the other.
pub fn seal(bytes: &mut [u8], blocks: bool) {
    if bytes.len() < HEADER {
        return;
    }
    let sum = header_checksum(bytes);
    bytes[H_CHECKSUM..H_CHECKSUM + 4].copy_from_slice(&sum.to_le_bytes());
    let tail = At(u32_at(&bytes[W_TAIL..], 0)).offset();
    let mut start = HEADER;
    while blocks && start < tail && start + H_FIXED < bytes.len() {
        let size = (u32_at(&bytes[start..], 0) >> KIND_BITS) as usize;
        let Some(block) = bytes.get_mut(start..start.saturating_add(size)).filter(|block| block.len() >= 8)
        else {
            return;
        };
        // The checksum of the index is 0.
        let is_index = u32_at(block, 0) & ((1 << KIND_BITS) - 1) == INDEX;
        let sum = if is_index { 0 } else { super::layout::block::block_checksum(block) };
        block[B_CHECKSUM..B_CHECKSUM + 4].copy_from_slice(&sum.to_le_bytes());
        start += size;
    }
}

/// Opens bytes as a map, verifies it, reads it in every way, publishes to it and rebuilds it. Any result is allowed.
/// Returns whether it was found sound.
#[must_use]
pub fn use_in_every_way(bytes: &[u8]) -> bool {
    let Some(map) = open(bytes) else { return false };
    let sound = map.check().is_ok();
    let _ = (map.source().map(|source| source.is_settled()), map.retired(), map.marks(), map.base());
    let _ = (map.is_sound(), map.is_finished());
    let usage = map.usage();
    assert!(usage.live.max(usage.dead) <= usage.capacity, "{usage:?}");
    for seq in [None, Some(Seq(0)), Some(Seq(1)), Some(Seq(2)), Some(Seq(u32::MAX))] {
        read(&map, seq);
    }
    publish(bytes, &map);
    sound
}

fn read(map: &Map, seq: Option<Seq>) {
    let package = MapPackage::of(map, seq);
    let _ = (package.name(), package.len(), package.is_empty());
    // Read all of them: the iteration must end.
    let sections = package.sections().count();
    assert!(sections <= map.region.len() / 8 * 512, "{sections} sections in {} bytes", map.region.len());
    for section in package.sections().take(MOST) {
        let section_type = section.section_type();
        let _ = section.is_anonymous();
        for (name, value) in section.options().take(MOST) {
            let _ = (value.items().count(), section.get(name).is_some());
            look_up(map, section.name(), name, seq);
        }
        let again = package.section(section.name()).map(|section| section.options().take(MOST).count());
        let _ = (again, package.sections_of_type(section_type).take(MOST).count());
    }
    for section_type in [&b"a"[..], b"b", b"none", b""] {
        for index in [0, 1, -1, -2, i64::MIN, i64::MAX] {
            let _ = package.section_of_type(section_type, index).map(|section| section.name());
        }
        let _ = package.sections_of_type(section_type).take(MOST).count();
    }
    for section in [&b"one"[..], b"big", b"cfg024b7f", b"none"] {
        for option in [&b"x"[..], b"l", b"y", b"o1", b"o65", b"long", b"none"] {
            look_up(map, section, option, seq);
            let _ = package.section(section).map(|section| section.get(option));
        }
    }
}

fn look_up(map: &Map, section: &[u8], option: &[u8], seq: Option<Seq>) {
    let key = [b"p.", section, b".", option].concat();
    let Some(path) = KeyPath::split(&key, map.seed()) else { return };
    map.prefetch_bucket(&path);
    map.prefetch_record(&path);
    let _ = map.get(&path, seq).map(|value| value.items().count());
    let _ = map.get_typed(&path, seq).map(|typed| typed.value.items().count());
    // As C reads it.
    let text = std::ffi::CString::new(key.as_slice()).ok();
    let scanned = text.as_ref().and_then(|text| ScannedKey::of(text.as_c_str().into()));
    if let Some(fast) = scanned.and_then(|key| FastKey::of(key, map.seed())) {
        map.prefetch_fast_bucket(&fast);
        map.prefetch_fast_record(&fast).into_iter().for_each(|record| map.prefetch_section(record));
        if let Answer::Found(value) = map.fast(&fast, seq) {
            let _ = value.iter().filter(|byte| **byte == 0).count();
        }
    }
    if let Some(placed) = map.place(&path) {
        let _ = (map.still(&placed), map.typed_at(&placed).map(|typed| typed.value.items().count()));
    }
}

/// Publishes to the map as a writer would. Each attempt starts with the same damaged map.
fn publish(bytes: &[u8], map: &Map) {
    let mut one = document(b"config a 'one'\n\toption x '1'\n\tlist l 'a'\n\tlist l 'b'\n");
    let mut big = document(b"config a 'big'\n\toption o1 '1'\n\toption o65 '65'\n");
    for (document, section, option) in [(&mut one, &b"one"[..], &b"x"[..]), (&mut big, b"big", b"o65")] {
        let set = Delta::new(DeltaKind::Set, section, Some(option), Some(b"new"));
        document.apply(&set, crate::format::uci::Dialect::Cms).expect("allowed");
    }
    for document in [&one, &big] {
        for touched in [document.touched(), &Touched::Everything] {
            let Some(map) = open(bytes) else { return };
            map.mark(true, Seq(9));
            let _ = map.publish(document, touched, Seq(9));
            map.mark(false, Seq(9));
            let _ = map.set_source(&Source::fixed());
            read(&map, None);
        }
    }
    if MapPackage::of(map, None).sections().count() < MOST {
        let _ = build(b"p", map, &making()).map(|image| Map::private(&image).map(|map| map.check()));
    }
    map.retire(Seq(9));
    assert!(map.region.len() <= W_RETIRED || map.is_retired());
}
