//! A ticket lock: the threads of a process get the log in the order in which they asked for it.
//!
//! A mutex alone is not enough: the thread that has just released it usually gets it again, and others starve.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Turns {
    line: Mutex<Line>,
    moved: Condvar,
}

/// The tickets in order: the first has its turn, the others wait.
#[derive(Debug, Default)]
struct Line {
    last: u64,
    numbers: VecDeque<u64>,
}

/// A thread's turn; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Turn<'t> {
    turns: &'t Turns,
    number: u64,
}

impl Turns {
    fn line(&self) -> MutexGuard<'_, Line> {
        // The queue is consistent whenever the mutex is released, also by a panic.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the caller's turn, until `deadline` at the longest; `None` if it has not come by then.
    pub fn take(&self, deadline: Instant) -> Option<Turn<'_>> {
        let mut line = self.line();
        line.last += 1;
        let number = line.last;
        line.numbers.push_back(number);
        let turn = Turn { turns: self, number };
        while line.numbers.front() != Some(&number) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(line);
                return None;
            }
            line = self.moved.wait_timeout(line, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(turn)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut line = self.turns.line();
        line.numbers.retain(|number| *number != self.number);
        let is_awaited = !line.numbers.is_empty();
        drop(line);
        // Without a waiting thread the system call would be wasted.
        if is_awaited {
            self.turns.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn threads_come_in_the_order_in_which_they_asked() {
        let turns = Turns::default();
        let later = Instant::now() + Duration::from_secs(60);
        let order = Mutex::new(Vec::new());
        let first = turns.take(later).expect("the queue is empty");
        std::thread::scope(|scope| {
            for index in 0..8 {
                let (turns, order) = (&turns, &order);
                scope.spawn(move || {
                    let _turn = turns.take(later).expect("there is time");
                    order.lock().expect("no panic").push(index);
                });
                while turns.line().numbers.len() < index + 2 {
                    std::thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(order.into_inner().expect("no panic"), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn a_thread_that_times_out_leaves_the_queue() {
        let turns = Turns::default();
        let first = turns.take(Instant::now()).expect("the queue is empty");
        assert!(turns.take(Instant::now() + Duration::from_millis(5)).is_none());
        drop(first);
        assert!(turns.take(Instant::now()).is_some());
    }
}
