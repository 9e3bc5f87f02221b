//! Brings packages to a wanted state by the smallest edit: for `import` and `apply`.

use std::sync::Arc;

use cms::log::KeyChange;
use cms::{CommitOptions, Error, Exchange, Extent, Form, History, Package};
use serde_json::{Value as Json, json};

use crate::context::Context;
use crate::difference::unified;
use crate::edits::{Edited, Edits, Goal};
use crate::failure::Failure;
use crate::records::{CHANGE, change_json};
use crate::shape::Shape;
use crate::wanted::{Input, WantedPackage};

/// How often the edits are computed again because another program has changed a package meanwhile.
const ATTEMPTS: u32 = 5;

/// The edit of one package.
pub struct Step {
    pub name: String,
    /// The text that is there; `None` if there is no such package.
    before: Option<Arc<Vec<u8>>>,
    after: Arc<Vec<u8>>,
    pub changes: Vec<KeyChange>,
    path: String,
}

/// What [`Step::json`] returns.
pub const REACHED: Shape = Shape::named(
    "reached",
    "
    package text its name
    changed boolean whether it is changed
    created boolean whether it is new
    changes [change] what is changed
    diff text with --diff the difference of the file, line by line, else empty",
)
.using(&[&CHANGE]);

impl Step {
    pub fn is_change(&self) -> bool {
        self.is_new() || !self.changes.is_empty()
    }

    /// Reports whether changes are staged for a package that is changed.
    fn has_staged(&self, context: &Context) -> bool {
        let place = context.store.packages().find(self.name.as_bytes());
        self.is_change() && place.is_ok_and(|place| context.store.staging().may_be_staged(&place))
    }

    pub fn is_new(&self) -> bool {
        self.before.is_none()
    }

    pub fn difference(&self) -> String {
        let before = self.before.as_ref().map_or(&[][..], |text| text.as_slice());
        unified(before, &self.after, &self.path, &format!("{} (wanted)", self.path))
    }

    pub fn json(&self, with_difference: bool) -> Json {
        let changes: Vec<Json> = self.changes.iter().map(|change| change_json(&self.name, change)).collect();
        let difference = if with_difference { self.difference() } else { String::new() };
        json!({"package": self.name, "changed": self.is_change(), "created": self.is_new(),
            "changes": changes, "diff": difference})
    }
}

/// Computes the edits that bring packages to their wanted state. Staged changes are not read.
pub fn steps(
    context: &Context,
    input: &Input<'_>,
    wanted: &[WantedPackage],
    extent: Extent,
) -> Result<Vec<Step>, Failure> {
    wanted.iter().map(|wanted| step(context, input, wanted, extent)).collect()
}

/// Returns the edits to be staged, as steps to report.
pub fn steps_of(context: &Context, edits: &Edits) -> Result<Vec<Step>, Failure> {
    let step = |edited: &Edited| {
        let after = Form::Lossless.text(&edited.loaded.package, context.store.options())?;
        let is_new = context.store.packages().is_new(&edited.loaded.place);
        let source = edited.loaded.package.source();
        Ok(Step {
            name: edited.loaded.place.name.clone(),
            before: (!is_new).then(|| Arc::clone(source)),
            after: Arc::new(after),
            changes: History::compare(&edited.at_first, &edited.loaded.package),
            path: edited.loaded.place.path.display().to_string(),
        })
    };
    edits.packages().map(step).collect()
}

fn step(
    context: &Context,
    input: &Input<'_>,
    wanted: &WantedPackage,
    extent: Extent,
) -> Result<Step, Failure> {
    let packages = context.store.packages();
    let place = packages.find_to_write(wanted.name())?;
    let (name, path) = (place.name.clone(), place.path.display().to_string());
    let is_new = packages.is_new(&place);
    let have = match packages.load_committed_or_new(place.clone()) {
        Ok(loaded) => loaded.package,
        // A text that cannot be read has nothing that could stay; the history keeps it.
        Err(Error::Parse(_)) if extent == Extent::Whole => {
            let read = std::fs::read(&place.path);
            let before = read.map_err(|source| Error::Io { op: "read", path: place.path, source })?;
            let changes = History::compare(&Package::new(wanted.name()), wanted);
            let after = Arc::clone(wanted.source());
            return Ok(Step { name, before: Some(Arc::new(before)), after, changes, path });
        }
        Err(error) => return Err(error.into()),
    };
    if extent == Extent::Whole {
        input.check_not_emptied(&have, wanted)?;
    }
    let edited = cms::text::reach(&have, wanted, extent)?;
    let changes = History::compare(&have, &edited);
    let is_blank = have.source().trim_ascii().is_empty();
    let after = match is_blank {
        true => Arc::clone(wanted.source()),
        false => Arc::new(Form::Lossless.text(&edited, context.store.options())?),
    };
    let before = (!is_new).then(|| Arc::clone(have.source()));
    Ok(Step { name, before, after, changes, path })
}

/// Commits the edits as one transaction, and computes them anew if another program has changed a package meanwhile.
/// `sets_aside` says whether changes that are staged for the packages are set aside. Returns the edits and the revision.
pub fn commit(
    context: &mut Context,
    input: &Input<'_>,
    wanted: &[WantedPackage],
    extent: Extent,
    sets_aside: bool,
) -> Result<(Vec<Step>, Option<u64>), Failure> {
    let mut attempt = 1;
    loop {
        let steps = steps(context, input, wanted, extent)?;
        let exchange = |step: &Step| {
            let (before, after) = (step.before.clone(), Some(Arc::clone(&step.after)));
            Exchange::new(step.name.as_bytes(), before, after).sets_aside(sets_aside)
        };
        let exchanges: Vec<Exchange> = steps.iter().filter(|step| step.is_change()).map(exchange).collect();
        let staged: Vec<String> =
            steps.iter().filter(|step| step.has_staged(context)).map(|step| step.name.clone()).collect();
        match context.store.exchange(&exchanges, &CommitOptions::new()) {
            Err(Error::Conflict { .. }) if attempt < ATTEMPTS => attempt += 1,
            done => {
                let revision = done?;
                context.forget();
                for step in steps.iter().filter(|step| step.is_change()) {
                    let number = revision.map_or_else(String::new, |number| format!(" as revision {number}"));
                    context.verbose(&format!(
                        "{}: {} changes committed{number}",
                        step.name,
                        step.changes.len()
                    ));
                }
                for name in staged {
                    context.note(&match sets_aside {
                        true => format!("what was staged for {name} is set aside, in .{name}.replaced of the save directory"),
                        false => format!("changes of {name} stay staged; see 'cms changes {name}'"),
                    });
                }
                return Ok((steps, revision));
            }
        }
    }
}

/// Returns the edits to be staged, or to be handed to the batch. Comments of new sections are lost, since staged changes
/// have none.
pub fn edits(
    context: &mut Context,
    input: &Input<'_>,
    wanted: &[WantedPackage],
    extent: Extent,
    goal: Goal,
) -> Result<Edits, Failure> {
    let mut edits = Edits::new(goal);
    for wanted in wanted {
        let edited = edits.package(context, wanted.name())?;
        if extent == Extent::Whole {
            input.check_not_emptied(&edited.loaded.package, wanted)?;
        }
        for delta in edited.loaded.package.changes_toward(wanted, extent)? {
            edited.loaded.package.apply(&delta, cms::text::Dialect::Cms)?;
            edited.deltas.push(delta);
        }
    }
    Ok(edits)
}
