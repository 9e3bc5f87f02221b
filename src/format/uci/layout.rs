//! The positions of sections and options in the text of a package.

use std::ops::Range;

use super::lexer::Fault;
use super::statement::{Command, Opened, Statement, Statements};
use crate::format::ParseOptions;
use crate::model::package::Package;

/// The position of a statement.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub command: Command,
    /// The raw first word.
    pub first: Range<usize>,
    /// The raw second word; empty where missing.
    pub second: Range<usize>,
    /// From the keyword to the end of the last word.
    pub range: Range<usize>,
    /// The physical lines.
    pub line: Range<usize>,
}

impl From<&Statement<'_>> for Site {
    fn from(statement: &Statement<'_>) -> Self {
        Self {
            command: statement.command,
            first: statement.first.raw.clone(),
            second: statement.second.raw.clone(),
            range: statement.range.clone(),
            line: statement.line.clone(),
        }
    }
}

/// A part of a section in the text: a header and the lines after it, up to the next header.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub header: Site,
    /// From the header's line to the end of the line of its last statement.
    pub lines: Range<usize>,
    /// The end of the line of the statement before it. Comments and blank lines may be between.
    pub above: usize,
}

/// The position of a section.
#[derive(Debug, Clone, Default)]
pub(super) struct SectionSites {
    /// There is more than one if the section is continued further down.
    pub blocks: Vec<Block>,
    /// The statements of each option, by its position in the section; only for the wanted sections.
    pub options: Vec<Vec<Site>>,
}

/// A logical line that holds more than one statement.
#[derive(Debug, Clone)]
pub(super) struct SharedLine {
    pub line: Range<usize>,
    pub statements: Vec<Site>,
    /// The sections its statements belong to.
    pub sections: Vec<usize>,
}

/// The positions of all sections.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub sections: Vec<SectionSites>,
    pub shared: Vec<SharedLine>,
    /// The end of the last statement.
    pub end: usize,
}

/// Finds the positions in `source` of the sections of `package`, which was read from it. Options are looked up only for
/// the sections that `wanted` picks by their position.
pub(super) fn scan(
    source: &[u8],
    package: &Package,
    options: &ParseOptions<'_>,
    wanted: impl Fn(usize) -> bool,
) -> Result<Layout, Fault> {
    let mut statements = Statements::new(source, options.dialect, options.strict);
    let mut layout =
        Layout { sections: vec![SectionSites::default(); package.len()], shared: Vec::new(), end: 0 };
    let mut current = None;
    let mut created = 0;
    let mut above = 0;
    let mut last: Option<(usize, Site)> = None;
    let sections: Vec<_> = package.sections().collect();
    while let Some(statement) = statements.next(Opened { package: true, section: true })? {
        let site = Site::from(&statement);
        layout.end = site.range.end;
        match statement.command {
            Command::Package => {}
            Command::Config => {
                let named = (!statement.second.is_empty()).then(|| package.section(&statement.second.value));
                let ordinal = named.flatten().and_then(|section| section.origin()).unwrap_or(created);
                created = created.max(ordinal + 1);
                let block = Block {
                    header: site.clone(),
                    lines: site.line.clone(),
                    above: above.min(site.line.start),
                };
                layout.sections[ordinal].blocks.push(block);
                current = Some(ordinal);
            }
            Command::Option | Command::List => {
                let ordinal = current.unwrap_or_default();
                let place = &mut layout.sections[ordinal];
                if let Some(block) = place.blocks.last_mut() {
                    block.lines.end = site.line.end;
                }
                let effective = statement.command == Command::List || !statement.second.is_empty();
                if wanted(ordinal) && effective {
                    let option =
                        sections[ordinal].option(&statement.first.value).and_then(|option| option.origin());
                    if let Some(origin) = option {
                        let known = place.options.len().max(origin + 1);
                        place.options.resize_with(known, Vec::new);
                        place.options[origin].push(site.clone());
                    }
                }
            }
        }
        above = site.line.end;
        note_shared(&mut layout, last.take(), (current.unwrap_or_default(), site.clone()));
        last = Some((current.unwrap_or_default(), site));
    }
    Ok(layout)
}

/// Records that two neighbours share a logical line.
fn note_shared(layout: &mut Layout, last: Option<(usize, Site)>, this: (usize, Site)) {
    let Some(last) = last.filter(|last| last.1.line.start == this.1.line.start) else { return };
    match layout.shared.last_mut().filter(|shared| shared.line.start == this.1.line.start) {
        Some(shared) => {
            shared.line = this.1.line.clone();
            shared.sections.push(this.0);
            shared.statements.push(this.1);
        }
        None => layout.shared.push(SharedLine {
            line: this.1.line.clone(),
            sections: vec![last.0, this.0],
            statements: vec![last.1, this.1],
        }),
    }
}

/// Rewrites the last line if no line can be added below it: it ends in a backslash; or it has no line end, and has a
/// `;` or a continuation of blanks only, which stock uci refuses if a line end follows. `end` is the end of the last
/// statement.
pub(super) fn close_end(source: &[u8], end: usize, line_end: &[u8]) -> Option<Vec<u8>> {
    let (statement, rest) = source.split_at(end);
    if rest.contains(&b'#') {
        return None;
    }
    let is_open = if rest.is_empty() { has_open_backslash(statement) } else { has_open_backslash(rest) };
    let is_unended = !source.ends_with(b"\n") && rest.iter().any(|byte| matches!(byte, b';' | b'\\'));
    (is_open || is_unended).then(|| {
        let mut out = statement.to_vec();
        if rest.is_empty() && statement.ends_with(b"\r") {
            // An escaped CR is part of the value; a line feed after it would make the backslash a continuation.
            out.extend_from_slice(b"''");
        } else if rest.is_empty() {
            out.truncate(without_line_end(statement).len() - 1);
        }
        out.extend_from_slice(line_end);
        out
    })
}

/// Reports whether text that ends outside of quotes ends in a backslash, with or without a line end after it.
fn has_open_backslash(text: &[u8]) -> bool {
    let backslashes = without_line_end(text).iter().rev().take_while(|byte| **byte == b'\\').count();
    backslashes % 2 == 1
}

pub(super) fn without_line_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

/// Rewrites shared lines so that each statement has a line of its own. The text keeps its meaning.
pub(super) fn split_shared(source: &[u8], shared: &[SharedLine], line_end: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(source.len() + 16 * shared.len());
    let mut from = 0;
    for group in shared {
        let Some((first, others)) = group.statements.split_first() else { continue };
        out.extend_from_slice(&source[from..first.range.end]);
        let mut end = first.range.end;
        for statement in others {
            out.extend_from_slice(line_end);
            if matches!(statement.command, Command::Option | Command::List) {
                out.push(b'\t');
            }
            out.extend_from_slice(&source[statement.range.clone()]);
            end = statement.range.end;
        }
        let rest = &source[end..group.line.end];
        let skipped = rest
            .iter()
            .take_while(|b| crate::model::name::is_blank(**b) || matches!(b, b';' | b'\\'))
            .count();
        if rest.get(skipped) == Some(&b'#') {
            out.push(b' ');
            out.extend_from_slice(&rest[skipped..]);
        } else {
            out.extend_from_slice(line_end);
        }
        from = group.line.end;
    }
    out.extend_from_slice(&source[from..]);
    out
}
