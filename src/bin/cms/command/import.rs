//! `cms import`: makes packages as a text has them, or adds a text to them.

use cms::Extent;
use serde_json::json;

use crate::argument::show;
use crate::context::Context;
use crate::edits::{CHANGED, Goal};
use crate::failure::{Exit, Failure};
use crate::reach::{self, REACHED};
use crate::records::change_line;
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, FlagValues, Writes, commit, parsed, switch, with_staged};
use crate::staged::STAGED;
use crate::text_format::Format;
use crate::wanted::{Input, WantedPackage};

#[derive(Default)]
pub struct Flags {
    format: Option<Format>,
    merge: bool,
    replace: bool,
    stage: bool,
    allow_empty: bool,
    commit: bool,
    with_staged: bool,
}

impl FlagValues for Flags {
    fn alone(&self) -> Option<&'static str> {
        self.replace.then_some("import --replace")
    }
}

pub const COMMAND: Command<Flags> = Command {
    name: "import",
    aliases: &[],
    arguments: "[PACKAGE] [FILE]",
    summary: "make packages as a text has them; from a file (a name with '.' or '/') or standard input; comments stay",
    flags: &[
        parsed("format", "FORMAT", "uci or json (default: by the content)", |flags: &mut Flags, text| {
            flags.format = Some(Format::named(text)?);
            Ok(())
        }),
        switch(
            "merge",
            "add the text to what is there; nothing is deleted or doubled",
            |flags: &mut Flags| &mut flags.merge,
        ),
        switch("replace", "take the text as it is, with its layout and comments", |flags: &mut Flags| {
            &mut flags.replace
        }),
        switch("stage", "stage the changes instead of committing them", |flags: &mut Flags| &mut flags.stage),
        switch("allow-empty", "accept an empty text, which empties the package", |flags: &mut Flags| {
            &mut flags.allow_empty
        }),
        commit(|flags: &mut Flags| &mut flags.commit),
        with_staged(|flags: &mut Flags| &mut flags.with_staged),
    ],
    writes: Writes::InTransactions,
    json: &[
        Output::rows(&REACHED),
        Output::one(&CHANGED).when("With --json --stage"),
        Output::rows(&STAGED).when("With --json --dry-run --stage"),
        Output::rows(&REPLACED).when("With --json --replace"),
    ],
    run,
};

/// A package that is replaced.
const REPLACED: Shape = Shape::of(
    "
    package text its name
    size number the length of its new text, in bytes",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    // If the only argument cannot be the name of a package, it is the file.
    let is_file =
        |argument: &[u8]| argument == b"-" || argument.iter().any(|byte| matches!(byte, b'.' | b'/'));
    let (package, file) = match call.expect(0, 2)? {
        [file] if is_file(file) => (None, Some(file.as_slice())),
        arguments => (arguments.first().map(Vec::as_slice), arguments.get(1).map(Vec::as_slice)),
    };
    let flags = &call.flags;
    check(flags)?;
    let input = Input { file, package, format: flags.format, allow_empty: flags.allow_empty };
    let wanted = input.read()?;
    // A missing configuration directory is reported before errors of the input.
    context.store.packages().list()?;
    if flags.replace {
        return replace(context, &wanted);
    }
    let extent = if flags.merge { Extent::Part } else { Extent::Whole };
    if flags.stage || flags.with_staged || context.gathered.is_some() {
        let goal = Goal::of(!flags.stage && (flags.commit || flags.with_staged), flags.with_staged)?;
        return reach::edits(context, &input, &wanted, extent, goal)?.finish(context);
    }
    let steps = match context.dry_run {
        true => reach::steps(context, &input, &wanted, extent)?,
        // What is staged for the old content makes no sense on top of the new one.
        false => reach::commit(context, &input, &wanted, extent, !flags.merge)?.0,
    };
    if context.json {
        context.put_rows(steps.iter().map(|step| step.json(false)).collect())?;
    } else if context.dry_run {
        for step in &steps {
            step.changes.iter().try_for_each(|change| context.put_line(&change_line(&step.name, change)))?;
        }
    }
    Ok(Exit::Ok)
}

fn check(flags: &Flags) -> Result<(), Failure> {
    let why = match () {
        () if flags.replace && flags.merge => "--replace and --merge exclude each other",
        () if flags.replace && flags.stage => "--replace takes the text as it is, which cannot be staged",
        () if flags.stage && (flags.commit || flags.with_staged) => "--stage does not commit",
        () => return Ok(()),
    };
    Err(Failure::Usage(why.into()))
}

/// Replaces packages by their texts, as one transaction.
fn replace(context: &mut Context, packages: &[WantedPackage]) -> Result<Exit, Failure> {
    if context.json {
        let row = |package: &WantedPackage| json!({"package": show(package.name()), "size": package.source().len()});
        context.put_rows(packages.iter().map(row).collect())?;
    }
    if context.dry_run && !context.json {
        for package in packages {
            let (name, size) = (show(package.name()), package.source().len());
            context.print_line(&format!("replace {name}: {size} bytes"))?;
        }
    }
    if !context.dry_run {
        let texts: Vec<(Vec<u8>, Vec<u8>)> =
            packages.iter().map(|package| (package.name().to_vec(), package.source().to_vec())).collect();
        context.store.replace_together(&texts)?;
        context.forget();
    }
    Ok(Exit::Ok)
}
