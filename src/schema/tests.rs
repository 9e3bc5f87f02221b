use super::*;
use crate::error::{Rule, Violation};
use crate::format::uci;

const SCHEMA: &str = "\
config schema
	option package 'net'
	option version '2.1.0'
	option description 'Interfaces'

config section 'interface'
	option named '1'
	option min '1'
	option max '2'
	option unknown 'refuse'

config section 'route'
	option named '0'
	option unknown 'warn'

config field
	option section 'interface'
	option name 'proto'
	option type 'or(\"static\",\"dhcp\")'
	option required '1'

config field
	option section 'interface'
	option name 'ipaddr'
	option type 'ip4addr'
	option required '1'
	option depends 'proto=static'
	option unique '1'

config field
	option section 'interface'
	option name 'dns'
	option type 'ip4addr'
	option list '1'

config field
	option section 'interface'
	option name 'key'
	option type 'port'
	option size '4'
	option access 'secret'

config field
	option section 'interface'
	option name 'serial'
	option access 'read-only'

config field
	option section 'route'
	option name 'interface'
	option type 'uci(\"net\",\"@interface\")'
	option required '1'

config field 'note'
	option list '0'
";

fn schema(text: &str) -> Schema {
    Schema::read("net", Path::new("/schema/net"), text.as_bytes().to_vec())
}

fn package(text: &str) -> Package {
    uci::parse(b"net", text.as_bytes().to_vec().into(), &uci::ParseOptions::new()).expect("correct").package
}

fn check(text: &str) -> Vec<Violation> {
    schema(SCHEMA).check(&package(text), None, &Alone)
}

fn brief(found: &[Violation]) -> Vec<(&str, u32, &str, bool)> {
    found.iter().map(|one| (one.key.as_str(), one.line, one.rule.name(), one.refused)).collect()
}

#[test]
fn a_package_that_fits_has_no_violations() {
    let found = check(
        "config interface 'lan'\n\toption proto 'static'\n\toption ipaddr '10.0.0.1'\n\tlist dns '10.0.0.2'\n\
         config route\n\toption interface 'lan'\n\toption note 'x'\n",
    );
    assert_eq!(found, []);
    assert_eq!(schema(SCHEMA).mistakes, []);
}

#[test]
fn each_rule_is_reported_with_its_key_and_line_all_at_once() {
    let text = "\
config interface 'lan'
	option proto 'statik'
	option ipadr '10.0.0.1'
config interface 'wan'
	option proto 'static'
config interface
	option proto 'dhcp'
	option ipaddr '10.0.0.300'
	option dns '1.1.1.1'
	option key '123456'
	list note 'a'
config route 'r'
	option interface 'wan'
config route
	option interface 'wna'
	option metric '1'
config rute
";
    let found = check(text);
    let expected = [
        ("net.lan.proto", 2, "type", true),
        ("net.lan.ipadr", 3, "unknown", true),
        ("net.wan.ipaddr", 4, "required", true),
        ("net.@interface[2]", 6, "named", true),
        ("net.@interface[2].ipaddr", 8, "depends", false),
        ("net.@interface[2].ipaddr", 8, "type", true),
        ("net.@interface[2].dns", 9, "list", true),
        ("net.@interface[2].key", 10, "size", true),
        ("net.@interface[2].key", 10, "type", true),
        ("net.@interface[2].note", 11, "list", true),
        ("net.r", 12, "named", true),
        ("net.@route[1].interface", 15, "reference", true),
        ("net.@route[1].metric", 16, "unknown", false),
        ("net.@rute[0]", 17, "unknown", false),
        ("net", 0, "count", true),
    ];
    assert_eq!(brief(&found), expected);
    let hints: Vec<_> = found.iter().filter_map(|one| one.hint.as_deref()).collect();
    assert!(hints.contains(&"did you mean 'ipaddr'?"), "{hints:?}");
    assert!(hints.contains(&"did you mean 'route'?"), "{hints:?}");
}

#[test]
fn a_secret_value_is_in_no_part_of_a_violation() {
    let found = check("config interface 'lan'\n\toption proto 'dhcp'\n\toption key 'hunter22'\n");
    assert_eq!(brief(&found), [("net.lan.key", 3, "size", true), ("net.lan.key", 3, "type", true)]);
    assert!(
        found.iter().all(|one| one.value.is_none() && !format!("{one:?}").contains("hunter22")),
        "{found:?}"
    );
}

#[test]
fn a_value_must_be_unique_where_the_schema_says_so() {
    let of = |name: &str| {
        format!("config interface '{name}'\n\toption proto 'static'\n\toption ipaddr '10.0.0.1'\n")
    };
    let found = check(&(of("lan") + &of("wan")));
    assert_eq!(brief(&found), [("net.wan.ipaddr", 6, "unique", true)]);
    assert_eq!(found[0].problem, "net.lan.ipaddr has '10.0.0.1' already");
}

#[test]
fn the_default_of_another_option_counts_in_a_condition() {
    let text = "config field\n\toption section 'a'\n\toption name 'proto'\n\toption default 'static'\n\
                config field\n\toption section 'a'\n\toption name 'ip'\n\toption required '1'\n\
                \tlist depends 'proto=static,!off'\n\tlist depends 'proto=both,mode!=x'\n";
    let schema = schema(text);
    let rules = |text: &str| {
        schema.check(&package(text), None, &Alone).iter().map(|one| one.rule).collect::<Vec<_>>()
    };
    assert_eq!(schema.mistakes, []);
    assert_eq!(rules("config a\n"), [Rule::Required]);
    assert_eq!(rules("config a\n\toption proto 'dhcp'\n"), []);
    assert_eq!(rules("config a\n\toption off '1'\n"), [Rule::Unknown]);
    assert_eq!(rules("config a\n\toption proto 'both'\n"), [Rule::Required]);
    assert_eq!(rules("config a\n\toption proto 'dhcp'\n\toption ip '1'\n"), [Rule::Depends]);
}

#[test]
fn a_change_is_told_from_what_was_there_before_it() {
    let schema = schema(SCHEMA);
    let before = package(
        "config interface 'lan'\n\toption proto 'x'\n\toption serial '7'\nconfig route\n\toption a '1'\n\
         config route\n\toption interface 'lan'\n\toption b '1'\n",
    );
    // The first route goes, so the second has another position; one value is wrong in another way.
    let after = package(
        "config interface 'lan'\n\toption proto 'y'\n\toption serial '8'\nconfig route\n\toption interface 'lan'\n\
         \toption b '1'\n",
    );
    let subject = |package| Subject { package, file: None, others: &Alone };
    let (made, stood) = schema.check_change(Some(&before), subject(&after));
    assert_eq!(brief(&made), [("net.lan.serial", 3, "read-only", true), ("net.lan.proto", 2, "type", true)]);
    assert_eq!(brief(&stood), [("net.@route[0].b", 6, "unknown", false)]);
    let (made, stood) = schema.check_change(Some(&before), subject(&before));
    assert_eq!((made.len(), stood.len()), (0, 4), "{stood:?}");
    let (made, _) = schema.check_change(None, subject(&after));
    assert_eq!(brief(&made), [("net.lan.proto", 2, "type", true), ("net.@route[0].b", 6, "unknown", false)]);
}

#[test]
fn read_only_options_of_anonymous_sections_are_compared_by_value() {
    let schema =
        schema("config field\n\toption section 'a'\n\toption name 'id'\n\toption access 'read-only'\n");
    let with = |ids: &[&str]| {
        package(&ids.iter().map(|id| format!("config a\n\toption id '{id}'\n")).collect::<String>())
    };
    let made = |before: &[&str], after: &[&str]| {
        let after = with(after);
        let subject = Subject { package: &after, file: None, others: &Alone };
        schema.check_change(Some(&with(before)), subject).0.len()
    };
    assert_eq!(made(&["1", "2"], &["2"]), 0);
    assert_eq!(made(&["1", "2"], &["2", "1"]), 0);
    assert_eq!(made(&["1", "2"], &["1", "3"]), 1);
    assert_eq!(made(&["1"], &["1", "1"]), 1);
}

#[test]
fn mistakes_of_a_schema_have_a_line_and_advice_and_the_rest_counts() {
    let schema = schema(
        "config schema\n\toption package 'other'\n\toption enforce 'no'\n\
         config sektion 'a'\n\
         config field\n\toption nam 'x'\n\
         config field 'port'\n\toption type 'prt'\n\toption required 'perhaps'\n\toption size 'big'\n\
         \tlist depends '=1'\n\
         config field 'name'\n\toption size '2'\n",
    );
    let found: Vec<(u32, &str)> =
        schema.mistakes.iter().map(|one| (one.line, one.problem.as_str())).collect();
    let expected = [
        (2, "the file is named after the package 'net', and says 'other'"),
        (3, "enforce 'no' is not known"),
        (4, "a schema has no sections of type 'sektion'"),
        (6, "a section 'field' has no option 'nam'"),
        (5, "the field has no name"),
        (10, "size 'big' is no number"),
        (9, "required 'perhaps' is neither 1 nor 0"),
        (11, "'=1' is no condition"),
    ];
    for one in expected {
        assert!(found.contains(&one), "{one:?} of {found:?}");
    }
    assert!(found.iter().any(|(line, _)| *line == 8), "the type: {found:?}");
    assert!(schema.mistakes.iter().all(|one| !one.hint.is_empty()), "{:?}", schema.mistakes);
    let found = schema.check(&package("config a\n\toption name 'long'\n\toption port 'x'\n"), None, &Alone);
    assert_eq!(brief(&found), [("net.@a[0].name", 2, "size", true)]);
}

#[test]
fn a_schema_that_cannot_be_parsed_does_not_count() {
    let schema = schema("config schema\n\toption x 'y\n");
    assert_eq!((schema.mistakes.len(), schema.sections.len(), schema.mistakes[0].line), (1, 0, 2));
    assert_eq!(schema.check(&package("config a\n\toption b '1'\n"), None, &Alone), []);
}

#[test]
fn a_package_describes_itself_with_fields_of_known_types() {
    let text = "\
config module 'auth'
	option username 'a b!'
	list other 'x'
config field 'username'
	option type 'string'
	option size '3'
	option access 'read-write'
	option cache 'true'
	option validation 'required|alpha_num'
";
    let package_of = package(text);
    let inside = Schema::inside(&package_of, Path::new("/etc/config/net")).expect("it has fields");
    assert_eq!(inside.mistakes, []);
    let found = inside.check(&package_of, None, &Alone);
    assert_eq!(
        brief(&found),
        [("net.auth.username", 2, "size", true), ("net.auth.username", 2, "validation", true)]
    );
    for data in ["config field 'x'\n", "config field 'x'\n\toption type 'port'\n", "config a\n"] {
        assert!(Schema::inside(&package(data), Path::new("")).is_none(), "{data}");
    }
}

#[test]
fn enforce_decides_which_violations_are_refused() {
    let refused = |enforce: &str| {
        let text = SCHEMA.replace("'2.1.0'", &format!("'2.1.0'\n\toption enforce '{enforce}'"));
        let wrong = "config interface 'lan'\n\toption proto 'x'\n\toption new '1'\n";
        let found = schema(&text).check(&package(wrong), None, &Alone);
        found.iter().map(|one| one.refused).collect::<Vec<_>>()
    };
    assert_eq!(refused("refuse"), [true, true]);
    assert_eq!(refused("types"), [true, false]);
    assert_eq!(refused("warn"), [false, false]);
}

#[test]
fn a_later_file_wins_field_by_field() {
    let dirs = [tempfile::tempdir(), tempfile::tempdir()].map(|dir| dir.expect("a directory"));
    let shipped = "config section 'a'\n\toption min '1'\n\toption unknown 'refuse'\n\
                   config field\n\toption section 'a'\n\toption name 'x'\n\toption type 'port'\n\
                   config field\n\toption section 'a'\n\toption name 'y'\n\toption type 'port'\n";
    let local = "config section 'a'\n\toption max '2'\n\
                 config field\n\toption section 'a'\n\toption name 'x'\n\toption type 'string'\n";
    std::fs::write(dirs[0].path().join("net"), shipped).expect("written");
    let files = files::SchemaFiles::new(dirs.iter().map(|dir| dir.path().to_owned()).collect());
    let type_of = |name: &[u8]| {
        let schema = files.find("net").expect("a schema");
        let rule = schema.described(b"a").expect("a type");
        let field = rule.field(name).expect("a field");
        (field.type_text.clone(), rule.min, rule.max, rule.unknown)
    };
    assert_eq!(type_of(b"x"), ("port".to_owned(), Some(1), None, Unknown::Refuse));
    std::fs::write(dirs[1].path().join("net"), local).expect("written");
    assert_eq!(type_of(b"x"), ("string".to_owned(), Some(1), Some(2), Unknown::Refuse));
    assert_eq!(type_of(b"y").0, "port");
    assert_eq!((files.list(), files.find("other").is_none()), (vec!["net".to_owned()], true));
    // The same length, directly after: the file is read again all the same.
    std::fs::write(dirs[1].path().join("net"), local.replace("string", "number")).expect("written");
    assert_eq!(type_of(b"x").0, "number");
    std::fs::remove_file(dirs[1].path().join("net")).expect("removed");
    assert_eq!(type_of(b"x").0, "port");
}
