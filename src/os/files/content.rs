//! Reads and writes open files, and makes their content durable.

use std::io::{self, Read, Write};

use rustix::io::Errno;

use super::{Call, Files, OpenFile};
use crate::error::memory::{self, MAX_TEXT};

/// The error for a file that is larger than any file the library writes. Such a file may be sparse and take no room
/// on the disk.
fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than 2 GiB, the limit of a package")
}

/// How much more room is made for a file that grows while it is read.
const READ_MORE: usize = 1 << 16;

/// Returns room for the content of a file of this length and one more byte, and the length.
fn room_for(length: u64) -> io::Result<(Vec<u8>, usize)> {
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_TEXT).ok_or_else(too_large)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length.saturating_add(1)).map_err(|_| io::ErrorKind::OutOfMemory)?;
    memory::check_available_to_edit(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
    Ok((bytes, length))
}

impl Files {
    /// Extends a new file by `more` zeros behind its `written` bytes, and allocates the room for them.
    pub(crate) fn allocate(&self, open: &OpenFile, written: u64, more: u64) -> io::Result<()> {
        self.before(Call::Allocate, &open.path)?;
        match rustix::fs::fallocate(&open.file, rustix::fs::FallocateFlags::empty(), written, more) {
            // The call fails for a length of 0.
            Err(Errno::INVAL) if more == 0 => Ok(()),
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.fill_with_zeros(open, more),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes zeros from the file's position on, and goes back to its start.
    pub(crate) fn fill_with_zeros(&self, open: &OpenFile, length: u64) -> io::Result<()> {
        let page = [0; 1 << 15];
        let mut left = length;
        while left > 0 {
            let step = usize::try_from(left.min(page.len() as u64)).unwrap_or(page.len());
            self.write(open, &page[..step])?;
            left -= step as u64;
        }
        io::Seek::rewind(&mut &open.file)
    }

    /// Reads an open file from its start; the position is behind what was read.
    pub(crate) fn read(&self, open: &OpenFile) -> io::Result<Vec<u8>> {
        self.before(Call::Read, &open.path)?;
        let (mut bytes, length) = room_for(open.file.metadata()?.len())?;
        io::Seek::rewind(&mut &open.file)?;
        let read = match rustix::io::read(&open.file, rustix::buffer::spare_capacity(&mut bytes)) {
            Err(Errno::INTR) => 0,
            read => read?,
        };
        // The buffer has room for one more byte than expected: if that stays free, the whole file was read.
        if read != length {
            (&open.file).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }

    /// Reads a whole open file; the position stays where it is. `length` is its length as the caller has found it just
    /// now.
    pub(crate) fn read_sized(&self, open: &OpenFile, length: u64) -> io::Result<Vec<u8>> {
        self.before(Call::Read, &open.path)?;
        let (mut bytes, length) = room_for(length)?;
        loop {
            if bytes.len() == bytes.capacity() {
                // The file has grown since.
                bytes.try_reserve(READ_MORE).map_err(|_| io::ErrorKind::OutOfMemory)?;
            }
            let at = bytes.len() as u64;
            match rustix::io::pread(&open.file, rustix::buffer::spare_capacity(&mut bytes), at) {
                Ok(0) => return Ok(bytes),
                // As in `read`.
                Ok(_) if bytes.len() == length => return Ok(bytes),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes all of `bytes` at the file's position.
    pub(crate) fn write(&self, open: &OpenFile, bytes: &[u8]) -> io::Result<()> {
        let allowed = self.before(Call::Write, &open.path)?;
        if allowed < bytes.len() {
            (&open.file).write_all(&bytes[..allowed])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        (&open.file).write_all(bytes)
    }

    /// Writes all of `bytes` at an offset.
    pub(crate) fn write_at(&self, open: &OpenFile, bytes: &[u8], offset: u64) -> io::Result<()> {
        let allowed = self.before(Call::Write, &open.path)?;
        if allowed < bytes.len() {
            std::os::unix::fs::FileExt::write_all_at(&open.file, &bytes[..allowed], offset)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        std::os::unix::fs::FileExt::write_all_at(&open.file, bytes, offset)
    }

    /// Reads up to `len` bytes at an offset; fewer at the end of the file.
    pub(crate) fn read_at(&self, open: &OpenFile, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.before(Call::Read, &open.path)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        memory::check_available_to_edit(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        while bytes.len() < len {
            let at = offset + bytes.len() as u64;
            match rustix::io::pread(&open.file, rustix::buffer::spare_capacity(&mut bytes), at) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    /// Makes the written data of a file durable, without its times.
    pub(crate) fn sync_data(&self, open: &OpenFile) -> io::Result<()> {
        self.before(Call::Sync, &open.path)?;
        open.file.sync_data()
    }

    /// Gives up the lock of a file that stays open.
    pub(crate) fn unlock(&self, open: &OpenFile) {
        open.release();
    }

    pub(crate) fn truncate(&self, open: &OpenFile, length: u64) -> io::Result<()> {
        self.before(Call::Truncate, &open.path)?;
        open.file.set_len(length)
    }

    pub(crate) fn sync(&self, open: &OpenFile) -> io::Result<()> {
        self.before(Call::Sync, &open.path)?;
        open.file.sync_all()
    }
}
