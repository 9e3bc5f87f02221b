//! Snapshots and backups: making them, and going back to them. [`crate::history::archive`] has the format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::commit::engine::{Engine, Place};
use crate::commit::log_session::{Ledger, Why};
use crate::commit::write::{Expected, Whole, attempt};
use crate::error::not_found::Missing;
use crate::error::{Damage, Error, Result};
use crate::format::uci::{Dialect, ParseOptions, parse};
use crate::history::archive::{Archive, ArchiveInfo, Committed, head};
use crate::log::Kind;
use crate::os::named_file;
use crate::restore::revision as resolve;

/// Refuses a package of an archive that would be none once it was restored.
fn check_restored(archive: &Path, place: &Place, text: &Arc<Vec<u8>>) -> Result<()> {
    let name = place.name.as_bytes();
    if place.name.contains(['.', '/']) || !crate::model::name::is_package(name) {
        let why = format!(
            "it holds a package named {}, but the name is not allowed",
            crate::error::shown::quoted(&place.name)
        );
        return Err(Error::Damaged { what: Damage::Archive, path: archive.into(), why });
    }
    let options = ParseOptions { dialect: Dialect::Cms, strict: true, progress: None };
    parse(name, text.clone(), &options).map(|_| ()).map_err(|error| match error {
        // The lines are those of the package.
        Error::Parse(error) => {
            let file = format!("{}: package {}", archive.display(), place.name);
            error.in_file(Path::new(&file)).into()
        }
        error => error,
    })
}

impl Engine {
    fn snapshot_path(&self, label: &str) -> Result<PathBuf> {
        let label = resolve::label(label);
        let usable = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '+');
        // With an '@' start those that were not asked for.
        let stem = label.strip_prefix('@').unwrap_or(label);
        if stem.is_empty() || stem.starts_with('.') || !stem.chars().all(usable) || stem.len() > 200 {
            return Err(Error::invalid(
                label.as_bytes(),
                "a label consists of letters, digits, '_', '-', '+', ':' and '.', and does not begin with '.'",
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
                "labels that start with '@' are kept for automatic snapshots",
            ));
        }
        self.check_may_write()?;
        if resolve::is_revision(label) {
            return Err(Error::invalid(label.as_bytes(), "it reads as a revision, so it cannot be a label"));
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
    /// [`Error::Damaged`] if it holds no packages, and there are some, or a name that no package can have; [`Error::Parse`] if one of its texts has errors; as for [`Engine::commit`]. Nothing is changed then.
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
        if archive.packages.is_empty() && packages.is_empty() && !wanted.is_empty() {
            let count = wanted.len();
            let why = format!("it holds no packages, and restoring it would delete all there are ({count})");
            return Err(Error::Damaged { what: Damage::Archive, path: archive.info.path.clone(), why });
        }
        let wanted = wanted.into_iter().map(|(name, text)| (name, text.map(Arc::new))).collect();
        self.with_ledger(Self::ledger_within, |ledger| {
            let parts = self.to_restore(&archive.info.path, &wanted)?;
            let Some(first) = parts.first() else { return Ok(None) };
            let _locks = ledger.lock_all(parts.iter().map(|part| &*part.place.path))?;
            self.snapshot_before(ledger);
            attempt(ledger, &first.place, |ledger| self.put_texts(ledger, &parts, &why)).map(Some)
        })
    }

    /// Finds the packages that are not as they are to be.
    fn to_restore(
        &self,
        archive: &Path,
        wanted: &BTreeMap<String, Option<Arc<Vec<u8>>>>,
    ) -> Result<Vec<Whole>> {
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
                check_restored(archive, &place, text)?;
            }
            parts.push(Whole { place, expected: Expected::Anything, text: text.clone() });
        }
        Ok(parts)
    }
}
