//! Packages from text.

use std::sync::Arc;

use super::lexer::{Fault, PlainLine, Word};
use super::statement::{Command, Opened, Read, Statement, Statements};
use crate::error::memory;
use crate::error::parse::{ParseError, Reason};
use crate::error::{Error, Result};
use crate::format::{ParseOptions, Parsed};
use crate::model::change::{Delta, DeltaKind};
use crate::model::package::{MAX_TEXT, Package, SectionId, Span};

/// Reads the text of one package. `package` lines have no effect.
///
/// ```
/// let text = b"config interface 'lan'\n\toption ipaddr '10.0.0.1'\n".to_vec();
/// let package = cms::text::parse(b"network", text.into(), &Default::default())?.package;
/// assert_eq!(package.get(b"lan", b"ipaddr"), Some(cms::Value::String(b"10.0.0.1")));
/// # Ok::<(), cms::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Parse`] in strict mode, and for text above [`MAX_TEXT`].
pub fn parse(name: &[u8], source: Arc<Vec<u8>>, options: &ParseOptions<'_>) -> Result<Parsed> {
    check_size(&source)?;
    memory::check_available_for_package(&source, b"config")?;
    let text = Arc::clone(&source);
    let mut loader = Loader { packages: vec![Package::over(name, source)], ..Loader::default() };
    let errors = loader.run(&text, options)?;
    let package = loader.packages.pop().unwrap_or_default();
    Ok(Parsed { package: package.loaded(), errors })
}

/// Returns all errors in the text of one package, in order: those that strict reading refuses. `progress` is as in
/// [`ParseOptions`].
#[must_use]
pub fn check(source: &Arc<Vec<u8>>, progress: Option<&dyn Fn(usize, usize)>) -> Vec<ParseError> {
    let options = ParseOptions { progress, ..ParseOptions::default() };
    let package = Package::over(b"check", Arc::clone(source));
    let mut loader = Loader { packages: vec![package], collect: true, ..Loader::default() };
    let mut errors = match check_size(source).and_then(|()| loader.run(source, &options)) {
        Ok(errors) => errors,
        Err(Error::Parse(error)) => vec![*error],
        // Text that is not too large has no other errors.
        Err(_) => Vec::new(),
    };
    // If the line that opens the first section has an error, its options have no section: report one error, not many.
    let opens = |error: &ParseError| error.text.trim_ascii_start().starts_with(b"config");
    if let Some(first) = errors.iter().position(opens) {
        let mut index = 0;
        errors.retain(|error| {
            index += 1;
            index <= first || error.reason != Reason::NoSection
        });
    }
    errors
}

/// Reads text that holds any number of packages, each opened by a `package` line.
///
/// # Errors
///
/// [`Error::Parse`] as for [`parse`]; [`Error::Exists`] if two packages have one name.
pub fn import(source: Arc<Vec<u8>>, options: &ParseOptions<'_>) -> Result<(Vec<Package>, Vec<ParseError>)> {
    check_size(&source)?;
    memory::check_available_for_package(&source, b"config")?;
    let text = Arc::clone(&source);
    let mut loader = Loader { source: Some(source), ..Loader::default() };
    let errors = loader.run(&text, options)?;
    Ok((loader.packages.into_iter().map(Package::loaded).collect(), errors))
}

impl Package {
    /// Applies text on top of this package: sections are created or continued, options set, list items appended.
    /// Returns the changes, and the errors that were skipped.
    ///
    /// # Errors
    ///
    /// [`Error::Parse`] as for [`parse`]; in the intended dialect also the errors of [`Package::apply`]. Some of the
    /// changes may be made in the package then.
    pub fn merge(
        &mut self,
        source: &Arc<Vec<u8>>,
        options: &ParseOptions<'_>,
    ) -> Result<(Vec<Delta>, Vec<ParseError>)> {
        check_size(source)?;
        let package = std::mem::take(self);
        let mut loader = Loader { packages: vec![package], merge: Some(Vec::new()), ..Loader::default() };
        let errors = loader.run(source, options);
        *self = loader.packages.pop().unwrap_or_default();
        Ok((loader.merge.unwrap_or_default(), errors?))
    }
}

fn check_size(source: &[u8]) -> Result<()> {
    if source.len() <= MAX_TEXT {
        return Ok(());
    }
    let fault = Fault { reason: Reason::TooLarge, at: 0, uci_byte: 0, loaded: 0 };
    Err(fault.locate(&source[..MAX_TEXT]).into())
}

/// The failure of a statement: a fault in the text, or an error that ends the whole operation.
enum Failure {
    Fault(Fault),
    Fatal(Error),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

/// Returns one of 64 bits, which differs for most names.
fn mark(name: &[u8]) -> u64 {
    let byte = |byte: Option<&u8>| u32::from(byte.copied().unwrap_or(0));
    let mixed = byte(name.first()).wrapping_mul(0x9e37) ^ byte(name.last());
    1 << ((mixed as usize ^ (name.len() << 4)) & 63)
}

#[derive(Default)]
struct Loader {
    /// The packages so far; the last one is open.
    packages: Vec<Package>,
    /// The text, if its `package` lines open packages; all packages share it.
    source: Option<Arc<Vec<u8>>>,
    section: Option<SectionId>,
    /// The bits of the option names that the section has so far. A name whose bit is not set is new.
    seen: u64,
    /// The changes made, if the text is merged into a package that was there before.
    merge: Option<Vec<Delta>>,
    /// Whether to continue after errors, even in strict mode.
    collect: bool,
}

impl Loader {
    fn run(&mut self, source: &[u8], options: &ParseOptions<'_>) -> Result<Vec<ParseError>> {
        let outcome = self.read_all(source, options);
        self.close_section();
        if let Some(progress) = options.progress {
            progress(source.len(), source.len());
        }
        outcome
    }

    #[cfg_attr(cms_speed, optimize(speed))]
    fn read_all(&mut self, source: &[u8], options: &ParseOptions<'_>) -> Result<Vec<ParseError>> {
        let mut statements = Statements::new(source, options.dialect, options.strict);
        let mut errors = Vec::new();
        for count in 1_usize.. {
            let outcome = self.step(source, &mut statements, options);
            match outcome {
                Ok(true) => {}
                Ok(false) => break,
                Err(Failure::Fatal(error)) => return Err(error),
                Err(Failure::Fault(fault)) => {
                    let error = fault.locate(source);
                    if options.strict && !self.collect {
                        return Err(error.into());
                    }
                    errors.push(error);
                    statements.skip_line();
                }
            }
            if count.is_multiple_of(0x4000)
                && let Some(progress) = options.progress
            {
                progress(statements.position(), source.len());
            }
        }
        Ok(errors)
    }

    /// Reads one statement and applies it to the package; `false` at the end of the text.
    #[cfg_attr(cms_speed, optimize(speed))]
    fn step(
        &mut self,
        source: &[u8],
        statements: &mut Statements<'_>,
        options: &ParseOptions<'_>,
    ) -> std::result::Result<bool, Failure> {
        let opened = Opened { package: !self.packages.is_empty(), section: self.section.is_some() };
        let statement = match self.merge {
            Some(_) => statements.next(opened)?,
            None => match statements.read(opened)? {
                Some(Read::Plain(line)) => {
                    self.plain(source, &line)?;
                    return Ok(true);
                }
                Some(Read::Statement(statement)) => Some(statement),
                None => None,
            },
        };
        let Some(statement) = statement else { return Ok(false) };
        match statement.command {
            Command::Package => self.package(&statement)?,
            Command::Config => self.config(&statement, statements, options)?,
            Command::Option if statement.second.is_empty() => {}
            Command::Option | Command::List => self.option(&statement, options)?,
        }
        Ok(true)
    }

    fn package(&mut self, statement: &Statement<'_>) -> Result<()> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        let package = Package::over(&statement.first.value, Arc::clone(source));
        let name = &statement.first.value;
        if self.packages.iter().any(|package| package.name() == &**name) {
            return Err(Error::Exists { key: crate::error::shown::name(name) });
        }
        self.close_section();
        self.section = None;
        self.packages.push(package);
        Ok(())
    }

    fn config(
        &mut self,
        statement: &Statement<'_>,
        statements: &Statements<'_>,
        options: &ParseOptions<'_>,
    ) -> std::result::Result<(), Failure> {
        self.close_section();
        self.seen = 0;
        let merging = self.merge.is_some();
        let package = self.packages.last_mut().expect("checked by the statement reader");
        let (kind, name) = (&statement.first, &statement.second);
        let existing = if name.is_empty() { None } else { package.find_section(&name.value) };
        if let Some(id) = existing {
            if options.strict
                && package.section(&name.value).is_some_and(|s| s.section_type() != &*kind.value)
            {
                return Err(statements.fault(Reason::TypeConflict, kind).into());
            }
            if !merging {
                package.retype(id, &kind.value, options.dialect)?;
            }
            self.section = Some(id);
            self.seen = u64::MAX;
        } else if !merging {
            let start = Self::start(kind);
            let kind = package.intern(&kind.value, start)?;
            let name = match name.is_empty() {
                true => None,
                false => Some(package.intern(&name.value, Self::start(name))?),
            };
            self.section = Some(package.push_section(kind, name)?);
        }
        if merging {
            self.merge_config(&kind.value, &name.value, options)?;
        }
        Ok(())
    }

    fn merge_config(&mut self, kind: &[u8], name: &[u8], options: &ParseOptions<'_>) -> Result<()> {
        let package = self.packages.last_mut().expect("a package to merge into");
        let delta = if name.is_empty() {
            let name = package.next_name(kind);
            Delta::new(DeltaKind::Add, name.as_bytes(), None, Some(kind))
        } else {
            Delta::new(DeltaKind::Set, name, None, Some(kind))
        };
        let recorded = package.apply(&delta, options.dialect)?;
        self.section = package.find_section(&delta.section);
        self.merge.get_or_insert_default().extend(recorded);
        Ok(())
    }

    fn option(&mut self, statement: &Statement<'_>, options: &ParseOptions<'_>) -> Result<()> {
        let package = self.packages.last_mut().expect("checked by the statement reader");
        let section = self.section.expect("checked by the statement reader");
        let (name, value) = (&statement.first, &statement.second);
        if let Some(changes) = &mut self.merge {
            let kind = if statement.command == Command::List { DeltaKind::AddList } else { DeltaKind::Set };
            let delta =
                Delta::new(kind, package.section_name(section), Some(&name.value), Some(&value.value));
            changes.extend(package.apply(&delta, options.dialect)?);
            return Ok(());
        }
        let span = package.intern(&value.value, Self::start(value))?;
        let piece = Self::start(name).map(|start| Span::of_source(start, name.value.len()));
        self.enter(section, statement.command == Command::List, &name.value, piece, span)
    }

    /// As [`Loader::option`], for a line of the plain form.
    #[inline]
    #[cfg_attr(cms_speed, optimize(speed))]
    fn plain(&mut self, source: &[u8], line: &PlainLine) -> Result<()> {
        if line.value.is_empty() && !line.is_list {
            return Ok(());
        }
        let section = self.section.expect("checked by the statement reader");
        let piece = |range: &std::ops::Range<usize>| Span::of_source(range.start, range.len());
        let (name, value) = (piece(&line.name), piece(&line.value));
        self.enter(section, line.is_list, &source[line.name.clone()], Some(name), value)
    }

    /// Sets an option of a section, or appends an item to it; `piece` is its name if that is a slice of the text.
    #[inline]
    #[cfg_attr(cms_speed, optimize(speed))]
    fn enter(
        &mut self,
        section: SectionId,
        is_list: bool,
        name: &[u8],
        piece: Option<Span>,
        value: Span,
    ) -> Result<()> {
        let package = self.packages.last_mut().expect("checked by the statement reader");
        let mark = mark(name);
        let known = if self.seen & mark == 0 { None } else { package.find_option(section, name) };
        self.seen |= mark;
        match known {
            Some(option) if is_list => package.push_item(section, option, value),
            Some(option) => package.set_string(section, option, value),
            None => {
                let name = match piece {
                    Some(piece) => piece,
                    None => package.intern(name, None)?,
                };
                match is_list {
                    true => package.push_list(section, name, vec![value]),
                    false => package.push_option(section, name, value),
                }
            }
        }
        Ok(())
    }

    /// Returns the position of a word's value in the text, if it is a slice of it.
    fn start(word: &Word<'_>) -> Option<usize> {
        matches!(word.value, std::borrow::Cow::Borrowed(_)).then_some(word.start)
    }

    fn close_section(&mut self) {
        if let (Some(section), Some(package)) = (self.section, self.packages.last_mut()) {
            package.shrink_section(section);
        }
    }
}
