//! Keys as C strings.

use std::ffi::c_char;

/// A cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([u8; LINE]);

/// The size of a line in bytes.
const LINE: usize = 64;

/// Keys in the order of the reads, one after the other, so that the processor prefetches them. Each key is in one cache
/// line, with its NUL byte; if all keys are short enough, two share a line.
pub struct Keys {
    /// The strings.
    _lines: Vec<Line>,
    /// Where each begins.
    list: Vec<*const c_char>,
}

impl Keys {
    /// Stores the keys; each must be ASCII and shorter than a line.
    pub fn of(keys: impl Iterator<Item = String>) -> Self {
        let keys: Vec<String> = keys.collect();
        let room = if keys.iter().all(|key| key.len() < LINE / 2) { LINE / 2 } else { LINE };
        let per_line = LINE / room;
        let mut lines = vec![Line([0; LINE]); keys.len().div_ceil(per_line)];
        for (index, key) in keys.iter().enumerate() {
            assert!(key.len() < LINE && key.is_ascii(), "{key}: not a key for a line");
            let start = index % per_line * room;
            lines[index / per_line].0[start..start + key.len()].copy_from_slice(key.as_bytes());
        }
        let start = |index: usize| lines[index / per_line].0[index % per_line * room..].as_ptr().cast();
        let list = (0..keys.len()).map(start).collect();
        Self { _lines: lines, list }
    }

    /// Returns a pointer to each key.
    pub fn list(&self) -> &[*const c_char] {
        &self.list
    }
}
