//! Changes to any number of packages, committed together.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::delta::{Delta, DeltaKind};
use crate::error::{Error, Result};
use crate::live::Live;
use crate::package::{Key, Package, Value};
use crate::snapshot::check_package;
use crate::step::{Change, Known};
use crate::store::Place;
use crate::text::Dialect;

/// A transaction. It sees its own changes; nobody else does before it is committed. Dropping it gives it up.
///
/// Changes are checked when they are made, against the packages as the transaction first saw them, and applied
/// to the packages as they are at the commit: changes by others to other options stay.
#[derive(Debug)]
pub struct Transaction {
    live: Live,
    packages: BTreeMap<Vec<u8>, Working>,
}

/// A package a transaction works on.
#[derive(Debug)]
struct Working {
    place: Place,
    known: Arc<Known>,
    /// The package with the changes; none as long as there are none.
    edited: Option<Package>,
    deltas: Vec<Delta>,
}

impl Working {
    fn package(&self) -> &Package {
        self.edited.as_ref().unwrap_or(&self.known.package)
    }

    fn edit(&mut self) -> &mut Package {
        self.edited.get_or_insert_with(|| self.known.package.clone())
    }
}

impl Transaction {
    pub(crate) fn new(live: Live) -> Self {
        Self { live, packages: BTreeMap::new() }
    }

    /// Returns the value of a key as the transaction sees it: the items of a list, one for a string, the type
    /// for a section. `Ok(None)` means that it is not there.
    ///
    /// # Errors
    ///
    /// As for [`Live::get`].
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<Vec<u8>>>> {
        let key = Key::parse(key)?;
        let working = match self.working(&key.package) {
            Err(Error::NotFound { .. }) => return Ok(None),
            working => working?,
        };
        let Some(selector) = &key.section else { return Err(no_section(&key)) };
        let Some(section) = working.package().select(selector)? else { return Ok(None) };
        Ok(match &key.option {
            None => Some(vec![section.section_type().to_vec()]),
            Some(option) => {
                section.get(option).map(|value: Value<'_>| value.items().map(<[u8]>::to_vec).collect())
            }
        })
    }

    /// Sets an option to a string, or creates a section: then the value is its type.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such package, or no section for the option; [`Error::Invalid`] if
    /// a name, type or value is not allowed; as for [`Live::get`] if the package cannot be read.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.change(DeltaKind::Set, key, Some(value))
    }

    /// Adds an anonymous section at the end of a package and returns its generated name.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::set`].
    pub fn add_section(&mut self, package: &[u8], section_type: &[u8]) -> Result<String> {
        if section_type.is_empty() {
            // To set a type to nothing deletes a section.
            return Err(Error::invalid(section_type, "a section has a type"));
        }
        let working = self.working(package)?;
        let name = working.edit().add_section(section_type)?;
        working.deltas.push(Delta::new(DeltaKind::Add, name.as_bytes(), None, Some(section_type)));
        Ok(name)
    }

    /// Appends an item to a list option, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::set`].
    pub fn add_list(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.change(DeltaKind::AddList, key, Some(value))
    }

    /// Removes the items of a list option that equal a value.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::set`].
    pub fn del_list(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.change(DeltaKind::DelList, key, Some(value))
    }

    /// Deletes an option or a section.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::set`]; [`Error::NotFound`] also if it is not there.
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.change(DeltaKind::Delete, key, None)
    }

    /// Gives an option or a section another name.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::delete`]; [`Error::Exists`] if the name is in use.
    pub fn rename(&mut self, key: &[u8], name: &[u8]) -> Result<()> {
        let parsed = Key::parse(key)?;
        let working = self.working(&parsed.package)?;
        let taken = match (&parsed.section, &parsed.option) {
            (Some(selector), Some(_)) => {
                working.package().select(selector)?.is_some_and(|section| section.option(name).is_some())
            }
            _ => working.package().section(name).is_some(),
        };
        if taken {
            return Err(Error::Exists { key: crate::name::show(name) });
        }
        self.change(DeltaKind::Rename, key, Some(name))
    }

    /// Moves a section to a position among those of its package, counted from 0; beyond the end means last.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::delete`].
    pub fn reorder(&mut self, key: &[u8], position: usize) -> Result<()> {
        if Key::parse(key)?.option.is_some() {
            return Err(Error::invalid(key, "only sections are moved, not options"));
        }
        let position = i32::try_from(position).unwrap_or(i32::MAX);
        self.change(DeltaKind::Reorder, key, Some(position.to_string().as_bytes()))
    }

    /// Commits all changes, durably, and returns the new revision. Nothing has changed if it fails, but for
    /// [`Error::NotDurable`].
    ///
    /// # Errors
    ///
    /// As for [`crate::Store::commit`]; as for [`Transaction::set`] if a change is no longer possible because
    /// of what others have committed; [`Error::Full`] if a map would be larger than allowed.
    pub fn commit(self) -> Result<u64> {
        let names: Vec<Vec<u8>> = self.packages.keys().cloned().collect();
        let changed = self.packages.into_values().filter(|working| !working.deltas.is_empty());
        let change = |Working { place, known, edited, deltas }| Change { place, deltas, known, edited };
        let changes: Vec<Change> = changed.map(change).collect();
        let committed = self.live.store().commit_changes(changes);
        if !matches!(committed, Ok(_) | Err(Error::NotDurable { .. })) {
            return committed.map(|_| 0);
        }
        let revision = committed.as_ref().ok().copied().flatten();
        if revision.is_none() || names.iter().any(|name| self.live.inner.is_private(name)) {
            // The commit is made, whatever comes of this: it may be another package that cannot be read.
            let _ = self.live.refresh();
        }
        committed.map(|_| revision.unwrap_or_else(|| self.live.revision()))
    }

    fn working(&mut self, package: &[u8]) -> Result<&mut Working> {
        if !self.packages.contains_key(package) {
            check_package(package)?;
            let store = self.live.store();
            let place = store.place(package)?;
            let known = store.load_known(&place)?;
            let working = Working { place, known, edited: None, deltas: Vec::new() };
            self.packages.insert(package.to_vec(), working);
        }
        self.packages.get_mut(package).ok_or_else(|| Error::NotFound { key: crate::name::show(package) })
    }

    fn change(&mut self, kind: DeltaKind, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let parsed = Key::parse(key)?;
        let working = self.working(&parsed.package)?;
        let selector = parsed.section.as_ref().ok_or_else(|| no_section(&parsed))?;
        let missing = || Error::NotFound { key: parsed.text() };
        let section = match (working.package().select(selector)?, selector) {
            (Some(section), _) => section.name().to_vec(),
            // A section of a given name can be made.
            (None, crate::Selector::Name(name)) if kind == DeltaKind::Set && parsed.option.is_none() => {
                name.clone()
            }
            (None, _) => return Err(missing()),
        };
        let delta = Delta::new(kind, &section, parsed.option.as_deref(), value);
        if working.edit().apply(&delta, Dialect::Cms)?.is_some() {
            working.deltas.push(delta);
        }
        Ok(())
    }
}

fn no_section(key: &Key) -> Error {
    Error::invalid(key.text().as_bytes(), "a key here names a section or an option: PACKAGE.SECTION.OPTION")
}
