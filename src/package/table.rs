//! A hash table from names to positions in a vector; the names themselves stay where they are.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// See the module documentation. Every call that may compare or move entries is told how to find a name.
#[derive(Debug, Clone, Default)]
pub(super) struct NameTable(HashTable<u32>);

fn hash(name: &[u8]) -> u64 {
    FixedState::default().hash_one(name)
}

impl NameTable {
    /// Returns the position entered for `name`.
    pub fn find<'n>(&self, name: &[u8], name_of: impl Fn(u32) -> &'n [u8]) -> Option<u32> {
        self.0.find(hash(name), |index| name_of(*index) == name).copied()
    }

    /// Enters `name` at `index`, unless it has an entry already; tells whether it was entered.
    pub fn insert<'n>(&mut self, name: &[u8], index: u32, name_of: impl Fn(u32) -> &'n [u8]) -> bool {
        let entry = self.0.entry(hash(name), |other| name_of(*other) == name, |other| hash(name_of(*other)));
        match entry {
            hashbrown::hash_table::Entry::Occupied(_) => false,
            hashbrown::hash_table::Entry::Vacant(vacant) => {
                vacant.insert(index);
                true
            }
        }
    }

    /// Removes the entry that leads from `name` to `index`; tells whether there was one.
    pub fn remove(&mut self, name: &[u8], index: u32) -> bool {
        match self.0.find_entry(hash(name), |other| *other == index) {
            Ok(entry) => {
                entry.remove();
                true
            }
            Err(_) => false,
        }
    }
}
