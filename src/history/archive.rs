//! Snapshots and backups: the texts of all packages in one file that people can read.
//!
//! ```text
//! cms-snapshot 1
//! label before-upgrade
//! time 2026-11-21T08:02:22.123456Z
//! revision 42
//! source cms
//! sha256 (64 hexadecimal digits: of all that follows the empty line)
//!
//! package network 1234
//! (1234 bytes)
//! package system 99
//! (99 bytes)
//! ```
//!
//! A newline follows the bytes of each package. After the checksum there may be lines `left-out NAME` for packages that
//! could not be read. Snapshots are kept beside the log, in `snapshots/LABEL.cms`, until a user deletes them; those of
//! [`crate::restore::automatic`] are deleted automatically.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::bytes;
use crate::error::not_found::Missing;
use crate::error::{Damage, Error, Result};
use crate::history::Past;
use crate::os::{clock, named_file};

/// The head of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchiveInfo {
    /// Its label.
    pub label: String,
    /// The time at which it was made: microseconds since 1970.
    pub time: u64,
    /// The transaction whose state it holds; 0 if there was no log.
    pub revision: u64,
    /// The program that made it.
    pub source: String,
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The packages that could not be read when it was made. It does not hold them, and a restore leaves them alone.
    pub left_out: Vec<String>,
}

/// An archive that was read and whose checksum is right.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Archive {
    /// Its head.
    pub info: ArchiveInfo,
    /// The texts of the packages by name.
    pub packages: BTreeMap<String, Vec<u8>>,
}

/// The committed state of all packages.
pub(crate) struct Committed {
    pub texts: BTreeMap<String, Arc<Vec<u8>>>,
    /// The packages that could not be read.
    pub left_out: Vec<String>,
}

const HEAD: &str = "cms-snapshot 1\n";

const NO_ARCHIVE: &str = "it is not a snapshot of cms, or was written by a later version";

impl Archive {
    /// Reads a file, or standard input if the path is `-`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be read; [`Error::Damaged`] if it is no archive, is of a later version, or was changed
    /// after it was written.
    pub fn read(path: &Path) -> Result<Self> {
        let damaged =
            |why: &str| Error::Damaged { what: Damage::Archive, path: path.into(), why: why.into() };
        let read = named_file::read(path, usize::MAX, HEAD.as_bytes());
        let bytes = read.map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Missing::File(path.into()).into(),
            std::io::ErrorKind::InvalidData => damaged(NO_ARCHIVE),
            _ => Error::io("read", path)(source),
        })?;
        Self::decode(path, &bytes).map_err(damaged)
    }

    fn decode(path: &Path, bytes: &[u8]) -> std::result::Result<Self, &'static str> {
        let (info, body, sum) = head(path, bytes).ok_or(NO_ARCHIVE)?;
        if hex(&Sha256::digest(body)) != sum {
            return Err("its checksum is wrong: it was damaged or changed after it was written");
        }
        let mut packages = BTreeMap::new();
        let mut rest = body;
        while !rest.is_empty() {
            let (name, text, behind) = package(rest).ok_or("it is cut off, or was changed")?;
            if packages.insert(name, text.to_vec()).is_some() {
                return Err("it holds a package twice");
            }
            rest = behind;
        }
        Ok(Self { info, packages })
    }

    pub(crate) fn encode(
        label: &str,
        time: u64,
        revision: u64,
        source: &str,
        Committed { texts, left_out }: &Committed,
    ) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, text) in texts {
            body.extend_from_slice(format!("package {name} {}\n", text.len()).as_bytes());
            body.extend_from_slice(text);
            body.push(b'\n');
        }
        let (time, sum) = (clock::show(time), hex(&Sha256::digest(&body)));
        let mut head =
            format!("{HEAD}label {label}\ntime {time}\nrevision {revision}\nsource {source}\nsha256 {sum}\n");
        for name in left_out {
            let _ = writeln!(head, "left-out {name}");
        }
        head.push('\n');
        [head.as_bytes(), &body].concat()
    }
}

/// Parses the head of an archive. Returns it with the body and the checksum of the body.
pub(crate) fn head<'b>(path: &Path, bytes: &'b [u8]) -> Option<(ArchiveInfo, &'b [u8], &'b str)> {
    let end = bytes::find_text(b"\n\n", bytes)?;
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?.strip_prefix(HEAD)?;
    let mut lines = text.lines();
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    let mut info = ArchiveInfo {
        label: field("label")?.to_owned(),
        time: clock::parse(field("time")?, 0)?,
        revision: field("revision")?.parse().ok()?,
        source: field("source")?.to_owned(),
        path: path.into(),
        size: bytes.len() as u64,
        left_out: Vec::new(),
    };
    let sum = field("sha256")?;
    info.left_out = lines.filter_map(|line| line.strip_prefix("left-out ")).map(str::to_owned).collect();
    Some((info, &bytes[end + 2..], sum))
}

/// Takes the first package off the body of an archive.
fn package(body: &[u8]) -> Option<(String, &[u8], &[u8])> {
    let end = bytes::find(b'\n', body)?;
    let line = std::str::from_utf8(&body[..end]).ok()?.strip_prefix("package ")?;
    let (name, len) = line.rsplit_once(' ')?;
    let (start, len) = (end + 1, len.parse::<usize>().ok()?);
    let text = body.get(start..start.checked_add(len)?)?;
    (body.get(start + len) == Some(&b'\n')).then(|| (name.to_owned(), text, &body[start + len + 1..]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Past<'_> {
    /// Lists the labelled and the automatic snapshots, the oldest first. Other files are skipped.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn archives(&self) -> Result<Vec<ArchiveInfo>> {
        let dir = self.log_dir.join("snapshots");
        let entries = match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io("read", &dir))?,
        };
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.ok()?.path();
            let is_archive = path.extension().is_some_and(|extension| extension == "cms");
            let bytes = is_archive.then(|| self.files.read_at_path(&path));
            head(&path, &bytes?.ok()?).map(|(info, ..)| info)
        };
        let mut found: Vec<ArchiveInfo> = entries.filter_map(read).collect();
        found.sort_by(|a, b| (a.time, &a.label).cmp(&(b.time, &b.label)));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_was_changed_in_any_byte_is_refused() {
        let committed = Committed {
            texts: BTreeMap::from([
                ("a".to_owned(), Arc::new(b"config x 'y'\n".to_vec())),
                ("b c".to_owned(), Arc::new(b"no newline at the end".to_vec())),
                ("empty".to_owned(), Arc::default()),
            ]),
            left_out: vec!["secret".to_owned(), "x y".to_owned()],
        };
        let bytes = Archive::encode("one", 1, 7, "test", &committed);
        let path = Path::new("file");
        let archive = Archive::decode(path, &bytes).expect("it is as it was written");
        assert_eq!((archive.info.label.as_str(), archive.info.revision), ("one", 7));
        assert!(archive.packages.iter().eq(committed.texts.iter().map(|(n, t)| (n, &**t))));
        assert_eq!(archive.info.left_out, committed.left_out);
        let body = bytes::find_text(b"\n\n", &bytes).expect("there is a head") + 2;
        for at in body..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(Archive::decode(path, &changed).is_err(), "byte {at}");
            assert!(Archive::decode(path, &bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
