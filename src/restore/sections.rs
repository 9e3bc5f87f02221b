//! Stable names of anonymous sections in records: `@rule[name=Allow-Ping]` instead of a generated name, which is another
//! one as soon as a section is added before it.

use std::collections::{HashMap, HashSet};

use crate::log::{self, Digest, KeyChange, PackageChange, Record, What};
use crate::model::package::{Package, Selector, Value};
use crate::restore::history::History;

/// Longer texts are not parsed for it, in bytes.
const LARGE: usize = 256 * 1024;

/// How often a text is made from the log; the others are made from the one before.
const MOST: u32 = 64;

/// The option whose value names a section.
const NAME: &[u8] = b"name";

/// Renames the sections of records. Show it the records newest first.
#[derive(Debug)]
pub struct SectionNames<'e> {
    history: History<'e>,
    /// The texts before the last records that were shown.
    texts: HashMap<String, Vec<u8>>,
    left: u32,
}

fn is_generated(section: &[u8]) -> bool {
    section.strip_prefix(b"cfg").is_some_and(|rest| rest.len() >= 6 && rest.iter().all(u8::is_ascii_hexdigit))
}

/// Returns the selector of an anonymous section, if its name is a plain word that no other section of its type has.
fn selector(package: &Package, name: &[u8]) -> Option<Vec<u8>> {
    let section = package.select(&Selector::Name(name.to_vec())).ok()??;
    let value = section.option(NAME).filter(|_| section.is_anonymous())?;
    let Value::String(value) = value.value() else { return None };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/ ".contains(byte);
    if value.is_empty() || !value.iter().all(is_plain) {
        return None;
    }
    let kind = section.section_type();
    let matching = Selector::Match(kind.to_vec(), NAME.to_vec(), value.to_vec());
    let found = package.select(&matching).ok()??;
    (found.name() == name).then(|| [b"@", kind, b"[name=", value, b"]"].concat())
}

impl<'e> SectionNames<'e> {
    pub(crate) fn of(history: History<'e>) -> Self {
        Self { history, texts: HashMap::new(), left: MOST }
    }

    /// Gives the sections of a record their stable names, where they have one.
    pub fn rename(&mut self, record: &mut Record) {
        let sequence = record.sequence;
        for change in &mut record.packages {
            let generated: HashSet<Vec<u8>> = change
                .changes
                .iter()
                .filter(|one| is_generated(&one.section))
                .map(|one| one.section.clone())
                .collect();
            if generated.is_empty() && !self.texts.contains_key(&change.package) {
                continue;
            }
            let Some(after) = self.text_after(change, sequence, !generated.is_empty()) else { continue };
            let before = log::revert(&after, &change.hunks);
            let is_deletion = |one: &&KeyChange| one.option.is_none() && matches!(one.what, What::Deleted(_));
            let deleted: HashSet<&[u8]> =
                change.changes.iter().filter(is_deletion).map(|one| &*one.section).collect();
            // A section that was deleted is only in the text before; another one may have its generated name after.
            let (gone, there): (Vec<&Vec<u8>>, Vec<&Vec<u8>>) =
                generated.iter().partition(|section| deleted.contains(section.as_slice()));
            let mut names: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
            self.find(&change.package, &after, &there, &mut names);
            if let Some(before) = &before {
                self.find(&change.package, before, &gone, &mut names);
            }
            for one in &mut change.changes {
                if let Some(name) = names.get(&one.section) {
                    one.section.clone_from(name);
                }
            }
            if let Some(before) = before {
                self.texts.insert(change.package.clone(), before);
            }
        }
    }

    /// Returns the text after a change, from the one before the next change or from the log.
    fn text_after(&mut self, change: &PackageChange, sequence: u64, is_needed: bool) -> Option<Vec<u8>> {
        let known = self.texts.remove(&change.package);
        if let Some(text) = known.filter(|text| Digest::of(text) == change.after) {
            return Some(text);
        }
        if !is_needed || self.left == 0 || change.unknown {
            return None;
        }
        self.left -= 1;
        match change.deleted {
            true => Some(Vec::new()),
            false => self.history.text_at(&change.package, sequence).ok().flatten(),
        }
    }

    fn find(&self, package: &str, text: &[u8], wanted: &[&Vec<u8>], names: &mut HashMap<Vec<u8>, Vec<u8>>) {
        let place = self.history.core.packages.in_config(package);
        if text.len() > LARGE || wanted.is_empty() {
            return;
        }
        let Ok((parsed, _)) = self.history.core.packages.parse(&place, text.to_vec()) else { return };
        for &name in wanted {
            if let Some(selector) = selector(&parsed, name) {
                names.entry(name.clone()).or_insert(selector);
            }
        }
    }
}
