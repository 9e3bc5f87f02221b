//! The rules for names, types and values: which bytes each may hold.
//!
//! Nothing here looks names up; that is [`crate::Package`]'s business.

/// Reports whether `name` may name a section or an option: letters, digits and `_`, at least one.
///
/// ```
/// assert!(cms::name::is_name(b"wan6"));
/// assert!(!cms::name::is_name(b"wan-6"));
/// ```
#[must_use]
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Reports whether `name` may stand in a `package` line of a file: a [name](is_name) that may also hold `-`.
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

/// Shows bytes to a person: UTF-8 as it is, anything else with the replacement character.
#[must_use]
pub(crate) fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
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
