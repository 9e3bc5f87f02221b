//! Differences between texts and between states of the store.

use cms::{Form, Loaded, State, shown};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::records::{change_json, change_line};
use crate::secrets;

/// Returns the changes that a commit would make in the file, line by line.
pub fn staged_difference(context: &Context, loaded: &Loaded) -> Result<String, Failure> {
    let new = Form::Lossless.text(&loaded.package, context.store.options())?;
    let name = loaded.place.path.display().to_string();
    let package = &loaded.place.name;
    let (old, new) = (secrets::text(package, loaded.package.source()), secrets::text(package, &new));
    Ok(unified(&old, &new, &name, &format!("{name} (staged)")))
}

#[cfg(feature = "diff")]
pub fn unified(old: &[u8], new: &[u8], old_name: &str, new_name: &str) -> String {
    if old == new {
        return String::new();
    }
    let (old, new) = (shown::lines(old), shown::lines(new));
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let mut out = String::new();
    for hunk in hunks(&old, &new) {
        if out.is_empty() {
            out = format!("--- {old_name}\n+++ {new_name}\n");
        }
        out.push_str(&format!("{}\n", similar::udiff::UnifiedHunkHeader::new(&hunk)));
        for part in hunk {
            let (tag, gone, come) = part.as_tag_tuple();
            if tag == similar::DiffTag::Equal {
                put_lines(' ', &old[gone], &mut out);
            } else {
                put_lines('-', &old[gone], &mut out);
                put_lines('+', &new[come], &mut out);
            }
        }
    }
    out
}

/// Returns the differences, with three lines around each. `similar::TextDiff` does the same, and brings all
/// algorithms along: 100 kB.
#[cfg(feature = "diff")]
fn hunks(old: &[&str], new: &[&str]) -> Vec<Vec<similar::DiffOp>> {
    use similar::algorithms::{Capture, Compact, Replace, myers};
    let mut hook = Compact::new(Replace::new(Capture::new()), old, new);
    let Ok(()) = myers::diff(&mut hook, old, 0..old.len(), new, 0..new.len());
    hook.into_inner().into_inner().into_grouped_ops(3)
}

/// Adds lines of a difference.
#[cfg(feature = "diff")]
fn put_lines(sign: char, lines: &[&str], out: &mut String) {
    for line in lines {
        out.push(sign);
        out.push_str(line);
        if !line.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
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
    context
        .store
        .history()
        .check_packages(packages, old)
        .or_else(|_| context.store.history().check_packages(packages, new))?;
    let mut names = context.store.history().changed_between(old, new)?;
    names.retain(|name| packages.is_empty() || packages.contains(name));
    let by_key = by_key || context.json;
    let (mut rows, mut same) = (Vec::new(), true);
    for name in names {
        if by_key {
            let at = |state| {
                let found = context.store.history().package_in(&name, state);
                found.map(|found| found.unwrap_or_else(|| cms::Package::new(name.as_bytes())))
            };
            for change in cms::History::compare(&at(old)?, &at(new)?) {
                same = false;
                if context.json {
                    rows.push(change_json(&name, &change));
                } else {
                    context.put_line(&context.paint.change(&change_line(&name, &change)))?;
                }
            }
            continue;
        }
        let (then, now) =
            (context.store.history().text_in(&name, old)?, context.store.history().text_in(&name, new)?);
        let titles = (format!("{name} at {}", old.name()), format!("{name} at {}", new.name()));
        let (then, now) = (then.unwrap_or_default(), now.unwrap_or_default());
        let (then, now) = (secrets::text(&name, &then), secrets::text(&name, &now));
        let lines = unified(&then, &now, &titles.0, &titles.1);
        same &= lines.is_empty();
        context.put(&context.paint.difference(&lines))?;
    }
    if context.json {
        context.put_rows(rows)?;
    }
    Ok(if same { Exit::Ok } else { Exit::NotFound })
}

#[cfg(all(test, feature = "diff"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_difference_is_printed_as_similar_prints_it(
            old in "([a-e]{0,1}\n){0,30}[ab]{0,1}",
            new in "([a-e]{0,1}\n){0,30}[ab]{0,1}",
        ) {
            let expected = similar::TextDiff::from_lines(&*old, &*new).unified_diff().header("old", "new").to_string();
            prop_assert_eq!(unified(old.as_bytes(), new.as_bytes(), "old", "new"), expected);
        }
    }
}
