//! The C library: the functions of `cms.h`, which is made from the comments here and is its documentation.
//!
//! Functions are short: they check pointers, call the crate `cms`, and turn its result into a status. Types and
//! functions are spelt as in C.
//!
//! The library is built for size. The few functions that must be fast have an attribute that is still unstable in the
//! compiler; `make lib` turns it on with `cfg(cms_speed)` if the compiler allows it.

//! # What C promises
//!
//! The header's first page states the rules for callers. Unsafe code here is sound if they are kept; a comment
//! `SAFETY: C2` names the rule that is the reason.
//!
//! - **C1 Handles.** A handle is NULL, or the library gave it out as this type and C has not released it. C releases it
//!   after the calls that use it have returned. So a reference to what it points to is valid until the call returns; no
//!   function keeps one for longer.
//! - **C2 Strings.** A string is NULL or ends with a NUL byte, and does not change during the call. The function
//!   copies a string that it needs for longer.
//! - **C3 Buffers.** `buffer` is NULL or has `size` bytes; an array has `count` elements. Nothing else uses them during
//!   the call.
//! - **C4 Threads.** While a call uses a handle that is not const, no other call uses it.
//! - **C5 Results.** The place for a result is NULL, or aligned memory of its type that may be written to, and nothing
//!   else uses it during the call. "Not NULL" beside it says that the function has checked that.
//! - **C6 Release.** A handle is released once, by the function for its type, and not used after that.
//! - **C7 Structs.** A struct that begins with `size` is NULL, or has as many bytes as `size` says, and may be written to
//!   if the function writes it. Its members hold values of their types.
//! - **C8 Callbacks.** A callback may be called with `data` as the header says: on which threads, and until when.
//! - **C9 Bytes.** `cms_bytes` that C passes back were handed out by the library, and are still valid as the function
//!   says that handed them out.

#![cfg_attr(cms_speed, feature(optimize_attribute))]
#![allow(non_camel_case_types, reason = "names are the same in C and Rust")]
#![allow(unsafe_code, reason = "C calls with raw pointers")]
#![allow(clippy::missing_safety_doc, reason = "the rules are stated once, at the top of the header")]

mod archive;
mod atomic;
mod attribution;
mod audit;
mod change;
#[cfg(test)]
mod fast_tests;

mod foreach;
mod handle;
mod history;
mod iter;
mod key;
mod library;
mod list;
mod open;
mod revision;
mod sized;
mod snapshot;
mod snapshot_typed;
mod status;
mod store;
mod table;
mod txn;
mod txn_iter;
mod txn_typed;
mod typed;
mod undo;
mod value_type;
mod verify;
mod violation;
mod watch;
