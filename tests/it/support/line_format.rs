//! A second format of package files, which shows that the library assumes nothing of UCI: a line for each option.
//!
//! ```text
//! # a comment
//! lan=interface          a section of this name and type
//! lan.ipaddr=10.0.0.1    an option of that section, somewhere below the line of the section
//! lan.dns[]=1.1.1.1      an item of a list
//! lan.dns[]=9.9.9.9
//! @=rule                 an anonymous section
//! @.src=wan              an option of the last anonymous section
//! ```
//!
//! A value is the text after the first `=` up to the end of the line, with `\\`, `\n`, `\r` and `\0` for a backslash,
//! a line feed, a carriage return and a NUL byte. So each value has one line, and each package one canonical text:
//! without comments, sections in order, each followed by its options. Blanks before a key have no meaning. A section
//! occurs once, and so does an option that is no list. Only lists may have empty values.

//! The second form, [`TypedLines`], has types: `lan.mtu:int=1500`, `lan.ids[]:int-list=7`, and `lan.ids[0]:list=` for
//! a list without items. It stands for TOML and JSON, and has empty strings as they do.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use cms::testing::format::{
    Builder, Format, OptionLine, ParseError, ParseOptions, Parsed, Part, Piece, Reason, SectionId, unwritable,
};
use cms::{FormatKind, OptionView, Package, Result, Section, Value, ValueType, name};

/// See the module documentation.
#[derive(Debug)]
pub struct Lines;

/// See the module documentation.
#[derive(Debug)]
pub struct TypedLines;

pub const NO_VALUE: Reason = Reason::OfFormat("line without '='");
pub const EMPTY: Reason = Reason::OfFormat("empty value");
pub const TWICE: Reason = Reason::OfFormat("a section or an option stands twice");
pub const NO_SECTION: Reason = Reason::OfFormat("option of a section that no line above has made");
pub const ESCAPE: Reason = Reason::OfFormat("unknown escape");

/// The content of a line; all positions are in the text.
struct Statement {
    /// `None` for the last anonymous section.
    section: Option<Range<usize>>,
    /// `None` if the line defines the section.
    option: Option<Range<usize>>,
    is_item: bool,
    /// A list without items.
    is_empty_list: bool,
    value_type: Option<ValueType>,
    value: Range<usize>,
}

/// A fault, and the position of the byte that shows it.
struct Fault(Reason, usize);

impl Statement {
    /// Reads the line at `range`; `None` for a comment or a blank line.
    fn read(text: &[u8], range: &Range<usize>, typed: bool) -> std::result::Result<Option<Self>, Fault> {
        let line = &text[range.clone()];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let blank = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let (start, end) = (range.start + blank, range.start + line.len());
        if matches!(line.get(blank), None | Some(b'#')) {
            return Ok(None);
        }
        let equals = line.iter().position(|byte| *byte == b'=');
        let equals = range.start + equals.ok_or(Fault(NO_VALUE, start))?;
        let value = equals + 1..end;
        check_escapes(text, &value)?;
        let colon = text[start..equals].iter().position(|byte| typed && *byte == b':').map(|at| start + at);
        let value_type = colon.map(|colon| {
            ValueType::of_name(&text[colon + 1..equals]).ok_or(Fault(Reason::InvalidType, colon))
        });
        let (value_type, equals) = (value_type.transpose()?, colon.unwrap_or(equals));
        let key = &text[start..equals];
        let is_empty_list = typed && key.ends_with(b"[0]");
        let dot = key.iter().position(|byte| *byte == b'.').map(|dot| start + dot);
        let section = start..dot.unwrap_or(equals);
        let brackets = if is_empty_list { 3 } else { 2 * usize::from(key.ends_with(b"[]")) };
        let option = dot.map(|dot| dot + 1..equals - brackets);
        let is_item = option.is_some() && key.ends_with(b"[]");
        for (part, range) in [(Part::Section, Some(&section)), (Part::Option, option.as_ref())] {
            let Some(range) = range else { continue };
            let is_last = part == Part::Section && &text[range.clone()] == b"@";
            if !is_last && !Lines.names(part, &text[range.clone()]) {
                return Err(Fault(Reason::InvalidName, range.start));
            }
        }
        if value.is_empty() && !is_item && (!typed || option.is_none()) {
            return Err(Fault(EMPTY, value.start));
        }
        if option.is_none() && !Lines.names(Part::Type, &unescaped(&text[value.clone()])) {
            return Err(Fault(Reason::InvalidType, value.start));
        }
        let section = (&text[section.clone()] != b"@").then_some(section);
        Ok(Some(Self { section, option, is_item, is_empty_list, value_type, value }))
    }
}

fn check_escapes(text: &[u8], value: &Range<usize>) -> std::result::Result<(), Fault> {
    if let Some(nul) = text[value.clone()].iter().position(|byte| *byte == 0) {
        return Err(Fault(Reason::NulByte, value.start + nul));
    }
    let mut at = value.start;
    while let Some(backslash) = text[at..value.end].iter().position(|byte| *byte == b'\\') {
        at += backslash;
        if !matches!(text[at + 1..value.end].first(), Some(b'\\' | b'n' | b'r' | b'0')) {
            return Err(Fault(ESCAPE, at));
        }
        at += 2;
    }
    Ok(())
}

fn unescaped(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\\') {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        out.push(match (byte, *byte == b'\\') {
            (_, true) => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b'0') => 0,
                _ => b'\\',
            },
            (byte, false) => *byte,
        });
    }
    Cow::Owned(out)
}

fn escape(value: &[u8], out: &mut Vec<u8>) {
    for byte in value {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0 => out.extend_from_slice(b"\\0"),
            _ => out.push(*byte),
        }
    }
}

/// The physical lines of a text, line ends included.
fn lines(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    text.split_inclusive(|byte| *byte == b'\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some(start..*at)
    })
}

struct Loader {
    builder: Builder,
    text: Arc<Vec<u8>>,
    last_anonymous: Option<SectionId>,
    strict: bool,
    typed: bool,
    /// The items so far of lists with a type.
    items: HashMap<(SectionId, Vec<u8>), Vec<Vec<u8>>>,
}

impl Loader {
    fn line(&mut self, line: &Range<usize>) -> Result<std::result::Result<(), Fault>> {
        let text = Arc::clone(&self.text);
        let statement = match Statement::read(&text, line, self.typed) {
            Ok(Some(statement)) => statement,
            Ok(None) => return Ok(Ok(())),
            Err(fault) => return Ok(Err(fault)),
        };
        let range = statement.value.clone();
        let value = unescaped(&text[statement.value.clone()]);
        let value = match &value {
            Cow::Borrowed(_) => Piece::InText(statement.value),
            Cow::Owned(value) => Piece::Apart(value),
        };
        let Some(option) = statement.option else { return self.section(statement.section, value) };
        let section = match &statement.section {
            Some(range) => self.builder.find(&text[range.clone()]),
            None => self.last_anonymous,
        };
        let Some(section) = section else { return Ok(Err(Fault(NO_SECTION, line.start))) };
        let name = Piece::InText(option.clone());
        if statement.is_item && statement.value_type.is_none() {
            return self.builder.item(section, name, value).map(Ok);
        }
        if let Some(value_type) = statement.value_type.filter(|value_type| value_type.is_list()) {
            let before = self.items.entry((section, self.text[option].to_vec())).or_default();
            if !statement.is_empty_list {
                before.push(unescaped(&self.text[range]).into_owned());
            }
            let items = before.iter().map(|item| Piece::Apart(item));
            return self.builder.list(section, &name, items, value_type).map(Ok);
        }
        if self.strict && self.builder.has(section, &text[option.clone()]) {
            return Ok(Err(Fault(TWICE, option.start)));
        }
        self.builder.typed(section, &name, value, statement.value_type.unwrap_or_default()).map(Ok)
    }

    fn section(
        &mut self,
        name: Option<Range<usize>>,
        section_type: Piece<'_>,
    ) -> Result<std::result::Result<(), Fault>> {
        if let Some(name) = &name
            && self.builder.find(&self.text[name.clone()]).is_some()
        {
            return Ok(Err(Fault(TWICE, name.start)));
        }
        let is_anonymous = name.is_none();
        let made = self.builder.section(section_type, name.map(Piece::InText))?;
        if is_anonymous {
            self.last_anonymous = Some(made);
        }
        Ok(Ok(()))
    }
}

/// Writes the lines of an option; of a list, the items from a position on.
fn print_option(section: &[u8], option: &OptionView<'_>, skip: usize, out: &mut Vec<u8>) {
    let value_type = option.value_type();
    let suffix = match value_type {
        ValueType::String | ValueType::List => String::new(),
        other => format!(":{}", other.name()),
    };
    if option.value().items().next().is_none() {
        for part in [section, b".", option.name(), b"[0]:", value_type.name().as_bytes(), b"=\n"] {
            out.extend_from_slice(part);
        }
    }
    let list = if matches!(option.value(), Value::List(_)) { "[]" } else { "" };
    let equals = format!("{list}{suffix}=");
    for item in option.value().items().skip(skip) {
        for part in [section, b".", option.name(), equals.as_bytes()] {
            out.extend_from_slice(part);
        }
        escape(item, out);
        out.push(b'\n');
    }
}

fn key_of<'p>(section: &Section<'p>, names: bool) -> &'p [u8] {
    if section.is_anonymous() && !names { b"@" } else { section.name() }
}

fn print_header(section: &Section<'_>, names: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(key_of(section, names));
    out.push(b'=');
    escape(section.section_type(), out);
    out.push(b'\n');
}

fn print_section(section: &Section<'_>, names: bool, out: &mut Vec<u8>) {
    print_header(section, names, out);
    for option in section.options() {
        print_option(key_of(section, names), &option, 0, out);
    }
}

fn read(name: &[u8], text: &Arc<Vec<u8>>, options: &ParseOptions<'_>, typed: bool) -> Result<Parsed> {
    let kind = if typed { FormatKind::Toml } else { FormatKind::Uci };
    let builder = Builder::of_format(name, Arc::clone(text), kind)?;
    let strict = options.strict;
    let (last_anonymous, items) = (None, HashMap::new());
    let mut loader = Loader { builder, text: Arc::clone(text), last_anonymous, strict, typed, items };
    let mut errors = Vec::new();
    for line in lines(text) {
        if let Err(Fault(reason, at)) = loader.line(&line)? {
            let error = ParseError::at(reason, text, at);
            if options.strict {
                return Err(error.into());
            }
            errors.push(error);
        }
    }
    if let Some(progress) = options.progress {
        progress(text.len(), text.len());
    }
    Ok(Parsed::new(loader.builder.finish(), errors))
}

/// Both forms differ in how they read.
macro_rules! line_format {
    ($format:ident, $name:literal, $typed:literal) => {
        impl Format for $format {
            fn name(&self) -> &'static str {
                $name
            }

            fn read(&self, name: &[u8], text: Arc<Vec<u8>>, options: &ParseOptions<'_>) -> Result<Parsed> {
                read(name, &text, options, $typed)
            }

            fn print(&self, package: &Package, names: bool) -> Vec<u8> {
                let mut out = Vec::new();
                package.sections().for_each(|section| print_section(&section, names, &mut out));
                out
            }

            fn rewrite(
                &self,
                original: &Package,
                edited: &Package,
                options: &ParseOptions<'_>,
            ) -> Result<Package> {
                if original == edited {
                    return Ok(original.clone());
                }
                let rewriting = Rewriting::of(original, edited);
                for text in [rewriting.in_place(), rewriting.regrouped()] {
                    if let Ok(read) = self.read(edited.name(), Arc::new(text), options)
                        && read.package == *edited
                    {
                        return Ok(read.package);
                    }
                }
                Err(unwritable(edited))
            }

            fn names(&self, part: Part, name: &[u8]) -> bool {
                match part {
                    Part::Type => name::is_type(name),
                    Part::Section | Part::Option => name::is_name(name),
                }
            }

            fn tidy(&self, text: &Arc<Vec<u8>>) -> Result<Vec<u8>> {
                self.read(b"tidy", Arc::clone(text), &ParseOptions::new())?;
                let mut out = Vec::with_capacity(text.len());
                for line in text.split_inclusive(|byte| *byte == b'\n') {
                    let line = line.strip_suffix(b"\n").unwrap_or(line);
                    let start = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
                    out.extend_from_slice(&line[start..]);
                    out.push(b'\n');
                }
                Ok(out)
            }

            fn option_line(&self, line: &[u8]) -> Option<OptionLine> {
                let body = line.strip_suffix(b"\n")?;
                if body.iter().any(|byte| matches!(byte, b'\n' | b'\\')) {
                    return None;
                }
                let statement = Statement::read(line, &(0..line.len()), $typed).ok()??;
                let name =
                    statement.option.filter(|_| !statement.is_item && statement.value_type.is_none())?;
                Some(OptionLine { name, value: statement.value })
            }
        }
    };
}

line_format!(Lines, "lines", false);
line_format!(TypedLines, "typed lines", true);

/// A line of the text that a package was read from.
struct Line {
    /// The section of the line, by its position in the text; for a comment, the section of the next line that has
    /// one.
    section: Option<usize>,
    is_comment: bool,
    /// The new text of the line: unchanged, changed or empty, perhaps with new lines after it.
    text: Vec<u8>,
}

/// The lines of an edited package, with the edits made in them.
struct Rewriting<'p> {
    edited: &'p Package,
    lines: Vec<Line>,
}

/// The part of the package that a line holds.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Comment,
    Header(usize),
    /// The option, by its position in the section.
    Option(usize, usize),
}

impl Place {
    fn section(self) -> Option<usize> {
        match self {
            Self::Comment => None,
            Self::Header(section) | Self::Option(section, _) => Some(section),
        }
    }
}

/// Returns the part of the package that each line of the text holds. A line with a fault counts as a comment.
fn places(original: &Package) -> Vec<(Range<usize>, Place)> {
    let text = original.source();
    let sections: Vec<Section<'_>> = original.sections().collect();
    let (mut made, mut last_anonymous) = (0, None);
    let mut place = |line: &Range<usize>| {
        let statement = Statement::read(text, line, original.format().has_types()).ok()??;
        let name = statement.section.map(|range| &text[range]);
        let Some(option) = statement.option else {
            let is_twice = name.is_some_and(|name| {
                original.section(name).and_then(|section| section.origin()).is_none_or(|origin| origin < made)
            });
            if is_twice {
                return None;
            }
            if name.is_none() {
                last_anonymous = Some(made);
            }
            made += 1;
            return Some(Place::Header(made - 1));
        };
        let section = match name {
            Some(name) => original.section(name)?.origin().filter(|origin| *origin < made)?,
            None => last_anonymous?,
        };
        Some(Place::Option(section, sections[section].option(&text[option])?.origin()?))
    };
    lines(text)
        .map(|line| {
            let found = place(&line).unwrap_or(Place::Comment);
            (line, found)
        })
        .collect()
}

impl<'p> Rewriting<'p> {
    fn of(original: &'p Package, edited: &'p Package) -> Self {
        let places = places(original);
        let mut lines: Vec<Line> = places
            .iter()
            .map(|(range, place)| Line {
                section: place.section(),
                is_comment: *place == Place::Comment,
                text: original.source()[range.clone()].to_vec(),
            })
            .collect();
        let mut next = None;
        for line in lines.iter_mut().rev() {
            line.section = line.section.or(next);
            next = line.section;
        }
        for (ordinal, old) in original.sections().enumerate() {
            let new = edited.sections().find(|section| section.origin() == Some(ordinal));
            edit_section(ordinal, &old, new.as_ref(), &places, &mut lines);
        }
        Self { edited, lines }
    }

    /// Returns the lines in the order of the text, with new sections behind them.
    fn in_place(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.lines.iter().for_each(|line| append(&line.text, &mut out));
        for section in self.edited.sections().filter(|section| section.origin().is_none()) {
            let mut text = Vec::new();
            print_section(&section, false, &mut text);
            append(&text, &mut out);
        }
        out
    }

    /// Returns the lines in the order of the sections. Comments stay above the same line.
    fn regrouped(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut written = vec![false; self.lines.len()];
        for section in self.edited.sections() {
            let Some(origin) = section.origin() else {
                let mut text = Vec::new();
                print_section(&section, false, &mut text);
                append(&text, &mut out);
                continue;
            };
            for (line, written) in self.lines.iter().zip(&mut written) {
                if line.section == Some(origin) {
                    append(&line.text, &mut out);
                    *written = true;
                }
            }
        }
        let rest = self.lines.iter().zip(written).filter(|(line, written)| !written && line.is_comment);
        rest.for_each(|(line, _)| append(&line.text, &mut out));
        out
    }
}

/// Appends lines; the line before them gets a line end if it has none.
fn append(lines: &[u8], out: &mut Vec<u8>) {
    if !lines.is_empty() && out.last().is_some_and(|byte| *byte != b'\n') {
        out.push(b'\n');
    }
    out.extend_from_slice(lines);
}

/// Returns the blanks that a line begins with.
fn indent(line: &[u8]) -> Vec<u8> {
    line.iter().copied().take_while(|byte| matches!(byte, b' ' | b'\t')).collect()
}

/// Returns how many items of an option keep their lines. A string has one item.
fn kept_items(old: &OptionView<'_>, new: &OptionView<'_>) -> usize {
    let is_empty = |option: &OptionView<'_>| option.value().items().next().is_none();
    if old.name() != new.name() || old.value_type() != new.value_type() || is_empty(old) || is_empty(new) {
        return 0;
    }
    old.value().items().zip(new.value().items()).take_while(|(a, b)| a == b).count()
}

/// Changes the lines of one section; without `new` it is deleted.
fn edit_section(
    ordinal: usize,
    old: &Section<'_>,
    new: Option<&Section<'_>>,
    places: &[(Range<usize>, Place)],
    lines: &mut [Line],
) {
    let of_section = |index: &usize| places[*index].1.section() == Some(ordinal);
    let of_section: Vec<usize> = (0..places.len()).filter(of_section).collect();
    let Some(new) = new else { return of_section.iter().for_each(|index| lines[*index].text.clear()) };
    let (Some(&first), Some(&last)) = (of_section.first(), of_section.last()) else { return };
    let key = key_of(new, false);
    let is_same_key = key_of(old, false) == key;
    if !is_same_key || old.section_type() != new.section_type() {
        let mut text = indent(&lines[first].text);
        print_header(new, false, &mut text);
        lines[first].text = text;
    }
    for was in old.options() {
        let Some(origin) = was.origin() else { continue };
        let is_here = |index: &&usize| places[**index].1 == Place::Option(ordinal, origin);
        let here: Vec<usize> = of_section.iter().filter(is_here).copied().collect();
        let is = new.options().find(|option| option.origin() == Some(origin));
        let is_same = |is: &OptionView<'_>| {
            let is_same_type = was.value_type() == is.value_type();
            is_same_key && is_same_type && was.name() == is.name() && was.value() == is.value()
        };
        if is.as_ref().is_some_and(is_same) {
            continue;
        }
        let kept = is.as_ref().filter(|_| is_same_key).map_or(0, |is| kept_items(&was, is));
        let place = here.get(kept).or(here.last()).copied().unwrap_or(last);
        let mut text = here.get(kept).map_or_else(Vec::new, |index| indent(&lines[*index].text));
        here.iter().skip(kept).for_each(|index| lines[*index].text.clear());
        let blanks = text.len();
        is.iter().for_each(|is| print_option(key, is, kept, &mut text));
        if text.len() > blanks {
            append(&text, &mut lines[place].text);
        }
    }
    for option in new.options().filter(|option| option.origin().is_none()) {
        let mut text = Vec::new();
        print_option(key, &option, 0, &mut text);
        append(&text, &mut lines[last].text);
    }
}
