//! Prints tables for people and JSON objects for programs.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::Result;
use crate::contender::Spread;

/// The unit of a figure, which also says whether more or less is better.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Throughput of the format's own bytes, 10^6 per second; more is better.
    MegabytesPerSecond,
    /// Time per option; less is better.
    MicrosecondsPerOption,
    /// Time; less is better.
    Milliseconds,
    /// Time; less is better.
    Microseconds,
    /// Time; less is better.
    Nanoseconds,
    /// Throughput, 10^6 per second; more is better.
    MillionsPerSecond,
    /// Throughput; more is better.
    PerSecond,
    /// Executed instructions; less is better.
    Instructions,
    /// Memory; less is better.
    Kibibytes,
    /// Size; less is better.
    Bytes,
    /// A figure divided by another; less is better.
    Times,
    /// How many there are; no figure is better than another.
    Count,
}

impl Unit {
    /// The unit in tables and rows.
    fn name(self) -> &'static str {
        match self {
            Self::MegabytesPerSecond => "MB/s",
            Self::MicrosecondsPerOption => "us/option",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
            Self::MillionsPerSecond => "M/s",
            Self::PerSecond => "/s",
            Self::Instructions => "instr",
            Self::Kibibytes => "KiB",
            Self::Bytes => "bytes",
            Self::Times => "x",
            Self::Count => "",
        }
    }

    /// Returns a number that is smaller for a better figure.
    fn cost(self, value: f64) -> f64 {
        if self == Self::Count {
            1.0
        } else if matches!(self, Self::MegabytesPerSecond | Self::MillionsPerSecond | Self::PerSecond) {
            1.0 / value
        } else {
            value
        }
    }
}

/// The figures of one implementation in one case.
pub struct Figure {
    /// The implementation.
    pub name: String,
    /// The figure to compare: a median, or the only measurement.
    pub value: f64,
    /// The best and the 90 % worst repetition, and their number.
    spread: Option<(f64, f64, usize)>,
    /// Ratios to others, by name.
    beside: Vec<(String, Spread)>,
}

/// The goal for a figure.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Bound {
    /// Reports whether a figure meets the goal, with the sign of the bound.
    fn judge(self, value: f64) -> (bool, &'static str, f64) {
        match self {
            Self::AtMost(bound) => (value <= bound, "<=", bound),
            Self::AtLeast(bound) => (value >= bound, ">=", bound),
        }
    }
}

impl Figure {
    /// Makes a figure of a single measurement.
    pub fn exact(name: &str, value: f64) -> Self {
        Self { name: name.to_owned(), value, spread: None, beside: Vec::new() }
    }

    /// Makes a figure of repeated times; `scale` turns seconds into the unit.
    pub fn of(name: &str, spread: &Spread, scale: impl Fn(f64) -> f64) -> Self {
        let range = (scale(spread.min), scale(spread.p90), spread.count);
        Self { name: name.to_owned(), value: scale(spread.median), spread: Some(range), beside: Vec::new() }
    }

    /// Adds ratios, computed for each round.
    pub fn beside(mut self, ratios: impl IntoIterator<Item = (String, Spread)>) -> Self {
        self.beside.extend(ratios);
        self
    }

    /// Returns the ratios as an object.
    fn ratios(&self) -> serde_json::Value {
        let entry = |(name, ratio): &(String, Spread)| {
            let (min, median, p90) = (rounded(ratio.min), rounded(ratio.median), rounded(ratio.p90));
            (name.clone(), serde_json::json!({ "min": min, "median": median, "p90": p90 }))
        };
        serde_json::Value::Object(self.beside.iter().map(entry).collect())
    }
}

/// Prints rows and writes them to a file.
pub struct Report {
    /// Where rows go.
    file: BufWriter<File>,
    /// The group of the rows to come.
    group: String,
}

impl Report {
    /// Opens the file of rows, replacing the last run's.
    pub fn create(path: &Path) -> Result<Self> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { file: BufWriter::new(file), group: String::new() })
    }

    /// Starts a group of cases.
    pub fn begin(&mut self, group: &str) {
        group.clone_into(&mut self.group);
        println!(
            "\n{group:<66} {:>11} {:>11} {:>11} {:9} {:>8} {:>4}",
            "median", "best", "p90", "unit", "ratio", "reps"
        );
    }

    /// Reports one case: a row for each implementation, in the order given.
    pub fn case(&mut self, case: &str, unit: Unit, figures: &[Figure]) -> Result<()> {
        let best = figures.iter().map(|figure| unit.cost(figure.value)).fold(f64::INFINITY, f64::min);
        for figure in figures {
            let cost = unit.cost(figure.value);
            // The best figure may be 0.
            let ratio = if cost > best { cost / best } else { 1.0 };
            print_row(case, unit, figure, ratio);
            let mut row = serde_json::json!({
                "group": self.group, "case": case, "impl": figure.name,
                "value": rounded(figure.value), "unit": unit.name(), "ratio_to_best": rounded(ratio),
            });
            if !figure.beside.is_empty() {
                row["ratios"] = figure.ratios();
            }
            writeln!(self.file, "{row}")?;
        }
        self.file.flush()?;
        Ok(())
    }

    /// Prints whether a figure meets its goal; the run does not fail if it does not.
    pub fn goal(&mut self, goal: &str, value: f64, bound: Bound) -> Result<()> {
        let (is_met, sign, limit) = bound.judge(value);
        let verdict = if is_met { "met" } else { "MISSED" };
        println!("  goal: {goal:<76} {:>9} {sign} {limit} {verdict}", shown(value));
        let row = serde_json::json!({
            "group": self.group, "goal": goal, "value": rounded(value), "sign": sign, "limit": limit, "met": is_met,
        });
        writeln!(self.file, "{row}")?;
        Ok(self.file.flush()?)
    }

    /// Prints a message about a case that was left out.
    pub fn note(&self, text: &str) {
        println!("  ({text})");
    }
}

/// Prints one line of a table.
fn print_row(case: &str, unit: Unit, figure: &Figure, ratio: f64) {
    let (best, p90, count) = match figure.spread {
        Some((best, p90, count)) => (shown(best), shown(p90), count.to_string()),
        None => <_>::default(),
    };
    let beside = |(name, ratio): &(String, Spread)| format!("  {name} {:.2}", ratio.median);
    println!(
        "  {case:<42} {:<21} {:>11} {best:>11} {p90:>11} {:9} {ratio:>8.2} {count:>4}{}",
        figure.name,
        shown(figure.value),
        unit.name(),
        figure.beside.iter().map(beside).collect::<String>()
    );
}

/// Formats a figure with about four significant digits.
fn shown(value: f64) -> String {
    match value {
        value if value >= 1000.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.3}"),
    }
}

/// Cuts digits that are below the precision of the measurement.
fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_the_documented_fields_and_the_best_has_ratio_one() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut report = Report::create(file.path()).expect("a report");
        report.begin("parse");
        let figures = [Figure::exact("a", 200.0), Figure::exact("b", 400.0)];
        report.case("rate", Unit::MegabytesPerSecond, &figures).expect("written");
        report.case("time", Unit::Milliseconds, &figures).expect("written");
        let text = std::fs::read_to_string(file.path()).expect("text");
        let rows: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let row = serde_json::json!({
            "group": "parse", "case": "rate", "impl": "a", "value": 200.0, "unit": "MB/s", "ratio_to_best": 2.0,
        });
        assert_eq!(rows[0], row);
        let ratios: Vec<f64> = rows.iter().filter_map(|row| row["ratio_to_best"].as_f64()).collect();
        assert_eq!(ratios, [2.0, 1.0, 1.0, 2.0]);
    }
}
