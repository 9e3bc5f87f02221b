//! Gives the shared library its name, so that programs linked with it find it again.

fn main() {
    let major = env!("CARGO_PKG_VERSION_MAJOR");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libcms.so.{major}");
    // Its threads leave destructors behind that would be gone: keys of thread-local storage and memory of each load.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rerun-if-changed=build.rs");
}
