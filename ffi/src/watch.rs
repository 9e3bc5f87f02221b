//! Watches and subscriptions.

use std::ffi::{c_char, c_void};
use std::os::fd::AsRawFd;
use std::time::Duration;

use cms_core::{Error, Event, Subscription, Watch};

use crate::handle::{bytes, check_text, handle, handle_mut, reclaim, required, write_handle};
use crate::history::{ChangeTexts, RecordTexts, change_texts, cms_change, cms_record, write_change};
use crate::open::cms_store;
use crate::sized;
use crate::status::{Failure, cms_status, guard, guard_void, status_of};

/// Delivers the transactions that change keys of a pattern: each once, in order, when its data can be read.
/// Transactions that the program has not taken yet stay in the log, and cost writers nothing. One thread uses one at a
/// time. It keeps its store open.
pub struct cms_watch {
    watch: Watch,
    event: Option<cms_event>,
}

/// A transaction, with those of its changes that match the pattern. It is valid until the next cms_watch_next of the
/// same watch, or its end; in a callback, until that returns.
pub struct cms_event {
    event: Event,
    texts: RecordTexts,
    /// Which change comes next.
    next: usize,
    change: Option<ChangeTexts>,
}

/// A subscription: see cms_subscription_open. Any thread may end it.
pub struct cms_subscription(Subscription);

/// Called for each event, with the `data` given to cms_subscription_open. `event` is NULL after a failure, which
/// `status` and cms_last_error describe. After CMS_ERR_STALE some transactions are missed: read everything again, later
/// events follow. After any other failure there are no more events.
pub type cms_event_callback =
    Option<unsafe extern "C" fn(event: *mut cms_event, status: cms_status, data: *mut c_void)>;

/// For `since`: only transactions from now on.
pub const CMS_SINCE_NOW: u64 = u64::MAX;

/// Wait without end.
pub const CMS_FOREVER: i32 = -1;

impl cms_event {
    pub(crate) fn of(event: Event) -> Self {
        let texts = RecordTexts::of(event.record());
        Self { event, texts, next: 0, change: None }
    }
}

/// Opens a watch. `pattern` is one or more of PACKAGE, PACKAGE.SECTION and PACKAGE.SECTION.OPTION with blanks
/// between them, by name; *, ? and [a-z] stand for what they do in file names: "network.*", "*.lan.ipaddr",
/// "network system". Events start with the transaction after `since`, or, with CMS_SINCE_NOW, with the next one.
/// To follow a state: open the watch, then read.
///
/// Edits by hand become events as well, once the file is at rest, unless they change only comments.
///
/// A watch of everything, "*", also gets the confirmation of a commit: an event of kind CMS_BY_CONFIRM, without
/// changes. The event of a commit that has to be confirmed has `confirm_within_ms`; if it is not confirmed, an event of
/// kind CMS_BY_ROLLBACK follows.
///
/// CMS_ERR_INVALID: the pattern is not allowed. CMS_ERR_STALE: the log does not go back to `since`. CMS_ERR_FULL: the
/// store has 1000 watches and subscriptions already. CMS_ERR_NOT_FOUND: there is no log, because no state directory can
/// be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_watch_open(
    store: *const cms_store,
    pattern: *const c_char,
    since: u64,
    watch: *mut *mut cms_watch,
) -> cms_status {
    guard(|| {
        let place = required(watch, "watch")?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2.
        let pattern = unsafe { text(pattern) }?;
        let watch = store.0.watch(pattern, known(since))?;
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_watch { watch, event: None }) };
        Ok(())
    })
}

fn known(since: u64) -> Option<u64> {
    Some(since).filter(|since| *since != CMS_SINCE_NOW)
}

/// # Safety
///
/// C2. The caller chooses `'s` as for [`bytes`].
pub(crate) unsafe fn text<'p>(pattern: *const c_char) -> Result<&'p str, Failure> {
    // SAFETY: the caller's promise.
    let pattern = unsafe { bytes(pattern, "pattern") }?;
    check_text(pattern, "pattern")?;
    std::str::from_utf8(pattern).map_err(|_| Failure::Invalid("pattern", "not UTF-8"))
}

/// Finds the next event, and waits for it at most `timeout_ms`: 0 for not at all, CMS_FOREVER without end.
///
/// CMS_ERR_END: there are no more. CMS_ERR_STALE: the log does not have the next transaction any more. Read everything
/// again; the watch goes on with the transactions from now on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_watch_next(
    watch: *mut cms_watch,
    timeout_ms: i32,
    event: *mut *mut cms_event,
) -> cms_status {
    guard(|| {
        let place = required(event, "event")?;
        // SAFETY: C1, C4.
        let watch = unsafe { handle_mut(watch, "watch") }?;
        watch.event = None;
        let timeout = match (timeout_ms, u64::try_from(timeout_ms)) {
            (CMS_FOREVER, _) => None,
            (_, Ok(timeout)) => Some(Duration::from_millis(timeout)),
            (_, Err(_)) => return Err(Failure::Invalid("timeout_ms", "milliseconds, or CMS_FOREVER")),
        };
        let found = watch.watch.next(timeout)?.ok_or(Failure::End)?;
        let found: *mut cms_event = watch.event.insert(cms_event::of(found));
        // SAFETY: not NULL, C5.
        unsafe { place.write(found) };
        Ok(())
    })
}

/// Gets a descriptor that is readable when there may be an event, for poll, epoll, select and event loops. Then call
/// cms_watch_next with a timeout of 0 until it answers CMS_ERR_END; there may be no event at once. At first it is
/// readable. It belongs to the watch: do not read from it, and do not close it.
///
/// CMS_ERR_IO: the system has no descriptor left, or no instance of inotify.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_watch_fd(watch: *mut cms_watch, fd: *mut i32) -> cms_status {
    guard(|| {
        let place = required(fd, "fd")?;
        // SAFETY: C1, C4.
        let watch = unsafe { handle_mut(watch, "watch") }?;
        let fd = watch.watch.fd()?.as_raw_fd();
        // SAFETY: not NULL, C5.
        unsafe { place.write(fd) };
        Ok(())
    })
}

/// With `merge` other than 0, delivers all transactions that are there already as one event, with one change for each
/// key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_watch_set_merge(watch: *mut cms_watch, merge: i32) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        unsafe { handle_mut(watch, "watch") }?.watch.set_merging(merge != 0);
        Ok(())
    })
}

/// Gets the number of the last transaction that the watch has reached. To continue after a restart, open a watch with
/// it for `since`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_watch_revision(watch: *const cms_watch, revision: *mut u64) -> cms_status {
    guard(|| {
        let place = required(revision, "revision")?;
        // SAFETY: C1.
        let at = unsafe { handle(watch, "watch") }?.watch.sequence();
        // SAFETY: not NULL, C5.
        unsafe { place.write(at) };
        Ok(())
    })
}

/// Closes a watch. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_watch_close(watch: *mut cms_watch) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(watch) }));
}

/// Gets the record of the transaction of an event. The strings are valid as long as the event is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_event_record(event: *const cms_event, record: *mut cms_record) -> cms_status {
    guard(|| {
        // SAFETY: C7.
        let place = unsafe { sized::output(record, "record") }?;
        // SAFETY: C1.
        let event = unsafe { handle(event, "event") }?;
        // SAFETY: C7.
        unsafe { place.write(event.texts.record(event.event.record())) };
        Ok(())
    })
}

/// Finds the next change of an event, in the order of the transaction. The strings are valid until the next call
/// for the same event, or its end.
///
/// CMS_ERR_END: there are no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_event_next_change(event: *mut cms_event, change: *mut cms_change) -> cms_status {
    guard(|| {
        // SAFETY: C7.
        let place = unsafe { sized::output(change, "change") }?;
        // SAFETY: C1, C4.
        let event = unsafe { handle_mut(event, "event") }?;
        let changed = event.event.change(event.next).ok_or(Failure::End)?;
        event.next += 1;
        let texts = event.change.insert(change_texts(changed.package, changed.change));
        // SAFETY: C7.
        unsafe { write_change(place, texts) };
        Ok(())
    })
}

/// The `data` that C gave for the callback. This library does not read what it points to.
pub(crate) struct Data(pub(crate) *mut c_void);

// SAFETY: C8: only the callback reads it, which may be called on any thread.
unsafe impl Send for Data {}

// SAFETY: C8: only the callback reads it, which may be called on several threads at once.
unsafe impl Sync for Data {}

/// Calls `callback` with each event, in order, on a thread of the library: one for all subscriptions of the store,
/// which ends with the last of them. The callback may read and write the store, and subscribe and end
/// subscriptions; it must not close the store. `pattern` and `since` as in cms_watch_open.
///
/// As cms_watch_open; CMS_ERR_IO: the system has no thread or descriptor left.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_subscription_open(
    store: *const cms_store,
    pattern: *const c_char,
    since: u64,
    callback: cms_event_callback,
    data: *mut c_void,
    subscription: *mut *mut cms_subscription,
) -> cms_status {
    guard(|| {
        let place = required(subscription, "subscription")?;
        let callback = callback.ok_or(Failure::Null("callback"))?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2.
        let pattern = unsafe { text(pattern) }?;
        let data = Data(data);
        let call = move |event: Result<Event, Error>| {
            // The closure captures the whole struct, not only the pointer in it.
            let data = &data;
            match event {
                Ok(event) => {
                    let mut event = cms_event::of(event);
                    // SAFETY: C8.
                    unsafe { callback(&raw mut event, cms_status::CMS_OK, data.0) };
                }
                // SAFETY: C8.
                Err(error) => unsafe { callback(std::ptr::null_mut(), status_of(error), data.0) },
            }
        };
        let subscribed = store.0.subscribe(pattern, known(since), call)?;
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_subscription(subscribed)) };
        Ok(())
    })
}

/// Closes a subscription. NULL is ignored. Once it returns, the callback is not running and is not called again; but if
/// the callback itself calls this function, that call of the callback is the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_subscription_close(subscription: *mut cms_subscription) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(subscription) }.map(|ended| ended.0)));
}
