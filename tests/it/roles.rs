//! The roles that this program runs when a test starts it in another process.

use crate::support::parts::ROLE;
use crate::{events, events_soak, mixed_soak, scenarios, stress, support, writer_kills};

/// A family of roles, and the function that runs one of them by its name.
type Family = (&'static str, fn(&str));

const ROLES: [Family; 7] = [
    ("events", events::role),
    ("events_soak", events_soak::role),
    ("mixed_soak", mixed_soak::role),
    ("parts", support::parts::role),
    ("scenarios", scenarios::role),
    ("stress", stress::role),
    ("writer_kills", writer_kills::role),
];

/// This is no test. Tests start it in other processes (see `parts::play`); without a role it does nothing.
#[test]
#[ignore = "no test: the part of a test that runs in another process"]
fn role() {
    let Ok(told) = std::env::var(ROLE) else { return };
    let (family, role) = told.split_once(' ').expect("a family and a role");
    let (_, play) = ROLES.iter().find(|(name, _)| *name == family).expect("a family");
    play(role);
}
