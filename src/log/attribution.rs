//! The attribution of a transaction: its author, program, message and request.

use std::fmt;

use crate::error::{Error, Result};

/// The id of a request: 16 bytes that the program chooses, the same for each repetition of the request. The transaction
/// that the request led to has it in the log, so that a repetition finds it: see [`crate::Store::find_request`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// Makes an id of bytes that are not all zero.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if all are zero: that stands for no id.
    pub fn new(bytes: [u8; 16]) -> Result<Self> {
        match bytes {
            [0, ..] if bytes == [0; 16] => Err(Error::invalid(b"", "an id of a request is not all zeros")),
            bytes => Ok(Self(bytes)),
        }
    }

    /// Reads an id: 32 hexadecimal digits, with any hyphens between them (as in a UUID).
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the text has another form, or all digits are zero.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || Error::invalid(text.as_bytes(), "an id of a request has 32 hexadecimal digits");
        let digits = text.bytes().filter(|byte| *byte != b'-');
        let digits: Option<Vec<u32>> = digits.map(|byte| char::from(byte).to_digit(16)).collect();
        let digits = digits.filter(|digits| digits.len() == 32).ok_or_else(wrong)?;
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::try_from(pair[0] << 4 | pair[1]).unwrap_or_default();
        }
        Self::new(bytes)
    }

    /// Returns the bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The author, program, message and request of transactions. A program that commits for other people gives them.
///
/// A part that is not given is that of the store's options; without an author, the user of the process counts.
///
/// ```
/// use cms::log::{Attribution, RequestId};
///
/// # fn main() -> cms::Result<()> {
/// let request = RequestId::parse("0f8fad5b-d9cb-469f-a165-70867728950e")?;
/// let by = Attribution::new().author("alice@192.168.7.20").source("rest").request(request);
/// # let _ = by;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attribution {
    pub(crate) author: String,
    pub(crate) source: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) request: Option<RequestId>,
    pub(crate) time: Option<u64>,
}

impl Attribution {
    /// Makes an attribution that gives nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the author, `alice@192.168.7.20` for example. Empty is the user of the process.
    #[must_use]
    pub fn author(self, author: impl Into<String>) -> Self {
        Self { author: author.into(), ..self }
    }

    /// Sets the name of the program or interface.
    #[must_use]
    pub fn source(self, source: impl Into<String>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Sets the message of the author.
    #[must_use]
    pub fn message(self, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..self }
    }

    /// Sets the id of the request.
    #[must_use]
    pub fn request(self, request: RequestId) -> Self {
        Self { request: Some(request), ..self }
    }

    /// Sets when the transaction was decided elsewhere, in microseconds since 1970. Only [`crate::Store::adopt`] has a use
    /// for it.
    #[must_use]
    pub fn time(self, micros: u64) -> Self {
        Self { time: Some(micros), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_a_request_is_read_with_and_without_hyphens() {
        let id = RequestId::parse("0f8fad5b-d9cb-469f-a165-70867728950E").expect("it is one");
        assert_eq!(id.to_string(), "0f8fad5bd9cb469fa16570867728950e");
        assert_eq!(RequestId::parse(&id.to_string()).ok(), Some(id));
        assert_eq!(id.bytes()[..3], [0x0f, 0x8f, 0xad]);
        for wrong in ["", "0f8f", "0f8fad5bd9cb469fa16570867728950", "0f8fad5bd9cb469fa16570867728950eg"] {
            assert!(RequestId::parse(wrong).is_err(), "{wrong}");
        }
        assert!(RequestId::parse("00000000000000000000000000000000").is_err());
        assert!(RequestId::new([0; 16]).is_err());
    }
}
