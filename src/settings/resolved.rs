//! The settings of a store, merged from its policy, the environment and the options of the program that opened it.
//!
//! The options of the program come before the environment. Both override the policy only if they are stricter (safe
//! mode on, more durable, a larger log, more snapshots, texts sooner), or if the user owns the configuration
//! directory. An option counts as given if the program has set it, even to its default. `verify_timeout` is always
//! that of the policy, if the policy has one. `lock_timeout` concerns only the program that waits, so the policy sets
//! no more than its default.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::log::Limits;
use crate::model::convert as typed;
use crate::os::environment;
use crate::secret::KeyPattern;
use crate::settings::durability::{Durability, Levels};
use crate::settings::options::Options;
use crate::settings::policy::{PACKAGE, Policy, PolicyValue};

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the option of that name in the section `store`")]
#[non_exhaustive]
pub enum Setting {
    SafeMode,
    Durability,
    LogSize,
    SnapshotsKeep,
    VerifyTimeout,
    TextDelay,
    LockTimeout,
    FileMode,
}

impl Setting {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::SafeMode,
        Self::Durability,
        Self::LogSize,
        Self::SnapshotsKeep,
        Self::VerifyTimeout,
        Self::TextDelay,
        Self::LockTimeout,
        Self::FileMode,
    ];

    /// Returns its name in the policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SafeMode => "safe_mode",
            Self::Durability => "durability",
            Self::LogSize => "log_size",
            Self::SnapshotsKeep => "snapshots_keep",
            Self::VerifyTimeout => "verify_timeout",
            Self::TextDelay => "text_delay",
            Self::LockTimeout => "lock_timeout",
            Self::FileMode => "file_mode",
        }
    }

    /// Returns the variable of the environment that sets it, if there is one.
    #[must_use]
    pub fn variable(self) -> Option<&'static str> {
        match self {
            Self::SafeMode => Some("CMS_SAFE_MODE"),
            Self::Durability => Some("CMS_DURABILITY"),
            Self::LogSize => Some("CMS_LOG_SIZE"),
            _ => None,
        }
    }
}

/// The origin of the value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingOrigin {
    /// It is the default.
    Default,
    /// The program that opened the store: an option of the library, or of the command line.
    Option,
    /// A variable of the environment.
    Environment(&'static str),
    /// The policy of the store.
    Policy {
        /// The file.
        file: PathBuf,
        /// The line.
        line: u32,
    },
}

impl std::fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Option => f.write_str("option"),
            Self::Environment(variable) => f.write_str(variable),
            Self::Policy { file, line } => write!(f, "{}:{line}", file.display()),
        }
    }
}

/// The settings of a store. The module documentation describes how they are merged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Whether all writes are refused.
    pub safe_mode: bool,
    /// The durability of commits.
    pub durability: Durability,
    /// The durability of commits to single packages, if it differs.
    pub package_durability: BTreeMap<String, Durability>,
    /// The limits of the log's size.
    pub log: Limits,
    /// The number of automatic snapshots to keep.
    pub snapshots_keep: u64,
    /// How long a commit waits for its verifiers.
    pub verify_timeout: Duration,
    /// How long the text of a package may be older than the log.
    pub text_delay: Duration,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
    /// The mode of the files of new packages.
    pub file_mode: u32,
    /// The origins of the values; a setting that is not listed has its default.
    origins: BTreeMap<Setting, SettingOrigin>,
    /// The keys whose values are secret.
    pub(crate) secrets: Arc<Vec<KeyPattern>>,
    /// The problems of the policy and of the environment.
    pub problems: Vec<String>,
}

impl Settings {
    /// Returns where the value of a setting comes from.
    #[must_use]
    pub fn origin(&self, setting: Setting) -> SettingOrigin {
        self.origins.get(&setting).cloned().unwrap_or(SettingOrigin::Default)
    }

    /// Returns the durability of commits to a package. The package that holds the policy always has [`Durability::Full`]:
    /// programs read the policy from its file.
    #[must_use]
    pub fn durability_of(&self, package: &str) -> Durability {
        if package == PACKAGE {
            return Durability::Full;
        }
        self.package_durability.get(package).copied().unwrap_or(self.durability)
    }

    /// Returns the value of a setting as the policy has it.
    #[must_use]
    pub fn text(&self, setting: Setting) -> String {
        match setting {
            Setting::SafeMode => if self.safe_mode { "on" } else { "off" }.to_owned(),
            Setting::Durability => {
                let single = self.package_durability.iter();
                let single = single.map(|(package, level)| format!("{package}={}", level.name()));
                [self.durability.name().to_owned()].into_iter().chain(single).collect::<Vec<_>>().join(",")
            }
            Setting::LogSize => size(self.log.bytes),
            Setting::SnapshotsKeep => self.snapshots_keep.to_string(),
            Setting::VerifyTimeout => span(self.verify_timeout),
            Setting::TextDelay => span(self.text_delay),
            Setting::LockTimeout => span(self.lock_timeout),
            Setting::FileMode => format!("{:04o}", self.file_mode),
        }
    }

    /// Returns the same settings with the highest durability for all packages.
    pub(crate) fn fully_durable(&self) -> Self {
        Self { durability: Durability::Full, package_durability: BTreeMap::new(), ..self.clone() }
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}M", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}k", bytes >> 10),
        _ => bytes.to_string(),
    }
}

fn span(span: Duration) -> String {
    if span.subsec_nanos() == 0 { format!("{}s", span.as_secs()) } else { format!("{}ms", span.as_millis()) }
}

/// The settings that the environment has.
#[derive(Debug, Default)]
struct Environment {
    safe_mode: Option<bool>,
    durability: Option<Levels>,
    log_size: Option<u64>,
}

impl Environment {
    /// Reads the variables, and adds the wrong ones to `problems`.
    fn read(problems: &mut Vec<Error>) -> Self {
        let mut found = Self::default();
        let mut wrong = |variable: &str, text: &[u8], why| {
            problems.push(Error::invalid(&[variable.as_bytes(), b"=", text].concat(), why));
        };
        let text = |setting: Setting| {
            let variable = setting.variable()?;
            Some((variable, environment::variable(variable)?.into_encoded_bytes()))
        };
        if let Some((variable, text)) = text(Setting::SafeMode) {
            // A value that cannot be parsed turns safe mode on: the user may have tried to.
            found.safe_mode = Some(typed::boolean(&text).unwrap_or_else(|_| {
                wrong(variable, &text, "expected 1 or 0; until then safe mode is on");
                true
            }));
        }
        if let Some((variable, text)) = text(Setting::Durability) {
            match Levels::parse(&String::from_utf8_lossy(&text)) {
                Ok(levels) => found.durability = Some(levels),
                Err(_) => wrong(variable, &text, crate::settings::durability::EXPECTED),
            }
        }
        if let Some((variable, text)) = text(Setting::LogSize) {
            match typed::size(&text) {
                Ok(size) => found.log_size = Some(size),
                Err(_) => wrong(variable, &text, "expected a size, such as 512k or 16M"),
            }
        }
        found
    }
}

/// Checks the variables of the environment that are settings.
///
/// # Errors
///
/// [`Error::Invalid`] for the first variable with a wrong value.
pub fn check_environment() -> Result<()> {
    let mut problems = Vec::new();
    Environment::read(&mut problems);
    problems.into_iter().next().map_or(Ok(()), Err)
}

/// A merge of the policy with the other settings.
struct Merge<'m> {
    file: PathBuf,
    /// Whether the user may override the policy.
    is_owner: bool,
    origins: &'m mut BTreeMap<Setting, SettingOrigin>,
}

impl Merge<'_> {
    /// Merges one setting. `asked` is the value that the program or the environment sets; `stricter` reports whether
    /// its first argument is at least as strict as the second.
    fn decide<T: Clone>(
        &mut self,
        setting: Setting,
        asked: Option<(T, SettingOrigin)>,
        ruled: Option<&PolicyValue<T>>,
        stricter: impl Fn(&T, &T) -> bool,
    ) -> Option<T> {
        let policy = ruled.map(|ruled| {
            let origin = SettingOrigin::Policy { file: self.file.clone(), line: ruled.line };
            (ruled.value.clone(), origin)
        });
        let (value, origin) = match (asked, policy) {
            (Some(asked), Some(policy)) => {
                if self.is_owner || stricter(&asked.0, &policy.0) && !stricter(&policy.0, &asked.0) {
                    asked
                } else {
                    policy
                }
            }
            (asked, policy) => asked.or(policy)?,
        };
        self.origins.insert(setting, origin);
        Some(value)
    }

    /// Merges the durability, in general and for each package that is named.
    fn durability(
        &mut self,
        asked: Option<&(Levels, SettingOrigin)>,
        ruled: Option<&PolicyValue<Levels>>,
    ) -> (Durability, BTreeMap<String, Durability>) {
        let names: BTreeSet<String> = [asked.map(|asked| &asked.0), ruled.map(|ruled| &ruled.value)]
            .into_iter()
            .flatten()
            .flat_map(|levels| levels.packages.keys().cloned())
            .collect();
        let mut decide = |package: Option<&str>| {
            let asked = asked.and_then(|(levels, origin)| Some((levels.of(package)?, origin.clone())));
            let level = ruled
                .and_then(|ruled| Some(PolicyValue { value: ruled.value.of(package)?, line: ruled.line }));
            self.decide(Setting::Durability, asked, level.as_ref(), |a, b| a.strictness() >= b.strictness())
                .unwrap_or_default()
        };
        let packages = names.into_iter().map(|name| (name.clone(), decide(Some(&name)))).collect();
        // The general level is merged last, so that its origin is the one that is shown.
        (decide(None), packages)
    }
}

/// Returns an option with its origin, if the program has given it.
fn given<T>(option: Option<T>) -> Option<(T, SettingOrigin)> {
    option.map(|value| (value, SettingOrigin::Option))
}

impl Options {
    /// Merges the policy, the environment and these options.
    pub(crate) fn settings(&self, file: PathBuf, is_owner: bool, policy: &Policy) -> Settings {
        let mut wrong = Vec::new();
        let environment = Environment::read(&mut wrong);
        let mut origins = BTreeMap::new();
        let from = |setting: Setting| SettingOrigin::Environment(setting.variable().unwrap_or_default());
        let mut merge = Merge { file, is_owner, origins: &mut origins };
        let asked = environment.safe_mode.map(|on| (on, from(Setting::SafeMode)));
        let safe_mode = merge.decide(Setting::SafeMode, asked, policy.safe_mode.as_ref(), |a, b| a >= b);
        let asked = given(Some(self.durability.clone()).filter(|levels| !levels.is_none()))
            .or_else(|| environment.durability.map(|levels| (levels, from(Setting::Durability))));
        let (durability, package_durability) = merge.durability(asked.as_ref(), policy.durability.as_ref());
        let asked =
            given(self.log_size).or_else(|| environment.log_size.map(|size| (size, from(Setting::LogSize))));
        let bytes = merge.decide(Setting::LogSize, asked, policy.log_size.as_ref(), |a, b| a >= b);
        let asked = given(self.snapshots_keep);
        let keep = merge.decide(Setting::SnapshotsKeep, asked, policy.snapshots_keep.as_ref(), |a, b| a >= b);
        let asked = given(self.text_delay);
        let text_delay = merge.decide(Setting::TextDelay, asked, policy.text_delay.as_ref(), |a, b| a <= b);
        let asked = given(self.verify_timeout).filter(|_| policy.verify_timeout.is_none());
        let verify =
            merge.decide(Setting::VerifyTimeout, asked, policy.verify_timeout.as_ref(), |_, _| false);
        let patience = crate::os::caller::default_patience();
        let asked = given(self.lock_timeout);
        // A command that runs for a verifier does not wait, unless the option is given.
        let ruled = policy.lock_timeout.as_ref().filter(|_| asked.is_none() && !patience.is_zero());
        let lock_timeout = merge.decide(Setting::LockTimeout, asked, ruled, |_, _| true);
        let file_mode = merge.decide(Setting::FileMode, None, policy.file_mode.as_ref(), |_, _| false);
        let problems = policy.problems.iter().cloned().chain(wrong.iter().map(Error::to_string)).collect();
        Settings {
            safe_mode: safe_mode.unwrap_or(false),
            durability,
            package_durability,
            log: Limits { bytes: bytes.unwrap_or(Limits::default().bytes), ..self.log_limits() },
            snapshots_keep: keep.unwrap_or(SNAPSHOTS_KEEP),
            verify_timeout: verify.unwrap_or(crate::os::caller::TIMEOUT),
            text_delay: text_delay.unwrap_or(TEXT_DELAY),
            lock_timeout: lock_timeout.unwrap_or(patience),
            file_mode: file_mode.unwrap_or(FILE_MODE),
            secrets: Arc::new(policy.secrets.clone()),
            origins,
            problems,
        }
    }
}

/// The default number of automatic snapshots to keep.
pub(crate) const SNAPSHOTS_KEEP: u64 = 8;

/// The default mode of the files of new packages: that of stock uci.
pub(crate) const FILE_MODE: u32 = 0o600;

/// The default time for which a text may be older than the log.
pub(crate) const TEXT_DELAY: Duration = Duration::from_secs(1);
