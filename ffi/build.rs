//! Gives the shared library its name, so that programs linked with it find it again.

fn main() {
    let major = env!("CARGO_PKG_VERSION_MAJOR");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libcms.so.{major}");
    // Unloading it would remove destructors that its threads still have to run, and leak keys of thread-local storage
    // and memory with each load.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // `make lib` links with the second, which reads the first.
    println!("cargo::rerun-if-changed=symbols.txt");
    println!("cargo::rerun-if-changed=versioned-cc");
    println!("cargo::rerun-if-changed=build.rs");
}
