//! The items of a list, copied.

use std::ffi::{CString, c_char};

use crate::handle::{bytes, cms_bytes, give, give_handle, handle, take_back, wanted};
use crate::open::cms_store;
use crate::status::{Failure, cms_status, guard, guard_void};
use crate::store::explain;

/// A copy of the items of a list. Any number of threads may use one at the same time. It may outlive its store.
pub struct cms_list(Vec<CString>);

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
        let place = wanted(list, "list")?;
        // SAFETY: C keeps the conventions.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: the same.
        let text = unsafe { bytes(key, "key") }?;
        let copy = |item: &[u8]| CString::new(item).unwrap_or_default();
        match store.0.get(text, |value| value.items().map(copy).collect()) {
            Ok(Some(items)) => {
                // SAFETY: not NULL.
                unsafe { give_handle(place, cms_list(items)) };
                Ok(())
            }
            other => Err(explain::<Vec<CString>>(text, other)),
        }
    })
}

/// Tells the number of items.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_list_len(list: *const cms_list, len: *mut usize) -> cms_status {
    guard(|| {
        let place = wanted(len, "len")?;
        // SAFETY: C keeps the conventions.
        let list = unsafe { handle(list, "list") }?;
        // SAFETY: not NULL.
        unsafe { give(place, list.0.len()) };
        Ok(())
    })
}

/// Finds item `index`, counted from 0. It is valid until the list is closed.
///
/// CMS_ERR_END: there are not so many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_list_item(
    list: *const cms_list,
    index: usize,
    item: *mut cms_bytes,
) -> cms_status {
    guard(|| {
        let place = wanted(item, "item")?;
        // SAFETY: C keeps the conventions.
        let list = unsafe { handle(list, "list") }?;
        let found = list.0.get(index).ok_or(Failure::End)?;
        // SAFETY: not NULL.
        unsafe { give(place, cms_bytes::of(found.as_bytes())) };
        Ok(())
    })
}

/// Closes a list. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_list_close(list: *mut cms_list) {
    // SAFETY: C promises that the handle is one, and not used again.
    guard_void(|| drop(unsafe { take_back(list) }));
}
