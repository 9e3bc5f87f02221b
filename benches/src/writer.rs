//! A process that commits at a given rate: the benchmark program, started with other arguments.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Result;
use crate::ffi::{Directories, Library};
use crate::tmpfs_store::{self, TmpfsStore};

/// The first argument that turns the benchmark into a writer: `INTERNAL RATE KEY`.
pub const INTERNAL: &str = "internal-writer";

/// A writer that runs, or none if nothing has to be committed.
pub struct Writer(Option<Child>);

impl Writer {
    /// Starts a writer and waits until it has committed once.
    pub fn start(tmpfs: &TmpfsStore, rate: u32, key: &str) -> Result<Self> {
        if rate == 0 {
            return Ok(Self(None));
        }
        let mut command = Command::new(std::env::current_exe()?);
        command.args([INTERNAL, &rate.to_string(), key]).envs(tmpfs.environment());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut ready = [0];
        let output = child.stdout.as_mut().ok_or("no output")?;
        output.read_exact(&mut ready).map_err(|_| "the writer cannot commit")?;
        Ok(Self(Some(child)))
    }

    /// Stops it; returns its commits per second.
    pub fn stop(mut self) -> Result<f64> {
        let Some(child) = &mut self.0 else { return Ok(0.0) };
        drop(child.stdin.take());
        let mut text = String::new();
        child.stdout.take().ok_or("no output")?.read_to_string(&mut text)?;
        if !child.wait()?.success() {
            return Err("the writer failed".into());
        }
        Ok(text.trim().parse()?)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

/// The writer process: commits until its input ends, then prints the commits per second.
pub fn write(arguments: &[String]) -> Result<()> {
    let [rate, key] = arguments else { return Err("internal: wrong arguments".into()) };
    let library = Library::load(&tmpfs_store::library_path().ok_or("no library")?)?;
    let dir = |name| std::env::var_os(name).ok_or(format!("{name} is not set"));
    let (config, save) = (dir("CMS_CONFIG_DIR")?, dir("CMS_SAVE_DIR")?);
    let (run, state) = (dir("CMS_RUN_DIR")?, dir("CMS_STATE_DIR")?);
    let store = library.open(&Directories {
        config: Path::new(&config),
        save: Path::new(&save),
        run: Path::new(&run),
        state: Path::new(&state),
    })?;
    let commit = |number: u32| -> Result<()> {
        let mut transaction = store.begin()?;
        transaction.set(key, &format!("value-{number}"))?;
        transaction.commit().map(drop)
    };
    commit(0)?;
    println!();
    let stop = AtomicBool::new(false);
    let (start, pause) = (Instant::now(), Duration::from_secs(1) / rate.parse()?);
    let mut number = 0;
    std::thread::scope(|scope| -> Result<()> {
        scope.spawn(|| {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            stop.store(true, Ordering::Relaxed);
        });
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            commit(number)?;
            std::thread::sleep((start + pause * number).saturating_duration_since(Instant::now()));
        }
        Ok(())
    })?;
    println!("{}", f64::from(number) / start.elapsed().as_secs_f64());
    Ok(())
}
