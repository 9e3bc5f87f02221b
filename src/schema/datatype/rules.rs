//! Rule strings: `required|alpha_num|min:3|max:32|in:a,b`.
//!
//! A part of one is a rule with arguments behind a colon, a rule without, or a datatype. `min`, `max`, `size` and
//! `between` are about the number where a part says that the value is one, else about the bytes of the text. The
//! expression of `regex:` and `not_regex:` goes to the end of the rule string, since it may hold any mark.

use std::ops::Range;

use super::compile::{self, offset};
use super::malformed::Malformed;
use super::node::{Kind, Node, Of};
use super::number;
use super::pattern::Pattern;
use super::plain::{self, Check};
use super::scan;
use super::{host, word};
use crate::model::value_type::ValueType;

/// The rules without arguments that are no datatypes.
static BARE: [(&str, Check); 11] = [
    ("alpha", Check::new(word::alpha, "letters")),
    ("alpha_dash", Check::new(word::alpha_dash, "letters, digits, '-' and '_'")),
    ("alpha_num", Check::new(word::alpha_num, "letters and digits")),
    (
        "boolean",
        Check::new(word::bool, "one of 1, 0, true, false, yes, no, on, off, enabled, disabled")
            .of(ValueType::Bool),
    ),
    ("int", Check::new(word::integer, "a whole number").of(ValueType::Int)),
    ("ip", Check::new(super::address::ipaddr, "an IP address")),
    ("ipv4", Check::new(super::address::ip4addr, "an IPv4 address")),
    ("ipv6", Check::new(super::address::ip6addr, "an IPv6 address")),
    ("lowercase", Check::new(word::is_lowercase, "text without capital letters")),
    ("uppercase", Check::new(word::is_uppercase, "text without small letters")),
    ("url", Check::new(host::url, "a URL with a host, such as https://example.com/")),
];

/// Names of rules that say something else, or the same as another name.
const OTHER_BARE: [&str; 5] = ["mac_address", "nullable", "numeric", "required", "sometimes"];

/// The rules with arguments.
const WITH_ARGUMENTS: [&str; 12] = [
    "between",
    "digits",
    "digits_between",
    "ends_with",
    "in",
    "max",
    "min",
    "not_in",
    "not_regex",
    "regex",
    "size",
    "starts_with",
];

static DIGITS: Check = Check::new(word::are_digits, "digits");
static NUMERIC: Check = Check::new(word::float, "a decimal number").of(ValueType::Float);

/// A compiled rule string.
pub(super) struct Rules {
    pub node: Node,
    pub is_required: bool,
}

/// A part of a rule string: its whole span, and its name and arguments if it is a rule with some.
struct Part {
    span: Range<usize>,
    rule: Option<(Range<usize>, Range<usize>)>,
}

/// What the value is, which decides what a limit is about.
#[derive(Clone, Copy, PartialEq)]
enum Subject {
    Text,
    Whole,
    Decimal,
}

/// Reports whether a text is a rule string, and not a datatype.
pub(super) fn is_rules(text: &[u8]) -> bool {
    match &parts(text)[..] {
        [part] => {
            let name = text[part.span.clone()].trim_ascii();
            part.rule.is_some()
                || bare(name).is_some()
                || OTHER_BARE.iter().any(|rule| rule.as_bytes() == name)
        }
        parts => !parts.is_empty(),
    }
}

fn bare(name: &[u8]) -> Option<&'static Check> {
    BARE.iter().find(|(rule, _)| rule.as_bytes() == name).map(|(_, check)| check)
}

/// Splits a rule string at its bars.
fn parts(text: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut start = 0;
    while start <= text.len() {
        let rest = &text[start..];
        let blanks = rest.len() - rest.trim_ascii_start().len();
        let name = start + blanks;
        let length =
            text[name..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let name = name..name + length;
        let bar = |from: usize| {
            text[from..].iter().position(|byte| *byte == b'|').map_or(text.len(), |at| from + at)
        };
        let (end, rule) = match text.get(name.end) {
            Some(b':') if length > 0 => {
                let takes_all = matches!(&text[name.clone()], b"regex" | b"not_regex");
                let end = if takes_all { text.len() } else { bar(name.end) };
                (end, Some((name.clone(), name.end + 1..end)))
            }
            _ => (bar(end_of_datatype(text, start)), None),
        };
        parts.push(Part { span: start..end, rule });
        start = end + 1;
    }
    parts
}

/// The end of a datatype that begins at `start`: bars within its quotes and parentheses belong to it.
fn end_of_datatype(text: &[u8], start: usize) -> usize {
    let mut at = start;
    let mut depth = 0_usize;
    let mut quote = None;
    while let Some(byte) = text.get(at) {
        match (byte, quote) {
            (b'\\', _) => at += 1,
            (byte, Some(open)) if *byte == open => quote = None,
            (_, Some(_)) => {}
            (b'"' | b'\'', None) => quote = Some(*byte),
            (b'(', None) => depth += 1,
            (b')', None) => depth = depth.saturating_sub(1),
            (b'|', None) if depth == 0 => break,
            _ => {}
        }
        at += 1;
    }
    at.min(text.len())
}

/// Compiles a rule string.
///
/// # Errors
///
/// [`Malformed`] with the place of the fault.
pub(super) fn compile(text: &[u8]) -> Result<Rules, Malformed> {
    let parts = parts(text);
    let mut compiler = Compiler { text, subject: subject(text, &parts), is_required: false };
    let mut nodes = Vec::new();
    for part in &parts {
        if let Some(kind) = compiler.part(part)? {
            nodes.push(Node { span: offset(part.span.start)..offset(part.span.end), kind });
        }
    }
    let kind = if nodes.is_empty() { Kind::Anything } else { Kind::All(nodes.into()) };
    Ok(Rules { node: Node { span: 0..offset(text.len()), kind }, is_required: compiler.is_required })
}

fn subject(text: &[u8], parts: &[Part]) -> Subject {
    let has = |names: &[&str]| {
        parts.iter().any(|part| {
            let part = text[part.span.clone()].trim_ascii();
            let name = part.split(|byte| matches!(byte, b'(' | b' ')).next().unwrap_or(part);
            names.iter().any(|known| known.as_bytes() == name)
        })
    };
    if has(&["integer", "int", "uinteger", "range", "port"]) {
        Subject::Whole
    } else if has(&["numeric", "float", "ufloat"]) {
        Subject::Decimal
    } else {
        Subject::Text
    }
}

struct Compiler<'t> {
    text: &'t [u8],
    subject: Subject,
    is_required: bool,
}

impl Compiler<'_> {
    fn fault<T>(&self, span: &Range<usize>, why: &'static str) -> Result<T, Malformed> {
        Err(Malformed::at(self.text, span.start, span.end, why))
    }

    /// Compiles a part; `None` if it says nothing about values that are there.
    fn part(&mut self, part: &Part) -> Result<Option<Kind>, Malformed> {
        if let Some((name, arguments)) = &part.rule {
            return self.rule(part, &self.text[name.clone()], arguments.clone()).map(Some);
        }
        let name = self.text[part.span.clone()].trim_ascii();
        if let Some(check) = bare(name) {
            return Ok(Some(Kind::Plain(check)));
        }
        match name {
            b"" => self.fault(&part.span, "there is nothing between two bars"),
            b"required" => {
                self.is_required = true;
                Ok(None)
            }
            b"nullable" | b"sometimes" => Ok(None),
            b"numeric" => Ok(Some(Kind::Plain(&NUMERIC))),
            b"mac_address" => Ok(plain::find(b"macaddr").map(|plain| Kind::Plain(&plain.check))),
            _ if WITH_ARGUMENTS.iter().any(|rule| rule.as_bytes() == name) => {
                self.fault(&part.span, "the rule lacks its arguments behind ':'")
            }
            _ => {
                let items = scan::items(self.text, part.span.clone())?;
                Ok(Some(compile::alternatives(self.text, &items, part.span.clone())?.kind))
            }
        }
    }

    fn rule(&self, part: &Part, name: &[u8], arguments: Range<usize>) -> Result<Kind, Malformed> {
        let raw = &self.text[arguments.clone()];
        let all: Vec<&[u8]> = raw.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
        if raw.trim_ascii().is_empty() {
            return self.fault(&part.span, "the rule lacks its arguments behind ':'");
        }
        let nodes = |kinds: Vec<Kind>| -> Box<[Node]> {
            let span = offset(part.span.start)..offset(part.span.end);
            kinds.into_iter().map(|kind| Node { span: span.clone(), kind }).collect()
        };
        let literals = || Kind::Any(nodes(all.iter().map(|item| Kind::Literal((*item).into())).collect()));
        let not = |kind: Kind| {
            let span = offset(part.span.start)..offset(part.span.end);
            Kind::Not(Box::new(Node { span, kind }))
        };
        let edge = |is_start| Kind::Edge { parts: all.iter().map(|part| (*part).into()).collect(), is_start };
        let digits = |length: Kind| Kind::All(nodes(vec![Kind::Plain(&DIGITS), length]));
        match (name, &all[..]) {
            (b"in", _) => Ok(literals()),
            (b"not_in", _) => Ok(not(literals())),
            (b"starts_with", _) => Ok(edge(true)),
            (b"ends_with", _) => Ok(edge(false)),
            (b"regex", _) => self.pattern(part, raw),
            (b"not_regex", _) => self.pattern(part, raw).map(not),
            (b"min", [least]) => self.limit(part, Some(least), None),
            (b"max", [most]) => self.limit(part, None, Some(most)),
            (b"size", [size]) => self.limit(part, Some(size), Some(size)),
            (b"between", [least, most]) => self.limit(part, Some(least), Some(most)),
            (b"digits", [size]) => Ok(digits(self.length(part, Some(size), Some(size))?)),
            (b"digits_between", [least, most]) => Ok(digits(self.length(part, Some(least), Some(most))?)),
            (b"min" | b"max" | b"size" | b"digits", _) => {
                self.fault(&part.span, "the rule takes one argument")
            }
            (b"between" | b"digits_between", _) => self.fault(&part.span, "the rule takes two arguments"),
            _ => self.fault(&part.span, "there is no such rule"),
        }
    }

    fn pattern(&self, part: &Part, raw: &[u8]) -> Result<Kind, Malformed> {
        let raw = raw.trim_ascii();
        let inner = raw.strip_prefix(b"/").and_then(|raw| raw.strip_suffix(b"/")).unwrap_or(raw);
        match Pattern::new(inner) {
            Some(pattern) => Ok(Kind::Pattern(Box::new(pattern))),
            None => self.fault(&part.span, "the regular expression is malformed"),
        }
    }

    fn limit(&self, part: &Part, least: Option<&[u8]>, most: Option<&[u8]>) -> Result<Kind, Malformed> {
        match self.subject {
            Subject::Text => self.length(part, least, most),
            Subject::Whole => {
                let bound = |text: Option<&[u8]>| text.map(|text| self.bound(part, text)).transpose();
                Ok(Kind::Between {
                    least: bound(least)?.map(|least| least.at_least),
                    most: bound(most)?.map(|most| most.at_most),
                })
            }
            Subject::Decimal => {
                let bound = |text: Option<&[u8]>, none: f64| match text {
                    None => Ok(none),
                    Some(text) => match number::loose(text) {
                        Some(number) => Ok(number),
                        None => self.fault(&part.span, "the argument is a number"),
                    },
                };
                Ok(Kind::DecimalBetween {
                    least: bound(least, f64::NEG_INFINITY)?,
                    most: bound(most, f64::INFINITY)?,
                })
            }
        }
    }

    fn length(&self, part: &Part, least: Option<&[u8]>, most: Option<&[u8]>) -> Result<Kind, Malformed> {
        let count = |text: &[u8]| match u64::try_from(self.bound(part, text)?.at_least) {
            Ok(count) => Ok(count),
            Err(_) => self.fault(&part.span, "a length is a number that is not negative"),
        };
        Ok(Kind::Length {
            least: least.map_or(Ok(0), count)?,
            most: most.map_or(Ok(u64::MAX), count)?,
            of: Of::Text,
        })
    }

    fn bound(&self, part: &Part, text: &[u8]) -> Result<number::Bound, Malformed> {
        match number::bound(text) {
            Some(bound) => Ok(bound),
            None => self.fault(&part.span, "the argument is a number"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_rules;

    #[test]
    fn a_rule_string_is_told_from_a_datatype() {
        for rules in
            ["required", "alpha_num", "min:3", "required|string", "integer|min:0", "regex:(a|b)", "in:a"]
        {
            assert!(is_rules(rules.as_bytes()), "{rules}");
        }
        for datatype in
            ["", "string", "port", "or(\"a|b\",port)", "\"a|b\"", "'x:y'", "integer", "email", "or(\"a:b\")"]
        {
            assert!(!is_rules(datatype.as_bytes()), "{datatype}");
        }
    }
}
