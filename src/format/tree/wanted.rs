//! The tree that a package is to be as a document.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::Error;
use crate::format::tree::outline::NO_NAME;
use crate::model::key_part;
use crate::model::package::{OptionView, Package, Section, Value};
use crate::model::value_type::ValueType;

/// An object: its options, and what is nested in it, each in their order.
#[derive(Debug, Default)]
pub struct Table<'p> {
    /// `None` for an object that only holds others.
    pub section: Option<Section<'p>>,
    pub options: Vec<OptionView<'p>>,
    pub children: Vec<(Vec<u8>, Child<'p>)>,
    places: HashMap<Vec<u8>, usize>,
}

/// What is nested in an object.
#[derive(Debug)]
pub enum Child<'p> {
    Table(Table<'p>),
    Row(Vec<Section<'p>>),
}

impl<'p> Table<'p> {
    /// Makes the object of one section alone.
    pub fn of_section(section: Section<'p>) -> Self {
        Self { section: Some(section), options: section.options().collect(), ..Self::default() }
    }

    /// Returns what is nested under a name.
    pub fn child(&self, name: &[u8]) -> Option<&Child<'p>> {
        self.places.get(name).map(|at| &self.children[*at].1)
    }

    /// Returns the one value that the package is, if it is no object.
    pub fn one_value(&self) -> Option<OptionView<'p>> {
        match self.options.as_slice() {
            [option] if self.children.is_empty() => Some(*option)
                .filter(|option| option.name() == NO_NAME && option.value_type() == ValueType::Json),
            _ => None,
        }
    }

    fn child_mut(&mut self, name: &[u8], new: impl FnOnce() -> Child<'p>) -> &mut Child<'p> {
        let at = match self.places.get(name) {
            Some(at) => *at,
            None => {
                self.children.push((name.to_vec(), new()));
                self.places.insert(name.to_vec(), self.children.len() - 1);
                self.children.len() - 1
            }
        };
        &mut self.children[at].1
    }

    /// Returns the object at the end of a path, which is made if it is missing; `None` if a row is on the way.
    fn descend(&mut self, path: &[impl AsRef<[u8]>]) -> Option<&mut Self> {
        let mut table = self;
        for part in path {
            table = match table.child_mut(part.as_ref(), || Child::Table(Table::default())) {
                Child::Table(table) => table,
                Child::Row(_) => return None,
            };
        }
        Some(table)
    }
}

/// Returns the name of an option as it is in a document, without the quotes of keys.
pub fn name_of(option: OptionView<'_>) -> Cow<'_, [u8]> {
    key_part::unquote(option.name()).unwrap_or(Cow::Borrowed(option.name()))
}

/// The root of a package, and why it is not all of it, if that is so.
pub struct Wanted<'p> {
    pub root: Table<'p>,
    pub refused: Option<Error>,
}

/// Makes the tree of a package. `names` makes sections of the anonymous ones, under their generated names.
pub fn wanted<'p>(package: &'p Package, names: bool) -> Wanted<'p> {
    let mut root = Table::default();
    let mut refused = None;
    for section in package.sections() {
        if let Err(why) = enter(&mut root, section, names) {
            let key = [package.name(), b".", section.name()].concat();
            refused.get_or_insert_with(|| Error::invalid(&key, why));
        }
    }
    if refused.is_none() {
        refused = clash(&root, package.name());
    }
    Wanted { root, refused }
}

fn enter<'p>(
    root: &mut Table<'p>,
    section: Section<'p>,
    names: bool,
) -> std::result::Result<(), &'static str> {
    let is_row = section.is_anonymous() && !names;
    let path = if is_row { section.section_type() } else { section.name() };
    let parts = key_part::split(path)
        .map_err(|_| "a part of the name is empty or holds a special character: write it in double quotes")?;
    if !section.is_anonymous() && section.section_type() != section.name() {
        return Err(
            "in JSON and TOML the type of a section is its name; UCI text holds sections of other types",
        );
    }
    if !is_row {
        let table = root
            .descend(&parts)
            .ok_or("sections without a name have this type: JSON and TOML cannot hold both, UCI text can")?;
        if table.section.is_some() {
            return Err("there are two sections of this name: JSON and TOML cannot hold both, UCI text can");
        }
        table.section = Some(section);
        table.options = section.options().collect();
        return Ok(());
    }
    let (last, before) = parts.split_last().ok_or("the section has no type")?;
    let table = root.descend(before).ok_or(
        "its type begins with that of sections without a name: JSON and TOML cannot hold both, UCI text can",
    )?;
    match table.child_mut(last, || Child::Row(Vec::new())) {
        Child::Row(row) => row.push(section),
        Child::Table(_) => {
            return Err("a section has the name of its type: JSON and TOML cannot hold both, UCI text can");
        }
    }
    Ok(())
}

/// Returns the error for an object whose option has the name of a section in it.
fn clash(table: &Table<'_>, package: &[u8]) -> Option<Error> {
    let both = table.options.iter().find(|option| table.child(&name_of(**option)).is_some());
    if let Some(option) = both {
        let section = table.section.map(|section| section.name()).unwrap_or_default();
        let key = [package, b".", section, b".", option.name()].concat();
        return Some(Error::invalid(
            &key,
            "an option and a section have this name: JSON and TOML cannot hold both, UCI text can",
        ));
    }
    table.children.iter().find_map(|(_, child)| match child {
        Child::Table(table) => clash(table, package),
        Child::Row(_) => None,
    })
}

/// Reports whether two packages are the same document. Sections that are made by those in them do not count, and neither
/// does the order of names: see [`same_order`].
pub fn same(a: &Package, b: &Package) -> bool {
    let (a, b) = (wanted(a, false), wanted(b, false));
    a.refused.is_none() && b.refused.is_none() && same_table(&a.root, &b.root)
}

/// Reports whether the names of two packages that are the same document have the same order.
#[cfg(feature = "toml")]
pub fn same_order(a: &Package, b: &Package) -> bool {
    same_children_order(&wanted(a, false).root, &wanted(b, false).root)
}

#[cfg(feature = "toml")]
fn same_children_order(a: &Table<'_>, b: &Table<'_>) -> bool {
    a.children.iter().zip(&b.children).all(|((a_name, a), (b_name, b))| {
        a_name == b_name
            && match (a, b) {
                (Child::Table(a), Child::Table(b)) => same_children_order(a, b),
                _ => true,
            }
    })
}

fn same_table(a: &Table<'_>, b: &Table<'_>) -> bool {
    let same_child = |(name, a): &(Vec<u8>, Child<'_>)| match (a, b.child(name)) {
        (Child::Table(a), Some(Child::Table(b))) => same_table(a, b),
        (Child::Row(a), Some(Child::Row(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_options(a.options(), b.options()))
        }
        _ => false,
    };
    same_options(a.options.iter().copied(), b.options.iter().copied())
        && a.children.len() == b.children.len()
        && a.children.iter().all(same_child)
}

/// Reports whether two objects have the same options, in any order.
fn same_options<'a, 'b>(
    a: impl Iterator<Item = OptionView<'a>>,
    b: impl Iterator<Item = OptionView<'b>>,
) -> bool {
    let a: HashMap<&[u8], OptionView<'a>> = a.map(|option| (option.name(), option)).collect();
    let mut count = 0;
    let mut is_same = |option: OptionView<'b>| {
        count += 1;
        a.get(option.name()).is_some_and(|other| same_value(*other, option))
    };
    let all = b.into_iter().all(&mut is_same);
    all && count == a.len()
}

/// Reports whether two options have the same name, type and value.
pub fn same_option(a: OptionView<'_>, b: OptionView<'_>) -> bool {
    a.name() == b.name() && same_value(a, b)
}

/// Reports whether two options have the same type and value. All empty lists are the same.
pub fn same_value(a: OptionView<'_>, b: OptionView<'_>) -> bool {
    let is_empty = |value: Value<'_>| matches!(value, Value::List(list) if list.is_empty());
    (a.value_type() == b.value_type() && a.value() == b.value())
        || (is_empty(a.value()) && is_empty(b.value()))
}
