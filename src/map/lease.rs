//! Reports whether another process has a file open. It is here, and not with the other calls on files, since only `map`
//! may have `unsafe`: no library that the crate uses has this call.
//!
//! The kernel grants a read lease only if no process has the file open for writing, and a write lease only if no
//! other process has it open at all. So these functions take a lease and release it at once. Use them for files that
//! have no name any more, since other processes could open a named file meanwhile. A file without a name can be
//! opened only through `/proc`, by a process that has it open already, as with `O_PATH`. The kernel then sends the
//! holder of the lease a signal, which is SIGIO and ends the process, unless another signal was chosen. SIGURG is
//! chosen here: programs ignore it unless they ask for it.

use std::ffi::c_int;
use std::fs::File;
use std::os::fd::AsRawFd;

use rustix::process::Signal;

const F_SETSIG: c_int = 10;
const F_SETLEASE: c_int = 1024;
const F_RDLCK: c_int = 0;
const F_WRLCK: c_int = 1;
const F_UNLCK: c_int = 2;

unsafe extern "C" {
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
}

fn control(file: &File, command: c_int, argument: c_int) -> std::io::Result<()> {
    // SAFETY: the descriptor is open, and these commands take a number and no pointer.
    match unsafe { fcntl(file.as_raw_fd(), command, argument) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Takes a lease. Its release resets the chosen signal, so the signal is chosen each time.
fn take(file: &File, lease: c_int) -> std::io::Result<()> {
    control(file, F_SETSIG, Signal::URG.as_raw())?;
    control(file, F_SETLEASE, lease)
}

/// Reports whether the kernel refuses a lease of this kind; `None` if it gives another error, for example because the
/// file belongs to another user.
fn is_refused(file: &File, lease: c_int) -> Option<bool> {
    match take(file, lease) {
        Ok(()) => control(file, F_SETLEASE, F_UNLCK).is_ok().then_some(false),
        Err(error) => (error.kind() == std::io::ErrorKind::WouldBlock).then_some(true),
    }
}

/// Reports whether a file that has no name any more is open elsewhere, in this process or in another; `None` if the
/// system does not report it.
pub(crate) fn is_open_elsewhere(file: &File) -> Option<bool> {
    is_refused(file, F_WRLCK)
}

/// Reports whether a file that has no name any more is open anywhere for writing, in this process or in another;
/// `None` if the system does not report it. The given descriptor must be open for reading only.
pub(crate) fn is_open_to_write(file: &File) -> Option<bool> {
    is_refused(file, F_RDLCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_again(file: &File, writes: bool) -> File {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        File::options().read(true).write(writes).open(path).expect("opens")
    }

    #[test]
    fn a_file_is_open_elsewhere_until_it_is_closed() {
        let file = tempfile::tempfile().expect("a file");
        assert_eq!(is_open_elsewhere(&file), Some(false));
        for writes in [false, true] {
            let other = open_again(&file, writes);
            assert_eq!(is_open_elsewhere(&file), Some(true));
            drop(other);
            assert_eq!(is_open_elsewhere(&file), Some(false));
        }
    }

    #[test]
    fn readers_are_told_from_writers() {
        let first = tempfile::tempfile().expect("a file");
        let file = open_again(&first, false);
        assert_eq!(is_open_to_write(&file), Some(true));
        drop(first);
        assert_eq!(is_open_to_write(&file), Some(false));
        let reader = open_again(&file, false);
        assert_eq!(is_open_to_write(&file), Some(false));
        let writer = open_again(&file, true);
        assert_eq!(is_open_to_write(&file), Some(true));
        drop((reader, writer));
        assert_eq!(is_open_to_write(&file), Some(false));
    }

    #[test]
    fn x_m1_who_opens_a_file_without_a_name_ends_no_program_that_has_a_lease_of_it() {
        use std::os::unix::fs::OpenOptionsExt;
        let file = tempfile::tempfile().expect("a file");
        assert_eq!(is_open_elsewhere(&file), Some(false));
        // This sleep lengthens the time between the two calls. With SIGIO this process would end here.
        take(&file, F_WRLCK).expect("nobody else has it open");
        let mut options = File::options();
        options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        let opened = options.open(format!("/proc/self/fd/{}", file.as_raw_fd()));
        assert_eq!(opened.expect_err("there is a lease").kind(), std::io::ErrorKind::WouldBlock);
        control(&file, F_SETLEASE, F_UNLCK).expect("given back");
    }
}
