//! Prints data on standard output and messages on standard error.

use std::io::{self, IsTerminal, Write};

use serde_json::{Map, Value as Json, json};

use crate::context::Context;
use crate::failure::{Exit, Failure, print_error};
use crate::language::message;
use crate::log_file;
use crate::near;
use crate::pager::{self, Out};

impl Context {
    /// Has the output of this command go through a pager, if it goes to a terminal. JSON is for programs.
    pub fn page(&mut self) {
        let is_for_people = !self.json && !self.global.no_pager && io::stdout().is_terminal();
        if !is_for_people || matches!(self.out.get_ref(), Out::Pager(_)) || self.out.flush().is_err() {
            return;
        }
        if let Some(pager) = pager::start() {
            self.out = io::BufWriter::with_capacity(1 << 16, Out::Pager(pager));
        }
    }

    /// Writes to standard output.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.out.write_all(bytes)?)
    }

    /// Writes a line to standard output.
    pub fn print_line(&mut self, line: &str) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{line}")?)
    }

    /// Writes a line that need not be UTF-8 to standard output.
    pub fn put_line(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.put(line)?;
        self.put(b"\n")
    }

    /// Writes a JSON value and a newline to standard output.
    pub fn put_json(&mut self, value: &Json) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{value}")?)
    }

    /// Writes rows as a JSON array, or one a line.
    pub fn put_rows(&mut self, rows: Vec<Json>) -> Result<(), Failure> {
        if self.json_lines {
            return rows.iter().try_for_each(|row| self.put_json(row));
        }
        self.put_json(&Json::Array(rows))
    }

    /// Writes keys and values as a JSON object, or one `{"key": ..., "value": ...}` a line.
    pub fn put_map(&mut self, map: Map<String, Json>) -> Result<(), Failure> {
        if self.json_lines {
            let row = |(key, value)| json!({"key": key, "value": value});
            return map.into_iter().map(row).try_for_each(|row| self.put_json(&row));
        }
        self.put_json(&Json::Object(map))
    }

    /// Writes a message to standard error, unless `--quiet` is given.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            print_error(&format!("cms: {}", cms::shown::lines(message(text).as_bytes())));
        }
    }

    /// Reports whether [`Self::verbose`] writes anything.
    pub fn is_verbose(&self) -> bool {
        self.verbose || log_file::is_open()
    }

    /// Writes a message about what was read or done: to standard error if `--verbose` is given, and to the log file if
    /// there is one.
    pub fn verbose(&self, text: &str) {
        let line = || format!("cms: {}", cms::shown::lines(message(text).as_bytes()));
        if self.verbose {
            print_error(&line());
        } else if log_file::is_open() {
            log_file::append(&line());
        }
    }

    /// Prints a failure and goes on. The command ends with the exit code of the failure later.
    pub fn report(&mut self, failure: &Failure) -> Result<(), Failure> {
        if matches!(failure, Failure::BrokenPipe) {
            return Err(Failure::BrokenPipe);
        }
        self.out.flush()?;
        let near = near::suggestion(self, failure);
        failure.print_hinted(self.json, self.color, near.as_deref());
        if matches!(self.worst, Exit::Ok | Exit::NotFound) {
            self.worst = failure.exit();
        }
        Ok(())
    }
}
