//! A store in a temporary directory, for tests of the command `cms`.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The text of the package `network` that a new sandbox has.
pub const NETWORK: &str = "# the house\nconfig interface 'lan'\n\toption ipaddr '10.0.0.1' # known\n\tlist dns 'a'\n\tlist dns 'b c'\n\nconfig rule\n\toption name 'ping'\n\toption target 'ACCEPT'\n\nconfig rule\n\toption name 'ssh'\n";

/// A store in a temporary directory.
pub struct Sandbox(TempDir);

impl Sandbox {
    pub fn new() -> Self {
        let sandbox = Self(tempfile::tempdir().expect("a directory"));
        std::fs::create_dir(sandbox.path("config")).expect("made");
        sandbox.write("network", NETWORK);
        sandbox
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, package: &str, text: &str) {
        std::fs::write(self.path("config").join(package), text).expect("written");
    }

    pub fn read(&self, package: &str) -> String {
        std::fs::read_to_string(self.path("config").join(package)).expect("a package")
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cms"));
        command
            .env("CMS_CONFIG_DIR", self.path("config"))
            .env("CMS_SAVE_DIR", self.path("save"))
            .env("CMS_RUN_DIR", self.path("run"))
            .env("CMS_STATE_DIR", self.path("state"))
            .env("CMS_SCHEMA_DIR", self.path("schema"))
            .env("HOME", self.0.path())
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        command
    }

    pub fn run<W: AsRef<OsStr>>(&self, words: &[W]) -> Output {
        self.command().args(words).output().expect("cms runs")
    }

    /// Runs a command line that must succeed, and returns its output.
    pub fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Runs a command line that must fail with an exit code, and returns its message.
    pub fn fails(&self, code: i32, words: &[&str]) -> String {
        let output = self.run(words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        said
    }

    pub fn fed(&self, words: &[&str], input: &str) -> Output {
        let mut child = self
            .command()
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cms runs");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
        child.wait_with_output().expect("cms ends")
    }
}
