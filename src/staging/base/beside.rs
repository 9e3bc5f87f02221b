//! The base file beside a delta file.

use std::io;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::format::uci::delta_line::read_lines;
use crate::os::access::Access;
use crate::os::file_name;
use crate::staging::base::file::{hashes, read};
use crate::staging::delta_file::Staging;

impl Staging<'_> {
    fn base_path(&self) -> PathBuf {
        self.dir.join(file_name::hidden(self.package.as_ref(), ".base"))
    }

    /// Reads the base file. A missing one is empty.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be read: then no conflict could be found.
    pub fn base_text(&self) -> Result<Vec<u8>> {
        let path = self.base_path();
        match self.files.read_at_path(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            text => text.map_err(Error::io("read", path)),
        }
    }

    /// Replaces the base file, under the lock of the delta file. A process that has opened the old file does not see the
    /// new text.
    pub fn write_bases(&self, text: &[u8], access: Access) -> Result<()> {
        let path = self.base_path();
        let draft = self.dir.join(file_name::hidden(self.package.as_ref(), ".base.new"));
        let write = || -> io::Result<()> {
            // A crash may have left a draft.
            match self.files.remove(&draft) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let new = self.files.open_or_create(&draft, 0o600)?;
            access.give(&self.files, &new)?;
            self.files.write(&new, text)?;
            self.files.rename(&draft, &path)
        };
        write().map_err(Error::io("note what is committed in", path))
    }

    /// Removes the bases from the base file whose lines are not in the delta file any more. Such bases are ignored,
    /// so a failure does no harm.
    pub fn cut_bases(&self, staged: &[u8]) {
        if staged.is_empty() {
            let _ = self.files.remove(&self.base_path());
            return;
        }
        let Ok(text) = self.base_text() else { return };
        let (_, kept) = read(&text, &hashes(&read_lines(staged), self.package));
        if kept != text {
            let access = Access::to_staged(std::fs::metadata(self.target).ok().as_ref());
            let _ = self.write_bases(&kept, access);
        }
    }
}
