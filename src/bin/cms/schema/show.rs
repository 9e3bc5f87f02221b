//! Shows a schema.

use cms::schema::{Condition, Enforce, Field, Schema, SectionRule, Unknown};
use serde_json::{Value as Json, json};

use crate::argument::{json as bytes, show};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::shape::Shape;

/// A schema as a whole.
pub const SCHEMA: Shape = Shape::of(
    "
    package text its package
    version text its version; empty if it has none
    description text its description
    enforce text refuse, types or warn: which violations are refused
    unknown text allow, warn or refuse: what happens to types of sections that it does not describe
    files [text] the files that it is made of, the most important last
    sections [section_rule] the types of sections
    fields [field] the options that all sections may have",
)
.using(&[&SECTION_RULE, &FIELD]);

/// A type of sections.
const SECTION_RULE: Shape = Shape::named(
    "section_rule",
    "
    type text the type; . is the root of the package
    description text its description
    named boolean|null whether such a section must have a name; null if it may
    min number|null how many there must be
    max number|null how many there may be
    unknown text allow, warn or refuse: what happens to options that are not described
    fields [field] its options",
)
.using(&[&FIELD]);

/// An option that a schema describes.
pub const FIELD: Shape = Shape::named(
    "field",
    "
    name text its name
    type text its type; empty if any value will do
    validation text its rule string
    list boolean|null whether it is a list; null if it may be one
    required boolean whether its section must have it
    depends [text] when it has an effect: if one of these conditions holds
    default [bytes] its value if it is not set
    access text read-write, read-only or secret
    description text its description
    unit text the unit of its value
    example text a value as an example
    unique boolean whether no two sections may have the same value
    index boolean whether it is looked up by value
    size number|null its greatest length in bytes
    file text where it is described
    line number the line there",
);

/// Returns a field for a program; see [`FIELD`].
pub fn field_json(field: &Field) -> Json {
    json!({
        "name": show(&field.name),
        "type": field.type_text,
        "validation": field.validation,
        "list": field.list,
        "required": field.required,
        "depends": field.depends.iter().map(|group| conditions(group)).collect::<Vec<_>>(),
        "default": field.default.iter().map(|item| bytes(item)).collect::<Vec<_>>(),
        "access": field.access.name(),
        "description": field.description,
        "unit": field.unit,
        "example": field.example,
        "unique": field.unique,
        "index": field.index,
        "size": field.size,
        "file": field.file,
        "line": field.line,
    })
}

/// Returns conditions that must all hold, as a schema writes them.
pub fn conditions(group: &[Condition]) -> String {
    let condition = |condition: &Condition| {
        let option = show(&condition.option);
        match (&condition.value, condition.negated) {
            (Some(value), false) => format!("{option}={}", show(value)),
            (Some(value), true) => format!("{option}!={}", show(value)),
            (None, false) => option,
            (None, true) => format!("!{option}"),
        }
    };
    group.iter().map(condition).collect::<Vec<_>>().join(",")
}

fn type_of(rule: &SectionRule) -> String {
    if rule.section_type.is_empty() { ".".to_owned() } else { show(&rule.section_type) }
}

fn unknown(unknown: Unknown) -> &'static str {
    match unknown {
        Unknown::Warn => "warn",
        Unknown::Refuse => "refuse",
        _ => "allow",
    }
}

fn enforce(schema: &Schema) -> &'static str {
    match schema.enforce {
        Enforce::Types => "types",
        Enforce::Warn => "warn",
        _ => "refuse",
    }
}

fn json_of(schema: &Schema) -> Json {
    let fields = |rule: &SectionRule| rule.fields.iter().map(|field| field_json(field)).collect::<Vec<_>>();
    let section = |rule: &SectionRule| {
        json!({
            "type": type_of(rule),
            "description": rule.description,
            "named": rule.named,
            "min": rule.min,
            "max": rule.max,
            "unknown": unknown(rule.unknown),
            "fields": fields(rule),
        })
    };
    json!({
        "package": schema.package,
        "version": schema.version,
        "description": schema.description,
        "enforce": enforce(schema),
        "unknown": unknown(schema.unknown),
        "files": schema.files,
        "sections": schema.sections.iter().map(section).collect::<Vec<_>>(),
        "fields": fields(&schema.others),
    })
}

/// Prints a schema.
pub fn print(context: &mut Context, schema: &Schema) -> Result<Exit, Failure> {
    if context.json {
        context.put_json(&json_of(schema))?;
        return Ok(Exit::Ok);
    }
    let mut title = schema.package.clone();
    for more in [&schema.version, &schema.description] {
        if !more.is_empty() {
            title = format!("{title}  {more}");
        }
    }
    context.print_line(&cms::shown::text(title))?;
    for rule in &schema.sections {
        let mut words = vec![format!("{}.{}", schema.package, type_of(rule))];
        words.extend(rule.named.map(|named| if named { "named" } else { "anonymous" }.to_owned()));
        words.extend(rule.min.map(|min| format!("at least {min}")));
        words.extend(rule.max.map(|max| format!("at most {max}")));
        if !rule.description.is_empty() {
            words.push(rule.description.clone());
        }
        context.print_line(&format!("\n{}", cms::shown::text(words.join("  "))))?;
        fields(context, rule)?;
    }
    if !schema.others.fields.is_empty() && schema.sections.iter().all(|rule| rule.fields.is_empty()) {
        context.print_line("\nall sections")?;
        fields(context, &schema.others)?;
    }
    Ok(Exit::Ok)
}

fn fields(context: &mut Context, rule: &SectionRule) -> Result<(), Failure> {
    let width = rule.fields.iter().map(|field| show(&field.name).chars().count()).max().unwrap_or_default();
    for field in &rule.fields {
        let mut words = vec![format!("{:width$}", show(&field.name))];
        words.extend(
            [&field.type_text, &field.validation].into_iter().filter(|text| !text.is_empty()).cloned(),
        );
        words.extend(field.list.filter(|list| *list).map(|_| "list".to_owned()));
        words.extend(field.required.then(|| "required".to_owned()));
        words.extend(field.size.map(|size| format!("at most {size} bytes")));
        if !field.default.is_empty() {
            let items: Vec<String> = field.default.iter().map(|item| show(item)).collect();
            words.push(format!("default {}", items.join(" ")));
        }
        words.extend(field.depends.iter().map(|group| format!("if {}", conditions(group))));
        if field.access != cms::schema::Access::ReadWrite {
            words.push(field.access.name().to_owned());
        }
        if !field.unit.is_empty() {
            words.push(format!("in {}", field.unit));
        }
        if !field.description.is_empty() {
            words.push(field.description.clone());
        }
        context.print_line(&format!("  {}", cms::shown::text(words.join("  "))))?;
    }
    Ok(())
}
