//! The pager: output on a terminal goes through `CMS_PAGER`, `PAGER` or `less`.

use std::io::{self, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cms::environment::variable;
use signal_hook::consts::SIGINT;

/// Where the output of a command goes.
pub enum Out {
    Stdout(io::Stdout),
    Pager(Pager),
}

/// A running pager. When it is dropped, its input ends, and it is waited for.
pub struct Pager {
    child: Child,
    input: Option<ChildStdin>,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::Pager(pager) => match &mut pager.input {
                Some(input) => input.write(bytes),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            },
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::Pager(pager) => pager.input.as_mut().map_or(Ok(()), Write::flush),
        }
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// Runs the pager `$1`; without it, the text is printed as it is.
const SCRIPT: &str = r#"command -v "${1%% *}" >/dev/null && exec /bin/sh -c "$1"; exec cat"#;

/// Starts the pager. `None` if there is none, or the user wants none.
pub fn start() -> Option<Pager> {
    let set = ["CMS_PAGER", "PAGER"].into_iter().find_map(std::env::var_os);
    let is_unwanted = set.is_some_and(|command| command.is_empty());
    // A privileged program has no variables, and starts no program for its caller.
    variable("TERM").filter(|term| term != "dumb" && !is_unwanted)?;
    let command = variable("CMS_PAGER").unwrap_or_else(|| "less".into());
    if command == "cat" {
        return None;
    }
    let command = command.to_str()?;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", SCRIPT, "sh", command]).stdin(Stdio::piped());
    // Quit if the text fits on the screen, show colours, leave the text on the screen.
    for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
        if std::env::var_os(name).is_none() {
            shell.env(name, value);
        }
    }
    let mut child = shell.spawn().ok()?;
    let input = child.stdin.take();
    // Ctrl-C is for the pager.
    let _ = signal_hook::flag::register(SIGINT, Arc::new(AtomicBool::new(false)));
    Some(Pager { child, input })
}
