//! Colours of the output on a terminal.

use std::io::{self, IsTerminal};

use crate::failure::Failure;

/// The colour of a piece of text.
#[derive(Clone, Copy)]
pub enum Color {
    Red,
    Green,
    Yellow,
    Magenta,
    Cyan,
    Bold,
}

impl Color {
    fn code(self) -> &'static str {
        match self {
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Magenta => "35",
            Self::Cyan => "36",
            Self::Bold => "1",
        }
    }
}

/// Decides whether text is coloured: `--color`, else a terminal that can, unless `NO_COLOR` is set.
pub fn wants_color(when: Option<&str>, to: &impl IsTerminal) -> Result<bool, Failure> {
    match when {
        Some("always") => Ok(true),
        Some("never") => Ok(false),
        None | Some("auto") => {
            let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
            Ok(to.is_terminal() && !set("NO_COLOR") && !dumb)
        }
        Some(other) => Err(Failure::Usage(format!("no colour '{other}': auto, always or never"))),
    }
}

/// Decides whether errors are coloured.
pub fn colors_errors(when: Option<&str>) -> Result<bool, Failure> {
    wants_color(when, &io::stderr())
}

/// Colours output, or leaves it as it is.
#[derive(Clone, Copy)]
pub struct Paint(pub bool);

impl Paint {
    /// Returns a piece of text in a colour.
    pub fn text(self, color: Color, text: &[u8]) -> Vec<u8> {
        match self.0 && !text.is_empty() {
            true => [format!("\x1b[{}m", color.code()).as_bytes(), text, b"\x1b[0m"].concat(),
            false => text.to_vec(),
        }
    }

    /// Returns the lines of a difference, each in the colour of its sign.
    pub fn difference(self, lines: &str) -> Vec<u8> {
        if !self.0 {
            return lines.as_bytes().to_vec();
        }
        let mut out = Vec::new();
        for line in lines.split_inclusive('\n') {
            let (text, end) = line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n"));
            let color = match text.as_bytes() {
                [b'-', b'-', b'-', b' ', ..] | [b'+', b'+', b'+', b' ', ..] => Some(Color::Bold),
                [b'@', b'@', ..] => Some(Color::Cyan),
                [b'-', ..] => Some(Color::Red),
                [b'+', ..] => Some(Color::Green),
                _ => None,
            };
            out.extend(
                color.map_or_else(|| text.as_bytes().to_vec(), |color| self.text(color, text.as_bytes())),
            );
            out.extend_from_slice(end.as_bytes());
        }
        out
    }

    /// Returns a line for the change of a key, in the colour of its kind.
    pub fn change(self, line: &[u8]) -> Vec<u8> {
        match line.first() {
            Some(b'+') => self.text(Color::Green, line),
            Some(b'-') => self.text(Color::Red, line),
            Some(b'^') => self.text(Color::Cyan, line),
            _ => line.to_vec(),
        }
    }

    /// Returns a title, whose first word is the number of a transaction.
    pub fn title(self, title: &str) -> Vec<u8> {
        let (number, rest) = title.split_once(' ').unwrap_or((title, ""));
        let blank: &[u8] = if rest.is_empty() { b"" } else { b" " };
        [&self.text(Color::Yellow, number.as_bytes()), blank, rest.as_bytes()].concat()
    }
}
