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
        let mut results: Vec<_> = entrants.iter().map(|(name, _)| (*name, Vec::new())).collect();
        for round in 0..=rounds {
            for ((name, measure), (_, figures)) in entrants.iter().zip(&mut results) {
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

    /// Returns the figures for the report, each with the ratio of `own` to it.
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
}
