//! Logical lines and words.
//!
//! A logical line is a physical line, plus the next physical line each time that a quoted part or a backslash
//! continues past the line end. A word is a run of quoted and unquoted parts. The lexer never copies the text; a word
//! that is not one piece of the text (`a'b c'"d"`) is assembled in a buffer.

use std::borrow::Cow;
use std::ops::Range;

use crate::bytes;
use crate::error::parse::{ParseError, Reason};
use crate::model::name::{IN_NAME, is_blank};

/// A word: its span in the text, quotes included, and its value.
#[derive(Debug, Clone)]
pub(crate) struct Word<'s> {
    /// Its bytes in the text, quotes included. Empty for a missing word; but a `;` in the place of a word is
    /// included.
    pub raw: Range<usize>,
    /// Its value. A borrowed value is a slice of the text.
    pub value: Cow<'s, [u8]>,
    /// Where the value starts in the text, if borrowed.
    pub start: usize,
}

impl Word<'_> {
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }
}

/// A fault in the text: the reason, the position for people, and the position of stock uci's cursor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub reason: Reason,
    pub at: usize,
    pub uci_byte: usize,
    /// The end of the text read so far.
    pub loaded: usize,
}

impl Fault {
    /// Adds the line number, the column and the text of the line.
    pub fn locate(self, source: &[u8]) -> ParseError {
        let loaded = &source[..self.loaded.min(source.len())];
        ParseError {
            uci_line: bytes::count(b'\n', loaded),
            uci_byte: self.uci_byte,
            ..ParseError::at(self.reason, source, self.at)
        }
    }
}

/// The byte order mark, which some editors put at the start of a file.
pub(crate) const MARK: &[u8] = b"\xef\xbb\xbf";

/// The reader of logical lines and words.
#[derive(Debug, Clone)]
pub(crate) struct Lexer<'s> {
    source: &'s [u8],
    /// Where the logical line starts.
    line_start: usize,
    /// The cursor.
    pos: usize,
    /// The end of the logical line as far as it was read; a comment ends it.
    end: usize,
    /// Where the next physical line starts. The text was read up to here.
    next_line: usize,
    /// Bytes of this logical line that continuations removed.
    removed: usize,
    /// The next NUL byte, or the length of the text.
    nul: usize,
    /// Whether the text ended inside a quote or after a continuation.
    ran_out: bool,
}

/// The effect of a byte on a word that has no quotes so far.
const PLAIN: [bool; 256] = {
    let mut table = [true; 256];
    let special = b" \t\n\x0b\x0c\r'\"\\#;";
    let mut i = 0;
    while i < special.len() {
        table[special[i] as usize] = false;
        i += 1;
    }
    table
};

/// A line that is `option NAME 'VALUE'` or `list NAME 'VALUE'` and nothing else.
pub(crate) struct PlainLine {
    pub is_list: bool,
    /// Where the keyword starts.
    pub start: usize,
    pub name: Range<usize>,
    /// Without its quotes.
    pub value: Range<usize>,
}

/// A line that is `config TYPE 'NAME'` or `config TYPE` and nothing else.
pub(crate) struct PlainSection {
    pub section_type: Range<usize>,
    /// Without its quotes; empty if there is none.
    pub name: Range<usize>,
}

impl<'s> Lexer<'s> {
    pub fn new(source: &'s [u8]) -> Self {
        let nul = bytes::find(0, source).unwrap_or(source.len());
        Self { source, line_start: 0, pos: 0, end: 0, next_line: 0, removed: 0, nul, ran_out: false }
    }

    /// Skips a byte order mark at the start of the text.
    pub fn skip_mark(&mut self) {
        if self.source.starts_with(MARK) {
            (self.line_start, self.pos, self.end, self.next_line) =
                (MARK.len(), MARK.len(), MARK.len(), MARK.len());
        }
    }

    /// Reports whether the text ended inside a quote or after a continuation.
    pub fn ran_out(&self) -> bool {
        self.ran_out
    }

    /// The cursor: where the next byte is read.
    pub fn pos(&self) -> usize {
        self.pos
    }

    /// The physical lines of the logical line that were read so far.
    pub fn line(&self) -> Range<usize> {
        self.line_start..self.next_line
    }

    /// Reports whether nothing is left of the logical line.
    pub fn at_end_of_line(&self) -> bool {
        self.pos >= self.end
    }

    pub fn peek(&self) -> Option<u8> {
        self.source[..self.end].get(self.pos).copied()
    }

    /// Starts the next logical line. `Ok(false)` at the end of the text.
    #[cfg_attr(cms_speed, optimize(speed))]
    pub fn next_line(&mut self) -> Result<bool, Fault> {
        self.line_start = self.next_line;
        self.pos = self.next_line;
        self.end = self.next_line;
        self.removed = 0;
        if self.nul < self.next_line {
            self.nul = bytes::find(0, &self.source[self.next_line..])
                .map_or(self.source.len(), |nul| self.next_line + nul);
        }
        let more = self.extend()?;
        self.ran_out = false;
        Ok(more)
    }

    /// Reads the next line in one step if it has the plain form that nearly all lines have. Otherwise returns `None`
    /// and reads nothing; then read the line word by word.
    #[inline]
    #[cfg_attr(cms_speed, optimize(speed))]
    pub fn plain_line(&mut self) -> Option<PlainLine> {
        let start = self.next_line;
        let text = self.source.get(start..)?;
        let mut indent = 0;
        while matches!(text.get(indent), Some(b' ' | b'\t')) {
            indent += 1;
        }
        let line = &text[indent..];
        let (is_list, keyword) = match line {
            [b'o', b'p', b't', b'i', b'o', b'n', b' ', ..] => (false, 7),
            [b'l', b'i', b's', b't', b' ', ..] => (true, 5),
            _ => return None,
        };
        let end = behind_name(line, keyword);
        let [b' ', b'\'', body @ ..] = line.get(end..)? else { return None };
        let close = bytes::find_either(b'\'', b'\n', body)?;
        let [b'\'', b'\n', ..] = body[close..] else { return None };
        let base = start + indent;
        let (name, value) = (base + keyword, base + end + 2);
        let next = value + close + 2;
        if end == keyword || self.nul < next {
            return None;
        }
        self.take(start, next);
        Some(PlainLine { is_list, start: base, name: name..base + end, value: value..value + close })
    }

    /// As [`Lexer::plain_line`], for a line that opens a section, and empty lines before it.
    #[cfg_attr(cms_speed, optimize(speed))]
    pub fn plain_section(&mut self) -> Option<PlainSection> {
        let mut start = self.next_line;
        while self.source.get(start) == Some(&b'\n') {
            start += 1;
        }
        let line = self.source.get(start..)?;
        let [b'c', b'o', b'n', b'f', b'i', b'g', b' ', ..] = line else { return None };
        let mut end = behind_name(line, 7);
        // Many types have a hyphen.
        while line.get(end) == Some(&b'-') {
            end = behind_name(line, end + 1);
        }
        let (name, len) = match line.get(end..)? {
            [b'\n', ..] => (end..end, end + 1),
            [b' ', b'\'', ..] => {
                let close = behind_name(line, end + 2);
                let [b'\'', b'\n', ..] = line.get(close..)? else { return None };
                (end + 2..close, close + 2)
            }
            _ => return None,
        };
        // The general way reads an empty name, and refuses a missing type.
        if end == 7 || name.is_empty() && len > end + 1 || self.nul < start + len {
            return None;
        }
        self.take(start, start + len);
        Some(PlainSection {
            section_type: start + 7..start + end,
            name: start + name.start..start + name.end,
        })
    }

    /// Moves behind a line that was read in one step.
    #[inline(always)]
    fn take(&mut self, start: usize, next: usize) {
        self.line_start = start;
        self.next_line = next;
        self.pos = next;
        self.end = next;
        self.removed = 0;
    }

    /// Appends the next physical line to the logical one. `Ok(false)` if there is none.
    #[cfg_attr(cms_speed, optimize(speed))]
    fn extend(&mut self) -> Result<bool, Fault> {
        if self.next_line >= self.source.len() {
            self.ran_out = true;
            return Ok(false);
        }
        let newline = bytes::find(b'\n', &self.source[self.next_line..]);
        self.next_line = newline.map_or(self.source.len(), |newline| self.next_line + newline + 1);
        self.end = self.next_line;
        if self.nul < self.end {
            return Err(self.fault(Reason::NulByte, self.nul));
        }
        Ok(true)
    }

    /// Makes a fault at `at`. The present position of the lexer is stock uci's cursor.
    pub fn fault(&self, reason: Reason, at: usize) -> Fault {
        self.fault_with_cursor(reason, at, self.pos)
    }

    pub fn fault_with_cursor(&self, reason: Reason, at: usize, cursor: usize) -> Fault {
        let uci_byte = cursor.saturating_sub(self.line_start + self.removed);
        Fault { reason, at, uci_byte, loaded: self.next_line }
    }

    /// Skips every kind of blank.
    pub fn skip_blanks(&mut self) {
        while self.pos < self.end && is_blank(self.source[self.pos]) {
            self.pos += 1;
        }
    }

    /// Skips spaces and tabs.
    pub fn skip_spaces(&mut self) {
        while self.pos < self.end && matches!(self.source[self.pos], b' ' | b'\t') {
            self.pos += 1;
        }
    }

    /// Reads up to the next space, tab or end of the line: a keyword, which is never unquoted.
    pub fn keyword(&mut self) -> &'s [u8] {
        let start = self.pos;
        while self.pos < self.end && !matches!(self.source[self.pos], b' ' | b'\t') {
            self.pos += 1;
        }
        &self.source[start..self.pos]
    }

    /// Reads the next word of the logical line, which is empty if there is none.
    #[cfg_attr(cms_speed, optimize(speed))]
    pub fn word(&mut self) -> Result<Word<'s>, Fault> {
        self.skip_blanks();
        let start = self.pos;
        match self.peek() {
            None => Ok(self.piece(start..start, start..start)),
            Some(b';') => {
                self.pos += 1;
                Ok(self.piece(start..start + 1, start..start))
            }
            Some(b'\'') => {
                let close = bytes::find(b'\'', &self.source[start + 1..self.end]);
                self.quoted_or_cooked(start, close)
            }
            Some(b'"') => {
                let body = &self.source[start + 1..self.end];
                let close = bytes::find_either(b'"', b'\\', body).filter(|at| body[*at] == b'"');
                self.quoted_or_cooked(start, close)
            }
            Some(_) => {
                let mut at = start;
                while at < self.end && PLAIN[usize::from(self.source[at])] {
                    at += 1;
                }
                if at == self.end || is_blank(self.source[at]) {
                    Ok(self.finish(start..at, start..at))
                } else {
                    self.cooked(start)
                }
            }
        }
    }

    /// Reads a word whose first part is quoted and ends at `close`: as a slice of the text if nothing follows that
    /// part, else part by part.
    fn quoted_or_cooked(&mut self, start: usize, close: Option<usize>) -> Result<Word<'s>, Fault> {
        if let Some(close) = close {
            let after = start + close + 2;
            if after == self.end || is_blank(self.source[after]) {
                return Ok(self.finish(start..after, start + 1..after - 1));
            }
        }
        self.cooked(start)
    }

    /// Ends a word at `raw.end` and moves the cursor past the one blank behind it.
    fn finish(&mut self, raw: Range<usize>, value: Range<usize>) -> Word<'s> {
        self.pos = raw.end;
        if self.pos < self.end && is_blank(self.source[self.pos]) {
            self.pos += 1;
        }
        self.piece(raw, value)
    }

    /// Makes a word from a slice of the text.
    pub fn piece(&self, raw: Range<usize>, value: Range<usize>) -> Word<'s> {
        Word { raw, start: value.start, value: Cow::Borrowed(&self.source[value]) }
    }

    /// Reads a word part by part.
    fn cooked(&mut self, start: usize) -> Result<Word<'s>, Fault> {
        let mut value = Vec::new();
        while let Some(byte) = self.peek() {
            match byte {
                b'\'' => self.single_quoted(&mut value)?,
                b'"' => self.double_quoted(&mut value)?,
                b'\\' => self.backslash(&mut value)?,
                b'#' => {
                    self.end = self.pos;
                    break;
                }
                b';' => {
                    // Stock uci drops the rest of the line after a `;` that directly follows an unquoted word;
                    // nothing is lost if that rest is empty.
                    let bare = value.len() == self.pos - start;
                    if bare && self.source[self.pos + 1..self.end].iter().copied().all(is_blank) {
                        self.end = self.pos;
                    }
                    break;
                }
                _ => {
                    value.push(byte);
                    self.pos += 1;
                }
            }
            if self.peek().is_none_or(is_blank) {
                break;
            }
        }
        let raw = start..self.pos;
        if self.peek().is_some_and(is_blank) {
            self.pos += 1;
        }
        Ok(Word { raw, start, value: Cow::Owned(value) })
    }

    fn single_quoted(&mut self, value: &mut Vec<u8>) -> Result<(), Fault> {
        let open = self.pos;
        self.pos += 1;
        loop {
            let body = &self.source[self.pos..self.end];
            if let Some(close) = bytes::find(b'\'', body) {
                value.extend_from_slice(&body[..close]);
                self.pos += close + 1;
                return Ok(());
            }
            value.extend_from_slice(body);
            self.pos = self.end;
            if !self.extend()? {
                return Err(self.fault(Reason::UnterminatedSingle, open));
            }
        }
    }

    fn double_quoted(&mut self, value: &mut Vec<u8>) -> Result<(), Fault> {
        let open = self.pos;
        self.pos += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.pos += 1;
                    return Ok(());
                }
                Some(b'\\') => self.backslash(value)?,
                Some(byte) => {
                    value.push(byte);
                    self.pos += 1;
                }
                None => {
                    if !self.extend()? {
                        return Err(self.fault(Reason::UnterminatedDouble, open));
                    }
                }
            }
        }
    }

    /// Reads a backslash: before a line end it continues the line, else the next byte is taken literally.
    fn backslash(&mut self, value: &mut Vec<u8>) -> Result<(), Fault> {
        let after = &self.source[self.pos + 1..self.end];
        let skipped = match after {
            [] | [b'\n'] => after.len() + 1,
            [b'\r', b'\n'] => 3,
            [byte, ..] => {
                value.push(*byte);
                self.pos += 2;
                return Ok(());
            }
        };
        self.pos += skipped;
        self.removed += skipped;
        self.extend()?;
        Ok(())
    }
}

/// Returns the end of the bytes of a name that start at `at`.
#[inline(always)]
fn behind_name(line: &[u8], mut at: usize) -> usize {
    while at < line.len() && IN_NAME[usize::from(line[at])] {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut lexer = Lexer::new(text.as_bytes());
        let mut found = Vec::new();
        while lexer.next_line().expect("no NUL") {
            while !lexer.at_end_of_line() {
                let word = lexer.word().expect("a word");
                found.push(String::from_utf8(word.value.into_owned()).expect("text"));
            }
        }
        found
    }

    #[test]
    fn parts_join_without_separator() {
        assert_eq!(words("a'b c'\"d\"\\ e f"), ["ab cd e", "f"]);
    }

    #[test]
    fn a_quoted_part_may_span_lines_and_a_backslash_continues_one() {
        assert_eq!(
            words("'one\n  two' on\\\ne \"t\\\nwo\" 'no\\\nt'"),
            ["one\n  two", "one", "two", "no\\\nt"]
        );
    }

    #[test]
    fn a_comment_cuts_the_line_even_inside_a_word() {
        assert_eq!(words("a#b c\nd"), ["a", "d"]);
        assert_eq!(words("'a'#b c\nd"), ["a", "d"]);
    }

    #[test]
    fn a_semicolon_ends_a_word_and_nothing_is_swallowed() {
        assert_eq!(words("a;b ; c"), ["a", "", "b", "", "c"]);
    }

    #[test]
    fn a_nul_byte_is_found_on_its_line() {
        let mut lexer = Lexer::new(b"a b\nc\0d\n");
        assert!(lexer.next_line().is_ok());
        let fault = lexer.next_line().expect_err("a NUL byte");
        let error = fault.locate(b"a b\nc\0d\n");
        assert_eq!((error.reason, error.line, error.column), (Reason::NulByte, 2, 2));
    }
}
