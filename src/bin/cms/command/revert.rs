//! `cms revert`: drops staged changes.

use cms::{Key, Selector};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::line::Line;
use crate::spec::Command;
use crate::staged::{is_of_another, place_of_staged};

pub const COMMAND: Command = Command {
    name: "revert",
    aliases: &[],
    arguments: "[KEY...]",
    summary: "drop staged changes",
    flags: &[],
    writes: true,
    run,
};

fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let keys = match line.arguments.is_empty() {
        true => context.packages_and_new(&[])?,
        false => line.arguments.clone(),
    };
    for argument in keys {
        let key = Key::parse(&argument)?;
        let place = place_of_staged(context, &key.package)?;
        if line.arguments.is_empty() && is_of_another(context, &place, "stays staged")? {
            continue;
        }
        let section = match &key.section {
            None => None,
            Some(Selector::Name(name)) => Some(name.clone()),
            Some(selector) => {
                let loaded = context.load(&key.package)?;
                let section = loaded.package.select(selector)?;
                let missing = || cms::Error::NotFound { key: key.text() };
                Some(section.ok_or_else(missing)?.name().to_vec())
            }
        };
        if context.dry_run {
            context.say(&format!("revert {}", key.text()))?;
            continue;
        }
        let dropped = context.store.revert(&place, section.as_deref(), key.option.as_deref())?;
        context.forget();
        context.verbose(&format!("{}: {dropped} staged changes dropped", key.text()));
    }
    Ok(Exit::Ok)
}
