//! A configuration store: plain text that people edit, transactions, and fast reads for programs.
//!
//! A program opens a [`Store`], reads it, changes it and waits for changes:
//!
//! ```
//! use std::time::Duration;
//!
//! use cms::{DirOptions, Dirs, Options, Store};
//!
//! # let dir = tempfile::tempdir()?;
//! # let root = dir.path();
//! # std::fs::create_dir(root.join("config"))?;
//! # std::fs::write(root.join("config/network"), "config interface 'lan'\n\toption ipaddr '10.0.0.1' # office\n")?;
//! # fn run(root: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
//! // Without `dirs` it is the configuration of the system, in /etc/config.
//! let dirs = DirOptions::new().config(root.join("config")).save(root.join("save"));
//! let dirs = Dirs::choose(dirs.run(root.join("run")).state(root.join("state")));
//! let options = Options::new().dirs(dirs).source("address-daemon").lock_timeout(Duration::from_secs(2));
//! let store = Store::open(options)?;
//!
//! // The function reads the value in place; a list has several items.
//! let address = store.get(b"network.lan.ipaddr", |value| value.items().next().map(<[u8]>::to_vec))?;
//! assert_eq!(address, Some(Some(b"10.0.0.1".to_vec())));
//!
//! let mut watch = store.watch("network.**", None)?;
//! let mut transaction = store.begin()?;
//! transaction.set(b"network.lan.ipaddr", b"10.0.0.2")?;
//! let revision = transaction.commit()?;
//! let text = std::fs::read(root.join("config/network"))?;
//! assert_eq!(text, b"config interface 'lan'\n\toption ipaddr '10.0.0.2' # office\n");
//!
//! let event = watch.next(None)?.expect("without a time limit it waits for the next one");
//! assert_eq!(event.sequence(), revision);
//! # Ok(())
//! # }
//! # run(root)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to | there is |
//! |---|---|
//! | read one key, again and again, several at one revision | [`Store::get`], [`Prepared`], [`Snapshot`] |
//! | change packages, all or nothing | [`Transaction`] |
//! | get changes as events; refuse changes | [`Store::watch`], [`Store::subscribe`]; [`Store::verify`] |
//! | make commits that have to be confirmed | [`Transaction::set_confirm`] |
//! | stage changes, read the history, roll back, make snapshots, check the log | [`Engine`] |
//!
//! The command line is made of the last row: it has an [`Engine`] and no open store.
//!
//! The library prints nothing, starts no thread unless asked for one ([`Store::subscribe`], [`Store::verify`],
//! [`Durability::Log`]) and no process but the guard of a commit that has to be confirmed ([`Transaction::set_confirm`]),
//! and keeps no global state.

// As in the crate `cms-ffi`: marks the functions that are optimized for speed where the rest is built for size.
#![cfg_attr(cms_speed, feature(optimize_attribute))]
// See *Public types* in docs/design.md.
#![deny(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod audit;
mod bytes;
mod commit;
mod confirm;
mod engine;
mod error;
mod format;
mod history;
mod live;
pub mod log;
#[expect(unsafe_code, reason = "mapped memory")]
pub mod map;
mod map_reports;
mod model;
mod os;
mod presence;
mod restore;
#[cfg(feature = "schema")]
pub mod schema;
#[cfg(feature = "schema")]
mod schemas;
mod secret;
mod settings;
mod staging;
mod verify;
mod watch;

/// Changes to packages, and the lines of delta files that encode them.
pub mod delta {
    pub use crate::format::uci::delta_line::{DeltaLine, read_lines};
    pub use crate::model::change::{Delta, DeltaKind, split_value};
}

/// For tests alone: what the library uses of the system can be replaced, and so can the format of package files.
#[doc(hidden)]
pub mod testing {
    pub mod format {
        pub use crate::format::*;
    }
    pub use crate::os::files::{Call, Files, Probe};
    pub use crate::settings::seams::Seams;
}

pub use error::shown;
pub use format::uci as text;
pub use model::{convert as typed, key_part, name, order};
pub use os::{clock, environment, named_file};

pub use audit::{Audit, LogInfo, Repair, Repaired};
pub use commit::exchange::{Adopted, Exchange};
pub use commit::loader::Packages;
pub use commit::part::Form;
pub use commit::place::{Loaded, Place, StagedChange};
#[doc(hidden)]
pub use commit::quick::quick_value;
pub use commit::stage::StagedChanges;
pub use commit::staged::{CommitOptions, Committed, Unstaged};
pub use commit::three_way::{Clash, ThreeWay};
pub use confirm::guard::GuardHandle;
#[doc(hidden)]
pub use confirm::guard::{GUARD, GUARD_READY};
pub use confirm::rollback::{Notice, PackageRollback, Waiting};
pub use confirm::{Confirmations, Pending};
pub use engine::Engine;
pub use error::not_found::Missing;
pub use error::{Code, Damage, Error, Location, Result, Rule, Violation};
pub use history::BlameLine;
pub use history::archive::{Archive, ArchiveInfo};
pub use live::prepared::Prepared;
pub use live::snapshot::Snapshot;
pub use live::table::Table;
pub use live::text_line::TextLine;
pub use live::transaction::{Cell, MAX_OPEN, Savepoint, SectionHead, Transaction};
pub use live::{PackageMemory, Store};
pub use map_reports::{MapReport, Maps};
pub use model::change::{Delta, DeltaKind};
pub use model::format_kind::FormatKind;
pub use model::package::expected::Expected;
pub use model::package::toward::Extent;
pub use model::package::{Key, List, MAX_TEXT, OptionView, Package, Section, Selector, Value};
pub use model::value_type::ValueType;
pub use os::caller::VERIFYING;
pub use os::dirs::{Dir, DirOptions, Dirs, Origin};
pub use presence::Subscriber;
pub use restore::archive::Archives;
pub use restore::history::History;
pub use restore::revision::{State, name_of_label};
pub use restore::sections::SectionNames;
#[cfg(feature = "schema")]
pub use schema::datatype;
#[cfg(feature = "schema")]
pub use schemas::Schemas;
pub use secret::{Marks, SecretFields, Shown};
pub use settings::durability::Durability;
pub use settings::options::{Guards, Options};
pub use settings::resolved::{Setting, SettingOrigin, Settings, check_environment};
pub use verify::{Preview, Verdict, Verifier};
pub use watch::{Changed, Event, EventKind, MAX_WATCHES, Pattern, Subscription, Watch};
