//! Writes a change as a line of a delta file, and reads such lines.
//!
//! The lines are stock uci's, so that both programs see each other's staged changes:
//! `PREFIX PACKAGE.SECTION[.OPTION][='VALUE']`, without spaces, values in single quotes.
//!
//! A change that stock uci cannot have, of a TOML or JSON package, is a line of our own: `*TYPE:`, or `*TYPE/:` if the key
//! has no option, then the prefix, the key in single quotes, and the value. Stock uci does not read the delta file of such
//! a package, since it does not see the package.

use crate::format::uci::{Lexer, push_escaped};
use crate::model::change::{Delta, DeltaKind, split_value};
use crate::model::format_kind::FormatKind;
use crate::model::key_part;
use crate::model::name;
use crate::model::value_type::ValueType;

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
        self.write_value(out);
    }

    /// Appends this change of a package of a format as a line of a delta file.
    pub(crate) fn write_line_of(&self, package: &[u8], format: FormatKind, out: &mut Vec<u8>) {
        if format == FormatKind::Uci || self.is_stock() {
            return self.write_line(package, out);
        }
        out.push(b'*');
        out.extend_from_slice(self.value_type.map_or("", ValueType::name).as_bytes());
        out.extend_from_slice(if self.option.is_none() { b"/:" } else { b":" });
        out.extend_from_slice(self.kind.prefix());
        out.push(b'\'');
        push_escaped(&self.key(package), out);
        out.push(b'\'');
        self.write_value(out);
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        if let Some(value) = &self.value {
            out.extend_from_slice(b"='");
            push_escaped(value, out);
            out.push(b'\'');
        }
        out.push(b'\n');
    }

    /// Reports whether stock uci can have this change.
    fn is_stock(&self) -> bool {
        let renames = self.kind == DeltaKind::Rename;
        name::is_name(&self.section)
            && self.option.as_deref().is_none_or(name::is_name)
            && self.value_type.is_none()
            && (!renames || self.value.as_deref().is_some_and(name::is_name))
    }

    /// Reads the word of a line of our own, without the star.
    fn from_own_word(word: &[u8]) -> Option<(Vec<u8>, Self)> {
        let colon = crate::bytes::find(b':', word)?;
        let (value_type, rest) = (&word[..colon], &word[colon + 1..]);
        let (value_type, has_option) = match value_type.strip_suffix(b"/") {
            Some(value_type) => (value_type, false),
            None => (value_type, true),
        };
        let value_type = match value_type {
            b"" => None,
            name => Some(ValueType::of_name(name)?),
        };
        let (kind, tuple) = match rest.split_first() {
            Some((first, after)) => {
                DeltaKind::from_prefix(*first).map_or((DeltaKind::Set, rest), |kind| (kind, after))
            }
            None => return None,
        };
        let dot = crate::bytes::find(b'.', tuple)?;
        let package = Some(&tuple[..dot]).filter(|package| name::is_package(package))?;
        let (mut names, mut rest) = (Vec::new(), &tuple[dot + 1..]);
        if let Some(of_root) = rest.strip_prefix(b".") {
            rest = of_root;
        }
        loop {
            let (name, after) = key_part::read(rest).ok()?;
            names.push(name);
            match after.strip_prefix(b".") {
                Some(next) => rest = next,
                None => {
                    rest = after;
                    break;
                }
            }
        }
        let value = match rest {
            [] => None,
            [b'=', value @ ..] => Some(value),
            _ => return None,
        };
        let option =
            if has_option { names.pop().map(|name| key_part::quote(&name).into_owned()) } else { None };
        let delta = Self::new(kind, &key_part::join(names), option.as_deref(), value);
        (kind == DeltaKind::Delete || value.is_some())
            .then(|| (package.to_vec(), Self { value_type, ..delta }))
    }

    /// Reads the word of a delta line, and returns the change and its package. `None` if it is no change.
    fn from_word(word: &[u8]) -> Option<(Vec<u8>, Self)> {
        let (kind, tuple) = match word.split_first() {
            Some((b'*', rest)) => return Self::from_own_word(rest),
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
            Delta::new(DeltaKind::Set, b"", Some(b"port"), Some(b"80")).of_type(ValueType::Int),
            Delta::new(DeltaKind::Set, b"a.\"b.c\"", Some(b"\"it's = x\""), Some(b"v=w")),
            Delta::new(DeltaKind::Set, b"a.b", None, Some(b"a.b")),
            Delta::new(DeltaKind::Rename, b"x", None, Some(b"a.b")),
            Delta::new(DeltaKind::Delete, b"", Some(b"\"\""), None),
            Delta::new(DeltaKind::AddList, b"a.b", Some(b"l"), Some(b"1")).of_type(ValueType::IntList),
        ];
        let mut text = Vec::new();
        for delta in &deltas {
            delta.write_line_of(b"n", FormatKind::Toml, &mut text);
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
