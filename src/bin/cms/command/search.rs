//! `cms search`: finds keys and values.

use cms::{DeltaKind, Loaded, OptionView, Section, shown};
use serde_json::json;

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::json;
use crate::paint::Color;
use crate::secrets;
use crate::shape::{Output, Shape};
use crate::shown_names::ShownNames;
use crate::spec::{Call, Command, FlagValues, Writes, at, switch};

#[derive(Default)]
pub struct Flags {
    glob: bool,
    regex: bool,
    ignore_case: bool,
    keys: bool,
    values: bool,
    at: Option<String>,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "search",
    aliases: &[],
    arguments: "PATTERN [PACKAGE...]",
    summary: "find keys and values; prints FILE:LINE",
    flags: &[
        switch("glob", "PATTERN is a shell pattern", |flags: &mut Flags| &mut flags.glob),
        switch("regex", "PATTERN is a regular expression", |flags: &mut Flags| &mut flags.regex),
        switch("ignore-case", "ignore case", |flags: &mut Flags| &mut flags.ignore_case).short('i'),
        switch("keys", "look at keys only", |flags: &mut Flags| &mut flags.keys),
        switch("values", "look at values only", |flags: &mut Flags| &mut flags.values),
        at(|flags: &mut Flags| &mut flags.at),
    ],
    writes: Writes::Nothing,
    json: &[Output::rows(&HIT)],
    run,
};

/// What was found.
const HIT: Shape = Shape::of(
    "
    file text the file
    line number|null the line; null if it is only staged
    key text the key of the section or option
    value value its value; of a section its type",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let Some((text, packages)) = call.expect(1, usize::MAX)?.split_first() else { return Ok(Exit::Usage) };
    let pattern = Pattern::new(&call.flags, &show(text))?;
    // With `--values` keys are not searched, with `--keys` values are not.
    let (keys, values) = (!call.flags.values, !call.flags.keys);
    let at = call.flags.at.clone();
    let mut search = Search { pattern, keys, values, at, found: false, rows: Vec::new() };
    context.read_at(call.flags.at.as_deref())?;
    // A package that is only staged has no file, and is searched if it is named.
    let all = if call.flags.at.is_some() {
        context.packages_read(packages)?
    } else {
        context.packages(packages)?
    };
    for name in all {
        match context.load_read(&name) {
            Ok(loaded) => search.package(context, &loaded)?,
            Err(error) => context.report(&error)?,
        }
    }
    if context.json {
        context.put_rows(search.rows)?;
    }
    Ok(if search.found { Exit::Ok } else { Exit::NotFound })
}

/// How a pattern matches.
enum Pattern {
    /// The text must contain this string, which is in lower case if case is ignored.
    Substring(String, bool),
    Glob(glob::Pattern, glob::MatchOptions),
    #[cfg(feature = "regex")]
    Regex(regex_lite::Regex),
}

impl Pattern {
    fn new(flags: &Flags, text: &str) -> Result<Self, Failure> {
        let fold = flags.ignore_case;
        if flags.glob {
            let bad = |error: glob::PatternError| Failure::Usage(format!("pattern '{text}': {error}"));
            let options = glob::MatchOptions { case_sensitive: !fold, ..glob::MatchOptions::default() };
            return glob::Pattern::new(text).map(|glob| Self::Glob(glob, options)).map_err(bad);
        }
        if flags.regex {
            return Self::regex(text, fold);
        }
        Ok(Self::Substring(if fold { text.to_lowercase() } else { text.to_owned() }, fold))
    }

    #[cfg(feature = "regex")]
    fn regex(text: &str, fold: bool) -> Result<Self, Failure> {
        let bad = |error: regex_lite::Error| Failure::Usage(format!("pattern '{text}': {error}"));
        let built = regex_lite::RegexBuilder::new(text).case_insensitive(fold).build();
        built.map(Self::Regex).map_err(bad)
    }

    #[cfg(not(feature = "regex"))]
    fn regex(_: &str, _: bool) -> Result<Self, Failure> {
        Err(Failure::Usage("this cms was built without regular expressions; use --glob".into()))
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Substring(part, true) => text.to_lowercase().contains(part),
            Self::Substring(part, false) => text.contains(part),
            Self::Glob(glob, options) => glob.matches_with(text, *options),
            #[cfg(feature = "regex")]
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// A search: its pattern, and its results so far.
struct Search {
    pattern: Pattern,
    keys: bool,
    values: bool,
    /// The revision that is searched, if it is not the present state.
    at: Option<String>,
    found: bool,
    /// The results, if the output is JSON.
    rows: Vec<serde_json::Value>,
}

impl Search {
    fn package(&mut self, context: &mut Context, loaded: &Loaded) -> Result<(), Failure> {
        let package = &loaded.package;
        let mut names = ShownNames::default();
        let mut lines = LineCounter::default();
        let file = loaded.place.path.display().to_string();
        let mut line_of = |offset: Option<usize>| offset.map(|offset| lines.line(package.source(), offset));
        for section in package.sections() {
            let name = names.of(section);
            let key = [package.name(), b".", &name].concat();
            let is_root = section.name().is_empty();
            if self.keys && !is_root && self.pattern.matches(&show(&key)) {
                let text = [&key, b"=".as_slice(), section.section_type()].concat();
                let value = json::text(section.section_type());
                self.hit(context, &file, line_of(section.offset()), &key, &value, &text)?;
            }
            for option in section.options() {
                let key = [&key, b".".as_slice(), option.name()].concat();
                let matches = |text: &[u8]| self.pattern.matches(&show(text));
                // A search must not tell a secret value.
                let hidden = secrets::is_hidden(package.name(), section.name(), option.name());
                let in_value = || !hidden && self.values && option.value().items().any(matches);
                if !(self.keys && matches(&key) || in_value()) {
                    continue;
                }
                let at = line_of(option.offset().filter(|_| !is_staged(loaded, section, option)));
                let shown =
                    |item| secrets::shown(package.name(), section.name(), option.name(), item).quoted();
                let items: Vec<String> = option.value().items().map(shown).collect();
                let text = [&key, b"=".as_slice(), items.join(" ").as_bytes()].concat();
                let value = json::shown_value(package.name(), section, option);
                self.hit(context, &file, at, &key, &value, &text)?;
            }
        }
        Ok(())
    }

    fn hit(
        &mut self,
        context: &mut Context,
        file: &str,
        line: Option<usize>,
        key: &[u8],
        value: &serde_json::Value,
        text: &[u8],
    ) -> Result<(), Failure> {
        self.found = true;
        if context.json {
            self.rows.push(json!({"file": file, "line": line, "key": show(key), "value": value}));
            return Ok(());
        }
        let at = self.at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        let place = line.map_or_else(|| format!("{file} (staged)"), |line| format!("{file}{at}:{line}"));
        let place = context.paint.text(Color::Magenta, shown::lines(&place).as_bytes());
        context.put_line(&[&place, b": ".as_slice(), shown::lines(text).as_bytes()].concat())
    }
}

/// Reports whether the value of an option is staged, and so differs from the file.
fn is_staged(loaded: &Loaded, section: Section<'_>, option: OptionView<'_>) -> bool {
    loaded.changes.iter().any(|change| {
        let delta = &change.delta;
        change.failure.is_none()
            && delta.kind != DeltaKind::Rename
            && delta.section == section.name()
            && delta.option.as_deref() == Some(option.name())
    })
}

/// Converts offsets into line numbers. Offsets should mostly ascend.
#[derive(Default)]
struct LineCounter {
    offset: usize,
    newlines: usize,
}

impl LineCounter {
    fn line(&mut self, text: &[u8], offset: usize) -> usize {
        if offset < self.offset {
            *self = Self::default();
        }
        self.newlines += memchr::memchr_iter(b'\n', &text[self.offset..offset]).count();
        self.offset = offset;
        self.newlines + 1
    }
}
