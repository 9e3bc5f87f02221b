//! The `cms` command; called as `uci`, or as `cms uci`, it is stock uci.

mod commands;
mod descriptors;
mod uci;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    if words.is_empty() {
        words.push("cms".into());
    }
    let called_uci = Path::new(&words[0]).file_name().is_some_and(|name| name == "uci");
    if called_uci {
        return uci::run(&words[0].clone(), &words[1..]);
    }
    if words.get(1).is_some_and(|word| word.as_bytes() == b"uci") {
        return uci::run(&words[0].clone(), &words[2..]);
    }
    commands::run(&words[1..])
}
