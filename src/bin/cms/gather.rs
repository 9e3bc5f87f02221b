//! The changes of the lines of a batch. They are gathered until all lines have been read, and then committed as one
//! transaction, or forgotten.

use cms::{CommitOptions, Delta, Engine, Form, Loaded, Package, Place, Unstaged};

use crate::argument::show;
use crate::failure::{Exit, Failure};
use crate::terms::Terms;

/// A package that lines have changed.
struct Changed {
    before: Package,
    /// The package with all changes so far; `None` while a line changes it.
    now: Option<Loaded>,
    deltas: Vec<Delta>,
}

/// See the module documentation.
#[derive(Default)]
pub struct Gathered {
    packages: Vec<Changed>,
    /// Packages that a line of the batch commits: changes that were staged for them before are committed as well.
    named: Vec<Place>,
    options: CommitOptions,
    terms: Terms,
    message: Option<String>,
    /// Whether the batch is a trial: its lines run, and nothing is committed.
    pub is_trial: bool,
}

impl Gathered {
    pub fn new(is_trial: bool) -> Self {
        Self { is_trial, ..Self::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.packages.iter().all(|package| package.deltas.is_empty())
    }

    /// Sets the message of the transaction, if the line gives one. The last message counts.
    pub fn set_message(&mut self, message: Option<&String>) {
        self.message = message.cloned().or(self.message.take());
    }

    /// Returns a package with the changes of the lines so far; `None` if they have not changed it.
    pub fn package(&self, name: &[u8]) -> Option<Loaded> {
        let package = self.packages.iter().find(|package| package.before.name() == name)?;
        let mut loaded = package.now.clone()?;
        loaded.changes.extend(package.deltas.iter().cloned().map(cms::StagedChange::new));
        Some(loaded)
    }

    /// Hands a package to a line, which changes it and calls [`Self::give_back`]. With `dry_run` the line gets a
    /// copy.
    pub fn borrow(&mut self, store: &Engine, name: &[u8], dry_run: bool) -> Result<Loaded, Failure> {
        let at = match self.packages.iter().position(|package| package.before.name() == name) {
            Some(at) => at,
            None => {
                let loaded = store.packages().load_to_change(name)?;
                if !loaded.place.staged {
                    let name = show(name);
                    return Err(Failure::Usage(format!("'{name}': a file cannot be part of a transaction")));
                }
                let before = loaded.package.clone();
                self.packages.push(Changed { before, now: Some(loaded), deltas: Vec::new() });
                self.packages.len() - 1
            }
        };
        let now = &mut self.packages[at].now;
        let lent = if dry_run { now.clone() } else { now.take() };
        lent.ok_or_else(|| Failure::Other(Exit::Conflict, format!("{}: it is being changed", show(name))))
    }

    /// Receives a package from a line, with the changes of the line. With `commit`, the changes that were staged
    /// before are committed, even if the line has changed nothing. With `dry_run` the changes are kept only if the
    /// whole batch is a trial.
    pub fn give_back(&mut self, loaded: Loaded, deltas: Vec<Delta>, commit: bool, dry_run: bool) {
        if dry_run && !self.is_trial {
            return;
        }
        if commit {
            self.named.push(loaded.place.clone());
        }
        let name = loaded.package.name().to_vec();
        if let Some(package) = self.packages.iter_mut().find(|package| package.before.name() == name) {
            package.now = Some(loaded);
            package.deltas.extend(deltas);
        }
    }

    /// Adds the staged changes of packages to the commit, and sets its options.
    pub fn commit_also(
        &mut self,
        places: Vec<Place>,
        options: CommitOptions,
        terms: Terms,
    ) -> Result<(), Failure> {
        if !self.terms.is_plain() && !terms.is_plain() && terms != self.terms {
            let why = "an earlier line gives another time to confirm or another command, but a batch is one \
                       transaction";
            return Err(Failure::Usage(why.into()));
        }
        let so_far = &mut self.options;
        if options.form != Form::Lossless {
            so_far.form = options.form;
        }
        so_far.confirm = options.confirm.or(so_far.confirm);
        so_far.force |= options.force;
        self.named.extend(places);
        if !terms.is_plain() {
            self.terms = terms;
        }
        Ok(())
    }

    /// Returns the commit of all lines, as one transaction.
    pub fn into_commit(self) -> Commit {
        let (mut places, mut unstaged) = (self.named, Vec::new());
        for Changed { before, now, deltas } in self.packages {
            if let Some(place) = now.map(|now| now.place).filter(|_| !deltas.is_empty()) {
                places.push(place.clone());
                unstaged.push(Unstaged::new(place, before, deltas));
            }
        }
        places.sort_by(|a, b| a.path.cmp(&b.path));
        places.dedup_by(|a, b| a.path == b.path);
        Commit { places, unstaged, options: self.options, terms: self.terms, message: self.message }
    }
}

/// The commit of a batch.
pub struct Commit {
    pub places: Vec<Place>,
    pub unstaged: Vec<Unstaged>,
    pub options: CommitOptions,
    pub terms: Terms,
    pub message: Option<String>,
}
