//! Writes an edited package back into the text it was read from. Only the lines that an edit concerns change: a value
//! changes in its place, a new option gets a line behind the last one of its section, and comments stay.
//!
//! The first pass, here, edits what is there; the second one is in `blocks`.

use std::ops::Range;
use std::sync::Arc;

use super::blocks;
use super::print;
use crate::bytes;
use crate::error::{Result, memory};
use crate::format::patch::{Patch, preceding_blank_line};
use crate::format::tree::edit::Writer;
use crate::format::tree::outline::{members, package};
use crate::format::tree::wanted::{Child, Table, name_of, same, same_order, wanted};
use crate::format::tree::{Document, Form, Kind, Member, Node};
use crate::format::{ParseOptions, check_values, unwritable};
use crate::model::format_kind::FormatKind;
use crate::model::package::{OptionView, Package};

/// Writes `edited` into the text of `original`: see [`crate::format::Format::rewrite`].
pub fn rewrite(original: &Package, edited: &Package, options: &ParseOptions<'_>) -> Result<Package> {
    if original == edited {
        return Ok(original.clone());
    }
    check_values(original, edited, FormatKind::Toml)?;
    let want = wanted(edited, false);
    if let Some(refused) = want.refused {
        return Err(refused);
    }
    memory::check_available_to_edit(original.source().len())?;
    let read = |text: Vec<u8>| -> Result<(Document, Package)> {
        let document = super::read::read(&Arc::new(text)).map_err(|_| unwritable(edited))?;
        let package = package(edited.name(), &document, FormatKind::Toml)?;
        Ok((document, package))
    };
    let (mut document, mut written) = match original.source().trim_ascii().is_empty() {
        true => read(print::document(edited, false))?,
        false => read(edit(original, edited, &want.root)?)?,
    };
    if !same(&written, edited) {
        (document, written) = read(blocks::add(&document, &written, original, edited))?;
    }
    if !same(&written, edited) || !same_order(&written, edited) {
        let ordered = read(blocks::reorder(&document, &written, edited)).map(|(_, ordered)| ordered);
        written = ordered.ok().filter(|ordered| same(ordered, edited)).unwrap_or(written);
    }
    if let Some(progress) = options.progress {
        progress(written.source().len(), written.source().len());
    }
    if same(&written, edited) { Ok(written) } else { Err(unwritable(edited)) }
}

/// The lines of a text.
pub struct Lines<'s>(pub &'s [u8]);

impl Lines<'_> {
    pub fn start(&self, at: usize) -> usize {
        bytes::find_last(b'\n', &self.0[..at]).map_or(0, |newline| newline + 1)
    }

    pub fn end(&self, at: usize) -> usize {
        bytes::find(b'\n', &self.0[at..]).map_or(self.0.len(), |newline| at + newline + 1)
    }

    /// Returns the lines of a statement.
    pub fn of(&self, member: &Member) -> Range<usize> {
        self.start(member.name_span.start)..self.end(member.node.span.end)
    }

    /// Returns where the statements of an object end that belong to its header, or to the same dotted name.
    pub fn own_end(&self, node: &Node) -> Option<usize> {
        let header = match &node.kind {
            Kind::Object(_, Form::Headers) if !node.span.is_empty() => Some(self.end(node.span.end)),
            _ => None,
        };
        members(node)
            .unwrap_or_default()
            .iter()
            .filter_map(|member| self.statement_end(member))
            .chain(header)
            .max()
    }

    fn statement_end(&self, member: &Member) -> Option<usize> {
        match &member.node.kind {
            Kind::Object(_, Form::Headers | Form::Implicit) | Kind::Array(_, Form::Headers) => None,
            Kind::Object(_, Form::Dotted) => self.own_end(&member.node),
            _ => Some(self.of(member).end),
        }
    }

    /// Returns the first statement of an object.
    pub fn first_statement(&self, node: &Node) -> Option<Range<usize>> {
        let of = |member: &Member| match &member.node.kind {
            Kind::Object(_, Form::Headers | Form::Implicit) | Kind::Array(_, Form::Headers) => None,
            Kind::Object(_, Form::Dotted) => self.first_statement(&member.node),
            _ => Some(self.start(member.name_span.start)..member.name_span.start),
        };
        members(node).unwrap_or_default().iter().filter_map(of).min_by_key(|range| range.start)
    }
}

fn edit(original: &Package, edited: &Package, want: &Table<'_>) -> Result<Vec<u8>> {
    let document = super::read::read(original.source())?;
    let source = document.source.clone();
    let style = crate::format::tree::brackets::Style {
        line_end: crate::format::tree::commas::line_end(&source),
        ..print::style()
    };
    let writer = Writer::new(&document, original, style);
    let mut edit =
        Edit { writer, lines: Lines(&source), patch: Patch::new(&source), document: &document, edited };
    edit.table(&document.root, Some(want));
    Ok(edit.patch.apply())
}

struct Edit<'d> {
    writer: Writer<'d>,
    lines: Lines<'d>,
    patch: Patch<'d>,
    document: &'d Document,
    edited: &'d Package,
}

impl<'d> Edit<'d> {
    /// Edits a table that has a header or dotted names, or is the root.
    fn table(&mut self, node: &'d Node, want: Option<&Table<'_>>) {
        let olds = members(node).unwrap_or_default();
        let mut kept = vec![false; want.map_or(0, |want| want.options.len())];
        for (index, member) in olds.iter().enumerate() {
            let name = member.name.of(&self.document.source);
            let named =
                want.and_then(|want| want.options.iter().position(|option| *name_of(*option) == *name));
            let renamed = || {
                let want = want.filter(|want| want.child(name).is_none())?;
                let of = |option: &OptionView<'_>| self.writer.origin_of(node, *option) == Some(index);
                let found = want.options.iter().position(of)?;
                let is_free = olds
                    .iter()
                    .all(|old| *old.name.of(&self.document.source) != *name_of(want.options[found]));
                is_free.then_some(found)
            };
            match (named.or_else(renamed), want.and_then(|want| want.child(name))) {
                (Some(found), _) => {
                    let option = want.map(|want| want.options[found]);
                    kept[found] = option.is_some_and(|option| self.option(node, index, member, option));
                }
                (None, Some(child)) => self.child(member, child),
                (None, None) => self.moved_or_erased(member),
            }
        }
        let Some(want) = want else { return };
        let added =
            want.options.iter().zip(kept).filter(|(_, kept)| !kept).map(|(option, _)| *option).collect();
        self.add(node, added);
    }

    /// Edits an option; returns whether it is in the text after that.
    fn option(&mut self, node: &'d Node, index: usize, member: &'d Member, option: OptionView<'_>) -> bool {
        if !is_statement(&member.node) {
            let was = self.writer.option_of(node, index);
            if was.is_some_and(|was| crate::format::tree::wanted::same_option(was, option)) {
                return true;
            }
            self.erase(member);
            return false;
        }
        if *member.name.of(&self.document.source) != *name_of(option) {
            let mut name = Vec::new();
            print::key(&name_of(option), &mut name);
            self.patch.replace(member.name_span.clone(), name);
        }
        let was = self.writer.option_of(node, index);
        if let Some(value) = self.writer.edited_option(was, &member.node, option, b"") {
            self.patch.replace(member.node.span.clone(), value);
        }
        true
    }

    fn child(&mut self, member: &'d Member, child: &Child<'_>) {
        match (&member.node.kind, child) {
            (Kind::Object(_, Form::Brackets), Child::Table(table)) => {
                let text = self.writer.object(&member.node, table, b"");
                self.patch.replace(member.node.span.clone(), text);
            }
            (Kind::Array(items, Form::Brackets), Child::Row(sections)) => {
                let text = self.writer.row(&member.node, items, sections, b"");
                self.patch.replace(member.node.span.clone(), text);
            }
            (Kind::Object(..), Child::Table(table)) => self.table(&member.node, Some(table)),
            (Kind::Array(items, Form::Headers), Child::Row(sections)) => {
                for item in items {
                    let kept = sections.iter().find(|section| {
                        let origin = section.origin();
                        origin.is_some_and(|origin| {
                            std::ptr::eq(self.writer.outline.sections[origin].node, item)
                        })
                    });
                    match kept {
                        Some(section) => self.table(item, Some(&Table::of_section(*section))),
                        None => self.erase_node(item),
                    }
                }
            }
            _ => self.erase(member),
        }
    }

    /// Renames a section that has a header, if it has another name now, and deletes other members.
    fn moved_or_erased(&mut self, member: &'d Member) {
        let renamed = self.writer.section_of(&member.node).and_then(|index| {
            let new = self.edited.sections().find(|section| section.origin() == Some(index))?;
            let is_free = self.writer.outline.sections.iter().all(|found| found.path != new.name());
            (is_free && !new.is_anonymous()).then_some(new)
        });
        match (&member.node.kind, renamed) {
            (Kind::Object(_, Form::Headers), Some(section)) => {
                self.patch.replace(member.node.span.clone(), print::header(section, false));
                self.table(&member.node, Some(&Table::of_section(section)));
            }
            _ => self.erase(member),
        }
    }

    /// Deletes a member with all its lines.
    fn erase(&mut self, member: &'d Member) {
        match is_statement(&member.node) {
            true => self.patch.replace(self.lines.of(member), Vec::new()),
            false => self.erase_node(&member.node),
        }
    }

    fn erase_node(&mut self, node: &'d Node) {
        match &node.kind {
            Kind::Object(members, form) => {
                if *form == Form::Headers {
                    let mut header = self.lines.start(node.span.start)..self.lines.end(node.span.end);
                    let end = self.lines.own_end(node).unwrap_or(header.end);
                    let next = &self.lines.0[end..self.lines.end(end)];
                    let blank = preceding_blank_line(self.lines.0, header.start, 0);
                    // One of two blank lines that would meet goes as well.
                    header.start = blank.filter(|_| next.trim_ascii().is_empty()).unwrap_or(header.start);
                    self.patch.replace(header, Vec::new());
                }
                members.iter().for_each(|member| self.erase(member));
            }
            Kind::Array(items, _) => items.iter().for_each(|item| self.erase_node(item)),
            _ => {}
        }
    }

    /// Adds lines for new options of a table.
    fn add(&mut self, node: &'d Node, options: Vec<OptionView<'_>>) {
        let form = match &node.kind {
            Kind::Object(_, form) => *form,
            _ => return,
        };
        if options.is_empty() || form == Form::Implicit {
            return;
        }
        let first = self.lines.first_statement(node);
        let before = first.map(|range| &self.lines.0[range]).unwrap_or_default();
        let blanks = before.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let (indent, prefix) = match form {
            Form::Dotted => before.split_at(blanks),
            _ => (&before[..blanks], &b""[..]),
        };
        let mut text = Vec::new();
        let line_end = self.patch.line_end;
        options.into_iter().for_each(|option| print::line(option, indent, prefix, line_end, &mut text));
        match self.lines.own_end(node) {
            Some(end) => self.patch.insert_lines(end, text),
            None => {
                let at = blocks::top(&self.lines, &blocks::blocks(self.document));
                if at < self.lines.0.len() {
                    text.extend_from_slice(line_end);
                }
                self.patch.insert_lines(at, text);
            }
        }
    }
}

/// Reports whether a value is written as one statement.
fn is_statement(node: &Node) -> bool {
    !matches!(
        node.kind,
        Kind::Object(_, Form::Headers | Form::Implicit | Form::Dotted) | Kind::Array(_, Form::Headers)
    )
}
