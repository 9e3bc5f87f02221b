//! Kept states of all packages: snapshots with a label, automatic snapshots, and backups.

use std::ffi::{CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cms_core::{Archive, ArchiveInfo};

use crate::handle::{
    bytes, cms_bytes, handle, handle_mut, reclaim, required, string, text, write_handle, write_result,
};
use crate::library::{ARCHIVE, guard_if};
use crate::open::cms_store;
use crate::sized::{self, sized};
use crate::status::{Failure, cms_status, guard_void};

/// Iterates over archives, the oldest first. One thread uses one at a time.
pub struct cms_archive_iter {
    archives: std::vec::IntoIter<ArchiveInfo>,
    label: CString,
    source: CString,
}

sized! {
    /// A kept snapshot: a file with the state of all packages. The strings are valid until the next
    /// cms_archive_iter_next of the same handle, or its end.
    #[repr(C)]
    pub struct cms_archive {
        /// sizeof(cms_archive), which the caller sets.
        pub size: usize,
        /// Its label: for cms_restore, cms_find_revision and cms_archive_delete.
        pub label: cms_bytes,
        /// When it was made: microseconds since 1970, UTC.
        pub time_us: u64,
        /// The transaction whose state it holds.
        pub revision: u64,
        /// The size of its file, in bytes.
        pub file_size: u64,
        /// The name that the program gave itself.
        pub source: cms_bytes,
        /// 1 if it is an automatic snapshot, which newer ones replace; 0 if it was made by cms_archive_create.
        pub automatic: i32,
    }
}

/// Keeps the committed state of all packages under a label, until cms_archive_delete. `revision` gets the number
/// of the last transaction in it, and may be NULL.
///
/// CMS_ERR_EXISTS: a snapshot has that label. CMS_ERR_INVALID: the label is not allowed. CMS_ERR_NOT_FOUND: no state
/// directory can be written. CMS_ERR_IO, CMS_ERR_NO_SPACE: the snapshot could not be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_archive_create(
    store: *const cms_store,
    label: *const c_char,
    revision: *mut u64,
) -> cms_status {
    guard_if::<ARCHIVE>(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?.0.engine();
        // SAFETY: C2.
        let info = store.archives().label(unsafe { string(label, "label") }?)?;
        // SAFETY: C5.
        unsafe { write_result(revision, info.revision) };
        Ok(())
    })
}

/// Deletes the snapshot with a label, or an automatic snapshot by its name.
///
/// CMS_ERR_NOT_FOUND: there is no such snapshot. CMS_ERR_DAMAGED: the file is damaged, and stays. CMS_ERR_INVALID: the
/// label is not allowed. CMS_ERR_IO, CMS_ERR_PERMISSION: it could not be deleted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_archive_delete(store: *const cms_store, label: *const c_char) -> cms_status {
    guard_if::<ARCHIVE>(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?.0.engine();
        // SAFETY: C2.
        store.archives().delete_label(unsafe { string(label, "label") }?)?;
        Ok(())
    })
}

/// Iterates over the kept snapshots, with a label and automatic ones, the oldest first. Other files in the directory
/// are skipped.
///
/// CMS_ERR_NOT_FOUND: there is no state directory. CMS_ERR_IO, CMS_ERR_PERMISSION: it cannot be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_archive_iter_open(
    store: *const cms_store,
    iter: *mut *mut cms_archive_iter,
) -> cms_status {
    guard_if::<ARCHIVE>(|| {
        let place = required(iter, "iter")?;
        // SAFETY: C1.
        let found = unsafe { handle(store, "store") }?.0.engine().archives().labels()?.into_iter();
        let archives =
            cms_archive_iter { archives: found, label: CString::default(), source: CString::default() };
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, archives) };
        Ok(())
    })
}

/// Finds the next snapshot.
///
/// CMS_ERR_END: there are no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_archive_iter_next(
    iter: *mut cms_archive_iter,
    archive: *mut cms_archive,
) -> cms_status {
    guard_if::<ARCHIVE>(|| {
        // SAFETY: C7.
        let place = unsafe { sized::output(archive, "archive") }?;
        // SAFETY: C1, C4.
        let iter = unsafe { handle_mut(iter, "iter") }?;
        let found = iter.archives.next().ok_or(Failure::End)?;
        iter.label = text(found.label.as_bytes());
        iter.source = text(found.source.as_bytes());
        let found = cms_archive {
            size: 0,
            label: cms_bytes::of(iter.label.as_bytes()),
            time_us: found.time,
            revision: found.revision,
            file_size: found.size,
            source: cms_bytes::of(iter.source.as_bytes()),
            automatic: i32::from(found.is_automatic()),
        };
        // SAFETY: C7.
        unsafe { place.write(found) };
        Ok(())
    })
}

/// Closes an iterator. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_archive_iter_close(iter: *mut cms_archive_iter) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(iter) }));
}

/// Writes the committed state of all packages into a file, which is replaced if it is there.
///
/// CMS_ERR_IO, CMS_ERR_PERMISSION, CMS_ERR_NO_SPACE: the file is as before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_backup(store: *const cms_store, path: *const c_char) -> cms_status {
    guard_if::<ARCHIVE>(|| {
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?.0.engine();
        // SAFETY: C2.
        let path = unsafe { bytes(path, "path") }?;
        store.archives().backup(Path::new(OsStr::from_bytes(path)))?;
        Ok(())
    })
}

/// Brings all packages to the state in a backup file or, for a name without a '/', in the snapshot with that label, as
/// one transaction. Packages that are not in it become empty. `done` as in cms_rollback.
///
/// CMS_ERR_NOT_FOUND: there is no such file or snapshot. CMS_ERR_DAMAGED: the file is damaged. Otherwise as
/// cms_txn_commit. Nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_restore(
    store: *const cms_store,
    name: *const c_char,
    done: *mut u64,
) -> cms_status {
    guard_if::<ARCHIVE>(|| {
        // SAFETY: C1.
        let live = &unsafe { handle(store, "store") }?.0;
        // SAFETY: C2.
        let name = unsafe { bytes(name, "name") }?;
        let archive = if name.contains(&b'/') {
            Archive::read(Path::new(OsStr::from_bytes(name)))?
        } else {
            live.engine().archives().labelled(&String::from_utf8_lossy(name))?
        };
        let sequence = live.engine().archives().restore(&archive, None)?;
        let _ = live.refresh();
        // SAFETY: C5.
        unsafe { write_result(done, sequence.unwrap_or(0)) };
        Ok(())
    })
}
