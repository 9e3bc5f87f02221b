//! Merges a text that a person has edited with the text that others have committed meanwhile.

use std::sync::Arc;

use crate::commit::merge::{join, with_changes};
use crate::format::{Format, ParseOptions};
use crate::log::{self, Content, KeyChange};
use crate::model::package::{Package, Value};

/// The result of a merge: see [`crate::Engine::merge`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ThreeWay {
    /// The text with the changes of both.
    Merged(Vec<u8>),
    /// Both have changed the same keys.
    Clashes {
        /// Those keys; none if the texts cannot be merged key by key, for example because one has an error.
        clashes: Vec<Clash>,
        /// The text with the changes of both, and for these keys mine.
        mine: Option<Vec<u8>>,
        /// The text with the changes of both, and for these keys theirs.
        theirs: Option<Vec<u8>>,
    },
}

/// A key that both have changed, with its three values; `None` where it does not exist. The value of a section is its type.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clash {
    /// The section.
    pub section: Vec<u8>,
    /// The option; `None` for the section itself.
    pub option: Option<Vec<u8>>,
    /// The value before both changes.
    pub base: Option<Content>,
    /// My value.
    pub mine: Option<Content>,
    /// Their value.
    pub theirs: Option<Content>,
}

/// The packages of the three texts.
struct Three {
    base: Package,
    mine: Package,
    theirs: Package,
}

/// Merges two texts that were made from `base`.
pub(crate) fn merge(format: &dyn Format, name: &str, base: &[u8], mine: &[u8], theirs: &[u8]) -> ThreeWay {
    let read = |text: &[u8]| format.read_strictly(name, &Arc::new(text.to_vec())).ok();
    let joined = join(&log::compare_texts(base, mine), &log::compare_texts(base, theirs), theirs);
    let joined = joined.and_then(|text| Some((read(&text)?, text)));
    let (Some(base), Some(mine), Some(theirs)) = (read(base), read(mine), read(theirs)) else {
        return match joined {
            Some((_, text)) => ThreeWay::Merged(text),
            None => ThreeWay::Clashes { clashes: Vec::new(), mine: None, theirs: None },
        };
    };
    let three = Three { base, mine, theirs };
    let mine = log::compare_packages(&three.base, &three.mine);
    let theirs = log::compare_packages(&three.base, &three.theirs);
    if let Some((package, text)) = joined
        && log::compare_packages(&three.theirs, &package) == mine
    {
        return ThreeWay::Merged(text);
    }
    let clashes = three.clashes(&mine, &theirs);
    // The text of the one whose values win is the base, so that its comments stay.
    let render = |edited: Package| format.render(&edited, &ParseOptions::default()).ok();
    let mine_wins = render(with_changes(&three.base, &three.theirs, &three.mine, &theirs));
    if clashes.is_empty() {
        let expected: Vec<&KeyChange> = theirs.iter().filter(|change| !mine.contains(change)).collect();
        let is_whole = |text: &Vec<u8>| {
            read(text).is_some_and(|merged| log::compare_packages(&three.mine, &merged).iter().eq(expected))
        };
        return match mine_wins.filter(is_whole) {
            Some(text) => ThreeWay::Merged(text),
            None => ThreeWay::Clashes { clashes, mine: None, theirs: None },
        };
    }
    let theirs_win = render(with_changes(&three.base, &three.mine, &three.theirs, &mine));
    ThreeWay::Clashes { clashes, mine: mine_wins, theirs: theirs_win }
}

impl Three {
    /// Returns the keys that both have changed, to different values; and the sections that one has deleted, and the other
    /// has changed.
    fn clashes(&self, mine: &[KeyChange], theirs: &[KeyChange]) -> Vec<Clash> {
        let mut clashes: Vec<Clash> = Vec::new();
        for my in mine {
            for their in theirs.iter().filter(|their| their.section == my.section) {
                let is_same_key = my.option == their.option;
                let option = my.option.clone().filter(|_| is_same_key);
                let clash = self.clash(&my.section, option);
                let is_gone = |package: &Package| package.section(&my.section).is_none();
                let is_lost = is_gone(&self.mine) != is_gone(&self.theirs);
                let is_clash = if is_same_key { my.what != their.what } else { is_lost };
                if is_clash && !clashes.contains(&clash) {
                    clashes.push(clash);
                }
            }
        }
        clashes
    }

    fn clash(&self, section: &[u8], option: Option<Vec<u8>>) -> Clash {
        let value = |package: &Package| content(package, section, option.as_deref());
        let (base, mine, theirs) = (value(&self.base), value(&self.mine), value(&self.theirs));
        Clash { section: section.to_vec(), option, base, mine, theirs }
    }
}

fn content(package: &Package, section: &[u8], option: Option<&[u8]>) -> Option<Content> {
    let section = package.section(section)?;
    let Some(option) = option else { return Some(Content::String(section.section_type().to_vec())) };
    Some(match section.get(option)? {
        Value::String(string) => Content::String(string.to_vec()),
        Value::List(list) => Content::List(list.iter().map(<[u8]>::to_vec).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str =
        "# head\nconfig a 'x'\n\toption o '1'\n\toption p '1'\n\nconfig b 'y'\n\toption q '1'\n";

    fn merged(mine: &str, theirs: &str) -> ThreeWay {
        merge(crate::format::DEFAULT, "p", BASE.as_bytes(), mine.as_bytes(), theirs.as_bytes())
    }

    fn text(merged: ThreeWay) -> String {
        let ThreeWay::Merged(text) = merged else { panic!("{merged:?}") };
        String::from_utf8(text).expect("it is ASCII")
    }

    #[test]
    fn changes_of_different_keys_are_merged_with_the_comments_of_both() {
        let mine = BASE.replace("# head", "# mine").replace("q '1'", "q '2'");
        let theirs = BASE.replace("o '1'", "o '3' # theirs");
        assert_eq!(text(merged(&mine, &theirs)), mine.replace("o '1'", "o '3' # theirs"));
        // In neighbouring lines, key by key.
        let mine = BASE.replace("o '1'", "o '2' # mine");
        let theirs = BASE.replace("p '1'", "p '3'");
        assert_eq!(text(merged(&mine, &theirs)), mine.replace("p '1'", "p '3'"));
        // The same change by both is no clash.
        let both = BASE.replace("o '1'", "o '2'");
        assert_eq!(text(merged(&both, &both.replace("q '1'", "q '4'"))), both.replace("q '1'", "q '4'"));
    }

    #[test]
    fn a_key_that_both_have_changed_is_shown_with_three_values() {
        let mine = BASE.replace("o '1'", "o '2'").replace("q '1'", "q '5'");
        let theirs = BASE.replace("o '1'", "o '3'").replace("p '1'", "p '4'");
        let ThreeWay::Clashes { clashes, mine, theirs } = merged(&mine, &theirs) else {
            panic!("they clash")
        };
        let string = |text: &str| Some(Content::String(text.into()));
        let clash = Clash {
            section: b"x".to_vec(),
            option: Some(b"o".to_vec()),
            base: string("1"),
            mine: string("2"),
            theirs: string("3"),
        };
        assert_eq!(clashes, [clash]);
        let both = BASE.replace("p '1'", "p '4'").replace("q '1'", "q '5'");
        assert_eq!(mine.as_deref(), Some(both.replace("o '1'", "o '2'").as_bytes()));
        assert_eq!(theirs.as_deref(), Some(both.replace("o '1'", "o '3'").as_bytes()));
    }

    #[test]
    fn a_section_that_one_has_deleted_and_the_other_has_changed_is_a_clash() {
        let gone = "# head\nconfig a 'x'\n\toption o '1'\n\toption p '1'\n";
        let changed = BASE.replace("q '1'", "q '2'");
        for (mine, theirs) in [(gone, &*changed), (&*changed, gone)] {
            let ThreeWay::Clashes { clashes, .. } = merged(mine, theirs) else { panic!("they clash") };
            assert!(clashes.iter().any(|clash| clash.section == b"y"), "{clashes:?}");
        }
    }

    #[test]
    fn texts_that_cannot_be_read_are_joined_by_lines_or_not_at_all() {
        let mine = BASE.replace("q '1'", "q '2'");
        let broken = BASE.replace("# head", "option o");
        let ThreeWay::Clashes { clashes, mine: None, theirs: None } = merged(&mine, &broken) else {
            panic!("they cannot be merged")
        };
        assert_eq!(clashes, []);
    }
}
