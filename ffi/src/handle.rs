//! Converts pointers from C into references; no other file does that.

use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;

use cms_core::map::KeyText;

use crate::status::Failure;

/// A piece of memory of the library: `len` bytes at `data`, followed by a NUL byte that `len` does not count. Names and
/// values never hold a NUL byte, so they can be used as C strings. Each function that hands one out says how long it is
/// valid; do not free or change it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cms_bytes {
    pub data: *const c_char,
    /// In bytes.
    pub len: usize,
}

impl cms_bytes {
    pub const NONE: Self = Self { data: std::ptr::null(), len: 0 };
    pub const EMPTY: Self = Self { data: c"".as_ptr(), len: 0 };

    #[inline(always)]
    pub fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr().cast(), len: bytes.len() }
    }
}

/// No key is longer, in bytes.
const MAX_KEY: usize = 65_534;

/// Borrows a handle.
///
/// # Safety
///
/// C1. The caller chooses `'h`: it must not outlive the call from C, since C may release the handle after that.
#[inline(always)]
pub unsafe fn handle<'h, T>(handle: *const T, what: &'static str) -> Result<&'h T, Failure> {
    // SAFETY: the caller's promise: a handle that is not NULL points to a `T`.
    unsafe { handle.as_ref() }.ok_or(Failure::Null(what))
}

/// Borrows a handle that no other thread uses at the time.
///
/// # Safety
///
/// C1 and C4, and `'h` as for [`handle`]. The caller borrows a handle once in a call, since two exclusive references to
/// it would overlap.
#[inline(always)]
pub unsafe fn handle_mut<'h, T>(handle: *mut T, what: &'static str) -> Result<&'h mut T, Failure> {
    // SAFETY: the caller's promise: a handle that is not NULL points to a `T`.
    unsafe { handle.as_mut() }.ok_or(Failure::Null(what))
}

/// Reads a string.
///
/// # Safety
///
/// C2. The caller chooses `'s`: it must not outlive the call from C, since C may free the string after that.
#[inline(always)]
pub unsafe fn bytes<'s>(string: *const c_char, what: &'static str) -> Result<&'s [u8], Failure> {
    if string.is_null() {
        return Err(Failure::Null(what));
    }
    // SAFETY: not NULL, and the caller's promise.
    Ok(unsafe { CStr::from_ptr(string) }.to_bytes())
}

/// Reads a key, for the fast way: how long it is is looked up there.
///
/// # Safety
///
/// C2, and it is not NULL. `'k` as for [`bytes`].
#[inline(always)]
pub unsafe fn key_text<'k>(key: *const c_char) -> KeyText<'k> {
    // SAFETY: the caller's promise.
    let start = unsafe { NonNull::new_unchecked(key.cast_mut().cast()) };
    // SAFETY: the same.
    unsafe { KeyText::new(start) }
}

/// As [`bytes`], for a string that may be missing.
///
/// # Safety
///
/// As for [`bytes`].
pub unsafe fn optional<'s>(string: *const c_char) -> Option<&'s [u8]> {
    // SAFETY: the caller's promise.
    unsafe { bytes(string, "") }.ok()
}

/// Refuses text that is not UTF-8 or longer than any key. Only a key that was not found, or is to be written, needs
/// this check.
pub fn check(text: &[u8], what: &'static str) -> Result<(), Failure> {
    if text.len() > MAX_KEY {
        return Err(Failure::Invalid(what, "longer than 65534 bytes"));
    }
    check_text(text, what)
}

/// Refuses text that is not UTF-8.
pub fn check_text(text: &[u8], what: &'static str) -> Result<(), Failure> {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::Invalid(what, "not UTF-8")),
    }
}

/// Writes a result, if the caller wants it.
///
/// # Safety
///
/// C5.
#[inline(always)]
pub unsafe fn write_result<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: not NULL, and the caller's promise.
        unsafe { place.write(value) };
    }
}

/// Reports whether a pointer for a result is not NULL.
#[inline(always)]
pub fn required<T>(place: *mut T, what: &'static str) -> Result<*mut T, Failure> {
    if place.is_null() { Err(Failure::Null(what)) } else { Ok(place) }
}

/// Reports whether a buffer can be written to: NULL stands for a buffer of no bytes.
#[inline(always)]
pub fn is_buffer(buffer: *const c_char, size: usize) -> bool {
    !buffer.is_null() || size == 0
}

/// As [`is_buffer`], for a failure.
pub fn check_buffer(buffer: *const c_char, size: usize) -> Result<(), Failure> {
    if is_buffer(buffer, size) { Ok(()) } else { Err(Failure::Null("buffer")) }
}

/// Copies text to a buffer as snprintf does.
///
/// # Safety
///
/// C3.
#[inline(always)]
pub unsafe fn put(text: &[u8], buffer: *mut c_char, size: usize) {
    if buffer.is_null() || size == 0 {
        return;
    }
    let len = text.len().min(size - 1);
    let (from, to) = (text.as_ptr(), buffer.cast::<u8>());
    if (16..=64).contains(&len) {
        // Most values: four pieces, which overlap, and no call. The last starts at `last`.
        let last = len - 16;
        let second = last.min(16);
        // SAFETY: C3, and `len` is below `size`; 16 bytes from each of these on are inside both. The same for the rest.
        unsafe { copy_sixteen(from, to, 0) };
        // SAFETY: see above.
        unsafe { copy_sixteen(from, to, second) };
        // SAFETY: see above.
        unsafe { copy_sixteen(from, to, last - second) };
        // SAFETY: see above.
        unsafe { copy_sixteen(from, to, last) };
    } else {
        // SAFETY: C3, and `len` is below `size`. The text is memory of the library, or C would use it during the call.
        unsafe { std::ptr::copy_nonoverlapping(from, to, len) };
    }
    // SAFETY: C3, and `len` is below `size`.
    let end = unsafe { buffer.add(len) };
    // SAFETY: the same: the byte at `len` is in the buffer.
    unsafe { end.write(0) };
}

/// Copies sixteen bytes, `start` bytes behind the start of both.
///
/// # Safety
///
/// They are inside both, which do not overlap.
#[inline(always)]
unsafe fn copy_sixteen(from: *const u8, to: *mut u8, start: usize) {
    // SAFETY: the caller's promise.
    let from = unsafe { from.add(start) };
    // SAFETY: the same.
    let to = unsafe { to.add(start) };
    // SAFETY: the same.
    unsafe { std::ptr::copy_nonoverlapping(from, to, 16) };
}

/// Writes a value as cms_get does: the bytes as [`put`] does, and the length.
///
/// # Safety
///
/// C3 for `buffer`, C5 for `len`.
#[inline(always)]
pub unsafe fn put_value(value: &[u8], buffer: *mut c_char, size: usize, len: *mut usize) {
    // SAFETY: the caller's promise.
    unsafe { put(value, buffer, size) };
    // SAFETY: the same.
    unsafe { write_result(len, value.len()) };
}

/// Hands a new handle to C.
///
/// # Safety
///
/// C5, and `place` is not NULL.
pub unsafe fn write_handle<T>(place: *mut *mut T, value: T) {
    // SAFETY: the caller's promise.
    unsafe { place.write(Box::into_raw(Box::new(value))) };
}

/// Takes ownership of a handle back from C. NULL gives `None`.
///
/// # Safety
///
/// C6, and [`write_handle`] gave it out as a `T`.
pub unsafe fn reclaim<T>(handle: *mut T) -> Option<Box<T>> {
    if handle.is_null() {
        return None;
    }
    // SAFETY: not NULL, and the caller's promise: it came from `Box::into_raw`, and nothing else refers to it.
    Some(unsafe { Box::from_raw(handle) })
}

/// Gives text the NUL byte that C wants.
pub fn text(bytes: &[u8]) -> CString {
    CString::new(bytes).unwrap_or_default()
}

/// Reads text.
///
/// # Safety
///
/// As for [`bytes`].
pub unsafe fn string<'s>(text: *const c_char, what: &'static str) -> Result<&'s str, Failure> {
    // SAFETY: the caller's promise.
    let text = unsafe { bytes(text, what) }?;
    std::str::from_utf8(text).map_err(|_| Failure::Invalid(what, "not UTF-8"))
}

/// Reads a message, which may be missing.
///
/// # Safety
///
/// As for [`string`].
pub unsafe fn message_of<'s>(message: *const c_char) -> Result<Option<&'s str>, Failure> {
    if message.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and the caller's promise.
    let text = unsafe { CStr::from_ptr(message) };
    text.to_str().map(Some).map_err(|_| Failure::Invalid("message", "not UTF-8"))
}
