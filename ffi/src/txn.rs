//! Transactions.

use std::ffi::c_char;

use cms_core::Transaction;

use crate::handle::{
    bytes, check, check_buffer, check_text, give, give_handle, handle, handle_mut, put, take_back, wanted,
};
use crate::open::cms_store;
use crate::status::{Failure, cms_status, guard, guard_void};

/// Changes to any number of packages that are committed together. One thread uses one at a time. Nobody sees
/// them before cms_txn_commit. It may outlive its store. In all its functions, CMS_ERR_NOT_FOUND means that
/// there is no such package, section or option; CMS_ERR_INVALID that a key, name, type or value is not allowed;
/// CMS_ERR_PARSE and CMS_ERR_IO that a package cannot be read. The transaction goes on without the change then.
/// What changes nothing is CMS_OK.
pub struct cms_txn(Transaction);

/// Begins a transaction. It ends with cms_txn_commit or cms_txn_rollback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_begin(store: *const cms_store, txn: *mut *mut cms_txn) -> cms_status {
    guard(|| {
        let place = wanted(txn, "txn")?;
        // SAFETY: C keeps the conventions.
        let transaction = unsafe { handle(store, "store") }?.0.begin()?;
        // SAFETY: not NULL.
        unsafe { give_handle(place, cms_txn(transaction)) };
        Ok(())
    })
}

/// Calls `change` with the transaction and two strings, of which the second is called `what`.
///
/// # Safety
///
/// C keeps the conventions.
unsafe fn change(
    txn: *mut cms_txn,
    key: *const c_char,
    (text, what): (*const c_char, &'static str),
    change: impl FnOnce(&mut Transaction, &[u8], &[u8]) -> cms_core::Result<()>,
) -> cms_status {
    guard(|| {
        // SAFETY: the caller's promise.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: the same.
        let key = unsafe { bytes(key, "key") }?;
        // SAFETY: the same.
        let text = unsafe { bytes(text, what) }?;
        check(key, "key")?;
        check_text(text, what)?;
        Ok(change(&mut txn.0, key, text)?)
    })
}

/// Sets an option to a string, whatever it was. For the key of a section, `value` is its type, and the section
/// is made if it is not there. An empty value deletes the option or the section, as in all of UCI.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_set(
    txn: *mut cms_txn,
    key: *const c_char,
    value: *const c_char,
) -> cms_status {
    // Guarded by `guard` in `change`. SAFETY: C keeps the conventions.
    unsafe { change(txn, key, (value, "value"), Transaction::set) }
}

/// Adds an anonymous section at the end of a package. Its generated name is written to `buffer`, as in cms_get;
/// 32 bytes are enough.
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
        // SAFETY: C keeps the conventions.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: the same.
        let package = unsafe { bytes(package, "package") }?;
        // SAFETY: the same.
        let section_type = unsafe { bytes(r#type, "type") }?;
        check(package, "package")?;
        check(section_type, "type")?;
        check_buffer(buffer, size)?;
        let name = txn.0.add_section(package, section_type)?;
        // SAFETY: the same.
        unsafe { put(name.as_bytes(), buffer, size) };
        // SAFETY: the same.
        unsafe { give(len, name.len()) };
        Ok(())
    })
}

/// Appends an item to a list, which is made if it is not there; a string becomes the first item. That all items
/// together have less than 4 MiB is checked by cms_txn_commit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_add_list(
    txn: *mut cms_txn,
    key: *const c_char,
    value: *const c_char,
) -> cms_status {
    // Guarded by `guard` in `change`. SAFETY: C keeps the conventions.
    unsafe { change(txn, key, (value, "value"), Transaction::add_list) }
}

/// Removes all items of a list that equal `value`; of a string, nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_del_list(
    txn: *mut cms_txn,
    key: *const c_char,
    value: *const c_char,
) -> cms_status {
    // Guarded by `guard` in `change`. SAFETY: C keeps the conventions.
    unsafe { change(txn, key, (value, "value"), Transaction::del_list) }
}

/// Deletes an option, or a section with all its options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_delete(txn: *mut cms_txn, key: *const c_char) -> cms_status {
    // Guarded by `guard` in `change`. SAFETY: C keeps the conventions.
    unsafe { change(txn, key, (c"".as_ptr(), ""), |txn, key, _| txn.delete(key)) }
}

/// Gives an option or a section another name; `name` is that alone, not a key.
///
/// CMS_ERR_EXISTS: the name is in use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_rename(
    txn: *mut cms_txn,
    key: *const c_char,
    name: *const c_char,
) -> cms_status {
    // Guarded by `guard` in `change`. SAFETY: C keeps the conventions.
    unsafe { change(txn, key, (name, "name"), Transaction::rename) }
}

/// Moves a section to a position among those of its package, counted from 0; beyond the end means last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_reorder(
    txn: *mut cms_txn,
    key: *const c_char,
    position: usize,
) -> cms_status {
    // Guarded by `guard` in `change`. SAFETY: C keeps the conventions.
    unsafe { change(txn, key, (c"".as_ptr(), ""), |txn, key, _| txn.reorder(key, position)) }
}

/// Commits all changes, durably, and frees the transaction, whatever the outcome. `revision` gets the number of
/// the commit; it may be NULL. On anything but CMS_OK and CMS_ERR_NOT_DURABLE nothing was changed; then begin
/// another transaction to try again.
///
/// CMS_ERR_LOCKED, CMS_ERR_CONFLICT: others were in the way. CMS_ERR_NOT_FOUND, CMS_ERR_EXISTS: what others
/// have committed since makes a change impossible. CMS_ERR_PERMISSION, CMS_ERR_NO_SPACE, CMS_ERR_IO: a file
/// cannot be written. CMS_ERR_FULL: see `map_limit`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_commit(txn: *mut cms_txn, revision: *mut u64) -> cms_status {
    guard(|| {
        // SAFETY: C promises that the handle is one, and not used again.
        let txn = unsafe { take_back(txn) }.ok_or(Failure::Null("txn"))?;
        let committed = txn.0.commit()?;
        // SAFETY: C keeps the conventions.
        unsafe { give(revision, committed) };
        Ok(())
    })
}

/// Gives up all changes and frees the transaction. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_rollback(txn: *mut cms_txn) {
    // SAFETY: C promises that the handle is one, and not used again.
    guard_void(|| drop(unsafe { take_back(txn) }));
}
