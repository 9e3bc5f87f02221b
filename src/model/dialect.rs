//! Which reading of the corner cases applies.

/// Which reading of the corner cases applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// The intended behaviour.
    #[default]
    Cms,
    /// Stock uci's behaviour, including its harmless oddities.
    Uci,
}
