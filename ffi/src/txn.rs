//! Transactions.

use std::ffi::c_char;
use std::time::Duration;

use cms_core::log::Content;
use cms_core::{Savepoint, Transaction};

use crate::change::{VALUE, add_section, changed, package_name, set_list};
use crate::handle::{
    bytes, check, check_buffer, handle, handle_mut, message_of, put_value, reclaim, required, write_handle,
    write_result,
};
use crate::open::cms_store;
use crate::status::{Failure, cms_status, guard, guard_void};
use crate::typed::{OfTxn, Source};

/// Changes to any number of packages that are committed together. One thread uses one at a time. Nobody sees them
/// before cms_txn_commit. It may outlive its store. In all its functions, CMS_ERR_NOT_FOUND means that there is no such
/// package, section or option; CMS_ERR_INVALID that a key, name, type or value is not allowed; CMS_ERR_PARSE and
/// CMS_ERR_IO that a package cannot be read. The transaction then goes on without the change. A call that changes
/// nothing returns CMS_OK.
pub struct cms_txn(pub(crate) Transaction, Vec<Savepoint>);

/// Begins a transaction. It ends with cms_txn_commit or cms_txn_rollback.
///
/// CMS_ERR_FULL: the store has 1000 open transactions already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_begin(store: *const cms_store, txn: *mut *mut cms_txn) -> cms_status {
    guard(|| {
        let place = required(txn, "txn")?;
        // SAFETY: C1.
        let transaction = unsafe { handle(store, "store") }?.0.begin()?;
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_txn(transaction, Vec::new())) };
        Ok(())
    })
}

impl cms_txn {
    pub(crate) fn transaction(&mut self) -> &mut Transaction {
        &mut self.0
    }

    /// Reads a value as the transaction sees it.
    pub(crate) fn get(&mut self, key: &[u8]) -> Result<Content, Failure> {
        self.0.get(key)?.ok_or_else(|| Failure::Missing(key.to_vec()))
    }
}

/// Calls `change` with the transaction and two strings, of which the second is called `what`.
///
/// # Safety
///
/// C1, C2, C4.
unsafe fn change(
    txn: *mut cms_txn,
    key: *const c_char,
    text: (*const c_char, &'static str),
    change: impl FnOnce(&mut Transaction, &[u8], &[u8]) -> cms_core::Result<()>,
) -> cms_status {
    guard(|| {
        // SAFETY: the caller's promise.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        unsafe { changed(&mut txn.0, key, text, change) }
    })
}

/// Sets an option to a string; it may have been a list or missing. For the key of a section, `value` is its type, and a
/// missing section is made, with a missing package. An empty value deletes the option or the section, as in all of UCI.
/// The value of an option may have any bytes but control characters, of which tab, line feed and carriage return are
/// allowed; a value that an option has already can always be set again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_set(
    txn: *mut cms_txn,
    key: *const c_char,
    value: *const c_char,
) -> cms_status {
    // Guarded by `guard` in `change`. SAFETY: C1, C2, C4.
    unsafe { change(txn, key, (value, VALUE), Transaction::set) }
}

/// Adds an anonymous section at the end of a package; a missing package is made. Its generated name is written to
/// `buffer`, as in cms_get; 32 bytes are enough.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_add_section(
    txn: *mut cms_txn,
    package: *const c_char,
    r#type: *const c_char,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        check_buffer(buffer, size)?;
        // SAFETY: C2.
        let name = unsafe { add_section(&mut txn.0, (package, r#type)) }?;
        // SAFETY: C3, C5.
        unsafe { put_value(name.as_bytes(), buffer, size, len) };
        Ok(())
    })
}

/// Makes a package without sections.
///
/// CMS_ERR_EXISTS: there is such a package.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_add_package(txn: *mut cms_txn, package: *const c_char) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        Ok(txn.0.add_package(unsafe { package_name(package) }?)?)
    })
}

/// Deletes a package with all its sections, even if its text has errors: the commit removes the file. A symbolic link
/// is removed, and its target stays. If another transaction has changed the package, that is a conflict. Later changes
/// of the same transaction may make the package anew.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_delete_package(txn: *mut cms_txn, package: *const c_char) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        Ok(txn.0.delete_package(unsafe { package_name(package) }?)?)
    })
}

/// Sets an option to a list of `count` items; the option keeps its position in the section. With `count` 0 it is
/// deleted; an item may be empty. Setting the items that cms_txn_list_open or cms_snapshot_get_list has read changes
/// nothing. If another transaction has changed the option, that is a conflict, as after cms_txn_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_set_list(
    txn: *mut cms_txn,
    key: *const c_char,
    items: *const *const c_char,
    count: usize,
) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2, C3.
        unsafe { set_list(&mut txn.0, key, items, count) }
    })
}

/// Appends an item to a list; a missing list is made, and a string becomes the first item. cms_txn_commit checks that
/// all items together have less than 4 MiB.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_add_list(
    txn: *mut cms_txn,
    key: *const c_char,
    value: *const c_char,
) -> cms_status {
    // Guarded by `guard` in `change`. SAFETY: C1, C2, C4.
    unsafe { change(txn, key, (value, VALUE), Transaction::add_list) }
}

/// Removes all items of a list that equal `value`; of a string, nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_del_list(
    txn: *mut cms_txn,
    key: *const c_char,
    value: *const c_char,
) -> cms_status {
    // Guarded by `guard` in `change`. SAFETY: C1, C2, C4.
    unsafe { change(txn, key, (value, VALUE), Transaction::del_list) }
}

/// Deletes an option, or a section with all its options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_delete(txn: *mut cms_txn, key: *const c_char) -> cms_status {
    // Guarded by `guard` in `change`. SAFETY: C1, C2, C4.
    unsafe { change(txn, key, (c"".as_ptr(), ""), |txn, key, _| txn.delete(key)) }
}

/// Renames an option or a section; `name` is the new name alone, not a key.
///
/// CMS_ERR_EXISTS: the name is in use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_rename(
    txn: *mut cms_txn,
    key: *const c_char,
    name: *const c_char,
) -> cms_status {
    // Guarded by `guard` in `change`. SAFETY: C1, C2, C4.
    unsafe { change(txn, key, (name, "name"), Transaction::rename) }
}

/// Moves a section to a position among those of its package, counted from 0; beyond the end means last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_reorder(
    txn: *mut cms_txn,
    key: *const c_char,
    position: usize,
) -> cms_status {
    // Guarded by `guard` in `change`. SAFETY: C1, C2, C4.
    unsafe { change(txn, key, (c"".as_ptr(), ""), |txn, key, _| txn.reorder(key, position)) }
}

/// Reads the value of a key as the transaction sees it, its own changes included, as cms_get does. If another
/// transaction changes the value before the commit, the commit fails with CMS_ERR_CONFLICT.
///
/// CMS_ERR_NOT_FOUND: there is no such key. CMS_ERR_TYPE: the value is a list; see cms_txn_list_open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_get(
    txn: *mut cms_txn,
    key: *const c_char,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    guard(|| {
        check_buffer(buffer, size)?;
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        let key = unsafe { bytes(key, "key") }?;
        check(key, "key")?;
        // SAFETY: C3, C5.
        let mut put = |text: &[u8]| unsafe { put_value(text, buffer, size, len) };
        OfTxn::of(txn, key).read(&mut put)
    })
}

/// Gets facts about a transaction; each output may be NULL. `id` is a number that no other transaction of the process
/// has; it is not the revision that the commit gets. `started_us` is when it was begun, in microseconds since 1970,
/// UTC. `changes` is the number of changes so far. Every live handle is an active transaction: cms_txn_commit and
/// cms_txn_rollback end it and release the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_info(
    txn: *const cms_txn,
    id: *mut u64,
    started_us: *mut u64,
    changes: *mut usize,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let txn = &unsafe { handle(txn, "txn") }?.0;
        // SAFETY: C5.
        unsafe { write_result(id, txn.id()) };
        // SAFETY: C5.
        unsafe { write_result(started_us, cms_core::clock::micros(txn.started())) };
        // SAFETY: C5.
        unsafe { write_result(changes, txn.count()) };
        Ok(())
    })
}

/// Sets the message of the transaction, for the history.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_set_message(txn: *mut cms_txn, message: *const c_char) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        let message = unsafe { message_of(message) }?;
        txn.0.set_message(message.unwrap_or_default());
        Ok(())
    })
}

/// Makes the commit one that is rolled back unless it is confirmed, with cms_confirm or "cms confirm", within
/// `within_ms`. The rollback sets the keys that it has changed back to what they were, even if others have changed them
/// since; other changes stay. If a commit waits to be confirmed already, this one joins it: they go or stay together,
/// and the time given last counts for all.
///
/// cms_txn_commit starts a guard that rolls it back in time, even if the program has ended: a process of its own, if
/// there is a `cms` in PATH or in one of the usual directories for programs; otherwise a thread, which ends with the
/// program. If neither can be started, cms_txn_commit returns CMS_ERR_IO and nothing is committed. The next program
/// that opens the store after the time is up rolls the commit back as well.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_set_confirm(txn: *mut cms_txn, within_ms: u64) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        unsafe { handle_mut(txn, "txn") }?.0.set_confirm(Duration::from_millis(within_ms));
        Ok(())
    })
}

/// With `force` other than 0, commits the changes even if others have changed the same keys meanwhile, or if they break a
/// schema (CMS_ERR_SCHEMA); the log has a note of that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_set_force(txn: *mut cms_txn, force: i32) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        unsafe { handle_mut(txn, "txn") }?.0.set_force(force != 0);
        Ok(())
    })
}

/// Makes a savepoint of the changes so far; `savepoint` gets its number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_savepoint(txn: *mut cms_txn, savepoint: *mut u32) -> cms_status {
    guard(|| {
        let place = required(savepoint, "savepoint")?;
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        let number =
            u32::try_from(txn.1.len()).map_err(|_| Failure::Invalid("savepoint", "there are too many"))?;
        txn.1.push(txn.0.savepoint());
        // SAFETY: C5.
        unsafe { write_result(place, number) };
        Ok(())
    })
}

/// Drops all changes since a savepoint, and the savepoints made since.
///
/// CMS_ERR_INVALID: there is no such savepoint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_rollback_to(txn: *mut cms_txn, savepoint: u32) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        let index = usize::try_from(savepoint).unwrap_or(usize::MAX);
        let point = txn.1.get(index).ok_or(Failure::Invalid("savepoint", "no savepoint has this number"))?;
        txn.0.rollback_to(point)?;
        txn.1.truncate(index + 1);
        Ok(())
    })
}

/// Commits all changes, durably, and releases the transaction, even on failure. `revision` gets the number of the
/// commit; it may be NULL. On anything but CMS_OK and CMS_ERR_NOT_DURABLE nothing was changed; then begin another
/// transaction to try again.
///
/// CMS_ERR_CONFLICT: another transaction has changed a key that this one has read or written; the message has the old
/// and the present value and the author of the present one. CMS_ERR_LOCKED: another writer did not finish in time.
/// CMS_ERR_NOT_FOUND, CMS_ERR_EXISTS: a change is not possible after commits of others. CMS_ERR_PERMISSION,
/// CMS_ERR_NO_SPACE, CMS_ERR_IO: a file cannot be written. CMS_ERR_FULL: see `map_limit`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_commit(txn: *mut cms_txn, revision: *mut u64) -> cms_status {
    guard(|| {
        // SAFETY: C6.
        let txn = unsafe { reclaim(txn) }.ok_or(Failure::Null("txn"))?;
        let committed = txn.0.commit()?;
        // SAFETY: C5.
        unsafe { write_result(revision, committed) };
        Ok(())
    })
}

/// Drops all changes and releases the transaction. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_rollback(txn: *mut cms_txn) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(txn) }));
}
