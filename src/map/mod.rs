//! The map.
mod block;
mod build;
mod check;
mod content;
mod control;
mod current;
mod encode;
mod format;
mod hash;
mod index;
mod lanes;
mod lookup;
mod mapping;
mod path;
mod publish;
mod region;
mod shared;
mod source;
mod table;
mod value;
mod view;

pub(crate) use build::{Image, Making, build};
pub use check::Damage;
pub(crate) use control::Control;
pub(crate) use current::Current;
pub(crate) use format::{Seq, low};
pub(crate) use hash::of_text;
pub(crate) use lookup::Placed;
pub(crate) use mapping::Map;
pub use mapping::Usage;
pub(crate) use path::Path;
pub(crate) use publish::Outcome;
pub(crate) use shared::{Publishing, Shared};
pub(crate) use source::Source;
pub(crate) use table::{Entry, Table};
pub use value::{List, Value};
pub use view::{Options, Package, Section, Sections};

#[cfg(test)]
mod tests;
