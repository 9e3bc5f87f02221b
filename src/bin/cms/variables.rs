//! Values in the environment of a program. The system bounds a variable to 128 KiB and all of them, with the
//! program's arguments, to a part of the stack; a program that is started with more is not started at all. So
//! variables that do not fit are left out, and `CMS_LEFT_OUT` names them. The commands of `watch` and `verify` get
//! all values on standard input.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use cms::log::Content;
use cms::{Changed, Event};

use crate::context::Context;
use crate::records::Users;
use std::process::Command;

/// The variable that names the variables that were left out, with blanks between the names.
const LEFT_OUT: &str = "CMS_LEFT_OUT";

/// The largest size of a variable, with its name, `=` and the NUL byte at its end.
const ONE: usize = 128 * 1024;

/// How many bytes are left for the arguments of the program and for variables that it sets.
const RESERVE: usize = 64 * 1024;

/// How many bytes are left for variables, beside those of this process. Each also takes a pointer.
fn room() -> usize {
    let stack = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
    let all = stack.map_or(usize::MAX, |stack| usize::try_from(stack / 4).unwrap_or(usize::MAX));
    // The kernel's own limit is three quarters of 8 MiB.
    let all = all.clamp(ONE, 6 << 20);
    let taken: usize = std::env::vars_os().map(|(name, value)| name.len() + value.len() + 10).sum();
    all.saturating_sub(taken + RESERVE)
}

/// Gives a program the variables that fit.
pub fn set(command: &mut Command, variables: impl IntoIterator<Item = (impl Into<OsString>, OsString)>) {
    let mut room = room();
    let mut left_out: Vec<String> = Vec::new();
    for (name, value) in variables {
        let name: OsString = name.into();
        let size = name.len() + value.len() + 2;
        if size > ONE || size + 8 > room {
            left_out.push(name.to_string_lossy().into_owned());
            // A value inherited from the environment would be mistaken for this one.
            command.env_remove(name);
            continue;
        }
        room -= size + 8;
        command.env(name, value);
    }
    let mut names = left_out.join(" ");
    names.truncate(names.len().min(RESERVE / 2));
    match names.is_empty() {
        true => command.env_remove(LEFT_OUT),
        false => command.env(LEFT_OUT, names),
    };
}

/// Returns the name of a variable of the shell for a key.
pub fn variable(key: &str) -> String {
    let mut name: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    // The shell would take `4g_x=1` for a command.
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// Formats a value for a variable: the string, or the items with blanks between them.
fn words(content: Option<&Content>) -> Vec<u8> {
    content.map_or(&[][..], Content::items).join(&b' ')
}

/// Returns the variables that describe a change.
pub fn variables(changed: Changed<'_>) -> [(&'static str, OsString); 4] {
    let text = |bytes: Vec<u8>| OsString::from_vec(bytes);
    [
        ("CMS_KEY", text(changed.key())),
        ("CMS_CHANGE", changed.kind().into()),
        ("CMS_OLD", text(words(changed.before()))),
        ("CMS_NEW", text(words(changed.after()))),
    ]
}

/// Returns the variables that describe a transaction, with blanks between several names. `CMS_KEY`, `CMS_CHANGE`,
/// `CMS_OLD` and `CMS_NEW` are empty; if it has changed one key, [`variables`] describes that.
pub fn of_event(event: &Event, users: &mut Users) -> [(&'static str, OsString); 11] {
    let record = event.record();
    let keys: Vec<Vec<u8>> = event.changes().map(|changed| changed.key()).collect();
    let packages: Vec<&str> = record.packages.iter().map(|change| change.package.as_str()).collect();
    let nothing = OsString::new;
    [
        ("CMS_KEYS", OsString::from_vec(keys.join(&b' '))),
        ("CMS_PACKAGES", packages.join(" ").into()),
        ("CMS_KIND", record.kind.name().into()),
        ("CMS_USER", users.name(record.uid).into()),
        ("CMS_AUTHOR", users.author(record).into()),
        ("CMS_SOURCE", record.source.clone().into()),
        ("CMS_MESSAGE", record.message.clone().into()),
        ("CMS_KEY", nothing()),
        ("CMS_CHANGE", nothing()),
        ("CMS_OLD", nothing()),
        ("CMS_NEW", nothing()),
    ]
}

/// The directories of this command, as variables for the commands that it starts.
pub fn directories(context: &Context) -> Vec<(&'static str, OsString)> {
    let dirs = context.store.dirs();
    let some = |name, dir: &cms::Dir| (name, dir.path.clone().into_os_string());
    let mut all = vec![some("CMS_CONFIG_DIR", &dirs.config), some("CMS_SAVE_DIR", &dirs.save)];
    all.extend(dirs.run.as_ref().map(|dir| some("CMS_RUN_DIR", dir)));
    all.extend(dirs.state.as_ref().map(|dir| some("CMS_STATE_DIR", dir)));
    all
}
