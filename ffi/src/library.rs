//! What a build may leave out: `libcms-small.so`, for routers, exports every function of the header, and some of them
//! do nothing but say so.

use std::ffi::c_char;

use crate::handle::string;
use crate::status::{Failure, cms_status, guard};

/// Reading the history, and the state of keys and texts at a revision.
pub const HISTORY: bool = cfg!(feature = "history");
/// Snapshots, backups and labels.
pub const ARCHIVE: bool = cfg!(feature = "archive");
/// Checking and repairing the log.
pub const AUDIT: bool = cfg!(feature = "audit");
/// Undoing transactions, and going back to a revision.
pub const UNDO: bool = cfg!(feature = "undo");
/// Refusing transactions of others.
pub const VERIFY: bool = cfg!(feature = "verify");

/// The features, by their names in C.
const FEATURES: [(&str, bool); 8] = [
    ("history", HISTORY),
    ("archive", ARCHIVE),
    ("audit", AUDIT),
    ("undo", UNDO),
    ("verify", VERIFY),
    ("json", cfg!(feature = "json")),
    ("toml", cfg!(feature = "toml")),
    ("schema", cfg!(feature = "schema")),
];

/// Runs the body of a function as [`guard`] does, if its feature was built; else it fails with `CMS_ERR_UNSUPPORTED`.
/// The feature is a constant, so that the linker drops the body.
#[inline(always)]
pub fn guard_if<const BUILT: bool>(body: impl FnOnce() -> Result<(), Failure>) -> cms_status {
    guard(|| if BUILT { body() } else { Err(Failure::Unsupported) })
}

/// Returns the version of the library, "0.1.0" for example. The string is part of the library.
#[unsafe(no_mangle)]
pub extern "C" fn cms_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Returns the version of the library as CMS_VERSION_NUMBER has it.
#[unsafe(no_mangle)]
pub extern "C" fn cms_version_number() -> u32 {
    let part = |text: &str| text.parse::<u32>().unwrap_or(0);
    part(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | part(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | part(env!("CARGO_PKG_VERSION_PATCH"))
}

/// Tells whether this build of the library has a feature: 1 if it has, 0 if its functions answer CMS_ERR_UNSUPPORTED or
/// there is no such feature. The features are "history" (cms_history_open, cms_history_open_pending,
/// cms_blame_open, cms_find_revision, cms_get_at, cms_text_at, cms_package_iter_open_changed), "archive" (cms_archive_create, cms_archive_delete,
/// cms_archive_iter_open, cms_backup, cms_restore), "audit" (cms_log_check, cms_repair), "undo" (cms_undo, cms_redo,
/// cms_rollback), "verify" (cms_verifier_open), "json" and "toml" (packages whose files have these formats), and "schema"
/// (commits are checked by the schemas of their packages). libcms.so has them all; libcms-small.so, for routers, has "schema"
/// alone, and aborts the program where libcms.so would return CMS_ERR_INTERNAL. Reading, transactions, events, commits that wait
/// to be confirmed, and recovery are in every build. Any thread may call it at any time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_has_feature(name: *const c_char) -> i32 {
    let mut has = 0;
    // A name that is NULL is no feature.
    let _ = guard(|| {
        // SAFETY: C2.
        let name = unsafe { string(name, "name") }?;
        has = i32::from(FEATURES.iter().any(|(feature, built)| *built && *feature == name));
        Ok(())
    });
    has
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::cms_status::{CMS_ERR_INVALID, CMS_ERR_UNSUPPORTED};

    #[test]
    fn a_function_of_a_feature_that_is_left_out_says_so_before_it_looks_at_its_arguments() {
        // SAFETY: all pointers are NULL.
        let status = unsafe {
            crate::history::cms_history_open(std::ptr::null(), std::ptr::null(), 1, std::ptr::null_mut())
        };
        let expected = if HISTORY { CMS_ERR_INVALID } else { CMS_ERR_UNSUPPORTED };
        assert!(status == expected);
        // A history that cannot be read is not opened either.
        // SAFETY: all pointers are NULL.
        let status = unsafe { crate::undo::cms_history_open_pending(std::ptr::null(), std::ptr::null_mut()) };
        assert!(status == expected);
        for (name, built) in FEATURES {
            let name = std::ffi::CString::new(name).expect("no NUL byte");
            // SAFETY: C2.
            assert_eq!(unsafe { cms_has_feature(name.as_ptr()) }, i32::from(built));
        }
        // SAFETY: C2.
        let none =
            [unsafe { cms_has_feature(c"none".as_ptr()) }, unsafe { cms_has_feature(std::ptr::null()) }];
        assert_eq!(none, [0, 0]);
    }
}
