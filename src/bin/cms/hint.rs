//! Suggestions for errors, with the words of the command line. The library's own hints name no commands, since programs
//! in other languages show them too.

use cms::{Damage, Error, Missing};

/// Returns a suggestion, where there is one.
pub fn of(error: &Error) -> Option<&'static str> {
    match error {
        Error::NotFound { key } if !key.contains(['.', '/']) => {
            Some("'cms list' lists the packages, 'cms set PACKAGE.SECTION=TYPE' makes one")
        }
        Error::Conflict { why, .. } if why.contains(" is staged by ") => Some(
            "'cms revert KEY' drops what is staged, 'cms commit --force' puts it in place of what is committed",
        ),
        Error::Conflict { why, .. }
            if why.contains(" cannot be undone: ") || why.contains(" cannot be made again: ") =>
        {
            Some(
                "undo the later change first, or set the key with 'cms set'; 'cms history KEY' shows its changes",
            )
        }
        Error::Schema { .. } => {
            Some("nothing was changed; correct the values, or commit all the same with 'cms commit --force'")
        }
        Error::Damaged { what: Damage::Map, .. } => Some("'cms rebuild' rebuilds it from the text"),
        Error::Damaged { what: Damage::Log, .. } => {
            Some("'cms audit verify' shows how much is damaged, 'cms repair' sets that aside")
        }
        Error::Missing(missing) => of_missing(missing).or_else(|| error.hint()),
        _ => error.hint(),
    }
}

fn of_missing(missing: &Missing) -> Option<&'static str> {
    match missing {
        Missing::ConfigDir(_) => Some("create it, or name another with CMS_CONFIG_DIR or 'cms -c DIR'"),
        Missing::Log => Some("name one with CMS_STATE_DIR or 'cms --state-dir DIR'"),
        Missing::RunDir => Some("name one with CMS_RUN_DIR or 'cms --run-dir DIR'"),
        Missing::Revision { .. } => Some(
            "a revision is a number, -N, @{10 min ago}, @{2026-11-21 08:02} or the label of a snapshot; \
             see 'cms history' and 'cms snapshots'",
        ),
        Missing::Unlogged { .. } => Some("'cms list' lists the packages"),
        Missing::Before { .. } => Some("'cms history PACKAGE' shows when it was created"),
        Missing::TooOld { .. } => Some("'cms history' lists what is kept, CMS_LOG_SIZE sets how much is"),
        Missing::Transaction(_) => Some("'cms history' lists the transactions that are kept"),
        Missing::Snapshot(_) => Some("'cms snapshots' lists them"),
        Missing::Pending { asked: Some(_), waiting: Some(_) } => Some("'cms pending' shows what waits"),
        _ => None,
    }
}
