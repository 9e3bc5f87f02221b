//! One package's part in a commit, and the result of putting parts in place.

use std::sync::Arc;

use crate::commit::draft::Draft;
use crate::commit::log_session::Entry;
use crate::commit::place::Place;
use crate::commit::transition::Transition;
use crate::error::{Error, Result};
use crate::model::package::Package;
use crate::settings::options::Options;

/// How often a commit starts again because another program has saved the file, before it gives up.
pub(crate) const ATTEMPTS: u32 = 20;

/// How a package is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Form {
    /// By changing only the lines concerned of the present text.
    #[default]
    Lossless,
    /// As stock uci writes it: canonical, without comments.
    Canonical,
    /// Canonical, with the generated names of anonymous sections.
    CanonicalNamed,
}

impl Form {
    /// Returns the text a package is written as.
    ///
    /// # Errors
    ///
    /// As for [`crate::format::Format::rewrite`], in [`Form::Lossless`].
    pub fn text(self, package: &Package, options: &Options) -> Result<Vec<u8>> {
        match self {
            Self::Lossless => options.format_of(package.format()).render(package, &options.parse_options()),
            Self::Canonical => Ok(options.format_of(package.format()).print(package, false)),
            Self::CanonicalNamed => Ok(options.format_of(package.format()).print(package, true)),
        }
    }
}

/// One package's part in a commit: the text before, the text after, and the draft of the file.
pub(crate) struct Part<'p> {
    pub place: &'p Place,
    pub before: Option<Arc<Vec<u8>>>,
    /// The transition from the text before to the text after, if it is known.
    pub step: Option<Transition>,
    pub text: Arc<Vec<u8>>,
    pub draft: Draft,
}

impl Part<'_> {
    /// Returns its entry for the log.
    pub fn entry(&self) -> Entry<'_> {
        Entry {
            place: self.place,
            before: self.before.as_ref(),
            after: &self.text,
            deletes: self.draft.removes(),
            step: self.step.as_ref(),
        }
    }
}

/// The text of a package that a whole text may replace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Anything,
    /// There must be no file.
    Nothing,
    Text(Vec<u8>),
}

impl Expected {
    /// Expects the package to be as it was: with this text, or without a file.
    pub fn of(text: Option<&[u8]>) -> Self {
        text.map_or(Self::Nothing, |text| Self::Text(text.to_vec()))
    }

    /// Reports whether this text may be replaced.
    pub fn allows(&self, there: Option<&[u8]>) -> bool {
        match self {
            Self::Anything => true,
            Self::Nothing => there.is_none(),
            Self::Text(text) => there == Some(text),
        }
    }
}

/// A whole text that will be put in place.
pub(crate) struct WholeText {
    pub place: Place,
    /// The text that is expected in its place.
    pub expected: Expected,
    /// The new text; `None` deletes the package.
    pub text: Option<Arc<Vec<u8>>>,
}

/// The result of an attempt to put parts in place.
pub(crate) enum Placement<'p> {
    /// All parts are in place, as this revision: the transaction's number in the log; without a log, the round in which the
    /// maps show it, if there are maps.
    Done(Option<u64>),
    /// Another program has saved these files since they were read, and its save stays; the other parts are in place.
    /// [`crate::commit::log_session::LogSession::settled`] fails if those may not survive a power cut.
    Again(Vec<&'p Place>),
}

/// Makes the error that other programs have changed a file too often.
pub(crate) fn keeps_changing(name: &str) -> Error {
    let why = "the file kept changing while it was being written".to_owned();
    Error::Conflict { key: name.to_owned(), why }
}
