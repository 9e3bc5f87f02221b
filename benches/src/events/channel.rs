//! A channel: a sender, its listeners, and the times measured so far.

use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cms::Store;
use rustix::thread::futex;

use super::clock::{microseconds, now};
use super::listener::Process;
use super::redis::Publisher;
use crate::Result;
use crate::contender::Spread;
use crate::ffi::SharedWords;
use crate::report::Figure;

/// The pause before each event.
const PAUSE: Duration = Duration::from_millis(3);

/// Smaller times are reported as this: the listener ran before the commit had returned.
const LEAST: f64 = 0.1;

/// The sender. Its argument is a number that differs each time.
pub type Teller = Box<dyn FnMut(usize) -> Result<()>>;

/// See the module documentation.
pub struct Channel {
    /// The name in tables.
    pub name: &'static str,
    /// Whether latencies count from the return of the sender: that is when the commit is made.
    from_return: bool,
    /// How many listen.
    count: usize,
    /// The shared words in which the listeners write their times.
    words: SharedWords,
    /// The sender, and the number of events sent.
    teller: RefCell<(Teller, usize)>,
    /// The number of events in one round.
    block: usize,
    /// All latencies, in microseconds: from the point that `from_return` sets, and from the call.
    times: RefCell<[Vec<f64>; 2]>,
    /// The listeners, which end when this is dropped.
    _listeners: Option<Process>,
    /// Other values that must live as long as the channel.
    _kept: Vec<Box<dyn std::any::Any>>,
}

impl Channel {
    /// Makes a channel whose listeners listen already.
    pub fn new(
        name: &'static str,
        count: usize,
        words: SharedWords,
        teller: Teller,
        from_return: bool,
    ) -> Self {
        // A thousand listeners give a thousand times for one event.
        let block = if count == 1 { 20 } else { 4 };
        let (teller, times) = (RefCell::new((teller, 0)), RefCell::default());
        Self { name, from_return, count, words, teller, block, times, _listeners: None, _kept: Vec::new() }
    }

    /// Keeps the process that listens.
    pub fn listened_by(mut self, process: Process) -> Self {
        self._listeners = Some(process);
        self
    }

    /// Keeps a value as long as the channel.
    pub fn keeping(mut self, kept: impl std::any::Any) -> Self {
        self._kept.push(Box::new(kept));
        self
    }

    /// Sends a block of events; returns the median latency.
    pub fn round(&self) -> Result<f64> {
        let mut times = [Vec::new(), Vec::new()];
        // Skip the first of a block: the caches hold the data of other channels.
        for index in 0..=self.block {
            let latencies = self.tell()?;
            if index > 0 {
                times.iter_mut().zip(latencies).for_each(|(all, some)| all.extend(some));
            }
        }
        self.times.borrow_mut().iter_mut().zip(&times).for_each(|(all, some)| all.extend(some));
        Ok(Spread::of(&mut times[0]).median)
    }

    /// Sends one event; returns the latencies of all listeners, from the point that `from_return` sets and from the
    /// call.
    fn tell(&self) -> Result<[Vec<f64>; 2]> {
        std::thread::sleep(PAUSE);
        let (teller, number) = &mut *self.teller.borrow_mut();
        *number += 1;
        let expected = self.words.told().load(Ordering::Acquire) + self.count as u64;
        let called = now();
        teller(*number)?;
        let returned = now();
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.words.told().load(Ordering::Acquire) < expected {
            if Instant::now() > deadline {
                return Err(format!("{}: not all were told", self.name).into());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        let from = if self.from_return { returned } else { called };
        let since = |from| {
            let time = |listener| self.words.time(listener).load(Ordering::Relaxed);
            (0..self.count).map(|listener| microseconds(from, time(listener)).max(LEAST)).collect()
        };
        Ok([since(from), since(called)])
    }

    /// Returns a percentile of all times: from the call, or from the point that `from_return` sets.
    pub fn percentile(&self, percent: usize, from_call: bool) -> Figure {
        let mut times = self.times.borrow()[usize::from(from_call)].clone();
        times.sort_by(f64::total_cmp);
        let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
        Figure::exact(self.name, times.get(at).copied().unwrap_or_default())
    }
}

/// Wakes all threads that wait for the first of the shared words.
pub fn wake(words: &SharedWords) -> Teller {
    let words = words.clone();
    Box::new(move |_| {
        words.futex().fetch_add(1, Ordering::Release);
        futex::wake(words.futex(), futex::Flags::empty(), i32::MAX.cast_unsigned())?;
        Ok(())
    })
}

/// Writes to an eventfd.
pub fn count_up(eventfd: std::os::fd::OwnedFd) -> Teller {
    Box::new(move |_| {
        rustix::io::write(&eventfd, &1_u64.to_ne_bytes())?;
        Ok(())
    })
}

/// Writes a file beside another, and renames it.
pub fn rename(place: &Path) -> Teller {
    let place = place.to_path_buf();
    Box::new(move |number| {
        let new = place.with_extension("new");
        std::fs::write(&new, format!("option mtu '{number}'\n"))?;
        Ok(std::fs::rename(new, &place)?)
    })
}

/// Publishes through Redis.
pub fn publish(mut publisher: Publisher) -> Teller {
    Box::new(move |number| publisher.publish(&format!("network.lan.mtu {number}")))
}

/// Commits one option.
pub fn commit(live: &Store) -> Teller {
    let live = live.clone();
    Box::new(move |number| {
        let mut transaction = live.begin()?;
        transaction.set(b"network.lan.mtu", number.to_string().as_bytes())?;
        transaction.commit()?;
        Ok(())
    })
}
