//! Commits: from changes to a durable transaction whose texts are in place and published.

pub(crate) mod attributes;
pub(crate) mod bases;
pub(crate) mod beside;
pub(crate) mod conflict;
pub(crate) mod deferred;
pub(crate) mod draft;
pub(crate) mod engine;
pub(crate) mod group;
pub(crate) mod last_good;
pub(crate) mod listing;
pub(crate) mod log_home;
pub(crate) mod log_session;
pub(crate) mod marks;
pub(crate) mod merge;
pub(crate) mod new_package;
pub(crate) mod parked;
pub(crate) mod plan;
pub(crate) mod publish;
pub(crate) mod retry;
pub(crate) mod settings;
pub(crate) mod staged;
pub(crate) mod stock;
pub(crate) mod warnings;
pub(crate) mod write;
