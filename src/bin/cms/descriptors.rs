//! The limit of open files. A transaction over many packages keeps several files of each open at the same time, and the
//! limit that shells set is low for the sake of old programs.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit as far as the system allows, for commands that change packages.
pub fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If the system refuses, a transaction over too many packages fails, and changes nothing.
    let _ = setrlimit(Resource::Nofile, limit);
}
