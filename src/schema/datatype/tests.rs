//! What builds with and without regular expressions say of them; the other tests are in `tests/it/datatypes.rs`.

use super::{Datatype, Files};

const WITH_PATTERNS: [&str; 5] = [
    "regexp(\"a\")",
    "not(regexp(\"a\"))",
    "and(string,regex(\"a\"))",
    "required|regex:a",
    "list(regexp(\"a\"))",
];

fn datatype(text: &str) -> Datatype {
    Datatype::parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

#[cfg(not(feature = "regex"))]
#[test]
fn a_build_without_regular_expressions_says_that_it_does_not_check_them() {
    let unchecked = Some("this build has no regular expressions");
    for kind in WITH_PATTERNS {
        let failure = datatype(kind).check(b"b", &Files::default()).expect_err(kind);
        assert_eq!((failure.unchecked, datatype(kind).unchecked()), (unchecked, unchecked), "{kind}");
    }
    // What decides without it is said.
    let failure = datatype("and(port,regexp(\"a\"))").check(b"b", &Files::default()).expect_err("no port");
    assert_eq!((failure.unchecked, &*failure.rule), (None, "port"));
    let either = datatype("or(regexp(\"a\"),port)");
    assert_eq!(either.check(b"80", &Files::default()), Ok(()));
    assert_eq!(either.check(b"x", &Files::default()).expect_err("unknown").unchecked, unchecked);
}

#[cfg(feature = "regex")]
#[test]
fn a_build_with_regular_expressions_checks_them() {
    for kind in WITH_PATTERNS {
        assert_eq!(datatype(kind).unchecked(), None, "{kind}");
        let wrong = datatype(kind).check(b"b", &Files::default()).err();
        assert_eq!(wrong.is_some(), !kind.starts_with("not"), "{kind}");
        assert!(wrong.is_none_or(|failure| failure.unchecked.is_none()), "{kind}");
    }
}
