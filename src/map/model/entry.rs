//! Models of an entry of the table of found keys: a reader gets the fields of one key, or none, while another thread
//! overwrites the entry.

use loom::sync::Arc;
use loom::thread;

mod as_it_is;
mod no_fences;

/// One thread writes one key over another while a second one looks for both: keys of these lengths.
macro_rules! overwritten_while_it_is_read {
    ($model:ident, $lengths:expr) => {
        super::check(|| {
            use $model::shipped::{Entry, Place, Rest, Words};
            let key = |number: u16| {
                let len = $lengths[usize::from(number) - 1];
                let middle = [if len > 32 { u64::from(number) } else { 0 }; 4];
                Words { ends: [u64::from(number); 4], middle, len }
            };
            let place = |number: u16| Place {
                map: std::ptr::without_provenance_mut(number.into()),
                value: std::ptr::without_provenance_mut(number.into()),
                slot: number.into(),
                since: number.into(),
                len: number,
            };
            let shared = Arc::new((Entry::default(), Rest::default()));
            let write = move |(entry, rest): &(Entry, Rest), number| {
                entry.write(key(number).is_long().then_some(rest), &key(number), &place(number));
            };
            let find = |(entry, rest): &(Entry, Rest), number| match key(number) {
                long if long.is_long() => entry.find_long(rest, &long),
                short => entry.find(&short),
            };
            write(&shared, 1);
            let writer = {
                let shared = shared.clone();
                thread::spawn(move || write(&shared, 2))
            };
            for number in [1, 2] {
                let found = find(&shared, number);
                assert!(found.is_none_or(|found| found == place(number)), "torn: {number} has {found:?}");
            }
            writer.join().expect("done");
            assert_eq!(find(&shared, 2), Some(place(2)));
        })
    };
}

#[test]
fn a_reader_gets_the_fields_of_one_key() {
    overwritten_while_it_is_read!(as_it_is, [21, 22]);
}

#[test]
#[should_panic(expected = "torn")]
fn a_reader_gets_fields_of_two_keys_if_there_are_no_fences() {
    overwritten_while_it_is_read!(no_fences, [21, 22]);
}

#[test]
fn a_reader_gets_the_fields_of_one_long_key() {
    overwritten_while_it_is_read!(as_it_is, [40, 40]);
}

#[test]
fn a_reader_gets_the_fields_of_a_long_key_or_of_a_short_one() {
    overwritten_while_it_is_read!(as_it_is, [20, 40]);
    overwritten_while_it_is_read!(as_it_is, [40, 20]);
}

#[test]
#[should_panic(expected = "torn")]
fn a_reader_gets_fields_of_two_long_keys_if_there_are_no_fences() {
    overwritten_while_it_is_read!(no_fences, [40, 40]);
}
