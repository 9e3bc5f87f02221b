//! Writes maps: a whole map from a text (`build`), and the changes of a commit to an existing map (`publish`).
//!
//! `content` defines the sources of a map, and `encode` writes the blocks. `publication` collects the changes of a
//! commit; `split` handles the parts of large sections, `order` the orders of sections, and `column` the
//! indexes of columns. `new_index` is the index of a
//! map that is being made, and `one_pass` makes one of text in which nothing is unusual.

pub(super) mod build;
pub(super) mod column;
pub(super) mod column_changes;
pub(super) mod content;
pub(super) mod encode;
pub(super) mod new_index;
pub(super) mod one_pass;
pub(super) mod order;
pub(super) mod publication;
pub(super) mod publish;
pub(super) mod split;
