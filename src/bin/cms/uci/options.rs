//! Stock uci's options, read the way GNU getopt reads them: anywhere on the line, bundled, `--` ends them.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::ExitCode;

use cms::text::Dialect;
use cms::{Dir, DirOptions, Dirs, Engine, Form, Options};

/// Options that take an argument, and options that do not; `L` is accepted, and only prints the usage.
const WITH_ARGUMENT: &[u8] = b"cCdfpPt";
const FLAGS: &[u8] = b"mnNqsSXL";

/// The settings that the options make.
pub struct Settings {
    pub program: Vec<u8>,
    pub store: Engine,
    pub delimiter: Vec<u8>,
    pub input: Option<Box<dyn Read>>,
    pub merge: bool,
    pub names: bool,
    pub quiet: bool,
    /// Print parser messages as they come up.
    pub parser_messages: bool,
    pub no_commit: bool,
    /// `show` prints generated names.
    pub real_names: bool,
    pub words: Vec<Vec<u8>>,
}

impl Settings {
    pub fn form(&self) -> Form {
        if self.names { Form::CanonicalNamed } else { Form::Canonical }
    }
}

/// The delta search path, the save directory last.
struct SearchPath(Vec<PathBuf>);

impl SearchPath {
    fn save(&mut self, dir: PathBuf) {
        self.0.retain(|other| other.as_os_str() != dir.as_os_str());
        self.0.push(dir);
    }

    fn add(&mut self, dir: PathBuf) {
        // Compared as text, like stock uci does: a path with a slash at its end is another one.
        if !self.0.iter().any(|other| other.as_os_str() == dir.as_os_str()) {
            self.0.insert(self.0.len() - 1, dir);
        }
    }
}

/// Splits the command line into options, in order, and other words.
struct Getopt<'w> {
    program: &'w [u8],
    options: Vec<(u8, Vec<u8>)>,
    words: Vec<Vec<u8>>,
    /// The message of getopt for the first wrong option; parsing ends there.
    complaint: Option<Vec<u8>>,
}

impl<'w> Getopt<'w> {
    fn read(program: &'w [u8], words: &[OsString]) -> Self {
        let mut result = Self { program, options: Vec::new(), words: Vec::new(), complaint: None };
        let posix = std::env::var_os("POSIXLY_CORRECT").is_some();
        let mut rest = words.iter().map(|word| word.as_bytes());
        while let Some(word) = rest.next() {
            match word {
                b"--" => break,
                [b'-', bundle @ ..] if !bundle.is_empty() => {
                    result.bundle(bundle, &mut rest);
                    if result.complaint.is_some() {
                        return result;
                    }
                }
                _ => {
                    result.words.push(word.to_vec());
                    if posix {
                        break;
                    }
                }
            }
        }
        result.words.extend(rest.map(<[u8]>::to_vec));
        result
    }

    fn bundle<'a>(&mut self, mut bundle: &[u8], rest: &mut impl Iterator<Item = &'a [u8]>) {
        while let [letter, tail @ ..] = bundle {
            if WITH_ARGUMENT.contains(letter) {
                let argument = if tail.is_empty() { rest.next() } else { Some(tail) };
                match argument {
                    Some(argument) => self.options.push((*letter, argument.to_vec())),
                    None => self.complain("option requires an argument", *letter),
                }
                return;
            }
            if !FLAGS.contains(letter) {
                self.complain("invalid option", *letter);
                return;
            }
            self.options.push((*letter, Vec::new()));
            bundle = tail;
        }
    }

    fn complain(&mut self, what: &str, letter: u8) {
        self.complaint =
            Some([self.program, format!(": {what} -- '").as_bytes(), &[letter], b"'\n"].concat());
    }
}

/// Reads the command line.
///
/// # Errors
///
/// The exit code, if the options end the program: after the usage text, or after a bad `-f`.
pub fn read(program: &OsStr, words: &[OsString]) -> Result<Settings, ExitCode> {
    let getopt = Getopt::read(program.as_bytes(), words);
    let mut config = None;
    let mut overriding = Some(PathBuf::from("/var/run/uci"));
    // The default does not depend on the configuration directory: all users share root's directory, as in stock uci.
    let own = Dirs::choose(DirOptions::new().config(PathBuf::from("/etc/config"))).save;
    let mut search = SearchPath(vec![own.path.clone()]);
    let mut settings = Settings {
        program: program.as_bytes().to_vec(),
        store: Engine::default(),
        delimiter: b" ".to_vec(),
        input: None,
        merge: false,
        names: false,
        quiet: false,
        parser_messages: false,
        no_commit: false,
        real_names: false,
        words: getopt.words,
    };
    let mut strict = true;
    let mut show_usage = false;
    for (letter, argument) in getopt.options {
        let path = || PathBuf::from(OsString::from_vec(argument.clone()));
        match letter {
            b'c' => config = Some(path()),
            b'C' => overriding = Some(path()).filter(|_| !argument.is_empty()),
            b'd' => settings.delimiter = argument,
            b'f' => open_input(&mut settings, &path())?,
            b'm' => settings.merge = true,
            b'n' => settings.names = true,
            b'N' => settings.names = false,
            b'p' => search.add(path()),
            b'P' => {
                search.save(path());
                settings.no_commit = true;
            }
            b'q' => settings.quiet = true,
            b's' => strict = true,
            b'S' => {
                strict = false;
                settings.parser_messages = true;
            }
            b't' => search.save(path()),
            b'X' => settings.real_names = true,
            _ => {
                show_usage = true;
                break;
            }
        }
    }
    if show_usage || getopt.complaint.is_some() {
        let _ = std::io::stderr().write_all(&getopt.complaint.unwrap_or_default());
        usage(&settings.program);
        return Err(ExitCode::SUCCESS);
    }
    let mut dirs = dirs_of(config, search, own);
    dirs.overriding = overriding;
    settings.store = store(dirs, strict, settings.quiet);
    Ok(settings)
}

/// Returns the directories; `own` is the default save directory.
fn dirs_of(config: Option<PathBuf>, mut search: SearchPath, own: Dir) -> Dirs {
    let save = search.0.pop();
    let is_own = save.as_ref() == Some(&own.path);
    let mut dirs = Dirs::choose(DirOptions::new().config(config).save(save));
    if is_own {
        dirs.save = own;
    }
    dirs.overlays = search.0;
    dirs
}

/// Makes the store, with stock uci's reading of texts.
fn store(dirs: Dirs, strict: bool, quiet: bool) -> Engine {
    let options = Options::new().dirs(dirs).dialect(Dialect::Uci).strict(strict).source("uci");
    Engine::new(if quiet { options } else { options.warn(warn) })
}

/// Prints a warning of the library; stock uci has none like it.
fn warn(text: &str) {
    eprintln!("uci: warning: {}", cms::shown::text(text));
}

/// Opens the file of `-f`, which stock uci does at once.
fn open_input(settings: &mut Settings, path: &std::path::Path) -> Result<(), ExitCode> {
    let failure = ExitCode::FAILURE;
    if settings.input.is_some() {
        eprintln!("Too many input files.");
        return Err(failure);
    }
    match File::open(path) {
        Ok(file) => settings.input = Some(Box::new(file)),
        Err(error) => {
            if !settings.quiet {
                let text = error.to_string();
                let text = text.split(" (os error").next().unwrap_or_default();
                eprint!("uci: {text}");
            }
            return Err(failure);
        }
    }
    Ok(())
}

/// Prints stock uci's usage text to standard error.
pub fn usage(program: &[u8]) {
    let text = [b"Usage: ", program, USAGE.as_bytes()].concat();
    let _ = std::io::stderr().write_all(&text);
}

/// Stock uci's usage text, without the program's name. Scripts and the golden cases compare it literally.
const USAGE: &str = " [<options>] <command> [<arguments>]

Commands:
\tbatch
\texport     [<config>]
\timport     [<config>]
\tchanges    [<config>]
\tcommit     [<config>]
\tadd        <config> <section-type>
\tadd_list   <config>.<section>.<option>=<string>
\tdel_list   <config>.<section>.<option>=<string>
\tshow       [<config>[.<section>[.<option>]]]
\tget        <config>.<section>[.<option>]
\tset        <config>.<section>[.<option>]=<value>
\tdelete     <config>[.<section>[[.<option>][=<id>]]]
\trename     <config>.<section>[.<option>]=<name>
\trevert     <config>[.<section>[.<option>]]
\treorder    <config>.<section>=<position>

Options:
\t-c <path>  set the search path for config files (default: /etc/config)
\t-C <path>  set the search path for config override files (default: /var/run/uci)
\t-d <str>   set the delimiter for list values in uci show
\t-f <file>  use <file> as input instead of stdin
\t-m         when importing, merge data into an existing package
\t-n         name unnamed sections on export (default)
\t-N         don't name unnamed sections
\t-p <path>  add a search path for config change files
\t-P <path>  add a search path for config change files and use as default
\t-t <path>  set save path for config change files
\t-q         quiet mode (don't print error messages)
\t-s         force strict mode (stop on parser errors, default)
\t-S         disable strict mode
\t-X         do not use extended syntax on 'show'

";
