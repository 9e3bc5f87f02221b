//! Keys within a package, and the value that a package has for one.

use crate::error::shown;
use crate::log::Content;
use crate::model::package::Package;
use crate::secret::Marks;

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

/// Shows the value of a key of a package, or what stands for it if it is secret.
pub(crate) fn show(marks: &Marks, package: &str, key: &KeyPath, content: Option<&Content>) -> String {
    let (section, option) = (&key.0, key.1.as_deref());
    let one = |value: &Vec<u8>| match option {
        Some(option) => marks.show(package.as_bytes(), section, option, value, false).quoted(),
        // The type of a section.
        None => shown::quoted(value),
    };
    match content {
        None => "not there".to_owned(),
        Some(Content::String(string)) => one(string),
        Some(Content::List(items)) => {
            let items: Vec<String> = items.iter().map(one).collect();
            format!("({})", items.join(" "))
        }
    }
}
