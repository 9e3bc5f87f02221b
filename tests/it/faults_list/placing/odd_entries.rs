//! FIFOs, sockets and directories at the paths of files. See `faults_list`.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::{Bench, Make, make_fifo};

/// The kinds of entries that may be at the path of a file, and how to make them.
const ODD: [(&str, Make); 4] = [
    ("a FIFO", make_fifo),
    ("a directory", |path| std::fs::create_dir(path).expect("made")),
    ("a socket", |path| drop(std::os::unix::net::UnixListener::bind(path).expect("bound"))),
    ("a link to a device that never ends", |path| {
        std::os::unix::fs::symlink("/dev/zero", path).expect("linked");
    }),
];

/// Commits, or fails with an error that names the directory with the odd entry.
fn commits_or_names(bench: &Bench, directory: &str, what: &str) {
    let outcome = bench.set("n.x.o=3");
    assert!(outcome.code() == 0 || outcome.error().contains(directory), "{what}: {}", outcome.error());
}

/// Puts each odd entry at the path of a file of a store that has committed, and calls `check` with its name.
fn with_odd_entries(place: impl Fn(&Bench) -> PathBuf, check: impl Fn(&Bench, &str)) {
    for (what, make) in ODD {
        let bench = Bench::new();
        bench.set("n.x.o=2").ok();
        bench.cms(&["rebuild"]).ok();
        let path = place(&bench);
        let what =
            format!("{what} in place of {}", path.strip_prefix(bench.0.dir.path()).expect("below").display());
        if path.symlink_metadata().is_ok() {
            std::fs::remove_file(&path).expect("removed");
        }
        make(&path);
        check(&bench, &what);
    }
}

#[test]
fn x_h8_a_fifo_beside_a_package_stops_nobody() {
    for name in [".n.cms-1-2-3", ".other.cms-1-2-3"] {
        with_odd_entries(
            |bench| bench.path("config").join(name),
            |bench, what| {
                bench.set("n.x.o=3").ok();
                assert_eq!(bench.cms(&["get", "n.x.o"]).ok(), "3", "{what}");
                bench.set("other.x.o=3").ok();
            },
        );
    }
}

#[test]
fn x_h8_odd_entries_in_the_save_directory_stop_nobody() {
    for name in ["save/n", "save/.n.commit", "save/.n.replaced"] {
        with_odd_entries(
            |bench| {
                let _ = std::fs::create_dir(bench.path("save"));
                bench.path(name)
            },
            |bench, what| {
                assert_eq!(bench.cms(&["get", "n.x.o"]).ok(), "2", "{what}");
                let staged = bench.cms(&["set", "n.x.o=3"]);
                assert!(staged.code() == 0 || staged.error().contains("save/"), "{what}: {}", staged.error());
                bench.cms(&["commit", "n"]);
                bench.set("other.x.o=3").ok();
            },
        );
    }
}

#[test]
fn x_h8_odd_entries_in_the_run_directory_stop_nobody() {
    let identity = |path: PathBuf| {
        let found = path.metadata().expect("there");
        format!("{:x}-{:x}", found.dev(), found.ino())
    };
    type Placed = fn(&str) -> String;
    let places: [Placed; 4] = [
        |id| format!("run/locks/{id}-n"),
        |id| format!("run/maps/{id}/control"),
        |id| format!("run/maps/{id}/n.map"),
        |id| format!("run/watchers/{id}/1-0"),
    ];
    for place in places {
        with_odd_entries(
            |bench| {
                let path = bench.path(&place(&identity(bench.path("config"))));
                std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
                path
            },
            |bench, what| {
                assert_eq!(bench.cms(&["get", "n.x.o"]).ok(), "2", "{what}");
                commits_or_names(bench, "run/", what);
                bench.cms(&["status"]);
                bench.cms(&["rebuild"]);
            },
        );
    }
}

#[test]
fn x_h8_odd_entries_in_the_log_stop_nobody() {
    let names = ["lock", "queue", "pending", "texts/n", "00000000000000000001.keys", "snapshots/a.cms"];
    for name in names.into_iter().chain(["00000000000000000001.log", "00000000000000009999.log"]) {
        with_odd_entries(
            |bench| {
                let path = bench.log().join(name);
                std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
                path
            },
            |bench, what| {
                assert_eq!(bench.cms(&["get", "n.x.o"]).ok(), "2", "{what}");
                commits_or_names(bench, "state/", what);
                for arguments in
                    [&["history"][..], &["history", "n.x.o"], &["audit", "verify"], &["status"], &["paths"]]
                {
                    bench.cms(arguments);
                }
            },
        );
    }
}

#[test]
fn x_h8_a_package_may_still_be_a_link() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("elsewhere")).expect("made");
    std::fs::rename(bench.path("config/n"), bench.path("elsewhere/n")).expect("moved");
    std::os::unix::fs::symlink("../elsewhere/n", bench.path("config/n")).expect("linked");
    make_fifo(&bench.path("elsewhere/.n.cms-1-2-3"));
    bench.set("n.x.o=3").ok();
    assert!(bench.path("config/n").is_symlink());
    assert_eq!(bench.cms(&["get", "n.x.o"]).ok(), "3");
}
