//! Why a value does not pass.

use std::fmt;

/// The rule that a value breaks, and what the rule expects.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The innermost rule that decides, as the expression has it: `range(1,10)`.
    pub rule: String,
    /// What the rule expects, in words that follow "expected": `a whole number from 1 to 10`.
    pub expected: String,
    /// The item that breaks the rule, where the value is a list in one string. It is as secret as the value.
    pub item: Option<Vec<u8>>,
    /// The reason why the value could not be checked: it is neither right nor wrong then.
    pub unchecked: Option<&'static str>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unchecked {
            Some(why) => write!(f, "{} is not checked: {why}", self.rule),
            None => write!(f, "expected {}", self.expected),
        }
    }
}

impl std::error::Error for Failure {}
