//! Checks the invariants of a store after a scenario and a disturbance: the packages have one of the allowed states;
//! log, maps and staged changes agree with them; the next commits work, and leave no files behind.

use std::os::unix::fs::PermissionsExt;

use cms::testing::Files;
use cms::{Delta, DeltaKind, Durability, Error, Form};

use super::keys::{keys, value};
use super::oracle::{Chain, litter};
use super::prepared::Prepared;
use super::program::Program;
use super::scenario::{Numbers, State, Texts};
use super::world::MODE;

/// The allowed states.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The numbers of the allowed states.
    pub states: Numbers,
    /// Whether the packages may be of different states, as after a power cut that their commits need not survive.
    pub may_be_mixed: bool,
    /// Whether a commit may be missing in the log, because the log could not be written.
    pub may_be_unlogged: bool,
    /// Whether the process or the machine has died.
    pub is_after_a_death: bool,
    /// Whether the staged changes may be there only in part, or not at all.
    pub may_lose_staged: bool,
}

impl Expected {
    /// Allows one of the states with these numbers, complete.
    pub fn one_of(numbers: &Numbers) -> Self {
        Self {
            states: numbers.clone(),
            may_be_mixed: false,
            may_be_unlogged: false,
            is_after_a_death: false,
            may_lose_staged: false,
        }
    }
}

/// The line that the next commit adds to each package.
const NEXT: &str = "\toption next '1'\n";

impl Prepared {
    /// Reads the packages.
    fn read(&self, what: &str) -> Texts {
        let mut texts = Texts::new();
        for name in self.states.iter().flat_map(|state| state.texts.keys()) {
            let path = self.world.package(name);
            match std::fs::read(&path) {
                Ok(text) => drop(texts.insert(name.clone(), String::from_utf8_lossy(&text).into_owned())),
                Err(_) => assert!(!path.exists(), "{what}: {name} cannot be read"),
            }
        }
        texts
    }

    /// Reads the packages, and checks their attributes.
    pub fn texts(&self, what: &str) -> Texts {
        let texts = self.read(what);
        for name in texts.keys() {
            let path = self.world.package(name);
            let mode = std::fs::metadata(&path).expect("there").permissions().mode() & 0o7777;
            let is_new = !self.states[0].texts.contains_key(name);
            assert!(mode == MODE || is_new, "{what}: {name} has another mode: {mode:o}");
            assert_eq!(path.is_symlink(), self.links.contains(name), "{what}: {name}");
        }
        texts
    }

    /// Checks before recovery that each package has the text of one of the states. A text that is behind the log and
    /// edited is of no state.
    pub fn check_each(&self, level: Durability, what: &str) {
        if self.scenario.recovers || level == Durability::Log && self.scenario.is_edited {
            return;
        }
        self.check_texts(&self.states, what);
    }

    /// Checks that the text of each package is that of one of these states.
    fn check_texts(&self, states: &[State], what: &str) {
        let texts = self.texts(what);
        for name in self.states.iter().flat_map(|state| state.texts.keys()) {
            let is_known = states.iter().any(|state| state.texts.get(name) == texts.get(name));
            assert!(is_known, "{what}: {name} is of no state: {:?}", texts.get(name));
        }
    }

    /// Does all checks. `number` counts the calls.
    pub fn check(&self, expected: &Expected, number: usize, what: &str) {
        if self.world.path("state-b").exists() {
            // Only a program with this log can complete a commit in it.
            let other = self.world.program_with_another_log(Durability::Full, Files::default());
            other.recover().unwrap_or_else(|error| panic!("{what}: recovery of the other log: {error}"));
        }
        let program = self.world.program();
        program.recover().unwrap_or_else(|error| panic!("{what}: recovery: {error}"));
        if self.scenario.needs_repair && expected.is_after_a_death {
            program.repair().unwrap_or_else(|error| panic!("{what}: repair: {error}"));
        }
        if self.scenario.is_edited {
            program.note_edits().unwrap_or_else(|error| panic!("{what}: noting edits: {error}"));
        }
        if expected.may_be_mixed {
            drop(program);
            return self.check_mixed(expected, what);
        }
        let states = self.found(&program, expected, what);
        let state = &states[0];
        self.check_maps(&program, &state.texts, what);
        let last = self.check_log(&program, expected, what);
        match self.scenario.overtake.filter(|_| state.has_staged() && number % 2 == 1) {
            Some(overtake) => overtake(&self.world, state, what),
            None => self.commit_more(&program, &states, (expected, last), what),
        }
        drop(program);
        let program = self.world.program();
        self.check_maps(&program, &self.read(what), what);
        let litter = litter(&self.world.root);
        assert!(litter.is_empty(), "{what}: left behind: {litter:?}");
        let broken = program.broken_labels();
        assert!(broken.is_empty(), "{what}: snapshots that are not whole: {broken:?}");
    }

    /// Finds the allowed states that the packages have: several if they differ only in staged changes.
    fn found(&self, program: &Program<'_>, expected: &Expected, what: &str) -> Vec<State> {
        let texts = self.texts(what);
        let names: Vec<&String> = self.states.iter().flat_map(|state| state.texts.keys()).collect();
        let counts =
            names.iter().map(|name| program.staged(name).unwrap_or_else(|error| panic!("{what}: {error}")));
        let has_staged = counts.sum::<usize>() > 0;
        let also = self.scenario.after_a_death.filter(|_| expected.is_after_a_death);
        let states =
            expected.states.iter().map(|number| self.states[*number].clone()).chain(also.map(|also| also()));
        let found = states.filter(|state| {
            state.texts == texts && (expected.may_lose_staged || state.has_staged() == has_staged)
        });
        let found: Vec<State> = found.collect();
        assert!(!found.is_empty(), "{what}: none of {:?}: {texts:#?}, staged: {has_staged}", expected.states);
        found
    }

    /// Checks that the maps agree with the texts.
    fn check_maps(&self, program: &Program<'_>, texts: &Texts, what: &str) {
        for (key, wanted) in keys(texts) {
            let found = value(&program.store, &key).unwrap_or_else(|error| panic!("{what}: {key}: {error}"));
            assert_eq!(found.as_deref(), Some(&*wanted), "{what}: the map of {key}");
        }
        for state in &self.states {
            let gone = keys(&state.texts).into_iter().map(|(key, _)| key);
            for key in gone.filter(|key| !texts.contains_key(key.split('.').next().unwrap_or_default())) {
                let found =
                    value(&program.store, &key).unwrap_or_else(|error| panic!("{what}: {key}: {error}"));
                assert_eq!(found, None, "{what}: {key} of a package that is gone");
            }
        }
    }

    /// Checks that the log is intact and agrees with the texts. Returns the number of its last record.
    fn check_log(&self, program: &Program<'_>, expected: &Expected, what: &str) -> u64 {
        let state = self.world.path("state");
        let log = Chain::read(&state, what);
        program.note_edits().unwrap_or_else(|error| panic!("{what}: noting edits: {error}"));
        let noted = Chain::read(&state, what);
        // If a text differed from the log, it would have been logged as an edit.
        let new = &noted.kinds[log.kinds.len().min(noted.kinds.len())..];
        let may_be_edited = self.scenario.is_edited || expected.may_be_unlogged;
        let is_expected =
            |kind: &u8| Chain::IS_NO_CHANGE.contains(kind) || may_be_edited && *kind == Chain::FILE_EDIT;
        assert!(new.iter().all(is_expected), "{what}: log and texts differ: {new:?}");
        let is_done = noted.last_is_applied
            || noted.kinds.last().is_some_and(|kind| Chain::IS_NO_CHANGE.contains(kind));
        assert!(is_done, "{what}: recovery has left something: {:?}", noted.kinds);
        noted.sequence
    }

    /// Commits to every package, makes the packages that exist in other states, and then commits the staged changes.
    fn commit_more(
        &self,
        program: &Program<'_>,
        states: &[State],
        (expected, last): (&Expected, u64),
        what: &str,
    ) {
        let state = &states[0];
        commit_next(program, &state.texts, what);
        assert_eq!(self.texts_without(NEXT, what), state.texts, "{what}: after the next commit");
        let now = Chain::read(&self.world.path("state"), what);
        assert!(now.sequence > last && now.last_is_applied, "{what}: the next commit is not logged");
        if !expected.may_lose_staged && (state.has_staged() || self.has_staged_files()) {
            self.commit_staged(program, states, what);
        }
        for (name, text) in self.states.iter().flat_map(|other| &other.texts) {
            if !state.texts.contains_key(name) {
                program
                    .replace(&[(name, text)])
                    .unwrap_or_else(|error| panic!("{what}: making {name}: {error}"));
                assert_eq!(
                    std::fs::read_to_string(self.world.package(name)).ok().as_ref(),
                    Some(text),
                    "{what}"
                );
            }
        }
    }

    fn has_staged_files(&self) -> bool {
        std::fs::read_dir(self.world.path("save")).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// Stages one more change of each package, and commits all staged changes. That also removes files that a dead
    /// process has left in the save directory.
    fn commit_staged(&self, program: &Program<'_>, states: &[State], what: &str) {
        let state = &states[0];
        // A package may be staged and have no file yet.
        let all: Texts =
            state.staged.iter().chain(&state.texts).map(|(n, t)| (n.clone(), t.clone())).collect();
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        for (name, text) in &all {
            let key = next(name, text);
            let section = key.split('.').nth(1).expect("a section");
            let set = Delta::new(DeltaKind::Set, section.as_bytes(), Some(b"next"), Some(b"2"));
            program.stage(name, &[set]).unwrap_or_else(|error| panic!("{what}: staging: {error}"));
        }
        let done = program.commit_staged(&names, Form::Lossless);
        done.unwrap_or_else(|error| panic!("{what}: what is staged: {error}"));
        let found = self.texts_without("\toption next '2'\n", what);
        let is_once = states.iter().any(|state| state.staged == found);
        assert!(is_once, "{what}: what is staged is not committed once: {found:#?}, of {states:#?}");
        for entry in std::fs::read_dir(self.world.path("save")).into_iter().flatten().flatten() {
            let is_empty = entry.metadata().is_ok_and(|found| found.len() == 0);
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(is_empty && names.contains(&&*name), "{what}: left in the save directory: {name}");
        }
    }

    fn texts_without(&self, line: &str, what: &str) -> Texts {
        let texts = self.texts(what);
        texts.into_iter().map(|(name, text)| (name, text.replacen(line, "", 1))).collect()
    }

    /// Checks a store that may have lost its last commits, different ones for each package.
    fn check_mixed(&self, expected: &Expected, what: &str) {
        let last = *expected.states.last().expect("a state");
        let begun = &self.states[..=last];
        let program = self.world.program();
        self.check_texts(begun, what);
        self.check_maps(&program, &self.texts(what), what);
        // A transaction whose record exists, but not the text before it, may be detected only now.
        program.note_edits().unwrap_or_else(|error| panic!("{what}: noting edits: {error}"));
        program.store.refresh().unwrap_or_else(|error| panic!("{what}: {error}"));
        let texts = self.texts(what);
        self.check_texts(begun, what);
        self.check_maps(&program, &texts, what);
        commit_next(&program, &texts, what);
        drop(program);
        assert_eq!(self.texts_without(NEXT, what), texts, "{what}: after the next commit");
        let program = self.world.program();
        self.check_maps(&program, &self.texts(what), what);
        let names: Vec<&str> = texts.keys().map(String::as_str).collect();
        match program.commit_staged(&names, Form::Lossless) {
            // The staged changes may have been committed and changed since.
            Ok(_) | Err(Error::Conflict { .. }) => {}
            Err(error) => panic!("{what}: what is staged: {error}"),
        }
    }
}

/// Commits a value to each package that has sections, and writes the others again.
fn commit_next(program: &Program<'_>, texts: &Texts, what: &str) {
    let (filled, empty): (Vec<_>, Vec<_>) = texts.iter().partition(|(_, text)| !text.is_empty());
    let values: Vec<_> = filled.into_iter().map(|(name, text)| (next(name, text), "1".to_owned())).collect();
    let set = program.set(&values);
    let empty: Vec<(&str, &str)> = empty.into_iter().map(|(name, text)| (&**name, &**text)).collect();
    let done = set.and_then(|()| program.replace(&empty));
    done.unwrap_or_else(|error| panic!("{what}: the next commit: {error}"));
}

/// The key to which the next commit gives a value, in the first section that has a name.
fn next(package: &str, text: &str) -> String {
    let section =
        text.lines().filter(|line| line.starts_with("config ")).find_map(|line| line.split('\'').nth(1));
    format!("{package}.{}.next", section.unwrap_or_else(|| panic!("{package}: {text}")))
}
