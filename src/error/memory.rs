//! Memory is asked for before much of it is taken, so that a text that is too large for the machine costs a call its
//! success and not the program its life. What is smaller than [`SMALL`] is taken without asking: where not even that
//! can be had, the process is aborted.

use crate::error::{Error, Result};

/// The largest text a package can be read from or grow to, in bytes: 2 GiB less one, since places in it have 31 bits.
pub const MAX_TEXT: usize = (1 << 31) - 1;

/// What is worth asking for, in bytes.
const SMALL: usize = 1 << 20;

/// How many times the size of a file is taken by work on it.
const WORK: usize = 4;

/// What a package takes in memory for each byte, line and section of its text at most, while it is read, copied, edited
/// and written: a line becomes a section or an option, and these stand in vectors and tables that grow by doubling.
const FOR_BYTE: usize = 4;
const FOR_LINE: usize = 240;
const FOR_SECTION: usize = 1000;

/// Refuses work that takes so many bytes, if they cannot be had now. They are reserved and given back.
///
/// # Errors
///
/// [`Error::OutOfMemory`].
pub(crate) fn ask_for(bytes: usize) -> Result<()> {
    if bytes < SMALL {
        return Ok(());
    }
    let mut room = Vec::<u8>::new();
    let reserved = room.try_reserve_exact(bytes);
    // What nobody looks at would never be reserved.
    std::hint::black_box(&room);
    reserved.map_err(|_| Error::OutOfMemory { bytes })
}

/// As [`ask_for`], for what is made of so many bytes of a file: copies of its parts, and what describes them.
///
/// # Errors
///
/// As for [`ask_for`].
pub(crate) fn ask_for_work_on(bytes: usize) -> Result<()> {
    ask_for(bytes.saturating_mul(WORK))
}

/// As [`ask_for`], for what a package of this text takes.
///
/// # Errors
///
/// As for [`ask_for`].
pub(crate) fn ask_for_package(text: &[u8]) -> Result<()> {
    // A section takes a line of nine bytes at least.
    if text.len() < SMALL / (FOR_LINE + FOR_SECTION) * 9 {
        return Ok(());
    }
    let lines = memchr::memchr_iter(b'\n', text).count();
    let sections = memchr::memmem::find_iter(text, b"config").count();
    let all = [(text.len(), FOR_BYTE), (lines, FOR_LINE), (sections, FOR_SECTION)];
    ask_for(all.iter().fold(0, |sum, (count, each)| sum.saturating_add(count.saturating_mul(*each))))
}
