//! The maps a process has open, found by the package's name.
//!
//! A package that is opened goes into a free slot of the table there is, as long as half of the slots are free. A
//! slot is set once: a thread that finds it set sees all of the entry. Any other change (a map that replaces another
//! one, or is removed) makes a new table.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::hot::{Hot, HotKeys};
use crate::map::directory::control::Control;
use crate::map::layout::format::{Seq, low};
use crate::map::layout::hash::{Kind, hash};
use crate::map::layout::value::MapValue;
use crate::map::read::fast::Answer;
use crate::map::read::fast_key::{FastKey, KeyText, ScannedKey};
use crate::map::read::map::Map;
use crate::map::read::path::{KeyPath, ShortName};

/// A package that is open.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub name: Arc<str>,
    pub map: Arc<Map>,
}

/// The open maps; its entries never change.
#[derive(Debug)]
pub(crate) struct Table {
    /// The seed of the hashes in all maps.
    pub seed: u64,
    /// The control file they belong to, if they are shared.
    pub control: Option<Arc<Control>>,
    /// How often private maps have been rebuilt; it counts as the revision where there is no log.
    pub own_revision: u64,
    /// The revision that maps which are not shared show.
    pub private_revision: Option<u64>,
    /// Open addressing; the length is a power of two and at least twice the number of entries.
    slots: Box<[OnceLock<Entry>]>,
    /// The packages of short names once more, to be found in a few steps; as long as `slots`.
    short: Box<[OnceLock<Short>]>,
    /// The number of entries, for the thread that adds one.
    len: AtomicUsize,
    /// The keys that were found in these maps.
    hot: HotKeys,
}

/// A package of a short name.
type Short = (ShortName, Arc<Map>);

/// Returns where to look for a short name first, in a table of `mask` slots and one.
#[inline(always)]
fn first_slot(name: ShortName, mask: usize) -> usize {
    let [.., a, b, c, d] = name.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) as usize & mask
}

impl Table {
    pub fn new(seed: u64, control: Option<Arc<Control>>, own_revision: u64) -> Self {
        Self::with_slots(4, seed, control, own_revision, None)
    }

    fn with_slots(
        slots: usize,
        seed: u64,
        control: Option<Arc<Control>>,
        own_revision: u64,
        private_revision: Option<u64>,
    ) -> Self {
        Self {
            seed,
            control,
            own_revision,
            private_revision,
            slots: (0..slots).map(|_| OnceLock::new()).collect(),
            short: (0..slots).map(|_| OnceLock::new()).collect(),
            len: AtomicUsize::new(0),
            hot: HotKeys::default(),
        }
    }

    /// Returns the revision, and the round by which the maps tell old from new. Both are read at once: otherwise a
    /// commit in between could give the revision of changes that the maps do not show yet. Where there is no log the
    /// revision counts rounds.
    pub fn now(&self) -> (u64, Seq) {
        let (round, revision) = match &self.control {
            Some(control) => control.shown(),
            None => (0, self.private_revision),
        };
        let seq = if self.control.is_some() { low(round) } else { low(self.own_revision) };
        (revision.unwrap_or(round + self.own_revision), seq)
    }

    /// Returns the revision.
    pub fn revision(&self) -> u64 {
        self.now().0
    }

    /// Returns the round by which the maps tell old from new.
    pub fn seq(&self) -> Seq {
        self.control.as_ref().map_or(low(self.own_revision), |control| low(control.round()))
    }

    /// Finds a package by name and its hash.
    fn find(&self, name_hash: u64, name: &[u8]) -> Option<&Entry> {
        let mask = self.slots.len() - 1;
        let [a, b, c, d, ..] = name_hash.to_le_bytes();
        let mut index = u32::from_le_bytes([a, b, c, d]) as usize & mask;
        loop {
            let entry = self.slots.get(index)?.get()?;
            if super::layout::block::same(entry.name.as_bytes(), name) {
                return Some(entry);
            }
            index = (index + 1) & mask;
        }
    }

    /// Finds a package of a short name.
    #[inline(always)]
    pub fn find_short(&self, name: ShortName) -> Option<&Map> {
        let mask = self.short.len() - 1;
        let mut index = first_slot(name, mask);
        loop {
            let (found, map) = self.short.get(index)?.get()?;
            if *found == name {
                return Some(map);
            }
            index = (index + 1) & mask;
        }
    }

    /// Looks an option up in the map of its package. `None` also if the key has selectors, or the package is not open, or
    /// another map has taken the place of this one.
    #[inline(always)]
    pub fn look_up(&self, key: &[u8]) -> Option<MapValue<'_>> {
        let path = KeyPath::split(key, self.seed)?;
        let map = self.find_path(&path)?;
        if map.is_retired() { None } else { map.get(&path, None) }
    }

    /// Finds the package of a path.
    #[inline(always)]
    pub fn find_path(&self, path: &KeyPath<'_>) -> Option<&Map> {
        match path.short {
            Some(short) => self.find_short(short),
            None => self.find_long(path.package),
        }
    }

    /// Finds the package of a key.
    #[inline(always)]
    pub fn find_fast(&self, key: &FastKey<'_>) -> Option<&Map> {
        match key.short() {
            Some(short) => self.find_short(short),
            None => self.find_long(key.package()),
        }
    }

    /// Looks a key up in the table of found keys: its newest value, or the one the commit `seq` left. `skips` is set to how
    /// many of the next reads of this thread shall use [`Table::look_up_fast`] at once.
    #[inline(always)]
    pub fn look_up_hot(&self, key: KeyText<'_>, seq: Option<Seq>, skips: Option<&AtomicUsize>) -> Hot<&[u8]> {
        self.hot.find_first(key, seq, skips)
    }

    /// As [`Table::look_up`], in the fast way, see [`crate::map::read::fast`]: the newest value, or the one the commit
    /// `seq` left.
    #[inline(always)]
    pub fn look_up_fast<'k>(&self, key: KeyText<'k>, seq: Option<Seq>) -> Answer<'k, &[u8]> {
        match self.fast_key(key, seq) {
            Some((map, _, fast)) => map.fast(&fast, seq),
            None => Answer::Unknown,
        }
    }

    /// As [`Table::look_up_fast`], where [`Table::look_up_hot`] has said that the key may be entered: so it looks into the
    /// rest of the table of found keys, then into the index, and adds a key that it finds there.
    #[inline(always)]
    pub fn look_up_next<'k>(&self, key: KeyText<'k>, seq: Option<Seq>) -> Answer<'k, &[u8]> {
        match self.hot.find(key, seq) {
            Some(value) => Answer::Found(value),
            None => self.look_up_and_enter(key, seq),
        }
    }

    #[cfg_attr(cms_speed, optimize(speed))]
    #[inline(never)]
    fn look_up_and_enter<'k>(&self, key: KeyText<'k>, seq: Option<Seq>) -> Answer<'k, &[u8]> {
        let Some((map, scanned, fast)) = self.fast_key(key, seq) else { return Answer::Unknown };
        map.fast_place(&fast, seq).map(|found| {
            if let Some(words) = scanned.words() {
                let mapped = || self.entries().map(|entry| entry.map.region.len()).sum();
                self.hot.enter(&words, map, &found, mapped);
            }
            found.value
        })
    }

    /// Takes a key apart, and finds the map that has its newest value, or the one the commit `seq` left.
    #[inline(always)]
    fn fast_key<'k>(
        &self,
        key: KeyText<'k>,
        seq: Option<Seq>,
    ) -> Option<(&Map, ScannedKey<'k>, FastKey<'k>)> {
        let scanned = ScannedKey::of(key)?;
        let fast = FastKey::of(scanned, self.seed)?;
        let map = self.find_fast(&fast)?;
        let is_usable = match seq {
            None => !map.is_retired(),
            Some(seq) => map.is_complete(seq),
        };
        if is_usable { Some((map, scanned, fast)) } else { None }
    }

    /// Returns how many bytes the table of found keys takes.
    pub fn hot_bytes(&self) -> usize {
        self.hot.bytes()
    }

    #[inline(never)]
    fn find_long(&self, name: &[u8]) -> Option<&Map> {
        self.get(name).map(|entry| &*entry.map)
    }

    /// Returns the hash of a package's name.
    pub fn hash(&self, name: &[u8]) -> u64 {
        hash(Kind::Package, self.seed, name)
    }

    pub fn get(&self, name: &[u8]) -> Option<&Entry> {
        self.find(self.hash(name), name)
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().filter_map(OnceLock::get)
    }

    /// Adds an entry to this table, if there is room and no entry of that name; otherwise gives it back. One thread at
    /// a time.
    pub fn add(&self, entry: Entry) -> Result<(), Entry> {
        // Relaxed: a thread that adds holds a lock.
        let len = self.len.load(Ordering::Relaxed) + 1;
        if len * 2 > self.slots.len() || self.get(entry.name.as_bytes()).is_some() {
            return Err(entry);
        }
        self.len.store(len, Ordering::Relaxed);
        self.insert(entry);
        Ok(())
    }

    /// Returns a table with these entries put in place of those of the same names, and without `gone`.
    pub fn with(&self, added: &[Entry], gone: &[Arc<str>], own_revision: u64) -> Self {
        let other: HashSet<&Arc<str>> = gone.iter().chain(added.iter().map(|entry| &entry.name)).collect();
        let kept = self.entries().filter(|entry| !other.contains(&entry.name));
        let all: Vec<Entry> = kept.cloned().chain(added.iter().cloned()).collect();
        let slots = (all.len() * 2 + 2).next_power_of_two();
        let (control, revision) = (self.control.clone(), self.private_revision);
        let table = Self::with_slots(slots, self.seed, control, own_revision, revision);
        table.len.store(all.len(), Ordering::Relaxed);
        all.into_iter().for_each(|entry| table.insert(entry));
        table
    }

    fn insert(&self, entry: Entry) {
        let mask = self.slots.len() - 1;
        let name = entry.name.as_bytes();
        let mut start = [0; 8];
        start[..name.len().min(8)].copy_from_slice(&name[..name.len().min(8)]);
        if let Some(short) = ShortName::of(u64::from_le_bytes(start), name.len()) {
            set_free(&self.short, first_slot(short, mask), (short, entry.map.clone()));
        }
        let [a, b, c, d, ..] = self.hash(name).to_le_bytes();
        set_free(&self.slots, u32::from_le_bytes([a, b, c, d]) as usize & mask, entry);
    }
}

/// Sets the first free slot from `index` on; there is one.
fn set_free<T>(slots: &[OnceLock<T>], index: usize, mut value: T) {
    let (before, from) = slots.split_at(index);
    for slot in from.iter().chain(before) {
        match slot.set(value) {
            Ok(()) => return,
            Err(back) => value = back,
        }
    }
}
