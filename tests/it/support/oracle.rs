//! Reads the log on the disk and lists left-over temporary files, for the checks after a disturbance.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cms::Options;
use cms::testing::{Files, Seams as _};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::fixture::dirs;

/// Whether to test all cases, and not a sample.
pub fn is_exhaustive() -> bool {
    std::env::var_os("CMS_EXHAUSTIVE").is_some()
}

/// Makes a directory, in memory if possible.
pub fn scratch() -> TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.expect("a directory")
}

pub fn options(root: &Path, files: Files, log_size: u64) -> Options {
    Options::new().dirs(dirs(root)).files(files).log_size(log_size).lock_timeout(Duration::from_millis(500))
}

/// Lists temporary files in the directories and their subdirectories.
pub fn litter(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = ["config", "real", "state"].map(|name| root.join(name)).to_vec();
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
    /// The numbers of records that change no text.
    pub const IS_NO_CHANGE: [u8; 2] = [BASELINE, HEADS];

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
            assert!(bytes.len() > 56 && bytes.starts_with(b"CMSLOG\x03\x00"), "{what}: {}", path.display());
            let first = u64::from_le_bytes(bytes[8..16].try_into().expect("8"));
            let chain: [u8; 16] = bytes[16..32].try_into().expect("16");
            let chain = chain.map(|byte| byte ^ 0xa3);
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
