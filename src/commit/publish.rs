//! Keeps the maps of a store up to its texts.
//!
//! Only who holds the lock of a package makes or changes its map. A text that was changed by others is found
//! by its identity, or by its hash; what of the map differs from it is then published as one commit.

use std::fs::Metadata;
use std::sync::Arc;
use std::time::Instant;

use crate::commit::engine::{Engine, Place};
use crate::commit::log_session::Ledger;
use crate::commit::plan::{Known, Step};
use crate::error::{Damage, Error, Result};
use crate::format::uci::{Dialect, ParseOptions, parse};
use crate::log::{End, Log};
use crate::map::{Image, Making, Map, Outcome, Publishing, Seq, Shared, Slack, Source, build, check_values};
use crate::model::digest::of_text;
use crate::model::name::MAX_VALUE;
use crate::model::package::{Package, Touched};
use crate::os::lock::PackageLock;

/// The state of a package to be published.
pub(crate) struct State<'a> {
    pub place: &'a Place,
    /// The text, and the attributes of the file in place.
    pub text: Arc<Vec<u8>>,
    pub metadata: Metadata,
    /// Which text that file holds, if it is another one: the text is to be put in place later.
    pub in_place: Option<Source>,
    /// What has led to it from another text, if that is known.
    pub step: Option<Edit<'a>>,
}

/// Transactions of the log that are to be shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logged {
    /// The transaction before them; `None` if they concern more packages than are published with them.
    pub base: Option<u64>,
    /// The last of them.
    pub last: u64,
}

/// How a text came about.
#[derive(Clone, Copy)]
pub(crate) struct Edit<'a> {
    pub old: &'a Known,
    pub new: &'a Known,
    pub touched: &'a Touched,
}

impl<'a> Edit<'a> {
    /// Returns the state it leads to, in a file with these attributes.
    pub fn state(self, place: &'a Place, metadata: Metadata) -> State<'a> {
        State { place, text: self.new.text().clone(), metadata, in_place: None, step: Some(self) }
    }
}

impl<'a> From<&'a Step> for Edit<'a> {
    fn from(step: &'a Step) -> Self {
        Self { old: &step.old, new: &step.new, touched: &step.touched }
    }
}

impl Engine {
    /// Reads a text as the maps show it: in the intended dialect.
    fn parse_for_map(&self, name: &str, text: Arc<Vec<u8>>) -> Result<Package> {
        let progress = self.options().progress.as_ref().map(|progress| progress as &dyn Fn(usize, usize));
        let options = ParseOptions { dialect: Dialect::Cms, strict: true, progress };
        Ok(parse(name.as_bytes(), text, &options)?.package)
    }

    /// Makes a map of a package for this process alone.
    pub(crate) fn private_map(&self, place: &Place, seed: u64, base: Seq) -> Result<Map> {
        self.await_text(&place.path)?;
        let (text, metadata) = self.read_settled(place)?;
        let mut source = Source::of(&metadata, &text, of_text(&text));
        let package = match self.parse_for_map(&place.name, text) {
            Err(error @ Error::Parse(_)) => {
                let good = self.last_good(place).ok_or_else(|| in_file(error, place))?;
                source = source.showing(of_text(good.source()), good.source().len() as u64);
                good
            }
            package => package.map_err(|error| in_file(error, place))?,
        };
        let image = self.image(&place.name, &package, seed, base, source, Slack::NEW)?;
        Map::private(&image).map_err(|why| Error::Damaged {
            what: Damage::Map,
            path: place.path.clone(),
            why: format!("{why:?}"),
        })
    }

    fn image(
        &self,
        name: &str,
        package: &Package,
        seed: u64,
        base: Seq,
        source: Source,
        slack: Slack,
    ) -> Result<Image> {
        let image = build(name.as_bytes(), package, &Making { seed, base, source, slack })?;
        match self.options().map_limit {
            Some(limit) if image.capacity as u64 > limit => {
                Err(Error::Full { package: name.to_owned(), limit, needed: image.capacity as u64 })
            }
            _ => Ok(image),
        }
    }

    /// Refuses a whole text with a value that no program could read from a map.
    pub(crate) fn check_text(&self, name: &str, text: &Arc<Vec<u8>>) -> Result<()> {
        if text.len() <= MAX_VALUE {
            return Ok(());
        }
        // Of a text with errors there is no map.
        self.parse_leniently(name, text).map_or(Ok(()), |package| check_values(&package, text))
    }

    /// Refuses a text whose map would be larger than allowed.
    pub(crate) fn check_limit(&self, name: &str, package: &Package, text: &[u8]) -> Result<()> {
        check_values(package, text)?;
        // A map is never four times as large as its text, but for tiny ones.
        let near = |limit: &u64| text.len() as u64 > limit / 8;
        if self.options().map_limit.filter(near).is_none() {
            return Ok(());
        }
        let Ok(metadata) = std::fs::metadata("/") else { return Ok(()) };
        let source = Source::of(&metadata, b"", 0);
        self.image(name, package, 0, Seq::default(), source, Slack::NEW).map(|_| ())
    }

    /// Brings the shared map of a package up to its text, making it if there is none, and opens it for reading.
    /// `None` if somebody has replaced the run directory meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Parse`] if the text has errors, [`Error::Full`] if the map would be too large, [`Error::Io`]
    /// if it cannot be made, [`Error::Locked`] if a writer does not finish in time.
    pub(crate) fn share(&self, shared: &Shared, place: &Place) -> Result<Option<Map>> {
        let _locks = self.lock_settled(place)?;
        self.show_applied(shared);
        self.share_locked(shared, place)
    }

    /// Takes the lock of a package whose text is not behind the log: a map made from it would go back behind what others
    /// have seen. The log's lock comes with it if that was needed; nobody commits meanwhile.
    fn lock_settled(&self, place: &Place) -> Result<(PackageLock, Option<Ledger<'_>>)> {
        self.await_text(&place.path)?;
        let lock = self.take_lock(&place.path)?.once();
        // Who is asked about a transaction has the text as it was before, in place.
        let is_asked = crate::os::caller::check_may_commit().is_err();
        if is_asked || !self.log().is_some_and(Log::is_open_ended) {
            return Ok((lock, None));
        }
        // The log's lock is taken before those of packages.
        drop(lock);
        self.retry(|patience| {
            let ledger = self.ledger_within(patience)?;
            Ok((self.try_lock(&place.path)?.once(), Some(ledger)))
        })
    }

    /// As [`Engine::share`], for who holds the lock of the package.
    pub(crate) fn share_locked(&self, shared: &Shared, place: &Place) -> Result<Option<Map>> {
        let (text, metadata) = self.read_settled(place)?;
        let state = State { place, text, metadata, in_place: None, step: None };
        let mut publishing = shared.begin(Instant::now() + self.settings().lock_timeout)?;
        let published = match self.publish_to(&mut publishing, std::slice::from_ref(&state), true, None) {
            Err(error @ Error::Parse(_)) => {
                let good = self.last_good(place).ok_or_else(|| in_file(error, place))?;
                let in_place = Source::of(&state.metadata, &state.text, of_text(&state.text));
                let text = good.source().clone();
                let good = State { text, in_place: Some(in_place), ..state };
                self.publish_to(&mut publishing, &[good], true, None)
            }
            published => published,
        };
        published.map_err(|error| in_file(error, place))?;
        drop(publishing);
        // Still under the lock, so that it cannot be behind the text again.
        shared.open(&place.name, false)
    }

    /// Makes the map of a package anew.
    ///
    /// # Errors
    ///
    /// As for [`Engine::share`].
    pub(crate) fn remake(&self, shared: &Shared, place: &Place) -> Result<()> {
        let _locks = self.lock_settled(place)?;
        let (text, metadata) = self.read_settled(place)?;
        let state = State { place, text, metadata, in_place: None, step: None };
        let mut publishing = shared.begin(Instant::now() + self.settings().lock_timeout)?;
        let old = shared.open(&place.name, true).ok().flatten();
        let committed = publishing.committed();
        let round = publishing.next(None);
        let made = self.publish_one(&state, None, &publishing, round);
        if made.is_ok() {
            old.iter().for_each(|old| old.retire(committed));
        }
        publishing.commit();
        made.map(|_| ()).map_err(|error| in_file(error, place))
    }

    /// Publishes what was just committed, to the maps there are. The texts are in place: whatever fails here
    /// only means that readers have to look at them again. Returns the revision that the maps show; where there is no
    /// log, the number of the round.
    pub(crate) fn publish(&self, states: &[State<'_>], logged: Option<Logged>) -> Option<u64> {
        if states.is_empty() && logged.is_none() {
            return None;
        }
        let options = self.options();
        if !states.iter().all(|state| self.is_logged(state.place)) {
            return None;
        }
        let deadline = Instant::now() + self.settings().lock_timeout;
        let mut publishing = match self.kept.begin(&options.dirs, deadline) {
            Some(publishing) => publishing,
            None => {
                let shared = Shared::find(&options.dirs, &options.files, false)?;
                shared.control()?;
                match shared.begin(deadline) {
                    Ok(publishing) => publishing,
                    Err(_) => {
                        states.iter().for_each(|state| shared.retire(&state.place.name));
                        return None;
                    }
                }
            }
        };
        if let Some(logged) = logged {
            self.drop_stale(&publishing, states, logged);
        }
        let published = self.publish_to(&mut publishing, states, false, logged.map(|logged| logged.last));
        self.kept.keep(publishing);
        published.ok()
    }

    /// Returns the largest number of a transaction that anything but the records of the log tells of.
    pub(crate) fn highest_number(&self) -> u64 {
        let options = self.options();
        let shared = Shared::find(&options.dirs, &options.files, false);
        let shown = shared.and_then(|shared| shared.control()).and_then(|control| control.shown().1);
        let labelled = self.labels().unwrap_or_default().into_iter().map(|info| info.revision).max();
        let floor = self.log().map(Log::floor);
        shown.into_iter().chain(labelled).chain(floor).max().unwrap_or(0)
    }

    /// Drops the maps that do not show what they will be said to: those of packages that transactions before these have
    /// changed, whose writer has died before it published, or has another run directory.
    fn drop_stale(&self, publishing: &Publishing, states: &[State<'_>], logged: Logged) {
        let shown = publishing.revision();
        if shown == Some(logged.last) || shown.is_some() && shown == logged.base {
            return;
        }
        let missed = shown.filter(|shown| *shown < logged.last);
        let names = missed.and_then(|shown| self.changed_since(shown).ok());
        // A log that was begun anew does not tell.
        let names = names.unwrap_or_else(|| publishing.shared().packages());
        let published = |name: &String| states.iter().any(|state| state.place.name == *name);
        for name in names.iter().filter(|name| !published(name)) {
            // What a text with errors said before is all there is to be read.
            let place = self.config_place(name);
            let is_good = |(text, _)| self.parse_for_map(name, text).is_ok();
            if crate::commit::log_session::is_gone(&place.path)
                || self.read_settled(&place).is_ok_and(is_good)
            {
                publishing.drop_map(name);
            }
        }
    }

    /// Has the maps show the last transaction of the log if its text is in place and its writer has died before it
    /// published: a map that is made from the text shows it, and must not do so under an older revision.
    fn show_applied(&self, shared: &Shared) {
        let Some(End { last, is_open: false }) = self.log().and_then(Log::end) else { return };
        let shown = shared.control().and_then(|control| control.shown().1);
        if shown.is_some_and(|shown| shown < last) {
            self.publish(&[], Some(Logged { base: None, last }));
        }
    }

    /// Brings the maps up to the log where its last transaction was not published: its writer has died, or there were no
    /// maps at the time. What is in the log and not in the texts is put there.
    pub(crate) fn catch_up(&self, shared: &Shared, shown: Option<u64>) {
        let Some(End { last, is_open }) = self.log().and_then(Log::end) else { return };
        if shown == Some(last) {
            return;
        }
        if shown.is_some_and(|shown| shown < last) || is_open {
            // Whoever is at work publishes what it has done, and without rights there is nothing to be done.
            let _ = self.show_last();
        } else if let Ok(mut publishing) = shared.begin(Instant::now() + self.settings().lock_timeout) {
            // Maps are made from the texts, and so show all transactions whose texts are in place.
            // Numbers that were shown are not used again, also if the log has lost them.
            if publishing.revision().is_none() {
                publishing.show(last);
            }
        }
    }

    fn publish_to(
        &self,
        publishing: &mut Publishing,
        states: &[State<'_>],
        create: bool,
        sequence: Option<u64>,
    ) -> Result<u64> {
        let committed = publishing.committed();
        let mut found = Vec::new();
        for state in states {
            match publishing.open(&state.place.name, &state.metadata) {
                Ok(None) if !create => {}
                Ok(map) => found.push((state, map.filter(|map| publishing.can_go_on(map)))),
                // A file that is no map is replaced by one.
                Err(_) => found.push((state, None)),
            }
        }
        // To make the first map of a package is no commit: nothing has changed.
        let is_new = !create || found.iter().any(|(_, old)| old.is_some());
        // Nor is it one to put a text in place that the maps have shown since it was committed.
        let is_shown = |(state, old): &(&State<'_>, Option<_>)| {
            let shown = old.as_deref().and_then(Map::source).map(|source| source.shown);
            shown == Some((of_text(&state.text), state.text.len() as u64))
        };
        let is_late = !create && sequence.is_none() && !found.is_empty() && found.iter().all(is_shown);
        let is_commit = is_new && !is_late;
        let round = if is_commit { publishing.next(sequence) } else { publishing.round() };
        let (mut made, mut kept) = (Vec::new(), Vec::new());
        let mut failed = Ok(());
        for (state, old) in found {
            match self.publish_one(state, old.as_deref(), publishing, round) {
                Ok(Some(map)) => made.push(map),
                Ok(None) => kept.extend(old),
                // Of a text with errors, what it said before is all there is to be read.
                Err(Error::Parse(_)) if old.as_deref().is_some_and(|map| keep_last_good(map, state)) => {
                    kept.extend(old);
                }
                Err(error) => {
                    // Readers are not to go on with what was there before.
                    old.iter().for_each(|map| map.retire(committed));
                    publishing.shared().remove(&state.place.name);
                    failed = Err(error);
                }
            }
        }
        if is_commit {
            publishing.commit();
        }
        let done = made.iter().chain(kept.iter().map(|map| &**map));
        done.for_each(|map| map.mark(false, crate::map::low(round)));
        publishing.keep(kept);
        // Of what could not be published there is no map any more, and so nothing older to be seen.
        sequence.iter().for_each(|sequence| publishing.announce(*sequence));
        failed.map(|()| publishing.revision().unwrap_or(round))
    }

    /// Publishes one state to a map, or makes a new one. Returns that.
    fn publish_one(
        &self,
        state: &State<'_>,
        old: Option<&Map>,
        publishing: &Publishing,
        round: u64,
    ) -> Result<Option<Map>> {
        let hash = state.step.map_or_else(|| of_text(&state.text), |step| step.new.digest.hash);
        let source = match state.in_place {
            Some(in_place) => in_place.showing(hash, state.text.len() as u64),
            None => Source::of(&state.metadata, &state.text, hash),
        };
        let seq = crate::map::low(round);
        // What the text says was read already, if it was read as maps show it.
        let as_shown = self.options().dialect == Dialect::Cms && self.options().strict;
        let read = state.step.filter(|_| as_shown).map(|step| &step.new.package);
        let mut parsed = None;
        if let Some(map) = old {
            map.mark(true, seq);
            let shown = map.source().map(|source| source.shown);
            if shown == Some(source.shown) && map.set_source(&source) {
                return Ok(None);
            }
            let follows = |step: &Edit<'_>| {
                shown == Some((step.old.digest.hash, step.old.digest.len))
                    && matches!(step.touched, Touched::Options(_))
            };
            let outcome = match (state.step.filter(follows), read) {
                (Some(step), _) => map.publish(&step.new.package, step.touched, seq)?,
                (None, Some(document)) => map.publish(document, &Touched::Everything, seq)?,
                (None, None) => {
                    let document = parsed.insert(self.parse_for_map(&state.place.name, state.text.clone())?);
                    map.publish(document, &Touched::Everything, seq)?
                }
            };
            if outcome == Outcome::Done && map.set_source(&source) {
                return Ok(None);
            }
        }
        let document = match (read, &mut parsed) {
            (Some(read), _) => read,
            (None, Some(parsed)) => parsed,
            (None, none) => none.insert(self.parse_for_map(&state.place.name, state.text.clone())?),
        };
        let image = |slack| self.image(&state.place.name, document, publishing.seed(), seq, source, slack);
        let image = match old.map(|_| image(Slack::GROWN)) {
            Some(Ok(grown)) => grown,
            // So much room may be above the limit, and less not.
            Some(Err(Error::Full { .. })) | None => image(Slack::NEW)?,
            Some(Err(error)) => return Err(error),
        };
        // The old one is retired before the new one shows: whoever dies in between leaves readers that look
        // for a new one, and not some that go on with the old one for good. Of what cannot be published to,
        // perhaps since it is damaged, some program may still read.
        let shared = publishing.shared();
        match old {
            Some(old) => old.retire(publishing.committed()),
            None => {
                shared.file(&state.place.name).iter().for_each(|file| file.retire(publishing.committed()));
            }
        }
        shared.replace(&state.place.name, &image, &state.metadata).map(Some)
    }
}

/// Has a map stand for a text that cannot be parsed, and show what it shows. Returns whether it does.
fn keep_last_good(map: &Map, state: &State<'_>) -> bool {
    let in_place = Source::of(&state.metadata, &state.text, of_text(&state.text));
    map.source().is_some_and(|source| map.set_source(&in_place.showing(source.shown.0, source.shown.1)))
}

fn in_file(error: Error, place: &Place) -> Error {
    match error {
        Error::Parse(error) => error.in_file(&place.path).into(),
        error => error,
    }
}
