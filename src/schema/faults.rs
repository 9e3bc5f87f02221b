//! Makes the violations that a check finds: their keys, lines, messages and hints.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::check::{Check, Fault, Here};
use crate::error::{Rule, Violation, shown};
use crate::model::near::nearest;
use crate::model::package::{OptionView, Value};
use crate::schema::datatype::Failure;
use crate::schema::rules::{Access, Condition, Enforce, Field, SectionRule, Unknown};

/// The longest part of a value that a message shows, in characters.
const SHOWN: usize = 60;

/// What stands for a secret value.
const SECRET: &str = "the secret value";

/// Returns a value in quotes for a message, if it is not secret.
fn quoted(field: Option<&Field>, value: &[u8]) -> String {
    if field.is_some_and(|field| field.access == Access::Secret) {
        return SECRET.to_owned();
    }
    let text = shown::text(value);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("'{}...'", &text[..end]),
        None => format!("'{text}'"),
    }
}

fn show(bytes: &[u8]) -> String {
    shown::text(bytes)
}

fn did_you_mean<'n>(typed: &[u8], names: impl Iterator<Item = &'n [u8]>) -> Option<String> {
    let near = nearest(&show(typed), names.map(show))?;
    Some(format!("did you mean '{near}'?"))
}

impl Check<'_> {
    pub(super) fn unfit(
        &mut self,
        here: Here<'_, '_>,
        (field, option): (&Field, &OptionView<'_>),
        (rule, item): (Rule, &[u8]),
        failure: &Failure,
    ) {
        let rule = if failure.rule.starts_with("uci(") { Rule::Reference } else { rule };
        let value = quoted(Some(field), item);
        let expected = failure.expected.clone();
        let problem = format!("{value} is not allowed: expected {expected}");
        let fault = Fault { value: Some(item), problem, expected, hint: None };
        self.add(here, Some((field, option)), rule, fault);
    }

    pub(super) fn too_long(
        &mut self,
        here: Here<'_, '_>,
        field: &Field,
        option: &OptionView<'_>,
        item: &[u8],
    ) {
        let size = field.size.unwrap_or_default();
        let problem = format!("{} has {} bytes, {size} are allowed", quoted(Some(field), item), item.len());
        let expected = format!("at most {size} bytes");
        let fault = Fault { value: Some(item), problem, expected, hint: None };
        self.add(here, Some((field, option)), Rule::Size, fault);
    }

    pub(super) fn wrong_list(&mut self, here: Here<'_, '_>, field: &Field, option: &OptionView<'_>) {
        let value = option.value();
        let item = value.items().next();
        let (problem, expected) = match value {
            Value::List(_) => ("it is a list, and one value is expected", "one value"),
            Value::String(_) => ("it is one value, and a list is expected", "a list"),
        };
        let hint = match value {
            Value::List(_) => format!("write it as 'option {}'", show(option.name())),
            Value::String(_) => format!("write it as 'list {}'", show(option.name())),
        };
        let (problem, expected) = (problem.to_owned(), expected.to_owned());
        let fault = Fault { value: item, problem, expected, hint: Some(hint) };
        self.add(here, Some((field, option)), Rule::List, fault);
    }

    pub(super) fn without_effect(&mut self, here: Here<'_, '_>, field: &Field, option: &OptionView<'_>) {
        let expected = conditions(&field.depends);
        let problem = format!("the option has an effect only if {expected}");
        let hint = Some("delete it, or set what it depends on".to_owned());
        self.add(here, Some((field, option)), Rule::Depends, Fault { value: None, problem, expected, hint });
    }

    pub(super) fn missing(&mut self, here: Here<'_, '_>, field: &Field) {
        let expected = match field.type_text.as_str() {
            "" => "a value".to_owned(),
            datatype => format!("a value of type {datatype}"),
        };
        let problem = "the option is required, and missing".to_owned();
        let hint = match (field.example.as_str(), field.default.first()) {
            ("", Some(value)) => Some(format!("the default is {}", quoted(Some(field), value))),
            ("", None) => None,
            (example, _) => Some(format!("for example '{example}'")),
        };
        self.add_named(here, &field.name, Rule::Required, Fault { value: None, problem, expected, hint });
    }

    pub(super) fn unknown_option(&mut self, here: Here<'_, '_>, option: &OptionView<'_>) {
        let known = || here.rule.fields.iter().map(|field| field.name.as_slice());
        let hint = did_you_mean(option.name(), known());
        let problem = "the schema does not describe this option".to_owned();
        let names: Vec<String> = known().map(show).collect();
        let expected = format!("one of the options {}", names.join(", "));
        let fault = Fault { value: option.value().items().next(), problem, expected, hint };
        let line = self.places.lines.of_option(option);
        let key = self.places.key(here.index, here.section, Some(option.name()));
        self.push(here, (key, line), (Rule::Unknown, option.name(), None), fault);
    }

    pub(super) fn unknown_type(&mut self, here: Here<'_, '_>) {
        let known = || self.schema.sections.iter().map(|rule| rule.section_type.as_slice());
        let hint = did_you_mean(here.section.section_type(), known());
        let names: Vec<String> = known().filter(|name| !name.is_empty()).map(show).collect();
        let expected = format!("one of the types {}", names.join(", "));
        let problem =
            format!("the schema does not describe sections of type '{}'", show(here.section.section_type()));
        self.add_section(here, Rule::Unknown, Fault { value: None, problem, expected, hint });
    }

    pub(super) fn wrongly_named(&mut self, here: Here<'_, '_>) {
        let of = show(here.section.section_type());
        let (problem, expected) = match here.section.is_anonymous() {
            true => (format!("a section of type '{of}' must have a name"), "a name"),
            false => (format!("a section of type '{of}' must not have a name"), "no name"),
        };
        let expected = expected.to_owned();
        self.add_section(here, Rule::Named, Fault { value: None, problem, expected, hint: None });
    }

    pub(super) fn repeated(
        &mut self,
        here: Here<'_, '_>,
        (field, option): (&Field, &OptionView<'_>),
        item: &[u8],
        first: usize,
    ) {
        let other = self.subject.package.sections().nth(first);
        let other = other.map(|section| self.places.key(first, &section, Some(option.name())));
        let value = quoted(Some(field), item);
        let problem = format!("{} has {value} already", other.unwrap_or_default());
        let expected = "a value that no other section of the type has".to_owned();
        let fault = Fault { value: Some(item), problem, expected, hint: None };
        self.add(here, Some((field, option)), Rule::Unique, fault);
    }

    pub(super) fn wrong_count(&mut self, rule: &SectionRule, count: usize) {
        let of = show(&rule.section_type);
        let (problem, expected) = match (rule.min, rule.max) {
            (Some(min), _) if count < min => (
                format!("there are {count} sections of type '{of}', at least {min} are required"),
                format!("at least {min}"),
            ),
            (_, max) => {
                let max = max.unwrap_or_default();
                (
                    format!("there are {count} sections of type '{of}', at most {max} are allowed"),
                    format!("at most {max}"),
                )
            }
        };
        let fault = Fault { value: None, problem, expected, hint: None };
        let key = shown::name(self.subject.package.name());
        let identity = FixedState::default().hash_one((Rule::Count, &rule.section_type));
        self.finish((key, 0), (Rule::Count, None), identity, fault);
    }

    pub(super) fn read_only(&mut self, here: Here<'_, '_>, field: &Field) {
        let problem = "the option is read-only".to_owned();
        let expected = "the value that it had".to_owned();
        let value = here.section.get(&field.name).and_then(|value| value.items().next());
        self.add_named(here, &field.name, Rule::ReadOnly, Fault { value, problem, expected, hint: None });
    }

    /// Adds the violation of an option that is there.
    fn add(
        &mut self,
        here: Here<'_, '_>,
        of: Option<(&Field, &OptionView<'_>)>,
        rule: Rule,
        fault: Fault<'_>,
    ) {
        let Some((field, option)) = of else { return self.add_section(here, rule, fault) };
        let line = self.places.lines.of_option(option);
        let key = self.places.key(here.index, here.section, Some(option.name()));
        self.push(here, (key, line), (rule, option.name(), Some(field)), fault);
    }

    /// Adds the violation of an option that is perhaps not there: its line is that of its section.
    fn add_named(&mut self, here: Here<'_, '_>, option: &[u8], rule: Rule, fault: Fault<'_>) {
        let line = match here.section.option(option) {
            Some(option) => self.places.lines.of_option(&option),
            None => self.places.lines.of_section(here.section),
        };
        let key = self.places.key(here.index, here.section, Some(option));
        let field = here.rule.field(option).cloned();
        self.push(here, (key, line), (rule, option, field.as_deref()), fault);
    }

    fn add_section(&mut self, here: Here<'_, '_>, rule: Rule, fault: Fault<'_>) {
        let line = self.places.lines.of_section(here.section);
        let key = self.places.key(here.index, here.section, None);
        self.push(here, (key, line), (rule, b"", None), fault);
    }

    fn push(
        &mut self,
        here: Here<'_, '_>,
        place: (String, u32),
        (rule, option, field): (Rule, &[u8], Option<&Field>),
        fault: Fault<'_>,
    ) {
        // The names of anonymous sections change with those before them.
        let name = if here.section.is_anonymous() { b"" } else { here.section.name() };
        let of = (here.section.section_type(), name, option);
        let identity = FixedState::default().hash_one((rule, of, fault.value));
        let is_unknown = rule == Rule::Unknown;
        let unknown = if option.is_empty() { self.schema.unknown } else { here.rule.unknown };
        let field = field.filter(|field| field.access == Access::Secret);
        let fault = Fault { value: fault.value.filter(|_| field.is_none()), ..fault };
        self.finish(place, (rule, Some(unknown).filter(|_| is_unknown)), identity, fault);
    }

    fn finish(
        &mut self,
        (key, line): (String, u32),
        (rule, unknown): (Rule, Option<Unknown>),
        identity: u64,
        fault: Fault<'_>,
    ) {
        // An option without effect does no harm, and a change of the option that it depends on makes it so.
        let refused = unknown != Some(Unknown::Warn)
            && rule != Rule::Depends
            && match self.schema.enforce {
                Enforce::Refuse => true,
                Enforce::Types => matches!(rule, Rule::Type | Rule::Size | Rule::Validation),
                Enforce::Warn => false,
            };
        let Fault { value, problem, expected, hint } = fault;
        let (file, value) = (self.subject.file.map(Into::into), value.map(<[u8]>::to_vec));
        self.found.push(Violation {
            key,
            file,
            line,
            rule,
            value,
            problem,
            expected,
            hint,
            refused,
            identity,
        });
    }
}

/// Returns conditions as a schema writes them, with "and" and "or" between.
fn conditions(groups: &[Vec<Condition>]) -> String {
    let condition = |condition: &Condition| {
        let option = show(&condition.option);
        match (&condition.value, condition.negated) {
            (Some(value), false) => format!("{option}={}", show(value)),
            (Some(value), true) => format!("{option}!={}", show(value)),
            (None, false) => format!("{option} is set"),
            (None, true) => format!("{option} is not set"),
        }
    };
    let group = |group: &Vec<Condition>| group.iter().map(condition).collect::<Vec<_>>().join(" and ");
    groups.iter().map(group).collect::<Vec<_>>().join(" or ")
}
