//! The second pass of writing an edited package back: moves sections and inserts new ones.

use std::sync::Arc;

use super::layout::{self, Block, Layout, SectionSites, without_line_end};
use super::load::parse;
use super::print::print_section_lines;
use super::render::scan;
use super::statement::Command;
use crate::bytes;
use crate::error::Result;
use crate::format::patch::{Patch, line_end, preceding_blank_line};
use crate::format::{ParseOptions, unwritable};
use crate::model::name::is_blank;
use crate::model::package::rising::longest_rising;
use crate::model::package::{Package, Section};

/// The second pass: moves sections, and inserts new ones at their positions. All other sections are already as in
/// `edited`.
pub(super) fn place_sections(
    source: Vec<u8>,
    edited: &Package,
    options: &ParseOptions<'_>,
) -> Result<Vec<u8>> {
    let mut source = Arc::new(source);
    let survivors = parse(edited.name(), Arc::clone(&source), options)?.package;
    let order = desired_order(edited);
    if survivors.len() != order.iter().flatten().count() {
        return Err(unwritable(edited));
    }
    let stable = longest_rising(&order);
    if stable.iter().all(|stable| *stable) {
        return Ok(Arc::unwrap_or_clone(source));
    }
    let none = vec![false; survivors.len()];
    let mut layout = scan(&source, &survivors, options, &none)?;
    layout.shared.retain(|line| line.statements[1..].iter().any(|site| site.command == Command::Config));
    if !layout.shared.is_empty() {
        source = Arc::new(layout::split_shared(&source, &layout.shared, line_end(&source)));
        layout = scan(&source, &survivors, options, &none)?;
    }
    let mut patch = Patch::new(&source);
    let (before, after) = neighbours(&order, &stable);
    for (index, section) in edited.sections().enumerate().filter(|(index, _)| !stable[*index]) {
        let text = match order[index] {
            Some(ordinal) => cut_section(&layout.sections[ordinal], &mut patch),
            None => new_section(section, patch.line_end),
        };
        insert_section(text, before[index], after[index], &layout, &mut patch);
    }
    Ok(patch.apply())
}

/// Returns the lines of a new section: those of the text it comes from, with the line ends of this text.
fn new_section(section: Section<'_>, line_end: &[u8]) -> Vec<u8> {
    let Some(lines) = section.lines() else {
        // Room for a section of usual size.
        let mut text = Vec::with_capacity(512);
        print_section_lines(section, false, line_end, &mut text);
        return text;
    };
    let mut text = Vec::with_capacity(lines.len() + line_end.len());
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        text.extend_from_slice(without_line_end(line));
        text.extend_from_slice(line_end);
    }
    text
}

/// Lists, for each section, the last staying section before it and the first staying section after it.
fn neighbours(order: &[Option<usize>], stable: &[bool]) -> (Vec<Option<usize>>, Vec<Option<usize>>) {
    let step = |last: &mut Option<usize>, index: usize| {
        let found = *last;
        if stable[index] {
            *last = order[index];
        }
        Some(found)
    };
    let before = (0..order.len()).scan(None, step).collect();
    let mut after: Vec<_> = (0..order.len()).rev().scan(None, step).collect();
    after.reverse();
    (before, after)
}

/// Lists, for each section of the edited package, its position in the text: `None` for a new one.
fn desired_order(edited: &Package) -> Vec<Option<usize>> {
    let mut origins: Vec<usize> = edited.sections().filter_map(|section| section.origin()).collect();
    origins.sort_unstable();
    edited
        .sections()
        .map(|section| section.origin().and_then(|origin| origins.binary_search(&origin).ok()))
        .collect()
}

/// Takes a section out of the text, the comments right above it included, and returns its lines.
fn cut_section(sites: &SectionSites, patch: &mut Patch<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    for block in &sites.blocks {
        let start = comment_start(patch.source, block);
        text.extend_from_slice(&patch.source[start..block.lines.end]);
        if !text.ends_with(b"\n") {
            text.extend_from_slice(patch.line_end);
        }
        let cut = preceding_blank_line(patch.source, start, block.above).unwrap_or(start);
        patch.replace(cut..block.lines.end, Vec::new());
    }
    text
}

/// Returns where the comment lines right above a header start.
pub(super) fn comment_start(source: &[u8], block: &Block) -> usize {
    let at = block.lines.start;
    let mut start = at;
    while start > block.above {
        let line = bytes::find_last(b'\n', &source[..start - 1]).map_or(0, |newline| newline + 1);
        let first = source[line..start].iter().find(|byte| !is_blank(**byte));
        if first != Some(&b'#') {
            break;
        }
        start = line;
    }
    // A comment at the start of the file is about the file.
    if start == 0 { at } else { start }
}

fn insert_section(
    text: Vec<u8>,
    before: Option<usize>,
    after: Option<usize>,
    layout: &Layout,
    patch: &mut Patch<'_>,
) {
    let blocks = |ordinal: usize| &layout.sections[ordinal].blocks;
    match (before, after) {
        // A section after all others goes to the end of the text, below any comments there.
        (_, None) => {
            let end = patch.source.len();
            let separate = !patch.source.is_empty() && !patch.source.ends_with(b"\n\n");
            // The last edit was most likely at this place as well.
            let first =
                !patch.edits.iter().rev().any(|(range, text)| *range == (end..end) && !text.is_empty());
            let mut lines = text;
            if separate || !first {
                lines.splice(0..0, patch.line_end.iter().copied());
            }
            if first { patch.insert_lines(end, lines) } else { patch.replace(end..end, lines) }
        }
        (Some(before), Some(_)) => {
            let mut lines = patch.line_end.to_vec();
            lines.extend_from_slice(&text);
            patch.insert_lines(blocks(before)[0].lines.end, lines);
        }
        (None, Some(after)) => {
            let at = comment_start(patch.source, &blocks(after)[0]);
            let mut lines = text;
            lines.extend_from_slice(patch.line_end);
            patch.replace(at..at, lines);
        }
    }
}
