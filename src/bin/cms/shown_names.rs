//! The names that sections are shown by.

use std::collections::HashMap;

use cms::Section;

/// The names sections are shown by, in order: `@type[index]` for anonymous ones.
#[derive(Default)]
pub struct ShownNames(HashMap<Vec<u8>, usize>);

impl ShownNames {
    pub fn of(&mut self, section: Section<'_>) -> Vec<u8> {
        let kind = section.section_type();
        let count = self.0.entry(kind.to_vec()).or_default();
        *count += 1;
        match section.is_anonymous() {
            true => [b"@", kind, format!("[{}]", *count - 1).as_bytes()].concat(),
            false => section.name().to_vec(),
        }
    }
}
