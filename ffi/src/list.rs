//! The items of a list, copied.

use std::ffi::{CString, c_char};

use cms_core::log::Content;

use crate::handle::{
    bytes, check, cms_bytes, handle, handle_mut, reclaim, required, write_handle, write_result,
};
use crate::open::cms_store;
use crate::revision::value_at;
use crate::status::{Failure, cms_status, guard, guard_void};
use crate::store::explain;
use crate::txn::cms_txn;

/// A copy of the items of a list. Any number of threads may use one at the same time. It may outlive its store.
pub struct cms_list(Vec<CString>);

impl cms_list {
    fn of(value: &Content) -> Self {
        Self(value.items().iter().map(|item| crate::handle::text(item)).collect())
    }

    pub fn of_items(items: &[&[u8]]) -> Self {
        Self(items.iter().map(|item| crate::handle::text(item)).collect())
    }
}

/// Reads the newest committed items of a list. A string is a list of one.
///
/// As cms_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_list_open(
    store: *const cms_store,
    key: *const c_char,
    list: *mut *mut cms_list,
) -> cms_status {
    guard(|| {
        let place = required(list, "list")?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2.
        let text = unsafe { bytes(key, "key") }?;
        let copy = |item: &[u8]| CString::new(item).unwrap_or_default();
        match store.0.get(text, |value| value.items().map(copy).collect()) {
            Ok(Some(items)) => {
                // SAFETY: not NULL, C5.
                unsafe { write_handle(place, cms_list(items)) };
                Ok(())
            }
            other => Err(explain::<Vec<CString>>(&store.0, text, other)),
        }
    })
}

/// Reads the items of a list as a transaction sees them, its own changes included: see cms_txn_get. A string is a list
/// of one.
///
/// CMS_ERR_NOT_FOUND: there is no such key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_list_open(
    txn: *mut cms_txn,
    key: *const c_char,
    list: *mut *mut cms_list,
) -> cms_status {
    guard(|| {
        let place = required(list, "list")?;
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        let key = unsafe { bytes(key, "key") }?;
        check(key, "key")?;
        let value = txn.get(key)?;
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_list::of(&value)) };
        Ok(())
    })
}

/// Reads the items that a list had at a revision. A string is a list of one.
///
/// As cms_get_at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_list_open_at(
    store: *const cms_store,
    key: *const c_char,
    revision: u64,
    list: *mut *mut cms_list,
) -> cms_status {
    guard(|| {
        let place = required(list, "list")?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2.
        let value = value_at(store, unsafe { bytes(key, "key") }?, revision)?;
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_list::of(&value)) };
        Ok(())
    })
}

/// Gets the number of items.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_list_len(list: *const cms_list, len: *mut usize) -> cms_status {
    guard(|| {
        let place = required(len, "len")?;
        // SAFETY: C1.
        let list = unsafe { handle(list, "list") }?;
        // SAFETY: C5.
        unsafe { write_result(place, list.0.len()) };
        Ok(())
    })
}

/// Finds item `index`, counted from 0. It is valid until the list is closed.
///
/// CMS_ERR_END: the list has fewer items.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_list_item(
    list: *const cms_list,
    index: usize,
    item: *mut cms_bytes,
) -> cms_status {
    guard(|| {
        let place = required(item, "item")?;
        // SAFETY: C1.
        let list = unsafe { handle(list, "list") }?;
        let found = list.0.get(index).ok_or(Failure::End)?;
        // SAFETY: C5.
        unsafe { write_result(place, cms_bytes::of(found.as_bytes())) };
        Ok(())
    })
}

/// Closes a list. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_list_close(list: *mut cms_list) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(list) }));
}
