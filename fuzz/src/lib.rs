//! The bodies of the fuzz targets, which can be called without libFuzzer. They check properties that hold for any
//! input.
//!
//! Each target takes bytes and panics if a property does not hold. `tests/replay.rs` calls them with every file of
//! `corpus/` and `regressions/`; libFuzzer runs the binaries in `fuzz_targets/`:
//!
//! ```text
//! cargo +nightly fuzz run --features libfuzzer edit -- -dict=uci.dict -max_len=4096
//! ```

mod comments;
mod datatype;
mod delta;
mod edit;
mod key;
mod map;
mod parse;

use std::sync::Arc;

use cms::text::{Dialect, ParseOptions};
use cms::{Error, Package};

pub use datatype::datatype;
pub use delta::delta;
pub use edit::edit;
pub use key::key;
pub use map::map;
pub use parse::parse;

/// A function that takes any bytes.
pub type Target = fn(&[u8]);

/// The targets by name, which is also the name of their directories.
pub const TARGETS: [(&str, Target); 6] =
    [("parse", parse), ("edit", edit), ("delta", delta), ("key", key), ("map", map), ("datatype", datatype)];

const DIALECTS: [Dialect; 2] = [Dialect::Cms, Dialect::Uci];

/// The name of the package in all targets.
const NAME: &[u8] = b"n";

fn strict(dialect: Dialect) -> ParseOptions<'static> {
    ParseOptions::new().dialect(dialect)
}

fn read(text: &[u8], options: &ParseOptions<'_>) -> Result<Package, Error> {
    cms::text::parse(NAME, Arc::new(text.to_vec()), options).map(|parsed| parsed.package)
}

/// Reports whether names of the package may select another section or option once it is written and read again: two
/// sections, or two options of one, have one name, or one is named like an anonymous section.
fn is_ambiguous(package: &Package) -> bool {
    has_twins(package.sections().map(|section| section.name()))
        || package.sections().any(|section| {
            (!section.is_anonymous() && looks_generated(section.name()))
                || has_twins(section.options().map(|option| option.name()))
        })
}

fn has_twins<'p>(names: impl Iterator<Item = &'p [u8]>) -> bool {
    let mut names: Vec<&[u8]> = names.collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

fn looks_generated(name: &[u8]) -> bool {
    let digits = name.strip_prefix(b"cfg").unwrap_or_default();
    digits.len() >= 6 && digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Checks that each name leads to the first section, and the first option, that has it.
fn assert_lookups_take_the_first(package: &Package) {
    for section in package.sections() {
        let first = package.sections().find(|other| other.name() == section.name()).expect("itself at least");
        let found = package.section(section.name()).expect("a section that is in the package");
        assert!(
            std::ptr::eq(found.name(), first.name()),
            "lookup of {:?}",
            section.name().escape_ascii().to_string()
        );
        for option in section.options() {
            let first =
                section.options().find(|other| other.name() == option.name()).expect("itself at least");
            let found = section.option(option.name()).expect("an option that is in the section");
            assert!(
                std::ptr::eq(found.name(), first.name()),
                "lookup of {:?}",
                option.name().escape_ascii().to_string()
            );
        }
    }
}
