//! Keys: `package`, `package.section`, `package.section.option`, where the section may also be selected
//! by type and index, `@rule[-1]`, or by the value of an option, `@rule[name=Allow-Ping]`.
//!
//! In packages with free names (TOML, JSON) the section may be nested, `app.a.b.port`: the last part is the option, and
//! all between it and the package is the section. Parts may be in quotes (`key_part`), and the root section is written
//! as nothing: `app..port`. Whether the last part of such a key is a section or an option is known only with the package:
//! see [`Package::settle`].

use super::{Package, Section, Value};
use crate::bytes;
use crate::error::{Error, Result};
use crate::model::key_part;
use crate::model::name::{self, whole_integer};

/// The way in which a key selects a section.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// By its name; that of a nested section is the path to it, and that of the root section is empty (see
    /// [`crate::key_part`]).
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
    /// The option, if the key has that part: in quotes, if its name needs them (see [`crate::key_part`]).
    pub option: Option<Vec<u8>>,
}

const BAD_SECTION: &str = "a section is NAME, @TYPE[INDEX] or @TYPE[OPTION=VALUE]";
const BAD_OPTION: &str = "an option name holds letters, digits and '_' only";
const NESTED: &str =
    "a UCI package has no nested sections; TOML and JSON packages (NAME.toml, NAME.json) have";
const ROOT: &str = "a UCI package has no options outside of its sections; TOML and JSON packages (NAME.toml, NAME.json) have";
const IN_ROOT: &str =
    "only an option comes behind two dots; a nested section is PACKAGE.SECTION.SECTION.OPTION";

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
        let rest = if rest.starts_with(b"@") {
            let (selector, rest) = rest.split_at(selector_end(rest)?);
            key.section = Some(Selector::parse(selector)?);
            let [b'.', rest @ ..] = rest else { return Ok((key, rest)) };
            let (option, rest) = key_part::read(rest)?;
            key.option = Some(key_part::quote(&option).into_owned());
            rest
        } else {
            key.parse_path(rest)?
        };
        match rest {
            [b'.', ..] => Err(Error::invalid(argument, "an option is the last part of a key")),
            rest => Ok((key, rest)),
        }
    }

    /// Parses the parts of a section and an option that are no selector, and returns the rest.
    fn parse_path<'t>(&mut self, text: &'t [u8]) -> Result<&'t [u8]> {
        if let [b'.', text @ ..] = text {
            let (option, rest) = key_part::read(text)?;
            if rest.starts_with(b".") {
                return Err(Error::invalid(text, IN_ROOT));
            }
            self.section = Some(Selector::Name(Vec::new()));
            self.option = Some(key_part::quote(&option).into_owned());
            return Ok(rest);
        }
        let (first, mut rest) = key_part::read(text)?;
        let mut section = key_part::quote(&first).into_owned();
        while let [b'.', text @ ..] = rest {
            if let Some(part) = self.option.take() {
                section.push(b'.');
                section.extend_from_slice(&part);
            }
            let (part, after) = key_part::read(text)?;
            self.option = Some(key_part::quote(&part).into_owned());
            rest = after;
        }
        self.section = Some(Selector::Name(section));
        Ok(rest)
    }

    /// Reports whether a package of UCI text can have this key.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.check_plain().is_ok()
    }

    /// Refuses a key that no package of UCI text can have, with the reason.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`].
    pub fn check_plain(&self) -> Result<()> {
        match &self.section {
            None | Some(Selector::Index(..)) => {}
            Some(Selector::Name(section)) if name::is_name(section) => {}
            Some(Selector::Name(section)) if section.is_empty() => {
                return Err(Error::invalid(self.text().as_bytes(), ROOT));
            }
            Some(Selector::Name(section)) => {
                let is_nested = key_part::split(section).is_ok_and(|names| names.len() > 1);
                let (what, why) = match is_nested {
                    true => (self.text().into_bytes(), NESTED),
                    false => (section.clone(), BAD_SECTION),
                };
                return Err(Error::invalid(&what, why));
            }
            Some(Selector::Match(_, option, _)) => check_option(option)?,
        }
        self.option.as_deref().map_or(Ok(()), check_option)
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

fn check_option(option: &[u8]) -> Result<()> {
    if name::is_name(option) { Ok(()) } else { Err(Error::invalid(option, BAD_OPTION)) }
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
            let names = key_part::split(text)?;
            return match names.is_empty() {
                true => Err(Error::invalid(text, BAD_SECTION)),
                false => Ok(Self::Name(key_part::join(names))),
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
        if let Some(selector) = Self::parse_match(section_type, inside)? {
            return Ok(selector);
        }
        let index = if inside.is_empty() { Some(0) } else { whole_integer(inside) };
        match index {
            Some(index) => Ok(Self::Index(section_type.to_vec(), index)),
            None => Err(Error::invalid(inside, "an index is a number; negative ones count from the end")),
        }
    }

    /// Parses `OPTION=VALUE` in the brackets of a selector; `None` for anything without an equals sign.
    fn parse_match(section_type: &[u8], inside: &[u8]) -> Result<Option<Self>> {
        if !inside.contains(&b'=') {
            return Ok(None);
        }
        let (option, rest) = key_part::read(inside)?;
        let [b'=', value @ ..] = rest else { return Err(Error::invalid(inside, BAD_SECTION)) };
        let option = key_part::quote(&option).into_owned();
        Ok(Some(Self::Match(section_type.to_vec(), option, value.to_vec())))
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
    /// Returns a key as this package has it. Where names are free, `app.k` is the root key `app..k` if no section has that
    /// name, and `app.a.b` is the section `b` in `a` if `a` has no such option. In UCI text a key stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if UCI text can have no such key, and this is a package of UCI text.
    pub fn settle(&self, key: Key) -> Result<Key> {
        if !self.format().has_free_names() {
            return key.check_plain().map(|()| key);
        }
        let Some(Selector::Name(name)) = &key.section else { return Ok(key) };
        let section = self.section(name);
        let Some(option) = &key.option else {
            let is_root = section.is_none() && self.get(b"", name).is_some();
            let (root, name) = (Some(Selector::Name(Vec::new())), Some(name.clone()));
            return Ok(if is_root { Key { section: root, option: name, ..key } } else { key });
        };
        if name.is_empty() || section.is_some_and(|section| section.option(option).is_some()) {
            return Ok(key);
        }
        let path = [name, &b"."[..], option].concat();
        match self.section(&path) {
            Some(_) => Ok(Key { section: Some(Selector::Name(path)), option: None, ..key }),
            None => Ok(key),
        }
    }

    /// As [`Package::settle`], of a key that is set to a value or gets an item. Where names are free, a key without an option
    /// is a root key unless there is such a section, or the value is the name: sections have no other type there.
    ///
    /// # Errors
    ///
    /// As for [`Package::settle`].
    pub fn settle_to_set(&self, key: Key, value: &[u8]) -> Result<Key> {
        if !self.format().has_free_names() {
            return key.check_plain().map(|()| key);
        }
        match &key.section {
            Some(Selector::Name(name)) if key.option.is_none() => {
                let is_section = self.section(name).is_some() || value == name;
                let (section, option) = (Selector::Name(Vec::new()), name.clone());
                Ok(if is_section { key } else { Key { section: Some(section), option: Some(option), ..key } })
            }
            _ => Ok(key),
        }
    }

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
    fn the_last_part_is_the_option_and_all_before_it_the_section() {
        for (key, section, option) in [
            ("app.k", "k", None),
            ("app..k", "", Some("k")),
            ("app.a.b", "a", Some("b")),
            ("app.a.b.port", "a.b", Some("port")),
            ("app.a.b.c.port", "a.b.c", Some("port")),
            (r#"app."server.host""#, r#""server.host""#, None),
            (r#"app.."server.host""#, "", Some(r#""server.host""#)),
            (r#"app.a."".x"#, r#"a."""#, Some("x")),
            (r#"app."".x"#, r#""""#, Some("x")),
            (r#"app."a"."\u0062 c""#, "a", Some(r#""b c""#)),
            ("app.log-level.größe", "log-level", Some("größe")),
        ] {
            let parsed = Key::parse(key.as_bytes()).expect(key);
            assert_eq!(parsed.section, Some(Selector::Name(section.as_bytes().to_vec())), "{key}");
            assert_eq!(parsed.option.as_deref(), option.map(str::as_bytes), "{key}");
            let again = Key::parse(parsed.text().as_bytes()).expect("its text is a key");
            assert_eq!(again, parsed, "{key}");
        }
        let (key, value) = Key::parse_assignment(br#"app.a."b=c"=d=e"#).expect("a key");
        assert_eq!((key.option.as_deref(), value), (Some(&br#""b=c""#[..]), Some(&b"d=e"[..])));
        let key = Key::parse(br#"app.@servers["the ip"=1].port"#).expect("a key");
        let wanted = Selector::Match(b"servers".to_vec(), br#""the ip""#.to_vec(), b"1".to_vec());
        assert_eq!(key.section, Some(wanted));
    }

    #[test]
    fn keys_that_no_uci_package_can_have_are_told_apart_with_the_formats_that_can() {
        for (key, why) in [
            ("n.a-b", BAD_SECTION),
            ("n.a.b-c", BAD_OPTION),
            ("n..o", ROOT),
            ("n.a.b.c", NESTED),
            (r#"n."a.b""#, BAD_SECTION),
            ("n.@x[o-p=1]", BAD_OPTION),
        ] {
            let parsed = Key::parse(key.as_bytes()).expect("a key");
            let refused = parsed.check_plain().expect_err(key);
            assert!(matches!(refused, Error::Invalid { why: said, .. } if said == why), "{key}: {refused}");
            assert!(Package::new(b"n").settle(parsed).is_err(), "{key}");
        }
        for key in ["n", "n.a", "n.a.b", "n.@x[0].b", "n.@x[o=1]", "n.@[-1]"] {
            assert!(Key::parse(key.as_bytes()).expect("a key").is_plain(), "{key}");
        }
    }

    #[test]
    fn malformed_keys_are_refused_with_the_part_that_is_wrong() {
        for key in [
            "",
            ".a",
            "n.",
            "n..",
            "n.a.",
            "n.a..b",
            "n..a.b",
            "n.a b",
            "n.a.[",
            "n.a.\"b",
            "n.\"a\"b.c",
            "n.@x",
            "n.@x[1",
            "n.@x[y]",
            "n.@x[0].a.b",
            "n.@x[0].",
        ] {
            assert!(Key::parse(key.as_bytes()).is_err(), "{key}");
        }
    }
}
