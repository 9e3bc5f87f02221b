//! The canonical form of a package, as stock uci writes it.

use crate::bytes;
use crate::model::package::{Package, Section, Value};

/// Appends `value` with each `'` written `'\''`: the form between single quotes.
pub(crate) fn push_escaped(value: &[u8], out: &mut Vec<u8>) {
    let mut from = 0;
    for at in bytes::positions(b'\'', value) {
        out.extend_from_slice(&value[from..at]);
        out.extend_from_slice(b"'\\''");
        from = at + 1;
    }
    out.extend_from_slice(&value[from..]);
}

/// Appends `value` in single quotes.
pub(crate) fn push_quoted(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    push_escaped(value, out);
    out.push(b'\'');
}

/// Returns `value` in single quotes, as in a text.
#[must_use]
pub fn quoted(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 2);
    push_quoted(value, &mut out);
    out
}

/// Appends a section type: bare, as stock uci writes it, unless it would read back as something else.
pub(crate) fn push_type(section_type: &[u8], out: &mut Vec<u8>) {
    if section_type.iter().any(|byte| matches!(byte, b'\'' | b'"' | b'#' | b';' | b'\\')) {
        push_quoted(section_type, out);
    } else {
        out.extend_from_slice(section_type);
    }
}

/// Writes a package in canonical form. With `names`, the generated names of anonymous sections are written
/// too, which makes them named ones.
#[must_use]
pub fn print(package: &Package, names: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(package.source().len() + 64);
    for section in package.sections() {
        out.push(b'\n');
        print_section(section, names, &mut out);
    }
    out.push(b'\n');
    out
}

/// Appends one section in canonical form, without the blank line before it.
pub fn print_section(section: Section<'_>, names: bool, out: &mut Vec<u8>) {
    print_section_lines(section, names, b"\n", out);
}

/// Appends one section whose lines end in `line_end`; values keep the line ends they hold.
pub(crate) fn print_section_lines(section: Section<'_>, names: bool, line_end: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"config ");
    push_type(section.section_type(), out);
    if names || !section.is_anonymous() {
        out.push(b' ');
        push_quoted(section.name(), out);
    }
    out.extend_from_slice(line_end);
    for option in section.options() {
        print_option(option.name(), option.value(), b"\t", line_end, out);
    }
}

/// Appends the lines of an option.
pub(crate) fn print_option(name: &[u8], value: Value<'_>, indent: &[u8], line_end: &[u8], out: &mut Vec<u8>) {
    let keyword: &[u8] = if matches!(value, Value::List(_)) { b"list " } else { b"option " };
    for item in value.items() {
        for part in [indent, keyword, name, b" "] {
            out.extend_from_slice(part);
        }
        push_quoted(item, out);
        out.extend_from_slice(line_end);
    }
}
