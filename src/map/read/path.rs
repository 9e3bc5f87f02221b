//! Takes a key apart for a lookup, and hashes the parts: the start of every read.

use crate::bytes;
use crate::map::layout::hash::{Kind, hash};
use crate::map::layout::simd::equal_u8;
use crate::model::digest::u64_at;
use crate::model::name::{MAX_NAME, is_name};

/// A name of up to eight bytes as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShortName(pub u64);

impl ShortName {
    /// Takes the first `len` bytes of the eight that start with the name; `None` if it is longer, or empty.
    #[inline(always)]
    pub fn of(start: u64, len: usize) -> Option<Self> {
        match len {
            1..=8 => Some(Self(start & (u64::MAX >> (64 - 8 * len)))),
            _ => None,
        }
    }
}

/// A key of three plain parts, hashed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyPath<'k> {
    pub package: &'k [u8],
    pub section: &'k [u8],
    pub option: &'k [u8],
    /// The package's name once more, if it is short.
    pub short: Option<ShortName>,
    /// The hash of the whole key.
    pub hash: u64,
}

impl<'k> KeyPath<'k> {
    /// Splits `package.section.option`; `None` for anything else, a selector for example.
    #[inline(always)]
    pub fn split(key: &'k [u8], seed: u64) -> Option<Self> {
        let (first, second) = dots(key)?;
        let section = key.get(first + 1..second)?;
        let (package, option) = (key.get(..first)?, key.get(second + 1..)?);
        if section.first() == Some(&b'@') {
            return None;
        }
        Some(Self {
            package,
            section,
            option,
            // A short key has no eight bytes to take it from.
            short: if key.len() < 8 { None } else { ShortName::of(u64_at(key, 0), first) },
            hash: hash(Kind::Key, seed, key),
        })
    }
}

impl KeyPath<'_> {
    /// Reports whether the section and the option could have these names.
    pub fn is_valid(&self) -> bool {
        is_name(self.section) && is_name(self.option) && self.section.len().max(self.option.len()) <= MAX_NAME
    }
}

/// Finds the first two dots.
#[inline(always)]
fn dots(key: &[u8]) -> Option<(usize, usize)> {
    let len = key.len();
    if (16..=32).contains(&len) {
        let (head, tail) = (key.get(..16)?.try_into().ok()?, key.get(len - 16..)?.try_into().ok()?);
        let mask = equal_u8(head, b'.') | equal_u8(tail, b'.') << (len - 16);
        let rest = mask & mask.wrapping_sub(1);
        return (rest != 0).then(|| (mask.trailing_zeros() as usize, rest.trailing_zeros() as usize));
    }
    let first = bytes::find(b'.', key)?;
    let second = bytes::find(b'.', key.get(first + 1..)?)?;
    Some((first, first + 1 + second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_found_in_keys_of_any_length() {
        for len in 0..if cfg!(miri) { 19 } else { 80 } {
            for first in 0..len {
                for second in first + 1..len {
                    let mut key = vec![b'x'; len];
                    key[first] = b'.';
                    assert_eq!(dots(&key), None);
                    key[second] = b'.';
                    assert_eq!(dots(&key), Some((first, second)), "{len}");
                    key[len - 1] = b'.';
                    assert_eq!(dots(&key), Some((first, second)), "{len}");
                }
            }
        }
    }
}
