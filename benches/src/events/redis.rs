//! A Redis server, on a socket in a temporary directory, and the few commands of its protocol that are needed.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Result;

/// A server that runs. It ends when this is dropped.
pub struct Server {
    /// The process.
    child: Child,
    /// Where it listens.
    pub socket: PathBuf,
}

impl Server {
    /// Starts a server that saves nothing; `None` if there is no `redis-server`.
    pub fn start(dir: &Path) -> Result<Option<Self>> {
        let socket = dir.join("redis.sock");
        allow_descriptors();
        let mut command = Command::new("redis-server");
        // An empty value for `save` turns saving off.
        let words = "--port 0 --save  --appendonly no --daemonize no --unixsocket";
        command.args(words.split(' '));
        command.arg(&socket).arg("--dir").arg(dir).stdin(Stdio::null()).stdout(Stdio::null());
        let Ok(child) = command.spawn() else { return Ok(None) };
        let server = Self { child, socket };
        let deadline = Instant::now() + Duration::from_secs(10);
        while UnixStream::connect(&server.socket).is_err() {
            if Instant::now() > deadline {
                return Err("redis-server does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(server))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Raises the limit of descriptors of this process and of its children as far as allowed.
pub fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // If this fails, opening too many will report it.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Connects, and subscribes to the only channel.
pub fn subscribe(socket: &Path) -> Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n")?;
    let mut answer = vec![0; b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n".len()];
    stream.read_exact(&mut answer)?;
    Ok(stream)
}

/// A connection that publishes.
pub struct Publisher(BufReader<UnixStream>);

impl Publisher {
    /// Connects.
    pub fn connect(socket: &Path) -> Result<Self> {
        Ok(Self(BufReader::new(UnixStream::connect(socket)?)))
    }

    /// Publishes a message, and waits until the server has sent it.
    pub fn publish(&mut self, message: &str) -> Result<()> {
        let length = message.len();
        let command = format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n${length}\r\n{message}\r\n");
        self.0.get_mut().write_all(command.as_bytes())?;
        let mut answer = String::new();
        self.0.read_line(&mut answer)?;
        if answer.starts_with(':') { Ok(()) } else { Err(answer.into()) }
    }
}
