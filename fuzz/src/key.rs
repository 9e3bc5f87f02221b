//! Keys and selectors.

use std::sync::LazyLock;

use cms::{Key, Package, Selector};

static PACKAGE: LazyLock<Package> = LazyLock::new(|| {
    let text = b"config a x\n option o 1\n list l p\n list l q\nconfig a\n option o 1\nconfig b y\n option o ''\nconfig b\n";
    crate::read(text, &Default::default()).expect("text that reads")
});

/// Reads `data` as a key, an assignment and a selector.
///
/// # Panics
///
/// If reading panics; or if the result, written as text and read again, differs. The second check needs `data` that
/// is UTF-8, since the text is.
pub fn key(data: &[u8]) {
    let is_text = std::str::from_utf8(data).is_ok();
    let key = Key::parse(data);
    if let Ok(key) = &key {
        assert!(
            !is_text || Key::parse(key.text().as_bytes()).is_ok_and(|again| again == *key),
            "{}",
            key.text()
        );
        if let Some(selector) = &key.section {
            assert_selects(selector);
        }
    }
    match (Key::parse_assignment(data), key) {
        (Ok((left, None)), key) => assert_eq!(key.ok(), Some(left)),
        (Ok((left, Some(value))), _) => {
            let before =
                data.strip_suffix(value).and_then(|before| before.strip_suffix(b"=")).expect("KEY=VALUE");
            assert_eq!(Key::parse(before).ok(), Some(left));
        }
        (Err(_), key) => assert!(key.is_err(), "a key that is no assignment without value"),
    }
    if let Ok(selector) = Selector::parse(data) {
        let again = Selector::parse(selector.text().as_bytes());
        assert!(!is_text || again.is_ok_and(|again| again == selector), "{}", selector.text());
        assert_selects(&selector);
    }
}

/// Checks that the selected section has the type and the value of the selector.
fn assert_selects(selector: &Selector) {
    let Ok(Some(section)) = PACKAGE.select(selector) else { return };
    let (Selector::Index(section_type, _) | Selector::Match(section_type, ..)) = selector else {
        let Selector::Name(name) = selector else { return };
        assert_eq!(section.name(), name);
        return;
    };
    assert!(section_type.is_empty() || section.section_type() == section_type);
    if let Selector::Match(_, option, value) = selector {
        assert!(section.get(option).is_some_and(|held| held.items().any(|item| item == value)));
    }
}
