//! Reads text, and writes it unedited, in canonical form, and as changes.

use std::sync::Arc;

use cms::text::{Dialect, ParseOptions, import, print, render};
use cms::{Error, Package};

use crate::{DIALECTS, NAME, assert_lookups_take_the_first, is_ambiguous, read, strict};

/// Reads `data` as configuration text, in both dialects, strictly and not.
///
/// # Panics
///
/// If reading panics; or if text that can be read strictly is not written back unchanged, or gives another package
/// from its canonical form, by lenient reading, or by merging into an empty package.
pub fn parse(data: &[u8]) {
    for dialect in DIALECTS {
        let options = strict(dialect);
        let lenient = options.strict(false);
        let source = Arc::new(data.to_vec());
        assert_errors_can_be_shown(import(Arc::clone(&source), &options).err());
        let (_, passed_over) = lenient_import(&source, &lenient);
        assert_errors_can_be_shown(passed_over);
        let loose =
            cms::text::parse(NAME, Arc::clone(&source), &lenient).expect("text that is not too large");
        let count = loose.errors.len();
        assert_errors_can_be_shown(loose.errors.into_iter().map(Error::from));
        assert_lookups_take_the_first(&loose.package);
        match cms::text::parse(NAME, source, &options) {
            Err(error) => assert_errors_can_be_shown([error]),
            Ok(parsed) => {
                assert!(parsed.errors.is_empty() && count == 0, "{count} errors in text that reads strictly");
                assert!(parsed.package == loose.package, "strict and lenient reading differ");
                assert_written_as_read(&parsed.package, data, &options);
                assert_merged_alike(&parsed.package, &options);
            }
        }
    }
}

/// Imports; the only error that lenient reading does not skip is a second package of the same name.
fn lenient_import(source: &Arc<Vec<u8>>, options: &ParseOptions<'_>) -> (Vec<Package>, Vec<Error>) {
    match import(Arc::clone(source), options) {
        Ok((packages, errors)) => (packages, errors.into_iter().map(Error::from).collect()),
        Err(error) => {
            assert!(matches!(error, Error::Exists { .. }), "{error}");
            (Vec::new(), vec![error])
        }
    }
}

fn assert_errors_can_be_shown(errors: impl IntoIterator<Item = Error>) {
    for error in errors {
        assert!(!error.to_string().is_empty());
        if let Error::Parse(error) = error {
            assert!(error.line > 0 && error.column > 0);
            assert!(error.column <= error.text.len() + 2, "column {} of {:?}", error.column, error.text);
            assert!(error.excerpt().ends_with('^') && !error.uci_text().is_empty());
        }
    }
}

fn assert_written_as_read(package: &Package, text: &[u8], options: &ParseOptions<'_>) {
    assert_eq!(render(package, options).expect("an unedited package"), text);
    let canonical = print(package, false);
    let reread = read(&canonical, options).expect("canonical text");
    assert!(reread == *package, "canonical text reads differently: {}", canonical.escape_ascii());
    assert_eq!(print(&reread, false), canonical);
    if !is_ambiguous(package) {
        let named = read(&print(package, true), options).expect("canonical text with names");
        let same = |(a, b): (cms::Section<'_>, cms::Section<'_>)| {
            a.name() == b.name()
                && a.section_type() == b.section_type()
                && a.options().map(|o| o.name()).eq(b.options().map(|o| o.name()))
        };
        assert!(named.len() == package.len() && named.sections().zip(package.sections()).all(same));
    }
}

/// Merging the text into an empty package gives the same package, and so do the recorded changes.
fn assert_merged_alike(package: &Package, options: &ParseOptions<'_>) {
    let mut merged = Package::new(NAME);
    let outcome = merged.merge(package.source(), options);
    if is_ambiguous(package) {
        return;
    }
    let (changes, errors) = match outcome {
        Ok(outcome) => outcome,
        // A control character, which only a file may have.
        Err(error) => {
            return assert!(
                options.dialect == Dialect::Cms && matches!(error, Error::Invalid { .. }),
                "{error}"
            );
        }
    };
    assert!(errors.is_empty());
    assert!(merged == *package, "merged text reads differently");
    if changes.iter().any(|change| change.value.as_deref().is_some_and(|value| !cms::name::is_value(value))) {
        return;
    }
    let mut lines = Vec::new();
    changes.iter().for_each(|change| change.write_line(NAME, &mut lines));
    let mut replayed = Package::new(NAME);
    for line in cms::delta::read_lines(&lines) {
        let (_, change) = line.delta.expect("a line that was written");
        replayed.apply(&change, options.dialect).expect("a change that was recorded");
    }
    assert!(replayed == merged, "replayed changes differ: {}", lines.escape_ascii());
}
