//! M28: packages that transactions and engines make and delete; the line and the name of what a key selects.

use std::os::unix::fs::PermissionsExt;

use cms::{Code, Store};

use crate::support::fixture::{Fixture, get};

const TEXT: &str = "# kept\nconfig a 's'\n\toption o '1'\n";

fn fixture() -> Fixture {
    Fixture::new(&[("n", TEXT), ("other", "config a 's'\n\toption o '2'\n")])
}

fn delete(store: &Store, package: &[u8]) -> cms::Result<u64> {
    let mut transaction = store.begin()?;
    transaction.delete_package(package)?;
    transaction.commit()
}

#[test]
fn m28_a_package_that_a_transaction_deletes_is_gone_for_all_and_comes_back_with_an_undo() {
    let fixture = fixture();
    let path = fixture.path("config/n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
    let (store, reader) = (fixture.live(), fixture.live());
    let snapshot = reader.snapshot().expect("a snapshot");
    for store in [&store, &reader] {
        assert_eq!(get(store, "n.s.o").as_deref(), Some("1"));
    }
    assert!(snapshot.get(b"n.s.o").expect("read").is_some());

    let revision = delete(&store, b"n").expect("deleted");
    assert!(!path.exists());
    assert_eq!(get(&store, "n.s.o"), None);
    assert_eq!(get(&reader, "n.s.o"), None, "the other program sees it without a refresh");
    assert!(snapshot.get(b"n.s.o").expect("read").is_some(), "the snapshot stays as it is");
    assert_eq!(delete(&store, b"n").expect_err("gone").code(), Code::NotFound);

    let undone = store.engine().history().undo(revision, None).expect("undone");
    assert_eq!(fixture.text("n"), TEXT);
    let mode = std::fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "the mode is that of the deleted file");
    assert_eq!(get(&store, "n.s.o").as_deref(), Some("1"));
    store.engine().history().undo(undone, None).expect("undone");
    assert!(!path.exists());
}

#[test]
fn m28_a_transaction_sees_the_packages_that_it_has_made_and_deleted() {
    let fixture = fixture();
    let store = fixture.live();
    let mut transaction = store.begin().expect("begun");
    transaction.add_package(b"new").expect("made");
    assert_eq!(transaction.add_package(b"new").expect_err("there").code(), Code::Exists);
    assert_eq!(transaction.add_package(b"n").expect_err("there").code(), Code::Exists);
    assert_eq!(transaction.add_package(b"a/b").expect_err("a path").code(), Code::Invalid);
    transaction.set(b"n.s.o", b"9").expect("set");
    let point = transaction.savepoint();
    transaction.delete_package(b"n").expect("deleted");
    assert_eq!(transaction.get(b"n.s.o").expect("read"), None);
    assert_eq!(transaction.set(b"n.s.o", b"1").expect_err("no section").code(), Code::NotFound);
    assert_eq!(transaction.delete_package(b"n").expect_err("gone").code(), Code::NotFound);
    // Back to the savepoint: the change before it is there again.
    transaction.rollback_to(&point).expect("rolled back");
    let value = transaction.get(b"n.s.o").expect("read").expect("there");
    assert_eq!(value, cms::log::Content::String(b"9".to_vec()));
    // It is deleted after all, and made anew with other sections.
    transaction.delete_package(b"n").expect("deleted");
    transaction.set(b"n.t", b"b").expect("made anew");
    transaction.set(b"n.t.x", b"y").expect("set");
    assert_eq!(transaction.count(), 5);
    transaction.commit().expect("committed");
    assert_eq!(fixture.text("n"), "config b 't'\n\toption x 'y'\n");
    assert_eq!(fixture.text("new"), "");
    assert_eq!(get(&store, "n.t.x").as_deref(), Some("y"));
    assert_eq!(get(&store, "n.s.o"), None);
}

#[test]
fn m28_a_package_that_was_made_and_deleted_again_leaves_no_trace() {
    let fixture = fixture();
    let store = fixture.live();
    delete(&store, b"other").expect("the log has begun");
    let before = store.revision();
    let mut transaction = store.begin().expect("begun");
    transaction.add_package(b"new").expect("made");
    transaction.set(b"new.s", b"a").expect("set");
    transaction.delete_package(b"new").expect("deleted");
    transaction.commit().expect("committed");
    assert!(!fixture.path("config/new").exists());
    assert_eq!(store.revision(), before);
}

#[test]
fn m28_a_package_that_others_have_changed_is_deleted_by_force_only() {
    let fixture = fixture();
    let store = fixture.live();
    let begin = || {
        let mut transaction = store.begin().expect("begun");
        transaction.delete_package(b"n").expect("deleted");
        transaction.set(b"other.s.o", b"3").expect("set");
        transaction
    };
    let transaction = begin();
    let mut forced = begin();
    let mut other = store.begin().expect("begun");
    other.set(b"n.s.o", b"2").expect("set");
    other.commit().expect("committed");
    let error = transaction.commit().expect_err("changed meanwhile");
    assert_eq!(error.code(), Code::Conflict, "{error}");
    assert_eq!(get(&store, "n.s.o").as_deref(), Some("2"));
    assert_eq!(get(&store, "other.s.o").as_deref(), Some("2"), "nothing of it is committed");
    forced.set_force(true);
    forced.commit().expect("forced");
    assert!(!fixture.path("config/n").exists());

    let (mut one, mut two) = (store.begin().expect("begun"), store.begin().expect("begun"));
    for transaction in [&mut one, &mut two] {
        transaction.add_package(b"new").expect("made");
    }
    one.commit().expect("the first makes it");
    assert_eq!(two.commit().expect_err("made meanwhile").code(), Code::Exists);
}

#[test]
fn m28_a_package_with_errors_in_its_text_and_a_symbolic_link_can_be_deleted() {
    let fixture = fixture();
    fixture.write("broken", "config a 's'\n\toption o 'never ends\n");
    std::os::unix::fs::symlink("other", fixture.path("config/link")).expect("linked");
    let store = fixture.live();
    delete(&store, b"broken").expect("deleted");
    assert!(!fixture.path("config/broken").exists());
    delete(&store, b"link").expect("deleted");
    assert!(fixture.path("config/link").symlink_metadata().is_err());
    assert!(fixture.path("config/other").exists(), "the target stays");
}

#[test]
fn m28_an_engine_deletes_packages_together_or_none_and_sets_staged_changes_aside() {
    let fixture = fixture();
    let store = fixture.live();
    let engine = store.engine();
    let place = engine.packages().find(b"n").expect("found");
    let delta = cms::Delta::new(cms::DeltaKind::Set, b"s", Some(b"o"), Some(b"8"));
    engine.staging().stage(&place, std::slice::from_ref(&delta)).expect("staged");
    let names = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
    let error = engine.delete_together(&names(&["n", "nothing"])).expect_err("one is missing");
    assert_eq!(error.code(), Code::NotFound);
    assert!(fixture.path("config/n").exists());
    engine.delete_together(&names(&["n", "other"])).expect("deleted");
    assert!(!fixture.path("config/n").exists() && !fixture.path("config/other").exists());
    assert_eq!(get(&store, "n.s.o"), None);
    let aside = std::fs::read_to_string(fixture.path("save/.n.replaced")).expect("set aside");
    assert!(aside.contains("n.s.o='8'"), "{aside}");
    engine.history().undo(engine.history().revision().expect("known"), None).expect("undone");
    assert_eq!(fixture.text("n"), TEXT);
}

#[test]
fn m28_a_package_whose_text_is_behind_the_log_can_be_deleted() {
    let fixture = fixture();
    let late = std::time::Duration::from_secs(100_000);
    let options = fixture.options().durability(cms::Durability::Log).text_delay(late);
    let store = Store::open(options).expect("opens");
    let mut transaction = store.begin().expect("begun");
    transaction.set(b"n.s.o", b"5").expect("set");
    transaction.commit().expect("committed");
    assert_eq!(fixture.text("n"), TEXT, "the text is behind");
    let revision = delete(&store, b"n").expect("deleted");
    assert!(!fixture.path("config/n").exists());
    store.engine().history().undo(revision, None).expect("undone");
    assert_eq!(get(&store, "n.s.o").as_deref(), Some("5"));
}

#[test]
fn m29_a_transaction_lists_what_it_sees_and_what_was_listed_counts_as_read() {
    let fixture = fixture();
    let (store, other) = (fixture.live(), fixture.live());
    let mut transaction = store.begin().expect("begun");
    transaction.add_package(b"new").expect("made");
    transaction.delete_package(b"other").expect("deleted");
    transaction.set(b"n.t", b"b").expect("set");
    transaction.set(b"n.s.p", b"2").expect("set");
    assert_eq!(transaction.packages().expect("listed"), ["n", "new"]);
    assert_eq!(transaction.sections(b"other").expect_err("deleted").code(), Code::NotFound);
    assert_eq!(transaction.options(b"n", b"nono").expect_err("missing").code(), Code::NotFound);
    assert_eq!(transaction.options(b"nono", b"s").expect_err("missing").code(), Code::NotFound);
    let sections = transaction.sections(b"n").expect("listed");
    let shown = sections.iter().map(|head| (&*head.name, &*head.section_type, head.is_anonymous));
    assert!(shown.eq([(b"s".as_slice(), b"a".as_slice(), false), (b"t", b"b", false)]));
    let options = transaction.options(b"n", b"s").expect("listed");
    assert!(options.iter().map(|(name, _)| name.as_slice()).eq([b"o", b"p"]));

    let mut meanwhile = other.begin().expect("begun");
    meanwhile.set(b"n.s.o", b"3").expect("set");
    meanwhile.commit().expect("committed");
    assert_eq!(transaction.commit().expect_err("it was read").code(), Code::Conflict);
}

/// Returns the changes of an event as text.
fn changes(event: &cms::Event) -> Vec<String> {
    let one = |changed: cms::Changed<'_>| {
        let show = |content: Option<&cms::log::Content>| match content {
            Some(content) => String::from_utf8_lossy(&content.items().join(&b' ')).into_owned(),
            None => "-".to_owned(),
        };
        let key = String::from_utf8(changed.key()).expect("ASCII");
        format!("{key}: {} -> {}", show(changed.before()), show(changed.after()))
    };
    event.changes().map(one).collect()
}

#[test]
fn m28_watches_and_verifiers_see_the_sections_of_a_deleted_and_of_a_made_package() {
    let fixture = fixture();
    let store = fixture.live();
    let mut watch = store.watch("n.**", None).expect("watches");
    let verifier = store
        .verify("n.**", |event: &cms::Event| match changes(event).first() {
            Some(first) if first.ends_with("-> -") => Err("it stays".to_owned()),
            _ => Ok(()),
        })
        .expect("verifies");
    let error = delete(&store, b"n").expect_err("refused");
    assert_eq!(error.code(), Code::Refused, "{error}");
    assert_eq!(fixture.text("n"), TEXT);
    drop(verifier);
    let revision = delete(&store, b"n").expect("deleted");
    let event = watch.next(None).expect("watched").expect("an event");
    assert_eq!(
        (event.sequence(), changes(&event)),
        (revision, vec!["n.s.o: 1 -> -".into(), "n.s: a -> -".into()])
    );
    let mut transaction = store.begin().expect("begun");
    transaction.add_package(b"n").expect("made");
    transaction.set(b"n.t", b"b").expect("set");
    transaction.commit().expect("committed");
    let event = watch.next(None).expect("watched").expect("an event");
    assert_eq!(changes(&event), ["n.t: - -> b"]);
}

#[test]
fn m28_a_deletion_that_is_not_confirmed_is_rolled_back() {
    let fixture = fixture();
    let store = fixture.live();
    let mut transaction = store.begin().expect("begun");
    transaction.delete_package(b"n").expect("deleted");
    transaction.add_package(b"new").expect("made");
    transaction.set_confirm(std::time::Duration::from_millis(50));
    transaction.commit().expect("committed");
    assert!(!fixture.path("config/n").exists() && fixture.path("config/new").exists());
    std::thread::sleep(std::time::Duration::from_millis(60));
    store.engine().confirmations().recover().expect("rolled back");
    assert_eq!(fixture.text("n"), TEXT);
    assert!(!fixture.path("config/new").exists());
    assert_eq!(get(&store, "n.s.o").as_deref(), Some("1"));
}

#[test]
fn m28_the_line_of_a_key_is_that_of_the_present_text_and_only_where_it_has_the_value() {
    let text =
        "# first\nconfig a 's'\n\toption o '1'\n\tlist l 'x'\n\tlist l 'y'\n\nconfig a\n\toption 'o' '2'\n";
    let fixture = Fixture::new(&[("n", text)]);
    let store = fixture.live();
    let line = |key: &str, value: Option<&str>| {
        store.text_line(key.as_bytes()).expect("a package").find(value.map(str::as_bytes))
    };
    assert_eq!((line("n.s", None), line("n.s.o", None), line("n.s.l", None)), (Some(2), Some(3), Some(4)));
    assert_eq!((line("n.@a[-1].o", Some("2")), line("n.@a[o=2]", Some("a"))), (Some(8), Some(7)));
    assert_eq!(
        (line("n.s.o", Some("2")), line("n.s", Some("b")), line("n.s.l", Some("x"))),
        (None, None, None)
    );
    assert_eq!((line("n.none", None), line("n.s.none", None), line("n.@a[9]", None)), (None, None, None));
    assert_eq!(store.text_line(b"none.s").expect_err("no package").code(), Code::NotFound);
    assert_eq!(store.text_line(b"n").expect_err("no section").code(), Code::Invalid);
    // What finds the line keeps no store open, and looks at the text only then.
    let later = store.text_line(b"n.s.o").expect("found");
    drop(store);
    fixture.write("n", &format!("\n\n{text}"));
    assert_eq!(later.find(None), Some(5));
    assert!(later.file().ends_with("config/n"));
    std::fs::remove_file(fixture.path("config/n")).expect("removed");
    assert_eq!(later.find(None), None);
}

#[test]
fn m28_a_selector_is_resolved_to_a_name_by_snapshots_and_transactions() {
    let fixture = Fixture::new(&[("n", "config a 's'\n\toption o '1'\nconfig a\n\toption o '1'\n")]);
    let store = fixture.live();
    let snapshot = store.snapshot().expect("a snapshot");
    let mut transaction = store.begin().expect("begun");
    let text = |found: cms::Result<Option<Vec<u8>>>| {
        found.map(|found| found.map(|key| String::from_utf8(key).expect("ASCII")))
    };
    assert_eq!(text(snapshot.resolve(b"n.@a[0].none")).expect("resolved").as_deref(), Some("n.s.none"));
    let anonymous = text(snapshot.resolve(b"n.@a[1]")).expect("resolved").expect("there");
    assert!(anonymous.starts_with("n.cfg"), "{anonymous}");
    assert_eq!(text(snapshot.resolve(b"n.@a[2]")).expect("resolved"), None);
    assert_eq!(text(snapshot.resolve(b"none.s")).expect("resolved"), None);
    assert_eq!(text(snapshot.resolve(b"n.@a[o=1]")).expect_err("two").code(), Code::Ambiguous);
    transaction.delete(b"n.s").expect("deleted");
    assert_eq!(text(transaction.resolve(b"n.@a[0]")).expect("resolved"), Some(anonymous));
    assert_eq!(text(transaction.resolve(b"n.s")).expect("resolved"), None);
    assert_eq!(text(transaction.resolve(b"n")).expect_err("no section").code(), Code::Invalid);
}
