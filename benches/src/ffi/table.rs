//! Tables of the C library under test: a row found by a column.

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;
use std::time::Instant;

use super::library::{Bytes, Store};
use crate::Result;

/// `cms_section`.
#[repr(C)]
struct Section {
    /// `sizeof(cms_section)`.
    size: usize,
    /// The name.
    name: Bytes,
    /// The type.
    kind: Bytes,
    /// Whether the name is only generated.
    anonymous: i32,
}

/// `cms_table_open`.
type Open = unsafe extern "C" fn(*const c_void, *const c_char, *const c_char, *mut *mut c_void) -> c_int;
/// `cms_table_find`.
type Find = unsafe extern "C" fn(*const c_void, *const c_char, *const c_char, *mut Section) -> c_int;
/// `cms_table_close`.
type Close = unsafe extern "C" fn(*mut c_void);

/// A table of a store.
pub struct Table<'a> {
    /// Its store.
    _store: &'a Store,
    /// `cms_table_find`.
    find: Find,
    /// `cms_table_close`.
    close: Close,
    /// The handle.
    handle: *mut c_void,
}

impl<'a> Table<'a> {
    /// Opens a table. The library is at `path`, and loaded already.
    pub fn open(path: &Path, store: &'a Store, package: &str, kind: &str) -> Result<Self> {
        // SAFETY: the library is loaded, and stays so.
        let library = unsafe { libloading::Library::new(path) }?;
        // SAFETY: the types are those of include/cms.h; the same for the next two.
        let open = unsafe { *library.get::<Open>("cms_table_open")? };
        // SAFETY: see above.
        let find = unsafe { *library.get::<Find>("cms_table_find")? };
        // SAFETY: see above.
        let close = unsafe { *library.get::<Close>("cms_table_close")? };
        std::mem::forget(library);
        let (package, kind) = (CString::new(package)?, CString::new(kind)?);
        let mut handle = std::ptr::null_mut();
        // SAFETY: F1; the strings live through the call.
        let status = unsafe { open(store.handle(), package.as_ptr(), kind.as_ptr(), &raw mut handle) };
        match status {
            0 => Ok(Self { _store: store, find, close, handle }),
            status => Err(format!("cms_table_open: status {status}").into()),
        }
    }

    /// Finds a row for each value, and returns the nanoseconds that one takes.
    pub fn find_all(&self, column: &str, values: &[CString]) -> Result<f64> {
        let column = CString::new(column)?;
        let none = || Bytes { data: std::ptr::null(), len: 0 };
        let mut row = Section { size: size_of::<Section>(), name: none(), kind: none(), anonymous: 0 };
        let begun = Instant::now();
        for value in values {
            // SAFETY: F1; the strings and the row live through the call.
            let status = unsafe { (self.find)(self.handle, column.as_ptr(), value.as_ptr(), &raw mut row) };
            if status != 0 {
                return Err(format!("cms_table_find: status {status}").into());
            }
        }
        Ok(begun.elapsed().as_secs_f64() * 1e9 / crate::parse::float(values.len()))
    }
}

impl Drop for Table<'_> {
    fn drop(&mut self) {
        // SAFETY: F1.
        unsafe { (self.close)(self.handle) };
    }
}

/// Has stores that are opened from now on look for schemas in a directory.
pub fn use_schemas(dir: &Path) {
    // SAFETY: the benchmark has one thread at this time.
    unsafe { std::env::set_var("CMS_SCHEMA_DIR", dir) };
}
