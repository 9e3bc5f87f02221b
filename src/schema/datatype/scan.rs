//! The form of an expression: names with arguments, numbers and quoted strings, between commas.
//!
//! Commas and parentheses count inside quotes as well, as the validators of OpenWrt read them; a backslash before one
//! makes it a character like any other.

use std::ops::Range;

use super::malformed::Malformed;
use super::number;

/// How deep expressions may be nested.
const MAX_DEPTH: usize = 128;
/// How long an expression may be, in bytes.
const MAX_LENGTH: usize = 64 * 1024;

/// What stands between two commas.
pub(super) struct Item {
    /// Where it is in the expression.
    pub span: Range<usize>,
    pub form: Form,
}

/// The form of an item, each with its place in the expression.
pub(super) enum Form {
    /// A string, without its quotes and with its backslashes.
    Quoted(Range<usize>),
    Number,
    /// A name with its arguments. Empty arguments are left out.
    Call {
        name: Range<usize>,
        arguments: Vec<Item>,
    },
}

/// Reads the items of the expression at `span` of a text. Empty ones are left out.
///
/// # Errors
///
/// [`Malformed`] with the place of the fault.
pub(super) fn items(text: &[u8], span: Range<usize>) -> Result<Vec<Item>, Malformed> {
    if text.len() > MAX_LENGTH {
        return Err(Malformed::at(text, 0, 0, "an expression has at most 65536 bytes"));
    }
    Scanner { text }.items(span, 0)
}

struct Scanner<'t> {
    text: &'t [u8],
}

impl Scanner<'_> {
    fn fault<T>(&self, span: Range<usize>, why: &'static str) -> Result<T, Malformed> {
        Err(Malformed::at(self.text, span.start, span.end, why))
    }

    fn items(&self, span: Range<usize>, depth: usize) -> Result<Vec<Item>, Malformed> {
        if depth > MAX_DEPTH {
            return self.fault(span.start..span.start, "parentheses are nested more than 128 deep");
        }
        let mut items = Vec::new();
        let mut start = span.start;
        let mut opened = Vec::new();
        let mut at = span.start;
        while at < span.end {
            match self.text[at] {
                b'\\' => at += 1,
                b'(' => opened.push(at),
                b')' if opened.pop().is_none() => {
                    return self.fault(at..at + 1, "a closing parenthesis without an opening one");
                }
                b',' if opened.is_empty() => {
                    items.extend(self.item(start..at, depth)?);
                    start = at + 1;
                }
                _ => {}
            }
            at += 1;
        }
        if let Some(open) = opened.first() {
            let why = "this parenthesis is not closed; inside quotes, write a backslash before a parenthesis";
            return self.fault(*open..open + 1, why);
        }
        items.extend(self.item(start..span.end, depth)?);
        Ok(items)
    }

    /// Reads an item; `None` if it is empty.
    fn item(&self, span: Range<usize>, depth: usize) -> Result<Option<Item>, Malformed> {
        if span.is_empty() {
            return Ok(None);
        }
        let span = self.trimmed(span);
        let part = &self.text[span.clone()];
        let form = match part.first() {
            None => {
                return self.fault(span.start..span.start, "there is nothing but blanks between two marks");
            }
            Some(quote @ (b'"' | b'\'')) => self.quoted(span.clone(), *quote)?,
            Some(_) if number::bound(part).is_some() => Form::Number,
            Some(_) => self.call(span.clone(), depth)?,
        };
        Ok(Some(Item { span, form }))
    }

    fn trimmed(&self, span: Range<usize>) -> Range<usize> {
        let part = &self.text[span.clone()];
        let start = span.start + (part.len() - part.trim_ascii_start().len());
        start..start + part.trim_ascii().len()
    }

    fn quoted(&self, span: Range<usize>, quote: u8) -> Result<Form, Malformed> {
        let mut at = span.start + 1;
        while at < span.end {
            match self.text[at] {
                b'\\' => at += 1,
                byte if byte == quote && at + 1 == span.end => return Ok(Form::Quoted(span.start + 1..at)),
                byte if byte == quote => {
                    return self.fault(at + 1..span.end, "text behind the closing quote");
                }
                _ => {}
            }
            at += 1;
        }
        self.fault(span, "the quote is not closed; inside quotes, write a backslash before a comma")
    }

    fn call(&self, span: Range<usize>, depth: usize) -> Result<Form, Malformed> {
        let part = &self.text[span.clone()];
        let length = part.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let name = span.start..span.start + length;
        let behind = self.trimmed(name.end..span.end);
        if length == 0 {
            return self.fault(span, "neither the name of a type, nor a number, nor a string in quotes");
        }
        if behind.is_empty() {
            return Ok(Form::Call { name, arguments: Vec::new() });
        }
        if self.text[behind.start] != b'(' {
            return self.fault(behind, "text behind the name of a type; a comma comes between two types");
        }
        let mut open = 0_usize;
        let mut at = behind.start;
        while at < behind.end {
            match self.text[at] {
                b'\\' => at += 1,
                b'(' => open += 1,
                b')' => open -= 1,
                _ => {}
            }
            at += 1;
            if open == 0 {
                break;
            }
        }
        if at < behind.end {
            return self.fault(at..behind.end, "text behind the closing parenthesis");
        }
        if number::bound(&self.text[name.clone()]).is_some() {
            return self.fault(name, "a number takes no arguments");
        }
        let arguments = self.items(behind.start + 1..behind.end - 1, depth + 1)?;
        Ok(Form::Call { name, arguments })
    }
}
