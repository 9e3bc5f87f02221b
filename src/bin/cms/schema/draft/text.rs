//! A draft of a schema, and its text.

use cms::text::quoted;

/// A draft of the schema of a package.
#[derive(Debug, Default)]
pub struct Draft {
    pub package: Vec<u8>,
    pub sections: Vec<SectionDraft>,
}

/// The sections of a type.
#[derive(Debug, Default)]
pub struct SectionDraft {
    pub section_type: Vec<u8>,
    /// Whether all of them have a name, or none has one.
    pub named: Option<bool>,
    pub fields: Vec<FieldDraft>,
}

/// An option.
#[derive(Debug, Default, PartialEq)]
pub struct FieldDraft {
    pub name: Vec<u8>,
    /// The datatype; empty if it is not known.
    pub datatype: Vec<u8>,
    pub list: bool,
    pub required: bool,
    pub is_secret: bool,
    pub default: Vec<u8>,
    pub example: Vec<u8>,
}

impl Draft {
    /// Returns the sections of a type, which are added if there are none.
    pub fn section(&mut self, section_type: &[u8]) -> &mut SectionDraft {
        let found = self.sections.iter().position(|section| section.section_type == section_type);
        let at = found.unwrap_or_else(|| {
            self.sections
                .push(SectionDraft { section_type: section_type.to_vec(), ..SectionDraft::default() });
            self.sections.len() - 1
        });
        &mut self.sections[at]
    }

    /// Returns the text of the schema, which a person completes.
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        statement(&mut out, b"config schema", &[]);
        statement(&mut out, b"\toption package", &self.package);
        for section in &self.sections {
            out.push(b'\n');
            statement(&mut out, b"config section", &[]);
            statement(&mut out, b"\toption name", &section.section_type);
            if let Some(named) = section.named {
                statement(&mut out, b"\toption named", if named { b"1" } else { b"0" });
            }
            for field in &section.fields {
                field.write(&section.section_type, &mut out);
            }
        }
        out
    }
}

impl FieldDraft {
    fn write(&self, section_type: &[u8], out: &mut Vec<u8>) {
        out.push(b'\n');
        statement(out, b"config field", &[]);
        statement(out, b"\toption section", section_type);
        statement(out, b"\toption name", &self.name);
        let flag = |is_set: bool| if is_set { &b"1"[..] } else { &[] };
        let access = if self.is_secret { &b"secret"[..] } else { &[] };
        let rest: [(&[u8], &[u8]); 6] = [
            (b"type", &self.datatype),
            (b"list", flag(self.list)),
            (b"required", flag(self.required)),
            (b"access", access),
            (b"default", &self.default),
            (b"example", &self.example),
        ];
        for (name, value) in rest.into_iter().filter(|(_, value)| !value.is_empty()) {
            statement(out, &[b"\toption ", name].concat(), value);
        }
    }
}

/// Writes a line: its head and, if there is one, a value in quotes.
fn statement(out: &mut Vec<u8>, head: &[u8], value: &[u8]) {
    out.extend_from_slice(head);
    if !value.is_empty() {
        out.push(b' ');
        out.extend(quoted(value));
    }
    out.push(b'\n');
}
