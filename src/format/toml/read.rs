//! Reads TOML, by the crate `toml_edit`.

use std::ops::Range;
use std::sync::Arc;

use toml_edit::{Array, InlineTable, Item, Key, Table, Value};

use crate::error::parse::{ParseError, Reason};
use crate::format::tree::{Document, Form, Kind, Member, Node, Text};
use crate::model::value_type::{self, ValueType};

const FAULT: Reason = Reason::OfFormat("this is no TOML");
const NOT_UTF8: Reason = Reason::OfFormat("the text is no UTF-8");

/// Reads a document.
pub fn read(source: &Arc<Vec<u8>>) -> Result<Document, ParseError> {
    let text =
        std::str::from_utf8(source).map_err(|error| ParseError::at(NOT_UTF8, source, error.valid_up_to()))?;
    let document = toml_edit::Document::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        ParseError::at(FAULT, source, at).with_detail(error.message())
    })?;
    let reader = Reader { source };
    let members = reader.table(document.as_table());
    let root = Node { span: 0..0, kind: Kind::Object(members, Form::Headers) };
    Ok(Document { root, comments: Vec::new(), source: source.clone() })
}

struct Reader<'s> {
    source: &'s [u8],
}

impl Reader<'_> {
    fn table(&self, table: &Table) -> Vec<Member> {
        let of = |(name, item): (&str, &Item)| {
            let key = table.key(name)?;
            Some(self.member(key, self.item(key, item)?))
        };
        table.iter().filter_map(of).collect()
    }

    fn member(&self, key: &Key, node: Node) -> Member {
        let name_span = key.span().unwrap_or_default();
        Member { name: self.text(&name_span, key.get()), name_span, node }
    }

    /// Returns where a text stands literally, in quotes or without, or a copy of it.
    fn text(&self, span: &Range<usize>, text: &str) -> Text {
        let written = |quotes: usize| {
            let inside = span.start + quotes..span.end.checked_sub(quotes)?;
            (self.source.get(inside.clone())? == text.as_bytes()).then_some(inside)
        };
        let found = [0, 1, 3].into_iter().find_map(written);
        found.map_or_else(|| Text::Own(text.as_bytes().to_vec()), Text::Slice)
    }

    fn item(&self, key: &Key, item: &Item) -> Option<Node> {
        let by_key = || key.span().unwrap_or_default();
        Some(match item {
            Item::None => return None,
            Item::Value(value) => self.value(key, value),
            Item::Table(table) => {
                let form = match () {
                    () if table.is_dotted() => Form::Dotted,
                    () if table.is_implicit() => Form::Implicit,
                    () => Form::Headers,
                };
                let span = if form == Form::Headers { table.span() } else { None };
                Node { span: span.unwrap_or_else(by_key), kind: Kind::Object(self.table(table), form) }
            }
            Item::ArrayOfTables(tables) => {
                let one = |table: &Table| {
                    let span = table.span().unwrap_or_else(by_key);
                    Node { span, kind: Kind::Object(self.table(table), Form::Headers) }
                };
                Node { span: by_key(), kind: Kind::Array(tables.iter().map(one).collect(), Form::Headers) }
            }
        })
    }

    fn value(&self, key: &Key, value: &Value) -> Node {
        let span = value.span().or_else(|| key.span()).unwrap_or_default();
        let kind = match value {
            Value::Boolean(on) => Kind::Bool(*on.value()),
            Value::Integer(number) => {
                Kind::Int(self.number(&span, ValueType::Int, || number.value().to_string()))
            }
            Value::Float(number) => {
                let number = *number.value();
                Kind::Float(match number.is_finite() {
                    true => self.number(&span, ValueType::Float, || value_type::float(number)),
                    false if number.is_nan() => Text::Own(b"nan".to_vec()),
                    false => Text::Own(if number > 0.0 { b"inf".to_vec() } else { b"-inf".to_vec() }),
                })
            }
            Value::String(text) => Kind::String(self.text(&span, text.value())),
            Value::Datetime(_) => Kind::Date(Text::Slice(span.clone())),
            Value::Array(array) => Kind::Array(self.array(key, array), Form::Brackets),
            Value::InlineTable(table) => {
                let form = if table.is_dotted() { Form::Dotted } else { Form::Brackets };
                Kind::Object(self.inline(table), form)
            }
        };
        Node { span, kind }
    }

    /// Returns the spelling of a number if JSON has it, else its canonical one.
    fn number(&self, span: &Range<usize>, of: ValueType, canonical: impl Fn() -> String) -> Text {
        let text = &self.source[span.clone()];
        if value_type::is_json_number(text) == Some(of) {
            return Text::Slice(span.clone());
        }
        let plain: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'_').collect();
        let plain = plain.strip_prefix(b"+").unwrap_or(&plain);
        match value_type::is_json_number(plain) == Some(of) {
            true => Text::Own(plain.to_vec()),
            false => Text::Own(canonical().into_bytes()),
        }
    }

    fn array(&self, key: &Key, array: &Array) -> Vec<Node> {
        array.iter().map(|value| self.value(key, value)).collect()
    }

    fn inline(&self, table: &InlineTable) -> Vec<Member> {
        let of = |(name, value): (&str, &Value)| {
            let key = table.key(name)?;
            Some(self.member(key, self.value(key, value)))
        };
        table.iter().filter_map(of).collect()
    }
}
