//! Typed values of a transaction.

use std::ffi::c_char;

use cms_core::ValueType;

use crate::change::{decimal, number, set, truth};
use crate::handle::{bytes, check, check_buffer, handle_mut, put_value};
use crate::status::{Failure, cms_status, guard};
use crate::txn::cms_txn;
use crate::typed::{OfTxn, string_or, typed};

/// Reads a string as cms_get_string does, as the transaction sees it: see cms_txn_get.
///
/// As cms_txn_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_get_string(
    txn: *mut cms_txn,
    key: *const c_char,
    fallback: *const c_char,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfTxn::new(txn, key) };
    // Guarded by `guard` in `string_or`. SAFETY: C2, C3, C5.
    unsafe { string_or(source, fallback, (buffer, size), len) }
}

/// Reads a whole number as cms_get_int does, as the transaction sees it: see cms_txn_get.
///
/// As cms_get_int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_get_int(
    txn: *mut cms_txn,
    key: *const c_char,
    fallback: i64,
    value: *mut i64,
) -> cms_status {
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfTxn::new(txn, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a whole number that must be between `least` and `most`, as cms_txn_get_int does.
///
/// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_txn_get_int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_get_int_range(
    txn: *mut cms_txn,
    key: *const c_char,
    least: i64,
    most: i64,
    fallback: i64,
    value: *mut i64,
) -> cms_status {
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfTxn::new(txn, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, Some((least, most)), value) }
}

/// Reads a truth value as cms_get_bool does, as the transaction sees it: see cms_txn_get.
///
/// As cms_get_bool.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_get_bool(
    txn: *mut cms_txn,
    key: *const c_char,
    fallback: i32,
    value: *mut i32,
) -> cms_status {
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfTxn::new(txn, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a decimal number as cms_get_double does, as the transaction sees it: see cms_txn_get.
///
/// As cms_get_double.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_get_double(
    txn: *mut cms_txn,
    key: *const c_char,
    fallback: f64,
    value: *mut f64,
) -> cms_status {
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfTxn::new(txn, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a decimal number that must be between `least` and `most`, as cms_txn_get_double does.
///
/// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_txn_get_double.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_get_double_range(
    txn: *mut cms_txn,
    key: *const c_char,
    least: f64,
    most: f64,
    fallback: f64,
    value: *mut f64,
) -> cms_status {
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfTxn::new(txn, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, Some((least, most)), value) }
}

/// Reads a number of bytes as cms_get_size does, as the transaction sees it: see cms_txn_get.
///
/// As cms_get_size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_get_size(
    txn: *mut cms_txn,
    key: *const c_char,
    fallback: u64,
    value: *mut u64,
) -> cms_status {
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfTxn::new(txn, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a number of bytes that must be between `least` and `most`, as cms_txn_get_size does.
///
/// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_txn_get_size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_get_size_range(
    txn: *mut cms_txn,
    key: *const c_char,
    least: u64,
    most: u64,
    fallback: u64,
    value: *mut u64,
) -> cms_status {
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfTxn::new(txn, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, Some((least, most)), value) }
}

/// Sets an option to a whole number, as cms_txn_set does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_set_int(txn: *mut cms_txn, key: *const c_char, value: i64) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        unsafe { set(&mut txn.0, key, (&number(value), ValueType::Int)) }
    })
}

/// Sets an option to a truth value, as cms_txn_set does: in UCI to "1", or to "0" if `value` is 0; in
/// TOML and JSON to true or false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_set_bool(txn: *mut cms_txn, key: *const c_char, value: i32) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        unsafe { set(&mut txn.0, key, (truth(value), ValueType::Bool)) }
    })
}

/// Sets an option to a decimal number, as cms_txn_set does: with as few digits as read back to the same number,
/// whatever the locale.
///
/// CMS_ERR_INVALID: it is infinite or not a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_set_double(txn: *mut cms_txn, key: *const c_char, value: f64) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        unsafe { set(&mut txn.0, key, (&decimal(value)?, ValueType::Float)) }
    })
}

/// Sets an option to a number of bytes, as cms_txn_set does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_set_size(txn: *mut cms_txn, key: *const c_char, value: u64) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        unsafe { set(&mut txn.0, key, (&number(value), ValueType::Int)) }
    })
}

/// Writes the key with the name of its section in place of a selector to `buffer`, as the transaction sees it: see
/// cms_resolve.
///
/// As cms_resolve.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_resolve(
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
        let resolved = txn.0.resolve(key)?.ok_or_else(|| Failure::Missing(key.to_vec()))?;
        // SAFETY: C3, C5.
        unsafe { put_value(&resolved, buffer, size, len) };
        Ok(())
    })
}
