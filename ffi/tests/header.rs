//! The header and the list of symbols are those of the sources. `CMS_UPDATE_HEADER=1` writes them again.

use std::path::Path;

mod support;
use support::header;

/// The sources, in the order in which a newcomer meets what they define, with the headings of their functions.
const SOURCES: [(&str, &str); 28] = [
    ("status", "Errors"),
    ("violation", "Violations of schemas"),
    ("handle", ""),
    ("open", "Opening and closing a store"),
    ("store", "Reading values"),
    ("typed", "Converting text"),
    ("list", "Lists"),
    ("snapshot", "Snapshots: many values of one state"),
    ("snapshot_typed", "Snapshots: typed values"),
    ("key", "Prepared keys: one value again and again"),
    ("iter", "Iterating"),
    ("foreach", "Iterating with callbacks"),
    ("change", "Changes in one call"),
    ("txn", "Transactions"),
    ("txn_iter", "Iterating over what a transaction sees"),
    ("txn_typed", "Transactions: typed values"),
    ("value_type", "Values with types"),
    ("atomic", "Changes that depend on the value"),
    ("attribution", "Authors and requests: for a program that commits for others"),
    ("table", "Tables: the sections of a type as rows"),
    ("history", "History: who changed what"),
    ("revision", "Earlier states"),
    ("undo", "Undo, rollback and confirmation"),
    ("archive", "Archives: kept snapshots and backups"),
    ("audit", "Checking and repairing a store"),
    ("watch", "Events"),
    ("verify", "Verifiers"),
    ("library", "The library: its version, and what a build may leave out"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn source(name: &str) -> String {
    std::fs::read_to_string(root().join("src").join(format!("{name}.rs"))).expect("a source")
}

fn compare(path: &Path, made: &str) {
    if std::env::var_os("CMS_UPDATE_HEADER").is_some() {
        std::fs::write(path, made).expect("written");
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(there == made, "{} is not up to date: CMS_UPDATE_HEADER=1 cargo test -p cms-ffi", path.display());
}

/// The headings of what stands before the functions, each with the first line below it that is no comment.
const TYPE_HEADINGS: [(&str, &str); 4] = [
    ("Constants", "\n#define CMS_MESSAGE_WARNING"),
    ("Statuses", "\ntypedef enum {"),
    ("Handles: each function names the one that it works on", "\ntypedef struct cms_"),
    ("Structs, and callbacks of the program", "\ntypedef struct {"),
];

/// Brings the types without members into the order in which functions use them first.
fn sort_handles(types: &mut String, functions: &str) {
    let is_handle =
        |block: &&str| block.contains("\ntypedef struct cms_") || block.starts_with("typedef struct cms_");
    let blocks: Vec<&str> = types.split("\n\n").collect();
    let mut handles: Vec<&str> = blocks.iter().copied().filter(is_handle).collect();
    handles.sort_by_key(|block| {
        let name = block.trim_end_matches(';').rsplit(' ').next().expect("a name");
        functions.find(&format!("{name} *")).expect("a function uses it")
    });
    let mut sorted = handles.into_iter();
    let place =
        |block: &str| if is_handle(&block) { sorted.next().expect("as many") } else { block }.to_owned();
    *types = blocks.iter().copied().map(place).collect::<Vec<_>>().join("\n\n");
}

/// Puts a heading above the first function of each source, and above each kind of type.
fn with_headings(header: &str) -> String {
    let (types, functions) = header.split_once("extern \"C\" {").expect("functions");
    let (mut types, mut functions) = (types.to_owned(), functions.to_owned());
    sort_handles(&mut types, &functions);
    for (heading, first) in TYPE_HEADINGS {
        let line = types.find(first).unwrap_or_else(|| panic!("there is no {first}"));
        // Its comment follows an empty line.
        let comment = types[..line].rfind("\n\n").map_or(0, |at| at + 2);
        types.insert_str(comment, &format!("/* ---- {heading} ---- */\n\n"));
    }
    for (name, heading) in SOURCES {
        let Some((first, _)) = functions_of(&source(name)).into_iter().next() else { continue };
        let call = functions.find(&format!("{first}(")).expect("it is declared");
        // Its comment follows an empty line.
        let comment = functions[..call].rfind("\n\n").map_or(0, |at| at + 2);
        functions.insert_str(comment, &format!("/* ---- {heading} ---- */\n\n"));
    }
    format!("{types}extern \"C\" {{{functions}")
}

/// Takes the macro `sized!` off structs: cbindgen looks into no macros.
fn without_macros(source: &str) -> String {
    let mut pieces = source.split("\nsized! {\n");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (body, rest) =
            piece.split_once("\n}\n").expect("the end of the macro, at the beginning of a line");
        plain.extend(["\n", body, "\n", rest]);
    }
    plain
}

#[test]
fn the_header_is_up_to_date() {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).expect("a configuration");
    let mut builder = cbindgen::Builder::new().with_config(config);
    let plain = tempfile::tempdir().expect("a directory");
    for (name, _) in SOURCES {
        let path = plain.path().join(format!("{name}.rs"));
        std::fs::write(&path, without_macros(&source(name))).expect("written");
        builder = builder.with_src(path);
    }
    let mut made = Vec::new();
    builder.generate().expect("a header").write(&mut made);
    let made = with_headings(&String::from_utf8(made).expect("text"));
    compare(&root().join("../include/cms.h"), &made);
}

#[test]
fn the_version_in_the_header_is_that_of_the_package() {
    let header = header();
    assert!(header.contains(&format!("#define CMS_VERSION \"{}\"", env!("CARGO_PKG_VERSION"))));
    for (part, value) in [
        ("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        ("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        ("PATCH", env!("CARGO_PKG_VERSION_PATCH")),
    ] {
        assert!(header.contains(&format!("#define CMS_VERSION_{part} {value}\n")), "{part}");
    }
    let promise = format!(
        "libcms.so.{}, and each function has the version {}.",
        env!("CARGO_PKG_VERSION_MAJOR"),
        version()
    );
    assert!(header.contains(&promise), "{promise}");
}

/// Returns each exported function with its body.
fn functions() -> Vec<(String, String)> {
    functions_of(&SOURCES.iter().map(|(name, _)| source(name)).collect::<String>())
}

fn functions_of(source: &str) -> Vec<(String, String)> {
    let mut functions = Vec::new();
    for piece in source.split("#[unsafe(no_mangle)]").skip(1) {
        let name = piece.split("fn ").nth(1).and_then(|rest| rest.split('(').next()).expect("a name");
        let end = piece.find("\n}").expect("an end");
        functions.push((name.to_owned(), piece[..end].to_owned()));
    }
    functions
}

#[test]
fn no_panic_can_leave_a_function() {
    // These only look something up in a constant.
    const PLAIN: [&str; 7] = [
        "cms_status_name",
        "cms_status_message",
        "cms_version",
        "cms_version_number",
        "cms_type_name",
        // These call a guarded function.
        "cms_snapshot_get_string",
        "cms_key_get_string",
    ];
    for (name, body) in functions() {
        let guarded = [
            "guard(|",
            "guard_if::<",
            "guard_void(|",
            "catch_unwind(|",
            "{ typed(",
            "{ string_or(",
            "{ parse(",
            "{ change(",
            "{ get_guarded(",
        ];
        assert!(PLAIN.contains(&&*name) || guarded.iter().any(|guard| body.contains(guard)), "{name}");
    }
}

#[test]
fn m28_every_function_is_called_by_an_example_that_runs_under_address_sanitizer() {
    let examples = std::fs::read_dir(root().join("../c-examples")).expect("the examples");
    let mut all = std::fs::read_to_string(root().join("../include/cms.hpp")).expect("cms.hpp");
    for path in examples.map(|entry| entry.expect("an example").path()) {
        all.push_str(&std::fs::read_to_string(&path).unwrap_or_default());
    }
    let words: std::collections::BTreeSet<&str> =
        all.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    for (name, _) in functions() {
        assert!(words.contains(name.as_str()), "no example calls {name}");
    }
}

/// The version of a symbol that is new. Before 1.0 each minor version may change functions, and gives all of them a new
/// one: then programs that were built for another do not start.
fn version() -> String {
    format!("CMS_{}.{}", env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"))
}

#[test]
fn the_list_of_symbols_is_up_to_date() {
    let path = root().join("symbols.txt");
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    let kept = |name: &str| {
        let line = there.lines().find(|line| line.split("@@").next() == Some(name))?;
        (env!("CARGO_PKG_VERSION_MAJOR") != "0").then(|| line.to_owned())
    };
    let mut names: Vec<String> = functions().into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    let lines = names.iter().map(|name| kept(name).unwrap_or_else(|| format!("{name}@@{}", version())));
    compare(&path, &(lines.collect::<Vec<_>>().join("\n") + "\n"));
}

/// Returns the functions of the header, each as its name and its parameters.
fn declarations(header: &str) -> Vec<(String, Vec<String>)> {
    let code: Vec<&str> = header.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join(" ");
    let (_, functions) = code.split_once("extern \"C\" {").expect("functions");
    let declared = functions.split(';').filter_map(|one| {
        let (front, parameters) = one.trim().strip_suffix(')')?.split_once('(')?;
        let name = front.rsplit([' ', '*']).next()?;
        Some((name.to_owned(), parameters.split(',').map(|part| part.trim().to_owned()).collect()))
    });
    declared.collect()
}

/// Returns the types of the header whose members are hidden, and which are not lent for a time as an event is.
fn handles(header: &str) -> Vec<String> {
    let types = header.lines().filter_map(|line| line.strip_prefix("typedef struct cms_"));
    let names = types.filter_map(|line| line.split(' ').next());
    names.filter(|name| *name != "event").map(|name| format!("cms_{name}")).collect()
}

/// Step 8 of the names: what is opened is closed, and each function names the object that it works on.
#[test]
fn handles_are_opened_and_closed_under_their_own_names() {
    let header = header();
    let (declared, handles) = (declarations(&header), handles(&header));
    assert!(handles.len() > 10 && declared.len() > 90, "{handles:?}");
    for handle in &handles {
        let release = match handle.as_str() {
            "cms_store" => "cms_close".to_owned(),
            "cms_txn" => "cms_txn_rollback".to_owned(),
            _ => format!("{handle}_close"),
        };
        let parameters = declared.iter().find(|(name, _)| *name == release).map(|(_, parameters)| parameters);
        let parameters = parameters.unwrap_or_else(|| panic!("there is no {release}"));
        assert!(parameters.len() == 1 && parameters[0].starts_with(&format!("{handle} *")), "{release}");
    }
    for (name, parameters) in &declared {
        let last = parameters.last().expect("parameters");
        let (kind, _) = last.split_once(" **").unwrap_or_default();
        let makes = handles.iter().any(|handle| handle == kind);
        let noun = kind.strip_prefix("cms_").unwrap_or_default();
        // These do something, and hand out a handle besides.
        let exceptions = ["cms_open", "cms_begin", "cms_log_check", "cms_repair"];
        if makes && !exceptions.contains(&name.as_str()) {
            assert!(name.contains(&format!("{noun}_open")), "{name} makes a {kind}");
        }
        assert!(makes || !name.contains("_open") || name == "cms_open", "{name} opens nothing");
        for word in ["_free", "_new", "_destroy"] {
            assert!(!name.ends_with(word), "{name}: handles are opened and closed");
        }
        // A function that goes on to the next changes its handle.
        if name.contains("_next") {
            assert!(!parameters[0].starts_with("const "), "{name}");
        }
    }
}

/// Step 8 of the names: numbers that are not bytes say their units.
#[test]
fn times_say_their_units() {
    let header = header();
    let code: Vec<&str> = header.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let (_, code) = code.split_once("#include <stdint.h>").expect("the code");
    let words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let times = ["time", "timeout", "delay", "within", "started", "left", "milliseconds", "seconds"];
    for word in words.filter(|word| !word.starts_with("cms_")) {
        let unnamed = times.iter().any(|time| word == *time || word.ends_with(&format!("_{time}")));
        assert!(!unnamed, "{word}: of what unit?");
    }
    assert!(code.contains("uint64_t time_us;") && code.contains("int32_t timeout_ms"));
}

/// Step 8 of the names: a struct that the library writes begins with its size, so that it can grow. A piece of memory is
/// a pointer and a length for ever.
#[test]
fn structs_begin_with_their_size() {
    let header = header();
    let mut found = 0;
    for piece in header.split("typedef struct {").skip(1) {
        let (body, rest) = piece.split_once("\n} ").expect("the end of the struct");
        let first = body.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("//"));
        let name = rest.split(';').next().expect("a name");
        assert!(name == "cms_bytes" || first == Some("size_t size;"), "{name} cannot grow");
        found += 1;
    }
    assert!(found >= 10, "{found}");
}

#[test]
fn every_group_of_functions_has_a_heading() {
    let header = header();
    for (name, heading) in SOURCES {
        let there = header.contains(&format!("/* ---- {heading} ---- */"));
        assert!(there || functions_of(&source(name)).is_empty(), "{name}: {heading}");
    }
}
