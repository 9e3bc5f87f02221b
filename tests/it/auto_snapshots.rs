//! Automatic snapshots, and the size limit of the log with them; the last test writes as much as a day does.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cms::testing::{Call, Seams as _};
use cms::{ArchiveInfo, Durability, Engine, Error, Options, Store};

use crate::support::dice::Dice;
use crate::support::fixture::Fixture;
use crate::support::probes::before;
use crate::support::sandbox::Sandbox;
use crate::support::scenario::LOG_SIZE;

thread_local! {
    /// The time of the store's clock, in seconds.
    static CLOCK: Cell<u64> = const { Cell::new(1_800_000_000) };
}

fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(CLOCK.get())
}

const HOUR: u64 = 60 * 60;
const SMALL: u64 = 256 << 10;

fn fixture() -> Fixture {
    Fixture::in_memory(&[
        ("busy", "config b 'b'\n\toption o '0'\n"),
        ("calm", "# kept\nconfig c 'c'\n\toption o '0'\n"),
    ])
}

fn options(fixture: &Fixture) -> Options {
    fixture.options().log_size(SMALL).time(clock).durability(Durability::None)
}

/// Commits values of about a kilobyte, one every hour.
fn busy_hours(live: &Store, hours: std::ops::Range<u64>) {
    for hour in hours {
        CLOCK.set(CLOCK.get() + HOUR);
        let mut transaction = live.begin().expect("few are open");
        transaction.set(b"busy.b.o", format!("{hour} ").repeat(250).as_bytes()).expect("set");
        transaction.commit().expect("committed");
    }
}

fn automatic(store: &Engine) -> Vec<ArchiveInfo> {
    store.archives().labels().expect("readable").into_iter().filter(ArchiveInfo::is_automatic).collect()
}

/// The directory of the log.
fn log_dir(fixture: &Fixture) -> PathBuf {
    let mut dirs = std::fs::read_dir(fixture.path("state")).expect("readable");
    dirs.next().expect("there is a log").expect("readable").path()
}

fn first_record(store: &Engine) -> u64 {
    store.audit().check_log().expect("readable").first
}

#[test]
fn a_state_that_is_older_than_the_log_can_be_had_from_an_automatic_snapshot() {
    let fixture = fixture();
    let live = Store::open(options(&fixture)).expect("opens");
    let store = live.engine();
    let mut texts = BTreeMap::new();
    for hour in 0..700 {
        busy_hours(&live, hour..hour + 1);
        texts.insert(store.history().revision().expect("a log"), fixture.text("busy"));
        if hour == 650 {
            fixture.write("calm", "config c 'c'\n\toption o 'new'\n");
        }
    }
    let old: Vec<_> =
        automatic(store).into_iter().filter(|info| info.revision < first_record(store)).collect();
    assert!(old.len() > 3, "{old:?}");
    for info in &old {
        assert_eq!(info.label, format!("@{}", info.revision));
        let text = store.history().text_at("busy", info.revision).expect("kept").expect("there was one");
        assert_eq!(String::from_utf8_lossy(&text), texts[&info.revision]);
        assert_eq!(store.history().find_revision(&info.label).expect("there"), info.revision);
    }
    let between = old[0].revision + 1;
    assert!(
        matches!(store.history().text_at("busy", between), Err(Error::Missing(_))),
        "of others nothing is known"
    );
    // The changes since then are listed for both packages, and can be rolled back.
    let oldest = old[0].revision;
    assert_eq!(store.history().changed_since(oldest).expect("kept"), ["busy", "calm"]);
    store.history().rollback(oldest, &[], None).expect("possible").expect("something had to change");
    assert_eq!(fixture.text("busy"), texts[&oldest]);
    assert_eq!(fixture.text("calm"), "# kept\nconfig c 'c'\n\toption o '0'\n");
}

#[test]
fn automatic_snapshots_are_few_at_most_one_a_day_and_no_other_file_is_touched() {
    let fixture = fixture();
    let live = Store::open(options(&fixture)).expect("opens");
    let store = live.engine();
    assert!(matches!(store.archives().label("@9"), Err(Error::Invalid { .. })), "the name could be confused");
    let mine = store.archives().label("mine").expect("kept");
    let dir = log_dir(&fixture).join("snapshots");
    // The content of each of these files does not match its name.
    let copy = dir.join("@2.cms");
    std::fs::copy(&mine.path, &copy).expect("copied");
    let foreign = [("@1.cms", "my notes"), ("@3-before.cms", ""), ("notes.txt", "@4"), ("@5", "config x\n")];
    foreign.iter().for_each(|(name, text)| std::fs::write(dir.join(name), text).expect("written"));
    let left = dir.join(".snapshot.cms-1-2-3");
    std::fs::write(&left, "cms-snapshot 1\nla").expect("written");
    for round in 0..7 {
        busy_hours(&live, round * 150..round * 150 + 150);
        let last = store.history().revision().expect("a log");
        store.history().rollback(last - 1, &[], None).expect("possible").expect("something had to change");
        let all = automatic(store);
        let named = |info: &ArchiveInfo| {
            info.label.strip_suffix("-before").unwrap_or(&info.label) == format!("@{}", info.revision)
        };
        assert!(all.iter().all(named), "{all:?}");
        let total: u64 = all.iter().map(|info| info.size).sum();
        assert!(total <= SMALL / 8, "{total}");
        let (before, timed): (Vec<_>, Vec<_>) = all.iter().partition(|info| info.label.ends_with("-before"));
        assert!(
            before.len() == 4.min(usize::try_from(round).expect("small") + 1) && timed.len() <= 8,
            "{all:?}"
        );
        let apart = timed.windows(2).map(|pair| pair[1].time - pair[0].time);
        assert!(apart.into_iter().all(|apart| apart >= 24 * HOUR * 1_000_000), "{timed:?}");
    }
    let timed = automatic(store).iter().filter(|info| !info.label.ends_with("-before")).count();
    assert_eq!(timed, 8);
    assert_eq!(store.archives().labelled("mine").expect("as it was").info, mine);
    assert_eq!(std::fs::read(&copy).expect("there"), std::fs::read(&mine.path).expect("there"));
    for (name, text) in foreign {
        assert_eq!(std::fs::read_to_string(dir.join(name)).expect("there"), text, "{name}");
    }
    drop(live);
    Engine::new(options(&fixture)).archives().label("another").expect("kept");
    assert!(!left.exists(), "what a crash has left goes with the next that is opened");
}

#[test]
fn a_snapshot_that_cannot_be_made_hinders_no_commit_and_leaves_nothing() {
    let fixture = fixture();
    let count = Arc::new(AtomicUsize::new(0));
    let calls = count.clone();
    // Every call on a file of snapshots fails.
    let files = before(move |call, path| {
        let concerned = path.to_string_lossy().contains("/snapshots");
        match concerned.then(|| calls.fetch_add(1, Ordering::Relaxed) % 3) {
            None => Ok(usize::MAX),
            // On a full disk, creating a file may fail, or only writing it.
            Some(_) if call == Call::Write => Ok(100),
            Some(0) => Err(io::ErrorKind::StorageFull.into()),
            Some(_) => Ok(usize::MAX),
        }
    });
    let live = Store::open(options(&fixture).files(files)).expect("opens");
    busy_hours(&live, 0..200);
    let store = live.engine();
    store
        .history()
        .rollback(store.history().revision().expect("a log") - 1, &[], None)
        .expect("possible")
        .expect("changed");
    assert!(count.load(Ordering::Relaxed) > 6);
    let names: Vec<_> = std::fs::read_dir(log_dir(&fixture).join("snapshots")).expect("readable").collect();
    assert!(names.is_empty(), "{names:?}");
    assert_eq!(store.audit().check_log().expect("readable").problems, [""; 0]);
}

/// The same through the command; and `CMS_LOG_SIZE` is used: with 4 MiB nothing would be dropped.
#[test]
fn the_command_lists_automatic_snapshots_and_takes_them_for_revisions() {
    let sandbox = Sandbox::new();
    let set = |size: &str, number: usize| {
        let value = format!("network.lan.note={}", format!("{number} ").repeat(5000));
        let mut command = sandbox.command();
        let done =
            command.env("CMS_LOG_SIZE", size).args(["set", "--commit", &value]).output().expect("runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let segments = || {
        let state = std::fs::read_dir(sandbox.path("state")).expect("readable").next().expect("one");
        let files = std::fs::read_dir(state.expect("readable").path()).expect("readable").flatten();
        files.filter(|file| file.path().extension().is_some_and(|ending| ending == "log")).count()
    };
    let wrong = sandbox.command().env("CMS_LOG_SIZE", "a lot").args(["list"]).output().expect("runs");
    assert_eq!(wrong.status.code(), Some(2));
    (1..=12).for_each(|number| set("4M", number));
    assert!(sandbox.ok(&["get", "--at", "3", "network.lan.note"]).starts_with("1 1 "));
    assert!(segments() >= 4);
    (13..=24).for_each(|number| set("256K", number));
    assert!(segments() <= 4);
    assert!(
        sandbox.fails(1, &["get", "--at", "3", "network.lan.note"]).contains("does not go back to revision")
    );
    let rows: serde_json::Value = serde_json::from_str(&sandbox.ok(&["snapshots", "--json"])).expect("JSON");
    let row = &rows[0];
    assert_eq!((rows.as_array().map(Vec::len), &row["kind"]), (Some(1), &"automatic".into()), "{rows}");
    let name = row["label"].as_str().expect("a name");
    assert!(sandbox.ok(&["snapshots"]).ends_with(&format!("automatic {name}\n")));
    // Read it while the log goes back to it, and after that.
    let number = sandbox.ok(&["get", "--at", name, "network.lan.note"]);
    (25..=40).for_each(|number| set("256K", number));
    assert_eq!(sandbox.ok(&["get", "--at", name, "network.lan.note"]), number);
    assert!(sandbox.ok(&["show", "--at", name, "network.lan.note"]).contains(number.trim()));
    let diff = sandbox.run(&["diff", "--keys", name, "now"]);
    assert_eq!(diff.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&diff.stdout).contains("network.lan.note: '"));
    sandbox.ok(&["snapshot", "asked-for"]);
    assert!(sandbox.ok(&["snapshots"]).contains(" labelled  asked-for\n"));
    sandbox.ok(&["rollback", name, "network"]);
    assert_eq!(sandbox.ok(&["get", "network.lan.note"]), number);
    assert!(sandbox.ok(&["snapshots"]).contains("-before\n"));
    sandbox.ok(&["snapshot", "--delete", name]);
    assert!(!sandbox.ok(&["snapshots"]).contains(&format!("{name}\n")));
}

#[test]
fn records_that_are_too_old_or_too_many_go_though_there_is_room() {
    let kept = |age: Option<Duration>, records: Option<u64>| {
        let fixture = fixture();
        let mut options = options(&fixture).log_size(LOG_SIZE);
        if let Some(age) = age {
            options = options.log_age(age);
        }
        if let Some(records) = records {
            options = options.log_records(records);
        }
        let live = Store::open(options).expect("opens");
        busy_hours(&live, 0..300);
        let found = live.engine().audit().check_log().expect("readable");
        let oldest = live.engine().history().transaction(found.first + 1).expect("kept").time / 1_000_000;
        (found.last - found.first, (CLOCK.get() - oldest) / HOUR)
    };
    let (all, _) = kept(None, None);
    assert!(all >= 300, "{all}");
    // Whole segments are dropped, and two of about forty records each are always kept.
    let (_, hours) = kept(Some(Duration::from_secs(30 * HOUR)), None);
    assert!((30..150).contains(&hours), "{hours}");
    let (records, _) = kept(None, Some(30));
    assert!((30..150).contains(&records), "{records}");
}

/// Packages like those of a router, 500 options in all.
fn router() -> Vec<(&'static str, String)> {
    let package = |sections: usize, options: usize| {
        let option = |index: usize| format!("\toption option{index} 'value {index} of it' # kept\n");
        let section = |index: usize| {
            format!("config section 's{index}'\n{}\n", (0..options).map(option).collect::<String>())
        };
        (0..sections).map(section).collect::<String>()
    };
    let sizes =
        [("dhcp", 10, 8), ("firewall", 20, 8), ("network", 20, 8), ("system", 4, 10), ("wireless", 6, 10)];
    sizes.into_iter().map(|(name, sections, options)| (name, package(sections, options))).collect()
}

/// The size of all files beside a log that its limit covers: all except snapshots with a label.
fn taken(dir: &Path) -> u64 {
    let mut total = 0;
    for entry in std::fs::read_dir(dir).expect("readable").flatten() {
        let is_labelled = entry.path().ends_with("snapshots/mine.cms");
        match entry.metadata().expect("there") {
            found if found.is_dir() => total += taken(&entry.path()),
            found if !is_labelled => total += found.len(),
            _ => {}
        }
    }
    total
}

/// With `CMS_DAY_COMMITS=25000`, one every three and a half seconds for a day, with the default limit of the log.
#[test]
fn a_day_of_writes_takes_no_more_than_the_log_may() {
    let commits = std::env::var("CMS_DAY_COMMITS").ok().and_then(|text| text.parse().ok()).unwrap_or(2000);
    let bytes = (commits * (4 << 20) / 25_000).clamp(256 << 10, 4 << 20);
    let packages = router();
    let named: Vec<(&str, &str)> = packages.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let fixture = Fixture::in_memory(&named);
    let live = Store::open(options(&fixture).log_size(bytes)).expect("opens");
    live.engine().archives().label("mine").expect("kept");
    let (dir, start, mut dice, mut most) = (log_dir(&fixture), CLOCK.get(), Dice(0x5eed), 0);
    for number in 0..commits {
        CLOCK.set(start + number * 24 * HOUR / commits);
        let mut transaction = live.begin().expect("few are open");
        // Mostly one value, sometimes several together, and rarely a section is added or deleted.
        for _ in 0..[1, 1, 1, 1, 1, 1, 2, 5][dice.roll(8)] {
            let (name, text) = &packages[dice.roll(packages.len())];
            let sections = text.matches("config ").count();
            let key = format!("{name}.s{}.option{}", dice.roll(sections), dice.roll(8));
            transaction.set(key.as_bytes(), format!("{number} in seconds").as_bytes()).expect("set");
        }
        match number % 200 {
            50 => transaction.set(b"firewall.guest", b"rule").expect("set"),
            150 => transaction.delete(b"firewall.guest").expect("there"),
            _ => {}
        }
        transaction.commit().expect("committed");
        if number % 5 == 0 {
            let now = taken(&dir);
            assert!(now <= bytes, "after {number} commits: {now} of {bytes}");
            most = most.max(now);
        }
    }
    let verified = live.engine().audit().check_log().expect("readable");
    assert_eq!(verified.problems, [""; 0]);
    assert!(verified.first > 1 && most > bytes / 2, "it was put to the test: {} {most}", verified.first);
    let oldest = live.engine().history().transaction(verified.first + 1).expect("kept").time / 1_000_000;
    let hours = (CLOCK.get() - oldest).div_ceil(HOUR);
    let automatic = automatic(live.engine()).len();
    println!(
        "{commits} commits a day: {most} of {bytes} bytes at most, {} records of {hours} h are kept, and {automatic} \
        automatic snapshots",
        verified.last - verified.first
    );
}

#[test]
fn they_are_made_as_well_where_texts_follow_later() {
    let fixture = fixture();
    let later = options(&fixture).durability(Durability::Log).text_delay(Duration::from_secs(100_000));
    let live = Store::open(later).expect("opens");
    for hour in 0..700 {
        busy_hours(&live, hour..hour + 1);
        // The thread of an open store would do this after a while; so all texts are in place when a segment is begun.
        live.flush().expect("there is room");
    }
    let all = automatic(live.engine());
    assert!(all.len() > 3, "{all:?}");
}
