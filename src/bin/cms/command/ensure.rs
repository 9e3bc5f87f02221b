//! `cms ensure`: sets and commits what is not so already: values, lists, items of lists, and what must not be there.

use cms::{DeltaKind, Key, Loaded, Package, Value, ValueType};
use serde_json::json;

use crate::argument::show;
use crate::context::{Context, Found, find};
use crate::difference::staged_difference;
use crate::edits::{Edits, Goal, note_made};
use crate::failure::{Exit, Failure};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, FlagValues, Writes, bytes, many, switch, with_staged};
use crate::typed::{self, read_type};

#[derive(Default)]
pub struct Flags {
    absent: Vec<Vec<u8>>,
    list: bool,
    value_type: Option<Vec<u8>>,
    check: bool,
    no_commit: bool,
    with_staged: bool,
    diff: bool,
    exit_code: bool,
}

impl FlagValues for Flags {
    fn only_check(&self) -> bool {
        self.check
    }
}

pub const COMMAND: Command<Flags> = Command {
    name: "ensure",
    aliases: &[],
    arguments: "[KEY=VALUE | KEY+=ITEM | KEY-=ITEM]...",
    summary: "set and commit what differs; says whether anything changed. += is an item that a list must have, \
              -= one that it must not have",
    flags: &[
        many(
            "absent",
            "KEY",
            "an option or section that must not be there; may be repeated",
            |flags: &mut Flags| &mut flags.absent,
        ),
        switch("list", "all values of a KEY are its list, in this order", |flags: &mut Flags| {
            &mut flags.list
        }),
        bytes("type", "TYPE", "what the values are, as with 'cms set --type'", |flags: &mut Flags| {
            &mut flags.value_type
        }),
        switch("check", "change nothing, only say what would change", |flags: &mut Flags| &mut flags.check),
        switch("no-commit", "stage only", |flags: &mut Flags| &mut flags.no_commit),
        with_staged(|flags: &mut Flags| &mut flags.with_staged),
        switch("diff", "show the difference", |flags: &mut Flags| &mut flags.diff),
        switch("exit-code", "exit 1 if something was or would be changed", |flags: &mut Flags| {
            &mut flags.exit_code
        }),
    ],
    writes: Writes::InTransactions,
    json: &[Output::one(&ENSURED)],
    run,
};

/// What was ensured.
const ENSURED: Shape = Shape::of(
    "
    changed boolean whether any value was changed
    keys {boolean} whether the value of each KEY was changed
    diff text with --diff the difference of the files, line by line, else empty",
);

/// What must be so of a key.
enum Wish {
    /// An option has this string, or a section this type.
    Is(Vec<u8>),
    List(Vec<Vec<u8>>),
    Has(Vec<u8>),
    HasNot(Vec<u8>),
    Absent,
}

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let flags = &call.flags;
    let wishes = wishes(flags, &call.arguments)?;
    let value_type = read_type(flags.value_type.as_deref())?;
    if wishes.is_empty() {
        call.expect(1, usize::MAX)?;
    }
    let mut edits = Edits::new(Goal::of(!flags.no_commit, flags.with_staged)?);
    let mut report = Vec::new();
    let check = flags.check || context.dry_run;
    context.dry_run = check;
    for (key, wish) in wishes {
        let mut changed = fulfil(context, &mut edits, &key, (&wish, value_type))?;
        // A staged value that this command commits is not in the file yet, and counts as changed.
        if edits.goal() != Goal::Stage {
            let loaded = &edits.package(context, &key.package)?.loaded;
            changed = changed || is_pending(context, loaded, &key)?;
        }
        report.push((key.text(), changed));
    }
    let mut difference = String::new();
    if flags.diff {
        for edited in edits.packages() {
            difference.push_str(&staged_difference(context, &edited.loaded)?);
        }
    }
    let changed = report.iter().any(|(_, changed)| *changed);
    let made = edits.note_new(context);
    let revision = edits.finish_silently(context)?;
    note_made(context, &made, revision);
    if context.json {
        let keys: serde_json::Map<_, _> =
            report.into_iter().map(|(key, changed)| (key, changed.into())).collect();
        context.put_json(&json!({"changed": changed, "keys": keys, "diff": difference}))?;
    } else {
        for (key, changed) in report {
            let word = match (changed, check) {
                (false, _) => "unchanged",
                (true, false) => "changed",
                (true, true) => "would change",
            };
            context.print_line(&format!("{word} {key}"))?;
        }
        context.put(difference.as_bytes())?;
    }
    Ok(if changed && flags.exit_code { Exit::NotFound } else { Exit::Ok })
}

/// Reads the arguments.
fn wishes(flags: &Flags, arguments: &[Vec<u8>]) -> Result<Vec<(Key, Wish)>, Failure> {
    let mut wishes: Vec<(Key, Wish)> = Vec::new();
    for argument in arguments {
        let (key, wish) = wish(argument)?;
        let (true, Wish::Is(item)) = (flags.list, &wish) else {
            wishes.push((key, wish));
            continue;
        };
        match wishes.iter_mut().find(|(other, wish)| *other == key && matches!(wish, Wish::List(_))) {
            Some((_, Wish::List(items))) => items.push(item.clone()),
            _ => wishes.push((key, Wish::List(vec![item.clone()]))),
        }
    }
    for key in &flags.absent {
        wishes.push((Key::parse(key)?, Wish::Absent));
    }
    Ok(wishes)
}

/// Reads `KEY=VALUE`, `KEY+=ITEM` or `KEY-=ITEM`. The sign is no part of the key: a name that ends with one is in quotes.
fn wish(argument: &[u8]) -> Result<(Key, Wish), Failure> {
    let signs =
        (0..argument.len().saturating_sub(1)).filter(|at| matches!(&argument[*at..*at + 2], b"+=" | b"-="));
    let item = |at: usize| {
        let key = Key::parse(&argument[..at]).ok().filter(|key| key.section.is_some())?;
        let item = argument[at + 2..].to_vec();
        Some((key, if argument[at] == b'+' { Wish::Has(item) } else { Wish::HasNot(item) }))
    };
    if let Some(wish) = signs.into_iter().find_map(item) {
        return Ok(wish);
    }
    match Key::parse_assignment(argument)? {
        (key, Some(b"")) if key.option.is_none() => {
            let why = format!(
                "'{}': a type is missing; '--absent {}' deletes the section",
                show(argument),
                key.text()
            );
            Err(Failure::Usage(why))
        }
        (key, Some(value)) => Ok((key, Wish::Is(value.to_vec()))),
        (_, None) => {
            let why = format!("'{}': '=VALUE', '+=ITEM' or '-=ITEM' is missing", show(argument));
            Err(Failure::Usage(why))
        }
    }
}

/// Makes it so. Returns whether something had to change.
fn fulfil(
    context: &mut Context,
    edits: &mut Edits,
    key: &Key,
    (wish, value_type): (&Wish, Option<ValueType>),
) -> Result<bool, Failure> {
    let package = &edits.package(context, &key.package)?.loaded.package;
    let found = find(package, key).ok();
    let now: Option<(bool, Vec<Vec<u8>>)> = match found {
        Some(Found::Option(_, option)) => {
            let is_list = matches!(option.value(), Value::List(_));
            Some((is_list, option.value().items().map(<[u8]>::to_vec).collect()))
        }
        _ => None,
    };
    let is_there = matches!(found, Some(Found::Option(..) | Found::Section(_)));
    if let (Wish::Is(value), Some(list_type)) = (wish, value_type.filter(|wanted| wanted.is_list())) {
        return typed::set(context, edits, key, value, Some(list_type));
    }
    let item_type = value_type.map(ValueType::of_items);
    let mut make = |kind, value: Option<&[u8]>| {
        edits.apply_typed(context, kind, key, (value, item_type.filter(|_| value.is_some())))
    };
    match (wish, now) {
        (Wish::Is(_), Some((true, items))) => Err(is_list(key, &items)),
        (Wish::Is(value), _) => make(DeltaKind::Set, Some(value)),
        (Wish::List(items), Some((true, now))) if *items == now => Ok(false),
        (Wish::List(items), now) => {
            if now.is_some() {
                make(DeltaKind::Delete, None)?;
            }
            for item in items {
                make(DeltaKind::AddList, Some(item))?;
            }
            Ok(true)
        }
        (Wish::Has(item), Some((false, now))) => Err(is_string(key, &now, item)),
        (Wish::Has(item), Some((true, now))) if now.contains(item) => Ok(false),
        (Wish::Has(item), _) => make(DeltaKind::AddList, Some(item)),
        (Wish::HasNot(item), Some((is_list, now))) if now.contains(item) => match is_list {
            true => make(DeltaKind::DelList, Some(item)),
            false => make(DeltaKind::Delete, None),
        },
        (Wish::Absent, _) if is_there => make(DeltaKind::Delete, None),
        (Wish::Absent, _) if key.section.is_none() => {
            let why = format!("'{}' is a package: 'cms delete --commit' deletes it", key.text());
            Err(Failure::Usage(why))
        }
        (Wish::HasNot(_) | Wish::Absent, _) => Ok(false),
    }
}

/// Returns the error that a list is not to become a string.
fn is_list(key: &Key, items: &[Vec<u8>]) -> Failure {
    let key = key.text();
    let items: Vec<String> = items.iter().map(cms::shown::quoted).collect();
    let why = format!("{key}: it is a list, {}; nothing is changed", items.join(" "));
    let hint = format!(
        "{key}+=ITEM and {key}-=ITEM are about one item, --list {key}=ITEM about the whole list; 'cms set' makes it a string"
    );
    Failure::Hinted(Exit::Invalid, why, hint)
}

/// Returns the error that a string is not to become a list.
fn is_string(key: &Key, now: &[Vec<u8>], item: &[u8]) -> Failure {
    let (key, now) = (key.text(), now.first().map_or_else(String::new, cms::shown::quoted));
    let why = format!("{key}: it is a string, {now}; nothing is changed");
    let hint = format!(
        "{key}=VALUE sets it, --list {key}={} makes it a list; 'cms add_list' keeps its value as the first item",
        show(item)
    );
    Failure::Hinted(Exit::Invalid, why, hint)
}

/// Reports whether staged changes of the package concern the section or option that a key names.
fn is_pending(context: &Context, loaded: &Loaded, key: &Key) -> Result<bool, Failure> {
    if loaded.changes.is_empty() {
        return Ok(false);
    }
    let committed = context.store.packages().load_committed_or_new(loaded.place.clone())?.package;
    let key = loaded.package.settle(key.clone())?;
    let Some(selector) = &key.section else { return Ok(false) };
    let wanted = loaded.package.select(selector)?.map(|section| section.name());
    let there = |package: &Package| -> Option<Vec<Vec<u8>>> {
        let section = package.section(wanted?)?;
        Some(match &key.option {
            None => vec![section.section_type().to_vec()],
            Some(option) => section.get(option)?.items().map(<[u8]>::to_vec).collect(),
        })
    };
    Ok(there(&committed) != there(&loaded.package))
}
