//! Group `mapsize`: the size of a loaded map compared with its text and with its keys and values; and the sizes of
//! the peers.

use crate::Result;
use crate::contender::Spread;
use crate::dataset::Dataset;
use crate::environment::{Environment, human};
use crate::ffi::{self, Gvdb, Hashbrown, Library, Lmdb, Uthash};
use crate::loaded::{HASHBROWN, UTHASH};
use crate::parse::float;
use crate::report::{Bound, Figure, Report, Unit};
use crate::tmpfs_store::{self, TmpfsStore, bytes_under};

/// Runs the group.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let Some(library) = tmpfs_store::library(report)? else { return Ok(()) };
    let entries = environment.large().len();
    map(report, library, Dataset::Router, "200 options of a router")?;
    for per_section in [1, 3, 10, 100, entries] {
        let case = format!("{} in sections of {}", human(entries), human(per_section));
        let ratio = map(report, library, Dataset::Large { entries, per_section }, &case)?;
        if per_section == 10 {
            report.goal(&format!("{case}: map to text"), ratio, Bound::AtMost(1.05))?;
        }
    }
    peers(environment, report)
}

/// Measures the map of one shape; returns its size divided by that of the text.
fn map(report: &mut Report, library: Library, dataset: Dataset, case: &str) -> Result<f64> {
    let tmpfs = TmpfsStore::create(dataset)?;
    let store = tmpfs.open(library)?;
    // The first entry of every package of the router.
    for index in (0..5).map(|part| part * dataset.len() / 5) {
        if !store.get().answers(&dataset.key(index), &dataset.value(index)) {
            return Err(format!("not the value of {}", dataset.key(index)).into());
        }
    }
    let (map, text) = (float(tmpfs.map_bytes()?), float(tmpfs.text_bytes()?));
    report.case(case, Unit::Bytes, &[sized("map", map, text, dataset)])?;
    Ok(map / text)
}

/// A number of bytes, and its ratio to the text and to the keys and values in it.
fn sized(name: &str, bytes: f64, text: f64, dataset: Dataset) -> Figure {
    let ratio = |to: &str, whole: f64| (format!("to {to}"), Spread::of(&mut [bytes / whole]));
    let raw = ratio("keys and values", float(dataset.raw_bytes()));
    Figure::exact(name, bytes).beside([ratio("text", text), raw])
}

/// Measures the sizes of the peers for the same entries.
fn peers(environment: &Environment, report: &mut Report) -> Result<()> {
    let dataset = environment.large();
    let mut sizes = Vec::new();
    match ffi::system::heap() {
        Some(_) => {
            sizes.push((HASHBROWN, grown(|| Ok(Hashbrown::of(dataset.entries())))?));
            sizes.push((UTHASH, grown(|| Uthash::of(dataset.entries()))?));
        }
        None => report.note("heaps left out: this C library does not tell"),
    }
    let path = environment.dir().join("lmdb");
    drop(Lmdb::create(&path, dataset.entries())?);
    sizes.push(("LMDB, its file", bytes_under(&path)?));
    match Gvdb::of(dataset.entries()) {
        Ok(gvdb) => sizes.push(("gvdb, its file", gvdb.bytes())),
        Err(error) => report.note(&format!("gvdb left out: {error}")),
    }
    let text = dataset.packages().iter().map(|(_, text)| text.len()).sum();
    let figure = |(name, bytes): &(&str, usize)| sized(name, float(*bytes), float(text), dataset);
    let figures: Vec<Figure> = sizes.iter().map(figure).collect();
    report.case(&format!("peers, {} in sections of 10", human(dataset.len())), Unit::Bytes, &figures)
}

/// Measures how much the heap grows by a value.
fn grown<T>(make: impl FnOnce() -> Result<T>) -> Result<usize> {
    let before = ffi::system::heap();
    let value = make()?;
    let after = ffi::system::heap();
    drop(value);
    Ok(after.zip(before).map_or(0, |(after, before)| after.saturating_sub(before)))
}
