//! Programs to compare with, compiled into the temporary directory. If one is missing, a message says so.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// The paths of the programs, if they are available.
pub struct Rivals {
    /// Stock uci.
    pub stock: Option<PathBuf>,
    /// C programs that do nothing, with their names in tables.
    pub empty: Vec<(&'static str, PathBuf)>,
    /// Stock libuci with the functions of `c/uci_peer.c`, as a library.
    pub libuci: Option<PathBuf>,
    /// The program that opens a store through the C library and reads one option.
    pub open: Option<PathBuf>,
    /// The program that runs a command and prints its peak memory.
    pub peak: Option<PathBuf>,
}

impl Rivals {
    /// Compiles what can be compiled.
    pub fn gather(dir: &Path) -> Result<Self> {
        let mut empty = Vec::new();
        for (name, flag) in [("empty C, dynamic", None), ("empty C, static", Some("-static"))] {
            empty.extend(compile("empty", flag, dir).map(|path| (name, path)));
        }
        let stock = stock(dir)?;
        let libuci = Some(dir.join("libuci-peer.so")).filter(|path| path.is_file());
        let (open, peak) = (compile("open", None, dir), compile("peak", Some("-static"), dir));
        Ok(Self { stock, libuci, empty, open, peak })
    }
}

/// Compiles `c/NAME.c`; `None`, and a message, if the compiler cannot.
fn compile(name: &str, flag: Option<&str>, dir: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c").join(name).with_extension("c");
    let out = dir.join(format!("{name}{}", flag.unwrap_or_default()));
    let compiled = Command::new("cc").arg("-O2").args(flag).arg(source).arg("-o").arg(&out).status();
    if compiled.is_ok_and(|status| status.success()) {
        return Some(out);
    }
    eprintln!("cms-bench: cannot compile {name}.c {}: left out", flag.unwrap_or_default());
    None
}

/// Runs the script that finds or compiles stock uci.
fn stock(dir: &Path) -> Result<Option<PathBuf>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("stock-uci.sh");
    let built = Command::new("sh").arg(script).arg(dir).status()?.success();
    Ok(built.then(|| dir.join("uci")))
}
