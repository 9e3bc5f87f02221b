//! The order in which the rows of a table are sorted by a column: numbers by their value, then other text by its bytes.

use std::cmp::Ordering;

/// A decimal number, taken apart: its digits compare as text, whatever their number.
struct Decimal<'t> {
    is_negative: bool,
    /// The digits before the point, without leading zeros, and those behind it, without trailing zeros.
    whole: &'t [u8],
    fraction: &'t [u8],
}

impl<'t> Decimal<'t> {
    /// Reads `-12.50`; `None` for any other text, one with an exponent for example.
    fn of(text: &'t [u8]) -> Option<Self> {
        let digits = text.strip_prefix(b"-");
        let (is_negative, digits) = (digits.is_some(), digits.unwrap_or(text));
        let mut parts = digits.splitn(2, |byte| *byte == b'.');
        let (whole, fraction) = (parts.next()?, parts.next());
        let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        if !is_number(whole) || !fraction.is_none_or(is_number) {
            return None;
        }
        let whole = &whole[whole.iter().take_while(|digit| **digit == b'0').count()..];
        let fraction = fraction.unwrap_or_default();
        let zeros = fraction.iter().rev().take_while(|digit| **digit == b'0').count();
        let fraction = &fraction[..fraction.len() - zeros];
        // There is one zero.
        let is_negative = is_negative && !(whole.is_empty() && fraction.is_empty());
        Some(Self { is_negative, whole, fraction })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let by_size = || {
            let (a, b) = (self.whole, other.whole);
            a.len().cmp(&b.len()).then_with(|| a.cmp(b)).then_with(|| self.fraction.cmp(other.fraction))
        };
        match (self.is_negative, other.is_negative) {
            (false, false) => by_size(),
            (true, true) => by_size().reverse(),
            (negative, _) => {
                if negative {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
        }
    }
}

/// Compares two values: decimal numbers by their value and before all other text, other text byte by byte. Two
/// spellings of one number differ by their bytes, so that only equal texts are equal.
#[must_use]
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let by_value = match (Decimal::of(a), Decimal::of(b)) {
        (Some(a), Some(b)) => a.compare(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    by_value.then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_by_their_value_and_before_text() {
        let sorted: Vec<&[u8]> = vec![
            b"-10",
            b"-9.5",
            b"-9",
            b"-0.1",
            b"-0",
            b"0",
            b"00",
            b"0.10",
            b"0.2",
            b"1",
            b"01",
            b"1.0",
            b"1.5",
            b"9",
            b"10",
            b"123456789012345678901234567890",
            b"123456789012345678901234567891",
            b"",
            b"+1",
            b"-",
            b".5",
            b"1.",
            b"1.2.3",
            b"10.0.0.1",
            b"1e3",
            b"B",
            b"a",
            b"ab",
        ];
        for (at, a) in sorted.iter().enumerate() {
            for (other, b) in sorted.iter().enumerate() {
                let (a_text, b_text) = (String::from_utf8_lossy(a), String::from_utf8_lossy(b));
                assert_eq!(compare(a, b).reverse(), compare(b, a), "{a_text} {b_text}");
                // Spellings of one number: their bytes decide.
                let is_one_number = |at: usize| (4..7).contains(&at) || [9, 10, 11].contains(&at);
                if !(is_one_number(at) && is_one_number(other)) {
                    assert_eq!(compare(a, b), at.cmp(&other), "{a_text} {b_text}");
                }
            }
        }
        assert_eq!(compare(b"7", b"7"), Ordering::Equal);
    }
}
