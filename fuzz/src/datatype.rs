//! Datatypes and rule strings.

use cms::datatype::{Answer, Context, Datatype, FileKind, Reference};

/// The values that each expression checks.
const VALUES: [&[u8]; 12] = [
    b"",
    b"80",
    b"!80",
    b"-0x1f",
    b"1.5e3",
    b"192.0.2.1/24",
    b"::1",
    b"lan !wan",
    b"a@b.c",
    b"00:11:22:33:44:55",
    b"\xff\x00",
    b"example.com.",
];

/// Has no file and no package.
struct Nothing;

impl Context for Nothing {
    fn accepts(&self, _: &Reference, _: &[u8]) -> Answer {
        Answer::No
    }

    fn has_file(&self, _: &[u8], _: FileKind) -> Answer {
        Answer::No
    }
}

/// Reads the first line of `data` as an expression, and checks the other lines and some values of its own.
///
/// # Panics
///
/// If reading panics; if a column is outside of the expression; if a value passes neither an expression nor its
/// negation, or both; or if a failure has no explanation.
pub fn datatype(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let text = lines.next().unwrap_or_default();
    let datatype = match Datatype::parse(text) {
        Ok(datatype) => datatype,
        Err(fault) => {
            assert!(!fault.why.is_empty() && (1..=text.len() + 1).contains(&fault.column), "{fault:?}");
            return;
        }
    };
    assert_eq!(datatype.text(), text);
    let negated = Datatype::parse(&[b"not(".as_slice(), text, b")"].concat()).ok();
    for value in lines.chain(VALUES) {
        let found = datatype.check(value, &Nothing);
        if let Err(failure) = &found {
            assert!(!failure.expected.is_empty() && !failure.to_string().is_empty(), "{failure:?}");
            assert!(
                value.is_empty()
                    || failure.unchecked.is_some()
                    || !failure.rule.is_empty()
                    || text.is_empty()
            );
        }
        // Only the first of several alternatives is negated.
        let one = negated.as_ref().filter(|_| !value.is_empty() && !text.contains(&b','));
        if let (Some(negated), true) =
            (one, found.as_ref().err().is_none_or(|failure| failure.unchecked.is_none()))
        {
            let nothing = negated.check(value, &Nothing).is_ok() == found.is_ok();
            assert!(
                !nothing || text.trim_ascii().is_empty(),
                "{:?} {:?}",
                text.escape_ascii().to_string(),
                value
            );
        }
    }
    assert!(!datatype.expected().is_empty());
    let _ = datatype.references();
    let _ = datatype.choices();
}
