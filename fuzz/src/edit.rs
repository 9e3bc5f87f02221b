//! Editing a package and writing it back into its text.

use cms::delta::read_lines;
use cms::text::{Dialect, print, render};
use cms::{Delta, DeltaKind, Package};

use crate::comments::{Comment, comments};
use crate::{DIALECTS, assert_lookups_take_the_first, is_ambiguous, read, strict};

/// Separates the text from the delta lines: the ASCII record separator.
const SEPARATOR: u8 = 0x1e;

/// Reads the first part of `data` as configuration text, applies the second, a delta file, and writes the
/// package back. Delta lines may name any package.
///
/// # Panics
///
/// If reading the written text does not give the edited package, although its names are unambiguous; if a comment is
/// added, or a comment line is lost although no section was deleted; or if a change is recorded wrongly.
pub fn edit(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == SEPARATOR).unwrap_or(data.len());
    let (text, lines) = data.split_at(at);
    let changes: Vec<Delta> = read_lines(lines.get(1..).unwrap_or_default())
        .into_iter()
        .filter_map(|line| line.delta.map(|(_, change)| change))
        .collect();
    for dialect in DIALECTS {
        edit_in(dialect, text, &changes);
    }
}

fn edit_in(dialect: Dialect, text: &[u8], changes: &[Delta]) {
    let options = strict(dialect);
    let Ok(original) = read(text, &options) else { return };
    let mut package = original.clone();
    let mut deletes = false;
    for change in changes {
        let recorded = assert_applied_as_recorded(&mut package, change, dialect);
        // A section that becomes anonymous is written again if it was continued further down.
        let rewrites = |change: &Delta| matches!(change.kind, DeltaKind::Delete | DeltaKind::Add);
        deletes |= recorded.is_some_and(|change| change.option.is_none() && rewrites(&change));
        assert_lookups_take_the_first(&package);
    }
    // Stock uci refuses a `;` at the end of a line after a quoted word, such as an added name.
    let parted = dialect == Dialect::Uci && text.contains(&b';');
    let excused = parted || mentions_generated(text) || is_ambiguous(&original) || is_ambiguous(&package);
    match render(&package, &options) {
        Ok(out) => {
            let reread = read(&out, &options).expect("rendered text");
            assert!(reread == package, "rendered text reads differently: {}", out.escape_ascii());
            assert_comments_kept(text, &out, deletes);
        }
        Err(error) => assert!(excused, "{dialect:?}: {error}"),
    }
    let reread = read(&print(&package, false), &options);
    assert!(
        excused || reread.is_ok_and(|reread| reread == package),
        "{dialect:?}: canonical text reads differently"
    );
}

/// Reports whether text may continue an anonymous section by its generated name, in any quoting.
fn mentions_generated(text: &[u8]) -> bool {
    let bare: Vec<u8> = text.iter().copied().filter(|byte| !b"'\"\\\r\n".contains(byte)).collect();
    bare.windows(3).any(|name| name == b"cfg")
}

/// Applies a change. The recorded change has the same effect; if none is recorded, nothing has changed.
fn assert_applied_as_recorded(package: &mut Package, change: &Delta, dialect: Dialect) -> Option<Delta> {
    let mut before = package.clone();
    let recorded = package.apply(change, dialect).unwrap_or_default();
    if let Some(recorded) = &recorded {
        before.apply(recorded, dialect).expect("a change that was recorded");
    }
    assert!(before == *package, "{change:?} is recorded as {recorded:?}");
    recorded
}

/// Checks that no comment was added or doubled, and that no comment that has its own line was lost, unless a section
/// was deleted.
fn assert_comments_kept(before: &[u8], after: &[u8], deletes: bool) {
    let (old, new) = (comments(before), comments(after));
    let sorted = |comments: &[Comment<'_>]| {
        let mut texts: Vec<Vec<u8>> = comments.iter().map(|comment| comment.text.to_vec()).collect();
        texts.sort_unstable();
        texts
    };
    let texts = sorted(&old);
    let mut left = texts.iter();
    for comment in sorted(&new) {
        assert!(left.any(|old| *old == comment), "a comment from nowhere: {}", after.escape_ascii());
    }
    let alone = |comments: &[Comment<'_>]| comments.iter().filter(|comment| comment.alone).count();
    assert!(deletes || alone(&new) == alone(&old), "a line of comment is lost: {}", after.escape_ascii());
}
