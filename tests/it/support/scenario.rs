//! A scenario: what is prepared, what is done, and which states may be found afterwards. The adversaries play it, and
//! disturb it (see `adversaries`).

use std::collections::{BTreeMap, BTreeSet};

use cms::{Error, Result};

use super::world::{Actor, World};

/// How much of a log is kept if nothing is said of it, as by default.
pub const LOG_SIZE: u64 = 4 << 20;

/// The text of each package there is.
pub type Texts = BTreeMap<String, String>;

/// What may be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub texts: Texts,
    /// The texts once all that is staged is committed; the same if nothing is staged.
    pub staged: Texts,
}

impl State {
    pub fn of(packages: &[(&str, &str)]) -> Self {
        Self::from(texts(packages))
    }

    /// The same with changes staged that lead to these texts.
    pub fn staged(self, packages: &[(&str, &str)]) -> Self {
        Self { staged: texts(packages), ..self }
    }

    pub fn has_staged(&self) -> bool {
        self.texts != self.staged
    }
}

impl From<Texts> for State {
    fn from(texts: Texts) -> Self {
        Self { staged: texts.clone(), texts }
    }
}

pub fn texts(packages: &[(&str, &str)]) -> Texts {
    packages.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// One call of the library, or an act of somebody else. It leads from one state to the next.
pub type Step = fn(&Actor<'_>) -> Result<()>;

#[derive(Clone, Copy)]
pub struct Scenario {
    pub packages: fn() -> Texts,
    /// Makes the rest of what there is before the steps. Nothing disturbs it, and it is durable.
    pub prepare: fn(&World),
    pub steps: &'static [Step],
    /// The state before the steps, and that after each.
    pub states: fn() -> Vec<State>,
    pub log_size: u64,
    /// Whether each step leads to its state whatever became of those before: then the same store goes on after a failure.
    pub goes_on: bool,
    /// Whether somebody writes packages without the log: the log then holds changes by hand.
    pub is_edited: bool,
    /// Whether the steps finish what a death has left: until then texts may be older than any state, and no program has the
    /// store open beside it, which would finish that itself.
    pub recovers: bool,
    /// What a death or a power cut may leave besides.
    pub after_a_death: Option<fn() -> State>,
    /// Whether the changes that are staged need not survive a power cut: they are synced when they are committed.
    pub is_volatile: bool,
    /// Whether a log may be gone that texts are behind: then `cms repair` has to be run after a death.
    pub needs_repair: bool,
    /// What is done in place of committing what is staged, after every other run.
    pub overtake: Option<fn(&World, &State, &str)>,
    /// How much is tried.
    pub effort: Effort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Every error at full durability, and many images of the disk.
    Full,
    /// Every error at full durability.
    Errors,
    /// Each call with one of the errors.
    Sample,
}

/// What the others differ from.
pub const PLAIN: Scenario = Scenario {
    packages: Texts::new,
    prepare: |_| (),
    steps: &[],
    states: Vec::new,
    log_size: LOG_SIZE,
    goes_on: false,
    is_edited: false,
    recovers: false,
    after_a_death: None,
    is_volatile: false,
    needs_repair: false,
    overtake: None,
    effort: Effort::Sample,
};

/// What was found, or may be: numbers of states.
pub type Numbers = BTreeSet<usize>;

/// What became of the steps of a scenario.
pub struct Played {
    pub may_be: Numbers,
    pub said: String,
    /// What a program beside it reads that is older than what was acknowledged.
    pub unseen: Option<String>,
}

/// What disturbs the steps, as far as it matters to what they may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// A call fails.
    Once,
    /// Calls of a kind fail from some call on.
    Stays,
    Death,
}

impl Scenario {
    /// Takes the steps, and tells which states may be found by what they answer.
    pub fn play(&self, actor: &Actor<'_>, states: &[State], trouble: Trouble) -> Played {
        let mut may_be = Numbers::from([0]);
        let mut said = Vec::new();
        let (mut is_whole, mut unseen) = (true, None);
        for (number, step) in (1..).zip(self.steps) {
            let outcome = step(actor);
            said.push(format!("{outcome:?}"));
            match &outcome {
                Ok(()) => {
                    may_be = [number].into();
                    unseen = unseen.or_else(|| actor.misses(&states[number]));
                }
                // It is made, or nobody can tell.
                Err(Error::NotDurable { .. } | Error::Unfinished { .. }) => drop(may_be.insert(number)),
                // The texts are in place, and what is staged could not be cut: the next program does that.
                Err(Error::Io { path, .. }) if actor.is_staged(path) => drop(may_be.insert(number)),
                Err(_) if trouble == Trouble::Death => drop(may_be.insert(number)),
                Err(Error::Damaged { .. }) => {}
                // With one call that fails there is one step that fails, but for a log that refuses the next.
                Err(error) => assert!(is_whole || trouble == Trouble::Stays, "{error}: {said:?}"),
            }
            is_whole &= outcome.is_ok();
            if outcome.is_err() && (!self.goes_on || trouble == Trouble::Death) {
                break;
            }
        }
        Played { may_be, said: said.join(", then "), unseen }
    }
}
