//! Applies changes to a package, by the rules for each kind of change.

use std::borrow::Cow;

use super::{OptionId, Package, SectionId, Value};
use crate::error::memory;
use crate::error::{Error, Result};
use crate::model::change::{Delta, DeltaKind};
use crate::model::dialect::Dialect;
use crate::model::key_part;
use crate::model::name::{self, leading_integer, leading_unsigned, whole_integer, wrap};
use crate::model::value_type::ValueType;

/// The outcome of a change.
pub(crate) enum Made {
    /// It changed nothing.
    Nothing,
    /// The requested change was made.
    AsAsked,
    /// Another change was made, which will be recorded in its place.
    Other(Delta),
}

impl Made {
    /// Returns the requested change if anything changed.
    fn if_changed(changed: bool) -> Self {
        if changed { Self::AsAsked } else { Self::Nothing }
    }
}

impl Package {
    /// Applies a change and returns the change to record, or `None` if it changed nothing.
    ///
    /// The recorded change can differ from the requested one: setting an empty value deletes, and a position is
    /// recorded as the number that was used.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if the section or option to change does not exist, [`Error::Invalid`] for a
    /// name, type, value or number that is not allowed, [`Error::Exists`] if a new name is in use. The
    /// package is unchanged then.
    pub fn apply(&mut self, delta: &Delta, dialect: Dialect) -> Result<Option<Delta>> {
        Ok(match self.make(delta, dialect)? {
            Made::Nothing => None,
            Made::AsAsked => Some(delta.clone()),
            Made::Other(other) => Some(other),
        })
    }

    /// As [`Package::apply`], for callers that need no copy of the change.
    ///
    /// # Errors
    ///
    /// As for [`Package::apply`].
    pub(crate) fn make(&mut self, delta: &Delta, dialect: Dialect) -> Result<Made> {
        let refused = |value: &&[u8]| dialect == Dialect::Cms && !name::is_value(value);
        if let Some(value) = delta.value.as_deref().filter(refused) {
            // A value that was read from the text can always be set again.
            if delta.kind == DeltaKind::Set && self.holds_string(delta, value) {
                return Ok(Made::Nothing);
            }
            return Err(Error::invalid(value, "a value cannot be set to text with control characters"));
        }
        if dialect == Dialect::Cms {
            check_lengths(delta)?;
        }
        match delta.kind {
            DeltaKind::Set | DeltaKind::Add => self.apply_set(delta, dialect),
            DeltaKind::Delete => self.apply_delete(delta, dialect),
            DeltaKind::Rename => self.apply_rename(delta, dialect),
            DeltaKind::Reorder => self.apply_reorder(delta, dialect),
            DeltaKind::AddList => self.apply_add_list(delta),
            DeltaKind::DelList => self.apply_del_list(delta),
        }
    }

    /// Adds an anonymous section at the end and returns its generated name.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `section_type` is not a type.
    pub fn add_section(&mut self, section_type: &[u8]) -> Result<String> {
        let name = self.next_name(section_type);
        self.apply(&Delta::new(DeltaKind::Add, name.as_bytes(), None, Some(section_type)), Dialect::Cms)?;
        Ok(name)
    }

    fn apply_set(&mut self, delta: &Delta, dialect: Dialect) -> Result<Made> {
        let value = required(delta)?;
        let Some(option) = delta.option.as_deref() else {
            return self.set_section(delta, value, dialect);
        };
        self.check_option(option)?;
        let section = self.section_to_write(delta)?;
        let deletes = value.is_empty() && !self.format.has_empty_strings();
        let found = self.find_option(section, option);
        let Some(id) = found else {
            if !deletes {
                let (value, value_type) =
                    self.typed_value(delta, value, delta.value_type.unwrap_or_default())?;
                let (option, value) = (self.intern(option, None)?, self.intern(&value, None)?);
                self.push_option(section, option, value);
                let id = OptionId(u32::try_from(self.data(section).options.len() - 1).expect("P2"));
                self.set_value_type(section, id, value_type);
                return Ok(Made::AsAsked);
            }
            return Ok(Made::Nothing);
        };
        if deletes {
            self.delete_option(section, id);
            return Ok(Made::Other(Delta::new(DeltaKind::Delete, &delta.section, Some(option), None)));
        }
        let old_type = self.data(section).options[id.0 as usize].value_type;
        // The text of a value can always be set again, however its type would spell it.
        if delta.value_type.is_none_or(|asked| asked == old_type)
            && self.value_of(section, id) == Value::String(value)
        {
            return Ok(Made::Nothing);
        }
        // A string in place of a list is what stock uci makes of a set.
        let kept = if old_type.is_list() { ValueType::String } else { old_type };
        let (value, value_type) = self.typed_value(delta, value, delta.value_type.unwrap_or(kept))?;
        if self.value_of(section, id) == Value::String(&value) && old_type == value_type {
            return Ok(Made::Nothing);
        }
        let value = self.intern(&value, None)?;
        self.set_string(section, id, value);
        self.set_value_type(section, id, value_type);
        Ok(Made::AsAsked)
    }

    /// Returns how the format spells a value that is given as text and is to be of a type, and the type that the format
    /// keeps of it.
    fn typed_value<'v>(
        &self,
        delta: &Delta,
        text: &'v [u8],
        value_type: ValueType,
    ) -> Result<(Cow<'v, [u8]>, ValueType)> {
        if value_type == ValueType::Float && self.format.has_infinity() && is_infinity(text) {
            return Ok((Cow::Borrowed(text), value_type));
        }
        let spelled = value_type.spelled(text).filter(|_| !value_type.is_list());
        let spelled = spelled.ok_or_else(|| Error::Type {
            key: self.key_of(delta),
            text: crate::error::shown::name(text),
            value_type: value_type.name(),
        })?;
        if self.format.has_types() {
            return Ok((spelled, value_type));
        }
        // UCI has words for truth values, and text for the rest.
        let text = match (value_type, &*spelled) {
            (ValueType::Bool, b"true") => Cow::Borrowed(&b"1"[..]),
            (ValueType::Bool, _) => Cow::Borrowed(&b"0"[..]),
            _ => spelled,
        };
        Ok((text, ValueType::String))
    }

    fn set_section(&mut self, delta: &Delta, kind: &[u8], dialect: Dialect) -> Result<Made> {
        let found = self.find_section(&delta.section);
        if kind.is_empty() {
            let Some(id) = found else { return Ok(Made::Nothing) };
            self.delete_section(id);
            return Ok(Made::Other(Delta::new(DeltaKind::Delete, &delta.section, None, None)));
        }
        let is_path = self.format.has_free_names() && key_part::is_path(kind);
        if !name::is_type(kind) && !is_path {
            return Err(Error::invalid(kind, "a section type holds printable ASCII characters, no blanks"));
        }
        let (id, changed) = match found {
            Some(id) => (id, self.retype(id, kind, dialect)?),
            None => {
                self.check_section(&delta.section)?;
                let (kind, name) = (self.intern(kind, None)?, self.intern(&delta.section, None)?);
                (self.push_section(kind, Some(name))?, true)
            }
        };
        let names = delta.kind == DeltaKind::Add && !self.data(id).anonymous;
        if names {
            self.set_anonymous(id, true);
        }
        Ok(Made::if_changed(changed || names))
    }

    /// Changes the type of a section; returns whether the type was different.
    pub(crate) fn retype(&mut self, id: SectionId, kind: &[u8], dialect: Dialect) -> Result<bool> {
        let old = self.data(id).kind;
        let old = self.text.get(old);
        if old == kind {
            return Ok(false);
        }
        // Stock uci reallocates a section if the new type is too long for the memory of the old one, and loses the
        // mark that it is anonymous.
        if dialect == Dialect::Uci && old.len() != kind.len() {
            self.set_anonymous(id, false);
        }
        let kind = self.intern(kind, None)?;
        self.set_type(id, kind);
        Ok(true)
    }

    fn apply_delete(&mut self, delta: &Delta, dialect: Dialect) -> Result<Made> {
        let section = self.existing_section(delta)?;
        let Some(name) = delta.option.as_deref() else {
            self.delete_section(section);
            return Ok(Made::Other(Delta { value: None, ..delta.clone() }));
        };
        let option = self.existing_option(section, delta, name)?;
        let index = delta.value.as_deref().filter(|value| !value.is_empty());
        let (Value::List(list), Some(index)) = (self.value_of(section, option), index) else {
            self.delete_option(section, option);
            return Ok(Made::Other(Delta { value: None, ..delta.clone() }));
        };
        let number = match dialect {
            Dialect::Uci => leading_integer(index).map(wrap),
            Dialect::Cms => whole_integer(index).and_then(|number| i32::try_from(number).ok()),
        };
        if number.is_none() && dialect == Dialect::Uci {
            return Ok(Made::Nothing);
        }
        let number =
            number.ok_or_else(|| Error::invalid(index, "a list index is a number counted from 0"))?;
        match usize::try_from(number) {
            Ok(number) if number < list.len() => {
                self.remove_items(section, option, |position, _| position == number);
                Ok(Made::AsAsked)
            }
            _ if dialect == Dialect::Uci => Ok(Made::Nothing),
            _ => Err(Error::NotFound {
                key: format!("{}[{}]", self.key_of(delta), crate::error::shown::name(index)),
            }),
        }
    }

    /// Stock uci accepts any new name, even one in use; look-ups then find the first section of that name.
    fn apply_rename(&mut self, delta: &Delta, dialect: Dialect) -> Result<Made> {
        let strict = dialect == Dialect::Cms;
        let new = required(delta)?;
        let is_allowed = match (self.format.has_free_names(), &delta.option) {
            (false, _) => name::is_name(new),
            (true, Some(_)) => key_part::is_part(new),
            (true, None) => !new.is_empty() && key_part::is_path(new),
        };
        if strict && !is_allowed {
            return Err(Error::invalid(new, "a name holds letters, digits and '_' only"));
        }
        let section = self.existing_section(delta)?;
        match delta.option.as_deref() {
            Some(old) => {
                let option = self.existing_option(section, delta, old)?;
                if strict && self.find_option(section, new).is_some_and(|other| other != option) {
                    return Err(Error::Exists { key: self.renamed_key(delta, new) });
                }
                self.rename_option(section, option, new)?;
            }
            None => {
                if strict && self.find_section(new).is_some_and(|other| other != section) {
                    return Err(Error::Exists { key: self.renamed_key(delta, new) });
                }
                self.rename_section(section, new)?;
                if self.format.has_free_names() {
                    // The type of a section is its name.
                    let name = self.data(section).name;
                    self.set_type(section, name);
                }
            }
        }
        Ok(Made::AsAsked)
    }

    fn apply_reorder(&mut self, delta: &Delta, dialect: Dialect) -> Result<Made> {
        let value = required(delta)?;
        let section = self.existing_section(delta)?;
        let number = match dialect {
            Dialect::Uci => Some(wrap(leading_unsigned(value))),
            Dialect::Cms => whole_integer(value).and_then(|number| i32::try_from(number).ok()),
        };
        let number = number.ok_or_else(|| Error::invalid(value, "a position is a number counted from 0"))?;
        let before = self.position(section);
        self.move_section(section, usize::try_from(number).unwrap_or(0));
        let moved = self.position(section) != before;
        let recorded = || Delta { value: Some(number.to_string().into_bytes()), ..delta.clone() };
        Ok(if moved { Made::Other(recorded()) } else { Made::Nothing })
    }

    fn apply_add_list(&mut self, delta: &Delta) -> Result<Made> {
        let value = required(delta)?;
        let option = self.required_option(delta)?;
        let section = self.section_to_write(delta)?;
        let found = self.find_option(section, option);
        let old = found.map(|id| self.data(section).options[id.0 as usize].value_type.of_items());
        let wanted = delta.value_type.map(ValueType::of_items).or(old).unwrap_or_default();
        // What has no list of its own is kept as text.
        let wanted = if wanted.list_of().is_some() { wanted } else { ValueType::String };
        let (text, kept) = self.typed_value(delta, value, wanted)?;
        let list_type = kept.list_of().unwrap_or(ValueType::List);
        let item = self.intern(&text, None)?;
        let id = if let Some(id) = found {
            if old.is_some_and(|old| old != kept) {
                self.respell(section, id, delta, kept)?;
            }
            self.push_item(section, id, item);
            id
        } else {
            let option = self.intern(option, None)?;
            self.push_list(section, option, vec![item]);
            OptionId(u32::try_from(self.data(section).options.len() - 1).expect("P2"))
        };
        self.set_value_type(section, id, list_type);
        Ok(Made::AsAsked)
    }

    /// Spells the items of an option as those of another type, and makes a list of them.
    fn respell(
        &mut self,
        section: SectionId,
        option: OptionId,
        delta: &Delta,
        value_type: ValueType,
    ) -> Result<()> {
        let mut spelled: Vec<Vec<u8>> = Vec::new();
        for item in self.value_of(section, option).items() {
            spelled.push(self.typed_value(delta, item, value_type)?.0.into_owned());
        }
        let spans = spelled.iter().map(|item| self.intern(item, None)).collect::<Result<Vec<_>>>()?;
        self.set_list(section, option, spans);
        Ok(())
    }

    /// Returns a change as this package has it. If its format has no types, as UCI, the text of the value is spelled as UCI
    /// spells it, and has no type.
    ///
    /// # Errors
    ///
    /// [`Error::Type`] if the text is no value of the type.
    pub fn without_type(&self, delta: Delta) -> Result<Delta> {
        let (Some(value_type), Some(value), false) =
            (delta.value_type, &delta.value, self.format.has_types())
        else {
            return Ok(delta);
        };
        let text = match value.is_empty() && value_type == ValueType::String {
            true => Vec::new(),
            false => self.typed_value(&delta, value, value_type.of_items())?.0.into_owned(),
        };
        Ok(Delta { value: Some(text), value_type: None, ..delta })
    }

    fn apply_del_list(&mut self, delta: &Delta) -> Result<Made> {
        let value = required(delta)?;
        let option = self.required_option(delta)?;
        let section = self.existing_section(delta)?;
        let Some(id) = self.find_option(section, option) else { return Ok(Made::Nothing) };
        if let Value::String(_) = self.value_of(section, id) {
            return Ok(Made::Nothing);
        }
        let value_type = self.data(section).options[id.0 as usize].value_type;
        let spelled = value_type.spelled(value).unwrap_or(Cow::Borrowed(value));
        self.remove_items(section, id, |_, item| item == value || item == &*spelled);
        Ok(Made::AsAsked)
    }

    /// Reports whether the option that a change sets has this string already.
    fn holds_string(&self, delta: &Delta, value: &[u8]) -> bool {
        let option = delta.option.as_deref().and_then(|option| self.get(&delta.section, option));
        option == Some(Value::String(value))
    }

    fn value_of(&self, section: SectionId, option: OptionId) -> Value<'_> {
        let name = self.data(section).options[option.0 as usize].name;
        let view = super::Section { package: self, id: section };
        view.get(self.text.get(name)).expect("an option found by its name")
    }

    fn existing_section(&self, delta: &Delta) -> Result<SectionId> {
        self.find_section(&delta.section).ok_or_else(|| Error::NotFound {
            key: format!(
                "{}.{}",
                crate::error::shown::name(self.name()),
                crate::error::shown::name(&delta.section)
            ),
        })
    }

    /// Returns the section of an option that is set. Where names are free, a section has no type that has to be named, so
    /// it is made by its first option; the root section comes before all others.
    fn section_to_write(&mut self, delta: &Delta) -> Result<SectionId> {
        let name = &delta.section;
        if self.find_section(name).is_some() || !self.format.has_free_names() || !key_part::is_path(name) {
            return self.existing_section(delta);
        }
        // A value that is refused makes no section.
        let value_type = delta.value_type.unwrap_or_default();
        let value_type = if delta.kind == DeltaKind::AddList { value_type.of_items() } else { value_type };
        self.typed_value(delta, required(delta)?, value_type)?;
        let name = self.intern(name, None)?;
        let id = self.push_section(name, Some(name))?;
        if delta.section.is_empty() {
            self.move_section(id, 0);
        }
        Ok(id)
    }

    fn check_section(&self, section: &[u8]) -> Result<()> {
        match self.format.has_free_names() {
            false if name::is_name(section) => Ok(()),
            false => Err(Error::invalid(section, "a section name holds letters, digits and '_' only")),
            true if key_part::is_path(section) && !section.is_empty() => Ok(()),
            true => Err(Error::invalid(section, "a section is made by setting an option in it")),
        }
    }

    fn check_option(&self, option: &[u8]) -> Result<()> {
        match name::is_name(option) || self.format.has_free_names() && key_part::is_part(option) {
            true => Ok(()),
            false => Err(Error::invalid(option, "an option name holds letters, digits and '_' only")),
        }
    }

    fn required_option<'d>(&self, delta: &'d Delta) -> Result<&'d [u8]> {
        let option = delta.option.as_deref().ok_or_else(|| {
            Error::invalid(&delta.section, "the key must name an option: only options hold lists")
        })?;
        self.check_option(option).map(|()| option)
    }

    fn existing_option(&self, section: SectionId, delta: &Delta, name: &[u8]) -> Result<OptionId> {
        self.find_option(section, name).ok_or_else(|| Error::NotFound { key: self.key_of(delta) })
    }

    fn key_of(&self, delta: &Delta) -> String {
        crate::error::shown::name(&delta.key(self.name()))
    }

    fn renamed_key(&self, delta: &Delta, new: &[u8]) -> String {
        let renamed = match &delta.option {
            Some(_) => Delta { option: Some(new.to_vec()), ..delta.clone() },
            None => Delta { section: new.to_vec(), ..delta.clone() },
        };
        self.key_of(&renamed)
    }
}

/// Reports whether a text is one of TOML's words for what is no finite number.
fn is_infinity(text: &[u8]) -> bool {
    matches!(text, b"inf" | b"+inf" | b"-inf" | b"nan" | b"+nan" | b"-nan")
}

/// Refuses values that programs could not read from a map afterwards, and values too large for the memory.
fn check_lengths(delta: &Delta) -> Result<()> {
    let value = delta.value.as_deref().unwrap_or_default();
    let is_value = delta.option.is_some() && delta.kind != DeltaKind::Rename;
    let name = if is_value { &[][..] } else { value };
    let names = [&delta.section, delta.option.as_deref().unwrap_or_default(), name];
    if let Some(name) = names.into_iter().find(|name| name.len() > name::MAX_NAME) {
        return Err(Error::invalid(&name[..32], "names and types may have up to 65534 bytes"));
    }
    if value.len() >= name::MAX_VALUE {
        return Err(Error::invalid(
            delta.option.as_deref().unwrap_or_default(),
            "values have less than 4 MiB",
        ));
    }
    memory::check_available_to_edit(value.len())
}

fn required(delta: &Delta) -> Result<&[u8]> {
    delta.value.as_deref().ok_or_else(|| Error::invalid(&delta.section, "a value is missing"))
}
