//! The steps of a commit that every transaction takes. Each is a type that only the step before makes, so that none can
//! be left out:
//!
//! | step | type | what a crash here leaves |
//! |---|---|---|
//! | take the log's lock, finish what others left | [`LogSession`] | everything as before |
//! | lock and read the packages | [`Opened`] | everything as before |
//! | write and sync the drafts, ask the gate | [`Approved`] | the old texts; the next commit removes the drafts |
//! | append the record and sync it: the commit point | [`Logged`] | the transaction is made: recovery puts its texts in place |
//! | swap the files, sync the directories, publish | [`Placement`] | the new texts; the next commit removes the old files |
//!
//! The journals of delta files are written between [`Approved`] and [`Logged`]: see `staged`.

use crate::commit::core::Core;
use crate::commit::intent::Intent;
use crate::commit::log_session::{Entry, LogSession};
use crate::commit::opening::Opened;
use crate::commit::part::{Part, Placement};
use crate::commit::proposal::PartsProposal;
use crate::commit::publish::{self, Edit, LogRange, State};
use crate::commit::{draft, parked, stock};
use crate::error::{Error, Result};

/// A transaction that is drafted, and that the gate lets pass. It is not in the log.
pub(crate) struct Approved<'p> {
    parts: Vec<Part<'p>>,
}

impl<'p> Approved<'p> {
    /// Asks the gate about a transaction.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], and [`Error::Locked`] if a package file cannot be locked again.
    pub fn ask(core: &Core, parts: Vec<Part<'p>>, intent: &Intent) -> Result<Self> {
        core.gate.ask(core.dirs(), &PartsProposal { core, parts: &parts, intent })?;
        Ok(Self { parts })
    }

    /// Takes transactions of a caller who has found the gate unguarded.
    pub fn unguarded(parts: Vec<Part<'p>>) -> Self {
        Self { parts }
    }

    /// Returns the parts.
    pub fn parts(&self) -> &[Part<'p>] {
        &self.parts
    }

    /// Returns the packages that others have replaced since they were read, if any of them is such: all are to be read
    /// again.
    fn outdated(&self) -> Option<Placement<'p>> {
        let is_outdated = self.parts.iter().any(|part| part.draft.is_outdated());
        is_outdated.then(|| Placement::Again(self.parts.iter().map(|part| part.place).collect()))
    }
}

/// Transactions that are in the log, whose texts are to be put in place. Where there is no log, they are made by that.
pub(crate) struct Logged<'p> {
    parts: Vec<Part<'p>>,
    /// The number of the last of them; `None` if they are not logged.
    last: Option<u64>,
}

impl Opened<'_, '_> {
    /// Has the gate asked about a transaction, logs it, puts its parts in place, and publishes them.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]; what the log or a file cannot be written with. All is as before then, except for
    /// [`Error::Unfinished`] and [`Error::NotDurable`].
    pub fn put_in_place<'p>(&mut self, parts: Vec<Part<'p>>, intent: &Intent) -> Result<Placement<'p>> {
        let approved = Approved::ask(self.session.core, parts, intent)?;
        self.commit(approved, intent)
    }

    /// As [`Opened::put_in_place`], of a transaction that is approved.
    ///
    /// # Errors
    ///
    /// As for [`Opened::put_in_place`].
    pub fn commit<'p>(&mut self, approved: Approved<'p>, intent: &Intent) -> Result<Placement<'p>> {
        let core = self.session.core;
        approved.parts.iter().try_for_each(|part| parked::check_parked(core, part.place))?;
        if let Some(again) = approved.outdated() {
            return Ok(again);
        }
        let entries: Vec<Entry<'_>> = approved.parts.iter().map(Part::entry).collect();
        let last = self.session.commit(&entries, intent)?;
        let logged = Logged { parts: approved.parts, last };
        logged.place(self.session, |session, parts| {
            let entries: Vec<Entry<'_>> = parts.iter().map(Part::entry).collect();
            session.roll_back(last, &entries)
        })
    }

    /// Logs transactions of which each goes on from what the one before has left; the parts are what all of them lead
    /// to. Returns the number of each as well.
    ///
    /// # Errors
    ///
    /// What the log cannot be written with; all is as before then.
    pub fn log_each<'p>(
        &mut self,
        approved: Approved<'p>,
        transactions: &[(Vec<Entry<'_>>, &Intent)],
    ) -> Result<(Logged<'p>, Vec<Option<u64>>)> {
        let sequences = self.session.commit_each(transactions)?;
        let last = sequences.iter().flatten().last().copied();
        Ok((Logged { parts: approved.parts, last }, sequences))
    }
}

/// What putting texts in place has led to.
struct Settled<'a> {
    states: Vec<State<'a>>,
    /// Whether the texts survive a power cut.
    durable: Result<()>,
    /// Whether a package was deleted.
    deletes: bool,
    /// The parts whose old file other programs have open.
    displaced: Vec<usize>,
}

impl<'p> Logged<'p> {
    /// Puts the texts in place, and publishes them. If they cannot be put in place, `roll_back` is to log that they are
    /// as before.
    ///
    /// # Errors
    ///
    /// What a file cannot be swapped with; then all is as before, also in the log. [`Error::Unfinished`] if not even that
    /// can be logged: recovery goes on. [`Error::NotDurable`] if the texts are in place, and may not survive a power cut.
    pub fn place(
        mut self,
        session: &mut LogSession<'_>,
        roll_back: impl FnOnce(&mut LogSession<'_>, &[Part<'_>]) -> Result<()>,
    ) -> Result<Placement<'p>> {
        let core = session.core;
        let again = self.swap(session, roll_back)?;
        let Settled { states, durable, deletes, displaced } = self.settle(core, &again);
        if again.is_empty() && durable.is_ok() {
            session.applied();
        }
        let logged = states.iter().filter(|state| state.place.is_logged());
        let found: Vec<_> = logged.map(|state| (state.place.name.clone(), state.metadata.clone())).collect();
        core.attributes.keep(&found);
        let logged = self.last.map(|last| session.logged(last));
        // The maps of packages that are gone are dropped, as those that do not show what was logged.
        let logged = logged.map(|logged| LogRange { base: logged.base.filter(|_| !deletes), ..logged });
        let shown = publish::publish(core, &states, logged);
        drop(states);
        displaced.into_iter().for_each(|index| stock::await_stock(core, &mut self.parts[index].draft));
        if again.is_empty() {
            // In place it is in any case, and seen.
            let revision = self.last.or(shown);
            return durable.and_then(|()| session.settled()).map(|()| Placement::Done(revision));
        }
        if let Err(error) = durable {
            session.unsettled(error);
        }
        Ok(Placement::Again(again.into_iter().map(|index| self.parts[index].place).collect()))
    }

    /// Swaps the files. Returns the parts whose file was saved by another program since it was read.
    fn swap(
        &mut self,
        session: &mut LogSession<'_>,
        roll_back: impl FnOnce(&mut LogSession<'_>, &[Part<'_>]) -> Result<()>,
    ) -> Result<Vec<usize>> {
        let mut again = Vec::new();
        for index in 0..self.parts.len() {
            match draft::put(session.core, &mut self.parts[index].draft) {
                Ok(true) => {}
                Ok(false) => again.push(index),
                Err(error) => {
                    let is_back = put_back(session.core, &self.parts[..index]);
                    if roll_back(session, &self.parts).is_ok() {
                        if is_back {
                            session.applied();
                        }
                        return Err(error);
                    }
                    // Not even this can be written: recovery finishes what was logged.
                    let path = self.parts[index].place.path.clone();
                    self.parts.iter_mut().skip(index).for_each(|part| part.draft.leave());
                    return Err(Error::Unfinished { path, source: Box::new(error) });
                }
            }
        }
        Ok(again)
    }

    /// Makes what is in place durable, and says what is to be published.
    fn settle(&self, core: &Core, again: &[usize]) -> Settled<'_> {
        let states = Vec::with_capacity(self.parts.len());
        let mut settled = Settled { states, durable: Ok(()), deletes: false, displaced: Vec::new() };
        for (index, part) in self.parts.iter().enumerate().filter(|(index, _)| !again.contains(index)) {
            let done = draft::settle(core, &part.place.path, &part.draft);
            if done.is_ok() && stock::update_displaced(core, &part.draft, &part.text) {
                settled.displaced.push(index);
            }
            settled.durable = settled.durable.and(done);
            if part.draft.removes() {
                settled.deletes = true;
            } else if let Ok(metadata) = part.draft.metadata() {
                let (place, text, step) = (part.place, part.text.clone(), part.step.as_ref().map(Edit::from));
                settled.states.push(State { place, text, metadata, in_place: None, step });
                part.step.iter().for_each(|step| core.states.note(place, &step.new));
            }
        }
        settled
    }
}

/// Undoes what was put in place of a commit that failed. Returns whether all is as it was, durably.
fn put_back(core: &Core, parts: &[Part<'_>]) -> bool {
    let mut is_back = true;
    for part in parts.iter().filter(|part| part.draft.is_placed()) {
        let path = &part.place.path;
        is_back &= match &part.before {
            Some(_) if part.draft.removes() => draft::bring_back(core, &part.draft),
            Some(before) => part
                .draft
                .placed()
                .and_then(|placed| draft::create(core, path, before, Some(placed)))
                .and_then(|mut draft| Ok((draft::put(core, &mut draft)?, draft)))
                .is_ok_and(|(put, draft)| put && draft::settle(core, path, &draft).is_ok()),
            None => core.options.files.remove(path).is_ok() && draft::settle(core, path, &part.draft).is_ok(),
        };
        let _ = core.options.files.remove(&part.draft.new.path);
    }
    is_back
}
