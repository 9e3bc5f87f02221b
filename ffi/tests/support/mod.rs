//! The header and the library, for the tests of both.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the header as it is committed.
pub fn header() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/cms.h");
    std::fs::read_to_string(path).expect("the header")
}

/// Returns the C compiler.
pub fn compiler() -> Command {
    Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".to_owned()))
}

/// Makes the manual pages of the library in a directory, as the installation does.
pub fn manual(pages: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::create_dir_all(pages).expect("made");
    let template = root.join("package/libcms.3.in");
    let mut awk = Command::new("awk");
    awk.arg("-v").arg(format!("out={}", pages.display()));
    awk.arg("-v").arg(format!("template={}", template.display()));
    awk.arg("-f").arg(root.join("package/man.awk")).arg(root.join("../include/cms.h"));
    let made = awk.output().expect("awk");
    assert!(made.status.success() && made.stderr.is_empty(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Builds the library, which `cargo test` does not, with versions as `make lib` does, and returns a directory with it
/// under the names that compilers and programs look for.
pub fn library(work: &Path) -> PathBuf {
    let exe = std::env::current_exe().expect("a path");
    let [profile, target] = [2, 3].map(|up| exe.ancestors().nth(up).expect("the directories of cargo"));
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["rustc", "--quiet", "--locked", "--package", "cms-ffi", "--lib", "--target-dir"]).arg(target);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    cargo.args(["--", "-Clinker=ffi/versioned-cc"]);
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo");
    assert!(built.success(), "the library cannot be built");
    let built = profile.join("libcms.so");
    let lib = work.join("lib");
    std::fs::create_dir(&lib).expect("made");
    let major = env!("CARGO_PKG_VERSION_MAJOR");
    for name in ["libcms.so".to_owned(), format!("libcms.so.{major}")] {
        std::os::unix::fs::symlink(&built, lib.join(name)).expect("linked");
    }
    lib
}
