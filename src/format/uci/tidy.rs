//! Tidies text: canonical indentation and quoting, one statement a line. Comments, blank lines and order stay.

use std::sync::Arc;

use super::lexer::{Fault, MARK};
use super::load::parse;
use super::print::{push_quoted, push_type};
use super::statement::{Command, Opened, Statement, Statements};
use crate::error::{Error, Result};
use crate::format::ParseOptions;
use crate::model::name::is_blank;

/// Returns the tidied text, which has the same meaning.
///
/// # Errors
///
/// [`Error::Parse`] if `source` does not parse strictly.
pub fn tidy(source: &Arc<Vec<u8>>) -> Result<Vec<u8>> {
    let options = ParseOptions::default();
    let before = parse(b"tidy", Arc::clone(source), &options)?.package;
    let out = tidied(source, &options).map_err(|fault| fault.locate(source))?;
    let after = parse(b"tidy", Arc::new(out.clone()), &options)?.package;
    if before == after {
        Ok(out)
    } else {
        Err(Error::invalid(b"", "this text cannot be tidied without changing it"))
    }
}

fn tidied(source: &[u8], options: &ParseOptions<'_>) -> std::result::Result<Vec<u8>, Fault> {
    let mut statements = Statements::new(source, options.dialect, options.strict);
    let mut out = Vec::with_capacity(source.len() + 64);
    // The end of the last statement, where the text between statements begins.
    let mut from = if source.starts_with(MARK) { MARK.len() } else { 0 };
    let mark = &source[..from];
    while let Some(statement) = statements.next(Opened { package: true, section: true })? {
        gap(&source[from..statement.range.start], &mut out);
        push_statement(&statement, &mut out);
        from = statement.range.end;
    }
    gap(&source[from..], &mut out);
    out.splice(0..0, mark.iter().copied());
    Ok(out)
}

/// Writes the text between two statements: comments and blank lines, without the `;` or `\\` that joined them.
fn gap(text: &[u8], out: &mut Vec<u8>) {
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    for (index, line) in lines.iter().enumerate() {
        let line = line.trim_ascii_start();
        let joined = line.iter().take_while(|byte| is_blank(**byte) || matches!(byte, b';' | b'\\')).count();
        let comment = line[joined..].trim_ascii_end();
        // The first piece follows a statement, and the last one precedes the next.
        let behind = index == 0 && out.last().is_some_and(|byte| *byte != b'\n');
        if behind && !comment.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(comment);
        let last = index + 1 == lines.len();
        if !last || !comment.is_empty() || behind {
            out.push(b'\n');
        }
    }
}

fn push_statement(statement: &Statement<'_>, out: &mut Vec<u8>) {
    let (lead, quote_second): (&[u8], bool) = match statement.command {
        Command::Package => (b"package ", false),
        Command::Config => (b"config ", !statement.second.is_empty()),
        Command::Option => (b"\toption ", true),
        Command::List => (b"\tlist ", true),
    };
    out.extend_from_slice(lead);
    push_type(&statement.first.value, out);
    if quote_second {
        out.push(b' ');
        push_quoted(&statement.second.value, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(text: &str) -> String {
        String::from_utf8(tidy(&Arc::new(text.into())).expect("tidied")).expect("UTF-8")
    }

    #[test]
    fn indentation_and_quoting_are_tidied_and_comments_stay() {
        let text =
            "# top\n\nconfig  a   x # one\n  option o 1   # two\n    # three\n option \"p\"  \"it's\"\n\n";
        assert_eq!(
            tidied(text),
            "# top\n\nconfig a 'x' # one\n\toption o '1' # two\n# three\n\toption p 'it'\\''s'\n\n"
        );
    }

    #[test]
    fn statements_that_share_a_line_get_one_each() {
        assert_eq!(
            tidied("config a x; option o 1 ; list l 2 # end\n"),
            "config a 'x'\n\toption o '1'\n\tlist l '2' # end\n"
        );
        assert_eq!(
            tidied("config a\n\toption x 1 \\\n option y 2"),
            "config a\n\toption x '1'\n\toption y '2'\n"
        );
    }

    #[test]
    fn m3_a_line_behind_a_section_without_a_name_stays_a_line() {
        for text in [
            "config rule\n#\toption enabled 0\n\toption name 'x'\n",
            "config rule\n\n\toption name 'x'\nconfig a\n# c\nconfig b # d\n",
            "\u{feff}config rule\n\n# c\n",
            "\u{feff}# c\nconfig rule\n",
        ] {
            assert_eq!(tidied(text), text);
        }
        assert_eq!(tidied("config rule ; option x 1\n# c\n"), "config rule\n\toption x '1'\n# c\n");
    }

    proptest::proptest! {
        #[test]
        fn m3_tidying_twice_is_tidying_once_and_keeps_comments_and_blank_lines(
            picked in proptest::collection::vec(0..LINES.len(), 0..12)
        ) {
            let text: String = picked.iter().map(|index| LINES[*index]).collect();
            let source = Arc::new(text.clone().into_bytes());
            if let Ok(once) = tidy(&source) {
                proptest::prop_assert_eq!(&tidy(&Arc::new(once.clone())).expect("tidied"), &once);
                let once = String::from_utf8(once).expect("UTF-8");
                let kept = |text: &str| -> Vec<String> {
                    let lines = text.lines().map(|line| line.trim().to_owned());
                    lines.filter(|line| line.is_empty() || line.starts_with('#')).collect()
                };
                proptest::prop_assert_eq!(kept(&once), kept(&text), "{}", text);
            }
        }
    }

    const LINES: [&str; 14] = [
        "\n",
        "# comment\n",
        "  #\toption x 1\n",
        "config a\n",
        "config a # behind\n",
        "config a 'n'\n",
        " config  'a'   b ; option x 1\n",
        "\toption x 'two words'\n",
        "option y \"two\nlines\" # behind\n",
        "\tlist l a; list l b\n",
        "list l it\\'s\n",
        "option z a\\\nb\n",
        "config a ; config b\n",
        " \t \n",
    ];

    #[test]
    fn tidy_text_stays_as_it_is() {
        let text = "# a\n\nconfig a 'x'\n\toption o 'two\n  lines'\n\n\n# b\nconfig b\n";
        assert_eq!(tidied(text), text);
    }
}
