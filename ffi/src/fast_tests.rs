//! The fast way of reading against the slow one, through the functions that C calls: the same statuses, values,
//! lengths, bytes in the buffer and messages, for every key and wherever it lies in memory.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::handle::cms_bytes;
use crate::key::{cms_key_close, cms_key_get, cms_key_open};
use crate::open::{cms_close, cms_open, cms_options, cms_store};
use crate::snapshot::{
    cms_snapshot, cms_snapshot_close, cms_snapshot_get, cms_snapshot_get_many, cms_snapshot_open,
};
use crate::status::{cms_error, cms_last_error, cms_last_message, cms_status, missed};
use crate::store::cms_get;
use crate::txn::{cms_begin, cms_txn_commit, cms_txn_delete, cms_txn_set};

mod placed;

use placed::Guarded;

/// A generator of numbers, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % end
    }

    /// A name that is as long as one of these at most.
    fn name_of(&mut self, longest: &[usize]) -> String {
        let longest = longest[self.below(longest.len())];
        self.name(longest)
    }

    fn name(&mut self, longest: usize) -> String {
        let len = 1 + self.below(longest);
        (0..len).map(|_| char::from(b"abcxyz019_AZ"[self.below(12)])).collect()
    }
}

/// An open store on a directory of its own.
struct Opened {
    store: *mut cms_store,
    _folder: tempfile::TempDir,
}

impl Opened {
    fn of(texts: &BTreeMap<String, String>) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let made = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).expect("made");
            path
        };
        let paths = ["config", "save", "run", "state"].map(made);
        for (name, text) in texts {
            std::fs::write(paths[0].join(name), text).expect("written");
        }
        let text = |path: &Path| CString::new(path.to_str().expect("UTF-8")).expect("no NUL byte");
        let [config, save, run, state] = paths.each_ref().map(|path| text(path));
        // SAFETY: numbers, pointers and callbacks may be zero.
        let mut options: cms_options = unsafe { std::mem::zeroed() };
        options.size = size_of::<cms_options>();
        options.config_dir = config.as_ptr();
        options.save_dir = save.as_ptr();
        options.run_dir = run.as_ptr();
        options.state_dir = state.as_ptr();
        options.durability = c"none".as_ptr();
        let mut store = null_mut();
        // SAFETY: both are variables.
        assert_eq!(unsafe { cms_open(&raw const options, &raw mut store) }, cms_status::CMS_OK);
        // The library keeps what panics say for itself; here it is to be printed.
        let _ = std::panic::take_hook();
        Self { store, _folder: folder }
    }

    fn snapshot(&self) -> *mut cms_snapshot {
        let mut snapshot = null_mut();
        // SAFETY: the store is open.
        assert_eq!(unsafe { cms_snapshot_open(self.store, &raw mut snapshot) }, cms_status::CMS_OK);
        snapshot
    }

    /// Commits one change; no value deletes the key.
    fn commit(&self, key: &str, value: Option<&str>) {
        let key = CString::new(key).expect("no NUL byte");
        let mut txn = null_mut();
        // SAFETY: the store is open, and all else are variables; the same for those below.
        assert_eq!(unsafe { cms_begin(self.store, &raw mut txn) }, cms_status::CMS_OK);
        let done = match value.map(|value| CString::new(value).expect("no NUL byte")) {
            // SAFETY: see above.
            Some(value) => unsafe { cms_txn_set(txn, key.as_ptr(), value.as_ptr()) },
            // SAFETY: see above.
            None => unsafe { cms_txn_delete(txn, key.as_ptr()) },
        };
        assert_eq!(done, cms_status::CMS_OK, "{}", message());
        // SAFETY: see above.
        assert_eq!(unsafe { cms_txn_commit(txn, null_mut()) }, cms_status::CMS_OK, "{}", message());
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // SAFETY: it is closed once.
        unsafe { cms_close(self.store) };
    }
}

fn message() -> String {
    let mut buffer = [0_u8; 70_000];
    // SAFETY: the buffer has this size.
    let len = unsafe { cms_last_message(buffer.as_mut_ptr().cast(), buffer.len()) };
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

/// The message and the key of the last error, and its status; then no error is left of it.
fn last_error() -> (String, String, cms_status) {
    // SAFETY: numbers, pointers and a status may be zero.
    let mut error: cms_error = unsafe { std::mem::zeroed() };
    error.size = size_of::<cms_error>();
    // SAFETY: a variable.
    assert_eq!(unsafe { cms_last_error(&raw mut error) }, cms_status::CMS_OK);
    // SAFETY: the strings end, and are valid until the next failure.
    let text = |string: *const c_char| unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned();
    let all = (text(error.message), text(error.key), error.status);
    assert_eq!(all.0, message());
    all
}

/// What a read leaves behind: the status, the buffer, the length, and the error.
#[derive(Debug, PartialEq)]
struct Outcome {
    status: cms_status,
    buffer: Vec<u8>,
    len: usize,
    error: Option<(String, String, cms_status)>,
}

type GetFunction =
    unsafe extern "C" fn(*const cms_store, *const c_char, *mut c_char, usize, *mut usize) -> cms_status;

/// The slow way of `cms_get`.
unsafe extern "C" fn slow_get(
    store: *const cms_store,
    key: *const c_char,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    // SAFETY: the caller keeps the rules of `cms_get`.
    unsafe { crate::store::get_guarded(store, key, buffer, size, len) }
}

/// Reads with a buffer of `size` bytes; without one, if that is 0.
fn get(by: GetFunction, store: *const cms_store, key: *const c_char, size: usize) -> Outcome {
    let _ = missed(b"another");
    let (mut buffer, mut len) = (vec![0xee_u8; size], usize::MAX);
    let start = if size == 0 { null_mut() } else { buffer.as_mut_ptr().cast() };
    // SAFETY: the buffer has this size, and the key ends.
    let status = unsafe { by(store, key, start, size, &raw mut len) };
    let error = (status != cms_status::CMS_OK).then(last_error);
    Outcome { status, buffer, len, error }
}

type SnapshotFunction =
    unsafe extern "C" fn(*const cms_snapshot, *const c_char, *mut cms_bytes) -> cms_status;

unsafe extern "C" fn slow_snapshot_get(
    snapshot: *const cms_snapshot,
    key: *const c_char,
    value: *mut cms_bytes,
) -> cms_status {
    // SAFETY: the caller keeps the rules of `cms_snapshot_get`.
    unsafe { crate::snapshot::get_guarded(snapshot, key, value) }
}

fn of_bytes(value: cms_bytes) -> Vec<u8> {
    if value.data.is_null() {
        return Vec::new();
    }
    // SAFETY: the library says so, and that a NUL byte follows.
    let with_end = unsafe { std::slice::from_raw_parts(value.data.cast::<u8>(), value.len + 1) };
    assert_eq!(with_end.last(), Some(&0));
    with_end[..value.len].to_vec()
}

fn snapshot_get(by: SnapshotFunction, snapshot: *const cms_snapshot, key: *const c_char) -> Outcome {
    let _ = missed(b"another");
    let mut value = cms_bytes::NONE;
    // SAFETY: the snapshot is open, and the key ends.
    let status = unsafe { by(snapshot, key, &raw mut value) };
    let error = (status != cms_status::CMS_OK).then(last_error);
    Outcome { status, buffer: of_bytes(value), len: value.len, error }
}

fn key_get(store: *const cms_store, key: *const c_char) -> Option<Outcome> {
    let mut prepared = null_mut();
    // SAFETY: the store is open, and the key ends; the same below.
    if unsafe { cms_key_open(store, key, &raw mut prepared) } != cms_status::CMS_OK {
        return None;
    }
    let twice = || {
        let mut value = cms_bytes::NONE;
        // SAFETY: see above.
        let status = unsafe { cms_key_get(prepared, &raw mut value) };
        let error = (status != cms_status::CMS_OK).then(last_error);
        Outcome { status, buffer: of_bytes(value), len: value.len, error }
    };
    let first = twice();
    assert_eq!(first, twice(), "the second read is another way");
    // SAFETY: it is freed once.
    unsafe { cms_key_close(prepared) };
    Some(first)
}

/// Texts of random packages, and the keys of all options with their values; `None` for lists.
fn random_texts(random: &mut Random) -> (BTreeMap<String, String>, BTreeMap<String, Option<String>>) {
    let (mut texts, mut values) = (BTreeMap::new(), BTreeMap::new());
    let long = ["p", "pkg-8-xx", "nine-byte", "a-package-of-a-long-name"];
    let mut packages: Vec<String> = long.map(str::to_owned).into();
    packages.extend((0..3).map(|_| random.name(12)));
    for package in packages {
        let mut text = String::new();
        for _ in 0..1 + random.below(6) {
            let section = random.name_of(&[1, 3, 8, 9, 15, 16, 17, 30]);
            text += &format!("config {} '{section}'\n", random.name(5));
            // Now and then a section that is split.
            for _ in 0..[1, 3, 10, 90][random.below(4)] {
                let option = random.name_of(&[1, 2, 4, 7, 8, 9, 16, 17, 24]);
                let key = format!("{package}.{section}.{option}");
                let value = random.name_of(&[1, 8, 15, 16, 17, 31, 33, 63, 64, 65, 120]);
                if values.contains_key(&key) {
                    continue;
                }
                if random.below(9) == 0 {
                    text += &format!("\tlist {option} 'a'\n\tlist {option} '{value}'\n");
                    values.insert(key, None);
                } else {
                    text += &format!("\toption {option} '{value}'\n");
                    values.insert(key, Some(value));
                }
            }
        }
        text += "config anonymous\n\toption x 'of anonymous'\n";
        texts.insert(package, text);
    }
    (texts, values)
}

/// Keys like one that there is: some are there as well, most are not, and some are no keys at all.
fn like(key: &str, random: &mut Random) -> Vec<Vec<u8>> {
    let bytes = key.as_bytes();
    let at = random.below(bytes.len());
    let mut all =
        vec![bytes.to_vec(), bytes[..at].to_vec(), bytes[at..].to_vec(), bytes[..bytes.len() - 1].to_vec()];
    for byte in [b'.', b'_', b'-', b'@', b' ', 0x80, 0xc3, 0xff, 1, b'a', b'Z'] {
        let mut changed = bytes.to_vec();
        changed[at] = byte;
        all.push(changed.clone());
        changed.insert(at, byte);
        all.push(changed);
        all.push([bytes, &[byte]].concat());
    }
    let parts: Vec<&str> = key.split('.').collect();
    let (package, section, option) = (parts[0], parts[1], parts[2]);
    let forms = [
        format!("{package}.{section}"),
        format!("{package}..{option}"),
        format!("{package}.{section}."),
        format!(".{section}.{option}"),
        format!("none.{section}.{option}"),
        format!("{package}.none.{option}"),
        format!("{package}.{section}.none"),
        format!("{package}.@anonymous[0].x"),
        format!("{package}.@anonymous[-1].x"),
        format!("{package}.{section}.{option}{}", "x".repeat(60)),
        format!("{package}.{section}.{}", "long".repeat(20)),
        format!("{package}.{section}.{}", "y".repeat(66_000)),
        format!("{package}.{section}.\u{e9}"),
    ];
    all.extend(forms.map(String::into_bytes));
    all.retain(|key| !key.contains(&0));
    all
}

/// Compares all ways of reading a key of the present state.
fn compare(opened: &Opened, snapshot: *const cms_snapshot, key: &Guarded, expected: Option<&Option<String>>) {
    let shown = || String::from_utf8_lossy(key.bytes()).chars().take(99).collect::<String>();
    for size in [0, 1, 2, 16, 17, 40, 64, 65, 66, 200] {
        let slow = get(slow_get, opened.store, key.start(), size);
        assert_eq!(get(cms_get, opened.store, key.start(), size), slow, "{} into {size} bytes", shown());
        match expected {
            Some(Some(value)) => {
                assert_eq!((slow.status, slow.len), (cms_status::CMS_OK, value.len()), "{}", shown());
                let copied = value.len().min(size.saturating_sub(1));
                assert_eq!(&slow.buffer[..copied], &value.as_bytes()[..copied], "{}", shown());
            }
            Some(None) => assert_eq!(slow.status, cms_status::CMS_ERR_TYPE, "{}", shown()),
            None => {}
        }
    }
    let slow = get(slow_get, opened.store, key.start(), 200);
    let of_snapshot = snapshot_get(slow_snapshot_get, snapshot, key.start());
    assert_eq!(snapshot_get(cms_snapshot_get, snapshot, key.start()), of_snapshot, "{}", shown());
    assert_eq!((of_snapshot.status, &of_snapshot.error), (slow.status, &slow.error), "{}", shown());
    if let Some(prepared) = key_get(opened.store, key.start()) {
        assert_eq!((prepared.status, &prepared.error), (slow.status, &slow.error), "{}", shown());
        assert_eq!(prepared.buffer, of_snapshot.buffer, "{}", shown());
    }
}

#[test]
fn the_fast_way_reads_what_the_slow_one_does() {
    for seed in [3, 77, 1234] {
        let mut random = Random(seed);
        let (texts, values) = random_texts(&mut random);
        let opened = Opened::of(&texts);
        let snapshot = opened.snapshot();
        let some: Vec<&String> = values.keys().collect();
        for _ in 0..25 {
            let known = some[random.below(some.len())];
            for key in like(known, &mut random) {
                let expected = std::str::from_utf8(&key).ok().and_then(|key| values.get(key));
                let at_the_end = Guarded::before_a_page_that_cannot_be_read(&key);
                compare(&opened, snapshot, &at_the_end, expected);
            }
        }
        for key in some.iter().take(60) {
            for offset in 0..16 {
                compare_short(&opened, snapshot, &Guarded::allocated(key.as_bytes(), offset), &values[*key]);
            }
        }
        many(snapshot, &values, &mut random);
        // SAFETY: it is closed once.
        unsafe { cms_snapshot_close(snapshot) };
    }
}

/// As [`compare`], with one size.
fn compare_short(opened: &Opened, snapshot: *const cms_snapshot, key: &Guarded, expected: &Option<String>) {
    let read = get(cms_get, opened.store, key.start(), 200);
    assert_eq!(read, get(slow_get, opened.store, key.start(), 200));
    assert_eq!(expected.as_ref().map(String::len), (read.status == cms_status::CMS_OK).then_some(read.len));
    let slow = snapshot_get(slow_snapshot_get, snapshot, key.start());
    assert_eq!(snapshot_get(cms_snapshot_get, snapshot, key.start()), slow);
}

/// Reads keys in batches of every size: what is there, what is not, and what is no key.
fn many(snapshot: *const cms_snapshot, values: &BTreeMap<String, Option<String>>, random: &mut Random) {
    let known: Vec<&String> = values.keys().collect();
    for count in 0..50 {
        let is_odd = count % 5 == 4;
        let mut keys: Vec<Vec<u8>> = Vec::new();
        while keys.len() < count {
            let mut key = known[random.below(known.len())].clone().into_bytes();
            match random.below(if is_odd { 12 } else { 6 }) {
                0 => *key.last_mut().expect("not empty") = b'~',
                1 => key.push(b'q'),
                7 => key = b"p.@anonymous[0].x".to_vec(),
                _ => {}
            }
            // A key that is not allowed fails the whole call, in both ways.
            if is_odd || !key.contains(&b'~') {
                keys.push(key);
            }
        }
        let placed: Vec<Guarded> = keys.iter().map(|key| Guarded::allocated(key, random.below(16))).collect();
        let starts: Vec<*const c_char> = placed.iter().map(Guarded::start).collect();
        let mut found = vec![cms_bytes::NONE; count];
        // SAFETY: both have `count` elements.
        let status = unsafe { cms_snapshot_get_many(snapshot, starts.as_ptr(), count, found.as_mut_ptr()) };
        let each: Vec<Outcome> =
            starts.iter().map(|start| snapshot_get(slow_snapshot_get, snapshot, *start)).collect();
        let failed = |read: &&Outcome| {
            !matches!(
                read.status,
                cms_status::CMS_OK | cms_status::CMS_ERR_NOT_FOUND | cms_status::CMS_ERR_TYPE
            )
        };
        assert_eq!(status, each.iter().find(failed).map_or(cms_status::CMS_OK, |read| read.status));
        if status == cms_status::CMS_OK {
            for (found, each) in found.iter().zip(&each) {
                assert_eq!(found.data.is_null(), each.status != cms_status::CMS_OK);
                assert_eq!(of_bytes(*found), each.buffer);
            }
        }
    }
    let mut found = [cms_bytes::NONE];
    // SAFETY: one element each; a key that is NULL is refused.
    let status = unsafe { cms_snapshot_get_many(snapshot, [null()].as_ptr(), 1, found.as_mut_ptr()) };
    assert_eq!(
        (status, message()),
        (cms_status::CMS_ERR_INVALID, "one of keys: NULL is not allowed here".into())
    );
}

#[test]
fn a_commit_is_seen_at_once_and_by_no_snapshot_from_before() {
    let opened = Opened::of(&BTreeMap::from([("p".into(), "config a 'section'\n\toption old '1'\n".into())]));
    let keys =
        ["p.section.old", "p.section.new", "p.other.option"].map(|key| CString::new(key).expect("text"));
    let read = |key: &CString| {
        let read = get(cms_get, opened.store, key.as_ptr(), 100);
        assert_eq!(read, get(slow_get, opened.store, key.as_ptr(), 100));
        (read.status == cms_status::CMS_OK).then(|| read.buffer[..read.len].to_vec())
    };
    let both =
        || [read(&keys[0]), read(&keys[1])].map(|value| value.map(|v| String::from_utf8(v).expect("text")));
    let seen = |snapshot: *mut cms_snapshot| {
        [&keys[0], &keys[1], &keys[2]].map(|key| {
            let read = snapshot_get(cms_snapshot_get, snapshot, key.as_ptr());
            assert_eq!(read, snapshot_get(slow_snapshot_get, snapshot, key.as_ptr()));
            (read.status == cms_status::CMS_OK).then(|| String::from_utf8(read.buffer).expect("text"))
        })
    };
    let text = |value: &str| Some(value.to_owned());
    assert_eq!(both(), [text("1"), None]);
    let before = opened.snapshot();
    assert_eq!(seen(before), [text("1"), None, None]);
    // So many that the map is made anew in between.
    for number in 0..3000 {
        let value = format!("{number}{}", "x".repeat(number % 70));
        opened.commit("p.section.new", Some(&value));
        assert_eq!(both(), [text("1"), Some(value)]);
        if number % 100 == 0 {
            assert_eq!(seen(before), [text("1"), None, None]);
        }
    }
    opened.commit("p.section.old", Some("2"));
    opened.commit("p.section.new", None);
    assert_eq!(both(), [text("2"), None]);
    assert_eq!(seen(before), [text("1"), None, None]);
    let after = opened.snapshot();
    assert_eq!(seen(after), [text("2"), None, None]);
    // SAFETY: they are closed once.
    [before, after].into_iter().for_each(|snapshot| unsafe { cms_snapshot_close(snapshot) });
}

/// A prepared key keeps short strings, and the places of others.
#[test]
fn a_prepared_key_shows_every_commit() {
    let opened = Opened::of(&BTreeMap::from([(
        "p".into(),
        "config a 'section'\n\toption other '1'\n\toption key 'first'\n".into(),
    )]));
    let key = c"p.section.key";
    let mut prepared = null_mut();
    // SAFETY: the store is open, and both are variables; the key is closed below.
    assert_eq!(unsafe { cms_key_open(opened.store, key.as_ptr(), &raw mut prepared) }, cms_status::CMS_OK);
    let read = || {
        let mut value = cms_bytes::NONE;
        // SAFETY: it is open, and this a variable.
        match unsafe { cms_key_get(prepared, &raw mut value) } {
            cms_status::CMS_OK => {
                // SAFETY: a NUL byte is behind a value.
                let text = unsafe { CStr::from_ptr(value.data) };
                assert_eq!(text.to_bytes().len(), value.len);
                Some(text.to_str().expect("text").to_owned())
            }
            status => {
                assert_eq!(status, cms_status::CMS_ERR_NOT_FOUND);
                None
            }
        }
    };
    let expect = |value: Option<&str>| (0..3).for_each(|_| assert_eq!(read().as_deref(), value));
    expect(Some("first"));
    // So many that the map is made anew in between; and strings of every length around the longest that is kept.
    for number in 0..1500 {
        let value = format!("{}{number}", "x".repeat(number % 97));
        opened.commit("p.section.key", Some(&value));
        expect(Some(&value));
        opened.commit("p.section.other", Some(&value));
        expect(Some(&value));
        if number % 300 == 0 {
            opened.commit("p.section.key", None);
            expect(None);
        }
    }
    // SAFETY: it is closed once.
    unsafe { cms_key_close(prepared) };
}

/// Readers see every value whole, and never an older one after a newer one.
#[test]
fn values_do_not_go_back_beside_commits() {
    /// What threads share.
    struct Shared(*mut cms_store);
    // SAFETY: a store may be used by any number of threads.
    unsafe impl Sync for Shared {}
    let mut text = "config a 'section'\n".to_owned();
    (0..20).for_each(|number| text += &format!("\toption o{number} '0'\n"));
    let opened = Opened::of(&BTreeMap::from([("p".into(), text)]));
    let (shared, done) = (Shared(opened.store), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let reader = || {
            let shared: &Shared = &shared;
            let mut last = [0; 20];
            let keys: Vec<CString> =
                (0..20).map(|number| CString::new(format!("p.section.o{number}")).expect("text")).collect();
            while !done.load(Ordering::Relaxed) {
                for (key, last) in keys.iter().zip(&mut last) {
                    let read = get(cms_get, shared.0, key.as_ptr(), 100);
                    assert_eq!(read.status, cms_status::CMS_OK);
                    let value = String::from_utf8(read.buffer[..read.len].to_vec()).expect("text");
                    let (number, rest) = value.split_once('-').unwrap_or((&value, ""));
                    let number: usize = number.parse().expect("a number");
                    assert!(number >= *last && rest.len() == number % 60, "{value} after {last}");
                    *last = number;
                }
            }
        };
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        for number in 1..400_usize {
            let value = format!("{number}-{}", "v".repeat(number % 60));
            opened.commit(&format!("p.section.o{}", number % 20), Some(&value));
        }
        done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().expect("no value is wrong"));
    });
}

#[test]
fn a_missing_key_is_the_last_error_until_another_one_is() {
    let opened = Opened::of(&BTreeMap::from([("p".into(), "config a 's'\n\toption x '1'\n".into())]));
    let read = |key: &CStr| {
        let mut buffer = [0_u8; 16];
        // SAFETY: the buffer has this size.
        unsafe { cms_get(opened.store, key.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len(), null_mut()) }
    };
    assert_eq!(read(c"p.s.x"), cms_status::CMS_OK);
    // The longest key of the fast way, and one that is longer.
    for len in [63, 64, 65, 300] {
        let key = format!("p.section.{}", "k".repeat(len - 10));
        assert_eq!(read(&CString::new(key.clone()).expect("text")), cms_status::CMS_ERR_NOT_FOUND);
        let error = (format!("{key}: not found"), key, cms_status::CMS_ERR_NOT_FOUND);
        assert_eq!((last_error(), last_error()), (error.clone(), error));
    }
    assert_eq!(read(c"p.s.missing"), cms_status::CMS_ERR_NOT_FOUND);
    assert_eq!(read(c"p.s.x"), cms_status::CMS_OK);
    assert_eq!(last_error().0, "p.s.missing: not found");
    assert_eq!(read(c"p.s.-"), cms_status::CMS_ERR_INVALID);
    assert_ne!(last_error().0, "p.s.missing: not found");
    assert_eq!(read(c"p.s.other"), cms_status::CMS_ERR_NOT_FOUND);
    assert_eq!(last_error().0, "p.s.other: not found");
    let thread = std::thread::spawn(message);
    assert_eq!(thread.join().expect("no panic"), "", "it is the error of one thread");
}

/// For `placed`.
type Memory = *mut c_void;
