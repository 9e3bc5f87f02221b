//! The settings of a store: its policy, the environment and the options of the program, and the rules that merge them.

pub(crate) mod durability;
pub(crate) mod options;
pub(crate) mod policy;
pub(crate) mod resolved;
pub(crate) mod seams;
