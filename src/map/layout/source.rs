//! The identity of the text that a map was made from, so that one `stat` detects a change of the text.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use super::block::Block;
use super::columns::Columns;
use super::format::{B_BODY, SOURCE, SRC_FIELDS, SRC_SIZE};
use crate::model::digest::u64_at;

/// A file may be written twice within one tick of the clock its times are taken from. If the file is younger than
/// this many nanoseconds, its times do not prove that it is unchanged.
const SETTLED_NS: i64 = 50_000_000;

fn now_ns() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// The identity of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Source {
    inode: u64,
    size: u64,
    modified_ns: i64,
    changed_ns: i64,
    /// When the text was read.
    seen_ns: i64,
    /// The hash of the text.
    pub hash: u64,
    /// How long the text was.
    pub len: u64,
    /// The hash and the length of the text that the map shows. It is another text as long as the committed text is
    /// deferred.
    pub shown: (u64, u64),
    /// The digest of the columns that have an index in the map; 0 if none has.
    pub columns: u64,
}

impl Source {
    /// Makes the identity of a file that was just read, or whose text is known.
    pub fn of(metadata: &Metadata, text: &[u8], hash: u64) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            seen_ns: now_ns(),
            hash,
            len: text.len() as u64,
            shown: (hash, text.len() as u64),
            columns: 0,
        }
    }

    /// Makes the source of a map in which columns have an index.
    pub fn with_columns(self, columns: &Columns) -> Self {
        self.with_digest_of_columns(columns.digest())
    }

    /// As [`Source::with_columns`], of columns with this digest.
    pub fn with_digest_of_columns(self, columns: u64) -> Self {
        Self { columns, ..self }
    }

    /// Makes the source of a map that shows another text than the one in place.
    pub fn showing(self, hash: u64, len: u64) -> Self {
        Self { shown: (hash, len), ..self }
    }

    /// Makes a source that is always the same.
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn fixed() -> Self {
        Self {
            inode: 1,
            size: 2,
            modified_ns: 3,
            changed_ns: 4,
            seen_ns: 5,
            hash: 6,
            len: 7,
            shown: (6, 7),
            columns: 0,
        }
    }

    /// Reports whether a file has this identity.
    pub fn is(&self, metadata: &Metadata) -> bool {
        (self.inode, self.size) == (metadata.ino(), metadata.size())
            && self.modified_ns == nanoseconds(metadata.mtime(), metadata.mtime_nsec())
            && self.changed_ns == nanoseconds(metadata.ctime(), metadata.ctime_nsec())
    }

    /// Reports whether the identity proves that the text is the same. It does not if the file was written
    /// just before it was read.
    pub fn is_settled(&self) -> bool {
        self.is_settled_at(self.seen_ns)
    }

    /// Reports whether the identity would prove that if the text was read now.
    pub fn is_settled_now(&self) -> bool {
        self.is_settled_at(now_ns())
    }

    fn is_settled_at(&self, seen_ns: i64) -> bool {
        seen_ns.saturating_sub(self.changed_ns.max(self.modified_ns)) > SETTLED_NS
    }

    pub(crate) fn read(block: &Block<'_>) -> Option<Self> {
        if block.kind != SOURCE || block.bytes.len() < SRC_SIZE {
            return None;
        }
        let field = |index: usize| u64_at(block.bytes, SRC_FIELDS + index * 8);
        Some(Self {
            inode: field(0),
            size: field(1),
            modified_ns: field(2).cast_signed(),
            changed_ns: field(3).cast_signed(),
            seen_ns: field(4).cast_signed(),
            hash: field(5),
            len: field(6),
            shown: (field(7), field(8)),
            columns: field(9),
        })
    }

    /// Returns the body of the block that holds this.
    pub(crate) fn body(&self) -> Vec<u8> {
        let times = [self.modified_ns, self.changed_ns, self.seen_ns].map(i64::cast_unsigned);
        let of_file = [self.inode, self.size, times[0], times[1], times[2], self.hash, self.len];
        let fields = [&of_file[..], &[self.shown.0, self.shown.1, self.columns]].concat();
        debug_assert_eq!(fields.len() * 8, SRC_SIZE - B_BODY);
        fields.iter().flat_map(|field| field.to_le_bytes()).collect()
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}
