//! Changes to any number of packages, committed together.

mod rows;
mod values;
mod walk;
mod working;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::commit::intent::Intent;
use crate::commit::package_edit::PackageEdit;
use crate::commit::parsed_text::{ParsedText, absent};
use crate::commit::place::Place;
use crate::commit::{group, loader};
use crate::confirm::Confirmations;
use crate::error::{Code, Error, Result};
use crate::format::uci::Dialect;
use crate::live::Store;
use crate::live::snapshot::check_package;
use crate::log::{Content, Digest, RequestId};
use crate::model::change::{Delta, DeltaKind};
use crate::model::package::{Key, Made, Selector};
use crate::model::value_type::ValueType;

pub use rows::Cell;
pub use walk::SectionHead;
use working::{Step, Working};

/// How many transactions a store may have open at once.
pub const MAX_OPEN: usize = 1000;

/// A transaction. Its changes are visible to itself only until it is committed. Dropping it discards them.
///
/// Each change is checked at once, against the packages as the transaction first read them, and applied at the
/// commit to the packages as they are then. If another transaction has changed a key that this one has read or
/// written, the commit fails with a conflict; changes of others to other keys stay.
#[derive(Debug)]
pub struct Transaction {
    store: Store,
    packages: BTreeMap<Vec<u8>, Working>,
    id: u64,
    started: SystemTime,
    intent: Intent,
    force: bool,
    auto_commit: bool,
    _open: Open,
}

/// Counts an open transaction until it is dropped.
#[derive(Debug)]
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Result<Self> {
        // Relaxed: no other memory depends on the count.
        let taken = count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| (open < MAX_OPEN).then_some(open + 1));
        let what = "open transactions of this store";
        taken.map_err(|_| Error::TooMany { what, limit: MAX_OPEN })?;
        Ok(Self(count.clone()))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A point in a transaction to roll back to: the number of changes to each package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Savepoint(BTreeMap<Vec<u8>, usize>);

impl Transaction {
    pub(crate) fn new(store: Store) -> Result<Self> {
        // Some processors have no 64-bit atomics.
        static LAST: Mutex<u64> = Mutex::new(0);
        let open = Open::new(&store.inner.open_transactions)?;
        let intent = Intent { by: store.engine().core.by.clone(), ..Intent::COMMIT };
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        let id = *last;
        drop(last);
        Ok(Self {
            store,
            packages: BTreeMap::new(),
            id,
            started: SystemTime::now(),
            intent,
            force: false,
            auto_commit: false,
            _open: open,
        })
    }

    /// Returns the store that it changes.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns its id, which is unique in this process. It is not the number in the log, which the commit returns.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns when it began.
    #[must_use]
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// Iterates over its changes so far with their packages: package by package, in order. Packages that it makes or
    /// deletes are not among them.
    pub fn changes(&self) -> impl Iterator<Item = (&[u8], &Delta)> {
        self.packages
            .iter()
            .flat_map(|(name, working)| working.steps.iter().map(move |step| (name.as_slice(), step)))
            .filter_map(|(name, step)| match step {
                Step::Change(delta) => Some((name, delta)),
                Step::Make | Step::Delete => None,
            })
    }

    /// Returns the number of changes so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.packages.values().map(|working| working.steps.len()).sum()
    }

    /// Sets the message for the history.
    pub fn set_message(&mut self, message: &str) {
        self.intent.message = Some(message.to_owned());
    }

    /// Sets the author, `alice@192.168.7.20` for example: the person for whom the program commits. Empty is the user of the
    /// process.
    pub fn set_author(&mut self, author: &str) {
        self.intent.attribute(|by| author.clone_into(&mut by.author));
    }

    /// Sets the name of the program or interface, in place of that of the store's options.
    pub fn set_source(&mut self, source: &str) {
        self.intent.attribute(|by| by.source = Some(source.to_owned()));
    }

    /// Sets the id of the request that the transaction is made for: see [`Store::find_request`].
    pub fn set_request(&mut self, request: RequestId) {
        self.intent.attribute(|by| by.request = Some(request));
    }

    /// Has the commit rolled back unless it is confirmed within this time: see [`crate::Confirmations::confirm`].
    pub fn set_confirm(&mut self, time: Duration) {
        self.intent.confirm = Some(time);
    }

    /// Sets whether the commit ignores conflicts and schemas: it overwrites what others have changed meanwhile, and is made
    /// even if it breaks the schema of a package.
    pub fn set_force(&mut self, force: bool) {
        self.force = force;
        self.intent.force = force;
    }

    /// Sets whether the commit overwrites what others have changed meanwhile. Schemas still count, unlike with
    /// [`Transaction::set_force`].
    pub fn set_overwrite(&mut self, overwrite: bool) {
        self.force = overwrite;
    }

    /// Sets whether each change is committed at once, as a separate transaction. Earlier changes are committed with
    /// the next one.
    pub fn set_auto_commit(&mut self, auto_commit: bool) {
        self.auto_commit = auto_commit;
    }

    /// Returns a savepoint of the changes so far.
    #[must_use]
    pub fn savepoint(&self) -> Savepoint {
        Savepoint(self.packages.iter().map(|(name, working)| (name.clone(), working.steps.len())).collect())
    }

    /// Discards the changes since a savepoint. Keys read since still count as read.
    ///
    /// # Errors
    ///
    /// [`Error::NotPossible`] if the savepoint was rolled back already, or belongs to another transaction.
    pub fn rollback_to(&mut self, point: &Savepoint) -> Result<()> {
        let len = |name: &Vec<u8>| point.0.get(name).copied().unwrap_or(0);
        let fits = point
            .0
            .iter()
            .all(|(name, len)| self.packages.get(name).is_some_and(|working| *len <= working.steps.len()));
        if !fits {
            return Err(Error::NotPossible {
                why: "savepoint: it belongs to another transaction, or was rolled back already".into(),
            });
        }
        for (name, working) in &mut self.packages {
            let len = len(name);
            if len < working.steps.len() {
                working.truncate(len)?;
            }
        }
        Ok(())
    }

    /// Returns the value of a key as the transaction sees it: a string or a list, and for a section its type.
    /// `Ok(None)` means that it does not exist.
    ///
    /// # Errors
    ///
    /// As for [`Store::get`].
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Content>> {
        let key = Key::parse(key)?;
        let working = match self.working(&key.package) {
            Err(error) if error.code() == Code::NotFound => return Ok(None),
            working => working?,
        };
        let key = working.package().settle(key)?;
        let Some(selector) = &key.section else { return Err(no_section(&key)) };
        let Some(section) = working.package().select(selector)? else { return Ok(None) };
        let found = match &key.option {
            None => Some(Content::String(section.section_type().to_vec())),
            Some(option) => section.get(option).map(Content::of),
        };
        let read = (section.name().to_vec(), key.option);
        working.reads.insert(read);
        Ok(found)
    }

    /// Returns a key with the name of its section in place of a selector, as the transaction sees it; the option need not
    /// exist. `Ok(None)` means that there is no such section.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::get`].
    pub fn resolve(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let key = Key::parse(key)?;
        let working = match self.working(&key.package) {
            Err(error) if error.code() == Code::NotFound => return Ok(None),
            working => working?,
        };
        let key = working.package().settle(key)?;
        let Some(selector) = &key.section else { return Err(no_section(&key)) };
        let found = working.package().select(selector)?;
        Ok(found.map(|section| key.with_section(section.name())))
    }

    /// Sets an option to a string, or creates a section, whose type is the value, and its package if that does not
    /// exist.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such package, or no section for the option; [`Error::Invalid`] if a name,
    /// type or value is invalid; as for [`Store::get`] if the package cannot be read.
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
            // An empty type would delete a section.
            return Err(Error::invalid(section_type, "a section has a type"));
        }
        let working = self.working_or_made(package)?;
        let name = working.edit().add_section(section_type)?;
        working.push(Delta::new(DeltaKind::Add, name.as_bytes(), None, Some(section_type)));
        self.commit_if_auto()?;
        Ok(name)
    }

    /// Makes a package without sections.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if there is such a package; [`Error::Invalid`] if the name is not allowed.
    pub fn add_package(&mut self, package: &[u8]) -> Result<()> {
        let working = self.working_or_made(package)?;
        if working.has_package() {
            return Err(Error::Exists { key: working.place.name.clone() });
        }
        working.steps.push(Step::Make);
        self.commit_if_auto()
    }

    /// Deletes a package with all its sections, even if its text has errors. The commit removes the file; a symbolic link
    /// is removed, and its target stays. A change of the package by another transaction is a conflict.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such package; as for [`Store::get`] if it cannot be read.
    pub fn delete_package(&mut self, package: &[u8]) -> Result<()> {
        let working = self.working_or_broken(package)?;
        if !working.has_package() {
            return Err(Error::NotFound { key: working.place.name.clone() });
        }
        working.steps.push(Step::Delete);
        working.edited = Some(working::empty(&working.place));
        self.commit_if_auto()
    }

    /// Appends an item to a list option, creating the option if it does not exist.
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
    /// As for [`Transaction::set`]; [`Error::NotFound`] also if it does not exist.
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.change(DeltaKind::Delete, key, None)
    }

    /// Renames an option or a section.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::delete`]; [`Error::Exists`] if the name is in use.
    pub fn rename(&mut self, key: &[u8], name: &[u8]) -> Result<()> {
        let parsed = Key::parse(key)?;
        let working = self.working(&parsed.package)?;
        let parsed = working.package().settle(parsed)?;
        let taken = match (&parsed.section, &parsed.option) {
            (Some(selector), Some(_)) => {
                working.package().select(selector)?.is_some_and(|section| section.option(name).is_some())
            }
            _ => working.package().section(name).is_some(),
        };
        if taken {
            return Err(Error::Exists { key: crate::error::shown::name(name) });
        }
        self.change(DeltaKind::Rename, key, Some(name))
    }

    /// Moves a section to a position in its package, counted from 0; a position beyond the end means last.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::delete`].
    pub fn reorder(&mut self, key: &[u8], position: usize) -> Result<()> {
        if Key::parse(key)?.option.is_some() {
            return Err(Error::invalid(key, "only a section can be moved, not an option"));
        }
        let position = i32::try_from(position).unwrap_or(i32::MAX);
        self.change(DeltaKind::Reorder, key, Some(position.to_string().as_bytes()))
    }

    /// Commits all changes durably, and returns the new revision. If it fails, nothing has changed, except with
    /// [`Error::NotDurable`].
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`]; [`Error::Conflict`] if a key that was read or written has changed since;
    /// the error names both values and the user; as for [`Transaction::set`] if commits of others have made a
    /// change impossible; [`Error::Full`] if a map would exceed its limit.
    pub fn commit(mut self) -> Result<u64> {
        self.flush()
    }

    /// Commits the changes, and starts again without any.
    fn flush(&mut self) -> Result<u64> {
        let packages = std::mem::take(&mut self.packages);
        let names: Vec<Vec<u8>> = packages.keys().cloned().collect();
        let concerned =
            packages.into_values().filter(|working| !working.steps.is_empty() || !working.reads.is_empty());
        let force = self.force;
        let mut changes: Vec<PackageEdit> = concerned.map(|working| working.into_edit(force)).collect();
        // A transaction that only reads has no conflicts.
        if changes.iter().all(PackageEdit::only_reads) {
            changes.clear();
        }
        let guarded = self.intent.confirm.filter(|_| !changes.is_empty());
        let guard =
            guarded.map(|_| Confirmations::of(&self.store.engine().core).start_guard(None)).transpose()?;
        let committed = group::commit_changes(&self.store.engine().core, changes, self.intent.clone());
        drop(guard);
        if !matches!(committed, Ok(_) | Err(Error::NotDurable { .. })) {
            return committed.map(|_| 0);
        }
        let revision = committed.as_ref().ok().copied().flatten();
        self.store.show_commit(revision, names.iter().map(Vec::as_slice));
        committed.map(|_| revision.unwrap_or_else(|| self.store.revision()))
    }

    /// Commits the last change if `auto_commit` is set.
    fn commit_if_auto(&mut self) -> Result<()> {
        if self.auto_commit { self.flush().map(|_| ()) } else { Ok(()) }
    }

    fn working(&mut self, package: &[u8]) -> Result<&mut Working> {
        self.working_or_new(package, None)
    }

    /// Returns a package of the transaction. If it does not exist, it is UCI text, and the commit creates it.
    fn working_or_made(&mut self, package: &[u8]) -> Result<&mut Working> {
        let key = Key { package: package.to_vec(), section: None, option: None };
        self.working_or_new(package, Some(&key))
    }

    /// Returns a package of the transaction. If it does not exist and a key `creates` it, it starts empty, and the
    /// commit creates it.
    fn working_or_new(&mut self, package: &[u8], creates: Option<&Key>) -> Result<&mut Working> {
        if !self.packages.contains_key(package) {
            check_package(package)?;
            let core = &self.store.engine().core;
            let place = match creates {
                Some(key) => core.packages.find_to_write_key(key)?,
                None => core.packages.find(package)?,
            };
            let was_absent = creates.is_some() && core.packages.is_new(&place);
            let known = match was_absent {
                true => absent(&place),
                false => loader::load_shown(core, &place, self.store.inner.shown(package))?,
            };
            self.insert(package, place, known, was_absent);
        }
        self.packages
            .get_mut(package)
            .ok_or_else(|| Error::NotFound { key: crate::error::shown::name(package) })
    }

    /// Returns a package of the transaction, as an empty one if its text has errors.
    fn working_or_broken(&mut self, package: &[u8]) -> Result<&mut Working> {
        if let Err(error) = self.working(package) {
            if !matches!(error, Error::Parse(_)) {
                return Err(error);
            }
            let packages = &self.store.engine().core.packages;
            let place = packages.find(package)?;
            let digest = Digest::of(&packages.read(&place)?.0);
            let known = Arc::new(ParsedText { package: working::empty(&place), digest });
            self.insert(package, place, known, false);
        }
        self.working(package)
    }

    fn insert(&mut self, package: &[u8], place: Place, known: Arc<ParsedText>, was_absent: bool) {
        let (steps, reads) = (Vec::new(), BTreeSet::new());
        let working = Working { place, known, edited: None, steps, reads, was_absent };
        self.packages.insert(package.to_vec(), working);
    }

    fn change(&mut self, kind: DeltaKind, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        self.change_typed(kind, key, value, None)
    }

    fn change_typed(
        &mut self,
        kind: DeltaKind,
        key: &[u8],
        value: Option<&[u8]>,
        value_type: Option<ValueType>,
    ) -> Result<()> {
        self.edit(kind, key, value, value_type)?;
        self.commit_if_auto()
    }

    /// Applies a change without committing it.
    fn edit(
        &mut self,
        kind: DeltaKind,
        key: &[u8],
        value: Option<&[u8]>,
        value_type: Option<ValueType>,
    ) -> Result<()> {
        let parsed = Key::parse(key)?;
        let selector = parsed.section.as_ref().ok_or_else(|| no_section(&parsed))?;
        // Setting a named section can create it and its package.
        let makes = kind == DeltaKind::Set && parsed.option.is_none();
        let sets = matches!(kind, DeltaKind::Set | DeltaKind::AddList) && value.is_some();
        let creates = match parsed.is_plain() {
            true => {
                makes && matches!(selector, Selector::Name(_)) && value.is_some_and(|kind| !kind.is_empty())
            }
            false => sets && self.store.engine().core.packages.free_kind().is_some(),
        };
        let working = self.working_or_new(&parsed.package, creates.then_some(&parsed))?;
        let parsed = match (kind, value) {
            (DeltaKind::Set | DeltaKind::AddList, Some(value)) => {
                working.package().settle_to_set(parsed, value)?
            }
            _ => working.package().settle(parsed)?,
        };
        let selector = parsed.section.as_ref().ok_or_else(|| no_section(&parsed))?;
        let makes = makes && parsed.option.is_none();
        let section = match (working.package().select(selector)?, parsed.section) {
            (_, Some(Selector::Name(name))) if makes => name,
            (Some(_), Some(Selector::Name(name))) => name,
            (None, Some(Selector::Name(name))) if sets && working.package().format().has_free_names() => name,
            (Some(section), _) => section.name().to_vec(),
            (None, section) => return Err(Error::NotFound { key: Key { section, ..parsed }.text() }),
        };
        let delta =
            Delta { kind, section, option: parsed.option, value: value.map(<[u8]>::to_vec), value_type };
        let delta = working.package().without_type(delta)?;
        if !matches!(working.edit().make(&delta, Dialect::Cms)?, Made::Nothing) {
            working.push(delta);
        }
        Ok(())
    }
}

fn no_section(key: &Key) -> Error {
    Error::invalid(key.text().as_bytes(), "the key must name a section or an option: PACKAGE.SECTION.OPTION")
}
