//! Reads what an init script of OpenWrt validates: the calls of `uci_load_validate` and `uci_validate_section`.
//!
//! A call names a package, a type of sections, and options as `NAME:DATATYPE:DEFAULT`. Names of packages and types may
//! be variables that the script sets once, or arguments of the function around the call, which its callers give.

use std::collections::BTreeMap;

use cms::datatype::{Answer, Context, Datatype, FileKind};

use super::shell::{self, Command, Piece, Word};
use super::text::{Draft, FieldDraft};

/// What a script validates.
#[derive(Debug, Default)]
pub struct Imported {
    /// A draft for each package, in the order of the script.
    pub drafts: Vec<Draft>,
    /// What could not be taken over, each with its line.
    pub problems: Vec<(usize, String)>,
}

/// The functions that validate, each with the number of arguments before the options.
const VALIDATORS: [(&str, usize); 3] =
    [("uci_load_validate", 4), ("uci_validate_section", 3), ("/sbin/validate_data", 3)];

/// Reads a script.
pub fn read(script: &str) -> Imported {
    let (commands, unclosed) = shell::commands(script);
    let reader = Reader { variables: variables(&commands), commands: &commands };
    let mut imported = Imported::default();
    if let Some(line) = unclosed {
        imported
            .problems
            .push((line, "the quote is not closed, so that the rest of the script is not read".to_owned()));
    }
    for command in &commands {
        let name = command.words.first().and_then(Word::literal).unwrap_or_default();
        let Some((_, before)) = VALIDATORS.iter().find(|(validator, _)| *validator == name) else { continue };
        for arguments in reader.callers(command) {
            reader.call(command, *before, &arguments, &mut imported);
        }
    }
    imported
}

/// The variables that a script sets to a text; the first value counts.
fn variables(commands: &[Command]) -> BTreeMap<String, Word> {
    let mut found = BTreeMap::new();
    for word in commands.iter().flat_map(|command| &command.words) {
        let Some(Piece::Text(first)) = word.pieces.first() else { continue };
        let Some((name, value)) = first.split_once('=') else { continue };
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_name && !found.contains_key(name) {
            let mut word = word.clone();
            word.pieces[0] = Piece::Text(value.to_owned());
            found.insert(name.to_owned(), word);
        }
    }
    found
}

struct Reader<'c> {
    variables: BTreeMap<String, Word>,
    commands: &'c [Command],
}

impl Reader<'_> {
    /// The arguments that the callers of the function around a command give, as far as they are known; no arguments if
    /// nobody calls it by name.
    fn callers(&self, command: &Command) -> Vec<Vec<Option<String>>> {
        let Some(function) = &command.function else { return vec![Vec::new()] };
        let is_call = |other: &&Command| other.words.first().and_then(Word::literal) == Some(function);
        let mut found: Vec<Vec<Option<String>>> = Vec::new();
        for call in self.commands.iter().filter(is_call) {
            let arguments: Vec<Option<String>> =
                call.words[1..].iter().map(|word| self.whole(word, &[])).collect();
            if !found.contains(&arguments) {
                found.push(arguments);
            }
        }
        if found.is_empty() { vec![Vec::new()] } else { found }
    }

    /// Returns the text of a word, up to the first piece that is not known, and whether that is all of it.
    fn text(&self, word: &Word, arguments: &[Option<String>], depth: usize) -> (String, bool) {
        let mut text = String::new();
        for piece in &word.pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Computed => return (text, false),
                Piece::Variable { name, otherwise } => {
                    let argument =
                        name.parse::<usize>().ok().and_then(|at| arguments.get(at.checked_sub(1)?));
                    let set = self.variables.get(name).filter(|_| depth < 8);
                    let (value, is_whole) = match (argument.cloned().flatten(), set, otherwise) {
                        (Some(value), _, _) => (value, true),
                        (None, Some(word), _) => self.text(word, arguments, depth + 1),
                        (None, None, Some(otherwise)) => (otherwise.clone(), true),
                        (None, None, None) => return (text, false),
                    };
                    text.push_str(&value);
                    if !is_whole {
                        return (text, false);
                    }
                }
            }
        }
        (text, true)
    }

    fn whole(&self, word: &Word, arguments: &[Option<String>]) -> Option<String> {
        let (text, is_whole) = self.text(word, arguments, 0);
        is_whole.then_some(text)
    }

    /// Takes over a call.
    fn call(&self, command: &Command, before: usize, arguments: &[Option<String>], imported: &mut Imported) {
        let mut problem = |why: String| {
            if !imported.problems.contains(&(command.line, why.clone())) {
                imported.problems.push((command.line, why));
            }
        };
        let part = |at: usize| command.words.get(at).and_then(|word| self.whole(word, arguments));
        let package = part(1).filter(|name| !name.is_empty());
        let section = part(2).filter(|name| !name.is_empty());
        let (package, section) = match (package, section) {
            (Some(package), Some(section)) => (package.into_bytes(), section.into_bytes()),
            (None, _) => {
                return problem("the package of the call is not known before the script runs".to_owned());
            }
            (_, None) => {
                return problem(
                    "the section type of the call is not known before the script runs".to_owned(),
                );
            }
        };
        let mut fields = Vec::new();
        for word in command.words.iter().skip(before + 1) {
            let (text, is_whole) = self.text(word, arguments, 0);
            // A variable without quotes may hold several options.
            let specs: Vec<&str> =
                if word.is_quoted { vec![text.as_str()] } else { text.split_whitespace().collect() };
            let count = specs.len();
            for (at, spec) in specs.into_iter().enumerate() {
                match field(spec, is_whole || at + 1 < count) {
                    Ok((field, None)) => fields.push(field),
                    Ok((field, Some(why))) => {
                        problem(why);
                        fields.push(field);
                    }
                    Err(why) => problem(why),
                }
            }
            if count == 0 && !is_whole {
                problem("options that are not known before the script runs".to_owned());
            }
        }
        let at = imported.drafts.iter().position(|draft| draft.package == package).unwrap_or_else(|| {
            imported.drafts.push(Draft { package, sections: Vec::new() });
            imported.drafts.len() - 1
        });
        let section = imported.drafts[at].section(&section);
        fields.into_iter().for_each(|field| merge(&mut section.fields, field));
    }
}

/// Adds an option; if it is there already, a value of either type is right.
fn merge(fields: &mut Vec<FieldDraft>, field: FieldDraft) {
    let Some(known) = fields.iter_mut().find(|known| known.name == field.name) else {
        return fields.push(field);
    };
    if known.datatype != field.datatype {
        let is_any = known.datatype.is_empty() || field.datatype.is_empty();
        known.datatype = if is_any {
            Vec::new()
        } else {
            [b"or(", &known.datatype[..], b",", &field.datatype, b")"].concat()
        };
    }
    if known.default != field.default {
        known.default.clear();
    }
}

/// Reads `NAME:DATATYPE:DEFAULT`, of which the end is missing if `is_whole` is not set. What is wrong with a part of it
/// comes beside.
fn field(spec: &str, is_whole: bool) -> Result<(FieldDraft, Option<String>), String> {
    let (name, rest) = spec.split_once(':').unwrap_or((spec, ""));
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if !is_name {
        return Err(format!("'{}' is no option", cms::shown::text(spec)));
    }
    let end = end_of_type(rest);
    let (datatype, default) = (&rest[..end], rest.get(end + 1..));
    let mut field = FieldDraft { name: name.into(), ..FieldDraft::default() };
    if default.is_none() && !is_whole {
        return Ok((field, Some(format!("the type of '{name}' is not known before the script runs"))));
    }
    if datatype.is_empty() {
        field.default = default.filter(|_| is_whole).unwrap_or_default().into();
        return Ok((field, None));
    }
    let parsed = match Datatype::parse(datatype.as_bytes()) {
        Ok(parsed) => parsed,
        Err(fault) => return Ok((field, Some(format!("the type of '{name}', {datatype}: {fault}")))),
    };
    field.datatype = datatype.into();
    if !is_whole {
        return Ok((field, Some(format!("the default of '{name}' is not known before the script runs"))));
    }
    let Some(default) = default.filter(|default| !default.is_empty()) else { return Ok((field, None)) };
    // Files of the machine that reads the script say nothing of the one that runs it.
    let verdict = parsed.check(default.as_bytes(), &AnyFile);
    match verdict {
        Err(failure) if failure.unchecked.is_none() => Ok((
            field,
            Some(format!(
                "the default of '{name}', '{}', is not of its type: {failure}",
                cms::shown::text(default)
            )),
        )),
        _ => {
            field.default = default.into();
            Ok((field, None))
        }
    }
}

/// Has every file.
struct AnyFile;

impl Context for AnyFile {
    fn has_file(&self, _: &[u8], _: FileKind) -> Answer {
        Answer::Unknown
    }
}

/// The end of a datatype: the first colon outside of parentheses and quotes.
fn end_of_type(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match (byte, quote) {
            _ if is_escaped => is_escaped = false,
            (b'\\', _) => is_escaped = true,
            (byte, Some(open)) if byte == open => quote = None,
            (_, Some(_)) => {}
            (b'"' | b'\'', None) => quote = Some(byte),
            (b'(', None) => depth += 1,
            (b')', None) => depth = depth.saturating_sub(1),
            (b':', None) if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}
