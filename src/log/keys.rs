//! The keys that the records of a full segment changed, so that the history of one key need not read all segments.
//!
//! Beside the segment, as `00000000000000000001.keys`, lies a sorted list of 32-bit hashes, little-endian: of each
//! package, each section and each option that its records changed, of each section for its options, and of the id of
//! each request. If the list is missing or damaged, the segment is read.

use std::collections::BTreeSet;
use std::path::Path;

use super::attribution::RequestId;
use super::record::Record;
use super::scan::scan;
use super::segment::{HEAD, Head};
use crate::model::package::Key;
use crate::os::files::Files;

/// The hashes of wanted keys. A list matches if it has any of them.
#[derive(Debug, Clone)]
pub(crate) struct Wanted(Vec<u32>);

impl Wanted {
    /// Wants the changes of a package, of a section and its options, or of an option and its section.
    pub fn new(package: &[u8], section: Option<&[u8]>, option: Option<&[u8]>) -> Self {
        Self(match (section, option) {
            (None, _) => vec![hash(&[package])],
            (Some(section), None) => {
                vec![hash(&[package, section]), hash(&[package, section, b"*"])]
            }
            (Some(section), Some(option)) => {
                vec![hash(&[package, section]), hash(&[package, section, option])]
            }
        })
    }

    /// As [`Wanted::new`], of a key whose section is `section`.
    pub fn of(key: &Key, section: Option<&[u8]>) -> Self {
        Self::new(&key.package, section, key.option.as_deref())
    }

    /// Wants the transactions of a request.
    pub fn request(request: RequestId) -> Self {
        Self(vec![hash_of_request(request)])
    }

    /// Reports whether a record holds such a change.
    #[cfg(test)]
    pub(super) fn may_be_of(&self, record: &Record) -> bool {
        let mut hashes = BTreeSet::new();
        add_keys(&mut hashes, record);
        self.0.iter().any(|wanted| hashes.contains(wanted))
    }

    /// Reports whether the segment of the list at `path` may hold such a change.
    pub(super) fn may_be_in(&self, files: &Files, path: &Path) -> bool {
        let Ok(bytes) = files.read_at_path(path) else { return true };
        let (hashes, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty()
            || hashes.first().is_none_or(|count| u32::from_le_bytes(*count) as usize != hashes.len())
        {
            return true;
        }
        let hashes = &hashes[1..];
        self.0
            .iter()
            .any(|wanted| hashes.binary_search_by_key(wanted, |hash| u32::from_le_bytes(*hash)).is_ok())
    }
}

/// No package has an empty name.
fn hash_of_request(request: RequestId) -> u32 {
    hash(&[b"", b"request", &request.bytes()])
}

fn hash(parts: &[&[u8]]) -> u32 {
    let [low @ .., _, _, _, _] = crate::model::digest::of_text(&parts.join(&0)).to_le_bytes();
    u32::from_le_bytes(low)
}

/// Writes the list of a full segment. The list only saves time: after any failure the segment is read instead.
pub(super) fn write(files: &Files, segment: &Path, path: &Path) {
    let Ok(bytes) = files.read_at_path(segment) else { return };
    let Ok(head) = Head::decode(&bytes) else { return };
    let mut hashes = BTreeSet::new();
    // Numbers begin with 1, but a damaged head may hold any number.
    let Some(before) = head.first.checked_sub(1) else { return };
    let found = scan(&bytes, HEAD, &[head.chain], before);
    // An unreadable record may be the wanted one.
    if !found.gaps.is_empty() {
        return;
    }
    for (_, frame) in found.frames {
        let Some(record) = Record::decode(frame.body) else { return };
        add_keys(&mut hashes, &record);
    }
    let Ok(count) = u32::try_from(hashes.len() + 1) else { return };
    let list: Vec<u8> = std::iter::once(count).chain(hashes).flat_map(u32::to_le_bytes).collect();
    // Not synced: the length, which comes first, shows whether the list was cut off.
    if let Ok(open) = files.open_or_create(path, 0o600)
        && files.truncate(&open, 0).and_then(|()| files.write(&open, &list)).is_err()
    {
        let _ = std::fs::remove_file(path);
    }
}

/// Adds the hashes of the packages, sections and options that a record changed, and of its request.
fn add_keys(hashes: &mut BTreeSet<u32>, record: &Record) {
    hashes.extend(record.request.map(hash_of_request));
    for package in &record.packages {
        let name = package.package.as_bytes();
        hashes.insert(hash(&[name]));
        for change in &package.changes {
            let section = change.section.as_slice();
            match &change.option {
                None => drop(hashes.insert(hash(&[name, section]))),
                Some(option) => {
                    hashes.extend([hash(&[name, section, option]), hash(&[name, section, b"*"])]);
                }
            }
        }
    }
}
