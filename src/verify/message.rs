//! The protocol of the socket of a verifier: one question and one answer per connection.
//!
//! ```text
//! question = "cmsQ1\0\0\0" length:u64 record          numbers little-endian; the record as in the log, without hunks
//! answer   = verdict:u8 length:u16 reason             0: accepted, 1: refused; the reason in UTF-8
//! ```

use crate::log::Record;

const TITLE: [u8; 8] = *b"cmsQ1\0\0\0";

/// The length of the head of a question, in bytes.
pub(super) const HEAD: usize = 16;

/// The longest reason, in bytes.
const MAX_REASON: usize = 2000;

/// Encodes a question.
pub(super) fn question(record: &Record) -> Vec<u8> {
    let body = record.encode();
    [&TITLE[..], &(body.len() as u64).to_le_bytes(), &body].concat()
}

/// Returns the length of the record after a head; `None` if the head is not that of a question.
pub(super) fn length(head: [u8; HEAD]) -> Option<u64> {
    let (title, length) = head.split_first_chunk::<8>()?;
    (*title == TITLE).then_some(u64::from_le_bytes(length.try_into().ok()?))
}

/// Encodes an answer.
pub(super) fn answer(refusal: Option<&str>) -> Vec<u8> {
    let reason = refusal.map(tidy).unwrap_or_default();
    let length = u16::try_from(reason.len()).unwrap_or(0);
    [&[u8::from(refusal.is_some())][..], &length.to_le_bytes(), reason.as_bytes()].concat()
}

/// The answer of a verifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Accepted,
    /// With the reason.
    Refused(String),
}

impl Answer {
    /// Returns why the transaction is refused, if it is.
    pub fn refusal(self) -> Option<String> {
        match self {
            Self::Accepted => None,
            Self::Refused(reason) => Some(reason),
        }
    }
}

/// Decodes an answer; `None` if it is not complete.
pub(super) fn read_answer(bytes: &[u8]) -> Option<Answer> {
    let (head, rest) = bytes.split_first_chunk::<3>()?;
    let [verdict, low, high] = *head;
    let reason = rest.get(..usize::from(u16::from_le_bytes([low, high])))?;
    Some(match verdict {
        0 => Answer::Accepted,
        _ => Answer::Refused(tidy(&String::from_utf8_lossy(reason))),
    })
}

/// Makes a reason one line that is not empty and not too long.
fn tidy(reason: &str) -> String {
    let line: String = reason.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let fits = |end: &usize| line.is_char_boundary(*end);
    let end = (0..=MAX_REASON.min(line.len())).rev().find(fits).unwrap_or(0);
    if end == 0 { "it gave no reason".into() } else { line[..end].to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back_as_one_line() {
        assert_eq!(read_answer(&answer(None)), Some(Answer::Accepted));
        assert_eq!(read_answer(&answer(Some("too\nlarge"))), Some(Answer::Refused("too large".into())));
        assert_eq!(read_answer(&answer(Some(" \n"))), Some(Answer::Refused("it gave no reason".into())));
        let long =
            read_answer(&answer(Some(&"\u{e4}".repeat(5000)))).and_then(Answer::refusal).expect("a reason");
        assert_eq!(long, "\u{e4}".repeat(1000));
        let bytes = answer(Some("no"));
        assert!((0..bytes.len()).all(|len| read_answer(&bytes[..len]).is_none()));
    }
}
