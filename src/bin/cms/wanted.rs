//! Packages as a text describes them: UCI or JSON, from a file or standard input.

use std::sync::Arc;

use cms::text::{ParseOptions, packages, parse};
use cms::{Error, Package};

use crate::argument::{path, show};
use crate::failure::{Exit, Failure};
use crate::input::read_input;
use crate::json;
use crate::text_format::Format;

/// A package as a text describes it. Its source is that text, or canonical text if it was JSON.
pub type WantedPackage = Package;

/// The text to read, and how.
pub struct Input<'a> {
    /// The file; `None` and `-` are standard input.
    pub file: Option<&'a [u8]>,
    /// The package, if the text has just one and does not name it.
    pub package: Option<&'a [u8]>,
    pub format: Option<Format>,
    pub allow_empty: bool,
}

impl Input<'_> {
    /// The name of the text in messages.
    fn shown(&self) -> &[u8] {
        self.file.filter(|file| *file != b"-").unwrap_or(b"standard input")
    }

    /// Reads the packages. An empty text is refused, since it most likely comes from a command that has failed.
    pub fn read(&self) -> Result<Vec<WantedPackage>, Failure> {
        if let Some(name) = self.package.filter(|name| !cms::name::is_plain_package(name)) {
            return Err(not_a_package(name));
        }
        let bytes = read_input(self.file)?;
        if bytes.trim_ascii().is_empty() && !self.allow_empty {
            let why = format!("{}: it is empty; nothing is changed", show(self.shown()));
            return Err(match self.package {
                Some(_) => Self::empty(why),
                None => {
                    Failure::Hinted(Exit::Invalid, why, "a line 'package NAME' begins each package".into())
                }
            });
        }
        let read = self.parse(bytes).map_err(|failure| match failure {
            Failure::Engine(Error::Parse(error)) => Error::from(error.in_file(path(self.shown()))).into(),
            Failure::Other(exit, why) => Failure::Other(exit, format!("{}: {why}", show(self.shown()))),
            other => other,
        })?;
        if let Some(package) = read.iter().find(|package| !cms::name::is_plain_package(package.name())) {
            return Err(not_a_package(package.name()));
        }
        if read.is_empty() {
            let why = format!("{}: it holds no package, so there is nothing to do", show(self.shown()));
            return Err(Failure::Other(Exit::Invalid, why));
        }
        Ok(read)
    }

    /// Refuses to empty a package that has sections.
    pub fn check_not_emptied(&self, have: &Package, wanted: &WantedPackage) -> Result<(), Failure> {
        if self.allow_empty || !wanted.is_empty() || have.is_empty() {
            return Ok(());
        }
        let (name, count) = (show(wanted.name()), have.len());
        Err(Self::empty(format!(
            "{}: no section for '{name}', which has {count}; nothing is changed",
            show(self.shown())
        )))
    }

    fn empty(what: String) -> Failure {
        let hint = "with --allow-empty the package becomes empty";
        Failure::Hinted(Exit::Invalid, what, hint.into())
    }

    fn parse(&self, bytes: Vec<u8>) -> Result<Vec<WantedPackage>, Failure> {
        let unmarked = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let first = unmarked.iter().find(|byte| !byte.is_ascii_whitespace());
        let guessed = if matches!(first, Some(b'{' | b'[')) { Format::Json } else { Format::Uci };
        match (self.format.unwrap_or(guessed), self.package) {
            (Format::Json, name) => {
                let texts = json::read(unmarked, name)?.into_iter();
                texts.map(|(name, text)| read_package(&name, text)).collect()
            }
            (Format::Uci, Some(name)) => Ok(vec![read_package(name, bytes)?]),
            (Format::Uci, None) => {
                let text = Arc::new(bytes);
                // This checks the whole text first, so that a fault has its line in it.
                cms::text::import(Arc::clone(&text), &ParseOptions::new())?;
                let each = packages(&text)?.into_iter();
                each.map(|(name, range)| read_package(&name, text[range].to_vec())).collect()
            }
        }
    }
}

fn read_package(name: &[u8], text: Vec<u8>) -> Result<WantedPackage, Failure> {
    Ok(parse(name, Arc::new(text), &ParseOptions::new())?.package)
}

fn not_a_package(name: &[u8]) -> Failure {
    Failure::Other(Exit::Invalid, format!("'{}': not a package name", show(name)))
}
