//! Finds one value in a text without making a package of it.

use std::borrow::Cow;

use super::statement::{Command, Opened, Statement, Statements};
use crate::model::dialect::Dialect;

/// So many named sections are compared with each other; a text with more is read as a package.
const SECTIONS: usize = 128;

/// Generated names of sections without a name start with this.
const GENERATED: &[u8] = b"cfg";

/// Returns the value of an option that is a string, if the text gives it once, in one named section, and if all of the text
/// is without errors. `None` says nothing about the option: the caller reads the text as a package.
///
/// It reads the whole text with the same reader of statements as [`super::parse`] in strict mode and the intended dialect,
/// so it finds a value only where that one reads the same value.
pub(crate) fn find_string<'t>(text: &'t [u8], section: &[u8], option: &[u8]) -> Option<Cow<'t, [u8]>> {
    if section.starts_with(GENERATED) {
        return None;
    }
    let mut statements = Statements::new(text, Dialect::Cms, true);
    let (mut search, mut opened) = (Search::of(section, option), Opened { package: true, section: false });
    while let Some(statement) = statements.next(opened).ok()? {
        opened.section |= statement.command == Command::Config;
        search.take(statement)?;
    }
    search.found
}

/// What the statements have given so far.
struct Search<'t, 'n> {
    section: &'n [u8],
    option: &'n [u8],
    /// Whether the statements are those of the section.
    is_within: bool,
    names: Vec<Cow<'t, [u8]>>,
    found: Option<Cow<'t, [u8]>>,
}

impl<'t, 'n> Search<'t, 'n> {
    fn of(section: &'n [u8], option: &'n [u8]) -> Self {
        Self { section, option, is_within: false, names: Vec::new(), found: None }
    }

    /// Takes the next statement; `None` if the text has to be read as a package.
    fn take(&mut self, statement: Statement<'t>) -> Option<()> {
        match statement.command {
            Command::Package => return None,
            Command::Config => return self.enter(statement.second.value),
            Command::Option | Command::List if !self.is_within || *statement.first.value != *self.option => {}
            Command::List => return None,
            Command::Option if statement.second.is_empty() || self.found.is_some() => return None,
            Command::Option => self.found = Some(statement.second.value),
        }
        Some(())
    }

    /// Enters a section. If two have one name, they are one section, or an error.
    fn enter(&mut self, name: Cow<'t, [u8]>) -> Option<()> {
        self.is_within = !name.is_empty() && *name == *self.section;
        if !name.is_empty() {
            if self.names.len() == SECTIONS || self.names.contains(&name) {
                return None;
            }
            self.names.push(name);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn find(text: &str) -> Option<String> {
        let found = find_string(text.as_bytes(), b"lan", b"ip").map(|value| value.into_owned());
        found.map(|value| String::from_utf8(value).expect("text"))
    }

    #[test]
    fn a_value_is_found_however_it_is_written() {
        assert_eq!(find("config interface 'lan'\n\toption ip '10.0.0.1'\n").as_deref(), Some("10.0.0.1"));
        assert_eq!(find("config i lan; option ip a'b c'\"d\" # e").as_deref(), Some("ab cd"));
        assert_eq!(
            find("config i\n option ip 1\nconfig i lan\n list dns 2\n option ip '3\n4'\n").as_deref(),
            Some("3\n4")
        );
    }

    #[test]
    fn the_package_decides_where_one_look_at_the_text_cannot() {
        for text in [
            "config i lan\n\tlist ip 1\n",
            "config i lan\n\toption ip 1\n\toption ip 2\n",
            "config i lan\n\toption ip 1\n\tlist ip 2\n",
            "config i lan\n\toption ip 1\nconfig i lan\n\toption ip 2\n",
            "config i lan\n\toption ip 1\nconfig a x\nconfig b x\n",
            "config i lan\n\toption ip ''\n",
            "config i lan\n\toption ip 1\npackage other\n",
            "config i lan\n\toption ip 1\n\toption no-name 2\n",
            "config i lan\n\toption ip 1\nconfig i 'wan\n",
            "config i wan\n\toption ip 1\n",
            "option ip 1\n",
            "",
        ] {
            assert_eq!(find(text), None, "{text:?}");
        }
        let many: String = (0..200).map(|number| format!("config i s{number}\n")).collect();
        assert_eq!(find(&format!("config i lan\n\toption ip 1\n{many}")), None);
        assert_eq!(find_string(b"config i cfg01\n option ip 1\n", b"cfg01", b"ip"), None);
    }

    proptest::proptest! {
        /// Whatever it finds, the package has the same value.
        #[test]
        fn it_never_differs_from_the_package(lines in proptest::collection::vec(0_usize..18, 0..14)) {
            const LINES: [&str; 18] = [
                "config i lan", "config i 'lan'", "config i", "config j lan", "config i wan", "package p",
                "\toption ip '1'", "\toption ip 2", "option  ip \"3\"", "\tlist ip '4'", "\toption ip ''", "option ip",
                "option b\\", "\toption 'ip' '5", "'", "# option ip 6", "config i lan; option ip 7", "\toption x 'y' z",
            ];
            let text = lines.iter().map(|line| format!("{}\n", LINES[*line])).collect::<String>();
            let found = find_string(text.as_bytes(), b"lan", b"ip").map(Cow::into_owned);
            if let Some(found) = found {
                let parsed = super::super::parse(b"p", Arc::new(text.into_bytes()), &Default::default());
                let package = parsed.expect("a text without errors").package;
                proptest::prop_assert_eq!(package.get(b"lan", b"ip"), Some(crate::Value::String(&found)));
            }
        }
    }
}
