//! A configuration store: plain text that people edit, transactions, and fast reads for programs.
//!
//! ```
//! use cms::{Delta, DeltaKind, DirOptions, Dirs, Form, Options, Store, Value};
//! # let dir = tempfile::tempdir()?;
//! # let config = dir.path().join("config");
//! # std::fs::create_dir(&config)?;
//! # std::fs::write(config.join("network"), "config interface 'lan'\n\toption ipaddr '10.0.0.1' # office\n")?;
//! # let dirs = Dirs::choose(DirOptions { config: Some(config.clone()), save: Some(dir.path().join("save")),
//! #     run: Some(dir.path().join("run")), state: Some(dir.path().join("state")) });
//! let store = Store::new(Options { dirs, ..Options::default() });
//! let place = store.place(b"network")?;
//! store.stage(&place, &[Delta::new(DeltaKind::Set, b"lan", Some(b"ipaddr"), Some(b"10.0.0.2"))])?;
//! assert_eq!(store.load(b"network")?.package.get(b"lan", b"ipaddr"), Some(Value::String(b"10.0.0.2")));
//! store.commit(&place, Form::Lossless)?;
//! let text = std::fs::read(config.join("network"))?;
//! assert_eq!(text, b"config interface 'lan'\n\toption ipaddr '10.0.0.2' # office\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The library prints nothing, starts no thread unless asked for one ([`Live::subscribe`], [`Live::verify`],
//! [`Durability::Log`]) and no process but the guard of a commit that is to be confirmed ([`Transaction::set_confirm`]),
//! and keeps no global state.

// As in the crate `cms-ffi`: what is to be fast where everything else is built for size.
#![cfg_attr(cms_speed, feature(optimize_attribute))]

mod access;
mod archive;
mod attributes;
mod audit;
mod automatic;
mod behind;
mod beside;
mod by_key;
pub mod clock;
mod commit;
mod confirm;
mod conflict;
mod deferred;
pub mod delta;
mod dirs;
mod durability;
pub mod environment;
mod error;
mod file_name;
pub mod files;
mod folder;
mod group;
mod guard;
mod history;
mod last_good;
mod ledger;
mod listing;
mod live;
mod lock;
pub mod log;
mod logs;
#[expect(unsafe_code, reason = "mapped memory")]
pub mod map;
mod maps;
mod memory;
mod missing;
pub mod name;
pub mod named_file;
mod new_package;
mod notice;
mod package;
mod parked;
mod policy;
mod prepared;
mod reconcile;
mod replace;
mod resolve;
mod roster;
mod save_dir;
mod settings;
mod sharing;
pub mod shown;
mod snapshot;
mod staged;
mod staged_base;
mod staging;
mod step;
mod stock;
mod store;
pub mod text;
mod transaction;
mod trust;
pub mod typed;
mod unconfirmed;
mod undo;
mod verify;
mod watch;

pub use archive::{Archive, ArchiveInfo};
pub use audit::{Repair, Repaired, Verified};
pub use commit::Form;
pub use confirm::Pending;
pub use delta::{Delta, DeltaKind};
pub use dirs::{Dir, DirOptions, Dirs, Origin};
pub use durability::Durability;
pub use error::{Code, Damage, Error, Result};
#[doc(hidden)]
pub use guard::{GUARD, STANDS};
pub use guard::{Guards, StandingGuard};
pub use history::BlameLine;
pub use live::{Live, PackageMemory};
pub use maps::MapReport;
pub use missing::Missing;
pub use notice::Warn;
pub use package::{Key, List, MAX_TEXT, OptionView, Package, Section, Selector, Value};
pub use prepared::Prepared;
pub use resolve::{State, name_of_label};
pub use roster::Subscriber;
pub use settings::{Setting, SettingOrigin, Settings, check_environment};
pub use snapshot::Snapshot;
pub use staged::{CommitOptions, Committed, Unstaged};
pub use store::{Change, Loaded, Options, Place, Store};
pub use transaction::{MAX_OPEN, Savepoint, Transaction};
pub use unconfirmed::{GoingBack, Notice, Waiting};
pub use verify::{Preview, VERIFYING, Verdict, Verifier};
pub use watch::{Changed, Event, EventKind, MAX_WATCHES, Pattern, Subscription, Watch};
