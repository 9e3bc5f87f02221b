//! Commits beside stock uci, which renames its file after it has released the lock. See `faults_list`.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cms::testing::Seams as _;
use cms::{Durability, Engine};

use super::{Bench, TEXT, at_renames, set_option};

/// Does the steps of stock uci after it has opened a package: waits for the lock, reads the opened file, writes
/// another file with one more line, and renames that once it has released the lock.
fn commit_as_stock(package: &Path, mut opened: std::fs::File, line: &str, pause: Duration) {
    rustix::fs::flock(&opened, rustix::fs::FlockOperation::LockExclusive).expect("locked");
    let mut text = String::new();
    opened.read_to_string(&mut text).expect("read");
    let temporary = package.with_file_name(".n.uci-AbCdEf");
    std::fs::write(&temporary, text + line).expect("written");
    drop(opened);
    std::thread::sleep(pause);
    std::fs::rename(temporary, package).expect("renamed");
}

#[test]
fn x_m16_a_stock_uci_that_waits_with_the_old_file_open_goes_on_from_the_new_text() {
    let bench = Bench::new();
    let package = bench.path("config/n");
    for durability in [Durability::Full, Durability::Log] {
        std::fs::write(&package, TEXT).expect("written");
        let live = bench.live(durability);
        let opened = std::fs::File::options().read(true).write(true).open(&package).expect("opened");
        let mut transaction = live.begin().expect("few are open");
        transaction.set(b"n.x.long", "2".repeat(5000).as_bytes()).expect("a key");
        transaction.commit().expect("committed");
        live.flush().expect("written");
        commit_as_stock(&package, opened, "\toption stock '1'\n", Duration::ZERO);
        let text = std::fs::read_to_string(&package).expect("there");
        assert!(text.contains(&"2".repeat(5000)) && text.contains("stock"), "{durability:?}: {text}");
        // If the text gets shorter, no bytes of the old one remain.
        let opened = std::fs::File::options().read(true).write(true).open(&package).expect("opened");
        let mut transaction = live.begin().expect("few are open");
        transaction.delete(b"n.x.long").expect("a key");
        transaction.commit().expect("committed");
        live.flush().expect("written");
        commit_as_stock(&package, opened, "\toption stock '2'\n", Duration::ZERO);
        let wanted = format!("{TEXT}\toption stock '1'\n\toption stock '2'\n");
        assert_eq!(std::fs::read_to_string(&package).expect("there"), wanted);
    }
}

#[test]
fn x_m16_an_old_file_with_another_link_is_left_alone() {
    let bench = Bench::new();
    std::fs::hard_link(bench.path("config/n"), bench.path("copy")).expect("linked");
    bench.set("n.x.o=2").ok();
    assert_eq!(std::fs::read_to_string(bench.path("copy")).expect("there"), TEXT);
}

#[test]
fn x_m16_a_commit_waits_for_the_rename_of_a_stock_uci_that_has_released_its_lock() {
    let bench = Bench::new();
    let package = bench.path("config/n");
    let opened = std::fs::File::options().read(true).write(true).open(&package).expect("opened");
    let stock = {
        let package = package.clone();
        std::thread::spawn(move || {
            commit_as_stock(&package, opened, "\toption stock '1'\n", Duration::from_millis(150));
        })
    };
    let temporary = package.with_file_name(".n.uci-AbCdEf");
    while !temporary.exists() {
        std::thread::yield_now();
    }
    bench.set("n.x.o=2").ok();
    stock.join().expect("no panic");
    let text = std::fs::read_to_string(&package).expect("there");
    assert_eq!(text, "config t 'x'\n\toption o '2'\n\toption stock '1'\n");
    // A commit does not wait for a stock uci that has died, and does not remove its file.
    let file = std::fs::File::create(&temporary).expect("written");
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)).expect("set");
    bench.set("n.x.o=3").ok();
    assert!(temporary.exists());
}

/// Reports whether a process waits for the lock of a file, according to `/proc/locks`.
fn is_waited_for(inode: u64) -> bool {
    let locks = std::fs::read_to_string("/proc/locks").expect("there");
    locks.lines().any(|line| line.contains("-> FLOCK") && line.contains(&format!(":{inode} ")))
}

#[test]
fn x_m16_nobody_commits_before_a_stock_uci_that_waited_has_renamed_its_file() {
    for durability in [Durability::Full, Durability::None] {
        let bench = Bench::new();
        let package = bench.path("config/n");
        let inode = std::fs::metadata(&package).expect("there").ino();
        let stock = std::sync::Mutex::new(None);
        let commits = package.clone();
        // It waits for the lock of the file that the first commit is about to displace, and reads it slowly.
        let act = move |rename| {
            if rename > 0 {
                return;
            }
            let opened = std::fs::File::options().read(true).write(true).open(&commits).expect("opened");
            let package = commits.clone();
            *stock.lock().expect("no panic") = Some(std::thread::spawn(move || {
                rustix::fs::flock(&opened, rustix::fs::FlockOperation::LockExclusive).expect("locked");
                std::thread::sleep(Duration::from_millis(100));
                commit_as_stock(&package, opened, "\toption stock '1'\n", Duration::from_millis(50));
            }));
            let start = Instant::now();
            while !is_waited_for(inode) && start.elapsed() < Duration::from_secs(10) {
                std::thread::yield_now();
            }
        };
        let files = at_renames(package.clone(), act);
        let first = Engine::new(bench.options().files(files).durability(durability));
        set_option(&first, b"o", b"2").expect("committed");
        set_option(&Engine::new(bench.options()), b"second", b"2").expect("committed");
        let text = std::fs::read_to_string(&package).expect("there");
        let wanted = "config t 'x'\n\toption o '2'\n\toption stock '1'\n\toption second '2'\n";
        assert_eq!(text, wanted, "{durability:?}");
    }
}

#[test]
fn x_m16_a_commit_waits_for_the_rename_of_a_stock_uci_whose_sync_took_its_time() {
    let bench = Bench::new();
    let (package, temporary) = (bench.path("config/n"), bench.path("config/.n.uci-AbCdEf"));
    std::fs::write(&temporary, format!("{TEXT}\toption stock '1'\n")).expect("written");
    let written = std::time::SystemTime::now() - Duration::from_secs(3);
    let file = std::fs::File::options().write(true).open(&temporary).expect("opened");
    file.set_modified(written).expect("set");
    let renames = package.clone();
    let stock = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        std::fs::rename(temporary, renames).expect("renamed");
    });
    bench.set("n.x.o=2").ok();
    stock.join().expect("no panic");
    let text = std::fs::read_to_string(&package).expect("there");
    assert_eq!(text, "config t 'x'\n\toption o '2'\n\toption stock '1'\n");
}

#[test]
fn x_m16_readers_never_see_a_mixture_of_two_texts() {
    let bench = Bench::new();
    let package = |letter: &str| format!("config t 'x'\n\toption o '{}'\n", letter.repeat(200_000));
    std::fs::write(bench.path("config/n"), package("a")).expect("written");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let live = bench.live(Durability::Full);
            for letter in ["b", "c", "d", "e"].iter().cycle().take(60) {
                let mut transaction = live.begin().expect("few are open");
                transaction.set(b"n.x.o", letter.repeat(200_000).as_bytes()).expect("a key");
                transaction.commit().expect("committed");
            }
            stop.store(true, Ordering::Relaxed);
        });
        let store = Engine::new(bench.options());
        while !stop.load(Ordering::Relaxed) {
            let loaded = store
                .packages()
                .load_committed(store.packages().find(b"n").expect("a package"))
                .expect("loads");
            let text = loaded.package.source().to_vec();
            let letter = *text.iter().rev().nth(2).expect("a text");
            let same = text.iter().filter(|byte| **byte == letter).count();
            assert!(same >= 200_000, "{same} of 200000 are the same");
        }
    });
}
