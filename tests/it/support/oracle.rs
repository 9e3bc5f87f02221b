//! Checks the invariants of a store after any disturbance: the texts of all packages are those of one state; log and
//! maps agree with them; and the next commit works.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cms::files::Files;
use cms::log::Limits;
use cms::{Error, Options, Store};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::fixture::dirs;

pub const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];

/// The mode of the packages, which differs from that of a new file.
const MODE: u32 = 0o664;

/// Three packages that every commit gives the same number.
pub struct Triple {
    pub root: TempDir,
    pub limits: Limits,
    /// The approximate length of the values.
    pub padding: usize,
}

/// Whether to test all cases, and not a sample.
pub fn is_exhaustive() -> bool {
    std::env::var_os("CMS_EXHAUSTIVE").is_some()
}

/// Makes a directory, in memory if possible.
pub fn scratch() -> TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.expect("a directory")
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("there").flatten() {
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_dir(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).expect("copied")),
        }
    }
}

pub fn options(root: &Path, files: Files, limits: Limits) -> Options {
    Options {
        dirs: dirs(root),
        files,
        log: limits,
        lock_timeout: Duration::from_millis(500),
        ..Options::default()
    }
}

impl Triple {
    /// Makes the packages, with number 0. Nothing is logged yet.
    pub fn new(padding: usize, limits: Limits) -> Self {
        let triple = Self { root: scratch(), limits, padding };
        std::fs::create_dir(triple.path("config")).expect("made");
        for name in NAMES {
            let path = triple.path("config").join(name);
            std::fs::write(&path, triple.text(name, 0)).expect("written");
            std::fs::set_permissions(path, PermissionsExt::from_mode(MODE)).expect("set");
        }
        triple
    }

    /// Copies the store, as if the copy had always been at its path.
    pub fn copy(&self) -> Self {
        let copy = Self { root: scratch(), limits: self.limits, padding: self.padding };
        copy_dir(&self.path("config"), &copy.path("config"));
        for log in std::fs::read_dir(self.path("state")).into_iter().flatten().flatten() {
            // The directory of a log has the name of its configuration directory.
            let name = copy.path("config").to_string_lossy().replace('/', "%2F");
            copy_dir(&log.path(), &copy.path("state").join(name));
        }
        copy
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn live(&self, files: Files) -> Store {
        Store::open(options(self.root.path(), files, self.limits)).expect("opens")
    }

    fn value(&self, number: u64) -> String {
        let letter = ["a", "b", "c", "d", "e", "f", "g"][usize::try_from(number % 7).expect("small")];
        format!("{number}:{}", letter.repeat(self.padding + usize::try_from(number % 97).expect("small")))
    }

    /// Returns the text of a package with this number.
    pub fn text(&self, name: &str, number: u64) -> String {
        format!("# {name}, kept\nconfig s 's'\n\toption v '{}' # kept\n\tlist l 'one'\n", self.value(number))
    }

    /// Gives all packages a number, in one transaction.
    pub fn commit(&self, live: &Store, number: u64) -> Result<u64, Error> {
        let mut transaction = live.begin().expect("few are open");
        for name in NAMES {
            transaction.set(format!("{name}.s.v").as_bytes(), self.value(number).as_bytes())?;
        }
        transaction.commit()
    }

    /// Returns the number of the packages, which must be the same for all.
    pub fn number(&self, what: &str) -> u64 {
        let numbers = self.numbers(what);
        let first = numbers[NAMES[0]];
        assert!(numbers.values().all(|number| *number == first), "{what}: half of a commit: {numbers:?}");
        first
    }

    /// Returns the number of each package.
    fn numbers(&self, what: &str) -> BTreeMap<&'static str, u64> {
        let mut numbers = BTreeMap::new();
        for name in NAMES {
            let text = std::fs::read_to_string(self.path("config").join(name))
                .unwrap_or_else(|error| panic!("{what}: {name}: {error}"));
            let found = std::fs::metadata(self.path("config").join(name)).expect("there");
            assert_eq!(found.mode() & 0o7777, MODE, "{what}: {name} has another mode");
            let number = text.split_once("option v '").and_then(|(_, rest)| rest.split_once(':'));
            let number: u64 = number
                .and_then(|(number, _)| number.parse().ok())
                .unwrap_or_else(|| panic!("{what}: {name} is no package any more: {text}"));
            // A line at the end may be an edit by hand.
            let rest = text.strip_prefix(&self.text(name, number));
            assert!(
                rest.is_some_and(|rest| rest.is_empty() || rest == "# by hand\n"),
                "{what}: {name}: {text}"
            );
            numbers.insert(name, number);
        }
        numbers
    }

    /// Checks a store that may have lost its last commits, different ones for each package: each package is complete,
    /// the log can be read, and the next commit works.
    pub fn check_each(&self, allowed: &RangeInclusive<u64>, what: &str) {
        let live = self.live(Files::default());
        live.engine().confirmations().recover().unwrap_or_else(|error| panic!("{what}: recovery: {error}"));
        let check_packages = || {
            let numbers = self.numbers(what);
            assert!(numbers.values().all(|number| allowed.contains(number)), "{what}: {numbers:?}");
            for (name, number) in &numbers {
                self.check_map(&live, name, *number, what);
            }
        };
        check_packages();
        // A transaction whose record exists, but not the text before it, may be detected only now.
        live.engine().history().note_edits().unwrap_or_else(|error| panic!("{what}: noting edits: {error}"));
        live.refresh().unwrap_or_else(|error| panic!("{what}: {error}"));
        check_packages();
        let next = allowed.end() + 1000;
        self.commit(&live, next).unwrap_or_else(|error| panic!("{what}: the next commit: {error}"));
        drop(live);
        // The numbers of lost transactions are not used again, so the log may have a gap.
        assert!(self.numbers(what).values().all(|number| *number == next), "{what}");
        self.check_maps(&self.live(Files::default()), next, what);
    }

    /// Checks a store by opening it again. Returns the number its packages have.
    pub fn check(&self, allowed: &RangeInclusive<u64>, what: &str) -> u64 {
        self.check_log(allowed, true, what)
    }

    /// As [`Triple::check`], but commits that were made while the log could not be written may be missing in the log.
    pub fn check_log(&self, allowed: &RangeInclusive<u64>, logged: bool, what: &str) -> u64 {
        let live = self.live(Files::default());
        let store = live.engine();
        store.confirmations().recover().unwrap_or_else(|error| panic!("{what}: recovery: {error}"));
        let number = self.number(what);
        assert!(allowed.contains(&number), "{what}: {number}, not one of {allowed:?}");
        self.check_maps(&live, number, what);
        let log = Chain::read(&self.path("state"), what);
        store.history().note_edits().unwrap_or_else(|error| panic!("{what}: noting edits: {error}"));
        let noted = Chain::read(&self.path("state"), what);
        // If a text differed from the log, it would have been logged as an edit.
        let new = &noted.kinds[log.kinds.len().min(noted.kinds.len())..];
        let known = |kind: &u8| *kind == BASELINE || *kind == HEADS || !logged && *kind == FILE_EDIT;
        assert!(new.iter().all(known), "{what}: log and texts differ: {new:?}");
        assert!(noted.last_is_applied, "{what}: recovery has left something");
        // The next commit works, and puts the rest in order.
        let next = number + 1000;
        self.commit(&live, next).unwrap_or_else(|error| panic!("{what}: the next commit: {error}"));
        assert_eq!(self.number(what), next, "{what}");
        self.check_maps(&self.live(Files::default()), next, what);
        let last = Chain::read(&self.path("state"), what);
        assert!(
            last.sequence > noted.sequence && last.last_is_applied,
            "{what}: the next commit is not logged"
        );
        for info in store.archives().labels().expect("readable") {
            let whole = cms::Archive::read(&info.path);
            assert!(whole.is_ok(), "{what}: a snapshot is not whole: {whole:?}");
        }
        let litter = litter(self.root.path());
        assert!(litter.is_empty(), "{what}: left behind: {litter:?}");
        number
    }

    fn check_maps(&self, live: &Store, number: u64, what: &str) {
        NAMES.iter().for_each(|name| self.check_map(live, name, number, what));
    }

    fn check_map(&self, live: &Store, name: &str, number: u64, what: &str) {
        let value = live.get(format!("{name}.s.v").as_bytes(), |value| {
            String::from_utf8_lossy(value.items().next().unwrap_or_default()).into_owned()
        });
        let value = value.unwrap_or_else(|error| panic!("{what}: {name}: {error}"));
        assert_eq!(value.as_deref(), Some(self.value(number).as_str()), "{what}: the map of {name}");
    }
}

/// Lists temporary files in the directories and their subdirectories.
pub fn litter(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![root.join("config"), root.join("state")];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() {
                left.push(entry.path());
            } else if name.contains(".cms-") {
                found.push(name);
            }
        }
    }
    found
}

/// The numbers of kinds of records: their indexes in the list of `log::Kind`.
const FILE_EDIT: u8 = 1;
const BASELINE: u8 = 2;
const HEADS: u8 = 6;

/// A log on the disk, read by an independent implementation of the format.
#[derive(Debug, Default)]
pub struct Chain {
    pub sequence: u64,
    /// The kinds of all records that are kept, in order.
    pub kinds: Vec<u8>,
    /// Whether the texts of the last record are in place.
    pub last_is_applied: bool,
}

impl Chain {
    /// The number of the kind for a change by hand.
    pub const FILE_EDIT: u8 = FILE_EDIT;

    /// Reads the log below a state directory and checks that each record is chained to the one before it.
    pub fn read(state: &Path, what: &str) -> Self {
        let mut paths: Vec<PathBuf> = Vec::new();
        for dir in std::fs::read_dir(state).into_iter().flatten().flatten() {
            let files = std::fs::read_dir(dir.path()).into_iter().flatten().flatten().map(|file| file.path());
            paths.extend(files.filter(|path| path.extension().is_some_and(|ending| ending == "log")));
        }
        paths.sort();
        let mut log = Self { last_is_applied: true, ..Self::default() };
        let mut before: Option<[u8; 16]> = None;
        for path in paths {
            let bytes = std::fs::read(&path).expect("it can be read");
            assert!(bytes.len() > 56 && bytes.starts_with(b"CMSLOG\x02\x00"), "{what}: {}", path.display());
            let first = u64::from_le_bytes(bytes[8..16].try_into().expect("8"));
            let chain: [u8; 16] = bytes[16..32].try_into().expect("16");
            assert!(
                before.is_none_or(|before| before == chain),
                "{what}: {} is of another chain",
                path.display()
            );
            assert!(before.is_none() || first == log.sequence + 1, "{what}: a gap before {}", path.display());
            log.sequence = first - 1;
            before = Some(log.read_segment(&bytes, chain, what));
        }
        log
    }

    fn read_segment(&mut self, bytes: &[u8], mut chain: [u8; 16], what: &str) -> [u8; 16] {
        let mut at = 56;
        while let Some(head) = bytes.get(at..at + 24) {
            let length = u32::from_le_bytes(head[..4].try_into().expect("4")) as usize;
            let Some(body) = bytes.get(at + 24..at + 24 + length).filter(|body| !body.is_empty()) else {
                break;
            };
            let sum = Sha256::new().chain_update(chain).chain_update((length as u64).to_le_bytes());
            let sum = sum.chain_update(body).finalize();
            if sum[..16] != head[8..24] {
                break;
            }
            chain.copy_from_slice(&sum[..16]);
            let mut numbers = body;
            let sequence = number(&mut numbers);
            assert_eq!(sequence, self.sequence + 1, "{what}: a gap in the log");
            let _time_uid_pid = [number(&mut numbers), number(&mut numbers), number(&mut numbers)];
            self.sequence = sequence;
            self.kinds.push(numbers[0]);
            self.last_is_applied = head[4] == 1;
            at = (at + 24 + length).next_multiple_of(8);
        }
        chain
    }
}

fn number(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().expect("a number");
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    number
}
