//! A14, CAP-17: the binary interface of the library is that of `ffi/abi.txt`: each function with its version, its
//! result and its parameters, each constant, and the place and the size of each member of each struct.
//!
//! What is added to the header is added to the list with `make header`. Nothing in the list may change or go, or programs
//! that are built already break. Where that is meant, before 1.0: `CMS_UPDATE_ABI=1 cargo test -p cms-ffi --test abi`,
//! and the change is named in CHANGELOG.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

mod support;
use support::{compiler, header, library};

/// How large pointers are, in bytes: on x86-64 and ARM64; on ARM, MIPS and PowerPC of 32 bits. Numbers of 64 bits begin
/// at multiples of eight on all of them.
const POINTERS: [usize; 2] = [8, 4];

/// A struct of the header: its name and its members, each with its type.
struct Struct {
    name: String,
    members: Vec<(String, String)>,
}

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("abi.txt")
}

/// Returns the header without comments, and with single blanks.
fn code() -> String {
    let header = header();
    let (_, header) = header.split_once("#include <stdint.h>").expect("the code");
    let mut code = String::new();
    let mut in_comment = false;
    for line in header.lines().map(str::trim) {
        in_comment |= line.starts_with("/*");
        if !in_comment && !line.starts_with("//") {
            code += line.split(" //").next().unwrap_or_default();
            code.push('\n');
        }
        in_comment &= !line.ends_with("*/");
    }
    code
}

/// Joins a declaration that is written in several lines.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Splits a declaration into its type and its name.
fn declared(text: &str) -> (String, String) {
    let text = plain(text);
    let start = text.rfind([' ', '*']).expect("a type and a name") + 1;
    (text[..start].trim().to_owned(), text[start..].to_owned())
}

fn structs(code: &str) -> Vec<Struct> {
    let found = code.split("typedef struct {").skip(1).map(|piece| {
        let (body, rest) = piece.split_once("\n} ").expect("the end of the struct");
        let name = rest.split(';').next().expect("a name").to_owned();
        let members = body.split(';').filter(|member| !member.trim().is_empty()).map(declared);
        Struct { name, members: members.map(|(kind, name)| (name, kind)).collect() }
    });
    found.collect()
}

/// Returns the size and the alignment of a type.
fn layout(kind: &str, pointer: usize, structs: &[Struct]) -> (usize, usize) {
    if let Some(of) = structs.iter().find(|of| of.name == kind) {
        let (members, size, align) = members(of, pointer, structs);
        assert!(!members.is_empty(), "{kind}");
        return (size, align);
    }
    let size = match kind {
        "int32_t" | "uint32_t" | "cms_status" | "cms_type" => 4,
        "int64_t" | "uint64_t" | "double" => 8,
        "size_t" => pointer,
        kind if kind.ends_with('*') || kind.ends_with("_callback") => pointer,
        kind => panic!("{kind}: of what size?"),
    };
    (size, size)
}

/// Returns the offset and the size of each member, and the size and the alignment of the struct.
fn members(of: &Struct, pointer: usize, structs: &[Struct]) -> (Vec<(usize, usize)>, usize, usize) {
    let (mut places, mut end, mut largest) = (Vec::new(), 0_usize, 1);
    for (_, kind) in &of.members {
        let (size, align) = layout(kind, pointer, structs);
        let offset = end.next_multiple_of(align);
        places.push((offset, size));
        end = offset + size;
        largest = largest.max(align);
    }
    (places, end.next_multiple_of(largest), largest)
}

/// Returns a line for each member: where it is, with pointers of each size.
fn lines_of_structs(structs: &[Struct], lines: &mut BTreeSet<String>) {
    for of in structs {
        let [wide, narrow] = POINTERS.map(|pointer| members(of, pointer, structs));
        for (index, (name, kind)) in of.members.iter().enumerate() {
            let [(at, size), (narrow_at, narrow_size)] = [wide.0[index], narrow.0[index]];
            lines.insert(format!(
                "struct {}.{name}: {kind}, at {at} of {size} bytes (32 bits: at {narrow_at} of {narrow_size})",
                of.name
            ));
        }
        // A struct without its size cannot grow.
        if of.members[0].0 != "size" {
            lines.insert(format!("struct {}: {} bytes (32 bits: {})", of.name, wide.1, narrow.1));
        }
    }
}

/// Returns the interface as the header has it, one fact in each line.
fn interface() -> BTreeSet<String> {
    let code = code();
    let mut lines = BTreeSet::new();
    lines_of_structs(&structs(&code), &mut lines);
    for line in code.lines() {
        // Versions change.
        if let Some(constant) = line.strip_prefix("#define CMS_").filter(|one| !one.starts_with("VERSION")) {
            let (name, value) = constant.split_once(' ').unwrap_or((constant, ""));
            if !value.is_empty() {
                lines.insert(format!("constant CMS_{name} = {value}"));
            }
        }
        if let Some((name, value)) = line.trim_end_matches(',').split_once(" = ") {
            lines.insert(format!("constant {name} = {value}"));
        }
    }
    for declaration in code.split(';').map(plain).filter(|one| one.contains("_callback)(")) {
        let start = declaration.find("typedef").expect("a type");
        lines.insert(format!("callback {}", &declaration[start + "typedef ".len()..]));
    }
    let symbols = symbols();
    let versions: BTreeMap<&str, &str> = symbols.lines().filter_map(|line| line.split_once("@@")).collect();
    let (_, functions) = code.split_once("extern \"C\" {").expect("functions");
    let functions = functions.replace("#endif", "");
    for declaration in functions.split(';').map(plain).filter(|one| one.ends_with(')')) {
        let (front, parameters) = declaration.split_once('(').expect("a function");
        let (result, name) = declared(front);
        let kinds = parameters.trim_end_matches(')').split(", ").map(|parameter| match parameter {
            "void" => "void".to_owned(),
            parameter => declared(parameter).0,
        });
        let version = versions.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no version"));
        let kinds: Vec<String> = kinds.collect();
        lines.insert(format!("function {name}@@{version}: {result} ({})", kinds.join(", ")));
    }
    lines
}

#[test]
fn a14_the_interface_only_grows() {
    let made = interface();
    assert!(made.len() > 200, "{made:?}");
    let there = std::fs::read_to_string(path()).unwrap_or_default();
    let listed: BTreeSet<String> = there.lines().map(str::to_owned).collect();
    let gone: Vec<&String> = listed.difference(&made).collect();
    let new: Vec<&String> = made.difference(&listed).collect();
    let may_change = std::env::var_os("CMS_UPDATE_ABI").is_some();
    assert!(
        gone.is_empty() || may_change,
        "programs that are built already would break, since these changed or are gone: {gone:#?}\nnow: {new:#?}\nif that is meant: CMS_UPDATE_ABI=1 cargo test -p cms-ffi --test abi"
    );
    if may_change || std::env::var_os("CMS_UPDATE_HEADER").is_some() {
        let lines: Vec<String> = made.into_iter().collect();
        std::fs::write(path(), lines.join("\n") + "\n").expect("written");
    } else {
        assert!(new.is_empty(), "ffi/abi.txt does not have these yet: 'make header' adds them: {new:#?}");
    }
}

/// Returns assertions in C, one for each member.
fn assertions(structs: &[Struct], pointer: usize) -> String {
    let mut program = "#include <cms.h>\n".to_owned();
    for of in structs {
        let (places, size, _) = members(of, pointer, structs);
        let name = &of.name;
        for ((member, _), (offset, length)) in of.members.iter().zip(places) {
            let what = format!("offsetof({name}, {member}) == {offset}");
            let length = format!("sizeof ((({name} *) 0)->{member}) == {length}");
            writeln!(program, "typedef char {name}_{member}[{what} && {length} ? 1 : -1];").expect("written");
        }
        writeln!(program, "typedef char {name}_whole[sizeof({name}) == {size} ? 1 : -1];").expect("written");
    }
    program
}

fn compiles(program: &str, flags: &[&str]) -> Result<(), String> {
    let dir = tempfile::tempdir().expect("a directory");
    let source = dir.path().join("layout.c");
    std::fs::write(&source, program).expect("written");
    let mut compile = compiler();
    compile.args(["-std=c99", "-ffreestanding", "-fsyntax-only", "-I"]);
    compile.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../include")).args(flags).arg(&source);
    let done = compile.output().expect("a C compiler");
    done.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn the_c_compiler_lays_structs_out_as_the_list_says() {
    let structs = structs(&code());
    let pointer = size_of::<usize>();
    compiles(&assertions(&structs, pointer), &[]).expect("the present machine");
    let other = POINTERS.into_iter().find(|size| *size != pointer).expect("another size");
    compiles(&assertions(&structs, other), &[]).expect_err("the layouts differ");
    // The structs of ARM and others: x86 with pointers of 32 bits, but for the alignment of numbers.
    let narrow = ["-m32", "-malign-double"];
    if compiles("#include <stdint.h>\n", &narrow).is_err() {
        eprintln!("skipped: the C compiler makes no programs of 32 bits");
        return;
    }
    compiles(&assertions(&structs, 4), &narrow).expect("32 bits");
}

/// Returns what `readelf` prints, or `None` where there is none.
fn readelf(flags: &[&str], file: &Path) -> Option<String> {
    let done = Command::new("readelf").args(flags).arg(file).output().ok()?;
    assert!(done.status.success(), "{done:?}");
    Some(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Returns the symbols that are exported, each with its version: see `ffi/versioned-cc`.
fn symbols() -> String {
    std::fs::read_to_string(path().with_file_name("symbols.txt")).expect("the symbols")
}

#[test]
fn a14_exported_symbols_carry_the_versions_of_the_list() {
    let work = tempfile::tempdir().expect("a directory");
    let lib = library(work.path());
    let Some(found) = readelf(&["--dyn-syms", "-W"], &lib.join("libcms.so")) else {
        eprintln!("skipped: readelf is not installed");
        return;
    };
    let exported = found.lines().filter(|line| !line.contains(" UND ") && !line.contains(" ABS "));
    let exported = exported.filter_map(|line| line.split_whitespace().nth(7));
    let exported: BTreeSet<&str> = exported.filter(|name| *name != "Name").collect();
    assert_eq!(exported, symbols().lines().collect());
}

/// Compiles a program or a library.
fn compile(dir: &Path, code: &str, output: &Path, flags: &[&str]) {
    let source = dir.join("source.c");
    std::fs::write(&source, code).expect("written");
    let mut compile = compiler();
    compile.arg("-I").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../include")).arg(&source);
    assert!(compile.arg("-o").arg(output).args(flags).status().expect("a C compiler").success());
}

#[test]
fn a14_a_program_does_not_start_with_the_library_of_another_minor_version() {
    let work = tempfile::tempdir().expect("a directory");
    let dir = work.path();
    let lib = library(dir);
    let program = dir.join("program");
    let code = "#include <cms.h>\nint main(void) { return !cms_version(); }\n";
    compile(dir, code, &program, &["-L", lib.to_str().expect("UTF-8"), "-lcms"]);
    let run = |lib: &Path| Command::new(&program).env("LD_LIBRARY_PATH", lib).output().expect("runs");
    assert!(run(&lib).status.success());

    let other = dir.join("other");
    std::fs::create_dir(&other).expect("made");
    let script = dir.join("script");
    std::fs::write(&script, "CMS_0.999 { global: cms_version; local: *; };\n").expect("written");
    let script = format!("-Wl,--version-script={}", script.display());
    let name = format!("libcms.so.{}", env!("CARGO_PKG_VERSION_MAJOR"));
    let named = format!("-Wl,-soname,{name}");
    let code = "const char *cms_version(void) { return \"0.999.0\"; }\n";
    compile(dir, code, &other.join(&name), &["-shared", "-fPIC", &named, &script]);
    let refused = run(&other);
    let message = String::from_utf8_lossy(&refused.stderr);
    let version =
        symbols().lines().next().and_then(|line| line.split_once("@@")).map(|(_, it)| it.to_owned());
    // glibc refuses it; musl does not know versions.
    let says = format!("`{}' not found", version.expect("a version"));
    let is_musl = cfg!(target_env = "musl");
    assert!(is_musl || !refused.status.success() && message.contains(&says), "{message}");
}
