//! Patterns: which keys a watch or a verifier selects.

use crate::error::{Error, Result};
use crate::log::KeyChange;

/// Selects changes: one or more of `PACKAGE`, `PACKAGE.SECTION` and `PACKAGE.SECTION.OPTION`, separated by blanks;
/// each part may hold `*`, `?` and `[a-z]`. A pattern with fewer parts than a key selects all keys below it:
/// `network`, `network.lan`, `*.lan.ipaddr`, `network.wan*.dns system`.
///
/// An anonymous section is selected by its generated name, and by `*`.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    any: Vec<[Option<Part>; 3]>,
}

#[derive(Debug, Clone)]
enum Part {
    Exact(Vec<u8>),
    Glob(glob::Pattern),
}

impl Part {
    fn parse(text: &str) -> Result<Self> {
        if !text.contains(['*', '?', '[']) {
            return match crate::model::name::is_package(text.as_bytes()) && !text.contains(['/', '@']) {
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
            // Names are ASCII.
            Self::Glob(glob) => std::str::from_utf8(name).is_ok_and(|name| glob.matches(name)),
        }
    }
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is no pattern, or selects a section by its type.
    pub fn parse(text: &str) -> Result<Self> {
        let one = |text: &str| {
            let mut parts = [None, None, None];
            for (index, part) in text.split('.').enumerate() {
                let Some(place) = parts.get_mut(index) else {
                    return Err(Error::invalid(text.as_bytes(), "a pattern has at most three parts"));
                };
                *place = Some(Part::parse(part)?);
            }
            Ok(parts)
        };
        let any: Vec<_> = text.split_ascii_whitespace().map(one).collect::<Result<_>>()?;
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
        self.any.iter().any(|[of, ..]| of.as_ref().is_none_or(|of| of.matches(package.as_bytes())))
    }

    /// Reports whether everything is selected.
    pub(crate) fn selects_all(&self) -> bool {
        let is_any = |of: &Option<Part>| matches!(of, Some(Part::Glob(glob)) if glob.as_str() == "*");
        self.any.iter().any(|[of, section, option]| is_any(of) && section.is_none() && option.is_none())
    }

    /// Reports whether a change is selected.
    #[must_use]
    pub fn selects(&self, package: &str, change: &KeyChange) -> bool {
        self.any.iter().any(|[of, section, option]| {
            of.as_ref().is_none_or(|of| of.matches(package.as_bytes()))
                && section.as_ref().is_none_or(|section| section.matches(&change.section))
                && option.as_ref().is_none_or(|option| {
                    change.option.as_ref().is_some_and(|changed| option.matches(changed))
                })
        })
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
        for bad in ["", " ", "a.b.c.d", "network..a", "network.@rule[0]", "a.[", "/etc/x"] {
            assert!(matches!(Pattern::parse(bad), Err(Error::Invalid { .. })), "{bad}");
        }
    }
}
