//! What a configuration means: the types that values have.

pub mod datatype;
