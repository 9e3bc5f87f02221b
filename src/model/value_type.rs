//! The types of values. UCI text holds strings and lists of strings; TOML and JSON text hold the others as well.
//!
//! The text of a value is its spelling in the file. A type says which spellings it has, and how a value that a program
//! or a person gives is spelled.

use std::borrow::Cow;

use super::convert;

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ValueType {
    /// A string.
    #[default]
    String,
    /// A list of strings, perhaps empty.
    List,
    /// A whole number.
    Int,
    /// A number with a point or an exponent.
    Float,
    /// `true` or `false`.
    Bool,
    /// JSON's `null`.
    Null,
    /// A list of whole numbers.
    IntList,
    /// A list of numbers of which each is a float.
    FloatList,
    /// A list of truth values.
    BoolList,
    /// A nested or mixed value, spelled as JSON.
    Json,
}

impl ValueType {
    /// All of them, in the order of their numbers in maps and in the log.
    pub const ALL: [Self; 10] = [
        Self::String,
        Self::List,
        Self::Int,
        Self::Float,
        Self::Bool,
        Self::Null,
        Self::IntList,
        Self::FloatList,
        Self::BoolList,
        Self::Json,
    ];

    /// Returns the name, as commands take and print it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Null => "null",
            Self::IntList => "int-list",
            Self::FloatList => "float-list",
            Self::BoolList => "bool-list",
            Self::Json => "json",
        }
    }

    /// Returns the type of that name.
    #[must_use]
    pub fn of_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|other| other.name().as_bytes() == name)
    }

    /// Returns its number in maps and in the log, which is below 16.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Returns the type of that number.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Reports whether the value is a list of items.
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(self, Self::List | Self::IntList | Self::FloatList | Self::BoolList)
    }

    /// Returns the type of the items of a list; of another value, its own type.
    #[must_use]
    pub fn of_items(self) -> Self {
        match self {
            Self::List => Self::String,
            Self::IntList => Self::Int,
            Self::FloatList => Self::Float,
            Self::BoolList => Self::Bool,
            other => other,
        }
    }

    /// Returns the type of a list of items of this type; `None` if items cannot have it.
    #[must_use]
    pub fn list_of(self) -> Option<Self> {
        match self {
            Self::String => Some(Self::List),
            Self::Int => Some(Self::IntList),
            Self::Float => Some(Self::FloatList),
            Self::Bool => Some(Self::BoolList),
            _ => None,
        }
    }

    /// Returns how text that is meant as a value (or item) of this type is spelled: the text itself if JSON has that
    /// spelling, else the canonical one. `None` if the text is no value of the type.
    ///
    /// ```
    /// use cms::ValueType;
    /// let spelled = |value_type: ValueType, text: &str| {
    ///     value_type.spelled(text.as_bytes()).map(|text| String::from_utf8_lossy(&text).into_owned())
    /// };
    /// assert_eq!(spelled(ValueType::Int, "0x1f"), Some("31".to_owned()));
    /// assert_eq!(spelled(ValueType::Float, "1.50"), Some("1.50".to_owned()));
    /// assert_eq!(spelled(ValueType::Float, "2"), Some("2.0".to_owned()));
    /// assert_eq!(spelled(ValueType::Bool, "on"), Some("true".to_owned()));
    /// assert_eq!(spelled(ValueType::Int, "2.5"), None);
    /// ```
    #[must_use]
    pub fn spelled(self, text: &[u8]) -> Option<Cow<'_, [u8]>> {
        match self.of_items() {
            Self::Int if is_json_number(text) == Some(Self::Int) => Some(Cow::Borrowed(text)),
            Self::Int => {
                let number = convert::integer_of(text, Self::Int).ok();
                number.map(|number| Cow::Owned(number.to_string().into_bytes()))
            }
            Self::Float => spelled_float(text),
            Self::Bool => {
                convert::boolean(text).ok().map(|on| Cow::Borrowed(if on { &b"true"[..] } else { b"false" }))
            }
            Self::Null => (text == b"null").then_some(Cow::Borrowed(text)),
            Self::Json => serde_json::from_slice::<serde_json::Value>(text).ok().map(|_| Cow::Borrowed(text)),
            _ => Some(Cow::Borrowed(text)),
        }
    }
}

/// As [`ValueType::spelled`], for a float. No digit of a decimal number is lost.
fn spelled_float(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let plain = text.strip_prefix(b"+").unwrap_or(text);
    match is_json_number(plain) {
        Some(ValueType::Float) => Some(Cow::Borrowed(plain)),
        Some(_) => Some(Cow::Owned([plain, b".0"].concat())),
        None => {
            let number =
                convert::number_of(text, ValueType::Float).ok().filter(|number| number.is_finite())?;
            Some(Cow::Owned(float(number).into_bytes()))
        }
    }
}

/// Returns the canonical spelling of a float: the shortest decimal that reads as the same number, always with a point or
/// an exponent, so that it is no whole number.
#[must_use]
pub fn float(number: f64) -> String {
    // `Debug` keeps `.0`, and uses an exponent for very large and very small numbers.
    format!("{number:?}")
}

/// Reports which number a text is by JSON's grammar: an integer, or a float if it has a point or an exponent.
#[must_use]
pub fn is_json_number(text: &[u8]) -> Option<ValueType> {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return None;
    }
    let (mut rest, mut found) = (&rest[whole..], ValueType::Int);
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        (rest, found) = (&fraction[count..], ValueType::Float);
        if count == 0 {
            return None;
        }
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', digits @ ..] => digits,
            digits => digits,
        };
        let count = digits(exponent);
        (rest, found) = (&exponent[count..], ValueType::Float);
        if count == 0 {
            return None;
        }
    }
    rest.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_found_by_its_name_and_by_its_number() {
        for value_type in ValueType::ALL {
            assert_eq!(ValueType::of_name(value_type.name().as_bytes()), Some(value_type));
            assert_eq!(ValueType::of_number(value_type.number()), Some(value_type));
            assert!(value_type.number() < 16, "a map has four bits for it");
        }
        assert_eq!((ValueType::of_name(b"number"), ValueType::of_number(10)), (None, None));
    }

    #[test]
    fn json_numbers_are_told_from_other_text() {
        for text in ["0", "-0", "7", "-12", "9223372036854775808"] {
            assert_eq!(is_json_number(text.as_bytes()), Some(ValueType::Int), "{text}");
        }
        for text in ["0.0", "1e3", "-1.50E-7", "1e400"] {
            assert_eq!(is_json_number(text.as_bytes()), Some(ValueType::Float), "{text}");
        }
        for text in ["", "-", "+1", "01", "1.", ".5", "1e", "1e+", "0x1", "1_0", " 1", "1 ", "NaN"] {
            assert_eq!(is_json_number(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn text_is_spelled_as_its_type_or_refused() {
        let spelled = |value_type: ValueType, text: &str| {
            value_type
                .spelled(text.as_bytes())
                .map(|text| String::from_utf8(text.into_owned()).expect("ASCII"))
        };
        let cases = [
            (ValueType::Int, "+7", Some("7")),
            (ValueType::Int, "9223372036854775808", Some("9223372036854775808")),
            (ValueType::Int, "on", None),
            (ValueType::Float, "1", Some("1.0")),
            (ValueType::Float, "1e21", Some("1e21")),
            (ValueType::Float, ".5", Some("0.5")),
            (ValueType::Float, "+3.14159265358979323846", Some("3.14159265358979323846")),
            (ValueType::Float, "12345678901234567890", Some("12345678901234567890.0")),
            (ValueType::Float, "1_000.5", Some("1000.5")),
            (ValueType::Float, "inf", None),
            (ValueType::Int, "1_000", Some("1000")),
            (ValueType::Int, "0o17", Some("15")),
            (ValueType::Float, "nan", None),
            (ValueType::Bool, "0", Some("false")),
            (ValueType::Bool, "enabled", Some("true")),
            (ValueType::Bool, "maybe", None),
            (ValueType::Null, "null", Some("null")),
            (ValueType::Null, "", None),
            (ValueType::Json, "[1, {\"a\": null}]", Some("[1, {\"a\": null}]")),
            (ValueType::Json, "[1,", None),
            (ValueType::IntList, "0x10", Some("16")),
            (ValueType::String, "", Some("")),
        ];
        for (value_type, text, expected) in cases {
            assert_eq!(spelled(value_type, text).as_deref(), expected, "{} {text:?}", value_type.name());
        }
    }
}
