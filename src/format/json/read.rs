//! Reads JSON: strictly as RFC 8259 has it, but for comments (`//` and `/* */`).
//!
//! The reader is our own, since each value needs its place in the text, and a file is only worth keeping if nothing of it
//! is guessed: names that occur twice, halves of surrogate pairs and deep nesting are refused with their place.

use std::ops::Range;
use std::sync::Arc;

use crate::error::parse::{ParseError, Reason};
use crate::format::tree::outline::duplicate;
use crate::format::tree::{Document, Form, Kind, Member, Node, Text};

/// How deep objects and arrays may nest.
const DEEPEST: usize = 127;

const VALUE: Reason = Reason::OfFormat(
    "a JSON value is expected: an object, an array, a string, a number, true, false or null",
);
const LITERAL: Reason =
    Reason::OfFormat("unknown word: JSON has true, false and null; all other text stands in double quotes");
const NUMBER: Reason = Reason::OfFormat("malformed number");
const NAME: Reason = Reason::OfFormat("a name in double quotes is expected");
const COLON: Reason = Reason::OfFormat("':' is expected after the name");
const OBJECT_END: Reason = Reason::OfFormat("',' or '}' is expected");
const ARRAY_END: Reason = Reason::OfFormat("',' or ']' is expected");
const LAST_COMMA: Reason = Reason::OfFormat("a comma stands after the last value: remove it");
const TRAILING: Reason = Reason::OfFormat("text after the end of the document");
const UNTERMINATED: Reason = Reason::OfFormat("a string is not closed");
const CONTROL: Reason = Reason::OfFormat("control character in a string: write it as an escape");
const ESCAPE: Reason = Reason::OfFormat("unknown escape in a string");
const SURROGATE: Reason = Reason::OfFormat("half of a surrogate pair: it is no character");
const COMMENT: Reason = Reason::OfFormat("a comment is not closed");
const DEEP: Reason = Reason::OfFormat("objects and arrays may be nested 127 deep");
const TWICE: Reason = Reason::OfFormat("the object has this name twice");
const NOT_UTF8: Reason = Reason::OfFormat("the text is no UTF-8");

/// A fault, and the position of the byte that shows it.
struct Fault(Reason, usize);

type Read<T> = Result<T, Fault>;

struct Reader<'s> {
    text: &'s [u8],
    at: usize,
    depth: usize,
    comments: Vec<usize>,
}

/// Reads a document. A text that is blank is an empty object.
pub fn read(source: Arc<Vec<u8>>) -> Result<Document, ParseError> {
    let (root, comments) =
        document(&source).map_err(|Fault(reason, at)| ParseError::at(reason, &source, at))?;
    Ok(Document { source, root, comments })
}

fn document(text: &[u8]) -> Read<(Node, Vec<usize>)> {
    if let Err(error) = std::str::from_utf8(text) {
        return Err(Fault(NOT_UTF8, error.valid_up_to()));
    }
    let mut reader = Reader { text, at: 0, depth: 0, comments: Vec::new() };
    reader.at = if text.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
    if text[reader.at..].iter().all(|byte| is_blank(*byte)) {
        let root = Node { span: 0..0, kind: Kind::Object(Vec::new(), Form::Brackets) };
        return Ok((root, Vec::new()));
    }
    reader.blanks()?;
    let root = reader.value()?;
    reader.blanks()?;
    match reader.at == text.len() {
        true => Ok((root, reader.comments)),
        false => Err(Fault(TRAILING, reader.at)),
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn fault<T>(&self, reason: Reason) -> Read<T> {
        Err(Fault(reason, self.at))
    }

    /// Passes over blanks and comments.
    fn blanks(&mut self) -> Read<()> {
        loop {
            match &self.text[self.at..] {
                [byte, ..] if is_blank(*byte) => self.at += 1,
                [b'/', b'/', rest @ ..] => {
                    self.comments.push(self.at);
                    self.at += 2 + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                }
                [b'/', b'*', rest @ ..] => {
                    let Some(end) = crate::bytes::find_text(b"*/", rest) else { return self.fault(COMMENT) };
                    self.comments.push(self.at);
                    self.at += end + 4;
                }
                _ => return Ok(()),
            }
        }
    }

    fn value(&mut self) -> Read<Node> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => Kind::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'\'') => self.word()?,
            _ => return self.fault(VALUE),
        };
        Ok(Node { span: start..self.at, kind })
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Read<Kind>) -> Read<Kind> {
        if self.depth == DEEPEST {
            return self.fault(DEEP);
        }
        self.depth += 1;
        self.at += 1;
        let kind = read(self);
        self.depth -= 1;
        kind
    }

    /// Passes over the comma or the closing bracket after a value; returns whether it was the last one.
    fn is_end(&mut self, close: u8, reason: Reason) -> Read<bool> {
        self.blanks()?;
        match self.peek() {
            Some(b',') => {
                let comma = self.at;
                self.at += 1;
                self.blanks()?;
                if self.peek() == Some(close) { Err(Fault(LAST_COMMA, comma)) } else { Ok(false) }
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(true)
            }
            _ => self.fault(reason),
        }
    }

    /// Passes over the blanks and the closing bracket of an empty object or array.
    fn is_empty(&mut self, close: u8) -> Read<bool> {
        self.blanks()?;
        let empty = self.peek() == Some(close);
        self.at += usize::from(empty);
        Ok(empty)
    }

    fn object(&mut self) -> Read<Kind> {
        let mut members = Vec::new();
        let mut ended = self.is_empty(b'}')?;
        while !ended {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return self.fault(NAME);
            }
            let name = self.string()?;
            let name_span = start..self.at;
            self.blanks()?;
            if self.peek() != Some(b':') {
                return self.fault(COLON);
            }
            self.at += 1;
            self.blanks()?;
            members.push(Member { name, name_span, node: self.value()? });
            ended = self.is_end(b'}', OBJECT_END)?;
        }
        match duplicate(&members, self.text) {
            Some(at) => Err(Fault(TWICE, at)),
            None => Ok(Kind::Object(members, Form::Brackets)),
        }
    }

    fn array(&mut self) -> Read<Kind> {
        let mut items = Vec::new();
        let mut ended = self.is_empty(b']')?;
        while !ended {
            items.push(self.value()?);
            ended = self.is_end(b']', ARRAY_END)?;
        }
        Ok(Kind::Array(items, Form::Brackets))
    }

    fn word(&mut self) -> Read<Kind> {
        let rest = &self.text[self.at..];
        let len = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let kind = match &rest[..len] {
            b"true" => Kind::Bool(true),
            b"false" => Kind::Bool(false),
            b"null" => Kind::Null,
            _ => return self.fault(LITERAL),
        };
        self.at += len;
        Ok(kind)
    }

    fn number(&mut self) -> Read<Kind> {
        let rest = &self.text[self.at..];
        let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let len = rest.iter().take_while(part).count();
        let range = self.at..self.at + len;
        let kind = match crate::model::value_type::is_json_number(&rest[..len]) {
            Some(crate::model::value_type::ValueType::Int) => Kind::Int(Text::Slice(range)),
            Some(_) => Kind::Float(Text::Slice(range)),
            None => return self.fault(NUMBER),
        };
        self.at += len;
        Ok(kind)
    }

    /// Reads a string, and returns it without quotes and escapes.
    fn string(&mut self) -> Read<Text> {
        let open = self.at;
        self.at += 1;
        let plain = self.plain();
        if self.text.get(plain.end) == Some(&b'"') {
            self.at = plain.end + 1;
            return Ok(Text::Slice(plain));
        }
        let mut out = Vec::new();
        loop {
            let plain = self.plain();
            out.extend_from_slice(&self.text[plain.clone()]);
            self.at = plain.end;
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape(&mut out)?,
                Some(_) => return self.fault(CONTROL),
                None => return Err(Fault(UNTERMINATED, open)),
            }
        }
        self.at += 1;
        Ok(Text::Own(out))
    }

    /// Returns the characters up to the next one that is not itself.
    fn plain(&self) -> Range<usize> {
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=31);
        let rest = &self.text[self.at..];
        self.at..self.at + rest.iter().position(special).unwrap_or(rest.len())
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Read<()> {
        out.push(match self.text.get(self.at + 1) {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
            Some(b'u') => return self.character(out),
            _ => return self.fault(ESCAPE),
        });
        self.at += 2;
        Ok(())
    }

    /// Reads `\uXXXX`, and the other half of a surrogate pair.
    fn character(&mut self, out: &mut Vec<u8>) -> Read<()> {
        let unit = |at: usize| {
            let digits = self.text.get(at..at + 6)?.strip_prefix(b"\\u")?;
            let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
            u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let Some(first) = unit(self.at) else { return self.fault(ESCAPE) };
        let units = [Some(first), unit(self.at + 6).filter(|_| (0xd800..0xdc00).contains(&first))];
        let count = units.iter().flatten().count();
        let character = char::decode_utf16(units.into_iter().flatten()).next();
        let Some(Ok(character)) = character else { return self.fault(SURROGATE) };
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += 6 * count;
        Ok(())
    }
}
