//! File names made of paths and of the names of packages.
//!
//! Two different paths or packages never get the same file name, and no name is too long for a file system: a name
//! longer than [`LONGEST`] is cut, and ends with a hash of the whole.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use sha2::{Digest, Sha256};

/// How long a name may be, with room for a prefix and a suffix; file systems take 255 bytes in all.
const LONGEST: usize = 200;

/// Separates the beginning of a long name from the hash of the whole name.
const CUT: char = '~';

/// Makes a file name of a path or of the name of a package: `/`, `%`, control characters and bytes that are not ASCII
/// become `%` and two digits.
pub(crate) fn escaped(name: &OsStr) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.as_bytes() {
        match byte {
            b'/' | b'%' | 0..=31 | 127.. => {
                // Writing to a string does not fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
            byte => escaped.push(char::from(*byte)),
        }
    }
    match shortened(OsStr::new(&escaped)) {
        Cow::Borrowed(_) => escaped,
        Cow::Owned(short) => short.to_string_lossy().into_owned(),
    }
}

/// Returns the file name that earlier versions made of a path, if it belongs to this path only: they gave the same
/// name to some paths that have a `%`.
pub(crate) fn escaped_before(path: &Path) -> Option<String> {
    let path = path.to_str().filter(|path| !path.contains('%'))?;
    Some(path.replace('/', "%"))
}

/// Returns a name, which is cut if it is too long.
pub(crate) fn shortened(name: &OsStr) -> Cow<'_, OsStr> {
    let bytes = name.as_bytes();
    if bytes.len() <= LONGEST {
        return Cow::Borrowed(name);
    }
    let hash = Sha256::digest(bytes);
    let mut short = bytes[..LONGEST / 2].to_vec();
    short.push(CUT as u8);
    for byte in &hash[..16] {
        short.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    Cow::Owned(OsString::from_vec(short))
}

/// Names a hidden file that belongs to another one: `.NAME` and the given ending.
pub(crate) fn hidden(name: &OsStr, kind: &str) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(shortened(name));
    hidden.push(kind);
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x_m14_different_paths_get_different_names_and_none_is_too_long() {
        let long = |end: &str| format!("/{}{end}", "directory/".repeat(60));
        let paths = ["/x/%y", "/x%/y", "/x%2Fy", "/x/y", "/x%y", "/x/\u{e4}", &long("a"), &long("b")];
        let mut names: Vec<String> = paths.iter().map(|path| escaped(OsStr::new(path))).collect();
        names.push(escaped(OsStr::from_bytes(b"/x/\xe4")));
        assert!(names.iter().all(|name| name.len() <= LONGEST && !name.contains('/')), "{names:?}");
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(escaped(OsStr::new("/etc/config")), "%2Fetc%2Fconfig");
    }

    #[test]
    fn a_short_name_stays_and_a_long_one_is_told_by_its_hash() {
        assert_eq!(hidden(OsStr::new("network"), ".commit"), ".network.commit");
        let (a, b) = ("n".repeat(255), format!("{}m", "n".repeat(254)));
        assert_ne!(shortened(OsStr::new(&a)), shortened(OsStr::new(&b)));
        assert!(hidden(OsStr::new(&a), ".cms-ffffffff-ffffffff-ffffffff").len() <= 255);
    }

    #[test]
    fn the_name_of_an_earlier_version_is_known_where_it_is_of_one_path_only() {
        assert_eq!(escaped_before(Path::new("/etc/config")).as_deref(), Some("%etc%config"));
        assert_eq!(escaped_before(Path::new("/x/%y")), None);
    }
}
