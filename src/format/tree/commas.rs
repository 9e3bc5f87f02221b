//! Edits what stands between two brackets, with commas between: each value keeps the blanks and comments around it.

use std::ops::Range;

/// The values between two brackets.
pub struct Commas<'s> {
    text: &'s [u8],
    /// What is between the bracket and the first value: a comment behind the bracket belongs to the bracket.
    head: Range<usize>,
    items: Vec<Piece>,
    /// What is between the last value and the closing bracket.
    tail: Range<usize>,
    ends_with_comma: bool,
}

/// A value, and what belongs to it.
struct Piece {
    /// The blanks and comments before it.
    lead: Range<usize>,
    item: Range<usize>,
    comma: Option<usize>,
    /// Where the comment behind it ends, if there is one in its line.
    end: usize,
}

/// A value of the new text.
pub enum Entry {
    /// One of the old text, by its position, with a new text if it was edited.
    Old(usize, Option<Vec<u8>>),
    New(Vec<u8>),
}

/// How new values are set apart.
pub struct Layout {
    /// A line for each value, with this indentation; `None` for one line.
    pub indent: Option<Vec<u8>>,
    /// The indentation of the closing bracket.
    pub close: Vec<u8>,
}

impl<'s> Commas<'s> {
    /// Takes a text apart: `span` with its brackets, and the places of the values in it.
    pub fn new(text: &'s [u8], span: &Range<usize>, items: &[Range<usize>]) -> Self {
        let (inside, close) = (span.start + 1, span.end - 1);
        let first = items.first().map_or(close, |item| item.start);
        let head = inside..same_line(text, inside..first);
        let mut pieces = Vec::with_capacity(items.len());
        let mut from = head.end;
        for (index, item) in items.iter().enumerate() {
            let next = items.get(index + 1).map_or(close, |next| next.start);
            let comma = comma(text, item.end..next);
            let end = same_line(text, comma.map_or(item.end, |comma| comma + 1)..next);
            pieces.push(Piece { lead: from..item.start, item: item.clone(), comma, end });
            from = end;
        }
        let ends_with_comma = pieces.last().is_some_and(|piece| piece.comma.is_some());
        Self { text, head, items: pieces, tail: from..close, ends_with_comma }
    }

    /// Reports whether each value stands in a line of its own; `None` if there are no values.
    pub fn is_in_lines(&self) -> Option<bool> {
        let lead = |piece: &Piece| self.text[piece.lead.clone()].contains(&b'\n');
        (!self.items.is_empty()).then(|| self.items.iter().any(lead))
    }

    /// Returns the indentation of the values, if they stand in lines.
    pub fn indent(&self) -> Option<Vec<u8>> {
        let last = |piece: &Piece| {
            let lead = &self.text[piece.lead.clone()];
            let newline = crate::bytes::find_last(b'\n', lead)?;
            let blanks = lead[newline + 1..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            Some(lead[newline + 1..newline + 1 + blanks].to_vec())
        };
        self.items.iter().rev().find_map(last)
    }

    /// Writes what is between the brackets anew.
    pub fn write(&self, entries: &[Entry], layout: &Layout) -> Vec<u8> {
        let text = self.text;
        let mut out = text[self.head.clone()].to_vec();
        let line_end = line_end(text);
        let mut comments = self.comments_of_deleted(entries);
        for (position, entry) in entries.iter().enumerate() {
            let is_last = position + 1 == entries.len();
            match entry {
                Entry::Old(index, edited) => {
                    let piece = &self.items[*index];
                    for comment in std::mem::take(&mut comments[*index]) {
                        out.extend_from_slice(&text[comment]);
                    }
                    self.lead(position, Some(piece), layout, &mut out);
                    match edited {
                        Some(edited) => out.extend_from_slice(edited),
                        None => out.extend_from_slice(&text[piece.item.clone()]),
                    }
                    self.after(piece, is_last && !self.ends_with_comma, &mut out);
                }
                Entry::New(value) => {
                    self.lead(position, None, layout, &mut out);
                    out.extend_from_slice(value);
                    if !is_last || (self.ends_with_comma && !self.items.is_empty()) {
                        out.push(b',');
                    }
                }
            }
        }
        for comment in comments.into_iter().flatten() {
            out.extend_from_slice(&text[comment]);
        }
        let tail = &text[self.tail.clone()];
        match (&layout.indent, self.items.is_empty() || entries.is_empty()) {
            (Some(_), true) if !entries.is_empty() => {
                out.extend_from_slice(tail.trim_ascii_end());
                out.extend_from_slice(line_end);
                out.extend_from_slice(&layout.close);
            }
            (_, true) if tail.iter().all(u8::is_ascii_whitespace) && !ends_in_comment(&out) => {}
            _ => {
                if ends_in_comment(&out) && !starts_line(tail) {
                    out.extend_from_slice(line_end);
                }
                out.extend_from_slice(tail);
            }
        }
        out
    }

    /// Returns the comments above values that are gone, by the value that they stand before now.
    fn comments_of_deleted(&self, entries: &[Entry]) -> Vec<Vec<Range<usize>>> {
        let mut stays = vec![false; self.items.len() + 1];
        for entry in entries {
            if let Entry::Old(index, _) = entry {
                stays[*index] = true;
            }
        }
        let mut all = vec![Vec::new(); stays.len()];
        for (index, piece) in self.items.iter().enumerate().filter(|(index, _)| !stays[*index]) {
            let lead = &self.text[piece.lead.clone()];
            let comment = piece.lead.start..piece.lead.start + lead.trim_ascii_end().len();
            if !comment.is_empty() {
                let next = (index..self.items.len()).find(|next| stays[*next]).unwrap_or(self.items.len());
                all[next].push(comment);
            }
        }
        all
    }

    /// Writes what stands before a value: its own lead, or one like those of the others.
    fn lead(&self, position: usize, piece: Option<&Piece>, layout: &Layout, out: &mut Vec<u8>) {
        let own = piece.map(|piece| &self.text[piece.lead.clone()]);
        let of_position = || {
            let like = if position == 0 { self.items.first() } else { self.items.get(1) };
            let like = like.map(|piece| &self.text[piece.lead.clone()]);
            let like = like.filter(|lead| lead.iter().all(u8::is_ascii_whitespace));
            like.unwrap_or(if position == 0 { b"" } else { b" " })
        };
        match (own, &layout.indent) {
            (Some(lead), Some(_)) if starts_line(lead) || !ends_in_comment(out) => {
                out.extend_from_slice(lead);
            }
            (Some(lead), None) if !lead.iter().all(u8::is_ascii_whitespace) => out.extend_from_slice(lead),
            (_, Some(indent)) => {
                out.extend_from_slice(line_end(self.text));
                out.extend_from_slice(indent);
                out.extend_from_slice(own.unwrap_or_default().trim_ascii_start());
            }
            (_, None) => out.extend_from_slice(of_position()),
        }
    }

    /// Writes the comma of an old value, and the comment behind it.
    fn after(&self, piece: &Piece, is_last: bool, out: &mut Vec<u8>) {
        let after = piece.item.end..piece.end;
        match (piece.comma, is_last) {
            (Some(comma), true) => {
                out.extend_from_slice(&self.text[after.start..comma]);
                out.extend_from_slice(&self.text[comma + 1..after.end]);
            }
            (None, false) => {
                out.push(b',');
                out.extend_from_slice(&self.text[after]);
            }
            _ => out.extend_from_slice(&self.text[after]),
        }
    }
}

impl Commas<'_> {
    /// Writes what is between the brackets with a line for each value, whose texts are given; comments stay.
    pub fn tidy(&self, values: &[Vec<u8>], layout: &Layout) -> Vec<u8> {
        let indent = layout.indent.as_deref().unwrap_or_default();
        let mut out = Vec::new();
        push_comment(&self.text[self.head.clone()], &mut out);
        for (index, (piece, value)) in self.items.iter().zip(values).enumerate() {
            push_comment_lines(&self.text[piece.lead.clone()], indent, &mut out);
            out.push(b'\n');
            out.extend_from_slice(indent);
            out.extend_from_slice(value);
            push_comment(&self.text[piece.item.end..piece.comma.unwrap_or(piece.item.end)], &mut out);
            if index + 1 < values.len() {
                // A comment to the end of the line would hide the comma.
                if ends_in_comment(&out) && !out.ends_with(b"*/") {
                    out.push(b'\n');
                }
                out.push(b',');
            }
            push_comment(
                &self.text[piece.comma.map_or(piece.item.end, |comma| comma + 1)..piece.end],
                &mut out,
            );
        }
        push_comment_lines(&self.text[self.tail.clone()], indent, &mut out);
        out.push(b'\n');
        out.extend_from_slice(&layout.close);
        out
    }
}

/// Writes the comment behind a value.
fn push_comment(gap: &[u8], out: &mut Vec<u8>) {
    let comment = gap.trim_ascii();
    if !comment.is_empty() {
        out.push(b' ');
        out.extend_from_slice(comment);
    }
}

/// Writes the comments between two values, each in its line, and one blank line for any number of them.
fn push_comment_lines(gap: &[u8], indent: &[u8], out: &mut Vec<u8>) {
    let mut is_open = false;
    let mut blank = false;
    let count = gap.split(|byte| *byte == b'\n').count();
    for (number, line) in gap.split(|byte| *byte == b'\n').enumerate() {
        let text = if is_open { line.trim_ascii_end() } else { line.trim_ascii() };
        if text.is_empty() && !is_open {
            // The first piece is the rest of a line, and the last one the start of one.
            blank |= number > 0 && number + 1 < count;
            continue;
        }
        if std::mem::take(&mut blank) {
            out.push(b'\n');
        }
        out.push(b'\n');
        if !is_open {
            out.extend_from_slice(indent);
        }
        out.extend_from_slice(text);
        is_open = match crate::bytes::find_text(b"/*", text) {
            Some(at) => crate::bytes::find_text(b"*/", &text[at + 2..]).is_none(),
            None => is_open && crate::bytes::find_text(b"*/", text).is_none(),
        };
    }
    if blank {
        out.push(b'\n');
    }
}

/// Finds the old item that each new one is: those at the start, those at the end, and those between in the same order.
pub fn matched(old: &[&[u8]], new: &[&[u8]]) -> Vec<Option<usize>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let middle = &old_rest[..old_rest.len() - tail];
    let mut from = 0;
    let mut places: Vec<Option<usize>> = (0..head).map(Some).collect();
    for item in &new_rest[..new_rest.len() - tail] {
        let found = middle[from..].iter().position(|other| other == item).map(|at| from + at);
        from = found.map_or(from, |found| found + 1);
        places.push(found.map(|found| head + found));
    }
    places.extend((old.len() - tail..old.len()).map(Some));
    places
}

/// Returns the line end of a text.
pub fn line_end(text: &[u8]) -> &'static [u8] {
    match crate::bytes::find(b'\n', text) {
        Some(at) if at > 0 && text[at - 1] == b'\r' => b"\r\n",
        _ => b"\n",
    }
}

fn starts_line(text: &[u8]) -> bool {
    matches!(text, [b'\n', ..] | [b'\r', b'\n', ..])
}

/// Reports whether text that is appended here would belong to a comment: the last line holds the start of one. It may
/// also be part of a string; a line end does no harm there.
fn ends_in_comment(text: &[u8]) -> bool {
    let start = crate::bytes::find_last(b'\n', text).map_or(0, |newline| newline + 1);
    let line = &text[start..];
    line.contains(&b'#') || crate::bytes::find_text(b"//", line).is_some()
}

/// Returns the end of the comment that stands in the rest of the line and is alone there; the start if there is none.
fn same_line(text: &[u8], gap: Range<usize>) -> usize {
    let mut at = gap.start;
    let mut end = gap.start;
    while at < gap.end {
        match &text[at..gap.end] {
            [b' ' | b'\t', ..] => at += 1,
            [b'#', ..] | [b'/', b'/', ..] => {
                let line =
                    crate::bytes::find(b'\n', &text[at..gap.end]).map_or(gap.end, |newline| at + newline);
                return if text[..line].ends_with(b"\r") { line - 1 } else { line };
            }
            [b'/', b'*', rest @ ..] => {
                let Some(close) = crate::bytes::find_text(b"*/", rest) else { return end };
                at += close + 4;
                if text[end..at].contains(&b'\n') {
                    return gap.start;
                }
                end = at;
            }
            [b'\n', ..] | [b'\r', b'\n', ..] => return end,
            _ => return gap.start,
        }
    }
    gap.start
}

/// Returns the position of the comma between two values, comments passed over.
fn comma(text: &[u8], gap: Range<usize>) -> Option<usize> {
    let mut at = gap.start;
    while at < gap.end {
        match &text[at..gap.end] {
            [b',', ..] => return Some(at),
            [b'#', ..] | [b'/', b'/', ..] => {
                at += crate::bytes::find(b'\n', &text[at..gap.end])?;
            }
            [b'/', b'*', rest @ ..] => at += crate::bytes::find_text(b"*/", rest)? + 4,
            _ => at += 1,
        }
    }
    None
}
