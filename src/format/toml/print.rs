//! TOML text made anew: the values of the root, then each section in its order.

use crate::error::{Error, Result, shown};
use crate::format::tree::brackets::{Style, Syntax};
use crate::format::tree::spelling::push_json_string;
use crate::format::tree::wanted::name_of;
use crate::format::tree::{Kind, Node};
use crate::model::key_part;
use crate::model::package::{OptionView, Package, Section, Value};
use crate::model::value_type::ValueType;

/// Writes a package as a document. What TOML cannot hold is left out: [`check`] says what that is.
pub fn document(package: &Package, names: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let root = package.section(b"");
    if let Some(root) = root {
        lines(root, b"", b"", b"\n", &mut out);
    }
    for section in package.sections().filter(|section| !section.name().is_empty()) {
        if !out.is_empty() {
            out.push(b'\n');
        }
        block(section, names, b"\n", &mut out);
    }
    out
}

/// Writes a section with its header.
pub fn block(section: Section<'_>, names: bool, line_end: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&header(section, names));
    out.extend_from_slice(line_end);
    lines(section, b"", b"", line_end, out);
}

/// Returns the header of a section.
pub fn header(section: Section<'_>, names: bool) -> Vec<u8> {
    match section.is_anonymous() && !names {
        true => [b"[[", &path(section.section_type())[..], b"]]"].concat(),
        false => [b"[", &path(section.name())[..], b"]"].concat(),
    }
}

/// Returns a dotted name as TOML has it.
pub fn path(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in key_part::split(name).unwrap_or_default() {
        if !out.is_empty() {
            out.push(b'.');
        }
        key(&part, &mut out);
    }
    out
}

/// Writes the options of a section as lines.
pub fn lines(section: Section<'_>, indent: &[u8], prefix: &[u8], line_end: &[u8], out: &mut Vec<u8>) {
    for option in section.options() {
        line(option, indent, prefix, line_end, out);
    }
}

/// Writes an option as a line.
pub fn line(option: OptionView<'_>, indent: &[u8], prefix: &[u8], line_end: &[u8], out: &mut Vec<u8>) {
    let mut text = Vec::new();
    style().value(option, &mut text);
    if text.is_empty() {
        return;
    }
    out.extend_from_slice(indent);
    out.extend_from_slice(prefix);
    key(&name_of(option), out);
    out.extend_from_slice(b" = ");
    out.extend_from_slice(&text);
    out.extend_from_slice(line_end);
}

/// Writes a name: bare if it can be.
pub fn key(name: &[u8], out: &mut Vec<u8>) {
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match !name.is_empty() && name.iter().all(is_bare) {
        true => out.extend_from_slice(name),
        false => string(name, out),
    }
}

/// Writes a string.
pub fn string(text: &[u8], out: &mut Vec<u8>) {
    let mut quoted = Vec::new();
    push_json_string(text, &mut quoted);
    for byte in quoted {
        match byte {
            0x7f => out.extend_from_slice(b"\\u007F"),
            _ => out.push(byte),
        }
    }
}

/// The syntax of TOML.
pub struct OfToml;

impl Syntax for OfToml {
    fn name(&self, name: &[u8], out: &mut Vec<u8>) {
        key(name, out);
    }

    fn scalar(&self, text: &[u8], of: ValueType, out: &mut Vec<u8>) {
        scalar(text, of, out);
    }

    fn like(&self, source: &[u8], old: &Node, new: OptionView<'_>) -> Option<Vec<u8>> {
        let is_date = |text: &[u8]| {
            std::str::from_utf8(text).is_ok_and(|text| text.parse::<toml_edit::Datetime>().is_ok())
        };
        match (&old.kind, new.value(), new.value_type()) {
            (Kind::Date(_), Value::String(text), ValueType::String) if is_date(text) => Some(text.to_vec()),
            (Kind::Array(items, _), Value::List(list), ValueType::List)
                if !items.is_empty()
                    && items.iter().all(|item| matches!(item.kind, Kind::Date(_)))
                    && list.iter().all(is_date) =>
            {
                let items: Vec<&[u8]> = list.iter().collect();
                Some([b"[", &items.join(&b", "[..])[..], b"]"].concat())
            }
            (Kind::String(_), Value::String(text), ValueType::String)
                if source[old.span.clone()].starts_with(b"'")
                    && !source[old.span.clone()].starts_with(b"'''")
                    && text.iter().all(|byte| *byte >= b' ' && !matches!(byte, b'\'' | 0x7f)) =>
            {
                Some([b"'", text, b"'"].concat())
            }
            _ => None,
        }
    }
}

/// Returns the style of tables that stand in a line.
pub fn style() -> Style {
    Style {
        syntax: &OfToml,
        unit: b"  ".to_vec(),
        colon: b" = ".to_vec(),
        line_end: b"\n",
        in_lines: false,
        pad: b" ",
    }
}

/// Writes a value that is no list.
pub fn scalar(text: &[u8], of: ValueType, out: &mut Vec<u8>) {
    match of {
        ValueType::String => string(text, out),
        ValueType::Json => {
            if let Ok(value) = serde_json::from_slice(text) {
                json(&value, out);
            }
        }
        ValueType::Null => {}
        _ => out.extend_from_slice(text),
    }
}

fn json(value: &serde_json::Value, out: &mut Vec<u8>) {
    use serde_json::Value as Json;
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(on) => out.extend_from_slice(on.to_string().as_bytes()),
        Json::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Json::String(text) => string(text.as_bytes(), out),
        Json::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                json(item, out);
            }
            out.push(b']');
        }
        Json::Object(members) => {
            out.push(b'{');
            for (index, (name, member)) in members.iter().enumerate() {
                out.extend_from_slice(if index > 0 { b", " } else { b" " });
                key(name.as_bytes(), out);
                out.extend_from_slice(b" = ");
                json(member, out);
            }
            out.extend_from_slice(if members.is_empty() { b"}" } else { b" }" });
        }
    }
}

/// Refuses an option that TOML cannot hold.
///
/// # Errors
///
/// [`Error::Invalid`] with the key and the format that can hold it.
pub fn check(package: &[u8], section: Section<'_>, option: OptionView<'_>) -> Result<()> {
    let key = [package, b".", section.name(), b".", option.name()].concat();
    let why = match option.value_type() {
        ValueType::Null => Some("TOML has no null: JSON can hold it"),
        ValueType::Int | ValueType::IntList
            if option.value().items().any(|item| crate::model::name::whole_integer(item).is_none()) =>
        {
            Some("TOML has whole numbers of 64 bits: JSON can hold larger ones")
        }
        ValueType::Json => match option.value() {
            Value::String(text) if !serde_json::from_slice(text).is_ok_and(|value| is_held(&value)) => {
                Some("TOML has neither null nor whole numbers of more than 64 bits: JSON can hold it")
            }
            _ => None,
        },
        _ => None,
    };
    match why {
        Some(why) => Err(Error::invalid(shown::name(&key).as_bytes(), why)),
        None => Ok(()),
    }
}

fn is_held(value: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match value {
        Json::Null => false,
        Json::Number(number) => {
            let text = number.to_string();
            let of = crate::model::value_type::is_json_number(text.as_bytes());
            of != Some(ValueType::Int) || text.parse::<i64>().is_ok()
        }
        Json::Array(items) => items.iter().all(is_held),
        Json::Object(members) => members.values().all(is_held),
        Json::Bool(_) | Json::String(_) => true,
    }
}
