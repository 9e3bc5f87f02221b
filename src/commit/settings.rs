//! The settings of an engine: the policy is read when it is first needed, and again when its file has changed.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::commit::logs::Logs;
use crate::commit::warnings::Warnings;
use crate::error::{Error, Result};
use crate::model::package::Key;
use crate::settings::options::Options;
use crate::settings::policy::{PACKAGE, Policy, Read, Seen};
use crate::settings::resolved::{Setting, SettingOrigin, Settings};

/// The policy that was read, and the settings that it results in.
#[derive(Debug, Clone)]
struct State {
    seen: Option<Seen>,
    is_settled: bool,
    /// The last good policy.
    policy: Policy,
    settings: Arc<Settings>,
}

/// Reads the settings, which merge the policy, the environment and the options.
#[derive(Debug)]
pub(crate) struct SettingsReader {
    options: Arc<Options>,
    logs: Arc<Logs>,
    warnings: Arc<Warnings>,
    state: Mutex<Option<State>>,
}

/// Returns the policy to use if its file cannot be used: the last good one, with that problem added.
fn stay(why: &str, last: Option<Policy>) -> Policy {
    let what = if last.is_some() { "the last good policy stays" } else { "there is no policy" };
    Policy { problems: vec![format!("{why}; {what}")], ..last.unwrap_or_default() }
}

impl SettingsReader {
    /// Makes the reader of an engine. Nothing is read yet.
    pub fn new(options: Arc<Options>, logs: Arc<Logs>, warnings: Arc<Warnings>) -> Self {
        Self { options, logs, warnings, state: Mutex::default() }
    }

    /// Returns the settings. The policy is read at the first call, and again when its file has changed and something is
    /// committed.
    pub fn get(&self) -> Arc<Settings> {
        let known = self.state().as_ref().map(|state| state.settings.clone());
        known.unwrap_or_else(|| self.read_settings(None))
    }

    /// Returns the settings, and reads the policy again if its file has changed since it was read.
    pub fn now(&self) -> Arc<Settings> {
        let path = self.options.dirs.config.path.join(PACKAGE);
        let is_current = |state: &State| state.is_settled && state.seen == Seen::at(&path);
        let (known, last) = match &*self.state() {
            Some(state) if is_current(state) => return state.settings.clone(),
            Some(state) => (true, state.policy.clone()),
            None => (false, Policy::default()),
        };
        self.read_settings(Some(&last).filter(|_| known))
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the policy, and keeps the resulting settings. The state is not locked meanwhile: the log may have to be read.
    fn read_settings(&self, last: Option<&Policy>) -> Arc<Settings> {
        let state = self.read_policy(last);
        let settings = state.settings.clone();
        *self.state() = Some(state);
        settings.problems.iter().for_each(|problem| self.warnings.warn(problem));
        settings
    }

    /// Fails in safe mode.
    ///
    /// # Errors
    ///
    /// [`Error::SafeMode`].
    pub fn check_may_write(&self) -> Result<()> {
        if !self.get().safe_mode {
            return Ok(());
        }
        // Safe mode may have been turned off since.
        let settings = self.now();
        if !settings.safe_mode {
            return Ok(());
        }
        let origin = match settings.origin(Setting::SafeMode) {
            SettingOrigin::Environment(variable) => format!("{variable}=1"),
            origin => origin.to_string(),
        };
        Err(Error::SafeMode { origin })
    }

    /// Makes a reader whose settings have the highest durability, to complete the commits of other programs.
    pub fn fully_durable(&self) -> Self {
        let known = self.state().clone();
        let state = known.unwrap_or_else(|| self.read_policy(None));
        let settings = Arc::new(state.settings.fully_durable());
        Self {
            state: Mutex::new(Some(State { settings, ..state })),
            ..Self::new(self.options.clone(), self.logs.clone(), self.warnings.clone())
        }
    }

    /// Reads the policy. `last` is the last good policy, which stays if the file cannot be read now.
    fn read_policy(&self, last: Option<&Policy>) -> State {
        let config = &self.options.dirs.config.path;
        let (path, seen, read) = crate::settings::policy::read(&self.options.files, config);
        let policy = match read {
            Read::None => Policy::default(),
            Read::Good(policy) => *policy,
            // The log is not searched: it may hold more texts of untrusted users.
            Read::Untrusted(why) => stay(&why, last.cloned()),
            Read::Broken(why) => stay(&why, last.cloned().or_else(|| self.policy_of_log(&path))),
        };
        let owner = std::fs::metadata(config).map(|found| found.uid());
        let is_owner = owner.is_ok_and(|owner| owner == rustix::process::geteuid().as_raw());
        let settings = Arc::new(self.options.settings(path, is_owner, &policy));
        let is_settled = seen.is_none_or(|seen| seen.is_settled());
        State { seen, is_settled, policy, settings }
    }

    /// Returns the newest readable policy in the log that root or the owner of the directory has committed.
    fn policy_of_log(&self, path: &Path) -> Option<Policy> {
        let owner = std::fs::metadata(&self.options.dirs.config.path).ok()?.uid();
        let past = self.logs.past().ok()?;
        let changes = past.changes(Some(&Key::parse(PACKAGE.as_bytes()).ok()?), None, usize::MAX).ok()?;
        self.warnings.warn_of_damage(&self.logs.damage());
        let trusted = changes.iter().filter(|record| record.uid == 0 || record.uid == owner);
        let mut texts = trusted.filter_map(|record| past.text_at(PACKAGE, record.sequence).ok().flatten());
        texts.find_map(|text| Policy::parse(path, text).ok())
    }
}
