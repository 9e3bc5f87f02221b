//! All commands, in the order a newcomer meets them. Usage, help, completion and manual pages come from this table.

use crate::command::{
    add, add_list, apply, audit, backup, batch, bisect, blame, changes, check_map, commit, completion,
    confirm, del_list, delete, diff, edit, ensure, explain, export, fmt, get, help, history, import, incr,
    list, man, memory, paths, pending, policy, rebuild, redo, rename, reorder, repair, restore, revert,
    rollback, run, search, set, shell, show, snapshot, snapshots, status, table, undo, validate, verify,
    version, watch,
};
#[cfg(feature = "schema")]
use crate::command::{describe, schema};
use crate::spec::Commands;

/// See the module documentation.
pub const COMMANDS: Commands = &[
    &get::COMMAND,
    &set::COMMAND,
    &add::COMMAND,
    &add_list::COMMAND,
    &del_list::COMMAND,
    &delete::COMMAND,
    &rename::COMMAND,
    &reorder::COMMAND,
    &incr::COMMAND,
    &ensure::COMMAND,
    &apply::COMMAND,
    &edit::COMMAND,
    &changes::COMMAND,
    &diff::COMMAND,
    &commit::COMMAND,
    &revert::COMMAND,
    &show::COMMAND,
    &list::COMMAND,
    &search::COMMAND,
    &table::COMMAND,
    &explain::COMMAND,
    &export::COMMAND,
    &import::COMMAND,
    &validate::COMMAND,
    #[cfg(feature = "schema")]
    &schema::COMMAND,
    #[cfg(feature = "schema")]
    &describe::COMMAND,
    &fmt::COMMAND,
    &batch::COMMAND,
    &shell::COMMAND,
    &history::COMMAND,
    &watch::COMMAND,
    &run::COMMAND,
    &verify::COMMAND,
    &blame::COMMAND,
    &undo::COMMAND,
    &redo::COMMAND,
    &rollback::COMMAND,
    &bisect::COMMAND,
    &snapshot::COMMAND,
    &snapshots::COMMAND,
    &backup::COMMAND,
    &restore::COMMAND,
    &confirm::COMMAND,
    &pending::COMMAND,
    &audit::COMMAND,
    &repair::COMMAND,
    &memory::COMMAND,
    &check_map::COMMAND,
    &rebuild::COMMAND,
    &status::COMMAND,
    &paths::COMMAND,
    &policy::COMMAND,
    &completion::COMMAND,
    &man::COMMAND,
    &help::COMMAND,
    &version::COMMAND,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::near::nearest;
    use crate::spec::{FlagText, GLOBAL};

    fn assert_each_is_there_once<T: Ord>(mut all: Vec<T>, of: &str) {
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "{of}");
    }

    #[test]
    fn no_name_means_two_commands_and_no_option_two_things() {
        let names =
            COMMANDS.iter().flat_map(|command| command.aliases().iter().copied().chain([command.name()]));
        assert_each_is_there_once(names.collect(), "names");
        // Behind the name of the command, its own option comes first.
        let is_taken = |name: &str, long: &str| name == "history" && ["source", "dry-run"].contains(&long);
        for command in COMMANDS {
            let global =
                GLOBAL.iter().map(|flag| flag.text).filter(|flag| !is_taken(command.name(), flag.long));
            let flags: Vec<FlagText> = command.flags().into_iter().chain(global).collect();
            assert_each_is_there_once(flags.iter().map(|flag| flag.long).collect(), command.name());
            assert_each_is_there_once(flags.iter().filter_map(|flag| flag.short).collect(), command.name());
        }
    }

    #[test]
    fn a_mistyped_command_suggests_the_nearest_one() {
        let names = || COMMANDS.iter().map(|command| command.name());
        assert_eq!(nearest("comit", names()), Some("commit"));
        assert_eq!(nearest("xyzzy", names()), None);
    }
}
