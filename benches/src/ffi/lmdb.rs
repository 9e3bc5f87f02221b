//! LMDB as a peer: `mdb_get` in an open read transaction.

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::path::Path;

use lmdb_master_sys as sys;

use super::{Get, Peer};
use crate::Result;

/// The maximum size of a database; only used pages take space.
const MAP_SIZE: usize = 1 << 30;

/// An environment with one database.
pub struct Lmdb {
    /// The environment.
    env: *mut sys::MDB_env,
    /// The open transaction and the database.
    reading: Reading,
}

/// The context of a read.
struct Reading {
    /// A read transaction.
    txn: *mut sys::MDB_txn,
    /// The unnamed database.
    dbi: sys::MDB_dbi,
}

impl Lmdb {
    /// Makes a database in a new directory.
    pub fn create(dir: &Path, entries: impl Iterator<Item = (String, String)>) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let path = CString::new(dir.as_os_str().as_encoded_bytes())?;
        let mut env = std::ptr::null_mut();
        // SAFETY: `env` gets a new environment.
        checked(unsafe { sys::mdb_env_create(&raw mut env) })?;
        let reading = Reading { txn: std::ptr::null_mut(), dbi: 0 };
        let mut database = Self { env, reading };
        // SAFETY: F1; the environment is not open yet.
        checked(unsafe { sys::mdb_env_set_mapsize(env, MAP_SIZE) })?;
        // SAFETY: F1; the path lives through the call.
        checked(unsafe { sys::mdb_env_open(env, path.as_ptr(), sys::MDB_NOSYNC, 0o600) })?;
        database.fill(entries)?;
        database.begin(sys::MDB_RDONLY)?;
        Ok(database)
    }

    /// Begins the transaction that is kept.
    fn begin(&mut self, flags: c_uint) -> Result<()> {
        let txn = &raw mut self.reading.txn;
        // SAFETY: F1; there is no other transaction.
        checked(unsafe { sys::mdb_txn_begin(self.env, std::ptr::null_mut(), flags, txn) })
    }

    /// Writes all entries in one transaction.
    fn fill(&mut self, entries: impl Iterator<Item = (String, String)>) -> Result<()> {
        self.begin(0)?;
        let Reading { txn, dbi } = &mut self.reading;
        // SAFETY: F1; the transaction was just begun.
        checked(unsafe { sys::mdb_dbi_open(*txn, std::ptr::null(), 0, dbi) })?;
        for (key, value) in entries {
            let (mut key, mut value) = (val(key.as_bytes()), val(value.as_bytes()));
            // SAFETY: F1; both are copied.
            checked(unsafe { sys::mdb_put(*txn, *dbi, &raw mut key, &raw mut value, 0) })?;
        }
        // SAFETY: F1; committing releases the transaction.
        let status = unsafe { sys::mdb_txn_commit(std::mem::replace(txn, std::ptr::null_mut())) };
        checked(status)
    }
}

/// A database to be written to, each transaction synced.
pub struct LmdbWriter {
    /// The environment.
    env: *mut sys::MDB_env,
    /// The unnamed database.
    dbi: sys::MDB_dbi,
}

// SAFETY: an environment may be used by all threads; a write transaction stays with the thread that began it.
unsafe impl Send for LmdbWriter {}
// SAFETY: as above.
unsafe impl Sync for LmdbWriter {}

impl LmdbWriter {
    /// Makes a database in a new directory.
    pub fn create(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let path = CString::new(dir.as_os_str().as_encoded_bytes())?;
        let mut writer = Self { env: std::ptr::null_mut(), dbi: 0 };
        // SAFETY: `env` gets a new environment.
        checked(unsafe { sys::mdb_env_create(&raw mut writer.env) })?;
        // SAFETY: F1; the environment is not open yet.
        checked(unsafe { sys::mdb_env_set_mapsize(writer.env, MAP_SIZE) })?;
        // SAFETY: F1; the path lives through the call.
        checked(unsafe { sys::mdb_env_open(writer.env, path.as_ptr(), 0, 0o600) })?;
        let txn = writer.begin()?;
        // SAFETY: F1; the transaction was just begun.
        checked(unsafe { sys::mdb_dbi_open(txn, std::ptr::null(), 0, &raw mut writer.dbi) })?;
        // SAFETY: F1; committing releases the transaction.
        checked(unsafe { sys::mdb_txn_commit(txn) })?;
        Ok(writer)
    }

    /// Begins a transaction, after waiting for that of another thread.
    fn begin(&self) -> Result<*mut sys::MDB_txn> {
        let mut txn = std::ptr::null_mut();
        // SAFETY: F1; each thread has at most one.
        checked(unsafe { sys::mdb_txn_begin(self.env, std::ptr::null_mut(), 0, &raw mut txn) })?;
        Ok(txn)
    }

    /// Writes entries in one transaction.
    pub fn commit(&self, entries: impl Iterator<Item = (String, String)>) -> Result<()> {
        let txn = self.begin()?;
        for (key, value) in entries {
            let (mut key, mut value) = (val(key.as_bytes()), val(value.as_bytes()));
            // SAFETY: F1; both are copied.
            checked(unsafe { sys::mdb_put(txn, self.dbi, &raw mut key, &raw mut value, 0) })?;
        }
        // SAFETY: F1; committing releases the transaction.
        checked(unsafe { sys::mdb_txn_commit(txn) })
    }
}

impl Drop for LmdbWriter {
    fn drop(&mut self) {
        // SAFETY: F1; each transaction ended within its call.
        unsafe { sys::mdb_env_close(self.env) };
    }
}

impl Peer for Lmdb {
    fn get(&self) -> Get<'_> {
        Get::new(lmdb_get, &raw const self.reading)
    }
}

impl Drop for Lmdb {
    fn drop(&mut self) {
        if !self.reading.txn.is_null() {
            // SAFETY: F1.
            unsafe { sys::mdb_txn_abort(self.reading.txn) };
        }
        // SAFETY: F1; there is no transaction any more.
        unsafe { sys::mdb_env_close(self.env) };
    }
}

/// Finds a value in the database.
unsafe extern "C" fn lmdb_get(context: *mut c_void, key: *const c_char, _: *mut c_char) -> *const c_char {
    // SAFETY: F2, and F3 for the key.
    let (reading, length) = unsafe { (&*context.cast::<Reading>(), libc::strlen(key)) };
    let mut key = sys::MDB_val { mv_size: length, mv_data: key.cast_mut().cast() };
    let mut value = sys::MDB_val { mv_size: 0, mv_data: std::ptr::null_mut() };
    // SAFETY: F1; a read transaction writes nothing through the key.
    if unsafe { sys::mdb_get(reading.txn, reading.dbi, &raw mut key, &raw mut value) } != 0 {
        return std::ptr::null();
    }
    value.mv_data.cast_const().cast()
}

/// Converts bytes for LMDB.
fn val(bytes: &[u8]) -> sys::MDB_val {
    sys::MDB_val { mv_size: bytes.len(), mv_data: bytes.as_ptr().cast_mut().cast() }
}

/// Turns a status into an error.
fn checked(status: c_int) -> Result<()> {
    if status == 0 { Ok(()) } else { Err(format!("LMDB: status {status}").into()) }
}
