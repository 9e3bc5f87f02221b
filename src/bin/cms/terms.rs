//! The terms of a commit: how long it waits to be confirmed, and the commands that go with it.

use std::time::Duration;

use cms::clock::parse_span;

use crate::failure::Failure;

/// See the module documentation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// The time to confirm the commit.
    pub time: Option<Duration>,
    /// The command to run after it.
    pub then: Option<Vec<u8>>,
    /// The command that the guard runs after a rollback.
    pub on_rollback: Option<Vec<u8>>,
}

impl Terms {
    /// Checks that the terms fit together.
    pub fn check(&self) -> Result<(), Failure> {
        if self.on_rollback.is_some() && self.time.is_none() {
            return Err(Failure::Usage(
                "--on-rollback needs --confirm TIME: the guard of that commit runs the command".into(),
            ));
        }
        Ok(())
    }

    /// Reports whether it is a plain commit.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads the time of `--confirm`.
pub fn time_to_confirm(text: &str) -> Result<Duration, Failure> {
    match parse_span(text) {
        Some(Duration::ZERO) => {
            Err(Failure::Usage("--confirm 0: there has to be time to confirm, for example 5min".into()))
        }
        Some(time) => Ok(time),
        None => Err(Failure::Usage(format!(
            "'{text}' is not a time: expected a number and s, min, h or days, for example 5min"
        ))),
    }
}
