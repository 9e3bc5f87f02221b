//! An expression becomes a tree of rules.

use std::ops::Range;

use super::context::{FileKind, Reference};
use super::malformed::Malformed;
use super::node::{Kind, Node, Of};
use super::number::{self, Bound};
use super::pattern::Pattern;
use super::plain;
use super::scan::{Form, Item};

/// The types that are made here, by name; the others are in `plain`.
pub(super) const MADE_HERE: [&str; 23] = [
    "and",
    "device",
    "directory",
    "file",
    "hexstring",
    "integer",
    "length",
    "list",
    "max",
    "maxlength",
    "min",
    "minlength",
    "neg",
    "not",
    "or",
    "range",
    "rangelength",
    "regex",
    "regexp",
    "string",
    "uci",
    "uinteger",
    "unique",
];

/// Compiles the alternatives of the expression at `span` of a text.
///
/// # Errors
///
/// [`Malformed`] with the place of the fault.
pub(super) fn alternatives(text: &[u8], items: &[Item], span: Range<usize>) -> Result<Node, Malformed> {
    let compiler = Compiler { text };
    match items {
        [item] => compiler.node(item),
        items => {
            let kind = any(compiler.nodes(items)?);
            Ok(Node { span: offset(span.start)..offset(span.end), kind })
        }
    }
}

/// An offset in an expression, which is short.
pub(super) fn offset(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// Accepts what one of several rules accepts.
pub(super) fn any(nodes: Vec<Node>) -> Kind {
    if nodes.is_empty() { Kind::Nothing } else { Kind::Any(nodes.into()) }
}

/// Removes the backslashes of a string.
fn unescaped(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw.iter();
    while let Some(byte) = rest.next() {
        out.extend(if *byte == b'\\' { rest.next() } else { Some(byte) });
    }
    out
}

struct Compiler<'t> {
    text: &'t [u8],
}

impl Compiler<'_> {
    fn fault<T>(&self, item: &Item, why: &'static str) -> Result<T, Malformed> {
        Err(Malformed::at(self.text, item.span.start, item.span.end, why))
    }

    fn nodes(&self, items: &[Item]) -> Result<Vec<Node>, Malformed> {
        items.iter().map(|item| self.node(item)).collect()
    }

    fn node(&self, item: &Item) -> Result<Node, Malformed> {
        let kind = match &item.form {
            Form::Quoted(raw) => Kind::Literal(unescaped(&self.text[raw.clone()]).into()),
            Form::Number => match number::loose(&self.text[item.span.clone()]) {
                Some(number) => Kind::Number(number),
                None => return self.fault(item, "the argument is a number, without quotes"),
            },
            Form::Call { name, arguments } => self.call(item, &self.text[name.clone()], arguments)?,
        };
        Ok(Node { span: offset(item.span.start)..offset(item.span.end), kind })
    }

    fn call(&self, item: &Item, name: &[u8], arguments: &[Item]) -> Result<Kind, Malformed> {
        if let Some(plain) = plain::find(name) {
            // Arguments without a meaning are skipped, as the validators of OpenWrt do, but they have to be well formed.
            self.nodes(arguments)?;
            let check = match &plain.variant {
                Some(variant) if self.is_true(arguments.first()) => variant,
                _ => &plain.check,
            };
            return Ok(Kind::Plain(check));
        }
        match name {
            b"or" => Ok(any(self.nodes(arguments)?)),
            b"and" if arguments.is_empty() => Ok(Kind::Nothing),
            b"and" => Ok(Kind::All(self.nodes(arguments)?.into())),
            b"not" => self.around(arguments, Kind::Not),
            b"neg" => self.around(arguments, Kind::Marked),
            b"list" => self.around(arguments, Kind::List),
            b"unique" if arguments.is_empty() => Ok(Kind::Anything),
            b"unique" => Ok(Kind::Any(self.nodes(&arguments[..1])?.into())),
            b"integer" | b"uinteger" => self.integer(item, arguments, name == b"integer"),
            b"string" => self.text(arguments, Of::Text),
            b"hexstring" => self.text(arguments, Of::Hexadecimal),
            b"file" => Ok(Kind::File(FileKind::File)),
            b"directory" => Ok(Kind::File(FileKind::Directory)),
            b"device" => Ok(Kind::File(FileKind::Device)),
            b"regex" | b"regexp" => self.pattern(item, arguments, name == b"regexp"),
            b"uci" => self.reference(arguments),
            b"min" | b"max" | b"range" | b"minlength" | b"maxlength" | b"rangelength" | b"length" => {
                self.limits(name, arguments)
            }
            _ => Err(Malformed { near: near(name), ..self.unknown(item, name) }),
        }
    }

    fn unknown(&self, item: &Item, name: &[u8]) -> Malformed {
        Malformed::at(self.text, item.span.start, item.span.start + name.len(), "there is no such type")
    }

    /// A rule around one other; more arguments have no meaning.
    fn around(&self, arguments: &[Item], make: fn(Box<Node>) -> Kind) -> Result<Kind, Malformed> {
        let mut nodes = self.nodes(arguments)?;
        nodes.truncate(1);
        Ok(nodes.pop().map_or(Kind::Nothing, |node| make(Box::new(node))))
    }

    /// Reports whether an argument switches on what it stands for.
    fn is_true(&self, argument: Option<&Item>) -> bool {
        argument.is_some_and(|argument| match &argument.form {
            Form::Quoted(raw) => !raw.is_empty(),
            Form::Number => number::loose(&self.text[argument.span.clone()]) != Some(0.0),
            Form::Call { .. } => true,
        })
    }

    /// Reads an argument that is a number; `None` if it is something else.
    fn number(&self, argument: &Item) -> Option<Bound> {
        matches!(argument.form, Form::Number)
            .then(|| number::bound(&self.text[argument.span.clone()]))
            .flatten()
    }

    fn integer(&self, item: &Item, arguments: &[Item], is_signed: bool) -> Result<Kind, Malformed> {
        self.nodes(arguments)?;
        // A base in quotes has no effect.
        let base = arguments.first().and_then(|argument| self.number(argument)).map_or(0, |base| base.cut);
        match u32::try_from(base) {
            Ok(base @ (0 | 2..=36)) => Ok(Kind::Integer { base, is_signed }),
            _ => self.fault(item, "a base is a number from 2 to 36"),
        }
    }

    fn text(&self, arguments: &[Item], of: Of) -> Result<Kind, Malformed> {
        self.nodes(arguments)?;
        // Lengths in quotes have no effect.
        let limit = |at: usize| arguments.get(at).and_then(|argument| self.number(argument));
        let least = limit(0).map_or(0, |least| clamped(least.cut));
        Ok(match limit(1) {
            Some(most) if most.cut < 0 => Kind::Nothing,
            most => Kind::Length { least, most: most.map_or(u64::MAX, |most| clamped(most.cut)), of },
        })
    }

    fn limits(&self, name: &[u8], arguments: &[Item]) -> Result<Kind, Malformed> {
        let mut numbers = Vec::with_capacity(2);
        for argument in arguments {
            self.node(argument)?;
            match self.number(argument) {
                Some(number) => numbers.push(number),
                None => return self.fault(argument, "the argument is a number, without quotes"),
            }
        }
        let length = |least: i128, most: i128| match most < 0 {
            true => Kind::Nothing,
            false => Kind::Length { least: clamped(least), most: clamped(most), of: Of::Text },
        };
        let between = |least, most| Kind::Between { least, most };
        Ok(match (name, &numbers[..]) {
            (b"min", [least, ..]) => between(Some(least.at_least), None),
            (b"max", [most, ..]) => between(None, Some(most.at_most)),
            (b"range", [least, most, ..]) => between(Some(least.at_least), Some(most.at_most)),
            (b"minlength", [least, ..]) => length(least.at_least, i128::MAX),
            (b"maxlength", [most, ..]) => length(0, most.at_most),
            (b"length", [length_of, ..]) => length(length_of.at_least, length_of.at_most),
            (b"rangelength", [least, most, ..]) => length(least.at_least, most.at_most),
            _ => Kind::Nothing,
        })
    }

    fn pattern(&self, item: &Item, arguments: &[Item], is_ours: bool) -> Result<Kind, Malformed> {
        self.nodes(arguments)?;
        let Some(argument) = arguments.first() else { return Ok(Kind::Nothing) };
        let Form::Quoted(raw) = &argument.form else {
            return self.fault(argument, "a regular expression is a string in quotes");
        };
        let raw = &self.text[raw.clone()];
        // In `regex` each backslash is one of the regular expression, as on a device; in `regexp` one before a comma
        // or a quote belongs to the quoted string.
        let pattern = if is_ours { without_string_escapes(raw) } else { raw.to_vec() };
        match Pattern::new(&pattern) {
            Some(pattern) => Ok(Kind::Pattern(Box::new(pattern))),
            None => self.fault(item, "the regular expression is malformed"),
        }
    }

    fn reference(&self, arguments: &[Item]) -> Result<Kind, Malformed> {
        self.nodes(arguments)?;
        let part = |at: usize| match &arguments.get(at)?.form {
            Form::Quoted(raw) => Some(unescaped(&self.text[raw.clone()])),
            _ => None,
        };
        Ok(match (part(0), part(1)) {
            (Some(package), Some(section)) => {
                Kind::Reference(Box::new(Reference { package, section, option: part(2) }))
            }
            _ => Kind::Nothing,
        })
    }
}

fn clamped(number: i128) -> u64 {
    u64::try_from(number.max(0)).unwrap_or(u64::MAX)
}

fn without_string_escapes(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((byte, behind)) = rest.split_first() {
        match (byte, behind.first()) {
            (b'\\', Some(next @ (b',' | b'"' | b'\''))) => {
                out.push(*next);
                rest = &behind[1..];
            }
            (b'\\', Some(next)) => {
                out.extend([b'\\', *next]);
                rest = &behind[1..];
            }
            _ => {
                out.push(*byte);
                rest = behind;
            }
        }
    }
    out
}

/// The name of the type that differs from `name` in case alone, or in a letter.
fn near(name: &[u8]) -> Option<&'static str> {
    let names = MADE_HERE.into_iter().chain(plain::PLAIN.iter().map(|plain| plain.name));
    let mut names = names.filter(|known| {
        known.as_bytes().eq_ignore_ascii_case(name) || (name.len() > 2 && is_one_away(known.as_bytes(), name))
    });
    names.next()
}

/// Reports whether two names differ by one slip: a letter changed, added or left out, or two swapped.
fn is_one_away(one: &[u8], other: &[u8]) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let same = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    match long.len() - short.len() {
        0 => match (&short[same..], &long[same..]) {
            ([_, a @ ..], [_, b @ ..]) if a == b => true,
            ([a, b, rest @ ..], [c, d, others @ ..]) => a == d && b == c && rest == others,
            _ => false,
        },
        1 => short[same..] == long[same + 1..],
        _ => false,
    }
}
