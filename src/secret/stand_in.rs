//! The stand-ins of secret values: one sees whether a value has changed, and not what it is.

use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// The name of the file in the run directory that keeps the key until the machine starts again.
const FILE: &str = "stand-in.key";

/// A key that no other user knows, so that nobody can guess a value by its stand-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// Returns the key in a run directory, which is made with the first stand-in. Where that is not possible, the key is
    /// that of this process alone.
    pub fn of(run: Option<&Path>) -> Self {
        let kept = run.and_then(|run| {
            // The directory may not have been made since the machine has started.
            if !run.exists() {
                std::fs::DirBuilder::new().mode(0o755).create(run).ok()?;
            }
            Self::kept(&run.join(FILE))
        });
        kept.unwrap_or_else(|| Self(random()))
    }

    fn kept(path: &Path) -> Option<Self> {
        let mut make = std::fs::OpenOptions::new();
        make.write(true).create_new(true).mode(0o600);
        if let Ok(mut file) = make.open(path) {
            let key = random();
            // A short file counts as none.
            return file.write_all(&key).is_ok().then_some(Self(key));
        }
        let mut read = std::fs::OpenOptions::new();
        read.read(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        let file = read.open(path).ok()?;
        let found = file.metadata().ok()?;
        let user = rustix::process::geteuid().as_raw();
        if !found.is_file() || (found.uid() != user && found.uid() != 0) || found.mode() & 0o077 != 0 {
            return None;
        }
        let mut key = Vec::new();
        file.take(33).read_to_end(&mut key).ok()?;
        Some(Self(key.try_into().ok()?))
    }

    /// Returns the four digits of a value: those of its HMAC-SHA-256.
    pub fn digits(&self, value: &[u8]) -> String {
        let pad = |byte: u8| {
            let mut block = [byte; 64];
            block.iter_mut().zip(self.0).for_each(|(block, key)| *block ^= key);
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(value).finalize();
        let [first, second, ..] =
            <[u8; 32]>::from(Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize());
        format!("{first:02x}{second:02x}")
    }
}

/// Draws random bytes.
fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    let drawn = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    if drawn.is_err() {
        // No device: the hash of what differs in each process.
        use std::hash::BuildHasher as _;
        let mut hash = Sha256::new();
        for number in 0..8_u64 {
            hash.update(std::collections::hash_map::RandomState::new().hash_one(number).to_le_bytes());
        }
        bytes = hash.finalize().into();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_hmac_sha_256() {
        // RFC 4231, test case 1, whose key has 20 bytes; the rest of a key is zeros in HMAC.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        assert_eq!(Key(key).digits(b"Hi There"), "b034");
    }

    #[test]
    fn the_key_stays_the_same_in_a_run_directory_and_only_the_user_may_read_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let run = dir.path().join("run");
        let key = Key::of(Some(&run));
        assert_eq!(Key::of(Some(&run)), key);
        let path = run.join(FILE);
        assert_eq!(std::fs::metadata(&path).expect("made").mode() & 0o777, 0o600);
        std::fs::write(&path, "short").expect("written");
        assert_ne!(Key::of(Some(&run)), key);
        assert_ne!(Key::of(None), Key::of(None));
    }
}
