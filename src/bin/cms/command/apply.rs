//! `cms apply`: brings packages to the state that a text describes.

use cms::Extent;
use serde_json::json;

use crate::context::Context;
use crate::edits::Goal;
use crate::failure::{Exit, Failure};
use crate::reach::{self, REACHED, Step};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, FlagValues, Writes, parsed, switch};
use crate::text_format::Format;
use crate::wanted::Input;

#[derive(Default)]
pub struct Flags {
    format: Option<Format>,
    check: bool,
    diff: bool,
    exit_code: bool,
    stage: bool,
    allow_empty: bool,
}

impl FlagValues for Flags {
    fn only_check(&self) -> bool {
        self.check
    }
}

pub const COMMAND: Command<Flags> = Command {
    name: "apply",
    aliases: &[],
    arguments: "FILE|-",
    summary: "bring packages to the state that a text (UCI or JSON, as 'cms export' prints it) describes, by the \
              smallest edit; says what has changed",
    flags: &[
        parsed("format", "FORMAT", "uci or json (default: by the content)", |flags: &mut Flags, text| {
            flags.format = Some(Format::named(text)?);
            Ok(())
        }),
        switch("check", "change nothing; exit 1 if something would change", |flags: &mut Flags| {
            &mut flags.check
        }),
        switch("diff", "show the difference", |flags: &mut Flags| &mut flags.diff),
        switch("exit-code", "exit 1 if something was changed", |flags: &mut Flags| &mut flags.exit_code),
        switch("stage", "stage the changes instead of committing them", |flags: &mut Flags| &mut flags.stage),
        switch("allow-empty", "accept a package without sections, which is emptied", |flags: &mut Flags| {
            &mut flags.allow_empty
        }),
    ],
    writes: Writes::InTransactions,
    json: &[Output::one(&APPLIED)],
    run,
};

/// What was applied.
const APPLIED: Shape = Shape::of(
    "
    changed boolean whether anything was changed
    revision number|null the transaction, if something was committed
    packages [reached] the packages",
)
.using(&[&REACHED]);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let flags = &call.flags;
    let [file] = call.expect(1, 1)? else { return Ok(Exit::Usage) };
    let input =
        Input { file: Some(file), package: None, format: flags.format, allow_empty: flags.allow_empty };
    let wanted = input.read()?;
    let check = flags.check || context.dry_run;
    let (steps, revision) = if flags.stage || context.gathered.is_some() {
        let edits = reach::edits(context, &input, &wanted, Extent::Whole, Goal::Stage)?;
        let steps = reach::steps_of(context, &edits)?;
        context.dry_run |= check;
        edits.finish_silently(context)?;
        (steps, None)
    } else if check {
        (reach::steps(context, &input, &wanted, Extent::Whole)?, None)
    } else {
        reach::commit(context, &input, &wanted, Extent::Whole, false)?
    };
    let changed = steps.iter().any(Step::is_change);
    if context.json {
        let packages: Vec<_> = steps.iter().map(|step| step.json(flags.diff)).collect();
        context.put_json(&json!({"changed": changed, "revision": revision, "packages": packages}))?;
    } else {
        for step in &steps {
            context.print_line(&line(step, check))?;
        }
        for step in steps.iter().filter(|step| flags.diff && step.is_change()) {
            context.put(step.difference().as_bytes())?;
        }
    }
    Ok(if changed && (flags.check || flags.exit_code) { Exit::NotFound } else { Exit::Ok })
}

/// Says what becomes of a package.
fn line(step: &Step, check: bool) -> String {
    let count = match step.changes.len() {
        1 => "1 change".to_owned(),
        count => format!("{count} changes"),
    };
    match (step.is_change(), step.is_new(), check) {
        (false, ..) => format!("unchanged {}", step.name),
        (true, true, true) => format!("would create {} ({count})", step.name),
        (true, true, false) => format!("created {} ({count})", step.name),
        (true, false, true) => format!("would change {} ({count})", step.name),
        (true, false, false) => format!("changed {} ({count})", step.name),
    }
}
