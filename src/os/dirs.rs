//! The directories of a store, and the source of each path: an argument, the environment or the default.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::os::environment;

/// The directory of root's logs.
pub(crate) const SYSTEM_STATE: &str = "/var/lib/cms";

/// The default configuration directory.
const CONFIG: &str = "/etc/config";

/// The origin of a directory's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the caller, the environment or the default chooses a path")]
pub enum Origin {
    /// Given by the caller, for example on the command line.
    Given,
    /// From the environment variable of that name.
    Environment(&'static str),
    /// The default.
    Default,
}

/// A directory and the origin of its path.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Dir {
    /// The path.
    pub path: PathBuf,
    /// The origin of its path.
    pub origin: Origin,
}

impl Dir {
    /// Chooses the given path, else the environment's, else the default.
    fn choose(given: Option<PathBuf>, variable: &'static str, default: impl Into<PathBuf>) -> Self {
        if let Some(path) = given {
            return Self { path, origin: Origin::Given };
        }
        match from_environment(variable) {
            Some(path) => Self { path, origin: Origin::Environment(variable) },
            None => Self { path: default.into(), origin: Origin::Default },
        }
    }
}

fn from_environment(variable: &str) -> Option<PathBuf> {
    environment::variable(variable).map(PathBuf::from)
}

/// The directories that the caller chooses. For each of the others [`Dirs::choose`] takes the environment's choice or the
/// default.
#[derive(Debug, Clone, Default)]
pub struct DirOptions {
    config: Option<PathBuf>,
    save: Option<PathBuf>,
    run: Option<PathBuf>,
    state: Option<PathBuf>,
}

impl DirOptions {
    /// Returns options that choose no directory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses the directory of the packages. Else it is `CMS_CONFIG_DIR`, by default `/etc/config`.
    #[must_use]
    pub fn config(self, path: impl Into<Option<PathBuf>>) -> Self {
        Self { config: path.into(), ..self }
    }

    /// Chooses the directory that changes are staged in. Else it is `CMS_SAVE_DIR`, by default `/tmp/.uci` for root and
    /// `/tmp/.uci-UID` for others; changes for another configuration directory than the default are in a subdirectory of
    /// their own.
    #[must_use]
    pub fn save(self, path: impl Into<Option<PathBuf>>) -> Self {
        Self { save: path.into(), ..self }
    }

    /// Chooses the directory of locks and maps. Else it is `CMS_RUN_DIR`, by default `/run/cms`, else one of the user's
    /// own.
    #[must_use]
    pub fn run(self, path: impl Into<Option<PathBuf>>) -> Self {
        Self { run: path.into(), ..self }
    }

    /// Chooses the directory of the log. Else it is `CMS_STATE_DIR`, by default `/var/lib/cms`, else one of the user's
    /// own.
    #[must_use]
    pub fn state(self, path: impl Into<Option<PathBuf>>) -> Self {
        Self { state: path.into(), ..self }
    }
}

/// The directories of a store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Dirs {
    /// The packages.
    pub config: Dir,
    /// The directory whose packages are used instead of those of the same name in `config`.
    pub overriding: Option<PathBuf>,
    /// The staged changes.
    pub save: Dir,
    /// Further directories of staged changes, which are shown but never committed. They are read before `save`.
    pub overlays: Vec<PathBuf>,
    /// Locks and maps; `None` means none is writable.
    pub run: Option<Dir>,
    /// The transaction log; `None` means none is writable: nothing is logged.
    pub state: Option<Dir>,
    /// The directories of schemas; a later one counts before an earlier one.
    pub schema: Vec<PathBuf>,
}

impl Dirs {
    /// Chooses the directories. Nothing is created.
    #[must_use]
    pub fn choose(options: DirOptions) -> Self {
        let config = Dir::choose(options.config, "CMS_CONFIG_DIR", CONFIG);
        let save = save_dir(options.save, &config);
        Self {
            config,
            overriding: None,
            save,
            overlays: Vec::new(),
            run: run_dir(options.run),
            state: state_dir(options.state),
            schema: schema_dirs(),
        }
    }
}

/// The directories of schemas: those that packages bring, and those of the machine.
const SCHEMA: [&str; 3] = ["/usr/share/cms/schema", "/usr/local/share/cms/schema", "/etc/cms/schema"];

/// Chooses the directories of schemas: those of the environment, with colons between, else the default.
fn schema_dirs() -> Vec<PathBuf> {
    match environment::variable("CMS_SCHEMA_DIR") {
        Some(paths) => std::env::split_paths(&paths).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => SCHEMA.map(PathBuf::from).to_vec(),
    }
}

/// Chooses the directory of staged changes: the given one, else the user's own.
fn save_dir(given: Option<PathBuf>, config: &Dir) -> Dir {
    let own = default_save(crate::os::trust::user());
    let mut save = Dir::choose(given, "CMS_SAVE_DIR", own);
    if save.origin == Origin::Default && config.origin != Origin::Default {
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let config = real(&config.path);
        // Changes staged for one configuration must not be committed to another.
        if config != real(Path::new(CONFIG)) {
            save.path.push(crate::os::file_name::escaped(config.as_os_str()));
        }
    }
    save
}

/// Returns the default directory of staged changes. Only root uses that of stock uci.
pub(crate) fn default_save(user: u32) -> PathBuf {
    if user == 0 { "/tmp/.uci".into() } else { format!("/tmp/.uci-{user}").into() }
}

/// The run directory of the system's services.
pub(crate) const SYSTEM_RUN: &str = "/run/cms";

/// Chooses the run directory: the given one, else `/run/cms`, else `$XDG_RUNTIME_DIR/cms`, else `/tmp/cms-UID`.
fn run_dir(given: Option<PathBuf>) -> Option<Dir> {
    if given.is_some() || from_environment("CMS_RUN_DIR").is_some() {
        return Some(Dir::choose(given, "CMS_RUN_DIR", ""));
    }
    let user = rustix::process::geteuid().as_raw();
    let default = |path: PathBuf| Dir { path, origin: Origin::Default };
    let system = PathBuf::from(SYSTEM_RUN);
    if may_use(&system, user) {
        return Some(default(system));
    }
    if let Some(path) = from_environment("XDG_RUNTIME_DIR").map(|dir| dir.join("cms"))
        && may_use(&path, user)
    {
        return Some(Dir { path, origin: Origin::Environment("XDG_RUNTIME_DIR") });
    }
    let own = PathBuf::from(format!("/tmp/cms-{user}"));
    may_use(&own, user).then(|| default(own))
}

/// Chooses the state directory: the given one, else `/var/lib/cms`, else `$XDG_STATE_HOME/cms`, else
/// `~/.local/state/cms`, where the home directory is that of the environment, else that of `/etc/passwd`.
fn state_dir(given: Option<PathBuf>) -> Option<Dir> {
    if given.is_some() || from_environment("CMS_STATE_DIR").is_some() {
        return Some(Dir::choose(given, "CMS_STATE_DIR", ""));
    }
    let user = rustix::process::geteuid().as_raw();
    let system = PathBuf::from(SYSTEM_STATE);
    if may_use(&system, user) {
        return Some(Dir { path: system, origin: Origin::Default });
    }
    let state = from_environment("XDG_STATE_HOME").map(|path| (path, Origin::Environment("XDG_STATE_HOME")));
    let home = || {
        let home = from_environment("HOME").map(|path| (path, Origin::Environment("HOME")));
        // Services are often started without it.
        let home = home.or_else(|| home_of(user).map(|path| (path, Origin::Default)));
        home.map(|(path, origin)| (path.join(".local/state"), origin))
    };
    let (path, origin) = state.or_else(home)?;
    // The directory may be missing, with its parents; find the nearest that exists.
    let nearest = path.ancestors().find(|path| path.exists())?;
    let writable = rustix::fs::access(nearest, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
    writable.is_ok().then(|| Dir { path: path.join("cms"), origin })
}

/// Returns the home directory of a user from `/etc/passwd`.
fn home_of(user: u32) -> Option<PathBuf> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut users = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let fields = users.find(|fields| fields.get(2).is_some_and(|number| *number == user.to_string()))?;
    fields.get(5).filter(|home| home.starts_with('/')).map(PathBuf::from)
}

/// Reports whether a directory belongs to the user, or is missing and could be made. A symbolic link does not count.
fn may_use(path: &Path, user: u32) -> bool {
    match std::fs::symlink_metadata(path) {
        Ok(found) => found.is_dir() && found.uid() == user,
        Err(_) => path.parent().is_some_and(|parent| {
            rustix::fs::access(parent, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_of_a_user_is_found_where_the_system_notes_it() {
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let root = users.lines().find(|line| line.split(':').nth(2) == Some("0"));
        let home = root.and_then(|line| line.split(':').nth(5));
        assert_eq!(home_of(0).as_deref(), home.map(Path::new));
        assert_eq!(home_of(4_000_000_001), None);
    }
}
