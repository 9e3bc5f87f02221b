//! The formats that packages are exported and imported in.

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
