//! The C library: the functions of `cms.h`, which is made from the comments here and is its documentation.
//!
//! Functions are short: they check pointers, call the crate `cms`, and turn its result into a status. Types and
//! functions are spelt as in C.
//!
//! The library is built for size. The few functions that are to be fast are marked so with an attribute that the
//! compiler still calls unstable; `make lib` turns it on with `cfg(cms_speed)` where it can.

#![cfg_attr(cms_speed, feature(optimize_attribute))]
#![allow(non_camel_case_types, reason = "names are the same in C and Rust")]
#![allow(unsafe_code, reason = "C calls with raw pointers")]
#![allow(clippy::missing_safety_doc, reason = "the rules are stated once, at the top of the header")]

mod archive;
mod audit;
mod handle;
mod history;
mod iter;
mod key;
mod list;
mod open;
mod revision;
mod sized;
mod snapshot;
mod status;
mod store;
mod txn;
mod undo;
mod verify;
mod watch;
