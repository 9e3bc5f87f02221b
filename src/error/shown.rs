//! Formats names, values and messages for people: on one line, and without control sequences of terminals.
//!
//! Text from other programs may hold newlines, which would forge a line of a listing, or escape sequences. Everything
//! that is printed for a person, and not for a program, is formatted by this module.

/// Returns text for people: control characters, invisible characters and bytes that are not UTF-8 become escapes.
#[must_use]
pub fn text(bytes: impl AsRef<[u8]>) -> String {
    let mut out = String::with_capacity(bytes.as_ref().len());
    for chunk in bytes.as_ref().utf8_chunks() {
        chunk.valid().chars().for_each(|c| push(c, &mut out));
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// Shows a name: UTF-8 as it is, anything else with the replacement character.
#[must_use]
pub fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// As [`text`], for several lines: line ends and tabs stay.
#[must_use]
pub fn lines(bytes: impl AsRef<[u8]>) -> String {
    let line = |line: &[u8]| line.split(|byte| *byte == b'\t').map(text).collect::<Vec<_>>().join("\t");
    bytes.as_ref().split(|byte| *byte == b'\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Returns a value in quotes, as a shell reads it: `'it'\''s'`, and `$'two\nlines'` if there is something to escape.
#[must_use]
pub fn quoted(value: impl AsRef<[u8]>) -> String {
    let shown = text(&value);
    if shown.as_bytes() == value.as_ref() {
        return format!("'{}'", shown.replace('\'', "'\\''"));
    }
    let mut out = String::from("$'");
    for chunk in value.as_ref().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' | '\\' => out.extend(['\\', c]),
                c => push(c, &mut out),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('\'');
    out
}

fn push(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        c if c.is_control() || is_invisible(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => out.push(c),
    }
}

/// Reports whether a character is invisible, or changes how its neighbours are shown.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{a0}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_escaped_and_all_else_stays() {
        assert_eq!(text("it's \\ here"), "it's \\ here");
        assert_eq!(text("a\nb\t\x1b[31m\u{feff}\u{9b}"), "a\\nb\\t\\x1b[31m\\ufeff\\u009b");
        assert_eq!(text(b"\xff\x80"), "\\xff\\x80");
        assert_eq!(lines("a\tb\n\x07c\n"), "a\tb\n\\x07c\n");
    }

    #[test]
    fn values_are_quoted_so_that_a_shell_reads_them() {
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted("a\\b"), "'a\\b'");
        assert_eq!(quoted("it's\na\\b"), "$'it\\'s\\na\\\\b'");
        assert_eq!(quoted(b"\xff"), "$'\\xff'");
    }
}
