//! The changes made to a package since it was read, so that a map can be updated without comparing everything.

use super::{OptionId, Package, SectionId};

/// See the module documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Touched {
    /// Only these options: the name of a section and of an option; without an option name, all options of the
    /// section.
    Options(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    /// Sections were added, deleted, moved or renamed.
    Everything,
}

impl Default for Touched {
    fn default() -> Self {
        Self::Options(Vec::new())
    }
}

impl Touched {
    /// Adds the changes made after these.
    pub fn join(&mut self, later: &Self) {
        match (&mut *self, later) {
            (Self::Options(all), Self::Options(more)) => all.extend(more.iter().cloned()),
            _ => *self = Self::Everything,
        }
    }
}

impl Package {
    /// Returns the changes.
    pub(crate) fn touched(&self) -> &Touched {
        &self.touched
    }

    pub(super) fn touch_all(&mut self) {
        if !self.loading {
            self.touched = Touched::Everything;
        }
    }

    /// Notes that an option has been changed; without an option name, any option of the section.
    #[inline]
    pub(super) fn touch(&mut self, section: SectionId, option: Option<OptionId>) {
        if !self.loading && self.touched != Touched::Everything {
            self.note_touched(section, option);
        }
    }

    fn note_touched(&mut self, section: SectionId, option: Option<OptionId>) {
        let data = self.data(section);
        let option = option.map(|id| self.text.get(data.options[id.0 as usize].name).to_vec());
        let section = self.text.get(data.name).to_vec();
        if let Touched::Options(touched) = &mut self.touched {
            touched.push((section, option));
        }
    }
}
