//! Checks that memory can be allocated before much of it is used, so that a text that is too large for the machine
//! makes the call fail and does not abort the program. Less than [`SMALL`] bytes are used without a check: if not even
//! they can be allocated, the process is aborted.

use crate::bytes;
use crate::error::{Error, Result};

/// The largest text a package can be read from or grow to, in bytes: 2 GiB less one, since offsets have 31 bits.
pub const MAX_TEXT: usize = (1 << 31) - 1;

/// The smallest size that is checked, in bytes.
const SMALL: usize = 1 << 20;

/// How many times its size in memory the work on a file takes.
const WORK: usize = 4;

/// The most memory that a package takes for each byte, line and section of its text while it is read, copied, edited
/// and written: a line becomes a section or an option, and these are kept in vectors and tables that grow by
/// doubling.
const FOR_BYTE: usize = 4;
const FOR_LINE: usize = 240;
const FOR_SECTION: usize = 1000;

/// Fails if so many bytes cannot be allocated now. They are reserved and freed again.
///
/// # Errors
///
/// [`Error::OutOfMemory`].
pub(crate) fn check_available(bytes: usize) -> Result<()> {
    if bytes < SMALL {
        return Ok(());
    }
    let mut room = Vec::<u8>::new();
    let reserved = room.try_reserve_exact(bytes);
    // Without this use the compiler would remove the reservation.
    std::hint::black_box(&room);
    reserved.map_err(|_| Error::OutOfMemory { bytes })
}

/// As [`check_available`], for work on so many bytes of a file: copies of its parts, and the structures that describe them.
///
/// # Errors
///
/// As for [`check_available`].
pub(crate) fn check_available_to_edit(bytes: usize) -> Result<()> {
    check_available(bytes.saturating_mul(WORK))
}

/// As [`check_available`], for the memory of a package with this text, in which each section has `header` at least once.
///
/// # Errors
///
/// As for [`check_available`].
pub(crate) fn check_available_for_package(text: &[u8], header: &[u8]) -> Result<()> {
    // Besides `header`, a section has a type, a blank, and a line end.
    if text.len() < SMALL / (FOR_LINE + FOR_SECTION) * (header.len() + 3) {
        return Ok(());
    }
    let lines = bytes::count(b'\n', text);
    let sections = bytes::count_text(header, text);
    let all = [(text.len(), FOR_BYTE), (lines, FOR_LINE), (sections, FOR_SECTION)];
    check_available(all.iter().fold(0, |sum, (count, each)| sum.saturating_add(count.saturating_mul(*each))))
}
