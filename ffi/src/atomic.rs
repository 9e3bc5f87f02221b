//! Changes that depend on the value that is there.

use std::ffi::c_char;

use cms_core::{Expected, Transaction};

use crate::change::blame;
use crate::handle::{bytes, check, handle, handle_mut, optional, write_result};
use crate::open::cms_store;
use crate::status::{Failure, cms_status, guard};
use crate::txn::cms_txn;

/// Adds `by` to a whole number and commits that; `sum` gets the new number, and may be NULL. If others add to the number
/// at the same time, each addition is made, in whatever process and thread. An option that does not exist counts as 0.
/// The number keeps its type.
///
/// CMS_ERR_TYPE: the value is no whole number. CMS_ERR_RANGE: it or the sum does not fit into 64 bits. Otherwise as
/// cms_set. Nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_add_int(
    store: *const cms_store,
    key: *const c_char,
    by: i64,
    sum: *mut i64,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2.
        let key = unsafe { bytes(key, "key") }?;
        check(key, "key")?;
        let made = store.0.add_int(key, by)?;
        // SAFETY: C5.
        unsafe { write_result(sum, made) };
        Ok(())
    })
}

/// Adds `by` to a whole number in a transaction, as cms_add_int does. If another transaction changes the number before
/// the commit, the commit fails with CMS_ERR_CONFLICT.
///
/// As cms_add_int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_add_int(
    txn: *mut cms_txn,
    key: *const c_char,
    by: i64,
    sum: *mut i64,
) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        let key = unsafe { bytes(key, "key") }?;
        check(key, "key")?;
        let made = txn.transaction().add_int(key, by)?;
        // SAFETY: C5.
        unsafe { write_result(sum, made) };
        Ok(())
    })
}

/// Returns what is expected of a value.
///
/// # Safety
///
/// C2.
unsafe fn expected<'e>(value: *const c_char) -> Expected<'e> {
    // SAFETY: the caller's promise.
    unsafe { optional(value) }.map_or(Expected::Missing, Expected::Value)
}

/// Compares and sets: sets an option as cms_set does and commits that, but only if its value is `expected`; with NULL,
/// only if it does not exist. Another spelling of the same number or truth value is the same value, if the value has
/// such a type. Of several calls at once with the same `expected`, one succeeds.
///
/// CMS_ERR_CONFLICT: it has another value, which the message names. Otherwise as cms_set. Nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_set_if(
    store: *const cms_store,
    key: *const c_char,
    value: *const c_char,
    expected: *const c_char,
) -> cms_status {
    guard(|| {
        // SAFETY: C2.
        let expected = unsafe { self::expected(expected) };
        // SAFETY: C1, C2.
        unsafe { set_where(store, key, value, expected) }
    })
}

/// Sets an option as cms_set does and commits that, but only if no transaction after `revision` has changed it: see
/// cms_revision.
///
/// CMS_ERR_CONFLICT: one has. CMS_ERR_INVALID: the store has no such revision yet. CMS_ERR_NOT_FOUND: there is no log.
/// Otherwise as cms_set. Nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_set_if_revision(
    store: *const cms_store,
    key: *const c_char,
    value: *const c_char,
    revision: u64,
) -> cms_status {
    guard(|| {
        // SAFETY: C1, C2.
        unsafe { set_where(store, key, value, Expected::Revision(revision)) }
    })
}

/// Sets an option and commits that, if its value is as expected.
///
/// # Safety
///
/// C1 for `store`, C2 for the texts.
unsafe fn set_where(
    store: *const cms_store,
    key: *const c_char,
    value: *const c_char,
    expected: Expected<'_>,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise.
    let store = unsafe { handle(store, "store") }?;
    // SAFETY: the caller's promise.
    let key = unsafe { bytes(key, "key") }?;
    // SAFETY: the caller's promise.
    let value = unsafe { bytes(value, "value") }?;
    check(key, "key")?;
    let set = |txn: &mut Transaction| txn.set(key, value);
    store.0.change_if(key, expected, set).map_err(|error| blame(error, key, value))
}

/// Fails unless the value of a key is `expected`, or, with NULL, the key does not exist; see cms_set_if. If another
/// transaction changes the key before the commit, the commit fails with CMS_ERR_CONFLICT.
///
/// CMS_ERR_CONFLICT: it has another value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_expect(
    txn: *mut cms_txn,
    key: *const c_char,
    expected: *const c_char,
) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        let key = unsafe { bytes(key, "key") }?;
        check(key, "key")?;
        // SAFETY: C2.
        let expected = unsafe { self::expected(expected) };
        Ok(txn.transaction().expect(key, expected)?)
    })
}

/// Fails if a transaction after `revision` has changed a key, as cms_txn_expect does; see cms_set_if_revision.
///
/// CMS_ERR_CONFLICT: one has. CMS_ERR_INVALID: the store has no such revision yet. CMS_ERR_NOT_FOUND: there is no log.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_expect_revision(
    txn: *mut cms_txn,
    key: *const c_char,
    revision: u64,
) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        let key = unsafe { bytes(key, "key") }?;
        check(key, "key")?;
        Ok(txn.transaction().expect(key, Expected::Revision(revision))?)
    })
}
