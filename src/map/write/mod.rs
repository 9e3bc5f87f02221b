//! Writing maps: a whole one from a text (`build`), and the changes of a commit into one that is there (`publish`).
//!
//! `content` says what a map can be made of, and `encode` writes the blocks. `publication` collects what a commit
//! changes: `split` the parts of large sections, `order` the orders of sections.

pub(super) mod build;
pub(super) mod content;
pub(super) mod encode;
pub(super) mod order;
pub(super) mod publication;
pub(super) mod publish;
pub(super) mod split;
