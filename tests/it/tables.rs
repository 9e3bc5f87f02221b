//! Tables: the sections of a type as rows.

use cms::map::MapSection;
use cms::{Error, Store, Table};

use crate::support::fixture::{Fixture, show};
use crate::support::sandbox::Sandbox;

const USERS: &str = "config user 'admin'\n\toption id '1'\n\toption name 'admin'\n\tlist groups 'wheel'\n\tlist groups \
                     'users'\n\nconfig user\n\toption id '10'\n\toption name 'guest'\n\tlist groups 'users'\n\nconfig \
                     host 'admin2'\n\toption id '1'\n\nconfig user 'root'\n\toption id '9'\n\toption name 'root'\n";

fn cell(row: &MapSection<'_>, column: &str) -> String {
    row.get(column.as_bytes()).map(show).unwrap_or_default()
}

fn names<'m>(rows: impl IntoIterator<Item = MapSection<'m>>) -> Vec<String> {
    rows.into_iter().map(|row| cell(&row, "name")).collect()
}

fn users(store: &Store) -> Table {
    store.table(b"users", b"user").expect("a table")
}

#[test]
fn rows_are_found_by_a_column_in_the_order_of_the_file() {
    let fixture = Fixture::new(&[("users", USERS)]);
    let table = users(&fixture.live());
    assert_eq!(table.len().expect("readable"), 3);
    assert_eq!(names(table.rows().expect("rows")), ["admin", "guest", "root"]);
    let row = table.find(b"id", b"1").expect("readable").expect("a row");
    assert_eq!((row.name(), cell(&row, "name").as_str()), (&b"admin"[..], "admin"));
    // The cell is compared as a whole, and an item of a list as well.
    assert!(table.find(b"id", b"").expect("readable").is_none());
    assert!(table.find(b"groups", b"wheel users").expect("readable").is_none());
    assert_eq!(names(table.find_all(b"groups", b"users").expect("rows")), ["admin", "guest"]);
    assert!(table.find(b"shoe_size", b"44").expect("readable").is_none());
    assert_eq!(table.columns().expect("columns"), [&b"id"[..], b"name", b"groups"]);
    assert!(table.row(b"admin").expect("readable").is_some());
    assert!(table.row(b"admin2").expect("readable").is_none(), "it is of another type");
}

#[test]
fn a_column_sorts_numbers_by_their_value_and_rows_without_it_come_last() {
    let text = format!(
        "config user\n\toption name 'first'\n{USERS}config user\n\toption id 'x'\n\toption name 'text'\n"
    );
    let fixture = Fixture::new(&[("users", &text)]);
    let table = users(&fixture.live());
    let sorted = |column: &str| names(table.sorted_by(column.as_bytes()).expect("rows"));
    assert_eq!(sorted("id"), ["admin", "root", "guest", "text", "first"]);
    // Of a list the first item counts; equal rows stay in the order of the file.
    assert_eq!(sorted("groups"), ["guest", "admin", "first", "root", "text"]);
}

#[test]
fn a_table_shows_one_state_until_it_is_refreshed() {
    let fixture = Fixture::new(&[("users", USERS)]);
    let store = fixture.live();
    let mut table = users(&store);
    let mut transaction = store.begin().expect("begun");
    let cells: &[cms::Cell<'_>] = &[(b"id", &[b"11"]), (b"groups", &[b"users", b"new"])];
    let name = transaction.insert_row(b"users", b"user", None, cells).expect("inserted");
    assert!(name.starts_with(b"cfg"), "{name:?}");
    transaction
        .update_row(b"users", b"user", b"admin", &[(b"id", &[b"2"]), (b"groups", &[])])
        .expect("updated");
    transaction.delete_row(b"users", b"user", b"root").expect("deleted");
    transaction.commit().expect("committed");
    assert!(table.find(b"id", b"11").expect("readable").is_none());
    assert!(table.find(b"id", b"9").expect("readable").is_some());
    assert!(table.refresh().expect("readable"));
    let row = table.find(b"id", b"11").expect("readable").expect("a row");
    assert_eq!(cell(&row, "groups"), "users new");
    assert!(row.is_anonymous());
    assert!(table.find(b"id", b"9").expect("readable").is_none());
    let admin = table.row(b"admin").expect("readable").expect("a row");
    assert_eq!((cell(&admin, "id").as_str(), cell(&admin, "groups").as_str()), ("2", ""));
    assert!(!table.refresh().expect("readable"));
    assert!(
        fixture
            .text("users")
            .ends_with("config user\n\toption id '11'\n\tlist groups 'users'\n\tlist groups 'new'\n")
    );
}

#[test]
fn a_row_that_cannot_be_changed_leaves_the_transaction_as_it_was() {
    let fixture = Fixture::new(&[("users", USERS)]);
    let store = fixture.live();
    let mut transaction = store.begin().expect("begun");
    let good: cms::Cell<'_> = (b"id", &[b"12"]);
    let bad: [cms::Cell<'_>; 2] = [(b"no-name", &[b"1"]), (b"name", &[b"\x01"])];
    for bad in bad {
        let inserted = transaction.insert_row(b"users", b"user", Some(b"other"), &[good, bad]);
        assert!(matches!(inserted, Err(Error::Invalid { .. })), "{inserted:?}");
        let updated = transaction.update_row(b"users", b"user", b"admin", &[good, bad]);
        assert!(matches!(updated, Err(Error::Invalid { .. })), "{updated:?}");
    }
    let taken = transaction.insert_row(b"users", b"user", Some(b"admin2"), &[good]);
    assert!(matches!(&taken, Err(Error::Exists { key }) if key == "users.admin2"), "{taken:?}");
    for (kind, name) in [(&b"user"[..], &b"nobody"[..]), (b"user", b"admin2")] {
        let gone = transaction.delete_row(b"users", kind, name);
        assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
        let gone = transaction.update_row(b"users", kind, name, &[good]);
        assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    }
    for name in ["a.b", "", "@user[0]"] {
        let refused = transaction.insert_row(b"users", b"user", Some(name.as_bytes()), &[]);
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{name}: {refused:?}");
    }
    assert!(matches!(transaction.insert_row(b"users", b"", None, &[]), Err(Error::Invalid { .. })));
    assert_eq!(transaction.count(), 0);
}

#[test]
fn a_row_with_all_its_cells_is_one_transaction_where_each_change_is_committed_at_once() {
    let fixture = Fixture::new(&[]);
    let store = fixture.live();
    let mut transaction = store.begin().expect("begun");
    transaction.set_auto_commit(true);
    let insert = |transaction: &mut cms::Transaction, name: &[u8]| {
        transaction
            .insert_row(b"new", b"user", Some(name), &[(b"id", &[b"1"]), (b"name", &[name])])
            .expect("made");
        store.revision()
    };
    let first = insert(&mut transaction, b"a");
    assert_eq!(insert(&mut transaction, b"b"), first + 1);
    assert_eq!(
        fixture.text("new"),
        "config user 'a'\n\toption id '1'\n\toption name 'a'\n\nconfig user 'b'\n\toption id '1'\n\toption name 'b'\n"
    );
}

#[test]
fn a_table_of_what_does_not_exist_is_refused_or_empty() {
    let fixture = Fixture::new(&[("users", USERS), ("broken", "config user 'a\n")]);
    let store = fixture.live();
    assert!(store.table(b"users", b"nothing").expect("a table").is_empty().expect("readable"));
    assert!(matches!(store.table(b"none", b"user").expect("a table").len(), Err(Error::NotFound { .. })));
    assert!(matches!(store.table(b"broken", b"user"), Err(Error::Parse(_))));
    for (package, kind) in [("no/where", "user"), ("users", ""), ("users", "a b")] {
        assert!(matches!(store.table(package.as_bytes(), kind.as_bytes()), Err(Error::Invalid { .. })));
    }
    let refused = users(&store).find(b"no-name", b"1").map(drop);
    assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("users", USERS);
    sandbox
}

#[test]
fn cms_table_prints_columns_below_their_names() {
    let sandbox = sandbox();
    assert_eq!(
        sandbox.ok(&["table", "users", "user"]),
        ".name     id  name   groups\nadmin     1   admin  wheel users\n@user[1]  10  guest  users\nroot      9   root   -\n"
    );
    assert_eq!(
        sandbox.ok(&["table", "users", "user", "--where", "groups=users", "--sort", "name", "--csv"]),
        ".name,id,name,groups\r\nadmin,1,admin,wheel users\r\n@user[1],10,guest,users\r\n"
    );
    // The columns are those of the rows that are printed.
    assert_eq!(
        sandbox.ok(&["table", "users", "user", "--where", "id=9", "--csv"]),
        ".name,id,name\r\nroot,9,root\r\n"
    );
    let rows: serde_json::Value =
        serde_json::from_str(&sandbox.ok(&["table", "users", "user", "--sort=id", "--json"])).expect("JSON");
    assert_eq!(
        rows[0],
        serde_json::json!({"name": "admin", "anonymous": false, "cells": {"id": "1", "name": "admin", "groups": ["wheel", "users"]}})
    );
    assert_eq!(rows[1]["name"], "root");
    assert_eq!(rows[2]["anonymous"], true);
}

#[test]
fn cms_table_shows_staged_changes_and_no_control_sequences() {
    let sandbox = sandbox();
    sandbox.ok(&["set", "users.root.name=a\nb"]);
    sandbox.ok(&["set", "users.root.id=a,\"b"]);
    assert!(sandbox.ok(&["table", "users", "user", "--where=id=a,\"b"]).ends_with("\nroot   a,\"b  a\\nb\n"));
    assert!(sandbox.ok(&["table", "users", "user", "--csv"]).ends_with("\r\nroot,\"a,\"\"b\",\"a\nb\",\r\n"));
    assert!(sandbox.ok(&["table", "users", "user", "--at", "now"]).ends_with("\nroot      9   root   -\n"));
}

#[test]
fn cms_table_reads_a_large_package_from_its_map() {
    let sandbox = Sandbox::new();
    let text: String =
        (0..3000).map(|id| format!("config row\n\toption id '{id}'\n\toption even '{}'\n", id % 2)).collect();
    sandbox.write("large", &text);
    let rows = sandbox.ok(&["table", "large", "row", "--where", "even=1", "--csv"]);
    let expected: String =
        (0..3000).filter(|id| id % 2 == 1).map(|id| format!("@row[{id}],{id},1\r\n")).collect();
    assert_eq!(rows, format!(".name,id,even\r\n{expected}"));
}

#[test]
fn cms_table_says_what_is_wrong() {
    let sandbox = sandbox();
    let said = sandbox.fails(1, &["table", "users", "nobody"]);
    assert!(said.contains("users has no section of type nobody"), "{said}");
    let said = sandbox.fails(1, &["table", "users", "user", "--where", "id=77"]);
    assert!(said.contains("no section of type user in users has these values"), "{said}");
    assert!(sandbox.fails(1, &["table", "none", "user"]).contains("none: not found"));
    for words in [&["--where", "id"][..], &["--where", "a-b=1"], &["--sort", "a b"], &["--csv", "--json"]] {
        let said = sandbox.fails(2, &[&["table", "users", "user"], words].concat());
        assert!(!said.is_empty(), "{words:?}");
    }
}

const SCHEMA: &str = "config field\n\toption section 'user'\n\toption name 'id'\n\toption type 'uinteger'\n\toption index '1'\n\n\
                      config field\n\toption section 'user'\n\toption name 'groups'\n\toption index '1'\n";

/// A sandbox with a schema of the package `users`.
fn with_schema(schema: &str) -> (Sandbox, std::path::PathBuf) {
    let sandbox = sandbox();
    let dir = sandbox.path("schema");
    std::fs::create_dir(&dir).expect("made");
    std::fs::write(dir.join("users"), schema).expect("written");
    (sandbox, dir)
}

fn with(sandbox: &Sandbox, schema: &std::path::Path, words: &[&str]) -> String {
    let output = sandbox.command().env("CMS_SCHEMA_DIR", schema).args(words).output().expect("cms runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_column_has_an_index_if_the_schema_says_so_and_the_map_is_made_anew_when_it_does() {
    let (sandbox, schema) = with_schema(SCHEMA);
    let explain = |schema: &std::path::Path, key: &str| with(&sandbox, schema, &["explain", key]);
    let none = sandbox.path("none");
    let key = "users.@user[id=10].name";
    let scanned = "by reading 3 sections: the schema of users has no index '1' for the option id\n";
    assert_eq!(explain(&none, key), scanned);
    let found = "by the index of id in sections of type user: 1 of 3 sections\n";
    assert_eq!(explain(&schema, key), found);
    // A store without the schema uses the map that there is.
    assert_eq!(explain(&none, key), found);
    assert_eq!(
        explain(&schema, "users.@user[groups=users]"),
        "by the index of groups in sections of type user: 2 of 3 sections\n"
    );
    assert_eq!(explain(&schema, "users.admin"), "by its name: one look-up\n");
    // A commit keeps the index up.
    with(&sandbox, &schema, &["set", "--commit", "users.root.id=77"]);
    assert_eq!(explain(&schema, "users.@user[id=77]"), found);
    assert_eq!(
        explain(&schema, "users.@user[id=9]"),
        "by the index of id in sections of type user: 0 of 3 sections\n"
    );
    assert_eq!(with(&sandbox, &schema, &["get", "users.@user[id=77].name"]), "root\n");
    // Another declaration makes the map anew.
    std::fs::write(schema.join("users"), SCHEMA.replace("'id'", "'name'")).expect("written");
    assert!(explain(&schema, "users.@user[id=77]").starts_with("by reading 3 sections"));
    assert!(explain(&schema, "users.@user[name=root]").starts_with("by the index of name"));
}
