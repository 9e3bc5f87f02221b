//! Following changes: `watch` tells them or runs a command for each, `run` has a program follow them.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use cms::log::{Content, KeyChange, What};
use cms::{Changed, Event, EventKind, Pattern, Store, Watch};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, set_parent_process_death_signal};
use serde_json::{Value as Json, json};

use super::context::{Context, show};
use super::failure::{Exit, Failure, tell};
use super::history::{Users, change_json, change_line, record_json, record_title};
use super::line::Line;
use super::variables::set as set_variables;

/// How long a program that is to be restarted has to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

fn number(line: &Line, name: &str) -> Result<Option<u64>, Failure> {
    let Some(text) = line.text(name) else { return Ok(None) };
    let wrong = || Failure::Usage(format!("--{name}: '{text}' is not a number"));
    text.parse().map(Some).map_err(|_| wrong())
}

fn open(context: &Context, patterns: &[Vec<u8>], since: Option<u64>) -> Result<Watch, Failure> {
    let patterns: Vec<String> = patterns.iter().map(|pattern| show(pattern)).collect();
    let pattern = if patterns.is_empty() { "*".to_owned() } else { patterns.join(" ") };
    let live = Store::open(context.store.options().clone())?;
    Ok(live.watch(&pattern, since)?)
}

/// Waits until there may be an event, or `other` is readable, or broken; at most that long.
fn wait(watch: &mut Watch, other: Option<&dyn AsFd>, left: Option<Duration>) -> Result<(), Failure> {
    let fd = watch.fd()?;
    let mut fds = vec![PollFd::new(&fd, PollFlags::IN)];
    let others = other.map(AsFd::as_fd);
    if let Some(other) = &others {
        fds.push(PollFd::new(other, PollFlags::IN));
    }
    let timeout = left.and_then(|left| Timespec::try_from(left).ok());
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(Failure::Other(Exit::Io, format!("cannot wait: {error}"))),
    }
}

pub fn event_json(event: &Event, users: &mut Users) -> Json {
    let mut row = record_json(event.record(), users);
    row["changes"] =
        event.changes().map(|Changed { package, change }| change_json(package, change)).collect();
    row["unknown"] = event.unknown().collect();
    if event.first() != event.sequence() {
        row["first"] = json!(event.first());
    }
    row
}

/// Tells an event.
fn print(context: &mut Context, event: &Event, users: &mut Users) -> Result<(), Failure> {
    if context.json {
        let row = event_json(event, users);
        context.put_json(&row)?;
    } else {
        let title = record_title(event.record(), users);
        context.say(&title)?;
        for Changed { package, change } in event.changes() {
            context.put_line(&[b"    ", &change_line(package, change)[..]].concat())?;
        }
        for package in &event.record().packages {
            match event.kind() {
                EventKind::Broken => context.say(&format!(
                    "    {}: cannot be parsed; what it said before goes on",
                    package.package
                ))?,
                EventKind::Mended => context.say(&format!("    {}: can be parsed again", package.package))?,
                _ => {}
            }
        }
        for package in event.unknown() {
            context.say(&format!("    {package}: what was changed is not known"))?;
        }
    }
    Ok(context.out.flush()?)
}

/// What a variable says of a value: the string, or the items with blanks between them.
fn words(content: Option<&Content>) -> Vec<u8> {
    content.map_or(&[][..], Content::items).join(&b' ')
}

/// What is told of a change as variables.
pub fn variables(changed: Changed<'_>) -> [(&'static str, OsString); 4] {
    let text = |bytes: Vec<u8>| OsString::from_vec(bytes);
    [
        ("CMS_KEY", text(changed.key())),
        ("CMS_CHANGE", changed.kind().into()),
        ("CMS_OLD", text(words(changed.before()))),
        ("CMS_NEW", text(words(changed.after()))),
    ]
}

/// Runs the command for each change of an event, one after the other.
fn execute(context: &Context, command: &[u8], event: &Event, users: &mut Users) -> Result<(), Failure> {
    let json = event_json(event, users);
    let rows = json["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (changed, row) in event.changes().zip(rows) {
        let mut input = json.clone();
        input["change"] = row.clone();
        let mut shell = Command::new("/bin/sh");
        set_variables(&mut shell, variables(changed));
        let mut child = shell
            .arg("-c")
            .arg(OsStr::from_bytes(command))
            .env("CMS_REVISION", event.sequence().to_string())
            .envs(directories(context))
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::Other(Exit::Io, format!("cannot run /bin/sh: {error}")))?;
        if let Some(mut stdin) = child.stdin.take() {
            // Whoever does not read it does not want it.
            let _ = writeln!(stdin, "{input}");
        }
        let ended =
            child.wait().map_err(|error| Failure::Other(Exit::Io, format!("cannot wait: {error}")))?;
        if !ended.success() {
            tell(&format!("cms: warning: {}: the command has failed: {ended}", show(&changed.key())));
        }
    }
    Ok(())
}

/// Where this command works, so that one that is started works there as well.
pub fn directories(context: &Context) -> Vec<(&'static str, OsString)> {
    let dirs = context.store.dirs();
    let some = |name, dir: &cms::Dir| (name, dir.path.clone().into_os_string());
    let mut all = vec![some("CMS_CONFIG_DIR", &dirs.config), some("CMS_SAVE_DIR", &dirs.save)];
    all.extend(dirs.run.as_ref().map(|dir| some("CMS_RUN_DIR", dir)));
    all.extend(dirs.state.as_ref().map(|dir| some("CMS_STATE_DIR", dir)));
    all
}

pub fn watch(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let since = line.text("since").map(|spec| context.store.find_revision(&spec)).transpose()?;
    let (count, timeout) = (number(line, "count")?, line.seconds("timeout")?);
    let command = line.value("exec");
    let mut watch = open(context, &line.arguments, since)?;
    // What happens while a command runs is one change for each key.
    watch.set_merging(command.is_some());
    let mut users = Users::default();
    let mut told = 0;
    let mut deadline = timeout.map(|timeout| Instant::now() + timeout);
    let stdout = std::io::stdout();
    while count.is_none_or(|count| told < count) {
        match watch.next(Some(Duration::ZERO))? {
            Some(event) => {
                match command {
                    Some(command) => execute(context, command, &event, &mut users)?,
                    None => print(context, &event, &mut users)?,
                }
                told += 1;
                deadline = timeout.map(|timeout| Instant::now() + timeout);
            }
            None => {
                let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                if left == Some(Duration::ZERO) {
                    return Ok(Exit::TimeOut);
                }
                wait(&mut watch, None, left)?;
                if command.is_none() && is_closed(&stdout) {
                    return Err(Failure::BrokenPipe);
                }
            }
        }
    }
    Ok(Exit::Ok)
}

/// Reports whether nobody reads the output any more.
fn is_closed(stdout: &std::io::Stdout) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::new(stdout, PollFlags::empty())];
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::ERR)
}

/// A program that follows changes.
struct Program {
    patterns: Vec<String>,
    child: Child,
    /// Readable once the program has ended.
    ended: Option<OwnedFd>,
}

pub fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let words = line.expect(1, usize::MAX)?;
    let signal = match line.text("signal") {
        Some(name) => named(&name).ok_or_else(|| Failure::Usage(format!("no signal '{name}'")))?,
        None => Signal::HUP,
    };
    let patterns: Vec<Vec<u8>> = line.values("watch").map(<[u8]>::to_vec).collect();
    let in_environment: Vec<String> = line.values("env").map(show).collect();
    // Before the program reads anything, so that no change is missed.
    let mut watch = open(context, &patterns, None)?;
    let mut program = start(context, words, in_environment)?;
    loop {
        if let Some(status) = program.child.try_wait()? {
            context.out.flush()?;
            let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
            std::process::exit(code);
        }
        let mut changed = 0;
        while let Some(event) = next_or_all(&mut watch, &mut changed)? {
            // What a text says that cannot be parsed, nobody reads.
            if !event.is_empty() && event.kind() != EventKind::Broken {
                changed = event.sequence();
            }
        }
        if changed == 0 {
            let blind = program.ended.is_none().then_some(Duration::from_millis(200));
            wait(&mut watch, program.ended.as_ref().map(|fd| fd as &dyn AsFd), blind)?;
            continue;
        }
        context.verbose(&format!("{} is told of {changed}", show(&words[0])));
        if line.has("restart") {
            let (patterns, mut old) = (program.patterns, program.child);
            end(&mut old)?;
            program = start(context, words, patterns)?;
        } else {
            let _ = kill_process(Pid::from_child(&program.child), signal);
        }
    }
}

/// Returns the next event. Where some are not kept any more, or the configuration directory is another one, everything
/// may have changed.
fn next_or_all(watch: &mut Watch, changed: &mut u64) -> Result<Option<Event>, Failure> {
    match watch.next(Some(Duration::ZERO)) {
        Err(cms::Error::TooOld { revision, .. }) => {
            *changed = revision.max(1);
            Ok(watch.next(Some(Duration::ZERO))?)
        }
        event => Ok(event?),
    }
}

fn named(name: &str) -> Option<Signal> {
    let upper = name.to_ascii_uppercase();
    Some(match upper.strip_prefix("SIG").unwrap_or(&upper) {
        "HUP" | "1" => Signal::HUP,
        "INT" | "2" => Signal::INT,
        "QUIT" | "3" => Signal::QUIT,
        "USR1" | "10" => Signal::USR1,
        "USR2" | "12" => Signal::USR2,
        "TERM" | "15" => Signal::TERM,
        "CONT" | "18" => Signal::CONT,
        "WINCH" | "28" => Signal::WINCH,
        _ => return None,
    })
}

/// Starts the program, so that it ends when this process does.
fn start(context: &Context, words: &[Vec<u8>], patterns: Vec<String>) -> Result<Program, Failure> {
    let failed =
        |error: std::io::Error| Failure::Other(Exit::Io, format!("cannot run {}: {error}", show(&words[0])));
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    set_variables(&mut command, values(context, &patterns)?);
    let child = command
        .arg(TETHERED)
        .arg(std::process::id().to_string())
        .args(words.iter().map(|word| OsStr::from_bytes(word)))
        .envs(directories(context))
        .spawn()
        .map_err(failed)?;
    let ended = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok();
    Ok(Program { patterns, child, ended })
}

/// Ends the program: asks first.
fn end(child: &mut Child) -> Result<(), Failure> {
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Returns the values that patterns select as variables, named as `cms get --sh` does.
fn values(context: &Context, patterns: &[String]) -> Result<Vec<(String, OsString)>, Failure> {
    let mut found = Vec::new();
    if patterns.is_empty() {
        return Ok(found);
    }
    let pattern = Pattern::parse(&patterns.join(" "))?;
    for name in context.store.packages()?.into_iter().filter(|name| pattern.selects_package(name)) {
        let loaded = context.store.load_committed(context.store.place(name.as_bytes())?)?;
        for section in loaded.package.sections() {
            for option in section.options() {
                let key = KeyChange {
                    section: section.name().to_vec(),
                    option: Some(option.name().to_vec()),
                    what: What::Added(Content::List(Vec::new())),
                };
                if pattern.selects(&name, &key) {
                    let items: Vec<&[u8]> = option.value().items().collect();
                    let value = OsStr::from_bytes(&items.join(&b' ')).to_owned();
                    found.push((super::read::variable(&show(&key.key(&name))), value));
                }
            }
        }
    }
    Ok(found)
}

/// The first word of the command line that [`tethered`] runs.
pub const TETHERED: &str = "__tethered";

/// Becomes a program that ends when the process of the number given does: `NUMBER PROGRAM WORD...`.
pub fn tethered(words: &[OsString]) -> ExitCode {
    let [parent, program, arguments @ ..] = words else { return Exit::Usage.into() };
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().to_string());
    if now.as_deref().map(OsStr::new) != Some(parent) {
        // It has ended already.
        return Exit::Io.into();
    }
    let error = Command::new(program).args(arguments).exec();
    tell(&format!("cms: {}: {error}", program.display()));
    ExitCode::from(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 })
}
