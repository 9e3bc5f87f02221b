//! How a store behaves: what its policy, the environment and the program ask for, and which of them counts.

pub(crate) mod durability;
pub(crate) mod options;
pub(crate) mod policy;
pub(crate) mod resolved;
