//! The environment, read in one place. A program that runs with more rights than its caller ignores the variables: they
//! are the caller's.

use std::ffi::OsString;
use std::sync::OnceLock;

/// A variable that cms reads.
#[derive(Debug)]
#[non_exhaustive]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Other names of it, which count if it is not set itself.
    pub aliases: &'static [&'static str],
    /// What it is for.
    pub meaning: &'static str,
}

impl Variable {
    const fn new(name: &'static str, aliases: &'static [&'static str], meaning: &'static str) -> Self {
        Self { name, aliases, meaning }
    }

    /// Returns its name, and then its other names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

/// All variables that the library and the command read.
pub const VARIABLES: &[Variable] = &[
    Variable::new(
        "CMS_CONFIG_DIR",
        &["CONFIGSTORE_DIR", "CONFIGSTORE_PATH"],
        "the directory of the packages; default /etc/config",
    ),
    Variable::new(
        "CMS_SAVE_DIR",
        &[],
        "the directory of staged changes; default /tmp/.uci for root, /tmp/.uci-UID for others",
    ),
    Variable::new("CMS_RUN_DIR", &[], "the directory of locks and maps; default /run/cms"),
    Variable::new(
        "CMS_STATE_DIR",
        &["CONFIGSTORE_DB_PATH"],
        "the directory of the log and the snapshots; default /var/lib/cms",
    ),
    Variable::new(
        "CMS_SCHEMA_DIR",
        &[],
        "the directories of schemas with colons between, the most important last; default cms/schema in /usr/share, in /usr/local/share and in /etc",
    ),
    Variable::new("CMS_LOG_SIZE", &[], "how much of the log is kept: 512k, 16M; default 4M"),
    Variable::new(
        "CMS_DURABILITY",
        &[],
        "what a commit survives: full, log or none, and PACKAGE=LEVEL for single packages, with commas between",
    ),
    Variable::new("CMS_SAFE_MODE", &["CONFIGSTORE_SAFE_MODE"], "1: nothing is staged or committed"),
    Variable::new("CMS_VERBOSE", &["CONFIGSTORE_VERBOSE"], "1: as --verbose"),
    Variable::new("RUST_LOG", &[], "debug or trace: as --verbose"),
    Variable::new("CMS_LOG_FILE", &[], "as --log-file"),
    Variable::new(
        "CMS_VERIFYING",
        &[],
        "set for the programs of a verifier: the process that waits for the answer",
    ),
    Variable::new("XDG_RUNTIME_DIR", &[], "where a user other than root has locks and maps, in cms"),
    Variable::new("XDG_STATE_HOME", &[], "where a user other than root has the log, in cms"),
    Variable::new("HOME", &[], "the directory of .local/state, if XDG_STATE_HOME is not set"),
    Variable::new("VISUAL", &[], "the editor of cms edit, before EDITOR"),
    Variable::new("EDITOR", &[], "the editor of cms edit"),
    Variable::new("TMPDIR", &[], "where cms edit has its copy; default /tmp"),
    Variable::new("PATH", &[], "where the guard of a commit finds the command cms"),
    Variable::new(
        "LC_ALL",
        &[],
        "the language of messages, before LC_MESSAGES and LANG; de_*.UTF-8 is German",
    ),
    Variable::new("LC_MESSAGES", &[], "the same, before LANG"),
    Variable::new("LANG", &[], "the same"),
    Variable::new("NO_COLOR", &[], "if it is set, output has no colour"),
    Variable::new("TERM", &[], "dumb: output has no colour"),
    Variable::new("CMS_PAGER", &["PAGER"], "the pager on a terminal (default less); empty or cat: none"),
    Variable::new("TZ", &[], "the time zone of times that are printed and read, outside of JSON"),
    Variable::new("POSIXLY_CORRECT", &[], "cms uci: options end at the first argument"),
];

/// Returns a variable that is set and not empty, by its name or one of its other names.
///
/// In a program that was started with more rights than its caller has (setuid, setgid, file capabilities) all
/// variables count as not set: otherwise the caller could choose the files that the program reads and writes. The
/// kernel marks such programs (`AT_SECURE`).
#[must_use]
pub fn variable(name: &str) -> Option<OsString> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let others =
        || VARIABLES.iter().find(|variable| variable.name == name)?.aliases.iter().find_map(|name| set(name));
    let value = set(name).or_else(others)?;
    (!is_privileged()).then_some(value)
}

/// Reports whether the program was started with more rights than its caller has.
fn is_privileged() -> bool {
    // The kernel decides this once, when a program is started.
    static SECURE: OnceLock<Option<bool>> = OnceLock::new();
    SECURE
        .get_or_init(|| secure_flag(&std::fs::read("/proc/self/auxv").ok()?))
        .unwrap_or_else(may_be_privileged)
}

/// Returns the entry `AT_SECURE` of the auxiliary vector, which is pairs of words.
fn secure_flag(vector: &[u8]) -> Option<bool> {
    const AT_SECURE: usize = 23;
    const WORD: usize = size_of::<usize>();
    let word = |bytes: &[u8]| bytes.try_into().map(usize::from_ne_bytes).unwrap_or_default();
    let mut entries = vector.chunks_exact(2 * WORD);
    let entry = entries.find(|entry| word(&entry[..WORD]) == AT_SECURE)?;
    Some(word(&entry[WORD..]) != 0)
}

/// Decides without the auxiliary vector, which needs `/proc`, and which a program that has changed its user may not
/// read: a process is privileged if it has more than one user or group, or capabilities without being root.
fn may_be_privileged() -> bool {
    use rustix::process::{DumpableBehavior, dumpable_behavior, getegid, geteuid, getgid, getuid};
    if getuid() != geteuid() || getgid() != getegid() {
        return true;
    }
    let has_capabilities = || {
        let sets = rustix::thread::capabilities(None);
        sets.map_or(true, |sets| !sets.permitted.is_empty())
    };
    if !geteuid().is_root() && has_capabilities() {
        return true;
    }
    match std::fs::read_to_string("/proc/self/status") {
        // The ids are: real, effective, saved, and that of the file system.
        Ok(status) => ["Uid:", "Gid:"].iter().any(|name| {
            let ids = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("? !");
            let mut ids = ids.split_ascii_whitespace();
            let first = ids.next();
            ids.any(|id| Some(id) != first)
        }),
        Err(_) => dumpable_behavior().ok() != Some(DumpableBehavior::Dumpable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(entries: &[(usize, usize)]) -> Vec<u8> {
        entries.iter().flat_map(|(kind, value)| [kind.to_ne_bytes(), value.to_ne_bytes()].concat()).collect()
    }

    #[test]
    fn the_flag_is_found_in_the_vector() {
        assert_eq!(secure_flag(&vector(&[(6, 4096), (23, 0), (0, 0)])), Some(false));
        assert_eq!(secure_flag(&vector(&[(6, 23), (23, 1), (0, 0)])), Some(true));
        assert_eq!(secure_flag(&vector(&[(6, 23), (0, 0)])), None);
        assert_eq!(secure_flag(b"short"), None);
    }

    #[test]
    fn this_program_has_no_more_rights_than_its_caller() {
        assert!(!may_be_privileged());
        assert!(variable("PATH").is_some());
        assert_eq!(variable("CMS_NO_SUCH_VARIABLE"), None);
    }
}
