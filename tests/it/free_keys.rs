//! Keys of packages with nested sections, options outside of sections and names of any characters, on every surface.

#![cfg(feature = "toml")]

use std::time::Duration;

use crate::support::fixture::{Fixture, get, show};
use crate::support::sandbox::Sandbox;

const APP: &str = "# kept\ndebug = true\n\n[server]\nname = \"x\" # the name\n\n[server.tls]\nport = 443\n\n[paths]\n\
                   \"index.html\" = \"a\"\n\"b.c\" = \"of b.c\"\n\n[paths.b]\nd = \"of b\"\n";

/// Each key with its value; for a section its type.
const KEYS: [(&str, &str); 8] = [
    ("app..debug", "true"),
    ("app.debug", "true"),
    ("app.server.name", "x"),
    ("app.server.tls.port", "443"),
    ("app.paths.\"index.html\"", "a"),
    ("app.paths.\"\\u0069ndex.html\"", "a"),
    ("app.paths.\"b.c\"", "of b.c"),
    ("app.paths.b.d", "of b"),
];

/// Keys that look like one of those, and are none.
const MISSING: [&str; 6] = [
    "app..server",
    "app.paths.b.c",
    "app.paths.index.html",
    "app.\"server.name\"",
    "app.nothing",
    "app.server.tls.x",
];

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("app.toml", APP);
    sandbox
}

#[test]
fn the_command_reads_each_form_of_a_key() {
    let sandbox = sandbox();
    for (key, value) in KEYS {
        assert_eq!(sandbox.ok(&["get", key]), format!("{value}\n"), "{key}");
    }
    assert_eq!(sandbox.ok(&["get", "app.server.tls"]), "server.tls\n", "a nested section");
    for key in MISSING {
        sandbox.fails(1, &["get", key]);
    }
    assert_eq!(sandbox.ok(&["show", "app.paths.b"]), "app.paths.b=paths.b\napp.paths.b.d='of b'\n");
    let shown = sandbox.ok(&["show", "app"]);
    assert!(shown.starts_with("app..debug='true'\napp.server=server\n"), "{shown}");
    // Each key that is shown is read again.
    for line in shown.lines() {
        let (key, value) = line.split_once('=').expect("a key and a value");
        assert_eq!(sandbox.ok(&["get", key]).trim_end(), value.trim_matches('\''), "{key}");
    }
    let list = sandbox.ok(&["list", "app"]);
    assert_eq!(list.lines().next(), Some(".debug"), "{list}");
    assert_eq!(sandbox.ok(&["search", "--keys", "index"]).matches("app.paths.\"index.html\"=").count(), 1);
}

#[test]
fn every_surface_of_the_library_reads_each_form_of_a_key() {
    let fixture = Fixture::new(&[("app.toml", APP), ("n", "config a 's'\n")]);
    let store = fixture.live();
    for _ in 0..2 {
        let snapshot = store.snapshot().expect("a snapshot");
        let mut transaction = store.begin().expect("begun");
        for (key, value) in KEYS {
            assert_eq!(get(&store, key).as_deref(), Some(value), "{key}");
            assert_eq!(
                snapshot.get(key.as_bytes()).expect("read").map(show).as_deref(),
                Some(value),
                "{key}"
            );
            let mut values = [None];
            snapshot.get_many(&[key.as_bytes()], &mut values).expect("read");
            assert_eq!(values[0].map(show).as_deref(), Some(value), "{key}");
            let mut prepared = store.prepare(key.as_bytes()).expect("prepared");
            assert_eq!(prepared.get().expect("read").map(show).as_deref(), Some(value), "{key}");
            let read = transaction.get(key.as_bytes()).expect("read").expect(key);
            assert_eq!(read, cms::log::Content::String(value.as_bytes().to_vec()), "{key}");
        }
        for key in MISSING {
            assert_eq!(get(&store, key), None, "{key}");
            assert!(snapshot.get(key.as_bytes()).expect("read").is_none(), "{key}");
            assert!(store.prepare(key.as_bytes()).expect("prepared").get().expect("read").is_none(), "{key}");
            assert!(transaction.get(key.as_bytes()).expect("read").is_none(), "{key}");
        }
        let resolved = snapshot.resolve(b"app.debug").expect("read").expect("there");
        assert_eq!(resolved, b"app..debug");
    }
    for key in ["n..o", "n.a.b.c", "n.s.\"x y\"", "n.a-b"] {
        let refused = store.get(key.as_bytes(), show).expect_err(key);
        assert_eq!(refused.code(), cms::Code::Invalid, "{key}: {refused}");
        let mut transaction = store.begin().expect("begun");
        assert!(transaction.set(key.as_bytes(), b"1").is_err(), "{key}");
    }
}

#[test]
fn keys_are_set_staged_committed_undone_and_watched() {
    let sandbox = sandbox();
    let before = sandbox.read("app.toml");
    sandbox.ok(&["set", "app.server.tls.port=8443", "app.debug=false", "app.paths.\"a b\"=2"]);
    let staged = "app.server.tls.port='8443'\napp..debug='false'\napp.paths.\"a b\"='2'\n";
    assert_eq!(sandbox.ok(&["changes"]), staged);
    sandbox.ok(&["revert", "app.debug"]);
    assert_eq!(sandbox.ok(&["changes"]), staged.replace("app..debug='false'\n", ""));
    sandbox.ok(&["commit"]);
    let after = before.replace("443", "8443").replace("\"of b.c\"\n", "\"of b.c\"\n\"a b\" = \"2\"\n");
    assert_eq!(sandbox.read("app.toml"), after);
    let history = sandbox.ok(&["history", "app.server.tls.port"]);
    assert!(history.ends_with("    app.server.tls.port: '443' -> '8443'\n"), "{history}");
    sandbox.ok(&["set", "--commit", "app.level=3"]);
    let history = sandbox.ok(&["history", "app.level"]);
    assert!(history.ends_with("    +app..level='3'\n"), "{history}");
    sandbox.ok(&["undo"]);
    sandbox.ok(&["undo", "3"]);
    assert_eq!(sandbox.read("app.toml"), before);
    sandbox.ok(&["delete", "--commit", "app.server.tls"]);
    assert!(!sandbox.read("app.toml").contains("443"));
    sandbox.ok(&["delete", "--commit", "app.debug"]);
    assert!(!sandbox.read("app.toml").contains("debug"));
    let made = sandbox.run(&["set", "--commit", "app.a.b.c.port=1"]);
    assert!(made.status.success(), "{made:?}");
    assert_eq!(sandbox.ok(&["get", "app.a.b.c.port"]), "1\n");
}

#[test]
fn a_watch_selects_nested_keys_and_root_keys() {
    let fixture = Fixture::new(&[("app.toml", APP)]);
    let store = fixture.live();
    let mut nested = store.watch("app.server.*.port", None).expect("watches");
    let mut root = store.watch("app..*", None).expect("watches");
    let set = |key: &str, value: &str| {
        let mut transaction = store.begin().expect("begun");
        transaction.set(key.as_bytes(), value.as_bytes()).expect("set");
        transaction.commit().expect("committed")
    };
    let (first, second) = (set("app.server.tls.port", "1"), set("app.debug", "false"));
    let next = |watch: &mut cms::Watch| {
        let event = watch.next(Some(Duration::from_secs(10))).expect("watches").expect("an event");
        (event.record().sequence, String::from_utf8(event.change(0).expect("one").key()).expect("UTF-8"))
    };
    assert_eq!(next(&mut nested), (first, "app.server.tls.port".to_owned()));
    assert_eq!(next(&mut root), (second, "app..debug".to_owned()));
}

#[test]
fn c_12_a_name_without_a_dot_that_is_no_package_is_a_key_of_the_package_default() {
    let sandbox = Sandbox::new();
    sandbox.fails(1, &["get", "plant"]);
    sandbox.ok(&["set", "--commit", "plant", "fern"]);
    assert_eq!(sandbox.read("default.toml"), "plant = \"fern\"\n");
    assert_eq!(sandbox.ok(&["get", "plant"]), "fern\n");
    assert_eq!(sandbox.ok(&["get", "default..plant"]), "fern\n");
    sandbox.ok(&["set", "--commit", "plant=moss"]);
    assert_eq!(sandbox.read("default.toml"), "plant = \"moss\"\n");
    assert_eq!(sandbox.ok(&["get", "--default", "none", "tree"]), "none\n");
    // A package stays a package.
    sandbox.fails(2, &["set", "network", "fern"]);
    sandbox.fails(2, &["get", "network"]);
}

#[test]
fn a_key_that_uci_text_cannot_have_makes_a_package_that_can() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "new..debug=true"]);
    assert_eq!(sandbox.ok(&["changes"]), "new..debug='true'\n");
    assert_eq!(sandbox.ok(&["get", "new.debug"]), "true\n");
    sandbox.ok(&["commit"]);
    assert_eq!(sandbox.read("new.toml"), "debug = \"true\"\n");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(sandbox.path("config/new.toml")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    sandbox.ok(&["undo"]);
    assert!(!sandbox.path("config/new.toml").exists());
    for key in ["network..x=1", "network.a.b.c=1", "network.lan.\"a b\"=1"] {
        let said = sandbox.fails(3, &["set", key]);
        assert!(said.starts_with("cms: '"), "{said}");
    }
    let said = sandbox.fails(3, &["set", "network.a.b.c=1"]);
    assert!(said.contains("'network.a.b.c': a UCI package has no nested sections; TOML and JSON"), "{said}");
}

#[test]
fn completion_goes_from_name_to_name() {
    let sandbox = sandbox();
    let complete = |typed: &str| {
        let out = sandbox.ok(&["__complete", "get", typed]);
        out.lines().map(str::trim_end).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete("app."), ["app.debug", "app.paths.", "app.server."]);
    assert_eq!(complete("app.server."), ["app.server.name", "app.server.tls."]);
    assert_eq!(complete("app.server.t"), ["app.server.tls."]);
    assert_eq!(complete("app.server.tls."), ["app.server.tls.port"]);
    assert_eq!(complete("app.paths.\"i"), ["app.paths.\"index.html\""]);
}
