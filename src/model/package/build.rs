//! Builds a package from a text, for formats.

use std::ops::Range;
use std::sync::Arc;

use super::{OptionId, Package, SectionId, Span};
use crate::error::Result;
use crate::error::memory;
use crate::error::parse::{ParseError, Reason};
use crate::model::format_kind::FormatKind;
use crate::model::value_type::ValueType;

/// The bytes of a name or a value.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "of a seam for tests")]
pub enum Piece<'b> {
    /// A slice of the text, which is not copied.
    InText(Range<usize>),
    /// Bytes that are no slice of the text.
    Apart(&'b [u8]),
}

/// A package that is being read from a text.
///
/// ```
/// use cms::testing::format::{Builder, Piece};
/// let mut builder = Builder::new(b"network", b"lan=interface".to_vec().into())?;
/// let lan = builder.section(Piece::InText(4..13), Some(Piece::InText(0..3)))?;
/// builder.string(lan, Piece::Apart(b"mtu"), Piece::Apart(b"1500"))?;
/// let package = builder.finish();
/// assert_eq!(package.get(b"lan", b"mtu"), Some(cms::Value::String(b"1500")));
/// # Ok::<(), cms::Error>(())
/// ```
#[derive(Debug)]
pub struct Builder {
    package: Package,
}

impl Builder {
    /// Begins a package whose source is `text`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Parse`] for a text above [`super::MAX_TEXT`], [`crate::Error::OutOfMemory`].
    pub fn new(name: &[u8], text: Arc<Vec<u8>>) -> Result<Self> {
        if text.len() > super::MAX_TEXT {
            return Err(ParseError::at(Reason::TooLarge, &text, 0).into());
        }
        // Each line may begin a section.
        memory::check_available_for_package(&text, b"\n")?;
        Ok(Self { package: Package::over(name, text) })
    }

    /// Begins a package of another format than UCI.
    ///
    /// # Errors
    ///
    /// As for [`Builder::new`].
    pub fn of_format(name: &[u8], text: Arc<Vec<u8>>, format: FormatKind) -> Result<Self> {
        let mut builder = Self::new(name, text)?;
        builder.package.format = format;
        Ok(builder)
    }

    /// Appends a section. Without a name it is anonymous and gets a generated one.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Invalid`] if the package would grow beyond 2 GiB. The other functions here fail for the same reason.
    pub fn section(&mut self, section_type: Piece<'_>, name: Option<Piece<'_>>) -> Result<SectionId> {
        let section_type = self.span(section_type)?;
        let name = name.map(|name| self.span(name)).transpose()?;
        self.package.push_section(section_type, name)
    }

    /// Returns the section of that name.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<SectionId> {
        self.package.find_section(name)
    }

    /// Reports whether a section has an option of that name.
    #[must_use]
    pub fn has(&self, section: SectionId, option: &[u8]) -> bool {
        self.package.find_option(section, option).is_some()
    }

    /// Sets an option to a string. An earlier value of the option is replaced.
    ///
    /// # Errors
    ///
    /// As for [`Builder::section`].
    pub fn string(&mut self, section: SectionId, name: Piece<'_>, value: Piece<'_>) -> Result<()> {
        let value = self.span(value)?;
        match self.option(section, &name) {
            Some(option) => self.package.set_string(section, option, value),
            None => {
                let name = self.span(name)?;
                self.package.push_option(section, name, value);
            }
        }
        Ok(())
    }

    /// Appends an item to a list, which is created if it is missing.
    ///
    /// # Errors
    ///
    /// As for [`Builder::section`].
    pub fn item(&mut self, section: SectionId, name: Piece<'_>, item: Piece<'_>) -> Result<()> {
        let item = self.span(item)?;
        match self.option(section, &name) {
            Some(option) => self.package.push_item(section, option, item),
            None => {
                let name = self.span(name)?;
                self.package.push_list(section, name, vec![item]);
            }
        }
        Ok(())
    }

    /// Sets an option to a value of a type that is no list.
    ///
    /// # Errors
    ///
    /// As for [`Builder::section`].
    pub fn typed(
        &mut self,
        section: SectionId,
        name: &Piece<'_>,
        value: Piece<'_>,
        value_type: ValueType,
    ) -> Result<()> {
        self.string(section, name.clone(), value)?;
        self.set_type(section, name, value_type);
        Ok(())
    }

    /// Sets an option to a list of a type.
    ///
    /// # Errors
    ///
    /// As for [`Builder::section`].
    pub fn list<'b>(
        &mut self,
        section: SectionId,
        name: &Piece<'_>,
        items: impl IntoIterator<Item = Piece<'b>>,
        list_type: ValueType,
    ) -> Result<()> {
        let items = items.into_iter().map(|item| self.span(item)).collect::<Result<Vec<_>>>()?;
        match self.option(section, name) {
            Some(option) => self.package.set_list(section, option, items),
            None => {
                let name = self.span(name.clone())?;
                self.package.push_list(section, name, items);
            }
        }
        self.set_type(section, name, list_type);
        Ok(())
    }

    fn set_type(&mut self, section: SectionId, name: &Piece<'_>, value_type: ValueType) {
        if let Some(option) = self.option(section, name) {
            self.package.set_value_type(section, option, value_type);
        }
    }

    /// Ends reading. Sections and options that are added from now on count as not in the text.
    #[must_use]
    pub fn finish(self) -> Package {
        self.package.loaded()
    }

    fn option(&self, section: SectionId, name: &Piece<'_>) -> Option<OptionId> {
        let name = match name {
            Piece::InText(range) => &self.package.source()[range.clone()],
            Piece::Apart(bytes) => bytes,
        };
        self.package.find_option(section, name)
    }

    fn span(&mut self, piece: Piece<'_>) -> Result<Span> {
        match piece {
            Piece::InText(range) => Ok(Span::of_source(range.start, range.len())),
            Piece::Apart(bytes) => self.package.intern(bytes, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::model::change::{Delta, DeltaKind};
    use crate::model::dialect::Dialect;
    use crate::model::package::Value;

    /// A JSON package with a value of each kind in the section `s`.
    fn typed() -> Package {
        let mut builder =
            Builder::of_format(b"app", Arc::default(), FormatKind::Json).expect("an empty text");
        let section = builder.section(Piece::Apart(b"s"), Some(Piece::Apart(b"s"))).expect("a section");
        for (name, value, value_type) in [
            ("port", "8080", ValueType::Int),
            ("ratio", "1.50", ValueType::Float),
            ("on", "true", ValueType::Bool),
        ] {
            let name = Piece::Apart(name.as_bytes());
            builder.typed(section, &name, Piece::Apart(value.as_bytes()), value_type).expect("an option");
        }
        builder.list(section, &Piece::Apart(b"none"), [], ValueType::List).expect("an empty list");
        let items = [Piece::Apart(b"1"), Piece::Apart(b"2")];
        builder.list(section, &Piece::Apart(b"ids"), items, ValueType::IntList).expect("a list");
        builder.finish()
    }

    fn set(package: &mut Package, option: &str, value: &str, value_type: Option<ValueType>) -> Result<()> {
        let delta = Delta::new(DeltaKind::Set, b"s", Some(option.as_bytes()), Some(value.as_bytes()));
        package.apply(&Delta { value_type, ..delta }, Dialect::Cms).map(|_| ())
    }

    fn shown(package: &Package, option: &str) -> (String, &'static str) {
        let section = package.section(b"s").expect("the section");
        let view = section.option(option.as_bytes()).expect("the option");
        let items: Vec<_> =
            view.value().items().map(|item| String::from_utf8_lossy(item).into_owned()).collect();
        (items.join(" "), view.value_type().name())
    }

    #[test]
    fn a_value_keeps_its_type_when_it_is_set_and_refuses_what_does_not_fit() {
        let mut package = typed();
        for (option, value, becomes) in
            [("port", "0x50", "80"), ("ratio", "2", "2.0"), ("on", "off", "false")]
        {
            let before = shown(&package, option).1;
            set(&mut package, option, value, None).expect("it fits");
            assert_eq!(shown(&package, option), (becomes.to_owned(), before));
        }
        let refused = set(&mut package, "port", "http", None);
        assert!(matches!(refused, Err(Error::Type { value_type: "int", .. })), "{refused:?}");
        assert_eq!(shown(&package, "port"), ("80".to_owned(), "int"));
        set(&mut package, "port", "http", Some(ValueType::String)).expect("another type");
        assert_eq!(shown(&package, "port"), ("http".to_owned(), "string"));
        set(&mut package, "new", "", None).expect("JSON has empty strings");
        assert_eq!(shown(&package, "new"), (String::new(), "string"));
    }

    fn add(package: &mut Package, option: &str, item: &str, value_type: Option<ValueType>) -> Result<()> {
        let delta = Delta::new(DeltaKind::AddList, b"s", Some(option.as_bytes()), Some(item.as_bytes()));
        package.apply(&Delta { value_type, ..delta }, Dialect::Cms).map(|_| ())
    }

    #[test]
    fn items_of_a_list_have_its_type_or_are_refused() {
        let mut package = typed();
        add(&mut package, "ids", "0x10", None).expect("a number");
        assert_eq!(shown(&package, "ids"), ("1 2 16".to_owned(), "int-list"));
        let refused = add(&mut package, "ids", "many", None);
        assert!(matches!(refused, Err(Error::Type { value_type: "int", .. })), "{refused:?}");
        add(&mut package, "ids", "1.5", Some(ValueType::Float)).expect("all are floats then");
        assert_eq!(shown(&package, "ids"), ("1.0 2.0 16.0 1.5".to_owned(), "float-list"));
        add(&mut package, "ids", "many", Some(ValueType::List)).expect("all are strings then");
        assert_eq!(shown(&package, "ids"), ("1.0 2.0 16.0 1.5 many".to_owned(), "list"));
        let refused = add(&mut package, "ids", "1", Some(ValueType::IntList));
        assert!(matches!(refused, Err(Error::Type { value_type: "int", .. })), "{refused:?}");
        assert_eq!(shown(&package, "ids").0, "1.0 2.0 16.0 1.5 many");
        // A value becomes the first item of a list.
        add(&mut package, "port", "8081", None).expect("a number");
        assert_eq!(shown(&package, "port"), ("8080 8081".to_owned(), "int-list"));
        add(&mut package, "bits", "yes", Some(ValueType::Bool)).expect("a new list");
        assert_eq!(shown(&package, "bits"), ("true".to_owned(), "bool-list"));
        add(&mut package, "none", "a", None).expect("the empty list");
        assert_eq!(shown(&package, "none"), ("a".to_owned(), "list"));
        let delta = Delta::new(DeltaKind::DelList, b"s", Some(b"port"), Some(b"0x1f90"));
        package.apply(&delta, Dialect::Cms).expect("8080");
        assert_eq!(shown(&package, "port"), ("8081".to_owned(), "int-list"));
    }

    #[test]
    fn the_text_of_a_value_can_be_set_again_and_infinity_is_for_toml() {
        let mut builder =
            Builder::of_format(b"app", Arc::default(), FormatKind::Toml).expect("an empty text");
        let section = builder.section(Piece::Apart(b"s"), Some(Piece::Apart(b"s"))).expect("a section");
        for (name, value, value_type) in
            [("mask", "0xff", ValueType::Int), ("ratio", "1_0.0", ValueType::Float)]
        {
            let name = Piece::Apart(name.as_bytes());
            builder.typed(section, &name, Piece::Apart(value.as_bytes()), value_type).expect("an option");
        }
        let mut package = builder.finish();
        set(&mut package, "mask", "0xff", None).expect("the same");
        assert_eq!(shown(&package, "mask"), ("0xff".to_owned(), "int"));
        set(&mut package, "mask", "0xfe", None).expect("another one");
        assert_eq!(shown(&package, "mask"), ("254".to_owned(), "int"));
        set(&mut package, "ratio", "-inf", None).expect("TOML has it");
        assert_eq!(shown(&package, "ratio"), ("-inf".to_owned(), "float"));
        let mut json = typed();
        let refused = set(&mut json, "ratio", "-inf", None);
        assert!(matches!(refused, Err(Error::Type { value_type: "float", .. })), "{refused:?}");
    }

    #[test]
    fn uci_text_has_strings_for_all_types() {
        let mut package = Package::new(b"app");
        package.apply(&Delta::new(DeltaKind::Set, b"s", None, Some(b"t")), Dialect::Cms).expect("a section");
        set(&mut package, "on", "yes", Some(ValueType::Bool)).expect("a truth value");
        set(&mut package, "ratio", "3", Some(ValueType::Float)).expect("a number");
        assert_eq!(shown(&package, "on"), ("1".to_owned(), "string"));
        assert_eq!(shown(&package, "ratio"), ("3.0".to_owned(), "string"));
    }

    #[test]
    fn an_option_makes_its_section_where_names_are_free_and_keys_find_both() {
        let mut package = typed();
        let key = |package: &Package, text: &str| {
            let key = crate::model::package::Key::parse(text.as_bytes()).expect(text);
            let key = package.settle(key).expect(text);
            let section = package.select(key.section.as_ref()?).expect("one").map(|s| s.name().to_vec())?;
            let value = key.option.map(|option| {
                package.get(&section, &option).map(|v| v.items().next().unwrap_or_default().to_vec())
            });
            let shown = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
            Some((shown(section), value.map(|value| value.map(shown))))
        };
        for (section, option, value) in [
            ("a.b", "port", "1"),
            ("", "debug", "on"),
            ("", "\"server.host\"", "h"),
            ("a.\"b.c\"", "\"\"", "2"),
        ] {
            let delta = Delta::new(
                DeltaKind::Set,
                section.as_bytes(),
                Some(option.as_bytes()),
                Some(value.as_bytes()),
            );
            package.apply(&delta, Dialect::Cms).expect("set");
        }
        let some = |section: &str, value: &str| Some((section.to_owned(), Some(Some(value.to_owned()))));
        assert_eq!(key(&package, "app.a.b.port"), some("a.b", "1"));
        assert_eq!(key(&package, "app.a.b"), Some(("a.b".to_owned(), None)));
        assert_eq!(key(&package, "app.debug"), some("", "on"));
        assert_eq!(key(&package, "app..debug"), some("", "on"));
        assert_eq!(key(&package, "app.\"server.host\""), some("", "h"));
        assert_eq!(key(&package, "app.a.\"b.c\".\"\""), some("a.\"b.c\"", "2"));
        assert_eq!(key(&package, "app.s.port"), some("s", "8080"));
        assert_eq!(key(&package, "app.nothing"), None);
        assert_eq!(package.sections().next().map(|section| section.name().to_vec()), Some(Vec::new()));
        let wrong = Delta::new(DeltaKind::Set, b"made", Some(b"n"), Some(b"x")).of_type(ValueType::Int);
        assert!(package.apply(&wrong, Dialect::Cms).is_err());
        assert!(package.section(b"made").is_none(), "a refused value makes no section");
        for (section, option) in [("a..b", "x"), ("a b", "x"), ("a", "x.y"), ("a", "")] {
            let delta = Delta::new(DeltaKind::Set, section.as_bytes(), Some(option.as_bytes()), Some(b"1"));
            assert!(package.apply(&delta, Dialect::Cms).is_err(), "{section} {option}");
        }
    }

    #[test]
    fn packages_differ_by_types_and_by_empty_lists_where_the_format_has_them() {
        let (package, mut other) = (typed(), typed());
        assert_eq!(shown(&package, "ids"), ("1 2".to_owned(), "int-list"));
        assert_eq!(package, other);
        set(&mut other, "port", "8080", Some(ValueType::String)).expect("another type");
        assert_ne!(package, other);
        let mut other = typed();
        other
            .apply(&Delta::new(DeltaKind::Delete, b"s", Some(b"none"), None), Dialect::Cms)
            .expect("deleted");
        assert_ne!(package, other);
        assert_eq!(package.section(b"s").and_then(|s| s.get(b"port")), Some(Value::String(b"8080")));
    }
}
