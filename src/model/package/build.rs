//! Builds a package from a text, for formats.

use std::ops::Range;
use std::sync::Arc;

use super::{OptionId, Package, SectionId, Span};
use crate::error::Result;
use crate::error::memory;
use crate::error::parse::{ParseError, Reason};

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
