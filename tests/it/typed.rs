//! Values with types: maps, reads and writes.

use cms::map::TypedValue;
use cms::testing::Seams as _;
use cms::{Code, Expected, Options, Store, Transaction, ValueType};

use crate::support::fixture::{Fixture, get, show};
use crate::support::line_format::TypedLines;

/// The run directory of a program of the version before, which may still be running: its maps are made again, and not
/// misread.
#[test]
fn maps_and_the_control_file_of_version_2_are_made_again() {
    let fixture = Fixture::new(&[("app", "config a 's'\n\toption x '1'\n\tlist l 'a'\n\tlist l 'b'\n")]);
    assert_eq!(get(&fixture.live(), "app.s.x").as_deref(), Some("1"));
    let maps = fixture.maps();
    let [map] = maps.as_slice() else { panic!("{maps:?}") };
    let directory = map.parent().expect("a directory").to_owned();
    let files: Vec<_> =
        std::fs::read_dir(&directory).expect("readable").map(|file| file.expect("readable").path()).collect();
    let mut changed = 0;
    for file in files {
        let mut bytes = std::fs::read(&file).expect("readable");
        if bytes.get(1..4) == Some(b"cms") {
            assert_eq!(bytes[8..12], 3_u32.to_le_bytes(), "{}", file.display());
            bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
            if file == *map {
                // In version 2 the top bit of a length said that the value is a list.
                bytes = std::fs::read("tests/data/map-v2.map").expect("readable");
            }
            std::fs::write(&file, bytes).expect("written");
            changed += 1;
        }
    }
    assert_eq!(changed, 2, "the map and the control file");
    let store = fixture.live();
    assert_eq!(get(&store, "app.s.x").as_deref(), Some("1"));
    assert_eq!(get(&store, "app.s.l").as_deref(), Some("a b"));
    assert_eq!(store.value_type(b"app.s.l").expect("readable"), Some(ValueType::List));
    assert_eq!(store.value_type(b"app.s.x").expect("readable"), Some(ValueType::String));
    assert_eq!(store.value_type(b"app.s").expect("readable"), Some(ValueType::String));
    assert_eq!(store.value_type(b"app.s.none").expect("readable"), None);
    let version = |file: &std::path::Path| std::fs::read(file).expect("readable")[8..12].to_vec();
    let maps = fixture.maps();
    assert!(maps.iter().any(|map| version(map) == 3_u32.to_le_bytes()), "{maps:?}");
}

const TEXT: &str = "# an application\nweb=server\nweb.port:int=8080\nweb.mask:int=0xff\nweb.big:int=9223372036854775808\nweb.ratio:float=1.50\nweb.long:float=3.14159265358979323846\nweb.on:bool=true\nweb.none:null=null\nweb.name=site\nweb.ids[]:int-list=1\nweb.ids[]:int-list=2\nweb.empty[0]:list=\nweb.tree:json={\"a\": [1, null]}\nweb.hosts[]=a\nweb.hosts[]=b\n";

fn options(fixture: &Fixture) -> Options {
    fixture.options().format(&TypedLines)
}

fn fixture() -> Fixture {
    Fixture::in_memory(&[("app", TEXT)])
}

fn store(fixture: &Fixture) -> Store {
    Store::open(options(fixture)).expect("opens")
}

fn of(store: &Store, key: &str) -> (String, &'static str) {
    let shown = |typed: TypedValue<'_>| (show(typed.value), typed.value_type.name());
    store.get_typed(key.as_bytes(), shown).expect("readable").expect("it is there")
}

fn commit(store: &Store, change: impl FnOnce(&mut Transaction) -> cms::Result<()>) -> cms::Result<u64> {
    let mut txn = store.begin().expect("begun");
    change(&mut txn)?;
    txn.commit()
}

#[test]
fn values_are_read_with_their_types_by_stores_snapshots_and_prepared_keys() {
    let fixture = fixture();
    let store = store(&fixture);
    let snapshot = store.snapshot().expect("opens");
    for (key, text, value_type) in [
        ("port", "8080", "int"),
        ("mask", "0xff", "int"),
        ("ratio", "1.50", "float"),
        ("on", "true", "bool"),
        ("none", "null", "null"),
        ("name", "site", "string"),
        ("ids", "1 2", "int-list"),
        ("empty", "", "list"),
        ("hosts", "a b", "list"),
        ("tree", "{\"a\": [1, null]}", "json"),
    ] {
        let key = format!("app.web.{key}");
        assert_eq!(of(&store, &key), (text.to_owned(), value_type));
        assert_eq!(get(&store, &key).as_deref(), Some(text), "untyped: {key}");
        let key = key.as_bytes();
        let name = |typed: Option<ValueType>| typed.map(ValueType::name);
        assert_eq!(name(snapshot.value_type(key).expect("readable")), Some(value_type));
        let mut prepared = store.prepare(key).expect("a key");
        for _ in 0..2 {
            let typed = prepared.get_typed().expect("readable").expect("it is there");
            assert_eq!((show(typed.value), typed.value_type.name()), (text.to_owned(), value_type));
        }
        let mut txn = store.begin().expect("begun");
        let (_, found) = txn.get_typed(key).expect("readable").expect("it is there");
        assert_eq!(found.name(), value_type);
    }
    assert_eq!(of(&store, "app.@server[0].port").1, "int");
    assert_eq!(store.value_type(b"app.web.other").expect("readable"), None);
    let private = Store::open(options(&fixture).private_maps(true)).expect("opens");
    assert_eq!(of(&private, "app.web.ids").1, "int-list");
}

#[test]
fn typed_writes_change_one_line_and_the_map() {
    let fixture = fixture();
    let store = store(&fixture);
    assert_eq!(of(&store, "app.web.port").0, "8080");
    let changes: [(&str, &str, Option<ValueType>, &str, &str); 7] = [
        ("port", "0x50", None, "web.port:int=8080\n", "web.port:int=80\n"),
        ("ratio", "2", Some(ValueType::Float), "web.ratio:float=1.50\n", "web.ratio:float=2.0\n"),
        ("on", "off", None, "web.on:bool=true\n", "web.on:bool=false\n"),
        ("name", "5", Some(ValueType::Int), "web.name=site\n", "web.name:int=5\n"),
        ("none", "x", Some(ValueType::String), "web.none:null=null\n", "web.none=x\n"),
        ("tree", "[]", None, "web.tree:json={\"a\": [1, null]}\n", "web.tree:json=[]\n"),
        ("mask", "255", Some(ValueType::String), "web.mask:int=0xff\n", "web.mask=255\n"),
    ];
    let mut text = TEXT.to_owned();
    for (option, value, value_type, before, after) in changes {
        let key = format!("app.web.{option}");
        commit(&store, |txn| match value_type {
            Some(value_type) => txn.set_typed(key.as_bytes(), value.as_bytes(), value_type),
            None => txn.set(key.as_bytes(), value.as_bytes()),
        })
        .expect("committed");
        assert!(text.contains(before), "{before}");
        text = text.replace(before, after);
        assert_eq!(fixture.text("app"), text);
        let line = after.trim_start_matches("web.").trim_end();
        let (name, text) = line.split_once('=').expect("a line");
        let value_type = name.split_once(':').map_or("string", |(_, value_type)| value_type);
        assert_eq!(of(&store, &key), (text.to_owned(), value_type));
    }
    let refused = commit(&store, |txn| txn.set(b"app.web.port", b"http")).expect_err("no number");
    assert_eq!(refused.to_string(), "app.web.port: 'http' is no value of type int");
    assert_eq!(fixture.text("app"), text, "nothing is changed");
}

#[test]
fn lists_keep_or_change_their_type_and_may_be_empty() {
    let fixture = fixture();
    let store = store(&fixture);
    commit(&store, |txn| txn.add_list(b"app.web.ids", b"0x3")).expect("committed");
    assert_eq!(of(&store, "app.web.ids"), ("1 2 3".to_owned(), "int-list"));
    let refused = commit(&store, |txn| txn.add_list(b"app.web.ids", b"many")).expect_err("no number");
    assert_eq!(refused.code(), Code::Type);
    let refused = commit(&store, |txn| txn.set_list(b"app.web.ids", &[b"5", b"x"])).expect_err("no number");
    assert_eq!(refused.code(), Code::Type);
    commit(&store, |txn| txn.set_list(b"app.web.ids", &[b"5", b"6"])).expect("committed");
    assert_eq!(of(&store, "app.web.ids"), ("5 6".to_owned(), "int-list"));
    assert!(fixture.text("app").contains("web.name=site\nweb.ids[]:int-list=5\nweb.ids[]:int-list=6\n"));
    commit(&store, |txn| txn.set_list_typed(b"app.web.ids", &[b"x"], ValueType::List)).expect("committed");
    assert_eq!(of(&store, "app.web.ids"), ("x".to_owned(), "list"));
    commit(&store, |txn| txn.set_list(b"app.web.ids", &[])).expect("committed");
    assert_eq!(of(&store, "app.web.ids"), (String::new(), "list"));
    commit(&store, |txn| txn.set_list_typed(b"app.web.bits", &[b"on", b"0"], ValueType::BoolList))
        .expect("committed");
    assert_eq!(of(&store, "app.web.bits"), ("true false".to_owned(), "bool-list"));
    commit(&store, |txn| txn.set_list(b"app.web.new", &[])).expect("committed");
    assert_eq!(of(&store, "app.web.new"), (String::new(), "list"));
    assert!(store.engine().audit().check_log().is_ok());
}

#[test]
fn uci_packages_take_typed_values_as_the_words_of_uci() {
    let fixture = Fixture::in_memory(&[("app", "config a 's'\n\toption x '1'\n")]);
    let store = fixture.live();
    commit(&store, |txn| {
        txn.set_typed(b"app.s.on", b"yes", ValueType::Bool)?;
        txn.set_typed(b"app.s.ratio", b"3", ValueType::Float)?;
        txn.set_typed(b"app.s.x", b"0x10", ValueType::Int)?;
        txn.set_list_typed(b"app.s.bits", &[b"on", b"off"], ValueType::BoolList)
    })
    .expect("committed");
    let text = "config a 's'\n\toption x '16'\n\toption on '1'\n\toption ratio '3.0'\n\tlist bits '1'\n\tlist bits '0'\n";
    assert_eq!(fixture.text("app"), text);
    assert_eq!(store.value_type(b"app.s.x").expect("readable"), Some(ValueType::String));
    let refused =
        commit(&store, |txn| txn.set_typed(b"app.s.x", b"no", ValueType::Int)).expect_err("no number");
    assert_eq!(refused.code(), Code::Type);
    let refused = commit(&store, |txn| txn.set_typed(b"app.s", b"1", ValueType::Int)).expect_err("a section");
    assert_eq!(refused.code(), Code::Invalid);
}

#[test]
fn sums_are_refused_where_they_do_not_fit_and_keep_the_type() {
    let fixture = fixture();
    let store = store(&fixture);
    assert_eq!(store.add_int(b"app.web.port", 20).expect("added"), 8100);
    assert_eq!(store.add_int(b"app.web.mask", -1).expect("added"), 254);
    assert_eq!(store.add_int(b"app.web.fresh", 7).expect("added"), 7);
    assert_eq!(of(&store, "app.web.port"), ("8100".to_owned(), "int"));
    assert_eq!(of(&store, "app.web.fresh"), ("7".to_owned(), "int"));
    let before = fixture.text("app");
    for (key, code) in [
        ("app.web.big", Code::Range),
        ("app.web.name", Code::Type),
        ("app.web.on", Code::Type),
        ("app.web.ids", Code::Invalid),
        ("app.web", Code::Invalid),
        ("none.s.x", Code::NotFound),
    ] {
        assert_eq!(store.add_int(key.as_bytes(), 1).expect_err(key).code(), code, "{key}");
    }
    assert_eq!(store.add_int(b"app.web.fresh", i64::MAX).expect_err("too much").code(), Code::Range);
    assert_eq!(fixture.text("app"), before);
    let uci = Fixture::in_memory(&[("app", "config a 's'\n\toption x '0x10'\n")]);
    assert_eq!(uci.live().add_int(b"app.s.x", 1).expect("added"), 17);
    // Where names are free, setting an option makes its section; UCI text has none without a type.
    assert_eq!(uci.live().add_int(b"app.none.x", 1).expect_err("no section").code(), Code::NotFound);
    assert_eq!(uci.text("app"), "config a 's'\n\toption x '17'\n");
}

#[test]
fn threads_that_add_to_one_number_lose_no_addition() {
    const THREADS: i64 = 8;
    const EACH: i64 = 40;
    for fixture in [fixture(), Fixture::in_memory(&[("app", "config server 'web'\n\toption port '8080'\n")])]
    {
        let is_typed = fixture.text("app").contains(":int");
        let open = || if is_typed { store(&fixture) } else { fixture.live() };
        // Half of the threads share an open store.
        let shared = open();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let store = if thread % 2 == 0 { shared.clone() } else { open() };
                scope.spawn(move || {
                    for _ in 0..EACH {
                        store.add_int(b"app.web.port", 1).expect("added");
                    }
                });
            }
        });
        assert_eq!(get(&shared, "app.web.port"), Some((8080 + THREADS * EACH).to_string()));
    }
}

#[test]
fn changes_under_a_condition_are_made_only_if_it_holds() {
    let fixture = fixture();
    let store = store(&fixture);
    let set = |key: &str, value: &str, expected: Expected<'_>| {
        store.change_if(key.as_bytes(), expected, |txn| txn.set(key.as_bytes(), value.as_bytes()))
    };
    set("app.web.port", "81", Expected::Value(b"0x1f90")).expect("8080, spelled in another way");
    let refused = set("app.web.port", "82", Expected::Value(b"8080")).expect_err("it is 81");
    assert_eq!(refused.code(), Code::Conflict);
    assert_eq!(refused.to_string(), "app.web.port: its value is '81', not '8080'");
    set("app.web.on", "no", Expected::Value(b"1")).expect("true");
    set("app.web.fresh", "a", Expected::Missing).expect("it is missing");
    let refused = set("app.web.fresh", "b", Expected::Missing).expect_err("it is there");
    assert_eq!(refused.to_string(), "app.web.fresh: it exists");
    let refused = set("app.web.other", "b", Expected::Value(b"")).expect_err("it is missing");
    assert_eq!(refused.to_string(), "app.web.other: it does not exist");
    let refused = set("app.web.ids", "b", Expected::Value(b"1")).expect_err("a list");
    assert_eq!(refused.to_string(), "app.web.ids: its value is a list");
    let revision = store.revision();
    set("app.web.name", "new", Expected::Revision(revision)).expect("unchanged since");
    set("app.web.fresh", "c", Expected::Revision(revision)).expect("another key was changed since");
    let refused = set("app.web.name", "newer", Expected::Revision(revision)).expect_err("changed since");
    assert_eq!(refused.code(), Code::Conflict);
    assert!(refused.to_string().contains("has changed it"), "{refused}");
    commit(&store, |txn| txn.delete(b"app.web.name")).expect("deleted");
    let refused =
        set("app.web.name", "x", Expected::Revision(store.revision() - 1)).expect_err("deleted since");
    assert_eq!(refused.code(), Code::Conflict);
    let refused =
        set("app.web.name", "x", Expected::Revision(store.revision() + 5)).expect_err("no such revision");
    assert_eq!(refused.code(), Code::Invalid);
}
