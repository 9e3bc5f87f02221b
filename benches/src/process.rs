//! Whole processes, as a script runs them: from fork to exit.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::data::{hosts, router};
use crate::report::{Report, medians};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A program under measurement.
struct Program {
    name: &'static str,
    path: PathBuf,
    /// Words before the options.
    lead: &'static [&'static str],
}

/// Finds cms and builds the peers.
fn programs(scratch: &Path) -> Vec<Program> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cms = std::env::var_os("CMS_BIN").map_or_else(|| root.join("../target/bin/cms"), PathBuf::from);
    let mut found = vec![
        Program { name: "cms", path: cms.clone(), lead: &[] },
        Program { name: "cms uci", path: cms, lead: &["uci"] },
    ];
    let stock = scratch.join("uci");
    if Command::new(root.join("stock-uci.sh")).arg(&stock).status().is_ok_and(|status| status.success()) {
        found.push(Program { name: "stock uci", path: stock, lead: &[] });
    } else {
        println!("stock uci: not to be had, left out");
    }
    found
}

fn command(program: &Program, config: &Path, save: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(&program.path);
    command.args(program.lead).arg("-c").arg(config).arg("-t").arg(save).args(words);
    command.stdout(Stdio::null()).stdin(Stdio::null());
    command
}

/// Measures `get`, `show` and `set` with `commit` as processes.
pub fn run(report: &mut Report, scratch: &Path, quick: bool) -> Outcome {
    let programs = programs(scratch);
    floor(report, scratch, if quick { 20 } else { 300 })?;
    small(report, scratch, &programs, if quick { 20 } else { 300 })?;
    commits(report, scratch, &programs, "200 options", &router(), if quick { 5 } else { 40 })?;
    let megabyte = hosts(2500, 10);
    let case = format!("{:.1} MB package", megabyte.len() as f64 / 1e6);
    commits(report, scratch, &programs, &case, &megabyte, if quick { 3 } else { 15 })?;
    let huge = hosts(100_000, 10);
    let slow = std::env::var_os("CMS_BENCH_SLOW").is_some();
    let fast: Vec<Program> =
        programs.into_iter().filter(|program| slow || program.name != "stock uci").collect();
    if !slow {
        println!("stock uci needs over a minute on 1M options: left out there; CMS_BENCH_SLOW=1 includes it");
    }
    big(report, scratch, &fast, &huge, if quick { 1 } else { 7 })?;
    commits(report, scratch, &fast, "1000k options", &huge, if quick { 1 } else { 5 })
}

/// What starting any process costs: empty C programs.
fn floor(report: &mut Report, scratch: &Path, repetitions: usize) -> Outcome {
    let source = scratch.join("empty.c");
    std::fs::write(&source, "int main(void) { return 0; }\n")?;
    let mut built = Vec::new();
    for (name, flags) in
        [("empty C, dynamic", &["-O2"][..]), ("empty C, static glibc", &["-O2", "-static"][..])]
    {
        let out = scratch.join(name.replace([' ', ','], "-"));
        if Command::new("cc").args(flags).arg(&source).arg("-o").arg(&out).status().is_ok_and(|s| s.success())
        {
            built.push((name, out));
        }
    }
    let mut runs: Vec<(&str, Box<dyn FnMut()>)> = Vec::new();
    for (name, path) in built {
        runs.push((name, Box::new(move || must(&mut Command::new(&path)))));
    }
    measure(report, "start of a process", runs, repetitions, 1e3, "ms");
    Ok(())
}

fn must(command: &mut Command) {
    let status = command.status().expect("the program runs");
    assert!(status.success(), "{command:?} failed");
}

fn measure(
    report: &mut Report,
    case: &str,
    mut runs: Vec<(&str, Box<dyn FnMut() + '_>)>,
    repetitions: usize,
    factor: f64,
    unit: &'static str,
) {
    let mut rivals: Vec<(&str, &mut dyn FnMut())> = Vec::new();
    for (name, run) in &mut runs {
        rivals.push((name, run.as_mut()));
    }
    let times = medians(repetitions, &mut rivals);
    for ((name, _), time) in runs.iter().zip(times) {
        report.add("process", case, name, time.as_secs_f64() * factor, unit);
    }
}

fn place(scratch: &Path, text: &[u8]) -> std::io::Result<(PathBuf, PathBuf)> {
    let (config, save) = (scratch.join("config"), scratch.join("save"));
    std::fs::create_dir_all(&config)?;
    std::fs::create_dir_all(&save)?;
    std::fs::write(config.join("big"), text)?;
    Ok((config, save))
}

fn small(report: &mut Report, scratch: &Path, programs: &[Program], repetitions: usize) -> Outcome {
    let (config, save) = place(scratch, &router())?;
    for (case, words) in
        [("get, 200 options", ["get", "big.host7.opt4"]), ("show, 200 options", ["show", "big"])]
    {
        compare(report, case, programs, &config, &save, &words, repetitions);
    }
    peak_memory(report, "get, 200 options", programs, &config, &save)
}

fn big(
    report: &mut Report,
    scratch: &Path,
    programs: &[Program],
    text: &[u8],
    repetitions: usize,
) -> Outcome {
    let (config, save) = place(scratch, text)?;
    for (case, words) in
        [("get, 1000k options", ["get", "big.host70000.opt4"]), ("show, 1000k options", ["show", "big"])]
    {
        compare(report, case, programs, &config, &save, &words, repetitions);
    }
    peak_memory(report, "get, 1000k options", programs, &config, &save)
}

fn compare(
    report: &mut Report,
    case: &str,
    programs: &[Program],
    config: &Path,
    save: &Path,
    words: &[&str],
    n: usize,
) {
    let runs = programs
        .iter()
        .map(|program| {
            let run: Box<dyn FnMut()> = Box::new(move || must(&mut command(program, config, save, words)));
            (program.name, run)
        })
        .collect();
    measure(report, case, runs, n, 1e3, "ms");
}

/// `set` and `commit`, two processes, the file synced.
fn commits(
    report: &mut Report,
    scratch: &Path,
    programs: &[Program],
    size: &str,
    text: &[u8],
    n: usize,
) -> Outcome {
    let (config, save) = place(scratch, text)?;
    let mut count = 0_u32;
    let counter = std::cell::RefCell::new(&mut count);
    let runs = programs
        .iter()
        .map(|program| {
            let (config, save, counter) = (&config, &save, &counter);
            let run: Box<dyn FnMut() + '_> = Box::new(move || {
                **counter.borrow_mut() += 1;
                let set = format!("big.host7.opt4=changed-{}", counter.borrow());
                must(&mut command(program, config, save, &["set", &set]));
                must(&mut command(program, config, save, &["commit", "big"]));
            });
            (program.name, run)
        })
        .collect();
    measure(report, &format!("set+commit, {size}"), runs, n, 1e3, "ms");
    Ok(())
}

/// The peak resident memory of `get`, as GNU time reports it; left out where that is not installed.
fn peak_memory(report: &mut Report, case: &str, programs: &[Program], config: &Path, save: &Path) -> Outcome {
    for program in programs {
        let inner = command(program, config, save, &["get", "big.host7.opt4"]);
        let script = "import os,resource,subprocess,sys; subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL,check=True); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
        let mut python = Command::new("python3");
        // vfork keeps Python's own pages out of the child's peak.
        python.args(["-S", "-c", script]).arg(inner.get_program()).args(inner.get_args());
        let Ok(output) = python.output() else { continue };
        if let Ok(kilobytes) = String::from_utf8_lossy(&output.stdout).trim().parse::<f64>() {
            report.add("memory", case, program.name, kilobytes / 1024.0, "MiB");
        }
    }
    Ok(())
}

/// The sizes of the shipped binaries.
pub fn sizes(report: &mut Report, scratch: &Path) -> Outcome {
    let mut paths: Vec<(String, PathBuf)> = programs(scratch)
        .into_iter()
        .filter(|p| p.name != "cms uci")
        .map(|p| (p.name.to_owned(), p.path))
        .collect();
    if let Some(small) = std::env::var_os("CMS_BIN_SMALL") {
        paths.push(("cms, small".into(), small.into()));
    }
    for (name, path) in paths {
        report.add("size", "binary", &name, std::fs::metadata(path)?.len() as f64 / 1e3, "kB");
    }
    Ok(())
}
