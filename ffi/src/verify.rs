//! Verifying transactions before they are committed.

use std::ffi::{CStr, c_char, c_void};

use cms_core::Verifier;

use crate::handle::{handle, reclaim, required, write_handle};
use crate::library::{VERIFY, guard_if};
use crate::open::cms_store;
use crate::status::{Failure, cms_status, guard_void};
use crate::watch::{Data, cms_event, text};

/// A verifier: see cms_verifier_open. Any thread may close it.
pub struct cms_verifier(Verifier);

/// Called with each transaction that will be verified, and with the `data` given to cms_verifier_open. Returns 0 to
/// accept it. To refuse it, the callback returns anything else and writes its reason to `reason`, as snprintf does: one
/// line of UTF-8 in at most `size` bytes, the final NUL byte included. `event` is as in a watch, but its `revision` is
/// 0, since the transaction has no number yet.
pub type cms_verifier_callback = Option<
    unsafe extern "C" fn(event: *mut cms_event, reason: *mut c_char, size: usize, data: *mut c_void) -> i32,
>;

/// The size of the buffer for a reason, in bytes.
const ROOM: usize = 1024;

/// Calls `callback` before each transaction, of any process, that would change a key that `pattern` selects (see
/// cms_watch_open), to accept or refuse it. If the callback refuses, the commit fails with CMS_ERR_REFUSED, with the
/// reason and the name of this program in cms_last_error. It also fails if the callback does not answer within the
/// `verify_timeout_ms` of the committer, by default 5 seconds, or if this process dies during the call. A verifier that
/// died earlier is ignored.
///
/// The callback runs on a thread of the library, one for each verifier. It may read the store, which shows the state
/// before the transaction. Changing anything fails in the callback; it must not close the store or the verifier.
/// Another verifier may still refuse the transaction: to act on transactions, watch.
///
/// Edits by hand are not verified, nor is the rollback of a commit that was not confirmed.
///
/// CMS_ERR_INVALID: the pattern is not allowed. CMS_ERR_PERMISSION: this user is neither root nor the owner of the
/// configuration directory, or the run directory belongs to another user. CMS_ERR_NOT_FOUND: no run directory can be
/// used. CMS_ERR_IO: the system has no thread or descriptor left.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_verifier_open(
    store: *const cms_store,
    pattern: *const c_char,
    callback: cms_verifier_callback,
    data: *mut c_void,
    verifier: *mut *mut cms_verifier,
) -> cms_status {
    guard_if::<VERIFY>(|| {
        let place = required(verifier, "verifier")?;
        let callback = callback.ok_or(Failure::Null("callback"))?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2.
        let pattern = unsafe { text(pattern) }?;
        let data = Data(data);
        let decide = move |event: &cms_core::Event| {
            // The closure captures the whole struct, not only the pointer in it.
            let data = &data;
            let mut event = cms_event::of(event.clone());
            let mut reason = [0_u8; ROOM];
            let room: *mut c_char = reason.as_mut_ptr().cast();
            // SAFETY: C8.
            if unsafe { callback(&raw mut event, room, ROOM, data.0) } == 0 {
                return Ok(());
            }
            let written = CStr::from_bytes_until_nul(&reason).map(CStr::to_bytes).unwrap_or(&reason);
            Err(String::from_utf8_lossy(written).into_owned())
        };
        let verifier = store.0.verify(pattern, decide)?;
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_verifier(verifier)) };
        Ok(())
    })
}

/// Closes a verifier. NULL is ignored. Once it returns, the callback is not running and is not called again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_verifier_close(verifier: *mut cms_verifier) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(verifier) }.map(|ended| ended.0)));
}
