//! Reading a package whose text is behind a log, from the map that shows it.

use std::time::Instant;

use crate::commit::core::Core;
use crate::commit::mark::Mark;
use crate::commit::place::Place;
use crate::commit::settle;
use crate::format::uci::quoted;
use crate::map::{self, Seq, Shared};
use crate::model::package::Package;
use crate::os::dirs::Dirs;

/// Reads a package whose text is behind a log; `None` if it is not, or what is newer may not be read.
pub(crate) fn read_ahead(core: &Core, place: &Place) -> Option<Package> {
    let mark = Mark::of(&place.path)?;
    if core.logs.current().is_some_and(|log| mark.is_of(log))
        && settle::finish_log(core, &mark, Instant::now()).is_ok()
    {
        return None;
    }
    let mut dirs = core.dirs().clone();
    dirs.run.as_mut()?.path.clone_from(&mark.run);
    read_map_in(core, place, &dirs)
}

/// Reads a package from its map, if there is one.
pub(crate) fn read_map(core: &Core, place: &Place) -> Option<Package> {
    place.is_logged().then(|| read_map_in(core, place, core.dirs()))?
}

fn read_map_in(core: &Core, place: &Place, dirs: &Dirs) -> Option<Package> {
    for _ in 0..10 {
        let shared = Shared::find(dirs, &core.options.files, false)?;
        let control = shared.control()?;
        let map = shared.open(&place.name, false).ok().flatten()?;
        let seq = map::low(control.round());
        if map.seed() != control.seed() || map.base().is_after(seq) || map.is_retired() {
            continue;
        }
        let text = text_of_map(&map, seq);
        // One that was replaced meanwhile may not show the last commits.
        if !map.is_retired() {
            return core.packages.parse(place, text).ok().map(|(package, _)| package);
        }
    }
    None
}

/// Writes a package as a map shows it, in canonical form.
fn text_of_map(map: &map::Map, seq: Seq) -> Vec<u8> {
    let mut text = Vec::new();
    for section in map::Package::of(map, Some(seq)).sections() {
        text.extend_from_slice(b"config ");
        text.extend_from_slice(&quoted(section.section_type()));
        if !section.is_anonymous() {
            text.push(b' ');
            text.extend_from_slice(&quoted(section.name()));
        }
        text.push(b'\n');
        for (name, value) in section.options() {
            let keyword: &[u8] = if matches!(value, map::Value::List(_)) { b"list" } else { b"option" };
            for item in value.items() {
                text.extend_from_slice(&[b"\t", keyword, b" ", name, b" ", &quoted(item), b"\n"].concat());
            }
        }
    }
    text
}
