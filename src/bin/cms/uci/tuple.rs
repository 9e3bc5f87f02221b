//! Stock uci's tuples, `PACKAGE[.SECTION[.OPTION]][=VALUE]`, and their meaning in a package.

use cms::text::ParseError;
use cms::{Engine, Error, Loaded, Package, Section, name};

use crate::hint;

/// Why a command failed, in stock uci's terms.
#[derive(Debug)]
pub enum Failure {
    /// Error 2.
    Invalid,
    /// Error 3.
    NotFound,
    /// Error 4.
    Io,
    /// Error 5, of a tuple.
    Tuple,
    /// Error 5, of text.
    Parse(Box<ParseError>),
    /// Error 6.
    Duplicate,
    /// A program that verifies changes has refused them; stock uci knows no such error.
    Refused(String),
    /// An error that stock uci has no name for: the error it would give instead, and the cause.
    Unnamed(Box<Self>, String),
    /// No message, exit 1.
    Silent,
    /// The usage text, exit 255.
    Usage,
}

impl Failure {
    pub fn code(&self) -> u8 {
        match self {
            Self::Invalid => 2,
            Self::NotFound => 3,
            Self::Io | Self::Refused(_) => 4,
            Self::Tuple | Self::Parse(_) => 5,
            Self::Duplicate => 6,
            Self::Silent => 1,
            Self::Usage => 255,
            Self::Unnamed(instead, _) => instead.code(),
        }
    }

    pub fn text(&self) -> String {
        match self {
            Self::Invalid => "Invalid argument".into(),
            Self::NotFound => "Entry not found".into(),
            Self::Io => "I/O error".into(),
            Self::Tuple => "Parse error".into(),
            Self::Parse(error) => format!("Parse error {}", error.uci_text()),
            Self::Duplicate => "Duplicate entry".into(),
            Self::Refused(why) => why.clone(),
            Self::Unnamed(instead, _) => instead.text(),
            Self::Silent | Self::Usage => String::new(),
        }
    }

    /// Prints the cause of an error that stock uci has no name for, and what to do about it.
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Unnamed(_, cause) => Some(cause),
            _ => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound { .. } | Error::Missing(_) => Self::NotFound,
            Error::Parse(error) => Self::Parse(error),
            Error::Exists { .. } => Self::Duplicate,
            Error::Refused { .. } | Error::SafeMode { .. } => Self::Refused(error.to_string()),
            // A system call has failed, and there is no hint for it.
            Error::Io { .. } if hint::of(&error).is_none() => Self::Io,
            Error::Io { .. }
            | Error::NotDurable { .. }
            | Error::Unfinished { .. }
            | Error::Locked { .. }
            | Error::Conflict { .. } => Self::Unnamed(Box::new(Self::Io), cause_of(&error)),
            Error::Invalid { .. } | Error::Ambiguous { .. } => Self::Invalid,
            _ => Self::Unnamed(Box::new(Self::Invalid), cause_of(&error)),
        }
    }
}

/// Returns one line: the error, and a hint if there is one.
fn cause_of(error: &Error) -> String {
    let cause = cms::shown::text(error.to_string());
    match hint::of(error) {
        Some(hint) => format!("{cause}; {hint}"),
        None => cause,
    }
}

/// A tuple as given.
#[derive(Debug)]
pub struct Tuple {
    pub package: Vec<u8>,
    pub section: Option<Vec<u8>>,
    pub option: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

impl Tuple {
    pub fn parse(argument: &[u8]) -> Result<Self, Failure> {
        let (key, value) = cms::delta::split_value(argument);
        let parts: Vec<&[u8]> = key.split(|byte| *byte == b'.').collect();
        let part = |index: usize| parts.get(index).map(|part| part.to_vec());
        let well_formed = parts.len() <= 3
            && name::is_package(parts[0])
            && parts.get(2).is_none_or(|option| name::is_name(option))
            && value.is_none_or(name::is_value);
        if !well_formed {
            return Err(Failure::Tuple);
        }
        Ok(Self {
            package: parts[0].to_vec(),
            section: part(1),
            option: part(2),
            value: value.map(<[u8]>::to_vec),
        })
    }
}

/// A tuple and the package it is about.
pub struct Lookup {
    pub tuple: Tuple,
    pub loaded: Loaded,
    /// The real name of the section; as given if the section is missing.
    pub section: Option<Vec<u8>>,
}

impl Lookup {
    pub fn of(store: &Engine, tuple: Tuple, report: impl Fn(&[ParseError])) -> Result<Self, Failure> {
        let loaded = load(store, &tuple.package, report)?;
        let section = match &tuple.section {
            Some(section) if !name::is_name(section) => Some(extended(&loaded.package, section)?),
            section => section.clone(),
        };
        Ok(Self { tuple, loaded, section })
    }

    pub fn package(&self) -> &Package {
        &self.loaded.package
    }

    pub fn found_section(&self) -> Option<Section<'_>> {
        self.package().section(self.section.as_deref()?)
    }

    /// Reports whether everything the tuple names exists.
    pub fn is_complete(&self) -> bool {
        match (&self.section, &self.tuple.option) {
            (None, _) => true,
            (Some(_), None) => self.found_section().is_some(),
            (Some(_), Some(option)) => {
                self.found_section().is_some_and(|section| section.get(option).is_some())
            }
        }
    }
}

/// Loads a package and prints the errors that the parser skipped.
pub fn load(store: &Engine, package: &[u8], report: impl Fn(&[ParseError])) -> Result<Loaded, Failure> {
    match store.packages().load(package) {
        Ok(loaded) => {
            report(&loaded.errors);
            Ok(loaded)
        }
        Err(error) => Err(error.into()),
    }
}

/// Resolves `@TYPE[INDEX]`. Returns the name of the section, or the text as given if there is no such section.
fn extended(package: &Package, text: &[u8]) -> Result<Vec<u8>, Failure> {
    let body = text.strip_prefix(b"@").and_then(|body| body.strip_suffix(b"]")).ok_or(Failure::Invalid)?;
    let open = body.iter().position(|byte| *byte == b'[').ok_or(Failure::Invalid)?;
    let (section_type, index) = (&body[..open], &body[open + 1..]);
    if !section_type.is_empty() && !name::is_type(section_type) {
        return Err(Failure::Invalid);
    }
    let index = match index {
        [] => 0,
        index => match cms::name::integer_prefix(index) {
            Some((index, [])) => cms::name::wrap(index),
            _ => return Err(Failure::Invalid),
        },
    };
    let mut sections = package.sections_of_type(section_type);
    let found = match usize::try_from(index) {
        Ok(index) => sections.nth(index),
        Err(_) => usize::try_from(index.unsigned_abs()).ok().and_then(|back| sections.nth_back(back - 1)),
    };
    Ok(found.map_or_else(|| text.to_vec(), |section| section.name().to_vec()))
}
