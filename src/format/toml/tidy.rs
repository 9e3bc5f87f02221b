//! TOML text with canonical blanks: no indentation, one blank around `=` and before a comment, at most one blank line.
//! What stands in brackets stays as it is.

use super::write::Lines;
use crate::format::patch::Patch;
use crate::format::tree::outline::members;
use crate::format::tree::{Document, Form, Kind, Node};

/// Returns the tidied text of a document.
pub fn tidy(document: &Document) -> Vec<u8> {
    let source = document.source.as_slice();
    let lines = Lines(source);
    let mut patch = Patch::new(source);
    let mut inside = Vec::new();
    statements(&document.root, &lines, &mut patch, &mut inside);
    inside.sort_unstable();
    let mut at = 0;
    let mut blank = true;
    while at < source.len() {
        let end = lines.end(at);
        let of_statement =
            inside.partition_point(|(start, _)| *start <= at).checked_sub(1).map(|index| inside[index]);
        if let Some((_, last)) = of_statement.filter(|(_, last)| at < *last) {
            at = last;
            blank = false;
            continue;
        }
        let text = source[at..end].trim_ascii();
        let is_blank = text.is_empty();
        if is_blank && blank {
            patch.replace(at..end, Vec::new());
        } else {
            let mut line = text.to_vec();
            line.extend_from_slice(patch.line_end);
            patch.replace(at..end, line);
        }
        blank = is_blank;
        at = end;
    }
    let mut out = patch.apply();
    let line_end = crate::format::patch::line_end(source);
    let end = out.trim_ascii_end().len();
    out.truncate(end);
    if end > 0 {
        out.extend_from_slice(line_end);
    }
    out
}

/// Collects the lines of all statements, and sets their blanks.
fn statements(node: &Node, lines: &Lines<'_>, patch: &mut Patch<'_>, inside: &mut Vec<(usize, usize)>) {
    for member in members(node).unwrap_or_default() {
        match &member.node.kind {
            Kind::Object(_, Form::Headers | Form::Implicit | Form::Dotted) => {
                statements(&member.node, lines, patch, inside);
            }
            Kind::Array(items, Form::Headers) => {
                items.iter().for_each(|item| statements(item, lines, patch, inside));
            }
            _ => {
                let range = lines.of(member);
                inside.push((range.start, range.end));
                let source = patch.source;
                let before = &source[range.start..member.name_span.start];
                patch.replace(range.start..member.name_span.start, before.trim_ascii().to_vec());
                patch.replace(member.name_span.end..member.node.span.start, b" = ".to_vec());
                let after = source[member.node.span.end..range.end].trim_ascii();
                let mut rest = if after.is_empty() { Vec::new() } else { b" ".to_vec() };
                rest.extend_from_slice(after);
                rest.extend_from_slice(patch.line_end);
                patch.replace(member.node.span.end..range.end, rest);
            }
        }
    }
}
