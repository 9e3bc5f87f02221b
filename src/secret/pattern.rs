//! Patterns of keys whose values are secret.

use crate::error::{Error, Result};

/// Selects keys: `PACKAGE`, `PACKAGE.SECTION` or `PACKAGE.SECTION.OPTION`, where each part may hold `*`, `?` and `[a-z]`.
/// With fewer parts it selects all keys below. A section's name may have dots: the last part is the option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyPattern {
    package: glob::Pattern,
    section: Option<glob::Pattern>,
    option: Option<glob::Pattern>,
}

impl KeyPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is none.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(
                text.as_bytes(),
                "a pattern is PACKAGE.SECTION.OPTION, where * stands for anything",
            )
        };
        let part = |part: &str| glob::Pattern::new(part).map_err(|_| wrong());
        let blank = text.is_empty() || text.contains(char::is_whitespace) || text.contains('@');
        let (package, rest) =
            text.split_once('.').map_or((text, None), |(package, rest)| (package, Some(rest)));
        if blank || package.is_empty() {
            return Err(wrong());
        }
        let (section, option) = match rest.map(|rest| rest.rsplit_once('.')) {
            None => (None, None),
            Some(None) => (rest, None),
            Some(Some((section, option))) => (Some(section), Some(option)),
        };
        let (section, option) = (section.map(part).transpose()?, option.map(part).transpose()?);
        Ok(Self { package: part(package)?, section, option })
    }

    /// Reports whether it may select an option of a package.
    pub fn may_select_in(&self, package: &[u8]) -> bool {
        self.package.matches(&String::from_utf8_lossy(package))
    }

    /// Reports whether it selects an option.
    pub fn selects(&self, package: &[u8], section: &[u8], option: &[u8]) -> bool {
        let matches = |pattern: &glob::Pattern, name: &[u8]| pattern.matches(&String::from_utf8_lossy(name));
        let may_match = |pattern: &Option<glob::Pattern>, name| {
            pattern.as_ref().is_none_or(|pattern| matches(pattern, name))
        };
        matches(&self.package, package)
            && may_match(&self.section, section)
            && may_match(&self.option, option)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_selects_the_keys_that_its_parts_match() {
        let selects = |pattern: &str, key: [&str; 3]| {
            let pattern = KeyPattern::parse(pattern).expect("a pattern");
            let [package, section, option] = key.map(str::as_bytes);
            pattern.selects(package, section, option)
        };
        let key = ["app", "db.main", "password"];
        for pattern in ["app", "app.db.main.password", "app.*.pass*", "*.*.password", "app.db.*.*", "*"] {
            assert!(selects(pattern, key), "{pattern}");
        }
        for pattern in ["ap", "app.db", "app.db.password", "*.*.pass", "app.*.*.token"] {
            assert!(!selects(pattern, key), "{pattern}");
        }
        assert!(selects("app..token", ["app", "", "token"]), "the root section");
        for wrong in ["", ".x", "a b", "app.@x[0].y", "a.[", "a.b.["] {
            assert!(KeyPattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
