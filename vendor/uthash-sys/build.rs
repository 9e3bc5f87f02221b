//! Finds `uthash.h` and compiles the shim over it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, process};

/// Names the directory of `uthash.h`, where it is not one of [`USUAL`].
const VARIABLE: &str = "UTHASH_INCLUDE_DIR";

/// Where distributions put `uthash.h`.
const USUAL: [&str; 2] = ["/usr/local/include", "/usr/include"];

fn main() {
    println!("cargo::rerun-if-changed=src/shim.c");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let Some(header) = header() else {
        println!(
            "cargo::error=uthash.h not found: install it (Debian: apt install uthash-dev; or: make setup)"
        );
        println!("cargo::error=or set {VARIABLE} to the directory that holds it");
        process::exit(1);
    };
    println!("cargo::rerun-if-changed={}", header.display());
    let mut build = cc::Build::new();
    build.std("c99").extra_warnings(true).file("src/shim.c");
    // As a system directory, since warnings about its macros are not ours to mend.
    build.flag("-isystem").flag(alone(&header));
    if env::var_os("CARGO_FEATURE_JENKINS").is_some() {
        build.define("CMS_HASH_JENKINS", None);
    }
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "musl") && !answers(&build) {
        // The shim takes from the C library only what all of them have, so the host's compiler will do; but its
        // headers must not replace calls with hardened ones that musl has not.
        println!("cargo::warning=no compiler for musl found, trying cc");
        build.compiler("cc").flag("-U_FORTIFY_SOURCE");
    }
    build.compile("cms_hash");
}

/// Reports whether the compiler chosen for the target is there.
fn answers(build: &cc::Build) -> bool {
    build.try_get_compiler().is_ok_and(|tool| Command::new(tool.path()).arg("--version").output().is_ok())
}

/// Returns where `uthash.h` is.
fn header() -> Option<PathBuf> {
    let dirs = match env::var_os(VARIABLE) {
        Some(dir) => vec![PathBuf::from(dir)],
        None => USUAL.map(PathBuf::from).to_vec(),
    };
    dirs.into_iter().map(|dir| dir.join("uthash.h")).find(|path| path.is_file())
}

/// Copies the header into a directory of its own and returns that: a compiler for another C library must not
/// see the rest of the host's `/usr/include`.
fn alone(header: &Path) -> PathBuf {
    let dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("include");
    fs::create_dir_all(&dir).expect("OUT_DIR can be written");
    fs::copy(header, dir.join("uthash.h")).expect("the header can be read and OUT_DIR written");
    dir
}
