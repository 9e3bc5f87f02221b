//! Values with types: maps, reads and writes.

use cms::ValueType;

use crate::support::fixture::{Fixture, get};

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
