//! Contenders of one case, which take turns.

use std::time::{Duration, Instant};

use crate::Result;

/// One implementation in a case: `turn` does the work once and returns the measured time.
pub struct Contender<'a> {
    /// The implementation.
    pub name: String,
    /// Does the work once.
    turn: Box<dyn FnMut() -> Result<Duration> + 'a>,
}

impl<'a> Contender<'a> {
    /// Makes a contender that measures the time itself, so that preparations can be excluded.
    pub fn timed(name: &str, turn: impl FnMut() -> Result<Duration> + 'a) -> Self {
        Self { name: name.to_owned(), turn: Box::new(turn) }
    }

    /// Makes a contender of a function; dropping its result does not count.
    pub fn of<T>(name: &str, mut work: impl FnMut() -> T + 'a) -> Self {
        Self::timed(name, move || {
            let start = Instant::now();
            let result = std::hint::black_box(work());
            let time = start.elapsed();
            drop(result);
            Ok(time)
        })
    }
}

/// The distribution of repeated measurements.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The median.
    pub median: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// How many there are.
    pub count: usize,
}

impl Spread {
    /// Computes the distribution of figures; there must be at least one.
    pub fn of(times: &mut [f64]) -> Self {
        times.sort_by(f64::total_cmp);
        let last = times.len() - 1;
        Self {
            min: times[0],
            median: times[last / 2],
            p90: times[(last * 9).div_ceil(10)],
            count: times.len(),
        }
    }
}

/// Lets the contenders take turns `count` times, after one turn of each that is not counted.
pub fn race(contenders: &mut [Contender<'_>], count: usize) -> Result<Vec<Spread>> {
    let mut times = vec![Vec::with_capacity(count); contenders.len()];
    for round in 0..=count {
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            let time = (contender.turn)().map_err(|error| format!("{}: {error}", contender.name))?;
            if round > 0 {
                times.push(time.as_secs_f64());
            }
        }
    }
    Ok(times.iter_mut().map(|times| Spread::of(times)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_a_time_that_was_measured() {
        let spread = Spread::of(&mut [3.0, 1.0, 2.0, 10.0]);
        assert_eq!((spread.min, spread.median, spread.count), (1.0, 2.0, 4));
    }
}
