//! Edits what stands in brackets: only what an edit concerns changes. A value changes in its place, a new one gets a line
//! of its own behind the last one, with the comma before it, and comments stay.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::format::tree::brackets::Style;
use crate::format::tree::commas::{Commas, Entry, Layout, matched};
use crate::format::tree::outline::{Outline, members, outline};
use crate::format::tree::wanted::{Child, Table, name_of, same_option, same_value};
use crate::format::tree::{Document, Form, Kind, Member, Node};
use crate::model::package::{OptionView, Package, Section, Value};

/// Takes an object or an array apart.
pub fn commas_of<'d>(document: &'d Document, node: &Node) -> Commas<'d> {
    let spans: Vec<_> = match &node.kind {
        Kind::Object(all, _) => {
            all.iter().map(|member| member.name_span.start..member.node.span.end).collect()
        }
        Kind::Array(all, _) => all.iter().map(|item| item.span.clone()).collect(),
        _ => Vec::new(),
    };
    Commas::new(&document.source, &node.span, &spans)
}

/// Edits the text of a document.
pub struct Writer<'d> {
    document: &'d Document,
    pub outline: Outline<'d>,
    /// The sections of the outline, by their objects.
    of_node: HashMap<*const Node, usize>,
    /// The options of each section of the text.
    original: Vec<Vec<OptionView<'d>>>,
    style: Style,
}

/// What a member is to be.
#[derive(Clone, Copy)]
pub enum Wish<'w, 'p> {
    Option(OptionView<'p>),
    Child(&'w [u8], &'w Child<'p>),
}

impl Wish<'_, '_> {
    fn name(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Option(option) => name_of(*option),
            Self::Child(name, _) => Cow::Borrowed(name),
        }
    }
}

impl<'d> Writer<'d> {
    pub fn new(document: &'d Document, original: &'d Package, style: Style) -> Self {
        let outline = outline(document, original.format());
        let nodes = outline.sections.iter().enumerate();
        let of_node = nodes.map(|(index, found)| (std::ptr::from_ref(found.node), index)).collect();
        let original = original.sections().map(|section| section.options().collect()).collect();
        Self { outline, of_node, original, style, document }
    }

    fn source(&self) -> &'d [u8] {
        &self.document.source
    }

    /// Writes the whole document, whose root stands in brackets.
    pub fn document(&self, want: &Table<'_>) -> Vec<u8> {
        let root = &self.document.root;
        let new = match want.one_value() {
            Some(option) => {
                let mut text = Vec::new();
                self.style.value(option, &mut text);
                text
            }
            None if self.outline.is_one_value => {
                let mut text = Vec::new();
                self.style.object(want, b"", &mut text);
                text
            }
            None => self.object(root, want, b""),
        };
        [&self.source()[..root.span.start], &new, &self.source()[root.span.end..]].concat()
    }

    /// Returns the section that an object was read as.
    pub fn section_of(&self, node: &Node) -> Option<usize> {
        self.of_node.get(&std::ptr::from_ref(node)).copied()
    }

    /// Returns the option of the text that a member was read as.
    pub fn option_of(&self, node: &Node, member: usize) -> Option<OptionView<'d>> {
        let index = self.section_of(node)?;
        let found = &self.outline.sections[index];
        let at = found.options.binary_search_by_key(&Some(member), |(of, _)| *of).ok()?;
        self.original[index].get(at).copied()
    }

    /// Returns the member that an option of the wanted object was read from.
    pub fn origin_of(&self, node: &Node, option: OptionView<'_>) -> Option<usize> {
        let index = self.section_of(node)?;
        self.outline.sections[index].options.get(option.origin()?)?.0
    }

    /// Writes an object in brackets, whose closing bracket stands in a line of this indentation.
    pub fn object(&self, node: &Node, table: &Table<'_>, indent: &[u8]) -> Vec<u8> {
        if members(node)
            .unwrap_or_default()
            .iter()
            .any(|member| matches!(member.node.kind, Kind::Object(_, Form::Dotted)))
        {
            // The members of such an object are not side by side.
            if self.is_unchanged(node, table) {
                return self.source()[node.span.clone()].to_vec();
            }
            let mut text = Vec::new();
            self.style.object(table, indent, &mut text);
            return text;
        }
        let commas = commas_of(self.document, node);
        let inner = commas.indent().unwrap_or_else(|| [indent, &self.style.unit].concat());
        let olds = members(node).unwrap_or_default();
        let order = self.order(node, olds, table);
        let entries: Vec<Entry> = order
            .iter()
            .map(|(old, wish)| match old {
                Some(index) => Entry::Old(*index, self.edited(node, *index, *wish, &inner)),
                None => Entry::New(self.fresh(*wish, &inner)),
            })
            .collect();
        self.between(node, &commas, &entries, indent, &inner)
    }

    /// Reports whether an object is to have the members that it has.
    fn is_unchanged(&self, node: &Node, table: &Table<'_>) -> bool {
        let olds = members(node).unwrap_or_default();
        let is_same = |(index, member): (usize, &Member)| {
            let name = member.name.of(self.source());
            match (&member.node.kind, table.child(name)) {
                (Kind::Object(..), Some(Child::Table(table))) => self.is_unchanged(&member.node, table),
                (_, Some(_)) => false,
                (_, None) => {
                    let was = self.option_of(node, index);
                    was.is_some_and(|was| table.options.iter().any(|option| same_option(was, *option)))
                }
            }
        };
        olds.len() == table.options.len() + table.children.len() && olds.iter().enumerate().all(is_same)
    }

    /// Writes a value in brackets; as it was, if nothing in it has changed.
    fn between(
        &self,
        node: &Node,
        commas: &Commas<'_>,
        entries: &[Entry],
        indent: &[u8],
        inner: &[u8],
    ) -> Vec<u8> {
        let source = self.source();
        let count = match &node.kind {
            Kind::Object(all, _) => all.len(),
            Kind::Array(all, _) => all.len(),
            _ => 0,
        };
        let is_same = |(at, entry): (usize, &Entry)| matches!(entry, Entry::Old(index, None) if *index == at);
        if entries.len() == count && entries.iter().enumerate().all(is_same) {
            return source[node.span.clone()].to_vec();
        }
        let is_list = matches!(node.kind, Kind::Array(..));
        let in_lines = commas.is_in_lines().unwrap_or(self.style.in_lines && !is_list);
        let layout = Layout { indent: in_lines.then(|| inner.to_vec()), close: indent.to_vec() };
        let mut out = vec![source[node.span.start]];
        out.extend_from_slice(&commas.write(entries, &layout));
        out.push(source[node.span.end - 1]);
        out
    }

    /// Returns the members of the new object in order, each with the member that it was. What stays keeps its place;
    /// what is new follows what it follows in the package.
    fn order<'w, 'p>(
        &self,
        node: &Node,
        olds: &[Member],
        table: &'w Table<'p>,
    ) -> Vec<(Option<usize>, Wish<'w, 'p>)> {
        let source = self.source();
        let places: HashMap<&[u8], usize> =
            olds.iter().enumerate().map(|(index, member)| (member.name.of(source), index)).collect();
        let is_wanted = |name: &[u8]| {
            table.child(name).is_some() || table.options.iter().any(|option| *name_of(*option) == *name)
        };
        // A renamed one is at the place of its old name, if nothing else has that name now.
        let renamed = |index: usize| Some(index).filter(|index| !is_wanted(olds[*index].name.of(source)));
        let options: Vec<(Option<usize>, Wish<'w, 'p>)> = table
            .options
            .iter()
            .map(|option| {
                let at = places.get(&*name_of(*option)).copied();
                (at.or_else(|| self.origin_of(node, *option).and_then(renamed)), Wish::Option(*option))
            })
            .collect();
        let children: Vec<(Option<usize>, Wish<'w, 'p>)> = table
            .children
            .iter()
            .map(|(name, child)| {
                let moved = || match child {
                    Child::Table(table) => {
                        let origin = table.section?.origin()?;
                        let node = self.outline.sections[origin].node;
                        olds.iter().position(|old| std::ptr::eq(&raw const old.node, node)).and_then(renamed)
                    }
                    Child::Row(_) => None,
                };
                (places.get(name.as_slice()).copied().or_else(moved), Wish::Child(name, child))
            })
            .collect();
        merged(olds.len(), &options, &children)
    }

    /// Returns the new text of a member that stays; `None` if it stays as it is.
    fn edited(&self, node: &Node, index: usize, wish: Wish<'_, '_>, indent: &[u8]) -> Option<Vec<u8>> {
        let source = self.source();
        let member = &members(node)?[index];
        let name = (*member.name.of(source) != *wish.name()).then(|| {
            let mut name = Vec::new();
            self.style.syntax.name(&wish.name(), &mut name);
            name
        });
        let value = match wish {
            Wish::Option(option) => {
                self.edited_option(self.option_of(node, index), &member.node, option, indent)
            }
            Wish::Child(_, Child::Table(table)) if self.option_of(node, index).is_none() => {
                Some(match &member.node.kind {
                    Kind::Object(..) => self.object(&member.node, table, indent),
                    _ => self.fresh_value(wish, indent),
                })
            }
            Wish::Child(_, Child::Row(sections)) if self.option_of(node, index).is_none() => {
                Some(match &member.node.kind {
                    Kind::Array(items, _) => self.row(&member.node, items, sections, indent),
                    _ => self.fresh_value(wish, indent),
                })
            }
            Wish::Child(..) => Some(self.fresh_value(wish, indent)),
        };
        let value = value.filter(|value| *value != source[member.node.span.clone()]);
        if name.is_none() && value.is_none() {
            return None;
        }
        let mut out = name.unwrap_or_else(|| source[member.name_span.clone()].to_vec());
        out.extend_from_slice(&source[member.name_span.end..member.node.span.start]);
        out.extend_from_slice(value.as_deref().unwrap_or(&source[member.node.span.clone()]));
        Some(out)
    }

    /// Returns the new text of a value; `None` if it stays as it is.
    pub fn edited_option(
        &self,
        was: Option<OptionView<'_>>,
        node: &Node,
        option: OptionView<'_>,
        indent: &[u8],
    ) -> Option<Vec<u8>> {
        if was.is_some_and(|was| same_value(was, option)) {
            return None;
        }
        if let (Some(was), Kind::Array(items, _)) = (was, &node.kind)
            && let (Value::List(old), Value::List(new)) = (was.value(), option.value())
            && was.value_type() == option.value_type()
            && !items.is_empty()
        {
            let old: Vec<&[u8]> = old.iter().collect();
            let new: Vec<&[u8]> = new.iter().collect();
            let of = option.value_type().of_items();
            let entries: Vec<Entry> = matched(&old, &new)
                .into_iter()
                .zip(&new)
                .map(|(place, item)| match place {
                    Some(place) => Entry::Old(place, None),
                    None => {
                        let mut text = Vec::new();
                        self.style.syntax.scalar(item, of, &mut text);
                        Entry::New(text)
                    }
                })
                .collect();
            let commas = commas_of(self.document, node);
            let inner = commas.indent().unwrap_or_default();
            return Some(self.between(node, &commas, &entries, indent, &inner));
        }
        if let Some(like) = self.style.syntax.like(self.source(), node, option) {
            return Some(like);
        }
        let mut text = Vec::new();
        self.style.value(option, &mut text);
        Some(text)
    }

    /// Writes an array of objects.
    pub fn row(&self, node: &Node, items: &[Node], sections: &[Section<'_>], indent: &[u8]) -> Vec<u8> {
        let commas = commas_of(self.document, node);
        let inner = commas.indent().unwrap_or_else(|| [indent, &self.style.unit].concat());
        let entries: Vec<Entry> = sections
            .iter()
            .map(|section| {
                let place = section.origin().and_then(|origin| {
                    let node = self.outline.sections[origin].node;
                    items.iter().position(|item| std::ptr::eq(item, node))
                });
                match place {
                    Some(place) => {
                        let table = Table::of_section(*section);
                        let text = self.object(&items[place], &table, &inner);
                        let same = text == self.source()[items[place].span.clone()];
                        Entry::Old(place, (!same).then_some(text))
                    }
                    None => {
                        let mut text = Vec::new();
                        self.style.section(*section, &inner, &mut text);
                        Entry::New(text)
                    }
                }
            })
            .collect();
        self.between(node, &commas, &entries, indent, &inner)
    }

    /// Returns the text of a new member.
    fn fresh(&self, wish: Wish<'_, '_>, indent: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        self.style.syntax.name(&wish.name(), &mut text);
        text.extend_from_slice(&self.style.colon);
        text.extend_from_slice(&self.fresh_value(wish, indent));
        text
    }

    fn fresh_value(&self, wish: Wish<'_, '_>, indent: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        match wish {
            Wish::Option(option) => self.style.value(option, &mut text),
            Wish::Child(_, child) => self.style.child(child, indent, &mut text),
        }
        text
    }
}

/// Puts options and nested values in one order: see [`Writer::order`].
fn merged<W: Copy>(
    count: usize,
    options: &[(Option<usize>, W)],
    children: &[(Option<usize>, W)],
) -> Vec<(Option<usize>, W)> {
    // What each place of the old text holds: an option, something nested, or nothing any more.
    let mut is_option: Vec<Option<bool>> = vec![None; count];
    options.iter().filter_map(|(old, _)| *old).for_each(|old| is_option[old] = Some(true));
    children.iter().filter_map(|(old, _)| *old).for_each(|old| is_option[old] = Some(false));
    let kept = |all: &[(Option<usize>, W)]| -> Vec<usize> {
        (0..all.len()).filter(|index| all[*index].0.is_some()).collect()
    };
    let (mut of_options, mut of_children) = (kept(options).into_iter(), kept(children).into_iter());
    let mut order: Vec<(bool, usize)> = is_option
        .into_iter()
        .flatten()
        .filter_map(|is_option| {
            Some((is_option, if is_option { of_options.next()? } else { of_children.next()? }))
        })
        .collect();
    let mut insert = |of_options: bool, all: &[(Option<usize>, W)]| {
        for index in (0..all.len()).filter(|index| all[*index].0.is_none()) {
            let before = index.checked_sub(1).map(|before| (of_options, before));
            let at = match before.and_then(|before| order.iter().position(|other| *other == before)) {
                Some(at) => at + 1,
                None if of_options => 0,
                None => order.iter().position(|(of_options, _)| !of_options).unwrap_or(order.len()),
            };
            order.insert(at, (of_options, index));
        }
    };
    insert(true, options);
    insert(false, children);
    order
        .into_iter()
        .map(|(of_options, index)| if of_options { options[index] } else { children[index] })
        .collect()
}
