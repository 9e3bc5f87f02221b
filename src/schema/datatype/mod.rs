//! Datatypes: what text a value may be.
//!
//! A datatype is an expression as OpenWrt's init scripts and LuCI have them (`or(cidr4, ip4addr)`, `range(1,65535)`,
//! `list(neg(port))`), or a rule string (`required|alpha_num|max:32`). It is compiled once, and checks any number of
//! values; a value that passes is checked without allocating. Where the two validators of OpenWrt disagree, the one of
//! devices is followed, except for its accidents (`tests/golden/datatypes`).
//!
//! ```
//! use cms::datatype::{Datatype, Files};
//!
//! let address = Datatype::parse(b"or(ip4addr, \"auto\")")?;
//! assert!(address.check(b"192.0.2.1", &Files::default()).is_ok());
//! let failure = address.check(b"192.0.2", &Files::default()).unwrap_err();
//! assert_eq!(failure.to_string(), "expected an IPv4 address or 'auto'");
//!
//! let fault = Datatype::parse(b"or(port, prot)").unwrap_err();
//! assert_eq!(fault.to_string(), "column 10: 'prot': there is no such type; did you mean 'port'?");
//! # Ok::<(), cms::datatype::Malformed>(())
//! ```

mod address;
mod compile;
mod context;
mod explain;
mod failure;
mod host;
mod malformed;
mod node;
mod number;
mod pattern;
mod plain;
mod rules;
mod scan;
#[cfg(test)]
mod tests;
mod word;

use std::fmt;
use std::result::Result;

pub use context::{Answer, Context, FileKind, Files, FilesBelow, Reference};
pub use failure::Failure;
pub use malformed::Malformed;

use node::{Kind, Node, Verdict};

use crate::model::value_type::ValueType;

/// A compiled datatype.
#[derive(Clone)]
pub struct Datatype {
    text: Box<[u8]>,
    node: Node,
    /// A rule string says nothing of an empty value, unless it has `required`.
    accepts_empty: bool,
    is_required: bool,
}

impl fmt::Debug for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Datatype").field(&self.text.escape_ascii().to_string()).finish()
    }
}

impl PartialEq for Datatype {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Datatype {}

impl Datatype {
    /// Reads an expression or a rule string.
    ///
    /// # Errors
    ///
    /// [`Malformed`] with the column and the fault; [`crate::Error`] can be made of it.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        if rules::is_rules(text) {
            let rules = rules::compile(text)?;
            let is_required = rules.is_required;
            return Ok(Self {
                text: text.into(),
                node: rules.node,
                accepts_empty: !is_required,
                is_required,
            });
        }
        let items = scan::items(text, 0..text.len())?;
        let node = compile::alternatives(text, &items, 0..text.len())?;
        Ok(Self { text: text.into(), node, accepts_empty: false, is_required: false })
    }

    /// Checks a value: the string of an option, or one item of a list. An empty value counts as one that is not set,
    /// and passes only a rule string without `required`.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the value does not pass, or if nothing here could tell ([`Failure::unchecked`]).
    pub fn check(&self, value: &[u8], context: &dyn Context) -> Result<(), Failure> {
        if value.is_empty() && self.accepts_empty {
            return Ok(());
        }
        match self.node.test(value, context) {
            Verdict::Pass => Ok(()),
            _ if value.is_empty() => Err(Failure {
                rule: if self.is_required { "required".to_owned() } else { self.text_shown() },
                expected: "a value that is not empty".to_owned(),
                item: None,
                unchecked: None,
            }),
            _ => Err(self.node.failure(&self.text, value, context)),
        }
    }

    /// Returns the text that it was read from.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Says what values it accepts, in words that follow "expected".
    #[must_use]
    pub fn expected(&self) -> String {
        self.node.expected(&self.text)
    }

    /// Reports whether it is a rule string with `required`: the option has to be there.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.is_required
    }

    /// Returns the values that it lists, if it accepts no others.
    #[must_use]
    pub fn choices(&self) -> Option<Vec<&[u8]>> {
        let mut found = Vec::new();
        choices(&self.node, &mut found).then_some(found)
    }

    /// Returns the type that its values have where a file format or a program tells types apart: a number, a truth
    /// value, or a string.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        value_type(&self.node).unwrap_or(ValueType::String)
    }

    /// Returns why this build cannot check all of it, if it cannot.
    #[must_use]
    pub fn unchecked(&self) -> Option<&'static str> {
        (cfg!(not(feature = "regex")) && has_pattern(&self.node)).then_some(pattern::NOT_IN_THIS_BUILD)
    }

    /// Returns the references to packages, so that a checker can load these before.
    #[must_use]
    pub fn references(&self) -> Vec<&Reference> {
        let mut found = Vec::new();
        references(&self.node, &mut found);
        found
    }

    fn text_shown(&self) -> String {
        crate::error::shown::text(&self.text)
    }
}

/// Returns the names of all datatypes.
pub fn names() -> impl Iterator<Item = &'static str> {
    compile::MADE_HERE.into_iter().chain(plain::PLAIN.iter().map(|plain| plain.name))
}

/// Collects the literals of alternatives; `false` if there is another rule among them.
fn choices<'n>(node: &'n Node, found: &mut Vec<&'n [u8]>) -> bool {
    match &node.kind {
        Kind::Literal(literal) => {
            found.push(literal);
            true
        }
        Kind::Any(nodes) => nodes.iter().all(|node| choices(node, found)),
        Kind::All(nodes) if nodes.len() == 1 => choices(&nodes[0], found),
        _ => false,
    }
}

/// The type of the values that a rule accepts; `None` if it says nothing of it.
fn value_type(node: &Node) -> Option<ValueType> {
    match &node.kind {
        Kind::Plain(check) => check.value_type,
        Kind::Integer { base: 0 | 10, .. } | Kind::Between { .. } => Some(ValueType::Int),
        Kind::DecimalBetween { .. } => Some(ValueType::Float),
        Kind::Any(nodes) => {
            let first = nodes.first().and_then(value_type)?;
            let is_same = nodes.iter().all(|node| value_type(node) == Some(first));
            Some(if is_same { first } else { ValueType::String })
        }
        Kind::All(nodes) => nodes.iter().find_map(value_type),
        _ => None,
    }
}

fn has_pattern(node: &Node) -> bool {
    matches!(node.kind, Kind::Pattern(_)) || node.inner().iter().any(has_pattern)
}

fn references<'n>(node: &'n Node, found: &mut Vec<&'n Reference>) {
    if let Kind::Reference(reference) = &node.kind {
        found.push(reference);
    }
    node.inner().iter().for_each(|node| references(node, found));
}
