//! The keys of packages, read from their texts without the library, and from a store.

use cms::{Result, Store};

use super::fixture::show;
use super::scenario::Texts;

/// Lists the keys of packages with their values. It reads only the syntax that the texts of the scenarios use.
pub fn keys(texts: &Texts) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for (package, text) in texts {
        let mut section = None;
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (kind, name) = (words.next(), words.next().unwrap_or_default());
            let value = line.split('\'').nth(1);
            match (kind, value, section) {
                (Some("config"), value, _) => section = value,
                (Some("option"), Some(value), Some(section)) => {
                    found.push((format!("{package}.{section}.{name}"), value.to_owned()));
                }
                (Some("list"), Some(value), Some(section)) => {
                    let key = format!("{package}.{section}.{name}");
                    match found.last_mut().filter(|(last, _)| *last == key) {
                        Some((_, items)) => *items = format!("{items} {value}"),
                        None => found.push((key, value.to_owned())),
                    }
                }
                _ => {}
            }
        }
    }
    found
}

/// Reads a key as text.
pub fn value(store: &Store, key: &str) -> Result<Option<String>> {
    store.get(key.as_bytes(), show)
}
