//! Programs of others build with an installed library: with CMake, with pkg-config, and found by the dynamic linker.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{ROOT, Target};
use crate::support::sandbox::Sandbox;

#[path = "../../../ffi/tests/support/mod.rs"]
mod library;

/// The library as it is built here, installed at a prefix that the system does not know.
struct Installed {
    target: Target,
    sandbox: Sandbox,
}

impl Installed {
    fn new() -> Self {
        let target = Target::new(false);
        let work = tempfile::tempdir().expect("a directory");
        let built = library::library(work.path());
        std::fs::copy(built.join("libcms.so"), target.dir.path().join("lib/libcms.so.0")).expect("copied");
        target.install();
        Self { target, sandbox: Sandbox::new() }
    }

    /// Runs a program that was built with the library.
    fn run(&self, program: &Path) -> String {
        let mut command = Command::new(program);
        super::environment(&mut command, &self.sandbox);
        let library_path = self.target.root().join("lib");
        let output = command.env("LD_LIBRARY_PATH", library_path).output().expect("runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// Runs a command, or returns `None` where it is not installed.
fn output(command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: {} is not installed", command.get_program().display());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Configures the sample project for a version, as `find_package` takes it.
fn configure(installed: &Installed, build: &Path, version: &str) -> Option<Output> {
    let mut cmake = Command::new("cmake");
    cmake.arg("-S").arg(Path::new(ROOT).join("c-examples/cmake")).arg("-B").arg(build);
    cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", installed.target.root().display()));
    output(cmake.arg(format!("-DCMS_VERSION={version}")))
}

/// CAP-21 and M27: a CMake project finds the library, by its exact version as well, and does not take another.
#[test]
fn m27_a_cmake_project_finds_the_version_that_it_asks_for() {
    let installed = Installed::new();
    let build = installed.target.dir.path().join("build");
    let Some(found) = configure(&installed, &build, "0.1.0;EXACT") else { return };
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    assert!(String::from_utf8_lossy(&found.stdout).contains("building with cms 0.1.0"));
    let built = Command::new("cmake").arg("--build").arg(&build).output().expect("runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stdout));
    let printed = installed.run(&build.join("reader"));
    assert!(printed.starts_with("address 10.0.0.1\n"), "{printed}");
    for (version, fits) in [
        ("0.1", true),
        ("0", true),
        ("0.1.0...0.2", true),
        ("0.0.9...<0.1.0", false),
        ("0.2...0.3", false),
        ("0.0.9", false),
        ("0.1.1", false),
        ("0.1.1;EXACT", false),
        ("0.2", false),
        ("1.0", false),
    ] {
        let build = tempfile::tempdir().expect("a directory");
        let found = configure(&installed, build.path(), version).expect("it ran before");
        let message = String::from_utf8_lossy(&found.stderr).into_owned();
        assert_eq!(found.status.success(), fits, "{version}: {message}");
        assert!(fits || message.contains("version: 0.1.0"), "{version}: {message}");
    }
}

#[test]
fn m27_pkg_config_names_the_version_and_what_a_program_needs() {
    let installed = Installed::new();
    let query = |options: &[&str]| {
        let mut command = Command::new("pkg-config");
        command.env("PKG_CONFIG_PATH", installed.target.root().join("lib/pkgconfig"));
        output(command.args(options).arg("cms"))
    };
    let Some(exact) = query(&["--exact-version=0.1.0"]) else { return };
    assert!(exact.status.success(), "{exact:?}");
    assert!(!query(&["--exact-version=0.1.1"]).expect("it ran").status.success());
    assert!(!query(&["--atleast-version=0.2"]).expect("it ran").status.success());
    let flags = query(&["--cflags", "--libs"]).expect("it ran");
    let flags = String::from_utf8(flags.stdout).expect("UTF-8");
    let program = installed.target.dir.path().join("reader");
    let mut compile = library::compiler();
    compile.arg(Path::new(ROOT).join("c-examples/read.c")).args(flags.split_whitespace());
    assert!(compile.arg("-o").arg(&program).status().expect("a C compiler").success(), "{flags}");
    assert!(installed.run(&program).starts_with("address 10.0.0.1\n"));
}

/// Writes a stand-in for `ldconfig`, which lists a directory of the system and notes when it is run to refresh.
fn stand_in(target: &Target, system: &str) -> (PathBuf, PathBuf) {
    let [ldconfig, ran] = ["ldconfig", "ran"].map(|name| target.dir.path().join(name));
    let ran_path = ran.display();
    let script =
        format!("#!/bin/sh\ncase $1 in -v) echo '{system}: (from x)' ;; *) echo ran >> {ran_path} ;; esac\n");
    std::fs::write(&ldconfig, script).expect("written");
    std::fs::set_permissions(&ldconfig, PermissionsExt::from_mode(0o755)).expect("set");
    (ldconfig, ran)
}

/// Installs or removes with a stand-in for `ldconfig`; returns what is said.
fn install_with(target: &Target, ldconfig: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(Path::new(ROOT).join("docs/install.sh"));
    command.args(arguments).env("PREFIX", &target.prefix).env("DESTDIR", &target.destdir);
    let done = command.env("LDCONFIG", ldconfig).output().expect("runs");
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
fn m27_installing_into_the_system_refreshes_the_dynamic_linker_and_elsewhere_says_what_to_do() {
    let is_root = rustix::process::geteuid().is_root();
    for (destdir, is_system) in [(false, true), (false, false), (true, true)] {
        let target = Target::new(destdir);
        let lib = target.dir.path().join("lib");
        let arguments = [env!("CARGO_BIN_EXE_cms"), lib.to_str().expect("UTF-8")];
        let installed_lib = target.root().join("lib").display().to_string();
        let system = if is_system { &installed_lib } else { "/usr/lib" };
        let (ldconfig, ran) = stand_in(&target, system);
        let said = install_with(&target, &ldconfig, &arguments);
        let times = || std::fs::read_to_string(&ran).unwrap_or_default().lines().count();
        match (destdir, is_system) {
            (false, true) if is_root => {
                assert_eq!(times(), 1, "{said}");
                assert_eq!(said, format!("installed into {}\n", target.root().display()));
                install_with(&target, &ldconfig, &["--remove"]);
                assert_eq!(times(), 2);
            }
            (false, true) => {
                assert!(times() == 0 && said.contains("library: run 'ldconfig' as root"), "{said}");
            }
            (false, false) => {
                let way = format!("link them with -Wl,-rpath,{installed_lib}, or run as root:\n");
                assert!(times() == 0 && said.contains(&way), "{said}");
                let listed = format!("echo {installed_lib} > /etc/ld.so.conf.d/cms.conf && ldconfig\n");
                assert!(said.contains(&listed), "{said}");
            }
            (true, _) => {
                let way = "library: where the files go to /usr, run 'ldconfig' as root";
                assert!(times() == 0 && said.contains(way), "{said}");
            }
        }
    }
    // A system without ldconfig, as with musl, needs nothing.
    let target = Target::new(false);
    let lib = target.dir.path().join("lib");
    let arguments = [env!("CARGO_BIN_EXE_cms"), lib.to_str().expect("UTF-8")];
    let said = install_with(&target, Path::new("no-such-ldconfig"), &arguments);
    assert_eq!(said, format!("installed into {}\n", target.root().display()));
}
