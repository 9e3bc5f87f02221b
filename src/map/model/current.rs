//! Models of `Current`: a replaced value is dropped when no thread reads it any more. It is the production code, with
//! loom's pointer and reference counts, and with crossbeam's epochs compiled for loom.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// A value whose reads and drop loom observes.
pub(super) struct Value(UnsafeCell<u32>);

// SAFETY: loom runs one thread at a time.
unsafe impl Send for Value {}
// SAFETY: as above.
unsafe impl Sync for Value {}

impl Value {
    pub(super) fn new(number: u32) -> Self {
        Self(UnsafeCell::new(number))
    }

    pub(super) fn number(&self) -> u32 {
        // SAFETY: loom reports a drop during the read, and has not freed the value: it runs one thread at a time.
        self.0.with(|number| unsafe { *number })
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        // SAFETY: as above.
        self.0.with_mut(|number| unsafe { *number = 0 });
    }
}

mod sync {
    pub(super) use super::super::unpinned::sync::{
        SLOTS, at_thread_end, barrier_of_all, barrier_of_reader, prepare_thread_end, thread_mark,
    };
    pub(super) use crossbeam_epoch as epoch;
    pub(super) use loom::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
    pub(super) use loom::sync::{Arc, Mutex};
}

#[path = "../current.rs"]
#[allow(
    dead_code,
    clippy::duplicate_mod,
    reason = "it is the same code, with other words, and without slots"
)]
mod shipped;

/// One thread replaces the value while another reads it, and then makes the epochs advance so that the old value is
/// dropped.
macro_rules! replaced_while_it_is_read {
    ($current:path, $sync:path, $read:expr) => {{
        use $current as Current;
        use $sync as sync;
        super::check(|| {
            let current = Arc::new(Current::new(sync::Arc::new(Value::new(1))));
            let writer = {
                let current = current.clone();
                thread::spawn(move || {
                    current.replace(sync::Arc::new(Value::new(2)));
                    // Two rounds of the epochs are needed.
                    (0..2).for_each(|_| sync::epoch::pin().flush());
                })
            };
            let read: fn(&Current<Value>) -> u32 = $read;
            let seen = read(&current);
            assert!([1, 2].contains(&seen), "{seen} is gone");
            writer.join().expect("done");
            assert_eq!(current.read(Value::number), 2);
        });
    }};
}

#[test]
fn a_value_stays_as_long_as_it_is_read() {
    replaced_while_it_is_read!(shipped::Current, sync, |current| current.read(Value::number));
}

#[test]
fn a_value_stays_as_long_as_it_is_kept() {
    replaced_while_it_is_read!(shipped::Current, sync, |current| current.get().number());
}

/// This test runs in another process, since crossbeam's epochs abort the process when a model fails.
#[test]
#[ignore = "fails, as it has to; the next one runs it"]
fn a_value_that_is_read_without_an_epoch() {
    use super::unpinned;
    replaced_while_it_is_read!(unpinned::shipped::Current, unpinned::sync, |current| current
        .read(Value::number));
}

#[test]
fn a_value_goes_while_it_is_read_if_the_reader_pins_no_epoch() {
    let name = "map::model::current::a_value_that_is_read_without_an_epoch";
    let test = std::env::current_exe().expect("the test itself");
    let ran = std::process::Command::new(test).args(["--ignored", "--exact", name, "--nocapture"]).output();
    let ran = ran.expect("run");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(!ran.status.success() && said.contains("Causality violation"), "{said}");
}
