//! The catalogue of messages: finds the entry of an English message, and fills the German one with the same values.
//!
//! An entry is a line of English, and below it an indented line of German. A place `{name}` stands for a value, which is
//! taken over as it is; a place that the German line writes `{name!}` is a message itself, and is translated too. `\n` is
//! a line end, `\_` a blank at the begin or end of a line.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::OnceLock;

/// Longer texts are not looked up: they hold files or outputs of programs.
const LONGEST: usize = 1 << 14;

/// How often messages contain each other: "line 3: cannot read X: it is not a regular file".
const DEEPEST: u32 = 8;

/// How many ways to split a message are tried at most. Texts with many more stay English.
const MOST: u32 = 20_000;

/// A part of an entry.
#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    Place { name: String, is_message: bool },
}

/// A message and its translation.
struct Entry {
    english: Vec<Part>,
    german: Vec<Part>,
}

/// All entries.
pub struct Catalogue(Vec<Entry>);

/// Returns the German catalogue.
pub fn german() -> &'static Catalogue {
    static GERMAN: OnceLock<Catalogue> = OnceLock::new();
    GERMAN.get_or_init(|| Catalogue::parse(include_str!("german.txt")))
}

impl Catalogue {
    fn parse(text: &str) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("##"));
        let mut english = "";
        for line in lines {
            match line.strip_prefix("    ") {
                Some(german) => {
                    let mut entry = Entry { english: parts(english), german: parts(german) };
                    entry.mark_messages();
                    entries.push(entry);
                }
                None => english = line,
            }
        }
        // The entry with the most text of its own says most about a message.
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.weight()));
        Self(entries)
    }

    /// Returns the German for an English message; `None` if it has no entry.
    pub fn translate(&self, english: &str) -> Option<String> {
        let search = Search { entries: &self.0, left: Cell::new(MOST), depth: Cell::new(0) };
        (english.len() <= LONGEST).then(|| search.find(english)).flatten()
    }
}

/// Which of the messages inside a message must have entries. More of them make a better fit: in "cannot write to FILE"
/// it shows that what cannot be done is "write to", and not "write".
#[derive(Clone, Copy, PartialEq)]
enum Known {
    All,
    First,
    Any,
}

/// The look-up of one message, and of the messages inside it.
struct Search<'c> {
    entries: &'c [Entry],
    /// How many more splits are tried.
    left: Cell<u32>,
    /// How many messages around this one are being looked up.
    depth: Cell<u32>,
}

impl Search<'_> {
    fn find(&self, english: &str) -> Option<String> {
        if self.depth.get() == DEEPEST {
            return None;
        }
        self.depth.set(self.depth.get() + 1);
        let found = [Known::All, Known::First, Known::Any].into_iter().find_map(|known| {
            self.entries.iter().find_map(|entry| {
                let mut values = Vec::new();
                let fits = self.fits(&entry.english, english, &mut values, known);
                fits.then(|| self.fill(&entry.german, &values))
            })
        });
        self.depth.set(self.depth.get() - 1);
        found
    }

    /// Reports whether a message has the form of an entry, and puts the values of its places into `values`.
    fn fits<'e, 't>(
        &self,
        parts: &'e [Part],
        text: &'t str,
        values: &mut Vec<(&'e str, &'t str)>,
        known: Known,
    ) -> bool {
        let (name, is_message, rest) = match parts {
            [] => return text.is_empty(),
            [Part::Text(part), rest @ ..] => {
                return text
                    .strip_prefix(part.as_str())
                    .is_some_and(|text| self.fits(rest, text, values, known));
            }
            [Part::Place { name, is_message }, rest @ ..] => (name, *is_message, rest),
        };
        let left = if is_message && known == Known::First { Known::Any } else { known };
        let mut ends_at = |end: usize| {
            let Some(left_to_try) = self.left.get().checked_sub(1) else { return false };
            self.left.set(left_to_try);
            let kept = values.len();
            values.push((name, &text[..end]));
            let needs_entry = is_message && known != Known::Any && end > 0;
            let fits = self.fits(rest, &text[end..], values, left)
                && (!needs_entry || self.find(&text[..end]).is_some());
            if !fits {
                values.truncate(kept);
            }
            fits
        };
        match rest.first() {
            None => ends_at(text.len()),
            Some(Part::Text(next)) => text.match_indices(next.as_str()).map(|(at, _)| at).any(ends_at),
            // Two places side by side: the first is as short as it can be.
            Some(_) => (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(ends_at),
        }
    }

    fn fill(&self, parts: &[Part], values: &[(&str, &str)]) -> String {
        let filled = parts.iter().map(|part| match part {
            Part::Text(text) => Cow::Borrowed(text.as_str()),
            Part::Place { name, is_message } => {
                let value = values.iter().find(|(place, _)| place == name).map_or("", |(_, value)| value);
                let translated = is_message.then(|| self.find(value)).flatten();
                translated.map_or(Cow::Borrowed(value), Cow::Owned)
            }
        });
        filled.collect()
    }
}

impl Entry {
    /// The number of bytes that are no places.
    fn weight(&self) -> usize {
        let length = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Place { .. } => 0,
        };
        self.english.iter().map(length).sum()
    }

    /// Marks the places of the English line that the German line has as messages.
    fn mark_messages(&mut self) {
        for part in &mut self.english {
            if let Part::Place { name, is_message } = part {
                *is_message = self.german.contains(&Part::Place { name: name.clone(), is_message: true });
            }
        }
    }
}

/// Splits a line of the catalogue at its places. Braces around anything but a name are text.
fn parts(line: &str) -> Vec<Part> {
    let line = line.replace("\\n", "\n").replace("\\_", " ");
    let (mut parts, mut text, mut rest) = (Vec::new(), String::new(), line.as_str());
    while let Some(open) = rest.find('{') {
        text.push_str(&rest[..open]);
        let brace = &rest[open..];
        let inside = brace.find('}').map(|close| &brace[1..close]).unwrap_or_default();
        let name = inside.strip_suffix('!').unwrap_or(inside);
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            text.push('{');
            rest = &brace[1..];
            continue;
        }
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        parts.push(Part::Place { name: name.to_owned(), is_message: name.len() < inside.len() });
        rest = &brace[inside.len() + 2..];
    }
    text.push_str(rest);
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::parse(
            "## a comment\n\
             {key}: not found\n    {key}: nicht gefunden\n\
             cannot {op} {path}: {why}\n    {path}: {op!} geht nicht: {why!}\n\
             write to\n    Schreiben\n\
             {what}: {why}\n    {what}: {why!}\n\
             refused by {program}: {reason}\n    abgelehnt von {program}: {reason}\n\
             no command '{name}'{near}\n    kein Befehl »{name}«{near!}\n\
             ; did you mean '{near}'?\n    ; war »{near}« gemeint?\n\
             as in @{10 min ago}\n    wie in @{10 min ago}\n",
        )
    }

    #[test]
    fn values_stay_and_messages_inside_are_translated() {
        let say = |english: &str| catalogue().translate(english);
        assert_eq!(say("network.lan: not found").as_deref(), Some("network.lan: nicht gefunden"));
        // The text of a value is not translated, even if it reads as a message.
        assert_eq!(say("refused by x: a: not found").as_deref(), Some("abgelehnt von x: a: not found"));
        assert_eq!(say("line 3: a: not found").as_deref(), Some("line 3: a: nicht gefunden"));
        // "write" is no message of the catalogue, "write to" is.
        assert_eq!(say("cannot write to a b: full").as_deref(), Some("a b: Schreiben geht nicht: full"));
        assert_eq!(say("no command 'x'").as_deref(), Some("kein Befehl »x«"));
        assert_eq!(
            say("no command 'x'; did you mean 'y'?").as_deref(),
            Some("kein Befehl »x«; war »y« gemeint?")
        );
        assert_eq!(say("as in @{10 min ago}").as_deref(), Some("wie in @{10 min ago}"));
        assert_eq!(say("a sentence of a later version"), None);
    }

    #[test]
    fn any_text_ends_the_search_soon() {
        let _ = catalogue().translate(&": ".repeat(1000));
        let _ = german().translate(&"cannot a: b; c, 'd' ".repeat(100));
        assert_eq!(german().translate(&"x".repeat(LONGEST + 1)), None);
    }
}
