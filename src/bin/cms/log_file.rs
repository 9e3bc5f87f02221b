//! The file that `--log-file` names: all messages are appended to it, each with its time, `--verbose` or not.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::SystemTime;

use cms::Error;
use cms::clock;

/// The open file. There is one for the whole process.
static FILE: OnceLock<File> = OnceLock::new();

/// Opens the file, or makes it. Values may be secrets, so only its owner may read it.
pub fn open(path: &Path) -> Result<(), Error> {
    if FILE.get().is_some() {
        return Ok(());
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    let file = file.map_err(|source| Error::Io { op: "append to", path: path.to_owned(), source })?;
    let _ = FILE.set(file);
    Ok(())
}

/// Reports whether there is a file.
pub fn is_open() -> bool {
    FILE.get().is_some()
}

/// Appends lines, as one write. A failure of that cannot be reported, and is ignored.
pub fn append(lines: &str) {
    if let Some(mut file) = FILE.get() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let line = format!(
            "{} [{}] {lines}\n",
            clock::show(u64::try_from(now.as_micros()).unwrap_or_default()),
            std::process::id()
        );
        let _ = file.write_all(line.as_bytes());
    }
}
