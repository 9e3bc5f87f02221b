//! The environment of all groups: the temporary directory, the binaries, and the amount of work.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::dataset::Dataset;
use crate::rivals::Rivals;

/// See the module documentation. Dropping it removes the directory.
pub struct Environment {
    /// The temporary directory for all files.
    dir: tempfile::TempDir,
    /// Only a smoke run.
    pub quick: bool,
    /// Whether stock uci runs on the largest file.
    pub slow: bool,
    /// Programs to compare with.
    pub rivals: Rivals,
    /// The binaries of cms, with their names in tables.
    pub cms: Vec<(&'static str, PathBuf)>,
}

impl Environment {
    /// Makes the directory and compiles the rivals into it.
    pub fn set(quick: bool) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("cms-bench-").tempdir()?;
        let rivals = Rivals::gather(dir.path())?;
        let mut cms = Vec::new();
        for (name, variable) in [("cms", "CMS_BIN"), ("cms small", "CMS_BIN_SMALL")] {
            if let Some(path) = std::env::var_os(variable) {
                let path = std::path::absolute(path)?;
                if !path.is_file() {
                    return Err(format!("{variable}: no such file: {}", path.display()).into());
                }
                cms.push((name, path));
            }
        }
        let slow = std::env::var_os("CMS_BENCH_SLOW").is_some_and(|value| value == "1");
        Ok(Self { dir, quick, slow, rivals, cms })
    }

    /// The temporary directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// How often a case is repeated: `count` times, or three in a smoke run.
    pub fn repetitions(&self, count: usize) -> usize {
        if self.quick { 3 } else { count }
    }

    /// The large data set of the read path.
    pub fn large(&self) -> Dataset {
        Dataset::Large { entries: if self.quick { 100_000 } else { 1_000_000 }, per_section: 10 }
    }

    /// How many reads a repetition takes: `count`, or fewer in a smoke run.
    pub fn reads(&self, count: usize) -> usize {
        if self.quick { 1 << 16 } else { count }
    }

    /// The numbers of options measured, smallest first.
    pub fn counts(&self) -> &'static [usize] {
        if self.quick { &[10_000, 100_000] } else { &[10_000, 100_000, 1_000_000] }
    }

    /// Reports whether stock uci, which takes quadratic time, can read `count` options in reasonable time.
    pub fn stock_can_read(&self, count: usize) -> bool {
        count <= 100_000 || self.slow
    }
}

/// Formats a number of options for people.
pub fn human(count: usize) -> String {
    match count {
        count if count % 1_000_000 == 0 => format!("{}M", count / 1_000_000),
        count if count % 1000 == 0 => format!("{}k", count / 1000),
        count => count.to_string(),
    }
}
