//! Edits a package so that it has a wanted state, and takes over the comments of new sections from the wanted text; and
//! splits a text of several packages into the text of each.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::layout;
use super::place::comment_start;
use super::statement::{Command, Opened, Statements};
use crate::error::Result;
use crate::format::ParseOptions;
use crate::model::package::Package;
use crate::model::package::toward::{Extent, plan};

/// Returns `have` with the smallest edit that gives it the state of `wanted`: see [`Package::changes_toward`]. If `wanted`
/// was read from UCI text, new sections are written as there, with their comments. Write the result with
/// [`crate::Form::Lossless`].
///
/// ```
/// use cms::{Extent, text};
/// let read = |text: &str| text::parse(b"p", text.as_bytes().to_vec().into(), &text::ParseOptions::new());
/// let have = read("# mine\nconfig a 'x'\n\toption o '1' # one\n")?.package;
/// let wanted = read("config a 'x'\n\toption o '2'\n\n# new\nconfig a 'y'\n")?.package;
/// let edited = text::reach(&have, &wanted, Extent::Whole)?;
/// let new = text::render(&edited, &text::ParseOptions::new())?;
/// assert_eq!(new, b"# mine\nconfig a 'x'\n\toption o '2' # one\n\n# new\nconfig a 'y'\n");
/// # Ok::<(), cms::Error>(())
/// ```
///
/// # Errors
///
/// [`crate::Error::Invalid`] if the package would grow beyond 2 GiB, and if a section is to be changed in part and has another
/// type.
pub fn reach(have: &Package, wanted: &Package, extent: Extent) -> Result<Package> {
    let plan = plan(have, wanted, extent)?;
    let new: HashSet<usize> =
        plan.iter().filter(|one| one.have.is_none()).filter_map(|one| one.want).collect();
    let ranges = if new.is_empty() { Vec::new() } else { section_lines(have.source(), wanted) };
    let mut edited = have.clone();
    edited.go_toward(wanted, &plan, extent, &mut |want| {
        let range = ranges.get(want)?.clone()?;
        let mut lines = wanted.source()[range].to_vec();
        if !lines.ends_with(b"\n") {
            lines.push(b'\n');
        }
        Some(lines)
    })?;
    Ok(edited)
}

/// Returns the lines of each section of a package in its text, with the comments right above; `None` for a section that is
/// in several places, or shares a line with another. `into` is the text that they are to be written into.
fn section_lines(into: &[u8], package: &Package) -> Vec<Option<Range<usize>>> {
    let source = package.source();
    if source.is_empty() {
        return Vec::new();
    }
    let Ok(layout) = layout::scan(source, package, &ParseOptions::new(), |_| false) else {
        return Vec::new();
    };
    let shares = |range: &Range<usize>| {
        layout.shared.iter().any(|shared| shared.line.start < range.end && range.start < shared.line.end)
    };
    let lines = layout.sections.iter().map(|sites| {
        let [block] = sites.blocks.as_slice() else { return None };
        let mut start = comment_start(source, block);
        // A comment at the start of the file is about the file; it comes along unless the other file begins with it.
        let head = &source[..block.lines.start];
        let is_head =
            block.above == 0 && start == block.lines.start && !into.starts_with(head.trim_ascii_end());
        if is_head {
            start = source.iter().position(|byte| *byte == b'#').filter(|at| *at < start).unwrap_or(start);
        }
        Some(start..block.lines.end).filter(|range| !shares(range))
    });
    lines.collect()
}

/// Splits a text that holds any number of packages, each opened by a `package` line. Returns the name of each package, and
/// the range of its text: the lines below that line.
///
/// # Errors
///
/// [`crate::Error::Parse`] if the text cannot be read strictly.
pub fn packages(source: &Arc<Vec<u8>>) -> Result<Vec<(Vec<u8>, Range<usize>)>> {
    let options = ParseOptions::new();
    let mut statements = Statements::new(source, options.dialect, options.strict);
    let mut found: Vec<(Vec<u8>, Range<usize>)> = Vec::new();
    let mut opened = Opened { package: false, section: false };
    while let Some(statement) = statements.next(opened).map_err(|fault| fault.locate(source))? {
        match statement.command {
            Command::Package => {
                if let Some((_, range)) = found.last_mut() {
                    range.end = statement.line.start;
                }
                found.push((statement.first.value.to_vec(), statement.line.end..source.len()));
                opened = Opened { package: true, section: false };
            }
            Command::Config => opened.section = true,
            Command::Option | Command::List => {}
        }
    }
    Ok(found)
}
