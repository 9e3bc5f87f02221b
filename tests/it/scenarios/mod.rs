//! A table of scenarios of commits and other writes, each with four adversaries. After each adversary the packages
//! have one of the allowed states, acknowledged commits are there, log and maps agree, and the next commit works.
//!
//! Each scenario is played at all three levels of durability. With `CMS_EXHAUSTIVE` every call meets every error, a
//! process is killed at every call, and 400 images of each moment of the disk are checked. The scenarios are in the
//! files of this folder, the invariants in `support/aftermath.rs`, the adversaries in `support/adversaries.rs`.

mod by_hand;
mod directories;
mod packages;
mod recovery;
mod staged;
mod transactions;

use crate::support::adversaries::{be_killed, calls_fail, process_dies, process_is_killed};
use crate::support::power_cuts::{power_is_cut, power_is_cut_after_recovery, power_is_cut_in_recovery};
use crate::support::scenario::{Effort, Scenario};

/// Makes the table, and a module for each row with a test for each adversary.
macro_rules! scenarios {
    ($($name:ident: $scenario:expr,)*) => {
        const ALL: &[(&str, &Scenario)] = &[$((stringify!($name), &$scenario)),*];

        $(mod $name {
            const NAME: &str = stringify!($name);

            #[test]
            fn is_before_or_after_whichever_call_fails() {
                super::calls_fail(NAME, super::find(NAME));
            }

            #[test]
            fn is_before_or_after_wherever_the_process_dies() {
                super::process_dies(NAME, super::find(NAME));
            }

            #[test]
            fn is_before_or_after_wherever_the_process_is_killed() {
                super::process_is_killed(NAME, super::find(NAME));
            }

            #[test]
            fn is_before_or_after_whenever_the_power_is_cut() {
                super::power_is_cut(NAME, super::find(NAME));
            }
        })*
    };
}

scenarios! {
    // Transactions of an open store.
    a_commit_over_three_packages: transactions::COMMIT,
    commits_over_three_packages: transactions::COMMITS,
    the_first_commit_of_all: transactions::FIRST,
    commits_that_begin_segments_and_drop_others: transactions::SEGMENTS,
    texts_that_are_placed_later: transactions::LATER,
    a_commit_that_takes_a_snapshot: transactions::SNAPSHOT,
    // Staged changes.
    staging: staged::STAGING,
    a_commit_of_staged_changes: staged::COMMIT,
    a_commit_of_what_two_packages_have_staged: staged::TWO_PACKAGES,
    a_commit_that_makes_a_staged_package: staged::MAKING,
    a_commit_of_staged_and_unstaged_changes: staged::UNSTAGED,
    a_commit_as_stock_uci_writes_it: staged::UCI,
    a_revert: staged::REVERT,
    // Packages that are changed, replaced, deleted and restored as a whole.
    an_update: packages::UPDATE,
    a_replacement: packages::REPLACEMENT,
    a_replacement_of_two_packages: packages::REPLACEMENTS,
    an_exchange_of_texts: packages::EXCHANGES,
    texts_that_were_decided_elsewhere: packages::ADOPTED,
    a_deletion: packages::DELETION,
    a_deletion_that_is_undone: packages::RETURN,
    a_deletion_of_two_packages: packages::DELETIONS,
    a_transaction_that_deletes_and_makes_packages: packages::EXCHANGE,
    a_transaction_that_deletes_and_makes_packages_undone: packages::EXCHANGED_BACK,
    a_package_that_is_a_symbolic_link: packages::LINK,
    // Edits by hand.
    noting_what_was_edited: by_hand::NOTED,
    an_edit_between_set_and_commit: by_hand::BETWEEN,
    an_edit_of_the_same_key_between_set_and_commit: by_hand::SAME_KEY,
    an_edit_of_a_text_that_is_behind: by_hand::BEHIND,
    a_package_that_is_deleted_by_hand: by_hand::DELETED,
    // Recovery after the death of a process.
    recovery_before_a_text_is_placed: recovery::BEFORE,
    recovery_after_one_text_is_placed: recovery::ONE,
    recovery_after_two_texts_are_placed: recovery::TWO,
    x_h1_recovery_of_a_text_that_is_empty: recovery::EMPTY,
    // Directories.
    odd_entries_in_the_directory: directories::ODD,
    two_state_directories: directories::TWO_LOGS,
    a_state_directory_that_is_replaced: directories::REPLACED_STATE,
    a_run_directory_that_is_deleted: directories::DELETED_RUN,
}

fn find(name: &str) -> &'static Scenario {
    ALL.iter().find(|(known, _)| *known == name).expect("a scenario").1
}

/// Runs a scenario in a process that will be killed.
pub fn role(name: &str) {
    be_killed(find(name));
}

/// The commit for the tests of recovery.
const COMMIT: Scenario = Scenario { effort: Effort::Full, ..transactions::COMMIT };

#[test]
fn recovery_survives_a_power_cut_at_any_moment() {
    power_is_cut_in_recovery("a commit", &COMMIT);
}

#[test]
fn what_recovery_has_finished_stays_so_after_a_power_cut() {
    power_is_cut_after_recovery("a commit", &COMMIT);
}
