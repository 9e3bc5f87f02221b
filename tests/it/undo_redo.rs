//! M22: `cms undo` and `cms redo`, compared with a plain model.

use std::collections::BTreeMap;
use std::process::Command;

use cms::{Engine, Error, Form};
use proptest::prelude::*;

use crate::support::fixture::Fixture;
use crate::support::sandbox::Sandbox;
use crate::support::terminal::InTerminal;

const PACKAGES: [&str; 2] = ["network", "system"];
const OPTIONS: [&str; 4] = ["a", "b", "c", "d"];

/// A key: the number of its package and of its option.
type Key = (usize, usize);

/// A transaction of the model: its number, and the values before and after it. Every value that is written is new, so
/// that a key has a value again only because a change of it was reversed.
struct Made {
    sequence: u64,
    changes: BTreeMap<Key, (String, String)>,
    /// When it was undone last; `None` if it holds.
    undone: Option<usize>,
}

/// Transactions, and the value of each key.
#[derive(Default)]
struct Model {
    values: BTreeMap<Key, String>,
    made: Vec<Made>,
    clock: usize,
}

impl Model {
    /// Reverses a transaction, or makes it again. Returns whether its keys have the values that this needs.
    fn turn(&mut self, index: usize, again: bool) -> bool {
        let one = &mut self.made[index];
        let changes = one.changes.iter().map(|(key, (old, new))| match again {
            true => (*key, old, new),
            false => (*key, new, old),
        });
        let changes: Vec<_> = changes.collect();
        if changes.iter().any(|(key, from, _)| self.values[key] != **from) {
            return false;
        }
        for (key, _, to) in changes {
            self.values.insert(key, to.clone());
        }
        self.clock += 1;
        one.undone = (!again).then_some(self.clock);
        true
    }

    fn last_holding(&self) -> Option<usize> {
        self.made.iter().rposition(|one| one.undone.is_none())
    }

    fn undone_last(&self) -> Option<usize> {
        let undone = (0..self.made.len()).filter(|index| self.made[*index].undone.is_some());
        undone.max_by_key(|index| self.made[*index].undone)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<Key>),
    Undo,
    Redo,
    /// Undoes or redoes the transaction with this number among those that hold, or are undone.
    UndoOne(prop::sample::Index),
    RedoOne(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec((0..2_usize, 0..4_usize), 1..4).prop_map(Step::Commit),
        4 => Just(Step::Undo),
        3 => Just(Step::Redo),
        1 => any::<prop::sample::Index>().prop_map(Step::UndoOne),
        1 => any::<prop::sample::Index>().prop_map(Step::RedoOne),
    ]
}

fn text(values: &BTreeMap<Key, String>, package: usize) -> String {
    let mut text = "# kept\nconfig interface 'lan'\n".to_owned();
    for (option, name) in OPTIONS.iter().enumerate() {
        text.push_str(&format!("\toption {name} '{}'\n", values[&(package, option)]));
    }
    text
}

/// Commits a new value for each key.
fn commit(store: &Engine, model: &mut Model, keys: &[Key]) {
    let mut changes = BTreeMap::new();
    for key in keys {
        model.clock += 1;
        changes.insert(*key, (model.values[key].clone(), model.clock.to_string()));
    }
    let places = PACKAGES.map(|name| store.packages().find(name.as_bytes()).expect("there"));
    for ((package, option), (_, new)) in &changes {
        let delta = cms::Delta::new(
            cms::DeltaKind::Set,
            b"lan",
            Some(OPTIONS[*option].as_bytes()),
            Some(new.as_bytes()),
        );
        store.staging().stage(&places[*package], &[delta]).expect("staged");
        model.values.insert((*package, *option), new.clone());
    }
    store.commit_together(&places, Form::Lossless, None).expect("committed");
    let sequence = store.history().revision().expect("there is a log");
    model.made.push(Made { sequence, changes, undone: None });
}

/// Runs a step on both, and checks that both have succeeded, or neither.
fn take(store: &Engine, model: &mut Model, step: &Step) -> Result<(), TestCaseError> {
    let pick = |undone: bool, index: &prop::sample::Index| {
        let all: Vec<usize> =
            (0..model.made.len()).filter(|one| model.made[*one].undone.is_some() == undone).collect();
        (!all.is_empty()).then(|| all[index.index(all.len())])
    };
    let (chosen, again, is_named) = match step {
        Step::Commit(keys) => {
            commit(store, model, keys);
            return Ok(());
        }
        Step::Undo => (model.last_holding(), false, false),
        Step::Redo => (model.undone_last(), true, false),
        Step::UndoOne(index) => (pick(false, index), false, true),
        Step::RedoOne(index) => (pick(true, index), true, true),
    };
    let named = chosen.filter(|_| is_named).map(|index| model.made[index].sequence);
    if is_named && named.is_none() {
        return Ok(());
    }
    let history = store.history();
    let done = match (again, named) {
        (false, Some(sequence)) => history.undo(sequence, None),
        (false, None) => history.undo_last(None).map(|(_, done)| done),
        (true, named) => history.redo(named, None),
    };
    match (chosen, done) {
        (None, Err(Error::Missing(_))) => {}
        (Some(index), Ok(_)) => prop_assert!(model.turn(index, again), "it should be refused"),
        (Some(index), Err(Error::Conflict { .. })) => {
            prop_assert!(!model.turn(index, again), "nothing is in the way");
        }
        (_, done) => prop_assert!(false, "{done:?}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn m22_undo_and_redo_do_what_a_plain_model_does(steps in prop::collection::vec(step(), 1..24)) {
        let mut model = Model::default();
        model.values.extend((0..2).flat_map(|package| (0..4).map(move |option| ((package, option), "0".into()))));
        let (network, system) = (text(&model.values, 0), text(&model.values, 1));
        let fixture = Fixture::in_memory(&[("network", &network), ("system", &system)]);
        let store = Engine::new(fixture.options());
        store.history().note_edits().expect("noted");
        for step in &steps {
            take(&store, &mut model, step)?;
            for (package, name) in PACKAGES.iter().enumerate() {
                let found = std::fs::read_to_string(fixture.path("config").join(name)).expect("readable");
                prop_assert_eq!(found, text(&model.values, package), "{} after {:?}", name, step);
            }
        }
    }
}

#[test]
fn m22_a_second_undo_goes_further_back_and_prints_what_and_whose() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.0.0.2", "-m", "first"]);
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.0.0.3"]);
    let mut user =
        String::from_utf8(Command::new("id").arg("-un").output().expect("runs").stdout).expect("text");
    user.truncate(user.trim_end().len());
    let undo = |name: &str| String::from_utf8(sandbox.run(&[name]).stderr).expect("text");
    let said = undo("undo");
    assert!(said.contains(&format!("transaction 4 of {user} is undone, as transaction 5")), "{said}");
    assert!(said.contains("network.lan.ipaddr: '10.0.0.3' -> '10.0.0.2'"), "{said}");
    assert!(undo("undo").contains("transaction 3 of"), "not a redo of the first");
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "10.0.0.1\n");
    assert!(sandbox.fails(1, &["undo"]).contains("nothing to undo"));
    // What was undone last is made again first.
    assert!(undo("redo").contains("transaction 3 of"));
    assert!(undo("redo").contains("network.lan.ipaddr: '10.0.0.2' -> '10.0.0.3'"));
    assert!(sandbox.fails(1, &["redo"]).contains("nothing to redo"));
    assert!(sandbox.fails(3, &["redo", "3"]).starts_with("cms: transaction 3: it is not undone"));
    // A redo whose keys were changed since is a conflict, and changes nothing.
    sandbox.ok(&["undo", "-q"]);
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.0.0.9"]);
    let said = sandbox.fails(5, &["redo"]);
    // The message names the user who changed the key, and shows no bare number.
    assert!(said.contains(" of root through cms") || said.contains(" of uid "), "{said}");
    assert!(
        said.contains("network.lan.ipaddr") && said.contains("transaction 4 cannot be made again"),
        "{said}"
    );
    assert!(said.contains("hint: undo the later change first"), "{said}");
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "10.0.0.9\n");
    // By revision as before.
    sandbox.ok(&["undo", "-q"]);
    sandbox.ok(&["redo", "4", "-q"]);
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "10.0.0.3\n");
}

#[test]
fn m22_packages_that_come_and_go_are_undone_and_made_again() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["history", "-q"]);
    sandbox.write("later", "config x 'y'\n\toption z '1'\n");
    sandbox.ok(&["history", "later"]);
    std::fs::remove_file(sandbox.path("config/network")).expect("removed");
    let is_there = |name: &str| sandbox.path("config").join(name).exists();
    for expected in [(true, true), (true, false)] {
        sandbox.ok(&["undo", "-q"]);
        assert_eq!((is_there("network"), is_there("later")), expected);
    }
    for expected in [(true, true), (false, true)] {
        sandbox.ok(&["redo", "-q"]);
        assert_eq!((is_there("network"), is_there("later")), expected);
    }
}

#[test]
fn m22_an_undo_of_another_users_transaction_is_asked_for_on_a_terminal() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "--commit", "network.lan.a=1"]);
    // The caller is another user, with root's permissions: such a program gets its directories by options.
    let dir = |name: &str| sandbox.path(name).display().to_string();
    let mut other = Command::new("setpriv");
    other.args(["--ruid", "65534", env!("CARGO_BIN_EXE_cms"), "--config-dir", &dir("config")]);
    other.args(["--save-dir", &dir("save"), "--run-dir", &dir("run"), "--state-dir", &dir("state")]);
    let made = other.args(["set", "--commit", "network.lan.a=2"]).output().expect("it runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let undo = |answer: &str, words: &[&str]| {
        let mut undo = InTerminal::start(sandbox.command().arg("undo").args(words));
        if !answer.is_empty() {
            undo.wait_for("undo it? [y/N]");
            undo.types(answer);
        }
        let (status, shown) = undo.end();
        (status.code(), shown)
    };
    let (code, shown) = undo("\n", &[]);
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("network.lan.a: '1' -> '2'") && shown.contains("nothing was changed"), "{shown}");
    assert_eq!(sandbox.ok(&["get", "network.lan.a"]), "2\n");
    // The last one of the caller is the one before, whose key was changed since.
    assert_eq!(undo("", &["--mine"]).0, Some(5));
    assert_eq!(undo("", &["--yes"]).0, Some(0));
    assert_eq!(sandbox.ok(&["redo", "-q"]), "");
    assert_eq!(undo("y\n", &[]).0, Some(0));
    assert_eq!(sandbox.ok(&["get", "network.lan.a"]), "1\n");
    assert_eq!(undo("", &["--mine"]).0, Some(0), "one's own is undone without a question");
}
