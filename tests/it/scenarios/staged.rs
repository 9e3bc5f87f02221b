//! Changes that are staged, committed and dropped by programs without an open store, like the commands.

use cms::{Delta, DeltaKind, Error, Form};

use crate::support::scenario::{Effort, PLAIN, Scenario, State, texts};
use crate::support::world::World;

pub const OLD: &str = "# kept\nconfig a 'x'\n\toption o '1' # old\n\tlist l 'one'\n";
pub const NEW: &str =
    "# kept\nconfig a 'x'\n\toption o '2' # old\n\tlist l 'one'\n\tlist l 'two'\n\nconfig b\n";

/// Changes whose effect shows when they are applied twice.
fn deltas() -> Vec<Delta> {
    vec![
        Delta::new(DeltaKind::Set, b"x", Some(b"o"), Some(b"2")),
        Delta::new(DeltaKind::AddList, b"x", Some(b"l"), Some(b"two")),
        Delta::new(DeltaKind::Add, b"cfg02b607", None, Some(b"b")),
    ]
}

fn stage_all(world: &World) {
    let program = world.program();
    program.note_edits().expect("noted");
    program.stage("n", &deltas()).expect("staged");
}

pub const STAGING: Scenario = Scenario {
    packages: || texts(&[("n", OLD)]),
    steps: &[|program| program.stage("n", &deltas())],
    states: || vec![State::of(&[("n", OLD)]), State::of(&[("n", OLD)]).staged(&[("n", NEW)])],
    is_volatile: true,
    effort: Effort::Errors,
    ..PLAIN
};

pub const COMMIT: Scenario = Scenario {
    packages: || texts(&[("n", OLD)]),
    prepare: stage_all,
    steps: &[|program| program.commit_staged(&["n"], Form::Lossless).map(|applied| assert_eq!(applied, [3]))],
    states: || vec![State::of(&[("n", OLD)]).staged(&[("n", NEW)]), State::of(&[("n", NEW)])],
    overtake: Some(|world, _, what| {
        // Another program changes a key before the staged changes are read.
        let program = world.program();
        let set = Delta::new(DeltaKind::Set, b"x", Some(b"o"), Some(b"3"));
        program.update("n", &set).unwrap_or_else(|error| panic!("{what}: {error}"));
        let refused = program.commit_staged(&["n"], Form::Lossless);
        assert!(matches!(refused, Err(Error::Conflict { .. })), "{what}: {refused:?}");
        program.commit_by_force("n").unwrap_or_else(|error| panic!("{what}: {error}"));
        let text = std::fs::read_to_string(world.package("n")).expect("there");
        assert_eq!(text, NEW, "{what}");
        assert_eq!(program.staged("n").expect("loads"), 0, "{what}: still staged");
    }),
    effort: Effort::Errors,
    ..PLAIN
};

const M_OLD: &str = "config a 'y'\n\tlist l 'one'\n";
const M_NEW: &str = "config a 'y'\n\tlist l 'one'\n\tlist l 'two'\n";

fn add() -> Delta {
    Delta::new(DeltaKind::AddList, b"y", Some(b"l"), Some(b"two"))
}

pub const TWO_PACKAGES: Scenario = Scenario {
    packages: || texts(&[("m", M_OLD), ("n", OLD)]),
    prepare: |world| {
        stage_all(world);
        world.program().stage("m", &[add()]).expect("staged");
    },
    steps: &[|program| program.commit_staged(&["m", "n"], Form::Lossless).map(drop)],
    states: || {
        let before = State::of(&[("m", M_OLD), ("n", OLD)]);
        vec![before.staged(&[("m", M_NEW), ("n", NEW)]), State::of(&[("m", M_NEW), ("n", NEW)])]
    },
    ..PLAIN
};

const MADE: &str = "config a 'x'\n\tlist l 'two'\n";

/// The package comes into being by the staged changes, as does its file.
pub const MAKING: Scenario = Scenario {
    packages: || texts(&[("m", M_OLD)]),
    prepare: |world| {
        let program = world.program();
        program.note_edits().expect("noted");
        let section = Delta::new(DeltaKind::Set, b"x", None, Some(b"a"));
        let item = Delta::new(DeltaKind::AddList, b"x", Some(b"l"), Some(b"two"));
        program.stage("n", &[section, item]).expect("staged");
    },
    steps: &[|program| program.commit_staged(&["n"], Form::Lossless).map(drop)],
    states: || {
        let before = State::of(&[("m", M_OLD)]);
        vec![before.staged(&[("m", M_OLD), ("n", MADE)]), State::of(&[("m", M_OLD), ("n", MADE)])]
    },
    effort: Effort::Errors,
    ..PLAIN
};

/// The text with the staged change.
const ONE: &str = "# kept\nconfig a 'x'\n\toption o '2' # old\n\tlist l 'one'\n";
/// The text with the staged and the unstaged change.
const BOTH: &str = "# kept\nconfig a 'x'\n\toption o '2' # old\n\tlist l 'one'\n\tlist l 'two'\n";

pub const UNSTAGED: Scenario = Scenario {
    packages: || texts(&[("n", OLD)]),
    prepare: |world| world.program().stage("n", &deltas()[..1]).expect("staged"),
    steps: &[|program| program.commit_with(&["n"], &deltas()[1..2])],
    states: || vec![State::of(&[("n", OLD)]).staged(&[("n", ONE)]), State::of(&[("n", BOTH)])],
    effort: Effort::Errors,
    ..PLAIN
};

const CANONICAL: &str = "\nconfig a 'x'\n\toption o '2'\n\tlist l 'one'\n\tlist l 'two'\n\nconfig b\n\n";

pub const UCI: Scenario = Scenario {
    steps: &[|program| program.commit_staged(&["n"], Form::Canonical).map(drop)],
    states: || vec![State::of(&[("n", OLD)]).staged(&[("n", NEW)]), State::of(&[("n", CANONICAL)])],
    overtake: None,
    effort: Effort::Sample,
    ..COMMIT
};

/// The changes that are left once the change of the value is dropped.
const WITHOUT: &str =
    "# kept\nconfig a 'x'\n\toption o '1' # old\n\tlist l 'one'\n\tlist l 'two'\n\nconfig b\n";

pub const REVERT: Scenario = Scenario {
    packages: || texts(&[("n", OLD)]),
    prepare: stage_all,
    steps: &[|program| program.revert("n", "x", "o").map(|dropped| assert_eq!(dropped, 1))],
    states: || {
        let old = State::of(&[("n", OLD)]);
        vec![old.clone().staged(&[("n", NEW)]), old.staged(&[("n", WITHOUT)])]
    },
    // A death between truncating the file and writing the remaining lines.
    after_a_death: Some(|| State::of(&[("n", OLD)])),
    is_volatile: true,
    effort: Effort::Errors,
    ..PLAIN
};
