//! JSON text made anew: two blanks for each level, lists of scalars in one line.

use crate::format::tree::brackets::{Style, Syntax};
use crate::format::tree::commas::Layout;
use crate::format::tree::edit::commas_of;
use crate::format::tree::outline::{Shape, members, outline, shape};
use crate::format::tree::spelling::push_json_string;
use crate::format::tree::wanted::Table;
use crate::format::tree::{Document, Kind, Member, Node};
use crate::model::format_kind::FormatKind;
use crate::model::value_type::ValueType;

/// The syntax of JSON.
pub struct OfJson;

impl Syntax for OfJson {
    fn name(&self, name: &[u8], out: &mut Vec<u8>) {
        push_json_string(name, out);
    }

    fn scalar(&self, text: &[u8], of: ValueType, out: &mut Vec<u8>) {
        match of {
            ValueType::String => push_json_string(text, out),
            _ => out.extend_from_slice(text),
        }
    }
}

/// Returns the style of new documents.
pub fn style() -> Style {
    Style {
        syntax: &OfJson,
        unit: b"  ".to_vec(),
        colon: b": ".to_vec(),
        line_end: b"\n",
        in_lines: true,
        pad: b"",
    }
}

/// Writes a package as a document.
pub fn document(root: &Table<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match root.one_value() {
        Some(option) => style().value(option, &mut out),
        None => style().object(root, b"", &mut out),
    }
    out.push(b'\n');
    out
}

/// Writes a document with canonical blanks; comments stay, and so do values that are options as a whole.
pub fn tidy(document: &Document) -> Vec<u8> {
    let source = document.source.as_slice();
    let root = &document.root;
    if root.span.is_empty() {
        return Vec::new();
    }
    let mut out = source[..root.span.start].to_vec();
    match outline(document, FormatKind::Json).is_one_value {
        true => out.extend_from_slice(&source[root.span.clone()]),
        false => out.extend_from_slice(&brackets(document, root, false, b"")),
    }
    out.extend_from_slice(source[root.span.end..].trim_ascii_end());
    out.push(b'\n');
    out
}

fn tidied(document: &Document, node: &Node, in_row: bool, indent: &[u8]) -> Vec<u8> {
    let source = document.source.as_slice();
    match shape(document, node, in_row) {
        Shape::Section => brackets(document, node, false, indent),
        Shape::Row(_) => brackets(document, node, true, indent),
        Shape::Option(_) => match &node.kind {
            Kind::Array(items, _) if items.iter().all(is_scalar) && !document.has_comment(&node.span) => {
                let items: Vec<&[u8]> = items.iter().map(|item| &source[item.span.clone()]).collect();
                [b"[", &items.join(&b", "[..])[..], b"]"].concat()
            }
            _ => source[node.span.clone()].to_vec(),
        },
    }
}

fn is_scalar(node: &Node) -> bool {
    !matches!(node.kind, Kind::Array(..) | Kind::Object(..))
}

/// Writes an object, or an array of objects.
fn brackets(document: &Document, node: &Node, in_row: bool, indent: &[u8]) -> Vec<u8> {
    let source = document.source.as_slice();
    let inner = [indent, b"  "].concat();
    let texts: Vec<Vec<u8>> = match &node.kind {
        Kind::Array(items, _) => {
            items.iter().map(|item| of_members(document, item, in_row, &inner)).collect()
        }
        _ => members(node)
            .unwrap_or_default()
            .iter()
            .map(|one| member(document, one, in_row, &inner))
            .collect(),
    };
    let mut out = vec![source[node.span.start]];
    if !texts.is_empty() || document.has_comment(&node.span) {
        let layout = Layout { indent: Some(inner), close: indent.to_vec() };
        out.extend_from_slice(&commas_of(document, node).tidy(&texts, &layout));
    }
    out.push(source[node.span.end - 1]);
    out
}

/// Writes an object in an array.
fn of_members(document: &Document, node: &Node, in_row: bool, indent: &[u8]) -> Vec<u8> {
    match &node.kind {
        Kind::Object(..) => brackets(document, node, in_row, indent),
        _ => tidied(document, node, in_row, indent),
    }
}

fn member(document: &Document, member: &Member, in_row: bool, indent: &[u8]) -> Vec<u8> {
    let source = document.source.as_slice();
    let mut text = source[member.name_span.clone()].to_vec();
    let gap = member.name_span.end..member.node.span.start;
    match document.has_comment(&gap) {
        true => text.extend_from_slice(&source[gap]),
        false => text.extend_from_slice(b": "),
    }
    text.extend_from_slice(&tidied(document, &member.node, in_row, indent));
    text
}
