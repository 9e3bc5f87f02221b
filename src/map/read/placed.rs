//! A string of a map whose place is kept, so that reading it again takes few instructions and one cache line besides those
//! of the map.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::lookup::ValueLocation;
use super::map::Map;
use crate::map::layout::format::W_RETIRED;

/// How many bytes of a string are copied, with its NUL byte: then its address does not have to be loaded first.
const COPIED: usize = 72;

/// See the module documentation. What each read needs comes first.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct PlacedString {
    /// The slot, and the word that it held; and the word that says whether the map was retired. Both are in `map`.
    slot: NonNull<AtomicU32>,
    retired: NonNull<AtomicU32>,
    word: u32,
    len: u32,
    copy: [u8; COPIED],
    /// The string in the map.
    value: NonNull<u8>,
    _map: Arc<Map>,
}

// SAFETY: what the pointers lead to is read as atomics, or at rest, by any thread, and lives as long as the map.
unsafe impl Send for PlacedString {}
// SAFETY: as above.
unsafe impl Sync for PlacedString {}

impl PlacedString {
    /// Keeps the place of a string; `None` if it is a list.
    pub fn of(map: &Arc<Map>, placed: &ValueLocation) -> Option<Self> {
        let (slot, word) = placed.slot_and_word();
        let string = placed.string_in(map)?;
        let mut copy = [0; COPIED];
        if string.len() < COPIED {
            copy[..string.len()].copy_from_slice(string);
        }
        Some(Self {
            slot: map.region.word_pointer(slot)?,
            retired: map.region.word_pointer(W_RETIRED)?,
            word,
            len: u32::try_from(string.len()).ok()?,
            copy,
            value: NonNull::from(string).cast(),
            _map: map.clone(),
        })
    }

    /// Returns the string, if it is still the value: a NUL byte is behind it.
    #[inline(always)]
    pub fn get(&self) -> Option<&[u8]> {
        // SAFETY: it lives as long as the map, and is only ever used as an atomic (R2); the same for the next.
        let slot = unsafe { self.slot.as_ref() };
        // SAFETY: see above.
        let retired = unsafe { self.retired.as_ref() };
        // Acquire: see `Index::find` and `Map::retired`.
        let word = u32::from_le(slot.load(Ordering::Acquire));
        if (word ^ self.word) | retired.load(Ordering::Acquire) != 0 {
            return None;
        }
        let len = self.len as usize;
        // A branch, which the processor foresees: so the address of a short string depends on no load.
        if len < COPIED {
            return self.copy.get(..len);
        }
        // SAFETY: the string was found there, at rest (R3), and lives as long as the map.
        Some(unsafe { std::slice::from_raw_parts(self.value.as_ptr(), len) })
    }
}
