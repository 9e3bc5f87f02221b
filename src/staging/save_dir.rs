//! The save directory, and the rule that no user commits the staged changes of others with his own rights.
//!
//! The default directory, `/tmp/.uci`, is in a directory in which all users may make directories. So root alone uses
//! it, and each other user has a directory of their own. If another user owns the directory at that path, it is not
//! used; root renames it. A directory that the user has named, on the command line for example, is refused if it
//! belongs to another user and all users may write to its parent.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::os::dirs::{Dirs, Origin};
use crate::os::files::Files;
use crate::os::folder::Folder;
use crate::os::trust::{is_trusted, user};

/// A directory of staged changes.
#[derive(Debug)]
pub(crate) struct SaveDir<'s> {
    dir: &'s Path,
    /// The default directory, if this is the default directory or one below it.
    base: Option<PathBuf>,
    /// The file operations by path.
    outer: &'s Files,
    /// The file operations within the directory, which is opened when it is needed.
    pub files: Files,
}

impl<'s> SaveDir<'s> {
    pub fn new(outer: &'s Files, dirs: &Dirs, dir: &'s Path) -> Self {
        let is_default = dirs.save.origin == Origin::Default && dirs.save.path == dir;
        let base = is_default.then(|| crate::os::dirs::default_save(user()));
        let (below, path) = (base.clone(), dir.to_path_buf());
        let files = outer.within(dir, move || match &below {
            Some(base) => open_default(base, &path),
            None => open_named(&path),
        });
        Self { dir, base, outer, files }
    }

    /// Reports whether the directory is there. Root renames a directory of another user, and gets its new path.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] with `PermissionDenied` if it belongs to another user, whose changes would be committed with the
    /// rights of this process.
    pub fn is_there(&self) -> Result<(bool, Option<PathBuf>)> {
        match self.files.enter() {
            Ok(()) => Ok((true, None)),
            Err(error) if is_refusal(&error) => match &self.base {
                Some(base) if user() == 0 => Ok((false, self.put_aside(base)?)),
                _ => Err(Error::io("trust", self.dir)(error)),
            },
            // A file in its place holds no changes. Staging a change fails with an error that names it.
            Err(_) => Ok((false, None)),
        }
    }

    /// Makes the directory if it is missing, with this mode. Returns the new path of a directory that was renamed for
    /// that.
    pub fn make(&self, mode: u32) -> Result<Option<PathBuf>> {
        let mut aside = None;
        for _ in 0..8 {
            let Err(error) = self.files.enter() else { return Ok(aside) };
            match (error.kind(), &self.base) {
                (io::ErrorKind::NotFound, base) => {
                    let dirs = base.as_deref().into_iter().filter(|base| *base != self.dir).chain([self.dir]);
                    for dir in dirs {
                        match self.outer.mkdir(dir, mode) {
                            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                                return Err(Error::io("create the directory", dir)(error));
                            }
                            _ => {}
                        }
                    }
                }
                (io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory, Some(base))
                    if user() == 0 =>
                {
                    aside = self.put_aside(base)?.or(aside);
                }
                (io::ErrorKind::PermissionDenied, _) => return Err(Error::io("trust", self.dir)(error)),
                _ => return Err(Error::io("use the directory", self.dir)(error)),
            }
        }
        let why = "it is replaced again and again";
        Err(Error::io("use the directory", self.dir)(io::Error::new(io::ErrorKind::PermissionDenied, why)))
    }

    /// Renames the file or directory at the path of the default directory, unless it is root's.
    fn put_aside(&self, base: &Path) -> Result<Option<PathBuf>> {
        let is_ours = |path: &Path| Folder::open(path).is_ok_and(|folder| is_trusted(folder.owner(), 0));
        if is_ours(base) {
            return Ok(None);
        }
        let chance = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
        let name =
            format!("{}.not-root-{chance:016x}", base.file_name().unwrap_or_default().to_string_lossy());
        let aside = base.with_file_name(name);
        match self.outer.rename_new(base, &aside) {
            Ok(()) => Ok(Some(aside)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("rename", base)(error)),
        }
    }
}

fn open_named(dir: &Path) -> io::Result<Folder> {
    let folder = Folder::open_named(dir)?;
    match is_trusted(folder.owner(), user()) || !folder.is_among_others() {
        true => Ok(folder),
        false => {
            let why =
                format!("the directory belongs to user {}, and its parent is open to all", folder.owner());
            Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
        }
    }
}

/// Opens the default directory, or one in it.
fn open_default(base: &Path, dir: &Path) -> io::Result<Folder> {
    let trusted = |folder: Folder| match is_trusted(folder.owner(), user()) {
        true => Ok(folder),
        false => Err(folder.refusal()),
    };
    let folder = trusted(Folder::open(base)?)?;
    match dir.strip_prefix(base).unwrap_or(Path::new("")).as_os_str() {
        name if name == OsStr::new("") => Ok(folder),
        name => trusted(folder.sub(name)?),
    }
}

/// Reports whether an error means that this library refuses the directory. If the system denies access, the error has
/// a number.
fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}
