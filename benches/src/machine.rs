//! Describes the machine, above the figures.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::tmpfs_store;

/// Prints processor, cores, kernel, compilers, the file system of `dir` and how busy the machine is.
pub fn print(dir: &Path) {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    println!("machine   {}, {cores} cores, load {}", processor(), first_word("/proc/loadavg"));
    println!("kernel    Linux {}, data on {}", first_word("/proc/sys/kernel/osrelease"), file_system(dir));
    println!(
        "compilers {}; {}",
        first_line(Command::new("rustc").arg("-V")),
        first_line(Command::new("cc").arg("--version"))
    );
    if let Some(library) = tmpfs_store::library_path().and_then(|path| fs::metadata(path).ok()) {
        println!("library   libcms.so of {} bytes", library.len());
    }
    println!("method    contenders of a case take turns; the median counts, best and p90 show the spread;");
    println!("          ratio is to the best of the case, 1.00 or more");
}

/// Names the processor.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, model)| model.to_owned())
}

/// Reads the first word of a file.
fn first_word(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// Names the kind of file system.
fn file_system(dir: &Path) -> String {
    first_line(Command::new("stat").args(["-f", "-c", "%T"]).arg(dir))
}

/// Runs a command and returns its first line of output.
fn first_line(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or("unknown").to_owned()
}
