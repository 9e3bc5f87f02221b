//! Every system call of transactions over several packages is made to fail: of commits, of new segments, of
//! recovery, of noting what was changed by hand. Afterwards a store that is opened anew is as before or after
//! the transaction in all packages, and log, texts and maps agree (see `oracle`).

use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cms::files::{Call, Files};
use cms::log::Limits;
use cms::{Delta, DeltaKind, Durability, Error, Form, Options, Store, Unstaged};

use crate::support::oracle::{Triple, is_exhaustive, options};
use crate::support::probes::{EDQUOT, EIO, ENOSPC, EROFS, Fail, FailAt, Fault, before};

const FAULTS: [Fault; 8] = [
    Fault::Error(EIO),
    Fault::Error(ENOSPC),
    Fault::Error(EDQUOT),
    Fault::Error(EROFS),
    Fault::Stays(EIO),
    Fault::Stays(EROFS),
    Fault::ShortWrite,
    Fault::Death,
];

/// What may be there after a commit of `number` has come out like this, and `number - 1` was there before.
fn allowed<T>(outcome: &Result<T, Error>, number: u64, fault: Fault) -> RangeInclusive<u64> {
    match outcome {
        Ok(_) => number..=number,
        // The transaction is made, or nobody can tell.
        Err(Error::NotDurable { .. } | Error::Unfinished { .. }) => number - 1..=number,
        Err(_) if fault == Fault::Death => number - 1..=number,
        Err(_) => number - 1..=number - 1,
    }
}

/// Runs `act` on copies of a store, with a fault at the first call, the second, and so on until there are no
/// more. It returns what may be there afterwards.
fn at_every_call(prepared: &Triple, act: impl Fn(&Triple, &Store, Fault) -> (String, RangeInclusive<u64>)) {
    let is_small = prepared.limits == Limits::default();
    let is_picked = |durability: Durability, fault: Fault| match durability {
        // Those that are told apart by nothing but their numbers take their time with a large log.
        Durability::Full => is_small || !matches!(fault, Fault::Error(ENOSPC | EDQUOT)),
        _ => is_small && fault == Fault::Death,
    };
    let levels = [Durability::Full, Durability::Log, Durability::None];
    let all = levels.into_iter().flat_map(|durability| FAULTS.map(|fault| (durability, fault)));
    for (durability, fault) in all.filter(|(level, fault)| is_exhaustive() || is_picked(*level, *fault)) {
        for at in 0.. {
            assert!(at < 400, "the number of calls is bounded");
            let triple = prepared.copy();
            let probe = FailAt::new(at, fault);
            let options = options(triple.root.path(), probe.files(), triple.limits);
            // Texts that come later do so when the store is closed.
            let text_delay = std::time::Duration::from_secs(100_000);
            let live = Store::open(Options { durability, text_delay, ..options }).expect("opens");
            let (outcome, allowed) = act(&triple, &live, fault);
            drop(live);
            if !probe.was_reached() {
                assert!(at > 10, "the fault was reached");
                break;
            }
            let what = format!("{durability:?}, {fault:?} at call {at}, {:?}: {outcome}", probe.hit());
            // A log on a read-only disk is done without.
            let logged = !matches!(fault, Fault::Error(EROFS) | Fault::Stays(EROFS));
            triple.check_log(&allowed, logged, &what);
        }
    }
}

fn committed(padding: usize, limits: Limits, times: u64) -> Triple {
    let triple = Triple::new(padding, limits);
    let live = triple.live(Files::default());
    for number in 1..=times {
        triple.commit(&live, number).expect("committed");
    }
    triple
}

/// Commits 2, and then 3 with the same handle, which may refuse that if a sync has failed.
fn commit_twice(triple: &Triple, live: &Store, fault: Fault, number: u64) -> (String, RangeInclusive<u64>) {
    let first = triple.commit(live, number);
    let may = allowed(&first, number, fault);
    if fault == Fault::Death {
        return (format!("{first:?}"), may);
    }
    let second = triple.commit(live, number + 1);
    let what = format!("{first:?}, then {second:?}");
    match second {
        Ok(_) => (what, number + 1..=number + 1),
        Err(_) => {
            let refused = matches!(second, Err(Error::Damaged { .. }));
            assert!(refused || matches!(fault, Fault::Stays(_)) || first.is_ok(), "{what}");
            let again = allowed(&second, number + 1, fault);
            // If the first was made, the second may be as well; else what the first has left.
            (what, *may.start()..=if *again.end() > number { number + 1 } else { *may.end() })
        }
    }
}

#[test]
fn a_commit_over_three_packages_with_any_call_failing_is_before_or_after_in_all_of_them() {
    at_every_call(&committed(20, Limits::default(), 1), |triple, live, fault| {
        let outcome = triple.commit(live, 2);
        (format!("{outcome:?}"), allowed(&outcome, 2, fault))
    });
}

#[test]
fn after_a_call_has_failed_the_same_handle_goes_on_or_says_that_it_cannot() {
    at_every_call(&committed(20, Limits::default(), 1), |triple, live, fault| {
        commit_twice(triple, live, fault, 2)
    });
}

#[test]
fn the_first_commit_of_all_with_any_call_failing_is_before_or_after_in_all_packages() {
    at_every_call(&committed(20, Limits::default(), 0), |triple, live, fault| {
        let outcome = triple.commit(live, 1);
        (format!("{outcome:?}"), allowed(&outcome, 1, fault))
    });
}

#[test]
fn a_commit_that_begins_a_segment_and_drops_others_with_any_call_failing_is_before_or_after() {
    let limits = Limits { bytes: 256 << 10, ..Limits::default() };
    at_every_call(&committed(2800, limits, 7), |triple, live, fault| commit_twice(triple, live, fault, 8));
}

/// Reports whether a text is put in place by a call.
fn places_a_text(call: Call, path: &Path) -> bool {
    call == Call::Rename && path.parent().is_some_and(|dir| dir.ends_with("config"))
}

#[test]
fn recovery_with_any_call_failing_is_finished_by_the_next() {
    for renames in 0..3 {
        let triple = committed(20, Limits::default(), 1);
        // The process dies after the transaction was logged.
        let dies = Arc::new(Fail::when(places_a_text).after(renames).for_good());
        let outcome = triple.commit(&triple.live(dies.files()), 2);
        assert!(matches!(outcome, Err(Error::Unfinished { .. })), "{outcome:?}");
        at_every_call(&triple, |_, live, _| {
            (format!("{:?}", live.engine().confirmations().recover()), 2..=2)
        });
    }
}

#[test]
fn noting_edits_with_any_call_failing_changes_no_text() {
    let triple = committed(20, Limits::default(), 1);
    let edited = triple.text("beta", 1) + "# by hand\n";
    std::fs::write(triple.path("config/beta"), edited).expect("written");
    at_every_call(&triple, |triple, live, fault| {
        let outcome = live.engine().history().note_edits();
        // A package that cannot be read is passed over, so that it does not keep the others from being noted.
        let passed_over = !live.engine().warnings().is_empty();
        if outcome.is_err() || passed_over || matches!(fault, Fault::Error(EROFS) | Fault::Stays(EROFS)) {
            // It was not noted, or not wholly; now it is.
            triple.live(Files::default()).engine().history().note_edits().expect("noted");
        }
        (format!("{outcome:?}"), 1..=1)
    });
}

/// Saves one package like an editor at the moment another is put in place, and has the next sync of the directory
/// fail: that which makes the other one durable.
#[derive(Default)]
struct EditorAndFailingSync {
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
}

/// The error was dropped when another package had to be done again, because an editor had saved it meanwhile: who had
/// committed was told that all was safe.
#[test]
fn a_text_that_may_not_be_durable_is_told_of_though_another_had_to_be_merged_with_an_edit() {
    for staged in [false, true] {
        let triple = committed(20, Limits::default(), 1);
        let probe = Arc::new(EditorAndFailingSync::default());
        let live = triple.live(probe.files());
        *probe.packages.lock().expect("no panic") =
            vec![triple.path("config/alpha"), triple.path("config/beta")];
        let outcome = if staged {
            let places =
                ["alpha", "beta"].map(|name| live.engine().packages().find(name.as_bytes()).expect("there"));
            for place in &places {
                let add = Delta::new(DeltaKind::AddList, b"s", Some(b"l"), Some(b"two"));
                live.engine().staging().stage(place, &[add]).expect("staged");
            }
            live.engine().commit_together(&places, Form::Lossless, None).map(|_| 0)
        } else {
            triple.commit(&live, 2)
        };
        assert!(probe.has_failed.load(Ordering::Relaxed));
        assert!(matches!(outcome, Err(Error::NotDurable { .. })), "{outcome:?}");
        for name in ["alpha", "beta"] {
            let text = std::fs::read_to_string(triple.path("config").join(name)).expect("readable");
            let is_new =
                if staged { text.contains("list l 'two'") } else { text.starts_with(&triple.text(name, 2)) };
            assert!(is_new && text.ends_with("# by hand\n") == (name == "beta"), "{text}");
            assert!(
                !live
                    .engine()
                    .staging()
                    .may_be_staged(&live.engine().packages().find(name.as_bytes()).expect("there")),
                "{name}"
            );
        }
        drop(live);
        // Whoever comes next makes it durable, and goes on.
        let live = triple.live(Files::default());
        live.engine().confirmations().recover().expect("recovered");
        triple.commit(&live, 3).expect("committed");
    }
}

/// Changes that are not staged have no delta file that says which of them are made already.
#[test]
fn unstaged_changes_are_made_once_though_one_package_has_to_be_merged_with_an_edit() {
    let triple = committed(20, Limits::default(), 1);
    let probe = Arc::new(EditorAndFailingSync { has_failed: true.into(), ..EditorAndFailingSync::default() });
    let live = triple.live(probe.files());
    let places = ["alpha", "beta"].map(|name| live.engine().packages().find(name.as_bytes()).expect("there"));
    let unstaged = places.iter().map(|place| Unstaged {
        place: place.clone(),
        before: live.engine().packages().load(place.name.as_bytes()).expect("loads").package,
        deltas: vec![Delta::new(DeltaKind::AddList, b"s", Some(b"l"), Some(b"two"))],
    });
    let unstaged = unstaged.collect();
    *probe.packages.lock().expect("no panic") = places.iter().map(|place| place.path.clone()).collect();
    live.engine().commit_with(&places, unstaged, Form::Lossless, None).expect("committed");
    for place in &places {
        let text = std::fs::read_to_string(&place.path).expect("readable");
        assert_eq!(text.matches("list l 'two'").count(), 1, "{text}");
        assert_eq!(text.ends_with("# by hand\n"), place.name == "beta", "{text}");
    }
}
