//! The words of a command line, quoted as in configuration text.

use super::error::{ParseError, Reason};
use super::lexer::Lexer;

/// The words a text starts with: those of its first logical line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The words, up to the first empty one: a comment, a `;` and `''` all end the command.
    pub words: Vec<Vec<u8>>,
    /// How many bytes of the text the logical line takes.
    pub consumed: usize,
    /// Whether the line ran into the end of the text, so that more text would change it.
    pub incomplete: bool,
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
/// A quote that is not closed, or a NUL byte.
pub fn words(text: &[u8], limit: usize) -> Result<Words, ParseError> {
    let mut lexer = Lexer::new(text);
    let mut words = Vec::new();
    let mut read = || {
        if !lexer.next_line()? {
            return Ok(());
        }
        while words.len() < limit {
            let word = lexer.word()?;
            if word.is_empty() {
                break;
            }
            words.push(word.value.into_owned());
        }
        Ok(())
    };
    read().map_err(|fault: super::lexer::Fault| fault.locate(text))?;
    Ok(Words { words, consumed: lexer.line().end, incomplete: lexer.ran_out() })
}

impl ParseError {
    /// Reports whether more text could mend it.
    #[must_use]
    pub fn is_unterminated(&self) -> bool {
        matches!(self.reason, Reason::UnterminatedSingle | Reason::UnterminatedDouble)
    }
}
