//! Files that a store keeps open between commits may be deleted or replaced meanwhile: commits still succeed.

use std::path::PathBuf;

use cms::Store;

use crate::support::fixture::{Fixture, get};

fn fixture() -> Fixture {
    Fixture::new(&[
        ("network", "config a 's'\n\toption o '0'\n"),
        ("system", "config a 's'\n\toption o '0'\n"),
    ])
}

fn commit(live: &Store, key: &str, value: &str) {
    let mut transaction = live.begin().expect("few are open");
    transaction.set(key.as_bytes(), value.as_bytes()).expect("it can be set");
    transaction.commit().expect("committed");
}

/// Lists the files in a directory of the run directory, and below.
fn files(fixture: &Fixture, dir: &str) -> Vec<PathBuf> {
    let (mut dirs, mut files) = (vec![fixture.path("run").join(dir)], Vec::new());
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten() {
            let path = entry.expect("readable").path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files
}

#[test]
fn a_commit_after_the_run_directory_was_deleted_is_made_and_found_by_others() {
    let fixture = fixture();
    let live = fixture.live();
    assert_eq!(get(&live, "network.s.o").as_deref(), Some("0"));
    commit(&live, "network.s.o", "1");
    std::fs::remove_dir_all(fixture.path("run")).expect("deleted");
    commit(&live, "network.s.o", "2");
    assert_eq!(files(&fixture, "locks").len(), 1, "the lock is where others look for it");
    let other = fixture.live();
    assert_eq!(get(&other, "network.s.o").as_deref(), Some("2"));
    commit(&live, "network.s.o", "3");
    assert_eq!(get(&other, "network.s.o").as_deref(), Some("3"), "the new maps are published to");
    commit(&other, "network.s.o", "4");
    live.refresh().expect("readable");
    assert_eq!(get(&live, "network.s.o").as_deref(), Some("4"));
}

#[test]
fn a_commit_is_published_to_the_map_that_others_have_made_anew() {
    let fixture = fixture();
    let live = fixture.live();
    for (round, key) in ["network.s.o", "system.s.o", "network.s.o"].into_iter().enumerate() {
        get(&live, key).expect("it is there");
        commit(&live, key, "kept");
        for map in fixture.maps() {
            std::fs::remove_file(map).expect("deleted");
        }
        let other = fixture.live();
        assert_eq!(get(&other, key).as_deref(), Some("kept"));
        commit(&live, key, &round.to_string());
        assert_eq!(get(&other, key), Some(round.to_string()));
        // A map that is truncated, or a file that is no map, is replaced and not written to.
        drop(other);
        for map in fixture.maps() {
            std::fs::remove_file(&map).expect("deleted");
            std::fs::write(&map, "no map").expect("written");
        }
        commit(&live, key, "replaced");
        assert_eq!(get(&fixture.live(), key).as_deref(), Some("replaced"));
    }
}

#[test]
fn a_commit_after_the_lock_files_were_deleted_takes_new_ones() {
    let fixture = fixture();
    let live = fixture.live();
    commit(&live, "network.s.o", "1");
    let locks = files(&fixture, "locks");
    assert_eq!(locks.len(), 1);
    std::fs::remove_file(&locks[0]).expect("deleted");
    commit(&live, "network.s.o", "2");
    assert_eq!(files(&fixture, "locks"), locks);
}

#[test]
fn a_store_that_commits_to_many_packages_keeps_few_files_open() {
    let names: Vec<String> = (0..100).map(|number| format!("p{number}")).collect();
    let packages: Vec<(&str, &str)> =
        names.iter().map(|name| (name.as_str(), "config a 's'\n\toption o '0'\n")).collect();
    let fixture = Fixture::new(&packages);
    let run = fixture.path("run");
    let held = || {
        let open = std::fs::read_dir("/proc/self/fd").expect("readable").flatten();
        let paths = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
        let mapped = maps.lines().filter(|line| line.contains(&*run.to_string_lossy())).count();
        (paths.filter(|path| path.starts_with(&run)).count(), mapped)
    };
    let live = fixture.live();
    for name in &names {
        assert_eq!(get(&live, &format!("{name}.s.o")).as_deref(), Some("0"));
    }
    let before = held();
    for name in &names {
        commit(&live, &format!("{name}.s.o"), "1");
    }
    let after = held();
    // The limit: the locks of 16 packages; the directory of the maps, their lock and their control file.
    assert!(after.0 <= before.0 + 19 && after.1 <= before.1 + 17, "{before:?} {after:?}");
    for name in &names {
        assert_eq!(get(&live, &format!("{name}.s.o")).as_deref(), Some("1"));
    }
}
