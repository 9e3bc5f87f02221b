//! What the lines of a batch change, gathered until all have been read: then it is committed as one transaction, or
//! forgotten.

use cms::{CommitOptions, Committed, Delta, Engine, Form, Loaded, Options, Package, Place, Unstaged};

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::guard::Terms;
use crate::line::Line;
use crate::spec::{GLOBAL, Scope};
use crate::staged::tell_outcome;

/// The commands that change something and can be part of a transaction; `import` can with `--merge`.
const MEMBERS: &[&str] =
    &["set", "add", "add_list", "del_list", "delete", "rename", "reorder", "ensure", "commit", "import"];

/// A package that lines have changed.
struct Changed {
    before: Package,
    /// As it is now; `None` while a line works on it.
    now: Option<Loaded>,
    deltas: Vec<Delta>,
}

/// See the module documentation.
#[derive(Default)]
pub struct Gathered {
    packages: Vec<Changed>,
    /// Packages that a line has committed: what was staged for them before goes along.
    named: Vec<Place>,
    options: CommitOptions,
    terms: Terms,
    message: Option<String>,
    /// Whether nothing is to be committed in the end.
    is_trial: bool,
}

impl Gathered {
    pub fn new(is_trial: bool) -> Self {
        Self { is_trial, ..Self::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.packages.iter().all(|package| package.deltas.is_empty())
    }

    /// Refuses a line that cannot be part of a transaction, and takes what it says of the transaction as a whole.
    /// For a line that has not taken over the options of the batch yet.
    pub fn admit(&mut self, line: &Line) -> Result<(), Failure> {
        if let Some(command) = line.command.filter(|command| command.writes) {
            let is_member =
                MEMBERS.contains(&command.name) && (command.name != "import" || line.has("merge"));
            if !is_member && !line.has("dry-run") {
                let name = if command.name == "import" { "import without --merge" } else { command.name };
                return Err(Failure::Usage(format!(
                    "'{name}' cannot be part of a transaction; with --no-transaction each line is run for itself"
                )));
            }
        }
        let of_all = GLOBAL.iter().filter(|flag| flag.scope == Scope::Transaction);
        if let Some(flag) = of_all.into_iter().find(|flag| line.has(flag.long)) {
            return Err(Failure::Usage(format!(
                "--{0} is for the whole batch, not for one of its lines: cms batch --{0} ...",
                flag.long
            )));
        }
        self.message = line.text("message").or(self.message.take());
        Ok(())
    }

    /// Returns a package as the lines so far have left it; `None` if they have not changed it.
    pub fn look(&self, name: &[u8]) -> Option<Loaded> {
        let package = self.packages.iter().find(|package| package.before.name() == name)?;
        let mut loaded = package.now.clone()?;
        let change = |delta: &Delta| cms::Change { delta: delta.clone(), failure: None };
        loaded.changes.extend(package.deltas.iter().map(change));
        Some(loaded)
    }

    /// Lends a package to a line that is to change it; one that only tries, and may not give it back, gets a copy.
    pub fn lend(&mut self, store: &Engine, name: &[u8], dry_run: bool) -> Result<Loaded, Failure> {
        let at = match self.packages.iter().position(|package| package.before.name() == name) {
            Some(at) => at,
            None => {
                let loaded = store.load_to_change(name)?;
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

    /// Takes back a package that was lent, with what was changed. `commit` says that what was staged for it before is
    /// to be committed even if nothing was changed. What a line has only tried counts if all are only tried.
    pub fn take_back(&mut self, loaded: Loaded, deltas: Vec<Delta>, commit: bool, dry_run: bool) {
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

    /// Has the staged changes of packages committed as well, and all that is committed in this way.
    pub fn commit_also(
        &mut self,
        places: Vec<Place>,
        options: CommitOptions,
        terms: Terms,
    ) -> Result<(), Failure> {
        if !self.terms.is_plain() && !terms.is_plain() && terms != self.terms {
            let why = "an earlier line gives another time to confirm or another command, and a batch is one \
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

    /// Commits all there is, as one transaction.
    pub fn commit(self, context: &mut Context) -> Result<Exit, Failure> {
        if self.is_trial {
            return Ok(Exit::Ok);
        }
        if self.is_empty() {
            return self.terms.finish(context, &[], None);
        }
        let mut places = self.named;
        let mut unstaged = Vec::new();
        for Changed { before, now, deltas } in self.packages {
            if let Some(place) = now.map(|now| now.place).filter(|_| !deltas.is_empty()) {
                places.push(place.clone());
                unstaged.push(Unstaged { place, before, deltas });
            }
        }
        places.sort_by(|a, b| a.path.cmp(&b.path));
        places.dedup_by(|a, b| a.path == b.path);
        if let Some(message) = self.message {
            context.store = Engine::new(Options { message, ..context.store.options().clone() });
        }
        let guard = self.terms.begin(context)?;
        let outcomes = context.store.commit_as(&places, unstaged, &self.options)?;
        for (place, outcome) in places.iter().zip(&outcomes) {
            tell_outcome(context, place, *outcome)?;
        }
        let revision = outcomes.iter().find_map(|outcome: &Committed| outcome.revision);
        if context.json {
            context.put_json(&serde_json::json!({"revision": revision}))?;
        }
        self.terms.finish(context, &outcomes, guard)
    }
}
