//! Iterating over the packages, sections and options that a transaction sees. What was returned counts as read.

use std::collections::BTreeSet;

use super::Transaction;
use crate::error::{Code, Error, Result};
use crate::log::Content;
use crate::model::package::OptionView;
use crate::model::value_type::ValueType;

/// A section as a transaction sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SectionHead {
    /// The name, given or generated.
    pub name: Vec<u8>,
    /// The type.
    pub section_type: Vec<u8>,
    /// Whether the name is only generated.
    pub is_anonymous: bool,
}

impl Transaction {
    /// Returns the names of the packages in byte order, with those that the transaction makes and without those
    /// that it deletes.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the configuration directory cannot be read.
    pub fn packages(&self) -> Result<Vec<String>> {
        let listed = self.store.engine().core.packages.list()?;
        let mut names: BTreeSet<String> = listed.into_iter().collect();
        for working in self.packages.values() {
            let name = &working.place.name;
            if working.has_package() {
                names.insert(name.clone())
            } else {
                names.remove(name)
            };
        }
        Ok(names.into_iter().collect())
    }

    /// Returns the sections of a package, in the order of the file.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such package; otherwise as for [`Transaction::get`].
    pub fn sections(&mut self, package: &[u8]) -> Result<Vec<SectionHead>> {
        let missing = || Error::NotFound { key: crate::error::shown::name(package) };
        let working = self.working(package)?;
        if !working.has_package() {
            return Err(missing());
        }
        let head = |section: crate::model::package::Section<'_>| SectionHead {
            name: section.name().to_vec(),
            section_type: section.section_type().to_vec(),
            is_anonymous: section.is_anonymous(),
        };
        let heads: Vec<SectionHead> = working.package().sections().map(head).collect();
        working.reads.extend(heads.iter().map(|head| (head.name.clone(), None)));
        Ok(heads)
    }

    /// Returns the options of a section and their values, in the order of the file.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such package or section; otherwise as for [`Transaction::get`].
    pub fn options(&mut self, package: &[u8], section: &[u8]) -> Result<Vec<(Vec<u8>, Content)>> {
        let options = self.options_typed(package, section)?;
        Ok(options.into_iter().map(|(name, content, _)| (name, content)).collect())
    }

    /// As [`Transaction::options`], with the types of the values.
    ///
    /// # Errors
    ///
    /// As for [`Transaction::options`].
    pub fn options_typed(
        &mut self,
        package: &[u8],
        section: &[u8],
    ) -> Result<Vec<(Vec<u8>, Content, ValueType)>> {
        let missing = || Error::NotFound {
            key: crate::error::shown::name(&[package, b".".as_slice(), section].concat()),
        };
        let working = match self.working(package) {
            Err(error) if error.code() == Code::NotFound => return Err(missing()),
            working => working?,
        };
        let found = working.package().section(section).ok_or_else(missing)?;
        let copy = |option: OptionView<'_>| {
            (option.name().to_vec(), Content::of(option.value()), option.value_type())
        };
        let options: Vec<_> = found.options().map(copy).collect();
        working.reads.extend(options.iter().map(|(name, ..)| (section.to_vec(), Some(name.clone()))));
        Ok(options)
    }
}
