//! Group `mapsize`: the bytes of a loaded map beside the text it came from and what is in it; and the peers'. The curve
//! shows the same over the number of options and the size of values, in bytes and in whole pages.

use std::fs;
use std::path::Path;

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
    curve(environment, report, library)?;
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

/// The numbers of options of the curve.
const COUNTS: [usize; 6] = [1, 10, 100, 1000, 10_000, 100_000];
/// The sizes of values of the curve, in bytes.
const VALUES: [usize; 7] = [1, 4, 16, 64, 256, 1024, 4096];
/// The curve leaves out larger texts, unless `CMS_BENCH_SLOW` is set.
const LARGEST: usize = 64 << 20;
/// The size of a page.
const PAGE: usize = 4096;

/// The sizes of the maps of a store, and of their texts, in bytes.
struct Mapped {
    /// The largest text.
    text: usize,
    /// The texts of all packages.
    texts: usize,
    /// The files of the maps.
    bytes: usize,
    /// The same in whole pages.
    pages: usize,
    /// The pages of the largest one.
    largest: usize,
}

/// Measures one package of each number of options and size of values, and the router's five packages.
fn curve(environment: &Environment, report: &mut Report, library: Library) -> Result<()> {
    report.note("curve: what is mapped, without the control file (one page a store), divided by the text");
    let mut left_out = 0;
    for entries in COUNTS {
        for value in VALUES {
            if entries * value > LARGEST && !environment.slow {
                left_out += 1;
                continue;
            }
            let case = format!("{} options, values of {value}", human(entries));
            point(report, library, Dataset::Sized { entries, value }, &case)?;
        }
    }
    if left_out > 0 {
        report.note(&format!("{left_out} with texts above 64 MiB left out: needs CMS_BENCH_SLOW=1"));
    }
    point(report, library, Dataset::Router, "200 options, five packages of a router")
}

/// Measures one point of the curve.
fn point(report: &mut Report, library: Library, dataset: Dataset, case: &str) -> Result<()> {
    let mapped = mapped(library, dataset)?;
    let figure = |name: &str, bytes: usize| {
        let ratio = ("to text".to_owned(), Spread::of(&mut [float(bytes) / float(mapped.texts)]));
        Figure::exact(name, float(bytes)).beside([ratio])
    };
    let figures = [figure("map", mapped.bytes), figure("map, whole pages", mapped.pages)];
    report.case(&format!("curve, {case}"), Unit::Bytes, &figures)?;
    if mapped.text < 2048 {
        let goal = format!("curve, {case}: pages of a map, text of {} bytes", mapped.text);
        report.goal(&goal, float(mapped.largest / PAGE), Bound::AtMost(1.0))?;
    } else if dataset.len() >= 1000 {
        let ratio = float(mapped.pages) / float(mapped.texts);
        report.goal(&format!("curve, {case}: pages to text"), ratio, Bound::AtMost(1.1))?;
    }
    Ok(())
}

/// Lets a store map all packages, and adds up the maps.
fn mapped(library: Library, dataset: Dataset) -> Result<Mapped> {
    let tmpfs = TmpfsStore::create(dataset)?;
    let store = tmpfs.open(library)?;
    // Its values are longer than the buffer that `cms_get` is given here.
    let snapshot = store.snapshot()?;
    for part in 0..5 {
        let index = part * dataset.len() / 5;
        if !snapshot.get().answers(&dataset.key(index), &dataset.value(index)) {
            return Err(format!("not the value of {}", dataset.key(index)).into());
        }
    }
    let texts: Vec<usize> = dataset.packages().iter().map(|(_, text)| text.len()).collect();
    let maps = maps_under(&tmpfs.path("run"))?;
    if maps.len() != texts.len() {
        return Err(format!("{} maps of {} packages", maps.len(), texts.len()).into());
    }
    let pages = |bytes: &usize| bytes.next_multiple_of(PAGE);
    Ok(Mapped {
        text: texts.iter().copied().max().unwrap_or_default(),
        texts: texts.iter().sum(),
        bytes: maps.iter().sum(),
        pages: maps.iter().map(pages).sum(),
        largest: maps.iter().map(pages).max().unwrap_or_default(),
    })
}

/// Returns the sizes of the maps in a directory and all directories below.
fn maps_under(dir: &Path) -> Result<Vec<usize>> {
    let mut sizes = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            sizes.extend(maps_under(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "map") {
            sizes.push(usize::try_from(fs::metadata(&path)?.len())?);
        }
    }
    Ok(sizes)
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
