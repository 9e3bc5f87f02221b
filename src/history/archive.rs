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
//! A newline follows the bytes of each package. Behind the checksum there may be lines `left-out NAME`, of packages that
//! could not be read. Snapshots are kept beside the log, in `snapshots/LABEL.cms`, until
//! someone deletes them; but for those of [`crate::history::automatic`].

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::commit::engine::{Engine, Place};
use crate::commit::log_session::{Ledger, Why};
use crate::commit::write::{Whole, attempt};
use crate::error::not_found::Missing;
use crate::error::{Damage, Error, Result};
use crate::format::uci::{Dialect, ParseOptions, parse};
use crate::history::revision as resolve;
use crate::log::Kind;
use crate::os::clock;
use crate::os::named_file;

/// What an archive says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveInfo {
    /// Its label.
    pub label: String,
    /// When it was made: microseconds since 1970.
    pub time: u64,
    /// The transaction whose state it holds; 0 where there was no log.
    pub revision: u64,
    /// What made it.
    pub source: String,
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The packages that could not be read when it was made. It says nothing of them, and a restore leaves them alone.
    pub left_out: Vec<String>,
}

/// An archive that was read, and found to be as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// What it says of itself.
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

const NO_ARCHIVE: &str = "it is no snapshot of cms, or of a later version";

impl Archive {
    /// Reads a file, or standard input if the path is `-`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be read; [`Error::Damaged`] if it is no archive, is of a later version, or is
    /// not as it was written.
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
            return Err("it is not as it was written: the checksum is wrong");
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

    fn encode(
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

/// Reads the head of an archive: returns what it says, what follows, and the checksum of that.
fn head<'b>(path: &Path, bytes: &'b [u8]) -> Option<(ArchiveInfo, &'b [u8], &'b str)> {
    let end = memchr::memmem::find(bytes, b"\n\n")?;
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
    let end = memchr::memchr(b'\n', body)?;
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

/// Refuses what would be no package once it was restored.
fn check_restored(place: &Place, text: &Arc<Vec<u8>>) -> Result<()> {
    let name = place.name.as_bytes();
    if place.name.contains(['.', '/']) || !crate::model::name::is_package(name) {
        return Err(Error::invalid(
            name,
            "the archive holds a package of this name, which no package can have",
        ));
    }
    let options = ParseOptions { dialect: Dialect::Cms, strict: true, progress: None };
    parse(name, text.clone(), &options).map(|_| ()).map_err(|error| match error {
        Error::Parse(error) => error.in_file(&place.path).into(),
        error => error,
    })
}

impl Engine {
    pub(crate) fn snapshot_dir(&self) -> Result<PathBuf> {
        Ok(self.the_log()?.dir().join("snapshots"))
    }

    fn snapshot_path(&self, label: &str) -> Result<PathBuf> {
        let label = resolve::label(label);
        let usable = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '+');
        // With an '@' start those that were not asked for.
        let stem = label.strip_prefix('@').unwrap_or(label);
        if stem.is_empty() || stem.starts_with('.') || !stem.chars().all(usable) || stem.len() > 200 {
            return Err(Error::invalid(
                label.as_bytes(),
                "a label consists of letters, digits, '_', '-', '+', ':' and '.', which is not first",
            ));
        }
        Ok(self.snapshot_dir()?.join(format!("{label}.cms")))
    }

    /// Keeps the committed state of all packages under a label, until someone deletes the file. Packages that cannot
    /// be read are left out ([`ArchiveInfo::left_out`]).
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if there is one of that label; [`Error::Invalid`] if it cannot be one;
    /// [`Error::Missing`] if there is no state directory; [`Error::Io`].
    pub fn label(&self, label: &str) -> Result<ArchiveInfo> {
        if label.starts_with('@') {
            return Err(Error::invalid(
                label.as_bytes(),
                "snapshots that are made automatically start with '@'",
            ));
        }
        self.check_may_write()?;
        if resolve::is_revision(label) {
            return Err(Error::invalid(label.as_bytes(), "it reads as a revision, which a label must not"));
        }
        let path = self.snapshot_path(label)?;
        if path.exists() {
            return Err(Error::Exists { key: format!("snapshot {label}") });
        }
        let mut ledger = self.ledger()?;
        self.the_log()?.within(Some("snapshots"))?;
        let committed = self.committed_texts(&mut ledger)?;
        self.write_archive(&committed, ledger.sequence(), label, &path)
    }

    /// Lists the snapshots, with a label and automatic ones, the oldest first. Files that are none are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no state directory; [`Error::Io`].
    pub fn labels(&self) -> Result<Vec<ArchiveInfo>> {
        let dir = self.snapshot_dir()?;
        let entries = match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io("read", &dir))?,
        };
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.ok()?.path();
            let is_archive = path.extension().is_some_and(|extension| extension == "cms");
            let bytes = is_archive.then(|| self.options.files.read_at_path(&path));
            head(&path, &bytes?.ok()?).map(|(info, ..)| info)
        };
        let mut found: Vec<ArchiveInfo> = entries.filter_map(read).collect();
        found.sort_by(|a, b| (a.time, &a.label).cmp(&(b.time, &b.label)));
        Ok(found)
    }

    /// Reads the snapshot with a label.
    ///
    /// # Errors
    ///
    /// As for [`Archive::read`].
    pub fn labelled(&self, label: &str) -> Result<Archive> {
        Archive::read(&self.snapshot_path(label)?).map_err(|error| match error {
            Error::Missing(_) => Missing::Snapshot(label.to_owned()).into(),
            error => error,
        })
    }

    /// Deletes the snapshot with a label.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is none, [`Error::Io`].
    pub fn delete_label(&self, label: &str) -> Result<()> {
        self.labelled(label)?;
        let path = self.snapshot_path(label)?;
        self.options.files.remove(&path).map_err(Error::io("remove", path))
    }

    /// Writes the committed state of all packages into a file. A regular file, or the one that a link leads to, is
    /// replaced; what is no regular file, such as a pipe, is written to. Packages that cannot be read are left out
    /// ([`ArchiveInfo::left_out`]).
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: a regular file is as before then.
    pub fn backup(&self, path: &Path) -> Result<ArchiveInfo> {
        let (info, bytes) = self.encode_backup(path)?;
        named_file::write(&self.options.files, path, &bytes)?;
        Ok(info)
    }

    /// As [`Engine::backup`], to what the caller has open. The path of what is returned is `-`.
    ///
    /// # Errors
    ///
    /// As for [`Engine::backup`].
    pub fn backup_to(&self, out: &mut dyn std::io::Write) -> Result<ArchiveInfo> {
        let path = Path::new("-");
        let (info, bytes) = self.encode_backup(path)?;
        out.write_all(&bytes).and_then(|()| out.flush()).map_err(Error::io("write", path))?;
        Ok(info)
    }

    /// Makes an archive of the committed state. When it returns, the log is not locked any more: to write what was made
    /// may take any time.
    fn encode_backup(&self, path: &Path) -> Result<(ArchiveInfo, Vec<u8>)> {
        let mut ledger = self.ledger()?;
        let committed = self.committed_texts(&mut ledger)?;
        self.encode_archive(&committed, ledger.sequence(), "backup", path)
    }

    /// Reads the texts of all packages. While the log is locked nobody commits, so they are of one state, which is
    /// that of the last transaction then: what was changed by hand is noted.
    pub(crate) fn committed_texts(&self, ledger: &mut Ledger<'_>) -> Result<Committed> {
        let mut texts = BTreeMap::new();
        let left_out = self.each_text(self.packages()?, |place, text| {
            ledger.look(&place, &text)?;
            texts.insert(place.name, text);
            Ok(())
        })?;
        ledger.look_for_gone()?;
        ledger.note()?;
        Ok(Committed { texts, left_out })
    }

    /// Writes an archive.
    pub(crate) fn write_archive(
        &self,
        committed: &Committed,
        revision: u64,
        label: &str,
        path: &Path,
    ) -> Result<ArchiveInfo> {
        let (info, bytes) = self.encode_archive(committed, revision, label, path)?;
        named_file::replace(&self.options.files, path, &bytes)?;
        Ok(info)
    }

    /// Makes an archive that is to be written to a path.
    fn encode_archive(
        &self,
        committed: &Committed,
        revision: u64,
        label: &str,
        path: &Path,
    ) -> Result<(ArchiveInfo, Vec<u8>)> {
        let bytes = Archive::encode(label, self.now(), revision, &self.options.source, committed);
        let info = head(path, &bytes).map(|(info, ..)| info);
        let unreadable = || Error::Damaged {
            what: Damage::Archive,
            path: path.into(),
            why: "it cannot be read back".into(),
        };
        Ok((info.ok_or_else(unreadable)?, bytes))
    }

    /// Brings all packages to what an archive holds, as one transaction. Packages that are not in it are deleted, but for
    /// those that were left out. Returns the number of the transaction; `None` if nothing has to change.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if what it holds could not be a package, [`Error::Parse`] if one of its texts has errors; as
    /// for [`Engine::commit`]. Nothing is changed then.
    pub fn restore(&self, archive: &Archive, message: Option<&str>) -> Result<Option<u64>> {
        self.restore_of(archive, &[], message)
    }

    /// As [`Engine::restore`], of some packages; of all if none is named.
    ///
    /// # Errors
    ///
    /// As for [`Engine::restore`].
    pub fn restore_of(
        &self,
        archive: &Archive,
        packages: &[String],
        message: Option<&str>,
    ) -> Result<Option<u64>> {
        self.check_may_write()?;
        let why =
            Why { message: message.map(str::to_owned), ..Why::new(Kind::Rollback, archive.info.revision) };
        let texts = archive.packages.iter().map(|(name, text)| (name.clone(), Some(text.clone())));
        let mut wanted: BTreeMap<String, Option<Vec<u8>>> = texts.collect();
        for name in self.packages()?.into_iter().filter(|name| !archive.info.left_out.contains(name)) {
            wanted.entry(name).or_insert(None);
        }
        wanted.retain(|name, _| packages.is_empty() || packages.contains(name));
        let wanted = wanted.into_iter().map(|(name, text)| (name, text.map(Arc::new))).collect();
        self.with_ledger(Self::ledger_within, |ledger| {
            let parts = self.to_restore(&wanted)?;
            let Some(first) = parts.first() else { return Ok(None) };
            let _locks = ledger.lock_all(parts.iter().map(|part| &*part.place.path))?;
            self.snapshot_before(ledger);
            attempt(ledger, &first.place, |ledger| self.put_texts(ledger, &parts, &why)).map(Some)
        })
    }

    /// Finds the packages that are not as they are to be.
    fn to_restore(&self, wanted: &BTreeMap<String, Option<Arc<Vec<u8>>>>) -> Result<Vec<Whole>> {
        let mut parts = Vec::new();
        for (name, text) in wanted {
            let place = self.config_place(name);
            let present = self.options.files.read_package(&place.path).ok();
            if present.as_ref() == text.as_deref()
                && (text.is_some() || crate::commit::log_session::is_gone(&place.path))
            {
                continue;
            }
            if let Some(text) = text {
                check_restored(&place, text)?;
            }
            parts.push(Whole { place, expected: None, text: text.clone() });
        }
        Ok(parts)
    }

    /// Returns the time: microseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        clock::micros((self.options.time)())
    }

    /// Returns the snapshot that holds the state after a transaction, if there is one.
    pub(crate) fn archive_at(&self, revision: u64) -> Option<Archive> {
        let mut found = self.labels().ok()?.into_iter().filter(|info| info.revision == revision);
        found.find_map(|info| Archive::read(&info.path).ok())
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
        let body = memchr::memmem::find(&bytes, b"\n\n").expect("there is a head") + 2;
        for at in body..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(Archive::decode(path, &changed).is_err(), "byte {at}");
            assert!(Archive::decode(path, &bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
