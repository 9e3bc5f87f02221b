//! The second step of a commit: it locks the packages, completes earlier commits to them that a crash has
//! interrupted, and reads them. See `pipeline` for the other steps.
//!
//! Lock order: the log's lock (held by the [`LogSession`]), the locks of the packages ([`Opened::of`]), then the lock
//! of each package file, which is taken when the file is read and kept by its [`OldFile`] until the file is replaced.
//! Except for the log's lock, a lock that is taken is not waited for: see `retry`.

use std::sync::Arc;

use crate::commit::draft::{self, OldFile, Present, Reading};
use crate::commit::log_session::LogSession;
use crate::commit::parsed_text::{ParsedText, absent};
use crate::commit::part::{ATTEMPTS, keeps_changing};
use crate::commit::place::Place;
use crate::commit::tidy_up::tidy_up;
use crate::error::{Error, Result};
use crate::os::lock::PackageLock;
use crate::os::patience::Patience;

/// The packages of one commit. The log's lock and the locks of the packages are held, no text is behind another log, and
/// earlier commits that a crash has interrupted are completed. Dropping it releases the locks of the packages.
///
/// Only `deferred::commit_later` takes these locks in another way: the texts of its packages may be behind our own log.
pub(crate) struct Opened<'s, 'e> {
    pub session: &'s mut LogSession<'e>,
    _locks: Vec<PackageLock>,
}

/// A package as it was read for a commit, and its file; without a file, the commit creates the package.
pub(crate) struct Found {
    pub file: Option<OldFile>,
    pub known: Arc<ParsedText>,
}

impl<'s, 'e> Opened<'s, 'e> {
    /// Locks packages, and completes earlier commits to them that a crash has interrupted.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if a lock is taken or a text is behind another log; `retry` handles it.
    pub fn of<'p>(
        session: &'s mut LogSession<'e>,
        places: impl IntoIterator<Item = &'p Place> + Clone,
    ) -> Result<Self> {
        let locks = session.lock_all(places.clone().into_iter().map(|place| &*place.path))?;
        tidy_up(session.core, places)?;
        Ok(Self { session, _locks: locks })
    }

    /// Calls `once` until it returns a result; `once` returns `None` if another program has changed the file
    /// meanwhile. After too many attempts the error names `place`.
    ///
    /// # Errors
    ///
    /// The error of `once`; [`Error::Conflict`] after too many attempts.
    pub fn attempt<R>(
        &mut self,
        place: &Place,
        mut once: impl FnMut(&mut Self) -> Result<Option<R>>,
    ) -> Result<R> {
        for _ in 0..ATTEMPTS {
            if let Some(result) = self.go_on(&mut once)? {
                return Ok(result);
            }
        }
        Err(keeps_changing(&place.name))
    }

    /// Repeats the rest of a logged transaction as long as a lock is taken: see [`LogSession::go_on`].
    ///
    /// # Errors
    ///
    /// The error of `once`.
    pub fn go_on<R>(&mut self, mut once: impl FnMut(&mut Self) -> Result<R>) -> Result<R> {
        let patience = Patience::new(self.session.core.settings.get().lock_timeout);
        loop {
            let done = once(self);
            if !self.session.must_go_on(&done, &patience) {
                return done;
            }
        }
    }

    /// Locks and reads a package file, and notes a change by hand ([`LogSession::look`]). Returns `None` if another
    /// program was writing to the file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if there is no such file or it cannot be read; [`Error::Parse`].
    pub fn read(&mut self, place: &Place) -> Result<Option<Found>> {
        let Some(Reading { old: file, text }) = draft::read_current(self.session.core, &place.path)? else {
            return Ok(None);
        };
        let known = self.session.note_and_parse(place, text)?;
        Ok(Some(Found { file: Some(file), known }))
    }

    /// Reads a package as [`Opened::read`] does. If `creates` is set, a package without a file is empty.
    ///
    /// # Errors
    ///
    /// As for [`Opened::read`]; [`Error::NotFound`] if there is no such file, and `creates` is not set.
    pub fn read_to_write(&mut self, place: &Place, creates: bool) -> Result<Option<Found>> {
        let core = self.session.core;
        match draft::read_if_there(core, &place.path)? {
            Present::Busy => Ok(None),
            Present::Read(Reading { old: file, text }) => {
                let known = self.session.note_and_parse(place, text)?;
                Ok(Some(Found { file: Some(file), known }))
            }
            Present::Absent if creates && core.packages.is_new(place) => {
                self.session.note_deletion(place)?;
                Ok(Some(Found { file: None, known: absent(place) }))
            }
            Present::Absent => Err(Error::NotFound { key: place.name.clone() }),
        }
    }
}
