//! Several processes on one package at once: no update is lost, no editor's work is overwritten.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

const PROCESSES: usize = 8;
const ROUNDS: usize = 50;

fn sandbox() -> TempDir {
    let root = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(root.path().join("config")).expect("made");
    let sections: String = (0..PROCESSES).map(|i| format!("config a 's{i}'\n\toption o '0'\n")).collect();
    std::fs::write(root.path().join("config/n"), format!("# head\n{sections}")).expect("written");
    root
}

/// Starts a shell that sets and commits its own option again and again, and counts the successes.
fn writer(root: &Path, index: usize, save: &str) -> Child {
    let script = format!(
        "i=0; while [ $i -lt {ROUNDS} ]; do i=$((i+1)); \
         \"$CMS\" set n.s{index}.o$i=$i && \"$CMS\" commit n || exit $?; done"
    );
    Command::new("sh")
        .args(["-c", &script])
        .env("CMS", env!("CARGO_BIN_EXE_cms"))
        .env("CMS_CONFIG_DIR", root.join("config"))
        .env("CMS_SAVE_DIR", root.join(save))
        .env("CMS_RUN_DIR", root.join("run"))
        .env("CMS_STATE_DIR", root.join("state"))
        .stdin(Stdio::null())
        .spawn()
        .expect("sh runs")
}

fn count_survivors(root: &Path) -> usize {
    let text = std::fs::read_to_string(root.join("config/n")).expect("the package");
    (0..PROCESSES)
        .map(|index| {
            let from = text.find(&format!("config a 's{index}'")).expect("the section");
            let section = text[from..].split("\nconfig ").next().unwrap_or_default();
            (1..=ROUNDS).filter(|i| section.contains(&format!("\toption o{i} '{i}'"))).count()
        })
        .sum()
}

fn run_writers(root: &Path, save: impl Fn(usize) -> String) {
    let writers: Vec<Child> = (0..PROCESSES).map(|index| writer(root, index, &save(index))).collect();
    for mut writer in writers {
        assert!(writer.wait().expect("ends").success());
    }
}

#[test]
fn eight_writers_with_a_shared_save_directory_lose_nothing() {
    let root = sandbox();
    run_writers(root.path(), |_| "save".into());
    assert_eq!(count_survivors(root.path()), PROCESSES * ROUNDS);
}

#[test]
fn eight_writers_with_save_directories_of_their_own_lose_nothing() {
    let root = sandbox();
    run_writers(root.path(), |index| format!("save{index}"));
    assert_eq!(count_survivors(root.path()), PROCESSES * ROUNDS);
}

#[test]
fn writers_without_a_common_run_directory_lose_nothing() {
    let root = sandbox();
    let writers: Vec<Child> = (0..PROCESSES)
        .map(|index| {
            // Without a run directory only the locks of the files exclude other writers.
            let mut child = Command::new("sh");
            let script = format!(
                "for i in $(seq {ROUNDS}); do \"$CMS\" set n.s{index}.o$i=$i && \"$CMS\" commit n || exit $?; done"
            );
            child
                .args(["-c", &script])
                .env("CMS", env!("CARGO_BIN_EXE_cms"))
                .env("CMS_CONFIG_DIR", root.path().join("config"))
                .env("CMS_SAVE_DIR", root.path().join("save"))
                .env("CMS_RUN_DIR", root.path().join(format!("run{index}")))
                .env("CMS_STATE_DIR", root.path().join(format!("state{index}")));
            child.spawn().expect("sh runs")
        })
        .collect();
    for mut writer in writers {
        assert!(writer.wait().expect("ends").success());
    }
    assert_eq!(count_survivors(root.path()), PROCESSES * ROUNDS);
}

/// Saves like an editor: reads, changes a line, checks whether the file has changed since, replaces it. Returns
/// whether it saved.
fn edit(file: &Path, number: usize) -> bool {
    let stamp = || {
        std::fs::metadata(file).ok().map(|found| {
            use std::os::unix::fs::MetadataExt;
            (found.ino(), found.size(), found.mtime(), found.mtime_nsec())
        })
    };
    let (before, Ok(text)) = (stamp(), std::fs::read_to_string(file)) else { return false };
    let swap: PathBuf = file.with_file_name(".n.swp");
    std::fs::write(&swap, format!("{text}# edit {number}\n")).expect("written");
    if stamp() != before {
        return false;
    }
    std::fs::rename(&swap, file).expect("renamed");
    true
}

#[test]
fn an_editor_that_saves_in_between_keeps_its_edits() {
    let root = sandbox();
    let file = root.path().join("config/n");
    let done = AtomicBool::new(false);
    let saved = std::thread::scope(|scope| {
        let editor = scope.spawn(|| {
            let mut saved = Vec::new();
            for number in 0..100_000 {
                if done.load(Ordering::Acquire) {
                    break;
                }
                if edit(&file, number) {
                    saved.push(number);
                }
                std::thread::sleep(std::time::Duration::from_millis(150));
            }
            saved
        });
        let writers: Vec<Child> = (0..PROCESSES).map(|index| writer(root.path(), index, "save")).collect();
        let ended: Vec<_> = writers.into_iter().map(|mut writer| writer.wait()).collect();
        done.store(true, Ordering::Release);
        assert!(ended.into_iter().all(|status| status.is_ok_and(|status| status.success())));
        editor.join().expect("the editor ends")
    });
    let text = std::fs::read_to_string(&file).expect("the package");
    assert!(saved.len() > 3, "the editor got to save {} times", saved.len());
    for number in saved {
        assert!(text.contains(&format!("# edit {number}\n")), "edit {number} is lost");
    }
    // A save is lost if it falls between the editor's check and its rename; only the editor could prevent that.
    let survivors = count_survivors(root.path());
    assert!(survivors + 4 >= PROCESSES * ROUNDS, "{survivors} of {} survive", PROCESSES * ROUNDS);
}

/// Runs `cms` in a sandbox, with a separate save directory.
fn cms(root: &Path, save: &str, words: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cms"));
    command
        .args(words)
        .env("CMS_CONFIG_DIR", root.join("config"))
        .env("CMS_SAVE_DIR", root.join(save))
        .env("CMS_RUN_DIR", root.join("run"))
        .env("CMS_STATE_DIR", root.join("state"))
        .stdin(Stdio::null());
    command.output().expect("cms runs")
}

/// Changes a key in the file by hand, and renames the file like an editor.
fn edit_key(file: &Path, from: &str, to: &str) -> bool {
    let stamp = || {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(file)
            .ok()
            .map(|found| (found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
    };
    let (before, Ok(text)) = (stamp(), std::fs::read_to_string(file)) else { return false };
    let swap: PathBuf = file.with_file_name(".key.swp");
    std::fs::write(&swap, text.replace(from, to)).expect("written");
    stamp() == before && text.contains(from) && std::fs::rename(&swap, file).is_ok()
}

/// Makes changes one after the other, in one of three ways: staged and committed, committed at once, or by `uci`.
fn write_in_one_way(root: &Path, index: usize, changes: usize) {
    let save = format!("save{index}");
    let (config, dir) = (root.join("config").display().to_string(), root.join(&save).display().to_string());
    let uci = ["uci", "-c", &config, "-t", &dir];
    for i in 1..=changes {
        let change = format!("n.s{index}.o{i}={i}");
        let steps: Vec<Vec<&str>> = match index % 3 {
            0 => vec![vec!["set", &change], vec!["commit"]],
            1 => vec![vec!["set", "--commit", &change]],
            _ => vec![[&uci[..], &["set", &change]].concat(), [&uci[..], &["commit"]].concat()],
        };
        for words in steps {
            let output = cms(root, &save, &words);
            assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// Writers stage and commit, commit at once, and use `uci`; meanwhile one stages a key that an editor changes before
/// it is committed. Each such commit is refused, all others succeed, and every acknowledged change stays.
#[test]
fn s23_hand_edits_between_set_and_commit_are_conflicts_while_others_commit_in_every_way() {
    const EACH: usize = 12;
    let root = sandbox();
    let root = root.path();
    let file = root.join("config/n");
    let text = std::fs::read_to_string(&file).expect("there");
    std::fs::write(&file, format!("{text}config shared 'shared'\n\toption v 'start'\n")).expect("written");
    let edited = std::thread::scope(|scope| {
        let writers: Vec<_> =
            (0..6).map(|index| scope.spawn(move || write_in_one_way(root, index, EACH))).collect();
        let mut by_hand = "start".to_owned();
        let mut edits = 0;
        while edits < 5 || !writers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let staged = cms(root, "mine", &["set", "n.shared.v=staged"]);
            assert!(staged.status.success(), "{}", String::from_utf8_lossy(&staged.stderr));
            let next = format!("hand{edits}");
            while !edit_key(&file, &format!("option v '{by_hand}'"), &format!("option v '{next}'")) {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            (by_hand, edits) = (next, edits + 1);
            let refused = cms(root, "mine", &["commit"]);
            let why = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert_eq!(refused.status.code(), Some(5), "{why}");
            assert!(why.contains("n.shared.v") && why.contains(&by_hand), "{why}");
            assert!(cms(root, "mine", &["revert", "n.shared.v"]).status.success());
        }
        writers.into_iter().for_each(|writer| writer.join().expect("it has ended well"));
        (by_hand, edits)
    });
    let text = std::fs::read_to_string(&file).expect("there");
    assert!(text.contains(&format!("option v '{}'", edited.0)), "{text}");
    let survivors: usize = (0..6)
        .map(|index| {
            let from = text.find(&format!("config a 's{index}'")).expect("the section");
            let section = text[from..].split("\nconfig ").next().unwrap_or_default();
            (1..=EACH).filter(|i| section.contains(&format!("\toption o{i} '{i}'"))).count()
        })
        .sum();
    // A save is lost if it falls between the editor's check and its rename; only the editor could prevent that.
    assert!(survivors + 4 >= 6 * EACH, "{survivors} of {} survive {} edits", 6 * EACH, edited.1);
    let audit = cms(root, "mine", &["audit", "verify"]);
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
}
