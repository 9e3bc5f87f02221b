//! Text as numbers, truth values and sizes. Configuration holds text only; the caller says which type it expects.
//! Text that does not fit is refused, never guessed.

use super::value_type::ValueType;

/// The type that a text does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotA(pub &'static str);

impl NotA {
    /// Reports whether the text is a number, which the type cannot hold without losing digits.
    #[must_use]
    pub fn is_out_of_range(self) -> bool {
        [LARGE_INTEGER, LARGE_NUMBER, LONG_NUMBER].contains(&self)
    }
}

const LARGE_INTEGER: NotA = NotA("not between -9223372036854775808 and 9223372036854775807");
const LARGE_NUMBER: NotA = NotA("too large for a decimal number of 64 bits");
const LONG_NUMBER: NotA = NotA("a number of more than 17 significant digits, of which some would be lost");
/// The most digits that a decimal number of 64 bits keeps.
const MOST_DIGITS: usize = 17;

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
    if let Some(number) = short_integer(text) {
        return Ok(number);
    }
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

/// As [`integer`], for a number of at most 18 decimal digits, perhaps behind `-`; `None` for other text.
#[inline]
#[must_use]
pub fn short_integer(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut number = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + i64::from(digit);
    }
    Some(if is_negative { -number } else { number })
}

/// As [`number`], for text that is too short to have digits which are lost: at most 17 bytes; `None` for other text.
#[inline]
#[must_use]
pub fn short_number(text: &[u8]) -> Option<f64> {
    if text.len() > MOST_DIGITS { None } else { number(text).ok() }
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

/// Reads a value of a type as a whole number. A number in TOML may have `_` between digits, or be octal behind `0o` or
/// binary behind `0b`.
///
/// # Errors
///
/// [`NotA`] if it is not a whole number; it is out of range if it does not fit.
pub fn integer_of(text: &[u8], value_type: ValueType) -> Result<i64, NotA> {
    let plain = integer(text);
    if plain.is_ok() || value_type != ValueType::Int {
        return plain;
    }
    let (sign, digits) = match text {
        [b'-', digits @ ..] => ("-", digits),
        [b'+', digits @ ..] => ("", digits),
        digits => ("", digits),
    };
    let (radix, digits) = match digits {
        [b'0', b'o', digits @ ..] => (8, digits),
        [b'0', b'b', digits @ ..] => (2, digits),
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        digits => (10, digits),
    };
    let digits = joined(digits).filter(|text| text.chars().all(|digit| digit.is_digit(radix)));
    let digits = digits.ok_or(INTEGER)?;
    i64::from_str_radix(&format!("{sign}{digits}"), radix).map_err(|_| LARGE_INTEGER)
}

/// Reads a value of a type as a decimal number. A number in TOML may have `_` between digits, be infinite or be none
/// (`nan`).
///
/// # Errors
///
/// [`NotA`] if it is not a number; it is out of range if it is too large, or has so many digits that some would be lost.
pub fn number_of(text: &[u8], value_type: ValueType) -> Result<f64, NotA> {
    if !matches!(value_type, ValueType::Int | ValueType::Float) {
        return number(text);
    }
    match text {
        b"inf" | b"+inf" => return Ok(f64::INFINITY),
        b"-inf" => return Ok(f64::NEG_INFINITY),
        b"nan" | b"+nan" | b"-nan" => return Ok(f64::NAN),
        _ => {}
    }
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    if let [b'0', b'x' | b'X' | b'o' | b'b', ..] = unsigned {
        let whole =
            integer_of(text, ValueType::Int).map_err(|why| if why == INTEGER { NUMBER } else { why })?;
        return number_of(whole.to_string().as_bytes(), ValueType::Int);
    }
    let joined = joined(text).ok_or(NUMBER)?;
    let is_number = joined.bytes().any(|byte| byte.is_ascii_digit())
        && joined.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let parsed = joined.parse::<f64>().ok().filter(|_| is_number).ok_or(NUMBER)?;
    if significant(&joined) > MOST_DIGITS {
        return Err(LONG_NUMBER);
    }
    if parsed.is_finite() { Ok(parsed) } else { Err(LARGE_NUMBER) }
}

/// Reads a value of a type as a number of bytes: see [`size`] and [`integer_of`].
///
/// # Errors
///
/// [`NotA`] if it is not a size, or does not fit.
pub fn size_of(text: &[u8], value_type: ValueType) -> Result<u64, NotA> {
    match value_type {
        ValueType::Int => size(text)
            .or_else(|why| u64::try_from(integer_of(text, value_type).map_err(|_| why)?).map_err(|_| why)),
        // A string is read as it was before values had types.
        _ => size(text),
    }
}

/// Removes each `_` between two digits; `None` for one in another place, for no text, and for other bytes than ASCII.
fn joined(text: &[u8]) -> Option<String> {
    let is_between = |at: usize| {
        let digit = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_hexdigit);
        digit(at.checked_sub(1)) && digit(at.checked_add(1))
    };
    let is_sound = !text.is_empty() && (0..text.len()).all(|at| text[at] != b'_' || is_between(at));
    let kept = text.iter().filter(|byte| **byte != b'_').map(|byte| char::from(*byte)).collect::<String>();
    (is_sound && kept.is_ascii()).then_some(kept)
}

/// Counts the digits of a decimal number that its value depends on: zeros before the first other digit and behind the
/// last one do not count.
fn significant(number: &str) -> usize {
    let end = number.find(['e', 'E']).unwrap_or(number.len());
    let digits: Vec<u8> = number[..end].bytes().filter(u8::is_ascii_digit).collect();
    let Some(first) = digits.iter().position(|digit| *digit != b'0') else { return 0 };
    let last = digits.iter().rposition(|digit| *digit != b'0').unwrap_or(first);
    last - first + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_with_a_sign_is_read_only_where_the_value_is_a_number() {
        assert_eq!(size_of(b"+1", ValueType::Int), Ok(1));
        assert_eq!(
            (size_of(b"+1", ValueType::String), size_of(b"0x10", ValueType::String)),
            (Err(SIZE), Err(SIZE))
        );
        assert_eq!(size_of(b"2k", ValueType::String), Ok(2048));
    }

    #[test]
    fn numbers_of_toml_are_read_where_the_value_has_the_type() {
        for (text, value) in [
            ("1_000", 1000),
            ("-1_0", -10),
            ("0o17", 15),
            ("0b101", 5),
            ("0xdead_beef", 0xdead_beef),
            ("+0x1", 1),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(integer_of(text.as_bytes(), ValueType::Int), Ok(value), "{text}");
        }
        for text in ["9223372036854775808", "0xffff_ffff_ffff_ffff", "-99999999999999999999"] {
            assert_eq!(integer_of(text.as_bytes(), ValueType::Int), Err(LARGE_INTEGER), "{text}");
        }
        for text in ["", "_1", "1_", "1__0", "0o8", "0b2", "0x", "1.0", "true", "-", "1_a"] {
            assert_eq!(integer_of(text.as_bytes(), ValueType::Int), Err(INTEGER), "{text}");
        }
        // A string is read as in UCI.
        for text in ["1_000", "0o17", "9223372036854775808"] {
            assert_eq!(integer_of(text.as_bytes(), ValueType::String), Err(INTEGER), "{text}");
        }
        assert!(
            LARGE_INTEGER.is_out_of_range() && LARGE_NUMBER.is_out_of_range() && !NUMBER.is_out_of_range()
        );
    }

    #[test]
    fn decimal_numbers_that_would_lose_digits_are_out_of_range() {
        let of = |text: &str| number_of(text.as_bytes(), ValueType::Float);
        for (text, value) in [
            ("+1.5", 1.5),
            ("1_000.5", 1000.5),
            ("6.626e-34", 6.626e-34),
            ("inf", f64::INFINITY),
            ("-inf", f64::NEG_INFINITY),
            ("0.10000000000000001", 0.1),
            ("100000000000000000000000", 1e23),
            ("1.00000000000000000000", 1.0),
            ("0.00000000000000000000000001", 1e-26),
            ("0x10", 16.0),
        ] {
            assert_eq!(of(text), Ok(value), "{text}");
        }
        assert!(of("nan").is_ok_and(f64::is_nan));
        assert_eq!(of("0.1234567890123456789"), Err(LONG_NUMBER));
        assert_eq!(number_of(b"123456789012345678", ValueType::Int), Err(LONG_NUMBER));
        assert_eq!((of("1e400"), of("-1e999")), (Err(LARGE_NUMBER), Err(LARGE_NUMBER)));
        for text in ["", ".", "e", "1_", "infinity", "NaN", "1,5", "0o8", "\u{661}"] {
            assert_eq!(of(text), Err(NUMBER), "{text}");
        }
        // A string is read as in UCI.
        assert_eq!(number_of(b"0.1234567890123456789", ValueType::String), Ok(0.123_456_789_012_345_68));
        assert_eq!(number_of(b"inf", ValueType::String), Err(NUMBER));
    }

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
