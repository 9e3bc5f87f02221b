//! Who changed what: transactions, and the lines of a package.

use std::ffi::{CString, c_char};

use cms_core::log::{Content, KeyChange, Kind, Record, What};
use cms_core::{BlameLine, Key};

use crate::handle::{
    check, cms_bytes, handle, handle_mut, optional, reclaim, required, string, text, write_handle,
};
use crate::library::{HISTORY, guard_if};
use crate::open::cms_store;
use crate::sized::{self, Output, sized};
use crate::status::{Failure, cms_status, guard_void};

/// The transactions that changed something, the newest first. One thread uses one at a time.
pub struct cms_history {
    records: std::vec::IntoIter<Record>,
    texts: RecordTexts,
    changes: std::vec::IntoIter<ChangeTexts>,
    change: Option<ChangeTexts>,
}

impl cms_history {
    /// Makes a history of these transactions, in their order.
    pub(crate) fn of(records: Vec<Record>) -> Self {
        Self {
            records: records.into_iter(),
            texts: RecordTexts::default(),
            changes: Vec::new().into_iter(),
            change: None,
        }
    }
}

/// The lines of a package, from the first to the last. One thread uses one at a time.
pub struct cms_blame {
    lines: std::vec::IntoIter<BlameLine>,
    line: Vec<u8>,
    texts: RecordTexts,
}

/// The strings of the current record; the pointers that C gets point here.
#[derive(Default)]
pub(crate) struct RecordTexts {
    source: CString,
    message: CString,
    author: CString,
    request: CString,
}

/// A change as C gets it: old and new beside each other.
pub(crate) struct ChangeTexts {
    key: CString,
    kind: i32,
    list: bool,
    values: [Option<Vec<u8>>; 2],
    positions: [i64; 2],
}

sized! {
    /// The record of a transaction, as the log has it: who made it, when and why. The strings are valid until the next
    /// cms_history_next of the same history, or cms_blame_next of the same blame, or its end; those of an event as long
    /// as that.
    #[repr(C)]
    pub struct cms_record {
        /// sizeof(cms_record), which the caller sets.
        pub size: usize,
        /// Its number: the revision of the store after it.
        pub revision: u64,
        /// When: microseconds since 1970, UTC. It never goes back, even if the clock does.
        pub time_us: u64,
        /// The transaction that this one undoes or confirms, or the revision that it goes back to; else 0.
        pub refers: u64,
        /// Who: the number of the user, and of the process; 0 if it is not known.
        pub uid: u32,
        pub pid: u32,
        /// One of CMS_BY_COMMIT and so on.
        pub kind: i32,
        /// The name that the program gave itself.
        pub source: cms_bytes,
        /// The message of the author: why.
        pub message: cms_bytes,
        /// For a commit that is rolled back unless it is confirmed: within how many milliseconds; else 0.
        pub confirm_within_ms: u64,
        /// The author that the program gave, "alice@192.168.7.20" for example; empty if it is the user.
        pub author: cms_bytes,
        /// The id of the request that it was made for: 32 hexadecimal digits; empty if there is none.
        pub request: cms_bytes,
        /// For CMS_BY_REMOTE, when it was decided elsewhere: microseconds since 1970, UTC; 0 if that is not known.
        pub decided_us: u64,
    }
}

/// Made by a commit.
pub const CMS_BY_COMMIT: i32 = 1;
/// Made with an editor, or a program that does not use this library.
pub const CMS_BY_EDIT: i32 = 2;
/// Noted when the log first saw a package. It changes nothing.
pub const CMS_BY_BASELINE: i32 = 3;
/// Made by undoing another transaction.
pub const CMS_BY_UNDO: i32 = 4;
/// Made by going back to an earlier state.
pub const CMS_BY_ROLLBACK: i32 = 5;
/// Confirms a commit. It changes nothing.
pub const CMS_BY_CONFIRM: i32 = 6;
/// Decided elsewhere, by a backend that several stores share for example, and adopted here.
pub const CMS_BY_REMOTE: i32 = 9;
/// Notes that a transaction of another layer has changed effective values of this store.
pub const CMS_BY_LAYER: i32 = 10;
/// A text was saved that cannot be parsed: no key has changed, and programs go on reading its content from before. The
/// message says what is wrong, and where.
pub const CMS_BY_BROKEN_TEXT: i32 = 7;
/// A text that could not be parsed was mended. The changes are those since its last text without errors.
pub const CMS_BY_MENDED_TEXT: i32 = 8;

sized! {
    /// A change of one key. The strings are valid until the next cms_history_next_change of the same history, or
    /// cms_event_next_change of the same event, or its end.
    #[repr(C)]
    pub struct cms_change {
        /// sizeof(cms_change), which the caller sets.
        pub size: usize,
        /// PACKAGE.SECTION or PACKAGE.SECTION.OPTION.
        pub key: cms_bytes,
        /// One of CMS_CHANGE_ADDED and so on.
        pub kind: i32,
        /// 1 if a value is a list, else 0.
        pub list: i32,
        /// The old value: the items, for cms_bytes_next (a string is one item); for a section its type. `data` is NULL
        /// if there was none, or the section was moved.
        pub old_items: cms_bytes,
        /// The new value, in the same way.
        pub new_items: cms_bytes,
        /// For a section that was moved: its old and its new position, counted from 0; else -1.
        pub old_position: i64,
        pub new_position: i64,
    }
}

/// The option or section was added.
pub const CMS_CHANGE_ADDED: i32 = 1;
/// The option or section was deleted.
pub const CMS_CHANGE_DELETED: i32 = 2;
/// The value of the option, or the type of the section, was changed.
pub const CMS_CHANGE_SET: i32 = 3;
/// The section was moved.
pub const CMS_CHANGE_MOVED: i32 = 4;

/// Looks for the transactions that changed a package, a section or an option, at most `most` of them, or all if
/// that is 0; with NULL for `key`, for all transactions. Changes made with an editor are noted first.
///
/// The history of a key that nothing has changed is empty.
///
/// CMS_ERR_NOT_FOUND: there is no log, because no state directory can be written; or a selector (@TYPE[...]) finds no
/// section.
/// CMS_ERR_DAMAGED: the log is damaged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_history_open(
    store: *const cms_store,
    key: *const c_char,
    most: usize,
    history: *mut *mut cms_history,
) -> cms_status {
    guard_if::<HISTORY>(|| {
        let place = required(history, "history")?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?.0.engine();
        // SAFETY: C2.
        let key = unsafe { optional(key) };
        let key = key.map(|key| check(key, "key").and_then(|()| Ok(Key::parse(key)?))).transpose()?;
        // A user who may not write the log may still read it.
        let _ = store.history().note_edits();
        let most = if most == 0 { usize::MAX } else { most };
        let history = cms_history::of(store.history().changes(key.as_ref(), most)?);
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, history) };
        Ok(())
    })
}

/// Finds the next transaction.
///
/// CMS_ERR_END: there are no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_history_next(history: *mut cms_history, record: *mut cms_record) -> cms_status {
    guard_if::<HISTORY>(|| {
        // SAFETY: C7.
        let place = unsafe { sized::output(record, "record") }?;
        // SAFETY: C1, C4.
        let history = unsafe { handle_mut(history, "history") }?;
        let record = history.records.next().ok_or(Failure::End)?;
        history.texts = RecordTexts::of(&record);
        history.changes = record.packages.iter().flat_map(changes).collect::<Vec<_>>().into_iter();
        // SAFETY: C7.
        unsafe { place.write(history.texts.record(&record)) };
        Ok(())
    })
}

/// Finds the next change of the transaction that cms_history_next found last.
///
/// CMS_ERR_END: there are no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_history_next_change(
    history: *mut cms_history,
    change: *mut cms_change,
) -> cms_status {
    guard_if::<HISTORY>(|| {
        // SAFETY: C7.
        let place = unsafe { sized::output(change, "change") }?;
        // SAFETY: C1, C4.
        let history = unsafe { handle_mut(history, "history") }?;
        let texts = history.change.insert(history.changes.next().ok_or(Failure::End)?);
        // SAFETY: C7.
        unsafe { write_change(place, texts) };
        Ok(())
    })
}

/// Closes a history. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_history_close(history: *mut cms_history) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(history) }));
}

/// Opens the blame of a package, which names for each line the last transaction that wrote it. Changes made with an
/// editor are noted first.
///
/// CMS_ERR_NOT_FOUND: there is no such package; or there is no log, because no state directory can be written.
/// CMS_ERR_DAMAGED: the log is damaged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_blame_open(
    store: *const cms_store,
    package: *const c_char,
    blame: *mut *mut cms_blame,
) -> cms_status {
    guard_if::<HISTORY>(|| {
        let place = required(blame, "blame")?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?.0.engine();
        // SAFETY: C2.
        let package = unsafe { string(package, "package") }?;
        // A user who may not write the log may still read it.
        let _ = store.history().note_edits();
        let lines = store.history().blame(package)?.into_iter();
        let blame = cms_blame { lines, line: Vec::new(), texts: RecordTexts::default() };
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, blame) };
        Ok(())
    })
}

/// Finds the next line, without its newline, and the record of the transaction it comes from, whose `revision` and
/// `kind` are 0 if the line is older than the log. `record` may be NULL. The line is valid until the next call with the
/// same blame, or its end; it is as in the file, which need not be UTF-8.
///
/// CMS_ERR_END: there are no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_blame_next(
    blame: *mut cms_blame,
    line: *mut cms_bytes,
    record: *mut cms_record,
) -> cms_status {
    guard_if::<HISTORY>(|| {
        let place = required(line, "line")?;
        // SAFETY: C7.
        let record = (!record.is_null()).then(|| unsafe { sized::output(record, "record") });
        let record = record.transpose()?;
        // SAFETY: C1, C4.
        let blame = unsafe { handle_mut(blame, "blame") }?;
        let found = blame.lines.next().ok_or(Failure::End)?;
        blame.line = found.text;
        let len = blame.line.len();
        blame.line.push(0);
        blame.texts = found.by.as_deref().map(RecordTexts::of).unwrap_or_default();
        let by = found.by.map_or(UNKNOWN, |by| blame.texts.record(&by));
        // SAFETY: not NULL, C5.
        unsafe { place.write(cms_bytes::of(&blame.line[..len])) };
        if let Some(record) = record {
            // SAFETY: C7.
            unsafe { record.write(by) };
        }
        Ok(())
    })
}

/// Closes a blame. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_blame_close(blame: *mut cms_blame) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(blame) }));
}

/// The record of an unknown transaction.
const UNKNOWN: cms_record = cms_record {
    size: 0,
    revision: 0,
    time_us: 0,
    refers: 0,
    uid: 0,
    pid: 0,
    kind: 0,
    source: cms_bytes::EMPTY,
    message: cms_bytes::EMPTY,
    confirm_within_ms: 0,
    author: cms_bytes::EMPTY,
    request: cms_bytes::EMPTY,
    decided_us: 0,
};

fn number_of(kind: Kind) -> i32 {
    match kind {
        Kind::FileEdit => CMS_BY_EDIT,
        Kind::Baseline | Kind::Heads => CMS_BY_BASELINE,
        Kind::Undo => CMS_BY_UNDO,
        Kind::Rollback => CMS_BY_ROLLBACK,
        Kind::Confirm => CMS_BY_CONFIRM,
        Kind::Remote => CMS_BY_REMOTE,
        Kind::Layer => CMS_BY_LAYER,
        // A commit, or a kind without a number; the test below shows that there is none.
        _ => CMS_BY_COMMIT,
    }
}

impl RecordTexts {
    pub(crate) fn of(record: &Record) -> Self {
        let request = record.request.map(|request| request.to_string());
        Self {
            source: text(record.source.as_bytes()),
            message: text(record.message.as_bytes()),
            author: text(record.author.as_bytes()),
            request: text(request.unwrap_or_default().as_bytes()),
        }
    }

    /// Returns the record as C gets it.
    pub(crate) fn record(&self, record: &Record) -> cms_record {
        let kind = match record.kind {
            Kind::FileEdit if record.problem().is_some() => CMS_BY_BROKEN_TEXT,
            Kind::FileEdit if record.mends() => CMS_BY_MENDED_TEXT,
            kind => number_of(kind),
        };
        cms_record {
            size: 0,
            revision: record.sequence,
            time_us: record.time,
            refers: record.refers,
            uid: record.uid,
            pid: record.pid,
            kind,
            source: cms_bytes::of(self.source.as_bytes()),
            message: cms_bytes::of(self.message.as_bytes()),
            confirm_within_ms: record.guard.map_or(0, |guard| guard.milliseconds),
            author: cms_bytes::of(self.author.as_bytes()),
            request: cms_bytes::of(self.request.as_bytes()),
            decided_us: record.decided.unwrap_or_default(),
        }
    }
}

/// Splits the changes of a package into the single changes that C gets.
fn changes(package: &cms_core::log::PackageChange) -> impl Iterator<Item = ChangeTexts> {
    package.changes.iter().map(|change| change_texts(&package.package, change))
}

/// Converts a change into what C gets.
pub(crate) fn change_texts(package: &str, change: &KeyChange) -> ChangeTexts {
    let (old, new) = change.values();
    let list = [old, new].into_iter().flatten().any(|value| matches!(value, Content::List(_)));
    let (kind, positions) = match change.what {
        What::Added(_) => (CMS_CHANGE_ADDED, [-1, -1]),
        What::Deleted(_) => (CMS_CHANGE_DELETED, [-1, -1]),
        What::Changed { .. } => (CMS_CHANGE_SET, [-1, -1]),
        What::Moved { old, new } => {
            (CMS_CHANGE_MOVED, [old, new].map(|place| i64::try_from(place).unwrap_or(i64::MAX)))
        }
    };
    let values = [old, new].map(|value| value.map(items));
    ChangeTexts { key: text(&change.key(package)), kind, list, values, positions }
}

/// Writes a change for C; its pointers point into `texts`.
///
/// # Safety
///
/// C7, as for [`sized::output`].
pub(crate) unsafe fn write_change(place: Output<cms_change>, texts: &ChangeTexts) {
    let of = |value: &Option<Vec<u8>>| value.as_deref().map_or(cms_bytes::NONE, cms_bytes::of);
    let [old_items, new_items] = texts.values.each_ref().map(of);
    let found = cms_change {
        size: 0,
        key: cms_bytes::of(texts.key.as_bytes()),
        kind: texts.kind,
        list: i32::from(texts.list),
        old_items,
        new_items,
        old_position: texts.positions[0],
        new_position: texts.positions[1],
    };
    // SAFETY: the caller's promise.
    unsafe { place.write(found) };
}

/// Joins items, each followed by a NUL byte.
fn items(content: &Content) -> Vec<u8> {
    content.items().iter().flat_map(|item| item.iter().copied().chain([0])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_transaction_has_a_number() {
        for kind in Kind::ALL {
            assert_eq!(number_of(kind) == CMS_BY_COMMIT, kind == Kind::Commit, "{kind:?}");
        }
    }
}
