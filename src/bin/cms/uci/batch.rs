//! `batch`: commands from standard input or a file, a logical line each.

use std::io::{BufRead, Write};

use cms::text::words;

use super::Session;
use super::tuple::Failure;

impl Session {
    /// Runs the commands. Failures are reported and stop nothing; the exit code is 0 unless reading fails.
    pub(super) fn batch(&mut self) -> u8 {
        loop {
            match self.batch_line() {
                Ok(Some(line)) if line.first().is_some_and(|word| word.eq_ignore_ascii_case(b"exit")) => {
                    return 0;
                }
                Ok(Some(line)) => self.batch_command(&line),
                Ok(None) => return 0,
                Err(Failure::Parse(error)) => self.complain(&Failure::Parse(error)),
                Err(failure) => return self.failed(&failure),
            }
            let _ = self.out.flush();
        }
    }

    fn batch_command(&mut self, line: &[Vec<u8>]) {
        let Some((command, arguments)) = line.split_first() else { return };
        if arguments.len() > 2 {
            self.note("Too many arguments");
            return;
        }
        match self.command(command, arguments) {
            Ok(()) => {}
            Err(Failure::Usage) => self.note("Unknown command"),
            Err(failure) => self.complain(&failure),
        }
    }

    fn note(&self, text: &str) {
        if !self.settings.quiet {
            eprintln!("{text}");
        }
    }

    /// Reads one logical line, which has several physical lines if a quote or a backslash continues it. `None` at the
    /// end.
    fn batch_line(&mut self) -> Result<Option<Vec<Vec<u8>>>, Failure> {
        let mut text = Vec::new();
        loop {
            let read = self.input.read_until(b'\n', &mut text).map_err(|_| Failure::Io)?;
            if text.is_empty() {
                return Ok(None);
            }
            match words(&text, 4) {
                Ok(line) if line.incomplete && read > 0 => {}
                Err(error) if error.is_unterminated() && read > 0 => {}
                Ok(line) => return Ok(Some(line.words)),
                Err(error) => return Err(Failure::Parse(Box::new(error))),
            }
        }
    }
}
