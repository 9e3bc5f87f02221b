//! The formats that packages are exported and imported in, and those that values are printed in.

use crate::failure::Failure;

#[derive(Clone, Copy)]
pub enum Format {
    Uci,
    Json,
}

impl Format {
    pub fn named(name: &str) -> Result<Self, Failure> {
        match name {
            "uci" => Ok(Self::Uci),
            "json" => Ok(Self::Json),
            other => Err(Failure::Usage(format!("no format '{other}': uci or json"))),
        }
    }
}

/// How values are printed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Printed {
    #[default]
    Text,
    Json,
    /// Lines for a shell: NAME='value'.
    Sh,
}

impl Printed {
    pub fn named(name: &str) -> Result<Self, Failure> {
        match name {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "sh" => Ok(Self::Sh),
            other => Err(Failure::Usage(format!("no format '{other}': text, json or sh"))),
        }
    }
}
