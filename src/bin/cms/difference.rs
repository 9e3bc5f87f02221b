//! Differences between texts and between states of the store.

use cms::{Form, Loaded, State, shown};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::records::{change_json, change_line};

/// Returns what a commit would change in the file, line by line.
pub fn staged_difference(context: &Context, loaded: &Loaded) -> Result<String, Failure> {
    let new = Form::Lossless.text(&loaded.package, &context.store)?;
    let name = loaded.place.path.display().to_string();
    Ok(unified(loaded.package.source(), &new, &name, &format!("{name} (staged)")))
}

#[cfg(feature = "diff")]
pub fn unified(old: &[u8], new: &[u8], old_name: &str, new_name: &str) -> String {
    if old == new {
        return String::new();
    }
    let (old, new) = (shown::lines(old), shown::lines(new));
    similar::TextDiff::from_lines(&*old, &*new).unified_diff().header(old_name, new_name).to_string()
}

/// Without the differencing library: the lines that only one side has, in order.
#[cfg(not(feature = "diff"))]
pub fn unified(old: &[u8], new: &[u8], old_name: &str, new_name: &str) -> String {
    let lines = |text: &[u8]| -> Vec<String> { shown::lines(text).lines().map(str::to_owned).collect() };
    let (old, new) = (lines(old), lines(new));
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("-{line}\n"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+{line}\n"));
    let body: String = gone.chain(come).collect();
    if body.is_empty() { body } else { format!("--- {old_name}\n+++ {new_name}\n{body}") }
}

/// Compares two states, of the packages named or of all.
pub fn print_difference(
    context: &mut Context,
    packages: &[String],
    old: &State,
    new: &State,
    by_key: bool,
) -> Result<Exit, Failure> {
    context.store.check_packages(packages, old).or_else(|_| context.store.check_packages(packages, new))?;
    let mut names = context.store.changed_between(old, new)?;
    names.retain(|name| packages.is_empty() || packages.contains(name));
    let by_key = by_key || context.json;
    let (mut rows, mut same) = (Vec::new(), true);
    for name in names {
        if by_key {
            let at = |state| {
                let found = context.store.package_in(&name, state);
                found.map(|found| found.unwrap_or_else(|| cms::Package::new(name.as_bytes())))
            };
            for change in cms::Engine::compare(&at(old)?, &at(new)?) {
                same = false;
                if context.json {
                    rows.push(change_json(&name, &change));
                } else {
                    context.put_line(&change_line(&name, &change))?;
                }
            }
            continue;
        }
        let (then, now) = (context.store.text_in(&name, old)?, context.store.text_in(&name, new)?);
        let titles = (format!("{name} at {}", old.name()), format!("{name} at {}", new.name()));
        let lines = unified(&then.unwrap_or_default(), &now.unwrap_or_default(), &titles.0, &titles.1);
        same &= lines.is_empty();
        context.put(lines.as_bytes())?;
    }
    if context.json {
        context.put_rows(rows)?;
    }
    Ok(if same { Exit::Ok } else { Exit::NotFound })
}
