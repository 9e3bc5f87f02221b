//! The words that can stand at a place of a command line: packages, sections, options, types, revisions, labels, files.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cms::map::{MapSection, MapValue};
use cms::{Key, Section, Selector, Snapshot, Value};

use crate::argument::show;
use crate::context::{Context, Found, find};
use crate::failure::Failure;
use crate::secrets;

/// How many revisions are listed.
const REVISIONS: usize = 20;

/// What a word is.
#[derive(Debug, PartialEq)]
pub enum Kind {
    Package,
    /// A package, section or option; what follows an option.
    Key(Next),
    /// A section, and what follows it.
    Section(Next),
    Type,
    Pattern,
    Revision,
    Label,
    File,
    Command,
    Topic,
    /// This word itself.
    Word(String),
}

/// What follows a complete key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Blank,
    /// `=` and a value.
    Value,
}

impl Next {
    fn end(self) -> &'static str {
        match self {
            Self::Blank => " ",
            Self::Value => "=",
        }
    }
}

/// Lists the words of a kind that begin with what was typed. `arguments` are those before it.
pub fn list(
    context: &mut Context,
    kind: &Kind,
    typed: &str,
    arguments: &[Vec<u8>],
) -> Result<Vec<String>, Failure> {
    Ok(match kind {
        Kind::Package => packages(context, " ")?,
        Kind::Key(next) => keys(context, typed, *next)?,
        Kind::Section(next) => sections_only(context, typed, *next)?,
        Kind::Type => arguments.first().map_or(Ok(Vec::new()), |package| types(context, package))?,
        Kind::Pattern => keys(context, typed, Next::Blank)?,
        Kind::Revision => revisions(context),
        Kind::Label => labels(context),
        Kind::Word(word) => vec![format!("{word} ")],
        Kind::File => files(typed),
        Kind::Command | Kind::Topic => Vec::new(),
    })
}

fn packages(context: &Context, end: &str) -> Result<Vec<String>, Failure> {
    Ok(context.packages_and_new(&[])?.iter().map(|name| format!("{}{end}", show(name))).collect())
}

/// Lists the keys one level below the complete part of a key; behind `=`, the values that the option has.
fn keys(context: &mut Context, typed: &str, next: Next) -> Result<Vec<String>, Failure> {
    if let Some(equals) = outside_brackets(typed, b'=') {
        return if next == Next::Value { values(context, &typed[..equals]) } else { Ok(Vec::new()) };
    }
    let Some(dot) = outside_brackets(typed, b'.') else { return packages(context, ".") };
    if let Some(keys) = free_keys(context, typed, next)? {
        return Ok(keys);
    }
    let (key, stem) = (Key::parse(&typed.as_bytes()[..dot])?, &typed[..=dot]);
    if let Some(snapshot) = context.mapped(&key.package) {
        return keys_of_map(&snapshot, &key, stem, &typed[dot + 1..], next);
    }
    let package = &context.load(&key.package)?.package;
    Ok(match find(package, &key)? {
        Found::Package(package) => {
            section_words(|| package.sections().map(Head::from), stem, &typed[dot + 1..], ".")
        }
        Found::Section(section) => {
            section.options().map(|option| format!("{stem}{}{}", show(option.name()), next.end())).collect()
        }
        Found::Option(..) => Vec::new(),
    })
}

/// Lists the keys one name further, in a package with nested sections and names in quotes; `None` for a package of UCI text.
fn free_keys(context: &mut Context, typed: &str, next: Next) -> Result<Option<Vec<String>>, Failure> {
    let name = typed.split('.').next().unwrap_or_default();
    if context.store.packages().has_free_names(name.as_bytes()) != Some(true) {
        return Ok(None);
    }
    let package = &context.load(name.as_bytes())?.package;
    let mut words = BTreeSet::new();
    let mut add = |path: &[u8], end: &str| {
        let key = format!("{name}.{}", show(path));
        if let Some(rest) = key.strip_prefix(typed) {
            // The position of the next dot that is in no quotes: those of the part that is typed count as well.
            match cms::key_part::next_dot(key.as_bytes(), key.len() - rest.len()) {
                Some(dot) => words.insert(key[..=dot].to_owned()),
                None => words.insert(format!("{key}{end}")),
            };
        }
    };
    for section in package.sections().filter(|section| !section.is_anonymous()) {
        for option in section.options() {
            match section.name() {
                b"" => add(option.name(), next.end()),
                path => add(&[path, b".", option.name()].concat(), next.end()),
            }
        }
        if section.options().next().is_none() {
            add(section.name(), next.end());
        }
    }
    if outside_brackets(typed, b'.') == Some(name.len()) {
        let rows = package.sections().filter(|section| section.is_anonymous()).map(Head::from);
        let rows: Vec<Head<'_>> = rows.collect();
        words.extend(section_words(
            || rows.iter().copied(),
            &format!("{name}."),
            &typed[name.len() + 1..],
            ".",
        ));
    }
    Ok(Some(words.into_iter().collect()))
}

/// As [`keys`], of a package that has a map.
fn keys_of_map(
    snapshot: &Snapshot,
    key: &Key,
    stem: &str,
    typed: &str,
    next: Next,
) -> Result<Vec<String>, Failure> {
    let package = snapshot.package(&key.package)?;
    if key.section.is_none() {
        return Ok(section_words(|| package.sections().map(Head::from), stem, typed, "."));
    }
    let Some(Key { section: Some(Selector::Name(name)), option: None, .. }) =
        snapshot.resolve(key.text().as_bytes())?.map(|key| Key::parse(&key)).transpose()?
    else {
        return Ok(Vec::new());
    };
    let options = package.section(&name).into_iter().flat_map(|section| section.options());
    Ok(options.map(|(option, _)| format!("{stem}{}{}", show(option), next.end())).collect())
}

/// Returns the last position of a character that is not inside the brackets of a selector, or in quotes.
fn outside_brackets(typed: &str, character: u8) -> Option<usize> {
    let (mut is_inside, mut is_quoted, mut is_escaped) = (false, false, false);
    let mut found = None;
    for (at, byte) in typed.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b'[' => is_inside = true,
            b']' => is_inside = false,
            byte if byte == character && !is_inside => found = Some(at),
            _ => {}
        }
    }
    found
}

/// What is needed of a section to name it, in a package or in its map.
#[derive(Clone, Copy)]
struct Head<'p> {
    name: &'p [u8],
    kind: &'p [u8],
    is_anonymous: bool,
    /// The option `name` of a section without a name, if a selector can hold it without quotes.
    title: Option<&'p [u8]>,
}

impl<'p> From<Section<'p>> for Head<'p> {
    fn from(section: Section<'p>) -> Self {
        let is_anonymous = section.is_anonymous();
        let title = || match section.option(b"name")?.value() {
            Value::String(title) => plain_title(title),
            Value::List(_) => None,
        };
        let title = if is_anonymous { title() } else { None };
        Self { name: section.name(), kind: section.section_type(), is_anonymous, title }
    }
}

impl<'p> From<MapSection<'p>> for Head<'p> {
    fn from(section: MapSection<'p>) -> Self {
        let is_anonymous = section.is_anonymous();
        let title = || match section.get(b"name")? {
            MapValue::String(title) => plain_title(title),
            MapValue::List(_) => None,
        };
        let title = if is_anonymous { title() } else { None };
        Self { name: section.name(), kind: section.section_type(), is_anonymous, title }
    }
}

fn plain_title(title: &[u8]) -> Option<&[u8]> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-:/".contains(byte);
    (!title.is_empty() && title.iter().all(is_plain)).then_some(title)
}

/// Returns the words for the sections of a package that begin with what was typed: their names, and for those without a
/// name a selector by value, or by position. Names that were generated are returned if they were typed.
fn section_words<'p, I: Iterator<Item = Head<'p>>>(
    sections: impl Fn() -> I,
    stem: &str,
    typed: &str,
    end: &str,
) -> Vec<String> {
    let mut titles: HashMap<(&[u8], &[u8]), usize> = HashMap::new();
    let mut are_named = true;
    for section in sections().filter(|section| section.is_anonymous) {
        are_named = false;
        if let Some(title) = section.title {
            *titles.entry((section.kind, title)).or_default() += 1;
        }
    }
    let mut positions: HashMap<&[u8], usize> = HashMap::new();
    let is_generated = typed.starts_with("cfg");
    let mut words = Vec::new();
    for section in sections() {
        // Positions are only counted where a selector may need them.
        let position = match are_named {
            true => 0,
            false => {
                let position = positions.entry(section.kind).or_default();
                *position += 1;
                *position - 1
            }
        };
        // The root section of a package is named only in the keys of its options.
        if section.name.is_empty() && end != "." {
            continue;
        }
        if !section.is_anonymous || is_generated {
            if section.name.starts_with(typed.as_bytes()) {
                words.push([stem, &String::from_utf8_lossy(section.name), end].concat());
            }
            continue;
        }
        let kind = show(section.kind);
        words.push(match section.title.filter(|title| titles.get(&(section.kind, *title)) == Some(&1)) {
            Some(title) => format!("{stem}@{kind}[name={}]{end}", show(title)),
            None => format!("{stem}@{kind}[{position}]{end}"),
        });
    }
    words
}

/// Lists packages, and behind a dot the sections of one.
fn sections_only(context: &mut Context, typed: &str, next: Next) -> Result<Vec<String>, Failure> {
    let Some(dot) = outside_brackets(typed, b'.') else { return packages(context, ".") };
    let (key, stem) = (Key::parse(&typed.as_bytes()[..dot])?, &typed[..=dot]);
    let (typed, end) = (&typed[dot + 1..], next.end());
    if let Some(snapshot) = context.mapped(&key.package) {
        let package = snapshot.package(&key.package)?;
        return Ok(section_words(|| package.sections().map(Head::from), stem, typed, end));
    }
    let package = &context.load(&key.package)?.package;
    Ok(section_words(|| package.sections().map(Head::from), stem, typed, end))
}

/// Returns the values of an option, if a shell takes them without quotes.
fn values(context: &mut Context, key: &str) -> Result<Vec<String>, Failure> {
    let parsed = Key::parse(key.trim_end_matches(['+', '-']).as_bytes())?;
    let package = &context.load(&parsed.package)?.package;
    let Found::Option(section, option) = find(package, &parsed)? else { return Ok(Vec::new()) };
    if secrets::is_hidden(package.name(), section.name(), option.name()) {
        return Ok(Vec::new());
    }
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(byte);
    let plain = option.value().items().filter(|item| !item.is_empty() && item.iter().all(is_plain));
    Ok(plain.map(|item| format!("{key}={} ", show(item))).collect())
}

fn types(context: &mut Context, package: &[u8]) -> Result<Vec<String>, Failure> {
    let words = |types: BTreeSet<&[u8]>| {
        types.into_iter().filter(|kind| !kind.is_empty()).map(|kind| format!("{} ", show(kind))).collect()
    };
    if let Some(snapshot) = context.mapped(package) {
        let package = snapshot.package(package)?;
        return Ok(words(package.sections().map(|section| section.section_type()).collect()));
    }
    let package = &context.load(package)?.package;
    Ok(words(package.sections().map(|section| section.section_type()).collect()))
}

/// Returns the newest revisions, the labels of snapshots, and `now`.
fn revisions(context: &Context) -> Vec<String> {
    let mut all = labels(context);
    all.push("now ".into());
    let mut count = 0;
    let _ = context.store.history().each_transaction(|record| {
        all.push(format!("{} ", record.sequence));
        count += 1;
        Ok(if count == REVISIONS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    all
}

fn labels(context: &Context) -> Vec<String> {
    let labels = context.store.archives().labels().unwrap_or_default();
    labels.iter().map(|info| format!("{} ", cms::name_of_label(&info.label))).collect()
}

/// Returns the files that a typed path begins, directories with `/` at the end.
pub fn files(typed: &str) -> Vec<String> {
    let (dir, begin) = typed.rfind('/').map_or(("", typed), |slash| typed.split_at(slash + 1));
    let entries = std::fs::read_dir(if dir.is_empty() { Path::new(".") } else { Path::new(dir) });
    let mut all = Vec::new();
    for entry in entries.into_iter().flatten().flatten() {
        let name = show(entry.file_name().as_bytes());
        if name.starts_with(begin) && (begin.starts_with('.') || !name.starts_with('.')) {
            let end = if entry.path().is_dir() { "/" } else { " " };
            all.push(format!("{dir}{name}{end}"));
        }
    }
    all.sort_unstable();
    all
}
