//! The JSON text of values.

use super::{Document, Kind, Node, Text};

/// Appends a value as JSON, without blanks.
pub fn push(document: &Document, node: &Node, out: &mut Vec<u8>) {
    let source = document.source.as_slice();
    match &node.kind {
        Kind::Null => out.extend_from_slice(b"null"),
        Kind::Bool(on) => out.extend_from_slice(if *on { b"true" } else { b"false" }),
        Kind::Float(text) if is_not_finite(text.of(source)) => push_json_string(text.of(source), out),
        Kind::Int(text) | Kind::Float(text) => out.extend_from_slice(text.of(source)),
        Kind::String(text) | Kind::Date(text) => push_json_string(text.of(source), out),
        Kind::Array(items, _) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                push(document, item, out);
            }
            out.push(b']');
        }
        Kind::Object(members, _) => {
            out.push(b'{');
            for (index, member) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                push_json_string(member.name.of(source), out);
                out.push(b':');
                push(document, &member.node, out);
            }
            out.push(b'}');
        }
    }
}

/// Reports whether a number is one that JSON cannot hold.
pub fn is_not_finite(text: &[u8]) -> bool {
    text.ends_with(b"inf") || text.ends_with(b"nan")
}

/// Returns the JSON text of a value: as it is written, if that is JSON without comments.
pub fn text(document: &Document, node: &Node, is_json: bool) -> Text {
    if is_json && !document.has_comment(&node.span) {
        return Text::Slice(node.span.clone());
    }
    let mut out = Vec::new();
    push(document, node, &mut out);
    Text::Own(out)
}

/// Appends a string of JSON: the shortest escapes, none where a character can stand for itself.
pub fn push_json_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            0..=31 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}
