//! `search`, `validate`, `fmt`.

use std::path::PathBuf;
use std::sync::Arc;

use cms::text::{ParseError, ParseOptions, parse};
use cms::{Error, Loaded, Place};
use serde_json::json;

use super::context::{Context, show};
use super::failure::{Exit, Failure};
use super::line::Line;
use super::read::{ShownNames, show_option};

/// How a pattern matches.
enum Pattern {
    Substring(String),
    Glob(glob::Pattern),
    #[cfg(feature = "regex")]
    Regex(regex_lite::Regex),
}

impl Pattern {
    fn new(line: &Line, text: &str) -> Result<Self, Failure> {
        if line.has("glob") {
            let bad = |error: glob::PatternError| Failure::Usage(format!("pattern '{text}': {error}"));
            return glob::Pattern::new(text).map(Self::Glob).map_err(bad);
        }
        if line.has("regex") {
            return Self::regex(text);
        }
        Ok(Self::Substring(text.to_owned()))
    }

    #[cfg(feature = "regex")]
    fn regex(text: &str) -> Result<Self, Failure> {
        let bad = |error: regex_lite::Error| Failure::Usage(format!("pattern '{text}': {error}"));
        regex_lite::Regex::new(text).map(Self::Regex).map_err(bad)
    }

    #[cfg(not(feature = "regex"))]
    fn regex(_: &str) -> Result<Self, Failure> {
        Err(Failure::Usage("this cms was built without regular expressions; use --glob".into()))
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Substring(part) => text.contains(part),
            Self::Glob(glob) => glob.matches(text),
            #[cfg(feature = "regex")]
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

pub fn search(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let (text, packages) = line.expect(1, usize::MAX)?.split_first().unwrap_or((&line.arguments[0], &[]));
    let fold = |text: String| if line.has("ignore-case") { text.to_lowercase() } else { text };
    let pattern = Pattern::new(line, &fold(show(text)))?;
    let (keys, values) = (line.has("keys"), line.has("values"));
    let mut found = false;
    for name in context.packages(packages)? {
        let loaded = match context.store.load(&name) {
            Ok(loaded) => loaded,
            Err(error) => {
                context.report(&error.into())?;
                continue;
            }
        };
        let mut names = ShownNames::default();
        let mut lines = LineCounter::default();
        for section in loaded.package.sections() {
            let section_name = names.of(section);
            for option in section.options() {
                let key = format!("{}.{}.{}", show(&name), show(&section_name), show(option.name()));
                let hit = (!values && pattern.matches(&fold(key.clone())))
                    || (!keys && option.value().items().any(|item| pattern.matches(&fold(show(item)))));
                if !hit {
                    continue;
                }
                found = true;
                let at = option.offset().map(|offset| lines.line(loaded.package.source(), offset));
                let mut out = Vec::new();
                show_option(&name, &section_name, option.name(), option.value(), &mut out);
                print_hit(context, &loaded, at, &key, option.value(), &out)?;
            }
        }
    }
    Ok(if found { Exit::Ok } else { Exit::NotFound })
}

fn print_hit(
    context: &mut Context,
    loaded: &Loaded,
    line: Option<usize>,
    key: &str,
    value: cms::Value<'_>,
    text: &[u8],
) -> Result<(), Failure> {
    let file = loaded.place.path.display().to_string();
    if context.json || context.json_lines {
        return context
            .put_json(&json!({"file": file, "line": line, "key": key, "value": super::json::value(value)}));
    }
    let place = line.map_or_else(|| format!("{file} (staged): "), |line| format!("{file}:{line}: "));
    context.put(place.as_bytes())?;
    context.put(text)
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

/// Returns the packages or files named, or all packages.
fn places(context: &Context, line: &Line) -> Result<Vec<Place>, Failure> {
    if line.arguments.is_empty() {
        let names = context.store.packages()?;
        return Ok(names.iter().filter_map(|name| context.store.place(name.as_bytes()).ok()).collect());
    }
    let place = |argument: &Vec<u8>| {
        let path = PathBuf::from(show(argument));
        match context.store.place(argument) {
            Ok(place) => Ok(place),
            Err(_) if path.is_file() => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok(Place { path, name, staged: false })
            }
            Err(error) => Err(error.into()),
        }
    };
    line.arguments.iter().map(place).collect()
}

fn read(place: &Place) -> Result<Vec<u8>, Failure> {
    let failed = |source| Error::Io { op: "read", path: place.path.clone(), source };
    Ok(std::fs::read(&place.path).map_err(failed)?)
}

pub fn validate(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let mut checked = 0;
    for place in places(context, line)? {
        checked += 1;
        let errors = match read(&place) {
            Ok(text) => all_errors(&place, text),
            Err(failure) => {
                context.report(&failure)?;
                continue;
            }
        };
        for error in errors {
            context.report(&Error::from(error).into())?;
        }
    }
    if context.worst == Exit::Ok && context.verbose {
        eprintln!("cms: {checked} files checked");
    }
    Ok(Exit::Ok)
}

/// Reads a text to its end and returns all that is wrong with it, in order.
fn all_errors(place: &Place, text: Vec<u8>) -> Vec<ParseError> {
    let text = Arc::new(text);
    let lenient = ParseOptions { strict: false, ..ParseOptions::default() };
    let mut errors = match parse(place.name.as_bytes(), Arc::clone(&text), &lenient) {
        Ok(parsed) => parsed.errors,
        Err(Error::Parse(error)) => vec![*error],
        Err(_) => Vec::new(),
    };
    // Surplus words and changing types are errors only to the strict reader, which stops at the first.
    if let Err(Error::Parse(error)) = parse(place.name.as_bytes(), text, &ParseOptions::default())
        && !errors.contains(&error)
    {
        errors.push(*error);
    }
    errors.sort_by_key(|error| (error.line, error.column));
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
                if context.verbose {
                    eprintln!("cms: {}: tidied", place.path.display());
                }
            }
            Err(failure) => context.report(&failure)?,
        }
    }
    Ok(if differs { Exit::NotFound } else { Exit::Ok })
}
