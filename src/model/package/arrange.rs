//! Rearranges a package so that it has exactly the wanted sections, in their order. Sections that exist already keep
//! their lines.

use super::{OptionId, Package, SectionId, Slot, Span, Value};
use crate::error::Result;
use crate::model::value_type::ValueType;

/// An owned value of an option.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Held {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
}

impl Held {
    pub fn of(value: Value<'_>) -> Self {
        match value {
            Value::String(string) => Self::String(string.to_vec()),
            Value::List(list) => Self::List(list.iter().map(<[u8]>::to_vec).collect()),
        }
    }

    fn is(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::String(mine), Value::String(other)) => mine == other,
            (Self::List(mine), Value::List(other)) => mine.iter().map(Vec::as_slice).eq(other.iter()),
            _ => false,
        }
    }
}

/// A section of the wanted package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its position among the sections of the package; `None` for a new one.
    pub place: Option<usize>,
    pub kind: Vec<u8>,
    /// Its name, unless it is anonymous.
    pub name: Option<Vec<u8>>,
    pub options: Vec<(Vec<u8>, Held)>,
}

impl Package {
    /// Gives the package these sections, in this order, and no others.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Invalid`] if the package would grow beyond 2 GiB.
    pub(crate) fn arrange(&mut self, wanted: &[Wanted]) -> Result<()> {
        self.touch_all();
        let ids: Vec<SectionId> = self.order.iter().map(|id| SectionId(*id)).collect();
        let mut stays = vec![false; ids.len()];
        for place in wanted.iter().filter_map(|section| section.place) {
            stays[place] = true;
        }
        for (id, _) in ids.iter().zip(&stays).filter(|(_, stays)| !**stays) {
            self.delete_section(*id);
        }
        let mut order = Vec::with_capacity(wanted.len());
        for section in wanted {
            let id = match section.place {
                Some(place) => {
                    self.adapt_section(ids[place], section)?;
                    ids[place]
                }
                None => self.push_wanted(section)?,
            };
            order.push(id.0);
        }
        self.order = order;
        Ok(())
    }

    /// Changes the type and the options of a section to the wanted ones.
    fn adapt_section(&mut self, id: SectionId, wanted: &Wanted) -> Result<()> {
        let section = super::Section { package: self, id };
        let retyped = section.section_type() != wanted.kind;
        let now: std::collections::HashMap<&[u8], Value<'_>> =
            section.options().map(|option| (option.name(), option.value())).collect();
        let names: std::collections::HashSet<&[u8]> =
            wanted.options.iter().map(|(name, _)| name.as_slice()).collect();
        let gone: Vec<Vec<u8>> =
            now.keys().filter(|name| !names.contains(*name)).map(|name| name.to_vec()).collect();
        let differs =
            |(name, held): &&(Vec<u8>, Held)| now.get(name.as_slice()).is_none_or(|now| !held.is(*now));
        let changed: Vec<_> = wanted.options.iter().filter(differs).collect();
        if retyped {
            let kind = self.intern(&wanted.kind, None)?;
            self.set_type(id, kind);
        }
        for name in gone {
            if let Some(option) = self.find_option(id, &name) {
                self.delete_option(id, option);
            }
        }
        changed.into_iter().try_for_each(|(name, held)| self.hold(id, name, held))
    }

    fn push_wanted(&mut self, wanted: &Wanted) -> Result<SectionId> {
        if wanted.name.is_none() {
            // Delete first, so that the generated name is free.
            self.next_name(&wanted.kind);
        }
        let kind = self.intern(&wanted.kind, None)?;
        let name = wanted.name.as_ref().map(|name| self.intern(name, None)).transpose()?;
        let id = self.push_section(kind, name)?;
        wanted.options.iter().try_for_each(|(name, held)| self.hold(id, name, held))?;
        Ok(id)
    }

    /// Sets an option to a value, replacing its string or list.
    pub(super) fn hold(&mut self, section: SectionId, name: &[u8], held: &Held) -> Result<()> {
        let slot = match held {
            Held::String(string) => Slot::String(self.intern(string, None)?),
            Held::List(items) => {
                let items: Result<Vec<Span>> = items.iter().map(|item| self.intern(item, None)).collect();
                self.new_list(items?)
            }
        };
        match self.find_option(section, name) {
            Some(option) => self.set_slot(section, option, slot),
            None => {
                let name = self.intern(name, None)?;
                self.push_slot(section, name, slot);
            }
        }
        Ok(())
    }

    fn set_slot(&mut self, section: SectionId, option: OptionId, slot: Slot) {
        self.touch(section, Some(option));
        let data = &mut self.sections[section.0 as usize].options.to_mut()[option.0 as usize];
        let is_list = matches!(slot, Slot::List(_));
        data.value = slot;
        if data.value_type.is_list() != is_list {
            data.value_type = if is_list { ValueType::List } else { ValueType::String };
        }
    }
}
