//! Statuses, the last error, and the guard around every function.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::ffi::c_char;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use cms_core::{Code, Error, TextLine};

use crate::handle::put;
use crate::sized::{self, sized};
use crate::violation::ViolationTexts;

/// The outcome of a call. A number is never used again with another meaning.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum cms_status {
    /// All is well.
    CMS_OK = 0,
    /// There is no such package, section or option, or no such transaction, snapshot or directory: the message says
    /// which.
    CMS_ERR_NOT_FOUND = 1,
    /// A required pointer is NULL; or a key, name or type is not allowed, too long or not UTF-8; or a value is not
    /// allowed or too long; or a package exceeds the limits.
    CMS_ERR_INVALID = 2,
    /// The value is a list where one string was asked for, or its text is not of the type asked for; cms_last_error
    /// gives the value, its file and its line.
    CMS_ERR_TYPE = 3,
    /// The text of a package has errors; cms_last_error gives file, line and column.
    CMS_ERR_PARSE = 4,
    /// Another program changed the same keys, or kept changing the same package.
    CMS_ERR_CONFLICT = 5,
    /// The new name is in use.
    CMS_ERR_EXISTS = 6,
    /// A key selects several sections.
    CMS_ERR_AMBIGUOUS = 7,
    /// Another writer did not finish in time.
    CMS_ERR_LOCKED = 8,
    /// The system does not permit it to this user.
    CMS_ERR_PERMISSION = 9,
    /// A system call failed.
    CMS_ERR_IO = 10,
    /// The disk or the quota is full, or the file system is read-only.
    CMS_ERR_NO_SPACE = 11,
    /// The map of a package would be larger than `map_limit`; or the store has as many watches or transactions as it
    /// may have.
    CMS_ERR_FULL = 12,
    /// The snapshot is older than all kept states of a package that it had not read before: open a new one. Or the
    /// log does not have the changes since a transaction any more.
    CMS_ERR_STALE = 13,
    /// A file is damaged: a map, which is rebuilt when it is next opened; the log, whose damaged parts 'cms repair'
    /// sets aside; a snapshot or a backup.
    CMS_ERR_DAMAGED = 14,
    /// The change is in place, but may not survive a power cut: the system could not promise that.
    CMS_ERR_NOT_DURABLE = 15,
    /// There is nothing more to iterate over.
    CMS_ERR_END = 16,
    /// A fault of this library. The handle should be closed.
    CMS_ERR_INTERNAL = 17,
    /// A verifier has refused the transaction, or has not answered; cms_last_error names it and its reason.
    CMS_ERR_REFUSED = 18,
    /// There is not enough memory for a package or a value of this size. Nothing is changed. If not even 1 MiB can be
    /// allocated, the library aborts.
    CMS_ERR_MEMORY = 19,
    /// This build of the library leaves the function out: see cms_has_feature.
    CMS_ERR_UNSUPPORTED = 20,
    /// The value is a number, but not within the limits that were given; cms_last_error gives the value, its file and
    /// its line.
    CMS_ERR_RANGE = 21,
    /// The transaction breaks the schema of a package, and nothing was changed; cms_last_error has the first violation,
    /// and cms_last_violation has all of them.
    CMS_ERR_SCHEMA = 22,
}

use cms_status::{
    CMS_ERR_AMBIGUOUS, CMS_ERR_CONFLICT, CMS_ERR_DAMAGED, CMS_ERR_END, CMS_ERR_EXISTS, CMS_ERR_FULL,
    CMS_ERR_INTERNAL, CMS_ERR_INVALID, CMS_ERR_IO, CMS_ERR_LOCKED, CMS_ERR_MEMORY, CMS_ERR_NO_SPACE,
    CMS_ERR_NOT_DURABLE, CMS_ERR_NOT_FOUND, CMS_ERR_PARSE, CMS_ERR_PERMISSION, CMS_ERR_RANGE,
    CMS_ERR_REFUSED, CMS_ERR_SCHEMA, CMS_ERR_STALE, CMS_ERR_TYPE, CMS_ERR_UNSUPPORTED, CMS_OK,
};

sized! {
    /// Details of the last call of this thread that failed; CMS_ERR_END does not count as a failure. The strings end
    /// with a NUL byte, are never NULL, and are valid until the next call of the thread that fails. They need not be
    /// freed.
    #[repr(C)]
    pub struct cms_error {
        /// sizeof(cms_error), which the caller sets.
        pub size: usize,
        /// The status that the call returned.
        pub status: cms_status,
        /// What happened, for people: English, one line.
        pub message: *const c_char,
        /// The file concerned, or "".
        pub file: *const c_char,
        /// The key or name concerned, or "".
        pub key: *const c_char,
        /// What a person may do about it, or "".
        pub hint: *const c_char,
        /// Line and column in the file, in bytes, counted from 1; 0 if the error has no such place.
        pub line: u32,
        pub column: u32,
        /// With CMS_ERR_REFUSED: the program of the verifier, its reason and its process; else "" and 0.
        pub program: *const c_char,
        pub reason: *const c_char,
        pub pid: u32,
        /// With CMS_ERR_TYPE and CMS_ERR_RANGE: the value, and `file` and `line` say where it is; with CMS_ERR_INVALID
        /// the value that is not allowed, if a value is not; else "", as for a list.
        pub value: *const c_char,
    }
}

/// Why a call fails.
pub enum Failure {
    /// A required pointer is NULL: which.
    Null(&'static str),
    /// An argument is not allowed: which, and why.
    Invalid(&'static str, &'static str),
    /// There is no such key.
    Missing(Vec<u8>),
    /// The value of a key does not fit.
    Unfit(Box<Unfit>),
    /// The value of a change is not allowed.
    BadValue { key: Vec<u8>, value: Vec<u8>, error: Box<Error> },
    /// Nothing more to iterate over.
    End,
    /// The feature of the function is left out of this build.
    Unsupported,
    /// An error of the crate `cms`.
    Core(Box<Error>),
}

/// A value that is not what was asked for.
pub struct Unfit {
    pub key: Vec<u8>,
    /// `None` for a list.
    pub value: Option<Vec<u8>>,
    pub why: Cow<'static, str>,
    /// Whether it is of the type that was asked for, and only too small or too large.
    pub is_number: bool,
    /// Finds the line of the value, which is looked for only if the program asks for the error.
    pub line: Option<TextLine>,
}

impl Unfit {
    fn status(&self) -> cms_status {
        if self.is_number { CMS_ERR_RANGE } else { CMS_ERR_TYPE }
    }

    fn describe(&self) -> Last {
        let line = self.line.as_ref();
        let number = line.and_then(|line| line.find(self.value.as_deref()));
        let file = line.map_or_else(Vec::new, |line| line.file().as_os_str().as_bytes().to_vec());
        let place = match number {
            Some(number) => format!("{}:{number}: ", String::from_utf8_lossy(&file)),
            None => String::new(),
        };
        let key = String::from_utf8_lossy(&self.key);
        let (message, hint) = match &self.value {
            Some(value) => (format!("{place}{key} is {}, {}", shown(value), self.why), ""),
            None => (format!("{place}{key} {}", self.why), "read the items of the list instead"),
        };
        Last {
            status: self.status(),
            message: message.into_bytes(),
            file,
            key: self.key.clone(),
            hint: hint.into(),
            line: number.unwrap_or(0),
            value: self.value.clone().unwrap_or_default(),
            ..NONE
        }
    }
}

/// Returns a value for a message, in quotes and not too long.
fn shown(value: &[u8]) -> String {
    const MOST: usize = 60;
    let text = String::from_utf8_lossy(value);
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("'{}...'", &text[..end]),
        None => format!("'{text}'"),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(Box::new(error))
    }
}

/// The contents of [`cms_error`]. The strings get their NUL bytes when the error is kept.
struct Last {
    status: cms_status,
    message: Vec<u8>,
    file: Vec<u8>,
    key: Vec<u8>,
    hint: Vec<u8>,
    line: u32,
    column: u32,
    program: Vec<u8>,
    reason: Vec<u8>,
    pid: u32,
    value: Vec<u8>,
    violations: Vec<ViolationTexts>,
}

const NONE: Last = Last {
    status: CMS_OK,
    message: Vec::new(),
    file: Vec::new(),
    key: Vec::new(),
    hint: Vec::new(),
    line: 0,
    column: 0,
    program: Vec::new(),
    reason: Vec::new(),
    pid: 0,
    value: Vec::new(),
    violations: Vec::new(),
};

/// The last failure of a thread. It is put into words only for `cms_last_error`: most programs that look for a key that
/// may be missing never call that.
enum LastError {
    Failure(Failure),
    Details(Last),
}

impl LastError {
    fn details(&mut self) -> &Last {
        static NOTHING: Last = NONE;
        if let Self::Failure(failure) = self {
            *self = Self::Details(failure.describe().ended());
        }
        match self {
            Self::Details(last) => last,
            Self::Failure(_) => &NOTHING,
        }
    }
}

thread_local! {
    static LAST: RefCell<LastError> = const { RefCell::new(LastError::Details(NONE)) };
}

/// The longest key that the fast way reads, and one byte more.
const MISSED_KEY: usize = 64;

/// A key that the fast way has not found, if that was the last failure: nothing is made of it until it is asked for.
struct Missed {
    /// How long it is; 0 if there is none.
    len: Cell<usize>,
    key: Cell<[u8; MISSED_KEY]>,
    /// Whether the thread has a place for its last error.
    is_prepared: Cell<bool>,
}

thread_local! {
    static MISSED: Missed = const {
        Missed { len: Cell::new(0), key: Cell::new([0; MISSED_KEY]), is_prepared: Cell::new(false) }
    };
}

/// Keeps for `cms_last_error` that there is no such key.
#[inline(never)]
#[cfg_attr(cms_speed, optimize(speed))]
pub fn missed(key: &[u8]) -> cms_status {
    MISSED.with(|missed| {
        let len = key.len().min(MISSED_KEY);
        // SAFETY: the cell has room for as many bytes, and is used by this thread alone.
        unsafe { std::ptr::copy_nonoverlapping(key.as_ptr(), missed.key.as_ptr().cast(), len) };
        missed.len.set(len);
        if !missed.is_prepared.replace(true) {
            prepare_last();
        }
    });
    CMS_ERR_NOT_FOUND
}

/// Makes the place for the last error of the thread. If it were made only when a destructor of C asks for the error,
/// while the thread ends, nothing would free the error.
#[cold]
#[inline(never)]
fn prepare_last() {
    let _ = LAST.try_with(|_| ());
}

/// Makes the last failure of the thread the last error, if it is one of [`missed`].
fn keep_missed() {
    let len = MISSED.with(|missed| missed.len.get());
    if len > 0 {
        let key = MISSED.with(|missed| missed.key.get());
        keep(LastError::Failure(Failure::Missing(key.get(..len).unwrap_or(&key).to_vec())));
    }
}

impl Failure {
    fn status(&self) -> cms_status {
        match self {
            Self::Null(_) | Self::Invalid(..) => CMS_ERR_INVALID,
            Self::Missing(_) => CMS_ERR_NOT_FOUND,
            Self::Unfit(unfit) => unfit.status(),
            Self::BadValue { error, .. } => of_code(error.code()),
            Self::End => CMS_ERR_END,
            Self::Unsupported => CMS_ERR_UNSUPPORTED,
            Self::Core(error) => of_code(error.code()),
        }
    }

    fn describe(&self) -> Last {
        let status = self.status();
        let of_key = |key: &[u8], why: &str| {
            let message = format!("{}: {why}", String::from_utf8_lossy(key)).into_bytes();
            Last { status, message, key: key.to_vec(), ..NONE }
        };
        let plain = |message: String| Last { status, message: message.into_bytes(), ..NONE };
        match self {
            Self::Null(what) => plain(format!("{what}: NULL is not allowed here")),
            Self::Invalid(what, why) => plain(format!("{what}: {why}")),
            Self::Missing(key) => of_key(key, "not found"),
            Self::Unfit(unfit) => unfit.describe(),
            Self::BadValue { key, value, error } => {
                Last { value: value.clone(), ..of_key(key, &error.to_string()) }
            }
            Self::End => plain("there is nothing more".to_owned()),
            Self::Unsupported => Last {
                hint: b"use libcms.so, which has everything".to_vec(),
                ..plain("this build of the library leaves the function out".to_owned())
            },
            Self::Core(error) => {
                let place = error.location();
                let (program, reason, pid) = match &**error {
                    Error::Refused { program, pid, reason } => (program.as_str(), reason.as_str(), *pid),
                    _ => ("", "", 0),
                };
                let violations = match &**error {
                    Error::Schema { violations } => violations.iter().map(ViolationTexts::of).collect(),
                    _ => Vec::new(),
                };
                Last {
                    file: place.file.map_or_else(Vec::new, |file| file.into_os_string().into_vec()),
                    key: place.key.unwrap_or_default().into_bytes(),
                    hint: error.hint().unwrap_or_default().as_bytes().to_vec(),
                    line: place.line,
                    column: place.column,
                    program: program.into(),
                    reason: reason.into(),
                    pid,
                    violations,
                    ..plain(error.to_string())
                }
            }
        }
    }

    /// Keeps the failure for `cms_last_error`. The end of an iteration is not kept.
    fn keep(self) -> cms_status {
        let status = self.status();
        if !matches!(self, Self::End) {
            keep(LastError::Failure(self));
        }
        status
    }
}

impl Last {
    /// Gives the texts the NUL bytes that C wants.
    fn ended(mut self) -> Self {
        let texts = [&mut self.message, &mut self.file, &mut self.key, &mut self.hint];
        for text in texts.into_iter().chain([&mut self.program, &mut self.reason, &mut self.value]) {
            text.retain(|byte| *byte != 0);
            text.push(0);
        }
        // One line, whatever was quoted. The last byte is the NUL byte.
        let control = self.message.iter_mut().rev().skip(1).filter(|byte| byte.is_ascii_control());
        control.for_each(|byte| *byte = b' ');
        self
    }
}

/// Makes this the last error of the thread. A thread that ends calls destructors of C after ours: then the error has no
/// place any more and is dropped.
fn keep(kept: LastError) {
    MISSED.with(|missed| missed.len.set(0));
    let _ = LAST.try_with(|place| place.replace(kept));
}

fn of_code(code: Code) -> cms_status {
    match code {
        Code::NotFound => CMS_ERR_NOT_FOUND,
        Code::Invalid => CMS_ERR_INVALID,
        Code::Type => CMS_ERR_TYPE,
        Code::Range => CMS_ERR_RANGE,
        Code::Exists => CMS_ERR_EXISTS,
        Code::Ambiguous => CMS_ERR_AMBIGUOUS,
        Code::Parse => CMS_ERR_PARSE,
        Code::Conflict => CMS_ERR_CONFLICT,
        Code::Locked => CMS_ERR_LOCKED,
        Code::Permission => CMS_ERR_PERMISSION,
        Code::NoSpace => CMS_ERR_NO_SPACE,
        Code::Io => CMS_ERR_IO,
        Code::Full => CMS_ERR_FULL,
        Code::Stale => CMS_ERR_STALE,
        Code::Damaged => CMS_ERR_DAMAGED,
        Code::NotDurable => CMS_ERR_NOT_DURABLE,
        Code::Refused => CMS_ERR_REFUSED,
        Code::Memory => CMS_ERR_MEMORY,
        Code::Schema => CMS_ERR_SCHEMA,
        // A kind without a status; the test below shows that there is none.
        _ => CMS_ERR_INTERNAL,
    }
}

/// Keeps an error for `cms_last_error`, for a callback that is called because of it.
pub fn status_of(error: Error) -> cms_status {
    Failure::from(error).keep()
}

/// Runs the body of a function: keeps its error for `cms_last_error`, and stops a panic from reaching C.
#[inline(always)]
pub fn guard(body: impl FnOnce() -> Result<(), Failure>) -> cms_status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => CMS_OK,
        Ok(Err(failure)) => failure.keep(),
        Err(_) => CMS_ERR_INTERNAL,
    }
}

/// Makes panics visible in `cms_last_error`, and not on the standard error output of a program that is not ours. The
/// hook belongs to the Rust library inside this one, and catches no panics of others.
pub fn record_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let message = format!("internal error of the library, please report it: {info}").into_bytes();
            keep(LastError::Details(Last { status: CMS_ERR_INTERNAL, message, ..NONE }.ended()));
        }));
    });
}

/// As `guard`, for functions that return nothing.
pub fn guard_void(body: impl FnOnce()) {
    // After a panic the memory is leaked; the caller gets no status.
    let _ = catch_unwind(AssertUnwindSafe(body));
}

/// Returns the name of a status, "CMS_OK" for example; "CMS_ERR_UNKNOWN" for any other number. The string is part of
/// the library.
#[unsafe(no_mangle)]
pub extern "C" fn cms_status_name(status: i32) -> *const c_char {
    const NAMES: [&std::ffi::CStr; 23] = [
        c"CMS_OK",
        c"CMS_ERR_NOT_FOUND",
        c"CMS_ERR_INVALID",
        c"CMS_ERR_TYPE",
        c"CMS_ERR_PARSE",
        c"CMS_ERR_CONFLICT",
        c"CMS_ERR_EXISTS",
        c"CMS_ERR_AMBIGUOUS",
        c"CMS_ERR_LOCKED",
        c"CMS_ERR_PERMISSION",
        c"CMS_ERR_IO",
        c"CMS_ERR_NO_SPACE",
        c"CMS_ERR_FULL",
        c"CMS_ERR_STALE",
        c"CMS_ERR_DAMAGED",
        c"CMS_ERR_NOT_DURABLE",
        c"CMS_ERR_END",
        c"CMS_ERR_INTERNAL",
        c"CMS_ERR_REFUSED",
        c"CMS_ERR_MEMORY",
        c"CMS_ERR_UNSUPPORTED",
        c"CMS_ERR_RANGE",
        c"CMS_ERR_SCHEMA",
    ];
    let index = usize::try_from(status).unwrap_or(usize::MAX);
    NAMES.get(index).map_or(c"CMS_ERR_UNKNOWN".as_ptr(), |name| name.as_ptr())
}

/// Returns a sentence that says what a status means, in English: "There is no such package, section or option." for
/// CMS_ERR_NOT_FOUND. The string is part of the library. What happened in a call is in cms_last_error.
#[unsafe(no_mangle)]
pub extern "C" fn cms_status_message(status: i32) -> *const c_char {
    const MESSAGES: [&std::ffi::CStr; 23] = [
        c"All is well.",
        c"There is no such package, section or option.",
        c"An argument is not allowed.",
        c"The value is not of the type asked for.",
        c"The text of a package has errors.",
        c"Another program changed the same keys.",
        c"The name is in use.",
        c"The key selects several sections.",
        c"Another writer did not finish in time.",
        c"The system does not permit it to this user.",
        c"A system call failed.",
        c"The disk or the quota is full, or the file system is read-only.",
        c"A limit of the store is reached.",
        c"The state asked for is too old and not kept any more.",
        c"A file is damaged.",
        c"The change is in place, but may not survive a power cut.",
        c"There is nothing more.",
        c"The library has a fault.",
        c"A verifier has refused the transaction.",
        c"There is not enough memory.",
        c"This build of the library leaves the function out.",
        c"The number is not within the limits.",
        c"The transaction breaks the schema of a package.",
    ];
    let index = usize::try_from(status).unwrap_or(usize::MAX);
    MESSAGES.get(index).map_or(c"The status is not known to this version.".as_ptr(), |text| text.as_ptr())
}

/// Gets the details of the last call of this thread that failed. CMS_ERR_NOT_FOUND: no call has failed, or the thread
/// is ending and its memory is freed already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_last_error(error: *mut cms_error) -> cms_status {
    // `guard` is not used here: it would overwrite the error to be read.
    let found = catch_unwind(|| {
        // SAFETY: C7.
        let Ok(place) = (unsafe { sized::output(error, "error") }) else { return CMS_ERR_INVALID };
        keep_missed();
        let found = LAST.try_with(|last| {
            let mut last = last.borrow_mut();
            let last = last.details();
            let text = |bytes: &Vec<u8>| bytes.as_ptr().cast();
            let (message, file) = (text(&last.message), text(&last.file));
            let (key, hint) = (text(&last.key), text(&last.hint));
            let (program, reason, value) = (text(&last.program), text(&last.reason), text(&last.value));
            let (status, line, column, pid) = (last.status, last.line, last.column, last.pid);
            let found = cms_error {
                size: 0,
                status,
                message,
                file,
                key,
                hint,
                line,
                column,
                program,
                reason,
                pid,
                value,
            };
            (status != CMS_OK).then_some(found)
        });
        let Ok(Some(found)) = found else { return CMS_ERR_NOT_FOUND };
        // SAFETY: C7.
        unsafe { place.write(found) };
        CMS_OK
    });
    found.unwrap_or(CMS_ERR_INTERNAL)
}

/// Calls a function with a violation of the last call of this thread that failed, if there is one at this position.
pub fn see_violation<R>(index: usize, see: impl FnOnce(&ViolationTexts) -> R) -> Option<R> {
    keep_missed();
    LAST.try_with(|last| last.borrow_mut().details().violations.get(index).map(see)).ok().flatten()
}

/// Writes the message of the last call of this thread that failed to `buffer`, as snprintf would: at most `size` bytes
/// with the NUL byte. Returns the length of the whole message in bytes, without the NUL byte; 0 if no call has failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_last_message(buffer: *mut c_char, size: usize) -> usize {
    let write = |message: &[u8]| {
        // SAFETY: C3.
        unsafe { put(message, buffer, size) };
        message.len()
    };
    let written = catch_unwind(|| {
        keep_missed();
        LAST.try_with(|last| {
            write(last.borrow_mut().details().message.strip_suffix(&[0]).unwrap_or_default())
        })
        .unwrap_or_else(|_| write(b""))
    });
    written.unwrap_or(0)
}

#[cfg(test)]
mod tests;
