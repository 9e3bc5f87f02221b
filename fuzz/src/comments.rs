//! Finds the comments of a text by separate rules, without the lexer under test.

/// A comment of a text that can be read strictly.
#[derive(Debug)]
pub(crate) struct Comment<'t> {
    /// Whether only blanks precede it on its line.
    pub alone: bool,
    /// The comment from the `#` on, without blanks at the end.
    pub text: &'t [u8],
}

/// Finds the comments of `text` in order. In a text that can be read, keywords have no quotes, so the quoting rules
/// of words hold everywhere.
pub(crate) fn comments(text: &[u8]) -> Vec<Comment<'_>> {
    let mut found = Vec::new();
    let mut quote = None;
    let mut alone = true;
    let mut at = 0;
    while let Some(byte) = text.get(at).copied() {
        at += 1;
        match (quote, byte) {
            (None, b'\n') => alone = true,
            (None, b' ' | b'\t' | b'\r' | 0x0b | 0x0c) => {}
            (None, b'#') => {
                let end = text[at..]
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .map_or(text.len(), |length| at + length);
                found.push(Comment { alone, text: text[at - 1..end].trim_ascii_end() });
                at = end;
            }
            (None | Some(b'"'), b'\\') => {
                at += if text[at..].starts_with(b"\r\n") { 2 } else { 1 };
                alone = false;
            }
            (None, byte) => {
                quote = matches!(byte, b'\'' | b'"').then_some(byte);
                alone = false;
            }
            (Some(open), byte) if byte == open => quote = None,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_told_from_quoted_text() {
        let text = b"# one\r\nconfig a 'x#y'#two\n\toption o \"#\\\"#\n#\"\\# # three \n";
        let found: Vec<_> = comments(text).into_iter().map(|c| (c.alone, c.text)).collect();
        assert_eq!(found, [(true, &b"# one"[..]), (false, b"#two"), (false, b"# three")]);
    }
}
