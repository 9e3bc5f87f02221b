//! The map of a package: every process reads it in nanoseconds, from memory that all share.
//!
//! One file for each package, in the run directory; without a run directory, a piece of the heap with the same layout.
//! It is made from the text and holds nothing else: a process that finds it missing or damaged rebuilds it.
//!
//! The folders, each using only those before it: `layout` (the bytes), `read` (one map), `check` (its damage),
//! `write` (building and publishing), `directory` (the maps of a store). `docs/design.md` has the table, and
//! `tests/layers.rs` checks it. The end of this file names all that other folders of `src` use.
//!
//! # Readers
//!
//! The hash of `package.section.option` leads to a slot of the index, the slot to the option's record, which contains
//! the value: two cache lines. The record leads back to its section's block and to its name, which are compared with
//! the key. Sections, names and the order of sections are blocks that are found in the same index.
//!
//! # Writer
//!
//! There is one writer at a time: it holds the package's lock. It appends the new block of each changed section, with
//! all its options, behind the tail, and then stores the new positions in the slots. Each block holds the commit that
//! made it and the position of the version before, so that a snapshot finds its own.
//!
//! # A writer dies
//!
//! Before the slots are stored no reader sees any of it. If the writer dies in between, `Store::get` returns some new
//! and some old options; snapshots see only the old ones, since the number was never committed. The next writer
//! retires the map: see `directory::control`.
//!
//! # What a stale read costs
//!
//! A slot that is read just before a commit leads to the old value, which stays where it is as long as the file is
//! mapped. Nothing that was published is ever overwritten.
//!
//! # Invariants
//!
//! - M1. A published byte never changes. The bytes that do change: the slots and tags of the index and its overflow
//!   marks, the header's words behind its fixed part, the control file's words. (`write::publish`, `layout::index`;
//!   tested by `publishing_leads_to_the_map_the_new_text_would_give_and_snapshots_keep_the_old`.)
//! - M2. A reader takes no lock, waits for nothing, allocates nothing on the way to a plain value but the table of found
//!   keys, once, and writes to no shared file. If any of them is killed, the others go on. (`read::lookup`, `read::fast`,
//!   `hot`; tested by `tests/it/stress.rs`.)
//! - M3. Every offset read from a map is checked before it is used. A damaged map causes wrong results or none, but
//!   no access outside the file. (`layout::region`, `read::lookup`; tested by `no_flipped_bit_harms_a_reader_...` and
//!   `no_truncation_harms_a_reader`.)
//! - M4. Growing and compacting make a new file, renamed over the old one, which is marked as retired. No mapped
//!   file is truncated; the room a file takes is allocated before it is mapped. (`directory::files`; tested by
//!   `maps_grow_and_are_compacted_while_snapshots_keep_what_they_see`, `a_full_run_directory_...`.)
//! - M5. In a process the open maps are one pointer; a read pins an epoch, loads it and checks whether the map is
//!   retired. A snapshot counts a reference instead. The table behind the pointer may gain packages, in slots that
//!   are set once, and found keys, in entries with versions; it changes in no other way. (`current`, `table`, `hot`;
//!   tested by `c-examples/stress.c`,
//!   `tests/it/scale.rs`.)
//! - M6. A snapshot sees just the commits up to its sequence, in every package. (`read::find`; tested as M1, and by
//!   `tests/it/stress.rs`.)
//! - M7. If the map of a package was replaced after a snapshot was opened, and the package was not open before, the
//!   snapshot returns `stale`, never a newer value. (`live::snapshot`; tested by `tests/it/stress.rs`.)
//! - M8. A commit over several packages publishes to all of them and raises the store's number last.
//!   (`directory::control`; tested by `a_transaction_over_packages_sees_itself_and_is_seen_whole` and
//!   `tests/it/stress.rs`.)
//!
//! # Orderings
//!
//! A slot is stored with release after its block was written, and loaded with acquire before the block is read. The
//! number of a commit is stored with release after all its slots, and loaded with acquire by a snapshot before it
//! reads any slot. These two also order the tags and overflow marks. `retired` is stored with release behind its
//! sequence. No other words are shared between processes; `current` and `hot_entry` explain those that the threads of a
//! process share.
//!
//! `model` runs this code under loom, with each of these orderings and with weaker ones (`make loom`). Under Miri,
//! `readers_beside_a_writer_...` shows that a reader reads no byte that a writer has not published (`make miri`).

mod check;
mod current;
mod directory;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod hot;
mod hot_entry;
mod layout;
mod lease;
mod process;
mod read;
mod sync;
mod table;
mod write;

pub use check::MapDamage;
pub(crate) use current::Current;
pub(crate) use directory::control::{Control, Waiting};
pub(crate) use directory::files::MapDirectory;
pub(crate) use directory::kept::KeptSession;
pub(crate) use directory::session::PublishSession;
pub use hot::{Hot, hot_memory};
pub(crate) use layout::columns::Columns;
pub(crate) use layout::format::{Seq, low};
pub(crate) use layout::source::Source;
pub use layout::value::{MapList, MapValue, TypedValue};
pub(crate) use lease::{is_open_elsewhere, is_open_to_write};
pub(crate) use process::id as process_id;
pub use read::fast::Answer;
pub use read::fast_key::KeyText;
pub(crate) use read::fast_key::{FastKey, ScannedKey};
pub(crate) use read::lookup::ValueLocation;
pub(crate) use read::map::Map;
pub use read::map::Usage;
pub(crate) use read::path::KeyPath;
pub(crate) use read::placed::PlacedString;
pub use read::rows::{Lookup, MapRows};
pub use read::view::{MapOptions, MapPackage, MapSection, MapSections};
pub(crate) use table::{Entry, Table};
pub(crate) use write::build::{Image, Making, Slack, build};
pub(crate) use write::content::{check_option, check_values};
pub(crate) use write::one_pass::build_of_text;
pub(crate) use write::publish::PublishOutcome;

#[cfg(all(test, loom))]
mod model;
#[cfg(test)]
mod tests;
