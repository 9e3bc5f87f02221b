//! Behaviour of the library and the command, from the outside.

mod cli;
mod corpus;
mod golden;
mod render;
