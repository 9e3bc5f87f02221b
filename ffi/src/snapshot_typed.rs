//! Typed values of a snapshot.

use std::ffi::c_char;

use crate::handle::{bytes, check_buffer, handle, put_value, write_result};
use crate::snapshot::cms_snapshot;
use crate::status::{cms_status, guard};
use crate::store::resolved;
use crate::typed::{OfSnapshot, hot_of_snapshot, typed};

/// Finds a string without copying it. Unlike elsewhere, `value` is always written: it is `fallback` where there is no
/// string, which may be NULL. A string ends with a NUL byte and is valid until the snapshot is closed.
///
/// As cms_snapshot_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_get_string(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    fallback: *const c_char,
    value: *mut *const c_char,
) -> cms_status {
    let mut found = crate::handle::cms_bytes::NONE;
    // SAFETY: C1, C2; `found` is a variable.
    let status = unsafe { crate::snapshot::cms_snapshot_get(snapshot, key, &raw mut found) };
    // Nothing here can panic.
    let text = if status == cms_status::CMS_OK { found.data } else { fallback };
    // SAFETY: C5.
    unsafe { write_result(value, text) };
    status
}

/// Reads a whole number as cms_get_int does, in the state of the snapshot.
///
/// As cms_get_int, and CMS_ERR_STALE.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_get_int(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    fallback: i64,
    value: *mut i64,
) -> cms_status {
    // SAFETY: C1, C2.
    if let Some(found) = unsafe { hot_of_snapshot(snapshot, key) }
        && !value.is_null()
    {
        // SAFETY: C5.
        unsafe { write_result(value, found) };
        return cms_status::CMS_OK;
    }
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfSnapshot::new(snapshot, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a whole number that must be between `least` and `most`, as cms_snapshot_get_int does.
///
/// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_snapshot_get_int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_get_int_range(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    least: i64,
    most: i64,
    fallback: i64,
    value: *mut i64,
) -> cms_status {
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfSnapshot::new(snapshot, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, Some((least, most)), value) }
}

/// Reads a truth value as cms_get_bool does, in the state of the snapshot.
///
/// As cms_get_bool, and CMS_ERR_STALE.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_get_bool(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    fallback: i32,
    value: *mut i32,
) -> cms_status {
    // SAFETY: C1, C2.
    if let Some(found) = unsafe { hot_of_snapshot(snapshot, key) }
        && !value.is_null()
    {
        // SAFETY: C5.
        unsafe { write_result(value, found) };
        return cms_status::CMS_OK;
    }
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfSnapshot::new(snapshot, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a decimal number as cms_get_double does, in the state of the snapshot.
///
/// As cms_get_double, and CMS_ERR_STALE.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_get_double(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    fallback: f64,
    value: *mut f64,
) -> cms_status {
    // SAFETY: C1, C2.
    if let Some(found) = unsafe { hot_of_snapshot(snapshot, key) }
        && !value.is_null()
    {
        // SAFETY: C5.
        unsafe { write_result(value, found) };
        return cms_status::CMS_OK;
    }
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfSnapshot::new(snapshot, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a decimal number that must be between `least` and `most`, as cms_snapshot_get_double does.
///
/// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_snapshot_get_double.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_get_double_range(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    least: f64,
    most: f64,
    fallback: f64,
    value: *mut f64,
) -> cms_status {
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfSnapshot::new(snapshot, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, Some((least, most)), value) }
}

/// Reads a number of bytes as cms_get_size does, in the state of the snapshot.
///
/// As cms_get_size, and CMS_ERR_STALE.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_get_size(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    fallback: u64,
    value: *mut u64,
) -> cms_status {
    // SAFETY: C1, C2.
    if let Some(found) = unsafe { hot_of_snapshot(snapshot, key) }
        && !value.is_null()
    {
        // SAFETY: C5.
        unsafe { write_result(value, found) };
        return cms_status::CMS_OK;
    }
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfSnapshot::new(snapshot, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a number of bytes that must be between `least` and `most`, as cms_snapshot_get_size does.
///
/// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_snapshot_get_size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_get_size_range(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    least: u64,
    most: u64,
    fallback: u64,
    value: *mut u64,
) -> cms_status {
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfSnapshot::new(snapshot, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, Some((least, most)), value) }
}

/// Writes the key with the name of its section in place of a selector to `buffer`: see cms_resolve.
///
/// As cms_resolve, and CMS_ERR_STALE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_resolve(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    guard(|| {
        check_buffer(buffer, size)?;
        // SAFETY: C1.
        let snapshot = unsafe { handle(snapshot, "snapshot") }?;
        // SAFETY: C2.
        let resolved = resolved(&snapshot.0, unsafe { bytes(key, "key") }?)?;
        // SAFETY: C3, C5.
        unsafe { put_value(&resolved, buffer, size, len) };
        Ok(())
    })
}
