//! hashbrown as a peer, with its default hash, foldhash.

use std::ffi::{c_char, c_void};

use super::{Get, Keys, Peer, Shared, text};

/// A map of strings by strings.
type Map = hashbrown::HashMap<String, String>;

/// See the module documentation.
pub struct Hashbrown(Map);

impl Hashbrown {
    /// Makes a map.
    pub fn of(entries: impl Iterator<Item = (String, String)>) -> Self {
        Self(entries.collect())
    }

    /// Returns the contender for many threads: nothing changes the map any more.
    pub fn shared<'a>(&'a self, keys: &'a Keys) -> Shared<'a> {
        Shared(self.get().over(keys))
    }
}

impl Peer for Hashbrown {
    fn get(&self) -> Get<'_> {
        Get::new(hashbrown_get, &raw const self.0)
    }
}

/// Finds a value.
unsafe extern "C" fn hashbrown_get(
    context: *mut c_void,
    key: *const c_char,
    _: *mut c_char,
) -> *const c_char {
    // SAFETY: F2, and F3 for the key.
    let (map, key) = unsafe { (&*context.cast::<Map>(), text(key)) };
    map.get(key).map_or(std::ptr::null(), |value| value.as_ptr().cast())
}
