//! Models of the slots of `current`: a replaced value is dropped when no slot pins it. It is the code that ships. What the
//! kernel does to all threads with `membarrier` is a fence on both sides here, where the reader has none in truth; the
//! twins without one of the two have to fail.

use loom::sync::Arc;
use loom::thread;

use super::current::Value;

mod as_it_is;
mod no_barrier_of_readers;
mod no_barrier_of_writers;
mod primitives;

/// One thread replaces the value while another one, which has its slot already, reads it.
macro_rules! replaced_while_it_is_read {
    ($model:ident) => {
        super::check(|| {
            use $model::shipped::Current;
            use $model::sync;
            let current = Arc::new(Current::new(sync::Arc::new(Value::new(1))));
            assert_eq!(current.read(Value::number), 1);
            let writer = {
                let current = current.clone();
                thread::spawn(move || current.replace(sync::Arc::new(Value::new(2))))
            };
            let seen = current.pinned().expect("it has a slot").value.number();
            assert!([1, 2].contains(&seen), "{seen} is gone");
            writer.join().expect("done");
            assert_eq!(current.read(Value::number), 2);
        })
    };
}

#[test]
fn a_value_stays_as_long_as_a_slot_pins_it() {
    replaced_while_it_is_read!(as_it_is);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_value_goes_while_it_is_read_if_readers_make_no_barrier() {
    replaced_while_it_is_read!(no_barrier_of_readers);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_value_goes_while_it_is_read_if_writers_make_no_barrier() {
    replaced_while_it_is_read!(no_barrier_of_writers);
}
