//! Iterating with callbacks.

use std::ffi::{c_char, c_void};

use cms_core::{Error, Snapshot};

use crate::handle::{bytes, check, cms_bytes, handle, optional, text, write_result};
use crate::iter::{cms_option, cms_section, option_of, section_of};
use crate::open::cms_store;
use crate::snapshot::cms_snapshot;
use crate::status::{Failure, cms_status, guard};

/// Called with the name of each package, and with the `data` given to cms_foreach_package. Returns 0 to go on; anything
/// else ends the iteration. The name is valid until the callback returns.
pub type cms_package_callback =
    Option<unsafe extern "C" fn(name: *const cms_bytes, data: *mut c_void) -> i32>;

/// Called with each section, and with the `data` given to cms_foreach_section. Returns 0 to go on; anything else ends
/// the iteration. The strings are valid until the callback returns, and in a snapshot until that is closed.
pub type cms_section_callback =
    Option<unsafe extern "C" fn(section: *const cms_section, data: *mut c_void) -> i32>;

/// Called with each option, and with the `data` given to cms_foreach_option. Returns 0 to go on; anything else ends the
/// iteration. The strings are valid as in cms_section_callback.
pub type cms_option_callback =
    Option<unsafe extern "C" fn(option: *const cms_option, data: *mut c_void) -> i32>;

/// Calls a function with each item until it returns anything but 0. Returns that, or 0.
fn until<T>(items: impl IntoIterator<Item = T>, call: impl FnMut(T) -> i32) -> i32 {
    items.into_iter().map(call).find(|result| *result != 0).unwrap_or(0)
}

/// # Safety
///
/// C8.
unsafe fn packages(
    snapshot: &Snapshot,
    callback: cms_package_callback,
    data: *mut c_void,
) -> Result<i32, Failure> {
    let call = callback.ok_or(Failure::Null("callback"))?;
    Ok(until(snapshot.packages()?, |name| {
        let owned = text(name.as_bytes());
        let name = cms_bytes::of(owned.as_bytes());
        // SAFETY: C8.
        unsafe { call(&raw const name, data) }
    }))
}

/// # Safety
///
/// C2, C8.
unsafe fn sections(
    snapshot: &Snapshot,
    package: *const c_char,
    section_type: *const c_char,
    callback: cms_section_callback,
    data: *mut c_void,
) -> Result<i32, Failure> {
    let call = callback.ok_or(Failure::Null("callback"))?;
    // SAFETY: the caller's promise.
    let package = unsafe { bytes(package, "package") }?;
    // SAFETY: C2.
    let section_type = unsafe { optional(section_type) }.unwrap_or_default();
    check(package, "package")?;
    check(section_type, "type")?;
    Ok(until(snapshot.package(package)?.sections_of_type(section_type), |section| {
        let section = section_of(section);
        // SAFETY: C8.
        unsafe { call(&raw const section, data) }
    }))
}

/// # Safety
///
/// C2, C8.
unsafe fn options(
    snapshot: &Snapshot,
    package: *const c_char,
    section: *const c_char,
    callback: cms_option_callback,
    data: *mut c_void,
) -> Result<i32, Failure> {
    let call = callback.ok_or(Failure::Null("callback"))?;
    // SAFETY: the caller's promise.
    let package = unsafe { bytes(package, "package") }?;
    // SAFETY: C2.
    let name = unsafe { bytes(section, "section") }?;
    check(package, "package")?;
    check(name, "section")?;
    let missing = || Error::NotFound { key: String::from_utf8_lossy(&[package, b".", name].concat()).into() };
    let section = snapshot.package(package)?.section(name).ok_or_else(missing)?;
    let mut options = section.options();
    Ok(until(std::iter::from_fn(|| options.next_typed()), |(name, value)| {
        let option = option_of(name, value);
        // SAFETY: C8.
        unsafe { call(&raw const option, data) }
    }))
}

/// Calls `callback` with the name of each package, in byte order. `result` gets what the callback has returned last: 0
/// if it has seen all; it may be NULL. The callback may use the store.
///
/// CMS_ERR_NOT_FOUND, CMS_ERR_IO: the configuration directory cannot be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_foreach_package(
    store: *const cms_store,
    callback: cms_package_callback,
    data: *mut c_void,
    result: *mut i32,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let snapshot = unsafe { handle(store, "store") }?.0.snapshot()?;
        // SAFETY: C2, C8.
        let last = unsafe { packages(&snapshot, callback, data) }?;
        // SAFETY: C5.
        unsafe { write_result(result, last) };
        Ok(())
    })
}

/// Calls `callback` with each section of a package, in the order of the file: all of them if `type` is NULL or "", else
/// those of the type. All are of one state, the newest when the call begins. `result` as in cms_foreach_package.
///
/// CMS_ERR_NOT_FOUND: there is no such package. Otherwise as cms_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_foreach_section(
    store: *const cms_store,
    package: *const c_char,
    r#type: *const c_char,
    callback: cms_section_callback,
    data: *mut c_void,
    result: *mut i32,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let snapshot = unsafe { handle(store, "store") }?.0.snapshot()?;
        // SAFETY: C2, C8.
        let last = unsafe { sections(&snapshot, package, r#type, callback, data) }?;
        // SAFETY: C5.
        unsafe { write_result(result, last) };
        Ok(())
    })
}

/// Calls `callback` with each option of a section, in the order of the file. `section` is its name. All are of one
/// state, and `result` is as in cms_foreach_package.
///
/// CMS_ERR_NOT_FOUND: there is no such package or section. Otherwise as cms_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_foreach_option(
    store: *const cms_store,
    package: *const c_char,
    section: *const c_char,
    callback: cms_option_callback,
    data: *mut c_void,
    result: *mut i32,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let snapshot = unsafe { handle(store, "store") }?.0.snapshot()?;
        // SAFETY: C2, C8.
        let last = unsafe { options(&snapshot, package, section, callback, data) }?;
        // SAFETY: C5.
        unsafe { write_result(result, last) };
        Ok(())
    })
}

/// Calls `callback` with the name of each package, as cms_foreach_package does. It lists the packages that exist now.
///
/// As cms_foreach_package.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_foreach_package(
    snapshot: *const cms_snapshot,
    callback: cms_package_callback,
    data: *mut c_void,
    result: *mut i32,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let snapshot = &unsafe { handle(snapshot, "snapshot") }?.0;
        // SAFETY: C2, C8.
        let last = unsafe { packages(snapshot, callback, data) }?;
        // SAFETY: C5.
        unsafe { write_result(result, last) };
        Ok(())
    })
}

/// Calls `callback` with each section of a package of the snapshot, as cms_foreach_section does.
///
/// As cms_foreach_section, and CMS_ERR_STALE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_foreach_section(
    snapshot: *const cms_snapshot,
    package: *const c_char,
    r#type: *const c_char,
    callback: cms_section_callback,
    data: *mut c_void,
    result: *mut i32,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let snapshot = &unsafe { handle(snapshot, "snapshot") }?.0;
        // SAFETY: C2, C8.
        let last = unsafe { sections(snapshot, package, r#type, callback, data) }?;
        // SAFETY: C5.
        unsafe { write_result(result, last) };
        Ok(())
    })
}

/// Calls `callback` with each option of a section of the snapshot, as cms_foreach_option does.
///
/// As cms_foreach_option, and CMS_ERR_STALE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_foreach_option(
    snapshot: *const cms_snapshot,
    package: *const c_char,
    section: *const c_char,
    callback: cms_option_callback,
    data: *mut c_void,
    result: *mut i32,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let snapshot = &unsafe { handle(snapshot, "snapshot") }?.0;
        // SAFETY: C2, C8.
        let last = unsafe { options(snapshot, package, section, callback, data) }?;
        // SAFETY: C5.
        unsafe { write_result(result, last) };
        Ok(())
    })
}
