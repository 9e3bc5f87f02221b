//! Rows, the table they are printed in, and the file they are written to.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// One measured figure.
struct Row {
    group: &'static str,
    case: String,
    who: String,
    value: f64,
    unit: &'static str,
}

/// All rows of a run.
#[derive(Default)]
pub struct Report(Vec<Row>);

impl Report {
    pub fn add(&mut self, group: &'static str, case: &str, who: &str, value: f64, unit: &'static str) {
        println!("{group:8} {case:34} {who:28} {value:>12.3} {unit}");
        self.0.push(Row { group, case: case.into(), who: who.into(), value, unit });
    }

    /// Prints the ratios and writes one JSON object per row.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        println!("\n{:8} {:34} {:28} {:>12} {:7} ratio to best", "group", "case", "impl", "value", "unit");
        let mut file = std::fs::File::create(path)?;
        for row in &self.0 {
            // More is better for rates, less for everything else.
            let rate = row.unit.ends_with("/s");
            let rivals = self.0.iter().filter(|other| (other.group, &other.case) == (row.group, &row.case));
            let best = rivals
                .map(|other| other.value)
                .fold(row.value, |a, b| if rate { a.max(b) } else { a.min(b) });
            let ratio = if rate { best / row.value } else { row.value / best };
            println!(
                "{:8} {:34} {:28} {:>12.3} {:7} {ratio:.2}",
                row.group, row.case, row.who, row.value, row.unit
            );
            let object = serde_json::json!({
                "group": row.group, "case": row.case, "impl": row.who,
                "value": row.value, "unit": row.unit, "ratio_to_best": ratio,
            });
            writeln!(file, "{object}")?;
        }
        println!("\nrows written to {}", path.canonicalize()?.display());
        Ok(())
    }
}

/// Names the machine.
pub fn print_machine() {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    println!(
        "machine:{}, {cores} cores, Linux {}",
        model.trim_start_matches(['\t', ' ', ':']).trim(),
        kernel.trim()
    );
    println!("method: alternating runs in one session, median; ratios are what counts\n");
}

/// Runs closures in turn, `repetitions` times each, and returns the median time of each.
pub fn medians(repetitions: usize, rivals: &mut [(&str, &mut dyn FnMut())]) -> Vec<Duration> {
    let mut times = vec![Vec::new(); rivals.len()];
    for round in 0..=repetitions {
        for (index, (_, rival)) in rivals.iter_mut().enumerate() {
            let start = Instant::now();
            rival();
            // The first round warms up.
            if round > 0 {
                times[index].push(start.elapsed());
            }
        }
    }
    times.iter_mut().map(|times| median(times)).collect()
}

pub fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
