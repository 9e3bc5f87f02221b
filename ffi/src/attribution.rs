//! The author and the request of a transaction.

use std::ffi::c_char;

use cms_core::Missing;
use cms_core::log::{Attribution, RequestId};

use crate::handle::{handle, handle_mut, optional, required, string, write_handle, write_result};
use crate::library::{HISTORY, guard_if};
use crate::open::cms_store;
use crate::sized::{self, sized};
use crate::status::{Failure, cms_status, guard};
use crate::txn::cms_txn;

sized! {
    /// The author, program, message and request of transactions. A program that commits for other people gives them: see
    /// cms_store_open_as. Set everything to zero, then `size` to sizeof(cms_attribution), then what is known. Strings are
    /// UTF-8 and are copied; an empty string means the same as NULL.
    #[repr(C)]
    pub struct cms_attribution {
        /// sizeof(cms_attribution), which the caller sets.
        pub size: usize,
        /// The author, "alice@192.168.7.20" for example. NULL: the user of the process.
        pub author: *const c_char,
        /// The name of the program or interface. NULL: that of the store.
        pub source: *const c_char,
        /// The message of transactions that have none of their own, for the history. NULL: none.
        pub message: *const c_char,
        /// The id of the request that the transactions are made for: 32 hexadecimal digits, with any hyphens between
        /// them, as in a UUID. NULL: none.
        pub request: *const c_char,
    }
}

/// Makes a handle of the same open store whose transactions are of another author, program or request; so are those that
/// cms_undo and the like make with it. It shares the maps, the log and its queue with `store`, costs little, and is
/// closed with cms_close, before or after `store`.
///
/// CMS_ERR_INVALID: `request` is no id of a request; or a member is set that this version of the library does not know.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_store_open_as(
    store: *const cms_store,
    by: *const cms_attribution,
    other: *mut *mut cms_store,
) -> cms_status {
    guard(|| {
        let place = required(other, "other")?;
        // SAFETY: C1.
        let live = &unsafe { handle(store, "store") }?.0;
        // SAFETY: C7, C2.
        let attributed = live.with(unsafe { read(by) }?);
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_store(attributed)) };
        Ok(())
    })
}

/// Reads an attribution.
///
/// # Safety
///
/// C7, and C2 for its strings.
unsafe fn read(by: *const cms_attribution) -> Result<Attribution, Failure> {
    // SAFETY: the caller's promise.
    let all = unsafe { sized::read(by, "by") }?;
    // SAFETY: C2.
    let text = |member, what| unsafe { given(member, what) };
    let mut read = Attribution::new().author(text(all.author, "author")?.unwrap_or_default());
    if let Some(source) = text(all.source, "source")? {
        read = read.source(source);
    }
    if let Some(message) = text(all.message, "message")? {
        read = read.message(message);
    }
    if let Some(request) = text(all.request, "request")? {
        read = read.request(RequestId::parse(request)?);
    }
    Ok(read)
}

/// Reads text that is not needed.
///
/// # Safety
///
/// C2.
unsafe fn given<'s>(text: *const c_char, what: &'static str) -> Result<Option<&'s str>, Failure> {
    // SAFETY: the caller's promise.
    let text = unsafe { optional(text) }.filter(|text| !text.is_empty());
    let text = text.map(|text| std::str::from_utf8(text).map_err(|_| Failure::Invalid(what, "not UTF-8")));
    text.transpose()
}

/// Sets the author of the transaction, "alice@192.168.7.20" for example: the person for whom the program commits. NULL is
/// the user of the process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_set_author(txn: *mut cms_txn, author: *const c_char) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        let author = unsafe { given(author, "author") }?;
        txn.transaction().set_author(author.unwrap_or_default());
        Ok(())
    })
}

/// Sets the name of the program or interface, for this transaction in place of that of the store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_set_source(txn: *mut cms_txn, source: *const c_char) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        txn.transaction().set_source(unsafe { string(source, "source") }?);
        Ok(())
    })
}

/// Sets the id of the request that the transaction is made for: 32 hexadecimal digits, with any hyphens between them, as
/// in a UUID. cms_find_request finds the transaction by it.
///
/// CMS_ERR_INVALID: it is no id of a request.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_set_request(txn: *mut cms_txn, request: *const c_char) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        let request = unsafe { string(request, "request") }?;
        txn.transaction().set_request(RequestId::parse(request)?);
        Ok(())
    })
}

/// Finds the transaction that was made for a request; `revision` gets its number and may be NULL. A program that does not
/// know whether the first try of a request was committed asks this before it tries again. A commit that a crash has
/// interrupted is completed first.
///
/// CMS_ERR_NOT_FOUND: no transaction in the log is of this request, or there is no log. CMS_ERR_INVALID: it is no id of a
/// request.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_find_request(
    store: *const cms_store,
    request: *const c_char,
    revision: *mut u64,
) -> cms_status {
    guard_if::<HISTORY>(|| {
        // SAFETY: C1.
        let live = &unsafe { handle(store, "store") }?.0;
        // SAFETY: C2.
        let request = RequestId::parse(unsafe { string(request, "request") }?)?;
        let missing = || Failure::from(cms_core::Error::from(Missing::Request(request.to_string())));
        let found = live.find_request(request)?.ok_or_else(missing)?;
        // SAFETY: C5.
        unsafe { write_result(revision, found.sequence) };
        Ok(())
    })
}
