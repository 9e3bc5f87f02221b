//! What the command shows of authors and requests.

use cms::log::{Attribution, RequestId};
use cms::{DirOptions, Dirs, Options, Store};

use crate::support::sandbox::Sandbox;

/// Opens the store of a sandbox as a program that commits for others does.
fn daemon(sandbox: &Sandbox) -> Store {
    let path = |name: &str| Some(sandbox.path(name));
    let dirs =
        DirOptions::new().config(path("config")).save(path("save")).run(path("run")).state(path("state"));
    Store::open(Options::new().dirs(Dirs::choose(dirs)).source("daemon")).expect("opens")
}

fn set(store: &Store, key: &str, value: &str) -> u64 {
    let mut transaction = store.begin().expect("begun");
    transaction.set(key.as_bytes(), value.as_bytes()).expect("set");
    transaction.commit().expect("committed")
}

/// A store with a transaction of the user, one of alice, and one of bob.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.mtu=1300", "--commit", "-m", "by the user"]);
    let store = daemon(&sandbox);
    let request = RequestId::parse("0f8fad5b-d9cb-469f-a165-70867728950e").expect("an id");
    let alice = Attribution::new().author("alice@192.168.7.20").source("rest").message("from the page");
    set(&store.with(alice.request(request)), "network.lan.mtu", "1400");
    set(&store.with(Attribution::new().author("bob\x1b[31m")), "network.lan.ipaddr", "10.0.0.7");
    sandbox
}

#[test]
fn history_and_blame_show_the_author() {
    let sandbox = sandbox();
    let history = sandbox.ok(&["history"]);
    assert!(history.contains(" alice@192.168.7.20 through rest: from the page\n"), "{history}");
    assert!(
        history.contains(" bob\\x1b[31m through daemon\n"),
        "what a terminal acts on is escaped: {history}"
    );
    assert!(sandbox.ok(&["history", "--oneline"]).contains(" alice@192.168.7.20 from the page\n"));
    let rows: serde_json::Value = serde_json::from_str(&sandbox.ok(&["history", "--json"])).expect("JSON");
    let row = |index: usize, member: &str| rows[index][member].clone();
    assert_eq!(row(1, "author"), "alice@192.168.7.20");
    assert_eq!(row(1, "request"), "0f8fad5bd9cb469fa16570867728950e");
    assert_eq!(row(1, "user"), row(2, "user"), "the user of the program is known as well");
    assert_eq!((row(2, "author"), row(2, "request")), (row(2, "user"), serde_json::Value::Null));
    assert_eq!((row(1, "decided"), row(1, "layer")), (serde_json::Value::Null, serde_json::Value::Null));
    let blame = sandbox.ok(&["blame", "network"]);
    assert!(
        blame.lines().any(|line| line.contains("alice@192.168.7.20") && line.contains("1400")),
        "{blame}"
    );
    let lines: serde_json::Value =
        serde_json::from_str(&sandbox.ok(&["blame", "network", "--json"])).expect("JSON");
    let of_alice = |line: &&serde_json::Value| line["author"] == "alice@192.168.7.20";
    let found = lines.as_array().expect("rows").iter().find(of_alice).expect("a line of alice");
    assert!(found["line"].as_str().expect("text").contains("1400"), "{found}");
}

#[test]
fn the_option_author_selects_by_author_with_or_without_the_place_and_else_by_user() {
    let sandbox = sandbox();
    let chosen = |author: &str| {
        let output = sandbox.run(&["history", "--oneline", "--author", author]);
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().map(|line| line.split(' ').next().expect("a number").to_owned()).collect::<Vec<_>>()
    };
    let all = sandbox.ok(&["history", "--oneline"]);
    let number = |index: usize| {
        all.lines().nth(index).and_then(|line| line.split(' ').next()).expect("a line").to_owned()
    };
    assert_eq!(chosen("alice"), [number(1)]);
    assert_eq!(chosen("alice@192.168.7.20"), [number(1)]);
    assert_eq!(chosen("alice@elsewhere"), [""; 0]);
    assert_eq!(chosen("ali"), [""; 0]);
    let uid = rustix::process::getuid().as_raw().to_string();
    assert_eq!(chosen(&uid).first(), Some(&number(2)), "alice's transaction is not one of the user");
}

#[test]
fn the_command_of_a_watch_gets_the_author() {
    let sandbox = sandbox();
    let print = "echo \"$CMS_AUTHOR through $CMS_SOURCE\"";
    let said = sandbox.ok(&["watch", "--since", "-1", "--count", "1", "network", "--exec", print]);
    assert!(said.contains("bob\x1b[31m through daemon"), "{said}");
}

#[test]
fn a_conflict_names_the_author_of_the_other_value() {
    let sandbox = sandbox();
    let store = daemon(&sandbox);
    let mut slow = store.begin().expect("begun");
    slow.set(b"network.lan.mtu", b"900").expect("set");
    set(&store.with(Attribution::new().author("carol")), "network.lan.mtu", "1000");
    let error = slow.commit().expect_err("a conflict").to_string();
    assert!(error.contains(" of carol through daemon"), "{error}");
    sandbox.ok(&["set", "network.lan.mtu=800"]);
    set(&store.with(Attribution::new().author("dave")), "network.lan.mtu", "1100");
    let error = sandbox.fails(5, &["commit", "network"]);
    assert!(error.contains("author dave through daemon"), "{error}");
}
