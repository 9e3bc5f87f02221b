//! A program died in a commit over three packages, after it was logged: the next program completes the commit.

use super::transactions::{commit_up_to, number, state, texts};
use crate::support::scenario::{Effort, PLAIN, Scenario};
use crate::support::world::World;

const SMALL: usize = 20;

fn die_after(world: &World, renames: usize) {
    commit_up_to(world, 1, SMALL);
    world.die_after_renames(renames, |program| number(program, 2, SMALL));
}

pub const BEFORE: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| die_after(world, 0),
    steps: &[|program| program.recover()],
    states: || vec![state(2, SMALL), state(2, SMALL)],
    recovers: true,
    ..PLAIN
};

pub const ONE: Scenario = Scenario { prepare: |world| die_after(world, 1), effort: Effort::Errors, ..BEFORE };

pub const TWO: Scenario = Scenario { prepare: |world| die_after(world, 2), ..BEFORE };

/// The state after a crash of a program that did not sync its texts: the transaction is in the log, and the new file
/// is in place without its content. Recovery treats that as damage, and makes the text from the log.
pub const EMPTY: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| {
        commit_up_to(world, 1, SMALL);
        world.die_before_texts_are_placed(|program| number(program, 2, SMALL));
        world.write("beta", "");
    },
    ..BEFORE
};
