//! The loops of `c/harness.c`.

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::AtomicU32;

use super::library::SnapshotGetMany;
use super::{GetFunction, Reads, Shared, Snapshot};
use crate::Result;

/// Pointers to keys, one after the other.
type List = *const *const c_char;

unsafe extern "C" {
    fn bench_latency(get: GetFunction, context: *mut c_void, keys: List, count: usize) -> f64;
    fn bench_missing_latency(get: GetFunction, context: *mut c_void, keys: List, count: usize) -> f64;
    fn bench_throughput(
        get: GetFunction,
        context: *mut c_void,
        keys: List,
        count: usize,
        misses: c_int,
    ) -> f64;
    fn bench_batches(many: SnapshotGetMany, snapshot: *const c_void, keys: List, count: usize) -> f64;
    fn bench_read_until(
        stop: *const AtomicU32,
        get: GetFunction,
        context: *mut c_void,
        keys: List,
        count: usize,
        first: usize,
    ) -> u64;
    fn bench_spin_until(stop: *const AtomicU32) -> u64;
    pub(super) fn bench_snapshot_get(
        context: *mut c_void,
        key: *const c_char,
        scratch: *mut c_char,
    ) -> *const c_char;
    pub(super) fn bench_store_get(
        context: *mut c_void,
        key: *const c_char,
        scratch: *mut c_char,
    ) -> *const c_char;
    pub(super) fn bench_key_get(
        context: *mut c_void,
        key: *const c_char,
        scratch: *mut c_char,
    ) -> *const c_char;
    pub(super) fn bench_no_get(
        context: *mut c_void,
        key: *const c_char,
        scratch: *mut c_char,
    ) -> *const c_char;
}

/// The way in which keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every read waits for the value before.
    Latency,
    /// Reads are independent, and the processor overlaps them.
    Throughput,
    /// The same with missing keys.
    Misses,
    /// Keys that are not there, and every read waits for the answer before.
    MissLatency,
}

/// Times one read after the other: nanoseconds per read.
pub fn time(mode: Mode, reads: Reads<'_>) -> Result<f64> {
    let (get, context) = (reads.get.function, reads.get.context);
    let (keys, count) = (reads.keys.as_ptr(), reads.keys.len());
    answered(match mode {
        // SAFETY: F2 and F3.
        Mode::Latency => unsafe { bench_latency(get, context, keys, count) },
        // SAFETY: F2 and F3.
        Mode::Throughput => unsafe { bench_throughput(get, context, keys, count, 0) },
        // SAFETY: F2 and F3.
        Mode::Misses => unsafe { bench_throughput(get, context, keys, count, 1) },
        // SAFETY: F2 and F3.
        Mode::MissLatency => unsafe { bench_missing_latency(get, context, keys, count) },
    })
}

/// Times independent batches of 16 keys: nanoseconds per key. The contender in `reads` is not called.
pub fn batches(snapshot: &Snapshot<'_>, reads: Reads<'_>) -> Result<f64> {
    let (many, handle) = snapshot.many();
    // SAFETY: F1 and F3.
    answered(unsafe { bench_batches(many, handle, reads.keys.as_ptr(), reads.keys.len()) })
}

/// The work of a thread until it is stopped.
#[derive(Clone, Copy)]
pub enum Work<'a> {
    /// Arithmetic.
    Spin,
    /// Independent reads.
    Read(Shared<'a>),
}

/// Works until `stop` is 1; returns the number of reads. `start` is the index of the first key, modulo their number.
pub fn run_until(stop: &AtomicU32, work: Work<'_>, start: usize) -> Result<u64> {
    let stop = std::ptr::from_ref(stop);
    let done = match work {
        // SAFETY: `stop` is borrowed for the call.
        Work::Spin => unsafe { bench_spin_until(stop) },
        Work::Read(Shared(Reads { get, keys })) => {
            let (first, count) = (start % keys.len(), keys.len());
            // SAFETY: F2 and F3; `stop` is borrowed for the call.
            unsafe { bench_read_until(stop, get.function, get.context, keys.as_ptr(), count, first) }
        }
    };
    if done == 0 { Err("a key was not found".into()) } else { Ok(done) }
}

/// Turns the loops' -1 into an error.
fn answered(time: f64) -> Result<f64> {
    if time < 0.0 { Err("a key was found, or not, against expectation".into()) } else { Ok(time) }
}
