//! Violations of schemas, as commands print them.

use cms::Violation;
use serde_json::{Value as Json, json};

use crate::argument::json as text;
use crate::language::message;
use crate::shape::Shape;

/// A value or a section that breaks its schema.
pub const VIOLATION: Shape = Shape::named(
    "violation",
    "
    key text the key: of an option, a section or a package
    file? text the file
    line? number the line in that file
    rule text type, size, validation, reference, list, required, depends, unknown, named, count, unique or read-only
    value? bytes the value, unless there is none or it is secret
    message text what is wrong
    expected text what is expected instead
    refused boolean whether a commit that makes it is refused; else it is only warned of
    hint? text what to do",
);

/// Returns a violation for a program; see [`VIOLATION`].
pub fn json_of(violation: &Violation) -> Json {
    let mut object = json!({"key": violation.key});
    if let Some(file) = &violation.file {
        object["file"] = json!(file.display().to_string());
    }
    if violation.line != 0 {
        object["line"] = json!(violation.line);
    }
    object["rule"] = json!(violation.rule.name());
    if let Some(value) = &violation.value {
        object["value"] = text(value);
    }
    object["message"] = json!(violation.problem);
    object["expected"] = json!(violation.expected);
    object["refused"] = json!(violation.refused);
    if let Some(hint) = &violation.hint {
        object["hint"] = json!(hint);
    }
    object
}

/// Returns the lines that tell people of all violations, each behind `start`.
pub fn all(start: &str, violations: &[Violation]) -> String {
    let told: Vec<String> = violations.iter().map(|violation| lines(start, violation)).collect();
    told.join("\n")
}

/// Returns the lines that tell people of a violation, behind `start`.
pub fn lines(start: &str, violation: &Violation) -> String {
    let told = cms::shown::text(violation.to_string());
    with_hint(format!("{start}{}", message(&told)), violation)
}

/// Returns the lines that warn people of a violation.
pub fn warning(violation: &Violation) -> String {
    let told = cms::shown::text(violation.to_string());
    with_hint(format!("cms: {}", message(&format!("warning: {told}"))), violation)
}

fn with_hint(mut lines: String, violation: &Violation) -> String {
    if let Some(hint) = &violation.hint {
        lines.push('\n');
        lines.push_str(&message(&format!("hint: {}", cms::shown::text(hint))));
    }
    lines
}
