//! Threads that commit at the same time: they share syncs, and each transaction has its own result.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cms::testing::{Call, Files, Probe, Seams as _};
use cms::{Error, Store};

use crate::support::fixture::{Fixture, get};
use crate::support::probes::{Fail, Trace, before};

fn is_sync_of_the_log(call: Call, path: &Path) -> bool {
    call == Call::Sync && path.extension().is_some_and(|extension| extension == "log")
}

/// Files whose syncs of the log are slow, so that groups form.
fn slow(probe: Arc<dyn Probe>) -> Files {
    before(move |call, path| {
        if is_sync_of_the_log(call, path) {
            std::thread::sleep(Duration::from_millis(3));
        }
        probe.before(call, path)
    })
}

const THREADS: usize = 12;
const COMMITS: usize = 10;

fn open(fixture: &Fixture, probe: Arc<dyn Probe>) -> Store {
    Store::open(fixture.options().files(slow(probe))).expect("opens")
}

/// Makes placing the texts of a package fail, once it is armed.
fn no_renames_of(package: &'static str) -> Fail {
    let is_rename = move |call, path: &Path| call == Call::Rename && path.ends_with(package);
    Fail::when(is_rename).disarmed()
}

fn text(sections: usize) -> String {
    (0..sections).map(|n| format!("config t 's{n}'\n\toption o 'none yet'\n\toption once 'x'\n")).collect()
}

fn commit(live: &Store, key: &str, value: &str) -> Result<u64, Error> {
    let mut transaction = live.begin().expect("few are open");
    transaction.set(key.as_bytes(), value.as_bytes())?;
    transaction.commit()
}

#[test]
fn what_threads_commit_at_once_shares_syncs_and_stays_one_record_each() {
    let fixture = Fixture::new(&[("a", &text(THREADS)), ("b", &text(THREADS))]);
    let syncs = Trace::of(is_sync_of_the_log);
    let live = open(&fixture, syncs.clone());
    commit(&live, "a.s0.o", "first").expect("committed");
    let (before, first) = (syncs.count(), live.engine().history().revision().expect("a log"));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let live = &live;
            scope.spawn(move || {
                let mut last = 0;
                for count in 0..COMMITS {
                    let package = if (thread + count) % 2 == 0 { "a" } else { "b" };
                    let revision = commit(live, &format!("{package}.s{thread}.o"), &count.to_string());
                    let revision = revision.expect("committed");
                    assert!(revision > last, "{revision} after {last}");
                    last = revision;
                }
            });
        }
    });
    let all = THREADS * COMMITS;
    let syncs = syncs.count() - before;
    assert!(syncs < all / 2, "{syncs} syncs for {all} transactions");
    for thread in 0..THREADS {
        let mut found: Vec<_> =
            ["a", "b"].iter().filter_map(|package| get(&live, &format!("{package}.s{thread}.o"))).collect();
        found.sort();
        assert_eq!(found, [(COMMITS - 2).to_string(), (COMMITS - 1).to_string()]);
    }
    let records = live.engine().history().changes(None, 10_000).expect("readable");
    let mine: Vec<_> = records.iter().filter(|record| record.sequence > first).collect();
    let others: Vec<_> = mine.iter().filter(|record| record.kind != cms::log::Kind::Commit).collect();
    assert!(mine.len() == all && others.is_empty(), "{} {others:?}", mine.len());
    for record in &mine {
        assert_eq!((record.packages.len(), record.packages[0].changes.len()), (1, 1));
    }
    // Each earlier state can be read, so the records fit together.
    for record in mine {
        let package = &record.packages[0];
        let change = &package.changes[0];
        let then = live
            .engine()
            .history()
            .package_at(&package.package, record.sequence)
            .expect("readable")
            .expect("there");
        let (_, new) = change.values();
        let option = change.option.as_deref().expect("an option");
        let value = then.get(&change.section, option).expect("it is there");
        let value = value.items().next().map(<[u8]>::to_vec);
        assert_eq!(value.map(cms::log::Content::String).as_ref(), new);
    }
}

#[test]
fn a_transaction_that_is_refused_in_a_group_concerns_only_who_asked_for_it() {
    let fixture = Fixture::new(&[("a", &text(THREADS))]);
    let live = open(&fixture, Trace::of(|_, _| false));
    // All have seen the option; one can delete it.
    let deleting: Vec<_> = (0..THREADS)
        .map(|_| {
            let mut transaction = live.begin().expect("few are open");
            transaction.delete(b"a.s0.once").expect("it is there");
            transaction
        })
        .collect();
    let deleted = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (thread, transaction) in deleting.into_iter().enumerate() {
            let (live, deleted) = (&live, &deleted);
            scope.spawn(move || match transaction.commit() {
                Ok(_) => drop(deleted.fetch_add(1, Ordering::Relaxed)),
                Err(error) => assert!(matches!(error, Error::Conflict { .. }), "{error}"),
            });
            scope.spawn(move || {
                for count in 0..COMMITS {
                    commit(live, &format!("a.s{thread}.o"), &count.to_string()).expect("committed");
                }
            });
        }
    });
    assert_eq!(deleted.load(Ordering::Relaxed), 1);
    for thread in 0..THREADS {
        assert_eq!(get(&live, &format!("a.s{thread}.o")), Some((COMMITS - 1).to_string()));
    }
    assert_eq!(get(&live, "a.s0.once"), None);
}

/// Its rollback must lead to the state right before it, and not to the state before others that were committed with
/// it.
#[test]
fn a_transaction_that_is_to_be_confirmed_is_committed_alone() {
    let fixture = Fixture::new(&[("a", &text(THREADS))]);
    let live = open(&fixture, Trace::of(|_, _| false));
    for round in 0..COMMITS {
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let live = &live;
                scope.spawn(move || {
                    for count in 0..3 {
                        let mut transaction = live.begin().expect("few are open");
                        let key = format!("a.s{thread}.o");
                        transaction.set(key.as_bytes(), format!("{round} {count}").as_bytes()).expect("set");
                        if (thread, count) == (round, 1) {
                            transaction.set_confirm(Duration::from_secs(3600));
                        }
                        transaction.commit().expect("committed");
                    }
                });
            }
        });
        let store = live.engine();
        let waiting = store.confirmations().pending().expect("readable").expect("it waits");
        assert_eq!(waiting.baseline, waiting.sequence - 1, "in round {round}");
        store.confirmations().confirm(None, None).expect("it waits");
    }
}

#[test]
fn a_group_whose_texts_cannot_be_put_in_place_is_taken_back_and_each_is_told_so() {
    let fixture = Fixture::new(&[("a", &text(THREADS)), ("broken", &text(1))]);
    let disk = Arc::new(no_renames_of("config/broken"));
    let live = open(&fixture, disk.clone());
    commit(&live, "a.s0.o", "first").expect("committed");
    disk.arm(true);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let live = &live;
            scope.spawn(move || {
                for count in 0..COMMITS {
                    let mut transaction = live.begin().expect("few are open");
                    let value = format!("{count}");
                    transaction.set(format!("a.s{thread}.o").as_bytes(), value.as_bytes()).expect("staged");
                    let fails = (thread + count) % 3 == 0;
                    if fails {
                        transaction.set(b"broken.s0.o", b"never").expect("staged");
                        transaction.set(format!("a.s{thread}.once").as_bytes(), b"never").expect("staged");
                    }
                    let committed = transaction.commit();
                    assert_eq!(committed.is_err(), fails, "{committed:?}");
                }
            });
        }
    });
    let config = std::fs::read_to_string(fixture.path("config").join("a")).expect("readable");
    assert!(!config.contains("never"), "{config}");
    assert_eq!(std::fs::read_to_string(fixture.path("config").join("broken")).expect("readable"), text(1));
    for thread in 0..THREADS {
        let last = (0..COMMITS).rev().find(|count| (thread + count) % 3 != 0).expect("some succeed");
        assert_eq!(get(&live, &format!("a.s{thread}.o")), Some(last.to_string()));
    }
    let verified = live.engine().audit().check_log().expect("readable");
    assert_eq!(verified.problems, [""; 0]);
}

#[test]
fn a_group_that_is_in_the_log_when_its_leader_dies_is_recovered_wholly() {
    let fixture = Fixture::new(&[("a", &text(THREADS)), ("b", &text(THREADS))]);
    // Commits are logged, and then the process dies: all calls fail from the first that places a text.
    let death = Arc::new(no_renames_of("config/b").for_good());
    let live = open(&fixture, death.clone());
    commit(&live, "a.s0.o", "first").expect("committed");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (live, death) = (&live, &death);
            scope.spawn(move || {
                for count in 0..COMMITS {
                    if count == 3 {
                        death.arm(true);
                    }
                    let mut transaction = live.begin().expect("few are open");
                    for package in ["a", "b"] {
                        let key = format!("{package}.s{thread}.o");
                        if transaction.set(key.as_bytes(), count.to_string().as_bytes()).is_err() {
                            return;
                        }
                    }
                    if let Err(error) = transaction.commit() {
                        // The commit may be made or not; it was not acknowledged.
                        assert!(death.has_failed(), "{error}");
                        return;
                    }
                }
            });
        }
    });
    assert!(death.has_failed());
    drop(live);
    let live = fixture.live();
    live.engine().confirmations().recover().expect("recovered");
    let last = live.engine().history().revision().expect("a log");
    for package in ["a", "b"] {
        let file = std::fs::read(fixture.path("config").join(package)).expect("readable");
        let logged = live.engine().history().text_at(package, last).expect("readable");
        assert_eq!(logged.as_deref(), Some(file.as_slice()), "{package}");
    }
    let records = live.engine().history().changes(None, 10_000).expect("readable");
    for thread in 0..THREADS {
        let (a, b) = (get(&live, &format!("a.s{thread}.o")), get(&live, &format!("b.s{thread}.o")));
        assert!(a == b || a.as_deref() == Some("first"), "{a:?} {b:?}");
        let section = format!("s{thread}").into_bytes();
        let mine = |record: &&cms::log::Record| {
            record.kind == cms::log::Kind::Commit
                && record
                    .package("b")
                    .is_some_and(|change| change.changes.iter().any(|c| c.section == section))
        };
        let newest = records.iter().find(mine).and_then(|record| record.package("b"));
        let newest = newest.and_then(|change| change.changes[0].values().1.cloned());
        let expected =
            newest.map_or("none yet".into(), |new| String::from_utf8_lossy(&new.items()[0]).into_owned());
        assert_eq!(b, Some(expected));
    }
    assert_eq!(live.engine().audit().check_log().expect("readable").problems, [""; 0]);
}
