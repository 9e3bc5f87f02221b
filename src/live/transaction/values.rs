//! Values with types, lists, sums, and changes under a condition.

use super::Transaction;
use crate::error::{Code, Error, Result, shown};
use crate::log::Content;
use crate::model::change::DeltaKind;
use crate::model::package::expected::Expected;
use crate::model::package::{Key, Selector};
use crate::model::value_type::ValueType;

impl Transaction {
    /// As [`Transaction::get`], with the type of the value. The type of a section is a string.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::get`].
    pub fn get_typed(&mut self, key: &[u8]) -> Result<Option<(Content, ValueType)>> {
        let Some(content) = self.get(key)? else { return Ok(None) };
        let parsed = Key::parse(key)?;
        let (Some(selector), Some(option)) = (&parsed.section, &parsed.option) else {
            return Ok(Some((content, ValueType::String)));
        };
        let working = self.working(&parsed.package)?;
        let section = working.package().select(selector)?;
        let value_type = section.and_then(|section| Some(section.option(option)?.value_type()));
        Ok(value_type.map(|value_type| (content, value_type)))
    }

    /// Sets an option to a value of a type, which is not one of a list. In a package whose format has no types, as UCI, the
    /// value becomes a string; a truth value `1` or `0`.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::set`]; [`Error::Type`] if the text is no value of the type.
    pub fn set_typed(&mut self, key: &[u8], value: &[u8], value_type: ValueType) -> Result<()> {
        check_option(key)?;
        if value_type.is_list() {
            let why = "the type of a list does not fit a single value; set a list instead";
            return Err(Error::invalid(key, why));
        }
        self.change_typed(DeltaKind::Set, key, Some(value), Some(value_type))
    }

    /// Appends an item of a type to a list; the other items become items of that type as well.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::set`]; [`Error::Type`] if an item is no value of the type.
    pub fn add_list_typed(&mut self, key: &[u8], value: &[u8], value_type: ValueType) -> Result<()> {
        check_option(key)?;
        if value_type.of_items().list_of().is_none() {
            return Err(Error::invalid(key, "no list has items of this type"));
        }
        self.change_typed(DeltaKind::AddList, key, Some(value), Some(value_type))
    }

    /// Sets an option to a list, and keeps its position among the options. In UCI an empty list deletes the option. The
    /// items get the type of the list that was there before. As after [`Transaction::get`], a change of the option by
    /// another transaction is a conflict.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::set`]; nothing is changed then.
    pub fn set_list(&mut self, key: &[u8], items: &[&[u8]]) -> Result<()> {
        let was = self.get_list_type(key)?;
        self.set_items(key, items, was.filter(|was| was.is_list()).unwrap_or(ValueType::List))
    }

    /// As [`Transaction::set_list`], with the type of the list.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::set_list`]; [`Error::Type`] if an item is no value of the type.
    pub fn set_list_typed(&mut self, key: &[u8], items: &[&[u8]], list_type: ValueType) -> Result<()> {
        if !list_type.is_list() {
            return Err(Error::invalid(key, "the type is not one of a list"));
        }
        self.get_list_type(key)?;
        self.set_items(key, items, list_type)
    }

    /// Returns the type of the option that a list is set to. The option counts as read.
    pub(super) fn get_list_type(&mut self, key: &[u8]) -> Result<Option<ValueType>> {
        if Key::parse(key)?.option.is_none() {
            return Err(Error::invalid(key, "the key must name an option: only options hold lists"));
        }
        Ok(self.get_typed(key)?.map(|(_, value_type)| value_type))
    }

    fn set_items(&mut self, key: &[u8], items: &[&[u8]], list_type: ValueType) -> Result<()> {
        let was = self.get_typed(key)?;
        if let Some((Content::List(old), was)) = &was
            && *was == list_type
            && old.iter().eq(items)
        {
            return Ok(());
        }
        let point = self.savepoint();
        if let Err(error) = self.replace_list(key, was.is_some(), items, list_type) {
            self.rollback_to(&point)?;
            return Err(error);
        }
        self.commit_if_auto()
    }

    /// Sets an option to a list by a sequence of changes. The first sets it to a single value, which keeps its position;
    /// at last that value is deleted from the list.
    pub(super) fn replace_list(
        &mut self,
        key: &[u8],
        is_there: bool,
        items: &[&[u8]],
        list_type: ValueType,
    ) -> Result<()> {
        if items.is_empty() {
            return self.empty_list(key, is_there);
        }
        let item_type = Some(list_type.of_items()).filter(|of_items| *of_items != ValueType::String);
        if is_there {
            // Setting an option to an empty string would delete it.
            let stand_in = items.iter().find(|item| !item.is_empty()).copied().unwrap_or(b"-");
            self.edit(DeltaKind::Set, key, Some(stand_in), Some(list_type.of_items()))?;
        }
        for item in items {
            self.edit(DeltaKind::AddList, key, Some(item), item_type)?;
        }
        if is_there { self.edit(DeltaKind::Delete, key, Some(b"0"), None) } else { Ok(()) }
    }

    /// Deletes an option, since UCI has no empty lists; elsewhere makes an empty list of it.
    fn empty_list(&mut self, key: &[u8], is_there: bool) -> Result<()> {
        let has_empty = self.working(&Key::parse(key)?.package)?.package().format().has_types();
        if !has_empty {
            return if is_there { self.edit(DeltaKind::Delete, key, None, None) } else { Ok(()) };
        }
        if is_there {
            self.edit(DeltaKind::Set, key, Some(b"-"), Some(ValueType::String))?;
            self.edit(DeltaKind::AddList, key, Some(b"-"), None)?;
            self.edit(DeltaKind::Delete, key, Some(b"0"), None)?;
        } else {
            self.edit(DeltaKind::AddList, key, Some(b"-"), None)?;
        }
        self.edit(DeltaKind::Delete, key, Some(b"0"), None)
    }

    /// Adds a number to a whole number, and returns the sum. An option that does not exist counts as 0; its section must
    /// exist. If another transaction changes the value before the commit, that is a conflict: [`crate::Store::add_int`]
    /// repeats the addition then.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::set`]; [`Error::Type`] if the value is no whole number; [`Error::Range`] if it or the sum does
    /// not fit into 64 bits.
    pub fn add_int(&mut self, key: &[u8], by: i64) -> Result<i64> {
        check_option(key)?;
        self.get(key)?;
        let parsed = Key::parse(&self.resolve(key)?.unwrap_or_else(|| key.to_vec()))?;
        let (Some(Selector::Name(section)), Some(option)) = (&parsed.section, &parsed.option) else {
            return Err(Error::NotFound { key: shown::name(key) });
        };
        let sum = self.working(&parsed.package)?.package().sum(section, option, by)?;
        self.set_typed(key, sum.to_string().as_bytes(), ValueType::Int)?;
        Ok(sum)
    }

    /// Returns a value of a key for an error: what stands for it if it is secret.
    fn shown(&self, key: &[u8], value: &[u8]) -> String {
        let Ok(Key { package, section: Some(Selector::Name(section)), option: Some(option) }) =
            Key::parse(key)
        else {
            // The type of a section is no secret.
            return shown::quoted(value);
        };
        self.store.engine().marks().show(&package, &section, &option, value, false).quoted()
    }

    /// Fails unless a key is as expected. If another transaction changes it before the commit, that is a conflict.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if it is not, with the value that it has; as for [`Transaction::get`]; and if the log cannot be
    /// read, or does not go back to the revision.
    pub fn expect(&mut self, key: &[u8], expected: Expected<'_>) -> Result<()> {
        let found = self.get_typed(key)?;
        let why = if let Expected::Revision(revision) = expected {
            let later = self.changed_after(key, revision)?;
            later.map(|later| format!("transaction {later} has changed it, after {revision}"))
        } else {
            let named = self.resolve(key)?.unwrap_or_else(|| key.to_vec());
            let found = found.as_ref().map(|(content, value_type)| match content {
                Content::String(text) => (Some(text.as_slice()), *value_type),
                Content::List(_) => (None, *value_type),
            });
            expected.mismatch(found, &|value| self.shown(&named, value))
        };
        why.map_or(Ok(()), |why| Err(Error::Conflict { key: shown::name(key), why }))
    }

    /// Returns the last transaction after a revision that has changed a key.
    fn changed_after(&mut self, key: &[u8], revision: u64) -> Result<Option<u64>> {
        let parsed = Key::parse(&self.resolve(key)?.unwrap_or_else(|| key.to_vec()))?;
        let Some(Selector::Name(section)) = &parsed.section else {
            // There is no such section now: it may have been deleted since, but has no name to look for.
            return Ok(None);
        };
        let package = shown::name(&parsed.package);
        let history = self.store.engine().history();
        if revision > history.revision()? {
            return Err(Error::invalid(key, "the revision is one that the store does not have yet"));
        }
        let last = history.last_change(revision, &package, section, parsed.option.as_deref())?;
        Ok(last.map(|record| record.sequence))
    }
}

impl crate::live::Store {
    /// Adds a number to a whole number, and commits that. Returns the sum. If others change the number meanwhile, the
    /// addition is repeated with the new number, so none is lost.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::add_int`] and [`Transaction::commit`].
    pub fn add_int(&self, key: &[u8], by: i64) -> Result<i64> {
        self.repeat(|txn| txn.add_int(key, by))
    }

    /// Makes a change if a key is as expected, and commits that. Returns what the change returns.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::expect`], for the change, and for [`Transaction::commit`].
    pub fn change_if<R>(
        &self,
        key: &[u8],
        expected: Expected<'_>,
        mut change: impl FnMut(&mut Transaction) -> Result<R>,
    ) -> Result<R> {
        self.repeat(|txn| {
            txn.expect(key, expected)?;
            change(txn)
        })
    }

    /// Commits a change, and repeats it as long as other transactions come first: one of them has been committed each time.
    fn repeat<R>(&self, mut change: impl FnMut(&mut Transaction) -> Result<R>) -> Result<R> {
        const TRIES: u32 = 10_000;
        // The threads of a process take turns, so that only other processes come in between.
        let turn = self.inner.adding.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut tried = 0;
        let done = loop {
            let mut txn = self.begin()?;
            let result = change(&mut txn)?;
            tried += 1;
            match txn.commit() {
                Err(error) if error.code() == Code::Conflict && tried < TRIES => {
                    self.wait_for_others(tried)?;
                }
                committed => break committed.map(|_| result),
            }
        };
        drop(turn);
        done
    }

    /// Looks at the new state, and waits for a time of its own, so that several processes do not go on in step.
    fn wait_for_others(&self, tried: u32) -> Result<()> {
        self.refresh()?;
        let step = u64::from(std::process::id() % 17 + tried % 13) * u64::from(tried.min(8));
        std::thread::sleep(std::time::Duration::from_micros(step * 20));
        Ok(())
    }
}

/// Fails for a key of a section: only values of options have types.
fn check_option(key: &[u8]) -> Result<()> {
    match Key::parse(key)?.option {
        Some(_) => Ok(()),
        None => Err(Error::invalid(key, "the key must name an option: only its value has a type")),
    }
}
