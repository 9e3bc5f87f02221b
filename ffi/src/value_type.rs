//! The types of values, and writes of values with a type.

use std::ffi::c_char;

use cms_core::{Transaction, ValueType};

use crate::change::{blame, blame_item, commit, list_items};
use crate::handle::{bytes, check, handle, handle_mut, required, write_result};
use crate::key::cms_key;
use crate::open::cms_store;
use crate::snapshot::cms_snapshot;
use crate::status::{Failure, cms_status, guard};
use crate::txn::cms_txn;
use crate::typed::{OfKey, OfSnapshot, OfStore, OfTxn, Source};

/// The type of a value. UCI text has strings and lists of strings; TOML and JSON have the others as well. A number is
/// never used again with another meaning.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum cms_type {
    /// A string; also what a section's type is.
    CMS_TYPE_STRING = 0,
    /// A list of strings.
    CMS_TYPE_LIST = 1,
    /// A whole number, perhaps of more than 64 bits.
    CMS_TYPE_INT = 2,
    /// A number with a point or an exponent; in TOML also inf and nan.
    CMS_TYPE_FLOAT = 3,
    /// true or false.
    CMS_TYPE_BOOL = 4,
    /// null, which JSON has.
    CMS_TYPE_NULL = 5,
    /// A list of whole numbers.
    CMS_TYPE_INT_LIST = 6,
    /// A list of floats.
    CMS_TYPE_FLOAT_LIST = 7,
    /// A list of truth values.
    CMS_TYPE_BOOL_LIST = 8,
    /// A nested or mixed value, as JSON text.
    CMS_TYPE_JSON = 9,
}

use cms_type::{
    CMS_TYPE_BOOL, CMS_TYPE_BOOL_LIST, CMS_TYPE_FLOAT, CMS_TYPE_FLOAT_LIST, CMS_TYPE_INT, CMS_TYPE_INT_LIST,
    CMS_TYPE_JSON, CMS_TYPE_LIST, CMS_TYPE_NULL, CMS_TYPE_STRING,
};

impl cms_type {
    pub fn of(value_type: ValueType) -> Self {
        match value_type {
            ValueType::List => CMS_TYPE_LIST,
            ValueType::Int => CMS_TYPE_INT,
            ValueType::Float => CMS_TYPE_FLOAT,
            ValueType::Bool => CMS_TYPE_BOOL,
            ValueType::Null => CMS_TYPE_NULL,
            ValueType::IntList => CMS_TYPE_INT_LIST,
            ValueType::FloatList => CMS_TYPE_FLOAT_LIST,
            ValueType::BoolList => CMS_TYPE_BOOL_LIST,
            ValueType::Json => CMS_TYPE_JSON,
            // `ValueType` may grow; the test below shows that there is no other yet.
            _ => CMS_TYPE_STRING,
        }
    }
}

/// Returns the type of a number that C gives.
fn from_c(number: i32) -> Result<ValueType, Failure> {
    let known = u8::try_from(number).ok().and_then(ValueType::of_number);
    known.ok_or(Failure::Invalid("type", "none of cms_type"))
}

/// Returns the name of a type, as the command takes and prints it: "int", for example; "" if `type` is none of cms_type.
#[unsafe(no_mangle)]
pub extern "C" fn cms_type_name(r#type: i32) -> *const c_char {
    let name = match u8::try_from(r#type).ok().and_then(ValueType::of_number) {
        Some(ValueType::String) => c"string",
        Some(ValueType::List) => c"list",
        Some(ValueType::Int) => c"int",
        Some(ValueType::Float) => c"float",
        Some(ValueType::Bool) => c"bool",
        Some(ValueType::Null) => c"null",
        Some(ValueType::IntList) => c"int-list",
        Some(ValueType::FloatList) => c"float-list",
        Some(ValueType::BoolList) => c"bool-list",
        Some(ValueType::Json) => c"json",
        _ => c"",
    };
    name.as_ptr()
}

/// Writes the type of a value.
///
/// # Safety
///
/// C5.
unsafe fn put_type(mut source: impl Source, r#type: *mut cms_type) -> Result<(), Failure> {
    let place = required(r#type, "type")?;
    let mut found = ValueType::String;
    source.read_typed(&mut |_, value_type| found = value_type)?;
    // SAFETY: not NULL, C5.
    unsafe { write_result(place, cms_type::of(found)) };
    Ok(())
}

/// Gets the type of the newest committed value of a key. Typed reads such as cms_get_int need not be told: they read
/// the number 8080 of JSON as the string "8080" of UCI.
///
/// CMS_ERR_NOT_FOUND: there is no such key. Otherwise as cms_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_get_type(
    store: *const cms_store,
    key: *const c_char,
    r#type: *mut cms_type,
) -> cms_status {
    guard(|| {
        // SAFETY: C1, C2, C5.
        let source = unsafe { OfStore::new(store, key) }?;
        // SAFETY: C5.
        unsafe { put_type(source, r#type) }
    })
}

/// Gets the type of a value in the state of the snapshot, as cms_get_type does.
///
/// As cms_get_type, and CMS_ERR_STALE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_get_type(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    r#type: *mut cms_type,
) -> cms_status {
    guard(|| {
        // SAFETY: C1, C2, C5.
        let source = unsafe { OfSnapshot::new(snapshot, key) }?;
        // SAFETY: C5.
        unsafe { put_type(source, r#type) }
    })
}

/// Gets the type of the value of a prepared key, as cms_get_type does.
///
/// As cms_get_type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_key_get_type(key: *mut cms_key, r#type: *mut cms_type) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4, C5.
        let source = unsafe { OfKey::new(key) }?;
        // SAFETY: C5.
        unsafe { put_type(source, r#type) }
    })
}

/// Gets the type of a value as the transaction sees it, as cms_get_type does: see cms_txn_get.
///
/// As cms_get_type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_get_type(
    txn: *mut cms_txn,
    key: *const c_char,
    r#type: *mut cms_type,
) -> cms_status {
    guard(|| {
        // SAFETY: C1, C2, C4, C5.
        let source = unsafe { OfTxn::new(txn, key) }?;
        // SAFETY: C5.
        unsafe { put_type(source, r#type) }
    })
}

/// Sets an option to a value of a type.
///
/// # Safety
///
/// C2.
unsafe fn set_typed(
    txn: &mut Transaction,
    key: *const c_char,
    (number, value): (i32, *const c_char),
) -> Result<(), Failure> {
    // SAFETY: the caller's promise.
    let key = unsafe { bytes(key, "key") }?;
    // SAFETY: C2.
    let value = unsafe { bytes(value, "value") }?;
    check(key, "key")?;
    txn.set_typed(key, value, from_c(number)?).map_err(|error| blame(error, key, value))
}

/// Sets an option to a list of a type.
///
/// # Safety
///
/// C2, C3.
unsafe fn set_typed_list(
    txn: &mut Transaction,
    key: *const c_char,
    number: i32,
    (items, count): (*const *const c_char, usize),
) -> Result<(), Failure> {
    // SAFETY: the caller's promise.
    let key = unsafe { bytes(key, "key") }?;
    check(key, "key")?;
    let list_type = from_c(number)?;
    // SAFETY: C2, C3.
    let items = unsafe { list_items(items, count) }?;
    txn.set_list_typed(key, &items, list_type).map_err(|error| blame_item(error, key, &items))
}

/// Sets an option to a value of a type, one of cms_type that is no list, and commits that, as cms_set does. `value` is
/// its text: "null" for CMS_TYPE_NULL, JSON for CMS_TYPE_JSON. In a package of UCI text the value becomes a string.
///
/// CMS_ERR_TYPE: the text is no value of the type. Otherwise as cms_set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_set_typed(
    store: *const cms_store,
    key: *const c_char,
    r#type: i32,
    value: *const c_char,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2.
        commit(store, &mut |txn| unsafe { set_typed(txn, key, (r#type, value)) })
    })
}

/// Sets an option to a value of a type, as cms_set_typed does, in a transaction.
///
/// As cms_set_typed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_set_typed(
    txn: *mut cms_txn,
    key: *const c_char,
    r#type: i32,
    value: *const c_char,
) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        unsafe { set_typed(txn.transaction(), key, (r#type, value)) }
    })
}

/// Sets an option to a list of a type, one of cms_type that is a list, and commits that, as cms_set_list does. TOML and
/// JSON keep a list without items. cms_set_list and cms_add_list keep the type of a list that is there.
///
/// CMS_ERR_TYPE: an item is no value of the type. Otherwise as cms_set_list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_set_typed_list(
    store: *const cms_store,
    key: *const c_char,
    r#type: i32,
    items: *const *const c_char,
    count: usize,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2, C3.
        commit(store, &mut |txn| unsafe { set_typed_list(txn, key, r#type, (items, count)) })
    })
}

/// Sets an option to a list of a type, as cms_set_typed_list does, in a transaction.
///
/// As cms_set_typed_list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_set_typed_list(
    txn: *mut cms_txn,
    key: *const c_char,
    r#type: i32,
    items: *const *const c_char,
    count: usize,
) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2, C3.
        unsafe { set_typed_list(txn.transaction(), key, r#type, (items, count)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_the_number_and_the_name_of_the_library() {
        for value_type in ValueType::ALL {
            let number = cms_type::of(value_type) as i32;
            assert_eq!(number, i32::from(value_type.number()));
            // SAFETY: it is a constant.
            let name = unsafe { std::ffi::CStr::from_ptr(cms_type_name(number)) };
            assert_eq!(name.to_bytes(), value_type.name().as_bytes());
        }
        for number in [-1, 10, 256, i32::MAX] {
            // SAFETY: it is a constant.
            assert!(unsafe { std::ffi::CStr::from_ptr(cms_type_name(number)) }.is_empty(), "{number}");
            assert!(from_c(number).is_err(), "{number}");
        }
    }
}
