//! Numbers in values and in expressions, as the validators of OpenWrt read them.

/// Reads a whole number of any size; a number outside of `i128` becomes its nearest. Base 0 takes the base from the
/// number itself, as C does: `0x1f` is hexadecimal and `017` octal.
pub(super) fn whole(value: &[u8], base: u32) -> Option<i128> {
    // The validator of devices looks at the first character so, whatever the base.
    if !matches!(value.first()?, b'-' | b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') {
        return None;
    }
    let (is_negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let after_prefix = digits.strip_prefix(b"0x").or_else(|| digits.strip_prefix(b"0X"));
    let (base, digits) = match (base, after_prefix) {
        (0 | 16, Some(digits)) => (16, digits),
        (0, None) if digits.first() == Some(&b'0') => (8, digits),
        (0, None) => (10, digits),
        (base, _) => (base, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number: i128 = 0;
    for digit in digits {
        let digit = char::from(*digit).to_digit(base)?;
        number = number.saturating_mul(i128::from(base)).saturating_add(i128::from(digit));
    }
    Some(if is_negative { -number } else { number })
}

/// Reads a number of decimal digits, at most `most`: no sign, no blank, any number of zeros before it.
pub(super) fn digits(value: &[u8], most: u32) -> Option<u32> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u32, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        Some(number * 10 + digit).filter(|number| *number <= most)
    })
}

/// Reads a decimal number, perhaps with a point and an exponent, behind nothing but a minus sign.
pub(super) fn decimal(value: &[u8]) -> Option<f64> {
    let unsigned = value.strip_prefix(b"-").unwrap_or(value);
    if !matches!(unsigned.first()?, b'0'..=b'9' | b'.') {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Reads a number as a literal of an expression is compared: `42`, ` 42`, `+42`, `42.0`, `4.2e1` and `0x2a` are equal.
pub(super) fn loose(value: &[u8]) -> Option<f64> {
    let value = value.trim_ascii_start();
    let (sign, digits) = match value.split_first()? {
        (b'-', digits) => (-1.0, digits),
        (b'+', digits) => (1.0, digits),
        _ => (1.0, value),
    };
    if digits.first() == Some(&b'-') {
        return None;
    }
    let Some(hexadecimal) = digits.strip_prefix(b"0x").or_else(|| digits.strip_prefix(b"0X")) else {
        return decimal(digits).map(|number| sign * number);
    };
    if hexadecimal.is_empty() {
        return None;
    }
    let number = hexadecimal
        .iter()
        .try_fold(0.0, |number, digit| Some(number * 16.0 + f64::from(char::from(*digit).to_digit(16)?)))?;
    Some(sign * number)
}

/// A number of an expression as a bound of whole numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bound {
    /// The least whole number that is not below it.
    pub at_least: i128,
    /// The greatest whole number that is not above it.
    pub at_most: i128,
    /// It without its fraction.
    pub cut: i128,
}

/// Reads a number of an expression.
pub(super) fn bound(text: &[u8]) -> Option<Bound> {
    let number = loose(text)?;
    let (_, digits) = text.split_at(usize::from(matches!(text.first(), Some(b'+' | b'-'))));
    // A number of an expression is decimal even behind a zero.
    let is_decimal = digits.iter().all(u8::is_ascii_digit);
    let base = if is_decimal { 10 } else { 0 };
    if let Some(exact) = whole(text.strip_prefix(b"+").unwrap_or(text), base) {
        return Some(Bound { at_least: exact, at_most: exact, cut: exact });
    }
    #[expect(clippy::cast_possible_truncation, reason = "a float beyond i128 becomes the nearest")]
    let integer = |number: f64| number as i128;
    Some(Bound {
        at_least: integer(number.ceil()),
        at_most: integer(number.floor()),
        cut: integer(number.trunc()),
    })
}
