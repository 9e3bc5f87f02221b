//! Maps of packages whose values have types.

use super::*;
use crate::format::{Builder, Piece};
use crate::model::format_kind::FormatKind;
use crate::model::package::{OptionView, Value};
use crate::model::value_type::ValueType;

/// Adds the sections of a package.
fn add(builder: &mut Builder, package: &Package, type_of: impl Fn(&OptionView<'_>) -> ValueType) {
    for section in package.sections() {
        let name = (!section.is_anonymous()).then(|| Piece::Apart(section.name()));
        let id = builder.section(Piece::Apart(section.section_type()), name).expect("a section");
        for option in section.options() {
            let (name, value_type) = (Piece::Apart(option.name()), type_of(&option));
            match option.value() {
                Value::String(text) => builder.typed(id, &name, Piece::Apart(text), value_type),
                Value::List(list) => builder.list(id, &name, list.iter().map(Piece::Apart), value_type),
            }
            .expect("an option");
        }
    }
}

fn builder(format: FormatKind) -> Builder {
    Builder::of_format(b"p", Arc::default(), format).expect("an empty text")
}

/// Copies a package, so that it counts as unchanged.
pub fn copy_as_it_is(package: &Package) -> Package {
    let mut builder = builder(package.format());
    add(&mut builder, package, |option| option.value_type());
    builder.finish()
}

/// Copies a package to another format. If that has types, even numbers become integers.
pub fn copy(package: &Package, format: FormatKind) -> Package {
    let is_even = |item: &[u8]| item.last().is_some_and(|digit| b"02468".contains(digit));
    let type_of = |option: &OptionView<'_>| match option.value_type() {
        ValueType::String if format.has_types() && option.value().items().all(is_even) => ValueType::Int,
        other => other,
    };
    let mut builder = builder(format);
    add(&mut builder, package, type_of);
    builder.finish()
}

/// A text for a value of each type.
pub const TEXTS: [(ValueType, &[&str]); 10] = [
    (ValueType::String, &["text"]),
    (ValueType::List, &["a", "", "b c"]),
    (ValueType::Int, &["8080"]),
    (ValueType::Float, &["1.50"]),
    (ValueType::Bool, &["true"]),
    (ValueType::Null, &["null"]),
    (ValueType::IntList, &["1", "2"]),
    (ValueType::FloatList, &["1.0", "1e3"]),
    (ValueType::BoolList, &["true", "false"]),
    (ValueType::Json, &["{\"a\": [1, null]}"]),
];

/// Adds a section with an option of each type, named as the type; and an empty list and a long value, `long` bytes, of
/// each.
pub fn add_all_types(package: &Package, section: &str, long: usize) -> Package {
    let mut builder = builder(FormatKind::Json);
    let name = Piece::Apart(section.as_bytes());
    let id = builder.section(name.clone(), Some(name)).expect("a section");
    for (value_type, items) in TEXTS {
        let name = value_type.name().replace('-', "_");
        let named = |end: &str| format!("{name}{end}").into_bytes();
        let long = items[0].repeat(long / items[0].len() + 1);
        let items = items.iter().map(|item| Piece::Apart(item.as_bytes()));
        if value_type.is_list() {
            builder.list(id, &Piece::Apart(&named("")), items, value_type).expect("a list");
            builder.list(id, &Piece::Apart(&named("_empty")), [], value_type).expect("a list");
            let items = [long.as_str(), "1"].map(|item| Piece::Apart(item.as_bytes()));
            builder.list(id, &Piece::Apart(&named("_long")), items, value_type).expect("a list");
        } else {
            let [text] = items.collect::<Vec<_>>().try_into().expect("one");
            builder.typed(id, &Piece::Apart(&named("")), text, value_type).expect("a value");
            let long = Piece::Apart(long.as_bytes());
            builder.typed(id, &Piece::Apart(&named("_long")), long, value_type).expect("a value");
        }
    }
    let all = builder.finish();
    let mut both = self::builder(FormatKind::Json);
    [package, &all].into_iter().for_each(|package| add(&mut both, package, |option| option.value_type()));
    both.finish()
}

/// In short records and in wide ones, in a section of one block and in a split one, by its key and by iteration, in the
/// newest state and in an older one.
#[test]
fn each_value_has_its_type_wherever_it_is() {
    let many: String = (0..70).map(|option| format!("\toption o{option} '{option}'\n")).collect();
    for (text, long) in [(String::new(), 5000), (format!("config many 'many'\n{many}"), 4080)] {
        let plain = document(&text);
        let package = add_all_types(&copy(&plain, FormatKind::Toml), "all", long);
        let map = map_of(&package);
        assert_eq!(map.check(), Ok(()));
        let mut seen = 0;
        for section in package.sections() {
            for option in section.options() {
                let key = [b"p.", section.name(), b".", option.name()].concat();
                let path = KeyPath::split(&key, map.seed).expect("a key");
                let shown = String::from_utf8_lossy(&key);
                same_in_the_fast_way(&map, &path, &shown, None);
                let typed = map.get_typed(&path, None).expect("it is there");
                assert_eq!(typed.value_type, option.value_type(), "{shown}");
                assert!(typed.value.items().eq(option.value().items()), "{shown}");
                assert_eq!(matches!(typed.value, MapValue::List(_)), typed.value_type.is_list(), "{shown}");
                assert_eq!(map.get(&path, Some(Seq(1))), Some(typed.value), "{shown}");
                assert_eq!(map.place(&path).and_then(|placed| map.typed_at(&placed)), Some(typed));
                seen += 1;
            }
        }
        assert_eq!(
            seen,
            TEXTS.len() * 2 + 4 + plain.sections().flat_map(|section| section.options()).count()
        );
        let view = MapPackage::of(&map, None).section(b"all").expect("it is there");
        let mut options = view.options();
        let types: Vec<_> =
            std::iter::from_fn(|| options.next_typed()).map(|(_, typed)| typed.value_type).collect();
        let expected = package.section(b"all").expect("it is there");
        assert!(expected.options().map(|option| option.value_type()).eq(types));
    }
}

/// The lengths around those at which a record becomes a wide one.
#[test]
fn short_and_wide_records_of_each_type_are_read_alike() {
    for len in 4090..4100 {
        let package = add_all_types(&document(""), "all", len);
        let map = map_of(&package);
        assert_eq!(map.check(), Ok(()));
        for option in package.section(b"all").expect("it is there").options() {
            let key = format!("p.all.{}", String::from_utf8_lossy(option.name()));
            let value = get(&map, &key).expect("it is there");
            assert!(value.items().eq(option.value().items()), "{key}");
        }
    }
    for len in 4090..4100 {
        let text = format!("config a 's'\n\toption x '{}'\n\toption y '1'\n", "v".repeat(len));
        let map = map_of(&document(&text));
        let is_fast = matches!(fast(&map, "p.s.x", None), Found::Value(_));
        assert_eq!(is_fast, len < 4095, "a short string, with its NUL byte, is found in the fast way: {len}");
        assert!(matches!(get(&map, "p.s.x"), Some(MapValue::String(value)) if value.len() == len));
        assert_eq!(get(&map, "p.s.y"), Some(MapValue::String(b"1")));
    }
}

#[test]
fn another_type_of_the_same_text_is_a_change_and_snapshots_keep_the_old_type() {
    let mut package = add_all_types(&document(""), "all", 10);
    let map = roomy(&package, 1);
    let path = KeyPath::split(b"p.all.int", map.seed).expect("a key");
    let set = |package: &mut Package, value_type| {
        let delta = crate::Delta::new(crate::DeltaKind::Set, b"all", Some(b"int"), Some(b"8080"));
        package.apply(&delta.of_type(value_type), crate::format::uci::Dialect::Cms).expect("allowed");
    };
    let of = |seq| map.get_typed(&path, seq).map(|typed| typed.value_type);
    set(&mut package, ValueType::String);
    assert_eq!(apply(&map, &package, 2), PublishOutcome::Done);
    assert_eq!((of(None), of(Some(Seq(1)))), (Some(ValueType::String), Some(ValueType::Int)));
    set(&mut package, ValueType::Int);
    assert_eq!(apply(&map, &package, 3), PublishOutcome::Done);
    assert_eq!((of(None), of(Some(Seq(2)))), (Some(ValueType::Int), Some(ValueType::String)));
    assert_eq!(map.check(), Ok(()));
    same_as(&map, &package);
}

/// A record with a mark, a type that does not exist, or a list's type on a text that no NUL byte ends.
#[test]
fn a_record_that_a_later_version_wrote_has_no_value() {
    let map =
        map_of(&document(&format!("config a 's'\n\toption x '{}'\n\toption y 'abc'\n", "v".repeat(5000))));
    let bytes = damage::bytes_of(&map);
    let wide = bytes.windows(4).position(|window| window == b"\xff\xff\0\0").expect("a wide record");
    let narrow = bytes.windows(4).position(|window| window == b"abc\0").expect("the text") - 2;
    let read = |change: &dyn Fn(&mut Vec<u8>), key: &str| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        let map = Map::new(Region::heap(&bytes, bytes.len())).expect("its head is sound");
        get(&map, key).map(|value| value.items().count())
    };
    assert_eq!((read(&|_| (), "p.s.x"), read(&|_| (), "p.s.y")), (Some(1), Some(1)));
    assert_eq!(read(&|bytes| bytes[wide + 2] = 1, "p.s.x"), None);
    assert_eq!(read(&|bytes| bytes[wide + 15] = 0xa0, "p.s.x"), None);
    assert_eq!(read(&|bytes| bytes[narrow + 1] |= 0xa0, "p.s.y"), None);
    assert_eq!(read(&|bytes| bytes[narrow + 1] |= 0xf0, "p.s.y"), None);
}

/// A map of the version before is refused; the package's text is there to make another.
#[test]
fn a_map_of_version_2_is_refused() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/map-v2.map");
    let bytes = std::fs::read(path).expect("the file");
    let refused = Map::new(Region::heap(&bytes, bytes.len())).err();
    assert_eq!(refused, Some(crate::map::layout::header::Unusable::Version(2)));
}
