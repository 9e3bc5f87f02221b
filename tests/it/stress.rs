//! Readers in several processes check that values of one commit fit together, while writers commit and are killed, an
//! editor saves, maps grow and are compacted, and the run directory is deleted.
//!
//! In `pair`, every commit gives four options in two sections the same value, of varying length: a snapshot shows
//! four equal values. Its writer is killed all the time. In `one` and `two`, every commit of one writer, which is not
//! killed, gives both packages the same number. In `many`, sections are added and deleted, and one of them is so
//! large that it is kept in parts; its writer is killed as well. `file` is only ever saved by an editor.
//!
//! Two snapshots of one revision have the same values in every package that only commits change.
//!
//! The run directory is deleted in a second round. Packages that are opened one after the other may then be read
//! before and after a commit that got no number. So in that round values are only compared within a package, and not
//! over two packages.

use std::collections::HashMap;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cms::{Error, Options, Snapshot, Store};

use crate::support::fixture::dirs;
use crate::support::parts::this_program;

const DIR: &str = "CMS_STRESS_DIR";
const DELETING: &str = "CMS_STRESS_DELETING";

fn options() -> Options {
    let dir = std::path::PathBuf::from(std::env::var_os(DIR).expect("a directory"));
    Options::new().dirs(dirs(&dir))
}

/// The length of a round.
fn seconds() -> u64 {
    std::env::var("CMS_STRESS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6) / 2
}

/// Whether the run directory is deleted in this round.
fn deleting() -> bool {
    std::env::var_os(DELETING).is_some()
}

/// A value that shows whether it is complete: a number, and as many letters as its last digits say.
fn value(number: u64) -> String {
    format!("{number}:{}", "x".repeat(usize::try_from(number % 300).expect("small")))
}

fn check(value: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(value).into_owned();
    let (number, rest) = text.split_once(':').unwrap_or((&text, ""));
    let number: u64 = number.parse().unwrap_or_else(|_| panic!("torn: {text}"));
    assert_eq!(rest.len() as u64, number % 300, "torn: {text}");
    number
}

fn read(snapshot: &Snapshot, key: &str) -> Result<u64, Error> {
    let found = snapshot.get(key.as_bytes())?.unwrap_or_else(|| panic!("{key} is gone"));
    Ok(check(found.items().next().expect("a value")))
}

/// How many options the large section of `many` has.
const LARGE: usize = 100;

/// Returns the number of small sections of `many` after commit `number`.
fn small_sections(number: u64) -> usize {
    usize::try_from(number % 5).expect("small")
}

fn has_large(number: u64) -> bool {
    !number.is_multiple_of(7)
}

/// Looks at `many`: each section that is there, and no other, has the number of the commit.
fn look_at_many(snapshot: &Snapshot) -> Result<u64, Error> {
    let package = snapshot.package(b"many")?;
    let number = read(snapshot, "many.first.v")?;
    let mut names = vec!["first".to_owned()];
    names.extend((0..small_sections(number)).map(|index| format!("x{index}")));
    names.extend(has_large(number).then(|| "large".to_owned()));
    names.sort();
    let mut seen: Vec<_> =
        package.sections().map(|s| String::from_utf8_lossy(s.name()).into_owned()).collect();
    seen.sort();
    assert_eq!(seen, names, "sections of another commit than {number}");
    for section in package.sections() {
        for (name, value) in section.options() {
            let it = check(value.items().next().expect("a value"));
            let (section, name) = (String::from_utf8_lossy(section.name()), String::from_utf8_lossy(name));
            let is_old = section == "large" && !matches!(&*name, "o3" | "o50" | "v");
            assert!(it == number || is_old && it < number, "{section}.{name} is of {it}, not {number}");
            let by_key = read(snapshot, &format!("many.{section}.{name}"))?;
            assert_eq!(by_key, it, "many.{section}.{name} in {number}");
        }
        assert!(section.name() != b"large" || section.options().count() == LARGE + 1);
    }
    Ok(number)
}

/// The values that a thread has seen so far.
#[derive(Default)]
struct Seen {
    last: [u64; 3],
    by_revision: HashMap<u64, [u64; 3]>,
}

/// Checks one snapshot. An old one may return `stale`.
fn look(live: &Store, seen: &mut Seen) -> Result<(), Error> {
    let snapshot = live.snapshot()?;
    let pair: Vec<u64> = ["pair.a.v", "pair.a.w", "pair.b.v", "pair.b.w"]
        .iter()
        .map(|key| read(&snapshot, key))
        .collect::<Result<_, _>>()?;
    assert!(pair.iter().all(|number| *number == pair[0]), "half of a commit: {pair:?}");
    let both = [read(&snapshot, "one.s.v")?, read(&snapshot, "two.s.v")?];
    assert!(both[0] == both[1] || deleting(), "half of a commit over two packages: {both:?}");
    let now = [pair[0], both[0], look_at_many(&snapshot)?];
    let last = std::mem::replace(&mut seen.last, now);
    assert!(now.iter().zip(&last).all(|(now, last)| now >= last), "back in time: {now:?} after {last:?}");
    let revision = snapshot.revision();
    let known = *seen.by_revision.entry(revision).or_insert(now);
    assert!(known == now || deleting(), "revision {revision} shows {known:?}, and {now:?}");
    let keys: [&[u8]; 2] = [b"pair.a.v", b"one.s.v"];
    let mut values = [None; 2];
    snapshot.get_many(&keys, &mut values)?;
    let many = values.map(|value| check(value.expect("there").items().next().expect("one")));
    assert_eq!(many, [now[0], now[1]]);
    let package = snapshot.package(b"pair")?;
    let names: Vec<_> = package.sections().map(|section| section.name().to_vec()).collect();
    assert_eq!(names, [b"a".to_vec(), b"b".to_vec()]);
    let edited = snapshot.package(b"file")?;
    let values: Vec<u64> = edited
        .sections()
        .filter_map(|s| s.get(b"v"))
        .map(|v| check(v.items().next().expect("one")))
        .collect();
    assert!(
        values.len() == 3 && values.iter().all(|number| *number == values[0]),
        "half an edit: {values:?}"
    );
    Ok(())
}

fn reader() {
    let end = Instant::now() + Duration::from_secs(seconds());
    let live = Store::open(options()).expect("opens");
    let (looks, stale) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (live, looks, stale) = (&live, &looks, &stale);
            scope.spawn(move || {
                let mut seen = Seen::default();
                let mut key = live.prepare(b"pair.a.v").expect("a key");
                while Instant::now() < end {
                    match look(live, &mut seen) {
                        Ok(()) => looks.fetch_add(1, Ordering::Relaxed),
                        Err(Error::Stale { .. }) => stale.fetch_add(1, Ordering::Relaxed),
                        Err(error) => panic!("{error}"),
                    };
                    let last = seen.last;
                    let direct =
                        live.get(b"pair.a.v", |v| check(v.items().next().expect("one"))).expect("read");
                    assert!(direct.is_some_and(|number| number >= last[0]));
                    let kept = key.get().expect("read").map(|v| check(v.items().next().expect("one")));
                    assert!(
                        kept.is_some_and(|number| number >= last[0]),
                        "kept {kept:?}, {last:?}, {direct:?}"
                    );
                    if thread == 0 {
                        live.refresh().expect("refreshed");
                    }
                }
            });
        }
    });
    let (looks, stale) = (looks.into_inner(), stale.into_inner());
    assert!(looks > stale, "{looks} looks, {stale} stale");
    let many = live.get(b"many.first.v", |v| check(v.items().next().expect("one"))).expect("read");
    println!("reader: {looks} snapshots, {stale} stale; many is at {}", many.unwrap_or_default());
}

/// Commits to `pair` until the process is killed.
fn pair_writer() {
    let live = Store::open(options()).expect("opens");
    loop {
        live.refresh().expect("refreshed");
        let now =
            live.get(b"pair.a.v", |v| check(v.items().next().expect("one"))).expect("read").expect("there");
        let mut transaction = live.begin().expect("few are open");
        for key in ["pair.a.v", "pair.a.w", "pair.b.v", "pair.b.w"] {
            transaction.set(key.as_bytes(), value(now + 1).as_bytes()).expect("set");
        }
        match transaction.commit() {
            Ok(_) | Err(Error::Conflict { .. } | Error::Locked { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Commits to `many` until the process is killed.
fn many_writer() {
    let live = Store::open(options()).expect("opens");
    loop {
        live.refresh().expect("refreshed");
        let now = live
            .get(b"many.first.v", |v| check(v.items().next().expect("one")))
            .expect("read")
            .expect("there");
        match commit_many(&live, now, now + 1) {
            Ok(_) | Err(Error::Conflict { .. } | Error::Locked { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Changes `many` from the state after one commit to the state after the next.
fn commit_many(live: &Store, before: u64, number: u64) -> Result<u64, Error> {
    let mut transaction = live.begin().expect("few are open");
    let mut set = |key: String| transaction.set(key.as_bytes(), value(number).as_bytes());
    set("many.first.v".into())?;
    if has_large(before) && has_large(number) {
        ["v", "o3", "o50"].into_iter().try_for_each(|name| set(format!("many.large.{name}")))?;
        set(format!("many.large.o{}", number % LARGE as u64))?;
    }
    let (were, are) = (small_sections(before), small_sections(number));
    (0..were.min(are)).try_for_each(|index| set(format!("many.x{index}.v")))?;
    for index in are..were {
        transaction.delete(format!("many.x{index}").as_bytes())?;
    }
    for index in were..are {
        transaction.set(format!("many.x{index}").as_bytes(), b"s")?;
        transaction.set(format!("many.x{index}.v").as_bytes(), value(number).as_bytes())?;
    }
    if has_large(before) && !has_large(number) {
        transaction.delete(b"many.large")?;
    }
    if !has_large(before) && has_large(number) {
        transaction.set(b"many.large", b"s")?;
        for name in (0..LARGE).map(|index| format!("o{index}")).chain(["v".to_owned()]) {
            transaction.set(format!("many.large.{name}").as_bytes(), value(number).as_bytes())?;
        }
    }
    transaction.commit()
}

/// Commits to `one` and `two` together.
fn both_writer() {
    let end = Instant::now() + Duration::from_secs(seconds());
    let live = Store::open(options()).expect("opens");
    let mut number = 1;
    while Instant::now() < end {
        number += 1;
        let mut transaction = live.begin().expect("few are open");
        for key in ["one.s.v", "two.s.v"] {
            transaction.set(key.as_bytes(), value(number).as_bytes()).expect("set");
        }
        transaction.commit().expect("committed");
    }
    println!("both: {number} commits");
}

fn edited(number: u64) -> String {
    ["c", "d", "e"].map(|name| format!("config s '{name}'\n\toption v '{}'\n", value(number))).concat()
}

/// Saves a text as editors do: a new file, renamed.
fn editor() {
    let dir = options().get_dirs().config.path.clone();
    let end = Instant::now() + Duration::from_secs(seconds());
    let mut number = 1;
    while Instant::now() < end {
        number += 1;
        std::fs::write(dir.join(".file.new"), edited(number)).expect("written");
        std::fs::rename(dir.join(".file.new"), dir.join("file")).expect("renamed");
        std::thread::sleep(Duration::from_millis(3));
    }
}

fn play(role: &str, dir: &std::path::Path, deleting: bool) -> Child {
    let mut command = this_program("stress", role);
    if deleting {
        command.env(DELETING, "1");
    }
    command.env(DIR, dir).stdout(Stdio::piped()).spawn().expect("runs")
}

/// Runs a role in another process.
pub fn role(role: &str) {
    match role {
        "reader" => reader(),
        "pair" => pair_writer(),
        "many" => many_writer(),
        "both" => both_writer(),
        "editor" => editor(),
        other => panic!("no such part: {other}"),
    }
}

#[test]
fn what_belongs_together_stays_together() {
    for deleting in [false, true] {
        round(deleting);
    }
}

fn round(deleting: bool) {
    let shm = std::path::Path::new("/dev/shm");
    let dir =
        if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.expect("a directory");
    let dir = dir.path();
    std::fs::create_dir(dir.join("config")).expect("made");
    let section = |name: &str| format!("config s '{name}'\n\toption v '{0}'\n\toption w '{0}'\n", value(1));
    let write =
        |name: &str, text: String| std::fs::write(dir.join("config").join(name), text).expect("written");
    write("pair", section("a") + &section("b"));
    write("one", section("s"));
    write("two", section("s"));
    // Number 0 has no large section and no small ones.
    write("many", format!("config s 'first'\n\toption v '{}'\n", value(0)));
    write("file", edited(1));
    let watched: Vec<(&str, Child)> =
        ["reader", "reader", "both", "editor"].map(|role| (role, play(role, dir, deleting))).into();
    let end = Instant::now() + Duration::from_secs(seconds());
    let mut deleted = Instant::now();
    let mut kills = 0;
    while Instant::now() < end {
        // Only one writer of a kind runs at a time: two would overwrite each other's numbers, which could then
        // decrease.
        let mut writers = ["pair", "many"].map(|role| play(role, dir, deleting));
        for writer in &mut writers {
            std::thread::sleep(Duration::from_millis(10 + kills % 37));
            writer.kill().expect("killed");
            writer.wait().expect("ended");
            kills += 1;
        }
        if deleting && deleted.elapsed() > Duration::from_millis(300) {
            // Some files may be removed already, or be made again at once.
            let _ = std::fs::remove_dir_all(dir.join("run").join("maps"));
            deleted = Instant::now();
        }
    }
    for (role, child) in watched {
        let output = child.wait_with_output().expect("ended");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{role}: {said}");
        let told = |line: &&str| line.contains("snapshots") || line.contains("commits");
        said.lines().filter(told).for_each(|line| println!("{line}"));
    }
    println!(
        "{kills} writers killed{}",
        if deleting { ", the run directory deleted now and then" } else { "" }
    );
}
