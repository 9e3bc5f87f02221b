//! The policy of a store: the section of type `store` in the package `cms` of its configuration directory. It binds
//! every program that uses the store, whatever the language (see `settings` for the settings that a program may
//! override).
//!
//! ```text
//! config store 'store'
//!         option safe_mode '0'
//!         option durability 'full,leases=log'
//!         option log_size '16M'
//!         option snapshots_keep '8'
//!         option verify_timeout '5s'
//!         option text_delay '1s'
//!         option lock_timeout '10s'
//!         option file_mode '0600'
//!
//! config secret
//!         list key 'app.*.token'
//! ```
//!
//! Sections of type `secret` mark values as secret: see `secret`.
//!
//! The file is used only if root or the owner of the directory owns it, and no other user may write it. If it cannot
//! be read, or has errors, the last good policy stays: the one that this process has read before, else the newest
//! readable text in the log. A wrong value is reported with its file and line, and the default is used in its place.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::bytes;
use crate::error::{Error, Result};
use crate::format::uci::{Dialect, ParseOptions, parse};
use crate::model::convert as typed;
use crate::model::package::{Package, Section, Value};
use crate::os::clock;
use crate::secret::KeyPattern;
use crate::settings::durability::Levels;

/// The package that holds it.
pub(crate) const PACKAGE: &str = "cms";

/// The type of the section.
const SECTION: &[u8] = b"store";

/// The type of the sections that mark values as secret.
const SECRET: &[u8] = b"secret";

/// The maximum length of a policy file, in bytes.
const LONGEST: u64 = 1 << 20;

/// A value of the policy, and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PolicyValue<T> {
    pub value: T,
    pub line: u32,
}

/// The values of the section; `None` for each option that it does not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    pub safe_mode: Option<PolicyValue<bool>>,
    pub durability: Option<PolicyValue<Levels>>,
    pub log_size: Option<PolicyValue<u64>>,
    pub snapshots_keep: Option<PolicyValue<u64>>,
    pub verify_timeout: Option<PolicyValue<Duration>>,
    pub text_delay: Option<PolicyValue<Duration>>,
    pub lock_timeout: Option<PolicyValue<Duration>>,
    pub file_mode: Option<PolicyValue<u32>>,
    /// The keys whose values are secret: the sections of type `secret`.
    pub secrets: Vec<KeyPattern>,
    /// The problems of the policy, each with file and line.
    pub problems: Vec<String>,
}

const UNKNOWN: &str = "there is no such option";

impl Policy {
    /// Parses the text of the package.
    ///
    /// # Errors
    ///
    /// [`Error::Parse`] if it has errors.
    pub fn parse(path: &Path, text: Vec<u8>) -> Result<Self> {
        let options = ParseOptions { dialect: Dialect::Cms, strict: true, progress: None };
        let package = match parse(PACKAGE.as_bytes(), Arc::new(text), &options) {
            Err(Error::Parse(error)) => return Err(error.in_file(path).into()),
            parsed => parsed?.package,
        };
        let mut policy = Self::default();
        package.sections_of_type(SECRET).for_each(|section| policy.mark(path, &package, section));
        let mut sections = package.sections_of_type(SECTION);
        let Some(section) = sections.next() else { return Ok(policy) };
        if let Some(second) = sections.next() {
            let (name, other) = (show(section.name()), show(second.name()));
            policy.problems.push(format!(
                "{}: section {other} is the second of type store; only the first, {name}, counts",
                path.display()
            ));
        }
        for option in section.options() {
            let line = line_of(&package, section, option.name());
            let set = policy.set(option.name(), option.value(), line);
            if let Err(why) = set {
                let (path, name) = (path.display(), show(option.name()));
                let instead = if why == UNKNOWN { "" } else { "; the default is used" };
                policy.problems.push(format!("{path}:{line}: {name}: {why}{instead}"));
            }
        }
        Ok(policy)
    }

    /// Takes the marks of a section of type `secret`.
    fn mark(&mut self, path: &Path, package: &Package, section: Section<'_>) {
        for option in section.options() {
            let problem = |why: String| {
                let (path, line) = (path.display(), line_of(package, section, option.name()));
                format!("{path}:{line}: {}: {why}", show(option.name()))
            };
            if option.name() != b"key" {
                self.problems.push(problem(UNKNOWN.to_owned()));
                continue;
            }
            for item in option.value().items() {
                match KeyPattern::parse(&show(item)) {
                    Ok(pattern) => self.secrets.push(pattern),
                    Err(error) => self.problems.push(problem(error.to_string())),
                }
            }
        }
    }

    /// Sets one option of the section.
    fn set(&mut self, name: &[u8], value: Value<'_>, line: u32) -> std::result::Result<(), String> {
        let items: Vec<&[u8]> = value.items().collect();
        // Levels may be a list, one item for each package.
        let text = items.join(&b',');
        if items.len() != 1 && name != b"durability" {
            return Err("expected one value, not a list".to_owned());
        }
        let wrong = |what: &str| format!("'{}' is not a {what}", show(&text));
        let boolean = || typed::boolean(&text).map_err(|_| wrong("truth value: 1 or 0"));
        let span = || clock::parse_span(&show(&text)).ok_or_else(|| wrong("time: 500ms, 5s, 2m for example"));
        match name {
            b"safe_mode" => self.safe_mode = Some(PolicyValue { value: boolean()?, line }),
            b"durability" => {
                let levels = Levels::parse(&show(&text)).map_err(|error| error.to_string())?;
                self.durability = Some(PolicyValue { value: levels, line });
            }
            b"log_size" => {
                let value = typed::size(&text).map_err(|_| wrong("size: 512k, 16M for example"))?;
                self.log_size = Some(PolicyValue { value, line });
            }
            b"snapshots_keep" => {
                let value = show(&text).parse().map_err(|_| wrong("number of snapshots"))?;
                self.snapshots_keep = Some(PolicyValue { value, line });
            }
            b"verify_timeout" => self.verify_timeout = Some(PolicyValue { value: span()?, line }),
            b"text_delay" => self.text_delay = Some(PolicyValue { value: span()?, line }),
            b"lock_timeout" => self.lock_timeout = Some(PolicyValue { value: span()?, line }),
            b"file_mode" => {
                let value = file_mode(&text).ok_or_else(|| wrong(FILE_MODE))?;
                self.file_mode = Some(PolicyValue { value, line });
            }
            _ => return Err(UNKNOWN.to_owned()),
        }
        Ok(())
    }
}

fn show(bytes: &[u8]) -> String {
    crate::error::shown::name(bytes)
}

const FILE_MODE: &str = "mode of a package file: 0600, 0640, 0644, 0660 or 0664";

/// Reads the mode of new package files. The owner may always read and write them; no other user than those of the group
/// may write, and no one executes.
fn file_mode(text: &[u8]) -> Option<u32> {
    let digits = text.len() <= 4 && text.iter().all(u8::is_ascii_digit);
    let mode = u32::from_str_radix(std::str::from_utf8(text).ok().filter(|_| digits)?, 8).ok()?;
    (mode & 0o600 == 0o600 && mode & !0o664 == 0).then_some(mode)
}

/// Returns the line of an option; 1 if the option is written in an unusual way.
fn line_of(package: &Package, section: Section<'_>, option: &[u8]) -> u32 {
    let source = package.source();
    let at = match package.value_text(section.name(), option) {
        Some((name, _)) => name.start,
        // A list: its first line names it.
        None => bytes::find_text(option, source).unwrap_or(0),
    };
    u32::try_from(bytes::count(b'\n', &source[..at]) + 1).unwrap_or(u32::MAX)
}

/// The identity, times and owner of a file when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    file: (u64, u64, u64),
    times: [i64; 4],
    owner: (u32, u32),
}

impl Seen {
    fn of(found: &Metadata) -> Self {
        Self {
            file: (found.dev(), found.ino(), found.len()),
            times: [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()],
            owner: (found.uid(), found.mode()),
        }
    }

    /// Reads the attributes of a file; `None` if it does not exist.
    pub fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().map(Self::of)
    }

    /// Reports whether another write would change the times of the file. Directly after a write it may not, since the
    /// clock of the file system has a coarse resolution.
    pub fn is_settled(&self) -> bool {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::from_secs(self.times[2].unsigned_abs())
            + Duration::from_nanos(self.times[3].unsigned_abs());
        now.saturating_sub(changed) > Duration::from_millis(50)
    }
}

/// The result of reading a policy file.
pub(crate) enum Read {
    /// There is none.
    None,
    /// The file is ignored, since untrusted users may have written it; with the reason.
    Untrusted(String),
    /// The file cannot be read, or has errors.
    Broken(String),
    Good(Box<Policy>),
}

/// Reads the policy file of a configuration directory.
pub(crate) fn read(files: &crate::os::files::Files, dir: &Path) -> (PathBuf, Option<Seen>, Read) {
    let path = dir.join(PACKAGE);
    let seen = Seen::at(&path);
    if seen.is_none() {
        return (path, None, Read::None);
    }
    let read = || -> std::result::Result<Box<Policy>, Read> {
        let cannot =
            |error: std::io::Error| Read::Broken(format!("{} can't be read: {error}", path.display()));
        let open = files.open_package(&path).map_err(cannot)?;
        let found = open.file.metadata().map_err(cannot)?;
        let owner = std::fs::metadata(dir).map_err(cannot)?.uid();
        let untrusted = |why| Read::Untrusted(format!("{} is ignored: {why}", path.display()));
        check(&found, owner).map_err(untrusted)?;
        let text = files.read(&open).map_err(cannot)?;
        Policy::parse(&path, text).map(Box::new).map_err(|error| Read::Broken(error.to_string()))
    };
    let read = read().map_or_else(|bad| bad, Read::Good);
    (path, seen, read)
}

/// Checks the owner, mode and size of the policy file.
fn check(found: &Metadata, owner: u32) -> std::result::Result<(), String> {
    if found.uid() != 0 && found.uid() != owner {
        let other = found.uid();
        return Err(format!("it belongs to user {other}, neither root nor the owner of the directory"));
    }
    if found.mode() & 0o022 != 0 {
        return Err(format!("users other than its owner may write it (mode {:o})", found.mode() & 0o7777));
    }
    if found.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::durability::Durability;

    fn policy(text: &str) -> Policy {
        Policy::parse(Path::new("/c/cms"), text.as_bytes().to_vec()).expect("no errors")
    }

    #[test]
    fn each_option_is_read_with_its_line() {
        let policy = policy(
            "# of the house\nconfig store 'store'\n\toption safe_mode 'on'\n\toption log_size '16M'\n\
             \tlist durability 'log'\n\tlist durability 'network=full'\n\toption verify_timeout '500ms'\n\
             \toption text_delay '2'\n\toption lock_timeout '1m'\n\toption snapshots_keep '3'\n\
             \toption file_mode '0640'\n",
        );
        assert_eq!(policy.problems, [""; 0]);
        assert_eq!(policy.file_mode, Some(PolicyValue { value: 0o640, line: 11 }));
        assert_eq!(policy.safe_mode, Some(PolicyValue { value: true, line: 3 }));
        assert_eq!(policy.log_size, Some(PolicyValue { value: 16 << 20, line: 4 }));
        let levels = policy.durability.expect("said");
        assert_eq!((levels.line, levels.value.general), (5, Some(Durability::Log)));
        assert_eq!(levels.value.packages["network"], Durability::Full);
        assert_eq!(policy.verify_timeout, Some(PolicyValue { value: Duration::from_millis(500), line: 7 }));
        assert_eq!(policy.text_delay, Some(PolicyValue { value: Duration::from_secs(2), line: 8 }));
        assert_eq!(policy.lock_timeout, Some(PolicyValue { value: Duration::from_secs(60), line: 9 }));
        assert_eq!(policy.snapshots_keep, Some(PolicyValue { value: 3, line: 10 }));
    }

    #[test]
    fn a_file_mode_lets_the_owner_read_and_write_and_strangers_never_write() {
        for (text, wanted) in [("0600", 0o600), ("640", 0o640), ("0664", 0o664), ("0604", 0o604)] {
            assert_eq!(file_mode(text.as_bytes()), Some(wanted), "{text}");
        }
        for text in ["", "0", "0400", "0666", "0700", "0755", "4644", "00600", "+600", "0x180", "0680", "rw"]
        {
            assert_eq!(file_mode(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_the_rest_counts() {
        let policy = policy(
            "config store\n\toption safe_mode 'maybe'\n\toption log_size 'much'\n\tlist text_delay '1s'\n\
             \tlist text_delay '2s'\n\toption durability 'half'\n\toption colour 'red'\n\toption snapshots_keep '-1'\n\
             \toption lock_timeout '3s'\n\toption file_mode '0777'\nconfig store 'other'\n\toption safe_mode '1'\n",
        );
        assert_eq!(policy.safe_mode, None);
        assert_eq!(policy.lock_timeout, Some(PolicyValue { value: Duration::from_secs(3), line: 9 }));
        let wanted = [
            "of type store",
            "/c/cms:2: safe_mode: 'maybe'",
            "/c/cms:3: log_size: 'much'",
            "/c/cms:4: text_delay: expected one value",
            "/c/cms:6: durability:",
            "/c/cms:7: colour: there is no such option",
            "/c/cms:8: snapshots_keep: '-1'",
            "/c/cms:10: file_mode: '0777' is not a mode of a package file",
        ];
        assert_eq!(policy.problems.len(), wanted.len(), "{:?}", policy.problems);
        for (problem, wanted) in policy.problems.iter().zip(wanted) {
            assert!(problem.contains(wanted), "{problem}: {wanted}");
        }
    }
}
