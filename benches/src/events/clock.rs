//! The system's clock, the same in all processes.

use rustix::time::{ClockId, clock_gettime};

/// Returns nanoseconds since an arbitrary moment.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Returns the microseconds from one moment to another; 0 if the second was earlier.
pub fn microseconds(from: u64, to: u64) -> f64 {
    std::time::Duration::from_nanos(to.saturating_sub(from)).as_secs_f64() * 1e6
}
