//! Merges the text of a transaction with a text that was saved at the same time by an editor that had the file open,
//! or by a program that does not look for marks.
//!
//! If both have changed different lines, both changes are kept, comments included. Otherwise the texts are merged key
//! by key. A key that both have changed gets the value in the file, since the file was saved last. If the file cannot
//! be parsed, its whole text stays; if a section cannot be matched, that section stays as in the file. The log notes
//! the result as a change by hand.

use std::collections::HashSet;
use std::sync::Arc;

use crate::format::{Dialect, Format, ParseOptions};
use crate::log::{self, Content, Hunk, KeyChange, What};
use crate::model::change::{Delta, DeltaKind};
use crate::model::package::Package;

/// Returns the merged text. All are texts of the package: `base` before the transaction, `ours` after it, `theirs` after
/// the change by hand.
pub(crate) fn reconcile(format: &dyn Format, name: &str, base: &[u8], ours: &[u8], theirs: &[u8]) -> Vec<u8> {
    let read = |text: &[u8]| format.read_strictly(name, &Arc::new(text.to_vec())).ok();
    let joined = join(&log::compare_texts(base, ours), &log::compare_texts(base, theirs), theirs);
    let Some(their_package) = read(theirs) else { return joined.unwrap_or_else(|| theirs.to_vec()) };
    let (Some(base), Some(ours)) = (read(base), read(ours)) else { return theirs.to_vec() };
    let changes = log::compare_packages(&base, &ours);
    if let Some(joined) = joined
        && read(&joined).is_some_and(|package| log::compare_packages(&their_package, &package) == changes)
    {
        return joined;
    }
    let edited = with_changes(&base, &ours, &their_package, &changes);
    format.render(&edited, &ParseOptions::default()).unwrap_or_else(|_| theirs.to_vec())
}

/// Applies hunks of the base text to the text that other hunks produce; `None` if they change the same places.
pub(crate) fn join(ours: &[Hunk], theirs: &[Hunk], text: &[u8]) -> Option<Vec<u8>> {
    let mut shifted = Vec::with_capacity(ours.len());
    for hunk in ours {
        let end = hunk.at + hunk.removed.len();
        let mut moved = 0_isize;
        for other in theirs {
            let other_end = other.at + other.removed.len();
            let apart = other_end <= hunk.at || other.at >= end;
            if !apart || other.at == hunk.at {
                return None;
            }
            if other_end <= hunk.at {
                moved += other.inserted.len().cast_signed() - other.removed.len().cast_signed();
            }
        }
        shifted.push(Hunk { at: hunk.at.saturating_add_signed(moved), ..hunk.clone() });
    }
    log::apply(text, &shifted)
}

/// Applies the changes from `base` to `ours` to `theirs`, except those of keys that differ between `base` and `theirs`.
pub(crate) fn with_changes(
    base: &Package,
    ours: &Package,
    theirs: &Package,
    changes: &[KeyChange],
) -> Package {
    let by_hand = log::compare_packages(base, theirs);
    let taken: HashSet<_> = by_hand.iter().map(|change| (&change.section, change.option.as_ref())).collect();
    // Sections without a name are identified by their positions.
    let unnamed = |package: &Package| -> Vec<(Vec<u8>, Vec<u8>)> {
        let sections = package.sections().filter(|section| section.is_anonymous());
        sections.map(|section| (section.name().to_vec(), section.section_type().to_vec())).collect()
    };
    let in_order = unnamed(base) == unnamed(theirs);
    let mut edited = theirs.clone();
    for change in changes {
        let is_unnamed = [base, ours]
            .iter()
            .any(|package| package.section(&change.section).is_some_and(|section| section.is_anonymous()));
        let section_taken = taken.contains(&(&change.section, None)) && change.option.is_some();
        if taken.contains(&(&change.section, change.option.as_ref()))
            || section_taken
            || is_unnamed && !in_order
        {
            continue;
        }
        for delta in deltas(change, is_unnamed) {
            // A change that cannot be applied concerns a section or option that is gone.
            let _ = edited.apply(&delta, Dialect::Cms);
        }
    }
    edited
}

/// Returns the deltas that make a change.
fn deltas(change: &KeyChange, is_unnamed: bool) -> Vec<Delta> {
    let delta =
        |kind, value: Option<&[u8]>| Delta::new(kind, &change.section, change.option.as_deref(), value);
    match &change.what {
        What::Deleted(_) => vec![delta(DeltaKind::Delete, None)],
        What::Moved { new, .. } => vec![delta(DeltaKind::Reorder, Some(new.to_string().as_bytes()))],
        What::Added(Content::String(kind)) if change.option.is_none() && is_unnamed => {
            vec![delta(DeltaKind::Add, Some(kind))]
        }
        What::Added(Content::String(new)) | What::Changed { new: Content::String(new), .. } => {
            vec![delta(DeltaKind::Set, Some(new))]
        }
        What::Added(Content::List(items)) | What::Changed { new: Content::List(items), .. } => {
            let items = items.iter().map(|item| delta(DeltaKind::AddList, Some(item)));
            std::iter::once(delta(DeltaKind::Delete, None)).chain(items).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str =
        "# head\nconfig a 'x'\n\toption o '1'\n\toption p '1'\n\n# tail\nconfig b 'y'\n\toption q '1'\n";

    fn reconciled(ours: &str, theirs: &str) -> String {
        let text =
            reconcile(crate::format::DEFAULT, "p", BASE.as_bytes(), ours.as_bytes(), theirs.as_bytes());
        String::from_utf8(text).expect("it is ASCII")
    }

    #[test]
    fn changes_of_different_lines_both_hold_with_all_comments() {
        let ours = BASE.replace("q '1'", "q '2'");
        let theirs = BASE.replace("# head", "# by hand").replace("o '1'", "o '3' # why");
        assert_eq!(reconciled(&ours, &theirs), theirs.replace("q '1'", "q '2'"));
        assert_eq!(reconciled(&ours, BASE), ours);
        assert_eq!(reconciled(BASE, &theirs), theirs);
    }

    #[test]
    fn of_a_key_that_both_have_changed_the_file_decides() {
        let ours = BASE.replace("o '1'", "o '2'").replace("q '1'", "q '2'");
        let theirs = BASE.replace("o '1'", "o '3'");
        assert_eq!(reconciled(&ours, &theirs), theirs.replace("q '1'", "q '2'"));
    }

    #[test]
    fn what_was_changed_in_the_same_place_goes_key_by_key() {
        let ours = BASE.replace("\toption p '1'\n", "\toption p '2'\n\tlist l 'a'\n\tlist l 'b'\n");
        let theirs = BASE.replace("\toption p '1'\n", "\toption p '1'\n\toption r '1'\n");
        let text = reconciled(&ours, &theirs);
        for line in ["option p '2'", "list l 'a'", "list l 'b'", "option r '1'", "# head", "# tail"] {
            assert_eq!(text.matches(line).count(), 1, "{line}: {text}");
        }
    }

    #[test]
    fn what_is_in_the_file_already_is_not_done_twice() {
        let ours = BASE.replace("option q '1'", "option q '1'\n\tlist l 'a'");
        let theirs = ours.replace("# head", "# by hand");
        assert_eq!(reconciled(&ours, &theirs), theirs);
    }

    #[test]
    fn a_section_that_went_by_hand_stays_away() {
        let ours = BASE.replace("q '1'", "q '2'");
        let theirs = "# head\nconfig a 'x'\n\toption o '1'\n\toption p '1'\n";
        assert_eq!(reconciled(&ours, theirs), theirs);
    }

    #[test]
    fn sections_without_a_name_are_not_taken_for_each_other() {
        let base = "config r\n\toption o '1'\n\nconfig r\n\toption o '2'\n";
        let ours = base.replace("o '2'", "o '3'");
        let theirs = "config r\n\toption o '2'\n";
        let text =
            reconcile(crate::format::DEFAULT, "p", base.as_bytes(), ours.as_bytes(), theirs.as_bytes());
        assert_eq!(text, theirs.as_bytes());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_left_or_joined_by_lines() {
        let ours = BASE.replace("q '1'", "q '2'");
        let theirs = BASE.replace("# head", "option o");
        assert_eq!(reconciled(&ours, &theirs), theirs.replace("q '1'", "q '2'"));
        let broken = BASE.replace("q '1'", "q '");
        assert_eq!(reconciled(&ours, &broken), broken);
    }
}
