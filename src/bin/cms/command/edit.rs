//! `cms edit`: edits a package in an editor, checks it, and commits it.

use std::path::PathBuf;
use std::sync::Arc;

use cms::log::Content;
use cms::{Clash, CommitOptions, Error, Exchange, History, Key, Package, Place, ThreeWay};
use rustix::fs::{Access, access};
use serde_json::json;

use crate::argument::{path, show};
use crate::ask::{can_ask, choose};
use crate::context::Context;
use crate::difference::unified;
use crate::editor::{WorkingCopy, base_of, edit, left_copies, remove_left};
use crate::failure::{Exit, Failure, print_error};
use crate::input::read_input;
use crate::near;
use crate::records::{CHANGE, change_json};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, FlagValues, Writes, bytes, switch};

#[derive(Default)]
pub struct Flags {
    resume: Option<Vec<u8>>,
    yes: bool,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "edit",
    aliases: &[],
    arguments: "PACKAGE",
    summary: "edit a package in $VISUAL or $EDITOR; the text is checked, shown as a difference and committed",
    flags: &[
        bytes(
            "resume",
            "FILE",
            "begin with this text: a copy that an earlier edit has left",
            |flags: &mut Flags| &mut flags.resume,
        ),
        switch("yes", "do not ask before the commit", |flags: &mut Flags| &mut flags.yes),
    ],
    writes: Writes::Alone,
    json: &[Output::one(&EDITED)],
    run,
};

/// What was committed.
const EDITED: Shape = Shape::of(
    "
    package text its name
    revision number|null the transaction; null if nothing was changed
    changes [change] what was changed",
)
.using(&[&CHANGE]);

/// An edit that goes on until it is committed or given up.
struct Edit<'c> {
    context: &'c mut Context,
    place: Place,
    /// The text that the copy was made from; `None` if there is no such package.
    base: Option<Arc<Vec<u8>>>,
    copy: WorkingCopy,
    /// The copy of an earlier edit that this one goes on with.
    resumed: Option<PathBuf>,
    yes: bool,
}

/// What comes next.
enum Next {
    /// The editor again.
    Again,
    /// The end, with this exit code; the copy is removed.
    Done(Exit),
    /// The end without a commit; the copy stays.
    Keep(Exit),
}

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let [package] = call.expect(1, 1)? else { return Ok(Exit::Usage) };
    if !cms::name::is_plain_package(package) {
        return Err(Failure::Usage(format!("'{}': the name of a package is expected", show(package))));
    }
    if context.dry_run {
        return Err(Failure::Usage(
            "--dry-run: an edit shows its difference and asks before it commits".into(),
        ));
    }
    let place = context.store.packages().find_to_write(package)?;
    check_may_write(&place)?;
    let mut base = current(context, &place)?;
    let resumed = call.flags.resume.as_ref().map(|file| path(file).to_owned());
    let text = match &call.flags.resume {
        Some(file) => read_input(Some(file))?,
        None => base.as_ref().map_or_else(Vec::new, |text| text.to_vec()),
    };
    if let Some(earlier) = resumed.as_deref().and_then(base_of).filter(|_| base.is_some()) {
        base = Some(Arc::new(earlier));
    }
    let is_other = |left: &PathBuf| resumed.as_ref() != Some(left);
    for left in left_copies(&place.name).into_iter().filter(is_other) {
        context.note(&format!(
            "an earlier edit of {0} was not finished, its text is in {1}; 'cms edit --resume {1} {0}' goes on with it",
            place.name,
            left.display()
        ));
    }
    let copy = WorkingCopy::make(&place.name, &text)?;
    if let Some(base) = &base {
        copy.keep_base(base)?;
    }
    if base.is_none() {
        context.note(&format!("there is no package '{}' yet: a commit of this edit makes it", place.name));
        near::print_near(context, &Key::parse(package)?);
    }
    context.note(&format!("the text is edited in {}", copy.path.display()));
    Edit { context, place, base, copy, resumed, yes: call.flags.yes }.run()
}

/// Refuses an edit by a user whose commit would fail: a commit replaces the file, so it needs its directory.
fn check_may_write(place: &Place) -> Result<(), Failure> {
    // The link of a package stays, and the file that it names is replaced.
    let file = std::fs::canonicalize(&place.path).unwrap_or_else(|_| place.path.clone());
    let dir = file.parent().unwrap_or(&file);
    access(dir, Access::WRITE_OK | Access::EXEC_OK).map_err(|errno| {
        let error = Error::Io { op: "write to", path: dir.to_owned(), source: errno.into() };
        error.into()
    })
}

/// Returns the committed text of a package, even if it has errors.
fn current(context: &Context, place: &Place) -> Result<Option<Arc<Vec<u8>>>, Failure> {
    if context.store.packages().is_new(place) {
        return Ok(None);
    }
    match context.store.packages().load_committed(place.clone()) {
        Ok(loaded) => Ok(Some(Arc::clone(loaded.package.source()))),
        Err(Error::Parse(_)) => {
            let read = std::fs::read(&place.path);
            Ok(Some(Arc::new(read.map_err(|source| Error::Io {
                op: "read",
                path: place.path.clone(),
                source,
            })?)))
        }
        Err(error) => Err(error.into()),
    }
}

impl Edit<'_> {
    fn run(mut self) -> Result<Exit, Failure> {
        loop {
            let next = match self.round() {
                Ok(next) => next,
                Err(failure) => {
                    self.say_kept();
                    return Err(failure);
                }
            };
            match next {
                Next::Again => {}
                Next::Keep(exit) => {
                    self.context.worst = Exit::Ok;
                    self.say_kept();
                    return Ok(exit);
                }
                Next::Done(exit) => {
                    // Errors that were mended since do not count.
                    self.context.worst = Exit::Ok;
                    self.copy.remove();
                    return Ok(exit);
                }
            }
        }
    }

    fn say_kept(&self) {
        let (name, path) = (&self.place.name, self.copy.path.display());
        self.context.note(&format!(
            "nothing is changed; your text is kept in {path}; 'cms edit --resume {path} {name}' goes on with it"
        ));
    }

    fn base(&self) -> &[u8] {
        self.base.as_ref().map_or(&[], |text| text.as_slice())
    }

    /// Runs the editor once, and does what follows.
    fn round(&mut self) -> Result<Next, Failure> {
        let status = edit(&self.copy.path)?;
        let text = self.copy.read()?;
        if !status.success() {
            let why = format!("the editor has failed ({status}), so its text is not committed");
            self.context.report(&Failure::Other(Exit::Io, why))?;
            return Ok(if text == self.base() { Next::Done(Exit::Io) } else { Next::Keep(Exit::Io) });
        }
        self.after_saving(text)
    }

    /// Checks what was saved, and commits it.
    fn after_saving(&mut self, text: Vec<u8>) -> Result<Next, Failure> {
        if text == self.base() {
            self.context.note("nothing was changed");
            return self.end(None, &[]);
        }
        let errors = self.context.store.packages().faults(&self.place, &Arc::new(text.clone()))?;
        if !errors.is_empty() {
            for error in errors {
                self.context.report(&Error::from(error.in_file(&self.copy.path)).into())?;
            }
            return Ok(self.after_errors());
        }
        if can_ask() && !self.yes {
            let name = self.place.path.display().to_string();
            let difference = unified(self.base(), &text, &name, &format!("{name} (edited)"));
            print_error(difference.trim_end_matches('\n'));
            let choices = [
                ('y', "commit these changes"),
                ('e', "edit again"),
                ('x', "exit without a commit; the text is kept"),
            ];
            match choose("commit these changes?", &choices) {
                'y' => {}
                'e' => return Ok(Next::Again),
                _ => return Ok(Next::Keep(Exit::NotFound)),
            }
        }
        self.commit(text)
    }

    /// Asks what to do about a text with errors.
    fn after_errors(&self) -> Next {
        if !can_ask() {
            return Next::Keep(Exit::Invalid);
        }
        let choices = [
            ('e', "edit again"),
            ('x', "exit without a commit; the text is kept"),
            ('d', "drop the text and exit"),
        ];
        match choose("the text has errors; what now?", &choices) {
            'e' => Next::Again,
            'd' => Next::Done(Exit::Invalid),
            _ => Next::Keep(Exit::Invalid),
        }
    }

    fn commit(&mut self, text: Vec<u8>) -> Result<Next, Failure> {
        let after = Arc::new(text);
        let exchange = Exchange::new(self.place.name.as_bytes(), self.base.clone(), Some(Arc::clone(&after)));
        match self.context.store.exchange(&[exchange], &CommitOptions::new()) {
            Err(error @ Error::Conflict { .. }) => {
                let theirs = current(self.context, &self.place)?;
                // The conflict may be of another kind.
                if theirs.as_ref().map(|text| text.as_slice())
                    == self.base.as_ref().map(|text| text.as_slice())
                {
                    return Err(error.into());
                }
                self.merge(&after, theirs)
            }
            done => {
                let revision = done?;
                self.context.forget();
                let number = revision.map_or_else(String::new, |number| format!(", as revision {number}"));
                self.context.note(&format!("{} is committed{number}", self.place.name));
                if let Some(resumed) = &self.resumed {
                    remove_left(&self.place.name, resumed);
                }
                self.end(revision, &after)
            }
        }
    }

    /// Ends the edit, and prints it as JSON.
    fn end(&mut self, revision: Option<u64>, text: &[u8]) -> Result<Next, Failure> {
        if self.context.json {
            let name = &self.place.name;
            let read = |text: &[u8]| {
                let read = self.context.store.packages().read_text(&self.place, &Arc::new(text.to_vec()));
                read.unwrap_or_else(|_| Package::new(name.as_bytes()))
            };
            let changes: Vec<_> = match text {
                [] => Vec::new(),
                text => History::compare(&read(self.base()), &read(text))
                    .iter()
                    .map(|change| change_json(name, change))
                    .collect(),
            };
            let row = json!({"package": name, "revision": revision, "changes": changes});
            self.context.put_json(&row)?;
        }
        Ok(Next::Done(Exit::Ok))
    }

    /// Merges the text with what others have committed since the edit began.
    fn merge(&mut self, mine: &[u8], theirs: Option<Arc<Vec<u8>>>) -> Result<Next, Failure> {
        let name = self.place.name.clone();
        let their_text = theirs.as_ref().map_or(&[][..], |text| text.as_slice());
        let merged = self.context.store.merge(&name, self.base(), mine, their_text);
        self.context.note(&format!("{name} was changed by others while you edited it"));
        let (clashes, mine_wins, theirs_win) = match merged {
            ThreeWay::Merged(text) => {
                self.context.note("their changes and yours are of different keys; both are kept");
                return self.go_on(theirs, text);
            }
            ThreeWay::Clashes { clashes, mine, theirs } => (clashes, mine, theirs),
            _ => return Ok(Next::Keep(Exit::Conflict)),
        };
        self.show_clashes(&clashes)?;
        if !can_ask() {
            return Ok(Next::Keep(Exit::Conflict));
        }
        let can_choose = mine_wins.is_some() && theirs_win.is_some();
        let mut choices = Vec::new();
        if can_choose {
            choices.extend([
                ('m', "take your values for these keys"),
                ('t', "take their values for these keys"),
            ]);
        }
        choices.extend([
            ('e', "edit again, before you commit over their text"),
            ('x', "exit without a commit; the text is kept"),
        ]);
        let text = match (choose("what now?", &choices), mine_wins, theirs_win) {
            ('m', Some(text), _) | ('t', _, Some(text)) => text,
            ('e', text, _) => {
                self.copy.write(text.as_deref().unwrap_or(mine))?;
                self.rebase(theirs)?;
                return Ok(Next::Again);
            }
            _ => return Ok(Next::Keep(Exit::Conflict)),
        };
        self.go_on(theirs, text)
    }

    /// Goes on with a merged text, which is compared with theirs from now on.
    fn go_on(&mut self, theirs: Option<Arc<Vec<u8>>>, text: Vec<u8>) -> Result<Next, Failure> {
        self.copy.write(&text)?;
        self.rebase(theirs)?;
        self.after_saving(text)
    }

    fn rebase(&mut self, theirs: Option<Arc<Vec<u8>>>) -> Result<(), Failure> {
        self.base = theirs;
        self.copy.keep_base(self.base())
    }

    /// Shows the keys that both have changed, with their values before, here and there.
    fn show_clashes(&mut self, clashes: &[Clash]) -> Result<(), Failure> {
        let name = &self.place.name;
        let mut lines = vec!["your changes and theirs are in conflict".to_owned()];
        for clash in clashes {
            let section = show(&clash.section);
            let option = clash.option.as_ref().map(|option| format!(".{}", show(option))).unwrap_or_default();
            lines.push(format!(
                "    {name}.{section}{option}: before {}, yours {}, theirs {}",
                shown(clash.base.as_ref()),
                shown(clash.mine.as_ref()),
                shown(clash.theirs.as_ref())
            ));
        }
        self.context.report(&Failure::Other(Exit::Conflict, lines.join("\n")))
    }
}

fn shown(content: Option<&Content>) -> String {
    match content {
        None => "-".into(),
        Some(Content::String(string)) => cms::shown::quoted(string),
        Some(Content::List(items)) => {
            let items: Vec<String> = items.iter().map(cms::shown::quoted).collect();
            format!("({})", items.join(" "))
        }
    }
}
