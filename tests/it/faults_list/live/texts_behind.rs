//! Texts that are behind a log: several logs of one directory, and readers that read the text.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cms::{Engine, Store};

use crate::support::parts::{COUNT, Part, Paths, TEXT, USER, command, get, root, write};

/// Writers append to one list; in the end the text has all acknowledged items.
fn all_is_there(root: &Path, writers: &[(&[&str], Paths, &str)], what: &str) {
    let start = |(number, (under, paths, level)): (usize, &(&[&str], Paths, &str))| {
        Part::start(under, "append", paths, level, &format!("w{number}-"))
    };
    let parts: Vec<Part> = writers.iter().enumerate().map(start).collect();
    let said: Vec<String> = parts.into_iter().flat_map(Part::words).collect();
    assert_eq!(said.len(), writers.len() * COUNT, "{what}");
    let text = Paths::of(root, "", "").text();
    let lost: Vec<&String> =
        said.iter().filter(|item| text.matches(&format!("list l '{item}'\n")).count() != 1).collect();
    assert!(
        lost.is_empty(),
        "{what}: {} of {} were lost, or are there twice: {lost:?}",
        lost.len(),
        said.len()
    );
    let left = std::fs::read_dir(root.join("config")).expect("there").flatten();
    let marks: Vec<_> = left
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().ends_with(".behind"))
        .collect();
    assert!(marks.is_empty(), "{what}: left behind: {marks:?}");
}

const LEVELS: [[&str; 2]; 4] = [["log", "full"], ["log", "log"], ["log", "none"], ["full", "none"]];

#[test]
fn x_h7_two_state_directories_of_one_configuration_lose_nothing() {
    for (run, levels) in ["run-a", "run-b"].into_iter().flat_map(|run| LEVELS.map(|levels| (run, levels))) {
        let root = root();
        let [a, b] = [Paths::of(root.path(), "run-a", "state-a"), Paths::of(root.path(), run, "state-b")];
        let writers: [(&[&str], Paths, &str); 2] = [(&[], a, levels[0]), (&[], b, levels[1])];
        all_is_there(root.path(), &writers, &format!("{levels:?}, {run}"));
    }
}

#[test]
fn x_h7_a_log_shared_by_two_run_directories_loses_nothing() {
    for levels in LEVELS {
        let root = root();
        let [a, b] = ["run-a", "run-b"].map(|run| Paths::of(root.path(), run, "state"));
        let writers: [(&[&str], Paths, &str); 2] = [(&[], a, levels[0]), (&[], b, levels[1])];
        all_is_there(root.path(), &writers, &format!("{levels:?}"));
    }
}

#[test]
fn x_h7_root_and_another_user_lose_nothing() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: it takes root to be two users");
        return;
    }
    let user = format!("--reuid={USER}");
    let under: &[&str] = &["setpriv", &user, "--clear-groups"];
    for levels in [["log", "log"], ["log", "full"], ["full", "log"]] {
        let root = root();
        let [a, b] = [Paths::of(root.path(), "run-a", "state-a"), Paths::of(root.path(), "run-b", "state-b")];
        let writers: [(&[&str], Paths, &str); 2] = [(&[], a, levels[0]), (under, b, levels[1])];
        all_is_there(root.path(), &writers, &format!("{levels:?}"));
    }
}

#[test]
fn x_h7_a_bind_mounted_alias_loses_nothing() {
    let probe = Command::new("unshare").args(["-m", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("skipped: it takes the right to mount");
        return;
    }
    for levels in LEVELS {
        let root = root();
        let [a, b] = ["config", "alias"].map(|config| Paths {
            config: root.path().join(config),
            ..Paths::of(root.path(), "run", "state")
        });
        std::fs::create_dir(&b.config).expect("made");
        let mount = "mount --bind \"$0\" \"$1\" && shift && exec \"$@\"";
        let (from, to) = (a.config.to_string_lossy().into_owned(), b.config.to_string_lossy().into_owned());
        let under = ["unshare", "-m", "sh", "-c", mount, &from, &to];
        let writers: [(&[&str], Paths, &str); 2] = [(&[], a, levels[0]), (&under, b, levels[1])];
        all_is_there(root.path(), &writers, &format!("{levels:?}"));
    }
}

#[test]
fn x_h7_two_logs_that_meet_for_the_first_time_do_not_wait_for_each_other() {
    // The order of commits in which the two waited for each other: each had deferred a text that the other had to
    // start from.
    for (levels, runs) in [["log", "log"], ["log", "full"], ["full", "full"]]
        .into_iter()
        .flat_map(|levels| [["run", "run"], ["run-a", "run-b"]].map(|runs| (levels, runs)))
    {
        for _ in 0..3 {
            let root = root();
            for name in ["a", "b"] {
                write(root.path(), name, TEXT);
            }
            let parts = [("a", 0), ("b", 1)].map(|(first, index)| {
                let paths = Paths::of(root.path(), runs[index], &format!("state-{first}"));
                Part::start(&[], "opposite", &paths, levels[index], first)
            });
            let words: Vec<String> = parts.into_iter().flat_map(Part::words).collect();
            assert_eq!(words, ["a", "b"], "{levels:?} {runs:?}");
            for name in ["a", "b"] {
                let text = std::fs::read_to_string(root.path().join("config").join(name)).expect("there");
                let kept = |first: &str| {
                    text.contains(&format!("option {first} '197'"))
                        || text.contains(&format!("option {first} '198'"))
                        || text.contains(&format!("option {first} '199'"))
                };
                assert!(kept("a") && kept("b"), "{levels:?} {runs:?}: {text}");
            }
        }
    }
}

#[test]
fn x_h9_get_is_never_older_than_what_was_acknowledged() {
    let root = root();
    let paths = Paths::of(root.path(), "run", "state");
    let mut writer = Part::start(&[], "commits", &paths, "log", "w");
    // Whether the writer is idle, stopped, alive or dead: reads return its last acknowledged value.
    for round in 0..10 {
        writer.commit(&round.to_string());
        if round % 2 == 1 {
            writer.signal(rustix::process::Signal::STOP);
        }
        let (code, found, told) = get(&[], &paths, &[]);
        assert_eq!((code, found), (Some(0), round.to_string()), "{told}");
        writer.signal(rustix::process::Signal::CONT);
    }
    writer.commit("before");
    // The writer holds the log's lock, as if it had been stopped in a commit.
    let logs = std::fs::read_dir(&paths.state).expect("there").flatten().next().expect("one");
    let lock = std::fs::File::open(logs.path().join("lock")).expect("there");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("locked");
    assert_eq!(get(&[], &paths, &[]).1, "before");
    let shown = command(&[], &paths, &["show", "app"]).1;
    assert!(shown.contains("app.s.n='before'"), "{shown}");
    assert_eq!(get(&[], &paths, &["--stale"]).1, "9");
    std::fs::remove_dir_all(&paths.run).expect("removed");
    let (code, found, told) = get(&[], &paths, &["--lock-timeout", "0.2"]);
    assert_eq!((code, found.as_str()), (Some(8), ""), "{told}");
    drop(lock);
    drop(writer);
    assert_eq!(get(&[], &paths, &[]).1, "before");
}

#[test]
fn x_h9_other_users_read_what_was_acknowledged_or_are_told_who_has_it() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: it takes root to be two users");
        return;
    }
    let user = format!("--reuid={USER}");
    let under: &[&str] = &["setpriv", &user, "--clear-groups"];
    let root = root();
    let paths = Paths::of(root.path(), "run", "state");
    let mut writer = Part::start(&[], "commits", &paths, "log", "w");
    writer.commit("1");
    let theirs = Paths { state: root.path().join("theirs"), ..paths.clone() };
    // Read through the map, with the writer alive, stopped and dead.
    assert_eq!(get(under, &theirs, &[]).1, "1");
    writer.signal(rustix::process::Signal::STOP);
    assert_eq!(get(under, &theirs, &[]).1, "1");
    writer.signal(rustix::process::Signal::CONT);
    writer.commit("2");
    writer.signal(rustix::process::Signal::KILL);
    drop(writer);
    assert_eq!(get(under, &theirs, &[]).1, "2");
    // Without the map, the text is the newest state that can be read.
    std::fs::remove_dir_all(&paths.run).expect("removed");
    let started = Instant::now();
    let (code, found, told) = get(under, &theirs, &["--lock-timeout", "0.3"]);
    assert_eq!((code, found.as_str()), (Some(8), ""), "{told}");
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert!(told.contains("root") && told.contains("state"), "it names whose log it is: {told}");
    let (code, found, told) = get(under, &theirs, &["--stale"]);
    assert_eq!((code, found.as_str()), (Some(0), "0"), "{told}");
    // Root finishes it.
    assert_eq!(get(&[], &paths, &[]).1, "2");
    assert_eq!(get(under, &theirs, &[]).1, "2");
}

#[test]
fn x_h7_a_text_is_behind_only_behind_a_mark() {
    let root = root();
    let paths = Paths::of(root.path(), "run", "state");
    let options = paths.options("log").text_delay(Duration::from_secs(1000));
    let live = Store::open(options).expect("opens");
    live.get(b"app.s.n", |_| ()).expect("read");
    let mark = paths.config.join(".app.behind");
    let set = |value: &str| {
        let mut transaction = live.begin().expect("begun");
        transaction.set(b"app.s.n", value.as_bytes()).expect("set");
        transaction.commit().expect("committed");
    };
    set("1");
    assert_eq!(paths.text(), TEXT, "it is for later");
    assert!(mark.is_symlink());
    let names = std::fs::read_link(&mark).expect("a link").to_string_lossy().into_owned();
    assert!(names.contains("/state/"), "it names the log: {names}");
    live.flush().expect("written");
    assert!(!mark.is_symlink() && paths.text().contains("n '1'"));
    // If stock uci has staged changes, or no mark can be made, the text is written at once.
    std::fs::write(paths.save.join("app"), "app.s.x='1'\n").expect("written");
    set("2");
    assert!(!mark.is_symlink() && paths.text().contains("n '2'"));
    std::fs::remove_file(paths.save.join("app")).expect("removed");
    std::fs::create_dir(&mark).expect("made");
    set("3");
    assert!(paths.text().contains("n '3'"));
    std::fs::remove_dir(&mark).expect("removed");
    // A mark that a crash has left does not matter to the owner of the log.
    set("4");
    let target = std::fs::read_link(&mark).expect("a link");
    live.flush().expect("written");
    std::os::unix::fs::symlink(&target, &mark).expect("made");
    let store = Engine::new(paths.options("full"));
    let place = store.packages().find(b"app").expect("there");
    assert!(store.packages().load_committed(place).is_ok() && !mark.is_symlink());
    std::os::unix::fs::symlink(&target, &mark).expect("made");
    set("5");
    live.flush().expect("written");
    assert!(!mark.is_symlink() && paths.text().contains("n '5'"));
}

#[test]
fn x_h7_texts_that_are_behind_survive_that_the_state_directory_is_replaced() {
    for ends in [false, true] {
        let root = root();
        let paths = Paths::of(root.path(), "run", "state");
        let options = paths.options("log").text_delay(Duration::from_secs(1000));
        let live = Store::open(options).expect("opens");
        live.get(b"app.s.n", |_| ()).expect("read");
        let set = |key: &str, value: &str| {
            let mut transaction = live.begin().expect("begun");
            transaction.set(key.as_bytes(), value.as_bytes()).expect("set");
            transaction.commit().expect("committed");
        };
        set("app.s.n", "1");
        std::fs::rename(&paths.state, root.path().join("old-state")).expect("renamed");
        if !ends {
            set("app.s.m", "2");
        }
        drop(live);
        let text = paths.text();
        assert!(text.contains("option n '1'") && (ends || text.contains("option m '2'")), "{text}");
        assert!(!paths.config.join(".app.behind").is_symlink());
        assert_eq!(get(&[], &paths, &[]).1, "1");
    }
}

#[test]
fn x_h7_directories_that_are_replaced_under_writers_cost_nothing() {
    for levels in [["log", "full"], ["log", "log"], ["none", "log"]] {
        let root = root();
        let paths = Paths::of(root.path(), "run", "state");
        let start =
            |number: usize| Part::start(&[], "append", &paths, levels[number], &format!("w{number}-"));
        let parts = [start(0), start(1)];
        for round in 0..6 {
            std::thread::sleep(Duration::from_millis(60));
            let name = if round % 2 == 0 { "run" } else { "state" };
            let _ = std::fs::rename(root.path().join(name), root.path().join(format!("old-{name}-{round}")));
        }
        let said: Vec<String> = parts.into_iter().flat_map(Part::words).collect();
        let text = paths.text();
        let lost: Vec<_> = said.iter().filter(|item| !text.contains(&format!("list l '{item}'\n"))).collect();
        assert!(lost.is_empty(), "{levels:?}: {} of {} were lost: {lost:?}", lost.len(), said.len());
    }
}

#[test]
fn x_h7_a_text_that_another_writer_has_left_behind_a_replaced_log_is_not_forgotten() {
    let root = root();
    let paths = Paths::of(root.path(), "run", "state");
    let text_delay = Duration::from_secs(1000);
    let open = || Store::open(paths.options("log").text_delay(text_delay)).expect("opens");
    let set = |store: &Store, key: &str, value: &str| {
        let mut transaction = store.begin().expect("few are open");
        transaction.set(key.as_bytes(), value.as_bytes()).expect("set");
        transaction.commit().expect("committed");
    };
    let [first, second] = [open(), open()];
    set(&first, "app.s.n", "1");
    // This places the text, so that the first store remembers a file that does not exist any more.
    assert_eq!(command(&[], &paths, &["set", "app.s.m=2", "--commit"]).0, Some(0));
    set(&second, "app.s.k", "3");
    std::fs::rename(&paths.state, root.path().join("old-state")).expect("renamed");
    set(&first, "app.s.n", "4");
    set(&second, "app.s.j", "5");
    drop((first, second));
    for (key, value) in [("app.s.n", "4"), ("app.s.m", "2"), ("app.s.k", "3"), ("app.s.j", "5")] {
        let (code, found, told) = command(&[], &paths, &["get", key]);
        assert_eq!((code, &*found), (Some(0), value), "{key}: {told}");
    }
}

#[test]
fn x_h7_a_mark_whose_log_is_gone_ends_with_the_system_or_by_repair() {
    for after_boot in [false, true] {
        let root = root();
        let paths = Paths::of(root.path(), "run", "state");
        let mut writer = Part::start(&[], "commits", &paths, "log", "w");
        writer.commit("1");
        drop(writer);
        std::fs::remove_dir_all(&paths.state).expect("removed");
        std::fs::remove_dir_all(&paths.run).expect("removed");
        let mark = paths.config.join(".app.behind");
        if after_boot {
            let target = std::fs::read_link(&mark).expect("a mark").to_string_lossy().into_owned();
            let mut words: Vec<&str> = target.splitn(3, ' ').collect();
            words[1] = "another-boot";
            std::fs::remove_file(&mark).expect("removed");
            std::os::unix::fs::symlink(words.join(" "), &mark).expect("made");
        } else {
            // The program that made the mark may still run.
            let (code, _, told) = get(&[], &paths, &["--lock-timeout", "0.1"]);
            assert_eq!(code, Some(8), "{told}");
            let (code, _, told) = command(&[], &paths, &["repair"]);
            assert!(code == Some(0) && told.contains("app"), "{told}");
        }
        assert_eq!(get(&[], &paths, &[]).1, "0");
        assert!(!mark.is_symlink());
        assert_eq!(command(&[], &paths, &["set", "app.s.n=2", "--commit"]).0, Some(0));
    }
}

#[test]
fn x_l2_a_log_that_was_restored_from_a_copy_does_not_bring_older_values_back() {
    // The text is one of the states after the transactions of the copy, or another one; and either a reader comes
    // first, or a writer that leaves the text deferred.
    for (last, next) in [("7", "full"), ("113", "full"), ("7", "log")] {
        let root = root();
        let paths = Paths::of(root.path(), "run", "state");
        let commit = |value: &str| {
            let told = command(&[], &paths, &["set", "--commit", &format!("app.s.n={value}")]);
            assert_eq!(told.0, Some(0), "{told:?}");
        };
        commit("110");
        let mut writer = Part::start(&[], "commits", &paths, "log", "w");
        writer.commit("7");
        writer.commit("111");
        let copy = root.path().join("copy");
        let cp = |from: &Path, to: &Path| {
            assert!(Command::new("cp").arg("-a").args([from, to]).status().expect("runs").success());
        };
        cp(&paths.state, &copy);
        // When its store is closed, the text is put in place.
        assert!(writer.words().is_empty());
        assert!(paths.text().contains("n '111'"));
        commit("112");
        commit(last);
        std::fs::remove_dir_all(&paths.state).expect("removed");
        cp(&copy, &paths.state);
        if next == "log" {
            let mut writer = Part::start(&[], "commits", &paths, "log", "w");
            writer.commit("113");
            assert!(writer.words().is_empty());
            let told = command(&[], &paths, &["history", "app"]).1;
            assert!(told.contains("'111' -> '7'") && told.contains("'7' -> '113'"), "{told}");
            continue;
        }
        assert_eq!(get(&[], &paths, &[]).1, last);
        assert!(paths.text().contains(&format!("n '{last}'")), "{}", paths.text());
        let told = command(&[], &paths, &["history", "app"]).1;
        assert!(told.contains("(file-edit)") && told.contains(&format!("'111' -> '{last}'")), "{told}");
        commit("114");
        assert_eq!(get(&[], &paths, &[]).1, "114");
    }
}

#[test]
fn x_l2_a_mark_of_later_transactions_does_not_bring_older_values_back() {
    let root = root();
    let paths = Paths::of(root.path(), "run", "state");
    let mut writer = Part::start(&[], "commits", &paths, "log", "w");
    writer.commit("7");
    writer.commit("111");
    let copy = root.path().join("copy");
    assert!(Command::new("cp").arg("-a").args([&paths.state, &copy]).status().expect("runs").success());
    assert!(writer.words().is_empty());
    assert_eq!(command(&[], &paths, &["set", "--commit", "app.s.n=7"]).0, Some(0));
    let mut writer = Part::start(&[], "commits", &paths, "log", "w");
    writer.commit("8");
    writer.signal(rustix::process::Signal::KILL);
    drop(writer);
    assert!(paths.config.join(".app.behind").is_symlink() && paths.text().contains("n '7'"));
    std::fs::remove_dir_all(&paths.state).expect("removed");
    std::fs::rename(&copy, &paths.state).expect("renamed");
    let (code, found, told) = get(&[], &paths, &[]);
    assert_eq!((code, found.as_str()), (Some(0), "7"), "{told}");
    assert!(!paths.config.join(".app.behind").is_symlink());
}

#[test]
fn x_h7_a_store_that_is_closed_puts_its_texts_in_place_though_another_has_the_log_s_lock() {
    let root = root();
    let paths = Paths::of(root.path(), "run", "state");
    let options = paths.options("log").text_delay(Duration::from_secs(1000));
    let live = Store::open(options).expect("opens");
    live.get(b"app.s.n", |_| ()).expect("read");
    let mut transaction = live.begin().expect("begun");
    transaction.set(b"app.s.n", b"1").expect("set");
    transaction.commit().expect("committed");
    assert_eq!(paths.text(), TEXT, "it is for later");
    let logs = std::fs::read_dir(&paths.state).expect("there").flatten().next().expect("one");
    let lock = std::fs::File::open(logs.path().join("lock")).expect("there");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("locked");
    let other = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        drop(lock);
    });
    drop(live);
    assert!(paths.text().contains("n '1'"), "{}", paths.text());
    other.join().expect("no panic");
}

#[test]
fn x_m5_a_program_that_leaves_texts_behind_is_refused_where_the_package_is_a_mount_point() {
    let probe = Command::new("unshare").args(["-m", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("skipped: it takes the right to mount");
        return;
    }
    let root = root();
    let paths = Paths::of(root.path(), "run", "state");
    std::fs::write(root.path().join("real"), TEXT).expect("written");
    let mount = "mount --bind \"$0\" \"$1\" && shift && exec \"$@\"";
    let [real, app] =
        ["real", "config/app"].map(|name| root.path().join(name).to_string_lossy().into_owned());
    let under = ["unshare", "-m", "sh", "-c", mount, &real, &app];
    let mut writer = Part::start(&under, "commits", &paths, "log", "w");
    writer.tell("7");
    assert_eq!(writer.word(), None, "a commit was acknowledged whose text can never be put in place");
    assert_eq!(get(&[], &paths, &[]).1, "0");
}
