//! The changes of a package, key by key.

use std::collections::{HashMap, HashSet};

use super::wire::{Out, Reader, put_bytes, put_number};
use crate::model::package::{OptionView, Package, Section, Value};
use crate::model::value_type::ValueType;

/// The value of an option, or the type of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a value is a string or a list")]
pub enum Content {
    /// A string, or a section's type.
    String(Vec<u8>),
    /// The items of a list.
    List(Vec<Vec<u8>>),
}

impl From<Value<'_>> for Content {
    fn from(value: Value<'_>) -> Self {
        Self::of(value)
    }
}

impl Content {
    pub(crate) fn of(value: Value<'_>) -> Self {
        match value {
            Value::String(string) => Self::String(string.to_vec()),
            Value::List(list) => Self::List(list.iter().map(<[u8]>::to_vec).collect()),
        }
    }

    /// Returns the type of a value of which nothing else is known.
    fn plain_type(&self) -> ValueType {
        match self {
            Self::String(_) => ValueType::String,
            Self::List(_) => ValueType::List,
        }
    }

    /// Returns the items: the one string, or those of the list.
    #[must_use]
    pub fn items(&self) -> &[Vec<u8>] {
        match self {
            Self::String(string) => std::slice::from_ref(string),
            Self::List(items) => items,
        }
    }
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyChange {
    /// The section's name; generated for an anonymous one.
    pub section: Vec<u8>,
    /// The option's name; `None` for the section itself.
    pub option: Option<Vec<u8>>,
    /// The way in which it changed.
    pub what: What,
    /// The types of the old and the new value, unless both are strings and lists of strings.
    pub types: Option<(ValueType, ValueType)>,
}

impl KeyChange {
    /// Makes a change of a section, or of an option of it.
    #[must_use]
    pub fn new(section: &[u8], option: Option<&[u8]>, what: What) -> Self {
        Self { section: section.to_vec(), option: option.map(<[u8]>::to_vec), what, types: None }
    }

    /// Sets the types of the old and the new value of an option. The type of a value that does not exist has no meaning.
    #[must_use]
    pub fn with_types(self, old: ValueType, new: ValueType) -> Self {
        let is_plain =
            |value: Option<&Content>, value_type| value.is_none_or(|value| value.plain_type() == value_type);
        let (was, is) = self.values();
        let types = (!is_plain(was, old) || !is_plain(is, new)).then_some((old, new));
        Self { types, ..self }
    }

    /// Returns the types of the old and the new value; `None` for a value that does not exist.
    #[must_use]
    pub fn value_types(&self) -> (Option<ValueType>, Option<ValueType>) {
        let (old, new) = self.values();
        match self.types {
            Some(types) => (old.map(|_| types.0), new.map(|_| types.1)),
            None => (old.map(Content::plain_type), new.map(Content::plain_type)),
        }
    }

    /// Reports whether neither value nor type differs, as in changes that were merged.
    pub(crate) fn is_none(&self) -> bool {
        match &self.what {
            What::Changed { old, new } => old == new && self.types.is_none_or(|(old, new)| old == new),
            What::Moved { old, new } => old == new,
            What::Added(_) | What::Deleted(_) => false,
        }
    }
}

/// The way in which a key changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a key comes, goes, changes or moves; a program that mirrors a store handles each"
)]
pub enum What {
    /// The option or section was added.
    Added(Content),
    /// The option or section was deleted.
    Deleted(Content),
    /// The option's value, or the section's type, was changed.
    Changed {
        /// The old value.
        old: Content,
        /// The new value.
        new: Content,
    },
    /// The section has another position among the sections that existed both before and after.
    Moved {
        /// The old position, counted from 0.
        old: usize,
        /// Where it stands.
        new: usize,
    },
}

impl KeyChange {
    /// Returns the old and the new value of the key. A value is `None` if the key did not exist then. For a section
    /// that was moved both are `None`.
    #[must_use]
    pub fn values(&self) -> (Option<&Content>, Option<&Content>) {
        match &self.what {
            What::Added(new) => (None, Some(new)),
            What::Deleted(old) => (Some(old), None),
            What::Changed { old, new } => (Some(old), Some(new)),
            What::Moved { .. } => (None, None),
        }
    }

    /// Returns `PACKAGE.SECTION[.OPTION]`.
    #[must_use]
    pub fn key(&self, package: &str) -> Vec<u8> {
        let mut key = [package.as_bytes(), b".", &self.section].concat();
        if let Some(option) = &self.option {
            key.push(b'.');
            key.extend_from_slice(option);
        }
        key
    }

    pub(super) fn put(&self, out: &mut impl Out) {
        let kind = match (&self.what, &self.option) {
            (What::Added(_), None) => 0,
            (What::Added(_), Some(_)) => 1,
            (What::Deleted(_), None) => 2,
            (What::Deleted(_), Some(_)) => 3,
            (What::Changed { .. }, None) => 4,
            (What::Changed { .. }, Some(_)) => 5,
            (What::Moved { .. }, _) => 6,
        };
        match self.types {
            None => out.put(&[kind]),
            Some((old, new)) => out.put(&[kind | TYPED, old.number(), new.number()]),
        }
        put_bytes(out, &self.section);
        if let (Some(option), true) = (&self.option, kind != 6) {
            put_bytes(out, option);
        }
        match &self.what {
            What::Added(content) | What::Deleted(content) => put_content(out, content),
            What::Changed { old, new } => {
                put_content(out, old);
                put_content(out, new);
            }
            What::Moved { old, new } => {
                put_number(out, *old as u64);
                put_number(out, *new as u64);
            }
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (kind, types) = read_kind(reader)?;
        let section = reader.bytes()?.to_vec();
        let option = if matches!(kind, 1 | 3 | 5) { Some(reader.bytes()?.to_vec()) } else { None };
        let what = match kind {
            0 | 1 => What::Added(read_content(reader)?),
            2 | 3 => What::Deleted(read_content(reader)?),
            4 | 5 => What::Changed { old: read_content(reader)?, new: read_content(reader)? },
            6 => What::Moved { old: reader.len()?, new: reader.len()? },
            _ => return None,
        };
        Some(Self { section, option, what, types })
    }

    /// Skips a change in the bytes without decoding it.
    pub(super) fn skip(reader: &mut Reader<'_>) -> Option<()> {
        let (kind, _) = read_kind(reader)?;
        reader.bytes()?;
        if matches!(kind, 1 | 3 | 5) {
            reader.bytes()?;
        }
        match kind {
            0..=3 => skip_content(reader),
            4 | 5 => skip_content(reader).and_then(|()| skip_content(reader)),
            6 => reader.len().and_then(|_| reader.len()).map(|_| ()),
            _ => None,
        }
    }
}

/// The bit of a change's kind that says that the types of the old and the new value follow.
const TYPED: u8 = 16;

/// Reads the kind of a change, and the types of its values.
fn read_kind(reader: &mut Reader<'_>) -> Option<(u8, Option<(ValueType, ValueType)>)> {
    let kind = reader.byte()?;
    if kind & TYPED == 0 {
        return Some((kind, None));
    }
    let types = (ValueType::of_number(reader.byte()?)?, ValueType::of_number(reader.byte()?)?);
    Some((kind & !TYPED, Some(types)))
}

/// A string is written as 0 and the string; a list as the number of its items plus one, and the items.
fn put_content(out: &mut impl Out, content: &Content) {
    match content {
        Content::String(string) => {
            put_number(out, 0);
            put_bytes(out, string);
        }
        Content::List(items) => {
            put_number(out, items.len() as u64 + 1);
            items.iter().for_each(|item| put_bytes(out, item));
        }
    }
}

fn read_content(reader: &mut Reader<'_>) -> Option<Content> {
    let Some(count) = reader.len()?.checked_sub(1) else {
        return Some(Content::String(reader.bytes()?.to_vec()));
    };
    let items: Option<Vec<_>> = (0..count).map(|_| reader.bytes().map(<[u8]>::to_vec)).collect();
    items.map(Content::List)
}

fn skip_content(reader: &mut Reader<'_>) -> Option<()> {
    let strings = reader.len()?.checked_sub(1).unwrap_or(1);
    (0..strings).try_for_each(|_| reader.bytes().map(|_| ()))
}

/// Compares two states of a package. The result lists first the deleted keys, then, in the order of the new state, the
/// added and changed ones.
pub(crate) fn compare(old: &Package, new: &Package) -> Vec<KeyChange> {
    let (was, is) = (named(old), named(new));
    let mut changes = Vec::new();
    for section in old.sections().filter(|section| !is.contains_key(section.name())) {
        for option in section.options() {
            changes.push(deleted(section, option));
        }
        if !section.name().is_empty() {
            changes.push(of_section(section, What::Deleted(type_of(section))));
        }
    }
    let mut seen = HashSet::new();
    for section in new.sections().filter(|section| seen.insert(section.name())) {
        match was.get(section.name()) {
            None => {
                // The root section is there if it has an option.
                if !section.name().is_empty() {
                    changes.push(of_section(section, What::Added(type_of(section))));
                }
                for option in section.options() {
                    changes.push(added(section, option));
                }
            }
            Some(before) => compare_sections(*before, section, &mut changes),
        }
    }
    moved(&was, &is, old, new, &mut changes);
    changes
}

/// The sections by name, the first of each.
fn named(package: &Package) -> HashMap<&[u8], Section<'_>> {
    let mut sections = HashMap::with_capacity(package.len());
    for section in package.sections() {
        sections.entry(section.name()).or_insert(section);
    }
    sections
}

fn type_of(section: Section<'_>) -> Content {
    Content::String(section.section_type().to_vec())
}

fn of_section(section: Section<'_>, what: What) -> KeyChange {
    KeyChange::new(section.name(), None, what)
}

fn added(section: Section<'_>, option: OptionView<'_>) -> KeyChange {
    let (what, value_type) = (What::Added(Content::of(option.value())), option.value_type());
    KeyChange::new(section.name(), Some(option.name()), what).with_types(value_type, value_type)
}

fn deleted(section: Section<'_>, option: OptionView<'_>) -> KeyChange {
    let (what, value_type) = (What::Deleted(Content::of(option.value())), option.value_type());
    KeyChange::new(section.name(), Some(option.name()), what).with_types(value_type, value_type)
}

fn changed(section: Section<'_>, old: OptionView<'_>, new: OptionView<'_>) -> KeyChange {
    let what = What::Changed { old: Content::of(old.value()), new: Content::of(new.value()) };
    KeyChange::new(section.name(), Some(new.name()), what).with_types(old.value_type(), new.value_type())
}

fn compare_sections(old: Section<'_>, new: Section<'_>, changes: &mut Vec<KeyChange>) {
    if old.section_type() != new.section_type() {
        changes.push(of_section(new, What::Changed { old: type_of(old), new: type_of(new) }));
    }
    let both = || old.options().zip(new.options());
    let differ = |before: OptionView<'_>, after: OptionView<'_>| {
        before.value() != after.value() || before.value_type() != after.value_type()
    };
    // Usually only values differ: then both states have the same options in the same order, and no look-up is needed.
    if old.options().count() == new.options().count()
        && both().all(|(before, after)| before.name() == after.name())
    {
        for (before, after) in both().filter(|(before, after)| differ(*before, *after)) {
            changes.push(changed(new, before, after));
        }
        return;
    }
    for option in old.options().filter(|option| new.get(option.name()).is_none()) {
        changes.push(deleted(new, option));
    }
    for option in new.options() {
        match old.option(option.name()) {
            None => changes.push(added(new, option)),
            Some(before) if differ(before, option) => changes.push(changed(new, before, option)),
            Some(_) => {}
        }
    }
}

/// Finds the sections that were moved: the smallest set whose moves explain the new order.
fn moved(
    was: &HashMap<&[u8], Section<'_>>,
    is: &HashMap<&[u8], Section<'_>>,
    old: &Package,
    new: &Package,
    changes: &mut Vec<KeyChange>,
) {
    let unique = |package: &Package, other: &HashMap<&[u8], Section<'_>>| -> Vec<Vec<u8>> {
        let mut seen = HashSet::new();
        let both = package.sections().map(|section| section.name());
        both.filter(|name| other.contains_key(name) && seen.insert(*name)).map(<[u8]>::to_vec).collect()
    };
    let (before, after) = (unique(old, is), unique(new, was));
    if before == after {
        return;
    }
    let place: HashMap<&[u8], usize> =
        before.iter().enumerate().map(|(index, name)| (name.as_slice(), index)).collect();
    let order: Vec<usize> = after.iter().map(|name| place[name.as_slice()]).collect();
    let stays = longest_rising(&order);
    for (index, (name, old)) in after.into_iter().zip(&order).enumerate() {
        if !stays.contains(&index) {
            changes.push(KeyChange::new(&name, None, What::Moved { old: *old, new: index }));
        }
    }
}

/// Returns the indices of a longest rising subsequence: patience sorting.
pub(crate) fn longest_rising(numbers: &[usize]) -> HashSet<usize> {
    // For each length, the index of the smallest number that ends such a sequence; and for each element, the element
    // before it.
    let (mut ends, mut before) = (Vec::<usize>::new(), vec![None; numbers.len()]);
    for (index, number) in numbers.iter().enumerate() {
        let at = ends.partition_point(|end| numbers[*end] < *number);
        before[index] = at.checked_sub(1).map(|at| ends[at]);
        if at == ends.len() { ends.push(index) } else { ends[at] = index }
    }
    std::iter::successors(ends.last().copied(), |index| before[*index]).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::format::uci::{ParseOptions, parse};

    fn package(text: &str) -> Package {
        parse(b"p", Arc::new(text.into()), &ParseOptions::default()).expect("the text is right").package
    }

    fn found(old: &str, new: &str) -> Vec<String> {
        let changes = compare(&package(old), &package(new));
        let mut bytes = Vec::new();
        changes.iter().for_each(|change| change.put(&mut bytes));
        let mut reader = Reader(&bytes);
        for change in &changes {
            assert_eq!(KeyChange::read(&mut reader).as_ref(), Some(change));
        }
        let show = |content: &Content| {
            content.items().iter().map(|item| String::from_utf8_lossy(item)).collect::<Vec<_>>().join(",")
        };
        let tell = |change: &KeyChange| {
            let key = String::from_utf8(change.key("p")).expect("text");
            match &change.what {
                What::Added(new) => format!("+{key}={}", show(new)),
                What::Deleted(old) => format!("-{key}={}", show(old)),
                What::Changed { old, new } => format!("{key}={}>{}", show(old), show(new)),
                What::Moved { old, new } => format!("^{key}={old}>{new}"),
            }
        };
        changes.iter().map(tell).collect()
    }

    #[test]
    fn each_kind_of_change_is_found() {
        let old =
            "config a 'x'\n\toption p '1'\n\tlist l 'a'\n\toption gone '1'\nconfig a 'y'\n\toption q '2'\n";
        let new = "config b 'x'\n\toption p '2'\n\tlist l 'a'\n\tlist l 'b'\nconfig c 'z'\n\toption r '3'\n";
        assert_eq!(
            found(old, new),
            [
                "-p.y.q=2",
                "-p.y=a",
                "p.x=a>b",
                "-p.x.gone=1",
                "p.x.p=1>2",
                "p.x.l=a>a,b",
                "+p.z=c",
                "+p.z.r=3"
            ]
        );
        assert_eq!(found(old, old), [""; 0]);
    }

    #[test]
    fn the_fewest_sections_are_moved() {
        let text = |names: &str| names.chars().map(|name| format!("config s '{name}'\n")).collect::<String>();
        assert_eq!(found(&text("abcde"), &text("acdeb")), ["^p.b=1>4"]);
        assert_eq!(found(&text("abcde"), &text("ebcda")).len(), 2);
        assert_eq!(found(&text("abc"), &text("bc")), ["-p.a=s"]);
    }
}
