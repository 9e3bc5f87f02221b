//! `search`, `validate`, `fmt`.

use std::sync::Arc;

use cms::text::ParseError;
use cms::{DeltaKind, Error, Loaded, OptionView, Place, Section, shown};
use serde_json::json;

use super::context::{Context, path, show};
use super::failure::{Exit, Failure};
use super::line::Line;
use super::read::ShownNames;

/// How a pattern matches.
enum Pattern {
    /// A part of the text, in lower case if case does not count.
    Substring(String, bool),
    Glob(glob::Pattern, glob::MatchOptions),
    #[cfg(feature = "regex")]
    Regex(regex_lite::Regex),
}

impl Pattern {
    fn new(line: &Line, text: &str) -> Result<Self, Failure> {
        let fold = line.has("ignore-case");
        if line.has("glob") {
            let bad = |error: glob::PatternError| Failure::Usage(format!("pattern '{text}': {error}"));
            let options = glob::MatchOptions { case_sensitive: !fold, ..glob::MatchOptions::default() };
            return glob::Pattern::new(text).map(|glob| Self::Glob(glob, options)).map_err(bad);
        }
        if line.has("regex") {
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

/// What a search looks for, and what it has found.
struct Search {
    pattern: Pattern,
    keys: bool,
    values: bool,
    found: bool,
    /// What was found, if it is to be JSON.
    rows: Vec<serde_json::Value>,
}

pub fn search(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let Some((text, packages)) = line.expect(1, usize::MAX)?.split_first() else { return Ok(Exit::Usage) };
    let pattern = Pattern::new(line, &show(text))?;
    // Each of the two options leaves the other out.
    let (keys, values) = (!line.has("values"), !line.has("keys"));
    let mut search = Search { pattern, keys, values, found: false, rows: Vec::new() };
    for name in context.packages(packages)? {
        match context.load_now(&name) {
            Ok(loaded) => search.package(context, &loaded)?,
            Err(error) => context.report(&error.into())?,
        }
    }
    if context.json {
        context.put_rows(search.rows)?;
    }
    Ok(if search.found { Exit::Ok } else { Exit::NotFound })
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
            if self.keys && self.pattern.matches(&show(&key)) {
                let text = [&key, b"=".as_slice(), section.section_type()].concat();
                let value = super::json::text(section.section_type());
                self.hit(context, &file, line_of(section.offset()), &key, &value, &text)?;
            }
            for option in section.options() {
                let key = [&key, b".".as_slice(), option.name()].concat();
                let matches = |text: &[u8]| self.pattern.matches(&show(text));
                if !(self.keys && matches(&key) || self.values && option.value().items().any(matches)) {
                    continue;
                }
                let at = line_of(option.offset().filter(|_| !is_staged(loaded, section, option)));
                let items: Vec<String> = option.value().items().map(shown::quoted).collect();
                let text = [&key, b"=".as_slice(), items.join(" ").as_bytes()].concat();
                self.hit(context, &file, at, &key, &super::json::value(option.value()), &text)?;
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
        let place = line.map_or_else(|| format!("{file} (staged): "), |line| format!("{file}:{line}: "));
        context.say(&shown::lines([place.as_bytes(), text].concat()))
    }
}

/// Reports whether the value of an option is staged, and not what the file says.
fn is_staged(loaded: &Loaded, section: Section<'_>, option: OptionView<'_>) -> bool {
    loaded.changes.iter().any(|change| {
        let delta = &change.delta;
        change.failure.is_none()
            && delta.kind != DeltaKind::Rename
            && delta.section == section.name()
            && delta.option.as_deref() == Some(option.name())
    })
}

/// Counts lines up to places that mostly come in order.
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

/// Returns the packages or files named, or all packages. One that is not there is reported.
fn places(context: &mut Context, line: &Line) -> Result<Vec<Place>, Failure> {
    if line.arguments.is_empty() {
        let names = context.store.packages()?;
        return Ok(names.iter().filter_map(|name| context.store.place(name.as_bytes()).ok()).collect());
    }
    let mut places = Vec::new();
    for argument in &line.arguments {
        match context.store.place(argument) {
            Ok(place) => places.push(place),
            Err(_) if path(argument).is_file() => {
                let path = path(argument).to_path_buf();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                places.push(Place { path, name, staged: false, overridden: false });
            }
            Err(error) => context.report(&error.into())?,
        }
    }
    Ok(places)
}

fn read(place: &Place) -> Result<Vec<u8>, Failure> {
    let failed = |source| Error::Io { op: "read", path: place.path.clone(), source };
    Ok(cms::named_file::read(&place.path, cms::MAX_TEXT, b"").map_err(failed)?)
}

pub fn validate(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let mut checked = 0;
    for place in places(context, line)? {
        checked += 1;
        let errors = match read(&place) {
            Ok(text) => all_errors(context, &place, text),
            Err(failure) => {
                context.report(&failure)?;
                continue;
            }
        };
        for error in errors {
            context.report(&Error::from(error).into())?;
        }
    }
    if context.worst == Exit::Ok {
        context.verbose(&format!("{checked} files checked"));
    }
    Ok(Exit::Ok)
}

/// Returns all that is wrong with a text, in order.
fn all_errors(context: &Context, place: &Place, text: Vec<u8>) -> Vec<ParseError> {
    let errors = cms::text::check(&Arc::new(text), context.store.parse_options().progress);
    errors.into_iter().map(|error| error.in_file(&place.path)).collect()
}

pub fn fmt(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let check = line.has("check") || context.dry_run;
    let mut differs = false;
    for place in places(context, line)? {
        let tidied = read(&place).and_then(|text| {
            let text = Arc::new(text);
            let tidied = match cms::text::format(&text) {
                Err(Error::Parse(error)) => return Err(Error::from(error.in_file(&place.path)).into()),
                tidied => tidied?,
            };
            Ok((tidied != **text).then_some(tidied))
        });
        match tidied {
            Ok(None) => {}
            Ok(Some(_)) if check => {
                differs = true;
                context.say(&format!("{}: not tidy", place.path.display()))?;
            }
            Ok(Some(_)) => {
                context.store.tidy(&place)?;
                context.verbose(&format!("{}: tidied", place.path.display()));
            }
            Err(failure) => context.report(&failure)?,
        }
    }
    Ok(if differs { Exit::NotFound } else { Exit::Ok })
}
