//! The table of found keys: which keys enter it, and what readers of other threads see.

use std::ffi::{CStr, CString};

use super::*;

/// A key of a usual length, or a long one.
fn key(number: u64, is_long: bool) -> CString {
    let section = if is_long { "guest_interface_on_the_upper_floor_" } else { "section" };
    CString::new(format!("p.{section}{number}.option_of_it")).expect("no NUL byte")
}

fn words(key: &CStr) -> Words {
    ScannedKey::of(key.into()).and_then(ScannedKey::words).expect("short")
}

/// Finds a key as programs do.
fn look_up<'t>(hot: &'t HotKeys, key: &CStr, seq: Option<Seq>) -> Hot<&'t [u8]> {
    match hot.find_first(key.into(), seq, None) {
        Hot::Absent => hot.find(key.into(), seq).map_or(Hot::Absent, Hot::Found),
        other => other,
    }
}

/// Reads keys, and enters those that are absent, with the same value. Returns how many were found.
fn reads(hot: &HotKeys, map: &Map, found: &FoundValue<'_>, keys: impl Iterator<Item = CString>) -> usize {
    let mut hits = 0;
    for key in keys {
        match look_up(hot, &key, None) {
            Hot::Found(value) => {
                assert_eq!(value, found.value);
                hits += 1;
            }
            Hot::Absent => hot.enter(&words(&key), map, found, || 1 << 20),
            Hot::Skipped => {}
        }
    }
    hits
}

#[test]
#[cfg_attr(miri, ignore = "takes too long")]
fn hot_keys_become_hot_whatever_was_read_before() {
    for is_long in [false, true] {
        let map = crate::map::tests::small();
        let found = crate::map::tests::found(&map, "p.s.x");
        let hot = HotKeys::default();
        let keys = |numbers: std::ops::RangeInclusive<u64>| numbers.map(move |number| key(number, is_long));
        assert_eq!((hot.bytes(), reads(&hot, &map, &found, keys(0..=u64::from(BEFORE)))), (0, 0));
        assert_eq!(hot.bytes(), MOST * 64 + SCORES * 64);
        let hot_keys = || (0..200_u64).map(|number| key(number * 7919, is_long));
        // One pass over many keys, and a long time of keys that are read once.
        for many in [100_000, 200_000_u64] {
            assert_eq!(reads(&hot, &map, &found, keys(many * 1000..=many * 1001)), 0);
            for _ in 0..150 {
                reads(&hot, &map, &found, hot_keys());
            }
            let hits: usize = (0..10).map(|_| reads(&hot, &map, &found, hot_keys())).sum();
            assert!(hits > 1880, "{hits} of 2000 after {many} others");
        }
        assert_eq!(hot.bytes(), MOST * if is_long { 96 } else { 64 } + SCORES * 64);
        // They stay while a few others come and go.
        let mixed = (0..20_000_u64)
            .map(|number| if number % 4 == 0 { 50_000_000 + number } else { number % 200 * 7919 });
        let hits = reads(&hot, &map, &found, mixed.map(|number| key(number, is_long)));
        assert!(hits > 14_000, "{hits} of 15000");
    }
}

#[test]
fn keys_that_differ_in_one_or_two_bytes_have_room_in_the_table() {
    let lines = Lines::of(usize::MAX);
    for len in [8, 11, 15, 16, 24, 31, 32, 33, 47, 63] {
        let place = |changes: &[(usize, u8)]| {
            let mut key = *b"network.section1.option7.abcdefghijklmnopqrstuvwxyz0123456789ABC";
            changes.iter().for_each(|(at, byte)| key[*at] = *byte);
            lines.place(&words(&CString::new(&key[..len]).expect("no NUL byte"))) / WAYS
        };
        let most = |places: &[usize]| {
            let mut counts = [0; MOST / WAYS];
            places.iter().for_each(|place| counts[*place] += 1);
            counts.into_iter().max()
        };
        for at in 0..len {
            let letters: Vec<usize> = (b'a'..=b'z').map(|letter| place(&[(at, letter)])).collect();
            assert!(most(&letters) <= Some(WAYS), "{at} of {len}: {letters:?}");
        }
        for at in 0..len - 1 {
            let digits = (0..100).map(|number| [(at, b'0' + number / 10), (at + 1, b'0' + number % 10)]);
            let digits: Vec<usize> = digits.map(|changes| place(&changes)).collect();
            assert!(most(&digits) <= Some(2 * WAYS), "{at} of {len}: {digits:?}");
        }
    }
}

/// Also where the first and the last sixteen bytes are the same: an entry alone does not tell such keys apart.
#[test]
fn no_key_is_taken_for_another_one() {
    let map = crate::map::tests::small();
    let found = crate::map::tests::found(&map, "p.s.x");
    for len in if cfg!(miri) { vec![9, 40] } else { (4..64).collect::<Vec<_>>() } {
        let hot = HotKeys::default();
        hot.table.get_or_init(|| Lines::of(usize::MAX));
        let base = b"p.guest_interface_on_the_upper_floor_left.option_of_this_section"[..len].to_vec();
        let base = CString::new(base).expect("no NUL byte");
        hot.enter(&words(&base), &map, &found, || 0);
        assert!(matches!(look_up(&hot, &base, None), Hot::Found(_)), "{base:?}");
        for at in 0..len {
            let mut other = base.as_bytes().to_vec();
            other[at] ^= 1;
            let other = CString::new(other).expect("no NUL byte");
            let other_words = words(&other);
            // Wherever the other one is looked for.
            let lines = hot.table.get().expect("made");
            for place in 0..lines.entries.len() {
                let value = match other_words.is_long() {
                    true => lines.long_value(&other_words, place, None),
                    false => lines.value(&other_words, place, None),
                };
                assert_eq!(value, None, "{other:?} is taken for {base:?}");
            }
        }
    }
}

/// A thread whose reads miss comes back to the table, and hits are counted only meanwhile.
#[test]
fn hits_are_counted_while_a_score_is_low() {
    let lines = Lines::of(1 << 20);
    let is_unsure = || lines.is_unsure.load(Ordering::Relaxed);
    let below_sure = Score::BEST - Score::SURE;
    (0..below_sure).for_each(|_| lines.note_miss());
    assert!(!is_unsure());
    lines.note_miss();
    assert!(is_unsure() && lines.score().looks(None));
    (0..Score::BEST).for_each(|_| lines.note_miss());
    assert_eq!(lines.score().value(), 0);
    let looked = |reads: u32| (0..reads).filter(|_| lines.score().looks(None)).count();
    assert_eq!([looked(LATE), looked(LATE), looked(LATE)], [256, 64, 64]);
    // The same by threads that count themselves what they skip.
    let skips = AtomicUsize::new(0);
    let looked_of = |reads: u32| {
        (0..reads)
            .filter(|_| match skips.load(Ordering::Relaxed) {
                0 => lines.score().looks(Some(&skips)),
                more => {
                    skips.store(more - 1, Ordering::Relaxed);
                    false
                }
            })
            .count()
    };
    assert_eq!([looked_of(LATE), looked_of(LATE)], [64, 64]);
    (0..Score::LEAST).for_each(|_| lines.note_hit());
    assert!(is_unsure() && looked(100) == 100);
    (0..=Score::BEST - Score::LEAST).for_each(|_| lines.note_hit());
    assert!(!is_unsure());
}

#[test]
fn its_memory_is_bounded_by_that_of_the_maps() {
    for (mapped, entries) in [(0, 4), (100, 4), (4096, 256), (15_000, 512), (20_480, 1024), (1 << 30, MOST)] {
        assert_eq!(Lines::of(mapped).entries.len(), entries, "{mapped}");
    }
}

#[test]
fn an_entry_holds_as_long_as_its_slot_and_its_map() {
    let map = crate::map::tests::small();
    let found = crate::map::tests::found(&map, "p.s.x");
    let hot = HotKeys::default();
    reads(&hot, &map, &found, (0..=u64::from(BEFORE)).map(|number| key(number, false)));
    reads(&hot, &map, &found, [key(5, false), key(5, true)].into_iter());
    let is_found = |is_long, seq| matches!(look_up(&hot, &key(5, is_long), seq), Hot::Found(_));
    for is_long in [false, true] {
        assert!(is_found(is_long, None) && is_found(is_long, Some(Seq(1))));
        assert!(!is_found(is_long, Some(Seq(0))));
    }
    map.retire(Seq(9));
    assert!(!is_found(false, None) && !is_found(true, None));
}
