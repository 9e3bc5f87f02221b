//! Packages that are edited by hand: before the log has the edit, between a change and its commit, and while the text
//! is deferred.

use cms::Result;

use super::transactions::{NAMES, commit_up_to, number, state, text, texts, values};
use crate::support::program::Program;
use crate::support::scenario::{PLAIN, Scenario, State};
use crate::support::world::World;

const SMALL: usize = 20;

/// The packages with a number, and with a line that a person has added at the end of the second.
fn edited(number: usize) -> State {
    let mut texts = texts(number, SMALL);
    texts.get_mut("beta").expect("a package").push_str("# by hand\n");
    texts.into()
}

fn edit(world: &World, number: usize) {
    world.write("beta", &edited(number).texts["beta"]);
}

fn note(program: &Program<'_>) -> Result<()> {
    program.note_edits()
}

pub const NOTED: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| {
        commit_up_to(world, 1, SMALL);
        edit(world, 1);
    },
    steps: &[note, |program| number(program, 2, SMALL)],
    states: || vec![edited(1), edited(1), edited(2)],
    is_edited: true,
    ..PLAIN
};

pub const BETWEEN: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| commit_up_to(world, 1, SMALL),
    steps: &[
        |program| {
            edit(program.world, 1);
            Ok(())
        },
        |program| program.set_while_edited(&values(2, SMALL), "beta", &edited(1).texts["beta"]),
    ],
    states: || vec![state(1, SMALL), edited(1), edited(2)],
    is_edited: true,
    ..PLAIN
};

/// The value that the editor has written.
const BY_HAND: usize = 50;

fn edited_value() -> State {
    let mut texts = texts(1, SMALL);
    texts.insert("beta".to_owned(), text("beta", BY_HAND, SMALL));
    texts.into()
}

/// The commit is refused, for any reason; from then on the text is the edited one.
pub const SAME_KEY: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| commit_up_to(world, 1, SMALL),
    steps: &[
        |program| {
            program.world.write("beta", &edited_value().texts["beta"]);
            Ok(())
        },
        |program| {
            let text = &text("beta", BY_HAND + 1, SMALL);
            let outcome = program.set_while_edited(&values(2, SMALL), "beta", text);
            assert!(outcome.is_err(), "it is committed over an edit");
            Ok(())
        },
    ],
    states: || {
        let mut last = edited_value();
        last.texts.insert("beta".to_owned(), text("beta", BY_HAND + 1, SMALL));
        vec![state(1, SMALL), edited_value(), State::from(last.texts)]
    },
    is_edited: true,
    ..PLAIN
};

/// With [`cms::Durability::Log`] the editor has read the text from before the deferred one.
pub const BEHIND: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| commit_up_to(world, 1, SMALL),
    steps: &[
        |program| number(program, 2, SMALL),
        |program| {
            let mut text = std::fs::read_to_string(program.world.package("beta")).expect("there");
            text.push_str("# by hand\n");
            program.world.write("beta", &text);
            Ok(())
        },
        |program| number(program, 3, SMALL),
    ],
    states: || vec![state(1, SMALL), state(2, SMALL), edited(2), edited(3)],
    is_edited: true,
    ..PLAIN
};

pub const DELETED: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| commit_up_to(world, 1, SMALL),
    steps: &[
        |program| {
            std::fs::remove_file(program.world.package("gamma")).expect("removed");
            program.world.settle();
            Ok(())
        },
        note,
        |program| {
            let values: Vec<_> =
                values(2, SMALL).into_iter().filter(|(key, _)| !key.starts_with("gamma")).collect();
            program.set(&values)
        },
    ],
    states: || {
        let without = |number| {
            let mut texts = texts(number, SMALL);
            texts.remove(NAMES[2]);
            State::from(texts)
        };
        vec![state(1, SMALL), without(1), without(1), without(2)]
    },
    is_edited: true,
    ..PLAIN
};
