//! Exports a schema: as JSON Schema, as C, as Python, or as a page to read.

use cms::ValueType;
use cms::schema::{Access, Field, Schema, SectionRule};
use serde_json::{Map, Value as Json, json};

use crate::argument::show;
use crate::schema::show::conditions;

/// Returns a schema in a form; `None` if there is no such form.
pub fn text(schema: &Schema, form: &str) -> Option<String> {
    match form {
        "jsonschema" => Some(format!("{:#}\n", json_schema(schema))),
        "c" => Some(c_header(schema)),
        "python" => Some(python(schema)),
        "markdown" => Some(markdown(schema)),
        _ => None,
    }
}

/// Returns the type of the values of a field.
fn value_type(field: &Field) -> ValueType {
    field.datatype.as_ref().map_or(ValueType::String, cms::datatype::Datatype::value_type)
}

/// Returns a value as JSON of its type.
fn typed(of: ValueType, value: &[u8]) -> Json {
    let text = show(value);
    let number = || serde_json::from_str::<serde_json::Number>(&text).ok().map(Json::Number);
    let read = match of {
        ValueType::Int | ValueType::Float => number(),
        ValueType::Bool => cms::typed::boolean(value).ok().map(Json::Bool),
        _ => None,
    };
    read.unwrap_or_else(|| Json::from(text))
}

/// Returns the limits that a type such as `range(1,10)` has.
fn limits(type_text: &str) -> (Option<Json>, Option<Json>) {
    let (name, rest) = type_text.split_once('(').unwrap_or((type_text, ""));
    let arguments: Vec<&str> = rest.trim_end_matches(')').split(',').map(str::trim).collect();
    let number = |at: usize| {
        arguments.get(at).and_then(|text| serde_json::from_str(text).ok()).filter(Json::is_number)
    };
    match name.trim() {
        "range" => (number(0), number(1)),
        "min" => (number(0), None),
        "max" => (None, number(0)),
        "port" => (Some(json!(0)), Some(json!(65535))),
        "uinteger" => (Some(json!(0)), None),
        _ => (None, None),
    }
}

fn json_field(field: &Field) -> Json {
    let of = value_type(field);
    let mut item = Map::new();
    let name = match of {
        ValueType::Int => "integer",
        ValueType::Float => "number",
        ValueType::Bool => "boolean",
        _ => "string",
    };
    item.insert("type".into(), json!(name));
    if let Some(choices) = field.datatype.as_ref().and_then(cms::datatype::Datatype::choices) {
        let choices: Vec<Json> = choices.iter().map(|choice| typed(of, choice)).collect();
        item.insert("enum".into(), json!(choices));
    }
    let (least, most) =
        if name == "integer" || name == "number" { limits(&field.type_text) } else { (None, None) };
    item.extend(least.map(|least| ("minimum".to_owned(), least)));
    item.extend(most.map(|most| ("maximum".to_owned(), most)));
    if name == "string" {
        // JSON Schema counts characters, which are no more than the bytes.
        item.extend(field.size.map(|size| ("maxLength".to_owned(), json!(size))));
    }
    let is_list = field.list == Some(true);
    let mut object = if is_list { Map::new() } else { std::mem::take(&mut item) };
    if is_list {
        object.insert("type".into(), json!("array"));
        object.insert("items".into(), Json::Object(item));
    }
    let mut add = |name: &str, value: Json| object.insert(name.into(), value);
    if !field.description.is_empty() {
        add("description", json!(field.description));
    }
    let default: Vec<Json> = field.default.iter().map(|item| typed(of, item)).collect();
    match (default.as_slice(), is_list) {
        ([], _) => {}
        ([one, ..], false) => drop(add("default", one.clone())),
        (all, true) => drop(add("default", json!(all))),
    }
    if !field.example.is_empty() {
        add("examples", json!([typed(of, field.example.as_bytes())]));
    }
    match field.access {
        Access::ReadOnly => drop(add("readOnly", json!(true))),
        Access::Secret => drop(add("writeOnly", json!(true))),
        _ => {}
    }
    if !field.type_text.is_empty() {
        add("x-cms-type", json!(field.type_text));
    }
    Json::Object(object)
}

fn json_section(rule: &SectionRule) -> Json {
    let properties: Map<String, Json> =
        rule.fields.iter().map(|field| (show(&field.name), json_field(field))).collect();
    // What depends on something is required only under a condition.
    let required = rule.fields.iter().filter(|field| field.required && field.depends.is_empty());
    let required: Vec<String> = required.map(|field| show(&field.name)).collect();
    let mut object = json!({"type": "object", "properties": properties});
    if !rule.description.is_empty() {
        object["description"] = json!(rule.description);
    }
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    if rule.unknown == cms::schema::Unknown::Refuse {
        object["additionalProperties"] = json!(false);
    }
    object
}

/// Makes a JSON Schema of a package as a JSON file: a section is an object under its name, anonymous sections are a list
/// under their type.
fn json_schema(schema: &Schema) -> Json {
    let is_root = |rule: &&SectionRule| rule.section_type.is_empty();
    let root = schema.sections.iter().find(is_root);
    let mut object = root.map_or_else(|| json!({"type": "object", "properties": {}}), json_section);
    let sections = || schema.sections.iter().filter(|rule| !is_root(rule));
    let (mut definitions, mut required) = (Map::new(), Vec::new());
    for rule in sections() {
        let name = show(&rule.section_type);
        let reference = json!({"$ref": format!("#/$defs/{name}")});
        let mut of = reference.clone();
        if rule.named == Some(false) {
            of = json!({"type": "array", "items": reference});
            if let Some(min) = rule.min {
                of["minItems"] = json!(min);
            }
            if let Some(max) = rule.max {
                of["maxItems"] = json!(max);
            }
        }
        if rule.named != Some(true) {
            object["properties"][&name] = of;
            if rule.min.is_some_and(|min| min > 0) {
                required.push(json!(name));
            }
        }
        definitions.insert(name, json_section(rule));
    }
    let named = sections().filter(|rule| rule.named != Some(false));
    let named: Vec<Json> =
        named.map(|rule| json!({"$ref": format!("#/$defs/{}", show(&rule.section_type))})).collect();
    object["additionalProperties"] = match (named.is_empty(), schema.unknown) {
        (false, cms::schema::Unknown::Refuse) => json!({"anyOf": named}),
        (true, cms::schema::Unknown::Refuse) => json!(false),
        _ => json!(true),
    };
    let mut all = required;
    all.extend(object["required"].as_array().cloned().unwrap_or_default());
    if !all.is_empty() {
        object["required"] = json!(all);
    }
    let mut out = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": schema.package,
    });
    if !schema.description.is_empty() {
        out["description"] = json!(schema.description);
    }
    if let (Json::Object(out), Json::Object(object)) = (&mut out, object) {
        out.extend(object);
        out.insert("$defs".into(), Json::Object(definitions));
    }
    out
}

/// Returns a name that C and Python allow.
fn identifier(name: &str) -> String {
    const RESERVED: &str = " auto break case char const continue default do double else enum extern float for goto if inline int \
        long register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while and \
        as assert async await class def del elif except finally from global import in is lambda nonlocal not or pass raise \
        try with yield None True False bool true false new delete template this private public protected ";
    let mut out: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    if RESERVED.contains(&format!(" {out} ")) {
        out.push('_');
    }
    out
}

/// Returns a string literal of C; what is not printable ASCII is an escape.
fn literal(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => out.push(char::from(*byte)),
            byte => out.push_str(&format!("\\{byte:03o}")),
        }
    }
    out.push('"');
    out
}

/// Returns the name of the type of a section, as a part of a name in C or Python.
fn section_name(rule: &SectionRule) -> String {
    if rule.section_type.is_empty() { "root".to_owned() } else { identifier(&show(&rule.section_type)) }
}

fn c_header(schema: &Schema) -> String {
    let package = identifier(&schema.package);
    let guard = format!("{}_SCHEMA_H_", package.to_uppercase());
    let mut out = format!(
        "/* Made by 'cms schema export {}': do not edit. */\n#ifndef {guard}\n#define {guard}\n\n#include <stddef.h>\n#include <stdint.h>\n",
        schema.package
    );
    for rule in schema.sections.iter().filter(|rule| !rule.fields.is_empty()) {
        let name = section_name(rule);
        let mut members = String::new();
        let mut table = Vec::new();
        for field in &rule.fields {
            let member = identifier(&show(&field.name));
            let (kind, of) = match (value_type(field), field.list == Some(true)) {
                (_, true) => ("LIST", "const char *const *"),
                (ValueType::Int, _) => ("INT", "int64_t "),
                (ValueType::Float, _) => ("DOUBLE", "double "),
                (ValueType::Bool, _) => ("BOOL", "int32_t "),
                _ => ("STRING", "const char *"),
            };
            let about = field.description.replace("*/", "* /");
            let about =
                if about.is_empty() { String::new() } else { format!(" /* {} */", cms::shown::text(about)) };
            members.push_str(&format!("    {of}{member};{about}\n"));
            let default = field.default.first().map_or_else(|| "NULL".to_owned(), |value| literal(value));
            let required = i32::from(field.required);
            table.push(format!("    X({kind}, {member}, {}, {required}, {default})", literal(&field.name)));
        }
        let about = if rule.description.is_empty() {
            String::new()
        } else {
            format!("/* {} */\n", rule.description.replace("*/", "* /"))
        };
        out.push_str(&format!("\n{about}struct {package}_{name} {{\n{members}}};\n"));
        let macro_name = format!("{package}_{name}_FIELDS").to_uppercase();
        out.push_str(&format!(
            "\n/* X(kind, member, option, required, default) */\n#define {macro_name}(X) \\\n{}\n",
            table.join(" \\\n")
        ));
    }
    out.push_str("\n#endif\n");
    out
}

fn python(schema: &Schema) -> String {
    let mut out = format!(
        "\"\"\"Made by 'cms schema export {}': do not edit.\"\"\"\n\nfrom dataclasses import dataclass, field\nfrom typing import List, \
         Optional\n",
        schema.package
    );
    for rule in schema.sections.iter().filter(|rule| !rule.fields.is_empty()) {
        let words = section_name(rule);
        let class: String = words.split('_').map(capital).collect();
        out.push_str(&format!("\n\n@dataclass\nclass {class}:\n"));
        if !rule.description.is_empty() {
            out.push_str(&format!("    {}\n\n", Json::from(rule.description.as_str())));
        }
        // A field without a default comes first.
        let (first, then): (Vec<_>, Vec<_>) = rule.fields.iter().partition(|field| is_bare(field));
        for field in first.into_iter().chain(then) {
            let name = identifier(&show(&field.name));
            let about = cms::shown::text(&field.description);
            let about = if about.is_empty() { about } else { format!("  # {about}") };
            out.push_str(&format!("    {name}: {}{about}\n", python_type(field)));
        }
    }
    out
}

/// Reports whether a field must be given, and has no default.
fn is_bare(field: &Field) -> bool {
    field.required && field.depends.is_empty() && field.default.is_empty()
}

fn python_type(field: &Field) -> String {
    let of = value_type(field);
    let name = match of {
        ValueType::Int => "int",
        ValueType::Float => "float",
        ValueType::Bool => "bool",
        _ => "str",
    };
    let value = |item: &Vec<u8>| match typed(of, item) {
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Number(number) => number.to_string(),
        text => text.to_string(),
    };
    if field.list == Some(true) {
        let items: Vec<String> = field.default.iter().map(value).collect();
        return match is_bare(field) {
            true => format!("List[{name}]"),
            false => format!("List[{name}] = field(default_factory=lambda: [{}])", items.join(", ")),
        };
    }
    match field.default.first() {
        Some(default) => format!("{name} = {}", value(default)),
        None if is_bare(field) => name.to_owned(),
        None => format!("Optional[{name}] = None"),
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}

fn markdown(schema: &Schema) -> String {
    let cell = |text: &str| cms::shown::text(text).replace('|', "\\|");
    let mut out = format!("# {}\n", schema.package);
    for text in [&schema.description, &schema.version].into_iter().filter(|text| !text.is_empty()) {
        out.push_str(&format!("\n{}\n", cell(text)));
    }
    for rule in schema.sections.iter().filter(|rule| !rule.fields.is_empty()) {
        let name = if rule.section_type.is_empty() { "(root)".to_owned() } else { show(&rule.section_type) };
        out.push_str(&format!("\n## {}\n\n", cell(&name)));
        if !rule.description.is_empty() {
            out.push_str(&format!("{}\n\n", cell(&rule.description)));
        }
        out.push_str("| option | type | default | meaning |\n|---|---|---|---|\n");
        for field in &rule.fields {
            let mut of = vec![field.type_text.clone(), field.validation.clone()];
            of.push(if field.list == Some(true) { "list".to_owned() } else { String::new() });
            of.push(if field.required { "required".to_owned() } else { String::new() });
            of.extend(field.depends.iter().map(|group| format!("if {}", conditions(group))));
            of.retain(|text| !text.is_empty());
            let default: Vec<String> = field.default.iter().map(|item| show(item)).collect();
            let unit = if field.unit.is_empty() { String::new() } else { format!(" ({})", field.unit) };
            let meaning = format!("{}{unit}", field.description);
            let cells =
                [&show(&field.name), &of.join(", "), &default.join(" "), &meaning].map(|text| cell(text));
            out.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
    }
    out
}
