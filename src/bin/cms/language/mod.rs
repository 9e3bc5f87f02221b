//! The language of messages to people: English, or German if the environment asks for it.
//!
//! A message is written in English where it is made, here and in the library. Before it is printed, [`message`] looks
//! it up in the catalogue, `german.txt`, whose entries are English sentences with named places and their German. What
//! programs read is never translated: JSON, data on standard output, `cms uci`. A message without an entry stays
//! English.

#[cfg(feature = "german")]
mod catalogue;

use std::borrow::Cow;

#[cfg(feature = "german")]
use cms::environment::variable;

/// Returns a message in the language of the environment.
pub fn message(english: &str) -> Cow<'_, str> {
    #[cfg(feature = "german")]
    if is_german() {
        return catalogue::german().translate(english).map_or(Cow::Borrowed(english), Cow::Owned);
    }
    Cow::Borrowed(english)
}

/// Reports whether messages are German. It is decided once.
#[cfg(feature = "german")]
fn is_german() -> bool {
    static GERMAN: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *GERMAN.get_or_init(|| names_german(&locale_of_messages()))
}

/// Returns the locale of messages, by the order of POSIX; `C` if none is set.
#[cfg(feature = "german")]
fn locale_of_messages() -> String {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(variable);
    set.map_or_else(|| "C".into(), |locale| locale.to_string_lossy().into_owned())
}

/// Reports whether a locale is German with UTF-8: LANGUAGE[_TERRITORY][.CODESET][@MODIFIER].
#[cfg(feature = "german")]
fn names_german(locale: &str) -> bool {
    let (name, codeset) = locale.split_once('.').unwrap_or((locale, ""));
    let codeset = codeset.split('@').next().unwrap_or_default().to_ascii_lowercase().replace('-', "");
    name.split('_').next() == Some("de") && codeset == "utf8"
}

#[cfg(all(test, feature = "german"))]
mod tests {
    use super::names_german;

    #[test]
    fn german_is_a_language_and_needs_utf_8() {
        for locale in ["de_DE.UTF-8", "de.UTF-8", "de_AT.utf8", "de_DE.UTF-8@euro"] {
            assert!(names_german(locale), "{locale}");
        }
        for locale in ["C", "C.UTF-8", "en_GB.UTF-8", "de_DE", "de_DE.ISO-8859-1", "del.UTF-8", ""] {
            assert!(!names_german(locale), "{locale}");
        }
    }
}
