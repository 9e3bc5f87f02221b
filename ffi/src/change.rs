//! Changes in one call: a transaction of one change each.

use std::ffi::c_char;

use cms_core::{Error, Transaction, ValueType};

use crate::handle::{bytes, check, check_buffer, check_text, handle, put_value, required};
use crate::open::cms_store;
use crate::status::{Failure, cms_status, guard};

/// The name of arguments that are values. Values may be any bytes; all other text is UTF-8.
pub const VALUE: &str = "value";

/// Makes a transaction of one change, which is made whatever others have changed meanwhile.
pub fn commit(
    store: &cms_store,
    change: &mut dyn FnMut(&mut Transaction) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut txn = store.0.begin()?;
    txn.set_overwrite(true);
    change(&mut txn)?;
    Ok(txn.commit().map(drop)?)
}

/// Makes a change with a key and a string, which is called `what`.
///
/// # Safety
///
/// C2.
pub unsafe fn changed(
    txn: &mut Transaction,
    key: *const c_char,
    (text, what): (*const c_char, &'static str),
    change: impl FnOnce(&mut Transaction, &[u8], &[u8]) -> cms_core::Result<()>,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise.
    let key = unsafe { bytes(key, "key") }?;
    // SAFETY: C2.
    let text = unsafe { bytes(text, what) }?;
    check(key, "key")?;
    if what != VALUE {
        check_text(text, what)?;
    }
    change(txn, key, text).map_err(|error| blame(error, key, text))
}

/// Names the key in the error of a value that is not allowed.
pub fn blame(error: Error, key: &[u8], value: &[u8]) -> Failure {
    let (shown, key_shown) = (cms_core::shown::name(value), cms_core::shown::name(key));
    match &error {
        Error::Invalid { what, .. } if *what == shown && shown != key_shown => {
            Failure::BadValue { key: key.to_vec(), value: value.to_vec(), error: Box::new(error) }
        }
        _ => error.into(),
    }
}

/// Sets an option to text that the library has made, of a type.
///
/// # Safety
///
/// C2.
pub unsafe fn set(
    txn: &mut Transaction,
    key: *const c_char,
    (text, value_type): (&str, ValueType),
) -> Result<(), Failure> {
    // SAFETY: the caller's promise.
    let key = unsafe { bytes(key, "key") }?;
    check(key, "key")?;
    Ok(txn.set_typed(key, text.as_bytes(), value_type)?)
}

/// Sets an option to a list.
///
/// # Safety
///
/// C2, C3.
pub unsafe fn set_list(
    txn: &mut Transaction,
    key: *const c_char,
    items: *const *const c_char,
    count: usize,
) -> Result<(), Failure> {
    // SAFETY: C2.
    let key = unsafe { bytes(key, "key") }?;
    check(key, "key")?;
    // SAFETY: C2, C3.
    let items = unsafe { list_items(items, count) }?;
    txn.set_list(key, &items).map_err(|error| blame_item(error, key, &items))
}

/// Names the key in the error of an item that is not allowed.
pub fn blame_item(error: Error, key: &[u8], items: &[&[u8]]) -> Failure {
    let is_it =
        |item: &&&[u8]| matches!(&error, Error::Invalid { what, .. } if *what == cms_core::shown::name(item));
    let item = items.iter().find(is_it).map_or(&[][..], |item| *item);
    blame(error, key, item)
}

/// Reads the items of a list.
///
/// # Safety
///
/// C2, C3; as for [`bytes`].
pub unsafe fn list_items<'s>(items: *const *const c_char, count: usize) -> Result<Vec<&'s [u8]>, Failure> {
    if count > 0 {
        required(items.cast_mut(), "items")?;
    }
    let item = |index| {
        // SAFETY: C3: the index is below `count`.
        let place = unsafe { items.add(index) };
        // SAFETY: the same.
        let item = unsafe { place.read() };
        // SAFETY: C2.
        unsafe { bytes(item, "one of items") }
    };
    (0..count).map(item).collect()
}

/// Adds a section, and writes its name to the buffer.
///
/// # Safety
///
/// C2, C3, C5.
pub unsafe fn add_section(
    txn: &mut Transaction,
    (package, section_type): (*const c_char, *const c_char),
) -> Result<String, Failure> {
    // SAFETY: C2.
    let package = unsafe { bytes(package, "package") }?;
    // SAFETY: C2.
    let section_type = unsafe { bytes(section_type, "type") }?;
    check(package, "package")?;
    check(section_type, "type")?;
    Ok(txn.add_section(package, section_type)?)
}

/// Reads the name of a package.
///
/// # Safety
///
/// C2; as for [`bytes`].
pub unsafe fn package_name<'s>(package: *const c_char) -> Result<&'s [u8], Failure> {
    // SAFETY: the caller's promise.
    let package = unsafe { bytes(package, "package") }?;
    check(package, "package")?;
    Ok(package)
}

/// Returns a number as text.
pub fn number(value: impl std::fmt::Display) -> String {
    value.to_string()
}

/// Returns a truth value as text.
pub fn truth(value: i32) -> &'static str {
    if value == 0 { "0" } else { "1" }
}

/// Returns a decimal number as text: the shortest that reads back to the same number, always with a point or an
/// exponent.
pub fn decimal(value: f64) -> Result<String, Failure> {
    match value.is_finite() {
        true => Ok(format!("{value:?}")),
        false => Err(Failure::Invalid("value", "not a finite number")),
    }
}

/// Sets an option, or makes a section, as cms_txn_set does, and commits that. Like all functions of this group it is a
/// transaction of its own, which is made whatever others have changed meanwhile, and as durable as all of the store. For
/// several changes together, for a message in the history, or to learn of conflicts, use a transaction.
///
/// As cms_txn_set and cms_txn_commit. Nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_set(
    store: *const cms_store,
    key: *const c_char,
    value: *const c_char,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2, C3.
        commit(store, &mut |txn| unsafe { changed(txn, key, (value, VALUE), Transaction::set) })
    })
}

/// Sets an option to a whole number, as cms_set does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_set_int(store: *const cms_store, key: *const c_char, value: i64) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2, C3.
        commit(store, &mut |txn| unsafe { set(txn, key, (&number(value), ValueType::Int)) })
    })
}

/// Sets an option to a truth value, as cms_set does: in UCI to "1", or to "0" if `value` is 0; in TOML and JSON
/// to true or false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_set_bool(store: *const cms_store, key: *const c_char, value: i32) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2, C3.
        commit(store, &mut |txn| unsafe { set(txn, key, (truth(value), ValueType::Bool)) })
    })
}

/// Sets an option to a decimal number, as cms_set does: with as few digits as read back to the same number, whatever
/// the locale.
///
/// CMS_ERR_INVALID: it is infinite or not a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_set_double(
    store: *const cms_store,
    key: *const c_char,
    value: f64,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2, C3.
        commit(store, &mut |txn| unsafe { set(txn, key, (&decimal(value)?, ValueType::Float)) })
    })
}

/// Sets an option to a number of bytes, as cms_set does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_set_size(store: *const cms_store, key: *const c_char, value: u64) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2, C3.
        commit(store, &mut |txn| unsafe { set(txn, key, (&number(value), ValueType::Int)) })
    })
}

/// Sets an option to a list of `count` items, as cms_txn_set_list does, and commits that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_set_list(
    store: *const cms_store,
    key: *const c_char,
    items: *const *const c_char,
    count: usize,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2, C3.
        commit(store, &mut |txn| unsafe { set_list(txn, key, items, count) })
    })
}

/// Appends an item to a list, as cms_txn_add_list does, and commits that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_add_list(
    store: *const cms_store,
    key: *const c_char,
    value: *const c_char,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2, C3.
        commit(store, &mut |txn| unsafe { changed(txn, key, (value, VALUE), Transaction::add_list) })
    })
}

/// Removes all items of a list that equal `value`, as cms_txn_del_list does, and commits that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_del_list(
    store: *const cms_store,
    key: *const c_char,
    value: *const c_char,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2, C3.
        commit(store, &mut |txn| unsafe { changed(txn, key, (value, VALUE), Transaction::del_list) })
    })
}

/// Deletes an option, or a section with all its options, as cms_txn_delete does, and commits that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_delete(store: *const cms_store, key: *const c_char) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2, C3.
        commit(store, &mut |txn| unsafe {
            changed(txn, key, (c"".as_ptr(), ""), |txn, key, _| txn.delete(key))
        })
    })
}

/// Renames an option or a section, as cms_txn_rename does, and commits that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_rename(
    store: *const cms_store,
    key: *const c_char,
    name: *const c_char,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2, C3.
        commit(store, &mut |txn| unsafe { changed(txn, key, (name, "name"), Transaction::rename) })
    })
}

/// Moves a section to a position in its package, as cms_txn_reorder does, and commits that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_reorder(
    store: *const cms_store,
    key: *const c_char,
    position: usize,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2, C3.
        commit(store, &mut |txn| unsafe {
            changed(txn, key, (c"".as_ptr(), ""), |txn, key, _| txn.reorder(key, position))
        })
    })
}

/// Adds an anonymous section at the end of a package, as cms_txn_add_section does, and commits that. Its generated name
/// is written to `buffer`, as in cms_get; 32 bytes are enough.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_add_section(
    store: *const cms_store,
    package: *const c_char,
    r#type: *const c_char,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    guard(|| {
        check_buffer(buffer, size)?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        let mut name = String::new();
        commit(store, &mut |txn| {
            // SAFETY: C2.
            name = unsafe { add_section(txn, (package, r#type)) }?;
            Ok(())
        })?;
        // SAFETY: C3, C5.
        unsafe { put_value(name.as_bytes(), buffer, size, len) };
        Ok(())
    })
}

/// Makes a package without sections, as cms_txn_add_package does, and commits that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_add_package(store: *const cms_store, package: *const c_char) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2.
        let package = unsafe { package_name(package) }?;
        commit(store, &mut |txn| Ok(txn.add_package(package)?))
    })
}

/// Deletes a package and its file, as cms_txn_delete_package does, and commits that. Undoing the transaction brings it
/// back. As in all transactions of the library, changes that are staged (by `cms set` or `uci set`) stay staged; those
/// that do not need the deleted sections are made in a new package when they are committed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_delete_package(store: *const cms_store, package: *const c_char) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2.
        let package = unsafe { package_name(package) }?;
        commit(store, &mut |txn| Ok(txn.delete_package(package)?))
    })
}
