//! Packages in TOML and JSON: everything that works on UCI text works on them, through the store and the command.

use std::fs;

use crate::support::fixture::Fixture;
use crate::support::sandbox::Sandbox;

const TOML: &str = "# who we are\nname = \"demo\" # short\nlimits = [1, 2]\n\n[database]\nhost = \"db.local\"\nport = 5432 # default\n\n[[servers]]\nip = \"10.0.0.1\"\n";
const JSON: &str = "{\n  \"name\": \"demo\",\n  \"database\": {\n    \"port\": 5432,\n    \"on\": true\n  },\n  \"none\": null\n}\n";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::remove_file(sandbox.path("config/network")).expect("removed");
    fs::write(sandbox.path("config/app.toml"), TOML).expect("written");
    fs::write(sandbox.path("config/web.json"), JSON).expect("written");
    sandbox
}

fn text(sandbox: &Sandbox, file: &str) -> String {
    fs::read_to_string(sandbox.path("config").join(file)).expect("a file")
}

/// Runs `cms`, which has to succeed, and returns what it prints.
fn out(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let done = sandbox.run(arguments);
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("UTF-8")
}

fn error(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let done = sandbox.run(arguments);
    assert!(!done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stdout));
    String::from_utf8(done.stderr).expect("UTF-8")
}

#[test]
fn packages_are_listed_read_and_found_with_their_lines() {
    let sandbox = sandbox();
    assert_eq!(out(&sandbox, &["list"]), "app\nweb\n");
    assert_eq!(out(&sandbox, &["get", "app.database.port"]), "5432\n");
    assert_eq!(out(&sandbox, &["get", "app..name"]), "demo\n");
    assert_eq!(out(&sandbox, &["get", "app.@servers[0].ip"]), "10.0.0.1\n");
    assert_eq!(out(&sandbox, &["get", "web.database.on"]), "true\n");
    assert!(out(&sandbox, &["search", "5432"]).contains("app.toml:7: app.database.port"));
    assert!(out(&sandbox, &["search", "5432"]).contains("web.json:4: web.database.port"));
    out(&sandbox, &["validate"]);
    assert!(error(&sandbox, &["export", "app"]).contains("--format json"));
    assert!(out(&sandbox, &["export", "--format", "json", "app"]).contains("db.local"));
}

#[test]
fn a_commit_changes_one_line_and_is_in_history_and_undone() {
    let sandbox = sandbox();
    out(&sandbox, &["set", "app.database.port=5433", "web.database.port=5433"]);
    assert!(out(&sandbox, &["changes"]).contains("app.database.port='5433'"));
    assert_eq!(text(&sandbox, "app.toml"), TOML);
    out(&sandbox, &["commit"]);
    assert_eq!(text(&sandbox, "app.toml"), TOML.replace("5432", "5433"));
    assert_eq!(text(&sandbox, "web.json"), JSON.replace("5432", "5433"));
    assert!(out(&sandbox, &["history", "app"]).contains("app.database.port: '5432' -> '5433'"));
    assert!(out(&sandbox, &["blame", "app"]).contains("port = 5433 # default"));
    out(&sandbox, &["undo"]);
    assert_eq!((text(&sandbox, "app.toml"), text(&sandbox, "web.json")), (TOML.to_owned(), JSON.to_owned()));
    out(&sandbox, &["audit", "verify"]);
}

#[test]
fn keys_of_the_root_nested_ones_and_lists_are_staged_and_committed() {
    let sandbox = sandbox();
    out(&sandbox, &["set", "app..name=zed"]);
    out(&sandbox, &["add_list", "app..limits=3"]);
    out(&sandbox, &["set", "app.\"two words\".x=1"]);
    out(&sandbox, &["set", "app.database.replica.host=h"]);
    let changes = out(&sandbox, &["changes"]);
    assert!(changes.contains("zed") && changes.contains("replica.host"), "{changes}");
    assert_eq!(out(&sandbox, &["get", "app..name"]), "zed\n");
    out(&sandbox, &["commit"]);
    let expected = TOML.replace("\"demo\"", "\"zed\"").replace("[1, 2]", "[1, 2, 3]");
    let expected = format!("{expected}\n[\"two words\"]\nx = \"1\"\n\n[database.replica]\nhost = \"h\"\n");
    assert_eq!(text(&sandbox, "app.toml"), expected);
    assert!(error(&sandbox, &["set", "app.database.port=http"]).contains("int"));
}

#[test]
fn a_root_key_makes_a_toml_package_and_a_section_one_of_uci_text() {
    let sandbox = sandbox();
    out(&sandbox, &["set", "new..name=x"]);
    out(&sandbox, &["set", "new.a.b.c=1"]);
    out(&sandbox, &["set", "plain.s=t"]);
    out(&sandbox, &["commit"]);
    assert_eq!(text(&sandbox, "new.toml"), "name = \"x\"\n\n[a.b]\nc = \"1\"\n");
    assert_eq!(text(&sandbox, "plain"), "config t 's'\n");
    assert!(error(&sandbox, &["set", "plain..x=1"]).contains("TOML"));
}

#[test]
fn edits_by_hand_are_noted_and_faults_name_file_line_and_column() {
    let sandbox = sandbox();
    out(&sandbox, &["set", "app.database.port=1"]);
    out(&sandbox, &["commit"]);
    fs::write(sandbox.path("config/app.toml"), TOML.replace("db.local", "db.other")).expect("written");
    out(&sandbox, &["set", "app.database.port=2"]);
    out(&sandbox, &["commit"]);
    assert!(out(&sandbox, &["history", "app"]).contains("'db.local' -> 'db.other'"));
    fs::write(sandbox.path("config/app.toml"), "a = 1\nb = = 2\n").expect("written");
    let found = error(&sandbox, &["validate"]);
    assert!(found.contains("app.toml:2:5: this is no TOML"), "{found}");
    // The last good state is read on.
    let shown = sandbox.run(&["get", "app.database.port"]);
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "2\n");
    fs::write(sandbox.path("config/web.json"), "{\"a\": 1,\n \"a\": 2}").expect("written");
    assert!(error(&sandbox, &["validate", "web"]).contains("web.json:2:2: the object has this name twice"));
}

#[test]
fn uci_text_wins_and_two_others_are_refused() {
    let sandbox = sandbox();
    fs::write(sandbox.path("config/app"), "config a 'x'\n\toption o '1'\n").expect("written");
    let list = sandbox.run(&["list"]);
    assert_eq!(String::from_utf8_lossy(&list.stdout), "app\nweb\n");
    let warning = String::from_utf8_lossy(&list.stderr).into_owned();
    assert!(warning.contains("app.toml") && warning.contains("app"), "{warning}");
    assert_eq!(out(&sandbox, &["get", "app.x.o"]), "1\n");
    fs::write(sandbox.path("config/web.toml"), "a = 1\n").expect("written");
    let refused = error(&sandbox, &["get", "web..name"]);
    assert!(refused.contains("web.toml") && refused.contains("web.json"), "{refused}");
    // Stock uci sees UCI text alone.
    let uci = sandbox.run(&["uci", "show"]);
    assert_eq!(String::from_utf8_lossy(&uci.stdout), "app.x=a\napp.x.o='1'\n");
}

#[test]
fn snapshots_hold_packages_and_bring_them_back() {
    let sandbox = sandbox();
    out(&sandbox, &["set", "web.database.port=1"]);
    out(&sandbox, &["commit"]);
    out(&sandbox, &["snapshot", "one"]);
    out(&sandbox, &["set", "app.database.port=2", "web.database.port=2"]);
    out(&sandbox, &["commit"]);
    out(&sandbox, &["rollback", "one"]);
    assert_eq!(text(&sandbox, "app.toml"), TOML);
    assert_eq!(text(&sandbox, "web.json"), JSON.replace("5432", "1"));
}

#[test]
fn a_package_that_is_deleted_and_made_anew_keeps_its_format() {
    let fixture = Fixture::new(&[("app.toml", TOML)]);
    let live = fixture.live();
    let mut transaction = live.begin().expect("begun");
    transaction.delete_package(b"app").expect("deleted");
    transaction.set(b"app..name", b"again").expect("made anew");
    transaction.commit().expect("committed");
    assert_eq!(fixture.text("app.toml"), "name = \"again\"\n");
}
