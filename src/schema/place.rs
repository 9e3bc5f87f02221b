//! The lines of sections and options, and their keys as people write them.

use std::cell::OnceCell;
use std::collections::HashMap;

use crate::bytes;
use crate::model::package::{OptionView, Package, Section};

/// The lines of a package's text. Where they begin is found at the first question.
pub(super) struct Lines<'p> {
    source: &'p [u8],
    ends: OnceCell<Vec<usize>>,
}

impl<'p> Lines<'p> {
    pub fn of(package: &'p Package) -> Self {
        Self { source: package.source(), ends: OnceCell::new() }
    }

    /// Returns the line of a section; 0 if it is not in the text.
    pub fn of_section(&self, section: &Section<'_>) -> u32 {
        section.offset().map_or(0, |offset| self.line(offset))
    }

    /// Returns the line of an option; 0 if it is not in the text.
    pub fn of_option(&self, option: &OptionView<'_>) -> u32 {
        option.offset().map_or(0, |offset| self.line(offset))
    }

    fn line(&self, offset: usize) -> u32 {
        let ends = self.ends.get_or_init(|| {
            let mut ends = Vec::new();
            let mut from = 0;
            while let Some(at) = bytes::find(b'\n', &self.source[from..]) {
                ends.push(from + at);
                from += at + 1;
            }
            ends
        });
        u32::try_from(ends.partition_point(|end| *end < offset) + 1).unwrap_or(u32::MAX)
    }
}

/// The places of a package: its lines, and the positions of anonymous sections among those of their type.
pub(super) struct Places<'p> {
    package: &'p Package,
    pub lines: Lines<'p>,
    positions: OnceCell<Vec<usize>>,
}

impl<'p> Places<'p> {
    pub fn of(package: &'p Package) -> Self {
        Self { package, lines: Lines::of(package), positions: OnceCell::new() }
    }

    /// Returns the key of a section, which is the one at `index` of the order, or of one of its options.
    pub fn key(&self, index: usize, section: &Section<'_>, option: Option<&[u8]>) -> String {
        let show = crate::error::shown::name;
        let mut key = show(self.package.name());
        key.push('.');
        if section.is_anonymous() {
            let positions = self.positions.get_or_init(|| positions(self.package));
            let position = positions.get(index).copied().unwrap_or_default();
            key.push_str(&format!("@{}[{position}]", show(section.section_type())));
        } else {
            key.push_str(&show(section.name()));
        }
        if let Some(option) = option {
            key.push('.');
            key.push_str(&show(option));
        }
        key
    }
}

/// Returns the position of each section among those of its type.
fn positions(package: &Package) -> Vec<usize> {
    let mut counts: HashMap<&[u8], usize> = HashMap::new();
    let mut positions = Vec::with_capacity(package.len());
    for section in package.sections() {
        let count = counts.entry(section.section_type()).or_default();
        positions.push(*count);
        *count += 1;
    }
    positions
}
