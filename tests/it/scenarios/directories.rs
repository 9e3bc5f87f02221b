//! Odd entries in directories, and directories that are replaced or deleted.

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::transactions::{commit_up_to, number, state, texts};
use crate::support::scenario::{PLAIN, Scenario};

const SMALL: usize = 20;

/// A pipe, a socket, a device, a directory, a dangling link, and the swap file of an editor.
pub const ODD: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| {
        let odd = |name: &str| world.package(&format!("odd-{name}"));
        mknodat(CWD, odd("pipe"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).expect("made");
        drop(std::os::unix::net::UnixListener::bind(odd("socket")).expect("bound"));
        std::os::unix::fs::symlink("/dev/null", odd("device")).expect("linked");
        std::os::unix::fs::symlink("nowhere", odd("link")).expect("linked");
        std::fs::create_dir(odd("directory")).expect("made");
        std::fs::write(world.package(".alpha.swp"), "x").expect("written");
        commit_up_to(world, 1, SMALL);
    },
    steps: &[|program| program.note_edits(), |program| number(program, 2, SMALL)],
    states: || [1, 1, 2].map(|number| state(number, SMALL)).into(),
    ..PLAIN
};

/// Another program commits to the same packages and has a log of its own.
pub const TWO_LOGS: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| commit_up_to(world, 1, SMALL),
    steps: &[
        |program| number(program, 2, SMALL),
        |program| number(&program.with_another_log(), 3, SMALL),
        |program| number(program, 4, SMALL),
    ],
    states: || [1, 2, 3, 4].map(|number| state(number, SMALL)).into(),
    is_edited: true,
    ..PLAIN
};

/// It is moved away while a program has the log open, once all texts are in place: commits that are only in the log
/// would be lost with it.
pub const REPLACED_STATE: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| commit_up_to(world, 1, SMALL),
    steps: &[
        |program| number(program, 2, SMALL),
        |program| program.place_texts(),
        |program| {
            if !super::transactions::NAMES.iter().any(|name| program.is_behind(name)) {
                std::fs::rename(program.world.path("state"), program.world.path("old-state")).expect("moved");
                program.world.settle();
            }
            Ok(())
        },
        |program| number(program, 3, SMALL),
    ],
    states: || [1, 2, 2, 2, 3].map(|number| state(number, SMALL)).into(),
    is_edited: true,
    needs_repair: true,
    ..PLAIN
};

/// It is deleted with its locks and maps, while programs use them.
pub const DELETED_RUN: Scenario = Scenario {
    packages: || texts(0, SMALL),
    prepare: |world| commit_up_to(world, 1, SMALL),
    steps: &[
        |program| number(program, 2, SMALL),
        |program| {
            std::fs::remove_dir_all(program.world.path("run")).expect("removed");
            Ok(())
        },
        |program| number(program, 3, SMALL),
    ],
    states: || [1, 2, 2, 3].map(|number| state(number, SMALL)).into(),
    ..PLAIN
};
