//! Code that the tests share: stores to work on, probes that disturb them, and checks of the invariants.

pub mod adversaries;
pub mod aftermath;
pub mod dice;
pub mod fixture;
pub mod keys;
pub mod line_format;
pub mod oracle;
pub mod parts;
pub mod power;
pub mod power_cuts;
pub mod prepared;
pub mod probes;
pub mod program;
pub mod sandbox;
pub mod scenario;
pub mod terminal;
pub mod world;
