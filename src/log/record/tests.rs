use super::*;
use crate::log::change::{Content, What};
use crate::model::value_type::ValueType;

fn sample() -> Record {
    let text = |text: &str| Content::String(text.into());
    let change = |option: &str, what| KeyChange::new(b"lan", Some(option.as_bytes()), what);
    Record {
        sequence: 300,
        time: 1_700_000_000_000_000,
        uid: 1000,
        pid: 4242,
        source: "cms".into(),
        message: "a new address".into(),
        guard: Some(Guard { milliseconds: 300_000, boot: [7; 16], started: 99, baseline: 299 }),
        packages: vec![PackageChange {
            before: Some(Digest::of(b"old")),
            hunks: hunks::compare(b"a\nb\n", b"a\nc\n"),
            changes: vec![
                change("ipaddr", What::Changed { old: text("10.0.0.1"), new: text("10.0.0.2") }),
                change("dns", What::Added(Content::List(vec![b"1.1.1.1".to_vec(), Vec::new()]))),
                change("gone", What::Deleted(Content::List(Vec::new()))),
            ],
            ..PackageChange::new("network", Digest::of(b"new"))
        }],
        ..Record::new(Kind::Commit)
    }
}

#[test]
fn changes_of_an_empty_package_are_read_from_its_text() {
    let text = "config a\n\toption p '1'\n\tlist l 'it'\\''s'\n\tlist l ''\nconfig a 'y'\nno statement\n";
    for before in [None, Some(Digest::of(b""))] {
        let mut record = sample();
        let change = &mut record.packages[0];
        (change.before, change.changes) = (before, Vec::new());
        change.hunks = hunks::compare(b"", text.as_bytes());
        let bytes = record.encode();
        assert_eq!(record.len(), bytes.len());
        let read = Record::decode(&bytes).expect("it reads");
        let keys: Vec<String> = read.packages[0]
            .changes
            .iter()
            .map(|change| String::from_utf8(change.key("n")).expect("text"))
            .collect();
        assert_eq!(keys, ["n.cfg01b606", "n.cfg01b606.p", "n.cfg01b606.l", "n.y"]);
        assert_eq!(read.encode(), bytes, "they are left out again");
        // This does not hold for a package that had a text before, or whose text before is unknown.
        record.packages[0].unknown = true;
        let read = Record::decode(&record.encode()).expect("it reads");
        assert!(read.packages[0].changes.is_empty());
    }
}

#[test]
fn changes_that_the_first_text_does_not_tell_as_uci_are_in_the_record() {
    let mut record = sample();
    let change = &mut record.packages[0];
    change.before = None;
    change.hunks = hunks::compare(b"", b"lan=interface\nlan.ipaddr=10.0.0.1\n");
    assert!(!change.changes.is_empty());
    let bytes = record.encode();
    let read = Record::decode(&bytes).expect("it reads");
    assert_eq!(read, record);
    assert_eq!(read.encode(), bytes);
}

#[test]
fn a_record_comes_back_as_it_was_and_no_part_of_it_does() {
    let mut record = sample();
    let moved = What::Moved { old: 3, new: 300 };
    record.packages[0].changes.push(KeyChange::new(b"a", None, moved));
    let bytes = record.encode();
    assert_eq!(record.len(), bytes.len());
    assert_eq!(Record::decode(&bytes).as_ref(), Some(&record));
    let mut outline = record.clone();
    outline.packages[0].hunks.clear();
    outline.packages[0].changes.clear();
    assert_eq!(Record::decode_outline(&bytes).as_ref(), Some(&outline));
    for len in 0..bytes.len() {
        assert_eq!(Record::decode(&bytes[..len]), None, "{len}");
        assert_eq!(Record::decode_outline(&bytes[..len]), None, "{len}");
    }
}

#[test]
fn the_bytes_of_a_record_are_pinned() {
    // Other versions read these bytes: raise the version of segments before you change them.
    assert_eq!(crate::model::digest::of_text(&sample().encode()), 433_517_452_247_698_739);
}

#[test]
fn a_deletion_is_a_flag_that_earlier_versions_ignore() {
    let mut record = sample();
    record.packages[0].after = Digest::of(b"");
    let kept = record.encode();
    record.packages[0].deleted = true;
    let deleted = record.encode();
    let differs = kept.iter().zip(&deleted).filter(|(a, b)| a != b).count();
    assert_eq!((kept.len(), differs), (deleted.len(), 1));
    assert_eq!(Record::decode(&deleted), Some(record));
}

#[test]
fn every_kind_has_a_number() {
    for (number, kind) in (0..).zip(Kind::ALL) {
        assert_eq!(kind.number(), number);
    }
}

#[test]
fn x_m3_a_record_names_only_packages_of_its_directory() {
    let with = |name: &str| {
        let mut record = sample();
        name.clone_into(&mut record.packages[0].package);
        let bytes = record.encode();
        (Record::decode(&bytes).is_some(), Record::decode_outline(&bytes).is_some())
    };
    for name in ["network", "a.b", "a b"] {
        assert_eq!(with(name), (true, true), "{name}");
    }
    for name in ["", ".", "..", ".hidden", "../network", "/etc/passwd", "a/b", "a\0b"] {
        assert_eq!(with(name), (false, false), "{name:?}");
    }
}

/// A record with everything that a record can have beside its fixed parts.
fn full() -> Record {
    let mut record = sample();
    record.kind = Kind::Remote;
    record.author = "alice@192.168.7.20".into();
    record.request = RequestId::new([9; 16]).ok();
    record.decided = Some(1_699_999_999_000_000);
    record.layer = Some(LayerRevision::new("defaults", 17));
    record.forced = 3;
    let change = &mut record.packages[0];
    (change.format_before, change.format) = (FormatKind::Json, FormatKind::Toml);
    let number = |text: &str| Content::String(text.into());
    let what = What::Changed { old: number("80"), new: number("8080") };
    let typed = KeyChange::new(b"", Some(b"port"), what).with_types(ValueType::String, ValueType::Int);
    change.changes.push(typed);
    record
}

#[test]
fn fields_and_types_come_back_as_they_were() {
    let record = full();
    let bytes = record.encode();
    assert_eq!(record.len(), bytes.len());
    assert_eq!(Record::decode(&bytes).as_ref(), Some(&record));
    let outline = Record::decode_outline(&bytes).expect("it reads");
    assert_eq!((outline.author, outline.request), (record.author.clone(), record.request));
    assert_eq!(outline.packages[0].format, FormatKind::Toml);
    // The record ends before its fields, or with them.
    let mut plain = record.clone();
    (plain.author, plain.request, plain.decided, plain.layer) = (String::new(), None, None, None);
    plain.forced = 0;
    let without = plain.encode().len();
    for len in (0..bytes.len()).filter(|len| *len != without) {
        assert_eq!(Record::decode(&bytes[..len]), None, "{len}");
    }
    assert_eq!(Record::decode(&bytes[..without]), Some(plain));
}

#[test]
fn a_field_costs_nothing_where_it_is_not_used() {
    let len = |change: &dyn Fn(&mut Record)| {
        let mut record = sample();
        change(&mut record);
        record.encode().len() - sample().encode().len()
    };
    assert_eq!(len(&|record| record.author = "alice".into()), 1 + 2 + 5);
    assert_eq!(len(&|record| record.request = RequestId::new([1; 16]).ok()), 1 + 2 + 16);
    assert_eq!(len(&|record| record.packages[0].format = FormatKind::Toml), 1 + 2 + 2);
    let typed = |change: &mut KeyChange| change.types = Some((ValueType::Int, ValueType::Int));
    assert_eq!(len(&|record| typed(&mut record.packages[0].changes[0])), 2);
}

/// Appends a field to a record that has none.
fn with_field(record: &Record, tag: u64, value: &[u8]) -> Vec<u8> {
    let mut fields = Fields::default();
    fields.add(tag, value);
    let mut bytes = record.encode();
    fields.put(&mut bytes);
    bytes
}

#[test]
fn a_field_of_a_later_version_is_skipped_if_its_tag_is_even_and_else_the_record_is_refused() {
    let record = sample();
    for (tag, is_read) in [(100, true), (101, false), (1 << 40, true), ((1 << 40) + 1, false)] {
        let bytes = with_field(&record, tag, b"what later versions know");
        assert_eq!(Record::decode(&bytes).as_ref(), Some(&record).filter(|_| is_read), "{tag}");
        assert_eq!(Record::is_whole(&bytes), is_read, "{tag}");
    }
    // A field that is known, with a value that it cannot have.
    assert_eq!(Record::decode(&with_field(&record, REQUEST, b"short")), None);
    assert_eq!(Record::decode(&with_field(&record, AUTHOR, b"\xff")), None);
    assert_eq!(Record::decode(&with_field(&record, DECIDED, b"")), None);
}

#[test]
fn a_package_of_a_later_version_is_refused() {
    let record = sample();
    let bytes = record.encode();
    let name = bytes.windows(7).position(|part| part == b"network").expect("it is there");
    for flag in [32, 64, 128] {
        let mut bytes = bytes.clone();
        bytes[name + 7] |= flag;
        assert_eq!(Record::decode(&bytes), None, "{flag}");
        assert_eq!(Record::decode_outline(&bytes), None, "{flag}");
    }
    let mut typed = full();
    typed.packages[0].changes.truncate(1);
    typed.packages[0].changes[0].types = Some((ValueType::Int, ValueType::Int));
    let bytes = typed.encode();
    let place = bytes.windows(3).position(|part| part == [5 | 16, 2, 2]).expect("a typed change");
    for byte in [10, 15, 255] {
        let mut bytes = bytes.clone();
        bytes[place + 1] = byte;
        assert_eq!(Record::decode(&bytes), None, "the type {byte}");
        assert_eq!(Record::decode_outline(&bytes), None, "the type {byte}");
    }
}

mod random {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..20)
    }

    fn content() -> impl Strategy<Value = Content> {
        prop_oneof![
            bytes().prop_map(Content::String),
            proptest::collection::vec(bytes(), 0..4).prop_map(Content::List)
        ]
    }

    fn value_type() -> impl Strategy<Value = ValueType> {
        proptest::sample::select(ValueType::ALL.to_vec())
    }

    fn change() -> impl Strategy<Value = KeyChange> {
        let what = prop_oneof![
            content().prop_map(What::Added),
            content().prop_map(What::Deleted),
            (content(), content()).prop_map(|(old, new)| What::Changed { old, new }),
        ];
        let option = (bytes(), bytes(), what, value_type(), value_type()).prop_map(
            |(section, option, what, old, new)| {
                KeyChange::new(&section, Some(&option), what).with_types(old, new)
            },
        );
        let moved = (bytes(), any::<u32>(), any::<u32>()).prop_map(|(section, old, new)| {
            KeyChange::new(&section, None, What::Moved { old: old as usize, new: new as usize })
        });
        prop_oneof![4 => option, 1 => moved]
    }

    fn format() -> impl Strategy<Value = FormatKind> {
        proptest::sample::select(FormatKind::ALL.to_vec())
    }

    fn package() -> impl Strategy<Value = PackageChange> {
        let changes = proptest::collection::vec(change(), 0..5);
        let texts = (bytes(), bytes(), any::<bool>());
        ("[a-z]{1,8}", texts, changes, format(), format(), any::<(bool, bool)>()).prop_map(
            |(name, (old, new, exists), changes, format_before, format, (deleted, unknown))| PackageChange {
                before: exists.then(|| Digest::of(&old)),
                deleted,
                unknown,
                hunks: hunks::compare(if exists { &old } else { b"" }, &new),
                // Changes that are left out are read from the text: another test has that.
                changes: if exists && !old.is_empty() { changes } else { Vec::new() },
                format_before,
                format,
                ..PackageChange::new(name, Digest::of(&new))
            },
        )
    }

    fn record() -> impl Strategy<Value = Record> {
        let request = proptest::option::of(any::<[u8; 16]>());
        let layer = proptest::option::of(("[a-z]{1,9}", any::<u64>()));
        let guard = proptest::option::of(any::<(u64, [u8; 16], u64, u64)>());
        let fields = (".{0,20}", request, any::<Option<u64>>(), layer, guard);
        let packages = proptest::collection::vec(package(), 0..3);
        let head = any::<(u64, u64, u32, u32, u64)>();
        let kind = proptest::sample::select(Kind::ALL.to_vec());
        (head, kind, ".{0,20}", ".{0,20}", fields, packages).prop_map(
            |((sequence, time, uid, pid, refers), kind, source, message, fields, packages)| {
                let (author, request, decided, layer, guard) = fields;
                Record {
                    sequence,
                    time,
                    uid,
                    pid,
                    kind,
                    refers,
                    source,
                    message,
                    guard: guard.map(|(milliseconds, boot, started, baseline)| Guard {
                        milliseconds,
                        boot,
                        started,
                        baseline,
                    }),
                    packages,
                    author,
                    request: request.and_then(|bytes| RequestId::new(bytes).ok()),
                    decided,
                    layer: layer.map(|(layer, revision)| LayerRevision::new(layer, revision)),
                    forced: u64::from(uid % 3),
                }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_record_comes_back_as_it_was(record in record()) {
            let bytes = record.encode();
            prop_assert_eq!(record.len(), bytes.len());
            // The changes of a first text are read from it.
            let implied = |change: &PackageChange| change.changes.is_empty();
            let read = Record::decode(&bytes);
            prop_assert!(read.is_some());
            let mut read = read.unwrap_or_else(|| Record::new(Kind::Commit));
            for (read, written) in read.packages.iter_mut().zip(&record.packages) {
                if implied(written) {
                    read.changes.clear();
                }
            }
            prop_assert_eq!(&read, &record);
            prop_assert!(Record::is_whole(&bytes));
        }

        #[test]
        fn a_field_that_is_not_known_changes_nothing_else(record in record(), tag in 50_u64..1 << 50, value in bytes()) {
            let mut fields = record.fields();
            fields.add(tag & !1, &value);
            let mut plain = record.clone();
            (plain.author, plain.request, plain.decided, plain.layer) = (String::new(), None, None, None);
            plain.forced = 0;
            let mut bytes = plain.encode();
            fields.put(&mut bytes);
            let author = Record::decode(&bytes).map(|read| (read.author, read.request, read.layer));
            prop_assert_eq!(author, Some((record.author, record.request, record.layer)));
        }

        #[test]
        fn bytes_that_are_no_record_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (Record::decode(&bytes), Record::decode_outline(&bytes), Record::is_whole(&bytes));
        }
    }
}
