//! What is known of each key besides its value: type, size, access, the last change and its source.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use cms::log::{Kind, Record};
use cms::{OptionView, Section, clock, shown};
use serde_json::{Value as Json, json};

use crate::argument::show;
use crate::context::Context;
use crate::json;
use crate::records::Users;
use crate::shape::Shape;
use crate::zone;

/// What `cms show --verbose --json` prints of a key.
pub const ATTRIBUTES: Shape = Shape::of(
    "
    value value its value; of a section its type
    type text the type of the value: string, list, int, float, bool, null, int-list, float-list, bool-list or json
    size number how many bytes the value has; of a list, all items together
    access text read-write or read-only, for this user
    revision number|null the last transaction that changed it; null if the log does not have it
    time text|null when, in UTC
    user text|null who
    author text|null the author that the program gave, else the user
    source text|null through which program",
);

/// A section or an option, by the names that the log has.
type Name = (Vec<u8>, Option<Vec<u8>>);

/// The last changes of the keys of a package.
pub struct LastChanges {
    changes: HashMap<Name, Record>,
    users: Users,
    /// Whether this user may write the package.
    is_writable: bool,
}

/// The section of a package, or an option of it.
#[derive(Clone, Copy)]
pub struct Named<'p> {
    pub section: Section<'p>,
    pub option: Option<OptionView<'p>>,
}

impl LastChanges {
    /// Looks for the last change of each of these keys, in one pass over the log.
    pub fn of(context: &Context, package: &[u8], mut wanted: HashSet<Name>) -> Self {
        context.note_edits();
        let (name, mut changes) = (show(package), HashMap::new());
        let look = |record: Record| {
            let changed = record.package(&name).filter(|_| !matches!(record.kind, Kind::Heads));
            for change in changed.into_iter().flat_map(|changed| &changed.changes) {
                let key = (change.section.clone(), change.option.clone());
                if wanted.remove(&key) {
                    // The record without the changes, which may be many.
                    let mut kept = record.clone();
                    kept.packages.clear();
                    changes.insert(key, kept);
                }
            }
            Ok(if wanted.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        // Without a log, or with one that cannot be read, the changes are not known.
        let _ = context.store.history().each_transaction(look);
        let place = context.store.packages().find(package).ok();
        let is_writable =
            place.is_some_and(|place| rustix::fs::access(&*place.path, rustix::fs::Access::WRITE_OK).is_ok());
        Self { changes, users: Users::default(), is_writable }
    }

    fn access(&self) -> &'static str {
        if self.is_writable { "read-write" } else { "read-only" }
    }

    fn last(&self, named: Named<'_>) -> Option<&Record> {
        self.changes.get(&name_of(named))
    }

    /// Returns the attributes of a key as text.
    pub fn line(&mut self, named: Named<'_>) -> String {
        let last = self.last(named).cloned();
        let changed = last.map_or_else(String::new, |record| {
            let time = zone::show(record.time);
            let (author, source) = (self.users.author(&record).to_owned(), shown::text(&record.source));
            format!(
                ", changed {time} by {} through {source} in transaction {}",
                shown::text(author),
                record.sequence
            )
        });
        let bytes = size(named);
        format!(
            "{}, {bytes} byte{}, {}{changed}",
            type_of(named),
            if bytes == 1 { "" } else { "s" },
            self.access()
        )
    }

    /// Returns the attributes of a key as JSON.
    pub fn json(&mut self, named: Named<'_>) -> Json {
        let last = self.last(named).cloned();
        let value = match named.option {
            Some(option) => json::shown_value(named.section.package().name(), named.section, option),
            None => json::text(named.section.section_type()),
        };
        let last = last.as_ref();
        json!({"value": value, "type": type_of(named), "size": size(named), "access": self.access(),
            "revision": last.map(|last| last.sequence), "time": last.map(|last| clock::show(last.time)),
            "user": last.map(|last| self.users.name(last.uid).to_owned()),
            "author": last.map(|last| self.users.author(last).to_owned()),
            "source": last.map(|last| last.source.clone())})
    }
}

/// Returns the name by which the log has a key.
pub fn name_of(named: Named<'_>) -> Name {
    (named.section.name().to_vec(), named.option.map(|option| option.name().to_vec()))
}

fn type_of(named: Named<'_>) -> &'static str {
    named.option.map_or("section", |option| option.value_type().name())
}

fn size(named: Named<'_>) -> usize {
    match named.option {
        Some(option) => option.value().items().map(<[u8]>::len).sum(),
        None => named.section.section_type().len(),
    }
}
