//! Commits: they turn changes into a durable transaction, put its texts in place, and publish them.
//!
//! `pipeline` describes the steps of a commit, `retry` the order of the locks, and `recovery` the work after a crash.

pub(crate) mod ahead;
pub(crate) mod attributes;
pub(crate) mod bases;
pub(crate) mod beside;
pub(crate) mod columns;
pub(crate) mod conflict;
pub(crate) mod core;
pub(crate) mod deferred;
pub(crate) mod deferred_texts;
pub(crate) mod draft;
pub(crate) mod exchange;
pub(crate) mod gate;
pub(crate) mod group;
pub(crate) mod group_package;
pub(crate) mod intent;
pub(crate) mod last_good;
pub(crate) mod loader;
pub(crate) mod log_session;
pub(crate) mod logs;
pub(crate) mod mark;
pub(crate) mod merge;
pub(crate) mod note_edits;
pub(crate) mod open_session;
pub(crate) mod opening;
pub(crate) mod package_edit;
pub(crate) mod packages;
pub(crate) mod parked;
pub(crate) mod parsed_text;
pub(crate) mod part;
pub(crate) mod pending;
pub(crate) mod pipeline;
pub(crate) mod place;
pub(crate) mod proposal;
pub(crate) mod publish;
pub(crate) mod queue;
pub(crate) mod quick;
pub(crate) mod recovery;
pub(crate) mod retry;
pub(crate) mod save_deferred;
// A build without schemas checks nothing.
#[cfg_attr(not(feature = "schema"), path = "no_schemas.rs")]
pub(crate) mod schemas;
#[cfg(feature = "schema")]
mod secret_fields;
pub(crate) mod settings;
pub(crate) mod settle;
pub(crate) mod stage;
pub(crate) mod staged;
pub(crate) mod stock;
pub(crate) mod three_way;
pub(crate) mod tidy_up;
pub(crate) mod transition;
pub(crate) mod unpark;
pub(crate) mod upkeep;
pub(crate) mod warnings;
pub(crate) mod write;
