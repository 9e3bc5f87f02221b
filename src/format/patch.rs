//! Replacements in a text, made in any order and applied at once.

use crate::bytes;
use crate::model::name::is_blank;

/// The replacements of one pass. They may come in any order; several at one place apply in the order they were made.
pub(super) struct Patch<'s> {
    pub source: &'s [u8],
    pub line_end: &'static [u8],
    pub edits: Vec<(std::ops::Range<usize>, Vec<u8>)>,
}

impl<'s> Patch<'s> {
    pub fn new(source: &'s [u8]) -> Self {
        Self { source, line_end: line_end(source), edits: Vec::new() }
    }

    pub fn replace(&mut self, range: std::ops::Range<usize>, text: Vec<u8>) {
        self.edits.push((range, text));
    }

    /// Inserts whole lines at `at`, which is the end of a line, perhaps one without newline.
    pub fn insert_lines(&mut self, at: usize, mut lines: Vec<u8>) {
        if lines.is_empty() {
            return;
        }
        if at > 0 && self.source[at - 1] != b'\n' {
            lines.splice(0..0, self.line_end.iter().copied());
        }
        self.replace(at..at, lines);
    }

    pub fn apply(mut self) -> Vec<u8> {
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let added: usize = self.edits.iter().map(|(_, text)| text.len()).sum();
        let mut out = Vec::with_capacity(self.source.len() + added);
        let mut from = 0;
        for (range, text) in self.edits {
            out.extend_from_slice(&self.source[from..range.start.max(from)]);
            out.extend_from_slice(&text);
            from = from.max(range.end);
        }
        out.extend_from_slice(&self.source[from..]);
        out
    }
}

pub(super) fn line_end(source: &[u8]) -> &'static [u8] {
    match bytes::find(b'\n', source) {
        Some(at) if at > 0 && source[at - 1] == b'\r' => b"\r\n",
        _ => b"\n",
    }
}

/// Returns the start of the line before `at`, if that line is blank and does not start before `above`.
pub(super) fn preceding_blank_line(source: &[u8], at: usize, above: usize) -> Option<usize> {
    let before = source[above..at].strip_suffix(b"\n")?;
    let start = bytes::find_last(b'\n', before).map_or(0, |newline| newline + 1);
    before[start..].iter().all(|byte| is_blank(*byte)).then_some(above + start)
}
