//! Patterns: which keys a watch or a verifier selects.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::log::KeyChange;
use crate::model::key_part;
use crate::model::name;

/// Selects changes: one or more of `PACKAGE`, `PACKAGE.SECTION` and `PACKAGE.SECTION.OPTION`, separated by blanks;
/// each part may hold `*`, `?` and `[a-z]`. A pattern with fewer parts than a key selects all keys below it:
/// `network`, `network.lan`, `*.lan.ipaddr`, `network.wan*.dns system`.
///
/// An anonymous section is selected by its generated name, and by `*`. In packages with nested sections each part of the
/// path is a part of the pattern: `app.server.*.port`. Parts in quotes stand for themselves. `app.port` also selects
/// the root key `app..port`, and `app..*` selects root keys alone.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    any: Vec<Keys>,
}

/// One of the patterns between blanks.
#[derive(Debug, Clone)]
struct Keys {
    package: Part,
    /// Whether only root keys are selected.
    is_root: bool,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Exact(Vec<u8>),
    Glob(glob::Pattern),
}

impl Part {
    fn parse(text: &str, is_package: bool) -> Result<Self> {
        if text.starts_with('"') {
            return Ok(Self::Exact(key_part::unquote(text.as_bytes())?.into_owned()));
        }
        if !text.contains(['*', '?', '[']) {
            let is_plain = match is_package {
                true => name::is_package(text.as_bytes()) && !text.contains(['/', '@']),
                false => key_part::is_plain(text.as_bytes()),
            };
            return match is_plain {
                true => Ok(Self::Exact(text.into())),
                false => Err(Error::invalid(
                    text.as_bytes(),
                    "a pattern is PACKAGE.SECTION.OPTION by name, where * stands for anything",
                )),
            };
        }
        if text.starts_with('@') {
            return Err(Error::invalid(
                text.as_bytes(),
                "a pattern names sections; it cannot select by type",
            ));
        }
        let bad = |_| Error::invalid(text.as_bytes(), "not a pattern: its wildcards are *, ? and [a-z]");
        glob::Pattern::new(text).map(Self::Glob).map_err(bad)
    }

    fn matches(&self, name: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Glob(glob) => std::str::from_utf8(name).is_ok_and(|name| glob.matches(name)),
        }
    }

    fn is_any(&self) -> bool {
        matches!(self, Self::Glob(glob) if glob.as_str() == "*")
    }
}

impl Keys {
    fn parse(text: &str) -> Result<Self> {
        let mut parts = split(text, |c| c == '.').into_iter();
        let package = Part::parse(parts.next().unwrap_or_default(), true)?;
        let mut parts: Vec<&str> = parts.collect();
        let is_root = parts.len() > 1 && parts[0].is_empty();
        if is_root {
            parts.remove(0);
        }
        if is_root && parts.len() > 1 {
            return Err(Error::invalid(text.as_bytes(), "only an option comes behind two dots"));
        }
        let parts = parts.into_iter().map(|part| Part::parse(part, false)).collect::<Result<_>>()?;
        Ok(Self { package, is_root, parts })
    }

    fn selects(&self, change: &KeyChange) -> bool {
        let names = match name::is_name(&change.section) {
            // Nearly always; the others are sections of TOML or JSON.
            true => vec![Cow::Borrowed(change.section.as_slice())],
            false => key_part::split(&change.section).unwrap_or_default(),
        };
        let option = change.option.as_deref().map(|option| match name::is_name(option) {
            true => Cow::Borrowed(option),
            false => key_part::unquote(option).unwrap_or(Cow::Borrowed(option)),
        });
        let is_in_root = change.section.is_empty();
        let mut path = names.iter().chain(&option);
        (!self.is_root || is_in_root)
            && self.parts.iter().all(|part| path.next().is_some_and(|name| part.matches(name)))
    }
}

/// Splits a pattern at characters that are not in quotes.
fn split(text: &str, at: impl Fn(char) -> bool) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (index, c) in text.char_indices() {
        if is_quoted {
            is_quoted = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
        } else if at(c) {
            parts.push(&text[start..index]);
            start = index + c.len_utf8();
        } else {
            is_quoted = c == '"';
        }
    }
    parts.push(&text[start..]);
    parts
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is no pattern, or selects a section by its type.
    pub fn parse(text: &str) -> Result<Self> {
        let each = split(text, |c| c.is_ascii_whitespace()).into_iter().filter(|one| !one.is_empty());
        let any: Vec<_> = each.map(Keys::parse).collect::<Result<_>>()?;
        match any.is_empty() {
            true => Err(Error::invalid(text.as_bytes(), "a pattern is not empty: * selects everything")),
            false => Ok(Self { text: text.to_owned(), any }),
        }
    }

    /// Returns the text of the pattern.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reports whether anything in a package may be selected.
    #[must_use]
    pub fn selects_package(&self, package: &str) -> bool {
        self.any.iter().any(|keys| keys.package.matches(package.as_bytes()))
    }

    /// Reports whether everything is selected.
    pub(crate) fn selects_all(&self) -> bool {
        self.any.iter().any(|keys| keys.package.is_any() && !keys.is_root && keys.parts.is_empty())
    }

    /// Reports whether a change is selected.
    #[must_use]
    pub fn selects(&self, package: &str, change: &KeyChange) -> bool {
        self.any.iter().any(|keys| keys.package.matches(package.as_bytes()) && keys.selects(change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Content, What};

    #[test]
    fn patterns_select_by_part() {
        let change = |option: Option<&str>| {
            let what = What::Added(Content::String(b"1".to_vec()));
            KeyChange::new(b"lan", option.map(str::as_bytes), what)
        };
        for (pattern, option, section) in [
            ("network", true, true),
            ("network.lan", true, true),
            ("network.lan.ipaddr", true, false),
            ("network.*", true, true),
            ("*.lan.ipaddr", true, false),
            ("*", true, true),
            ("net[a-z]*.l?n.ip*", true, false),
            ("system network.lan.ipaddr", true, false),
            ("network.wan", false, false),
            ("network.lan.dns", false, false),
            ("net", false, false),
        ] {
            let parsed = Pattern::parse(pattern).expect("a pattern");
            assert_eq!(parsed.selects("network", &change(Some("ipaddr"))), option, "{pattern}");
            assert_eq!(parsed.selects("network", &change(None)), section, "{pattern}");
        }
        for bad in [
            "",
            " ",
            "network.",
            "a..b.c",
            "a.b..c",
            "network.@rule[0]",
            "a.[",
            "/etc/x",
            "a.\"b",
            "a.\"b\"c",
        ] {
            assert!(matches!(Pattern::parse(bad), Err(Error::Invalid { .. })), "{bad}");
        }
    }

    #[test]
    fn patterns_of_packages_with_nested_sections_have_a_part_for_each_name() {
        let change = |section: &str, option: Option<&str>| KeyChange {
            section: section.as_bytes().to_vec(),
            option: option.map(|option| option.as_bytes().to_vec()),
            what: What::Added(Content::String(b"1".to_vec())),
            types: None,
        };
        let nested = change("server.tls", Some("port"));
        let root = change("", Some("port"));
        let quoted = change(r#"a."b.c""#, Some(r#""x y""#));
        for (pattern, of_nested, of_root, of_quoted) in [
            ("app", true, true, true),
            ("app.server", true, false, false),
            ("app.server.tls", true, false, false),
            ("app.server.*.port", true, false, false),
            ("app.server.port", false, false, false),
            ("app.server.tls.port.x", false, false, false),
            ("app.*", true, true, true),
            ("app.port", false, true, false),
            ("app..port", false, true, false),
            ("app..*", false, true, false),
            ("app.*.*", true, false, true),
            (r#"app.a."b.c"."x y""#, false, false, true),
            (r#"app.a.*."x y" app..q"#, false, false, true),
            (r#"app.a."b.c""#, false, false, true),
            (r#"app.a."*""#, false, false, false),
            ("app.a.b.c", false, false, false),
        ] {
            let parsed = Pattern::parse(pattern).expect(pattern);
            assert_eq!(parsed.selects("app", &nested), of_nested, "{pattern}");
            assert_eq!(parsed.selects("app", &root), of_root, "{pattern}");
            assert_eq!(parsed.selects("app", &quoted), of_quoted, "{pattern}");
        }
    }
}
