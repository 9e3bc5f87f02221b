//! The map.
mod block;
mod build;
mod content;
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
mod source;
mod value;
mod view;

pub use mapping::Usage;
pub use value::{List, Value};
pub use view::{Options, Package, Section, Sections};

#[cfg(test)]
mod tests;
