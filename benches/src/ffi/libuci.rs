//! Stock libuci as a peer, from a library that `stock-uci.sh` compiles.

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;

use super::{Get, GetFunction, Peer};
use crate::Result;

/// A context of libuci with all packages loaded.
pub struct Libuci {
    /// The context.
    handle: *mut c_void,
    /// Frees it.
    close: unsafe extern "C" fn(*mut c_void),
    /// Looks a key up.
    get: GetFunction,
    /// Keeps the library loaded.
    _library: libloading::Library,
}

impl Libuci {
    /// Loads the packages of a directory.
    pub fn open(library: &Path, config: &Path) -> Result<Self> {
        type Open = unsafe extern "C" fn(*const c_char) -> *mut c_void;
        // SAFETY: it was compiled of c/uci_peer.c, whose functions have these types.
        let (library, open, get, close) = unsafe {
            let library = libloading::Library::new(library)?;
            let open = *library.get::<Open>("uci_peer_open")?;
            let get = *library.get::<GetFunction>("uci_peer_get")?;
            let close = *library.get::<unsafe extern "C" fn(*mut c_void)>("uci_peer_close")?;
            (library, open, get, close)
        };
        let config = CString::new(config.as_os_str().as_encoded_bytes())?;
        // SAFETY: the string lives through the call, and libuci copies it.
        let handle = unsafe { open(config.as_ptr()) };
        if handle.is_null() {
            return Err("libuci cannot load the packages".into());
        }
        Ok(Self { handle, close, get, _library: library })
    }
}

impl Peer for Libuci {
    fn get(&self) -> Get<'_> {
        Get::new(self.get, self.handle.cast_const())
    }
}

impl Drop for Libuci {
    fn drop(&mut self) {
        // SAFETY: F1.
        unsafe { (self.close)(self.handle) };
    }
}

/// The function of `c/uci_peer.c` that changes a file.
type CommitFunction = unsafe extern "C" fn(*const c_char, *const c_char, *mut c_char) -> c_int;

/// Stock libuci as a writer. Each call makes its own context.
pub struct UciCommit {
    /// Changes one option.
    commit: CommitFunction,
    /// Keeps the library loaded.
    _library: libloading::Library,
}

impl UciCommit {
    /// Loads the library.
    pub fn open(library: &Path) -> Result<Self> {
        // SAFETY: it was compiled of c/uci_peer.c, whose function has this type.
        let (library, commit) = unsafe {
            let library = libloading::Library::new(library)?;
            let commit = *library.get::<CommitFunction>("uci_peer_commit")?;
            (library, commit)
        };
        Ok(Self { commit, _library: library })
    }

    /// Makes a change, `PACKAGE.SECTION.OPTION=VALUE`, and commits it.
    pub fn commit(&self, config: &Path, save: &Path, change: &str) -> Result<()> {
        let string = |path: &Path| CString::new(path.as_os_str().as_encoded_bytes());
        let (config, save) = (string(config)?, string(save)?);
        let mut change = CString::new(change)?.into_bytes_with_nul();
        // SAFETY: the strings live through the call; the last one is a buffer of this function that may be written
        // to.
        let status = unsafe { (self.commit)(config.as_ptr(), save.as_ptr(), change.as_mut_ptr().cast()) };
        if status == 0 { Ok(()) } else { Err("libuci cannot commit".into()) }
    }
}
