//! Reads the text of a schema, which is UCI text with sections `schema`, `section`, `field` and `migration`.
//!
//! A mistake never makes a package unusable: the part of the schema that has it does not count, and is listed with its
//! line. A text that cannot be parsed does not count at all.

use std::path::Path;
use std::sync::Arc;

use crate::format::uci;
use crate::model::convert;
use crate::model::near::nearest;
use crate::model::package::{OptionView, Package, Section};
use crate::schema::datatype::Datatype;
use crate::schema::place::Lines;
use crate::schema::rules::{Access, Condition, Enforce, Field, Mistake, Unknown, Version};

/// The type of the root section, as schemas write it. The root has no type.
pub(super) const ROOT: &[u8] = b".";

/// One text of a schema.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub version: Option<String>,
    pub description: Option<String>,
    pub enforce: Option<Enforce>,
    pub unknown: Option<Unknown>,
    pub sections: Vec<SectionDraft>,
    pub fields: Vec<Field>,
    pub versions: Vec<Version>,
    pub mistakes: Vec<Mistake>,
}

/// The description of the sections of a type. What is `None` is not said.
#[derive(Debug, Default)]
pub(super) struct SectionDraft {
    pub section_type: Vec<u8>,
    pub description: Option<String>,
    pub named: Option<bool>,
    pub min: Option<usize>,
    pub max: Option<usize>,
    pub unknown: Option<Unknown>,
    /// Whether the fields for sections of any type do not count in it.
    pub is_apart: bool,
}

/// The types of sections that a schema has, and their options.
const KINDS: [(&str, &[&str]); 4] = [
    ("schema", &["package", "version", "description", "enforce", "unknown", "mode"]),
    ("section", &["name", "named", "min", "max", "unknown", "description"]),
    (
        "field",
        &[
            "section",
            "name",
            "type",
            "list",
            "required",
            "depends",
            "default",
            "access",
            "description",
            "unit",
            "example",
            "unique",
            "index",
            "size",
            "validation",
        ],
    ),
    ("migration", &["from", "to", "description", "created", "step"]),
];

/// Reads the text of the schema of `package`.
pub(super) fn read(package: &str, file: &Path, text: Vec<u8>) -> Draft {
    let mut draft = Draft::default();
    let parsed = uci::parse(package.as_bytes(), Arc::new(text), &uci::ParseOptions::new());
    let parsed = match parsed {
        Ok(parsed) => parsed.package,
        Err(error) => {
            let line = error.location().line;
            let problem = match &error {
                crate::error::Error::Parse(error) => error.reason.text().to_owned(),
                error => error.to_string(),
            };
            let hint = "correct the text; until then this file does not count".to_owned();
            draft.mistakes.push(Mistake { file: file.to_owned(), line, problem, hint });
            return draft;
        }
    };
    let mut reader = Reader { file, lines: Lines::of(&parsed), draft };
    for section in parsed.sections() {
        reader.section(package, &section);
    }
    reader.draft
}

/// Reads the sections `field` of a package that describes its own options: see `docs/schema.md`. `None` if they are data.
pub(super) fn read_fields(package: &Package, file: &Path) -> Option<Draft> {
    const TYPES: [&[u8]; 6] = [b"string", b"int", b"float", b"bool", b"array", b"table"];
    let fields = || package.sections_of_type(b"field");
    let has_type = |section: Section<'_>| {
        let found = section.get(b"type");
        found.is_some_and(|value| value.items().all(|item| TYPES.contains(&item)))
    };
    if fields().next().is_none() || !fields().all(has_type) {
        return None;
    }
    let mut reader = Reader { file, lines: Lines::of(package), draft: Draft::default() };
    reader.draft.unknown = Some(Unknown::Allow);
    let apart = SectionDraft { section_type: b"field".to_vec(), is_apart: true, ..SectionDraft::default() };
    reader.draft.sections.push(apart);
    fields().for_each(|section| reader.field(&section, true));
    Some(reader.draft)
}

/// Reads the sections of a text.
struct Reader<'t> {
    file: &'t Path,
    lines: Lines<'t>,
    draft: Draft,
}

fn show(bytes: &[u8]) -> String {
    crate::error::shown::text(bytes)
}

impl Reader<'_> {
    fn mistake(&mut self, line: u32, problem: String, hint: String) {
        self.draft.mistakes.push(Mistake { file: self.file.to_owned(), line, problem, hint });
    }

    fn section(&mut self, package: &str, section: &Section<'_>) {
        let kind = show(section.section_type());
        let Some((_, options)) = KINDS.iter().find(|(name, _)| **name == kind) else {
            let names = KINDS.map(|(name, _)| name);
            let hint = match nearest(&kind, names.iter()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("a schema has sections of the types {}", names.join(", ")),
            };
            let line = self.lines.of_section(section);
            return self.mistake(line, format!("a schema has no sections of type '{kind}'"), hint);
        };
        for option in section.options() {
            let name = show(option.name());
            if !options.contains(&name.as_str()) {
                let hint = match nearest(&name, options.iter()) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => format!("the options are {}", options.join(", ")),
                };
                let line = self.lines.of_option(&option);
                self.mistake(line, format!("a section '{kind}' has no option '{name}'"), hint);
            }
        }
        match kind.as_str() {
            "schema" => self.schema(package, section),
            "section" => self.section_type(section),
            "field" => self.field(section, false),
            _ => self.migration(section),
        }
    }

    fn schema(&mut self, package: &str, section: &Section<'_>) {
        if let Some(of) = text(section, "package").filter(|of| of != package) {
            let line = self.line_of(section, "package");
            let hint = format!("name the file as the package, or write 'option package '{package}''");
            let problem = format!("the file is named after the package '{package}', and says '{of}'");
            self.mistake(line, problem, hint);
        }
        self.draft.version = text(section, "version");
        self.draft.description = text(section, "description");
        let enforce = [("refuse", Enforce::Refuse), ("types", Enforce::Types), ("warn", Enforce::Warn)];
        self.draft.enforce = self.word(section, "enforce", &enforce);
        self.draft.unknown = self.word(section, "unknown", &UNKNOWN);
    }

    fn section_type(&mut self, section: &Section<'_>) {
        let Some(section_type) = self.name_of(section) else { return };
        let draft = SectionDraft {
            section_type: if section_type == ROOT { Vec::new() } else { section_type },
            description: text(section, "description"),
            named: self.truth(section, "named"),
            min: self.count(section, "min"),
            max: self.count(section, "max"),
            unknown: self.word(section, "unknown", &UNKNOWN),
            is_apart: false,
        };
        self.draft.sections.push(draft);
    }

    /// Returns the option `name` of a section, or its own name.
    fn name_of(&mut self, section: &Section<'_>) -> Option<Vec<u8>> {
        let own = Some(section.name()).filter(|_| !section.is_anonymous());
        let name = section.get(b"name").and_then(|value| value.items().next()).or(own);
        if name.is_none() {
            let kind = show(section.section_type());
            let line = self.lines.of_section(section);
            let hint = format!("write config {kind} 'NAME', or give it an option name");
            self.mistake(line, format!("the {kind} has no name"), hint);
        }
        name.map(<[u8]>::to_vec)
    }

    /// Reads a field. A field of a package that describes itself is for all its sections.
    fn field(&mut self, section: &Section<'_>, is_inside: bool) {
        let Some(name) = self.name_of(section) else { return };
        let of = section.get(b"section").and_then(|value| value.items().next()).filter(|_| !is_inside);
        let type_text = text(section, "type").unwrap_or_default();
        let (type_list, written) = match type_text.as_str() {
            "array" => (Some(true), "string"),
            "table" | "" => (None, ""),
            "int" => (None, "integer"),
            other => (None, other),
        };
        let (size, validation) =
            (self.count(section, "size"), text(section, "validation").unwrap_or_default());
        let access = [
            ("read-write", Access::ReadWrite),
            ("rw", Access::ReadWrite),
            ("read-only", Access::ReadOnly),
            ("ro", Access::ReadOnly),
            ("secret", Access::Secret),
        ];
        let field = Field {
            name,
            section: of.map(|of| if of == ROOT { Vec::new() } else { of.to_vec() }),
            datatype: self.datatype(section, "type", written),
            type_text,
            rules: self.datatype(section, "validation", &validation),
            required: self.truth(section, "required").unwrap_or(false)
                || (!is_inside && validation.split('|').any(|rule| rule == "required")),
            validation,
            list: self.truth(section, "list").or(type_list),
            depends: self.depends(section),
            default: items(section, "default"),
            access: self.word(section, "access", &access).unwrap_or_default(),
            description: text(section, "description").unwrap_or_default(),
            unit: text(section, "unit").unwrap_or_default(),
            example: text(section, "example").unwrap_or_default(),
            unique: self.truth(section, "unique").unwrap_or(false),
            index: self.truth(section, "index").unwrap_or(false),
            size,
            file: self.file.to_owned(),
            line: self.lines.of_section(section),
        };
        self.draft.fields.push(field);
    }

    fn migration(&mut self, section: &Section<'_>) {
        let get = |name| text(section, name).unwrap_or_default();
        let (from, to, description, created) = (get("from"), get("to"), get("description"), get("created"));
        self.draft.versions.push(Version { from, to, description, created });
    }

    /// Parses a type or a rule string.
    fn datatype(&mut self, section: &Section<'_>, option: &str, written: &str) -> Option<Datatype> {
        if written.is_empty() {
            return None;
        }
        match Datatype::parse(written.as_bytes()) {
            Ok(datatype) => {
                if let Some(why) = datatype.unchecked() {
                    let line = self.line_of(section, option);
                    let hint = "use a build with the feature regex, or another type".to_owned();
                    self.mistake(line, format!("{written} is not checked: {why}"), hint);
                }
                Some(datatype)
            }
            Err(error) => {
                let line = self.line_of(section, option);
                let hint = "docs/schema.md lists the types; until it is corrected, the value is not checked"
                    .to_owned();
                self.mistake(line, error.to_string(), hint);
                None
            }
        }
    }

    /// Reads conditions: each item of the list is a group, whose conditions have commas between.
    fn depends(&mut self, section: &Section<'_>) -> Vec<Vec<Condition>> {
        let mut groups = Vec::new();
        for item in items(section, "depends") {
            let group: Option<Vec<Condition>> = item.split(|byte| *byte == b',').map(condition).collect();
            match group {
                Some(group) => groups.push(group),
                None => {
                    let line = self.line_of(section, "depends");
                    let problem = format!("'{}' is no condition", show(&item));
                    let hint = "write OPTION=VALUE, OPTION!=VALUE, OPTION or !OPTION, with commas between those that \
                                must all hold";
                    self.mistake(line, problem, hint.to_owned());
                }
            }
        }
        groups
    }

    fn truth(&mut self, section: &Section<'_>, option: &str) -> Option<bool> {
        let found = text(section, option)?;
        let read = convert::boolean(found.as_bytes());
        if read.is_err() {
            let line = self.line_of(section, option);
            self.mistake(line, format!("{option} '{found}' is neither 1 nor 0"), "write 1 or 0".to_owned());
        }
        read.ok()
    }

    fn count(&mut self, section: &Section<'_>, option: &str) -> Option<usize> {
        let found = text(section, option)?;
        let read = found.parse().ok();
        if read.is_none() {
            let line = self.line_of(section, option);
            let problem = format!("{option} '{found}' is no number");
            self.mistake(line, problem, "write a whole number, 0 or more".to_owned());
        }
        read
    }

    fn word<T: Copy>(&mut self, section: &Section<'_>, option: &str, words: &[(&str, T)]) -> Option<T> {
        let found = text(section, option)?;
        let read = words.iter().find(|(word, _)| *word == found).map(|(_, value)| *value);
        if read.is_none() {
            let line = self.line_of(section, option);
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let hint = format!("write one of {}", words.join(", "));
            self.mistake(line, format!("{option} '{found}' is not known"), hint);
        }
        read
    }

    fn line_of(&self, section: &Section<'_>, option: &str) -> u32 {
        let found = section.option(option.as_bytes());
        found.map_or_else(
            || self.lines.of_section(section),
            |option: OptionView<'_>| self.lines.of_option(&option),
        )
    }
}

const UNKNOWN: [(&str, Unknown); 3] =
    [("allow", Unknown::Allow), ("warn", Unknown::Warn), ("refuse", Unknown::Refuse)];

fn condition(text: &[u8]) -> Option<Condition> {
    let text = text.trim_ascii();
    let (name, value) = match text.iter().position(|byte| *byte == b'=') {
        Some(at) => (&text[..at], Some(text[at + 1..].to_vec())),
        None => (text, None),
    };
    let (name, negated) = match (name.strip_suffix(b"!").filter(|_| value.is_some()), name.strip_prefix(b"!"))
    {
        (Some(name), None) => (name, true),
        (None, Some(name)) if value.is_none() => (name, true),
        _ => (name, false),
    };
    let is_name = !name.is_empty() && !name.contains(&b'!');
    is_name.then(|| Condition { option: name.to_vec(), value, negated })
}

fn text(section: &Section<'_>, option: &str) -> Option<String> {
    let value = section.get(option.as_bytes())?;
    value.items().next().map(crate::error::shown::name)
}

fn items(section: &Section<'_>, option: &str) -> Vec<Vec<u8>> {
    section.get(option.as_bytes()).map_or_else(Vec::new, |value| value.items().map(<[u8]>::to_vec).collect())
}
