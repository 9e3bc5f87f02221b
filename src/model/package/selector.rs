//! Keys: `package`, `package.section`, `package.section.option`, where the section may also be selected
//! by type and index, `@rule[-1]`, or by the value of an option, `@rule[name=Allow-Ping]`.

use super::{Package, Section, Value};
use crate::bytes;
use crate::error::{Error, Result};
use crate::model::name::{self, whole_integer};

/// The way in which a key selects a section.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// By its name.
    Name(Vec<u8>),
    /// By its position among the sections of a type (of all, if the type is empty); negative counts from
    /// the end.
    Index(Vec<u8>, i64),
    /// By its type (any, if empty) and the value of an option, or of one item if the option is a list.
    Match(Vec<u8>, Vec<u8>, Vec<u8>),
}

/// A parsed key. The section or option that it names need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Key {
    /// The package.
    pub package: Vec<u8>,
    /// The section, if the key has that part.
    pub section: Option<Selector>,
    /// The option, if the key has that part.
    pub option: Option<Vec<u8>>,
}

const BAD_SECTION: &str = "a section is NAME, @TYPE[INDEX] or @TYPE[OPTION=VALUE]";

impl Key {
    /// Parses a key.
    ///
    /// ```
    /// use cms::{Key, Selector};
    /// let key = Key::parse(b"firewall.@rule[name=Allow-Ping].target")?;
    /// assert_eq!(key.section, Some(Selector::Match(b"rule".into(), b"name".into(), b"Allow-Ping".into())));
    /// assert_eq!(key.option.as_deref(), Some(&b"target"[..]));
    /// # Ok::<(), cms::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if a part is missing or not allowed.
    pub fn parse(key: &[u8]) -> Result<Self> {
        let (key, rest) = Self::parse_prefix(key)?;
        match rest {
            [] => Ok(key),
            _ => Err(Error::invalid(rest, "expected nothing after the key")),
        }
    }

    /// Parses `KEY=VALUE`; the value is everything behind the first `=` that is not inside `[...]`.
    ///
    /// # Errors
    ///
    /// As for [`Key::parse`].
    pub fn parse_assignment(argument: &[u8]) -> Result<(Self, Option<&[u8]>)> {
        let (key, rest) = Self::parse_prefix(argument)?;
        match rest {
            [] => Ok((key, None)),
            [b'=', value @ ..] => Ok((key, Some(value))),
            _ => Err(Error::invalid(rest, "expected nothing after the key")),
        }
    }

    /// Parses a key at the start of `argument` and returns the rest.
    fn parse_prefix(argument: &[u8]) -> Result<(Self, &[u8])> {
        let stop = |bytes: &[u8]| bytes::find_either(b'.', b'=', bytes).unwrap_or(bytes.len());
        let (package, rest) = argument.split_at(stop(argument));
        if !name::is_package(package) {
            return Err(Error::invalid(
                argument,
                "a key starts with the name of a package: PACKAGE.SECTION.OPTION",
            ));
        }
        let mut key = Self { package: package.to_vec(), section: None, option: None };
        let [b'.', rest @ ..] = rest else { return Ok((key, rest)) };
        let end = if rest.starts_with(b"@") { selector_end(rest)? } else { stop(rest) };
        let (section, rest) = rest.split_at(end);
        key.section = Some(Selector::parse(section)?);
        let [b'.', rest @ ..] = rest else { return Ok((key, rest)) };
        let (option, rest) = rest.split_at(stop(rest));
        if !name::is_name(option) {
            return Err(Error::invalid(option, "an option name holds letters, digits and '_' only"));
        }
        key.option = Some(option.to_vec());
        Ok((key, rest))
    }

    /// Returns the key as text with this section.
    pub(crate) fn with_section(&self, name: &[u8]) -> Vec<u8> {
        let parts = [Some(&*self.package), Some(name), self.option.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(&b'.')
    }

    /// Returns the key as text, selectors included.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = crate::error::shown::name(&self.package);
        if let Some(section) = &self.section {
            text.push('.');
            text.push_str(&section.text());
        }
        if let Some(option) = &self.option {
            text.push('.');
            text.push_str(&crate::error::shown::name(option));
        }
        text
    }
}

/// Returns the end of the selector at the start of `text`: it is behind the first `]` that a dot, an equals sign or
/// the end of the text follows.
fn selector_end(text: &[u8]) -> Result<usize> {
    (1..=text.len())
        .find(|end| text[end - 1] == b']' && matches!(text.get(*end), None | Some(b'.' | b'=')))
        .ok_or_else(|| Error::invalid(text, BAD_SECTION))
}

impl Selector {
    /// Parses the section part of a key.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it has none of the three forms.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let Some(selector) = text.strip_prefix(b"@") else {
            return if name::is_name(text) {
                Ok(Self::Name(text.to_vec()))
            } else {
                Err(Error::invalid(text, BAD_SECTION))
            };
        };
        let open = bytes::find(b'[', selector);
        let (section_type, inside) = match (open, selector.strip_suffix(b"]")) {
            (Some(open), Some(body)) => (&selector[..open], &body[open + 1..]),
            _ => return Err(Error::invalid(text, BAD_SECTION)),
        };
        if !section_type.is_empty() && !name::is_type(section_type) {
            return Err(Error::invalid(
                section_type,
                "a section type holds printable ASCII characters, no blanks",
            ));
        }
        if let (option, Some(value)) = crate::model::change::split_value(inside) {
            if !name::is_name(option) {
                return Err(Error::invalid(option, "an option name holds letters, digits and '_' only"));
            }
            return Ok(Self::Match(section_type.to_vec(), option.to_vec(), value.to_vec()));
        }
        let index = if inside.is_empty() { Some(0) } else { whole_integer(inside) };
        match index {
            Some(index) => Ok(Self::Index(section_type.to_vec(), index)),
            None => Err(Error::invalid(inside, "an index is a number; negative ones count from the end")),
        }
    }

    /// Returns the selector as it is written in a key.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Name(name) => crate::error::shown::name(name),
            Self::Index(section_type, index) => {
                format!("@{}[{index}]", crate::error::shown::name(section_type))
            }
            Self::Match(section_type, option, value) => {
                format!(
                    "@{}[{}={}]",
                    crate::error::shown::name(section_type),
                    crate::error::shown::name(option),
                    crate::error::shown::name(value)
                )
            }
        }
    }
}

impl Package {
    /// Finds the section that the selector selects.
    ///
    /// # Errors
    ///
    /// [`Error::Ambiguous`] if a selector by value matches several sections.
    pub fn select(&self, selector: &Selector) -> Result<Option<Section<'_>>> {
        match selector {
            Selector::Name(name) => Ok(self.section(name)),
            Selector::Index(section_type, index) => {
                let back =
                    index.checked_neg().filter(|back| *back > 0).and_then(|back| usize::try_from(back).ok());
                let mut sections = self.sections_of_type(section_type);
                Ok(match (back, usize::try_from(*index)) {
                    (Some(back), _) => sections.nth_back(back - 1),
                    (None, Ok(index)) => sections.nth(index),
                    (None, Err(_)) => None,
                })
            }
            Selector::Match(section_type, option, value) => {
                let holds = |section: &Section<'_>| {
                    section.get(option).is_some_and(|held: Value<'_>| held.items().any(|item| item == value))
                };
                let found: Vec<_> = self.sections_of_type(section_type).filter(holds).collect();
                match found.as_slice() {
                    [] => Ok(None),
                    [one] => Ok(Some(*one)),
                    several => Err(Error::Ambiguous {
                        key: format!("{}.{}", crate::error::shown::name(self.name()), selector.text()),
                        matches: several
                            .iter()
                            .map(|section| crate::error::shown::name(section.name()))
                            .collect(),
                    }),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_a_selector_may_hold_dots_and_brackets() {
        let (key, value) = Key::parse_assignment(b"dhcp.@host[ip=10.0.0.1].name=a=b]").expect("a key");
        assert_eq!(
            key.section,
            Some(Selector::Match(b"host".to_vec(), b"ip".to_vec(), b"10.0.0.1".to_vec()))
        );
        assert_eq!(value, Some(&b"a=b]"[..]));
        assert_eq!(key.text(), "dhcp.@host[ip=10.0.0.1].name");
    }

    #[test]
    fn malformed_keys_are_refused_with_the_part_that_is_wrong() {
        for key in
            ["", ".a", "n.", "n..o", "n.a-b", "n.a.", "n.a.b.c", "n.@x", "n.@x[1", "n.@x[y]", "n.@x[o-p=1]"]
        {
            assert!(Key::parse(key.as_bytes()).is_err(), "{key}");
        }
    }
}
