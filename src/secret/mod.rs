//! Marks: which values are secret, and what people see in their place. Nothing is encrypted here.
//!
//! A mark is a pattern in a section of type `secret` of the package `cms`, or a field of a schema with secret access:
//!
//! ```text
//! config secret
//!         list key 'app.*.token'
//! ```
//!
//! [`Marks::show`] is the only function that decides whether a value is shown.

mod pattern;
mod stand_in;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

pub(crate) use pattern::KeyPattern;
use stand_in::Key;

use crate::error::shown;
use crate::format::Format;
use crate::format::uci::Dialect;
use crate::model::change::{Delta, DeltaKind};
use crate::model::package::Package;
use crate::model::value_type::ValueType;

/// Tells which options a schema marks.
pub trait SecretFields: fmt::Debug + Send + Sync {
    /// Reports whether any value of a package may be secret.
    fn has_any(&self, package: &[u8]) -> bool;

    /// Reports whether the value of an option is secret.
    fn is_secret(&self, package: &[u8], section: &[u8], option: &[u8]) -> bool;
}

/// Which values of a store are secret.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    patterns: Arc<Vec<KeyPattern>>,
    fields: Option<Arc<dyn SecretFields>>,
    run: Option<Arc<Path>>,
    key: Arc<OnceLock<Key>>,
}

/// A value as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shown<'v> {
    /// The value.
    Value(&'v [u8]),
    /// What stands for a secret value: `<secret 7e41>`. The digits change with the value.
    StandIn(String),
}

impl Shown<'_> {
    /// Returns the text: the value, or the stand-in.
    #[must_use]
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Value(value) => Cow::Borrowed(value),
            Self::StandIn(text) => Cow::Borrowed(text.as_bytes()),
        }
    }

    /// Returns the value in quotes, as [`shown::quoted`] does, or the stand-in without.
    #[must_use]
    pub fn quoted(&self) -> String {
        match self {
            Self::Value(value) => shown::quoted(value),
            Self::StandIn(text) => text.clone(),
        }
    }
}

impl Marks {
    /// Makes marks of patterns. `run` is the run directory.
    pub(crate) fn new(patterns: Arc<Vec<KeyPattern>>, run: Option<&Path>) -> Self {
        Self { patterns, run: run.map(Arc::from), ..Self::default() }
    }

    /// Adds the fields that a schema marks.
    #[must_use]
    pub fn with_fields(self, fields: Arc<dyn SecretFields>) -> Self {
        Self { fields: Some(fields), ..self }
    }

    /// Reports whether nothing is marked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty() && self.fields.is_none()
    }

    /// Reports whether any value of a package may be secret.
    #[must_use]
    pub fn concern(&self, package: &[u8]) -> bool {
        self.patterns.iter().any(|pattern| pattern.may_select_in(package))
            || self.fields.as_ref().is_some_and(|fields| fields.has_any(package))
    }

    /// Reports whether the value of an option is secret.
    #[must_use]
    pub fn is_secret(&self, package: &[u8], section: &[u8], option: &[u8]) -> bool {
        self.patterns.iter().any(|pattern| pattern.selects(package, section, option))
            || self.fields.as_ref().is_some_and(|fields| fields.is_secret(package, section, option))
    }

    /// Returns the value of an option, or of an item of a list, as people see it: a stand-in if it is secret, unless they
    /// have asked for secrets (`reveal`).
    #[must_use]
    pub fn show<'v>(
        &self,
        package: &[u8],
        section: &[u8],
        option: &[u8],
        value: &'v [u8],
        reveal: bool,
    ) -> Shown<'v> {
        // Most stores have no marks.
        if self.is_empty() || reveal || !self.is_secret(package, section, option) {
            return Shown::Value(value);
        }
        let key = self.key.get_or_init(|| Key::of(self.run.as_deref()));
        Shown::StandIn(format!("<secret {}>", key.digits(value)))
    }

    /// Returns the text of a package as people see it: with a stand-in in place of each secret value, and otherwise byte for
    /// byte. Where a value is not written literally, the text is printed anew, without comments.
    #[must_use]
    pub(crate) fn text(&self, format: &dyn Format, package: &Package) -> Arc<Vec<u8>> {
        let source = package.source();
        let mut places: Vec<(Range<usize>, String)> = Vec::new();
        let mut hidden = Vec::new();
        for section in package.sections() {
            for option in section.options() {
                for item in option.value().items() {
                    let shown = self.show(package.name(), section.name(), option.name(), item, false);
                    let Shown::StandIn(stand_in) = shown else { break };
                    hidden.push((section.name(), option.name(), stand_in.clone()));
                    places.extend(place_in(source, item).map(|place| (place, stand_in)));
                }
            }
        }
        if hidden.is_empty() {
            return source.clone();
        }
        if places.len() < hidden.len() {
            return Arc::new(printed(format, package, &hidden));
        }
        places.sort_by_key(|(place, _)| place.start);
        let (mut text, mut done) = (Vec::with_capacity(source.len()), 0);
        for (place, stand_in) in places {
            text.extend_from_slice(&source[done..place.start]);
            text.extend_from_slice(stand_in.as_bytes());
            done = place.end;
        }
        text.extend_from_slice(&source[done..]);
        Arc::new(text)
    }
}

/// Prints a package with stand-ins: the last of each list, since the others would need its items.
fn printed(format: &dyn Format, package: &Package, hidden: &[(&[u8], &[u8], String)]) -> Vec<u8> {
    let mut package = package.clone();
    for (section, option, stand_in) in hidden {
        let delta = Delta::new(DeltaKind::Set, section, Some(option), Some(stand_in.as_bytes()));
        if package.make(&delta.of_type(ValueType::String), Dialect::Cms).is_err() {
            let gone = Delta::new(DeltaKind::Delete, section, Some(option), None);
            // What cannot even be deleted is in a text that is not shown at all.
            if package.make(&gone, Dialect::Cms).is_err() {
                return Vec::new();
            }
        }
    }
    format.print(&package, false)
}

/// Returns the place of a slice in the bytes that it was taken from; `None` if it is a slice of other bytes.
fn place_in(bytes: &[u8], slice: &[u8]) -> Option<Range<usize>> {
    let (all, one) = (bytes.as_ptr_range(), slice.as_ptr_range());
    let is_inside = all.start <= one.start && one.end <= all.end && !slice.is_empty();
    let start = one.start.addr().checked_sub(all.start.addr()).filter(|_| is_inside)?;
    Some(start..start + slice.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::ParseOptions;

    fn marks(patterns: &[&str]) -> Marks {
        let patterns = patterns.iter().map(|text| KeyPattern::parse(text).expect("a pattern")).collect();
        Marks::new(Arc::new(patterns), None)
    }

    fn redacted(text: &str) -> String {
        let format = crate::format::DEFAULT;
        let parsed = format.read(b"app", Arc::new(text.into()), &ParseOptions::default()).expect("it parses");
        let shown = marks(&["app.*.token"]).text(format, &parsed.package);
        let mut shown = String::from_utf8(shown.to_vec()).expect("text");
        // The digits differ in each process.
        while let Some(start) = shown.find("<secret ") {
            let end = start + shown[start..].find('>').expect("its end") + 1;
            shown.replace_range(start..end, "HIDDEN");
        }
        shown
    }

    #[test]
    fn only_marked_values_have_a_stand_in_and_it_changes_with_the_value() {
        let marks = marks(&["app.*.token"]);
        let show = |option: &str, value: &'static str| {
            marks.show(b"app", b"s", option.as_bytes(), value.as_bytes(), false).quoted()
        };
        assert_eq!(show("name", "it's"), "'it'\\''s'");
        let first = show("token", "one");
        assert!(first.starts_with("<secret ") && first.len() == "<secret 7e41>".len(), "{first}");
        assert_eq!(show("token", "one"), first);
        // Two values have the same digits once in 65536 times: of four others, one differs.
        assert!(["two", "three", "four", "five"].iter().any(|other| show("token", other) != first));
        assert_eq!(marks.show(b"app", b"s", b"token", b"one", true), Shown::Value(b"one"));
        assert!(Marks::default().is_empty() && !marks.is_empty());
    }

    #[test]
    fn a_field_of_a_schema_is_a_mark_as_well() {
        #[derive(Debug)]
        struct Passwords;
        impl SecretFields for Passwords {
            fn has_any(&self, package: &[u8]) -> bool {
                package == b"a"
            }

            fn is_secret(&self, _: &[u8], _: &[u8], option: &[u8]) -> bool {
                option == b"password"
            }
        }
        let marks = Marks::default().with_fields(Arc::new(Passwords));
        assert!(marks.is_secret(b"a", b"b", b"password") && !marks.is_secret(b"a", b"b", b"user"));
        assert!(!marks.is_empty() && marks.concern(b"a") && !marks.concern(b"b"));
    }

    #[test]
    fn a_text_keeps_all_but_its_secret_values() {
        let text =
            "# kept\nconfig a 'x'\n\toption token 'abc' # mine\n\toption name 'abc'\n\tlist token2 'abc'\n";
        assert_eq!(redacted(text), text.replace("token 'abc'", "token 'HIDDEN'"));
        let list = "config a 'x'\n\tlist token 'one'\n\toption name 'n'\n\tlist token two\n";
        assert_eq!(redacted(list), list.replace("one", "HIDDEN").replace("two", "HIDDEN"));
        let plain = "config a 'x'\n\toption name 'abc'\n";
        assert_eq!(redacted(plain), plain);
    }

    #[test]
    fn a_secret_that_is_written_in_several_parts_is_not_shown_in_part() {
        for value in ["'ab'\"cd\"", "'it'\\''s'", "\"ab\ncd\"", "ab\\ cd"] {
            let shown =
                redacted(&format!("# note\nconfig a 'x'\n\toption token {value}\n\toption name 'n'\n"));
            assert!(!shown.contains("ab") && !shown.contains("cd") && !shown.contains("it"), "{shown}");
            assert!(shown.contains("HIDDEN") && shown.contains("option name 'n'"), "{shown}");
        }
    }
}
