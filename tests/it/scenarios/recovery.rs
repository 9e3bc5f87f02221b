//! What a program has left that died in a commit over three packages, after it was logged: the next does the rest.

use super::transactions::{commit_up_to, number, state, texts};
use crate::support::scenario::{Effort, PLAIN, Scenario};
use crate::support::world::World;

const SMALL: usize = 20;

fn die_after(world: &World, renames: usize) {
    commit_up_to(world, 1, SMALL);
    world.die_after_renames(renames, |actor| number(actor, 2, SMALL));
}

pub const BEFORE: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| die_after(world, 0),
    steps: &[|actor| actor.recover()],
    states: || vec![state(2, SMALL), state(2, SMALL)],
    recovers: true,
    ..PLAIN
};

pub const ONE: Scenario = Scenario { prepare: |world| die_after(world, 1), effort: Effort::Errors, ..BEFORE };

pub const TWO: Scenario = Scenario { prepare: |world| die_after(world, 2), ..BEFORE };

/// As a program has left it that did not sync its texts: the transaction is in the log, the new text in place, and of that
/// nothing is on the disk but the name. It is taken for damage, and made from the log.
pub const EMPTY: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| {
        commit_up_to(world, 1, SMALL);
        world.die_before_texts_are_placed(|actor| number(actor, 2, SMALL));
        world.write("beta", "");
    },
    ..BEFORE
};
