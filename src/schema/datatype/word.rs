//! Types that are neither numbers nor addresses: truth values, keys, digits, dates.

use super::number::{decimal, digits, whole};

const TRUTH: [&[u8]; 10] =
    [b"1", b"0", b"true", b"false", b"yes", b"no", b"on", b"off", b"enabled", b"disabled"];

pub(super) fn bool(value: &[u8]) -> bool {
    TRUTH.iter().any(|word| word.eq_ignore_ascii_case(value))
}

pub(super) fn float(value: &[u8]) -> bool {
    decimal(value).is_some()
}

pub(super) fn ufloat(value: &[u8]) -> bool {
    decimal(value).is_some_and(|number| number >= 0.0)
}

pub(super) fn integer(value: &[u8]) -> bool {
    whole(value, 0).is_some()
}

fn are_hexadecimal(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_hexdigit)
}

pub(super) fn hexstring(value: &[u8]) -> bool {
    value.len().is_multiple_of(2) && are_hexadecimal(value)
}

pub(super) fn wpakey(value: &[u8]) -> bool {
    (8..=63).contains(&value.len()) || (value.len() == 64 && are_hexadecimal(value))
}

pub(super) fn wepkey(value: &[u8]) -> bool {
    let key = value.strip_prefix(b"s:").unwrap_or(value);
    matches!(key.len(), 5 | 13) || (matches!(key.len(), 10 | 26) && are_hexadecimal(key))
}

pub(super) fn phonedigit(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|byte| byte.is_ascii_digit() || b"*#!.".contains(byte))
}

/// Splits a text of the form `NN:NN:NN`, with any separator, into its numbers.
fn three(value: &[u8], separator: u8, first: usize) -> Option<[u32; 3]> {
    if value.len() != first + 6 || value[first] != separator || value[first + 3] != separator {
        return None;
    }
    Some([
        digits(&value[..first], 9999)?,
        digits(&value[first + 1..first + 3], 99)?,
        digits(&value[first + 4..], 99)?,
    ])
}

/// A time of the day; second 60 is a leap second.
pub(super) fn time(value: &[u8]) -> bool {
    three(value, b':', 2).is_some_and(|[hour, minute, second]| hour < 24 && minute < 60 && second <= 60)
}

/// A day of the calendar, in 2015 or later: an earlier one is that of a clock that was never set.
pub(super) fn date(value: &[u8]) -> bool {
    three(value, b'-', 4).is_some_and(|[year, month, day]| {
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 => 28 + u32::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            _ => 0,
        };
        year >= 2015 && (1..=days).contains(&day)
    })
}

pub(super) fn alpha(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_alphabetic)
}

pub(super) fn alpha_num(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_alphanumeric)
}

pub(super) fn alpha_dash(value: &[u8]) -> bool {
    value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

pub(super) fn are_digits(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_digit)
}

pub(super) fn is_lowercase(value: &[u8]) -> bool {
    !value.iter().any(u8::is_ascii_uppercase)
}

pub(super) fn is_uppercase(value: &[u8]) -> bool {
    !value.iter().any(u8::is_ascii_lowercase)
}
