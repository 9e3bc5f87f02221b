//! Text as numbers, truth values and sizes. Configuration holds text only; the caller says which type it expects.
//! Text that does not fit is refused, never guessed.

/// The type that a text does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotA(pub &'static str);

const INTEGER: NotA = NotA("not a whole number between -9223372036854775808 and 9223372036854775807");
const BOOLEAN: NotA = NotA("not one of 1, 0, on, off, true, false, yes, no, enabled, disabled");
const NUMBER: NotA = NotA("not a finite decimal number");
const SIZE: NotA =
    NotA("not a number of bytes, perhaps with one of the suffixes k, M, G or T (powers of 1024)");

impl std::fmt::Display for NotA {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// Reads a whole number: decimal, or hexadecimal behind `0x`, with or without a sign.
///
/// # Errors
///
/// [`NotA`] if it is not a number, or does not fit.
pub fn integer(text: &[u8]) -> Result<i64, NotA> {
    let text = std::str::from_utf8(text).map_err(|_| INTEGER)?;
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("", &text[1..]),
        _ => ("", text),
    };
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None => (10, digits),
    };
    if !digits.starts_with(|first: char| first.is_digit(radix)) {
        return Err(INTEGER);
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).map_err(|_| INTEGER)
}

/// Reads a truth value, in the words that OpenWrt's programs accept.
///
/// # Errors
///
/// [`NotA`] if it is none of the words.
pub fn boolean(text: &[u8]) -> Result<bool, NotA> {
    match text {
        b"1" | b"on" | b"true" | b"yes" | b"enabled" => Ok(true),
        b"0" | b"off" | b"false" | b"no" | b"disabled" => Ok(false),
        _ => Err(BOOLEAN),
    }
}

/// Reads a decimal number, perhaps with a point and an exponent. The locale has no effect.
///
/// # Errors
///
/// [`NotA`] if it is not a number, or infinite.
pub fn number(text: &[u8]) -> Result<f64, NotA> {
    let digits = text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let parsed = std::str::from_utf8(text).ok().filter(|_| digits).and_then(|text| text.parse::<f64>().ok());
    parsed.filter(|number| number.is_finite()).ok_or(NUMBER)
}

/// Reads a number of bytes: decimal digits, and one of the suffixes k, M, G or T, in upper or lower case, for
/// powers of 1024; behind it `B` or `iB` may follow.
///
/// # Errors
///
/// [`NotA`] if it is not a size, or more than 2^64 - 1.
pub fn size(text: &[u8]) -> Result<u64, NotA> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, suffix) = text.split_at(digits);
    let number: u64 = std::str::from_utf8(number).ok().and_then(|text| text.parse().ok()).ok_or(SIZE)?;
    let unit = suffix.strip_suffix(b"iB").filter(|unit| !unit.is_empty());
    let unit = unit.or_else(|| suffix.strip_suffix(b"B")).unwrap_or(suffix);
    let shift = match unit {
        b"" => 0,
        b"k" | b"K" => 10,
        b"m" | b"M" => 20,
        b"g" | b"G" => 30,
        b"t" | b"T" => 40,
        _ => return Err(SIZE),
    };
    number.checked_mul(1 << shift).ok_or(SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_read_and_nothing_else() {
        for (text, value) in [("0", 0), ("-7", -7), ("+7", 7), ("0x1F", 31), ("-0x10", -16), ("007", 7)] {
            assert_eq!(integer(text.as_bytes()), Ok(value), "{text}");
        }
        assert_eq!(integer(b"-9223372036854775808"), Ok(i64::MIN));
        for text in ["", "-", "0x", "1.0", " 1", "1 ", "--1", "+-1", "9223372036854775808", "1k", "\u{661}"] {
            assert_eq!(integer(text.as_bytes()), Err(INTEGER), "{text}");
        }
        assert_eq!((boolean(b"enabled"), boolean(b"0"), boolean(b"On")), (Ok(true), Ok(false), Err(BOOLEAN)));
        assert_eq!((number(b"30.5"), number(b"-1e3"), number(b".5")), (Ok(30.5), Ok(-1000.0), Ok(0.5)));
        for text in ["", "inf", "nan", "1e999", "1,5", "0x1", " 1", "infinity", "e", "1_0"] {
            assert_eq!(number(text.as_bytes()), Err(NUMBER), "{text}");
        }
        for (text, value) in
            [("0", 0), ("512", 512), ("1k", 1024), ("2MiB", 2 << 20), ("1GB", 1 << 30), ("3B", 3)]
        {
            assert_eq!(size(text.as_bytes()), Ok(value), "{text}");
        }
        for text in ["", "k", "1.5k", "-1", "1kk", "1iB", "20000000T", "1 k", "18446744073709551616"] {
            assert_eq!(size(text.as_bytes()), Err(SIZE), "{text}");
        }
    }
}
