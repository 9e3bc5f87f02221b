//! `cms batch`: all lines are one transaction, unless `--no-transaction` is given.

use std::process::Output;

use cms::{Delta, DeltaKind, Engine, Error, Form, Unstaged};

use crate::support::fixture::Fixture;
use crate::support::sandbox::Sandbox;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("system", "config system 's'\n\toption hostname 'one'\n");
    sandbox
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_lines_of_a_batch_are_one_transaction_and_see_each_others_changes() {
    let sandbox = sandbox();
    let script = "set network.lan.ipaddr=10.2.2.2 system.s.hostname='two words'\n# a comment\n\
        add network rule name=new\nset 'network.@rule[-1].target=DROP'\nadd_list network.lan.dns=d\n\
        rename network.lan.ipaddr=address\nset network.lan.mtu=1400\ndelete network.lan.mtu\n\
        get system.s.hostname 'network.@rule[-1].target'\nlist network.lan\nchanges system\n\
        search --values 10.2.2\nset -n network.lan.tried=1\n";
    let output = sandbox.fed(&["batch", "-m", "both"], script);
    assert!(output.status.success(), "{}", said(&output));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        printed.contains("\ntwo words\nDROP\naddress\ndns\nsystem.s.hostname='two words'\n"),
        "{printed}"
    );
    assert!(
        printed.contains("(staged): network.lan.address=") && printed.contains("network.lan.tried='1'\n")
    );
    assert_eq!(
        sandbox.ok(&["get", "network.lan.address", "network.@rule[-1].name", "network.lan.dns"]),
        "10.2.2.2\nnew\na b c d\n"
    );
    sandbox.fails(1, &["get", "network.lan.tried"]);
    assert_eq!(sandbox.ok(&["changes"]), "");
    let history = sandbox.ok(&["history"]);
    assert_eq!(history.lines().filter(|line| !line.starts_with(' ')).count(), 2, "{history}");
    assert!(
        history.contains("both") && history.contains("network.lan.address") && history.contains("system.s")
    );
}

#[test]
fn an_error_in_any_line_leaves_nothing_changed_neither_staged_nor_committed() {
    let sandbox = sandbox();
    sandbox.ok(&["set", "--commit", "network.lan.start=1"]);
    sandbox.ok(&["set", "network.lan.staged=before"]);
    let state = || {
        (sandbox.read("network"), sandbox.read("system"), sandbox.ok(&["history"]), sandbox.ok(&["changes"]))
    };
    let before = state();
    for (wrong, line, code) in [
        ("set network.lan.x=1\nset nope.x.y=1\n", 2, 1),
        ("set network.lan.x=1\n\nset network.lan.a-b=1\n", 3, 3),
        ("set network.lan.x=1\ncommit network\ndelete network.lan.nope\n", 3, 1),
        ("set --commit network.lan.x=1\nset network.lan.y='open\n", 2, 3),
        ("set network.lan.x=1\nset system.s.hostname=two\ncommit\nget network.lan.nope\n", 4, 1),
        ("ensure network.lan.x=1\nundo\n", 2, 2),
        ("add network rule\nset -c /etc network.lan.x=1\n", 2, 2),
        ("add network rule\nimport --replace fresh\n", 2, 2),
        ("set network.lan.x=1\nbatch\n", 2, 2),
    ] {
        for command in ["batch", "txn"] {
            let output = sandbox.fed(&[command], wrong);
            assert_eq!(output.status.code(), Some(code), "{wrong}: {}", said(&output));
            let so = format!("line {line} failed, so nothing is changed");
            assert!(said(&output).contains(&so), "{}", said(&output));
            assert_eq!(state(), before, "{wrong}");
        }
        let output = sandbox.fed(&["--json", "batch"], wrong);
        let last: serde_json::Value =
            serde_json::from_str(said(&output).lines().last().expect("it says why")).expect("JSON");
        assert_eq!(last["batch"]["failed"], serde_json::json!([line]), "{wrong}");
    }
    // A difference or a missing key counts as a failure of its line, as it does for a script.
    let output = sandbox.fed(&["batch"], "set network.lan.x=1\ndiff network\n");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(state(), before);
}

#[test]
fn what_was_staged_goes_along_with_a_package_that_a_batch_changes_or_commits() {
    let sandbox = sandbox();
    sandbox.write("other", "config o 'o'\n");
    sandbox.ok(&["set", "network.lan.mtu=1400", "system.s.zone=UTC", "other.o.x=1"]);
    sandbox.ok(&["add", "network", "rule", "name=staged"]);
    let output = sandbox.fed(
        &["--json", "batch"],
        "set 'network.@rule[-1].target=DROP'\ncommit -m why system\nset network.lan.proto=static\n",
    );
    assert!(output.status.success(), "{}", said(&output));
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("{\"revision\":3}\n"), "{output:?}");
    assert_eq!(sandbox.ok(&["changes"]), "other.o.x='1'\n", "what no line was about stays staged");
    for (package, lines) in [
        (
            "network",
            &["option mtu '1400'", "option proto 'static'", "name 'staged'\n\toption target 'DROP'"][..],
        ),
        ("system", &["option zone 'UTC'"]),
    ] {
        let text = sandbox.read(package);
        assert!(lines.iter().all(|line| text.contains(line)), "{text}");
    }
    let history = sandbox.ok(&["history"]);
    assert_eq!(history.lines().filter(|line| !line.starts_with(' ')).count(), 2, "{history}");
    assert!(history.contains(": why\n"), "{history}");
}

#[test]
fn a_batch_that_only_commits_or_only_reads_does_just_that() {
    let sandbox = sandbox();
    assert!(sandbox.fed(&["batch"], "get network.lan.ipaddr\nshow network\n").status.success());
    assert!(!sandbox.path("state").exists(), "nothing was logged");
    sandbox.ok(&["set", "system.s.zone=UTC"]);
    assert!(sandbox.fed(&["batch"], "commit\n").status.success());
    assert!(sandbox.read("system").contains("zone"));
    let output = sandbox.fed(&["batch"], "set network.lan.mtu=1\ncommit --confirm 1h network\n");
    assert!(said(&output).contains("unless it is confirmed"), "{}", said(&output));
    sandbox.ok(&["confirm"]);
    let output = sandbox.fed(&["-n", "batch"], "set network.lan.mtu=2\nget network.lan.mtu\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "network.lan.mtu='2'\n2\n");
    assert!(sandbox.read("network").contains("mtu '1'"));
    assert_eq!(sandbox.ok(&["changes"]), "");
}

#[test]
fn told_so_a_batch_runs_each_line_for_itself() {
    let sandbox = Sandbox::new();
    let script =
        "set network.lan.a=1\ncommit\nset network.lan.b='two\nlines'\nget nope.x.y\nset network.lan.c=3\n";
    let output = sandbox.fed(&["batch", "--no-transaction"], script);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("line 5 failed\n"), "{}", said(&output));
    assert!(sandbox.read("network").contains("option a '1'"));
    assert_eq!(sandbox.ok(&["get", "network.lan.b"]), "two\nlines\n");
    sandbox.fails(1, &["get", "network.lan.c"]);
    assert_eq!(sandbox.fed(&["batch", "--keep-going"], script).status.code(), Some(1));
    assert_eq!(sandbox.ok(&["get", "network.lan.c"]), "3\n");
}

#[test]
fn a_batch_imports_into_packages() {
    let sandbox = sandbox();
    let file = sandbox.path("more.conf");
    std::fs::write(&file, "package network\nconfig interface 'lan'\n\toption mtu '1400'\n").expect("written");
    let line = format!("import --merge {}\nget network.lan.mtu\n", file.display());
    let output = sandbox.fed(&["batch"], &line);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1400\n", "{}", said(&output));
    assert!(sandbox.read("network").contains("mtu '1400'"));
    std::fs::write(&file, "package fresh\nconfig a 'b'\n").expect("written");
    assert!(sandbox.fed(&["batch"], &line).status.success(), "one that is not there is created");
    assert_eq!(sandbox.read("fresh"), "config a 'b'\n");
}

fn staged(store: &Engine) -> Vec<String> {
    let changes = store.packages().load(b"network").expect("loads").changes;
    changes.iter().map(|change| String::from_utf8_lossy(&change.delta.key(b"network")).into_owned()).collect()
}

/// Others may commit while a batch runs: it must not overwrite values that it has not seen.
#[test]
fn a_key_that_was_changed_while_changes_were_gathered_is_a_conflict_and_nothing_is_changed() {
    let fixture = Fixture::new(&[("network", "config interface 'lan'\n\toption a '0'\n\toption b '0'\n")]);
    let store = Engine::new(fixture.options());
    let place = store.packages().find(b"network").expect("there");
    let set = |option: &str, value: &str| {
        Delta::new(DeltaKind::Set, b"lan", Some(option.as_bytes()), Some(value.as_bytes()))
    };
    let gather = |deltas: &[Delta]| {
        let before = store.packages().load(b"network").expect("loads").package;
        Unstaged::new(place.clone(), before, deltas.to_vec())
    };
    let (on_a, on_b) = (gather(&[set("a", "1")]), gather(&[set("b", "1")]));
    store.staging().stage(&place, &[set("a", "2")]).expect("staged");
    store.commit(&place, Form::Lossless).expect("committed");
    store.staging().stage(&place, &[set("c", "3")]).expect("staged");
    let before = fixture.text("network");
    let refused = store.commit_with(std::slice::from_ref(&place), vec![on_a], Form::Lossless, None);
    assert!(matches!(&refused, Err(Error::Conflict { key, .. }) if key == "network.lan.a"), "{refused:?}");
    assert_eq!((fixture.text("network"), staged(&store)), (before, vec!["network.lan.c".to_owned()]));
    let done = store.commit_with(std::slice::from_ref(&place), vec![on_b], Form::Lossless, None);
    let done = done.expect("nobody has changed b");
    assert_eq!((done[0].applied, done[0].failed, done[0].written), (2, 0, true));
    assert_eq!(done[0].revision, store.history().revision().ok());
    assert_eq!(
        (fixture.text("network"), staged(&store)),
        ("config interface 'lan'\n\toption a '2'\n\toption b '1'\n\toption c '3'\n".into(), vec![])
    );
}
