//! Whether anybody else has a file open. It is here, and not with the other calls on files, since here is where the crate
//! has `unsafe`: no library that it uses knows the call.

use std::ffi::c_int;
use std::fs::File;
use std::os::fd::AsRawFd;

const F_SETLEASE: c_int = 1024;
const F_WRLCK: c_int = 1;
const F_UNLCK: c_int = 2;

unsafe extern "C" {
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
}

/// Reports whether a file that has no name any more is open elsewhere, in this process or in another; `None` if the
/// system does not tell. It gives a lease of it to nobody who has it open elsewhere, and takes it back at once; with a
/// name it could be opened meanwhile, and the holder of the lease would get a signal.
pub(crate) fn is_open_elsewhere(file: &File) -> Option<bool> {
    let lease = |kind: c_int| {
        // SAFETY: the descriptor is open, and the call takes no pointer.
        match unsafe { fcntl(file.as_raw_fd(), F_SETLEASE, kind) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    match lease(F_WRLCK) {
        Ok(()) => lease(F_UNLCK).is_ok().then_some(false),
        Err(error) => (error.kind() == std::io::ErrorKind::WouldBlock).then_some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_open_elsewhere_until_it_is_closed() {
        let file = tempfile::tempfile().expect("a file");
        assert_eq!(is_open_elsewhere(&file), Some(false));
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        for writes in [false, true] {
            let other = File::options().read(true).write(writes).open(&path).expect("opens");
            assert_eq!(is_open_elsewhere(&file), Some(true));
            drop(other);
            assert_eq!(is_open_elsewhere(&file), Some(false));
        }
    }
}
