//! Writers in several processes are killed at random moments, again and again: acknowledged commits are there, and no
//! transaction is there in part. Of writers that are not killed, each commit is there or has failed with a conflict.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cms::testing::Files;
use cms::{Durability, Error, Options, Store};

use crate::support::dice::Dice;
use crate::support::oracle::{Chain, litter, options, scratch};
use crate::support::parts::this_program;

const DIR: &str = "CMS_KILLS_DIR";
const WRITER: &str = "CMS_KILLS_WRITER";

const PACKAGES: [&str; 3] = ["one", "three", "two"];
const WRITERS: usize = 4;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn told(name: &str) -> PathBuf {
    std::env::var_os(name).expect("it is told").into()
}

/// The log is small, so that segments are begun and dropped all the time.
fn patient(dir: &Path) -> Options {
    options(dir, Files::default(), 256 << 10).lock_timeout(Duration::from_secs(60))
}

fn open(dir: &Path) -> Store {
    Store::open(patient(dir)).expect("opens")
}

/// Opens a store as [`open`]; for every other writer, one that defers its texts, sometimes until other programs place
/// them.
fn open_mixed(dir: &Path) -> Store {
    let options = patient(dir);
    if number(WRITER, 0).is_multiple_of(2) {
        return Store::open(options).expect("opens");
    }
    let text_delay = Duration::from_millis(20);
    Store::open(options.durability(Durability::Log).text_delay(text_delay)).expect("opens")
}

/// Opens a store whose commits survive the process, but not a power cut.
fn open_careless(dir: &Path) -> Store {
    Store::open(patient(dir).durability(Durability::None)).expect("opens")
}

fn play(role: &str, dir: &Path, writer: usize) -> Command {
    let mut command = this_program("writer_kills", role);
    command.stdout(Stdio::piped()).env(DIR, dir).env(WRITER, writer.to_string());
    command
}

/// Runs a role in another process.
pub fn role(role: &str) {
    match role {
        "mortal" => mortal_writer(open_mixed),
        "careless" => mortal_writer(open_careless),
        "living" => living_process(),
        other => panic!("no such part: {other}"),
    }
}

/// A process. Dropping this kills it.
struct Mortal(Child);

impl Drop for Mortal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(live: &Store, key: &str) -> u64 {
    let read = |value: cms::map::MapValue<'_>| {
        let text = String::from_utf8_lossy(value.items().next().unwrap_or_default()).into_owned();
        text.split(':').next().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{key}: {text}"))
    };
    live.get(key.as_bytes(), read).expect("read").unwrap_or_else(|| panic!("{key} is gone"))
}

/// Writes the next number to its section of all packages, and prints the number, until it is killed.
fn mortal_writer(open: impl Fn(&Path) -> Store) {
    let (dir, writer) = (told(DIR), number(WRITER, 0));
    let live = open(&dir);
    let mut next = get(&live, &format!("one.w{writer}.v")) + 1;
    let mut out = std::io::stdout();
    loop {
        let mut transaction = live.begin().expect("few are open");
        for package in PACKAGES {
            let value = format!("{next}:{}", "x".repeat(usize::try_from(next % 700).expect("small")));
            transaction.set(format!("{package}.w{writer}.v").as_bytes(), value.as_bytes()).expect("set");
        }
        match transaction.commit() {
            Ok(_) => {
                writeln!(out, "done {next}.").and_then(|()| out.flush()).expect("said");
                next += 1;
            }
            Err(Error::Conflict { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A writer, and the numbers that it has printed so far.
struct Watched {
    process: Mortal,
    said: std::sync::mpsc::Receiver<u64>,
}

fn start(role: &str, dir: &Path, writer: usize) -> Watched {
    let mut process = Mortal(play(role, dir, writer).spawn().expect("runs"));
    let out = BufReader::new(process.0.stdout.take().expect("piped"));
    let (tell, said) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            // A line that the kill cut off does not count; before the first number the test prints its name.
            if let Some(number) =
                line.rsplit_once("done ").and_then(|(_, number)| number.strip_suffix('.')?.parse().ok())
            {
                let _ = tell.send(number);
            }
        }
    });
    Watched { process, said }
}

impl Watched {
    /// Kills it, and returns the last number it acknowledged.
    fn kill(mut self) -> u64 {
        self.process.0.kill().expect("killed");
        let status = self.process.0.wait().expect("ended");
        assert_eq!(status.code(), None, "a writer has ended by itself");
        self.said.iter().last().unwrap_or(0)
    }
}

fn sandbox(packages: &[&str], sections: usize) -> tempfile::TempDir {
    let root = scratch();
    std::fs::create_dir(root.path().join("config")).expect("made");
    let text: String = (0..sections).map(|index| format!("config s 'w{index}'\n\toption v '0'\n")).collect();
    for package in packages {
        std::fs::write(root.path().join("config").join(package), &text).expect("written");
    }
    root
}

#[test]
fn writers_that_are_killed_leave_whole_transactions_and_all_they_acknowledged() {
    kill_writers("mortal", number("CMS_KILLS", 100));
}

/// Nothing is synced, but no end of a process, not even a kill, loses a commit.
#[test]
fn writers_that_sync_nothing_and_are_killed_leave_as_much() {
    kill_writers("careless", number("CMS_KILLS", 40));
}

fn kill_writers(role: &str, kills: usize) {
    let root = sandbox(&PACKAGES, WRITERS);
    let dir = root.path();
    open(dir).engine().history().note_edits().expect("noted");
    let mut dice = Dice(number("CMS_SEED", 4711) as u64);
    let mut acknowledged = [0; WRITERS];
    let mut writers: Vec<Option<Watched>> =
        (0..WRITERS).map(|writer| Some(start(role, dir, writer))).collect();
    let mut done = 0;
    while done < kills {
        std::thread::sleep(Duration::from_micros(10_000 + 100 * dice.roll(600) as u64));
        // Sometimes all are killed at once, so that only the next program can finish their commits.
        let victims: Vec<usize> =
            if dice.roll(4) == 0 { (0..WRITERS).collect() } else { vec![dice.roll(WRITERS)] };
        for victim in &victims {
            let last = writers[*victim].take().expect("running").kill();
            acknowledged[*victim] = acknowledged[*victim].max(last);
            done += 1;
        }
        look(dir, &mut acknowledged, &victims, done);
        victims.into_iter().for_each(|victim| writers[victim] = Some(start(role, dir, victim)));
    }
    for (writer, watched) in writers.into_iter().enumerate() {
        acknowledged[writer] = acknowledged[writer].max(watched.expect("running").kill());
    }
    look(dir, &mut acknowledged, &[0, 1, 2, 3], done);
    println!("{done} kills, {} commits", acknowledged.iter().sum::<u64>());
}

/// Opens the store again, and checks the keys of the killed writers, which the running ones do not change.
fn look(dir: &Path, acknowledged: &mut [u64; WRITERS], dead: &[usize], done: usize) {
    let live = open(dir);
    live.engine().confirmations().recover().unwrap_or_else(|error| panic!("after {done} kills: {error}"));
    // Recovery does nothing while another process has the lock: that one recovers.
    let recovered = live.engine().history().note_edits();
    recovered.unwrap_or_else(|error| panic!("after {done} kills: {error}"));
    for writer in dead {
        let numbers = PACKAGES.map(|package| in_text(dir, package, *writer));
        let what = format!("after {done} kills, writer {writer}: {numbers:?}");
        assert!(numbers.iter().all(|number| *number == numbers[0]), "half of a commit {what}");
        let last = acknowledged[*writer];
        assert!(numbers[0] == last || numbers[0] == last + 1, "{last} was acknowledged {what}");
        let maps = PACKAGES.map(|package| get(&live, &format!("{package}.w{writer}.v")));
        assert_eq!(maps, numbers, "maps and texts differ {what}");
        // The number was read, and must stay.
        acknowledged[*writer] = numbers[0];
    }
    if dead.len() == WRITERS {
        let log = Chain::read(&dir.join("state"), "at rest");
        assert!(log.last_is_applied && !log.kinds.contains(&Chain::FILE_EDIT), "{:?}", log.kinds);
    }
}

fn in_text(dir: &Path, package: &str, writer: usize) -> u64 {
    let text = std::fs::read_to_string(dir.join("config").join(package)).expect("there");
    let found = text.split_once(&format!("config s 'w{writer}'\n\toption v '")).map(|(_, rest)| rest);
    let number = found.and_then(|rest| rest.split([':', '\'']).next()).and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("{package}: {text}"))
}

/// The largest number of packages in a transaction of the writers that are not killed.
const MANY: usize = 20;

/// The outcome of the commits of some writers.
#[derive(Debug, Default)]
struct Tally {
    conflicts: usize,
    /// The longest time from the start of a commit to its end.
    longest: Duration,
}

/// Commits `commits` times, each over some packages, and retries after each conflict.
fn living_writer(live: &Store, writer: usize, commits: usize) -> Tally {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d ^ ((writer as u64 + 1) << 20));
    let mut tally = Tally::default();
    for number in 1..=commits {
        let (first, count) = (dice.roll(MANY), 1 + dice.roll(MANY));
        let begun = Instant::now();
        loop {
            let mut transaction = live.begin().expect("few are open");
            for index in (first..first + count).map(|index| index % MANY) {
                let key = format!("p{index:02}.w{writer}.o{number}");
                transaction.set(key.as_bytes(), number.to_string().as_bytes()).expect("set");
                // All writers also add to the same lists, so that they do not only change their own options. There
                // are ten lists, since a change of a list is logged with all its items.
                let list = format!("p{index:02}.all.l{}", number % 10);
                transaction
                    .add_list(list.as_bytes(), format!("{writer}-{number}").as_bytes())
                    .expect("added");
            }
            match transaction.commit() {
                Ok(_) => break,
                Err(Error::Conflict { .. }) => tally.conflicts += 1,
                Err(error) => panic!("{error}"),
            }
        }
        tally.longest = tally.longest.max(begun.elapsed());
    }
    tally
}

const PROCESSES: usize = 8;
const THREADS: usize = 4;

fn living_process() {
    let (dir, process) = (told(DIR), number(WRITER, 0));
    let live = open(&dir);
    let commits = number("CMS_COMMITS", 5);
    let tallies = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let live = live.clone();
                scope.spawn(move || living_writer(&live, process * THREADS + thread, commits))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
    });
    for tally in tallies {
        println!("tally {} {}", tally.conflicts, tally.longest.as_micros());
    }
}

#[test]
fn thirty_two_writers_over_many_packages_lose_no_update() {
    let commits = number("CMS_COMMITS", 5);
    let names: Vec<String> = (0..MANY).map(|index| format!("p{index:02}")).collect();
    let root = sandbox(&names.iter().map(String::as_str).collect::<Vec<_>>(), PROCESSES * THREADS);
    for name in &names {
        let path = root.path().join("config").join(name);
        let text = std::fs::read_to_string(&path).expect("there") + "config s 'all'\n";
        std::fs::write(path, text).expect("written");
    }
    let begun = Instant::now();
    let processes: Vec<Child> =
        (0..PROCESSES).map(|process| play("living", root.path(), process).spawn().expect("runs")).collect();
    let (mut conflicts, mut longest) = (0, Duration::ZERO);
    for process in processes {
        let output = process.wait_with_output().expect("ended");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        for tally in said.lines().filter_map(|line| line.strip_prefix("tally ")) {
            let (count, micros) = tally.split_once(' ').expect("two");
            conflicts += count.parse::<usize>().expect("a number");
            longest = longest.max(Duration::from_micros(micros.parse().expect("a number")));
        }
    }
    let took = begun.elapsed();
    check_updates(root.path(), commits);
    let all = PROCESSES * THREADS * commits;
    println!(
        "{all} commits of {} writers in {took:?}: {conflicts} conflicts told, longest wait {longest:?}",
        PROCESSES * THREADS
    );
}

/// Every update of every writer is there, once, and in the order of its writer.
fn check_updates(root: &Path, commits: usize) {
    let mut texts = BTreeMap::new();
    for index in 0..MANY {
        let text = std::fs::read_to_string(root.join("config").join(format!("p{index:02}"))).expect("there");
        texts.insert(index, text);
    }
    for writer in 0..PROCESSES * THREADS {
        let mut dice = Dice(0x2545_f491_4f6c_dd1d ^ ((writer as u64 + 1) << 20));
        for number in 1..=commits {
            let (first, count) = (dice.roll(MANY), 1 + dice.roll(MANY));
            for index in (first..first + count).map(|index| index % MANY) {
                let text = &texts[&index];
                let section = text.split_once(&format!("config s 'w{writer}'\n")).expect("there").1;
                let section = section.split("config s ").next().unwrap_or_default();
                let option = format!("\toption o{number} '{number}'\n");
                assert_eq!(section.matches(&option).count(), 1, "p{index:02}: update {number} of {writer}");
                let item = format!("\tlist l{} '{writer}-{number}'\n", number % 10);
                assert_eq!(text.matches(&item).count(), 1, "p{index:02}: item {number} of {writer}");
            }
        }
    }
    let log = Chain::read(&root.join("state"), "at the end");
    assert!(log.last_is_applied && !log.kinds.contains(&Chain::FILE_EDIT), "{:?}", log.kinds);
    assert!(litter(root).is_empty(), "{:?}", litter(root));
}
