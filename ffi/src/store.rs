//! Reading the newest values.

use std::ffi::c_char;
use std::os::unix::ffi::OsStrExt;

use cms_core::log::Content;
use cms_core::map::{Answer, Hot};
use cms_core::{Snapshot, Store};

use crate::handle::{
    bytes, check, check_buffer, handle, is_buffer, key_text, put_value, required, write_result,
};
use crate::open::cms_store;
use crate::status::{Failure, Unfit, cms_status, guard, missed};
use crate::typed::{OfStore, hot, string_or, typed};

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
        return match found {
            Hot::Found(()) => cms_status::CMS_OK,
            // SAFETY: C1, C2, C3, C5; the same for the next.
            Hot::Absent => unsafe { get_and_enter(store, key, buffer, size, len) },
            // SAFETY: see above.
            Hot::Skipped => unsafe { get_from_index(store, key, buffer, size, len) },
        };
    }
    // SAFETY: C1, C2, C3, C5.
    unsafe { get_guarded(store, key, buffer, size, len) }
}

/// As `cms_get`, where the key is not in its first place of the table of found keys. It is called as C functions are, and
/// so by a jump, for which the fast path needs no room on the stack.
///
/// # Safety
///
/// As for `cms_get`; `store` and `key` are not NULL, and `buffer` has `size` bytes.
#[cfg_attr(cms_speed, optimize(speed))]
#[inline(never)]
unsafe extern "C" fn get_and_enter(
    store: *const cms_store,
    key: *const c_char,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    // SAFETY: not NULL, C1.
    let open = unsafe { &*store };
    // SAFETY: not NULL, C2.
    let text = unsafe { key_text(key) };
    // SAFETY: C3, C5.
    match open.0.peek_next(text, |value| unsafe { put_value(value, buffer, size, len) }) {
        Answer::Found(()) => cms_status::CMS_OK,
        Answer::Missing(key) => missed(key),
        // SAFETY: C1, C2, C3, C5.
        Answer::Unknown => unsafe { get_guarded(store, key, buffer, size, len) },
    }
}

/// As `cms_get`, without the table of found keys.
///
/// # Safety
///
/// As for `get_and_enter`.
#[cfg_attr(cms_speed, optimize(speed))]
#[inline(never)]
unsafe extern "C" fn get_from_index(
    store: *const cms_store,
    key: *const c_char,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    // SAFETY: not NULL, C1.
    let open = unsafe { &*store };
    // SAFETY: not NULL, C2.
    let text = unsafe { key_text(key) };
    // SAFETY: C3, C5.
    match open.0.peek_text(text, |value| unsafe { put_value(value, buffer, size, len) }) {
        Answer::Found(()) => cms_status::CMS_OK,
        Answer::Missing(key) => missed(key),
        // SAFETY: C1, C2, C3, C5.
        Answer::Unknown => unsafe { get_guarded(store, key, buffer, size, len) },
    }
}

/// The general case of `cms_get`. It is a function of its own, so that the fast path needs no room on the stack.
#[cold]
#[inline(never)]
pub unsafe extern "C" fn get_guarded(
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
        unsafe { OfStore::new(store, key) }?.read_slowly(&mut copy)
    })
}

/// Returns the failure that says why a value could not be read.
#[cold]
pub fn explain<T>(store: &Store, key: &[u8], found: Result<Option<T>, cms_core::Error>) -> Failure {
    if let Err(failure) = check(key, "key") {
        return failure;
    }
    match found {
        Ok(Some(_)) => Unfit::list(key, store),
        Ok(None) => Failure::Missing(key.to_vec()),
        Err(error) => error.into(),
    }
}

/// Returns the string that a value is that the text need not have.
pub fn string_of<'v>(key: &[u8], value: &'v Content) -> Result<&'v [u8], Failure> {
    match value {
        Content::String(string) => Ok(string),
        Content::List(_) => {
            let (key, why) = (key.to_vec(), IS_A_LIST.into());
            Err(Failure::Unfit(Box::new(Unfit { key, value: None, why, is_number: false, line: None })))
        }
    }
}

/// Why a list is not read as a string.
pub const IS_A_LIST: &str = "is a list";

/// Reads a string as cms_get does. Unlike elsewhere, `buffer` and `len` are always written: they get `fallback` where
/// there is no string; NULL for `fallback` is as "".
///
/// As cms_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get_string(
    store: *const cms_store,
    key: *const c_char,
    fallback: *const c_char,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    // SAFETY: C1, C2.
    let source = unsafe { OfStore::new(store, key) };
    // Guarded by `guard` in `string_or`. SAFETY: C2, C3, C5.
    unsafe { string_or(source, fallback, (buffer, size), len) }
}

/// Reads a whole number: decimal, or hexadecimal behind 0x. Unlike elsewhere, `value` is always written: it is
/// `fallback` where there is no number.
///
/// A number of TOML or JSON may have each spelling that its format has.
///
/// CMS_ERR_NOT_FOUND: there is no such key. CMS_ERR_TYPE: the value is not a number, does not fit, or is a list.
/// CMS_ERR_RANGE: it is a number of TOML or JSON that does not fit. Otherwise as cms_get.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get_int(
    store: *const cms_store,
    key: *const c_char,
    fallback: i64,
    value: *mut i64,
) -> cms_status {
    // SAFETY: C1, C2, C5.
    if let Some(status) = unsafe { hot(store, key, fallback, None, value) } {
        return status;
    }
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfStore::new(store, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a whole number that must be between `least` and `most`, as cms_get_int does.
///
/// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_get_int.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get_int_range(
    store: *const cms_store,
    key: *const c_char,
    least: i64,
    most: i64,
    fallback: i64,
    value: *mut i64,
) -> cms_status {
    // SAFETY: C1, C2, C5.
    if let Some(status) = unsafe { hot(store, key, fallback, Some((least, most)), value) } {
        return status;
    }
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfStore::new(store, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, Some((least, most)), value) }
}

/// Reads a truth value: 1, on, true, yes, enabled; or 0, off, false, no, disabled. `value` becomes 1 or 0, or
/// `fallback` as in cms_get_int.
///
/// As cms_get_int.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get_bool(
    store: *const cms_store,
    key: *const c_char,
    fallback: i32,
    value: *mut i32,
) -> cms_status {
    // SAFETY: C1, C2, C5.
    if let Some(status) = unsafe { hot(store, key, fallback, None, value) } {
        return status;
    }
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfStore::new(store, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a decimal number, whatever the locale. `fallback` as in cms_get_int.
///
/// As cms_get_int; CMS_ERR_RANGE also for a number of TOML or JSON with more than 17 digits that count, of which some
/// would be lost.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get_double(
    store: *const cms_store,
    key: *const c_char,
    fallback: f64,
    value: *mut f64,
) -> cms_status {
    // SAFETY: C1, C2, C5.
    if let Some(status) = unsafe { hot(store, key, fallback, None, value) } {
        return status;
    }
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfStore::new(store, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a decimal number that must be between `least` and `most`, as cms_get_double does.
///
/// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_get_double.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get_double_range(
    store: *const cms_store,
    key: *const c_char,
    least: f64,
    most: f64,
    fallback: f64,
    value: *mut f64,
) -> cms_status {
    // SAFETY: C1, C2, C5.
    if let Some(status) = unsafe { hot(store, key, fallback, Some((least, most)), value) } {
        return status;
    }
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfStore::new(store, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, Some((least, most)), value) }
}

/// Reads a number of bytes: digits, perhaps with k, M, G or T behind them for powers of 1024, and B or iB behind
/// those. `fallback` as in cms_get_int.
///
/// As cms_get_int.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get_size(
    store: *const cms_store,
    key: *const c_char,
    fallback: u64,
    value: *mut u64,
) -> cms_status {
    // SAFETY: C1, C2, C5.
    if let Some(status) = unsafe { hot(store, key, fallback, None, value) } {
        return status;
    }
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfStore::new(store, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, None, value) }
}

/// Reads a number of bytes that must be between `least` and `most`, as cms_get_size does.
///
/// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_get_size.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get_size_range(
    store: *const cms_store,
    key: *const c_char,
    least: u64,
    most: u64,
    fallback: u64,
    value: *mut u64,
) -> cms_status {
    // SAFETY: C1, C2, C5.
    if let Some(status) = unsafe { hot(store, key, fallback, Some((least, most)), value) } {
        return status;
    }
    // SAFETY: C1, C2, C4.
    let source = unsafe { OfStore::new(store, key) };
    // Guarded by `guard` in `typed`. SAFETY: C5.
    unsafe { typed(source, fallback, Some((least, most)), value) }
}

/// Writes the key with the name of its section in place of a selector to `buffer`, as in cms_get: "network.lan.ipaddr"
/// for "network.@interface[0].ipaddr". For an anonymous section that is the generated name. The option need not exist.
/// A name goes on to mean the section when others are added or moved.
///
/// CMS_ERR_NOT_FOUND: there is no such section. Otherwise as cms_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_resolve(
    store: *const cms_store,
    key: *const c_char,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    guard(|| {
        check_buffer(buffer, size)?;
        // SAFETY: C1.
        let snapshot = unsafe { handle(store, "store") }?.0.snapshot()?;
        // SAFETY: C2.
        let resolved = resolved(&snapshot, unsafe { bytes(key, "key") }?)?;
        // SAFETY: C3, C5.
        unsafe { put_value(&resolved, buffer, size, len) };
        Ok(())
    })
}

/// Returns a key of a snapshot with the name of its section.
pub fn resolved(snapshot: &Snapshot, key: &[u8]) -> Result<Vec<u8>, Failure> {
    check(key, "key")?;
    snapshot.resolve(key)?.ok_or_else(|| Failure::Missing(key.to_vec()))
}

/// Finds the line of an option or a section in the text of its package, counted from 1, for messages: `file` gets the
/// path of the package file, as in cms_get. The text is read as it is now.
///
/// CMS_ERR_NOT_FOUND: the text has no such key. CMS_ERR_INVALID: the key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_find_line(
    store: *const cms_store,
    key: *const c_char,
    file: *mut c_char,
    size: usize,
    len: *mut usize,
    line: *mut u32,
) -> cms_status {
    guard(|| {
        check_buffer(file, size)?;
        let place = required(line, "line")?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2.
        let key = unsafe { bytes(key, "key") }?;
        check(key, "key")?;
        let found = store.0.text_line(key)?;
        let line = found.find(None).ok_or_else(|| Failure::Missing(key.to_vec()))?;
        // SAFETY: C5.
        unsafe { write_result(place, line) };
        // SAFETY: C3, C5.
        unsafe { put_value(found.file().as_os_str().as_bytes(), file, size, len) };
        Ok(())
    })
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
