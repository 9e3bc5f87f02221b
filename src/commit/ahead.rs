//! Reading a package from its map, because its text is behind a log or has errors.
//!
//! Nothing is locked. A map is used only if it is still current after it was read, so that the package is one state,
//! never a mixture of two.

use std::sync::Arc;
use std::time::Instant;

use crate::commit::core::Core;
use crate::commit::mark::Mark;
use crate::commit::place::Place;
use crate::commit::settle;
use crate::error::Result;
use crate::format::{Builder, Piece};
use crate::map::{self, MapDirectory, Seq};
use crate::model::package::Package;
use crate::os::dirs::Dirs;

/// Reads a package whose text is behind a log. Returns `None` if the text is not behind a log, or if this user may not
/// read the newer state.
pub(crate) fn read_ahead(core: &Core, place: &Place) -> Option<Package> {
    let mark = Mark::of(&place.path)?;
    if core.logs.current().is_some_and(|log| mark.is_of(log))
        && settle::finish_log(core, &mark, false, Instant::now()).is_ok()
    {
        return None;
    }
    let mut dirs = core.dirs().clone();
    dirs.run.as_mut()?.path.clone_from(&mark.run);
    // The mark is made before the commit is published: until then the maps may be older than the log at that time.
    read_map_in(core, place, &dirs, mark.since)
}

/// Reads a package from its map, if there is one.
pub(crate) fn read_map(core: &Core, place: &Place) -> Option<Package> {
    place.is_logged().then(|| read_map_in(core, place, core.dirs(), 0))?
}

/// Reads a package from its map, if the maps show at least the transactions up to `since`.
fn read_map_in(core: &Core, place: &Place, dirs: &Dirs, since: u64) -> Option<Package> {
    for _ in 0..10 {
        let shared = MapDirectory::find(dirs, &core.options.files, false)?;
        let control = shared.control()?;
        let map = shared.open(&place.name, false).ok().flatten()?;
        let (round, revision) = control.shown();
        if since > 0 && revision.is_none_or(|revision| revision < since) {
            return None;
        }
        let seq = map::low(round);
        if map.seed() != control.seed() || map.base().is_after(seq) || map.is_retired() {
            continue;
        }
        let package = package_of_map(&map, place, seq).ok()?;
        let text = core.options.format_of(place.format).print(&package, false);
        // A map that was replaced meanwhile may not show the last commits.
        if !map.is_retired() {
            return core.packages.parse(place, text).ok().map(|(package, _)| package);
        }
    }
    None
}

/// Makes a package from the state that a map shows.
fn package_of_map(map: &map::Map, place: &Place, seq: Seq) -> Result<Package> {
    let mut builder = Builder::new(place.name.as_bytes(), Arc::default())?;
    for section in map::MapPackage::of(map, Some(seq)).sections() {
        let name = (!section.is_anonymous()).then(|| Piece::Apart(section.name()));
        let id = builder.section(Piece::Apart(section.section_type()), name)?;
        let mut options = section.options();
        while let Some((name, map::TypedValue { value, value_type })) = options.next_typed() {
            let name = Piece::Apart(name);
            match value {
                map::MapValue::String(text) => builder.typed(id, &name, Piece::Apart(text), value_type)?,
                map::MapValue::List(list) => {
                    builder.list(id, &name, list.iter().map(Piece::Apart), value_type)?;
                }
            }
        }
    }
    Ok(builder.finish())
}
