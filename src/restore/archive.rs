//! Makes snapshots and backups, and restores them. [`crate::history::archive`] describes the format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::commit::core::{CommittedTexts, Core};
use crate::commit::intent::Intent;
use crate::commit::open_session::{self, session_within};
use crate::commit::opening::Opened;
use crate::commit::packages::is_gone;
use crate::commit::part::{Expected, WholeText};
use crate::commit::place::Place;
use crate::commit::{retry, write};
use crate::error::not_found::Missing;
use crate::error::{Damage, Error, Result};
use crate::format::Format;
use crate::history::archive::{Archive, ArchiveInfo, Committed, head};
use crate::log::Kind;
use crate::os::named_file;
use crate::restore::revision as resolve;

/// Refuses a package of an archive whose name or text no package can have.
fn check_restored(format: &dyn Format, archive: &Path, place: &Place, text: &Arc<Vec<u8>>) -> Result<()> {
    let name = place.name.as_bytes();
    if place.name.contains(['.', '/']) || !crate::model::name::is_package(name) {
        let why = format!(
            "it holds a package named {}, but the name is not allowed",
            crate::error::shown::quoted(&place.name)
        );
        return Err(Error::Damaged { what: Damage::Archive, path: archive.into(), why });
    }
    format.read_strictly(&place.name, text).map(|_| ()).map_err(|error| match error {
        // The line numbers are those of the package.
        Error::Parse(error) => {
            let file = format!("{}: package {}", archive.display(), place.name);
            error.in_file(Path::new(&file)).into()
        }
        error => error,
    })
}

/// The snapshots and backups of a store: see [`crate::Engine::archives`].
#[derive(Debug, Clone, Copy)]
pub struct Archives<'e> {
    pub(super) core: &'e Core,
}

impl<'e> Archives<'e> {
    pub(crate) fn of(core: &'e Core) -> Self {
        Self { core }
    }

    /// Lists the labelled and the automatic snapshots, the oldest first. Other files are skipped.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no state directory; [`Error::Io`].
    pub fn labels(&self) -> Result<Vec<ArchiveInfo>> {
        self.core.logs.past()?.archives()
    }
}

impl Archives<'_> {
    fn snapshot_path(&self, label: &str) -> Result<PathBuf> {
        let label = resolve::label(label);
        let usable = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '+');
        // The labels of automatic snapshots start with '@'.
        let stem = label.strip_prefix('@').unwrap_or(label);
        if stem.is_empty() || stem.starts_with('.') || !stem.chars().all(usable) || stem.len() > 200 {
            return Err(Error::invalid(
                label.as_bytes(),
                "a label consists of letters, digits, '_', '-', '+', ':' and '.', and does not begin with '.'",
            ));
        }
        Ok(self.core.logs.snapshot_dir()?.join(format!("{label}.cms")))
    }

    /// Keeps the committed state of all packages under a label, until a user deletes the file. Packages that cannot be read
    /// are left out ([`ArchiveInfo::left_out`]).
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if there is a snapshot with that label; [`Error::Invalid`] if the text cannot be a label;
    /// [`Error::Missing`] if there is no state directory; [`Error::Io`].
    pub fn label(&self, label: &str) -> Result<ArchiveInfo> {
        if label.starts_with('@') {
            return Err(Error::invalid(
                label.as_bytes(),
                "labels that start with '@' are kept for automatic snapshots",
            ));
        }
        self.core.settings.check_may_write()?;
        if resolve::is_revision(label) {
            return Err(Error::invalid(label.as_bytes(), "it reads as a revision, so it cannot be a label"));
        }
        let path = self.snapshot_path(label)?;
        if path.exists() {
            return Err(Error::Exists { key: format!("snapshot {label}") });
        }
        let mut session = open_session::session(self.core)?;
        self.core.logs.require()?.within(Some("snapshots"))?;
        let committed = session.committed_texts()?;
        self.write_archive(&committed, session.sequence(), label, &path)
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
    /// [`Error::Missing`] if there is no such snapshot, [`Error::Io`].
    pub fn delete_label(&self, label: &str) -> Result<()> {
        self.labelled(label)?;
        let path = self.snapshot_path(label)?;
        self.core.options.files.remove(&path).map_err(Error::io("remove", path))
    }

    /// Writes the committed state of all packages into a file. A regular file, or the one that a link leads to, is
    /// replaced; any other file, such as a pipe, is written to. Packages that cannot be read are left out
    /// ([`ArchiveInfo::left_out`]).
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: a regular file is as before then.
    pub fn backup(&self, path: &Path) -> Result<ArchiveInfo> {
        let (info, bytes) = self.encode_backup(path)?;
        named_file::write(&self.core.options.files, path, &bytes)?;
        Ok(info)
    }

    /// Writes a backup as [`crate::Archives::backup`] does, to an open writer. The path in the result is `-`.
    ///
    /// # Errors
    ///
    /// As for [`crate::Archives::backup`].
    pub fn backup_to(&self, out: &mut dyn std::io::Write) -> Result<ArchiveInfo> {
        let path = Path::new("-");
        let (info, bytes) = self.encode_backup(path)?;
        out.write_all(&bytes).and_then(|()| out.flush()).map_err(Error::io("write", path))?;
        Ok(info)
    }

    /// Makes an archive of the committed state. The log is unlocked when this returns, since writing the archive may
    /// take long.
    fn encode_backup(&self, path: &Path) -> Result<(ArchiveInfo, Vec<u8>)> {
        let mut session = open_session::session(self.core)?;
        let committed = session.committed_texts()?;
        self.encode_archive(&committed, session.sequence(), "backup", path)
    }

    /// Writes an archive into a file.
    pub(crate) fn write_archive(
        &self,
        committed: &Committed,
        revision: u64,
        label: &str,
        path: &Path,
    ) -> Result<ArchiveInfo> {
        let (info, bytes) = self.encode_archive(committed, revision, label, path)?;
        named_file::replace(&self.core.options.files, path, &bytes)?;
        Ok(info)
    }

    /// Encodes an archive that will be written to a path.
    fn encode_archive(
        &self,
        committed: &Committed,
        revision: u64,
        label: &str,
        path: &Path,
    ) -> Result<(ArchiveInfo, Vec<u8>)> {
        let bytes = Archive::encode(label, self.core.now(), revision, self.core.source(), committed);
        let info = head(path, &bytes).map(|(info, ..)| info);
        let unreadable = || Error::Damaged {
            what: Damage::Archive,
            path: path.into(),
            why: "it cannot be read back".into(),
        };
        Ok((info.ok_or_else(unreadable)?, bytes))
    }

    /// Restores all packages from an archive, as one transaction. Packages that are not in it are deleted, except those that
    /// were left out. Returns the number of the transaction; `None` if nothing has to change.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if the archive holds no packages although the store has some, or if it holds a name that no package
    /// can have; [`Error::Parse`] if one of its texts has errors; as for [`crate::Engine::commit`]. Nothing is changed then.
    pub fn restore(&self, archive: &Archive, message: Option<&str>) -> Result<Option<u64>> {
        self.restore_of(archive, &[], message)
    }

    /// Restores the named packages as [`crate::Archives::restore`] does; all packages if none is named.
    ///
    /// # Errors
    ///
    /// As for [`crate::Archives::restore`].
    pub fn restore_of(
        &self,
        archive: &Archive,
        packages: &[String],
        message: Option<&str>,
    ) -> Result<Option<u64>> {
        self.core.settings.check_may_write()?;
        let intent = Intent {
            message: message.map(str::to_owned),
            ..Intent::new(Kind::Rollback, archive.info.revision)
        };
        let texts = archive.packages.iter().map(|(name, text)| (name.clone(), Some(text.clone())));
        let mut wanted: BTreeMap<String, Option<Vec<u8>>> = texts.collect();
        for name in
            self.core.packages.list()?.into_iter().filter(|name| !archive.info.left_out.contains(name))
        {
            wanted.entry(name).or_insert(None);
        }
        wanted.retain(|name, _| packages.is_empty() || packages.contains(name));
        if archive.packages.is_empty() && packages.is_empty() && !wanted.is_empty() {
            let count = wanted.len();
            let why = format!("it holds no packages, and restoring it would delete all there are ({count})");
            return Err(Error::Damaged { what: Damage::Archive, path: archive.info.path.clone(), why });
        }
        let wanted = wanted.into_iter().map(|(name, text)| (name, text.map(Arc::new))).collect();
        retry::with_session(self.core, session_within, |session| {
            let parts = self.differing(&archive.info.path, &wanted)?;
            let Some(first) = parts.first() else { return Ok(None) };
            let mut opened = Opened::of(session, parts.iter().map(|part| &part.place))?;
            self.snapshot_before(opened.session);
            opened.attempt(&first.place, |opened| write::put_texts(opened, &parts, &intent)).map(Some)
        })
    }

    /// Finds the packages whose text differs from the wanted one.
    fn differing(
        &self,
        archive: &Path,
        wanted: &BTreeMap<String, Option<Arc<Vec<u8>>>>,
    ) -> Result<Vec<WholeText>> {
        let mut parts = Vec::new();
        for (name, text) in wanted {
            let place = self.core.packages.in_config(name);
            let present = self.core.options.files.read_package(&place.path).ok();
            if present.as_ref() == text.as_deref() && (text.is_some() || is_gone(&place.path)) {
                continue;
            }
            if let Some(text) = text {
                check_restored(self.core.options.format_of(place.format), archive, &place, text)?;
            }
            parts.push(WholeText { place, expected: Expected::Anything, text: text.clone() });
        }
        Ok(parts)
    }
}
