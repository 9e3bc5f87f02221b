//! Compiles the timed loops and uthash's side. The header is found in the same way as by `vendor/uthash-sys`.

fn main() {
    println!("cargo::rerun-if-changed=c");
    println!("cargo::rerun-if-env-changed=UTHASH_INCLUDE_DIR");
    let mut build = cc::Build::new();
    // Optimized as in a distribution.
    build.opt_level(2).debug(false).warnings(true).extra_warnings(true);
    build.includes(std::env::var_os("UTHASH_INCLUDE_DIR"));
    build.file("c/harness.c").file("c/uthash_peer.c").compile("bench_harness");
}
