//! The steps of a commit. A transaction is committed wholly or not at all.
//!
//! Each step is a type that only the step before makes, so that no step can be left out:
//!
//! | step | type | a crash here leaves |
//! |---|---|---|
//! | take the log's lock, recover from an earlier crash | [`LogSession`] | everything as before |
//! | lock and read the packages | [`Opened`] | everything as before |
//! | write and sync the drafts, ask the gate | [`Approved`] | the old texts; the next commit removes the drafts |
//! | append the record and sync it: the commit point | [`Logged`] | a committed transaction: recovery puts its texts in place |
//! | swap the files, sync the directories, publish | [`Placement`] | the new texts; the next commit removes the old files |
//!
//! In detail:
//! 1. Take the log's lock (see `open_session`), the lock of each package, then a lock on each package file itself. If
//!    the lock of a package or of its file is taken, the commit releases all locks, waits for that one, and begins
//!    again (see `retry`). Stock uci locks the package file as well. A commit replaces that file, so the lock counts
//!    only if the locked file is still the one at the path.
//! 2. Lock and read the delta file. Read the package and apply the changes to it.
//! 3. Write a temporary file beside the package file and sync it (see `draft`). Ask the gate.
//! 4. Write the journal of the delta file (see `staged`): after a crash it shows whether the staged changes are in the
//!    package file already.
//! 5. Append the transaction to the log and sync the log. This is the commit point: from here on the transaction is
//!    committed, and recovery completes it if the program dies. Without a log, step 6 is the commit point.
//! 6. Swap the two files. If the displaced file is not the one that was read, an editor has saved in between: swap back
//!    and start again, so that the editor's changes are merged and not lost.
//! 7. Sync the directory, cut the delta file, remove the journal and the old file.
//! 8. Publish the new state to the map of the package, if there is one (see `publish`).
//!
//! A failure before the commit point leaves the old file and the staged changes. A failure after it leaves the new file,
//! complete. If the files cannot be swapped, the transaction is rolled back, in the log as well.

use std::fs::Metadata;

use crate::commit::core::Core;
use crate::commit::intent::Intent;
use crate::commit::log_session::{Entry, LogSession};
use crate::commit::opening::Opened;
use crate::commit::part::{Part, Placement};
use crate::commit::proposal::PartsProposal;
use crate::commit::publish::{self, Edit, LogRange, State};
use crate::commit::{draft, parked, schemas, stock};
use crate::error::{Error, Result};
use crate::log::Kind;

/// A transaction whose drafts are written and that the gate has accepted. It is not in the log yet.
pub(crate) struct Approved<'p> {
    parts: Vec<Part<'p>>,
}

impl<'p> Approved<'p> {
    /// Asks the gate about a transaction, unless it was decided elsewhere.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], and [`Error::Locked`] if a package file cannot be locked again.
    pub fn ask(core: &Core, parts: Vec<Part<'p>>, intent: &Intent) -> Result<Self> {
        if intent.kind != Kind::Remote {
            core.gate.ask(core.dirs(), &PartsProposal { core, parts: &parts, intent })?;
        }
        Ok(Self { parts })
    }

    /// Wraps transactions without asking the gate. The caller has checked [`crate::commit::gate::Gate::is_guarded`].
    pub fn unguarded(parts: Vec<Part<'p>>) -> Self {
        Self { parts }
    }

    /// Returns the parts.
    pub fn parts(&self) -> &[Part<'p>] {
        &self.parts
    }

    /// Returns all packages, to be read again, if another program has replaced one of their files since it was read.
    fn outdated(&self) -> Option<Placement<'p>> {
        let is_outdated = self.parts.iter().any(|part| part.draft.is_outdated());
        is_outdated.then(|| Placement::Again(self.parts.iter().map(|part| part.place).collect()))
    }
}

/// Transactions that are in the log and whose texts will be put in place. Without a log, putting the texts in place
/// commits them.
pub(crate) struct Logged<'p> {
    parts: Vec<Part<'p>>,
    /// The number of the last transaction; `None` if they are not logged.
    last: Option<u64>,
}

impl Opened<'_, '_> {
    /// Asks the gate about a transaction, logs it, puts its parts in place, and publishes them.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], and the error of a failed write to the log or to a file. Nothing has changed then, except
    /// after [`Error::Unfinished`] and [`Error::NotDurable`].
    pub fn put_in_place<'p>(&mut self, parts: Vec<Part<'p>>, intent: &Intent) -> Result<Placement<'p>> {
        let intent = &intent.with_forced(schemas::check_parts(self.session.core, &parts, intent)?);
        let approved = Approved::ask(self.session.core, parts, intent)?;
        self.commit(approved, intent)
    }

    /// Does the steps of [`Opened::put_in_place`] after the gate.
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
            session.roll_back(last, &entries, intent)
        })
    }

    /// Logs several transactions with one sync. Each starts from the state after the one before; the parts hold the
    /// state after the last. Also returns the number of each transaction.
    ///
    /// # Errors
    ///
    /// The error of a failed write to the log; nothing has changed then.
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

/// The result of putting texts in place.
struct Settled<'a> {
    states: Vec<State<'a>>,
    /// Whether the texts survive a power cut.
    durable: Result<()>,
    /// Whether a package was deleted.
    deletes: bool,
    /// The parts whose old file another program has open.
    displaced: Vec<usize>,
}

impl<'p> Logged<'p> {
    /// Puts the texts in place and publishes them. If a file cannot be swapped, `roll_back` must log that the texts are
    /// as before.
    ///
    /// # Errors
    ///
    /// The error of a failed swap; nothing has changed then, and the log says so. [`Error::Unfinished`] if the
    /// rollback cannot be logged either: recovery then completes the transaction. [`Error::NotDurable`] if the texts
    /// are in place but may not survive a power cut.
    pub fn place(
        mut self,
        session: &mut LogSession<'_>,
        roll_back: impl FnOnce(&mut LogSession<'_>, &[Part<'_>]) -> Result<()>,
    ) -> Result<Placement<'p>> {
        let core = session.core;
        // A deleted package gets its owner and mode again if it is made again: by recovery too, if the swap fails.
        core.attributes.keep(&self.removed());
        let again = self.swap(session, roll_back)?;
        let Settled { states, durable, deletes, displaced } = self.settle(core, &again);
        if again.is_empty() && durable.is_ok() {
            session.applied();
        }
        let logged = states.iter().filter(|state| state.place.is_logged());
        let found = logged.map(|state| (state.place.name.clone(), state.metadata.clone()));
        let found: Vec<_> = found.chain(self.removed()).collect();
        core.attributes.keep(&found);
        let logged = self.last.map(|last| session.logged(last));
        // The map of a deleted package is dropped: it does not show the logged transaction.
        let logged = logged.map(|logged| LogRange { base: logged.base.filter(|_| !deletes), ..logged });
        let shown = publish::publish(core, &states, logged);
        drop(states);
        displaced.into_iter().for_each(|index| stock::await_stock(core, &mut self.parts[index].draft));
        if again.is_empty() {
            // The texts are in place and published, even if this fails.
            let revision = self.last.or(shown);
            return durable.and_then(|()| session.settled()).map(|()| Placement::Done(revision));
        }
        if let Err(error) = durable {
            session.unsettled(error);
        }
        Ok(Placement::Again(again.into_iter().map(|index| self.parts[index].place).collect()))
    }

    /// Returns the deleted packages, with the attributes of their files.
    fn removed(&self) -> Vec<(String, Metadata)> {
        let logged = self.parts.iter().filter(|part| part.place.is_logged());
        let removed =
            logged.filter_map(|part| Some((part.place.name.clone(), part.draft.removed_file()?.clone())));
        removed.collect()
    }

    /// Swaps the files. Returns the indices of the parts whose file another program has saved since it was read.
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
                    // The rollback cannot be logged: recovery completes the logged transaction.
                    let path = self.parts[index].place.path.clone();
                    self.parts.iter_mut().skip(index).for_each(|part| part.draft.leave());
                    return Err(Error::Unfinished { path, source: Box::new(error) });
                }
            }
        }
        Ok(again)
    }

    /// Makes the swaps durable and collects the states to publish. `again` are the parts that were not swapped.
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

/// Puts the old texts of a failed commit back. Returns whether all of them are in place again, durably.
fn put_back(core: &Core, parts: &[Part<'_>]) -> bool {
    let mut is_back = true;
    for part in parts.iter().filter(|part| part.draft.is_placed()) {
        let path = &part.place.path;
        is_back &= match &part.before {
            Some(_) if part.draft.removes() => draft::move_back(core, &part.draft),
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
