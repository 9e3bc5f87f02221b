//! The parts of keys. The model, the log, the maps and every listing have the names of sections and options in the form
//! that a key has them, so a key is `PACKAGE.SECTION.OPTION`, joined by dots, whatever the names are.
//!
//! A name that is empty, begins with `@`, or holds `.`, `=`, `[`, `]`, `"`, a blank or a control character is written in
//! double quotes, with the escapes of JSON. The name of a nested section is the path to it: the parts, joined by dots. So
//! the section `a.b` is the section `b` in `a`, and `"a.b"` is one whose own name has a dot. The name of the root section
//! is empty. Formats with free names (TOML, JSON) quote the names that they read, and take the quotes off those that
//! they write; the names of UCI text need none.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::model::name::is_blank;

const UNENDED: &str = "a part of a key that begins with '\"' ends with '\"'";
const ESCAPE: &str = "a part of a key in double quotes has the escapes that JSON has";
const EMPTY: &str = "a part of a key is empty; a name without characters is written \"\"";
const QUOTES: &str = "a part of a key that begins with '@' or holds '[', ']', '\"' or blanks is written in double quotes: app.\"a b\"";

/// Reports whether a key has this name as it is, without quotes.
#[must_use]
pub fn is_plain(name: &[u8]) -> bool {
    !name.is_empty() && name[0] != b'@' && !name.iter().any(|byte| is_special(*byte))
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'.' | b'=' | b'[' | b']' | b'"' | 0x7f) || byte < 0x20 || is_blank(byte)
}

/// Returns a name as keys have it: in quotes, if it needs them.
///
/// ```
/// assert_eq!(&*cms::key_part::quote(b"port"), b"port");
/// assert_eq!(&*cms::key_part::quote(b"server.host"), br#""server.host""#);
/// ```
#[must_use]
pub fn quote(name: &[u8]) -> Cow<'_, [u8]> {
    if is_plain(name) {
        return Cow::Borrowed(name);
    }
    let mut out = Vec::with_capacity(name.len() + 2);
    out.push(b'"');
    for byte in name {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            b'\x08' => out.extend(b"\\b"),
            b'\x0c' => out.extend(b"\\f"),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0..0x20 => out.extend(format!("\\u{byte:04x}").into_bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
    Cow::Owned(out)
}

/// Returns the name that a part of a key stands for: without quotes, if it has any.
///
/// ```
/// assert_eq!(&*cms::key_part::unquote(br#""server.host""#)?, b"server.host");
/// assert_eq!(&*cms::key_part::unquote(b"port")?, b"port");
/// # Ok::<(), cms::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Invalid`] if it is not one part of a key.
pub fn unquote(part: &[u8]) -> Result<Cow<'_, [u8]>> {
    let (name, rest) = read(part)?;
    if rest.is_empty() { Ok(name) } else { Err(Error::invalid(part, QUOTES)) }
}

/// Returns the names along the path to a section: none for the root section.
///
/// # Errors
///
/// [`Error::Invalid`] if it is no such path.
pub fn split(path: &[u8]) -> Result<Vec<Cow<'_, [u8]>>> {
    let mut names = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (name, after) = read(rest)?;
        names.push(name);
        rest = match after {
            [b'.', after @ ..] if !after.is_empty() => after,
            [] => after,
            _ => return Err(Error::invalid(path, EMPTY)),
        };
    }
    Ok(names)
}

/// Returns the path to a section: the names, each quoted if it needs that, joined by dots.
pub fn join<N: AsRef<[u8]>>(names: impl IntoIterator<Item = N>) -> Vec<u8> {
    let mut path = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        if index > 0 {
            path.push(b'.');
        }
        path.extend_from_slice(&quote(name.as_ref()));
    }
    path
}

/// Returns the position of the first dot at or behind `start` that is in no quotes, in a key from its beginning on.
#[must_use]
pub fn next_dot(key: &[u8], start: usize) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in key.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'.' if !is_quoted && at >= start => return Some(at),
            _ => {}
        }
    }
    None
}

/// Reports whether this is one part of a key, in the form that [`quote`] gives it.
pub(crate) fn is_part(part: &[u8]) -> bool {
    is_plain(part) || unquote(part).is_ok_and(|name| *quote(&name) == *part)
}

/// Reports whether this is the path to a section, in the form that [`join`] gives it; the root section's is empty.
pub(crate) fn is_path(path: &[u8]) -> bool {
    split(path).is_ok_and(|names| join(names) == path)
}

/// Reads the name at the start of `text`, up to the end, a dot or an equals sign, and returns the rest.
pub(crate) fn read(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8])> {
    if let Some(quoted) = text.strip_prefix(b"\"") {
        let (name, rest) = read_quoted(text, quoted)?;
        return match rest.first() {
            None | Some(b'.' | b'=') => Ok((name, rest)),
            _ => Err(Error::invalid(text, QUOTES)),
        };
    }
    let end = text.iter().position(|byte| matches!(byte, b'.' | b'=')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    match name {
        [] => Err(Error::invalid(text, EMPTY)),
        _ if is_plain(name) => Ok((Cow::Borrowed(name), rest)),
        _ => Err(Error::invalid(name, QUOTES)),
    }
}

/// Reads the name behind an opening quote; the rest begins behind the closing one.
fn read_quoted<'t>(whole: &[u8], text: &'t [u8]) -> Result<(Cow<'t, [u8]>, &'t [u8])> {
    let mut name = Cow::Borrowed(&text[..0]);
    let mut at = 0;
    loop {
        let end = text[at..].iter().position(|byte| matches!(byte, b'"' | b'\\')).map(|end| at + end);
        let end = end.ok_or_else(|| Error::invalid(whole, UNENDED))?;
        match at {
            0 => name = Cow::Borrowed(&text[..end]),
            _ => name.to_mut().extend_from_slice(&text[at..end]),
        }
        if text[end] == b'"' {
            return Ok((name, &text[end + 1..]));
        }
        let (c, len) = escape(&text[end + 1..]).ok_or_else(|| Error::invalid(whole, ESCAPE))?;
        name.to_mut().extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        at = end + 1 + len;
    }
}

/// Reads an escape behind its backslash, and returns its length.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    let plain = |c| Some((c, 1));
    match text.first()? {
        b'"' => plain('"'),
        b'\\' => plain('\\'),
        b'/' => plain('/'),
        b'b' => plain('\x08'),
        b'f' => plain('\x0c'),
        b'n' => plain('\n'),
        b'r' => plain('\r'),
        b't' => plain('\t'),
        b'u' => {
            let first = hex(text.get(1..5)?)?;
            if !(0xd800..0xdc00).contains(&first) {
                return Some((char::from_u32(first)?, 5));
            }
            let second =
                text.get(5..7).filter(|start| *start == b"\\u").and_then(|_| hex(text.get(7..11)?))?;
            let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            Some((char::from_u32(0x10000 + ((first - 0xd800) << 10) + low)?, 11))
        }
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u32::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_one_form_in_keys_and_comes_back_from_it() {
        for (name, part) in [
            ("port", "port"),
            ("log-level", "log-level"),
            ("größe", "größe"),
            ("a:b/c*", "a:b/c*"),
            ("a@b", "a@b"),
            ("", r#""""#),
            ("@a", r#""@a""#),
            ("a.b", r#""a.b""#),
            ("a=b", r#""a=b""#),
            ("a[0]", r#""a[0]""#),
            ("a b", r#""a b""#),
            ("\"", r#""\"""#),
            ("\\ \n\u{1}", r#""\\ \n\u0001""#),
            ("\u{7f}", "\"\u{7f}\""),
            ("\0", r#""\u0000""#),
            ("\x08\x0c\r\t", r#""\b\f\r\t""#),
        ] {
            assert_eq!(String::from_utf8_lossy(&quote(name.as_bytes())), part);
            assert_eq!(String::from_utf8_lossy(&unquote(part.as_bytes()).expect("a part")), name);
            assert!(is_part(part.as_bytes()), "{part}");
            assert_eq!(is_plain(name.as_bytes()), name == part, "{name}");
        }
    }

    #[test]
    fn escapes_are_those_of_json_and_other_forms_of_a_name_are_read_too() {
        for (part, name) in [
            (r#""port""#, "port"),
            (r#""\u0070ort""#, "port"),
            (r#""a\/b""#, "a/b"),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
        ] {
            assert_eq!(String::from_utf8_lossy(&unquote(part.as_bytes()).expect("a part")), name, "{part}");
            assert!(!is_part(part.as_bytes()), "{part}");
        }
        for part in [
            "",
            "a.b",
            "a b",
            "@a",
            "a[",
            "a\"b",
            "\"",
            "\"a",
            "\"a\"b",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud83d\"",
            "\"\\ud83dx\\ude00\"",
            "\"\\ude00\"",
            "\"\\u+123\"",
        ] {
            assert!(unquote(part.as_bytes()).is_err(), "{part}");
        }
    }

    #[test]
    fn a_path_is_split_at_the_dots_outside_of_quotes() {
        let path = join(["a", "b.c", "", "d"]);
        assert_eq!(path, br#"a."b.c"."".d"#);
        let names: Vec<Cow<'_, [u8]>> = split(&path).expect("a path");
        assert_eq!(names, [&b"a"[..], b"b.c", b"", b"d"]);
        assert_eq!(split(b"").expect("the root"), [&b""[..]; 0]);
        assert_eq!([0, 2, 7].map(|start| next_dot(&path, start)), [Some(1), Some(7), Some(7)]);
        assert_eq!([8, 11].map(|start| next_dot(&path, start)), [Some(10), None]);
        for wrong in ["a.", ".a", "a..b", "a=b", "\"a\"b", "a.\"b"] {
            assert!(split(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(is_path(b"") && is_path(&path) && !is_path(br#""a".b"#));
    }
}
