//! The second pass of writing: new sections, and the order of sections. A block is a header with its statements; what is
//! nested in an element of an array of tables belongs to the block of that element.

use std::collections::HashMap;
use std::ops::Range;

use super::print;
use super::write::Lines;
use crate::format::patch::Patch;
use crate::format::tree::outline::{Found, Outline, outline};
use crate::format::tree::{Document, Form, Kind, Node};
use crate::model::format_kind::FormatKind;
use crate::model::package::{Package, Section};

/// Returns the headers of a document, those of nested values of elements left out, with the end of what belongs to each.
pub fn blocks(document: &Document) -> Vec<Range<usize>> {
    let lines = Lines(&document.source);
    let mut found = Vec::new();
    collect(&document.root, &lines, &mut found);
    found.sort_by_key(|block| block.start);
    found
}

fn collect(node: &Node, lines: &Lines<'_>, found: &mut Vec<Range<usize>>) {
    match &node.kind {
        Kind::Object(members, form) => {
            if *form == Form::Headers && !node.span.is_empty() {
                let end = lines.own_end(node).unwrap_or(node.span.end);
                found.push(lines.start(node.span.start)..end);
            }
            members.iter().for_each(|member| collect(&member.node, lines, found));
        }
        Kind::Array(items, Form::Headers) => {
            for item in items {
                let mut all = Vec::new();
                collect(item, lines, &mut all);
                let start = lines.start(item.span.start);
                let end = all.iter().map(|block| block.end).max().unwrap_or(start);
                found.push(start..end);
            }
        }
        _ => {}
    }
}

/// Returns where the comments directly above a line begin.
pub fn lead(lines: &Lines<'_>, line: usize) -> usize {
    let mut start = line;
    while start > 0 {
        let above = lines.start(start - 1);
        if !lines.0[above..start].trim_ascii_start().starts_with(b"#") {
            break;
        }
        start = above;
    }
    start
}

/// Returns where something that is to be the first of a text stands: above the first header and its comments. A comment
/// at the start of a text is taken to be about all of it.
pub fn top(lines: &Lines<'_>, blocks: &[Range<usize>]) -> usize {
    let header = blocks.first().map_or(lines.0.len(), |first| first.start);
    match lead(lines, header) {
        0 => header,
        lead => lead,
    }
}

/// Adds the sections that the text does not have, each behind the one that it follows. `document` is the text after the
/// first pass.
pub fn add(document: &Document, written: &Package, original: &Package, edited: &Package) -> Vec<u8> {
    let source = &document.source;
    let lines = Lines(source);
    let outline = outline(document, FormatKind::Toml);
    let blocks = blocks(document);
    let mut patch = Patch::new(source);
    let block_of = |at: usize| blocks.iter().find(|block| block.contains(&at)).map(|block| block.end);
    let root_end = lines.own_end(&document.root);
    let mut cursor = root_end.unwrap_or_else(|| top(&lines, &blocks));
    let mut rows: HashMap<&[u8], usize> = HashMap::new();
    // New ones of a row stand behind the old ones until all are put in order.
    let mut row_ends = row_ends(&outline, block_of);
    let places: HashMap<&[u8], usize> =
        written.sections().enumerate().map(|(index, section)| (section.name(), index)).collect();
    for section in edited.sections() {
        let place = match section.is_anonymous() {
            true => {
                let is_of_row =
                    |found: &Found<'_>| found.is_anonymous && found.path == section.section_type();
                let was = section.origin().and_then(|origin| original.sections().nth(origin));
                let stays = was.is_some_and(|was| was.section_type() == section.section_type());
                let in_line = || {
                    outline
                        .sections
                        .iter()
                        .any(|found| is_of_row(found) && source[found.node.span.start] == b'{')
                };
                if stays || in_line() {
                    let number = rows.entry(section.section_type()).or_default();
                    *number += 1;
                    let mut all =
                        (0..outline.sections.len()).filter(|index| is_of_row(&outline.sections[*index]));
                    all.nth(*number - 1)
                } else {
                    None
                }
            }
            false => {
                places.get(section.name()).copied().filter(|index| !outline.sections[*index].is_anonymous)
            }
        };
        match place {
            Some(index) => {
                let at = outline.sections[index].node.span.start;
                cursor = block_of(at).or(root_end).unwrap_or(cursor);
            }
            None if section.name().is_empty() || is_made_by_others(edited, section) => {}
            None => {
                let row = row_ends.get(section.section_type()).filter(|_| section.is_anonymous());
                let at = row.copied().unwrap_or(cursor);
                push_block(section, at, &mut patch);
                if section.is_anonymous() {
                    row_ends.insert(section.section_type(), at);
                }
            }
        }
    }
    patch.apply()
}

/// Returns where the blocks of each row end.
fn row_ends<'o>(
    outline: &'o Outline<'_>,
    block_of: impl Fn(usize) -> Option<usize>,
) -> HashMap<&'o [u8], usize> {
    let mut ends: HashMap<&[u8], usize> = HashMap::new();
    for found in outline.sections.iter().filter(|found| found.is_anonymous) {
        if let Some(end) = block_of(found.node.span.start) {
            let last = ends.entry(&found.path).or_default();
            *last = end.max(*last);
        }
    }
    ends
}

/// Reports whether a section is there because others are in it.
fn is_made_by_others(package: &Package, section: Section<'_>) -> bool {
    let inside = [section.name(), b"."].concat();
    let path = |other: Section<'_>| {
        if other.is_anonymous() { other.section_type() } else { other.name() }.starts_with(&inside)
    };
    !section.is_anonymous() && section.options().next().is_none() && package.sections().any(path)
}

fn push_block(section: Section<'_>, at: usize, patch: &mut Patch<'_>) {
    let mut text = Vec::new();
    let before = &patch.source[..at];
    let is_apart = before.trim_ascii().is_empty() && !patch.edits.iter().any(|(range, _)| range.start == at);
    if !is_apart {
        text.extend_from_slice(patch.line_end);
    }
    print::block(section, false, patch.line_end, &mut text);
    let rest = &patch.source[at..];
    if is_apart && !rest.is_empty() && !rest.starts_with(b"\n") && !rest.starts_with(b"\r\n") {
        text.extend_from_slice(patch.line_end);
    }
    patch.insert_lines(at, text);
}

/// Puts the blocks of sections in the order of the edited package.
pub fn reorder(document: &Document, written: &Package, edited: &Package) -> Vec<u8> {
    let source = &document.source;
    let lines = Lines(source);
    let outline = outline(document, FormatKind::Toml);
    let blocks = blocks(document);
    if blocks.is_empty() {
        return source.to_vec();
    }
    // Each block reaches to the comments of the next one.
    let mut starts: Vec<usize> = blocks.iter().map(|block| lead(&lines, block.start)).collect();
    starts[0] = top(&lines, &blocks);
    let ends = starts.iter().skip(1).copied().chain([source.len()]);
    let texts: Vec<&[u8]> = starts.iter().zip(ends).map(|(start, end)| &source[*start..end]).collect();
    let block_of = |index: usize| {
        let at = outline.sections[index].node.span.start;
        blocks.iter().position(|block| block.contains(&at))
    };
    let mut order: Vec<usize> = Vec::new();
    for section in edited.sections() {
        let block = counterpart(edited, section, written).and_then(block_of);
        if let Some(block) = block.filter(|block| !order.contains(block)) {
            order.push(block);
        }
    }
    let all = with_others(&order, blocks.len());
    let mut out = source[..starts[0]].to_vec();
    for (position, block) in all.iter().enumerate() {
        if position > 0 {
            if !out.ends_with(b"\n") {
                out.push(b'\n');
            }
            if !out.ends_with(b"\n\n")
                && texts[*block].starts_with(b"[")
                && source[..starts[*block]].ends_with(b"\n\n")
            {
                out.push(b'\n');
            }
        }
        out.extend_from_slice(texts[*block]);
    }
    out
}

/// Returns the position of a section in the package read from the text that the first pass has written. The numbers of
/// anonymous sections lead from one package to the other, in their original order.
fn counterpart(edited: &Package, section: Section<'_>, written: &Package) -> Option<usize> {
    let number = |package: &Package, section: &Section<'_>| {
        let same =
            |other: &Section<'_>| other.is_anonymous() && other.section_type() == section.section_type();
        let mut all: Vec<Section<'_>> = package.sections().filter(same).collect();
        all.sort_by_key(|section| section.origin().unwrap_or(usize::MAX));
        all.iter().position(|other| other.name() == section.name())
    };
    let wanted = number(edited, &section);
    written.sections().position(|other| match section.is_anonymous() {
        true => {
            let of_row = other.is_anonymous() && other.section_type() == section.section_type();
            of_row && number(written, &other) == wanted
        }
        false => !other.is_anonymous() && other.name() == section.name(),
    })
}

/// Returns all blocks in order. Headers that are no sections stand before what follows them.
fn with_others(order: &[usize], count: usize) -> Vec<usize> {
    let mut all = Vec::with_capacity(count);
    for block in order {
        let before = (0..*block).rev().take_while(|before| !order.contains(before));
        let before: Vec<usize> = before.filter(|before| !all.contains(before)).collect();
        all.extend(before.into_iter().rev());
        all.push(*block);
    }
    let rest: Vec<usize> = (0..count).filter(|block| !all.contains(block)).collect();
    all.extend(rest);
    all
}
