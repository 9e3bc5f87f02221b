//! A hash table from names to positions in a vector; the names themselves stay where they are.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// See the module documentation. Beside each position stands half of the name's hash, so that growing and
/// most misses need not look at names, which are all over the memory.
#[derive(Debug, Clone, Default)]
pub(super) struct NameTable(HashTable<Entry>);

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u32,
    index: u32,
}

fn hash(name: &[u8]) -> u32 {
    let [a, b, c, d, ..] = FixedState::default().hash_one(name).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The table wants good bits at both ends.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl NameTable {
    /// Makes room for `more` names.
    pub fn reserve(&mut self, more: usize) {
        self.0.reserve(more, |entry| spread(entry.hash));
    }

    /// Returns the position entered for `name`.
    pub fn find<'n>(&self, name: &[u8], name_of: impl Fn(u32) -> &'n [u8]) -> Option<u32> {
        let hash = hash(name);
        let same = |entry: &Entry| entry.hash == hash && name_of(entry.index) == name;
        self.0.find(spread(hash), same).map(|entry| entry.index)
    }

    /// Enters `name` at `index`, unless it has an entry already; tells whether it was entered.
    pub fn insert<'n>(&mut self, name: &[u8], index: u32, name_of: impl Fn(u32) -> &'n [u8]) -> bool {
        let hash = hash(name);
        let same = |entry: &Entry| entry.hash == hash && name_of(entry.index) == name;
        match self.0.entry(spread(hash), same, |entry| spread(entry.hash)) {
            hashbrown::hash_table::Entry::Occupied(_) => false,
            hashbrown::hash_table::Entry::Vacant(vacant) => {
                vacant.insert(Entry { hash, index });
                true
            }
        }
    }

    /// Removes the entry that leads from `name` to `index`; tells whether there was one.
    pub fn remove(&mut self, name: &[u8], index: u32) -> bool {
        match self.0.find_entry(spread(hash(name)), |entry| entry.index == index) {
            Ok(entry) => {
                entry.remove();
                true
            }
            Err(_) => false,
        }
    }
}
