//! The C library under test, loaded when the benchmark runs.

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;

use super::harness::{bench_key_get, bench_snapshot_get, bench_store_get};
use super::{Get, Keys, Reads, Shared};
use crate::Result;

/// `cms_options`.
#[repr(C)]
struct Options {
    /// `sizeof(cms_options)`.
    size: usize,
    /// Where packages are.
    config_dir: *const c_char,
    /// The directory of staged changes.
    save_dir: *const c_char,
    /// Where maps are.
    run_dir: *const c_char,
    /// The directory of the log.
    state_dir: *const c_char,
    /// None are used.
    flags: u32,
    /// No limit.
    map_limit: u64,
}

/// `cms_bytes`.
#[repr(C)]
pub struct Bytes {
    /// The first byte.
    pub(super) data: *const c_char,
    /// Their number.
    pub(super) len: usize,
}

/// `cms_snapshot_get_many`.
pub type SnapshotGetMany =
    unsafe extern "C" fn(*const c_void, *const *const c_char, usize, *mut Bytes) -> c_int;

/// Declares functions of the library, and code that looks them up.
macro_rules! functions {
    ($($name:ident: $kind:ty;)*) => {
        /// The functions of the library that are used.
        struct Functions { $($name: $kind,)* }

        impl Functions {
            /// Finds them all.
            fn find(library: &libloading::Library) -> Result<Self> {
                // SAFETY: the types are those of include/cms.h.
                Ok(Self { $($name: unsafe { *library.get::<$kind>(stringify!($name))? },)* })
            }
        }
    };
}

functions! {
    cms_open: unsafe extern "C" fn(*const Options, *mut *mut c_void) -> c_int;
    cms_close: unsafe extern "C" fn(*mut c_void);
    cms_get: unsafe extern "C" fn(*const c_void, *const c_char, *mut c_char, usize, *mut usize) -> c_int;
    cms_snapshot_open: unsafe extern "C" fn(*const c_void, *mut *mut c_void) -> c_int;
    cms_snapshot_close: unsafe extern "C" fn(*mut c_void);
    cms_snapshot_get: unsafe extern "C" fn(*const c_void, *const c_char, *mut Bytes) -> c_int;
    cms_snapshot_get_many: SnapshotGetMany;
    cms_key_open: unsafe extern "C" fn(*const c_void, *const c_char, *mut *mut c_void) -> c_int;
    cms_key_get: unsafe extern "C" fn(*mut c_void, *mut Bytes) -> c_int;
    cms_key_close: unsafe extern "C" fn(*mut c_void);
    cms_begin: unsafe extern "C" fn(*mut c_void, *mut *mut c_void) -> c_int;
    cms_txn_set: unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char) -> c_int;
    cms_txn_commit: unsafe extern "C" fn(*mut c_void, *mut u64) -> c_int;
    cms_txn_rollback: unsafe extern "C" fn(*mut c_void);
}

/// The library, which is never unloaded.
#[derive(Clone, Copy)]
pub struct Library(&'static Functions);

/// The directories of a store.
pub struct Directories<'a> {
    /// Packages.
    pub config: &'a Path,
    /// Staged changes.
    pub save: &'a Path,
    /// Maps.
    pub run: &'a Path,
    /// The log.
    pub state: &'a Path,
}

impl Library {
    /// Loads the file.
    pub fn load(path: &Path) -> Result<Self> {
        // SAFETY: this is the measured library; loading it runs no code that matters.
        let library = unsafe { libloading::Library::new(path) };
        let library = library.map_err(|error| format!("{}: {error}", path.display()))?;
        let functions = Functions::find(&library)?;
        std::mem::forget(library);
        Ok(Self(Box::leak(Box::new(functions))))
    }

    /// Opens a store.
    pub fn open(self, directories: &Directories<'_>) -> Result<Store> {
        let text = |path: &Path| CString::new(path.as_os_str().as_encoded_bytes());
        let (config, save) = (text(directories.config)?, text(directories.save)?);
        let (run, state) = (text(directories.run)?, text(directories.state)?);
        let options = Options {
            size: size_of::<Options>(),
            config_dir: config.as_ptr(),
            save_dir: save.as_ptr(),
            run_dir: run.as_ptr(),
            state_dir: state.as_ptr(),
            flags: 0,
            map_limit: 0,
        };
        let mut handle = std::ptr::null_mut();
        // SAFETY: the strings live until the end of this function, and the library copies them.
        checked("cms_open", unsafe { (self.0.cms_open)(&raw const options, &raw mut handle) })?;
        let call = StoreCall { get: self.0.cms_get, handle };
        Ok(Store { functions: self.0, call })
    }
}

/// The context of `bench_store_get`.
#[repr(C)]
struct StoreCall {
    /// `cms_get`.
    get: unsafe extern "C" fn(*const c_void, *const c_char, *mut c_char, usize, *mut usize) -> c_int,
    /// The store.
    handle: *mut c_void,
}

/// An open store.
pub struct Store {
    /// The library.
    functions: &'static Functions,
    /// The handle, ready for `get`.
    call: StoreCall,
}

impl Store {
    /// The contender `cms_get`.
    pub fn get(&self) -> Get<'_> {
        Get::new(bench_store_get, &raw const self.call)
    }

    /// The same for many threads: `cms_get` takes a const store, which any number of threads may use.
    pub fn shared<'a>(&'a self, keys: &'a Keys) -> Shared<'a> {
        Shared(self.get().over(keys))
    }

    /// The handle.
    pub(super) fn handle(&self) -> *const c_void {
        self.call.handle
    }

    /// Opens a snapshot.
    pub fn snapshot(&self) -> Result<Snapshot<'_>> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: F1.
        let status = unsafe { (self.functions.cms_snapshot_open)(self.call.handle, &raw mut handle) };
        checked("cms_snapshot_open", status)?;
        let call = SnapshotCall { get: self.functions.cms_snapshot_get, handle };
        Ok(Snapshot { store: self, call })
    }

    /// Begins a transaction.
    pub fn begin(&self) -> Result<Transaction<'_>> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: F1.
        checked("cms_begin", unsafe { (self.functions.cms_begin)(self.call.handle, &raw mut handle) })?;
        Ok(Transaction { store: self, handle })
    }

    /// Prepares the keys, each once, to be read in the order of `order`, which holds indexes into them.
    pub fn prepare(&self, keys: &[String], order: &[usize]) -> Result<Prepared<'_>> {
        let call = KeyCall { get: self.functions.cms_key_get };
        let mut prepared = Prepared { store: self, handles: Vec::new(), order: Vec::new(), call };
        for key in keys {
            let (key, mut handle) = (CString::new(key.as_str())?, std::ptr::null_mut());
            // SAFETY: F1; the key lives through the call.
            let status =
                unsafe { (self.functions.cms_key_open)(self.call.handle, key.as_ptr(), &raw mut handle) };
            checked("cms_key_open", status)?;
            prepared.handles.push(handle);
        }
        prepared.order = order.iter().map(|index| prepared.handles[*index].cast_const().cast()).collect();
        Ok(prepared)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: F1.
        unsafe { (self.functions.cms_close)(self.call.handle) };
    }
}

/// The context of `bench_snapshot_get`.
#[repr(C)]
struct SnapshotCall {
    /// `cms_snapshot_get`.
    get: unsafe extern "C" fn(*const c_void, *const c_char, *mut Bytes) -> c_int,
    /// The snapshot.
    handle: *mut c_void,
}

/// An open snapshot.
pub struct Snapshot<'a> {
    /// Its store.
    store: &'a Store,
    /// The handle, ready for `get`.
    call: SnapshotCall,
}

impl Snapshot<'_> {
    /// The contender `cms_snapshot_get`.
    pub fn get(&self) -> Get<'_> {
        Get::new(bench_snapshot_get, &raw const self.call)
    }

    /// The same for many threads, which may use one snapshot at the same time.
    pub fn shared<'a>(&'a self, keys: &'a Keys) -> Shared<'a> {
        Shared(self.get().over(keys))
    }

    /// Reports whether `cms_snapshot_get_many` of all these keys finds these values.
    pub fn finds(&self, keys: &Keys, values: &[String]) -> bool {
        let (get_many, handle) = self.many();
        let nothing = || Bytes { data: std::ptr::null(), len: 0 };
        let mut found: Vec<Bytes> = values.iter().map(|_| nothing()).collect();
        let count = keys.list().len().min(found.len());
        // SAFETY: F1 and F3; there is room for so many values.
        let status = unsafe { get_many(handle, keys.list().as_ptr(), count, found.as_mut_ptr()) };
        let same = |(found, value): (&Bytes, &String)| {
            if found.data.is_null() {
                return false;
            }
            // SAFETY: the library says that there are so many bytes, as long as the snapshot is open.
            let bytes = unsafe { std::slice::from_raw_parts(found.data.cast::<u8>(), found.len) };
            bytes == value.as_bytes()
        };
        status == 0 && count == values.len() && found.iter().zip(values).all(same)
    }

    /// `cms_snapshot_get_many` and its first argument.
    pub(super) fn many(&self) -> (SnapshotGetMany, *const c_void) {
        (self.store.functions.cms_snapshot_get_many, self.call.handle)
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        // SAFETY: F1.
        unsafe { (self.store.functions.cms_snapshot_close)(self.call.handle) };
    }
}

/// The context of `bench_key_get`.
#[repr(C)]
struct KeyCall {
    /// `cms_key_get`.
    get: unsafe extern "C" fn(*mut c_void, *mut Bytes) -> c_int,
}

/// Prepared keys.
pub struct Prepared<'a> {
    /// Their store.
    store: &'a Store,
    /// Each key once.
    handles: Vec<*mut c_void>,
    /// In the order they are read.
    order: Vec<*const c_char>,
    /// The function.
    call: KeyCall,
}

impl Prepared<'_> {
    /// The contender `cms_key_get`, which takes a prepared key instead of a string, and all its keys.
    pub fn reads(&self) -> Reads<'_> {
        Reads { get: Get::new(bench_key_get, &raw const self.call), keys: &self.order }
    }

    /// Reports whether the `index`th key has this value.
    pub fn answers(&self, index: usize, value: &str) -> bool {
        let get = Get::new(bench_key_get, &raw const self.call);
        // SAFETY: F3: `cms_key_get` is given a prepared key.
        unsafe { get.answers_at(self.handles[index].cast_const().cast(), value) }
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        for handle in &self.handles {
            // SAFETY: F1.
            unsafe { (self.store.functions.cms_key_close)(*handle) };
        }
    }
}

/// Changes that are committed together.
pub struct Transaction<'a> {
    /// Its store.
    store: &'a Store,
    /// The handle; NULL when committed.
    handle: *mut c_void,
}

impl Transaction<'_> {
    /// Sets an option.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let (key, value) = (CString::new(key)?, CString::new(value)?);
        // SAFETY: F1; the strings live through the call.
        let status = unsafe { (self.store.functions.cms_txn_set)(self.handle, key.as_ptr(), value.as_ptr()) };
        checked("cms_txn_set", status)
    }

    /// Commits.
    pub fn commit(mut self) -> Result<()> {
        let handle = std::mem::replace(&mut self.handle, std::ptr::null_mut());
        // SAFETY: F1; committing releases the transaction whatever the outcome, so the handle is not used again.
        let status = unsafe { (self.store.functions.cms_txn_commit)(handle, std::ptr::null_mut()) };
        checked("cms_txn_commit", status)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // SAFETY: F1; NULL is ignored.
        unsafe { (self.store.functions.cms_txn_rollback)(self.handle) };
    }
}

/// Turns a status into an error.
fn checked(function: &str, status: c_int) -> Result<()> {
    if status == 0 { Ok(()) } else { Err(format!("{function}: status {status}").into()) }
}
