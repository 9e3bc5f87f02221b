//! The words of a command line, quoted as in configuration text.

use super::lexer::Lexer;
use crate::error::parse::{ParseError, Reason};

/// The words a text starts with: those of its first logical line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Words {
    /// The words, up to the first empty one: a comment, a `;` and `''` all end the command.
    pub words: Vec<Vec<u8>>,
    /// The length of the logical line, in bytes.
    pub consumed: usize,
    /// Whether the text ended within the line, so that more text could continue it.
    pub incomplete: bool,
    /// Whether the line has more than the command: an empty word has ended the command, and it was quoted or followed
    /// by more than a comment.
    pub rest: bool,
}

/// Reads the words of the first logical line of `text`, at most `limit` of them.
///
/// ```
/// let line = cms::text::words(b"set 'network.lan.ipaddr=10.0.0.1' # office\n", 9)?;
/// assert_eq!(line.words, [&b"set"[..], b"network.lan.ipaddr=10.0.0.1"]);
/// # Ok::<(), cms::text::ParseError>(())
/// ```
///
/// # Errors
///
/// If a quote is not closed, or the text has a NUL byte.
pub fn words(text: &[u8], limit: usize) -> Result<Words, ParseError> {
    let mut lexer = Lexer::new(text);
    let mut words = Vec::new();
    let mut rest = false;
    let mut read = || {
        if !lexer.next_line()? {
            return Ok(());
        }
        while words.len() < limit {
            let word = lexer.word()?;
            if word.is_empty() {
                lexer.skip_blanks();
                rest = word.raw.len() > 1 || !(lexer.at_end_of_line() || lexer.peek() == Some(b'#'));
                break;
            }
            words.push(word.value.into_owned());
        }
        Ok(())
    };
    read().map_err(|fault: super::lexer::Fault| fault.locate(text))?;
    Ok(Words { words, consumed: lexer.line().end, incomplete: lexer.ran_out(), rest })
}

impl ParseError {
    /// Reports whether more text could repair the error.
    #[must_use]
    pub fn is_unterminated(&self) -> bool {
        matches!(self.reason, Reason::UnterminatedSingle | Reason::UnterminatedDouble)
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn what_is_left_out_behind_a_command_is_told() {
        for (text, rest) in [
            ("a b", false),
            ("a b ; ", false),
            ("a b # c; d", false),
            ("a; # c", false),
            ("# a", false),
            ("", false),
            ("a=1; b", true),
            ("a '' b", true),
            ("a ''", true),
            ("; b", true),
        ] {
            assert_eq!(words(text.as_bytes(), 9).expect("words").rest, rest, "{text}");
        }
    }
}
