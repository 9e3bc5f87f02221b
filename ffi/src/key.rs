//! Prepared keys.

use std::ffi::c_char;

use cms_core::Prepared;
use cms_core::map::MapValue;

use crate::handle::{bytes, check, cms_bytes, handle, handle_mut, reclaim, required, write_handle};
use crate::open::cms_store;
use crate::status::{cms_status, guard, guard_void};
use crate::store::explain;

/// A key that is read again and again: it remembers where its value is. One thread uses one at a time. It may
/// outlive its store.
pub struct cms_key(Prepared);

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
        match key.get() {
            Ok(Some(MapValue::String(string))) => {
                // SAFETY: not NULL, C5.
                unsafe { place.write(cms_bytes::of(string)) };
                return Ok(());
            }
            Ok(Some(MapValue::List(_))) => {}
            Ok(None) => return Err(crate::status::Failure::Missing(key.key().to_vec())),
            Err(error) => return Err(error.into()),
        }
        Err(explain(key.key(), Ok(Some(()))))
    })
}

/// Closes a prepared key. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_key_close(key: *mut cms_key) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(key) }));
}
