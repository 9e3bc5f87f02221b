//! The opening of a commit: the locks of its packages, and what a crash has left of earlier commits to them.

use std::sync::Arc;

use crate::commit::draft::{self, OldFile, Present, Reading};
use crate::commit::known::{Known, nothing};
use crate::commit::log_session::LogSession;
use crate::commit::part::{ATTEMPTS, keeps_changing};
use crate::commit::place::Place;
use crate::commit::tidy_up::tidy_up;
use crate::error::{Error, Result};
use crate::os::lock::PackageLock;
use crate::os::patience::Patience;

/// The packages of one commit. The log's lock and those of the packages are held, no text is behind another log, and what
/// a crash has left of earlier commits to them is brought to its end. Dropped, it releases the locks of the packages.
///
/// Only the commit of a group whose texts follow later takes these locks in another way: the texts of its packages may
/// be behind our own log. See `deferred`.
pub(crate) struct Opened<'s, 'e> {
    pub session: &'s mut LogSession<'e>,
    _locks: Vec<PackageLock>,
}

/// A package as it was read for a commit, and the file that it was read from, if there is one.
pub(crate) struct Found {
    pub file: Option<OldFile>,
    pub known: Arc<Known>,
}

impl<'s, 'e> Opened<'s, 'e> {
    /// Opens packages.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] for `retry`: a lock is taken, or a text is behind another log.
    pub fn of<'p>(
        session: &'s mut LogSession<'e>,
        places: impl IntoIterator<Item = &'p Place> + Clone,
    ) -> Result<Self> {
        let locks = session.lock_all(places.clone().into_iter().map(|place| &*place.path))?;
        tidy_up(session.core, places)?;
        Ok(Self { session, _locks: locks })
    }

    /// Tries until it works, or the file has been changed by others too often. `place` is named in the error.
    ///
    /// # Errors
    ///
    /// What `once` fails with; [`Error::Conflict`] after too many attempts.
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

    /// As [`LogSession::go_on`].
    ///
    /// # Errors
    ///
    /// What `once` fails with.
    pub fn go_on<R>(&mut self, mut once: impl FnMut(&mut Self) -> Result<R>) -> Result<R> {
        let patience = Patience::new(self.session.core.settings.get().lock_timeout);
        loop {
            let done = once(self);
            if !self.session.must_go_on(&done, &patience) {
                return done;
            }
        }
    }

    /// Reads a package, and has the log look at its text. `None` if another program was writing to it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if there is no such file or it cannot be read; [`Error::Parse`].
    pub fn read(&mut self, place: &Place) -> Result<Option<Found>> {
        let Some(Reading { old: file, text }) = draft::read_current(self.session.core, &place.path)? else {
            return Ok(None);
        };
        let known = self.session.read_known(place, text)?;
        Ok(Some(Found { file: Some(file), known }))
    }

    /// As [`Opened::read`]. A package that there is no file of is empty if `creates`.
    ///
    /// # Errors
    ///
    /// As for [`Opened::read`]; [`Error::NotFound`] if there is no such file, and `creates` is not set.
    pub fn read_to_write(&mut self, place: &Place, creates: bool) -> Result<Option<Found>> {
        let core = self.session.core;
        match draft::read_if_there(core, &place.path)? {
            Present::Busy => Ok(None),
            Present::Read(Reading { old: file, text }) => {
                let known = self.session.read_known(place, text)?;
                Ok(Some(Found { file: Some(file), known }))
            }
            Present::Absent if creates && core.packages.is_new(place) => {
                self.session.look_gone(place)?;
                Ok(Some(Found { file: None, known: nothing(&place.name) }))
            }
            Present::Absent => Err(Error::NotFound { key: place.name.clone() }),
        }
    }
}
