//! Bytes that need not be UTF-8: as paths, as JSON and for people.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde_json::{Value as Json, json};

/// Returns an argument as a path; it need not be UTF-8.
pub fn path(argument: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(argument))
}

/// Shows bytes to a person.
pub fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns bytes as JSON: a string, or `{"hex": "c3..."}` if they are not UTF-8.
pub fn json(bytes: &[u8]) -> Json {
    match std::str::from_utf8(bytes) {
        Ok(text) => Json::from(text),
        Err(_) => json!({"hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()}),
    }
}
