//! The formats that packages are exported and imported in.

use crate::failure::Failure;
use crate::line::Line;

pub enum Format {
    Uci,
    Json,
}

pub fn format(line: &Line) -> Result<Option<Format>, Failure> {
    match line.text("format").as_deref() {
        None => Ok(None),
        Some("uci") => Ok(Some(Format::Uci)),
        Some("json") => Ok(Some(Format::Json)),
        Some(other) => Err(Failure::Usage(format!("no format '{other}': uci or json"))),
    }
}
