//! Secret values in what the command prints: people see a stand-in, unless they have asked for `--reveal`.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cms::log::{Content, KeyChange};
use cms::{Engine, Marks, Shown};

/// The marks of the store of this command. They are read with the first value that is printed.
struct Redaction {
    store: Engine,
    reveal: bool,
    marks: OnceLock<Marks>,
}

static REDACTION: Mutex<Option<Arc<Redaction>>> = Mutex::new(None);

/// Uses the marks of a store from now on.
pub fn of_store(store: &Engine, reveal: bool) {
    let redaction = Redaction { store: store.clone(), reveal, marks: OnceLock::new() };
    *REDACTION.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(redaction));
}

/// Calls `show` with the marks, and whether secrets are shown.
fn with<R>(show: impl FnOnce(&Marks, bool) -> R) -> R {
    let redaction = REDACTION.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match redaction {
        Some(redaction) => show(redaction.marks.get_or_init(|| redaction.store.marks()), redaction.reveal),
        None => show(&Marks::default(), false),
    }
}

/// Returns a value of an option as people see it.
pub fn shown<'v>(package: &[u8], section: &[u8], option: &[u8], value: &'v [u8]) -> Shown<'v> {
    with(|marks, reveal| marks.show(package, section, option, value, reveal))
}

/// Returns a value that is never secret.
pub fn plain(value: &[u8]) -> Shown<'_> {
    Marks::default().show(b"", b"", b"", value, true)
}

/// As [`shown`], of the value of a change; the type of a section is never secret.
pub fn shown_of<'v>(package: &str, change: &KeyChange, value: &'v [u8]) -> Shown<'v> {
    match &change.option {
        Some(option) => shown(package.as_bytes(), &change.section, option, value),
        None => plain(value),
    }
}

/// Returns the values of a content as people see them.
pub fn items_of<'v>(package: &str, change: &KeyChange, content: &'v Content) -> Vec<Shown<'v>> {
    content.items().iter().map(|item| shown_of(package, change, item)).collect()
}

/// Reports whether the value of an option is hidden.
pub fn is_hidden(package: &[u8], section: &[u8], option: &[u8]) -> bool {
    with(|marks, reveal| !reveal && marks.is_secret(package, section, option))
}

/// Returns the text of a package as people see it.
pub fn text<'t>(package: &str, text: &'t [u8]) -> Cow<'t, [u8]> {
    with(|marks, reveal| {
        if reveal || !marks.concern(package.as_bytes()) {
            return Cow::Borrowed(text);
        }
        let redaction = REDACTION.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(redaction) = redaction else { return Cow::Borrowed(text) };
        match redaction.store.redacted(package, text) {
            Some(shown) => Cow::Owned(shown.to_vec()),
            None => Cow::Borrowed(&b"<this text cannot be parsed, and may hold secrets: see --reveal>\n"[..]),
        }
    })
}
