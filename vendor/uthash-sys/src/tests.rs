//! The map as its users see it, and beside a plain model.

use std::collections::HashMap;

use proptest::prelude::*;

use crate::{Error, MAX_KEY, OrderedMap, ffi};

/// A vector that keeps the order, beside a map that finds.
#[derive(Default)]
struct Model {
    order: Vec<Vec<u8>>,
    values: HashMap<Vec<u8>, u32>,
}

impl Model {
    fn insert(&mut self, key: &[u8], value: u32) -> Option<u32> {
        let old = self.values.get(key).copied();
        if old.is_none() {
            self.order.push(key.to_vec());
            self.values.insert(key.to_vec(), value);
        }
        old
    }

    fn remove(&mut self, key: &[u8]) -> Option<u32> {
        self.order.retain(|other| other != key);
        self.values.remove(key)
    }

    fn check(&self, map: &OrderedMap) {
        assert_eq!(map.len(), self.order.len());
        assert!(map.iter().eq(self.order.iter().map(|key| (key.as_slice(), self.values[key]))));
        for (key, value) in &self.values {
            assert_eq!(map.get(key), Some(*value));
        }
    }
}

/// Keys of all kinds: short ones that meet again, long ones of every size class in reach, and none.
fn key(number: u32) -> Vec<u8> {
    let name = format!("host{}", number / 4).into_bytes();
    match number % 4 {
        0 => name,
        1 => name.repeat((number % 61) as usize),
        2 => number.to_le_bytes()[..(number % 5) as usize].to_vec(),
        _ => vec![0; number as usize],
    }
}

/// Fills a map up to `count` keys, or until it takes no more.
fn fill(map: &mut OrderedMap, model: &mut Model, count: u32) -> Result<(), Error> {
    for number in 0..count {
        let key = key(number);
        let old = map.insert(&key, number)?;
        assert_eq!(old, model.insert(&key, number));
    }
    Ok(())
}

#[test]
fn the_first_value_of_a_key_stays() {
    let mut map = OrderedMap::new();
    assert_eq!(map.insert(b"", 1), Ok(None));
    assert_eq!(map.insert(b"a\0b", u32::MAX), Ok(None));
    assert_eq!(map.insert(b"", 2), Ok(Some(1)));
    assert_eq!(map.insert(b"a\0b", 2), Ok(Some(u32::MAX)));
    assert_eq!(
        (map.get(b""), map.get(b"a\0b"), map.get(b"a"), map.len()),
        (Some(1), Some(u32::MAX), None, 2)
    );
}

#[test]
fn an_empty_map_needs_no_memory_and_answers_everything() {
    let mut map = OrderedMap::with_limit(0);
    assert_eq!((map.len(), map.memory(), map.get(b"a"), map.remove(b"a")), (0, 0, None, None));
    map.clear();
    assert!(map.is_empty() && map.iter().next().is_none() && map.clone().is_empty());
    assert_eq!(map.insert(b"a", 1), Err(Error::OutOfMemory));
    assert_eq!(map.reserve(1), Err(Error::OutOfMemory));
}

#[test]
fn a_key_that_comes_back_comes_last() {
    let mut map = OrderedMap::new();
    for (key, value) in [(b"a", 1), (b"b", 2), (b"c", 3)] {
        assert_eq!(map.insert(key, value), Ok(None));
    }
    assert_eq!(map.remove(b"a"), Some(1));
    assert_eq!(map.remove(b"a"), None);
    assert_eq!(map.insert(b"a", 4), Ok(None));
    assert_eq!(format!("{map:?}"), r#"{"b": 2, "c": 3, "a": 4}"#);
    assert_eq!(format!("{:?}", map.iter()), r#"[("b", 2), ("c", 3), ("a", 4)]"#);
}

#[test]
fn removed_keys_make_room_for_keys_of_their_size() {
    let (mut map, mut model) = (OrderedMap::new(), Model::default());
    assert_eq!(fill(&mut map, &mut model, 1000), Ok(()));
    let memory = map.memory();
    for round in 0..4 {
        for number in (0..1000).filter(|number| number % 7 != round % 7) {
            assert_eq!(map.remove(&key(number)), model.remove(&key(number)));
        }
        assert_eq!(fill(&mut map, &mut model, 1000), Ok(()));
        model.check(&map);
    }
    assert_eq!(map.memory(), memory);
    map.clear();
    assert!(map.is_empty() && map.memory() < 1000);
}

#[test]
fn a_clone_goes_its_own_way() {
    let (mut map, mut model) = (OrderedMap::new(), Model::default());
    assert_eq!(fill(&mut map, &mut model, 3000), Ok(()));
    let copy = map.clone();
    for number in 0..2000 {
        map.remove(&key(number));
    }
    model.check(&copy);
    drop(map);
    model.check(&copy);
}

#[test]
fn running_out_of_memory_at_any_point_changes_nothing() {
    for limit in (0..60_000).step_by(499).chain((60_000..700_000).step_by(20_011)) {
        let (mut map, mut model) = (OrderedMap::with_limit(limit), Model::default());
        let filled = fill(&mut map, &mut model, 800);
        assert!(matches!(filled, Ok(()) | Err(Error::OutOfMemory)));
        assert!(map.memory() <= limit);
        model.check(&map);
        if let Ok(copy) = map.try_clone() {
            model.check(&copy);
        }
        let _ = map.reserve(4000);
        model.check(&map);
        let Some(first) = model.order.first().cloned() else { continue };
        assert_eq!(map.remove(&first), model.remove(&first));
        assert_eq!(map.insert(&first, 1), Ok(model.insert(&first, 1)), "its own room is free again");
        model.check(&map);
    }
}

#[test]
fn keys_that_all_share_a_bucket_are_kept_apart_with_and_without_memory_for_more_buckets() {
    let shared = |key: &[u8; 4]| {
        // SAFETY: the function reads the four bytes.
        let hash = unsafe { ffi::cms_hash_of(key.as_ptr(), 4) };
        hash % 4096 == 0
    };
    let keys: Vec<_> = (0..u32::MAX).map(u32::to_le_bytes).filter(shared).take(60).collect();
    let mut refused = 0;
    for limit in (2000..12_000).step_by(99) {
        let (mut map, mut model) = (OrderedMap::with_limit(limit), Model::default());
        for key in &keys {
            match map.insert(key, 7) {
                Ok(old) => assert_eq!(old, model.insert(key, 7)),
                Err(error) => {
                    assert_eq!(error, Error::OutOfMemory);
                    refused += 1;
                }
            }
            model.check(&map);
        }
        for key in keys.iter().step_by(2) {
            assert_eq!(map.remove(key), model.remove(key));
        }
        model.check(&map);
    }
    assert!(refused > 0);
}

#[test]
fn reserved_room_is_used() {
    let (mut map, mut model) = (OrderedMap::new(), Model::default());
    assert_eq!(map.reserve(100_000), Ok(()));
    assert_eq!(fill(&mut map, &mut model, 300), Ok(()));
    assert!(map.memory() > 16 * 100_000);
    assert_eq!(map.reserve(200_000), Ok(()));
    model.check(&map);
    assert!(map.memory() > 16 * 200_000);
}

#[test]
fn many_keys_are_found() {
    let mut map = OrderedMap::new();
    let name = |number: u32| format!("host{number}").into_bytes();
    for number in 0..20_000 {
        assert_eq!(map.insert(&name(number), number), Ok(None));
    }
    assert!((0..20_000).all(|number| map.get(&name(number)) == Some(number)));
    assert!(map.iter().map(|(_, value)| value).eq(0..20_000));
    assert_eq!(map.get(b"host20000"), None);
}

#[test]
fn threads_can_look_things_up_together() {
    let (mut map, mut model) = (OrderedMap::new(), Model::default());
    assert_eq!(fill(&mut map, &mut model, 500), Ok(()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| model.check(&map));
        }
    });
    assert_eq!(std::thread::spawn(move || map.len()).join().ok(), Some(model.order.len()));
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_key_of_two_gibibytes_is_refused() {
    // Zeros that are never written take no memory, and a key too long is not looked at.
    let long = vec![0; MAX_KEY + 1];
    let mut map = OrderedMap::new();
    assert_eq!(map.insert(&long, 1), Err(Error::TooLarge));
    assert_eq!((map.get(&long), map.remove(&long), map.len()), (None, None, 0));
}

/// A step of a random sequence.
#[derive(Debug, Clone)]
enum Step {
    Insert(Vec<u8>, u32),
    Remove(Vec<u8>),
    Reserve(usize),
    Clone,
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few bytes and lengths, so that keys meet again.
    let key = || prop_oneof![prop::collection::vec(0..3_u8, 0..4), (0..400_u32).prop_map(key)];
    let step = prop_oneof![
        20 => (key(), any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
        10 => key().prop_map(Step::Remove),
        1 => (0..2000_usize).prop_map(Step::Reserve),
        1 => Just(Step::Clone),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn any_sequence_of_changes_does_what_the_model_does(steps in steps()) {
        let (mut map, mut model) = (OrderedMap::new(), Model::default());
        for step in steps {
            match step {
                Step::Insert(key, value) => {
                    prop_assert_eq!(map.insert(&key, value), Ok(model.insert(&key, value)));
                }
                Step::Remove(key) => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                Step::Reserve(more) => prop_assert_eq!(map.reserve(more), Ok(())),
                Step::Clone => map = map.clone(),
                Step::Clear => {
                    map.clear();
                    model = Model::default();
                }
            }
        }
        model.check(&map);
    }
}
