//! A process is stopped at calls of a commit, while it holds each of the locks that a commit takes. Meanwhile other
//! processes read, and commit or get the error within the time-out that the package is locked. Then the process
//! continues or is killed: an acknowledged commit is there, and each commit is in both packages or in none.
//!
//! Stopped at calls right after a lock was taken; with `CMS_EXHAUSTIVE` at every call.

use std::time::{Duration, Instant};

use cms::{Error, Store};
use rustix::process::Signal;

use crate::support::oracle::{is_exhaustive, litter};
use crate::support::parts::{Part, Paths, command, root};

/// Checks the values that a reader found in both packages.
fn check(found: Option<&str>, is_acknowledged: bool, what: &str) {
    let is_right = found == Some("new") || found == Some("old") && !is_acknowledged;
    assert!(is_right, "{what}: {found:?}");
}

/// Reads in all ways, and commits, while process `pid` is stopped. Returns whether the commit was made.
fn look(reader: &Store, paths: &Paths, pid: u32, is_acknowledged: bool, what: &str) -> bool {
    let begun = Instant::now();
    let show = |value: cms::map::MapValue<'_>| {
        String::from_utf8_lossy(value.items().next().unwrap_or_default()).into_owned()
    };
    let values = ["app.s.n", "other.s.n"].map(|key| reader.get(key.as_bytes(), show).expect("readable"));
    values.iter().for_each(|value| check(value.as_deref(), is_acknowledged, what));
    let snapshot = reader.snapshot().expect("opens");
    let both = ["app.s.n", "other.s.n"].map(|key| Ok(snapshot.get(key.as_bytes())?.map(show)));
    match both {
        [Ok(app), Ok(other)] => assert!(app == other, "{what}: half of a commit: {app:?} {other:?}"),
        [Err(Error::Stale { .. }), _] | [_, Err(Error::Stale { .. })] => {}
        both => panic!("{what}: {both:?}"),
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{what}: a program has waited {:?}", begun.elapsed());
    for key in ["app.s.n", "other.s.n"] {
        let (code, found, said) = command(&[], paths, &["get", key, "--lock-timeout", "0.2"]);
        assert_eq!(code, Some(0), "{what}: cms get: {said}");
        check(Some(&found), is_acknowledged, what);
    }
    let begun = Instant::now();
    let (code, _, said) = command(&[], paths, &["set", "--commit", "app.s.m=1", "--lock-timeout", "0.2"]);
    assert!(matches!(code, Some(0 | 8)), "{what}: a commit ends with {code:?}: {said}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{what}: a commit has waited {:?}", begun.elapsed());
    let names = said.contains(&format!("process {pid} "));
    assert!(code == Some(0) || names, "{what}: it is not told that process {pid} is in the way: {said}");
    code == Some(0)
}

/// Makes a process stop at a call of a commit; returns whether it reached that call.
fn stop_at(level: &str, kind: &str, at: usize, then: Signal) -> bool {
    let what = format!("{level}, {kind} {at}, then {then:?}");
    let (root, keys) = (root(), ["app.s.n", "other.s.n"]);
    let text = "# kept\nconfig a 's'\n\toption n 'old'\n";
    for name in ["app", "other"] {
        std::fs::write(root.path().join("config").join(name), text).expect("written");
    }
    let paths = Paths::of(root.path(), "run", "state");
    let reader = Store::open(paths.options("full")).expect("opens");
    reader.engine().history().note_edits().expect("noted");
    keys.iter().for_each(|key| assert!(reader.get(key.as_bytes(), |_| ()).expect("read").is_some()));
    let part = Part::start(&[], "stops", &paths, level, &format!("{kind} {at}"));
    let is_stopped = part.stops();
    let is_acknowledged = || root.path().join("acknowledged").exists();
    let is_made = is_stopped && look(&reader, &paths, part.id(), is_acknowledged(), &what);
    match is_stopped {
        true => part.signal(then),
        false => assert!(is_acknowledged(), "{what}: it ends without a commit"),
    }
    if !is_stopped || then == Signal::CONT {
        assert_eq!(part.words(), ["closed"], "{what}");
        assert!(is_acknowledged());
    } else {
        drop(part);
    }
    let get = |key: &str| command(&[], &paths, &["get", key]).1;
    let found = keys.map(get);
    assert_eq!(found[0], found[1], "{what}: half of a commit");
    check(Some(&found[0]), is_acknowledged(), &what);
    assert!(!is_made || get("app.s.m") == "1", "{what}: an acknowledged commit is lost");
    for arguments in [&["audit", "verify"][..], &["set", "--commit", "app.s.m=2", "other.s.m=2"]] {
        let (code, _, said) = command(&[], &paths, arguments);
        assert_eq!(code, Some(0), "{what}: {arguments:?}: {said}");
    }
    let wanted = format!("{}\toption m '2'\n", text.replace("old", &found[0]));
    for name in ["app", "other"] {
        let text = std::fs::read_to_string(paths.config.join(name)).expect("there");
        assert_eq!(text, wanted, "{what}: {name}");
    }
    assert!(litter(root.path()).is_empty(), "{what}: {:?}", litter(root.path()));
    assert!(!paths.config.join(".app.behind").is_symlink(), "{what}: a mark is left");
    is_stopped
}

#[test]
fn a_process_that_is_stopped_in_a_commit_keeps_nobody_from_reading_and_nothing_is_lost() {
    let kind = if is_exhaustive() { "calls" } else { "locks" };
    for level in ["full", "log", "none"] {
        let mut stops = 0;
        // In a short run the cases alternate.
        while [Signal::CONT, Signal::KILL].into_iter().enumerate().all(|(index, then)| {
            (!is_exhaustive() && stops % 2 != index) || stop_at(level, kind, stops, then)
        }) {
            stops += 1;
        }
        assert!(stops >= 3, "{level}: it was stopped {stops} times, and there are more locks");
        println!("{level}: stopped at {stops} {kind}");
    }
}
