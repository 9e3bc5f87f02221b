//! `docs/json`: a JSON Schema for the output of each command, made from the shapes that `cms help` describes, and a
//! validator for the keywords that they use.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use super::shape::{Member, Output, Shapes, alternatives};

/// The types that are not JSON's own, and not made of members.
const BUILT_IN: [&str; 4] = ["bytes", "value", "section", "package"];

/// Writes the schemas of one command.
struct Writer<'s> {
    shapes: &'s Shapes,
    /// The types that are referred to.
    used: BTreeSet<String>,
}

impl Writer<'_> {
    /// Returns the schema of a type; `own` are the members of a type without a name.
    fn of(&mut self, name: &str, own: &[Member]) -> Json {
        match name {
            "text" => json!({"type": "string"}),
            "number" => json!({"type": "number"}),
            "boolean" => json!({"type": "boolean"}),
            "null" => json!({"type": "null"}),
            "object" => self.object(own, ""),
            list if list.starts_with('[') => {
                json!({"type": "array", "items": self.any(&alternatives(list), own)})
            }
            map if map.starts_with('{') => {
                json!({"type": "object", "additionalProperties": self.any(&alternatives(map), own)})
            }
            named => {
                self.used.insert(named.to_owned());
                json!({"$ref": format!("#/$defs/{named}")})
            }
        }
    }

    fn any(&mut self, types: &[String], own: &[Member]) -> Json {
        match types {
            [one] => self.of(one, own),
            several => json!({"anyOf": several.iter().map(|one| self.of(one, own)).collect::<Json>()}),
        }
    }

    fn object(&mut self, members: &[Member], of: &str) -> Json {
        let all = self.shapes.with_included(members, of);
        let mut properties = Map::new();
        for (_, member) in &all {
            let mut schema = self.any(&member.types, &[]);
            schema["description"] = json!(member.meaning);
            properties.insert(member.name.clone(), schema);
        }
        let required: Json =
            all.iter().filter(|(_, one)| !one.is_optional).map(|(_, one)| json!(one.name)).collect();
        json!({"type": "object", "properties": properties, "required": required})
    }

    fn built_in(&mut self, name: &str) -> Json {
        let mut reference = |name: &str| {
            self.used.insert(name.to_owned());
            json!({"$ref": format!("#/$defs/{name}")})
        };
        match name {
            "bytes" => json!({"anyOf": [{"type": "string"}, {"type": "object",
                "description": "bytes that are not UTF-8",
                "properties": {"hex": {"type": "string"}}, "required": ["hex"]}]}),
            "value" => {
                let bytes = reference("bytes");
                json!({"anyOf": [bytes, {"type": "array", "items": bytes}]})
            }
            "section" => json!({"type": "object", "required": [".type"],
                "properties": {".type": {"type": "string"}, ".anonymous": {"const": true}},
                "additionalProperties": reference("value")}),
            _ => json!({"type": "object", "additionalProperties": reference("section")}),
        }
    }

    /// Returns the definitions of the types that were referred to, and of those that they refer to.
    fn definitions(&mut self) -> Map<String, Json> {
        let mut all = Map::new();
        while let Some(name) = self.used.iter().find(|name| !all.contains_key(*name)).cloned() {
            let schema = if BUILT_IN.contains(&name.as_str()) {
                self.built_in(&name)
            } else {
                let members = self.shapes.named[&name].clone();
                self.object(&members, &name)
            };
            all.insert(name, schema);
        }
        all.sort_keys();
        all
    }

    fn output(&mut self, when: &str, output: &Output) -> Json {
        // A type that is no object has one line about itself in the table, which the title has taken.
        let mut schema = self.any(&split(&output.type_name), &output.members);
        let lines = if output.is_lines { "; a value in each line" } else { "" };
        schema["description"] = json!(format!("{when}{lines}"));
        schema
    }
}

/// Splits `text or null`, but not within brackets.
fn split(types: &str) -> Vec<String> {
    match types.starts_with(['[', '{']) {
        true => vec![types.to_owned()],
        false => types.split(" or ").map(str::to_owned).collect(),
    }
}

fn file(command: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json").join(format!("{command}.json"))
}

/// Returns the schema for the output of a command; `None` if it prints no JSON.
pub fn of_command(shapes: &Shapes, command: &str) -> Option<Json> {
    let outputs = shapes
        .outputs
        .iter()
        .filter(|((name, _), output)| name == command && output.type_name != "plain text");
    let mut writer = Writer { shapes, used: BTreeSet::new() };
    let all: Vec<Json> = outputs.map(|((_, when), output)| writer.output(when, output)).collect();
    let title = match command {
        "json" => "what cms prints on standard error with --json".to_owned(),
        command => format!("cms {command} --json"),
    };
    (!all.is_empty()).then(|| {
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, "anyOf": all,
            "$defs": writer.definitions()})
    })
}

/// Compares `docs/json` with the schemas of all commands, or writes it.
pub fn check_files(shapes: &Shapes) {
    let commands: BTreeSet<&String> = shapes.outputs.keys().map(|(command, _)| command).collect();
    let folder = file("x").parent().expect("a folder").to_owned();
    let mut left: BTreeSet<PathBuf> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("an entry").path())
        .collect();
    let is_update = std::env::var_os("CMS_UPDATE_DOCS").is_some();
    for command in commands {
        let Some(schema) = of_command(shapes, command) else { continue };
        let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
        let path = file(command);
        left.remove(&path);
        if is_update {
            std::fs::create_dir_all(&folder).expect("made");
            std::fs::write(&path, text).expect("written");
            continue;
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text, "{}: out of date; run this test with CMS_UPDATE_DOCS=1", path.display());
    }
    assert!(left.is_empty(), "no command has these: {left:?}");
}

/// Checks a value against the schema of a command, as it is in `docs/json`.
pub fn check(command: &str, value: &Json) {
    let text = std::fs::read_to_string(file(command)).unwrap_or_default();
    let Ok(schema) = serde_json::from_str::<Json>(&text) else {
        panic!("{command}: no schema; run this test with CMS_UPDATE_DOCS=1")
    };
    assert!(is_valid(&schema, &schema, value), "{command}: {value} does not have the schema {schema}");
}

/// Reports whether a value has a schema, with the keywords that the schemas here use. Another keyword is a mistake.
fn is_valid(root: &Json, schema: &Json, value: &Json) -> bool {
    let schema = schema.as_object().expect("a schema");
    let properties = schema.get("properties").and_then(Json::as_object);
    schema.iter().all(|(keyword, rule)| match keyword.as_str() {
        "$schema" | "$defs" | "title" | "description" => true,
        "$ref" => {
            let path = rule.as_str().expect("text").trim_start_matches('#');
            is_valid(root, root.pointer(path).expect("a definition"), value)
        }
        "const" => rule == value,
        "type" => match rule.as_str().expect("text") {
            "string" => value.is_string(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("the type {other}"),
        },
        "anyOf" => rule.as_array().expect("schemas").iter().any(|one| is_valid(root, one, value)),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| is_valid(root, rule, item))),
        "required" => value.as_object().is_none_or(|object| {
            rule.as_array()
                .expect("names")
                .iter()
                .all(|name| object.contains_key(name.as_str().expect("text")))
        }),
        "properties" => value.as_object().is_none_or(|object| {
            let named = rule.as_object().expect("schemas").iter();
            named
                .filter_map(|(name, one)| Some((one, object.get(name)?)))
                .all(|(one, of)| is_valid(root, one, of))
        }),
        "additionalProperties" => value.as_object().is_none_or(|object| {
            let is_named = |name: &String| properties.is_some_and(|all| all.contains_key(name));
            object.iter().filter(|(name, _)| !is_named(name)).all(|(_, of)| is_valid(root, rule, of))
        }),
        other => panic!("the keyword {other}"),
    })
}

/// Checks values against the schemas of their commands with the validator of Python, if it is installed: it knows all of
/// JSON Schema, and whether the schemas themselves are right.
pub fn check_with_python(values: &[(String, Json)]) {
    const SCRIPT: &str = "
import json, sys
try:
    from jsonschema import Draft202012Validator as Validator
except ImportError:
    sys.exit(0)
validators = {}
for line in sys.stdin:
    command, value = json.loads(line)
    if command not in validators:
        schema = json.load(open(f'{sys.argv[1]}/{command}.json'))
        Validator.check_schema(schema)
        validators[command] = Validator(schema)
    validators[command].validate(value)
";
    use std::io::Write;
    use std::process::{Command, Stdio};
    let folder = file("x").parent().expect("a folder").to_owned();
    let python = Command::new("python3").args(["-c", SCRIPT]).arg(folder).stdin(Stdio::piped()).spawn();
    let Ok(mut python) = python else { return };
    let mut input = python.stdin.take().expect("piped");
    for (command, value) in values {
        let _ = writeln!(input, "{}", json!([command, value]));
    }
    drop(input);
    assert!(python.wait().expect("ended").success(), "python's validator refuses one of them");
}
