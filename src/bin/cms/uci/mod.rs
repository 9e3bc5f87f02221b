//! Stock uci: the same options, output and exit codes, except where stock uci loses data, crashes or hangs
//! (see `docs/uci-compatibility.md`).

mod batch;
mod edit;
mod options;
mod print;
mod tuple;

use std::ffi::{OsStr, OsString};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use cms::text::ParseError;
use cms::{Delta, DeltaKind, Error, Loaded};
use options::Settings;
use tuple::{Failure, Lookup, Tuple, load};

/// Runs stock uci's command line; `program` is the name it was called by.
pub fn run(program: &OsStr, words: &[OsString]) -> ExitCode {
    let mut settings = match options::read(program, words) {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    // Interrupted commits are finished before anything is read. Stock uci has no message for a failure of this.
    let _ = settings.store.confirmations().recover();
    let words = std::mem::take(&mut settings.words);
    let Some((command, arguments)) = words.split_first() else {
        options::usage(&settings.program);
        return ExitCode::SUCCESS;
    };
    let input = settings.input.take().unwrap_or_else(|| Box::new(io::stdin()));
    let mut session = Session {
        settings,
        out: BufWriter::new(io::stdout()),
        input: BufReader::new(input),
        unstaged: Vec::new(),
        committed: false,
    };
    let adding = command.eq_ignore_ascii_case(b"add");
    let code = match command.to_ascii_lowercase().as_slice() {
        b"batch" => session.batch(),
        b"exit" => session.failed(&Failure::Usage),
        _ => match session.command(command, arguments) {
            Ok(()) => 0,
            // Of all commands, `add` alone exits with the number of the error.
            Err(failure) if adding => session.failed(&failure).max(failure.code()),
            Err(failure) => session.failed(&failure),
        },
    };
    // A closed pipe is no failure; stock uci dies of SIGPIPE without a message.
    let _ = session.out.flush();
    if session.committed
        && !session.settings.quiet
        && let Ok(Some(notice)) = session.settings.store.confirmations().notice_of_process()
    {
        // Stock uci prints nothing here, and has no commits that have to be confirmed.
        let _ = writeln!(io::stderr(), "uci: warning: {notice}");
    }
    ExitCode::from(code)
}

/// One run of the program.
struct Session {
    settings: Settings,
    out: BufWriter<io::Stdout>,
    input: BufReader<Box<dyn Read>>,
    /// The packages of the `commit` at hand that have no staged changes.
    unstaged: Vec<String>,
    /// Whether anything was committed.
    committed: bool,
}

type Outcome = Result<(), Failure>;

impl Session {
    /// Reports a failure and returns the exit code.
    fn failed(&mut self, failure: &Failure) -> u8 {
        match failure {
            Failure::Usage => {
                options::usage(&self.settings.program);
                255
            }
            _ => {
                self.complain(failure);
                1
            }
        }
    }

    /// Prints an error message on one line. If stock uci has no name for the error, the cause follows on a second
    /// line.
    fn complain(&self, failure: &Failure) {
        if let (Failure::Parse(error), true) = (failure, self.settings.parser_messages) {
            self.parser_messages(std::slice::from_ref(error));
        }
        if !self.settings.quiet && !matches!(failure, Failure::Silent) {
            let mut lines = [&self.settings.program, &b": "[..], failure.text().as_bytes(), b"\n"].concat();
            if let Some(cause) = failure.cause() {
                lines.extend_from_slice(format!("cms: {cause}\n").as_bytes());
            }
            let _ = io::stderr().write_all(&lines);
        }
    }

    /// Prints the errors that the parser has skipped, even with `-q`.
    fn parser_messages(&self, errors: &[ParseError]) {
        for error in errors {
            eprintln!("Parse error {}", error.uci_text());
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        let _ = self.out.write_all(bytes);
    }

    /// Carries out one command, except `batch`.
    fn command(&mut self, command: &[u8], arguments: &[Vec<u8>]) -> Outcome {
        let command = command.to_ascii_lowercase();
        match (command.as_slice(), arguments) {
            (b"help", _) => {
                options::usage(&self.settings.program);
                Ok(())
            }
            (b"show" | b"export" | b"changes", []) => self.for_all(&command),
            (b"show" | b"export" | b"changes", [argument]) => self.package_command(&command, argument),
            (b"commit", [] | [_]) => {
                let committed = match arguments {
                    [argument] => self.package_command(&command, argument),
                    _ => self.for_all(&command),
                };
                self.note_edits();
                committed
            }
            (b"import", [] | [_]) => self.import(arguments.first().map(Vec::as_slice)),
            (b"add", [package, section_type]) => self.add(package, section_type),
            (b"get" | b"revert", [argument]) => {
                let lookup = self.lookup(argument)?;
                if lookup.tuple.value.is_some() {
                    return Err(Failure::Silent);
                }
                if command == b"get" { self.get(&lookup) } else { self.revert(&lookup) }
            }
            (
                b"set" | b"add_list" | b"del_list" | b"delete" | b"del" | b"rename" | b"ren" | b"reorder",
                [argument],
            ) => {
                let lookup = self.lookup(argument)?;
                self.edit(&command, lookup)
            }
            _ => Err(Failure::Usage),
        }
    }

    fn lookup(&self, argument: &[u8]) -> Result<Lookup, Failure> {
        let tuple = Tuple::parse(argument)?;
        Lookup::of(&self.settings.store, tuple, |errors| self.parser_messages(errors))
    }

    /// Runs a command for every package. Failures are reported, and the exit code is still 0.
    fn for_all(&mut self, command: &[u8]) -> Outcome {
        for name in self.all_packages()? {
            if let Err(failure) = self.package_command(command, &name) {
                self.complain(&failure);
            }
        }
        Ok(())
    }

    /// Lists the packages. Like stock uci, it treats the path of the directory as a shell pattern.
    fn all_packages(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let dir = self.settings.store.dirs().config.path.to_string_lossy().into_owned();
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        let mut paths: Vec<_> =
            glob::glob_with(&format!("{dir}/*"), options).map_err(|_| Failure::NotFound)?.flatten().collect();
        if paths.is_empty() {
            return Err(Failure::NotFound);
        }
        paths.sort();
        let files = paths.into_iter().filter(|path| !path.is_dir());
        let names = files.filter_map(|path| path.file_name().map(|name| name.as_encoded_bytes().to_vec()));
        Ok(names.filter(|name| !name.contains(&b'.') && cms::name::is_package(name)).collect())
    }

    fn package_command(&mut self, command: &[u8], argument: &[u8]) -> Outcome {
        let lookup = self.lookup(argument)?;
        match command {
            b"show" => self.show(&lookup),
            b"export" => {
                self.export(lookup.package());
                Ok(())
            }
            b"changes" => {
                self.changes(&lookup.loaded);
                Ok(())
            }
            _ => self.commit(&lookup.loaded),
        }
    }

    fn commit(&mut self, loaded: &Loaded) -> Outcome {
        if self.settings.no_commit {
            return Ok(());
        }
        let store = &self.settings.store;
        if !loaded.place.staged {
            self.need_config_dir()?;
            return Ok(store.update(&loaded.place, self.settings.form(), |_| Ok(()))?);
        }
        store.staging().stage(&loaded.place, &loaded.followups)?;
        // Stock uci reads the text again, and prints the error again.
        self.parser_messages(&loaded.errors);
        if !store.staging().may_be_staged(&loaded.place) {
            if !loaded.place.overridden {
                self.unstaged.push(loaded.place.name.clone());
            }
            return Ok(());
        }
        store.commit(&loaded.place, self.settings.form())?;
        self.committed = true;
        Ok(())
    }

    /// Notes in the log what an editor has changed in the packages without staged changes, in one pass over all. If
    /// there is no log yet, an empty commit does not create one.
    fn note_edits(&mut self) {
        let names = std::mem::take(&mut self.unstaged);
        if !names.is_empty() && self.settings.store.audit().has_log() {
            // An error is ignored, since the user had nothing to commit; a later commit tries again.
            let _ = self.settings.store.history().note_edits_of(&names);
        }
    }

    /// Stock uci makes the temporary file of every write in the configuration directory.
    fn need_config_dir(&self) -> Outcome {
        if self.settings.store.dirs().config.path.is_dir() { Ok(()) } else { Err(Failure::Io) }
    }

    fn revert(&mut self, lookup: &Lookup) -> Outcome {
        let place = &lookup.loaded.place;
        if place.staged {
            // Stock uci exits 0 whatever happens from here on.
            let store = &self.settings.store;
            let _ = store.staging().stage(place, &lookup.loaded.followups);
            let _ = store.staging().revert(place, lookup.section.as_deref(), lookup.tuple.option.as_deref());
        }
        Ok(())
    }

    fn add(&mut self, package: &[u8], section_type: &[u8]) -> Outcome {
        if package.is_empty() {
            return Err(Failure::Invalid);
        }
        let mut loaded = load(&self.settings.store, package, |errors| self.parser_messages(errors))?;
        let name = if loaded.place.staged {
            let name = loaded.package.next_name(section_type);
            let delta = Delta::new(DeltaKind::Add, name.as_bytes(), None, Some(section_type));
            loaded.followups.push(delta);
            self.settings.store.staging().stage(&loaded.place, &loaded.followups)?;
            name
        } else {
            self.need_config_dir()?;
            let form = self.settings.form();
            self.settings.store.update(&loaded.place, form, |package| package.add_section(section_type))?
        };
        self.put(format!("{name}\n").as_bytes());
        Ok(())
    }

    fn import(&mut self, name: Option<&[u8]>) -> Outcome {
        if self.settings.merge && name.is_none() {
            return Err(Failure::Usage);
        }
        if name.is_some_and(|name| !cms::name::is_package(name)) {
            return Err(Failure::Invalid);
        }
        let mut text = Vec::new();
        self.input.read_to_end(&mut text).map_err(|_| Failure::Io)?;
        let text = Arc::new(text);
        if let (Some(name), true) = (name, self.settings.merge) {
            match load(&self.settings.store, name, |errors| self.parser_messages(errors)) {
                Ok(loaded) => return self.merge(loaded, &text),
                // An existing package that cannot be read is never overwritten by a merge.
                Err(Failure::NotFound) => {}
                Err(failure) => return Err(failure),
            }
        }
        let options = self.settings.store.options().parse_options();
        let (packages, errors) = match name {
            Some(name) => {
                let parsed = cms::text::parse(name, text, &options)?;
                (vec![parsed.package], parsed.errors)
            }
            None => cms::text::import(text, &options).inspect_err(|error| self.note_duplicate(error))?,
        };
        self.parser_messages(&errors);
        self.need_config_dir()?;
        let mut last = Ok(());
        for package in &packages {
            let text = cms::text::print(package, self.settings.names);
            let slashes = package.name().iter().take_while(|byte| **byte == b'/').count();
            last = self.settings.store.replace(&package.name()[slashes..], &text);
        }
        last.map_err(|error| match error {
            Error::Invalid { .. } => Failure::Io,
            error => error.into(),
        })
    }

    /// With `-S`, the parser itself also reports a package that comes twice.
    fn note_duplicate(&self, error: &Error) {
        if self.settings.parser_messages && matches!(error, Error::Exists { .. }) {
            eprintln!("Duplicate entry");
        }
    }

    fn merge(&mut self, mut loaded: Loaded, text: &Arc<Vec<u8>>) -> Outcome {
        let options = self.settings.store.options().parse_options();
        let (deltas, errors) = loaded.package.merge(text, &options)?;
        self.parser_messages(&errors);
        self.save(loaded, deltas)
    }

    /// Stages changes, or commits them at once if the package has no save directory.
    fn save(&self, loaded: Loaded, deltas: Vec<Delta>) -> Outcome {
        let store = &self.settings.store;
        if loaded.place.staged {
            let all: Vec<Delta> = loaded.followups.into_iter().chain(deltas).collect();
            return Ok(store.staging().stage(&loaded.place, &all)?);
        }
        self.need_config_dir()?;
        let dialect = store.options().get_dialect();
        Ok(store.update(&loaded.place, self.settings.form(), |package| {
            deltas.iter().try_for_each(|delta| package.apply(delta, dialect).map(|_| ()))
        })?)
    }
}
