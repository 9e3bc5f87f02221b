//! Regular expressions, which have to match the whole value.

/// A regular expression.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    #[cfg(feature = "regex")]
    regex: regex_lite::Regex,
}

/// Why a build without the feature `regex` does not check one.
pub(super) const NOT_IN_THIS_BUILD: &str = "this build has no regular expressions";

#[cfg(feature = "regex")]
impl Pattern {
    /// Reads a regular expression; `None` if it is malformed or too large.
    pub fn new(pattern: &[u8]) -> Option<Self> {
        const MOST: usize = 256 * 1024;
        let pattern = std::str::from_utf8(pattern).ok()?;
        let read = |pattern: &str| regex_lite::RegexBuilder::new(pattern).size_limit(MOST).build().ok();
        // Alone first, so that it cannot close the group around it.
        read(pattern)?;
        let regex = read(&format!("^(?:{pattern})$"))?;
        // The first match allocates what all later ones use.
        let _ = regex.is_match("");
        Some(Self { regex })
    }

    /// Reports whether the whole value matches; `None` if this build does not know.
    pub fn matches(&self, value: &[u8]) -> Option<bool> {
        Some(std::str::from_utf8(value).is_ok_and(|value| self.regex.is_match(value)))
    }
}

#[cfg(not(feature = "regex"))]
impl Pattern {
    pub fn new(_: &[u8]) -> Option<Self> {
        Some(Self {})
    }

    #[expect(clippy::unused_self, reason = "as in a build with regular expressions")]
    pub fn matches(&self, _: &[u8]) -> Option<bool> {
        None
    }
}
