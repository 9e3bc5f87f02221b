//! Prepared keys.

use std::ffi::c_char;

use cms_core::Prepared;
use cms_core::map::MapValue;

use crate::handle::{
    bytes, check, cms_bytes, handle, handle_mut, reclaim, required, write_handle, write_result,
};
use crate::open::cms_store;
use crate::snapshot::items_of;
use crate::status::{cms_status, guard, guard_void};
use crate::store::explain;
use crate::typed::{OfKey, hot_of_key, typed};

/// A key that is read again and again: it remembers where its value is. One thread uses one at a time. It may
/// outlive its store.
pub struct cms_key(pub(crate) Prepared);

/// Prepares a key. It need not exist yet.
///
/// CMS_ERR_INVALID: it is not the key of a section or an option.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_key_open(
    store: *const cms_store,
    text: *const c_char,
    key: *mut *mut cms_key,
) -> cms_status {
    guard(|| {
        let place = required(key, "key")?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2.
        let text = unsafe { bytes(text, "text") }?;
        check(text, "text")?;
        let prepared = store.0.prepare(text)?;
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_key(prepared)) };
        Ok(())
    })
}

/// Finds the newest committed value of a prepared key, without copying it. It is valid until the next
/// cms_key_get of the same key, or cms_key_close. As long as nobody commits to its section, this is the fastest
/// of all reads.
///
/// As cms_get.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_key_get(key: *mut cms_key, value: *mut cms_bytes) -> cms_status {
    // A read from an open map cannot fail or panic, so it needs no guard.
    if !key.is_null() && !value.is_null() {
        // SAFETY: not NULL, C1.
        let prepared = unsafe { &*key };
        if let Some(MapValue::String(string)) = prepared.0.peek() {
            // SAFETY: not NULL, C5.
            unsafe { value.write(cms_bytes::of(string)) };
            return cms_status::CMS_OK;
        }
    }
    // SAFETY: C1, C4, C5.
    unsafe { get_guarded(key, value) }
}

/// The general case of `cms_key_get`. It is a function of its own, so that the fast path needs no room on the stack.
#[cold]
#[inline(never)]
unsafe fn get_guarded(key: *mut cms_key, value: *mut cms_bytes) -> cms_status {
    guard(|| {
        let place = required(value, "value")?;
        // SAFETY: C1, C4.
        let key = &mut unsafe { handle_mut(key, "key") }?.0;
        let found = match key.get() {
            Ok(Some(MapValue::String(string))) => {
                // SAFETY: not NULL, C5.
                unsafe { place.write(cms_bytes::of(string)) };
                return Ok(());
            }
            other => other.map(|found| found.map(drop)),
        };
        Err(explain(key.store(), key.key(), found))
    })
}

/// Finds a string without copying it. Unlike elsewhere, `value` is always written: it is `fallback` where there is no
/// string, which may be NULL. A string ends with a NUL byte and is valid as in cms_key_get.
///
/// As cms_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_key_get_string(
    key: *mut cms_key,
    fallback: *const c_char,
    value: *mut *const c_char,
) -> cms_status {
    let mut found = cms_bytes::NONE;
    // SAFETY: C1, C4; `found` is a variable.
    let status = unsafe { cms_key_get(key, &raw mut found) };
    // Nothing here can panic.
    let text = if status == cms_status::CMS_OK { found.data } else { fallback };
    // SAFETY: C5.
    unsafe { write_result(value, text) };
    status
}

/// Finds the items of a list without copying them, as cms_snapshot_get_list does. They are valid as in cms_key_get. A
/// string is a list of one.
///
/// As cms_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_key_get_list(key: *mut cms_key, items: *mut cms_bytes) -> cms_status {
    guard(|| {
        let place = required(items, "items")?;
        // SAFETY: C1, C4.
        let key = &mut unsafe { handle_mut(key, "key") }?.0;
        let found = match key.get() {
            Ok(Some(value)) => {
                // SAFETY: not NULL, C5.
                unsafe { place.write(items_of(value)) };
                return Ok(());
            }
            other => other.map(|found| found.map(drop)),
        };
        Err(explain(key.store(), key.key(), found))
    })
}

/// Reads a whole number as cms_get_int does.
///
/// As cms_get_int.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_key_get_int(key: *mut cms_key, fallback: i64, value: *mut i64) -> cms_status {
    // SAFETY: C1, C2.
    if let Some(found) = unsafe { hot_of_key(key) }
        && !value.is_null()
    {
        // SAFETY: C5.
        unsafe { write_result(value, found) };
        return cms_status::CMS_OK;
    }
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfKey::new(key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a whole number that must be between `least` and `most`, as cms_key_get_int does.
///
/// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_key_get_int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_key_get_int_range(
    key: *mut cms_key,
    least: i64,
    most: i64,
    fallback: i64,
    value: *mut i64,
) -> cms_status {
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfKey::new(key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, Some((least, most)), value) }
}

/// Reads a truth value as cms_get_bool does.
///
/// As cms_get_bool.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_key_get_bool(key: *mut cms_key, fallback: i32, value: *mut i32) -> cms_status {
    // SAFETY: C1, C2.
    if let Some(found) = unsafe { hot_of_key(key) }
        && !value.is_null()
    {
        // SAFETY: C5.
        unsafe { write_result(value, found) };
        return cms_status::CMS_OK;
    }
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfKey::new(key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a decimal number as cms_get_double does.
///
/// As cms_get_double.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_key_get_double(key: *mut cms_key, fallback: f64, value: *mut f64) -> cms_status {
    // SAFETY: C1, C2.
    if let Some(found) = unsafe { hot_of_key(key) }
        && !value.is_null()
    {
        // SAFETY: C5.
        unsafe { write_result(value, found) };
        return cms_status::CMS_OK;
    }
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfKey::new(key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a decimal number that must be between `least` and `most`, as cms_key_get_double does.
///
/// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_key_get_double.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_key_get_double_range(
    key: *mut cms_key,
    least: f64,
    most: f64,
    fallback: f64,
    value: *mut f64,
) -> cms_status {
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfKey::new(key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, Some((least, most)), value) }
}

/// Reads a number of bytes as cms_get_size does.
///
/// As cms_get_size.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_key_get_size(key: *mut cms_key, fallback: u64, value: *mut u64) -> cms_status {
    // SAFETY: C1, C2.
    if let Some(found) = unsafe { hot_of_key(key) }
        && !value.is_null()
    {
        // SAFETY: C5.
        unsafe { write_result(value, found) };
        return cms_status::CMS_OK;
    }
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfKey::new(key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a number of bytes that must be between `least` and `most`, as cms_key_get_size does.
///
/// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_key_get_size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_key_get_size_range(
    key: *mut cms_key,
    least: u64,
    most: u64,
    fallback: u64,
    value: *mut u64,
) -> cms_status {
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfKey::new(key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, Some((least, most)), value) }
}

/// Closes a prepared key. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_key_close(key: *mut cms_key) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(key) }));
}
