//! Models of an entry of the table of found keys: a reader gets the fields of one key, or none, while another thread
//! overwrites the entry.

use loom::sync::Arc;
use loom::thread;

mod as_it_is;
mod no_fences;

/// One thread writes one key over another while a second one looks for both.
macro_rules! overwritten_while_it_is_read {
    ($model:ident) => {
        super::check(|| {
            use $model::shipped::{Entry, Place, Words};
            let key = |number: u32| Words { words: [u64::from(number); 4], len: 20 + number };
            let place = |number: u32| Place {
                map: std::ptr::without_provenance_mut(number as usize),
                slot: number,
                word: number,
                since: number,
                len: number,
            };
            let entry = Arc::new(Entry::default());
            entry.write(&key(1), &place(1));
            let writer = {
                let entry = entry.clone();
                thread::spawn(move || entry.write(&key(2), &place(2)))
            };
            for number in [1, 2] {
                let found = entry.find(&key(number));
                assert!(found.is_none_or(|found| found == place(number)), "torn: {number} has {found:?}");
            }
            writer.join().expect("done");
            assert_eq!(entry.find(&key(2)), Some(place(2)));
        })
    };
}

#[test]
fn a_reader_gets_the_fields_of_one_key() {
    overwritten_while_it_is_read!(as_it_is);
}

#[test]
#[should_panic(expected = "torn")]
fn a_reader_gets_fields_of_two_keys_if_there_are_no_fences() {
    overwritten_while_it_is_read!(no_fences);
}
