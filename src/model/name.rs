//! The rules for names, types, values and numbers: which bytes each may hold.
//!
//! [`crate::Package`] looks names up.

pub use crate::model::near::nearest;

/// The largest size of a name, type or key in a map, in bytes.
pub const MAX_NAME: usize = 65_534;

/// The largest size of a value in a map, in bytes; each string of it counts one byte more than its length.
pub const MAX_VALUE: usize = (4 << 20) - 1;

/// Reports whether `name` may name a section or an option: letters, digits and `_`, at least one.
///
/// ```
/// assert!(cms::name::is_name(b"wan6"));
/// assert!(!cms::name::is_name(b"wan-6"));
/// ```
#[must_use]
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| IN_NAME[usize::from(*byte)])
}

/// The bytes allowed in a name.
pub(crate) const IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_';
        byte += 1;
    }
    table
};

/// Reports whether `name` may be used in a `package` line of a file: a [name](is_name) that may also hold `-`.
#[must_use]
pub fn is_declared_package(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Reports whether `name` is a section type: one or more printable ASCII characters, no blanks.
#[must_use]
pub fn is_type(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

/// Reports whether `name` may name a package: the rule of [`is_type`], for file names and keys.
#[must_use]
pub fn is_package(name: &[u8]) -> bool {
    is_type(name)
}

/// Reports whether a program may use `name` for a package of the configuration directory. It is never a path, since
/// the values a program reads must not depend on the paths of its files.
#[must_use]
pub fn is_plain_package(name: &[u8]) -> bool {
    is_package(name) && !name.iter().any(|byte| matches!(byte, b'.' | b'/'))
}

/// Reports whether `name`, joined to a directory, is a file in it that is not hidden.
pub(crate) fn is_in_directory(name: &[u8]) -> bool {
    !name.is_empty() && name[0] != b'.' && !name.iter().any(|byte| matches!(byte, b'/' | 0))
}

/// Reports whether `value` may be set by a command or a delta line: any bytes but control characters,
/// of which tab, line feed and carriage return are allowed.
#[must_use]
pub fn is_value(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte >= 32 || matches!(byte, b'\t' | b'\n' | b'\r'))
}

/// Reports whether `byte` separates words in configuration text.
#[must_use]
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Returns the name stock uci gives an anonymous section: `cfg`, the count of sections created so far in
/// this instance of the package (this one included) in hexadecimal, and 16 bits of a hash of the type.
///
/// The hash is Bernstein's (times 33, add the byte, from 5381); bytes above 127 count as negative, as on
/// the platforms where C's `char` is signed.
#[must_use]
pub fn generated(created: u32, section_type: &[u8]) -> String {
    let hash = section_type.iter().fold(5381_u32, |hash, byte| {
        hash.wrapping_mul(33).wrapping_add_signed(i32::from(i8::from_ne_bytes([*byte])))
    });
    format!("cfg{created:02x}{:04x}", hash & 0xffff)
}

/// Reads a decimal integer that takes the whole text.
pub(crate) fn whole_integer(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads the integer a text starts with as C's `strtol` does; `None` without digits.
pub(crate) fn leading_integer(text: &[u8]) -> Option<i64> {
    integer_prefix(text).map(|(number, _)| number)
}

/// Reads the integer a text starts with, blanks and a sign allowed, and returns it with the rest of the text. Numbers
/// beyond the range become the nearest number in it.
#[must_use]
pub fn integer_prefix(text: &[u8]) -> Option<(i64, &[u8])> {
    let (negative, rest) = sign(text);
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let number = rest[..digits].iter().fold(0_i64, |number, digit| {
        let digit = i64::from(digit - b'0');
        let ten = number.saturating_mul(10);
        if negative { ten.saturating_sub(digit) } else { ten.saturating_add(digit) }
    });
    Some((number, &rest[digits..]))
}

/// Reads the number a text starts with as C's `strtoul` does: 0 without digits, negated modulo 2^64.
pub(crate) fn leading_unsigned(text: &[u8]) -> i64 {
    let (negative, rest) = sign(text);
    let mut digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
    let number =
        digits.try_fold(0_u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    let number = match number {
        Some(number) if negative => number.wrapping_neg(),
        Some(number) => number,
        None => u64::MAX,
    };
    i64::from_ne_bytes(number.to_ne_bytes())
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    let blanks = text.iter().take_while(|byte| is_blank(**byte)).count();
    match &text[blanks..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    }
}

/// Truncates a number to 32 bits, as stock uci does.
#[must_use]
pub fn wrap(number: i64) -> i32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_are_those_of_stock_uci() {
        assert_eq!(generated(1, b"a"), "cfg01b606");
        assert_eq!(generated(300, b"a"), "cfg12cb606");
        assert_eq!(generated(1, b"rule"), "cfg0192bd");
        assert_eq!(generated(300, b"wifi-iface"), "cfg12c3579");
        assert_eq!(generated(1, b"zone"), "cfg01dc81");
    }

    #[test]
    fn values_refuse_control_characters_only() {
        assert!(is_value(b"tab\there\nand \xff"));
        assert!(is_value(b"\x7f"));
        assert!(!is_value(b"bell\x07"));
        assert!(!is_value(b"nul\0"));
    }
}
