//! A schema as programs check packages with it: sections by type, and fields by name.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::model::package::Section;
use crate::schema::datatype::Datatype;

/// Which violations are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Enforce {
    /// All of them.
    #[default]
    Refuse,
    /// Values that are not of their type; the program warns of the others.
    Types,
    /// None: the program warns of all.
    Warn,
}

/// What happens to options and section types that a schema does not describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unknown {
    /// They are not looked at.
    Allow,
    /// They are warned of.
    Warn,
    /// They are refused.
    Refuse,
}

/// Who may read and write an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Access {
    /// All who may read or write the package.
    #[default]
    ReadWrite,
    /// Its value cannot be changed.
    ReadOnly,
    /// Messages do not show its value.
    Secret,
}

impl Access {
    /// Returns its name in a schema.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Secret => "secret",
        }
    }
}

/// A condition on another option of the section.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Condition {
    /// The other option.
    pub option: Vec<u8>,
    /// The value; `None` if any will do.
    pub value: Option<Vec<u8>>,
    /// Whether the condition holds if the option does not have the value.
    pub negated: bool,
}

/// The description of an option.
#[derive(Debug)]
#[non_exhaustive]
pub struct Field {
    /// Its name.
    pub name: Vec<u8>,
    /// The type of the sections that have it; `None` if all sections of the package may.
    pub section: Option<Vec<u8>>,
    /// Its type as it is written; empty if it has none.
    pub type_text: String,
    /// Its type, if it has one that is correct.
    pub datatype: Option<Datatype>,
    /// The rule string, as it is written.
    pub validation: String,
    /// The rule string, if there is one that is correct.
    pub rules: Option<Datatype>,
    /// Whether it is a list; `None` if it may be one.
    pub list: Option<bool>,
    /// Whether its section must have it.
    pub required: bool,
    /// Groups of conditions. The option counts if all conditions of one group hold, or if there are no groups.
    pub depends: Vec<Vec<Condition>>,
    /// The value that programs take if it is not set: one, or several of a list.
    pub default: Vec<Vec<u8>>,
    /// Who may read and write it.
    pub access: Access,
    /// Its description; empty if it has none.
    pub description: String,
    /// The unit of its value.
    pub unit: String,
    /// A value as an example.
    pub example: String,
    /// Whether no two sections of the type may have the same value.
    pub unique: bool,
    /// Whether it is looked up by value.
    pub index: bool,
    /// The greatest length of a value, in bytes.
    pub size: Option<usize>,
    /// Where it is described.
    pub file: PathBuf,
    /// The line in that file.
    pub line: u32,
}

/// The description of the sections of a type.
#[derive(Debug)]
#[non_exhaustive]
pub struct SectionRule {
    /// The type; empty for the root of a package.
    pub section_type: Vec<u8>,
    /// Its description; empty if it has none.
    pub description: String,
    /// Whether the sections must have a name; `None` if they may.
    pub named: Option<bool>,
    /// How many sections there must be.
    pub min: Option<usize>,
    /// How many sections there may be.
    pub max: Option<usize>,
    /// What happens to options that are not described.
    pub unknown: Unknown,
    /// The fields, in order; those for sections of any type are last.
    pub fields: Vec<Arc<Field>>,
    pub(super) by_name: Names,
}

/// Positions by name. Its hash has no seed: schemas come from people that may change the package.
pub(super) type Names = HashMap<Box<[u8]>, usize, FixedState>;

impl SectionRule {
    /// Returns the field of that name.
    #[must_use]
    pub fn field(&self, name: &[u8]) -> Option<&Arc<Field>> {
        self.by_name.get(name).map(|index| &self.fields[*index])
    }

    /// Reports whether a field has an effect in this section: the options that it depends on have the values for that. An
    /// option that is not set has its default.
    pub(super) fn applies(&self, field: &Field, section: &Section<'_>) -> bool {
        field.depends.is_empty()
            || field.depends.iter().any(|group| group.iter().all(|condition| self.holds(condition, section)))
    }

    fn holds(&self, condition: &Condition, section: &Section<'_>) -> bool {
        let is = |item: &[u8]| condition.value.as_ref().is_none_or(|value| value == item);
        let found = match section.get(&condition.option) {
            Some(value) => value.items().any(is),
            None => {
                self.field(&condition.option).is_some_and(|field| field.default.iter().any(|item| is(item)))
            }
        };
        found != condition.negated
    }
}

/// A version of the data that a schema describes, and how it is reached: a section `migration`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Version {
    /// The version that it starts from.
    pub from: String,
    /// The version that it leads to.
    pub to: String,
    /// Its description.
    pub description: String,
    /// When it was made.
    pub created: String,
}

/// A mistake in a schema. The part that has it does not count, and the rest of the schema does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; 0 if the whole file is meant.
    pub line: u32,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = self.file.display();
        match self.line {
            0 => write!(f, "{file}: {}", self.problem),
            line => write!(f, "{file}:{line}: {}", self.problem),
        }
    }
}

/// The schema of a package.
#[derive(Debug)]
#[non_exhaustive]
pub struct Schema {
    /// The package.
    pub package: String,
    /// The version of the schema; empty if it has none.
    pub version: String,
    /// Its description; empty if it has none.
    pub description: String,
    /// Which violations are refused.
    pub enforce: Enforce,
    /// What happens to sections of types that are not described.
    pub unknown: Unknown,
    /// The described types of sections, in order.
    pub sections: Vec<SectionRule>,
    /// What sections of all other types may have.
    pub others: SectionRule,
    /// The migrations, in order.
    pub versions: Vec<Version>,
    /// The files that it was read from.
    pub files: Vec<PathBuf>,
    /// The mistakes in them.
    pub mistakes: Vec<Mistake>,
    pub(super) by_type: Names,
}

impl Schema {
    /// Returns the description of sections of a type: of that type, or of all other types.
    #[must_use]
    pub fn section(&self, section_type: &[u8]) -> &SectionRule {
        self.described(section_type).unwrap_or(&self.others)
    }

    /// Returns the description of sections of a type; `None` if the schema does not have that type.
    #[must_use]
    pub fn described(&self, section_type: &[u8]) -> Option<&SectionRule> {
        self.by_type.get(section_type).map(|index| &self.sections[*index])
    }
}
