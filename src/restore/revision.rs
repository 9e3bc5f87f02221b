//! The names of states: a revision, a time, or a snapshot. There is one rule for all commands and interfaces:
//!
//! - digits are a revision, `-3` and `HEAD~3` are three transactions before the last, `now` and `HEAD` the last;
//! - `@{10 min ago}` is a time (see [`clock::parse`]);
//! - any other text is the label of a snapshot. `label:NAME` is a label even if NAME looks like one of the forms
//!   above; a new label must not.
//!
//! A snapshot names the texts that it holds. If the log was begun anew since, the revision that it was made at names
//! another state.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::error::not_found::Missing;
use crate::error::{Error, Result};
use crate::history::archive::Archive;
use crate::model::package::Package;
use crate::os::clock;
use crate::restore::archive::Archives;
use crate::restore::history::History;

/// The prefix that marks a name as a label, even if it looks like a revision.
const LABEL: &str = "label:";

/// A state of all packages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a state is in the log or in an archive")]
pub enum State {
    /// The state after a transaction.
    Revision(u64),
    /// The texts of a snapshot.
    Snapshot(Box<Archive>),
}

impl State {
    /// Returns the revision; for a snapshot, the revision it was made at.
    #[must_use]
    pub fn revision(&self) -> u64 {
        match self {
            Self::Revision(revision) => *revision,
            Self::Snapshot(archive) => archive.info.revision,
        }
    }

    /// Returns its name for people.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Revision(revision) => revision.to_string(),
            Self::Snapshot(archive) => archive.info.label.clone(),
        }
    }
}

/// Reports whether a text names a revision, even if there is a snapshot with that label.
pub(crate) fn is_revision(spec: &str) -> bool {
    let digits = !spec.is_empty() && spec.bytes().all(|byte| byte.is_ascii_digit());
    let named = matches!(spec, "now" | "HEAD") || spec.starts_with("HEAD~");
    digits || named || spec.starts_with('-') || spec.starts_with("@{") || spec.starts_with(LABEL)
}

/// Strips the prefix `label:` from a name.
pub(crate) fn label(spec: &str) -> &str {
    spec.strip_prefix(LABEL).unwrap_or(spec)
}

/// Returns the name of the snapshot with a label.
#[must_use]
pub fn name_of_label(label: &str) -> String {
    if is_revision(label) { format!("{LABEL}{label}") } else { label.to_owned() }
}

fn missing(spec: &str, why: &str) -> Error {
    Missing::Revision { spec: spec.to_owned(), why: why.to_owned() }.into()
}

impl History<'_> {
    /// Finds a state: a number, `-3` (three transactions before the last), `now`, a time in braces such as
    /// `@{10 min ago}`, or a snapshot by its label. A number is always a revision; `label:5` is a snapshot.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no such state, or it is older than the log; [`Error::Invalid`] if the time cannot be
    /// parsed.
    pub fn resolve(&self, spec: &str) -> Result<State> {
        let too_far = || missing(spec, "the log does not go back that far");
        if !is_revision(spec) || spec.starts_with(LABEL) {
            let found = Archives::of(self.core).labelled(spec).map_err(|error| match error {
                Error::Missing(Missing::Snapshot(_)) | Error::Invalid { .. } => {
                    missing(spec, "it is neither a revision nor the label of a snapshot")
                }
                error => error,
            });
            return found.map(Box::new).map(State::Snapshot);
        }
        let last = self.revision()?;
        if spec == "now" || spec == "HEAD" {
            return Ok(State::Revision(last));
        }
        if let Some(back) = spec.strip_prefix("HEAD~").or_else(|| spec.strip_prefix('-')) {
            let no_number = |_| missing(spec, "expected a number after '-', as in -3");
            let back: usize = back.parse().map_err(no_number)?;
            let found = self.changes(None, back.saturating_add(1))?;
            return found.get(back).map(|record| State::Revision(record.sequence)).ok_or_else(too_far);
        }
        if let Some(time) = spec.strip_prefix("@{").and_then(|spec| spec.strip_suffix('}')) {
            let time = clock::parse(time, self.core.now()).ok_or(Error::Invalid {
                what: spec.to_owned(),
                why: "not a time; expected '10 min ago', '2026-11-21 08:02' or 'now'",
            })?;
            let found = self.each_transaction(|record| {
                let found = record.time <= time;
                Ok(if found { ControlFlow::Break(record.sequence) } else { ControlFlow::Continue(()) })
            })?;
            return found.map(State::Revision).ok_or_else(too_far);
        }
        let number = spec.parse().ok().filter(|revision| *revision <= last);
        number.map(State::Revision).ok_or_else(|| missing(spec, &format!("the last revision is {last}")))
    }

    /// Finds the revision of a state as [`crate::History::resolve`] does. A snapshot has a revision as long as the log has
    /// its texts at that revision.
    ///
    /// # Errors
    ///
    /// As for [`crate::History::resolve`]; [`Error::Missing`] if the log was begun anew since a snapshot was made.
    pub fn find_revision(&self, spec: &str) -> Result<u64> {
        let state = self.resolve(spec)?;
        if let State::Snapshot(archive) = &state {
            let revision = archive.info.revision;
            let is_same = |(name, text): (&String, &Vec<u8>)| {
                self.text_at(name, revision).is_ok_and(|found| found.as_ref() == Some(text))
            };
            if !archive.packages.iter().all(is_same) {
                let why = format!(
                    "the snapshot was made at revision {revision} of an earlier log; the log was begun anew since"
                );
                return Err(missing(spec, &why));
            }
        }
        Ok(state.revision())
    }

    /// Returns the text of a package in a state; `Ok(None)` if there is no such package in it.
    ///
    /// # Errors
    ///
    /// As for [`crate::History::text_at`].
    pub fn text_in(&self, package: &str, state: &State) -> Result<Option<Vec<u8>>> {
        match state {
            State::Revision(revision) => self.text_at(package, *revision),
            State::Snapshot(archive) => Ok(archive.packages.get(package).cloned()),
        }
    }

    /// Returns a package in a state; `Ok(None)` if there is no such package in it.
    ///
    /// # Errors
    ///
    /// As for [`crate::History::text_at`]; [`Error::Parse`] if its text had errors.
    pub fn package_in(&self, package: &str, state: &State) -> Result<Option<Package>> {
        let Some(text) = self.text_in(package, state)? else { return Ok(None) };
        self.core
            .packages
            .parse(&self.core.packages.in_config(package), text)
            .map(|(package, _)| Some(package))
    }

    /// Lists the packages that may differ between two states, sorted by name.
    ///
    /// # Errors
    ///
    /// As for [`crate::History::each_transaction`].
    pub fn changed_between(&self, old: &State, new: &State) -> Result<Vec<String>> {
        let (State::Revision(old_revision), State::Revision(new_revision)) = (old, new) else {
            let mut names: BTreeSet<String> = self.changed_since(0)?.into_iter().collect();
            names.extend(self.core.packages.list()?);
            for state in [old, new] {
                if let State::Snapshot(archive) = state {
                    names.extend(archive.packages.keys().cloned());
                }
            }
            return Ok(names.into_iter().collect());
        };
        self.changed_since(*old_revision.min(new_revision))
    }

    /// Reports whether the log has a record of a package.
    fn is_in_log(&self, name: &str) -> Result<bool> {
        let found = self.core.logs.require()?.each_back(|record| {
            let found = record.package(name).is_some();
            Ok(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found.is_some())
    }

    /// Refuses names of packages that have no file, no record in the log and no text in `state`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for the first such name.
    pub fn check_packages(&self, names: &[String], state: &State) -> Result<()> {
        for name in names {
            let is_there = self.core.packages.find(name.as_bytes()).is_ok()
                || matches!(state, State::Snapshot(archive) if archive.packages.contains_key(name))
                || self.is_in_log(name)?;
            if !is_there || name.is_empty() {
                return Err(Error::NotFound { key: name.clone() });
            }
        }
        Ok(())
    }
}
