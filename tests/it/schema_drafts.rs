//! `cms schema import`, `infer` and `check-type`.

use std::path::{Path, PathBuf};

use cms::schema::{Alone, Schema};
use serde_json::{Value as Json, json};

use crate::support::sandbox::Sandbox;

fn script(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/init_scripts").join(name);
    path.to_str().expect("UTF-8").to_owned()
}

/// The fields of a schema, each in one line: section, name, type and default.
fn fields(package: &str, text: &str) -> Vec<String> {
    let schema = Schema::read(package, &PathBuf::from(package), text.into());
    assert!(schema.mistakes.is_empty(), "{:?}\n{text}", schema.mistakes);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut lines = Vec::new();
    for section in &schema.sections {
        for field in &section.fields {
            let default: Vec<String> = field.default.iter().map(|item| text(item)).collect();
            let line = format!(
                "{} {} {} {}",
                text(&section.section_type),
                text(&field.name),
                field.type_text,
                default.join("+")
            );
            lines.push(line.trim_end().to_owned());
        }
    }
    lines.sort();
    lines
}

#[test]
fn the_options_that_an_init_script_validates_become_a_schema() {
    let sandbox = Sandbox::new();
    let output = sandbox.run(&["schema", "import", &script("forms.init")]);
    assert_eq!(output.status.code(), Some(0));
    let found = fields("beacon", &String::from_utf8_lossy(&output.stdout));
    let mut wanted = [
        "beacon enabled bool 1",
        "beacon quiet bool off",
        "beacon port port 8080",
        "beacon ttl range(1,255) 64",
        "beacon rate and(uinteger,max(1000))",
        "beacon mode or(\"fast\", \"slow:er\", \"off\") fast",
        "beacon peers list(host)",
        "beacon allow list(neg(or(cidr4,cidr6)))",
        "beacon url string http://127.0.0.1:6800/rpc",
        "beacon words string two words",
        "beacon quoted or('a','b') a",
        "beacon zone uci(\"firewall\",\"@zone\")",
        "beacon free",
        "beacon given  10",
        "beacon empty string",
        "beacon dir directory /var/lib/beacon",
        "beacon host hostname",
        "beacon unquoted uinteger 5",
    ];
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    let notes = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(notes.lines().count(), 1, "{notes}");
    assert!(
        notes.contains("forms.init:12: the default of 'host' is not known before the script runs"),
        "{notes}"
    );
}

#[test]
fn calls_within_functions_get_the_arguments_of_their_callers() {
    let sandbox = Sandbox::new();
    let output = sandbox.run(&["schema", "import", &script("functions.init"), "lantern"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let found = fields("lantern", &String::from_utf8_lossy(&output.stdout));
    let wanted = [
        "client enabled bool 0",
        "client level range(0,7)",
        "client server host",
        "server enabled bool 0",
        "server level range(0,7)",
        "server port or(port,or(\"any\"))",
        "server user uciname",
    ];
    assert_eq!(found, wanted);
}

#[test]
fn what_cannot_be_taken_over_is_named_with_its_line() {
    let sandbox = Sandbox::new();
    let output = sandbox.run(&["schema", "import", &script("functions.init"), "lights"]);
    let found = fields("lights", &String::from_utf8_lossy(&output.stdout));
    assert_eq!(found, ["lamp colour", "lamp delay uinteger", "lamp gpio uinteger"]);
    let notes = String::from_utf8_lossy(&output.stderr).into_owned();
    for wanted in [
        "functions.init:21: the type of 'colour', nosuch: column 1: 'nosuch': there is no such type",
        "functions.init:21: the default of 'delay', 'often', is not of its type: expected a whole number",
        "functions.init:28: the package of the call is not known before the script runs",
    ] {
        assert!(notes.contains(wanted), "{wanted}\n{notes}");
    }
}

#[test]
fn a_script_of_several_packages_or_of_none_is_an_error_that_says_so() {
    let sandbox = Sandbox::new();
    let several = sandbox.fails(2, &["schema", "import", &script("functions.init")]);
    assert!(several.contains("it validates several packages: lantern, lights"), "{several}");
    let other = sandbox.fails(1, &["schema", "import", &script("functions.init"), "network"]);
    assert!(other.contains("it validates lantern, lights"), "{other}");
    let none = sandbox.path("none.init");
    std::fs::write(&none, "#!/bin/sh\necho uci_load_validate\nf() {\n'").expect("written");
    let none = sandbox.fails(1, &["schema", "import", none.to_str().expect("UTF-8")]);
    assert!(none.contains("no call of uci_load_validate"), "{none}");
    assert!(none.contains("none.init:4: the quote is not closed"), "{none}");
    let missing = sandbox.fails(6, &["schema", "import", "/no/such/script"]);
    assert!(missing.contains("/no/such/script"), "{missing}");
}

#[test]
fn a_package_passes_the_schema_that_is_inferred_from_it() {
    let sandbox = Sandbox::new();
    let text = "config server 'main'\n\toption port '80'\n\toption host '192.0.2.1'\n\toption on '1'\n\
                \tlist net '10.0.0.0/8'\n\tlist net '192.0.2.1'\n\toption password 'hush'\n\toption ratio '1.5'\n\
                \toption name 'it'\\''s'\n\nconfig server 'other'\n\toption port '443'\n\noption x y\n";
    let text = text.replace("\n\noption x y", "\n\nconfig thing\n\toption mac '00:11:22:33:44:55'");
    sandbox.write("app", &text);
    let drafted = sandbox.ok(&["schema", "infer", "app"]);
    let schema = Schema::read("app", Path::new("app"), drafted.clone().into_bytes());
    assert!(schema.mistakes.is_empty(), "{:?}", schema.mistakes);
    let package = cms::text::parse(b"app", text.into_bytes().into(), &cms::text::ParseOptions::new());
    let violations = schema.check(&package.expect("text").package, None, &Alone::default());
    assert!(violations.is_empty(), "{violations:?}");
    let wanted = [
        "server host ip4addr",
        "server name string",
        "server net cidr4",
        "server on bool",
        "server password string",
        "server port integer",
        "server ratio float",
        "thing mac macaddr",
    ];
    assert_eq!(fields("app", &drafted), wanted);
    // What both sections have is taken as required; a password is not shown.
    assert!(!drafted.contains("hush") && drafted.matches("option access 'secret'").count() == 1, "{drafted}");
    assert!(
        drafted.contains("option name 'port'\n\toption type 'integer'\n\toption required '1'\n"),
        "{drafted}"
    );
    assert_eq!(drafted.matches("option required '1'").count(), 1, "{drafted}");
    assert!(drafted.contains("option named '1'") && drafted.contains("option named '0'"), "{drafted}");
}

#[test]
fn one_value_is_checked_against_a_type() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.ok(&["schema", "check-type", "or(cidr4,\"any\")", "192.0.2.0/24"]), "");
    let refused = sandbox.fails(3, &["schema", "check-type", "cidr4", "192.0.2.0/33"]);
    assert!(
        refused.contains(
            "'192.0.2.0/33' is not of the type: expected an IPv4 address, optionally with a prefix length"
        ),
        "{refused}"
    );
    let item = sandbox.fails(3, &["schema", "check-type", "list(port)", "80 x"]);
    assert!(item.contains("'x' is not of the type"), "{item}");
    let malformed = sandbox.fails(3, &["schema", "check-type", "or(prot)", "80"]);
    assert!(malformed.contains("or(prot): column 4: 'prot': there is no such type"), "{malformed}");
    let rules = sandbox.fails(3, &["schema", "check-type", "required|alpha_num", "a b!"]);
    assert!(rules.contains("expected letters and digits"), "{rules}");
    sandbox.fails(2, &["schema", "check-type", "port"]);
}

#[test]
fn a_type_that_refers_to_a_package_is_checked_with_the_store() {
    let sandbox = Sandbox::new();
    sandbox.write("zones", "config zone 'lan'\n\toption name 'home'\n");
    sandbox.ok(&["schema", "check-type", "uci(\"zones\",\"@zone\")", "lan"]);
    sandbox.ok(&["schema", "check-type", "uci(\"zones\",\"@zone\",\"name\")", "home"]);
    sandbox.fails(3, &["schema", "check-type", "uci(\"zones\",\"@zone\")", "wan"]);
    sandbox.fails(3, &["schema", "check-type", "uci(\"nosuch\",\"@zone\")", "lan"]);
    sandbox.write("broken", "config\n");
    let unknown = sandbox.fails(3, &["schema", "check-type", "uci(\"broken\",\"@zone\")", "lan"]);
    assert!(
        unknown.contains("uci(\"broken\",\"@zone\") is not checked: the package is not known here"),
        "{unknown}"
    );
    let verdict = |datatype: &str, code| -> Json {
        let output = sandbox.run(&["--json", "schema", "check-type", datatype, "lan"]);
        assert_eq!(output.status.code(), Some(code));
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    assert_eq!(verdict("uciname", 0)["valid"], json!(true));
    assert_eq!(verdict("uci(\"broken\",\"@zone\")", 3)["valid"], Json::Null);
    let refused = verdict("port", 3);
    assert_eq!((&refused["valid"], &refused["expected"]), (&json!(false), &json!("a port from 0 to 65535")));
}
