//! Keys as C strings.

use std::ffi::c_char;

/// A key and at least one NUL byte, within one cache line.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Slot([u8; 32]);

/// Keys in the order of the reads, one after the other, so that the processor prefetches them.
pub struct Keys {
    /// The strings.
    _slots: Vec<Slot>,
    /// Where each begins.
    list: Vec<*const c_char>,
}

impl Keys {
    /// Stores the keys; each must be ASCII and shorter than a slot.
    pub fn of(keys: impl Iterator<Item = String>) -> Self {
        let slot = |key: String| {
            let mut slot = Slot([0; 32]);
            assert!(key.len() < slot.0.len() && key.is_ascii(), "{key}: not a key for a slot");
            slot.0[..key.len()].copy_from_slice(key.as_bytes());
            slot
        };
        let slots: Vec<Slot> = keys.map(slot).collect();
        let list = slots.iter().map(|slot| slot.0.as_ptr().cast()).collect();
        Self { _slots: slots, list }
    }

    /// Returns a pointer to each key.
    pub fn list(&self) -> &[*const c_char] {
        &self.list
    }
}
