//! Reading packages at a revision, and listing those that have changed since.

use std::ffi::c_char;

use cms_core::log::Content;
use cms_core::{Error, Key, Missing};

use crate::handle::{
    bytes, check, check_buffer, handle, put_value, required, string, write_handle, write_result,
};
use crate::iter::cms_package_iter;
use crate::library::{HISTORY, guard_if};
use crate::open::cms_store;
use crate::status::{Failure, cms_status};
use crate::store::string_of;

/// Finds a revision: a number, "-3" (three transactions before the last), "now", a time in braces ("@{10 min ago}",
/// "@{2026-11-21 08:02}", in UTC), or the label of a snapshot ("label:5" if it reads as a revision).
///
/// CMS_ERR_NOT_FOUND: there is no such revision, the log does not go back that far, or the log was begun anew since the
/// snapshot was made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_find_revision(
    store: *const cms_store,
    name: *const c_char,
    revision: *mut u64,
) -> cms_status {
    guard_if::<HISTORY>(|| {
        let place = required(revision, "revision")?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?.0.engine();
        // SAFETY: C2.
        let name = unsafe { string(name, "name") }?;
        let found = store.history().find_revision(name)?;
        // SAFETY: C5.
        unsafe { write_result(place, found) };
        Ok(())
    })
}

/// Reads the value a key had at a revision, as cms_get reads the newest.
///
/// CMS_ERR_NOT_FOUND: there was no such key, the log does not go back that far, or there is no such
/// revision yet. CMS_ERR_TYPE: the value was a list;
/// see cms_list_open_at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get_at(
    store: *const cms_store,
    key: *const c_char,
    revision: u64,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    guard_if::<HISTORY>(|| {
        check_buffer(buffer, size)?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2.
        let key = unsafe { bytes(key, "key") }?;
        let value = value_at(store, key, revision)?;
        // SAFETY: C3, C5.
        unsafe { put_value(string_of(key, &value)?, buffer, size, len) };
        Ok(())
    })
}

/// Finds the value that a key had at a revision.
pub(crate) fn value_at(store: &cms_store, text: &[u8], revision: u64) -> Result<Content, Failure> {
    check(text, "key")?;
    let key = Key::parse(text)?;
    let missing = || Failure::Missing(text.to_vec());
    let name = std::str::from_utf8(&key.package).map_err(|_| missing())?;
    let package = store.0.engine().history().package_at(name, revision)?.ok_or_else(missing)?;
    let key = package.settle(key)?;
    let selector = key.section.as_ref().ok_or_else(missing)?;
    let section = package.select(selector)?.ok_or_else(missing)?;
    let Some(option) = &key.option else { return Ok(Content::String(section.section_type().to_vec())) };
    Ok(Content::from(section.get(option).ok_or_else(missing)?))
}

/// Reads the text a package had at a revision, byte for byte, into `buffer`, as cms_get reads a value: `len` gets its
/// length in bytes, without the NUL byte. A package that the log first saw after the revision is taken to have had its
/// first text at the revision already. Changes made with an editor count as made when they were noted.
///
/// CMS_ERR_NOT_FOUND: there was no such package, the log does not go back that far, or there is no
/// such revision yet. CMS_ERR_DAMAGED: the log is
/// damaged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_text_at(
    store: *const cms_store,
    package: *const c_char,
    revision: u64,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    guard_if::<HISTORY>(|| {
        check_buffer(buffer, size)?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?.0.engine();
        // SAFETY: C2.
        let package = unsafe { string(package, "package") }?;
        let found = match store.history().text_at(package, revision) {
            // A package that the log has never seen may exist all the same.
            Err(Error::Missing(Missing::Unlogged { .. })) if store.history().note_edits().is_ok() => {
                store.history().text_at(package, revision)
            }
            found => found,
        };
        let text = found?.ok_or_else(|| Failure::Missing(package.into()))?;
        // SAFETY: C3, C5.
        unsafe { put_value(&text, buffer, size, len) };
        Ok(())
    })
}

/// Iterates over the names of the packages that were changed after a revision, in byte order. Changes made with an
/// editor are noted first. If the log does not go back that far, some of them may not have changed.
///
/// CMS_ERR_NOT_FOUND: there is no log, because no state directory can be written. CMS_ERR_DAMAGED: the log is damaged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_package_iter_open_changed(
    store: *const cms_store,
    revision: u64,
    iter: *mut *mut cms_package_iter,
) -> cms_status {
    guard_if::<HISTORY>(|| {
        let place = required(iter, "iter")?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?.0.engine();
        // A user who may not write the log may still read it.
        let _ = store.history().note_edits();
        let names = store.history().changed_since(revision)?;
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_package_iter::of(names)) };
        Ok(())
    })
}
