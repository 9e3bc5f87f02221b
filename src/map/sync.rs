//! The primitives of `current`; the models substitute others of the same names.

pub(super) use crossbeam_epoch as epoch;
pub(super) use std::sync::Arc;
pub(super) use std::sync::atomic::{AtomicPtr, Ordering};
