//! Datatypes: the verdicts of OpenWrt's two validators, and the types that neither of them knows.

use cms::Package;
use cms::datatype::{Answer, Context, Datatype, Failure, Files, FilesBelow, Reference, names};
use proptest::prelude::*;
use serde_json::Value as Json;

fn golden(file: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/datatypes").join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The package that the recorded verdicts refer to; there is no other.
struct OnePackage(Package);

impl OnePackage {
    fn recorded() -> Self {
        let text = std::sync::Arc::new(golden("dtcheck.uci"));
        let parsed = cms::text::parse(b"dtcheck", text, &cms::text::ParseOptions::new());
        Self(parsed.expect("a package").package)
    }
}

impl Context for OnePackage {
    fn accepts(&self, reference: &Reference, value: &[u8]) -> Answer {
        (reference.package == b"dtcheck" && reference.is_in(&self.0, value)).into()
    }
}

/// The intended verdict of a recorded pair; `None` if neither validator takes the expression.
fn intended(case: &Json) -> Option<bool> {
    let note = case["note"].as_str().unwrap_or_default();
    if note.contains("intended: true") {
        return Some(true);
    }
    if note.contains("intended: false") {
        return Some(false);
    }
    case["ubox"].as_bool().or(case["luci"].as_bool())
}

/// The types that are ours: neither validator knows them.
const OURS: [&str; 2] = ["regexp", "email"];

#[test]
fn the_recorded_verdicts_come_out_as_intended() {
    let context = OnePackage::recorded();
    let text = String::from_utf8(golden("visible.jsonl")).expect("UTF-8");
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in text.lines() {
        let case: Json = serde_json::from_str(line).expect("a case");
        let (kind, value) =
            (case["type"].as_str().expect("a type"), case["value"].as_str().expect("a value"));
        if OURS.iter().any(|name| kind.starts_with(name))
            || (kind.contains("regex") && !cfg!(feature = "regex"))
        {
            continue;
        }
        count += 1;
        let wanted = intended(&case);
        let parsed = Datatype::parse(kind.as_bytes());
        let found = match &parsed {
            // An expression that is no type accepts nothing.
            Err(_) if wanted == Some(false) => wanted,
            Err(_) => None,
            Ok(datatype) => Some(datatype.check(value.as_bytes(), &context).is_ok()),
        };
        if found != wanted {
            wrong.push(format!("{kind:?} {value:?}: {found:?}, not {wanted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 860, "{count} cases");
}

fn datatype(text: &str) -> Datatype {
    Datatype::parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn failure(kind: &str, value: &str) -> Failure {
    let refused = datatype(kind).check(value.as_bytes(), &Files::default());
    refused.expect_err("a value that does not pass")
}

/// Checks values that a type accepts, and values that it refuses.
fn assert_verdicts(kind: &str, accepted: &[&str], refused: &[&str]) {
    let datatype = datatype(kind);
    for (values, wanted) in [(accepted, true), (refused, false)] {
        for value in values {
            let found = datatype.check(value.as_bytes(), &Files::default());
            assert_eq!(found.is_ok(), wanted, "{kind} {value:?}: {found:?}");
        }
    }
}

#[test]
fn an_email_has_a_local_part_and_a_domain() {
    let long = format!("{}@example.com", "a".repeat(65));
    let accepted =
        ["a@example.com", "a.b+c@x.example", "root@localhost", "o'neil@a.b", "a@[192.0.2.1]", "a@[IPv6:::1]"];
    let refused = [
        "",
        "a",
        "@b",
        "a@",
        "a b@c.d",
        "a@b c",
        "a..b@c.d",
        ".a@c.d",
        "a.@c.d",
        "a@b@c",
        "a@-b",
        "a@b.",
        "a@[x]",
        "a@1.2",
        "\u{fc}@b.c",
        &long,
    ];
    assert_verdicts("email", &accepted, &refused);
}

#[test]
fn a_regular_expression_matches_the_whole_value() {
    assert_verdicts("regexp(\"a|bc\")", &["a", "bc"], &["ab", "abc", "xa", "", "a\n"]);
    // A comma needs its backslash; others belong to the regular expression.
    assert_verdicts(r#"regexp("[0-9]{2\,3}")"#, &["12", "123"], &["1", "1234"]);
    assert_verdicts(r#"regexp("\d+\.\(x\)")"#, &["1.(x)"], &["1x(x)", "d.(x)"]);
    assert_verdicts(r#"regexp("say \"x\"")"#, &["say \"x\""], &["say x"]);
    for malformed in ["regexp(\"(\")", "regexp(\"a)|(b\")", "regexp(a)", r#"regexp("a{99999}{99999}")"#] {
        assert!(Datatype::parse(malformed.as_bytes()).is_err(), "{malformed}");
    }
    assert_verdicts("regexp()", &[], &["a"]);
    assert!(datatype("regexp(\".*\")").check(b"\xff", &Files::default()).is_err(), "not UTF-8");
}

#[test]
fn files_are_looked_up_below_the_root_of_the_context() {
    let root = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(root.path().join("etc/dir")).expect("directories");
    std::fs::write(root.path().join("etc/file"), "").expect("a file");
    let context = FilesBelow::new(root.path());
    let passes = |kind: &str, path: &str| datatype(kind).check(path.as_bytes(), &context).is_ok();
    for path in ["/etc/file", "etc/file", "/etc/dir/../file", "/../../etc/file", "/etc//./file"] {
        assert!(passes("file", path) && !passes("directory", path) && !passes("device", path), "{path}");
    }
    for path in ["/etc", "/etc/dir/", "/", "/.."] {
        assert!(passes("directory", path) && !passes("file", path), "{path}");
    }
    assert!(
        !passes("file", "/etc/file/") && !passes("file", "/etc/passwd") && !passes("device", "/dev/null")
    );
    assert_eq!(failure("file", "/no/such").expected, "the path of a file that exists");
}

#[test]
fn what_the_context_cannot_tell_is_neither_right_nor_wrong() {
    let unchecked = "the package is not known here";
    for kind in [
        "uci(\"p\",\"@t\")",
        "list(uci(\"p\",\"@t\"))",
        "neg(uci(\"p\",\"@t\"))",
        "or(port,uci(\"p\",\"@t\"))",
    ] {
        let failure = failure(kind, "x");
        assert_eq!((failure.unchecked, &*failure.rule), (Some(unchecked), "uci(\"p\",\"@t\")"), "{kind}");
    }
    let reference = datatype("or(port,list(uci(\"p\",\"@t\",\"o\")))");
    let [found] = reference.references()[..] else { panic!("one reference") };
    assert_eq!(
        (&*found.package, &*found.section, found.option.as_deref()),
        (&b"p"[..], &b"@t"[..], Some(&b"o"[..]))
    );
}

#[test]
fn a_rule_string_checks_each_of_its_rules() {
    assert_verdicts("required|alpha_num", &["abc", "a1"], &["a b!", "", "\u{e9}"]);
    assert_verdicts(
        "required|alpha_num|min:3|max:5|not_in:admin,root",
        &["abc", "abcde"],
        &["ab", "abcdef", "admin"],
    );
    assert_verdicts("in:a, b", &["a", "b", ""], &["c", "a,b"]);
    assert_verdicts("integer|min:3|max:0x20", &["3", "32", "0x20"], &["2", "33", "abc", "3.5"]);
    assert_verdicts("numeric|between:0.5,1.5", &["0.5", "1e0"], &["0.4", "1.6", "x"]);
    assert_verdicts("size:3", &["abc"], &["ab", "abcd"]);
    assert_verdicts("integer|size:3", &["3"], &["4"]);
    assert_verdicts("digits:4", &["0123"], &["123", "12.4"]);
    assert_verdicts("digits_between:2,3", &["12", "123"], &["1", "1234"]);
    assert_verdicts("starts_with:br-,eth", &["br-lan", "eth0"], &["wlan0"]);
    assert_verdicts("ends_with:.conf|lowercase", &["a.conf"], &["A.conf", "a.cfg"]);
    assert_verdicts("uppercase", &["A-1"], &["a"]);
    assert_verdicts("alpha_dash", &["a-b_1"], &["a b"]);
    assert_verdicts("required|boolean", &["on", "0"], &["", "2"]);
    assert_verdicts("nullable|ipv4", &["192.0.2.1", ""], &["::1"]);
    assert_verdicts("ip|not_in:::", &["::1", "192.0.2.1"], &["::", "x"]);
    assert_verdicts("mac_address|string", &["00:11:22:33:44:55"], &["00:11"]);
    let urls = ["https://example.com/a?b#c", "ftp://u:p@host:21", "http://[::1]:80/", "http://[::1]"];
    assert_verdicts("url", &urls, &["example.com", "http://", "http:///x", "ht tp://a", "http://a b"]);
    // A datatype is a rule as well, with bars of its own.
    assert_verdicts("required|or(\"a|b\",port)|maxlength(3)", &["a|b", "80"], &["", "x", "8080"]);
    #[cfg(feature = "regex")]
    {
        assert_verdicts("max:2|regex:/^(a|b)+$/", &["ab"], &["aba", "c"]);
        assert_verdicts("not_regex:x|y", &["xy"], &["x", "y"]);
    }
}

#[test]
fn a_rule_string_says_whether_the_option_has_to_be_there() {
    assert!(datatype("required|alpha").is_required() && datatype("required").is_required());
    assert!(!datatype("alpha|max:3").is_required() && !datatype("string").is_required());
    assert_eq!(failure("required|alpha", "").rule, "required");
}

#[test]
fn a_failure_names_the_innermost_rule_and_what_it_expects() {
    let cases = [
        ("cidr4", "x", "cidr4", "an IPv4 address, optionally with a prefix length"),
        ("and(port,range(1,1024))", "2000", "range(1,1024)", "a whole number from 1 to 1024"),
        ("or( or(ip4addr , \"auto\") )", "x", "or(ip4addr , \"auto\")", "an IPv4 address or 'auto'"),
        ("neg(port)", "!x", "port", "a port from 0 to 65535"),
        ("required|alpha_num|max:3", "abcd", "max:3", "text of at most 3 bytes"),
        ("alpha_num", "a b", "alpha_num", "letters and digits"),
        ("string(2,4)", "a", "string(2,4)", "text of 2 to 4 bytes"),
        ("length(1)", "ab", "length(1)", "text of 1 byte"),
        ("uinteger(16)", "xy", "uinteger(16)", "a whole number that is not negative, in base 16"),
        ("not(port)", "80", "not(port)", "a value other than a port from 0 to 65535"),
        ("min()", "80", "min()", "nothing: 'min()' lacks arguments, so that no value fits"),
    ];
    for (kind, value, rule, expected) in cases {
        let failure = failure(kind, value);
        assert_eq!((&*failure.rule, &*failure.expected), (rule, expected), "{kind}");
        assert_eq!(failure.to_string(), format!("expected {expected}"));
    }
    let item = failure("list(neg(port))", "80 !90 !x");
    assert_eq!((&*item.rule, item.item.as_deref()), ("port", Some(&b"!x"[..])));
}

#[test]
fn a_root_dot_makes_no_name_of_a_number_and_an_argument_lets_a_prefix_length_count_back() {
    assert_verdicts("hostname", &["ab.", "a1.", "12"], &["a.", "12.", "1.2.", "a_.", "..", "-."]);
    assert_verdicts(
        "ipmask4(1)",
        &["192.0.2.1/-8", "192.0.2.1/255.0.0.0"],
        &["192.0.2.1/-33", "192.0.2.1/8"],
    );
    assert_verdicts("ipmask(1)", &["192.0.2.1/-8", "::1/-64"], &["192.0.2.1/24", "::1/64"]);
}

#[test]
fn a_malformed_expression_is_refused_with_the_column() {
    let deep = format!("{}port{}", "or(".repeat(200), ")".repeat(200));
    let long = format!("or({})", "port,".repeat(20_000));
    let cases = [
        ("or(ip4addr, prot)", 13, "there is no such type"),
        ("range(1,\"x\")", 9, "the argument is a number, without quotes"),
        ("or(port", 3, "this parenthesis is not closed"),
        ("port))", 5, "a closing parenthesis without an opening one"),
        ("list(port) port", 12, "text behind the closing parenthesis"),
        ("or(\"a\"b)", 7, "text behind the closing quote"),
        ("required|or(port, x)", 19, "there is no such type"),
        ("required|nosuch:3", 10, "there is no such rule"),
        ("alpha||max:3", 7, "there is nothing between two bars"),
        ("min:x|alpha", 1, "the argument is a number"),
        ("alpha|min", 7, "the rule lacks its arguments"),
        ("between:1", 1, "the rule takes two arguments"),
        ("max:-1", 1, "a length is a number that is not negative"),
        (&deep, 388, "parentheses are nested more than 128 deep"),
        (&long, 1, "an expression has at most 65536 bytes"),
    ];
    for (text, column, why) in cases {
        let fault = Datatype::parse(text.as_bytes()).expect_err(text);
        assert!(fault.why.starts_with(why), "{text}: {fault}");
        assert_eq!(fault.column, column, "{text}: {fault}");
    }
    let fault = Datatype::parse(b"Prot").expect_err("no type");
    assert_eq!(fault.near, None, "two letters away");
    assert_eq!(Datatype::parse(b"hotsname").map_err(|fault| fault.near), Err(Some("hostname")));
    let error = cms::Error::from(Datatype::parse(b"or(prot)").expect_err("no type"));
    assert_eq!(error.to_string(), "'prot, column 4': there is no such type");
}

#[test]
fn the_choices_of_an_enumeration_are_known() {
    let choices = |kind: &str| {
        let datatype = datatype(kind);
        let found = datatype.choices();
        found.map(|found| {
            found.into_iter().map(|choice| String::from_utf8_lossy(choice).into_owned()).collect::<Vec<_>>()
        })
    };
    assert_eq!(choices("or(\"a\", or('b'))"), Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(choices("or(\"a\",port)"), None);
    assert_eq!(choices("in:a,b"), Some(vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn each_name_of_a_datatype_is_read_as_one() {
    let mut all: Vec<&str> = names().collect();
    assert!(all.len() > 60, "{all:?}");
    for name in &all {
        assert!(Datatype::parse(name.as_bytes()).is_ok(), "{name}");
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), names().count(), "each once");
}

#[test]
fn numbers_of_any_size_are_compared_without_wrapping() {
    let huge = "9".repeat(60);
    assert_verdicts("min(5)", &[&huge], &[&format!("-{huge}")]);
    assert_verdicts("range(-170141183460469231731687303715884105727,0)", &["-1"], &["1"]);
    assert_verdicts("max(1e30)", &["999999999999999999999999999999"], &[&huge]);
    assert_verdicts("port", &[], &[&huge]);
}

#[test]
fn a_datatype_says_what_its_values_are_to_programs() {
    use cms::ValueType::{Bool, Float, Int, String};
    let cases = [
        ("bool", Bool),
        ("port", Int),
        ("and(port,range(1,1024))", Int),
        ("or(integer,port)", Int),
        ("ufloat", Float),
        ("or(port,\"any\")", String),
        ("string", String),
        ("uinteger(16)", String),
        ("list(port)", String),
        ("required|integer|min:3", Int),
        ("numeric|max:1", Float),
        ("boolean", Bool),
        ("alpha", String),
        ("not(port)", String),
    ];
    for (kind, wanted) in cases {
        assert_eq!(datatype(kind).value_type(), wanted, "{kind}");
    }
}

/// Pieces of expressions and of rule strings, good and bad.
const PIECES: [&str; 40] = [
    "or(",
    "and(",
    "not(",
    "neg(",
    "list(",
    "(",
    ")",
    ",",
    " ",
    "\"",
    "'",
    "\\",
    "|",
    ":",
    "port",
    "cidr4",
    "string",
    "min",
    "range(",
    "uci(",
    "regexp(\"",
    "regex",
    "integer(",
    "1",
    "-5",
    "0x1f",
    "1e400",
    ".5",
    "required",
    "in",
    "max:",
    "size:3",
    "a",
    "@t",
    "\u{e9}",
    "hostname",
    "uinteger(16)",
    "length(2)",
    "[a-z]+\")",
    "between:1,2",
];

proptest! {
    #[test]
    fn any_text_is_a_datatype_or_a_fault_with_its_column(
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..12),
        value in "[-!a-z0-9./:@ \t,]{0,12}",
    ) {
        let text = pieces.concat();
        let value = value.as_bytes();
        let datatype = match Datatype::parse(text.as_bytes()) {
            Ok(datatype) => datatype,
            Err(fault) => {
                prop_assert!((1..=text.len() + 1).contains(&fault.column) && !fault.why.is_empty(), "{text}: {fault}");
                return Ok(());
            }
        };
        let found = datatype.check(value, &Files::default());
        if let Err(failure) = &found {
            prop_assert!(!failure.expected.is_empty(), "{text}");
        }
        prop_assert!(!datatype.expected().is_empty());
        // The opposite of a single type has the opposite verdict.
        let opposite = Datatype::parse(format!("not({text})").as_bytes());
        if let (Ok(opposite), false) = (opposite, value.is_empty() || text.contains(',') || text.trim().is_empty()) {
            let unknown = found.as_ref().is_err_and(|failure| failure.unchecked.is_some());
            let opposite = opposite.check(value, &Files::default());
            prop_assert!(unknown || opposite.is_ok() != found.is_ok(), "{text} {value:?}");
        }
        // What it lists, it accepts.
        for choice in datatype.choices().unwrap_or_default().into_iter().filter(|choice| !choice.is_empty()) {
            prop_assert_eq!(datatype.check(choice, &Files::default()), Ok(()));
        }
    }
}
