//! Keys within a package, and the value that a package has for one.

use crate::error::shown;
use crate::log::Content;
use crate::model::package::Package;

/// A key of a package: a section's name, and an option's unless the section is meant.
pub(crate) type KeyPath = (Vec<u8>, Option<Vec<u8>>);

/// Returns the value that a package has for the key.
pub(crate) fn content(package: &Package, (section, option): &KeyPath) -> Option<Content> {
    let section = package.section(section)?;
    match option {
        None => Some(Content::String(section.section_type().to_vec())),
        Some(option) => section.get(option).map(Content::of),
    }
}

/// Shows a value.
pub(crate) fn show(content: Option<&Content>) -> String {
    match content {
        None => "not there".to_owned(),
        Some(Content::String(string)) => shown::quoted(string),
        Some(Content::List(items)) => {
            let items: Vec<String> = items.iter().map(shown::quoted).collect();
            format!("({})", items.join(" "))
        }
    }
}
