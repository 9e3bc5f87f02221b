//! Bases of staged changes. The base of a key is the committed value at the time when the key was staged first.
//!
//! A commit of staged changes compares the bases with the values that are committed now. If another user has changed a
//! key in between, with an editor or by a commit, its value is neither the base nor the staged one, and the commit is
//! refused. Appending to lists, removing items by value, and adding and moving sections are compatible with any other
//! change. Deleting a section conflicts with any change in it.
//!
//! `file` is the text that holds the bases of a delta file, `beside` the file with this text. This module itself uses
//! no files.

mod beside;
pub(crate) mod file;

use std::collections::BTreeMap;

use crate::log::Content;
use crate::log::key_path::{KeyPath as Key, content};
use crate::model::change::{Delta, DeltaKind};
use crate::model::package::{Package, Section};

/// The committed content of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BaseContent {
    /// The value of an option or the type of a section; `None` if it was not there.
    Value(Option<Content>),
    /// A whole section, for a change that deletes it: its type, and its options.
    Section(Vec<u8>, Vec<(Vec<u8>, Content)>),
}

/// The base of a key, with the time and the user of the first staged change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    pub was: BaseContent,
    /// The last transaction at that time; 0 without a log.
    pub revision: u64,
    pub uid: u32,
}

/// The bases of the staged changes of one package, by key. The names are those of the committed package.
pub(crate) type Bases = BTreeMap<Key, Base>;

/// A key that another user has changed since it was staged.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Disagreement {
    pub key: Key,
    /// The committed content when it was staged.
    pub base: Option<Content>,
    /// The committed content now.
    pub is: Option<Content>,
    /// The staged content.
    pub staged: Option<Content>,
    pub revision: u64,
    /// The user who has staged the key.
    pub uid: u32,
}

/// The names that the sections of staged changes have in the committed package.
#[derive(Debug, Default)]
struct Names {
    changed: Vec<Renamed>,
}

/// A section that a staged change has added or renamed.
#[derive(Debug)]
struct Renamed {
    /// The name after the changes so far.
    now: Vec<u8>,
    /// The name in the committed package; `None` for a section that an `add` has made.
    committed: Option<Vec<u8>>,
}

impl Names {
    /// Returns the key that a change concerns, in the committed package; `None` if the change is compatible with any
    /// other.
    fn key(&self, delta: &Delta) -> Option<Key> {
        match delta.kind {
            DeltaKind::Set | DeltaKind::Delete | DeltaKind::Rename => {}
            DeltaKind::Add | DeltaKind::Reorder | DeltaKind::AddList | DeltaKind::DelList => return None,
        }
        let found = self.changed.iter().find(|renamed| renamed.now == delta.section);
        let section = found.map_or(Some(&delta.section), |renamed| renamed.committed.as_ref())?;
        Some((section.clone(), delta.option.clone()))
    }

    fn follow(&mut self, delta: &Delta) {
        match (delta.kind, &delta.option, &delta.value) {
            (DeltaKind::Add, None, _) => {
                self.changed.retain(|renamed| renamed.now != delta.section);
                self.changed.push(Renamed { now: delta.section.clone(), committed: None });
            }
            (DeltaKind::Rename, None, Some(name)) => {
                let at = self.changed.iter().position(|renamed| renamed.now == delta.section);
                let committed = match at {
                    Some(at) => self.changed.remove(at).committed,
                    None => Some(delta.section.clone()),
                };
                self.changed.push(Renamed { now: name.clone(), committed });
            }
            _ => {}
        }
    }

    /// Returns the name of a committed section after the changes.
    fn now<'n>(&'n self, committed: &'n [u8]) -> &'n [u8] {
        let found = self.changed.iter().find(|renamed| renamed.committed.as_deref() == Some(committed));
        found.map_or(committed, |renamed| &renamed.now)
    }
}

/// A key that needs a base.
#[derive(Debug)]
pub(crate) struct Needed {
    /// The position of the change that stages the key first, among the new changes.
    pub index: usize,
    pub key: Key,
    pub was: BaseContent,
}

/// Returns the bases that the `new` changes need, which are staged after the `staged` ones. A key that has a base
/// keeps it.
pub(crate) fn needed(staged: &[Delta], known: &Bases, new: &[Delta], committed: &Package) -> Vec<Needed> {
    let mut names = Names::default();
    staged.iter().for_each(|delta| names.follow(delta));
    let mut needed: Vec<Needed> = Vec::new();
    for (index, delta) in new.iter().enumerate() {
        if let Some(key) = names.key(delta) {
            let was = match committed.section(&key.0).filter(|_| deletes_section(delta)) {
                Some(section) => whole(section),
                None => BaseContent::Value(content(committed, &key)),
            };
            let is_enough =
                |known: &BaseContent| !deletes_section(delta) || matches!(known, BaseContent::Section(..));
            let has = known.get(&key).is_some_and(|base| is_enough(&base.was))
                || needed.iter().any(|other| other.key == key && is_enough(&other.was));
            if !has {
                needed.push(Needed { index, key, was });
            }
        }
        names.follow(delta);
    }
    needed
}

/// Returns the keys that were changed since they were staged. `committed` is the present package, `result` the
/// package with the staged changes.
pub(crate) fn disagreements(
    staged: &[Delta],
    bases: &Bases,
    committed: &Package,
    result: &Package,
) -> Vec<Disagreement> {
    let mut names = Names::default();
    let mut last: Vec<(Key, &Delta)> = Vec::new();
    for delta in staged {
        if let Some(key) = names.key(delta).filter(|key| bases.contains_key(key)) {
            last.retain(|(other, _)| *other != key);
            last.push((key, delta));
        }
        names.follow(delta);
    }
    let wanted = |key: &Key, delta: &Delta| match (delta.kind, &delta.value) {
        (DeltaKind::Set, Some(value)) => Some(Content::String(value.clone())).filter(|_| !value.is_empty()),
        (DeltaKind::Delete, None) => None,
        _ => content(result, &(names.now(&key.0).to_vec(), key.1.clone())),
    };
    last.into_iter()
        .filter_map(|(key, delta)| {
            let base = bases.get(&key)?;
            disagreement(&key, base, committed, wanted(&key, delta))
        })
        .collect()
}

fn disagreement(
    key: &Key,
    base: &Base,
    committed: &Package,
    staged: Option<Content>,
) -> Option<Disagreement> {
    let disagreement = |key: Key, was: Option<Content>, is: Option<Content>, staged| {
        let (revision, uid) = (base.revision, base.uid);
        Some(Disagreement { key, base: was, is, staged, revision, uid })
    };
    match &base.was {
        BaseContent::Value(was) => {
            let is = content(committed, key);
            if is == *was || is == staged {
                return None;
            }
            disagreement(key.clone(), was.clone(), is, staged)
        }
        BaseContent::Section(kind, options) => {
            // If the section is missing, another user has deleted it as well, which is no conflict.
            let section = committed.section(&key.0)?;
            if section.section_type() != kind {
                let was = Some(Content::String(kind.clone()));
                return disagreement(key.clone(), was, content(committed, key), staged);
            }
            let (option, was, is) = first_difference(section, options)?;
            disagreement((key.0.clone(), Some(option)), was, is, None)
        }
    }
}

/// Returns the first option whose content has changed: its name, its content before, and its content now.
fn first_difference(
    section: Section<'_>,
    options: &[(Vec<u8>, Content)],
) -> Option<(Vec<u8>, Option<Content>, Option<Content>)> {
    let was = |name: &[u8]| options.iter().find(|(other, _)| other == name).map(|(_, was)| was.clone());
    let is = |name: &[u8]| section.get(name).map(Content::of);
    let there = section.options().map(|option| option.name().to_vec());
    let gone = options.iter().map(|(name, _)| name.clone());
    there
        .chain(gone)
        .map(|name| (was(&name), is(&name), name))
        .find_map(|(was, is, name)| (was != is).then_some((name, was, is)))
}

fn whole(section: Section<'_>) -> BaseContent {
    let options = section.options().map(|option| (option.name().to_vec(), Content::of(option.value())));
    BaseContent::Section(section.section_type().to_vec(), options.collect())
}

fn deletes_section(delta: &Delta) -> bool {
    let deletes = match delta.kind {
        DeltaKind::Delete => true,
        DeltaKind::Set => delta.value.as_ref().is_some_and(Vec::is_empty),
        _ => false,
    };
    deletes && delta.option.is_none()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::format::uci::{Dialect, ParseOptions, parse};

    fn package(text: &str) -> Package {
        parse(b"p", Arc::new(text.as_bytes().to_vec()), &ParseOptions::default()).expect("reads").package
    }

    fn set(section: &str, option: &str, value: &str) -> Delta {
        Delta::new(DeltaKind::Set, section.as_bytes(), Some(option.as_bytes()), Some(value.as_bytes()))
    }

    /// Stages changes in one state and compares them with another; returns the keys in conflict.
    fn at_odds(then: &str, staged: &[Delta], now: &str) -> Vec<String> {
        let (then, now) = (package(then), package(now));
        let bases: Bases = needed(&[], &Bases::new(), staged, &then)
            .into_iter()
            .map(|needed| (needed.key, Base { was: needed.was, revision: 0, uid: 0 }))
            .collect();
        let mut result = now.clone();
        for delta in staged {
            let _ = result.apply(delta, Dialect::Cms);
        }
        let name = |found: Disagreement| {
            let option = found.key.1.map(|option| format!(".{}", crate::error::shown::name(&option)));
            crate::error::shown::name(&found.key.0) + &option.unwrap_or_default()
        };
        disagreements(staged, &bases, &now, &result).into_iter().map(name).collect()
    }

    const OLD: &str = "config a b\n\toption x 1\n\toption y 1\n\tlist l 1\n";

    #[test]
    fn only_a_value_that_is_neither_the_base_nor_the_staged_one_is_at_odds() {
        let staged = [set("b", "x", "2"), set("b", "new", "1")];
        assert_eq!(at_odds(OLD, &staged, OLD), [""; 0]);
        assert_eq!(at_odds(OLD, &staged, &OLD.replace("y 1", "y 9")), [""; 0]);
        assert_eq!(at_odds(OLD, &staged, &OLD.replace("x 1", "x 2")), [""; 0]);
        assert_eq!(at_odds(OLD, &staged, &OLD.replace("x 1", "x 3")), ["b.x"]);
        assert_eq!(at_odds(OLD, &staged, &OLD.replace("\toption x 1\n", "")), ["b.x"]);
        assert_eq!(at_odds(OLD, &staged, &format!("{OLD}\toption new 7\n")), ["b.new"]);
        assert_eq!(at_odds(OLD, &staged, ""), ["b.x"], "what was not there, and is not, is as it was");
    }

    #[test]
    fn items_and_added_sections_are_never_at_odds_and_a_deleted_section_is_with_all_that_is_in_it() {
        let item = |kind| Delta::new(kind, b"b", Some(b"l"), Some(b"1"));
        let added = Delta::new(DeltaKind::Add, b"cfg01", None, Some(b"a"));
        let staged = [item(DeltaKind::AddList), item(DeltaKind::DelList), added, set("cfg01", "x", "1")];
        assert_eq!(at_odds(OLD, &staged, &format!("{OLD}\tlist l 7\nconfig a\n\toption x 5\n")), [""; 0]);
        let deleted = [Delta::new(DeltaKind::Delete, b"b", None, None)];
        assert_eq!(at_odds(OLD, &deleted, OLD), [""; 0]);
        assert_eq!(at_odds(OLD, &deleted, ""), [""; 0]);
        assert_eq!(at_odds(OLD, &deleted, &OLD.replace("list l 1", "list l 2")), ["b.l"]);
        assert_eq!(at_odds(OLD, &deleted, &format!("{OLD}\toption z 1\n")), ["b.z"]);
        assert_eq!(at_odds(OLD, &deleted, &OLD.replace("config a", "config c")), ["b"]);
    }

    #[test]
    fn a_section_that_is_renamed_is_the_same_section() {
        let staged = [Delta::new(DeltaKind::Rename, b"b", None, Some(b"c")), set("c", "x", "2")];
        assert_eq!(at_odds(OLD, &staged, OLD), [""; 0]);
        assert_eq!(at_odds(OLD, &staged, &OLD.replace("x 1", "x 2")), [""; 0]);
        assert_eq!(at_odds(OLD, &staged, &OLD.replace("x 1", "x 3")), ["b.x"]);
    }

    #[test]
    fn a_key_keeps_its_first_base() {
        let committed = package(OLD);
        let first = needed(&[], &Bases::new(), &[set("b", "x", "2"), set("b", "x", "3")], &committed);
        assert_eq!(first.len(), 1);
        let Needed { key, was, .. } = first.into_iter().next().expect("one");
        let known = Bases::from([(key, Base { was, revision: 1, uid: 0 })]);
        assert!(needed(&[set("b", "x", "2")], &known, &[set("b", "x", "4")], &committed).is_empty());
    }
}
