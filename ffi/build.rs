//! Gives the shared library its name, so that programs linked with it find it again.

fn main() {
    let major = env!("CARGO_PKG_VERSION_MAJOR");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libcms.so.{major}");
    println!("cargo::rerun-if-changed=build.rs");
}
