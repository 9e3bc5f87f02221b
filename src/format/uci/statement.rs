//! Statements: `package NAME`, `config TYPE [NAME]`, `option NAME [VALUE]`, `list NAME [VALUE]`.

use std::borrow::Cow;
use std::ops::Range;

use super::lexer::{Fault, Lexer, PlainLine, PlainSection, Word};
use crate::error::parse::Reason;
use crate::model::dialect::Dialect;
use crate::model::name;

/// The command of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Package,
    Config,
    Option,
    List,
}

/// One statement and its position.
#[derive(Debug, Clone)]
pub(crate) struct Statement<'s> {
    pub command: Command,
    /// Package name, section type or option name.
    pub first: Word<'s>,
    /// Section name or value; empty where missing.
    pub second: Word<'s>,
    /// From the keyword to the end of the last word.
    pub range: Range<usize>,
    /// The physical lines of it. Statements of one logical line have the same start.
    pub line: Range<usize>,
}

/// The result of reading the next line or statement.
pub(crate) enum Read<'s> {
    /// A line of the plain form, which is an option or an item of a list.
    Plain(PlainLine),
    /// Any other statement.
    Statement(Statement<'s>),
}

/// The package and section that earlier statements have opened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Opened {
    pub package: bool,
    pub section: bool,
}

/// The reader of statements.
#[derive(Debug, Clone)]
pub(crate) struct Statements<'s> {
    lexer: Lexer<'s>,
    dialect: Dialect,
    strict: bool,
    in_line: bool,
}

impl<'s> Statements<'s> {
    pub fn new(source: &'s [u8], dialect: Dialect, strict: bool) -> Self {
        let mut lexer = Lexer::new(source);
        // Stock uci treats it as part of the first word.
        if dialect == Dialect::Cms {
            lexer.skip_mark();
        }
        Self { lexer, dialect, strict, in_line: false }
    }

    /// Drops the rest of the logical line, to continue after a fault.
    pub fn skip_line(&mut self) {
        self.in_line = false;
    }

    /// Makes a fault of the statement just read.
    pub fn fault(&self, reason: Reason, word: &Word<'_>) -> Fault {
        self.lexer.fault(reason, word.raw.start)
    }

    /// How far the text has been read, in bytes.
    pub fn position(&self) -> usize {
        self.lexer.line().end
    }

    /// Reads the next statement; `None` at the end of the text.
    pub fn next(&mut self, opened: Opened) -> Result<Option<Statement<'s>>, Fault> {
        Ok(self.read(opened)?.map(|read| match read {
            Read::Plain(line) => self.plain(line),
            Read::Statement(statement) => statement,
        }))
    }

    /// As [`Statements::next`], for callers that read plain lines by themselves.
    #[inline]
    #[cfg_attr(cms_speed, optimize(speed))]
    pub fn read(&mut self, opened: Opened) -> Result<Option<Read<'s>>, Fault> {
        loop {
            if !self.in_line {
                if opened.section
                    && let Some(line) = self.lexer.plain_line()
                {
                    return Ok(Some(Read::Plain(line)));
                }
                if !self.lexer.next_line()? {
                    return Ok(None);
                }
                self.lexer.skip_blanks();
                self.in_line = true;
            }
            let cursor = self.lexer.pos();
            match self.dialect {
                Dialect::Cms => self.lexer.skip_blanks(),
                Dialect::Uci => self.lexer.skip_spaces(),
            }
            if self.lexer.at_end_of_line() || self.lexer.peek() == Some(b'#') {
                self.in_line = false;
                continue;
            }
            return self.statement(cursor, opened).map(|statement| Some(Read::Statement(statement)));
        }
    }

    /// Reads the next line if it has the plain form of an option in a section, and otherwise nothing.
    #[inline(always)]
    pub fn plain_option(&mut self) -> Option<PlainLine> {
        if self.in_line { None } else { self.lexer.plain_line() }
    }

    /// Reads the next line if it has the plain form of one that opens a section, and otherwise nothing.
    #[inline(always)]
    pub fn plain_section(&mut self) -> Option<PlainSection> {
        if self.in_line { None } else { self.lexer.plain_section() }
    }

    fn plain(&self, line: PlainLine) -> Statement<'s> {
        let PlainLine { is_list, start, name, value } = line;
        let command = if is_list { Command::List } else { Command::Option };
        let quoted = value.start - 1..value.end + 1;
        let range = start..quoted.end;
        let (first, second) = (self.lexer.piece(name.clone(), name), self.lexer.piece(quoted, value));
        Statement { command, first, second, range, line: self.lexer.line() }
    }

    #[cfg_attr(cms_speed, optimize(speed))]
    fn statement(&mut self, cursor: usize, opened: Opened) -> Result<Statement<'s>, Fault> {
        let start = self.lexer.pos();
        let command = match self.lexer.keyword() {
            b"option" | b"o" => Command::Option,
            b"config" | b"c" => Command::Config,
            b"list" | b"l" => Command::List,
            b"package" | b"p" => Command::Package,
            _ => return Err(self.lexer.fault_with_cursor(Reason::InvalidCommand, start, cursor)),
        };
        if let Some(reason) = self.refusal(command, opened) {
            return Err(self.lexer.fault_with_cursor(reason, start, cursor));
        }
        let first = self.lexer.word()?;
        self.check_first(command, &first, start)?;
        let second =
            if command == Command::Package { Self::missing(&first) } else { self.optional_word(&first)? };
        if command == Command::Config && !second.is_empty() && !name::is_name(&second.value) {
            return Err(self.fault(Reason::InvalidName, &second));
        }
        let extra = self.lexer.word()?;
        if self.strict && !extra.is_empty() {
            return Err(self.fault(Reason::TooManyArguments, &extra));
        }
        // The position of a missing word is the end of the line.
        let end = if second.raw.is_empty() { first.raw.end } else { second.raw.end };
        Ok(Statement { command, first, second, range: start..end, line: self.lexer.line() })
    }

    /// Returns the error of a command that is not allowed here, before its words are read.
    fn refusal(&self, command: Command, opened: Opened) -> Option<Reason> {
        let bare = self.lexer.at_end_of_line();
        match command {
            Command::Package => bare.then_some(Reason::PackageWithoutName),
            Command::Config if bare => Some(Reason::ConfigWithoutName),
            Command::Config => (!opened.package).then_some(Reason::NoPackage),
            Command::Option | Command::List if bare => Some(Reason::OptionWithoutName),
            Command::Option | Command::List => (!opened.section).then_some(Reason::NoSection),
        }
    }

    fn check_first(&self, command: Command, first: &Word<'_>, start: usize) -> Result<(), Fault> {
        if first.is_empty() {
            return Err(self.lexer.fault(Reason::InsufficientArguments, start));
        }
        let (allowed, reason) = match command {
            Command::Package => (name::is_declared_package(&first.value), Reason::InvalidName),
            Command::Config => (name::is_type(&first.value), Reason::InvalidType),
            Command::Option | Command::List => (name::is_name(&first.value), Reason::InvalidName),
        };
        if allowed { Ok(()) } else { Err(self.fault(reason, first)) }
    }

    /// Reads the second word. A `;` in its place ends the statement; stock uci treats it as the word.
    fn optional_word(&mut self, first: &Word<'s>) -> Result<Word<'s>, Fault> {
        if self.dialect == Dialect::Cms {
            self.lexer.skip_blanks();
            if self.lexer.peek() == Some(b';') {
                return Ok(Self::missing(first));
            }
        }
        self.lexer.word()
    }

    fn missing(after: &Word<'_>) -> Word<'s> {
        Word { raw: after.raw.end..after.raw.end, value: Cow::Borrowed(&[]), start: after.raw.end }
    }
}
