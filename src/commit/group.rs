//! Transactions that threads commit at the same time are committed together.
//!
//! The first of them leads: it takes the log's lock, and then all that have come by then, its own among them. It
//! applies one after the other, each to what the one before has left; each is a record of its own, and one that
//! is refused concerns only who has asked for it. But they are made durable with one sync, each text is written
//! once, and published once. Whoever comes meanwhile waits, and one of those leads the next group.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::commit::draft::{OldFile, Reading};
use crate::commit::engine::{Engine, Place};
use crate::commit::log_session::{Entry, Ledger, Why};
use crate::commit::plan::{Change, Known, Step};
use crate::commit::write::{Outcome, Part};
use crate::error::{Error, Result};
use crate::log;
use crate::model::package::Touched;
use crate::os::patience::Patience;

/// What was asked for: the revision, where there is a log or there are maps.
type Answer = Result<Option<u64>>;

/// A transaction to be committed.
#[derive(Debug)]
pub(crate) struct Request {
    pub changes: Vec<Change>,
    pub why: Why,
    state: Mutex<State>,
}

/// What has become of a request.
#[derive(Debug)]
enum State {
    Waiting,
    Answered(Answer),
    /// Who asked has taken the answer.
    Done,
}

impl Request {
    fn new(changes: Vec<Change>, why: Why) -> Arc<Self> {
        Arc::new(Self { changes, why, state: Mutex::new(State::Waiting) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn answer(&self, answer: Answer) {
        *self.state() = State::Answered(answer);
    }

    fn is_waiting(&self) -> bool {
        matches!(*self.state(), State::Waiting)
    }

    fn take_answer(&self) -> Option<Answer> {
        let mut state = self.state();
        if matches!(*state, State::Waiting) {
            return None;
        }
        match std::mem::replace(&mut *state, State::Done) {
            State::Answered(answer) => Some(answer),
            State::Waiting | State::Done => None,
        }
    }
}

/// The transactions that wait, and whether a group is being committed.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<(Vec<Arc<Request>>, bool)>,
    led: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, (Vec<Arc<Request>>, bool)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes those that are to be committed together: this one, and as many others as may be.
    fn take(&self, request: &Arc<Request>) -> Vec<Arc<Request>> {
        let waiting = &mut self.lock().0;
        let own = waiting.iter().position(|other| Arc::ptr_eq(other, request));
        // They go on in the order in which they came, but for a leader who came late.
        if let Some(late) = own.filter(|own| *own >= log::GROUP) {
            waiting[..=late].rotate_right(1);
        }
        waiting.drain(..waiting.len().min(log::GROUP)).collect()
    }

    /// Waits until the request is answered, or the caller is to lead.
    fn wait(&self, request: &Arc<Request>) -> Option<Answer> {
        let mut waiting = self.lock();
        waiting.0.push(request.clone());
        while waiting.1 {
            waiting = self.led.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            if let Some(answer) = request.take_answer() {
                return Some(answer);
            }
        }
        waiting.1 = true;
        None
    }
}

/// The duty to lead. Dropped, also by a panic, it passes to someone else.
struct Lead<'q>(&'q Queue, Vec<Arc<Request>>);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        // With nobody there it would be a system call for nothing.
        let is_awaited = !self.1.is_empty() || !waiting.0.is_empty();
        waiting.0.extend(self.1.drain(..).filter(|request| request.is_waiting()));
        waiting.1 = false;
        if is_awaited {
            self.0.led.notify_all();
        }
    }
}

/// A package that a group works on.
pub(crate) struct Joint<'g, F> {
    pub place: &'g Place,
    /// What there is to its file.
    pub file: F,
    pub old: Arc<Known>,
    pub now: Arc<Known>,
    pub touched: Touched,
}

impl<'g, F> Joint<'g, F> {
    pub fn new(place: &'g Place, old: Arc<Known>, file: F) -> Self {
        Self { place, file, now: old.clone(), old, touched: Touched::default() }
    }
}

/// A transaction of a group with the steps it takes.
type Accepted<'g> = (&'g Request, Vec<Step>);

/// A file that is locked, and what it was when it was read.
type Held = OldFile;

/// What is left to be done alone.
type Left<'g> = Vec<(&'g Request, Vec<&'g Change>)>;

impl Engine {
    /// Commits changes to several packages, each given once and in the order of their names, together. Returns the
    /// revision, where there is a log or there are maps. If one cannot be written, all are as they were.
    ///
    /// # Errors
    ///
    /// As for [`Engine::commit`], and whatever a change is refused with.
    pub(crate) fn commit_changes(&self, changes: Vec<Change>, why: Why) -> Answer {
        crate::os::caller::check_may_commit()?;
        self.check_may_write()?;
        let request = Request::new(changes, why);
        self.retry(|patience| {
            *request.state() = State::Waiting;
            self.commit_request(&request, patience)
        })
    }

    /// Commits a transaction, with those that others ask for meanwhile. If it needs a lock that is taken, it is this
    /// thread alone that waits for that, and then comes again.
    fn commit_request(&self, request: &Arc<Request>, patience: &Patience) -> Answer {
        if let Some(answer) = self.queue.wait(request) {
            return answer;
        }
        let mut lead = Lead(&self.queue, Vec::new());
        // Whoever comes while the lock is waited for is one of the group.
        let ledger = self.ledger_behind(patience);
        lead.1 = self.queue.take(request);
        match ledger.and_then(|mut ledger| self.lead(&mut ledger, &lead.1)) {
            Ok(()) => {}
            Err(error) => {
                let unanswered = lead.1.iter().filter(|other| other.is_waiting());
                unanswered.for_each(|other| other.answer(Err(error.again())));
            }
        }
        let answer = request.take_answer();
        // What is waited for now waits for nobody.
        lead.1.retain(|other| !Arc::ptr_eq(other, request));
        drop(lead);
        answer.unwrap_or(Err(Error::Conflict { key: String::new(), why: "it was not committed".into() }))
    }

    /// Commits a group. A lock that is taken concerns only those who need it.
    fn lead(&self, ledger: &mut Ledger<'_>, requests: &[Arc<Request>]) -> Result<()> {
        let led = self.lead_together(ledger, requests);
        match ledger.or_unfinished(led) {
            Err(Error::Locked { .. }) if requests.len() > 1 => {
                for request in requests.iter().filter(|request| request.is_waiting()) {
                    if let Err(error) = self.lead(ledger, std::slice::from_ref(request)) {
                        request.answer(Err(error));
                    }
                }
                Ok(())
            }
            led => led,
        }
    }

    fn lead_together(&self, ledger: &mut Ledger<'_>, requests: &[Arc<Request>]) -> Result<()> {
        if self.commit_later(ledger, requests)? {
            return Ok(());
        }
        // From here on texts are gone by.
        ledger.recover()?;
        let left = match requests {
            [_] => alone(requests.iter().map(|request| &**request)),
            // One that is to be confirmed says what is gone back to, which the others would change.
            // Who verifies one reads what the one before has left.
            _ if self.gate.is_guarded(self)
                || requests.iter().any(|request| request.why.confirm.is_some()) =>
            {
                alone(requests.iter().map(|request| &**request))
            }
            _ => self.commit_group(ledger, requests)?,
        };
        for (request, changes) in left {
            if requests.len() > 1 {
                // What one before could not put back must not be taken for a change by hand.
                ledger.go_on(Ledger::recover)?;
            }
            let committed = self.commit_all(ledger, &changes, &request.why);
            request.answer(ledger.or_unfinished(committed));
        }
        Ok(())
    }

    /// Commits the transactions of a group, but for those it returns.
    fn commit_group<'g>(&self, ledger: &mut Ledger<'_>, requests: &'g [Arc<Request>]) -> Result<Left<'g>> {
        let everyone = || alone(requests.iter().map(|request| &**request));
        let all = requests.iter().flat_map(|request| &request.changes);
        let places: BTreeMap<&Path, &Place> =
            all.map(|change| (&*change.place.path, &change.place)).collect();
        let _locks = ledger.lock_all(places.keys().copied())?;
        self.tidy_up(places.values().copied())?;
        let mut joints = BTreeMap::new();
        for (path, place) in places {
            match self.joint(ledger, place) {
                Ok(Some(joint)) => drop(joints.insert(path, joint)),
                Err(error @ Error::Locked { .. }) => return Err(error),
                // It concerns only those who work on this package.
                Ok(None) | Err(_) => return Ok(everyone()),
            }
        }
        let accepted = self.accept(&mut joints, requests);
        let mut parts = Vec::with_capacity(joints.len());
        for joint in joints.into_values().filter(|joint| !Arc::ptr_eq(&joint.old, &joint.now)) {
            parts.push(self.joint_part(joint)?);
        }
        if parts.iter().any(|part| part.draft.is_outdated() || self.is_parked(part.place)) {
            return Ok(alone(accepted.iter().map(|(request, _)| *request)));
        }
        self.put_group(ledger, &accepted, parts)
    }

    fn joint<'g>(&self, ledger: &mut Ledger<'_>, place: &'g Place) -> Result<Option<Joint<'g, Held>>> {
        let Some(Reading { old: file, text }) = self.read_current(&place.path)? else { return Ok(None) };
        let old = self.look(ledger, place, text)?;
        Ok(Some(Joint::new(place, old, file)))
    }

    /// Applies the transactions one after the other, and answers those that are refused. Returns the others.
    pub(crate) fn accept<'g, F>(
        &self,
        joints: &mut BTreeMap<&Path, Joint<'_, F>>,
        requests: &'g [Arc<Request>],
    ) -> Vec<Accepted<'g>> {
        let mut accepted = Vec::with_capacity(requests.len());
        for request in requests {
            match self.steps(joints, &request.changes) {
                Ok(steps) => {
                    for (change, step) in request.changes.iter().zip(&steps) {
                        let Some(joint) = joints.get_mut(&*change.place.path) else { continue };
                        joint.now = step.new.clone();
                        joint.touched.join(&step.touched);
                    }
                    accepted.push((&**request, steps));
                }
                Err(error) => request.answer(Err(error)),
            }
        }
        accepted
    }

    /// Makes the steps of a transaction from where the group has got to.
    fn steps<F>(&self, joints: &BTreeMap<&Path, Joint<'_, F>>, changes: &[Change]) -> Result<Vec<Step>> {
        let step = |change: &Change| {
            let missing = || Error::NotFound { key: change.place.name.clone() };
            let joint = joints.get(&*change.place.path).ok_or_else(missing)?;
            let step = self.step(&joint.now, change)?;
            self.check_limit(&change.place.name, &step.new.package, step.new.text())?;
            Ok(step)
        };
        changes.iter().map(step).collect()
    }

    fn joint_part<'g>(&self, joint: Joint<'g, Held>) -> Result<Part<'g>> {
        let Joint { place, file, old, now, touched } = joint;
        let draft = self.draft(&place.path, now.text(), Some(file))?;
        let (before, text) = (Some(old.text().clone()), now.text().clone());
        // Each transaction has its own hunks and changes.
        let step = Step { old, new: now, hunks: Vec::new(), changes: Vec::new(), touched };
        Ok(Part { place, before, step: Some(step), text, draft })
    }

    /// Logs the transactions of a group, and puts what they lead to in place.
    fn put_group<'g>(
        &self,
        ledger: &mut Ledger<'_>,
        accepted: &[Accepted<'g>],
        parts: Vec<Part<'_>>,
    ) -> Result<Left<'g>> {
        let transactions = transactions(accepted);
        let sequences = ledger.commit_each(&transactions)?;
        let last = sequences.iter().flatten().last().copied();
        let outcome = self.put_logged(ledger, parts, last, |ledger, _| {
            let mut back = sequences.iter().zip(&transactions).rev();
            back.try_for_each(|(sequence, (entries, _))| ledger.take_back(*sequence, entries))
        });
        let again = match outcome {
            Ok(Outcome::Done(revision)) => {
                for ((request, _), sequence) in accepted.iter().zip(&sequences) {
                    request.answer(Ok(sequence.or(revision)));
                }
                return Ok(Vec::new());
            }
            Ok(Outcome::Again(again)) => again,
            Err(error @ (Error::NotDurable { .. } | Error::Unfinished { .. })) => {
                accepted.iter().for_each(|(request, _)| request.answer(Err(error.again())));
                return Ok(Vec::new());
            }
            // It was taken back, so each may try alone.
            Err(_) => return Ok(alone(accepted.iter().map(|(request, _)| *request))),
        };
        let mut left = Vec::new();
        for ((request, _), sequence) in accepted.iter().zip(&sequences) {
            let concerned = |change: &&Change| again.iter().any(|place| place.path == change.place.path);
            let changes: Vec<&Change> = request.changes.iter().filter(concerned).collect();
            if changes.is_empty() {
                request.answer(ledger.settled().map(|()| *sequence));
            } else {
                left.push((*request, changes));
            }
        }
        Ok(left)
    }
}

/// Returns what the log is to be told of transactions.
pub(crate) fn transactions<'a>(accepted: &'a [Accepted<'_>]) -> Vec<(Vec<Entry<'a>>, &'a Why)> {
    let transaction = |(request, steps): &'a Accepted<'_>| {
        let both = request.changes.iter().zip(steps).filter(|(_, step)| !step.is_none());
        (both.map(|(change, step)| Entry::of(&change.place, step)).collect(), &request.why)
    };
    accepted.iter().map(transaction).collect()
}

/// Has each transaction committed for itself.
fn alone<'g>(requests: impl Iterator<Item = &'g Request>) -> Left<'g> {
    requests.map(|request| (request, request.changes.iter().collect())).collect()
}
