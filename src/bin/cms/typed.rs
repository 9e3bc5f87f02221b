//! Types of values on the command line: `--type`, and the conditions of `cms set`.

use cms::{Expected, Key, Store, Transaction, ValueType};

use crate::argument::show;
use crate::context::{Context, Found, find};
use crate::edits::{Edits, set_list};
use crate::failure::{Exit, Failure};
use crate::secrets;

/// Reads the value of `--type`.
pub fn read_type(name: Option<&[u8]>) -> Result<Option<ValueType>, Failure> {
    let Some(name) = name else { return Ok(None) };
    let known = ValueType::of_name(name).map(Some);
    known.ok_or_else(|| {
        let names: Vec<&str> = ValueType::ALL.into_iter().map(ValueType::name).collect();
        Failure::Usage(format!("'{}' is no type: it is one of {}", show(name), names.join(", ")))
    })
}

/// Sets an option to a value, or makes a section. A list is given as a list in JSON: `[1, 2]`.
pub fn set(
    context: &mut Context,
    edits: &mut Edits,
    key: &Key,
    value: &[u8],
    value_type: Option<ValueType>,
) -> Result<bool, Failure> {
    match value_type.filter(|value_type| value_type.is_list()) {
        Some(list_type) => {
            let before = edits.package(context, &key.package)?.deltas.len();
            set_list(context, edits, key, &items(key, value)?, list_type)?;
            Ok(edits.package(context, &key.package)?.deltas.len() > before)
        }
        None => edits.apply_typed(context, cms::DeltaKind::Set, key, (Some(value), value_type)),
    }
}

/// Reads a list in JSON.
fn items(key: &Key, value: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let items: Vec<serde_json::Value> = serde_json::from_slice(value).map_err(|error| {
        let why = format!("{}: '{}' is no list in JSON: {error}", key.text(), show(value));
        Failure::Hinted(Exit::Invalid, why, "a list is written as in '[1, 2]' or '[\"a\", \"b\"]'".into())
    })?;
    let text = |item: serde_json::Value| match item {
        serde_json::Value::String(text) => text.into_bytes(),
        other => other.to_string().into_bytes(),
    };
    Ok(items.into_iter().map(text).collect())
}

/// What `--if-value`, `--if-missing` and `--if-revision` ask for.
#[derive(Default)]
pub struct Conditions {
    pub value: Option<Vec<u8>>,
    pub is_missing: bool,
    pub revision: Option<String>,
}

impl Conditions {
    /// Reports whether there is a condition.
    pub fn is_some(&self) -> bool {
        self.value.is_some() || self.is_missing || self.revision.is_some()
    }

    /// Fails unless all conditions hold for a key, as `--dry-run` has to say.
    pub fn check(&self, context: &mut Context, edits: &mut Edits, key: &Key) -> Result<(), Failure> {
        let package = &edits.package(context, &key.package)?.loaded.package;
        let mut names = None;
        let found = match find(package, key) {
            Ok(Found::Option(section, option)) => {
                names = Some((section.name().to_vec(), option.name().to_vec()));
                let text = match option.value() {
                    cms::Value::String(text) => Some(text.to_vec()),
                    cms::Value::List(_) => None,
                };
                Some((text, option.value_type()))
            }
            Ok(Found::Section(section)) => Some((Some(section.section_type().to_vec()), ValueType::String)),
            _ => None,
        };
        let found = found.as_ref().map(|(text, value_type)| (text.as_deref(), *value_type));
        let show = |value: &[u8]| match &names {
            Some((section, option)) => secrets::shown(&key.package, section, option, value).quoted(),
            // The type of a section is no secret.
            None => secrets::plain(value).quoted(),
        };
        let wanted = self.value.as_deref().map(Expected::Value);
        let missing = self.is_missing.then_some(Expected::Missing);
        let unmet = wanted.into_iter().chain(missing).find_map(|expected| expected.mismatch(found, &show));
        if let Some(why) = unmet {
            return Err(cms::Error::Conflict { key: key.text(), why }.into());
        }
        match &self.revision {
            Some(revision) => check_revision(context, key, revision),
            None => Ok(()),
        }
    }
}

/// Commits a change in a transaction, and repeats it as long as other transactions come first: one of them has been
/// committed each time. Returns what the change returns, and the number of the transaction.
pub fn repeat<R>(
    context: &mut Context,
    mut change: impl FnMut(&mut Transaction) -> cms::Result<R>,
) -> Result<(R, u64), Failure> {
    const TRIES: u32 = 10_000;
    let store = Store::open(context.store.options().clone())?;
    let mut tried = 0;
    loop {
        let mut txn = store.begin()?;
        let result = change(&mut txn)?;
        tried += 1;
        match txn.commit() {
            Err(cms::Error::Conflict { .. }) if tried < TRIES => {
                store.refresh()?;
                // Several processes do not go on in step.
                let step = u64::from(std::process::id() % 17 + tried % 13) * u64::from(tried.min(8));
                std::thread::sleep(std::time::Duration::from_micros(step * 20));
            }
            committed => {
                context.forget();
                return Ok((result, committed?));
            }
        }
    }
}

/// A change of a key under conditions.
pub struct Change<'c> {
    pub key: Key,
    pub value: &'c [u8],
}

impl Conditions {
    /// Makes changes if the conditions hold for each of their keys, and commits them. Returns the number of the
    /// transaction.
    pub fn commit(
        &self,
        context: &mut Context,
        changes: &[Change<'_>],
        value_type: Option<ValueType>,
    ) -> Result<u64, Failure> {
        let revision =
            self.revision.as_deref().map(|revision| context.find_revision(revision)).transpose()?;
        let expected = [
            self.value.as_deref().map(Expected::Value),
            self.is_missing.then_some(Expected::Missing),
            revision.map(Expected::Revision),
        ];
        let mut lists = Vec::new();
        for Change { key, value } in changes {
            let is_list = value_type.is_some_and(ValueType::is_list);
            lists.push(if is_list { items(key, value)? } else { Vec::new() });
        }
        let made = repeat(context, |txn| {
            for (Change { key, value }, list) in changes.iter().zip(&lists) {
                let key = key.text();
                for expected in expected.iter().flatten() {
                    txn.expect(key.as_bytes(), *expected)?;
                }
                match value_type {
                    None => txn.set(key.as_bytes(), value)?,
                    Some(list_type) if list_type.is_list() => {
                        let items: Vec<&[u8]> = list.iter().map(Vec::as_slice).collect();
                        txn.set_list_typed(key.as_bytes(), &items, list_type)?;
                    }
                    Some(value_type) => txn.set_typed(key.as_bytes(), value, value_type)?,
                }
            }
            Ok(())
        });
        Ok(made?.1)
    }
}

/// Fails if a transaction after a revision has changed a key.
fn check_revision(context: &mut Context, key: &Key, revision: &str) -> Result<(), Failure> {
    context.note_edits();
    let revision = context.find_revision(revision)?;
    let section = match context.load_good(&key.package) {
        Ok(loaded) => match &key.section {
            Some(selector) => loaded.package.select(selector)?.map(|section| section.name().to_vec()),
            None => None,
        },
        Err(_) => None,
    };
    let named = match &key.section {
        Some(cms::Selector::Name(name)) => Some(name.clone()),
        _ => None,
    };
    let Some(section) = section.or(named) else { return Ok(()) };
    let last = context.store.history().last_change(
        revision,
        &show(&key.package),
        &section,
        key.option.as_deref(),
    )?;
    match last {
        None => Ok(()),
        Some(later) => {
            let why = format!("transaction {} has changed it, after {revision}", later.sequence);
            Err(cms::Error::Conflict { key: key.text(), why }.into())
        }
    }
}
