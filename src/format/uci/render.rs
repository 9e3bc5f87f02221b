//! Writes an edited package back into the text it was read from.
//!
//! Only the lines an edit concerns change: a new value takes the place (and the quoting) of the old one, a new option
//! goes behind the last one of its section, a new section behind its predecessor. Comments, blank lines, indentation,
//! order and line ends of everything else stay. Deleting a section deletes its lines from the header to the last
//! option; a comment above the header stays.
//!
//! It works in two passes: first values, options, headers and deleted sections; then, on the result, moved and new
//! sections. The result is read again and compared, so that a file is never replaced by one that reads differently.

use std::sync::Arc;

use super::layout::{self, Layout, SectionSites, Site};
use super::load::parse;
use super::place::place_sections;
use super::print::{print_option, print_section_lines, push_quoted, push_type};
use super::statement::Command;
use crate::bytes;
use crate::error::{Error, Result};
use crate::format::patch::{Patch, line_end, preceding_blank_line};
use crate::format::{ParseOptions, unwritable};
use crate::model::name::is_blank;
use crate::model::package::{OptionView, Package, Section, Touched, Value};

/// Writes `package`, which was read with `options` and perhaps edited since, into its text.
///
/// # Errors
///
/// [`Error::Invalid`] if the package cannot be written as text, since it has two sections of one name;
/// [`Error::Parse`] if the text it was read from does not parse with `options`.
pub fn render(package: &Package, options: &ParseOptions<'_>) -> Result<Vec<u8>> {
    let original = parse(package.name(), Arc::clone(package.source()), options)?.package;
    let source = Arc::clone(rewrite(&original, package, options)?.source());
    Ok(Arc::unwrap_or_clone(source))
}

/// As [`render`], for callers that have `original`, the package before the edits; also returns the package that was
/// read from the new text.
///
/// # Errors
///
/// As for [`render`].
pub(crate) fn rewrite(original: &Package, package: &Package, options: &ParseOptions<'_>) -> Result<Package> {
    if original == package {
        return Ok(original.clone());
    }
    let source = edit_sections(original, package, options)?;
    let source = match package.touched() {
        Touched::Options(_) => source,
        Touched::Everything => place_sections(source, package, options)?,
    };
    let written = parse(package.name(), Arc::new(source), options)?.package;
    if written == *package {
        return Ok(written);
    }
    match package.without_lines() {
        // The lines of a new section mean something else here, so it is written without comments.
        Some(plain) => rewrite(original, &plain, options),
        None => Err(unwritable(package)),
    }
}

/// The first pass: all edits except moved and new sections.
fn edit_sections(original: &Package, edited: &Package, options: &ParseOptions<'_>) -> Result<Vec<u8>> {
    let mut kept: Vec<Option<Section<'_>>> = vec![None; original.len()];
    for section in edited.sections() {
        if let Some(origin) = section.origin() {
            kept[origin] = Some(section);
        }
    }
    let touched: Vec<bool> =
        original.sections().zip(&kept).map(|(old, new)| new.is_none_or(|new| !same(old, new))).collect();
    let mut source = Arc::clone(edited.source());
    let mut layout = scan(&source, original, options, &touched)?;
    if let Some(closed) = layout::close_end(&source, layout.end, line_end(&source)) {
        source = Arc::new(closed);
        layout = scan(&source, original, options, &touched)?;
    }
    layout.shared.retain(|line| line.sections.iter().any(|section| touched[*section]));
    if !layout.shared.is_empty() {
        source = Arc::new(layout::split_shared(&source, &layout.shared, line_end(&source)));
        layout = scan(&source, original, options, &touched)?;
    }
    let mut patch = Patch::new(&source);
    for (ordinal, old) in original.sections().enumerate().filter(|(ordinal, _)| touched[*ordinal]) {
        let sites = &layout.sections[ordinal];
        match kept[ordinal] {
            None => delete_blocks(sites, &mut patch),
            Some(new) if new.is_anonymous() && !old.is_anonymous() && sites.blocks.len() > 1 => {
                delete_blocks(sites, &mut patch);
                let mut text = Vec::new();
                print_section_lines(new, false, patch.line_end, &mut text);
                patch.replace(sites.blocks[0].lines.start..sites.blocks[0].lines.start, text);
            }
            Some(new) => {
                edit_headers(old, new, sites, &mut patch);
                edit_options(old, new, sites, &mut patch);
            }
        }
    }
    Ok(patch.apply())
}

pub(super) fn scan(
    source: &[u8],
    package: &Package,
    options: &ParseOptions<'_>,
    wanted: &[bool],
) -> Result<Layout> {
    layout::scan(source, package, options, |ordinal| wanted[ordinal])
        .map_err(|fault| Error::from(fault.locate(source)))
}

/// Reports whether a section has not been changed at all.
fn same(old: Section<'_>, new: Section<'_>) -> bool {
    old.section_type() == new.section_type()
        && old.is_anonymous() == new.is_anonymous()
        && (old.is_anonymous() || old.name() == new.name())
        && old.options().map(option_state).eq(new.options().map(option_state))
}

fn option_state<'p>(option: OptionView<'p>) -> (Option<usize>, &'p [u8], Value<'p>) {
    (option.origin(), option.name(), option.value())
}

/// Deletes a section, and one of two blank lines that would then meet.
fn delete_blocks(sites: &SectionSites, patch: &mut Patch<'_>) {
    for block in &sites.blocks {
        let mut lines = block.lines.clone();
        let before = preceding_blank_line(patch.source, lines.start, block.above);
        let next = &patch.source[lines.end..];
        let next = &next[..bytes::find(b'\n', next).unwrap_or(next.len())];
        if let Some(before) = before.filter(|_| next.iter().all(|byte| is_blank(*byte))) {
            lines.start = before;
        }
        patch.replace(lines, Vec::new());
    }
}

fn edit_headers(old: Section<'_>, new: Section<'_>, sites: &SectionSites, patch: &mut Patch<'_>) {
    for header in sites.blocks.iter().map(|block| &block.header) {
        if old.section_type() != new.section_type() {
            let mut text = Vec::new();
            push_type(new.section_type(), &mut text);
            patch.replace(header.first.clone(), text);
        }
        if new.is_anonymous() {
            if !old.is_anonymous() {
                patch.replace(header.first.end..header.second.end, Vec::new());
            }
        } else if old.is_anonymous() || old.name() != new.name() {
            let place = if header.second.is_empty() {
                header.first.end..header.first.end
            } else {
                header.second.clone()
            };
            let mut text = if place.start == header.first.end { b" ".to_vec() } else { Vec::new() };
            push_quoted(new.name(), &mut text);
            patch.replace(place, text);
        }
    }
}

fn edit_options(old: Section<'_>, new: Section<'_>, sites: &SectionSites, patch: &mut Patch<'_>) {
    let mut kept: Vec<Option<OptionView<'_>>> = vec![None; old.options().count()];
    let mut added = Vec::new();
    let indent = indent_of(sites, patch.source);
    for option in new.options() {
        match option.origin() {
            Some(origin) => kept[origin] = Some(option),
            None => print_option(option.name(), option.value(), &indent, patch.line_end, &mut added),
        }
    }
    for (origin, old) in old.options().enumerate() {
        let sites = &sites.options[origin];
        match kept[origin] {
            None => delete_lines(sites, patch),
            Some(new) if option_state(old) != option_state(new) => {
                edit_option(old, new, sites, &indent, patch);
            }
            Some(_) => {}
        }
    }
    if let Some(block) = sites.blocks.last() {
        patch.insert_lines(block.lines.end, added);
    }
}

/// Returns the indentation of the section's last option, or a tab.
fn indent_of(sites: &SectionSites, source: &[u8]) -> Vec<u8> {
    let last = sites.options.iter().flatten().max_by_key(|site| site.range.start);
    last.map_or_else(|| b"\t".to_vec(), |site| source[site.line.start..site.range.start].to_vec())
}

fn delete_lines(sites: &[Site], patch: &mut Patch<'_>) {
    for site in sites {
        patch.replace(site.line.clone(), Vec::new());
    }
}

fn edit_option(
    old: OptionView<'_>,
    new: OptionView<'_>,
    sites: &[Site],
    indent: &[u8],
    patch: &mut Patch<'_>,
) {
    let Some((first, others)) = sites.split_first() else { return };
    let last = others.last().unwrap_or(first);
    let all_lists = sites.iter().all(|site| site.command == Command::List);
    match (old.value(), new.value()) {
        (a, b) if a == b => rename_sites(old, new, sites, patch),
        (Value::String(_), Value::String(value)) if last.command == Command::Option => {
            rename_sites(old, new, sites, patch);
            let text = requoted(&patch.source[last.second.clone()], value);
            patch.replace(last.second.clone(), text);
        }
        (Value::List(_), Value::List(_)) if all_lists => {
            edit_items(old, new, sites, indent, patch);
        }
        (_, value) => {
            let mut text = Vec::new();
            print_option(new.name(), value, indent, patch.line_end, &mut text);
            patch.replace(first.line.clone(), text);
            delete_lines(others, patch);
        }
    }
}

fn rename_sites(old: OptionView<'_>, new: OptionView<'_>, sites: &[Site], patch: &mut Patch<'_>) {
    if old.name() != new.name() {
        for site in sites {
            patch.replace(site.first.clone(), new.name().to_vec());
        }
    }
}

/// Edits a list whose items each have their own line: items both lists have stay where they are.
fn edit_items(
    old: OptionView<'_>,
    new: OptionView<'_>,
    sites: &[Site],
    indent: &[u8],
    patch: &mut Patch<'_>,
) {
    let before: Vec<&[u8]> = old.value().items().collect();
    let after: Vec<&[u8]> = new.value().items().collect();
    let mut remaining = before.iter().enumerate();
    let mut place = sites[0].line.start;
    let mut missing = Vec::new();
    let mut kept = vec![false; before.len()];
    // If other options are between the items, the whole list counts as being at the position of its first item.
    let source = patch.source;
    let holds_place = |index: usize| {
        sites[..=index].windows(2).all(|pair| is_comment(&source[pair[0].line.end..pair[1].line.start]))
    };
    // An item of the new list is matched with the next equal one of the old list, if any is left.
    for (position, item) in after.iter().enumerate() {
        let rest = remaining.clone();
        match remaining.find(|(index, candidate)| *candidate == item && (position > 0 || holds_place(*index)))
        {
            Some((index, _)) => {
                flush(&mut missing, place, patch);
                kept[index] = true;
                place = sites[index].line.end;
            }
            None => {
                remaining = rest;
                if position == 0 && !before.is_empty() {
                    place = sites[0].line.start;
                }
                let mut one = Vec::new();
                push_item(new.name(), item, indent, patch.line_end, &mut one);
                missing.extend_from_slice(&one);
            }
        }
    }
    flush(&mut missing, place, patch);
    for (site, _) in sites.iter().zip(&kept).filter(|(_, kept)| !**kept) {
        patch.replace(site.line.clone(), Vec::new());
    }
    let stay: Vec<Site> =
        sites.iter().zip(kept).filter(|(_, kept)| *kept).map(|(site, _)| site.clone()).collect();
    rename_sites(old, new, &stay, patch);
}

/// Reports whether lines hold nothing but blanks and comments.
fn is_comment(lines: &[u8]) -> bool {
    lines
        .split(|byte| *byte == b'\n')
        .all(|line| matches!(line.trim_ascii_start().first(), None | Some(b'#')))
}

fn flush(lines: &mut Vec<u8>, at: usize, patch: &mut Patch<'_>) {
    patch.insert_lines(at, std::mem::take(lines));
}

fn push_item(name: &[u8], item: &[u8], indent: &[u8], line_end: &[u8], out: &mut Vec<u8>) {
    for part in [indent, b"list ", name, b" "] {
        out.extend_from_slice(part);
    }
    push_quoted(item, out);
    out.extend_from_slice(line_end);
}

/// Writes `value` the way the old value was written, if that is possible.
fn requoted(old: &[u8], value: &[u8]) -> Vec<u8> {
    let special = |byte: &u8| is_blank(*byte) || matches!(byte, b'\'' | b'"' | b'\\' | b'#' | b';');
    let mut out = Vec::with_capacity(value.len() + 2);
    match old.first() {
        Some(b'"') if old.len() > 1 && old.ends_with(b"\"") => {
            out.push(b'"');
            for byte in value {
                if matches!(byte, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(*byte);
            }
            out.push(b'"');
        }
        Some(_) if !old.iter().any(special) && !value.is_empty() && !value.iter().any(special) => {
            out.extend_from_slice(value);
        }
        _ => push_quoted(value, &mut out),
    }
    out
}
