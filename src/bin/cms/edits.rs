//! The changes that a command makes to packages, from the first key to the end: the command stages them, commits them
//! at once, or hands them to its batch (see [`crate::gather`]).

use cms::text::Dialect;
use cms::{Delta, DeltaKind, Error, Form, Key, Loaded, Package, Place, Selector, Unstaged, ValueType};

use crate::argument::show;
use crate::context::{Context, find};
use crate::failure::{Exit, Failure};
use crate::flat;
use crate::near;
use crate::schema::checked::check_staged;
use crate::shape::Shape;
use crate::spec::{Flag, FlagValues, commit as commit_flag, with_staged};
use crate::staged::{STAGED, describe, report_outcome, staged_json};
use serde_json::json;

/// The options of commands that change packages key by key.
#[derive(Default)]
pub struct Flags {
    pub commit: bool,
    pub with_staged: bool,
}

impl FlagValues for Flags {}

impl Flags {
    pub fn goal(&self) -> Result<Goal, Failure> {
        Goal::of(self.commit, self.with_staged)
    }
}

/// See [`Flags`].
pub const FLAGS: &[Flag<Flags>] =
    &[commit_flag(|flags| &mut flags.commit), with_staged(|flags| &mut flags.with_staged)];

/// The use that a command makes of its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// They are staged.
    Stage,
    /// They are committed at once, as one transaction. Staged changes stay staged, and are not read.
    Commit,
    /// They are committed at once, after the staged changes of the same packages.
    CommitWithStaged,
}

impl Goal {
    /// Returns the goal that the options `--commit` and `--with-staged` set.
    pub fn of(commits: bool, with_staged: bool) -> Result<Self, Failure> {
        match (commits, with_staged) {
            (true, true) => Ok(Self::CommitWithStaged),
            (true, false) => Ok(Self::Commit),
            (false, false) => Ok(Self::Stage),
            (false, true) => {
                Err(Failure::Usage("--with-staged is only for changes that are committed at once".into()))
            }
        }
    }
}

/// What [`Edits::finish`] prints.
pub const CHANGED: Shape = Shape::named(
    "changed",
    "
    revision number|null the transaction, if the changes were committed; null if they are staged, or changed nothing
    changes [staged_change] the changes",
)
.using(&[&STAGED]);

/// The packages a command changes. A command makes all of its changes or, if one is refused, none.
pub struct Edits {
    goal: Goal,
    /// Whether staged changes that break a schema are refused.
    is_strict: bool,
    packages: Vec<Edited>,
}

/// A package that is being changed.
pub struct Edited {
    /// The package with the changes made so far.
    pub loaded: Loaded,
    pub deltas: Vec<Delta>,
    /// The package before the changes.
    pub at_first: Package,
    /// Whether the changes are committed at once.
    is_at_once: bool,
}

impl Edits {
    pub fn new(goal: Goal) -> Self {
        Self { goal, is_strict: false, packages: Vec::new() }
    }

    /// Sets whether staged changes that break the schema of their package are refused. Otherwise they are warned of.
    pub fn strict(self, is_strict: bool) -> Self {
        Self { is_strict, ..self }
    }

    pub fn goal(&self) -> Goal {
        self.goal
    }

    pub fn packages(&self) -> impl Iterator<Item = &Edited> {
        self.packages.iter()
    }

    pub fn package(&mut self, context: &mut Context, name: &[u8]) -> Result<&mut Edited, Failure> {
        if let Some(index) = self.packages.iter().position(|edited| edited.loaded.package.name() == name) {
            return Ok(&mut self.packages[index]);
        }
        let is_alone = context.gathered.is_none();
        let loaded = match self.goal {
            Goal::Commit if is_alone => context
                .store
                .packages()
                .load_committed_or_new(context.store.packages().find_to_write(name)?)?,
            _ => context.load_to_change(name)?,
        };
        let is_at_once = is_alone && (self.goal != Goal::Stage || !loaded.place.staged);
        let at_first = loaded.package.clone();
        self.packages.push(Edited { loaded, deltas: Vec::new(), at_first, is_at_once });
        let last = self.packages.len() - 1;
        Ok(&mut self.packages[last])
    }

    /// Returns the package of a key that UCI text cannot have. If there is none, it will be of another format.
    fn package_of_key(&mut self, context: &mut Context, key: &Key) -> Result<&mut Edited, Failure> {
        let is_known = self.packages.iter().any(|edited| edited.loaded.package.name() == key.package);
        if !is_known {
            let loaded = context.store.packages().load_to_write(key, self.goal != Goal::Commit)?;
            let is_at_once = self.goal != Goal::Stage || !loaded.place.staged;
            let at_first = loaded.package.clone();
            self.packages.push(Edited { loaded, deltas: Vec::new(), at_first, is_at_once });
        }
        self.package(context, &key.package)
    }

    /// Applies a change to the section or option that a key names. Returns whether it changed anything.
    pub fn apply(
        &mut self,
        context: &mut Context,
        kind: DeltaKind,
        key: &Key,
        value: Option<&[u8]>,
    ) -> Result<bool, Failure> {
        self.apply_typed(context, kind, key, (value, None))
    }

    /// As [`Edits::apply`], with a type for the value.
    pub fn apply_typed(
        &mut self,
        context: &mut Context,
        kind: DeltaKind,
        key: &Key,
        value: (Option<&[u8]>, Option<ValueType>),
    ) -> Result<bool, Failure> {
        let is_alone = self.goal == Goal::Commit && context.gathered.is_none();
        let makes = matches!(kind, DeltaKind::Set | DeltaKind::AddList) && !key.is_plain();
        let edited = match makes && context.gathered.is_none() {
            true => self.package_of_key(context, key)?,
            false => self.package(context, &key.package)?,
        };
        let is_new =
            edited.loaded.package.is_empty() && context.store.packages().is_new(&edited.loaded.place);
        match edited.apply(kind, key, value) {
            // A missing package is made only for a section.
            Err(Failure::Engine(Error::NotFound { .. })) if is_new && !is_alone => {
                Err(no_package(context, kind, key))
            }
            Err(Failure::Engine(Error::NotFound { key: missing })) if is_alone => {
                let named = if is_new { show(&key.package) } else { missing.clone() };
                let staged = only_staged(context, &key.text(), &named);
                Err(staged.unwrap_or_else(|| match is_new {
                    true => no_package(context, kind, key),
                    false => Error::NotFound { key: missing }.into(),
                }))
            }
            applied => applied,
        }
    }

    /// Stages the changes, commits them, or hands them to the batch; and prints them as JSON, or with `--dry-run`.
    pub fn finish(self, context: &mut Context) -> Result<Exit, Failure> {
        self.finish_of(context, None)
    }

    /// As [`Edits::finish`]; the JSON also has the name of the section that was added.
    pub fn finish_of(self, context: &mut Context, added: Option<&str>) -> Result<Exit, Failure> {
        let mut rows = Vec::new();
        for Edited { loaded, deltas, .. } in &self.packages {
            let name = loaded.package.name();
            match context.json {
                true => rows.extend(deltas.iter().map(|delta| staged_json(name, delta, None))),
                false if context.dry_run => {
                    deltas.iter().try_for_each(|delta| context.put_line(&describe(name, delta)))?;
                }
                false => {}
            }
        }
        let is_alone = context.gathered.is_none();
        let made = self.note_new(context);
        let revision = self.finish_silently(context)?;
        note_made(context, &made, revision);
        match (context.json, context.dry_run) {
            (true, true) => context.put_rows(rows)?,
            (true, false) if is_alone || added.is_some() => {
                let mut object = json!({"revision": revision, "changes": rows});
                if let Some(added) = added {
                    object["name"] = json!(added);
                }
                context.put_json(&object)?;
            }
            _ => {}
        }
        Ok(Exit::Ok)
    }

    /// Prints changes that were committed in another way, as [`Edits::finish`] does.
    pub fn print_committed(&self, context: &mut Context, revision: u64) -> Result<Exit, Failure> {
        if context.json {
            let rows = self.packages.iter().flat_map(|edited| {
                let name = edited.loaded.package.name();
                edited.deltas.iter().map(move |delta| staged_json(name, delta, None))
            });
            let rows: Vec<_> = rows.collect();
            context.put_json(&json!({"revision": revision, "changes": rows}))?;
        }
        Ok(Exit::Ok)
    }

    /// Says which packages the changes make, and which existing ones have names near to theirs: the name may be a typing
    /// error. Returns the packages that are committed at once.
    pub fn note_new(&self, context: &Context) -> Vec<String> {
        let mut at_once = Vec::new();
        for Edited { loaded, deltas, at_first, is_at_once } in &self.packages {
            let is_new = at_first.is_empty() && context.store.packages().is_new(&loaded.place);
            if !is_new || deltas.is_empty() {
                continue;
            }
            let name = &loaded.place.name;
            match *is_at_once && !context.dry_run {
                true => at_once.push(name.clone()),
                false => {
                    context
                        .note(&format!("there is no package '{name}' yet: a commit of this change makes it"));
                }
            }
            if let Ok(key) = Key::parse(loaded.package.name()) {
                near::print_near(context, &key);
            }
        }
        at_once
    }

    /// Does what [`Edits::finish`] does, and prints nothing. Returns the revision if something was committed.
    pub fn finish_silently(self, context: &mut Context) -> Result<Option<u64>, Failure> {
        let goal = self.goal;
        let is_staged = |edited: &&Edited| context.gathered.is_none() && !edited.is_at_once;
        for Edited { loaded, at_first, .. } in self.packages.iter().filter(is_staged) {
            check_staged(context, &loaded.place, (at_first, &loaded.package), self.is_strict)?;
        }
        let mut at_once = Vec::new();
        for Edited { loaded, deltas, at_first, is_at_once } in self.packages {
            match (&mut context.gathered, is_at_once) {
                (Some(gathered), _) => {
                    gathered.give_back(loaded, deltas, goal != Goal::Stage, context.dry_run);
                }
                (None, _) if context.dry_run => {}
                (None, true) => at_once.push(Unstaged::new(loaded.place, at_first, deltas)),
                (None, false) if !deltas.is_empty() => {
                    context.store.staging().stage(&loaded.place, &deltas)?;
                    say_staged(context, &loaded.place, &deltas);
                }
                (None, false) => {}
            }
        }
        let revision = commit(context, goal, at_once)?;
        context.forget();
        Ok(revision)
    }
}

impl Edited {
    fn apply(
        &mut self,
        kind: DeltaKind,
        key: &Key,
        (value, value_type): (Option<&[u8]>, Option<ValueType>),
    ) -> Result<bool, Failure> {
        let package = &self.loaded.package;
        let key = &match (kind, value) {
            (DeltaKind::Set | DeltaKind::AddList, Some(value)) => {
                package.settle_to_set(key.clone(), value)?
            }
            _ => package.settle(key.clone())?,
        };
        let selector = key.section.as_ref();
        let selector =
            selector.ok_or_else(|| Failure::Usage(format!("'{}' names no section", key.text())))?;
        let section = match (self.loaded.package.select(selector)?, selector) {
            (Some(section), _) => section.name().to_vec(),
            (None, Selector::Name(name)) => name.clone(),
            (None, _) => return Err(Error::NotFound { key: key.text() }.into()),
        };
        if value_type.is_some() && key.option.is_none() {
            let why = format!("'{}' is a section: only the value of an option has a type", key.text());
            return Err(Failure::Usage(why));
        }
        let delta = Delta::new(kind, &section, key.option.as_deref(), value);
        let delta = self.loaded.package.without_type(match value_type {
            Some(value_type) => delta.of_type(value_type),
            None => delta,
        })?;
        let recorded = self.loaded.package.apply(&delta, Dialect::Cms)?;
        let changed = recorded.is_some();
        self.deltas.extend(recorded);
        Ok(changed)
    }
}

/// Says which packages a commit has made.
pub fn note_made(context: &Context, names: &[String], revision: Option<u64>) {
    if revision.is_some() {
        names.iter().for_each(|name| context.note(&format!("made package '{name}'")));
    }
}

/// Returns the error for a change in a package that does not exist, and does not come into being by this change.
fn no_package(context: &Context, kind: DeltaKind, key: &Key) -> Failure {
    let error = Error::NotFound { key: show(&key.package) };
    let makes = matches!(kind, DeltaKind::Set | DeltaKind::AddList) && key.option.is_some();
    let (true, Some(Selector::Name(section))) = (makes, &key.section) else { return error.into() };
    let section = show(&[&key.package, &b"."[..], section].concat());
    let hint = match near::suggestion(context, &Failure::Engine(Error::NotFound { key: show(&key.package) }))
    {
        Some(near) => near,
        None => format!("a package is made by its first section: 'cms set {section}=TYPE'"),
    };
    Failure::Suggested(error, hint)
}

/// Says where changes were staged, with `--verbose`.
fn say_staged(context: &Context, place: &Place, deltas: &[Delta]) {
    for delta in deltas {
        let (key, dir) = (show(&delta.key(place.name.as_bytes())), context.store.dirs().save.path.display());
        context.verbose(&format!("{key}: staged in {dir}"));
    }
}

/// Returns an error for a key that is staged, but not committed.
fn only_staged(context: &Context, wanted: &str, missing: &str) -> Option<Failure> {
    let missing = if missing.contains('.') { missing } else { wanted };
    let key = Key::parse(missing.as_bytes()).ok()?;
    let loaded = context.store.packages().load(&key.package).ok()?;
    find(&loaded.package, &key).ok()?;
    let why = format!(
        "{missing}: not found, it is staged; commit it first, or commit it as well with --with-staged"
    );
    Some(Failure::Other(Exit::NotFound, why))
}

/// Commits changes as one transaction, and reports the outcome.
fn commit(context: &mut Context, goal: Goal, mut changes: Vec<Unstaged>) -> Result<Option<u64>, Failure> {
    let places: Vec<Place> = match goal {
        Goal::CommitWithStaged => changes.iter().map(|change| change.place.clone()).collect(),
        Goal::Stage | Goal::Commit => Vec::new(),
    };
    changes.retain(|change| !change.deltas.is_empty());
    if places.is_empty() && changes.is_empty() {
        return Ok(None);
    }
    let made: Vec<(Place, Vec<Delta>)> =
        changes.iter().map(|change| (change.place.clone(), change.deltas.clone())).collect();
    let others = made.iter().map(|(place, _)| place).filter(|_| places.is_empty());
    let all: Vec<Place> = places.iter().chain(others).cloned().collect();
    let outcomes = context.store.commit_with(&places, changes, Form::Lossless, None)?;
    let revision = outcomes.iter().find_map(|outcome| outcome.revision);
    for (place, outcome) in all.iter().zip(outcomes) {
        report_outcome(context, place, outcome)?;
    }
    if goal == Goal::Commit {
        made.iter().for_each(|(place, deltas)| report_left_staged(context, place, deltas));
    }
    Ok(revision)
}

/// Reports staged changes of keys that were committed just now without them.
fn report_left_staged(context: &Context, place: &Place, made: &[Delta]) {
    if !place.staged || !context.store.staging().may_be_staged(place) {
        return;
    }
    let Ok(loaded) = context.store.packages().load(place.name.as_bytes()) else { return };
    for change in &loaded.changes {
        let staged = &change.delta;
        if made.iter().any(|delta| (&delta.section, &delta.option) == (&staged.section, &staged.option)) {
            let line = describe(place.name.as_bytes(), staged);
            context.note(&format!("a change of the same key stays staged: {}", show(&line)));
        }
    }
}

/// Applies one change for each `KEY=VALUE`.
pub fn each(
    context: &mut Context,
    goal: Goal,
    assignments: &[Vec<u8>],
    kind: DeltaKind,
) -> Result<Exit, Failure> {
    each_of(context, Edits::new(goal), assignments, kind)
}

/// As [`each`], after the changes of `edits`.
pub fn each_of(
    context: &mut Context,
    mut edits: Edits,
    assignments: &[Vec<u8>],
    kind: DeltaKind,
) -> Result<Exit, Failure> {
    for argument in assignments {
        let (key, value) = Key::parse_assignment(argument)?;
        let value =
            value.ok_or_else(|| Failure::Usage(format!("'{}': '=VALUE' is missing", show(argument))))?;
        let key = if kind == DeltaKind::Set { flat::to_set(context, key)? } else { key };
        edits.apply(context, kind, &key, Some(value))?;
    }
    edits.finish(context)
}

/// Sets an option to a list of a type; the option keeps its place. In UCI a list without items is no option.
pub fn set_list(
    context: &mut Context,
    edits: &mut Edits,
    key: &Key,
    items: &[Vec<u8>],
    list_type: ValueType,
) -> Result<(), Failure> {
    let package = &edits.package(context, &key.package)?.loaded.package;
    let has_empty = package.format().has_types();
    let old = match find(package, key) {
        Ok(crate::context::Found::Option(_, option)) => {
            Some((option.value_type(), option.value().items().map(<[u8]>::to_vec).collect::<Vec<_>>()))
        }
        _ => None,
    };
    if old.as_ref().is_some_and(|(of, old)| *of == list_type && old == items) {
        return Ok(());
    }
    let (is_there, item_type) = (old.is_some(), Some(list_type.of_items()));
    let delete = |edits: &mut Edits, context: &mut Context, index: Option<&[u8]>| {
        edits.apply(context, DeltaKind::Delete, key, index).map(drop)
    };
    if items.is_empty() && !has_empty {
        return if is_there { delete(edits, context, None) } else { Ok(()) };
    }
    let stand_in = items.iter().find(|item| !item.is_empty()).map_or(&b"-"[..], Vec::as_slice);
    if is_there {
        edits.apply_typed(context, DeltaKind::Set, key, (Some(stand_in), item_type))?;
    }
    for item in items {
        edits.apply_typed(context, DeltaKind::AddList, key, (Some(item), item_type))?;
    }
    if items.is_empty() {
        edits.apply_typed(context, DeltaKind::AddList, key, (Some(stand_in), item_type))?;
        delete(edits, context, Some(b"0"))?;
    }
    if is_there { delete(edits, context, Some(b"0")) } else { Ok(()) }
}
