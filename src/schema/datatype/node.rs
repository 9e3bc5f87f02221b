//! A compiled expression, and the check of a value against it.

use std::ops::{Not, Range};

use super::context::{Answer, Context, FileKind, Reference};
use super::number;
use super::pattern::{NOT_IN_THIS_BUILD, Pattern};
use super::plain::Check;

/// A rule, and where it is in the expression.
#[derive(Clone)]
pub(super) struct Node {
    pub span: Range<u32>,
    pub kind: Kind,
}

/// The rules.
#[derive(Clone)]
pub(super) enum Kind {
    /// Accepts no value: a type lacks the arguments that it needs.
    Nothing,
    /// Accepts any text.
    Anything,
    Literal(Box<[u8]>),
    Number(f64),
    Any(Box<[Node]>),
    All(Box<[Node]>),
    Not(Box<Node>),
    /// The value may have `!` before it.
    Marked(Box<Node>),
    List(Box<Node>),
    Plain(&'static Check),
    Integer {
        base: u32,
        is_signed: bool,
    },
    /// A number of bytes, for text or hexadecimal digits.
    Length {
        least: u64,
        most: u64,
        of: Of,
    },
    Between {
        least: Option<i128>,
        most: Option<i128>,
    },
    DecimalBetween {
        least: f64,
        most: f64,
    },
    Pattern(Box<Pattern>),
    File(FileKind),
    Reference(Box<Reference>),
    /// A text begins or ends with one of these.
    Edge {
        parts: Box<[Box<[u8]>]>,
        is_start: bool,
    },
}

/// What a length is that of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Text,
    Hexadecimal,
}

/// The result of a check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Fail,
    /// Nothing here could tell.
    Unknown,
}

impl From<bool> for Verdict {
    fn from(passes: bool) -> Self {
        if passes { Self::Pass } else { Self::Fail }
    }
}

impl Not for Verdict {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::Pass => Self::Fail,
            Self::Fail => Self::Pass,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl From<Answer> for Verdict {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Yes => Self::Pass,
            Answer::No => Self::Fail,
            Answer::Unknown => Self::Unknown,
        }
    }
}

/// Iterates over the items of a value that is a list in one string.
pub(super) fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|item| !item.is_empty())
}

/// Returns the value without the `!` before it, and the blanks behind that.
pub(super) fn unmarked(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"!").map_or(value, |rest| rest.trim_ascii_start())
}

/// The verdict on a value that has to pass all of several checks: a failure counts more than one that is unknown.
fn all(mut verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    verdicts
        .try_fold(Verdict::Pass, |so_far, verdict| match verdict {
            Verdict::Fail => Err(()),
            Verdict::Unknown => Ok(Verdict::Unknown),
            Verdict::Pass => Ok(so_far),
        })
        .unwrap_or(Verdict::Fail)
}

impl Node {
    /// Checks a value. It allocates nothing. No rule accepts an empty value: that counts as one that is not set.
    pub fn test(&self, value: &[u8], context: &dyn Context) -> Verdict {
        if value.is_empty() {
            return Verdict::Fail;
        }
        match &self.kind {
            Kind::Nothing => Verdict::Fail,
            Kind::Anything => Verdict::Pass,
            Kind::Literal(literal) => (**literal == *value).into(),
            #[expect(clippy::float_cmp, reason = "both are read from text in the same way")]
            Kind::Number(number) => number::loose(value).is_some_and(|value| value == *number).into(),
            Kind::Any(nodes) => !all(nodes.iter().map(|node| !node.test(value, context))),
            Kind::All(nodes) => all(nodes.iter().map(|node| node.test(value, context))),
            Kind::Not(node) => !node.test(value, context),
            Kind::Marked(node) => node.test(unmarked(value), context),
            Kind::List(node) if items(value).next().is_some() => {
                all(items(value).map(|item| node.test(item, context)))
            }
            Kind::List(_) => Verdict::Fail,
            Kind::Plain(check) => (check.test)(value).into(),
            Kind::Integer { base, is_signed } => {
                ((*is_signed || value[0] != b'-') && number::whole(value, *base).is_some()).into()
            }
            Kind::Length { least, most, of } => {
                let fits = (*least..=*most).contains(&(value.len() as u64));
                (fits && (*of == Of::Text || super::word::hexstring(value))).into()
            }
            Kind::Between { least, most } => {
                let fits = |number: i128| {
                    least.is_none_or(|least| least <= number) && most.is_none_or(|most| number <= most)
                };
                number::whole(value, 0).is_some_and(fits).into()
            }
            Kind::DecimalBetween { least, most } => {
                number::decimal(value).is_some_and(|number| (*least..=*most).contains(&number)).into()
            }
            Kind::Pattern(pattern) => pattern.matches(value).map_or(Verdict::Unknown, Verdict::from),
            Kind::File(kind) => context.has_file(value, *kind).into(),
            Kind::Reference(reference) => context.accepts(reference, value).into(),
            Kind::Edge { parts, is_start: true } => parts.iter().any(|part| value.starts_with(part)).into(),
            Kind::Edge { parts, .. } => parts.iter().any(|part| value.ends_with(part)).into(),
        }
    }

    /// Returns why this rule cannot be checked, if it is one of those that may not be.
    pub fn unknown(&self) -> Option<&'static str> {
        match &self.kind {
            Kind::Pattern(_) => Some(NOT_IN_THIS_BUILD),
            Kind::File(_) => Some("the files of the machine are not known here"),
            Kind::Reference(_) => Some("the package is not known here"),
            _ => None,
        }
    }

    /// Returns the rules within.
    pub fn inner(&self) -> &[Node] {
        match &self.kind {
            Kind::Any(nodes) | Kind::All(nodes) => nodes,
            Kind::Not(node) | Kind::Marked(node) | Kind::List(node) => std::slice::from_ref(node),
            _ => &[],
        }
    }
}
