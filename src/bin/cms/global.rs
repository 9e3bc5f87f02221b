//! The values of the options that every command takes.

use std::path::PathBuf;
use std::time::Duration;

/// The values that were given; [`crate::spec::GLOBAL`] says what each option means.
#[derive(Clone, Default)]
pub struct Global {
    pub config_dir: Option<PathBuf>,
    pub save_dir: Option<PathBuf>,
    pub run_dir: Option<PathBuf>,
    pub state_dir: Option<PathBuf>,
    pub message: Option<String>,
    pub source: Option<String>,
    pub lock_timeout: Option<Duration>,
    pub verify_timeout: Option<Duration>,
    pub json: bool,
    pub json_lines: bool,
    pub dry_run: bool,
    pub quiet: bool,
    pub verbose: bool,
    pub log_file: Option<PathBuf>,
    pub color: Option<String>,
    pub no_pager: bool,
    pub reveal: bool,
    pub version: bool,
    pub help: bool,
}

impl Global {
    /// Reports whether output and errors are JSON.
    pub fn wants_json(&self) -> bool {
        self.json || self.json_lines
    }
}
