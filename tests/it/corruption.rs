//! The file at the path of a map is damaged, truncated, of another user or no map at all; or there is no room for a
//! map. Every read returns the right value, from a new map or a private one.

use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use cms::testing::{Call, Seams as _};
use cms::{Delta, DeltaKind, Engine, Form, Store};

use crate::support::fixture::{Fixture, get};
use crate::support::probes::{EIO, ENOSPC, Fail};

const TEXT: &str = "config interface 'lan'\n\toption proto 'static'\n\tlist port '1'\n\tlist port '2'\n\
    config rule\n\toption name 'a'\n";

/// Reads all of [`TEXT`] from an open store.
fn assert_answers(live: &Store, what: &str) {
    for (key, value) in [
        ("p.lan", Some("interface")),
        ("p.lan.proto", Some("static")),
        ("p.lan.port", Some("1 2")),
        ("p.@rule[0].name", Some("a")),
        ("p.lan.none", None),
    ] {
        assert_eq!(get(live, key).as_deref(), value, "{what}: {key}");
    }
    let snapshot = live.snapshot().expect("opens");
    let package = snapshot.package(b"p").expect("there");
    let options = |section: cms::map::MapSection<'_>| section.options().count();
    assert_eq!(package.sections().map(options).collect::<Vec<_>>(), [2, 1], "{what}");
}

fn is_shared(live: &Store) -> bool {
    live.memory().iter().all(|row| row.usage.shared)
}

/// A store with a map.
fn mapped() -> (Fixture, PathBuf) {
    let fixture = Fixture::new(&[("p", TEXT)]);
    assert_answers(&fixture.live(), "at first");
    let map = fixture.maps().pop().expect("a map");
    (fixture, map)
}

/// The ways in which the maps of a store are damaged.
fn damage(fixture: &Fixture) -> Vec<String> {
    let reports = Engine::new(fixture.options()).maps().list(true);
    reports.into_iter().filter_map(|report| report.damage).collect()
}

#[test]
fn whatever_stands_in_the_place_of_a_small_map_reads_are_answered_from_a_new_one() {
    let (_first, map) = mapped();
    let good = std::fs::read(&map).expect("readable");
    type Change = fn(&mut Vec<u8>);
    let changes: [(&str, Change); 10] = [
        ("no magic", |bytes| bytes[0] ^= 0x80),
        ("a newer version", |bytes| bytes[8] += 1),
        ("words the wrong way about", |bytes| bytes.chunks_exact_mut(4).for_each(<[u8]>::reverse)),
        ("empty", Vec::clear),
        ("half", |bytes| bytes.truncate(bytes.len() / 2)),
        ("one page more", |bytes| bytes.resize(bytes.len() + 4096, 0)),
        ("zeros", |bytes| bytes.fill(0)),
        ("a flipped bit in the first block", |bytes| bytes[204] ^= 1),
        ("another text", |bytes| *bytes = b"config interface 'lan'\n".to_vec()),
        ("the tail", |bytes| bytes[136] ^= 0x10),
    ];
    for (what, change) in changes {
        let (fixture, map) = mapped();
        let mut bytes = std::fs::read(&map).expect("readable");
        assert_eq!(bytes.len(), good.len());
        change(&mut bytes);
        std::fs::write(&map, &bytes).expect("written");
        assert!(!damage(&fixture).is_empty(), "{what}");
        let live = fixture.live();
        assert_answers(&live, what);
        assert!(is_shared(&live) && damage(&fixture).is_empty(), "{what}: {:?}", damage(&fixture));
        commits(&fixture, &live);
    }
}

/// Commits a change with another store, and sees it in this one.
fn commits(fixture: &Fixture, live: &Store) {
    let store = Engine::new(fixture.options());
    let place = store.packages().find(b"p").expect("there");
    let set = Delta::new(DeltaKind::Set, b"lan", Some(b"proto"), Some(b"dhcp"));
    store.staging().stage(&place, &[set]).expect("staged");
    store.commit(&place, Form::Lossless).expect("committed");
    assert_eq!(get(live, "p.lan.proto").as_deref(), Some("dhcp"));
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_replaced() {
    let (fixture, map) = mapped();
    let good = std::fs::read(&map).expect("readable");
    for len in (0..good.len()).step_by(64) {
        std::fs::write(&map, &good[..len]).expect("written");
        assert_answers(&fixture.live(), "cut off");
        let with_zeros: Vec<u8> =
            good[..len].iter().copied().chain(std::iter::repeat_n(0, good.len() - len)).collect();
        std::fs::write(&map, with_zeros).expect("written");
        assert_answers(&fixture.live(), "zeros at the end");
    }
    assert!(damage(&fixture).is_empty());
}

#[test]
fn a_file_with_a_hole_is_never_read_from() {
    let (fixture, map) = mapped();
    let good = std::fs::read(&map).expect("readable");
    std::fs::remove_file(&map).expect("removed");
    let sparse = std::fs::File::create(&map).expect("made");
    sparse.set_len(good.len() as u64).expect("as long as before");
    assert!(sparse.metadata().expect("there").blocks() * 512 < good.len() as u64, "there is a hole");
    assert_answers(&fixture.live(), "a hole");
    // The file looks as if the disk had been full after the first page of a larger map.
    std::fs::remove_file(&map).expect("removed");
    let sparse = std::fs::File::create(&map).expect("made");
    sparse.write_all_at(&good, 0).expect("written");
    sparse.set_len(good.len() as u64 * 4).expect("longer");
    assert_answers(&fixture.live(), "a hole behind");
    assert!(damage(&fixture).is_empty());
}

#[test]
fn links_directories_and_pipes_in_the_place_of_a_map_are_not_followed() {
    let (fixture, map) = mapped();
    let elsewhere = fixture.path("elsewhere");
    std::fs::rename(&map, &elsewhere).expect("moved");
    let before = std::fs::read(&elsewhere).expect("readable");
    std::os::unix::fs::symlink(&elsewhere, &map).expect("made");
    let live = fixture.live();
    assert_answers(&live, "a link");
    assert!(is_shared(&live) && std::fs::symlink_metadata(&map).expect("there").is_file());
    assert_eq!(std::fs::read(&elsewhere).expect("readable"), before, "what it led to was not touched");

    std::fs::remove_file(&map).expect("removed");
    let made = Command::new("mkfifo").arg(&map).status().expect("mkfifo");
    assert!(made.success());
    assert_answers(&fixture.live(), "a pipe");

    std::fs::remove_file(&map).expect("removed");
    std::fs::create_dir(&map).expect("made");
    std::fs::write(map.join("file"), "").expect("written");
    let live = fixture.live();
    assert_answers(&live, "a directory");
    assert!(!is_shared(&live), "there is no place for a map");
    commits_in_private(&fixture, &live);
}

/// As [`commits`], for a store with a private map.
fn commits_in_private(fixture: &Fixture, live: &Store) {
    let mut transaction = live.begin().expect("few are open");
    transaction.set(b"p.lan.proto", b"dhcp").expect("set");
    transaction.commit().expect("committed");
    assert_eq!(get(live, "p.lan.proto").as_deref(), Some("dhcp"));
    let text = std::fs::read_to_string(fixture.path("config/p")).expect("readable");
    assert!(text.contains("dhcp"));
}

#[test]
fn a_file_of_someone_else_is_not_trusted() {
    if !rustix_is_root() {
        eprintln!("skipped: only root can give a file away");
        return;
    }
    let (fixture, map) = mapped();
    // An intact map that shows another value.
    let other = Fixture::new(&[("p", &TEXT.replace("static", "forged"))]);
    assert_eq!(get(&other.live(), "p.lan.proto").as_deref(), Some("forged"));
    std::fs::copy(other.maps().pop().expect("a map"), &map).expect("copied");
    std::os::unix::fs::chown(&map, Some(12345), None).expect("given away");
    let live = fixture.live();
    assert_answers(&live, "of someone else");
    assert_eq!(std::fs::metadata(&map).expect("there").uid(), 0, "it was replaced");
    commits(&fixture, &live);
}

fn rustix_is_root() -> bool {
    // Files that this process makes belong to its user.
    tempfile::tempfile().and_then(|file| file.metadata()).is_ok_and(|found| found.uid() == 0)
}

#[test]
fn a_call_that_fails_in_the_run_directory_costs_no_answer() {
    let calls = [
        Call::Allocate,
        Call::Open,
        Call::Write,
        Call::Rename,
        Call::Chmod,
        Call::Mkdir,
        Call::Lock,
        Call::Remove,
    ];
    for call in calls {
        for error in [ENOSPC, EIO] {
            let fixture = Fixture::new(&[("p", TEXT)]);
            let in_run = move |made, path: &Path| {
                made == call && path.components().any(|part| part.as_os_str() == "run")
            };
            let files = Arc::new(Fail::when(in_run).with(error)).files();
            let failing = fixture.options().files(files);
            let live = Store::open(failing.clone()).expect("opens");
            let what = format!("{call:?} {error}");
            assert_answers(&live, &what);
            let mut transaction = live.begin().expect("few are open");
            transaction.set(b"p.lan.proto", b"dhcp").expect("set");
            // Without the lock, which is in the run directory, nothing can be committed.
            let committed = transaction.commit().is_ok();
            let proto = if committed { "dhcp" } else { "static" };
            assert_eq!(get(&live, "p.lan.proto").as_deref(), Some(proto), "{what}");
            assert!(committed || matches!(call, Call::Open | Call::Mkdir | Call::Lock), "{what}");
            let text = std::fs::read_to_string(fixture.path("config/p")).expect("readable");
            assert_eq!(text.contains("dhcp"), committed, "{what}");
            // The same with a map that existed before, and is outdated now.
            let (fixture, _) = mapped();
            fixture.write("p", &TEXT.replace("static", "dhcp"));
            let failing = failing.dirs(fixture.dirs());
            let live = Store::open(failing).expect("opens");
            assert_eq!(get(&live, "p.lan.proto").as_deref(), Some("dhcp"), "{what}");
            fixture.write("p", TEXT);
            live.refresh().expect("refreshed");
            assert_answers(&live, &what);
        }
    }
}

/// A small file system, which is unmounted when this is dropped.
struct Tmpfs<'p>(&'p Path);

impl<'p> Tmpfs<'p> {
    fn mount(path: &'p Path, size: &str) -> Option<Self> {
        let size = format!("size={size},mode=755");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "cms-test"]).arg(path).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        // Unmounted lazily, since mapped files keep it in use for a moment.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_run_directory_costs_no_answer_and_no_signal() {
    let fixture = Fixture::new(&[("p", TEXT)]);
    let run = fixture.path("run");
    std::fs::create_dir(&run).expect("made");
    // Room for the control file and one small map, but not for two.
    let Some(_tmpfs) = Tmpfs::mount(&run, "20k") else {
        eprintln!("skipped: a file system can be mounted by root only");
        return;
    };
    let live = fixture.live();
    assert_answers(&live, "nearly full");
    fixture.write("q", "config a 'b'\n\toption c 'd'\n");
    let filler = "x".repeat(9000);
    fixture.write("r", &format!("config a 'b'\n\toption c '{filler}'\n"));
    for round in 0..20 {
        assert_eq!(get(&live, "q.b.c").as_deref(), Some("d"));
        assert_eq!(get(&live, "r.b.c").as_deref(), Some(&filler[..]));
        let mut transaction = live.begin().expect("few are open");
        let value = format!("{round}{filler}");
        transaction.set(b"p.lan.proto", value.as_bytes()).expect("set");
        transaction.set(b"q.b.e", value.as_bytes()).expect("set");
        transaction.commit().expect("committed");
        for key in ["p.lan.proto", "q.b.e"] {
            for (store, which) in [(&live, "the same"), (&fixture.live(), "another")] {
                let got = get(store, key).expect("there");
                assert!(got == value, "{key} in {which} store, round {round}: {}", &got[..8]);
            }
        }
    }
    drop(live);
}

#[test]
fn damage_to_a_large_map_is_found_by_a_check_and_mended_by_a_rebuild() {
    let mut text = String::new();
    for section in 0..700 {
        text += &format!("config host 'h{section}'\n");
        for option in 0..9 {
            text += &format!("\toption option{option} 'value {section} {option}'\n");
        }
    }
    let fixture = Fixture::new(&[("p", &text)]);
    assert!(get(&fixture.live(), "p.h1.option1").is_some());
    let map = fixture.maps().pop().expect("a map");
    let good = std::fs::read(&map).expect("readable");
    assert!(good.len() > 1 << 16, "it is not checked when it is opened");
    let live = fixture.live();
    let mut found = 0;
    for place in (200..good.len()).step_by(4999) {
        let damaged: Vec<u8> = good[place..(place + 40).min(good.len())].iter().map(|byte| !byte).collect();
        // The map is damaged in place, while a store has it open.
        let file = std::fs::OpenOptions::new().write(true).open(&map).expect("opens");
        file.write_all_at(&damaged, place as u64).expect("written");
        found += damage(&fixture).len();
        for store in [&live, &fixture.live()] {
            read_everything(store);
        }
        file.write_all_at(&good[place..place + damaged.len()], place as u64).expect("written");
    }
    // Each damage was found; the last one is made once more, to be repaired.
    assert_eq!(found, (200..good.len()).step_by(4999).count());
    let file = std::fs::OpenOptions::new().write(true).open(&map).expect("opens");
    file.write_all_at(&[0xff; 3000], 300).expect("written");
    let store = Engine::new(fixture.options());
    store.maps().rebuild(b"p").expect("made anew");
    assert!(damage(&fixture).is_empty());
    for store in [&live, &fixture.live()] {
        for key in [(0, 0), (1, 8), (699, 3)] {
            let value = get(store, &format!("p.h{}.option{}", key.0, key.1));
            assert_eq!(value, Some(format!("value {} {}", key.0, key.1)));
        }
        assert!(is_shared(store));
    }
}

/// Reads all keys, and iterates over everything. The results may be wrong.
fn read_everything(live: &Store) {
    for section in (0..700).step_by(23) {
        let _ = live.get(format!("p.h{section}.option{}", section % 9).as_bytes(), |_| ());
        let _ = live.get(format!("p.@host[{section}].option1").as_bytes(), |_| ());
    }
    let snapshot = live.snapshot().expect("opens");
    if let Ok(package) = snapshot.package(b"p") {
        let options = |section: cms::map::MapSection<'_>| section.options().take(100).count();
        assert!(package.sections().take(2000).map(options).sum::<usize>() <= 200_000);
    }
}

#[test]
fn a_program_that_has_a_map_open_whose_header_is_damaged_goes_over_to_the_next() {
    let (fixture, map) = mapped();
    let live = fixture.live();
    assert_answers(&live, "before");
    let file = std::fs::OpenOptions::new().write(true).open(&map).expect("opens");
    file.write_all_at(b"damaged!", 0).expect("written");
    // The map cannot be opened any more; the commit makes a new one, and this store sees that.
    commits(&fixture, &live);
    assert!(damage(&fixture).is_empty());
}

#[test]
fn rebuild_makes_maps_for_packages_that_have_none_and_tells_who_has_the_old() {
    let fixture = Fixture::new(&[("p", TEXT), ("bad", "config\n")]);
    let store = Engine::new(fixture.options());
    store.maps().rebuild(b"p").expect("made");
    assert_eq!(fixture.maps().len(), 1);
    let live = fixture.live();
    assert_answers(&live, "made");
    let inode = std::fs::metadata(&fixture.maps()[0]).expect("there").ino();
    store.maps().rebuild(b"p").expect("made anew");
    assert_ne!(std::fs::metadata(&fixture.maps()[0]).expect("there").ino(), inode);
    assert_answers(&live, "made anew");
    commits(&fixture, &live);
    assert!(matches!(store.maps().rebuild(b"bad"), Err(cms::Error::Parse(_))));
    assert!(matches!(store.maps().rebuild(b"none"), Err(cms::Error::NotFound { .. })));
    let reports = store.maps().list(true);
    assert!(reports.iter().all(|report| report.damage.is_none() && report.is_current), "{reports:?}");
}
