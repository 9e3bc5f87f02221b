//! Commits whose texts are placed later: programs see them at once, they are durable, and the text is in place before
//! any program of the library reads it.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cms::log::{Content, Kind};
use cms::testing::{Call, Files, Seams as _};
use cms::{Durability, Engine, Error, Form, Options, Store};

use crate::support::fixture::{Fixture, get};
use crate::support::oracle::{Chain, litter, scratch};
use crate::support::probes::{EACCES, EIO, ENOSPC, Fail, before};

const TEXT: &str = "# kept\nconfig interface 'lan'\n\toption mtu '1500' # kept\n\toption a '0'\n\nconfig interface 'wan'\n\toption mtu '1400'\n";
const NEVER: Duration = Duration::from_secs(100_000);

fn fixture() -> Fixture {
    Fixture::new(&[("network", TEXT), ("system", "config system 's'\n\toption a '0'\n")])
}

fn later(fixture: &Fixture, text_delay: Duration) -> Options {
    fixture.options().durability(Durability::Log).text_delay(text_delay)
}

fn open(fixture: &Fixture) -> Store {
    let live = Store::open(later(fixture, NEVER)).expect("opens");
    // Read first, so that there are maps that a commit is published to.
    assert_eq!(get(&live, "network.wan.mtu").as_deref(), Some("1400"));
    assert_eq!(get(&live, "system.s.a").as_deref(), Some("0"));
    live
}

fn set(live: &Store, key: &str, value: &str) -> u64 {
    let mut transaction = live.begin().expect("begun");
    transaction.set(key.as_bytes(), value.as_bytes()).expect("set");
    transaction.commit().expect("committed")
}

fn text(fixture: &Fixture, package: &str) -> String {
    std::fs::read_to_string(fixture.path("config").join(package)).expect("there")
}

/// Returns the log, after checking that all texts are in place and no edit by hand was logged.
fn settled(fixture: &Fixture) -> Chain {
    let log = Chain::read(&fixture.path("state"), "settled");
    assert!(log.last_is_applied && !log.kinds.contains(&Chain::FILE_EDIT), "{:?}", log.kinds);
    assert!(litter(fixture.dir.path()).is_empty());
    log
}

#[test]
fn programs_see_it_at_once_and_the_text_follows() {
    let fixture = fixture();
    let (live, reader) = (open(&fixture), open(&fixture));
    let first = set(&live, "network.lan.mtu", "1");
    let second = set(&live, "network.lan.mtu", "2");
    assert_eq!(second, first + 1);
    assert_eq!(text(&fixture, "network"), TEXT, "it is for later");
    for live in [&live, &reader] {
        assert_eq!(get(live, "network.lan.mtu").as_deref(), Some("2"));
        assert_eq!(live.revision(), second);
        live.refresh().expect("nothing to be found");
        assert_eq!(get(live, "network.lan.mtu").as_deref(), Some("2"), "the map is not behind");
    }
    live.flush().expect("there is room");
    assert_eq!(text(&fixture, "network"), TEXT.replace("1500", "2"));
    settled(&fixture);
    let history = live.engine().history().changes(None, 2).expect("readable");
    assert_eq!(history.iter().map(|record| record.sequence).collect::<Vec<_>>(), [second, first]);
    // Revisions are the numbers of the log, however often texts have been placed.
    for number in 1..4 {
        assert_eq!(live.revision(), second + number - 1, "nothing new is to be read");
        assert_eq!(set(&live, "network.lan.mtu", &format!("{number}0")), second + number);
        live.flush().expect("there is room");
    }
    assert_eq!(live.engine().history().revision().expect("there is a log"), second + 3);
}

#[test]
fn the_text_is_in_place_after_the_delay_and_when_the_store_is_closed() {
    let fixture = fixture();
    let live = Store::open(later(&fixture, Duration::from_millis(50))).expect("opens");
    assert_eq!(get(&live, "network.lan.mtu").as_deref(), Some("1500"));
    for value in ["1", "2"] {
        set(&live, "network.lan.mtu", value);
        let begun = Instant::now();
        while text(&fixture, "network") != TEXT.replace("1500", value) {
            assert!(begun.elapsed() < Duration::from_secs(20), "nobody has put it in place");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    drop(live);
    let live = open(&fixture);
    set(&live, "network.lan.mtu", "3");
    drop(live);
    assert_eq!(text(&fixture, "network"), TEXT.replace("1500", "3"));
    settled(&fixture);
}

#[test]
fn whoever_goes_by_the_text_puts_it_in_place_first() {
    let fixture = fixture();
    let live = open(&fixture);
    let plain = || Engine::new(fixture.options());
    let place = |package: &[u8]| plain().packages().find(package).expect("there");
    let by_others: [(&str, &dyn Fn()); 6] = [
        ("recovery, as by each command", &|| plain().confirmations().recover().expect("recovered")),
        ("another who opens the store", &|| drop(Store::open(fixture.options()).expect("opens"))),
        ("a look at changes by hand", &|| plain().history().note_edits().expect("noted")),
        ("a commit to another package", &|| {
            let set = |package: &mut cms::Package| {
                let delta = cms::Delta::new(cms::DeltaKind::Set, b"s", Some(b"b"), Some(b"1"));
                package.apply(&delta, cms::text::Dialect::Cms)
            };
            plain().update(&place(b"system"), Form::Lossless, set).expect("committed");
        }),
        ("a transaction of another", &|| {
            let mut transaction = live_of(&fixture).begin().expect("begun");
            transaction.get(b"network.lan.mtu").expect("readable");
        }),
        ("a snapshot", &|| drop(plain().archives().label("label").expect("made"))),
    ];
    for (number, (who, act)) in by_others.into_iter().enumerate() {
        let value = number.to_string();
        set(&live, "network.lan.mtu", &value);
        act();
        assert_eq!(text(&fixture, "network"), TEXT.replace("1500", &value), "{who}");
        assert_eq!(get(&live, "network.lan.mtu"), Some(value), "{who}");
    }
    settled(&fixture);
}

#[test]
fn who_opened_before_and_reads_a_package_for_the_first_time_sees_what_is_committed() {
    let fixture = fixture();
    // Opening a store puts texts in place, so both are opened before there is a deferred text.
    let (reader, writer) = (live_of(&fixture), live_of(&fixture));
    let live = open(&fixture);
    set(&live, "network.lan.mtu", "1");
    let mut transaction = writer.begin().expect("begun");
    assert_eq!(transaction.get(b"network.lan.mtu").expect("readable"), Some(Content::String(b"1".to_vec())));
    set(&live, "network.lan.mtu", "2");
    // If the map is missing, it is made from the text, which is older.
    fixture.maps().into_iter().for_each(|map| std::fs::remove_file(map).expect("removed"));
    assert_eq!(get(&reader, "network.lan.mtu").as_deref(), Some("2"));
}

fn live_of(fixture: &Fixture) -> Store {
    Store::open(fixture.options()).expect("opens")
}

#[test]
fn a_transaction_goes_on_from_what_is_committed_and_not_from_the_text() {
    let fixture = fixture();
    let (live, other) = (open(&fixture), open(&fixture));
    set(&live, "network.lan.a", "1");
    let mut transaction = live.begin().expect("begun");
    assert_eq!(transaction.get(b"network.lan.a").expect("readable"), Some(Content::String(b"1".to_vec())));
    transaction.add_list(b"network.lan.l", b"x").expect("added");
    set(&other, "network.wan.mtu", "2");
    transaction.commit().expect("it is another key");
    assert_eq!(get(&other, "network.lan.l").as_deref(), Some("x"));
    let mut late = live.begin().expect("begun");
    late.set(b"network.lan.a", b"mine").expect("set");
    set(&live, "network.lan.a", "2");
    assert!(matches!(late.commit(), Err(cms::Error::Conflict { .. })));
    drop((live, other));
    let wanted = TEXT.replace("a '0'", "a '2'\n\tlist l 'x'").replace("1400", "2");
    assert_eq!(text(&fixture, "network"), wanted);
    settled(&fixture);
}

#[test]
fn what_was_changed_by_hand_meanwhile_holds_beside_it() {
    let fixture = fixture();
    let live = open(&fixture);
    set(&live, "network.wan.mtu", "1");
    set(&live, "network.lan.a", "1");
    fixture.write("network", &TEXT.replace("# kept\nconfig", "# by hand\nconfig").replace("1500", "9000"));
    set(&live, "network.lan.b", "1");
    drop(live);
    let wanted = TEXT
        .replace("# kept\nconfig", "# by hand\nconfig")
        .replace("1500", "9000")
        .replace("1400", "1")
        .replace("a '0'", "a '1'\n\toption b '1'");
    assert_eq!(text(&fixture, "network"), wanted);
    let live = live_of(&fixture);
    live.engine().history().note_edits().expect("noted");
    let history = live.engine().history().changes(None, 3).expect("readable");
    let kinds: Vec<_> = history.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Commit, Kind::FileEdit, Kind::Commit]);
    let edited: Vec<_> = history[1].packages[0].changes.iter().map(|change| change.key("network")).collect();
    assert_eq!(edited, [b"network.lan.mtu".to_vec()], "the edit is what the editor has done");
    assert_eq!(get(&live, "network.lan.mtu").as_deref(), Some("9000"));
}

#[test]
fn of_a_key_that_both_have_changed_the_file_decides_and_the_log_tells() {
    let fixture = fixture();
    let live = open(&fixture);
    let ours = set(&live, "network.lan.mtu", "1");
    fixture.write("network", &TEXT.replace("1500", "9000"));
    live.refresh().expect("readable");
    assert_eq!(get(&live, "network.lan.mtu").as_deref(), Some("9000"));
    live.engine().history().note_edits().expect("noted");
    let then = live.engine().history().text_at("network", ours).expect("kept").expect("there");
    assert_eq!(String::from_utf8(then).expect("ASCII"), TEXT.replace("1500", "1"));
}

#[test]
fn many_commits_go_through_many_segments_and_write_few_texts() {
    let fixture = fixture();
    let options = later(&fixture, NEVER).log_size(256 << 10);
    let live = Store::open(options).expect("opens");
    assert_eq!(get(&live, "network.lan.a").as_deref(), Some("0"));
    let inode = || {
        std::os::unix::fs::MetadataExt::ino(
            &std::fs::metadata(fixture.path("config/network")).expect("there"),
        )
    };
    let (mut texts, mut last) = (0, inode());
    for number in 0..1200 {
        set(&live, "network.lan.a", &number.to_string());
        texts += usize::from(inode() != last);
        last = inode();
    }
    assert!((1..100).contains(&texts), "{texts} texts were written");
    drop(live);
    assert_eq!(text(&fixture, "network"), TEXT.replace("a '0'", "a '1199'"));
    settled(&fixture);
    assert_eq!(get(&live_of(&fixture), "network.lan.a").as_deref(), Some("1199"));
}

#[test]
fn threads_commit_together_and_lose_nothing() {
    let fixture = fixture();
    let live = open(&fixture);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let live = live.clone();
            scope.spawn(move || {
                (0..50).for_each(|number| {
                    let mut transaction = live.begin().expect("begun");
                    transaction
                        .set(format!("network.lan.t{thread}").as_bytes(), number.to_string().as_bytes())
                        .expect("set");
                    transaction
                        .add_list(b"system.s.all", format!("{thread}-{number}").as_bytes())
                        .expect("added");
                    transaction.commit().expect("nobody else changes it");
                });
            });
        }
    });
    let all = get(&live, "system.s.all").expect("there");
    assert_eq!(all.split(' ').count(), 400);
    drop(live);
    assert_eq!(text(&fixture, "system").matches("\tlist all ").count(), 400);
    (0..8).for_each(|thread| assert!(text(&fixture, "network").contains(&format!("option t{thread} '49'"))));
    settled(&fixture);
}

#[test]
fn stores_that_do_so_go_on_from_each_other_without_the_text() {
    let fixture = fixture();
    let (one, other) = (open(&fixture), open(&fixture));
    for number in 1..20 {
        set(if number % 3 == 0 { &other } else { &one }, "network.lan.a", &number.to_string());
        for live in [&one, &other] {
            assert_eq!(get(live, "network.lan.a"), Some(number.to_string()));
        }
    }
    set(&other, "system.s.a", "1");
    assert_eq!(text(&fixture, "network"), TEXT);
    // One of them places the text for both.
    one.flush().expect("there is room");
    assert_eq!(text(&fixture, "network"), TEXT.replace("a '0'", "a '19'"));
    assert_eq!(text(&fixture, "system"), "config system 's'\n\toption a '1'\n");
    set(&other, "network.lan.b", "1");
    set(&one, "network.lan.b", "2");
    for live in [&one, &other] {
        assert_eq!(get(live, "network.lan.b").as_deref(), Some("2"));
    }
    assert_eq!(text(&fixture, "network"), TEXT.replace("a '0'", "a '19'"));
    drop(other);
    assert_eq!(text(&fixture, "network"), TEXT.replace("a '0'", "a '19'\n\toption b '2'"));
    drop(one);
    settled(&fixture);
}

#[test]
fn packages_have_levels_of_their_own() {
    let fixture = fixture();
    let options = later(&fixture, NEVER).durability_levels("full,network=log").expect("it is right");
    let live = Store::open(options).expect("opens");
    assert_eq!(get(&live, "network.lan.a").as_deref(), Some("0"));
    set(&live, "network.lan.a", "1");
    assert_eq!(text(&fixture, "network"), TEXT);
    set(&live, "system.s.a", "1");
    assert_eq!(text(&fixture, "system"), "config system 's'\n\toption a '1'\n");
    assert_eq!(text(&fixture, "network"), TEXT.replace("a '0'", "a '1'"), "it comes before what comes later");
    let mut both = live.begin().expect("begun");
    both.set(b"network.lan.a", b"2").expect("set");
    both.set(b"system.s.a", b"2").expect("set");
    both.commit().expect("committed");
    assert_eq!(text(&fixture, "network"), TEXT.replace("a '0'", "a '2'"));
    settled(&fixture);
}

#[test]
fn without_maps_that_others_can_see_the_text_is_written_at_once() {
    let fixture = fixture();
    let live = Store::open(later(&fixture, NEVER).private_maps(true)).expect("opens");
    assert_eq!(get(&live, "network.lan.a").as_deref(), Some("0"));
    set(&live, "network.lan.a", "1");
    assert_eq!(get(&live, "network.lan.a").as_deref(), Some("1"));
    assert_eq!(text(&fixture, "network"), TEXT.replace("a '0'", "a '1'"));
    drop(live);
    // The run directory is deleted while the store is open.
    let live = open(&fixture);
    std::fs::remove_dir_all(fixture.path("run")).expect("removed");
    set(&live, "network.lan.a", "2");
    live.refresh().expect("readable");
    assert_eq!(get(&live, "network.lan.a").as_deref(), Some("2"));
    drop(live);
    assert_eq!(text(&fixture, "network"), TEXT.replace("a '0'", "a '2'"));
    settled(&fixture);
}

#[test]
fn a_package_that_cannot_be_read_is_in_nobody_elses_way() {
    let fixture = fixture();
    let live = open(&fixture);
    let mut broken = live.begin().expect("begun");
    broken.set(b"system.s.a", b"1").expect("set");
    let mut both = live.begin().expect("begun");
    both.set(b"network.lan.a", b"1").expect("set");
    both.set(b"system.s.a", b"2").expect("set");
    fixture.write("system", "config system 's\n");
    assert!(matches!(broken.commit(), Err(cms::Error::Parse(_))));
    assert!(matches!(both.commit(), Err(cms::Error::Parse(_))));
    set(&live, "network.lan.a", "2");
    assert_eq!(get(&live, "network.lan.a").as_deref(), Some("2"));
    assert_eq!(text(&fixture, "system"), "config system 's\n");
}

#[test]
fn watches_are_told_before_the_text_is_there_and_once() {
    let fixture = fixture();
    let (live, other) = (open(&fixture), open(&fixture));
    let mut watch = other.watch("network", None).expect("opens");
    // Opening a watch looks for changes by hand, which puts texts in place.
    assert!(watch.next(Some(Duration::from_millis(300))).expect("readable").is_none());
    let sequences: Vec<u64> = (1..4).map(|number| set(&live, "network.lan.a", &number.to_string())).collect();
    assert_eq!(text(&fixture, "network"), TEXT);
    for sequence in &sequences {
        let event = watch.next(Some(Duration::from_secs(20))).expect("readable").expect("told");
        assert_eq!(event.sequence(), *sequence);
    }
    assert_eq!(text(&fixture, "network"), TEXT, "nobody had to put it in place for that");
    live.flush().expect("there is room");
    assert!(watch.next(Some(Duration::from_millis(300))).expect("readable").is_none(), "told twice");
    assert_eq!(text(&fixture, "network"), TEXT.replace("a '0'", "a '3'"));
}

#[test]
fn a_commit_to_be_confirmed_has_its_text_at_once_and_the_rest_before_it() {
    let fixture = fixture();
    let live = open(&fixture);
    set(&live, "network.lan.a", "1");
    let mut transaction = live.begin().expect("begun");
    transaction.set(b"network.lan.a", b"2").expect("set");
    transaction.set_confirm(Duration::from_secs(60));
    transaction.commit().expect("committed");
    assert_eq!(text(&fixture, "network"), TEXT.replace("a '0'", "a '2'"));
    assert!(live.engine().confirmations().pending().expect("readable").is_some());
    settled(&fixture);
}

#[test]
fn a_full_disk_leaves_the_text_for_later_and_the_commit_made() {
    let fixture = fixture();
    let config = fixture.path("config");
    let is_write = move |call, path: &Path| call == Call::Write && path.starts_with(&config);
    let full = Arc::new(Fail::when(is_write).with(ENOSPC).disarmed());
    let options = later(&fixture, NEVER).files(full.files());
    let live = Store::open(options).expect("opens");
    assert_eq!(get(&live, "network.lan.a").as_deref(), Some("0"));
    set(&live, "network.lan.a", "1");
    full.arm(true);
    set(&live, "network.lan.a", "2");
    let error = live.flush().expect_err("the disk is full");
    assert!(error.to_string().contains("No space left"), "{error}");
    assert_eq!(text(&fixture, "network"), TEXT, "as it was");
    assert_eq!(get(&live, "network.lan.a").as_deref(), Some("2"), "it is made");
    set(&live, "network.lan.a", "3");
    full.arm(false);
    live.flush().expect("there is room again");
    assert_eq!(text(&fixture, "network"), TEXT.replace("a '0'", "a '3'"));
    settled(&fixture);
}

#[test]
fn threads_that_each_change_a_key_of_their_own_are_in_nobodys_way() {
    let options: String = (0..200).map(|number| format!("\toption o{number} '0'\n")).collect();
    let root = scratch();
    std::fs::create_dir(root.path().join("config")).expect("made");
    std::fs::write(root.path().join("config/p"), format!("config s 's'\n{options}")).expect("written");
    // Short segments, so that texts are put in place again and again while others begin transactions.
    let options = crate::support::oracle::options(root.path(), Files::default(), 256 << 10);
    let lock_timeout = Duration::from_secs(60);
    let live = Store::open(options.durability(Durability::Log).lock_timeout(lock_timeout)).expect("opens");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let live = live.clone();
            scope.spawn(move || {
                for number in 1..=400 {
                    // If a transaction began with a state older than the thread's own last commit, that would be a
                    // conflict.
                    set(&live, &format!("p.s.o{thread}"), &number.to_string());
                }
            });
        }
    });
    (0..4).for_each(|thread| assert_eq!(get(&live, &format!("p.s.o{thread}")).as_deref(), Some("400")));
}

/// Between the mark of a commit and its publishing, the maps that the mark names may lack commits that were published in
/// another run directory. A reader once got a value from before such a commit.
#[test]
fn a_reader_gets_no_older_value_while_a_program_with_another_run_directory_begins_a_commit() {
    let fixture = fixture();
    let with_run_b = |options: Options| {
        let mut dirs = options.get_dirs().clone();
        dirs.run.as_mut().expect("one").path = fixture.path("run-b");
        options.dirs(dirs)
    };
    let options = || fixture.options().lock_timeout(Duration::from_millis(200));
    let read = Arc::new(Mutex::new(None));
    let (reader, mark) = (Engine::new(options()), fixture.path("config").join(".network.behind"));
    let found = Arc::clone(&read);
    let files = before(move |call, path| {
        if call == Call::SyncDir && path.ends_with("config") && mark.is_symlink() {
            let mut found = found.lock().expect("no panic");
            found.get_or_insert_with(|| {
                std::thread::scope(|scope| scope.spawn(|| reader.packages().load(b"network")).join())
                    .expect("no panic")
            });
        }
        Ok(usize::MAX)
    });
    let writer = Store::open(with_run_b(later(&fixture, NEVER).files(files))).expect("opens");
    assert_eq!(get(&writer, "network.lan.mtu").as_deref(), Some("1500"), "there is a map");
    set(&Store::open(options()).expect("opens"), "network.lan.mtu", "1");
    set(&writer, "network.wan.mtu", "2");
    let read = read.lock().expect("no panic").take().expect("a mark was made");
    assert!(matches!(read, Err(Error::Locked { .. })), "{:?}", read.map(|loaded| loaded.package));
}

/// The text in place once counted as the newest one, and the commit was lost.
#[test]
fn recovery_fails_and_loses_no_commit_if_the_text_beside_the_log_cannot_be_read() {
    let committed = TEXT.replace("1500", "1");
    let edited = (format!("{TEXT}# by hand\n"), format!("{committed}# by hand\n"));
    let emptied = (String::new(), committed);
    for (in_place, wanted) in [edited, emptied] {
        for error in [EIO, EACCES] {
            let fixture = fixture();
            let live = open(&fixture);
            set(&live, "network.lan.mtu", "1");
            std::fs::write(fixture.path("config").join("network"), &in_place).expect("written");
            let reads_a_text = |call, path: &Path| {
                call == Call::Read && path.parent().is_some_and(|dir| dir.ends_with("texts"))
            };
            let fails = Arc::new(Fail::when(reads_a_text).with(error));
            let other = Engine::new(fixture.options().files(fails.files()));
            let outcome = other.confirmations().recover();
            assert!(fails.has_failed(), "{outcome:?}");
            let names_it = matches!(&outcome, Err(Error::Io { path, .. }) if path.ends_with("texts/network"));
            assert!(names_it, "{outcome:?}");
            assert_eq!(text(&fixture, "network"), in_place);
            fails.arm(false);
            other.confirmations().recover().expect("the text can be read");
            assert_eq!(text(&fixture, "network"), wanted);
        }
    }
}

/// The commit was once tried again and again without end.
#[test]
fn a_commit_fails_if_the_mark_of_another_log_cannot_be_removed() {
    let fixture = fixture();
    let live = open(&fixture);
    set(&live, "network.lan.mtu", "1");
    let removes_a_mark = |call, path: &Path| {
        call == Call::Remove && path.extension().is_some_and(|extension| extension == "behind")
    };
    let fails = Arc::new(Fail::when(removes_a_mark));
    let options = fixture.options().files(fails.files());
    let mut dirs = options.get_dirs().clone();
    dirs.state.as_mut().expect("one").path = fixture.path("state-b");
    let other = Store::open(options.dirs(dirs)).expect("opens");
    let loaded = other.engine().packages().load(b"network").expect("a reader can go on");
    assert_eq!(loaded.package.sections().count(), 2);
    let mut transaction = other.begin().expect("begun");
    let outcome = transaction.set(b"network.wan.mtu", b"2").and_then(|()| transaction.commit());
    assert!(fails.has_failed(), "{outcome:?}");
    let names_it = matches!(&outcome, Err(Error::Io { path, .. }) if path.ends_with(".network.behind"));
    assert!(names_it, "{outcome:?}");
    fails.arm(false);
    set(&other, "network.wan.mtu", "2");
    assert_eq!(text(&fixture, "network"), TEXT.replace("1500", "1").replace("1400", "2"));
}

#[test]
fn repair_puts_texts_in_place_before_it_sets_a_damaged_log_aside() {
    let fixture = fixture();
    let options = later(&fixture, NEVER).log_size(256 << 10);
    let live = Store::open(options.clone()).expect("opens");
    for round in 0..200 {
        set(&live, "network.lan.mtu", &format!("{round} ").repeat(if round < 199 { 300 } else { 1 }));
    }
    live.flush().expect("there is room");
    set(&live, "network.lan.mtu", "1501");
    assert!(!text(&fixture, "network").contains("1501"), "it is for later");
    let state = std::fs::read_dir(fixture.path("state")).expect("readable").next().expect("one");
    let logs = std::fs::read_dir(state.expect("readable").path()).expect("readable");
    let logs = logs.map(|entry| entry.expect("readable").path());
    let first = logs.filter(|path| path.extension().is_some_and(|end| end == "log")).min().expect("several");
    let mut bytes = std::fs::read(&first).expect("there are several segments");
    bytes[2000] ^= 1;
    std::fs::write(&first, bytes).expect("written");
    // Another process would do the same.
    let repaired = Engine::new(options).audit().repair().expect("set aside");
    assert!(!repaired.problems.is_empty(), "{repaired:?}");
    assert_eq!(text(&fixture, "network"), TEXT.replace("1500", "1501"));
    drop(live);
    assert_eq!(text(&fixture, "network"), TEXT.replace("1500", "1501"));
}
