//! Packages that are edited by hand: before the log has the edit, between a change and its commit, and while the text
//! is deferred.

use cms::Result;

use super::transactions::{NAMES, commit_up_to, number, state, text, texts, values};
use crate::support::scenario::{PLAIN, Scenario, State};
use crate::support::world::{Actor, World};

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

/// Notes edits, and again if one could not be noted.
fn note(actor: &Actor<'_>) -> Result<()> {
    actor.note_edits()
}

pub const NOTED: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| {
        commit_up_to(world, 1, SMALL);
        edit(world, 1);
    },
    steps: &[note, |actor| number(actor, 2, SMALL)],
    states: || vec![edited(1), edited(1), edited(2)],
    is_edited: true,
    ..PLAIN
};

pub const BETWEEN: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| commit_up_to(world, 1, SMALL),
    steps: &[
        |actor| {
            edit(actor.world, 1);
            Ok(())
        },
        |actor| actor.set_while_edited(&values(2, SMALL), "beta", &edited(1).texts["beta"]),
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
        |actor| {
            actor.world.write("beta", &edited_value().texts["beta"]);
            Ok(())
        },
        |actor| {
            let text = &text("beta", BY_HAND + 1, SMALL);
            let outcome = actor.set_while_edited(&values(2, SMALL), "beta", text);
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
        |actor| number(actor, 2, SMALL),
        |actor| {
            let mut text = std::fs::read_to_string(actor.world.package("beta")).expect("there");
            text.push_str("# by hand\n");
            actor.world.write("beta", &text);
            Ok(())
        },
        |actor| number(actor, 3, SMALL),
    ],
    states: || vec![state(1, SMALL), state(2, SMALL), edited(2), edited(3)],
    is_edited: true,
    ..PLAIN
};

pub const DELETED: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| commit_up_to(world, 1, SMALL),
    steps: &[
        |actor| {
            std::fs::remove_file(actor.world.package("gamma")).expect("removed");
            actor.world.settle();
            Ok(())
        },
        note,
        |actor| {
            let values: Vec<_> =
                values(2, SMALL).into_iter().filter(|(key, _)| !key.starts_with("gamma")).collect();
            actor.set(&values)
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
