//! Files that a user names, to be read or written once as a whole: archives, texts, values.
//!
//! Unlike the files of a store they may be of any kind: links are followed, and a pipe, a FIFO or a terminal is read
//! or written directly, and never replaced.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, memory};
use crate::os::files::Files;

/// How many bytes are read of a device at most: enough for lines typed at a terminal, and a limit for `/dev/zero`.
const MOST_OF_DEVICE: usize = 1 << 20;

/// How many bytes are read before memory is checked again.
const FIRST_STEP: usize = 128 << 10;

/// Reads a whole file that begins with `start`, or standard input if the path is `-`.
///
/// # Errors
///
/// An error of the system; [`io::ErrorKind::FileTooLarge`] if there are more than `most` bytes, or more than 1 MiB from
/// a device; [`io::ErrorKind::OutOfMemory`]; [`io::ErrorKind::InvalidData`] if the file does not begin with `start`, which is checked before the rest
/// is read.
pub fn read(path: &Path, most: usize, start: &[u8]) -> io::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        return read_from(&mut io::stdin().lock(), most, start);
    }
    let mut file = File::open(path)?;
    let found = file.metadata()?;
    let is_device = found.file_type().is_char_device() || found.file_type().is_block_device();
    read_from(&mut file, if is_device { most.min(MOST_OF_DEVICE) } else { most }, start)
}

fn read_from(source: &mut dyn Read, most: usize, start: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(start.len() as u64).read_to_end(&mut bytes)?;
    if bytes != start {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // Its size is not known, and it may have no end: so memory is checked each time that as much again is to be read.
    loop {
        if bytes.len() > most {
            let why = format!("it is larger than {most} bytes, the most that is read");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        let step = bytes.len().max(FIRST_STEP).min(most - bytes.len() + 1);
        if memory::check_available_to_edit(bytes.len() + step).is_err() {
            let why = format!("there is not enough memory for more than {} bytes of it", bytes.len());
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, why));
        }
        let read = source.take(step as u64).read_to_end(&mut bytes)?;
        if read < step {
            return Ok(bytes);
        }
    }
}

/// Writes a file. A regular file, also behind a link, is replaced by a new one once that is durable. A FIFO or a device
/// is written to, which may wait for a reader.
pub(crate) fn write(files: &Files, path: &Path, bytes: &[u8]) -> Result<()> {
    let is_special = std::fs::metadata(path).is_ok_and(|found| !found.is_file());
    if !is_special {
        return replace(files, &follow(path.to_path_buf()), bytes);
    }
    let mut special = OpenOptions::new().write(true).open(path).map_err(Error::io("open", path))?;
    special.write_all(bytes).map_err(Error::io("write", path))
}

/// Writes a new file, readable only by its owner, and renames it to the path, where it may replace another file.
pub(crate) fn replace(files: &Files, path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = files.create_unique(dir, "snapshot").map_err(Error::io("create a file in", dir))?;
    let written = files
        .write(&new, bytes)
        .and_then(|()| files.sync(&new))
        .and_then(|()| files.rename(&new.path, path))
        .and_then(|()| files.sync_dir(dir));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&new.path);
        Error::io("write", path)(error)
    })
}

/// Follows symbolic links to the file they lead to, whether that exists or not.
pub(crate) fn follow(mut path: PathBuf) -> PathBuf {
    for _ in 0..40 {
        let Ok(target) = std::fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new(".")).join(target);
    }
    path
}
