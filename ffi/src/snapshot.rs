//! Snapshots: many reads of one state, without copying.

use std::ffi::c_char;

use cms_core::Snapshot;
use cms_core::map::{Answer, Hot, KeyText, MapValue};

use crate::handle::{
    bytes, check, cms_bytes, handle, key_text, reclaim, required, write_handle, write_result,
};
use crate::open::cms_store;
use crate::status::{Failure, cms_status, guard, guard_void, missed};
use crate::store::explain;

/// All packages as one commit left them; later commits do not show. Any number of threads may use one at the same time.
/// It keeps the maps in memory that it has read, so close it when you have read what you need; it may outlive its
/// store. The memory it hands out is valid until it is closed. A package is opened when its first key is read. That may
/// fail with CMS_ERR_STALE if others have committed to it since, and the log, which has the text of then, is not kept or
/// does not go back that far any more. Then close the snapshot and open another.
pub struct cms_snapshot(pub(crate) Snapshot);

/// Opens a snapshot of the last commit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_open(
    store: *const cms_store,
    snapshot: *mut *mut cms_snapshot,
) -> cms_status {
    guard(|| {
        let place = required(snapshot, "snapshot")?;
        // SAFETY: C1.
        let opened = unsafe { handle(store, "store") }?.0.snapshot()?;
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_snapshot(opened)) };
        Ok(())
    })
}

/// Closes a snapshot. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_close(snapshot: *mut cms_snapshot) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(snapshot) }));
}

/// Gets the revision that the snapshot shows: see cms_revision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_revision(
    snapshot: *const cms_snapshot,
    revision: *mut u64,
) -> cms_status {
    guard(|| {
        let place = required(revision, "revision")?;
        // SAFETY: C1.
        let revision = unsafe { handle(snapshot, "snapshot") }?.0.revision();
        // SAFETY: C5.
        unsafe { write_result(place, revision) };
        Ok(())
    })
}

/// Finds the value of a key, without copying it; for the key of a section, its type.
///
/// As cms_get, and CMS_ERR_STALE.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_get(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    value: *mut cms_bytes,
) -> cms_status {
    // A read from an open map cannot fail or panic, so it needs no guard.
    if !snapshot.is_null() && !key.is_null() && !value.is_null() {
        // SAFETY: not NULL, C1.
        let open = unsafe { &*snapshot };
        // SAFETY: not NULL, C2.
        return match open.0.peek_hot(unsafe { key_text(key) }) {
            Hot::Found(string) => {
                // SAFETY: not NULL, C5.
                unsafe { value.write(cms_bytes::of(string)) };
                cms_status::CMS_OK
            }
            // SAFETY: C1, C2, C5; the same for the next.
            Hot::Absent => unsafe { get_and_enter(snapshot, key, value) },
            // SAFETY: see above.
            Hot::Skipped => unsafe { get_from_index(snapshot, key, value) },
        };
    }
    // SAFETY: C1, C2, C5.
    unsafe { get_guarded(snapshot, key, value) }
}

/// As `cms_snapshot_get`, where the key is not in its first place of the table of found keys: see `get_and_enter` of
/// `cms_get`.
///
/// # Safety
///
/// As for `cms_snapshot_get`; nothing is NULL.
#[cfg_attr(cms_speed, optimize(speed))]
#[inline(never)]
unsafe extern "C" fn get_and_enter(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    value: *mut cms_bytes,
) -> cms_status {
    // SAFETY: not NULL, C1.
    let open = unsafe { &*snapshot };
    // SAFETY: not NULL, C2.
    match open.0.peek_next(unsafe { key_text(key) }) {
        Answer::Found(string) => {
            // SAFETY: not NULL, C5.
            unsafe { value.write(cms_bytes::of(string)) };
            cms_status::CMS_OK
        }
        Answer::Missing(key) => missed(key),
        // SAFETY: C1, C2, C5.
        Answer::Unknown => unsafe { get_guarded(snapshot, key, value) },
    }
}

/// As `cms_snapshot_get`, without the table of found keys.
///
/// # Safety
///
/// As for `cms_snapshot_get`; nothing is NULL.
#[cfg_attr(cms_speed, optimize(speed))]
#[inline(never)]
unsafe extern "C" fn get_from_index(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    value: *mut cms_bytes,
) -> cms_status {
    // SAFETY: not NULL, C1.
    let open = unsafe { &*snapshot };
    // SAFETY: not NULL, C2.
    match open.0.peek_text(unsafe { key_text(key) }) {
        Answer::Found(string) => {
            // SAFETY: not NULL, C5.
            unsafe { value.write(cms_bytes::of(string)) };
            cms_status::CMS_OK
        }
        Answer::Missing(key) => missed(key),
        // SAFETY: C1, C2, C5.
        Answer::Unknown => unsafe { get_guarded(snapshot, key, value) },
    }
}

/// The general case of `cms_snapshot_get`. It is a function of its own, so that the fast path needs no room on the
/// stack.
#[cold]
#[inline(never)]
pub unsafe extern "C" fn get_guarded(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    value: *mut cms_bytes,
) -> cms_status {
    guard(|| {
        let place = required(value, "value")?;
        // SAFETY: C1.
        let snapshot = unsafe { handle(snapshot, "snapshot") }?;
        // SAFETY: C2.
        let text = unsafe { bytes(key, "key") }?;
        match snapshot.0.get(text) {
            Ok(Some(MapValue::String(string))) => {
                // SAFETY: not NULL, C5.
                unsafe { place.write(cms_bytes::of(string)) };
                Ok(())
            }
            other => Err(explain(snapshot.0.store(), text, other)),
        }
    })
}

/// Finds the items of a list, without copying them: each is followed by a NUL byte, and `items` covers all of them, NUL
/// bytes included. cms_bytes_next takes them one by one. A string is a list of one.
///
/// As cms_snapshot_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_get_list(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    items: *mut cms_bytes,
) -> cms_status {
    guard(|| {
        let place = required(items, "items")?;
        // SAFETY: C1.
        let snapshot = unsafe { handle(snapshot, "snapshot") }?;
        // SAFETY: C2.
        let text = unsafe { bytes(key, "key") }?;
        match snapshot.0.get(text) {
            Ok(Some(value)) => {
                // SAFETY: not NULL, C5.
                unsafe { place.write(items_of(value)) };
                Ok(())
            }
            other => Err(explain(snapshot.0.store(), text, other)),
        }
    })
}

/// Returns the items of a value with the NUL bytes behind them.
pub fn items_of(value: MapValue<'_>) -> cms_bytes {
    match value {
        // A NUL byte follows every string.
        MapValue::String(string) => cms_bytes { len: string.len() + 1, ..cms_bytes::of(string) },
        MapValue::List(list) => cms_bytes::of(list.as_bytes()),
    }
}

/// Takes the first item off the list `items`, as cms_snapshot_get_list and cms_option_iter_next hand it out. `items`
/// then is the rest of the list.
///
/// CMS_ERR_END: there are no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_bytes_next(items: *mut cms_bytes, item: *mut cms_bytes) -> cms_status {
    guard(|| {
        let (items, item) = (required(items, "items")?, required(item, "item")?);
        // SAFETY: not NULL, C9.
        let left = unsafe { *items };
        if left.data.is_null() || left.len == 0 {
            return Err(Failure::End);
        }
        // SAFETY: C9; `data` is not NULL.
        let all = unsafe { std::slice::from_raw_parts(left.data.cast::<u8>(), left.len) };
        // A map that is damaged while a program has it open may lack the NUL byte: then there are no more items.
        let end = all.iter().position(|byte| *byte == 0).ok_or(Failure::End)?;
        // SAFETY: not NULL, C5.
        unsafe { item.write(cms_bytes::of(&all[..end])) };
        // SAFETY: not NULL, C5.
        unsafe { items.write(cms_bytes::of(&all[end + 1..])) };
        Ok(())
    })
}

/// How many keys are passed on at once.
const BATCH: usize = Snapshot::BATCH;

/// Finds the values of `count` keys at once: `values[i]` is that of `keys[i]`, with `data` NULL if there is no such key
/// or the value is a list. With many keys that are not in the processor's cache this takes a fraction of the time,
/// since the loads from memory overlap.
///
/// CMS_ERR_INVALID, CMS_ERR_AMBIGUOUS, CMS_ERR_PARSE, CMS_ERR_IO, CMS_ERR_STALE as cms_snapshot_get, for the first key
/// that fails; `values` must not be used then.
#[cfg_attr(cms_speed, optimize(speed))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_get_many(
    snapshot: *const cms_snapshot,
    keys: *const *const c_char,
    count: usize,
    values: *mut cms_bytes,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let snapshot = unsafe { handle(snapshot, "snapshot") }?;
        if count > 0 {
            required(keys.cast_mut(), "keys")?;
            required(values, "values")?;
        }
        for start in (0..count).step_by(BATCH) {
            let len = BATCH.min(count - start);
            // SAFETY: C3: there are `len` from `start` on.
            let keys = unsafe { keys.add(start) };
            // SAFETY: the same.
            let values = unsafe { values.add(start) };
            // SAFETY: C3.
            let keys = unsafe { std::slice::from_raw_parts(keys, len) };
            // SAFETY: C2, C3, C5.
            if !unsafe { many_fast(snapshot, keys, values) } {
                // SAFETY: the same.
                unsafe { many_slowly(snapshot, keys, values) }?;
            }
        }
        Ok(())
    })
}

/// Finds the values of up to `BATCH` keys in the fast way. Returns whether that was possible.
///
/// # Safety
///
/// C2 for the keys; `values` has a place for each, as C5 says.
#[cfg_attr(cms_speed, optimize(speed))]
unsafe fn many_fast(snapshot: &cms_snapshot, keys: &[*const c_char], values: *mut cms_bytes) -> bool {
    let mut texts = [KeyText::from(c""); BATCH];
    for (key, text) in keys.iter().zip(&mut texts) {
        if key.is_null() {
            return false;
        }
        // SAFETY: not NULL, and the caller's promise.
        *text = unsafe { key_text(*key) };
    }
    let mut found = [None; BATCH];
    if !snapshot.0.peek_many(&texts[..keys.len()], &mut found) {
        return false;
    }
    for (index, found) in found.iter().take(keys.len()).enumerate() {
        // SAFETY: the caller's promise: there is a place for each key.
        let place = unsafe { values.add(index) };
        // SAFETY: the same.
        unsafe { place.write(found.map_or(cms_bytes::NONE, cms_bytes::of)) };
    }
    true
}

/// As [`many_fast`], whatever the keys are.
///
/// # Safety
///
/// As for [`many_fast`].
#[cold]
unsafe fn many_slowly(
    snapshot: &cms_snapshot,
    keys: &[*const c_char],
    values: *mut cms_bytes,
) -> Result<(), Failure> {
    let mut texts: [&[u8]; BATCH] = [b""; BATCH];
    for (key, text) in keys.iter().zip(&mut texts) {
        // SAFETY: the caller's promise.
        *text = unsafe { bytes(*key, "one of keys") }?;
    }
    let (texts, mut found) = (&texts[..keys.len()], [None; BATCH]);
    if let Err(error) = snapshot.0.get_many(texts, &mut found[..keys.len()]) {
        texts.iter().try_for_each(|text| check(text, "one of keys"))?;
        return Err(error.into());
    }
    for (index, found) in found.iter().take(keys.len()).enumerate() {
        let value = match found {
            Some(MapValue::String(string)) => cms_bytes::of(string),
            _ => cms_bytes::NONE,
        };
        // SAFETY: the caller's promise: there is a place for each key.
        let place = unsafe { values.add(index) };
        // SAFETY: the same.
        unsafe { place.write(value) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s13_the_items_of_a_list_end_where_it_ends() {
        // Bytes behind the list are not read, even if the last item lacks its NUL byte.
        let memory = b"one\0two\0threeSECRET\0";
        let mut items = cms_bytes::of(&memory[..13]);
        let mut taken = Vec::new();
        loop {
            let mut item = cms_bytes::NONE;
            // SAFETY: `items` and `item` are variables, and the list is inside `memory`.
            match unsafe { cms_bytes_next(&raw mut items, &raw mut item) } {
                cms_status::CMS_OK => {}
                status => {
                    assert!(matches!(status, cms_status::CMS_ERR_END));
                    break;
                }
            }
            // SAFETY: the call before has set it, to bytes inside `memory`.
            taken.push(unsafe { std::slice::from_raw_parts(item.data.cast::<u8>(), item.len) }.to_vec());
        }
        assert_eq!(taken, [b"one".to_vec(), b"two".to_vec()]);
    }
}
