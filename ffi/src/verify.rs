//! Verifying transactions before they are made.

use std::ffi::{CStr, c_char, c_void};

use cms_core::Verifier;

use crate::handle::{give_handle, handle, take_back, wanted};
use crate::open::cms_store;
use crate::status::{Failure, cms_status, guard, guard_void};
use crate::watch::{Data, cms_event, text};

/// A verifier: see cms_verify. Any thread may close it.
pub struct cms_verifier(Verifier);

/// Called with each transaction that is to be verified, and with what was given to cms_verify. Returns 0 to accept
/// it. To refuse it, it returns anything else, and writes why to `reason`, as snprintf does: `size` bytes, for one line
/// of UTF-8 that ends with a NUL byte. `event` is as of a watch, but its `revision` is 0, since it has none yet.
pub type cms_verify_callback = Option<
    unsafe extern "C" fn(event: *mut cms_event, reason: *mut c_char, size: usize, data: *mut c_void) -> i32,
>;

/// How much room there is for a reason.
const ROOM: usize = 1024;

/// Has `callback` decide on each transaction, of whatever process, that would change what `pattern` selects (see
/// cms_watch_open), before it is made. Who commits what is refused gets CMS_ERR_REFUSED, with the reason and the name
/// of this program in cms_last_error; so does he if the callback takes longer than he waits, 5 seconds
/// unless his `verify_timeout` says otherwise, or the process ends in it. One that has ended before does not count.
///
/// The callback runs on a thread of the library, one for each verifier. It may read the store, which is as it was
/// before the transaction. It must not change anything, which is an error there, nor close the store or the verifier.
/// What becomes of the transaction others may decide as well: to act on it, watch.
///
/// Edits of the texts by others are not verified, nor is it if a commit is taken back because it was not confirmed.
///
/// CMS_ERR_INVALID: the pattern. CMS_ERR_PERMISSION: this is neither root nor the owner of the configuration
/// directory; or the run directory is someone else's. CMS_ERR_NOT_FOUND: there is no run directory. CMS_ERR_IO: the
/// system has no thread or descriptor left.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_verify(
    store: *const cms_store,
    pattern: *const c_char,
    callback: cms_verify_callback,
    data: *mut c_void,
    verifier: *mut *mut cms_verifier,
) -> cms_status {
    guard(|| {
        let place = wanted(verifier, "verifier")?;
        let callback = callback.ok_or(Failure::Null("callback"))?;
        // SAFETY: C keeps the conventions.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: the same.
        let pattern = unsafe { text(pattern) }?;
        let data = Data(data);
        let decide = move |event: &cms_core::Event| {
            // All of it, and not only the pointer in it.
            let data = &data;
            let mut event = cms_event::of(event.clone());
            let mut reason = [0_u8; ROOM];
            let room: *mut c_char = reason.as_mut_ptr().cast();
            // SAFETY: C promises that it can be called so.
            if unsafe { callback(&raw mut event, room, ROOM, data.0) } == 0 {
                return Ok(());
            }
            let written = CStr::from_bytes_until_nul(&reason).map(CStr::to_bytes).unwrap_or(&reason);
            Err(String::from_utf8_lossy(written).into_owned())
        };
        let verifier = store.0.verify(pattern, decide)?;
        // SAFETY: not NULL.
        unsafe { give_handle(place, cms_verifier(verifier)) };
        Ok(())
    })
}

/// Ends a verifier. NULL is ignored. Once it returns, the callback is not running and is not called again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_verify_close(verifier: *mut cms_verifier) {
    // SAFETY: C promises that the handle is one, and not used again.
    guard_void(|| drop(unsafe { take_back(verifier) }.map(|ended| ended.0)));
}
