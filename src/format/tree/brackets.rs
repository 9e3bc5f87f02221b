//! Text made anew of objects, arrays and values that stand in brackets.

use crate::format::tree::Node;
use crate::format::tree::wanted::{Child, Table, name_of};
use crate::model::package::{OptionView, Section, Value};
use crate::model::value_type::ValueType;

/// What JSON and TOML write differently.
pub trait Syntax {
    /// Writes the name of a member.
    fn name(&self, name: &[u8], out: &mut Vec<u8>);

    /// Writes a value that is no list.
    fn scalar(&self, text: &[u8], of: ValueType, out: &mut Vec<u8>);

    /// Writes a value the way the old one was written; `None` if it is written as a new one.
    fn like(&self, source: &[u8], old: &Node, new: OptionView<'_>) -> Option<Vec<u8>> {
        let _ = (source, old, new);
        None
    }
}

/// How new text is set.
pub struct Style {
    pub syntax: &'static dyn Syntax,
    /// The indentation of a level.
    pub unit: Vec<u8>,
    /// What is between a name and its value.
    pub colon: Vec<u8>,
    pub line_end: &'static [u8],
    /// A line for each member of a new object.
    pub in_lines: bool,
    /// What is inside the braces of an object in one line.
    pub pad: &'static [u8],
}

impl Style {
    /// Writes an object. `indent` is that of the line that it begins in.
    pub fn object(&self, table: &Table<'_>, indent: &[u8], out: &mut Vec<u8>) {
        let inner = [indent, &self.unit].concat();
        let mut members: Vec<Vec<u8>> = table.options.iter().map(|option| self.member(*option)).collect();
        members.extend(table.children.iter().map(|(name, nested)| {
            let mut text = Vec::new();
            self.syntax.name(name, &mut text);
            text.extend_from_slice(&self.colon);
            self.child(nested, &inner, &mut text);
            text
        }));
        self.push_all(b"{", &members, b"}", indent, out);
    }

    /// Writes what is nested in an object.
    pub fn child(&self, child: &Child<'_>, indent: &[u8], out: &mut Vec<u8>) {
        match child {
            Child::Table(table) => self.object(table, indent, out),
            Child::Row(sections) => {
                let inner = [indent, &self.unit].concat();
                let items: Vec<Vec<u8>> = sections
                    .iter()
                    .map(|one| {
                        let mut text = Vec::new();
                        self.section(*one, &inner, &mut text);
                        text
                    })
                    .collect();
                self.push_all(b"[", &items, b"]", indent, out);
            }
        }
    }

    /// Writes an anonymous section.
    pub fn section(&self, section: Section<'_>, indent: &[u8], out: &mut Vec<u8>) {
        let members: Vec<Vec<u8>> = section.options().map(|option| self.member(option)).collect();
        self.push_all(b"{", &members, b"}", indent, out);
    }

    /// Returns an option as a member of an object.
    pub fn member(&self, option: OptionView<'_>) -> Vec<u8> {
        let mut text = Vec::new();
        self.syntax.name(&name_of(option), &mut text);
        text.extend_from_slice(&self.colon);
        self.value(option, &mut text);
        text
    }

    fn push_all(&self, open: &[u8], all: &[Vec<u8>], close: &[u8], indent: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(open);
        let pad = if open == b"{" && !self.in_lines && !all.is_empty() { self.pad } else { b"" };
        out.extend_from_slice(pad);
        for (index, text) in all.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            if self.in_lines {
                out.extend_from_slice(self.line_end);
                out.extend_from_slice(indent);
                out.extend_from_slice(&self.unit);
            } else if index > 0 {
                out.extend_from_slice(if self.colon.ends_with(b" ") { b" " } else { b"" });
            }
            out.extend_from_slice(text);
        }
        if self.in_lines && !all.is_empty() {
            out.extend_from_slice(self.line_end);
            out.extend_from_slice(indent);
        }
        out.extend_from_slice(pad);
        out.extend_from_slice(close);
    }

    /// Writes a value.
    pub fn value(&self, option: OptionView<'_>, out: &mut Vec<u8>) {
        match option.value() {
            Value::String(text) => self.syntax.scalar(text, option.value_type(), out),
            Value::List(list) => {
                out.push(b'[');
                for (index, item) in list.iter().enumerate() {
                    if index > 0 {
                        out.extend_from_slice(b", ");
                    }
                    self.syntax.scalar(item, option.value_type().of_items(), out);
                }
                out.push(b']');
            }
        }
    }
}
