//! A configuration store: plain text that people edit, transactions, and fast reads for programs.

pub mod delta;
mod error;
pub mod name;
mod package;
pub mod text;

pub use delta::{Delta, DeltaKind};
pub use error::{Error, Result};
pub use package::{Key, List, MAX_TEXT, OptionView, Package, Section, Selector, Value};
