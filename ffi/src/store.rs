//! Reading the newest values.

use std::ffi::c_char;

use cms_core::log::Content;
use cms_core::map::{Answer, Hot, MapValue};
use cms_core::typed::{self, NotA};

use crate::handle::{
    bytes, check, check_buffer, handle, is_buffer, key_text, put_value, required, write_result,
};
use crate::open::cms_store;
use crate::status::{Failure, cms_status, guard, missed, named};

/// Reads the newest committed value of a key into `buffer`, as snprintf would: at most `size` bytes are written,
/// a NUL byte is always the last of them, and `len` gets the length of the whole value, without the NUL byte.
/// If that is not below `size`, the value was cut off, perhaps inside a character, and the status is CMS_OK all
/// the same. `buffer` may be NULL if `size` is 0, and `len` may be NULL. For the key of a section the value is
/// its type.
///
/// CMS_ERR_NOT_FOUND: there is no such key. CMS_ERR_TYPE: the value is a list; see cms_list_open.
/// CMS_ERR_INVALID, CMS_ERR_AMBIGUOUS: the key. CMS_ERR_PARSE, CMS_ERR_IO: the package cannot be read.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get(
    store: *const cms_store,
    key: *const c_char,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    // A read from an open map cannot fail or panic, so it needs no guard.
    if !store.is_null() && !key.is_null() && is_buffer(buffer, size) {
        // SAFETY: not NULL, C1.
        let open = unsafe { &*store };
        // SAFETY: not NULL, C2.
        let text = unsafe { key_text(key) };
        // SAFETY: C3, C5.
        let found = open.0.peek_hot(text, |value| unsafe { put_value(value, buffer, size, len) });
        if let Hot::Found(()) = found {
            return cms_status::CMS_OK;
        }
        // SAFETY: C1, C2, C3, C5.
        return unsafe { get_from_index(store, key, buffer, size, len, found == Hot::Absent) };
    }
    // SAFETY: C1, C2, C3, C5.
    unsafe { get_guarded(store, key, buffer, size, len) }
}

/// As `cms_get`, where the key was not found in the table of found keys: `enter` says whether to add it.
///
/// # Safety
///
/// As for `cms_get`; `store` and `key` are not NULL, and `buffer` has `size` bytes.
#[cfg_attr(cms_speed, optimize(speed))]
#[inline(never)]
unsafe fn get_from_index(
    store: *const cms_store,
    key: *const c_char,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
    enter: bool,
) -> cms_status {
    // SAFETY: not NULL, C1.
    let open = unsafe { &*store };
    // SAFETY: not NULL, C2.
    let text = unsafe { key_text(key) };
    // SAFETY: C3, C5.
    match open.0.peek_text(text, enter, |value| unsafe { put_value(value, buffer, size, len) }) {
        Answer::Found(()) => cms_status::CMS_OK,
        Answer::Missing(key) => missed(key),
        // SAFETY: C1, C2, C3, C5.
        Answer::Unknown => unsafe { get_guarded(store, key, buffer, size, len) },
    }
}

/// The general case of `cms_get`. It is a function of its own, so that the fast path needs no room on the stack.
#[cold]
#[inline(never)]
pub unsafe fn get_guarded(
    store: *const cms_store,
    key: *const c_char,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    guard(|| {
        check_buffer(buffer, size)?;
        // SAFETY: C3, C5.
        let mut copy = |value: &[u8]| unsafe { put_value(value, buffer, size, len) };
        // SAFETY: C1, C2.
        unsafe { read(store, key, &mut copy) }
    })
}

/// Calls `take` with the string that a key holds. All reads of strings share this function.
///
/// # Safety
///
/// C1, C2.
#[inline(never)]
unsafe fn read(
    store: *const cms_store,
    key: *const c_char,
    take: &mut dyn FnMut(&[u8]),
) -> Result<(), Failure> {
    // SAFETY: the caller's promise.
    let store = unsafe { handle(store, "store") }?;
    // SAFETY: C2.
    let text = unsafe { bytes(key, "key") }?;
    let found = store.0.get(text, |value| match value {
        MapValue::String(string) => {
            take(string);
            true
        }
        MapValue::List(_) => false,
    });
    match found {
        Ok(Some(true)) => Ok(()),
        other => Err(explain(text, other)),
    }
}

/// Returns the failure that says why a value could not be read.
#[cold]
pub fn explain<T>(key: &[u8], found: Result<Option<T>, cms_core::Error>) -> Failure {
    if let Err(failure) = check(key, "key") {
        return failure;
    }
    match found {
        Ok(Some(_)) => Failure::Type(key.to_vec(), IS_A_LIST),
        Ok(None) => Failure::Missing(key.to_vec()),
        Err(error) => error.into(),
    }
}

/// Returns the string that a value is.
pub fn string_of<'v>(key: &[u8], value: &'v Content) -> Result<&'v [u8], Failure> {
    match value {
        Content::String(string) => Ok(string),
        Content::List(_) => Err(Failure::Type(key.to_vec(), IS_A_LIST)),
    }
}

/// Why a list is not read as a string.
const IS_A_LIST: &str = "is a list";

/// The four typed reads differ in the type only.
///
/// # Safety
///
/// C1, C2, C5.
unsafe fn typed<T: Copy>(
    store: *const cms_store,
    key: *const c_char,
    fallback: T,
    value: *mut T,
    convert: impl Fn(&[u8]) -> Result<T, NotA>,
) -> cms_status {
    guard(|| {
        let value = required(value, "value")?;
        // SAFETY: C5. The fallback is written in any case, as the header says of these functions.
        unsafe { write_result(value, fallback) };
        let mut converted = Ok(fallback);
        // SAFETY: the caller's promise.
        unsafe { read(store, key, &mut |text| converted = convert(text)) }?;
        match converted {
            // SAFETY: C5.
            Ok(converted) => unsafe { write_result(value, converted) },
            Err(why) => return Err(Failure::Type(named(key), why.0)),
        }
        Ok(())
    })
}

/// Reads a whole number: decimal, or hexadecimal behind 0x. Unlike elsewhere, `value` is always written: it is
/// `fallback` where there is no number.
///
/// CMS_ERR_NOT_FOUND: there is no such key. CMS_ERR_TYPE: the value is not a number, does not fit, or is a list.
/// Otherwise as cms_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get_int(
    store: *const cms_store,
    key: *const c_char,
    fallback: i64,
    value: *mut i64,
) -> cms_status {
    // Guarded by `guard` in `typed`. SAFETY: C1, C2, C5.
    unsafe { typed(store, key, fallback, value, typed::integer) }
}

/// Reads a truth value: 1, on, true, yes, enabled; or 0, off, false, no, disabled. `value` becomes 1 or 0, or
/// `fallback` as in cms_get_int.
///
/// As cms_get_int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get_bool(
    store: *const cms_store,
    key: *const c_char,
    fallback: i32,
    value: *mut i32,
) -> cms_status {
    // Guarded by `guard` in `typed`. SAFETY: C1, C2, C5.
    unsafe { typed(store, key, fallback, value, |text| typed::boolean(text).map(i32::from)) }
}

/// Reads a decimal number, whatever the locale. `fallback` as in cms_get_int.
///
/// As cms_get_int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get_double(
    store: *const cms_store,
    key: *const c_char,
    fallback: f64,
    value: *mut f64,
) -> cms_status {
    // Guarded by `guard` in `typed`. SAFETY: C1, C2, C5.
    unsafe { typed(store, key, fallback, value, typed::number) }
}

/// Reads a number of bytes: digits, perhaps with k, M, G or T behind them for powers of 1024, and B or iB behind
/// those. `fallback` as in cms_get_int.
///
/// As cms_get_int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get_size(
    store: *const cms_store,
    key: *const c_char,
    fallback: u64,
    value: *mut u64,
) -> cms_status {
    // Guarded by `guard` in `typed`. SAFETY: C1, C2, C5.
    unsafe { typed(store, key, fallback, value, typed::size) }
}

/// Looks for packages that others have changed without this library, with an editor for example, and brings
/// the store up to them. `changed` becomes 1 if there were any, else 0; it may be NULL. It takes one stat for
/// each package that was read so far. Snapshots stay as they are.
///
/// CMS_ERR_PARSE, CMS_ERR_IO: a package cannot be read; it stays as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_refresh(store: *const cms_store, changed: *mut i32) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let found = unsafe { handle(store, "store") }?.0.refresh()?;
        // SAFETY: C5.
        unsafe { write_result(changed, i32::from(found)) };
        Ok(())
    })
}

/// Writes the texts that are older than the log, with durability "log". With the other levels it does nothing.
///
/// Fails as cms_txn_commit does. The commits stay made, and their texts are written later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_flush(store: *const cms_store) -> cms_status {
    // SAFETY: C1.
    guard(|| Ok(unsafe { handle(store, "store") }?.0.flush()?))
}

/// Gets the revision: the number, in the log, of the last transaction that the store shows. Commits, snapshots,
/// watches, the history and cms_undo use the same numbers. It grows with every commit that anyone makes through this
/// library or the command, and when cms_refresh finds a change; the call costs a few loads from memory, so that a
/// program can make it often. Without a log it counts publications, and shows only whether something has changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_revision(store: *const cms_store, revision: *mut u64) -> cms_status {
    guard(|| {
        let revision = required(revision, "revision")?;
        // SAFETY: C1.
        let now = unsafe { handle(store, "store") }?.0.revision();
        // SAFETY: C5.
        unsafe { write_result(revision, now) };
        Ok(())
    })
}
