//! Every system call of the write path is made to fail, one after the other, and the process to die before
//! each. Afterwards the file is the old one or the new one, complete; what was staged is still staged or is
//! in the file; and the next commit puts everything right.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::Duration;

use cms::files::{Call, Files};
use cms::{Delta, DeltaKind, Durability, Engine, Error, Form, Options, Store, Unstaged};
use tempfile::TempDir;

use crate::support::fixture::dirs;
use crate::support::probes::{EACCES, EDQUOT, EIO, ENOSPC, EROFS, FailAt, Fault, Trace};

const OLD: &str = "# kept\nconfig a 'x'\n\toption o '1' # old\n\tlist l 'one'\n";
const NEW: &str = "# kept\nconfig a 'x'\n\toption o '2' # old\n\tlist l 'one'\n\tlist l 'two'\n\nconfig b\n";

struct Bench {
    root: TempDir,
}

impl Bench {
    fn new() -> Self {
        let root = crate::support::oracle::scratch();
        std::fs::create_dir(root.path().join("config")).expect("made");
        std::fs::write(root.path().join("config/n"), OLD).expect("written");
        std::fs::set_permissions(root.path().join("config/n"), PermissionsExt::from_mode(0o640))
            .expect("set");
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn store(&self, files: Files) -> Engine {
        let dirs = dirs(self.root.path());
        Engine::new(Options { dirs, files, lock_timeout: Duration::from_millis(300), ..Options::default() })
    }

    fn stage(&self) {
        let store = self.store(Files::default());
        store.staging().stage(&store.packages().find(b"n").expect("a package"), &staged()).expect("staged");
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path("config/n")).expect("the package file is there")
    }

    /// Lists what is in a directory besides the package.
    fn litter(&self, dir: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(dir)).expect("a directory");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names.filter(|name| name != "n").collect()
    }

    /// What must hold after any fault: commits what is staged, once, and leaves nothing behind.
    fn recovers(&self, what: &str) {
        let store = self.store(Files::default());
        let place = store.packages().find(b"n").expect("a package");
        store.packages().load(b"n").unwrap_or_else(|error| panic!("{what}: {error}"));
        store.commit(&place, Form::Lossless).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(self.text(), NEW, "{what}");
        assert_eq!(std::fs::read(self.path("save/n")).expect("a delta file"), b"", "{what}");
        assert_eq!(std::fs::metadata(self.path("config/n")).expect("there").mode() & 0o777, 0o640, "{what}");
        // Left-overs of a death go with the next commit that has something to do.
        let set = Delta::new(DeltaKind::Set, b"x", Some(b"o"), Some(b"3"));
        store.staging().stage(&place, &[set]).expect("staged");
        store.commit(&place, Form::Lossless).expect("committed");
        assert!(self.litter("config").is_empty(), "{what}: {:?}", self.litter("config"));
        assert!(self.litter("save").is_empty(), "{what}: {:?}", self.litter("save"));
    }
}

/// Changes whose effect shows when they are applied twice.
fn staged() -> Vec<Delta> {
    vec![
        Delta::new(DeltaKind::Set, b"x", Some(b"o"), Some(b"2")),
        Delta::new(DeltaKind::AddList, b"x", Some(b"l"), Some(b"two")),
        Delta::new(DeltaKind::Add, b"cfg02b607", None, Some(b"b")),
    ]
}

/// Runs `act` with a fault at the first call, the second, and so on until it is not reached any more; at each level of
/// durability.
fn at_every_call(fault: Fault, act: impl Fn(&Bench, &Engine, usize)) {
    for durability in [Durability::Full, Durability::Log, Durability::None] {
        for at in 0.. {
            assert!(at < 200, "the number of calls is bounded");
            let probe = FailAt::new(at, fault);
            let bench = Bench::new();
            let store = bench.store(probe.files());
            let store = Engine::new(Options { durability, ..store.options().clone() });
            act(&bench, &store, at);
            if !probe.was_reached() {
                assert!(at > 5, "the fault was reached");
                break;
            }
        }
    }
}

const FAULTS: [Fault; 7] = [
    Fault::Error(ENOSPC),
    Fault::Error(EIO),
    Fault::Error(EDQUOT),
    Fault::Error(EROFS),
    Fault::Error(EACCES),
    Fault::ShortWrite,
    Fault::Death,
];

#[test]
fn a_commit_with_any_call_failing_leaves_old_or_new_and_loses_nothing() {
    for fault in FAULTS {
        at_every_call(fault, |bench, store, at| {
            bench.stage();
            let outcome = store.commit(&store.packages().find(b"n").expect("a package"), Form::Lossless);
            let what = format!("call {at}: {outcome:?}");
            let text = bench.text();
            assert!(text == OLD || text == NEW, "{what}: {text}");
            match outcome {
                Ok(outcome) => assert_eq!((outcome.applied, text.as_str()), (3, NEW), "{what}"),
                Err(Error::NotDurable { .. }) => assert_eq!(text, NEW, "{what}"),
                Err(_) => {}
            }
            bench.recovers(&what);
        });
    }
}

#[test]
fn unstaged_changes_with_any_call_failing_are_committed_with_the_staged_ones_or_leave_them_as_they_were() {
    let more = OLD.replace("option o '1'", "option o '2'").replace("'one'\n", "'one'\n\tlist l 'two'\n");
    for fault in FAULTS {
        at_every_call(fault, |bench, store, at| {
            let plain = bench.store(Files::default());
            let place = plain.packages().find(b"n").expect("a package");
            plain.staging().stage(&place, &staged()[..1]).expect("staged");
            let before = plain.packages().load(b"n").expect("loads").package;
            let unstaged = Unstaged { place: place.clone(), before, deltas: staged()[1..2].to_vec() };
            let outcome =
                store.commit_with(std::slice::from_ref(&place), vec![unstaged], Form::Lossless, None);
            let what = format!("call {at}: {outcome:?}");
            bench.store(Files::default()).confirmations().recover().expect("recovered");
            let text = bench.text();
            assert!(text == OLD || text == more, "{what}: {text}");
            let left = bench.store(Files::default()).packages().load(b"n").expect("loads").changes.len();
            assert_eq!(left, usize::from(text == OLD), "{what}");
            match outcome {
                Ok(_) | Err(Error::NotDurable { .. }) => assert_eq!(text, more, "{what}"),
                Err(_) => {}
            }
        });
    }
}

#[test]
fn staging_with_any_call_failing_stages_all_or_nothing() {
    for fault in FAULTS {
        at_every_call_of_staging(fault);
    }
}

fn at_every_call_of_staging(fault: Fault) {
    for at in 0..50 {
        let probe = FailAt::new(at, fault);
        let bench = Bench::new();
        let store = bench.store(probe.files());
        let outcome = store.staging().stage(&store.packages().find(b"n").expect("a package"), &staged());
        let seen = bench.store(Files::default()).packages().load(b"n").expect("loads").changes.len();
        assert_eq!(seen, if outcome.is_ok() { 3 } else { 0 }, "call {at}: {outcome:?}");
        if !probe.was_reached() {
            return;
        }
    }
    panic!("the number of calls is bounded");
}

#[test]
fn an_update_or_a_replacement_with_any_call_failing_leaves_old_or_new() {
    for fault in FAULTS {
        at_every_call(fault, |bench, store, at| {
            let place = store.packages().find(b"n").expect("a package");
            let set = Delta::new(DeltaKind::Set, b"x", Some(b"o"), Some(b"9"));
            let outcome = store.update(&place, Form::Lossless, |package| {
                package.apply(&set, cms::text::Dialect::Cms).map(|_| ())
            });
            let text = bench.text();
            assert!(text == OLD || text == OLD.replace("'1'", "'9'"), "call {at}: {outcome:?}: {text}");
            assert!(outcome.is_err() || text != OLD, "call {at}");
        });
        at_every_call(fault, |bench, store, at| {
            let outcome = store.replace(b"n", b"config c 'z'\n");
            let text = bench.text();
            assert!(text == OLD || text == "config c 'z'\n", "call {at}: {outcome:?}: {text}");
            assert!(outcome.is_err() || text != OLD, "call {at}");
        });
    }
}

#[test]
fn a_revert_with_any_call_failing_keeps_or_drops_as_it_says() {
    for fault in FAULTS {
        for at in 0..50 {
            let probe = FailAt::new(at, fault);
            let bench = Bench::new();
            bench.stage();
            let store = bench.store(probe.files());
            let outcome = store.staging().revert(
                &store.packages().find(b"n").expect("a package"),
                Some(b"x"),
                Some(b"o"),
            );
            let left = bench.store(Files::default()).packages().load(b"n").expect("loads").changes.len();
            // A death between cutting the file and writing what stays is the one window; staged changes
            // in it are restored by the error path of every other failure.
            if !matches!(fault, Fault::Death) {
                assert_eq!(left, if outcome.is_ok() { 2 } else { 3 }, "call {at}: {outcome:?}");
            }
            if !probe.was_reached() {
                break;
            }
        }
    }
}

#[test]
fn a_symbolic_link_stays_and_its_target_is_replaced() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("real")).expect("made");
    std::fs::rename(bench.path("config/n"), bench.path("real/n")).expect("moved");
    std::os::unix::fs::symlink("../real/n", bench.path("config/n")).expect("linked");
    bench.stage();
    let store = bench.store(Files::default());
    store.commit(&store.packages().find(b"n").expect("a package"), Form::Lossless).expect("committed");
    assert!(bench.path("config/n").is_symlink());
    assert_eq!(std::fs::read_to_string(bench.path("real/n")).expect("there"), NEW);
}

#[test]
fn a_commit_that_need_not_survive_a_power_cut_syncs_only_the_new_text() {
    for durability in [Durability::None, Durability::Full] {
        let bench = Bench::new();
        let syncs = Trace::of(|call, _| matches!(call, Call::Sync | Call::SyncDir));
        let options = bench.store(syncs.files()).options().clone();
        let live = Store::open(Options { durability, ..options }).expect("opens");
        let commit = |value: usize| {
            let mut transaction = live.begin().expect("few are open");
            transaction.set(b"n.x.o", value.to_string().as_bytes()).expect("set");
            transaction.commit().expect("committed");
        };
        // The first makes the log.
        commit(0);
        syncs.take();
        (1..=20).for_each(commit);
        let synced = syncs.take();
        let is_text = |(call, path): &&(Call, PathBuf)| {
            let name = path.file_name().expect("a name").to_string_lossy();
            *call == Call::Sync && name.starts_with(".n.cms-")
        };
        assert_eq!(synced.iter().filter(is_text).count(), 20, "{synced:?}");
        assert_eq!(synced.len() > 20, durability == Durability::Full, "{synced:?}");
        assert!(bench.text().contains("option o '20' # old"));
        assert_eq!(
            live.engine().history().text_at("n", u64::MAX).expect("logged").as_deref(),
            Some(bench.text().as_bytes())
        );
    }
}
