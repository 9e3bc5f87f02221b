//! Checks one value against a datatype.

use cms::Error;
use cms::datatype::{Answer, Context as TypeContext, Datatype, Reference};
use serde_json::json;

use crate::argument::{json as bytes, show};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::shape::Shape;

/// The verdict on a value.
pub const VERDICT: Shape = Shape::of(
    "
    type text the datatype
    value bytes the value
    valid boolean|null whether the value is of the type; null if that cannot be checked here
    rule text the innermost rule that the value breaks; empty if it breaks none
    expected text what the rule expects
    unchecked text why the value cannot be checked",
);

/// The packages of the store, for types that refer to them, and the files of this machine.
struct Store<'c>(&'c Context);

impl TypeContext for Store<'_> {
    fn accepts(&self, reference: &Reference, value: &[u8]) -> Answer {
        match self.0.load_now(&reference.package) {
            Ok(loaded) => reference.is_in(&loaded.package, value).into(),
            Err(Error::NotFound { .. } | Error::Missing(_) | Error::Invalid { .. }) => Answer::No,
            Err(_) => Answer::Unknown,
        }
    }
}

/// Checks a value; without a word if it passes.
pub fn run(context: &mut Context, datatype: &[u8], value: &[u8]) -> Result<Exit, Failure> {
    let parsed = Datatype::parse(datatype).map_err(|fault| {
        let why = format!("{}: {fault}", cms::shown::text(datatype));
        Failure::Hinted(Exit::Invalid, why, "docs/schema.md lists the types".into())
    })?;
    let verdict = parsed.check(value, &Store(context));
    if context.json {
        let failure = verdict.as_ref().err();
        let unchecked = failure.and_then(|failure| failure.unchecked);
        context.put_json(&json!({
            "type": show(datatype),
            "value": bytes(value),
            "valid": if unchecked.is_some() { None } else { Some(verdict.is_ok()) },
            "rule": failure.map_or("", |failure| &failure.rule),
            "expected": failure.map_or("", |failure| &failure.expected),
            "unchecked": unchecked.unwrap_or_default(),
        }))?;
        return Ok(if verdict.is_ok() { Exit::Ok } else { Exit::Invalid });
    }
    let Err(failure) = verdict else { return Ok(Exit::Ok) };
    let item = failure.item.as_deref().unwrap_or(value);
    let why = match failure.unchecked {
        Some(_) => failure.to_string(),
        None => format!("{} is not of the type: {failure}", cms::shown::quoted(item)),
    };
    Err(Failure::Other(Exit::Invalid, why))
}
