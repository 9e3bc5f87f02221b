//! Writes a change as a line of a delta file, and reads such lines.
//!
//! The lines are stock uci's, so that both programs see each other's staged changes:
//! `PREFIX PACKAGE.SECTION[.OPTION][='VALUE']`, without spaces, values in single quotes.

use crate::format::uci::{Lexer, push_escaped};
use crate::model::change::{Delta, DeltaKind, split_value};
use crate::model::name;

impl DeltaKind {
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::Set => b"",
            Self::Add => b"+",
            Self::Delete => b"-",
            Self::Rename => b"@",
            Self::Reorder => b"^",
            Self::AddList => b"|",
            Self::DelList => b"~",
        }
    }

    fn from_prefix(byte: u8) -> Option<Self> {
        [Self::Add, Self::Delete, Self::Rename, Self::Reorder, Self::AddList, Self::DelList]
            .into_iter()
            .find(|kind| kind.prefix() == [byte])
    }
}

impl Delta {
    /// Appends this change as a line of a delta file, newline included.
    pub fn write_line(&self, package: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.kind.prefix());
        out.extend_from_slice(&self.key(package));
        if let Some(value) = &self.value {
            out.extend_from_slice(b"='");
            push_escaped(value, out);
            out.push(b'\'');
        }
        out.push(b'\n');
    }

    /// Reads the word of a delta line, and returns the change and its package. `None` if it is no change.
    fn from_word(word: &[u8]) -> Option<(Vec<u8>, Self)> {
        let (kind, tuple) = match word.split_first() {
            Some((first, rest)) => {
                DeltaKind::from_prefix(*first).map_or((DeltaKind::Set, word), |kind| (kind, rest))
            }
            None => return None,
        };
        let (key, value) = split_value(tuple);
        let mut parts = key.split(|byte| *byte == b'.');
        let package = parts.next().filter(|package| name::is_package(package))?;
        let section = parts.next().filter(|section| name::is_name(section))?;
        let option = parts.next();
        let well_formed = option.is_none_or(name::is_name)
            && parts.next().is_none()
            && value.is_none_or(name::is_value)
            && match kind {
                DeltaKind::Set | DeltaKind::Add => value.is_some(),
                DeltaKind::Delete => true,
                DeltaKind::Rename => value.is_some_and(name::is_name),
                DeltaKind::Reorder => value.is_some() && option.is_none(),
                DeltaKind::AddList | DeltaKind::DelList => value.is_some() && option.is_some(),
            };
        well_formed.then(|| (package.to_vec(), Self::new(kind, section, option, value)))
    }
}

/// One logical line of a delta file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeltaLine {
    /// The change and its package; `None` if the line is no change.
    pub delta: Option<(Vec<u8>, Delta)>,
    /// The bytes of its physical lines in the file.
    pub range: std::ops::Range<usize>,
}

/// Reads a delta file. A line that is not a change is kept as such; it never stops the others.
#[must_use]
pub fn read_lines(text: &[u8]) -> Vec<DeltaLine> {
    let mut lexer = Lexer::new(text);
    let mut lines = Vec::new();
    loop {
        let word = match lexer.next_line() {
            Ok(false) => return lines,
            Ok(true) => lexer.word(),
            Err(fault) => Err(fault),
        };
        let Ok(word) = word else {
            // After an open quote or a NUL byte, the rest of the file is damaged.
            lines.push(DeltaLine { delta: None, range: lexer.line().start..text.len() });
            return lines;
        };
        let bare = word.raw.len() == word.value.len();
        let alone = lexer.at_end_of_line() || (bare && lexer.peek() == Some(b';'));
        let delta = if alone { Delta::from_word(&word.value) } else { None };
        lines.push(DeltaLine { delta, range: lexer.line() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(delta: &Delta) -> String {
        let mut out = Vec::new();
        delta.write_line(b"n", &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn lines_are_written_as_stock_uci_writes_them() {
        let set = Delta::new(DeltaKind::Set, b"x", Some(b"o"), Some(b"it's"));
        assert_eq!(line(&set), "n.x.o='it'\\''s'\n");
        assert_eq!(line(&Delta::new(DeltaKind::Delete, b"x", None, None)), "-n.x\n");
        assert_eq!(line(&Delta::new(DeltaKind::Reorder, b"x", None, Some(b"2"))), "^n.x='2'\n");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let deltas = [
            Delta::new(DeltaKind::Set, b"x", Some(b"o"), Some(b"two\nlines 'quoted' \\ #")),
            Delta::new(DeltaKind::Add, b"cfg0192bd", None, Some(b"rule")),
            Delta::new(DeltaKind::Delete, b"x", Some(b"l"), Some(b"1")),
            Delta::new(DeltaKind::Rename, b"x", None, Some(b"y")),
            Delta::new(DeltaKind::AddList, b"x", Some(b"l"), Some(b"")),
            Delta::new(DeltaKind::DelList, b"x", Some(b"l"), Some(b"a;b")),
        ];
        let mut text = Vec::new();
        for delta in &deltas {
            delta.write_line(b"n", &mut text);
        }
        let read: Vec<Delta> =
            read_lines(&text).into_iter().filter_map(|line| line.delta).map(|d| d.1).collect();
        assert_eq!(read, deltas);
    }

    #[test]
    fn malformed_lines_are_set_aside() {
        let text = b"n.x.p='1' \nn.x.q='2'\r\n  n.x.r=3\nn.x.s='4'#c\n# comment\n\nn.x\n@n.x='a-b'\n";
        let read: Vec<bool> = read_lines(text).iter().map(|line| line.delta.is_some()).collect();
        assert_eq!(read, [false, false, true, true, false, false, false, false]);
    }
}
