//! Publishes committed texts to the maps of a store. `upkeep` makes maps for readers.
//!
//! Only the holder of a package's lock makes or changes its map. A text that another program has changed is recognized by
//! its identity or its hash; the differences between the map and the text are then published as one commit.

use std::fs::Metadata;
use std::sync::Arc;
use std::time::Instant;

use crate::commit::columns;
use crate::commit::core::Core;
use crate::commit::packages::is_gone;
use crate::commit::parsed_text::ParsedText;
use crate::commit::place::Place;
use crate::commit::transition::Transition;
use crate::error::{Error, Result};
use crate::format::{Dialect, ParseOptions};
use crate::log::Log;
use crate::map::{
    Columns, Image, Making, Map, MapDirectory, PublishOutcome, PublishSession, Seq, Slack, Source, build,
    build_of_text, check_values,
};
use crate::model::digest::of_text;
use crate::model::name::MAX_VALUE;
use crate::model::package::{Package, Touched};
use crate::os::trust::Config;

/// The state of a package to be published.
pub(crate) struct State<'a> {
    pub place: &'a Place,
    /// The text, and the attributes of the file in place.
    pub text: Arc<Vec<u8>>,
    pub metadata: Metadata,
    /// The identity of the text in that file, if it is another text because this one is deferred.
    pub in_place: Option<Source>,
    /// The edit that turned another text into this one, if it is known.
    pub step: Option<Edit<'a>>,
}

/// Transactions of the log that will be shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogRange {
    /// The transaction before them; `None` if they concern more packages than are published with them.
    pub base: Option<u64>,
    /// The last transaction.
    pub last: u64,
    /// The configuration directory that they were made in, if it was looked at already.
    pub config: Option<Config>,
}

impl LogRange {
    /// Returns the range up to a transaction, if not all packages that it concerns are published with it.
    pub fn up_to(last: u64) -> Self {
        Self { base: None, last, config: None }
    }
}

/// An edit that turns one state of a package into another.
#[derive(Clone, Copy)]
pub(crate) struct Edit<'a> {
    pub old: &'a ParsedText,
    pub new: &'a ParsedText,
    pub touched: &'a Touched,
}

impl<'a> Edit<'a> {
    /// Returns the state after the edit, in a file with these attributes.
    pub fn state(self, place: &'a Place, metadata: Metadata) -> State<'a> {
        State { place, text: self.new.text().clone(), metadata, in_place: None, step: Some(self) }
    }
}

impl<'a> From<&'a Transition> for Edit<'a> {
    fn from(step: &'a Transition) -> Self {
        Self { old: &step.old, new: &step.new, touched: &step.touched }
    }
}

/// Parses a text as the maps show it: strictly, in the dialect of cms.
pub(crate) fn parse_for_map(core: &Core, place: &Place, text: Arc<Vec<u8>>) -> Result<Package> {
    let progress = core.options.progress.as_ref().map(|progress| progress as &dyn Fn(usize, usize));
    let options = ParseOptions { dialect: Dialect::Cms, strict: true, progress };
    Ok(core.options.format_of(place.format).read(place.name.as_bytes(), text, &options)?.package)
}

pub(crate) fn image(core: &Core, name: &str, package: &Package, making: &Making<'_>) -> Result<Image> {
    within_limit(core, name, build(name.as_bytes(), package, making)?)
}

/// As [`image`], from the text; `None` if the text has to be parsed first.
pub(crate) fn image_of_text(
    core: &Core,
    place: &Place,
    text: &[u8],
    making: &Making<'_>,
) -> Result<Option<Image>> {
    if !core.options.format_of(place.format).is_uci() {
        return Ok(None);
    }
    let progress = core.options.progress.as_ref().map(|progress| progress as &dyn Fn(usize, usize));
    let image = build_of_text(place.name.as_bytes(), text, making, progress)?;
    image.map(|image| within_limit(core, &place.name, image)).transpose()
}

fn within_limit(core: &Core, name: &str, image: Image) -> Result<Image> {
    match core.options.map_limit {
        Some(limit) if image.capacity as u64 > limit => {
            Err(Error::Full { package: name.to_owned(), limit, needed: image.capacity as u64 })
        }
        _ => Ok(image),
    }
}

/// Refuses a whole text with a value that no program could read from a map.
pub(crate) fn check_text(core: &Core, place: &Place, text: &Arc<Vec<u8>>) -> Result<()> {
    if text.len() <= MAX_VALUE {
        return Ok(());
    }
    // A text with errors has no map.
    core.options
        .format_of(place.format)
        .read_leniently(&place.name, text)
        .map_or(Ok(()), |package| check_values(&package, text))
}

/// Refuses a text whose map would be larger than allowed.
pub(crate) fn check_limit(core: &Core, name: &str, package: &Package, text: &[u8]) -> Result<()> {
    check_values(package, text)?;
    // A map is less than four times as large as its text, unless it is tiny.
    let near = |limit: &u64| text.len() as u64 > limit / 8;
    if core.options.map_limit.filter(near).is_none() {
        return Ok(());
    }
    let Ok(metadata) = std::fs::metadata("/") else { return Ok(()) };
    let source = Source::of(&metadata, b"", 0);
    let making = Making { seed: 0, base: Seq::default(), source, slack: Slack::NEW, columns: Columns::NONE };
    image(core, name, package, &making).map(|_| ())
}

/// Publishes committed states to the existing maps. The texts are in place, so a failure here only means that readers have
/// to read them again. Returns the revision that the maps show; without a log, the number of the round.
pub(crate) fn publish(core: &Core, states: &[State<'_>], logged: Option<LogRange>) -> Option<u64> {
    if states.is_empty() && logged.is_none() {
        return None;
    }
    let options = &core.options;
    if !states.iter().all(|state| state.place.is_logged()) {
        return None;
    }
    let deadline = Instant::now() + core.settings.get().lock_timeout;
    let mut publishing =
        match core.maps.begin(&options.dirs, logged.and_then(|logged| logged.config), deadline) {
            Some(publishing) => publishing,
            None => {
                let shared = MapDirectory::find(&options.dirs, &options.files, false)?;
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
        drop_stale(core, &publishing, states, logged);
    }
    let published = publish_to(core, &mut publishing, states, false, logged.map(|logged| logged.last));
    core.maps.keep(publishing);
    published.ok()
}

/// Returns the largest number of a transaction that the maps, the snapshots or the log's floor hold.
pub(crate) fn highest_number(core: &Core) -> u64 {
    let options = &core.options;
    let shared = MapDirectory::find(&options.dirs, &options.files, false);
    let shown = shared.and_then(|shared| shared.control()).and_then(|control| control.shown().1);
    let labelled = core
        .logs
        .past()
        .and_then(|past| past.archives())
        .unwrap_or_default()
        .into_iter()
        .map(|info| info.revision)
        .max();
    let floor = core.logs.current().map(Log::floor);
    shown.into_iter().chain(labelled).chain(floor).max().unwrap_or(0)
}

/// Drops the maps that would show an older state under the new revision. Their packages were changed by transactions before
/// these, whose writer has died before it published or has another run directory.
fn drop_stale(core: &Core, publishing: &PublishSession, states: &[State<'_>], logged: LogRange) {
    let shown = publishing.revision();
    if shown == Some(logged.last) || shown.is_some() && shown == logged.base {
        return;
    }
    let missed = shown.filter(|shown| *shown < logged.last);
    let names = missed.and_then(|shown| {
        core.logs.past().and_then(|past| past.changed_since(shown, || core.packages.list())).ok()
    });
    // A log that was begun anew has no record of the changed packages.
    let names = names.unwrap_or_else(|| publishing.shared().packages());
    let published = |name: &String| states.iter().any(|state| state.place.name == *name);
    for name in names.iter().filter(|name| !published(name)) {
        // The map of a text with errors stays: it shows the last good state.
        let place = core.packages.in_config(name);
        let is_good = |(text, _)| parse_for_map(core, &place, text).is_ok();
        if is_gone(&place.path) || core.packages.read_shared(&place).is_ok_and(is_good) {
            publishing.drop_map(name);
        }
    }
}

pub(crate) fn publish_to(
    core: &Core,
    publishing: &mut PublishSession,
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
            // A file that is no map is replaced by a map.
            Err(_) => found.push((state, None)),
        }
    }
    // Making the first map of a package is no commit: nothing has changed.
    let is_new = !create || found.iter().any(|(_, old)| old.is_some());
    // Placing a deferred text is no commit either: the maps have shown the text since it was committed.
    let is_shown = |(state, old): &(&State<'_>, Option<_>)| {
        let shown = old.as_deref().and_then(Map::source).map(|source| source.shown);
        shown == Some((of_text(&state.text), state.text.len() as u64))
    };
    let is_deferred = !create && sequence.is_none() && !found.is_empty() && found.iter().all(is_shown);
    let is_commit = is_new && !is_deferred;
    let round = if is_commit { publishing.next(sequence) } else { publishing.round() };
    let (mut made, mut kept) = (Vec::new(), Vec::new());
    let mut failed = Ok(());
    for (state, old) in found {
        match publish_one(core, state, old.as_deref(), publishing, round) {
            Ok(Some(map)) => made.push(map),
            Ok(None) => kept.extend(old),
            // The map of a text with errors goes on showing the last good state.
            Err(Error::Parse(_)) if old.as_deref().is_some_and(|map| keep_last_good(map, state)) => {
                kept.extend(old);
            }
            Err(error) => {
                // Readers must not go on reading the old state.
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
    // A package that could not be published has no map any more, so no reader sees an older state.
    sequence.iter().for_each(|sequence| publishing.announce(*sequence));
    failed.map(|()| publishing.revision().unwrap_or(round))
}

/// Publishes one state to a map. Returns a new map if it had to be made.
pub(crate) fn publish_one(
    core: &Core,
    state: &State<'_>,
    old: Option<&Map>,
    publishing: &PublishSession,
    round: u64,
) -> Result<Option<Map>> {
    let hash = state.step.map_or_else(|| of_text(&state.text), |step| step.new.digest.hash);
    let source = match state.in_place {
        Some(in_place) => in_place.showing(hash, state.text.len() as u64),
        None => Source::of(&state.metadata, &state.text, hash),
    };
    let seq = crate::map::low(round);
    // The parsed package can be used if it was parsed as maps show it.
    let as_shown = core.options.dialect == Dialect::Cms && core.options.strict;
    let read = state.step.filter(|_| as_shown).map(|step| &step.new.package);
    let mut parsed = None;
    let is_to_go = |map: &&Map| state.step.is_none() && !columns::are_in(core, &state.place.name, map);
    if let Some(map) = old.filter(|map| !is_to_go(map)) {
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
                let document = parsed.insert(parse_for_map(core, state.place, state.text.clone())?);
                map.publish(document, &Touched::Everything, seq)?
            }
        };
        if outcome == PublishOutcome::Done && map.set_source(&source) {
            return Ok(None);
        }
    }
    let columns = columns::wanted(core, &state.place.name);
    let making = Making { seed: publishing.seed(), base: seq, source, slack: Slack::NEW, columns: &columns };
    let image = new_image(core, state, read.or(parsed.as_ref()), old.is_some(), &making)?;
    // The old map is retired before the new one shows: if this process dies in between, readers look for a new map
    // and do not go on with the old one forever. A map that cannot be published to, perhaps because it is damaged, is
    // retired as well, since a program may still read it.
    let shared = publishing.shared();
    match old {
        Some(old) => old.retire(publishing.committed()),
        None => {
            shared.file(&state.place.name).iter().for_each(|file| file.retire(publishing.committed()));
        }
    }
    shared.replace(&state.place.name, &image, &state.metadata).map(Some)
}

/// Makes a map of a state, from the package if that is known, else from the text.
fn new_image(
    core: &Core,
    state: &State<'_>,
    package: Option<&Package>,
    has_grown: bool,
    making: &Making<'_>,
) -> Result<Image> {
    let name = &state.place.name;
    let parsed;
    let package = match package {
        Some(package) => package,
        None => {
            if !has_grown && let Some(image) = image_of_text(core, state.place, &state.text, making)? {
                return Ok(image);
            }
            parsed = parse_for_map(core, state.place, state.text.clone())?;
            &parsed
        }
    };
    if has_grown {
        match image(core, name, package, &Making { slack: Slack::GROWN, ..*making }) {
            // The map may exceed the limit only because of its room to grow; then make it without that room.
            Err(Error::Full { .. }) => {}
            image => return image,
        }
    }
    image(core, name, package, making)
}

/// Sets the source of a map to a text that cannot be parsed; the map goes on showing its state. Returns whether that
/// worked.
fn keep_last_good(map: &Map, state: &State<'_>) -> bool {
    let in_place = Source::of(&state.metadata, &state.text, of_text(&state.text));
    map.source().is_some_and(|source| map.set_source(&in_place.showing(source.shown.0, source.shown.1)))
}

pub(crate) fn in_file(error: Error, place: &Place) -> Error {
    match error {
        Error::Parse(error) => error.in_file(&place.path).into(),
        error => error,
    }
}
