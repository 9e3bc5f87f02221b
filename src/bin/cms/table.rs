//! All commands, in the order a newcomer meets them. Usage, help, completion and manual pages come from this table.

use crate::command::{
    add, add_list, audit, backup, batch, bisect, blame, changes, check_map, commit, completion, confirm,
    del_list, delete, diff, ensure, export, fmt, get, help, history, import, list, man, memory, paths,
    pending, policy, rebuild, rename, reorder, repair, restore, revert, rollback, run, search, set, shell,
    show, snapshot, snapshots, status, undo, validate, verify, version, watch,
};
use crate::spec::Command;

/// See the module documentation.
pub const COMMANDS: &[Command] = &[
    get::COMMAND,
    set::COMMAND,
    add::COMMAND,
    add_list::COMMAND,
    del_list::COMMAND,
    delete::COMMAND,
    rename::COMMAND,
    reorder::COMMAND,
    ensure::COMMAND,
    changes::COMMAND,
    diff::COMMAND,
    commit::COMMAND,
    revert::COMMAND,
    show::COMMAND,
    list::COMMAND,
    search::COMMAND,
    export::COMMAND,
    import::COMMAND,
    validate::COMMAND,
    fmt::COMMAND,
    batch::COMMAND,
    shell::COMMAND,
    history::COMMAND,
    watch::COMMAND,
    run::COMMAND,
    verify::COMMAND,
    blame::COMMAND,
    undo::COMMAND,
    rollback::COMMAND,
    bisect::COMMAND,
    snapshot::COMMAND,
    snapshots::COMMAND,
    backup::COMMAND,
    restore::COMMAND,
    confirm::COMMAND,
    pending::COMMAND,
    audit::COMMAND,
    repair::COMMAND,
    memory::COMMAND,
    check_map::COMMAND,
    rebuild::COMMAND,
    status::COMMAND,
    paths::COMMAND,
    policy::COMMAND,
    completion::COMMAND,
    man::COMMAND,
    help::COMMAND,
    version::COMMAND,
];

/// Finds a command by its name or an alias.
pub fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name || command.aliases.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::nearest;
    use crate::spec::GLOBAL;

    #[test]
    fn no_name_means_two_commands_and_no_option_two_things() {
        let mut names: Vec<&str> =
            COMMANDS.iter().flat_map(|c| c.aliases.iter().chain([&c.name])).copied().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for command in COMMANDS {
            let mut flags: Vec<&str> = command.flags.iter().chain(GLOBAL).map(|flag| flag.long).collect();
            let count = flags.len();
            flags.sort_unstable();
            flags.dedup();
            assert_eq!(flags.len(), count, "{}", command.name);
            let mut letters: Vec<char> =
                command.flags.iter().chain(GLOBAL).filter_map(|flag| flag.short).collect();
            let count = letters.len();
            letters.sort_unstable();
            letters.dedup();
            assert_eq!(letters.len(), count, "{}", command.name);
        }
    }

    #[test]
    fn a_mistyped_command_suggests_the_nearest_one() {
        let names = || COMMANDS.iter().map(|command| command.name);
        assert_eq!(nearest("comit", names()), Some("commit"));
        assert_eq!(nearest("xyzzy", names()), None);
    }
}
