//! Ten thousand packages: each costs as much as the one before, and closing the store gives everything back.

use std::time::{Duration, Instant};

use cms::{Options, Store};

use crate::support::fixture::{dirs, get, show};

/// Runs a test of this file in another process, where no other test opens files or maps memory.
fn alone(name: &str) -> bool {
    if std::env::var_os("CMS_ALONE").is_some() {
        return true;
    }
    let test = std::env::current_exe().expect("the test itself");
    let name = format!("scale::{name}");
    let mut command = std::process::Command::new(test);
    command.args(["--exact", &name, "--nocapture"]).env("CMS_ALONE", "1");
    assert!(command.status().expect("run").success(), "{name}");
    false
}

/// Returns the numbers of open files and of mapped maps.
fn held() -> (usize, usize) {
    let files = std::fs::read_dir("/proc/self/fd").expect("readable").count();
    let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
    (files, maps.lines().filter(|line| line.contains("/maps/")).count())
}

fn options(dir: &std::path::Path) -> Options {
    Options::new().dirs(dirs(dir))
}

/// Frees memory whose release waits until no thread reads it any more.
fn settle() {
    (0..1000).for_each(|_| crossbeam_epoch::pin().flush());
}

/// Calls `each` with the numbers of all packages, and returns the time of each tenth of them.
fn tenths(packages: usize, mut each: impl FnMut(usize)) -> Vec<Duration> {
    let tenth = |start: usize| {
        let begun = Instant::now();
        (start..start + packages / 10).for_each(&mut each);
        begun.elapsed()
    };
    (0..packages).step_by(packages / 10).map(tenth).collect()
}

#[test]
fn ten_thousand_packages_cost_as_much_each_as_ten_and_leave_nothing_behind() {
    const PACKAGES: usize = 10_000;
    if !alone("ten_thousand_packages_cost_as_much_each_as_ten_and_leave_nothing_behind") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("config")).expect("made");
    for number in 0..PACKAGES {
        let text = format!("config a 's'\n\toption x '{number}'\n");
        std::fs::write(dir.path().join("config").join(format!("p{number}")), text).expect("written");
    }
    let key = |number: usize| format!("p{number}.s.x");
    for round in ["made", "opened", "opened by a snapshot"] {
        let before = held();
        let live = Store::open(options(dir.path())).expect("opens");
        let snapshot = live.snapshot().expect("opens");
        let read = |number: usize| {
            let value = if round == "opened by a snapshot" {
                snapshot.get(key(number).as_bytes()).expect("readable").map(show)
            } else {
                get(&live, &key(number))
            };
            assert_eq!(value, Some(number.to_string()));
        };
        let (first, second) = (tenths(PACKAGES, read), tenths(PACKAGES, read));
        let sum = |tenths: &[Duration]| tenths.iter().sum::<Duration>();
        println!("{round}: {:?}, then {:?}; by tenths {first:?} {second:?}", sum(&first), sum(&second));
        assert_eq!(held().1, before.1 + PACKAGES + 1, "{round}");
        // The directories of the maps and of the locks are opened once.
        assert!(held().0 <= before.0 + 2, "{round}: maps need no open file: {:?} and {before:?}", held());
        drop(snapshot);
        drop(live);
        settle();
        assert_eq!(held(), before, "{round}");
    }
}
