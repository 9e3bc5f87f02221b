//! Packages as JSON: `{"network": {"lan": {".type": "interface", "ipaddr": "10.0.0.1", "dns": ["a", "b"]}}}`.
//!
//! Sections and options keep their order. An anonymous section has its generated name as its key and has
//! `".anonymous": true`. Text that is not UTF-8 becomes `{"hex": "c3..."}`.
//!
//! Numbers keep the digits that they are written with (an exponent gets a small e). Values that UCI cannot hold are
//! refused, with their position: `null`, empty lists and strings, lists in lists, other objects. Other names that
//! begin with a dot are ignored.

use std::collections::HashSet;

use cms::{OptionView, Package, Section, Value, ValueType};
use serde_json::{Map, Value as Json};

pub use crate::argument::json as text;
use crate::argument::show;
use crate::failure::{Exit, Failure};
use crate::secrets;

/// Converts the value of an option: an array for a list, a number for a number.
pub fn value(option: &OptionView<'_>) -> Json {
    let value_type = option.value_type();
    match option.value() {
        Value::String(string) => typed_text(string, value_type),
        Value::List(list) => list.iter().map(|item| typed_text(item, value_type.of_items())).collect(),
    }
}

/// Converts the text of a value or an item of a type. Numbers keep their digits where JSON has such numbers; `inf` and
/// `nan`, which it has not, stay text.
pub fn typed_text(bytes: &[u8], value_type: ValueType) -> Json {
    let spelled = match value_type {
        ValueType::Int | ValueType::Float | ValueType::Bool | ValueType::Null | ValueType::Json => {
            value_type.spelled(bytes)
        }
        _ => None,
    };
    spelled.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_else(|| text(bytes))
}

/// Converts a section.
pub fn section(section: Section<'_>) -> Json {
    let mut object = Map::new();
    object.insert(".type".into(), text(section.section_type()));
    if section.is_anonymous() {
        object.insert(".anonymous".into(), Json::from(true));
    }
    for option in section.options() {
        object.insert(show(option.name()), value(&option));
    }
    Json::Object(object)
}

/// Converts a package.
pub fn package(package: &Package) -> Json {
    Json::Object(package.sections().map(|s| (show(s.name()), section(s))).collect())
}

/// Converts the value of an option as people see it.
pub fn shown_value(package: &[u8], section: Section<'_>, option: OptionView<'_>) -> Json {
    match secrets::is_hidden(package, section.name(), option.name()) {
        false => value(&option),
        true => {
            let shown = |item| secrets::shown(package, section.name(), option.name(), item);
            let mut items = option.value().items().map(|item| text(&shown(item).bytes()));
            match option.value() {
                Value::String(_) => items.next().unwrap_or_default(),
                Value::List(_) => items.collect(),
            }
        }
    }
}

/// Converts a section as people see it.
pub fn shown_section(package: &[u8], of: Section<'_>) -> Json {
    let mut object = section(of);
    for option in of.options() {
        object[show(option.name())] = shown_value(package, of, option);
    }
    object
}

/// Converts a package as people see it.
pub fn shown_package(package: &Package) -> Json {
    let sections = package.sections().map(|of| (show(of.name()), shown_section(package.name(), of)));
    Json::Object(sections.collect())
}

/// The text of a package, behind its name.
pub type NamedText = (Vec<u8>, Vec<u8>);

/// Reads packages: `{"PACKAGE": {...}, ...}`; if a name is given, the JSON may also be one package under any name, or
/// only its sections. Returns each package as text in canonical form.
pub fn read(bytes: &[u8], name: Option<&[u8]>) -> Result<Vec<NamedText>, Failure> {
    let parsed: Json = serde_json::from_slice(bytes).map_err(|error| wrong(format!("JSON: {error}")))?;
    if let Some(at) = repeated_name(bytes) {
        return Err(wrong(format!("JSON: {at}: the name is there twice")));
    }
    let object = parsed.as_object().ok_or_else(|| wrong("JSON: an object of packages is expected"))?;
    if let Some(name) = name {
        let inner = object.values().next().filter(|inner| object.len() == 1 && !is_section(inner));
        let sections = inner.and_then(Json::as_object).unwrap_or(object);
        return Ok(vec![(name.to_vec(), sections_text(sections, &show(name))?)]);
    }
    let packages = object.iter().map(|(name, sections)| {
        let sections = sections
            .as_object()
            .ok_or_else(|| wrong(format!("JSON: {name}: an object of sections is expected")))?;
        Ok((name.clone().into_bytes(), sections_text(sections, name)?))
    });
    packages.collect()
}

/// Names the fault, on one line: names in it may hold any characters.
fn wrong(why: impl AsRef<[u8]>) -> Failure {
    Failure::Other(Exit::Invalid, cms::shown::text(why))
}

/// Returns the first name that an object holds twice, behind the names around it. The text is JSON that was read
/// without an error; the parser would keep the last of the two values only.
fn repeated_name(json: &[u8]) -> Option<String> {
    // For each object or array around the place: its names so far, and the last of them.
    let mut around: Vec<(HashSet<String>, Option<String>)> = Vec::new();
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b'{' | b'[' => around.push(Default::default()),
            b'}' | b']' => drop(around.pop()),
            b'"' => {
                let end = at + string_length(json.get(at..)?);
                let is_name = json.get(end..)?.trim_ascii_start().first() == Some(&b':');
                if let (true, Some((names, last))) = (is_name, around.last_mut()) {
                    let name: String = serde_json::from_slice(json.get(at..end)?).ok()?;
                    let is_new = names.insert(name.clone());
                    *last = Some(name);
                    if !is_new {
                        let path: Vec<String> = around.into_iter().filter_map(|(_, last)| last).collect();
                        return Some(path.join("."));
                    }
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Returns the length of the string that a text begins with, quotes included.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = true;
    let end = text.iter().position(|byte| {
        let is_end = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 1)
}

fn is_section(value: &Json) -> bool {
    value.get(".type").is_some_and(Json::is_string)
}

/// Writes sections as text, by way of a package, so that every rule is checked.
fn sections_text(sections: &Map<String, Json>, at: &str) -> Result<Vec<u8>, Failure> {
    use cms::text::Dialect;
    use cms::{Delta, DeltaKind};
    let mut package = Package::new(at.as_bytes());
    for (name, section) in sections {
        let at = format!("{at}.{name}");
        let wrong = |why: &str| wrong(format!("JSON: {at}: {why}"));
        let options = section.as_object().ok_or_else(|| wrong("an object of options is expected"))?;
        let kind = options.get(".type").and_then(Json::as_str).filter(|kind| !kind.is_empty());
        let kind = kind.ok_or_else(|| wrong("\".type\" is missing"))?;
        let anonymous = match options.get(".anonymous") {
            None => false,
            Some(json) => json.as_bool().ok_or_else(|| wrong("\".anonymous\" is true or false"))?,
        };
        let refused = |error: cms::Error| wrong(&error.to_string());
        let name = match anonymous {
            true => package.add_section(kind.as_bytes()).map_err(refused)?.into_bytes(),
            false => {
                let set = Delta::new(DeltaKind::Set, name.as_bytes(), None, Some(kind.as_bytes()));
                package.apply(&set, Dialect::Cms).map_err(refused)?;
                name.clone().into_bytes()
            }
        };
        for (option, json) in options.iter().filter(|(option, _)| !option.starts_with('.')) {
            let at = format!("{at}.{option}");
            let (kind, items) = match json {
                Json::Array(items) => (DeltaKind::AddList, items.iter().collect()),
                one => (DeltaKind::Set, vec![one]),
            };
            if items.is_empty() {
                let why = "UCI has no empty lists; leave the option out";
                return Err(self::wrong(format!("JSON: {at}: {why}")));
            }
            for item in items {
                let delta =
                    Delta::new(kind, &name, Some(option.as_bytes()), Some(scalar(item, &at)?.as_slice()));
                let refused = |error| self::wrong(format!("JSON: {at}: {error}"));
                if package.apply(&delta, Dialect::Cms).map_err(refused)?.is_none() {
                    let why = "UCI has no empty values; leave the option out";
                    return Err(self::wrong(format!("JSON: {at}: {why}")));
                }
            }
        }
    }
    Ok(cms::text::print(&package, false))
}

fn scalar(json: &Json, at: &str) -> Result<Vec<u8>, Failure> {
    let wrong = |why: &str| wrong(format!("JSON: {at}: {why}"));
    match json {
        Json::String(text) => Ok(text.clone().into_bytes()),
        Json::Number(_) | Json::Bool(_) => Ok(json.to_string().into_bytes()),
        Json::Object(object) => {
            let hex = object.get("hex").and_then(Json::as_str).filter(|_| object.len() == 1);
            hex.and_then(unhex).ok_or_else(|| wrong("UCI has no nested objects; {\"hex\": \"...\"} is bytes"))
        }
        Json::Null => Err(wrong("UCI has no null; leave the option out")),
        Json::Array(_) => Err(wrong("UCI has no nested lists")),
    }
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    hex.as_bytes().chunks(2).map(byte).collect()
}
