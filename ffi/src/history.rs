//! What the log is for: earlier states, who changed what, and going back.

use std::ffi::{CStr, CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cms_core::log::{Content, KeyChange, Record, What};
use cms_core::{Archive, Error, Key, Missing};

use crate::handle::{
    bytes, check, check_buffer, cms_bytes, give, give_handle, handle, handle_mut, optional, put_value,
    take_back, wanted,
};
use crate::open::cms_store;
use crate::status::{Failure, cms_status, guard, guard_void};

/// The transactions that changed something, the newest first. One thread uses one at a time.
pub struct cms_history {
    records: std::vec::IntoIter<Record>,
    /// The texts of the transaction of the moment; what C has borrows from here.
    source: CString,
    message: CString,
    changes: std::vec::IntoIter<Shown>,
    change: Option<Shown>,
}

/// A change as C gets to see it: old and new beside each other.
pub(crate) struct Shown {
    key: CString,
    kind: i32,
    list: bool,
    values: [Option<Vec<u8>>; 2],
    positions: [i64; 2],
}

/// A transaction. The strings are valid until the next cms_history_next of the same history, or its end; those of
/// an event as long as that.
#[repr(C)]
pub struct cms_transaction {
    /// Its number: the revision of the store after it.
    pub revision: u64,
    /// When: microseconds since 1970, UTC. It never goes back, whatever the clock does.
    pub time: u64,
    /// The transaction that was taken back or confirmed, or the revision that was gone back to; else 0.
    pub refers: u64,
    /// Who: the number of the user, and of the process; 0 if it is not known.
    pub uid: u32,
    pub pid: u32,
    /// One of CMS_BY_COMMIT and so on.
    pub kind: i32,
    /// Through what: the name a program gave itself.
    pub source: cms_bytes,
    /// What the author had to say.
    pub message: cms_bytes,
}

/// Made by a commit.
pub const CMS_BY_COMMIT: i32 = 1;
/// Made with an editor, or a program that does not use this library.
pub const CMS_BY_EDIT: i32 = 2;
/// Noted when a package was seen first. It changes nothing.
pub const CMS_BY_BASELINE: i32 = 3;
/// Made by taking another transaction back.
pub const CMS_BY_UNDO: i32 = 4;
/// Made by going back to an earlier state.
pub const CMS_BY_ROLLBACK: i32 = 5;
/// Confirms a commit. It changes nothing.
pub const CMS_BY_CONFIRM: i32 = 6;

/// A change of one key. The strings are valid until the next cms_history_change of the same history, or
/// cms_event_change of the same event, or its end.
#[repr(C)]
pub struct cms_change {
    /// PACKAGE.SECTION or PACKAGE.SECTION.OPTION.
    pub key: cms_bytes,
    /// One of CMS_CHANGE_ADDED and so on.
    pub kind: i32,
    /// 1 if a value is a list, else 0.
    pub list: i32,
    /// What it was: the items, for cms_bytes_next, of which a string is one; a section's type. Without data if it
    /// was not there, or the section was moved.
    pub old_items: cms_bytes,
    /// What it is, in the same way.
    pub new_items: cms_bytes,
    /// For a section that was moved: where it stood, and where it stands, counted from 0; else -1.
    pub old_position: i64,
    pub new_position: i64,
}

/// The option or section came to be.
pub const CMS_CHANGE_ADDED: i32 = 1;
/// The option or section went.
pub const CMS_CHANGE_DELETED: i32 = 2;
/// The value of the option, or the type of the section, is another.
pub const CMS_CHANGE_SET: i32 = 3;
/// The section stands elsewhere.
pub const CMS_CHANGE_MOVED: i32 = 4;

/// Looks for the transactions that changed a package, a section or an option, at most `most` of them, or all if
/// that is 0; with NULL for `key`, for all transactions. Changes made with an editor are noted first.
///
/// CMS_ERR_NOT_FOUND: there is no log, because no directory for it can be written; or no such section.
/// CMS_ERR_DAMAGED: the log is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_history_open(
    store: *const cms_store,
    key: *const c_char,
    most: usize,
    history: *mut *mut cms_history,
) -> cms_status {
    guard(|| {
        let place = wanted(history, "history")?;
        // SAFETY: C keeps the conventions.
        let store = unsafe { handle(store, "store") }?.0.store();
        // SAFETY: the same.
        let key = unsafe { optional(key) };
        let key = key.map(|key| check(key, "key").and_then(|()| Ok(Key::parse(key)?))).transpose()?;
        // Who may not write the log may still read it.
        let _ = store.note_edits();
        let most = if most == 0 { usize::MAX } else { most };
        let records = store.history(key.as_ref(), most)?.into_iter();
        let history = cms_history {
            records,
            source: CString::default(),
            message: CString::default(),
            changes: Vec::new().into_iter(),
            change: None,
        };
        // SAFETY: not NULL.
        unsafe { give_handle(place, history) };
        Ok(())
    })
}

/// Finds the next transaction.
///
/// CMS_ERR_END: there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_history_next(
    history: *mut cms_history,
    transaction: *mut cms_transaction,
) -> cms_status {
    guard(|| {
        let place = wanted(transaction, "transaction")?;
        // SAFETY: C keeps the conventions.
        let history = unsafe { handle_mut(history, "history") }?;
        let record = history.records.next().ok_or(Failure::End)?;
        history.source = text(record.source.as_bytes());
        history.message = text(record.message.as_bytes());
        history.changes = record.packages.iter().flat_map(changes).collect::<Vec<_>>().into_iter();
        let (source, message) =
            (cms_bytes::of(history.source.as_bytes()), cms_bytes::of(history.message.as_bytes()));
        let found = told(&record, source, message);
        // SAFETY: not NULL.
        unsafe { place.write(found) };
        Ok(())
    })
}

/// Finds the next change of the transaction that cms_history_next found last.
///
/// CMS_ERR_END: there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_history_change(
    history: *mut cms_history,
    change: *mut cms_change,
) -> cms_status {
    guard(|| {
        let place = wanted(change, "change")?;
        // SAFETY: C keeps the conventions.
        let history = unsafe { handle_mut(history, "history") }?;
        let shown = history.change.insert(history.changes.next().ok_or(Failure::End)?);
        // SAFETY: not NULL.
        unsafe { give_change(place, shown) };
        Ok(())
    })
}

/// Frees a history. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_history_free(history: *mut cms_history) {
    // SAFETY: C promises that the handle is one, and not used again.
    guard_void(|| drop(unsafe { take_back(history) }));
}

fn text(bytes: &[u8]) -> CString {
    CString::new(bytes).unwrap_or_default()
}

/// Tells a transaction as C gets to see it.
pub(crate) fn told(record: &Record, source: cms_bytes, message: cms_bytes) -> cms_transaction {
    use cms_core::log::Kind;
    let kind = match record.kind {
        Kind::Commit => CMS_BY_COMMIT,
        Kind::FileEdit => CMS_BY_EDIT,
        Kind::Baseline | Kind::Heads => CMS_BY_BASELINE,
        Kind::Undo => CMS_BY_UNDO,
        Kind::Rollback => CMS_BY_ROLLBACK,
        Kind::Confirm => CMS_BY_CONFIRM,
    };
    cms_transaction {
        revision: record.sequence,
        time: record.time,
        refers: record.refers,
        uid: record.uid,
        pid: record.pid,
        kind,
        source,
        message,
    }
}

/// Takes the changes of a package apart into what C gets to see.
fn changes(package: &cms_core::log::PackageChange) -> impl Iterator<Item = Shown> {
    package.changes.iter().map(|change| shown(&package.package, change))
}

/// Takes a change apart into what C gets to see.
pub(crate) fn shown(package: &str, change: &KeyChange) -> Shown {
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
    Shown { key: text(&change.key(package)), kind, list, values, positions }
}

/// Tells a change; what C gets borrows from `shown`.
///
/// # Safety
///
/// `place` may be written to.
pub(crate) unsafe fn give_change(place: *mut cms_change, shown: &Shown) {
    let of = |value: &Option<Vec<u8>>| value.as_deref().map_or(cms_bytes::NONE, cms_bytes::of);
    let [old_items, new_items] = shown.values.each_ref().map(of);
    let found = cms_change {
        key: cms_bytes::of(shown.key.as_bytes()),
        kind: shown.kind,
        list: i32::from(shown.list),
        old_items,
        new_items,
        old_position: shown.positions[0],
        new_position: shown.positions[1],
    };
    // SAFETY: the caller's promise.
    unsafe { place.write(found) };
}

/// Joins items, a NUL byte behind each.
fn items(content: &Content) -> Vec<u8> {
    content.items().iter().flat_map(|item| item.iter().copied().chain([0])).collect()
}

/// Finds a revision: a number, "-3" (three transactions before the last), "now", a time in braces ("@{10 min ago}",
/// "@{2026-11-21 08:02}", in UTC), or the label of a snapshot.
///
/// CMS_ERR_NOT_FOUND: there is none, or it is older than what is kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_find_revision(
    store: *const cms_store,
    name: *const c_char,
    revision: *mut u64,
) -> cms_status {
    guard(|| {
        let place = wanted(revision, "revision")?;
        // SAFETY: C keeps the conventions.
        let store = unsafe { handle(store, "store") }?.0.store();
        // SAFETY: the same.
        let name = unsafe { string(name, "name") }?;
        let found = store.find_revision(name)?;
        // SAFETY: not NULL.
        unsafe { give(place, found) };
        Ok(())
    })
}

/// Reads the value a key had at a revision, as cms_get reads the newest; of a list, the items with blanks between.
///
/// CMS_ERR_NOT_FOUND: there was no such key, or the log does not go back that far.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get_at(
    store: *const cms_store,
    key: *const c_char,
    revision: u64,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    guard(|| {
        check_buffer(buffer, size)?;
        // SAFETY: C keeps the conventions.
        let store = unsafe { handle(store, "store") }?.0.store();
        // SAFETY: the same.
        let text = unsafe { bytes(key, "key") }?;
        check(text, "key")?;
        let key = Key::parse(text)?;
        let missing = || Failure::Missing(text.to_vec());
        let name = std::str::from_utf8(&key.package).map_err(|_| missing())?;
        let package = store.package_at(name, revision)?.ok_or_else(missing)?;
        let selector = key.section.as_ref().ok_or_else(missing)?;
        let section = package.select(selector)?.ok_or_else(missing)?;
        let value = match &key.option {
            None => section.section_type().to_vec(),
            Some(option) => {
                let value = section.get(option).ok_or_else(missing)?;
                value.items().collect::<Vec<_>>().join(&b' ')
            }
        };
        // SAFETY: the same.
        unsafe { put_value(&value, buffer, size, len) };
        Ok(())
    })
}

/// Takes a transaction back, and leaves what was changed since. `message` may be NULL. `revision` gets the number
/// of the transaction that does it, and may be NULL.
///
/// CMS_ERR_CONFLICT: what it changed was changed again since. CMS_ERR_NOT_FOUND: it is not kept any more.
/// Otherwise as cms_txn_commit; nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_undo(
    store: *const cms_store,
    transaction: u64,
    message: *const c_char,
    revision: *mut u64,
) -> cms_status {
    guard(|| {
        // SAFETY: C keeps the conventions.
        let live = &unsafe { handle(store, "store") }?.0;
        // SAFETY: the same.
        let message = unsafe { message_of(message) }?;
        let done = live.store().undo(transaction, message)?;
        let _ = live.refresh();
        // SAFETY: the same.
        unsafe { give(revision, done) };
        Ok(())
    })
}

/// Brings all packages exactly to what they were at a revision. `message` may be NULL. `done` gets the number of
/// the transaction that does it, or 0 if nothing had to change; it may be NULL.
///
/// CMS_ERR_NOT_FOUND: the log does not go back that far. Otherwise as cms_txn_commit; nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_rollback(
    store: *const cms_store,
    revision: u64,
    message: *const c_char,
    done: *mut u64,
) -> cms_status {
    guard(|| {
        // SAFETY: C keeps the conventions.
        let live = &unsafe { handle(store, "store") }?.0;
        // SAFETY: the same.
        let message = unsafe { message_of(message) }?;
        let sequence = live.store().rollback(revision, &[], message)?;
        let _ = live.refresh();
        // SAFETY: the same.
        unsafe { give(done, sequence.unwrap_or(0)) };
        Ok(())
    })
}

/// Keeps the committed state of all packages under a label, until its file is deleted. `revision` gets the number
/// of the last transaction in it, and may be NULL.
///
/// CMS_ERR_EXISTS: there is one of that label. CMS_ERR_INVALID: it cannot be one. CMS_ERR_NOT_FOUND: there is no
/// directory for it. CMS_ERR_IO, CMS_ERR_NO_SPACE: it could not be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_label(
    store: *const cms_store,
    label: *const c_char,
    revision: *mut u64,
) -> cms_status {
    guard(|| {
        // SAFETY: C keeps the conventions.
        let store = unsafe { handle(store, "store") }?.0.store();
        // SAFETY: the same.
        let info = store.label(unsafe { string(label, "label") }?)?;
        // SAFETY: the same.
        unsafe { give(revision, info.revision) };
        Ok(())
    })
}

/// Writes the committed state of all packages into a file, which is replaced if it is there.
///
/// CMS_ERR_IO, CMS_ERR_PERMISSION, CMS_ERR_NO_SPACE: the file is as before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_backup(store: *const cms_store, path: *const c_char) -> cms_status {
    guard(|| {
        // SAFETY: C keeps the conventions.
        let store = unsafe { handle(store, "store") }?.0.store();
        // SAFETY: the same.
        let path = unsafe { bytes(path, "path") }?;
        store.backup(Path::new(OsStr::from_bytes(path)))?;
        Ok(())
    })
}

/// Brings all packages to what a backup file or, for a name without a '/', the snapshot of that label holds, as
/// one transaction. Packages that are not in it become empty. `done` as in cms_rollback.
///
/// CMS_ERR_NOT_FOUND: there is no such file or snapshot. CMS_ERR_DAMAGED: it is not as it was written. Otherwise
/// as cms_txn_commit; nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_restore(
    store: *const cms_store,
    name: *const c_char,
    done: *mut u64,
) -> cms_status {
    guard(|| {
        // SAFETY: C keeps the conventions.
        let live = &unsafe { handle(store, "store") }?.0;
        // SAFETY: the same.
        let name = unsafe { bytes(name, "name") }?;
        let archive = if name.contains(&b'/') {
            Archive::read(Path::new(OsStr::from_bytes(name)))?
        } else {
            live.store().labelled(&String::from_utf8_lossy(name))?
        };
        let sequence = live.store().restore(&archive, None)?;
        let _ = live.refresh();
        // SAFETY: the same.
        unsafe { give(done, sequence.unwrap_or(0)) };
        Ok(())
    })
}

/// Tells of the commit that waits to be confirmed: its number, and how much time is left, in milliseconds. Either
/// may be NULL. One whose time is up is taken back first.
///
/// CMS_ERR_NOT_FOUND: none waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_pending(
    store: *const cms_store,
    transaction: *mut u64,
    milliseconds: *mut u64,
) -> cms_status {
    guard(|| {
        // SAFETY: C keeps the conventions.
        let store = unsafe { handle(store, "store") }?.0.store();
        let none = Missing::Pending { asked: None, waiting: None };
        let pending = store.pending()?.ok_or(Error::from(none))?;
        // SAFETY: the same.
        unsafe { give(transaction, pending.sequence) };
        let left = u64::try_from(pending.left.as_millis()).unwrap_or(u64::MAX);
        // SAFETY: the same.
        unsafe { give(milliseconds, left) };
        Ok(())
    })
}

/// Confirms the commit that waits for it. `transaction` is its number, or 0 for whichever it is.
///
/// CMS_ERR_NOT_FOUND: none waits, or another one. Otherwise as cms_txn_commit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_confirm(store: *const cms_store, transaction: u64) -> cms_status {
    guard(|| {
        // SAFETY: C keeps the conventions.
        let store = unsafe { handle(store, "store") }?.0.store();
        store.confirm(Some(transaction).filter(|transaction| *transaction != 0), None)?;
        Ok(())
    })
}

/// Reads text.
///
/// # Safety
///
/// It is NULL or ends with a NUL byte.
unsafe fn string<'s>(text: *const c_char, what: &'static str) -> Result<&'s str, Failure> {
    // SAFETY: the caller's promise.
    let text = unsafe { bytes(text, what) }?;
    std::str::from_utf8(text).map_err(|_| Failure::Invalid(what, "not UTF-8"))
}

/// Reads a message, which may be missing.
///
/// # Safety
///
/// As for [`string`].
pub(crate) unsafe fn message_of<'s>(message: *const c_char) -> Result<Option<&'s str>, Failure> {
    if message.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(message) };
    text.to_str().map(Some).map_err(|_| Failure::Invalid("message", "not UTF-8"))
}
