//! A private hash map, called as the C library is: with a key that ends in NUL, answering with a pointer.

use std::ffi::{CStr, c_char, c_void};

type Map = hashbrown::HashMap<String, String, foldhash::fast::FixedState>;

fn text<'s>(string: *const c_char) -> &'s str {
    // SAFETY: lookup.c passes ASCII strings that end.
    unsafe { str::from_utf8_unchecked(CStr::from_ptr(string).to_bytes()) }
}

/// Makes a map.
#[unsafe(no_mangle)]
pub extern "C" fn peer_new() -> *mut c_void {
    Box::into_raw(Box::new(Map::default())).cast()
}

/// Enters a value.
///
/// # Safety
///
/// The map is one of `peer_new`, the strings end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_put(map: *mut c_void, key: *const c_char, value: *const c_char) {
    // SAFETY: the caller's promise.
    let map = unsafe { &mut *map.cast::<Map>() };
    map.insert(text(key).to_owned(), text(value).to_owned());
}

/// Finds a value; it does not end with NUL.
///
/// # Safety
///
/// As for `peer_put`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_get(map: *mut c_void, key: *const c_char, _: *mut c_char) -> *const c_char {
    // SAFETY: the caller's promise.
    let map = unsafe { &*map.cast::<Map>() };
    map.get(text(key)).map_or(std::ptr::null(), |value| value.as_ptr().cast())
}
