//! `cms describe`: what the schema says of a key.

use std::sync::Arc;

use cms::schema::{Access, Field, Schema, SectionRule};
use cms::{Error, Key, Loaded, Package, Section, Selector};
use serde_json::{Value as Json, json};

use crate::argument::{json as bytes, show};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::schema::show::{FIELD, conditions, field_json};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "describe",
    aliases: &[],
    arguments: "KEY...",
    summary: "say what keys are for: type, default, unit, and where they are set",
    flags: &[],
    writes: Writes::Nothing,
    json: &[Output::rows(&DESCRIBED)],
    run,
};

/// What is known of a key.
const DESCRIBED: Shape = Shape::of(
    "
    key text the key
    description text what it is for; of a package or a section its description
    section text|null the type of its section; null for a package
    field field|null of an option: what the schema says of it; null if it does not describe it
    value bytes|[bytes]|null its value; null if it is not set, or secret
    file text|null where it is set
    line number|null the line there
    fields [text] of a package its types of sections, of a section the options that it may have",
)
.using(&[&FIELD]);

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for (index, argument) in call.expect(1, usize::MAX)?.iter().enumerate() {
        match Described::of(context, argument) {
            Ok(described) if context.json => rows.push(described.json()),
            Ok(described) => {
                if index > 0 {
                    context.print_line("")?;
                }
                described.print(context)?;
            }
            Err(failure) => context.report(&failure)?,
        }
    }
    if context.json {
        context.put_rows(rows)?;
    }
    Ok(Exit::Ok)
}

/// What is known of a key.
#[derive(Default)]
struct Described {
    key: String,
    description: String,
    section: Option<String>,
    field: Option<Arc<Field>>,
    /// The items of the value, and whether it is a list.
    value: Option<(Vec<Vec<u8>>, bool)>,
    is_option: bool,
    place: Option<(String, usize)>,
    fields: Vec<(String, String)>,
}

impl Described {
    fn of(context: &mut Context, argument: &[u8]) -> Result<Self, Failure> {
        let key = Key::parse(argument)?;
        let name = show(&key.package);
        // A package that does not exist yet may have a schema.
        let has_schema = context.store.schemas().find(&name).is_some();
        let loaded = match context.load(&key.package) {
            Ok(loaded) => Some(Loaded::of(loaded.place.clone(), loaded.package.clone())),
            Err(_) if has_schema => None,
            Err(failure) => return Err(failure),
        };
        let schemas = context.store.schemas();
        let own = loaded.as_ref().and_then(|loaded| schemas.of_package(&loaded.place, &loaded.package));
        let Some(schema) = own.or_else(|| schemas.find(&name)) else {
            let why = format!("{name}: the package has no schema");
            let hint = "'cms schema list' lists the packages that have one";
            return Err(Failure::Hinted(Exit::NotFound, why, hint.into()));
        };
        let package = loaded.as_ref().map(|loaded| &loaded.package);
        let key = match package {
            Some(package) => package.settle(key.clone()).unwrap_or(key),
            None => key,
        };
        let Some(selector) = &key.section else { return Ok(Self::of_package(&schema)) };
        let section = package.map_or(Ok(None), |package| package.select(selector))?;
        let rule = match (&section, selector) {
            (Some(section), _) => schema.section(section.section_type()),
            // No section has the name: it may be that of a type.
            (None, Selector::Name(name)) => {
                schema.described(name).ok_or_else(|| Error::NotFound { key: key.text() })?
            }
            (None, _) => return Err(Error::NotFound { key: key.text() }.into()),
        };
        let mut described = match &key.option {
            None => Self::of_section(rule),
            Some(option) => Self::of_option(rule, option, section.as_ref()),
        };
        described.key = key.text();
        let of = section.as_ref().map_or(&rule.section_type[..], Section::section_type);
        described.section = Some(show(of));
        if let (Some(loaded), Some(section)) = (&loaded, &section) {
            let offset = match &key.option {
                Some(option) => section.option(option).and_then(|option| option.offset()),
                None => section.offset(),
            };
            let file = loaded.place.path.display().to_string();
            described.place = offset.map(|offset| (file, line(&loaded.package, offset)));
        }
        Ok(described)
    }

    fn of_package(schema: &Schema) -> Self {
        let of = |rule: &SectionRule| (show(&rule.section_type), rule.description.clone());
        Self {
            key: schema.package.clone(),
            description: schema.description.clone(),
            fields: schema.sections.iter().map(of).collect(),
            ..Self::default()
        }
    }

    fn of_section(rule: &SectionRule) -> Self {
        let of = |field: &Arc<Field>| (show(&field.name), field.description.clone());
        let fields = rule.fields.iter().map(of).collect();
        Self { description: rule.description.clone(), fields, ..Self::default() }
    }

    fn of_option(rule: &SectionRule, option: &[u8], section: Option<&Section<'_>>) -> Self {
        let field = rule.field(option).cloned();
        let is_secret = field.as_ref().is_some_and(|field| field.access == Access::Secret);
        let value = section.and_then(|section| section.get(option)).filter(|_| !is_secret);
        let is_list = |value: &cms::Value<'_>| matches!(value, cms::Value::List(_));
        Self {
            description: field.as_ref().map_or_else(String::new, |field| field.description.clone()),
            value: value.map(|value| (value.items().map(<[u8]>::to_vec).collect(), is_list(&value))),
            field,
            is_option: true,
            ..Self::default()
        }
    }

    fn json(&self) -> Json {
        let value = self.value.as_ref().map(|(items, is_list)| match (items.as_slice(), is_list) {
            ([one], false) => bytes(one),
            (items, _) => items.iter().map(|item| bytes(item)).collect(),
        });
        json!({
            "key": self.key,
            "description": self.description,
            "section": self.section,
            "field": self.field.as_deref().map(field_json),
            "value": value,
            "file": self.place.as_ref().map(|(file, _)| file),
            "line": self.place.as_ref().map(|(_, line)| line),
            "fields": self.fields.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        })
    }

    fn print(&self, context: &mut Context) -> Result<(), Failure> {
        let mut title = self.key.clone();
        if !self.description.is_empty() {
            title = format!("{title}: {}", self.description);
        }
        context.print_line(&cms::shown::text(title))?;
        for (name, text) in self.lines() {
            context.print_line(&cms::shown::text(format!("  {name:9} {text}")))?;
        }
        let width = self.fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        for (name, description) in &self.fields {
            let line = format!("  {name:width$}  {description}");
            context.print_line(&cms::shown::text(line.trim_end()))?;
        }
        Ok(())
    }

    /// Returns what is known of an option, with the name of each part.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        let mut add = |name, text: String| {
            if !text.is_empty() {
                lines.push((name, text));
            }
        };
        let joined = |items: &[Vec<u8>]| items.iter().map(|item| show(item)).collect::<Vec<_>>().join(" ");
        if let Some(field) = &self.field {
            add("type", field.type_text.clone());
            add("rules", field.validation.clone());
            let expected = field.datatype.as_ref().map(cms::datatype::Datatype::expected);
            add("expected", expected.unwrap_or_default());
            add(
                "list",
                field.list.map_or_else(String::new, |list| if list { "yes" } else { "no" }.to_owned()),
            );
            add("required", if field.required { "yes".to_owned() } else { String::new() });
            add("if", field.depends.iter().map(|group| conditions(group)).collect::<Vec<_>>().join(" or "));
            add("default", joined(&field.default));
            add("unit", field.unit.clone());
            add("size", field.size.map_or_else(String::new, |size| format!("{size} bytes")));
            add(
                "access",
                if field.access == Access::ReadWrite { "" } else { field.access.name() }.to_owned(),
            );
            add("example", field.example.clone());
        } else if self.is_option {
            add("schema", "it does not describe this option".to_owned());
        }
        if let Some((items, _)) = &self.value {
            add("value", joined(items));
        }
        let place = self.place.as_ref().map(|(file, line)| format!("{file}:{line}"));
        add("set in", place.unwrap_or_default());
        lines
    }
}

/// Returns the line of a position in the text of a package.
fn line(package: &Package, offset: usize) -> usize {
    let before = package.source().get(..offset).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}
