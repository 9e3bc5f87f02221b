//! Schemas: packages are checked when they are committed, and when a person asks.

use std::process::Command;

use cms::{Code, CommitOptions, Dirs, Engine, Error, Options, Store};
use serde_json::Value as Json;

use crate::support::sandbox::Sandbox;

const SCHEMA: &str = "\
config schema
	option package 'network'
	option version '2.1.0'
	option description 'Interfaces and rules'

config section 'interface'
	option named '1'
	option max '2'
	option description 'An interface'

config section 'rule'
	option unknown 'allow'

config field
	option section 'interface'
	option name 'ipaddr'
	option type 'ip4addr'
	option required '1'
	option description 'Address of the interface'
	option example '192.168.1.1'

config field
	option section 'interface'
	option name 'mtu'
	option type 'range(68,9200)'
	option default '1500'
	option unit 'bytes'

config field
	option section 'interface'
	option name 'dns'
	option list '1'

config field
	option section 'interface'
	option name 'key'
	option type 'uinteger'
	option access 'secret'

config field
	option section 'rule'
	option name 'src'
	option type 'uci(\"network\",\"@interface\")'

config migration
	option from '2.0.0'
	option to '2.1.0'
	option created '2026-11-01'
	option description 'Rules have a source'
";

/// A sandbox whose package `network` has a schema.
struct Case(Sandbox);

impl Case {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.path("schema")).expect("made");
        let case = Self(sandbox);
        case.schema("network", SCHEMA);
        case
    }

    fn schema(&self, package: &str, text: &str) {
        std::fs::write(self.0.path("schema").join(package), text).expect("written");
    }

    fn command(&self) -> Command {
        self.0.command()
    }

    /// Runs a command; returns its exit code, its output and its messages.
    fn run(&self, words: &[&str]) -> (i32, String, String) {
        let output = self.command().args(words).output().expect("cms runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().expect("an exit code"), text(&output.stdout), text(&output.stderr))
    }

    fn json(&self, words: &[&str]) -> Json {
        let (_, out, said) = self.run(words);
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{words:?}: {out}{said}"))
    }

    fn options(&self) -> Options {
        let dir = |name| self.0.path(name);
        let mut dirs = cms::DirOptions::new().config(dir("config")).save(dir("save"));
        dirs = dirs.run(dir("run")).state(dir("state"));
        let mut dirs = Dirs::choose(dirs);
        dirs.schema = vec![dir("schema")];
        Options::new().dirs(dirs)
    }
}

fn violations(error: &Error) -> Vec<(String, &'static str)> {
    let Error::Schema { violations } = error else { panic!("{error}") };
    violations.iter().map(|one| (one.key.clone(), one.rule.name())).collect()
}

#[test]
fn a_commit_is_refused_with_all_violations_that_it_makes_and_nothing_changes() {
    let case = Case::new();
    let before = case.0.read("network");
    for line in ["network.lan.mtu=9201", "network.lan.ipaddr=10.0.0.300", "network.lan.dsn=1"] {
        let (code, _, said) = case.run(&["set", line]);
        assert_eq!((code, said.contains("warning")), (0, true), "{line}: {said}");
    }
    let (code, _, said) = case.run(&["commit"]);
    assert_eq!(code, 3, "{said}");
    let expected = [
        "network:3: network.lan.ipaddr: '10.0.0.300' is not allowed",
        "network.lan.mtu: '9201' is not allowed",
        "warning: ",
        "network.lan.dsn: the schema does not describe this option; did you mean 'dns'?",
        "hint: nothing was changed",
    ];
    for text in expected {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert_eq!(case.0.read("network"), before);
    assert!(case.run(&["changes"]).1.contains("9201"), "the changes stay staged");
    assert_eq!(case.run(&["commit", "--check"]).0, 3);

    let (code, _, said) = case.run(&["--json", "commit"]);
    assert_eq!(code, 3);
    let line = said.lines().find(|line| line.starts_with('{')).expect("JSON");
    let error: Json = serde_json::from_str(line).expect("JSON");
    let found = error["error"]["violations"].as_array().expect("violations");
    assert_eq!(found.len(), 2, "{error}");
    assert_eq!((&found[1]["rule"], &found[1]["value"]), (&Json::from("type"), &Json::from("9201")));

    let (code, _, said) = case.run(&["commit", "--force"]);
    assert_eq!((code, said.contains("network.lan.mtu: '9201' is not allowed")), (0, true), "{said}");
    assert!(case.0.read("network").contains("9201"));
    assert!(case.run(&["history"]).1.contains("(against its schema)"));
    let rows = case.json(&["--json", "history"]);
    assert_eq!((&rows[0]["forced"], &rows[1]["forced"]), (&Json::from(2), &Json::from(0)), "{rows}");
}

#[test]
fn what_was_wrong_before_a_transaction_is_only_warned_of() {
    let case = Case::new();
    case.0.write("network", "config interface 'lan'\n\toption ipaddr 'x'\n\toption mtu '1400'\n");
    let (code, _, said) = case.run(&["set", "--commit", "network.lan.mtu=1300"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("warning: ") && said.contains("network.lan.ipaddr: 'x' is not allowed"), "{said}");
    let (code, _, said) = case.run(&["set", "--commit", "network.lan.ipaddr=y"]);
    assert_eq!(code, 3, "another wrong value is a new violation: {said}");
    assert_eq!(case.run(&["delete", "--commit", "network.lan.ipaddr"]).0, 3);
    assert_eq!(case.run(&["set", "--commit", "network.lan.ipaddr=10.0.0.1"]).0, 0);
    assert_eq!(case.run(&["validate"]).0, 0);
}

#[test]
fn transactions_of_programs_are_refused_and_forced() {
    let case = Case::new();
    let store = Store::open(case.options()).expect("open");
    let mut transaction = store.begin().expect("begun");
    transaction.set(b"network.lan.mtu", b"1").expect("set");
    transaction.set(b"network.wan", b"interface").expect("set");
    transaction.set(b"network.@rule[0].src", b"wan").expect("set");
    transaction.set(b"network.@rule[1].src", b"wlan").expect("set");
    let error = transaction.commit().expect_err("refused");
    assert_eq!(error.code(), Code::Schema);
    let expected = [
        ("network.lan.mtu", "type"),
        ("network.@rule[1].src", "reference"),
        ("network.wan.ipaddr", "required"),
    ];
    assert_eq!(violations(&error), expected.map(|(key, rule)| (key.to_owned(), rule)));
    assert_eq!(error.location().line, 6, "the line that the transaction would add: {error}");
    // As the calls of C that make one change do.
    let mut transaction = store.begin().expect("begun");
    transaction.set(b"network.lan.mtu", b"1").expect("set");
    transaction.set_overwrite(true);
    assert_eq!(transaction.commit().expect_err("refused").code(), Code::Schema);
    let mut transaction = store.begin().expect("begun");
    transaction.set(b"network.lan.mtu", b"1").expect("set");
    transaction.set_force(true);
    let revision = transaction.commit().expect("forced");
    let transaction = store.engine().history().transaction(revision).expect("a record");
    assert_eq!(transaction.forced, 1);
}

#[test]
fn each_way_to_change_a_package_is_checked() {
    let case = Case::new();
    let engine = Engine::new(case.options());
    let refused = |error: Error| assert_eq!(violations(&error)[0], ("network.lan.mtu".into(), "type"));
    let place = || engine.packages().find(b"network").expect("found");
    let wrong = "config interface 'lan'\n\toption ipaddr '10.0.0.1'\n\toption mtu '1'\n";
    refused(engine.replace(b"network", wrong.as_bytes()).expect_err("replace"));
    refused(
        engine
            .update(&place(), cms::Form::Lossless, |package| {
                let delta = cms::Delta::new(cms::DeltaKind::Set, b"lan", Some(b"mtu"), Some(b"1"));
                package.apply(&delta, cms::text::Dialect::Cms)
            })
            .expect_err("update"),
    );
    let before = Some(std::sync::Arc::new(case.0.read("network").into_bytes()));
    let after = Some(std::sync::Arc::new(wrong.as_bytes().to_vec()));
    let exchange = [cms::Exchange::new(b"network", before, after)];
    refused(engine.exchange(&exchange, &CommitOptions::new()).expect_err("exchange"));
    let before = case.0.read("network");
    let lines: [(&[&str], &str); 3] = [
        (&["import", "network", "-"], wrong),
        (&["import", "--replace", "network", "-"], wrong),
        (&["batch", "-"], "set network.lan.mtu=1\n"),
    ];
    for (words, input) in lines {
        let output = case.0.fed(words, input);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{words:?}: {said}");
        assert!(said.contains("network.lan.mtu: '1' is not allowed"), "{words:?}: {said}");
    }
    assert_eq!(case.0.read("network"), before);
}

#[test]
fn stock_uci_and_the_way_back_are_never_refused() {
    let case = Case::new();
    assert_eq!(case.run(&["uci", "set", "network.lan.mtu=1"]), (0, String::new(), String::new()));
    assert_eq!(case.run(&["uci", "commit"]), (0, String::new(), String::new()));
    assert_eq!(case.run(&["set", "--commit", "network.lan.mtu=1500"]).0, 0);
    let (code, _, said) = case.run(&["undo"]);
    assert_eq!((code, said.contains("warning: ")), (0, true), "{said}");
    assert!(case.0.read("network").contains("mtu '1'"));
    let (code, _, said) = case.run(&["rollback", "-1"]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_strict_set_stages_nothing_that_breaks_a_schema() {
    let case = Case::new();
    let (code, _, said) = case.run(&["set", "--strict", "network.lan.mtu=1"]);
    assert_eq!((code, case.run(&["changes"]).1), (3, String::new()), "{said}");
    assert_eq!(case.run(&["set", "--strict", "network.lan.mtu=1400"]).0, 0);
    // What is missing may be staged later.
    assert_eq!(case.run(&["set", "--strict", "network.wan=interface"]), (0, String::new(), String::new()));
    assert_eq!(case.run(&["commit"]).0, 3);
}

#[test]
fn validate_lists_syntax_and_schema_and_takes_a_schema_of_its_own() {
    let case = Case::new();
    case.0
        .write("network", "config interface\n\toption ipaddr 'x'\n\toption key 'hunter2'\n\tlist mtu '1'\n");
    let (code, _, said) = case.run(&["validate"]);
    assert_eq!(code, 3);
    for text in [
        "network:1: network.@interface[0]: a section of type 'interface' must have a name",
        "network:2: network.@interface[0].ipaddr: 'x' is not allowed",
        "network:3: network.@interface[0].key: the secret value is not allowed",
        "network:4: network.@interface[0].mtu: '1' is not allowed",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    let rows = case.json(&["--json", "validate", "network"]);
    assert_eq!(rows[0]["errors"], 4, "{rows}");
    let file = case.0.path("other");
    std::fs::write(&file, "config interface 'a'\n\toption ipaddr '1.1.1.1'\n").expect("written");
    let (file, schema) = (file.display().to_string(), case.0.path("schema/network").display().to_string());
    assert_eq!(case.run(&["validate", &file, "--schema", &schema]), (0, String::new(), String::new()));
    std::fs::write(&file, "config interface 'a'\n").expect("written");
    assert_eq!(case.run(&["validate", &file]).0, 0, "a file outside has no schema");
    assert_eq!(case.run(&["validate", &file, "--schema", &schema]).0, 3);
}

#[test]
fn sch_02_sch_03_a_package_with_fields_is_checked_with_them() {
    let case = Case::new();
    let text = |name: &str| {
        format!(
            "package example\n\nconfig module 'auth'\n\toption username '{name}'\n\toption serial '1'\n\n\
             config field 'username'\n\toption type 'string'\n\toption size '8'\n\toption validation \
             'required|alpha_num'\n\nconfig field 'serial'\n\toption type 'int'\n\toption access 'read-only'\n"
        )
    };
    case.0.write("example", &text("root"));
    assert_eq!(case.run(&["validate", "example"]), (0, String::new(), String::new()));
    let rules = |value: &str| {
        let (code, _, said) = case.run(&["--json", "set", "--commit", value]);
        let error: Json = serde_json::from_str(said.lines().next().expect("a line")).expect("JSON");
        let rules: Vec<Json> = error["error"]["violations"]
            .as_array()
            .expect("violations")
            .iter()
            .map(|one| one["rule"].clone())
            .collect();
        (code, Json::from(rules).to_string())
    };
    assert_eq!(rules("example.auth.username=a b!"), (3, "[\"validation\"]".to_owned()));
    assert_eq!(rules("example.auth.username=longername"), (3, "[\"size\"]".to_owned()));
    assert_eq!(rules("example.auth.serial=2"), (3, "[\"read-only\"]".to_owned()));
    assert_eq!(case.0.read("example"), text("root"));
    case.0.write("example", &text("a b!"));
    assert_eq!(case.run(&["validate", "example"]).0, 3);
}

#[test]
fn a_schema_that_changes_is_noticed_by_an_open_store() {
    let case = Case::new();
    let store = Store::open(case.options()).expect("open");
    let set = |value: &str| {
        let mut transaction = store.begin().expect("begun");
        transaction.set(b"network.lan.mtu", value.as_bytes()).expect("set");
        transaction.commit().is_ok()
    };
    assert_eq!((set("1400"), set("10000")), (true, false));
    case.schema("network", &SCHEMA.replace("9200", "65535"));
    assert_eq!((set("10000"), set("1")), (true, false));
    std::fs::remove_file(case.0.path("schema/network")).expect("removed");
    assert!(set("1"));
}

#[test]
fn mistakes_of_a_schema_are_shown_and_block_nothing() {
    let case = Case::new();
    case.schema("network", &SCHEMA.replace("'ip4addr'", "'ip4adr'"));
    let (code, _, said) = case.run(&["schema", "check"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("schema/network:17: ") && said.contains("hint: "), "{said}");
    let (code, _, said) = case.run(&["set", "--commit", "network.lan.ipaddr=x"]);
    assert_eq!((code, said.contains("warning: in a schema: ")), (0, true), "{said}");
    assert_eq!(case.run(&["set", "--commit", "network.lan.mtu=1"]).0, 3, "the rest of the schema counts");
    let (code, _, said) = case.run(&["schema", "show", "dhcp"]);
    assert_eq!((code, said.contains("there is no schema in")), (1, true), "{said}");
}

#[test]
fn schemas_are_listed_with_their_versions_and_shown() {
    let case = Case::new();
    assert_eq!(case.run(&["schema", "list"]).1, "network  2.1.0     Interfaces and rules\n");
    assert_eq!(case.run(&["schema", "list", "network"]).1, "* 2.1.0     2026-11-01  Rules have a source\n");
    let shown = case.run(&["schema", "show", "network"]).1;
    assert!(shown.contains("network.interface  named  at most 2  An interface\n"), "{shown}");
    assert!(shown.contains("mtu     range(68,9200)  default 1500  in bytes\n"), "{shown}");
    let json = case.json(&["--json", "schema", "show", "network"]);
    assert_eq!(json["sections"][0]["fields"][0]["example"], "192.168.1.1");
}

#[test]
fn describe_says_what_a_key_is_for_and_where_it_is_set() {
    let case = Case::new();
    case.0
        .write("network", "config interface 'lan'\n\toption ipaddr '10.0.0.1'\n\toption key '4242424242'\n");
    let file = case.0.path("config/network").display().to_string();
    let (code, out, _) = case.run(&["describe", "network.lan.ipaddr"]);
    assert_eq!(code, 0);
    let expected = [
        "network.lan.ipaddr: Address of the interface\n",
        "  type      ip4addr\n",
        "  required  yes\n",
        "  example   192.168.1.1\n",
        "  value     10.0.0.1\n",
        &format!("  set in    {file}:2\n"),
    ];
    expected.iter().for_each(|text| assert!(out.contains(text), "{text}: {out}"));
    let out = case.run(&["describe", "network.lan.mtu"]).1;
    assert!(out.contains("  default   1500\n  unit      bytes\n") && !out.contains("set in"), "{out}");
    assert!(!case.run(&["describe", "network.lan.key"]).1.contains("4242424242"), "it is secret");
    assert!(case.run(&["describe", "network.lan"]).1.contains("  ipaddr  Address of the interface\n"));
    assert!(case.run(&["describe", "network"]).1.contains("  interface  An interface\n"));
    assert_eq!(case.run(&["describe", "network.interface.mtu"]).0, 0, "of a type");
    assert_eq!(case.run(&["describe", "network.wan.mtu"]).0, 1);
    assert_eq!(case.run(&["describe", "system.a.b"]).0, 1);
    let rows = case.json(&["--json", "describe", "network.lan.ipaddr", "network.lan.key"]);
    assert_eq!(
        (&rows[0]["line"], &rows[0]["field"]["example"]),
        (&Json::from(2), &Json::from("192.168.1.1"))
    );
    assert_eq!((&rows[1]["value"], &rows[1]["field"]["access"]), (&Json::Null, &Json::from("secret")));
}

#[test]
fn sch_20_status_shows_options_without_a_description_and_required_ones_that_are_missing() {
    let case = Case::new();
    assert_eq!(case.run(&["status"]).0, 0);
    case.0.write("network", "config interface 'lan'\n\toption extra '1'\n");
    let (code, out, _) = case.run(&["status"]);
    assert_eq!(code, 3);
    assert!(out.contains("network.lan.extra: the schema does not describe this option"), "{out}");
    assert!(out.contains("network.lan.ipaddr: the option is required, and missing"), "{out}");
}

/// The example of an application (SCH-23), in a sandbox.
fn app() -> Case {
    let case = Case::new();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/app");
    let copy = |from: &str, to: &str| {
        std::fs::copy(format!("{example}/{from}"), case.0.path(to)).expect("copied");
    };
    copy("schema/app", "schema/app");
    copy("config/app", "config/app");
    case
}

#[test]
fn sch_23_the_example_of_an_application_fits_its_schema() {
    let case = app();
    let (code, out, said) = case.run(&["schema", "check", "app"]);
    assert_eq!((code, out.as_str(), said.as_str()), (0, "", ""));
    assert_eq!(case.run(&["validate", "app"]), (0, String::new(), String::new()));
    let schema = case.json(&["--json", "schema", "show", "app"]);
    let types: Vec<&str> = schema["sections"]
        .as_array()
        .expect("sections")
        .iter()
        .filter_map(|one| one["type"].as_str())
        .collect();
    assert_eq!(types, ["app", "database", "cache", "logging", "features"]);
}

/// The four unit tests of the manager of environments in seed 004: write and read, validation, backup, update.
#[test]
fn tst_12_what_is_written_is_read_and_what_is_invalid_is_refused_without_a_trace() {
    let case = app();
    let written = "config app 'app'\n\toption environment 'development'\n\nconfig database 'database'\n\
                   \toption host 'localhost'\n\toption port '5432'\n\toption name 'test_db'\n\
                   \toption username 'test_user'\n\toption password 'test_pass'\n\n\
                   config logging 'logging'\n\toption level 'DEBUG'\n";
    assert_eq!(case.0.fed(&["import", "--replace", "app", "-"], written).status.code(), Some(0));
    assert_eq!(case.run(&["get", "app.database.port"]).1, "5432\n");
    assert_eq!(case.run(&["export", "app"]).1.matches("test_").count(), 3);

    let invalid = "config app 'app'\n\toption environment 'invalid_env'\n\nconfig database 'database'\n\
                   \toption host 'localhost'\n";
    let revision = || case.json(&["--json", "status"])["revision"].clone();
    let before = (case.0.read("app"), revision());
    let output = case.0.fed(&["--json", "import", "--replace", "app", "-"], invalid);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = said.lines().find(|line| line.starts_with('{')).expect("an error");
    let error: Json = serde_json::from_str(line).expect("JSON");
    let found: Vec<(&str, &str)> = error["error"]["violations"]
        .as_array()
        .expect("violations")
        .iter()
        .filter_map(|one| Some((one["key"].as_str()?, one["rule"].as_str()?)))
        .collect();
    let expected = [
        ("app.app.environment", "type"),
        ("app.database.port", "required"),
        ("app.database.name", "required"),
        ("app.database.username", "required"),
        ("app.database.password", "required"),
        ("app", "count"),
    ];
    assert_eq!((output.status.code(), found.as_slice()), (Some(3), expected.as_slice()), "{said}");
    assert_eq!((case.0.read("app"), revision()), before, "no file, no record, no backup");

    assert_eq!(case.run(&["set", "--commit", "app.database.port=5433"]).0, 0);
    assert_eq!(case.run(&["get", "app.database.port", "app.database.host"]).1, "5433\nlocalhost\n");
    assert_eq!(
        case.run(&["get", "--at", "-1", "app.database.port"]).1,
        "5432\n",
        "the earlier state is kept"
    );
}

#[test]
fn sch_05_each_keyword_of_the_example_accepts_and_refuses() {
    let case = app();
    let cases = [
        ("app.app.environment", "staging", "test"),
        ("app.database.port", "65535", "65536"),
        ("app.database.pool_size", "1", "0"),
        ("app.cache.enabled", "false", "perhaps"),
        ("app.cache.ttl", "0", "-1"),
        ("app.logging.level", "ERROR", "LOUD"),
        ("app.logging.output", "both", "printer"),
    ];
    for (key, good, bad) in cases {
        assert_eq!(case.run(&["set", "--commit", key, good]).0, 0, "{key}={good}");
        assert_eq!(case.run(&["set", "--commit", key, bad]).0, 3, "{key}={bad}");
    }
    assert_eq!(case.run(&["delete", "--commit", "app.database.host"]).0, 3, "required");
    assert_eq!(case.run(&["set", "--commit", "app.cache.size=1"]).0, 3, "not described");
    assert_eq!(case.run(&["set", "--commit", "app.features.dark_mode=1"]).0, 0, "any name");
}

#[test]
fn a_schema_is_exported_as_json_schema_c_python_and_markdown() {
    let case = app();
    let export = |form: &str| case.run(&["schema", "export", "app", "--format", form]);
    let json: Json = serde_json::from_str(&export("jsonschema").1).expect("JSON");
    let database = &json["$defs"]["database"];
    assert_eq!(database["properties"]["port"]["maximum"], 65535, "{json:#}");
    assert_eq!(database["properties"]["pool_size"]["default"], 10);
    assert_eq!(database["properties"]["password"]["writeOnly"], true);
    assert_eq!(database["required"], serde_json::json!(["host", "port", "name", "username", "password"]));
    assert_eq!(json["$defs"]["logging"]["properties"]["level"]["enum"][1], "INFO");
    assert_eq!(json["$defs"]["app"]["additionalProperties"], false);
    assert_eq!(json["required"], serde_json::json!(["app", "database", "logging"]));

    let c = export("c").1;
    std::fs::write(case.0.path("app.h"), &c).expect("written");
    std::fs::write(
        case.0.path("app.c"),
        "#include \"app.h\"\n#include <string.h>\n#define NAME(kind, member, option, required, fallback) option,\n\
         static const char *const names[] = {APP_DATABASE_FIELDS(NAME)};\n\
         int main(void) { struct app_database d = {0}; d.port = 5432; return strcmp(names[1], \"port\") || d.port != 5432; }\n",
    )
    .expect("written");
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "app.c", "-o", "app"]);
    let output = compiler.current_dir(case.0.root()).output().expect("a C compiler");
    assert!(output.status.success(), "{}\n{c}", String::from_utf8_lossy(&output.stderr));
    assert!(Command::new(case.0.path("app")).status().expect("it runs").success());

    let python = export("python").1;
    let check = "\nd = Database(host='h', port=1, name='n', username='u', password='p')\n\
                 assert (d.pool_size, Cache().enabled, Logging(level='INFO').format) == (10, True, None)\n";
    std::fs::write(case.0.path("app.py"), format!("{python}{check}")).expect("written");
    let output = Command::new("python3").arg(case.0.path("app.py")).output().expect("Python");
    assert!(output.status.success(), "{}\n{python}", String::from_utf8_lossy(&output.stderr));

    let page = export("markdown").1;
    assert!(page.contains("| ttl | min(0) | 3600 | How long an answer is kept (seconds) |\n"), "{page}");
    assert_eq!(export("toml").0, 2);
}
