//! Transactions of an open store. Each gives three packages the same number.

use cms::Result;

use crate::support::program::Program;
use crate::support::scenario::{Effort, PLAIN, Scenario, State, Texts};
use crate::support::world::World;

pub const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];

/// Returns a value that contains its number; the second argument is its approximate length.
pub fn value(number: usize, padding: usize) -> String {
    let letter = ["a", "b", "c", "d", "e", "f", "g"][number % 7];
    format!("{number}:{}", letter.repeat(padding + number % 97))
}

pub fn text(name: &str, number: usize, padding: usize) -> String {
    format!("# {name}, kept\nconfig s 's'\n\toption v '{}' # kept\n\tlist l 'one'\n", value(number, padding))
}

/// The packages with a number.
pub fn texts(number: usize, padding: usize) -> Texts {
    NAMES.iter().map(|name| ((*name).to_owned(), text(name, number, padding))).collect()
}

pub fn state(number: usize, padding: usize) -> State {
    texts(number, padding).into()
}

fn states(numbers: std::ops::RangeInclusive<usize>, padding: usize) -> Vec<State> {
    numbers.map(|number| state(number, padding)).collect()
}

/// Returns the changes that give all packages a number.
pub fn values(number: usize, padding: usize) -> Vec<(String, String)> {
    NAMES.iter().map(|name| (format!("{name}.s.v"), value(number, padding))).collect()
}

/// Gives all packages a number, in one transaction.
pub fn number(program: &Program<'_>, number: usize, padding: usize) -> Result<()> {
    program.set(&values(number, padding))
}

pub fn commit_up_to(world: &World, last: usize, padding: usize) {
    let program = world.program();
    (1..=last).for_each(|next| number(&program, next, padding).expect("committed"));
}

const SMALL: usize = 20;
/// Longer than a sector.
const LONG: usize = 600;
const HUGE: usize = 2800;

pub const COMMITS: Scenario = Scenario {
    packages: || texts(0, LONG),
    prepare: |world| commit_up_to(world, 1, LONG),
    steps: &[|program| number(program, 2, LONG), |program| number(program, 3, LONG)],
    states: || states(1..=3, LONG),
    goes_on: true,
    effort: Effort::Full,
    ..PLAIN
};

/// The first of these commits alone.
pub const COMMIT: Scenario = Scenario {
    steps: &[|program| number(program, 2, LONG)],
    states: || states(1..=2, LONG),
    goes_on: false,
    effort: Effort::Sample,
    ..COMMITS
};

pub const FIRST: Scenario = Scenario {
    packages: || texts(0, SMALL),
    steps: &[|program| number(program, 1, SMALL)],
    states: || states(0..=1, SMALL),
    effort: Effort::Full,
    ..PLAIN
};

pub const SEGMENTS: Scenario = Scenario {
    packages: || texts(0, HUGE),
    prepare: |world| commit_up_to(world, 7, HUGE),
    steps: &[|program| number(program, 8, HUGE), |program| number(program, 9, HUGE)],
    states: || states(7..=9, HUGE),
    log_size: 256 << 10,
    goes_on: true,
    effort: Effort::Sample,
    ..PLAIN
};

/// With [`cms::Durability::Log`] the texts are placed after the second commit.
pub const LATER: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| commit_up_to(world, 1, SMALL),
    steps: &[
        |program| number(program, 2, SMALL),
        |program| number(program, 3, SMALL),
        |program| program.place_texts(),
        |program| number(program, 4, SMALL),
    ],
    states: || [1, 2, 3, 3, 4].map(|number| state(number, SMALL)).into(),
    ..PLAIN
};

pub const SNAPSHOT: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| commit_up_to(world, 1, SMALL),
    steps: &[
        |program| program.label("before"),
        |program| number(program, 2, SMALL),
        |program| program.label("after"),
    ],
    states: || [1, 1, 2, 2].map(|number| state(number, SMALL)).into(),
    ..PLAIN
};
