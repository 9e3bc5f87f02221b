//! Opening and closing a store.

use std::ffi::{CString, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use cms_core::{DirOptions, Dirs, Options, Store};

use crate::handle::{optional, reclaim, required, write_handle};
use crate::sized::{self, sized};
use crate::status::{Failure, cms_status, guard, guard_void, record_panics};
use crate::watch::Data;

/// An open store. Reads see each commit as soon as it is made, by any process; edits by hand are seen after
/// cms_refresh. Any number of threads may use one at the same time, with every function that takes a const cms_store
/// pointer. Snapshots, keys and transactions that it hands out may outlive it. A program needs one, as long as it runs.
pub struct cms_store(pub(crate) Store);

/// Called with each message of a store, with its level and with the `message_data` of its options. `message` is one
/// line of UTF-8, valid until the callback returns. So far there are only warnings, CMS_MESSAGE_WARNING, about problems
/// that stop nothing, such as a file that is skipped; each comes once for a store. Later versions may add levels:
/// ignore those that you do not know.
///
/// It runs on the thread whose call causes the message, or on a thread of the library, perhaps on several at the same
/// time. It is never called once the store and all its transactions, snapshots and keys are closed. It must not use the
/// store or what belongs to it, since locks may be held.
pub type cms_message_callback =
    Option<unsafe extern "C" fn(level: i32, message: *const c_char, data: *mut c_void)>;

/// A level of cms_message_callback, by the numbers of syslog: a warning.
pub const CMS_MESSAGE_WARNING: i32 = 4;

sized! {
    /// How a store is opened. Set everything to zero, with memset or an initializer, then `size` to
    /// sizeof(cms_options), then what you want to be different. Strings are copied; an empty string means the same as
    /// NULL. Where the store has a policy (section `store` of the package `cms`), log_limit, durability and
    /// text_delay_ms override it only where they are stricter, or where the user owns the configuration directory;
    /// verify_timeout_ms never does. In safe mode, by the policy or by CMS_SAFE_MODE=1, all calls that write fail with
    /// CMS_ERR_PERMISSION.
    #[repr(C)]
    pub struct cms_options {
        /// sizeof(cms_options). It says which members the struct has, so that a library of any version can read it.
        pub size: usize,
        /// Where packages are. NULL: the variable CMS_CONFIG_DIR, else /etc/config.
        pub config_dir: *const c_char,
        /// Where changes are staged. NULL: CMS_SAVE_DIR, else /tmp/.uci for root and
        /// /tmp/.uci-UID for others, with a directory of its own in it for each other config_dir.
        pub save_dir: *const c_char,
        /// Where locks and maps are. NULL: CMS_RUN_DIR, else /run/cms, else a directory of the user's own.
        pub run_dir: *const c_char,
        /// Where the log is. NULL: CMS_STATE_DIR, else /var/lib/cms.
        pub state_dir: *const c_char,
        /// 0, or some of CMS_OPEN_*, added.
        pub flags: u32,
        /// How many bytes the map of a package may have; 0 for any number. A commit that needs more is refused.
        pub map_limit: u64,
        /// The name of the program, for the history. NULL: "c-pid-" and the number of the process.
        pub source: *const c_char,
        /// How many bytes of the log are kept; 0: 4 MiB.
        pub log_limit: u64,
        /// What commits survive: "full" (a power cut; NULL means this), "log" (the same, and the texts are written
        /// later: one sync instead of three) or "none" (the end of the process: a power cut may take the last commits,
        /// but leaves each package whole); and "PACKAGE=LEVEL" for one package, with commas between: "full,leases=log".
        pub durability: *const c_char,
        /// For how many milliseconds a text may be older than the log, with "log"; 0: 1000. The library starts a thread
        /// with the first such commit, which writes the texts then; so do cms_flush and cms_close.
        pub text_delay_ms: u64,
        /// For how many milliseconds a commit waits for its verifiers, see cms_verifier_open; 0: 5000.
        pub verify_timeout_ms: u64,
        /// Called with messages, warnings for example. NULL: messages are dropped.
        pub on_message: cms_message_callback,
        /// Given to on_message.
        pub message_data: *mut c_void,
    }
}

/// Keep maps private to this process, even where they could be shared. Commits of others are then seen after
/// cms_refresh, as they are where no run directory can be used.
pub const CMS_OPEN_PRIVATE: u32 = 1;

/// Opens a store; `options` may be NULL for the defaults. A package is opened when its first key is read.
///
/// CMS_ERR_NOT_FOUND: there is no configuration directory. CMS_ERR_IO, CMS_ERR_PERMISSION: it is not a directory, or
/// cannot be reached. CMS_ERR_INVALID: a member is set that this version of the library does not know.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_open(options: *const cms_options, store: *mut *mut cms_store) -> cms_status {
    record_panics();
    guard(|| {
        let store = required(store, "store")?;
        // SAFETY: C7, C2.
        let options = unsafe { read(options) }?;
        let live = Store::open(options)?;
        // SAFETY: not NULL, C5.
        unsafe { write_handle(store, cms_store(live)) };
        Ok(())
    })
}

/// Closes a store. NULL is ignored. Memory that snapshots and keys have handed out stays valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_close(store: *mut cms_store) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(store) }));
}

/// Reads options of any version: see [`sized::read`].
///
/// # Safety
///
/// C7, and C2 for its strings.
unsafe fn read(options: *const cms_options) -> Result<Options, Failure> {
    let nameless = || format!("c-pid-{}", std::process::id());
    if options.is_null() {
        return Ok(Options::new().source(nameless()));
    }
    // SAFETY: the caller's promise.
    let all = unsafe { sized::read(options, "options") }?;
    // SAFETY: C2.
    let text = |string| unsafe { optional(string) }.filter(|text| !text.is_empty());
    let path = |string| text(string).map(|text| PathBuf::from(OsStr::from_bytes(text)));
    if all.flags & !CMS_OPEN_PRIVATE != 0 {
        return Err(Failure::Invalid("options.flags", "not known to this version of the library"));
    }
    let dirs = DirOptions::new()
        .config(path(all.config_dir))
        .save(path(all.save_dir))
        .run(path(all.run_dir))
        .state(path(all.state_dir));
    let source = text(all.source);
    let source = source.map_or_else(nameless, |source| String::from_utf8_lossy(source).into_owned());
    let private_maps = all.flags & CMS_OPEN_PRIVATE != 0;
    let mut options = Options::new().dirs(Dirs::choose(dirs)).private_maps(private_maps).source(source);
    if all.map_limit != 0 {
        options = options.map_limit(all.map_limit);
    }
    if all.log_limit != 0 {
        options = options.log_size(all.log_limit);
    }
    if let Some(levels) = text(all.durability) {
        options = options.durability_levels(&String::from_utf8_lossy(levels))?;
    }
    if all.text_delay_ms != 0 {
        options = options.text_delay(Duration::from_millis(all.text_delay_ms));
    }
    if all.verify_timeout_ms != 0 {
        options = options.verify_timeout(Duration::from_millis(all.verify_timeout_ms));
    }
    if let Some(hook) = all.on_message {
        options = options.warn(warn(hook, Data(all.message_data)));
    }
    Ok(options)
}

/// Makes the function that the store calls with its warnings.
fn warn(
    hook: unsafe extern "C" fn(i32, *const c_char, *mut c_void),
    data: Data,
) -> impl Fn(&str) + Send + Sync {
    move |text| {
        // The closure captures the whole struct, not only the pointer in it.
        let data = &data;
        // A name of a file may hold a line break.
        let line: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let line = CString::new(line).unwrap_or_default();
        // SAFETY: C8.
        unsafe { hook(CMS_MESSAGE_WARNING, line.as_ptr(), data.0) };
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::path::Path;

    use super::*;
    use crate::txn::{cms_begin, cms_txn_commit, cms_txn_set};

    /// Commits a hundred values of about 2 KB through the C API; returns how many bytes of the log there are then.
    fn log_after(log_limit: u64) -> u64 {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| {
            let path = dir.path().join(name);
            CString::new(path.as_os_str().as_bytes()).expect("no NUL")
        };
        std::fs::create_dir(dir.path().join("config")).expect("made");
        std::fs::write(dir.path().join("config/n"), "config a 'a'\n").expect("written");
        let (config, save, run, state) = (path("config"), path("save"), path("run"), path("state"));
        let options = cms_options {
            size: size_of::<cms_options>(),
            config_dir: config.as_ptr(),
            save_dir: save.as_ptr(),
            run_dir: run.as_ptr(),
            state_dir: state.as_ptr(),
            flags: 0,
            map_limit: 0,
            source: std::ptr::null(),
            log_limit,
            durability: std::ptr::null(),
            text_delay_ms: 0,
            verify_timeout_ms: 0,
            on_message: None,
            message_data: std::ptr::null_mut(),
        };
        let mut store = std::ptr::null_mut();
        // SAFETY: the options are whole, and their strings outlive the call.
        assert_eq!(unsafe { cms_open(&raw const options, &raw mut store) }, cms_status::CMS_OK);
        for number in 0..100 {
            let value = CString::new(format!("{number} ").repeat(500)).expect("no NUL");
            let mut txn = std::ptr::null_mut();
            // SAFETY: the store is open.
            assert_eq!(unsafe { cms_begin(store, &raw mut txn) }, cms_status::CMS_OK);
            // SAFETY: the transaction is open, and the strings end.
            assert_eq!(unsafe { cms_txn_set(txn, c"n.a.o".as_ptr(), value.as_ptr()) }, cms_status::CMS_OK);
            // SAFETY: the transaction is open, and is not used again.
            assert_eq!(unsafe { cms_txn_commit(txn, std::ptr::null_mut()) }, cms_status::CMS_OK);
        }
        // SAFETY: the store is open, and is not used again.
        unsafe { cms_close(store) };
        size(&dir.path().join("state"))
    }

    fn size(dir: &Path) -> u64 {
        let of = |entry: std::fs::DirEntry| match entry.metadata().expect("there") {
            found if found.is_dir() => size(&entry.path()),
            found => found.len(),
        };
        std::fs::read_dir(dir).expect("readable").map(|entry| of(entry.expect("there"))).sum()
    }

    #[test]
    fn m16_a_program_that_gives_no_name_is_noted_with_its_language_and_number() {
        // SAFETY: NULL stands for the defaults.
        let options = unsafe { read(std::ptr::null()) }.ok().expect("the defaults");
        assert_eq!(options.get_source(), format!("c-pid-{}", std::process::id()));
    }

    #[test]
    fn log_limit_says_how_much_of_the_log_is_kept() {
        assert!(log_after(256 << 10) <= 256 << 10);
        let by_default = log_after(0);
        assert!((512 << 10..4 << 20).contains(&by_default), "{by_default}");
    }
}
