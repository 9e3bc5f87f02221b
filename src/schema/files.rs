//! The schema directories. The schema of a package is the files of its name in all of them; a later directory counts
//! before an earlier one.
//!
//! Looking for a schema costs one `stat` for each file that it may have. If there is no schema directory, it costs one
//! `stat` for each of them, at most once a second: so a store without schemas pays nothing for each commit.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::model::name;
use crate::os::named_file;
use crate::schema::compile::compile;
use crate::schema::rules::{Mistake, Schema};
use crate::schema::text::{self, Draft};

/// The largest text of a schema, in bytes.
const LARGEST: usize = 4 << 20;

/// How long a schema directory may exist before it is noticed, if there was none.
const NOTICED: Duration = Duration::from_secs(1);

/// A file is not known by its times for this long after it was changed, since the clock of a file system is coarse.
const COARSE: Duration = Duration::from_millis(50);

/// The identity and the times of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64, u64),
    times: [i64; 4],
}

impl Stamp {
    fn at(path: &Path) -> Option<Self> {
        let of = |found: Metadata| Self {
            file: (found.dev(), found.ino(), found.len()),
            times: [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()],
        };
        std::fs::metadata(path).ok().filter(Metadata::is_file).map(of)
    }

    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = Duration::from_secs(self.times[2].unsigned_abs());
        let changed = seconds + Duration::from_nanos(self.times[3].unsigned_abs());
        now.saturating_sub(changed) > COARSE
    }
}

/// A schema that was looked for.
#[derive(Debug)]
struct Known {
    stamps: Vec<Option<Stamp>>,
    schema: Option<Arc<Schema>>,
}

#[derive(Debug, Default)]
struct State {
    /// When the directories were looked for and not found.
    missed: Option<Instant>,
    known: HashMap<String, Known>,
}

/// The schemas of an engine.
#[derive(Debug)]
pub(crate) struct SchemaFiles {
    dirs: Vec<PathBuf>,
    state: Mutex<State>,
}

impl SchemaFiles {
    /// Makes the schemas of these directories. Nothing is read yet.
    pub fn new(dirs: Vec<PathBuf>) -> Self {
        Self { dirs, state: Mutex::default() }
    }

    /// Returns the schema directories that exist.
    pub fn dirs(&self) -> Vec<PathBuf> {
        self.dirs.iter().filter(|dir| dir.is_dir()).cloned().collect()
    }

    /// Returns the schema of a package, which is read again if one of its files has changed.
    pub fn find(&self, package: &str) -> Option<Arc<Schema>> {
        if !name::is_plain_package(package.as_bytes()) {
            return None;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.has_no_dir(&mut state) {
            return None;
        }
        let paths: Vec<PathBuf> = self.dirs.iter().map(|dir| dir.join(package)).collect();
        let stamps: Vec<Option<Stamp>> = paths.iter().map(|path| Stamp::at(path)).collect();
        if let Some(known) = state.known.get(package).filter(|known| known.stamps == stamps) {
            return known.schema.clone();
        }
        let there = paths.iter().zip(&stamps).filter(|(_, stamp)| stamp.is_some());
        let files: Vec<PathBuf> = there.map(|(path, _)| path.clone()).collect();
        let schema = (!files.is_empty()).then(|| Arc::new(read(package, files)));
        if stamps.iter().flatten().all(Stamp::is_settled) {
            state.known.insert(package.to_owned(), Known { stamps, schema: schema.clone() });
        } else {
            state.known.remove(package);
        }
        schema
    }

    fn has_no_dir(&self, state: &mut State) -> bool {
        if !state.known.is_empty() {
            return false;
        }
        if state.missed.is_some_and(|missed| missed.elapsed() < NOTICED) {
            return true;
        }
        let has_none = !self.dirs.iter().any(|dir| dir.is_dir());
        state.missed = has_none.then(Instant::now);
        has_none
    }

    /// Returns the packages that have a schema, in byte order.
    pub fn list(&self) -> Vec<String> {
        let entries = self.dirs.iter().flat_map(std::fs::read_dir).flatten().flatten();
        let files = entries.filter(|entry| entry.path().is_file());
        let names = files.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| name::is_plain_package(name.as_bytes())).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Reads the schema of a package from its files, the most important one last.
fn read(package: &str, files: Vec<PathBuf>) -> Schema {
    let draft = |file: &PathBuf| match named_file::read(file, LARGEST, b"") {
        Ok(text) => text::read(package, file, text),
        Err(error) => {
            let problem = format!("the schema cannot be read: {error}");
            let hint = "until it can be read, this file does not count".to_owned();
            let mistake = Mistake { file: file.clone(), line: 0, problem, hint };
            Draft { mistakes: vec![mistake], ..Draft::default() }
        }
    };
    let drafts = files.iter().map(draft).collect();
    compile(package, files, drafts)
}
