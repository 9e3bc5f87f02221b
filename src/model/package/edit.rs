//! The primitive edits: each call makes one change and keeps the invariants. The rules that say which changes are
//! allowed are in `rules`.

use std::sync::Arc;

use super::table::NameTable;
use super::{ADDED, NEW, OptionData, OptionId, Package, SectionData, SectionId, Slot, Span};
use crate::error::Result;
use crate::model::name;
use crate::model::value_type::ValueType;

/// Above this many options a section gets a hash table.
const TABLE_ABOVE: usize = 16;

/// After this many sections the total number is estimated, to reserve room for the others.
const SAMPLE: u32 = 256;

impl Package {
    /// Makes the span of a word: a slice of the source if possible, else a copy.
    pub(crate) fn intern(&mut self, bytes: &[u8], start: Option<usize>) -> Result<Span> {
        match start {
            Some(start) => Ok(Span::of_source(start, bytes.len())),
            None => self.text.add(bytes),
        }
    }

    /// Appends a section. Without a name it is anonymous and gets a generated one.
    pub(crate) fn push_section(&mut self, kind: Span, name: Option<Span>) -> Result<SectionId> {
        self.touch_all();
        self.has_fields |= self.text.get(kind) == b"field";
        self.created = self.created.wrapping_add(1);
        let anonymous = name.is_none();
        let name = match name {
            Some(name) => name,
            None => {
                let generated = name::generated(self.created, self.text.get(kind));
                self.text.add(generated.as_bytes())?
            }
        };
        let index = u32::try_from(self.sections.len()).expect("fewer sections than bytes");
        if self.loading && index == SAMPLE {
            self.reserve_like(kind);
        }
        // Consecutive sections tend to have as many options.
        let alike =
            self.sections.last().filter(|_| self.loading).map_or(0, |last| last.options.len().min(64));
        self.sections.push(SectionData {
            kind,
            name,
            anonymous,
            alive: true,
            origin: if self.loading { index } else { NEW },
            options: Vec::with_capacity(alike).into(),
            by_name: None,
        });
        self.order.push(index);
        self.enter(SectionId(index));
        Ok(SectionId(index))
    }

    /// Makes room for the sections that follow, estimated from the text read so far: `kind` is at the position that
    /// reading has reached.
    fn reserve_like(&mut self, kind: Span) {
        if kind.start & ADDED != 0 {
            return;
        }
        let (read, all) = (kind.start as usize, self.text.source.len());
        // No section takes less than eight bytes.
        let more = (SAMPLE as usize).saturating_mul(all) / read.max(1);
        let more = more.min(all / 8) / 16 * 17;
        self.sections.reserve(more);
        self.order.reserve(more);
        Arc::make_mut(&mut self.by_name).reserve(more);
    }

    /// Returns the name the next anonymous section of this type gets. Names in use are skipped.
    pub fn next_name(&mut self, section_type: &[u8]) -> String {
        loop {
            let name = name::generated(self.created.wrapping_add(1), section_type);
            if self.section(name.as_bytes()).is_none() {
                return name;
            }
            self.created = self.created.wrapping_add(1);
        }
    }

    /// Adds a section to the name table.
    fn enter(&mut self, id: SectionId) {
        let Self { by_name, sections, text, duplicates, .. } = self;
        if !Arc::make_mut(by_name).insert(text.get(sections[id.0 as usize].name), id.0) {
            *duplicates = true;
        }
    }

    /// Removes a section from the name table; another section of the same name takes its place.
    fn leave(&mut self, id: SectionId) {
        let name = self.data(id).name;
        if Arc::make_mut(&mut self.by_name).remove(self.text.get(name), id.0) && self.duplicates {
            let same = |other: &&u32| {
                **other != id.0 && self.text.get(self.data(SectionId(**other)).name) == self.text.get(name)
            };
            if let Some(other) = self.order.iter().find(same).copied() {
                self.enter(SectionId(other));
            }
        }
    }

    pub(crate) fn delete_section(&mut self, id: SectionId) {
        self.touch_all();
        self.leave(id);
        self.order.retain(|other| *other != id.0);
        let data = &mut self.sections[id.0 as usize];
        data.alive = false;
        data.options = Vec::new().into();
        data.by_name = None;
    }

    /// Gives a section a name, so that it is not anonymous.
    pub(crate) fn rename_section(&mut self, id: SectionId, name: &[u8]) -> Result<()> {
        self.touch_all();
        let span = self.text.add(name)?;
        self.leave(id);
        let data = &mut self.sections[id.0 as usize];
        data.name = span;
        data.anonymous = false;
        self.enter(id);
        Ok(())
    }

    pub(crate) fn set_type(&mut self, id: SectionId, kind: Span) {
        self.touch_all();
        self.has_fields |= self.text.get(kind) == b"field";
        self.sections[id.0 as usize].kind = kind;
    }

    pub(crate) fn set_anonymous(&mut self, id: SectionId, anonymous: bool) {
        self.touch_all();
        self.sections[id.0 as usize].anonymous = anonymous;
    }

    /// Returns the position of a section in the order.
    pub(crate) fn position(&self, id: SectionId) -> usize {
        self.order.iter().position(|other| *other == id.0).expect("P1: a live section is in the order")
    }

    /// Moves a section to `position` of the order without it; beyond the end means last.
    pub(crate) fn move_section(&mut self, id: SectionId, position: usize) {
        self.touch_all();
        let from = self.position(id);
        self.order.remove(from);
        self.order.insert(position.min(self.order.len()), id.0);
    }

    /// Appends a string option; the caller has checked that the name is free, unless it wants duplicates.
    pub(crate) fn push_option(&mut self, section: SectionId, name: Span, value: Span) {
        self.push_slot(section, name, Slot::String(value));
    }

    /// Appends a list option.
    pub(crate) fn push_list(&mut self, section: SectionId, name: Span, items: Vec<Span>) {
        let slot = self.new_list(items);
        self.push_slot(section, name, slot);
    }

    pub(super) fn new_list(&mut self, items: Vec<Span>) -> Slot {
        self.lists.push(items);
        Slot::List(u32::try_from(self.lists.len() - 1).expect("fewer lists than bytes"))
    }

    #[cfg_attr(cms_speed, optimize(speed))]
    pub(super) fn push_slot(&mut self, section: SectionId, name: Span, value: Slot) {
        let Self { sections, text, loading, .. } = self;
        let SectionData { options, by_name, .. } = &mut sections[section.0 as usize];
        let options = options.to_mut();
        let index = u32::try_from(options.len()).expect("fewer options than bytes");
        let value_type = match value {
            Slot::String(_) => ValueType::String,
            Slot::List(_) => ValueType::List,
        };
        let origin = if *loading { index } else { NEW };
        options.push(OptionData { name, value, origin, alive: true, value_type });
        if let Some(table) = by_name {
            if !table.insert(text.get(name), index) {
                self.duplicates = true;
            }
        } else if options.len() > TABLE_ABOVE {
            let mut table = NameTable::default();
            for (index, option) in (0_u32..).zip(options.iter()).filter(|(_, option)| option.alive) {
                table.insert(text.get(option.name), index);
            }
            *by_name = Some(Box::new(table));
        }
        self.touch(section, Some(OptionId(index)));
    }

    fn option_mut(&mut self, section: SectionId, option: OptionId) -> &mut OptionData {
        &mut self.sections[section.0 as usize].options.to_mut()[option.0 as usize]
    }

    pub(crate) fn find_section(&self, name: &[u8]) -> Option<SectionId> {
        self.section_id(name)
    }

    pub(crate) fn find_option(&self, section: SectionId, name: &[u8]) -> Option<OptionId> {
        self.option_id(section, name)
    }

    /// Sets an option to the string `value`, replacing its string or list.
    pub(crate) fn set_string(&mut self, section: SectionId, option: OptionId, value: Span) {
        self.touch(section, Some(option));
        let data = self.option_mut(section, option);
        (data.value, data.value_type) = (Slot::String(value), ValueType::String);
    }

    /// Sets an option to a list, replacing its string or list.
    pub(crate) fn set_list(&mut self, section: SectionId, option: OptionId, items: Vec<Span>) {
        self.touch(section, Some(option));
        let slot = self.new_list(items);
        let data = self.option_mut(section, option);
        (data.value, data.value_type) = (slot, ValueType::List);
    }

    /// Sets the type of an option's value: of a list for a list, another for a string.
    pub(crate) fn set_value_type(&mut self, section: SectionId, option: OptionId, value_type: ValueType) {
        let data = self.option_mut(section, option);
        debug_assert_eq!(value_type.is_list(), matches!(data.value, Slot::List(_)), "the text of a value");
        data.value_type = value_type;
    }

    /// Appends an item to an option, which becomes a list if it was a string.
    pub(crate) fn push_item(&mut self, section: SectionId, option: OptionId, item: Span) {
        self.touch(section, Some(option));
        match self.option_mut(section, option).value {
            Slot::List(list) => self.lists[list as usize].push(item),
            Slot::String(first) => {
                let slot = self.new_list(vec![first, item]);
                let data = self.option_mut(section, option);
                data.value_type = data.value_type.list_of().unwrap_or(ValueType::List);
                data.value = slot;
            }
        }
    }

    /// Removes the items of a list that `remove` picks by position and value; a string has no items.
    pub(crate) fn remove_items(
        &mut self,
        section: SectionId,
        option: OptionId,
        mut remove: impl FnMut(usize, &[u8]) -> bool,
    ) {
        self.touch(section, Some(option));
        if let Slot::List(list) = self.option_mut(section, option).value {
            let mut position = 0;
            let text = &self.text;
            self.lists[list as usize].retain(|item| {
                position += 1;
                !remove(position - 1, text.get(*item))
            });
        }
    }

    pub(crate) fn delete_option(&mut self, section: SectionId, option: OptionId) {
        self.touch(section, Some(option));
        self.leave_option(section, option);
        self.option_mut(section, option).alive = false;
    }

    /// Removes an option from the section's table; another option of the same name takes its place.
    fn leave_option(&mut self, section: SectionId, option: OptionId) {
        let Self { sections, text, duplicates, .. } = self;
        let SectionData { options, by_name, .. } = &mut sections[section.0 as usize];
        let Some(table) = by_name else { return };
        let name = text.get(options[option.0 as usize].name);
        if table.remove(name, option.0) && *duplicates {
            let other = (0_u32..)
                .zip(options.iter())
                .find(|(index, other)| *index != option.0 && other.alive && text.get(other.name) == name);
            if let Some((index, _)) = other {
                table.insert(name, index);
            }
        }
    }

    pub(crate) fn rename_option(&mut self, section: SectionId, option: OptionId, name: &[u8]) -> Result<()> {
        self.touch(section, None);
        let span = self.text.add(name)?;
        self.leave_option(section, option);
        self.option_mut(section, option).name = span;
        if let Some(table) = &mut self.sections[section.0 as usize].by_name
            && !table.insert(name, option.0)
        {
            self.duplicates = true;
        }
        Ok(())
    }

    /// Frees the memory that a finished section does not need.
    pub(crate) fn shrink_section(&mut self, section: SectionId) {
        self.sections[section.0 as usize].options.to_mut().shrink_to_fit();
    }

    /// Ends loading: sections and options added from now on were not in the text.
    pub(crate) fn loaded(mut self) -> Self {
        self.loading = false;
        self
    }

    pub(crate) fn section_name(&self, id: SectionId) -> &[u8] {
        self.text.get(self.data(id).name)
    }
}
