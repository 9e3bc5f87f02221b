//! Compiles the timed loops and uthash's side. Its header is where `vendor/uthash-sys`, which needs it too, finds it.

fn main() {
    println!("cargo::rerun-if-changed=c");
    println!("cargo::rerun-if-env-changed=UTHASH_INCLUDE_DIR");
    let mut build = cc::Build::new();
    // As a distribution would.
    build.opt_level(2).debug(false).warnings(true).extra_warnings(true);
    build.includes(std::env::var_os("UTHASH_INCLUDE_DIR"));
    build.file("c/harness.c").file("c/uthash_peer.c").compile("bench_harness");
}
