//! The file beside a delta file that holds the bases of its lines, `.PACKAGE.base`.
//!
//! Each line holds the base of one key, and the hash of the line of the delta file that staged the key first. Stock
//! uci does not use this file, and may append to the delta file, remove lines from it, or empty it. So a base is
//! valid only while its line is in the delta file, and a line without a base is not checked. If a key has two bases,
//! the later one is used.

use std::collections::HashSet;

use super::{Base, BaseContent, Bases};
use crate::bytes;
use crate::format::uci::delta_line::DeltaLine;
use crate::log::Content;
use crate::log::key_path::KeyPath as Key;
use crate::model::change::Delta;
use crate::model::digest::of_text;

/// The first word of each line. Other lines are ignored.
const VERSION: &str = "base1";

/// Returns the hash of a change's line in the delta file.
pub(crate) fn hash_of(delta: &Delta, package: &str) -> u64 {
    let mut line = Vec::new();
    delta.write_line(package.as_bytes(), &mut line);
    of_text(&line)
}

/// Returns the hashes of the lines of a delta file that stage something for a package.
pub(crate) fn hashes(lines: &[DeltaLine], package: &str) -> HashSet<u64> {
    let of_package = lines.iter().filter_map(|line| line.delta.as_ref());
    of_package.filter(|(of, _)| of == package.as_bytes()).map(|(_, delta)| hash_of(delta, package)).collect()
}

/// Reads the bases that have their lines in the delta file, and returns them with their lines in the base file.
pub(crate) fn read(text: &[u8], staged: &HashSet<u64>) -> (Bases, Vec<u8>) {
    let mut bases = Bases::new();
    let mut kept = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if let Some((hash, key, base)) = read_line(line)
            && staged.contains(&hash)
        {
            bases.insert(key, base);
            kept.extend_from_slice(line);
        }
    }
    (bases, kept)
}

/// Appends the line for the base of a key; `hash` is that of the line of the delta file that staged the key first.
pub(crate) fn write_line(hash: u64, key: &Key, base: &Base, out: &mut Vec<u8>) {
    let start = out.len();
    let head = format!("{VERSION} {hash:x} {} {} ", base.revision, base.uid);
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(&key.0);
    out.push(b'.');
    out.extend_from_slice(key.1.as_deref().unwrap_or_default());
    match &base.was {
        BaseContent::Value(None) => out.extend_from_slice(b" -"),
        BaseContent::Value(Some(content)) => write_content(b"", content, out),
        BaseContent::Section(kind, options) => {
            out.extend_from_slice(b" section ");
            write_bytes(kind, out);
            options.iter().for_each(|(name, content)| write_content(name, content, out));
        }
    }
    // The checksum invalidates a line that was cut off.
    let check = of_text(&out[start..]);
    out.extend_from_slice(format!(" {check:x}\n").as_bytes());
}

fn write_content(name: &[u8], content: &Content, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(name);
    out.push(if matches!(content, Content::String(_)) { b'=' } else { b':' });
    for (index, item) in content.items().iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_bytes(item, out);
    }
    // This distinguishes a list without items from one with an empty item.
    if matches!(content, Content::List(items) if items.is_empty()) {
        out.push(b'!');
    }
}

/// Writes bytes; those with a meaning in this file (blanks, line ends, marks) become `%XX`.
fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'/' | b'.' => out.push(*byte),
            _ => out.extend_from_slice(format!("%{byte:02x}").as_bytes()),
        }
    }
}

fn read_bytes(written: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = tail.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = tail;
    }
    Some(bytes)
}

fn read_line(line: &[u8]) -> Option<(u64, Key, Base)> {
    let line = line.strip_suffix(b"\n")?;
    let end = bytes::find_last(b' ', line)?;
    let number = |word: &[u8]| u64::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok();
    if number(&line[end + 1..])? != of_text(&line[..end]) {
        return None;
    }
    let decimal = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<u64>().ok();
    let mut words = line[..end].split(|byte| *byte == b' ');
    if words.next()? != VERSION.as_bytes() {
        return None;
    }
    let hash = number(words.next()?)?;
    let revision = decimal(words.next()?)?;
    let uid = u32::try_from(decimal(words.next()?)?).ok()?;
    let key = words.next()?;
    let dot = bytes::find(b'.', key)?;
    let option = Some(key[dot + 1..].to_vec()).filter(|option| !option.is_empty());
    let was = match words.next()? {
        b"-" => BaseContent::Value(None),
        b"section" => {
            let kind = read_bytes(words.next()?)?;
            BaseContent::Section(kind, words.map(read_content).collect::<Option<_>>()?)
        }
        value => BaseContent::Value(Some(read_content(value)?.1)),
    };
    Some((hash, (key[..dot].to_vec(), option), Base { was, revision, uid }))
}

fn read_content(word: &[u8]) -> Option<(Vec<u8>, Content)> {
    let mark = word.iter().position(|byte| matches!(byte, b'=' | b':'))?;
    let (name, written) = (word[..mark].to_vec(), &word[mark + 1..]);
    if word[mark] == b'=' {
        return Some((name, Content::String(read_bytes(written)?)));
    }
    if written == b"!" {
        return Some((name, Content::List(Vec::new())));
    }
    let items: Option<_> = written.split(|byte| *byte == b',').map(read_bytes).collect();
    Some((name, Content::List(items?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content() -> impl Strategy<Value = Content> {
        prop_oneof![
            any::<Vec<u8>>().prop_map(Content::String),
            proptest::collection::vec(any::<Vec<u8>>(), 0..4).prop_map(Content::List),
        ]
    }

    fn was() -> impl Strategy<Value = BaseContent> {
        prop_oneof![
            proptest::option::of(content()).prop_map(BaseContent::Value),
            (any::<Vec<u8>>(), proptest::collection::vec(("[a-z_]{1,9}", content()), 0..4)).prop_map(
                |(kind, options)| {
                    let named = options.into_iter().map(|(name, content)| (name.into_bytes(), content));
                    BaseContent::Section(kind, named.collect())
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn a_line_reads_as_it_was_written_and_counts_only_as_a_whole(
            hash: u64, revision: u64, uid: u32, option in proptest::option::of("[a-z_]{1,9}"), was in was(),
            cut: prop::sample::Index,
        ) {
            let key = (b"sec".to_vec(), option.map(String::into_bytes));
            let base = Base { was, revision, uid };
            let mut line = Vec::new();
            write_line(hash, &key, &base, &mut line);
            prop_assert_eq!(read_line(&line), Some((hash, key, base)));
            prop_assert_eq!(read_line(&line[..cut.index(line.len())]), None);
        }
    }
}
