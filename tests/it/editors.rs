//! An editor saves a package at the moment another one is placed: both changes are merged, no change is applied twice, and
//! a text that may not be durable is reported.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cms::testing::{Call, Files};
use cms::{Delta, DeltaKind, Durability, Error, Form};

use crate::support::fixture::Fixture;
use crate::support::probes::before;
use crate::support::scenario::LOG_SIZE;
use crate::support::world::World;

/// Saves one package like an editor at the moment another is placed. The next sync of the directory fails: it would have
/// made the placed text durable.
#[derive(Default)]
struct EditorAndFailingSync {
    /// The placed package and the edited package.
    packages: Mutex<Vec<PathBuf>>,
    has_saved: AtomicBool,
    has_failed: AtomicBool,
}

impl EditorAndFailingSync {
    fn files(self: &Arc<Self>) -> Files {
        let editor = Arc::clone(self);
        before(move |call, path| editor.act(call, path))
    }

    fn act(&self, call: Call, path: &Path) -> io::Result<usize> {
        let packages = self.packages.lock().expect("no panic");
        let [placed, edited] = packages.as_slice() else { return Ok(usize::MAX) };
        if call == Call::Rename && path == placed && !self.has_saved.swap(true, Ordering::Relaxed) {
            let text = std::fs::read_to_string(edited)? + "# by hand\n";
            std::fs::write(edited, text)?;
        }
        let has_saved = self.has_saved.load(Ordering::Relaxed);
        if call == Call::SyncDir && path.ends_with("config") && has_saved {
            return match self.has_failed.swap(true, Ordering::Relaxed) {
                false => Err(io::Error::from_raw_os_error(5)),
                true => Ok(usize::MAX),
            };
        }
        Ok(usize::MAX)
    }

    /// Starts to save and to fail.
    fn arm(&self, world: &World) {
        *self.packages.lock().expect("no panic") = ["alpha", "beta"].map(|name| world.package(name)).into();
    }
}

const TEXT: &str = "config s 's'\n\toption v '1' # kept\n\tlist l 'one'\n";

fn fixture() -> (Fixture, World) {
    let fixture = Fixture::in_memory(&[("alpha", TEXT), ("beta", TEXT), ("gamma", TEXT)]);
    let world = World::at(fixture.dir.path(), LOG_SIZE);
    world.program().note_edits().expect("noted");
    (fixture, world)
}

fn add() -> Delta {
    Delta::new(DeltaKind::AddList, b"s", Some(b"l"), Some(b"two"))
}

fn values(value: &str) -> Vec<(String, String)> {
    ["alpha", "beta", "gamma"].map(|name| (format!("{name}.s.v"), value.to_owned())).into()
}

/// The error was once dropped when another package had to be merged again after an edit: the commit then returned success.
#[test]
fn a_text_that_may_not_be_durable_is_told_of_though_another_had_to_be_merged_with_an_edit() {
    for staged in [false, true] {
        let (fixture, world) = fixture();
        let probe = Arc::new(EditorAndFailingSync::default());
        let program = world.program_with(Durability::Full, probe.files());
        let outcome = if staged {
            for name in ["alpha", "beta"] {
                program.stage(name, &[add()]).expect("staged");
            }
            probe.arm(&world);
            program.commit_staged(&["alpha", "beta"], Form::Lossless).map(drop)
        } else {
            probe.arm(&world);
            program.set(&values("2"))
        };
        assert!(probe.has_failed.load(Ordering::Relaxed));
        assert!(matches!(outcome, Err(Error::NotDurable { .. })), "{outcome:?}");
        for name in ["alpha", "beta"] {
            let new = match staged {
                true => format!("{TEXT}\tlist l 'two'\n"),
                false => TEXT.replace("'1'", "'2'"),
            };
            let edit = if name == "beta" { "# by hand\n" } else { "" };
            let text = fixture.text(name);
            // An added item may come after the edited line.
            let is_whole =
                text == format!("{new}{edit}") || text.replace(edit, "") == new && text.contains(edit);
            assert!(is_whole, "{name}: {text}");
            assert_eq!(program.staged(name).expect("loads"), 0, "{name}");
        }
        drop(program);
        // The next program makes the text durable and can commit.
        let program = world.program();
        program.recover().expect("recovered");
        program.set(&values("3")).expect("committed");
    }
}

/// Unstaged changes have no delta file that shows which of them are applied already.
#[test]
fn unstaged_changes_are_made_once_though_one_package_has_to_be_merged_with_an_edit() {
    let (fixture, world) = fixture();
    let probe = Arc::new(EditorAndFailingSync { has_failed: true.into(), ..EditorAndFailingSync::default() });
    let program = world.program_with(Durability::Full, probe.files());
    probe.arm(&world);
    program.commit_with(&["alpha", "beta"], &[add()]).expect("committed");
    assert!(probe.has_saved.load(Ordering::Relaxed));
    for name in ["alpha", "beta"] {
        let text = fixture.text(name);
        assert_eq!(text.matches("list l 'two'").count(), 1, "{text}");
        assert_eq!(text.contains("# by hand\n"), name == "beta", "{text}");
    }
}
