//! Rounds in which all entrants are measured one after the other. Ratios are computed within each round, since a
//! temporary load of the machine slows both sides.

use crate::Result;
use crate::contender::Spread;
use crate::report::Figure;

/// A name, and a function that makes one measurement.
pub type Entrant<'a> = (&'static str, Box<dyn Fn() -> Result<f64> + 'a>);

/// The results of the rounds.
pub struct Rounds {
    /// Names, and a figure for each round.
    results: Vec<(&'static str, Vec<f64>)>,
}

impl Rounds {
    /// Measures each entrant in turn, `rounds` times, after a round that is not counted.
    pub fn run(entrants: &[Entrant<'_>], rounds: usize) -> Result<Self> {
        Self::beginning_with(|_| 0, entrants, rounds)
    }

    /// Measures them like [`Rounds::run`], but each round begins with the next entrant, so that none is always the first.
    pub fn rotate(entrants: &[Entrant<'_>], rounds: usize) -> Result<Self> {
        Self::beginning_with(|round| round, entrants, rounds)
    }

    /// Measures them; `first` returns the index of the first entrant of a round, modulo their number.
    fn beginning_with(
        first: impl Fn(usize) -> usize,
        entrants: &[Entrant<'_>],
        rounds: usize,
    ) -> Result<Self> {
        let mut results: Vec<_> = entrants.iter().map(|(name, _)| (*name, Vec::new())).collect();
        for round in 0..=rounds {
            for turn in 0..entrants.len() {
                let number = (first(round) + turn) % entrants.len();
                let ((name, measure), (_, figures)) = (&entrants[number], &mut results[number]);
                let figure = measure().map_err(|error| format!("{name}: {error}"))?;
                if round > 0 {
                    figures.push(figure);
                }
            }
        }
        Ok(Self { results })
    }

    /// Returns the figures of an entrant, if it took part.
    fn rounds(&self, name: &str) -> Option<&[f64]> {
        self.results.iter().find(|(other, _)| *other == name).map(|(_, figures)| figures.as_slice())
    }

    /// Returns the median of an entrant.
    pub fn median(&self, name: &str) -> Option<f64> {
        self.rounds(name).map(|rounds| Spread::of(&mut rounds.to_vec()).median)
    }

    /// Returns the figure of `name` divided by that of `peer` in the same round.
    pub fn ratio(&self, name: &str, peer: &str) -> Option<Spread> {
        let ratios = self.rounds(name)?.iter().zip(self.rounds(peer)?).map(|(own, peer)| own / peer);
        Some(Spread::of(&mut ratios.collect::<Vec<_>>()))
    }

    /// Returns the figures for the report, each with its ratios to `peers`.
    pub fn figures_to(&self, peers: &[&str]) -> Vec<Figure> {
        let figure = |(name, rounds): &(&'static str, Vec<f64>)| {
            let others = peers.iter().filter(|peer| *peer != name);
            let ratios = others.filter_map(|peer| Some((format!("to {peer}"), self.ratio(name, peer)?)));
            Figure::of(name, &Spread::of(&mut rounds.clone()), |value| value).beside(ratios)
        };
        self.results.iter().map(figure).collect()
    }

    /// Figures for the report, with the ratio of `own` to each.
    pub fn figures(&self, own: &str) -> Vec<Figure> {
        let figure = |(name, rounds): &(&'static str, Vec<f64>)| {
            let ratio = self.ratio(own, name).filter(|_| *name != own);
            Figure::of(name, &Spread::of(&mut rounds.clone()), |value| value)
                .beside(ratio.map(|ratio| (format!("{own} to it"), ratio)))
        };
        self.results.iter().map(figure).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let results = vec![("a", vec![1.0, 20.0, 3.0]), ("b", vec![2.0, 40.0, 6.0])];
        let ratio = Rounds { results }.ratio("a", "b").expect("both ran");
        assert!((ratio.min - 0.5).abs() < 1e-9 && (ratio.p90 - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_and_not_that_of_the_medians() {
        let results = vec![("a", vec![1.0, 10.0, 100.0]), ("b", vec![10.0, 1.0, 100.0])];
        let rounds = Rounds { results };
        assert_eq!((rounds.median("a"), rounds.median("b")), (Some(10.0), Some(10.0)));
        // Of 0.1, 10 and 1.
        let ratio = rounds.ratio("a", "b").expect("both ran");
        assert!((ratio.median - 1.0).abs() < 1e-9 && (ratio.min - 0.1).abs() < 1e-9);
        assert!(rounds.ratio("a", "c").is_none());
    }

    #[test]
    fn each_round_begins_with_the_next_entrant_and_the_first_does_not_count() {
        let order = std::cell::RefCell::new(String::new());
        let entrant = |name: &'static str| -> Entrant<'_> {
            let note = || {
                order.borrow_mut().push_str(name);
                Ok(crate::parse::float(order.borrow().len()))
            };
            (name, Box::new(note))
        };
        let entrants = [entrant("a"), entrant("b"), entrant("c")];
        let rounds = Rounds::rotate(&entrants, 2).expect("measured");
        assert_eq!(*order.borrow(), "abcbcacab");
        assert_eq!(rounds.rounds("a"), Some([6.0, 8.0].as_slice()));
        order.borrow_mut().clear();
        Rounds::run(&entrants, 1).expect("measured");
        assert_eq!(*order.borrow(), "abcabc");
    }
}
