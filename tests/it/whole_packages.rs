//! Packages that transactions and engines make and delete (M28).

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
