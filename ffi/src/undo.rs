//! Going back: by one transaction, to a revision, or because a commit was not confirmed.

use std::ffi::c_char;

use cms_core::{Error, Missing};

use crate::handle::{check_buffer, handle, message_of, put_value, required, write_handle, write_result};
use crate::history::cms_history;
use crate::library::{HISTORY, UNDO, guard_if};
use crate::open::cms_store;
use crate::status::{Failure, cms_status, guard};

/// Undoes the transaction with the number `revision`, or, if that is 0, the newest that is neither undone nor itself an
/// undo or redo, so that a second call goes further back. Later changes stay. `message` may be NULL. `done` gets the
/// number of the new transaction, and may be NULL.
///
/// CMS_ERR_CONFLICT: something that it changed was changed again since. CMS_ERR_NOT_FOUND: it is not in the log any
/// more, or there is none to undo. Otherwise as cms_txn_commit. Nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_undo(
    store: *const cms_store,
    revision: u64,
    message: *const c_char,
    done: *mut u64,
) -> cms_status {
    guard_if::<UNDO>(|| {
        // SAFETY: C1.
        let live = &unsafe { handle(store, "store") }?.0;
        // SAFETY: C2.
        let message = unsafe { message_of(message) }?;
        let history = live.engine().history();
        let undone = match revision {
            0 => history.undo_last(message)?.1,
            revision => history.undo(revision, message)?,
        };
        let _ = live.refresh();
        // SAFETY: C5.
        unsafe { write_result(done, undone) };
        Ok(())
    })
}

/// Makes the undone transaction with the number `revision` again, or, if that is 0, the one that was undone last. Later
/// changes stay. `message` may be NULL. `done` gets the number of the new transaction, and may be NULL.
///
/// CMS_ERR_CONFLICT: something that it changed was changed again since it was undone. CMS_ERR_NOT_FOUND: nothing is
/// undone. CMS_ERR_INVALID: that transaction is not undone. Otherwise as cms_txn_commit. Nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_redo(
    store: *const cms_store,
    revision: u64,
    message: *const c_char,
    done: *mut u64,
) -> cms_status {
    guard_if::<UNDO>(|| {
        // SAFETY: C1.
        let live = &unsafe { handle(store, "store") }?.0;
        // SAFETY: C2.
        let message = unsafe { message_of(message) }?;
        let undone = Some(revision).filter(|revision| *revision != 0);
        let again = live.engine().history().redo(undone, message)?;
        let _ = live.refresh();
        // SAFETY: C5.
        unsafe { write_result(done, again) };
        Ok(())
    })
}

/// Rolls all packages back to their exact state at a revision. `message` may be NULL. `done` gets the number of the
/// new transaction, or 0 if nothing had to change; it may be NULL.
///
/// CMS_ERR_NOT_FOUND: the log does not go back that far. Otherwise as cms_txn_commit. Nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_rollback(
    store: *const cms_store,
    revision: u64,
    message: *const c_char,
    done: *mut u64,
) -> cms_status {
    guard_if::<UNDO>(|| {
        // SAFETY: C1.
        let live = &unsafe { handle(store, "store") }?.0;
        // SAFETY: C2.
        let message = unsafe { message_of(message) }?;
        let sequence = live.engine().history().rollback(revision, &[], message)?;
        let _ = live.refresh();
        // SAFETY: C5.
        unsafe { write_result(done, sequence.unwrap_or(0)) };
        Ok(())
    })
}

/// Gets the number of the commit that waits to be confirmed, and how much time is left. Either may be NULL. A commit
/// whose time is up is rolled back first.
///
/// CMS_ERR_NOT_FOUND: no commit waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_pending(
    store: *const cms_store,
    revision: *mut u64,
    left_ms: *mut u64,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?.0.engine();
        let none = Missing::Pending { asked: None, waiting: None };
        let pending = store.confirmations().pending()?.ok_or(Error::from(none))?;
        // SAFETY: C5.
        unsafe { write_result(revision, pending.sequence) };
        let left = u64::try_from(pending.left.as_millis()).unwrap_or(u64::MAX);
        // SAFETY: C5.
        unsafe { write_result(left_ms, left) };
        Ok(())
    })
}

/// Lists the transactions that wait to be confirmed, the oldest first: by whom, when, and what each has changed. They
/// are rolled back unless cms_confirm is called.
///
/// CMS_ERR_NOT_FOUND: no commit waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_history_open_pending(
    store: *const cms_store,
    history: *mut *mut cms_history,
) -> cms_status {
    guard_if::<HISTORY>(|| {
        let place = required(history, "history")?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?.0.engine();
        let none = Missing::Pending { asked: None, waiting: None };
        let waiting = store.confirmations().waiting()?.ok_or(Error::from(none))?;
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_history::of(waiting.transactions)) };
        Ok(())
    })
}

/// To be called after the commit of the transaction `revision`: describes another commit that waits to be confirmed, by
/// whom it was made, how much time is left, and which keys that `revision` has changed are rolled back with it. The
/// text is for people. It is written to `buffer`, as in cms_get. The call costs next to nothing if no commit waits.
///
/// CMS_ERR_END: no other commit waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_pending_notice(
    store: *const cms_store,
    revision: u64,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    guard(|| {
        check_buffer(buffer, size)?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?.0.engine();
        let notice = store.confirmations().notice_of(revision)?.ok_or(Failure::End)?;
        // SAFETY: C3, C5.
        unsafe { put_value(notice.to_string().as_bytes(), buffer, size, len) };
        Ok(())
    })
}

/// Confirms the commit that waits to be confirmed, and all that wait with it. `revision` is its number, or 0 for any.
///
/// CMS_ERR_NOT_FOUND: no commit waits, or another one does. Otherwise as cms_txn_commit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_confirm(store: *const cms_store, revision: u64) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?.0.engine();
        store.confirmations().confirm(Some(revision).filter(|revision| *revision != 0), None)?;
        Ok(())
    })
}
