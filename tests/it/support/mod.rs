//! What the tests share: stores to try things on, probes that disturb them, and checks of what must hold afterwards.

pub mod dice;
pub mod fixture;
pub mod line_format;
pub mod oracle;
pub mod parts;
pub mod power;
pub mod probes;
pub mod sandbox;
