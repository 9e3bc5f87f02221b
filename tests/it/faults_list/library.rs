//! See `faults_list`: what the library promises to programs, in whatever language.

use cms::Live;
use cms::log::Content;
use proptest::prelude::*;

use crate::cli::Sandbox;
use crate::live::Fixture;

/// Values as a file may have them: any bytes but NUL, also what no program may set.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => prop::sample::select(&b"abc 0"[..]),
        2 => prop::sample::select(&b"'\"\\\n\t\r#;"[..]),
        1 => prop::sample::select(&b"\x01\x7f\x80\xc3\xff"[..]),
    ];
    prop::collection::vec(byte, 0..6)
}

/// A string, or a list.
fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        value().prop_map(Content::String),
        prop::collection::vec(value(), 1..5).prop_map(Content::List),
    ]
}

fn quoted(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    for byte in value {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            _ => out.push(*byte),
        }
    }
    out.push(b'\'');
}

/// Writes a package of one section with these options.
fn text(options: &[Content]) -> Vec<u8> {
    let mut text = b"# by hand\nconfig a 'b'\n".to_vec();
    for (number, option) in options.iter().enumerate() {
        let word = if matches!(option, Content::List(_)) { "list" } else { "option" };
        for item in option.items() {
            text.extend_from_slice(format!("\t{word} o{number} ").as_bytes());
            quoted(item, &mut text);
            text.extend_from_slice(b"\t# kept\n");
        }
    }
    text
}

fn open(text: &[u8]) -> (Fixture, Live) {
    let fixture = Fixture::new(&[]);
    std::fs::write(fixture.path("config/p"), text).expect("written");
    let live = fixture.live();
    (fixture, live)
}

fn set(transaction: &mut cms::Transaction, key: &[u8], value: &Content) -> cms::Result<()> {
    match value {
        Content::String(string) => transaction.set(key, string),
        Content::List(items) => {
            transaction.set_list(key, &items.iter().map(Vec::as_slice).collect::<Vec<_>>())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn m14_to_write_back_what_was_read_changes_nothing(options in prop::collection::vec(content(), 0..6)) {
        let before = text(&options);
        let (fixture, live) = open(&before);
        let mut transaction = live.begin().expect("begun");
        for (number, option) in options.iter().enumerate() {
            let key = format!("p.b.o{number}");
            // An option of no text is none.
            if let Some(value) = transaction.get(key.as_bytes()).expect("readable") {
                prop_assert_eq!(&value, option);
                set(&mut transaction, key.as_bytes(), &value).expect("what was read can be set");
            }
        }
        prop_assert_eq!(transaction.count(), 0);
        transaction.commit().expect("committed");
        prop_assert_eq!(std::fs::read(fixture.path("config/p")).expect("there"), before);
    }

    #[test]
    fn s21_what_was_set_is_read_back_and_nothing_else_changes(
        options in prop::collection::vec(content(), 2..5),
        index in 0_usize..5,
        new in content(),
    ) {
        prop_assume!(new.items().iter().flatten().all(|byte| *byte >= 32 || b"\t\n\r".contains(byte)));
        prop_assume!(options.iter().chain([&new]).all(|value| *value != Content::String(Vec::new())));
        let index = index % options.len();
        let (_fixture, live) = open(&text(&options));
        let mut transaction = live.begin().expect("begun");
        set(&mut transaction, format!("p.b.o{index}").as_bytes(), &new).expect("set");
        let read = transaction.get(format!("p.b.o{index}").as_bytes()).expect("readable");
        prop_assert_eq!(read.as_ref(), Some(&new));
        transaction.commit().expect("committed");
        let snapshot = live.snapshot().expect("a snapshot");
        let package = snapshot.package(b"p").expect("there");
        let found: Vec<(Vec<u8>, Vec<Vec<u8>>)> = package
            .section(b"b")
            .expect("there")
            .options()
            .map(|(name, value)| (name.to_vec(), value.items().map(<[u8]>::to_vec).collect()))
            .collect();
        let mut expected = options;
        expected[index] = new;
        let expected: Vec<(Vec<u8>, Vec<Vec<u8>>)> = expected
            .iter()
            .enumerate()
            .map(|(number, value)| (format!("o{number}").into_bytes(), value.items().to_vec()))
            .collect();
        // In the place that it had.
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn s21_a_list_is_set_whole_or_not_at_all() {
    let (_fixture, live) = open(b"config a 'b'\n\tlist l 'x'\n\tlist l 'y'\n\toption s 'z'\n");
    let mut transaction = live.begin().expect("begun");
    assert!(transaction.set_list(b"p.b.l", &[b"1", b"\x01"]).is_err());
    assert!(transaction.set_list(b"p.b", &[b"1"]).is_err());
    assert!(transaction.set_list(b"p.none.l", &[b"1"]).is_err());
    assert_eq!(transaction.count(), 0);
    let read = transaction.get(b"p.b.l").expect("readable");
    assert_eq!(read, Some(Content::List(vec![b"x".to_vec(), b"y".to_vec()])));
    transaction.set_list(b"p.b.s", &[b"z"]).expect("a string becomes a list of one");
    assert_eq!(transaction.get(b"p.b.s").expect("readable"), Some(Content::List(vec![b"z".to_vec()])));
    transaction.set_list(b"p.b.l", &[]).expect("deleted");
    assert_eq!(transaction.get(b"p.b.l").expect("readable"), None);
    // Another transaction has appended to the list that this one sets: that is not to be lost.
    let mut other = live.begin().expect("begun");
    other.add_list(b"p.b.l", b"w").expect("appended");
    other.commit().expect("committed");
    assert!(matches!(transaction.commit(), Err(cms::Error::Conflict { .. })));
}

#[test]
fn a13_too_little_memory_is_an_error_and_not_the_end() {
    let sandbox = Sandbox::new();
    let mut text = String::new();
    for number in 0..15_000 {
        text.push_str(&format!("config t 's{number}'\n\toption a '{number}'\n\tlist l 'x'\n"));
    }
    std::fs::write(sandbox.path("config/big"), text).expect("written");
    let (mut refused, mut done) = (0, 0);
    for megabytes in (16..512).step_by(6) {
        let cms = sandbox.command();
        let mut command = std::process::Command::new("sh");
        let script = format!("ulimit -v {} && exec \"$0\" get big.s7.a", megabytes << 10);
        command.args(["-c", &script]).arg(cms.get_program());
        command.envs(cms.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = command.output().expect("run");
        let error = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => done += 1,
            Some(6) if error.contains("memory") => refused += 1,
            // The loader of the system has not even room for the program.
            Some(127) if refused == 0 && done == 0 => {}
            code => panic!("{megabytes} MiB: {code:?}: {error}"),
        }
        if done == 3 {
            break;
        }
    }
    assert!(refused > 0 && done > 0, "{refused} refused, {done} done");
}

#[test]
fn m13_hints_of_the_library_name_no_commands() {
    let fixture = Fixture::new(&[("p", "config a 'b'\n")]);
    let live = fixture.live();
    let store = live.store();
    let mut transaction = live.begin().expect("begun");
    transaction.set(b"p.b.o", b"1").expect("set");
    transaction.commit().expect("committed");
    let mut elsewhere = fixture.options();
    elsewhere.dirs.config.path = fixture.path("nowhere");
    let errors = [
        Live::open(elsewhere).map(drop),
        store.find_revision("nope").map(drop),
        store.find_revision("99").map(drop),
        store.undo(99, None).map(drop),
        store.rollback(99, &[], None).map(drop),
        store.labelled("nope").map(drop),
        store.confirm(Some(7), None).map(drop),
    ];
    let mut hints = 0;
    for error in errors {
        let error = error.expect_err("nothing of the kind is there");
        let hint = error.hint().unwrap_or_default();
        assert!(!hint.contains("cms") && !hint.contains("CMS_"), "{error}: {hint}");
        hints += usize::from(!hint.is_empty());
    }
    assert!(hints > 4, "{hints}");
}
