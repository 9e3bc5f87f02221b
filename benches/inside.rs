//! `cargo bench`: the parts of the library that run inside a Rust program, measured by criterion. Reads through C are
//! measured by `make bench-lookup`; docs/design.md says why.

use std::path::Path;
use std::sync::Arc;

use cms::text::{ParseOptions, parse, print};
use cms::{DirOptions, Dirs, Durability, Options, Package, Store};
use criterion::{BatchSize, Criterion, Throughput};

/// How many options a section has.
const PER_SECTION: usize = 10;

/// The number of options of a small package, and of a large one.
const SIZES: [usize; 2] = [200, 10_000];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for options in SIZES {
        parse_and_print(&mut criterion, options);
        load(&mut criterion, options);
        reads(&mut criterion, options);
        for durability in [Durability::Log, Durability::Full] {
            commit(&mut criterion, options, durability);
        }
    }
    criterion.final_summary();
}

/// Returns the text of a package; values have dots, and every fifth option is a list.
fn text(options: usize) -> Vec<u8> {
    let mut text = String::new();
    for index in 0..options {
        let (section, option) = (index / PER_SECTION, index % PER_SECTION);
        if option == 0 {
            text += &format!("\nconfig host 'host{section}'\n");
        }
        text += &match option {
            4 | 9 => format!("\tlist option{option} '10.0.{section}.1'\n\tlist option{option} 'b'\n"),
            _ => format!("\toption option{option} 'value.{section}.of.option-{option}'\n"),
        };
    }
    text.into_bytes()
}

/// Returns the keys of a package that have a single value.
fn keys(options: usize) -> Vec<Vec<u8>> {
    let strings = (0..options).filter(|index| !matches!(index % PER_SECTION, 4 | 9));
    let key =
        |index| format!("network.host{}.option{}", index / PER_SECTION, index % PER_SECTION).into_bytes();
    strings.map(key).collect()
}

/// Parses a text.
fn package(source: &Arc<Vec<u8>>) -> Package {
    parse(b"network", Arc::clone(source), &ParseOptions::default()).expect("the text parses").package
}

/// Makes the directories of a store with one package, on tmpfs if there is one, so that no disk is measured.
fn directories(options: usize) -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let under = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    let dir = tempfile::Builder::new().prefix("cms-bench-").tempdir_in(under).expect("a directory");
    for name in ["config", "save", "run", "state"] {
        std::fs::create_dir(dir.path().join(name)).expect("a directory");
    }
    std::fs::write(dir.path().join("config/network"), text(options)).expect("written");
    dir
}

/// Opens the store, and reads one key, so that the package has a map.
fn open(dir: &Path, durability: Durability) -> Store {
    let path = |name: &str| Some(dir.join(name));
    let wanted =
        DirOptions::new().config(path("config")).save(path("save")).run(path("run")).state(path("state"));
    let options = Options::new().dirs(Dirs::choose(wanted)).durability(durability);
    let store = Store::open(options).expect("a store");
    let found = store.get(b"network.host1.option3", |value| {
        assert_eq!(value.items().next(), Some(b"value.1.of.option-3".as_slice()));
    });
    assert_eq!(found.expect("a value"), Some(()));
    store
}

/// Measures a text that becomes a package, and a package that is exported.
fn parse_and_print(criterion: &mut Criterion, options: usize) {
    let source = Arc::new(text(options));
    let parsed = package(&source);
    assert_eq!(parsed.sections().map(|section| section.options().count()).sum::<usize>(), options);
    let mut group = criterion.benchmark_group(format!("text of {options} options"));
    group.throughput(Throughput::Bytes(source.len() as u64));
    group.bench_function("parse", |bencher| bencher.iter_with_large_drop(|| package(&source)));
    group.bench_function("export", |bencher| bencher.iter_with_large_drop(|| print(&parsed, true)));
    group.finish();
}

/// Measures a text that becomes a map: opening a store that has none, the first read, and closing it.
fn load(criterion: &mut Criterion, options: usize) {
    let dir = directories(options);
    let run = dir.path().join("run");
    let forget = || {
        std::fs::remove_dir_all(&run).expect("removed");
        std::fs::create_dir(&run).expect("a directory");
    };
    let mut group = criterion.benchmark_group(format!("map of {options} options"));
    group.throughput(Throughput::Bytes(text(options).len() as u64));
    group.bench_function("load", |bencher| {
        bencher.iter_batched(forget, |()| open(dir.path(), Durability::Full), BatchSize::PerIteration);
    });
    group.finish();
}

/// Measures reads of all keys by a snapshot, and by the store itself.
fn reads(criterion: &mut Criterion, options: usize) {
    let dir = directories(options);
    let (store, keys) = (open(dir.path(), Durability::Full), keys(options));
    let snapshot = store.snapshot().expect("a snapshot");
    let mut group = criterion.benchmark_group(format!("reads of {options} options"));
    group.throughput(Throughput::Elements(keys.len() as u64));
    group.bench_function("snapshot get", |bencher| {
        let get = |key: &Vec<u8>| snapshot.get(key).expect("no error").expect("a value").items().count();
        bencher.iter(|| keys.iter().map(get).sum::<usize>());
    });
    group.bench_function("store get", |bencher| {
        let get = |key: &Vec<u8>| store.get(key, |value| value.items().count()).expect("no error");
        bencher.iter(|| keys.iter().filter_map(get).sum::<usize>());
    });
    group.finish();
}

/// Measures commits of one option.
fn commit(criterion: &mut Criterion, options: usize, durability: Durability) {
    let dir = directories(options);
    let (store, keys) = (open(dir.path(), durability), keys(options));
    let mut count = 0;
    let mut group = criterion.benchmark_group(format!("commit to {options} options"));
    group.bench_function(format!("{durability:?}"), |bencher| {
        bencher.iter(|| {
            count += 1;
            let mut transaction = store.begin().expect("a transaction");
            let value = format!("committed-{count:08}");
            transaction.set(&keys[count * 37 % keys.len()], value.as_bytes()).expect("set");
            transaction.commit().expect("committed")
        });
    });
    group.finish();
}
