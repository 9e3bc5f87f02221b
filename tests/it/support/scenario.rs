//! A scenario: its preparation, its steps, and the states before and after each step. The adversaries play it and disturb it
//! (see `adversaries`).

use std::collections::{BTreeMap, BTreeSet};

use cms::{Error, Result};

use super::program::Program;
use super::world::World;

/// The default limits of a log.
pub const LOG_SIZE: u64 = 4 << 20;

/// The text of each package.
pub type Texts = BTreeMap<String, String>;

/// A state of the store between two steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub texts: Texts,
    /// The texts after a commit of all staged changes; equal to `texts` if there are none.
    pub staged: Texts,
}

impl State {
    pub fn of(packages: &[(&str, &str)]) -> Self {
        Self::from(texts(packages))
    }

    /// Adds staged changes that lead to these texts.
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

/// A call of the library, or an action of another program. It leads from one state to the next.
pub type Step = fn(&Program<'_>) -> Result<()>;

#[derive(Clone, Copy)]
pub struct Scenario {
    pub packages: fn() -> Texts,
    /// Makes the other files of the first state, undisturbed and durably.
    pub prepare: fn(&World),
    pub steps: &'static [Step],
    /// The state before the steps, and the state after each.
    pub states: fn() -> Vec<State>,
    pub log_size: u64,
    /// Whether each step leads to its state from any earlier one: then the same store goes on after a failure.
    pub goes_on: bool,
    /// Whether packages are written without the log, so that it has records of changes by hand.
    pub is_edited: bool,
    /// Whether the steps recover from a death. Before that, texts may be older than any state. No other program has the store
    /// open, because it would recover itself.
    pub recovers: bool,
    /// A state that only a death or a power cut may leave.
    pub after_a_death: Option<fn() -> State>,
    /// Whether staged changes may be lost in a power cut: they are synced only with their commit.
    pub is_volatile: bool,
    /// Whether a log that texts are behind may be lost: then `cms repair` is needed after a death.
    pub needs_repair: bool,
    /// Checks that replace the commit of the staged changes after every other run.
    pub overtake: Option<fn(&World, &State, &str)>,
    /// The number of faults and of images of the disk.
    pub effort: Effort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// All errors at full durability, and many images of the disk.
    Full,
    /// All errors at full durability.
    Errors,
    /// One error for each call.
    Sample,
}

/// The default values of a scenario.
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

/// Numbers of states.
pub type Numbers = BTreeSet<usize>;

/// The result of the steps of a scenario.
pub struct Played {
    pub may_be: Numbers,
    pub said: String,
    /// A key for which another program reads an older value than the acknowledged one.
    pub unseen: Option<String>,
}

/// The kind of the disturbance; it decides which results the steps may return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// A call fails.
    Once,
    /// From one call on, calls of its kind fail.
    Stays,
    Death,
}

impl Scenario {
    /// Takes the steps, and derives the expected states from their results.
    pub fn play(&self, program: &Program<'_>, states: &[State], trouble: Trouble) -> Played {
        let mut may_be = Numbers::from([0]);
        let mut said = Vec::new();
        let (mut is_whole, mut unseen) = (true, None);
        for (number, step) in (1..).zip(self.steps) {
            let outcome = step(program);
            said.push(format!("{outcome:?}"));
            match &outcome {
                Ok(()) => {
                    may_be = [number].into();
                    unseen = unseen.or_else(|| program.misses(&states[number]));
                }
                // The transaction is made, or may be made.
                Err(Error::NotDurable { .. } | Error::Unfinished { .. }) => drop(may_be.insert(number)),
                // The texts are in place, but the staged changes could not be removed: the next program removes them.
                Err(Error::Io { path, .. }) if program.is_staged(path) => drop(may_be.insert(number)),
                Err(_) if trouble == Trouble::Death => drop(may_be.insert(number)),
                Err(Error::Damaged { .. }) => {}
                // If one call fails, only one step fails, unless the log is damaged and refuses the next.
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
