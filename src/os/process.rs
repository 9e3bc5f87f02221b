//! The number of this process. Each lock that is taken or released asks for it, since a child made by `fork` must not use
//! the locks of its parent; a program that commits often can have it kept in memory that a fork clears.

use std::sync::OnceLock;

/// Returns the number of this process from memory; `None` if the system cannot clear memory at a fork.
type Keeper = fn() -> Option<u32>;

static KEEPER: OnceLock<Keeper> = OnceLock::new();

/// Has the number kept in memory from now on. The function comes from a layer that may use memory of its own kind.
pub(crate) fn keep_id(keeper: Keeper) {
    // A second call gives the same function.
    let _ = KEEPER.set(keeper);
}

/// Returns the number of this process.
pub(crate) fn id() -> u32 {
    KEEPER.get().and_then(|keeper| keeper()).unwrap_or_else(std::process::id)
}
