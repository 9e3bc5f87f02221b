//! Packages that are changed, replaced, deleted and restored as a whole.

use cms::{Delta, DeltaKind, Form};

use super::staged::{NEW, OLD};
use crate::support::scenario::{Effort, PLAIN, Scenario, State, texts};

const UPDATED: &str = "# kept\nconfig a 'x'\n\toption o '9' # old\n\tlist l 'one'\n";

pub const UPDATE: Scenario = Scenario {
    packages: || texts(&[("n", OLD)]),
    steps: &[|program| program.update("n", &Delta::new(DeltaKind::Set, b"x", Some(b"o"), Some(b"9")))],
    states: || vec![State::of(&[("n", OLD)]), State::of(&[("n", UPDATED)])],
    effort: Effort::Errors,
    ..PLAIN
};

const OTHER: &str = "config c 'z'\n";

pub const REPLACEMENT: Scenario = Scenario {
    packages: || texts(&[("n", OLD)]),
    steps: &[|program| program.replace(&[("n", OTHER)])],
    states: || vec![State::of(&[("n", OLD)]), State::of(&[("n", OTHER)])],
    effort: Effort::Errors,
    ..PLAIN
};

/// One of the two packages is new.
pub const REPLACEMENTS: Scenario = Scenario {
    steps: &[|program| program.replace(&[("n", OTHER), ("o", NEW)])],
    states: || vec![State::of(&[("n", OLD)]), State::of(&[("n", OTHER), ("o", NEW)])],
    effort: Effort::Sample,
    ..REPLACEMENT
};

/// Both packages must be as they were when the new texts were made.
pub const EXCHANGES: Scenario =
    Scenario { steps: &[|program| program.exchange_texts(("n", OLD, OTHER), ("o", NEW))], ..REPLACEMENTS };

/// One package is changed, one is made, and one is deleted.
pub const ADOPTED: Scenario = Scenario {
    packages: || texts(&[("n", OLD), ("later", SHORT)]),
    steps: &[|program| program.adopt(&[("n", Some(OTHER)), ("o", Some(NEW)), ("later", None)])],
    states: || vec![State::of(&[("n", OLD), ("later", SHORT)]), State::of(&[("n", OTHER), ("o", NEW)])],
    ..REPLACEMENTS
};

const SHORT: &str = "config a 'b'\n\toption x '1'\n";

/// Rolls back to a revision with one package less.
pub const DELETION: Scenario = Scenario {
    packages: || texts(&[("n", OLD), ("later", SHORT)]),
    prepare: |world| {
        std::fs::remove_file(world.package("later")).expect("removed");
        world.program().note_edits().expect("noted");
        world.make("later", SHORT);
        world.program().note_edits().expect("noted");
    },
    steps: &[|program| program.rollback(program.revision()? - 1)],
    states: || vec![State::of(&[("n", OLD), ("later", SHORT)]), State::of(&[("n", OLD)])],
    ..PLAIN
};

pub const RETURN: Scenario = Scenario {
    prepare: |world| {
        (DELETION.prepare)(world);
        let program = world.program();
        program.rollback(program.revision().expect("known") - 1).expect("rolled back");
    },
    steps: &[|program| program.undo(program.revision()?)],
    states: || vec![State::of(&[("n", OLD)]), State::of(&[("n", OLD), ("later", SHORT)])],
    ..DELETION
};

/// One transaction deletes a package and makes two, of which one has no section.
pub const EXCHANGE: Scenario = Scenario {
    packages: || texts(&[("n", OLD), ("later", SHORT)]),
    steps: &[|program| program.exchange("later", ("o.z", "c"), "empty")],
    states: || {
        let before = State::of(&[("n", OLD), ("later", SHORT)]);
        vec![before, State::of(&[("n", OLD), ("o", OTHER), ("empty", "")])]
    },
    ..PLAIN
};

/// The transaction before is undone: the deleted package comes back, and the new ones go.
pub const EXCHANGED_BACK: Scenario = Scenario {
    prepare: |world| {
        (EXCHANGE.steps[0])(&world.program()).expect("exchanged");
        world.make("o", OTHER);
        world.make("empty", "");
    },
    steps: &[|program| program.undo(program.revision()?)],
    states: || (EXCHANGE.states)().into_iter().rev().collect(),
    ..EXCHANGE
};

/// As the command deletes two packages.
pub const DELETIONS: Scenario = Scenario {
    packages: || texts(&[("n", OLD), ("later", SHORT), ("stays", SHORT)]),
    steps: &[|program| program.delete(&["n", "later"])],
    states: || {
        let before = State::of(&[("n", OLD), ("later", SHORT), ("stays", SHORT)]);
        vec![before, State::of(&[("stays", SHORT)])]
    },
    ..PLAIN
};

/// The link stays, and its target is replaced.
pub const LINK: Scenario = Scenario {
    packages: || texts(&[("n", OLD)]),
    prepare: |world| {
        std::fs::create_dir(world.path("real")).expect("made");
        std::fs::rename(world.package("n"), world.path("real/n")).expect("moved");
        std::os::unix::fs::symlink("../real/n", world.package("n")).expect("linked");
        (super::staged::COMMIT.prepare)(world);
    },
    steps: &[|program| program.commit_staged(&["n"], Form::Lossless).map(drop)],
    states: super::staged::COMMIT.states,
    ..PLAIN
};
