//! Checks a package with its schema. An option that passes costs a look-up of its name and the check of its type, and no
//! allocation; keys, lines and messages are made for violations alone.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::path::Path;

use foldhash::fast::FixedState;

use crate::error::{Rule, Violation};
use crate::model::package::{OptionView, Package, Section, Value};
use crate::schema::datatype::{Answer, Context, Reference};
use crate::schema::place::Places;
use crate::schema::rules::{Access, Field, Schema, SectionRule, Unknown};

/// The packages of the store, for values that name a section of another package.
pub trait Others {
    /// Calls a function with the package of that name, if there is one. Returns `false` if that cannot be told.
    fn see(&self, package: &[u8], function: &mut dyn FnMut(&Package)) -> bool;
}

/// No store: values that name something of another package are not checked.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Alone;

impl Others for Alone {
    fn see(&self, _: &[u8], _: &mut dyn FnMut(&Package)) -> bool {
        false
    }
}

/// A package that is checked.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub package: &'a Package,
    pub file: Option<&'a Path>,
    pub others: &'a dyn Others,
}

impl Schema {
    /// Returns all violations of a package, in the order of the sections. `others` are the other packages of the store.
    pub fn check(&self, package: &Package, file: Option<&Path>, others: &dyn Others) -> Vec<Violation> {
        self.check_subject(Subject { package, file, others })
    }

    pub(crate) fn check_subject(&self, subject: Subject<'_>) -> Vec<Violation> {
        let mut check =
            Check { schema: self, subject, places: Places::of(subject.package), found: Vec::new() };
        for (index, section) in subject.package.sections().enumerate() {
            check.section(index, &section);
        }
        self.sections.iter().for_each(|rule| check.sections_of(rule));
        check.found
    }

    /// Returns the violations that a change of a package makes, and then those that were there before it.
    pub(crate) fn check_change(
        &self,
        before: Option<&Package>,
        after: Subject<'_>,
    ) -> (Vec<Violation>, Vec<Violation>) {
        let found = self.check_subject(after);
        let mut made = before.map_or_else(Vec::new, |before| self.changed_read_only(before, after));
        if found.is_empty() {
            return (made, found);
        }
        let mut known: HashMap<u64, usize> = HashMap::new();
        for violation in before.iter().flat_map(|package| self.check_subject(Subject { package, ..after })) {
            *known.entry(violation.identity).or_default() += 1;
        }
        let mut stood = Vec::new();
        for violation in found {
            match known.get_mut(&violation.identity).filter(|count| **count > 0) {
                Some(count) => {
                    *count -= 1;
                    stood.push(violation);
                }
                None => made.push(violation),
            }
        }
        (made, stood)
    }
}

/// The check of a package.
pub(super) struct Check<'a> {
    pub schema: &'a Schema,
    pub subject: Subject<'a>,
    pub places: Places<'a>,
    pub found: Vec<Violation>,
}

/// A section with its position in the package, and its rule.
#[derive(Clone, Copy)]
pub(super) struct Here<'s, 'p> {
    pub index: usize,
    pub section: &'s Section<'p>,
    pub rule: &'s SectionRule,
}

/// What is wrong with a value or a section.
#[derive(Default)]
pub(super) struct Fault<'v> {
    pub value: Option<&'v [u8]>,
    pub problem: String,
    pub expected: String,
    pub hint: Option<String>,
}

impl Check<'_> {
    fn section(&mut self, index: usize, section: &Section<'_>) {
        let Some(rule) = self.schema.described(section.section_type()) else {
            return self.undescribed(index, section);
        };
        let here = Here { index, section, rule };
        if rule.named.is_some_and(|named| named == section.is_anonymous()) {
            self.wrongly_named(here);
        }
        self.options(here);
    }

    /// Checks a section of a type that the schema does not have. Fields that are for all sections count in it.
    fn undescribed(&mut self, index: usize, section: &Section<'_>) {
        let here = Here { index, section, rule: &self.schema.others };
        if self.schema.unknown != Unknown::Allow && !section.section_type().is_empty() {
            self.unknown_type(here);
        }
        self.options(here);
    }

    fn options(&mut self, here: Here<'_, '_>) {
        for option in here.section.options() {
            match here.rule.field(option.name()) {
                Some(field) => self.option(here, field, &option),
                None if here.rule.unknown != Unknown::Allow => self.unknown_option(here, &option),
                None => {}
            }
        }
        for field in here.rule.fields.iter().filter(|field| field.required) {
            if here.section.option(&field.name).is_none() && here.rule.applies(field, here.section) {
                self.missing(here, field);
            }
        }
    }

    fn option(&mut self, here: Here<'_, '_>, field: &Field, option: &OptionView<'_>) {
        let value = option.value();
        let is_list = matches!(value, Value::List(_));
        if field.list.is_some_and(|list| list != is_list) {
            self.wrong_list(here, field, option);
        }
        if !here.rule.applies(field, here.section) {
            self.without_effect(here, field, option);
        }
        for item in value.items() {
            if field.size.is_some_and(|size| item.len() > size) {
                self.too_long(here, field, option, item);
            }
            let types = [(Rule::Type, &field.datatype), (Rule::Validation, &field.rules)];
            for (rule, datatype) in types {
                if let Some(datatype) = datatype
                    && let Err(failure) = datatype.check(item, &self.subject)
                    && failure.unchecked.is_none()
                {
                    self.unfit(here, (field, option), (rule, item), &failure);
                }
            }
        }
    }

    /// Checks all sections of a type together: how many there are, and values that must differ.
    fn sections_of(&mut self, rule: &SectionRule) {
        let package = self.subject.package;
        if rule.min.is_some() || rule.max.is_some() {
            let count = package.sections_of_type(&rule.section_type).count();
            // An empty type is the root, and not all sections.
            let is_root = rule.section_type.is_empty();
            if !is_root
                && (rule.min.is_some_and(|min| count < min) || rule.max.is_some_and(|max| count > max))
            {
                self.wrong_count(rule, count);
            }
        }
        for field in rule.fields.iter().filter(|field| field.unique) {
            // The position of the first section that has each value.
            let mut seen: HashMap<&[u8], usize, FixedState> = HashMap::default();
            for (index, section) in package.sections().enumerate() {
                if section.section_type() != rule.section_type {
                    continue;
                }
                let Some(option) = section.option(&field.name) else { continue };
                for item in option.value().items() {
                    match seen.get(item) {
                        None => drop(seen.insert(item, index)),
                        Some(first) => {
                            let here = Here { index, section: &section, rule };
                            self.repeated(here, (field, &option), item, *first);
                        }
                    }
                }
            }
        }
    }
}

impl Context for Subject<'_> {
    fn accepts(&self, reference: &Reference, value: &[u8]) -> Answer {
        if reference.package.is_empty() || reference.package == self.package.name() {
            return reference.is_in(self.package, value).into();
        }
        let mut accepts = false;
        let is_told =
            self.others.see(&reference.package, &mut |package| accepts = reference.is_in(package, value));
        if is_told { accepts.into() } else { Answer::Unknown }
    }
}

/// Read-only options.
impl Schema {
    /// Returns a violation for each read-only option that a change sets, changes or removes. A whole section may be removed,
    /// and a new package may have any.
    fn changed_read_only(&self, before: &Package, after: Subject<'_>) -> Vec<Violation> {
        let rules = self.sections.iter().chain([&self.others]);
        let has_read_only =
            |rule: &SectionRule| rule.fields.iter().any(|field| field.access == Access::ReadOnly);
        if before.is_empty() || !rules.into_iter().any(has_read_only) {
            return Vec::new();
        }
        let mut check =
            Check { schema: self, subject: after, places: Places::of(after.package), found: Vec::new() };
        let mut old = Anonymous::of(self, before);
        for (index, section) in after.package.sections().enumerate() {
            let rule = self.section(section.section_type());
            for field in rule.fields.iter().filter(|field| field.access == Access::ReadOnly) {
                let now = section.get(&field.name);
                let is_same = match section.is_anonymous() {
                    true => now.is_none_or(|now| old.take(&section, field, now)),
                    false => before.section(section.name()).and_then(|old| old.get(&field.name)) == now,
                };
                if !is_same {
                    check.read_only(Here { index, section: &section, rule }, field);
                }
            }
        }
        check.found
    }
}

/// The values of read-only options in anonymous sections, which have no name to find them by.
struct Anonymous(HashMap<u64, usize>);

impl Anonymous {
    fn of(schema: &Schema, package: &Package) -> Self {
        let mut values = HashMap::new();
        for section in package.sections().filter(Section::is_anonymous) {
            let rule = schema.section(section.section_type());
            for field in rule.fields.iter().filter(|field| field.access == Access::ReadOnly) {
                if let Some(value) = section.get(&field.name) {
                    *values.entry(Self::id(&section, field, value)).or_default() += 1;
                }
            }
        }
        Self(values)
    }

    fn id(section: &Section<'_>, field: &Field, value: Value<'_>) -> u64 {
        let items: Vec<&[u8]> = value.items().collect();
        FixedState::default().hash_one((section.section_type(), &field.name, items))
    }

    /// Takes one value; returns whether there was one.
    fn take(&mut self, section: &Section<'_>, field: &Field, value: Value<'_>) -> bool {
        let found = self.0.get_mut(&Self::id(section, field, value)).filter(|count| **count > 0);
        found.is_some_and(|count| {
            *count -= 1;
            true
        })
    }
}
