//! Two programs and the command commit to one package, while a disturbance hits them or the directories of the store:
//! each disturbance, with the second program in each place, at all levels of durability.
//!
//! In the end every acknowledged change is there once; a commit of the command in one place can be read in the other;
//! the logs are intact. A short run takes each row of the tables at least once, one with `CMS_EXHAUSTIVE` all
//! combinations.

use std::panic::catch_unwind;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::oracle::is_exhaustive;
use crate::support::parts::{Part, Paths, USER, command, root};

/// How long the programs write.
const LENGTH: Duration = Duration::from_millis(400);

/// The command that a program is started with (such as `setpriv`), and the directories it uses.
type Place = (Vec<String>, Paths);

/// Makes a place in a directory; `None` if that needs root, and the test does not run as root.
type FindPlace = fn(&Path) -> Option<Place>;

/// Disturbs a scene; the number counts the calls.
type Disturbance = fn(&mut Scene, usize);

const LEVELS: [[&str; 2]; 6] =
    [["full", "full"], ["log", "full"], ["log", "log"], ["log", "none"], ["full", "none"], ["none", "none"]];

/// The places from which the second program uses the store.
const PLACES: [(&str, FindPlace); 7] = [
    ("same place", |root| Some((vec![], Paths::of(root, "run", "state")))),
    ("run directory of its own", |root| Some((vec![], Paths::of(root, "run-b", "state")))),
    ("log of its own", |root| Some((vec![], Paths::of(root, "run", "state-b")))),
    ("run directory and log of its own", |root| Some((vec![], Paths::of(root, "run-b", "state-b")))),
    ("symbolic link", |root| {
        std::os::unix::fs::symlink("config", root.join("link")).expect("linked");
        Some((vec![], Paths { config: root.join("link"), ..Paths::of(root, "run", "state") }))
    }),
    ("bind mount", |root| {
        let may = Command::new("unshare").args(["-m", "true"]).status();
        may.is_ok_and(|status| status.success()).then(|| {
            let alias = root.join("alias");
            std::fs::create_dir(&alias).expect("made");
            let mount = "mount --bind \"$0\" \"$1\" && shift && exec \"$@\"".to_owned();
            let [from, to] = [root.join("config"), alias.clone()].map(|path| path.display().to_string());
            let under = ["unshare", "-m", "sh", "-c"].map(str::to_owned).into_iter().chain([mount, from, to]);
            (under.collect(), Paths { config: alias, ..Paths::of(root, "run", "state") })
        })
    }),
    ("another user", |root| {
        rustix::process::geteuid().is_root().then(|| {
            let under = ["setpriv".to_owned(), format!("--reuid={USER}"), "--clear-groups".to_owned()];
            (under.into(), Paths { save: root.join("save-b"), ..Paths::of(root, "run-b", "state-b") })
        })
    }),
];

/// The disturbances, repeated while the programs write.
const DISTURBANCES: [(&str, Disturbance); 10] = [
    ("nothing", |_, _| ()),
    ("a program is killed", |scene, round| scene.writers[round % 2].restart(scene.end)),
    ("a program is stopped", |scene, round| {
        // `stops` tests what others can do meanwhile.
        let part = scene.writers[round % 2].part();
        part.signal(Signal::STOP);
        std::thread::sleep(Duration::from_millis(30));
        part.signal(Signal::CONT);
    }),
    ("the run directories are deleted", |scene, _| {
        for name in ["run", "run-b"] {
            let _ = std::fs::remove_dir_all(scene.root.path().join(name));
        }
    }),
    ("the run directories are replaced", |scene, round| scene.replace(["run", "run-b"], round)),
    ("the state directories are replaced", |scene, round| scene.replace(["state", "state-b"], round)),
    ("another package is edited between set and commit", |scene, round| {
        scene.expect(0, &format!("set hand.h.n=set-{round}"), "");
        let text = format!("config h 'h'\n\toption n 'edit-{round}'\n");
        std::fs::write(scene.root.path().join("config/hand"), text).expect("written");
        scene.expect(5, "commit hand", "");
        scene.expect(0, "revert hand", "");
        scene.expect(0, "get hand.h.n", &format!("edit-{round}"));
    }),
    ("uci commits to the package", |scene, round| {
        let path = |name: &str| scene.root.path().join(name).display().to_string();
        let uci = format!("uci -c {} -t {}", path("config"), path("save"));
        scene.expect(0, &format!("{uci} set app.u.n={round}"), "");
        scene.expect(0, &format!("{uci} commit app"), "");
        scene.expect(0, "get app.u.n", &round.to_string());
    }),
    ("another package is made, deleted and brought back", |scene, round| {
        scene.expect(0, &format!("set --commit gone.g=g gone.g.n={round}"), "");
        // Others commit at the same time, so `-1` may be a state without this commit.
        let (_, history, said) = scene.writers[0].cms("history --number 1 gone");
        let made = history.split(' ').next().expect("a word");
        assert!(made.parse::<u64>().is_ok(), "{}: history of the package: '{history}' {said}", scene.what);
        std::fs::remove_file(scene.root.path().join("config/gone")).expect("it was made");
        scene.expect(1, "get gone.g.n", "");
        scene.expect(0, &format!("rollback {made} gone"), "");
        scene.expect(0, "get gone.g.n", &round.to_string());
    }),
    ("odd entries are in the directory", |scene, round| {
        let path = scene.root.path().join("config").join(format!("odd{round}"));
        match round % 4 {
            0 => mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).expect("made"),
            1 => std::os::unix::fs::symlink("/dev/null", &path).expect("linked"),
            2 => std::fs::create_dir(&path).expect("made"),
            _ => drop(std::os::unix::net::UnixListener::bind(&path).expect("bound")),
        }
        let _ = std::fs::write(scene.root.path().join("config").join(format!(".{round}.swp")), "x");
    }),
];

/// A program that counts up, and the numbers it had acknowledged before it was killed.
struct Writer {
    name: &'static str,
    place: Place,
    level: &'static str,
    part: Option<Part>,
    said: Vec<String>,
}

impl Writer {
    fn under(&self) -> Vec<&str> {
        self.place.0.iter().map(String::as_str).collect()
    }

    fn start(&mut self, end: Instant) {
        let millis = end.saturating_duration_since(Instant::now()).as_millis();
        let told = format!("{} {millis}", self.name);
        self.part = Some(Part::start(&self.under(), "counts", &self.place.1, self.level, &told));
    }

    fn part(&mut self) -> &mut Part {
        self.part.as_mut().expect("it was started")
    }

    /// Kills it once it has committed something, and starts it again.
    fn restart(&mut self, end: Instant) {
        let mut part = self.part.take().expect("it was started");
        self.said.extend(part.word());
        self.said.extend(part.killed());
        self.start(end);
    }

    fn cms(&self, words: &str) -> (Option<i32>, String, String) {
        let arguments: Vec<&str> = ["--lock-timeout", "30"].into_iter().chain(words.split(' ')).collect();
        // Stock uci's command has no such option.
        command(
            &self.under(),
            &self.place.1,
            if words.starts_with("uci ") { &arguments[2..] } else { &arguments },
        )
    }
}

struct Scene {
    what: String,
    root: TempDir,
    writers: [Writer; 2],
    end: Instant,
}

impl Scene {
    fn new(what: String, root: TempDir, other: Place, levels: [&'static str; 2]) -> Self {
        let text = "config a 's'\n\toption n '0'\n\nconfig u 'u'\n\toption n '0'\n";
        for (name, text) in [("app", text), ("hand", "config h 'h'\n\toption n '0'\n")] {
            crate::support::parts::write(root.path(), name, text);
        }
        let first = (vec![], Paths::of(root.path(), "run", "state"));
        let writer = |name, place, level| Writer { name, place, level, part: None, said: Vec::new() };
        let writers = [writer("w0", first, levels[0]), writer("w1", other, levels[1])];
        Self { what, root, writers, end: Instant::now() + LENGTH }
    }

    /// Runs the command with the directories of the first place; it must succeed.
    fn expect(&self, code: i32, words: &str, printed: &str) {
        let (ended, found, said) = self.writers[0].cms(words);
        let is_right = ended == Some(code) && (printed.is_empty() || found == printed);
        assert!(is_right, "{}: {words}: {ended:?} '{found}', not {code} '{printed}': {said}", self.what);
    }

    /// Commits with the command in one place, and reads in both.
    fn read_back(&self, number: usize) {
        let (code, _, said) = self.writers[number % 2].cms(&format!("set --commit app.s.t={number}"));
        assert_eq!(code, Some(0), "{}: a commit: {said}", self.what);
        for writer in &self.writers {
            let (code, found, said) = writer.cms("get app.s.t");
            assert_eq!((code, found), (Some(0), number.to_string()), "{}: a read: {said}", self.what);
        }
    }

    fn replace(&self, names: [&str; 2], round: usize) {
        for name in names {
            let old = self.root.path().join(format!("old-{name}-{round}"));
            let _ = std::fs::rename(self.root.path().join(name), old);
        }
    }

    /// Checks that every acknowledged change is there, once all programs have ended. Returns their number.
    fn check(mut self) -> usize {
        for writer in &mut self.writers {
            let part = writer.part.take().expect("it was started");
            writer.said.extend(part.words());
        }
        for writer in &self.writers {
            for words in ["get app.s.t", "audit verify", &format!("set --commit app.s.{}=end", writer.name)] {
                let (code, _, said) = writer.cms(words);
                assert_eq!(code, Some(0), "{}: {words}: {said}", self.what);
            }
        }
        let text = self.writers[0].place.1.text();
        for writer in &self.writers {
            let item = |number: &String| format!("list l '{}-{number}'\n", writer.name);
            let lost = writer.said.iter().find(|number| text.matches(&item(number)).count() != 1);
            assert_eq!(lost, None, "{}: of {} it is lost or there twice", self.what, writer.name);
            assert!(text.contains(&format!("option {} 'end'\n", writer.name)), "{}", self.what);
            assert!(!writer.said.is_empty(), "{}: {} was kept from committing", self.what, writer.name);
        }
        let left = std::fs::read_dir(self.root.path().join("config")).expect("there").flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect();
        let is_ours = |name: &&String| name.ends_with(".behind") || name.contains(".cms-");
        assert_eq!(left.iter().find(is_ours), None, "{}: it is left", self.what);
        self.writers.iter().map(|writer| writer.said.len()).sum()
    }
}

/// Runs one combination; `None` if it is not possible here.
fn play(disturbance: usize, place: usize, levels: usize) -> Option<usize> {
    let ((disturbance, make), (place, other), levels) =
        (DISTURBANCES[disturbance], PLACES[place], LEVELS[levels]);
    let what = format!("{disturbance}; {place}; {levels:?}");
    let root = root();
    let Some(other) = other(root.path()) else {
        eprintln!("skipped: {what}: it takes root");
        return None;
    };
    let mut scene = Scene::new(what, root, other, levels);
    let end = scene.end;
    scene.writers.iter_mut().for_each(|writer| writer.start(end));
    let mut round = 0;
    while round < 2 || Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
        make(&mut scene, round);
        scene.read_back(round * 2);
        round += 1;
    }
    Some(scene.check())
}

#[test]
fn whatever_is_done_to_writers_and_directories_nothing_acknowledged_is_lost() {
    let (disturbances, places, levels) = (0..DISTURBANCES.len(), PLACES.len(), LEVELS.len());
    let all: Vec<[usize; 3]> = match is_exhaustive() {
        true => disturbances
            .flat_map(|disturbance| {
                (0..places * levels).map(move |rest| [disturbance, rest % places, rest / places])
            })
            .collect(),
        // Each place and each level is used at least once, since there are more disturbances.
        false => disturbances
            .map(|disturbance| [disturbance, disturbance % places, disturbance % levels])
            .collect(),
    };
    // A combination that fails is reported by its panic; the others run all the same.
    let play = |&[disturbance, place, levels]: &[usize; 3]| catch_unwind(|| play(disturbance, place, levels));
    let (played, failed): (Vec<_>, Vec<_>) = all.iter().map(play).partition(Result::is_ok);
    let commits: usize = played.iter().flatten().flatten().sum();
    println!("{} combinations, {commits} commits", all.len());
    assert!(failed.is_empty(), "{} of {} combinations have failed", failed.len(), all.len());
}

#[test]
fn x_h7_state_directories_that_are_replaced_again_and_again_cost_nothing() {
    // The second program in the same place, with its own run directory, or with its own log.
    let lost: Vec<usize> = (0..3).filter(|place| catch_unwind(|| play(5, *place, 2)).is_err()).collect();
    assert!(lost.is_empty(), "the second program in place {lost:?}");
}
