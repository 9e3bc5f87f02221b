//! Programs that were built with an older or a newer header work with the present library: a C program is compiled
//! against `cms.h` with every struct that begins with its size cut off after its first member, its second, and so on,
//! and with members that the library does not know.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

mod support;
use support::{compiler, header, library};

/// A struct of the header: its name, and its members as they are declared, comments left out.
struct Struct {
    name: String,
    members: Vec<String>,
}

/// Returns the structs that begin with their size.
fn structs(header: &str) -> Vec<Struct> {
    let mut found = Vec::new();
    for piece in header.split("typedef struct {\n").skip(1) {
        let (body, rest) = piece.split_once("\n} ").expect("the end of the struct");
        let members: Vec<String> = body
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("//") && !line.is_empty())
            .map(|line| line.trim_end_matches(';').to_owned())
            .collect();
        if members[0] == "size_t size" {
            let name = rest.split(';').next().expect("a name").to_owned();
            found.push(Struct { name, members });
        }
    }
    found
}

/// Returns the members of a struct of `count` members: some that no library knows follow its own.
fn cut(of: &Struct, count: usize) -> Vec<String> {
    let newer = (of.members.len()..count).map(|number| format!("uint64_t newer_{number}"));
    of.members.iter().take(count).cloned().chain(newer).collect()
}

/// Returns the header with each struct cut to `count` members.
fn cut_header(header: &str, structs: &[Struct], count: usize) -> String {
    let mut cut_header = header.to_owned();
    for of in structs {
        let end = cut_header.find(&format!("\n}} {};", of.name)).expect("its end");
        let start = cut_header[..end].rfind("typedef struct {\n").expect("its beginning");
        let members: String = cut(of, count).iter().map(|member| format!("    {member};\n")).collect();
        cut_header.replace_range(start..=end, &format!("typedef struct {{\n{members}"));
    }
    cut_header
}

/// Prints a member. Of a member whose value differs in each run, it prints only whether it is set.
fn print(name: &str, member: &str) -> String {
    let (kind, member) = member.rsplit_once([' ', '*']).expect("a type and a name");
    let at = format!("{name}_place.it.{member}");
    let label = format!("{name}.{member}");
    match kind.trim() {
        _ if member == "size" => String::new(),
        "cms_bytes" if ["chain", "source"].contains(&member) => {
            format!("    printf(\"{label} %d\\n\", {at}.len > 0);\n")
        }
        "cms_bytes" => {
            format!("    printf(\"{label} %.*s\\n\", (int) {at}.len, {at}.data ? {at}.data : \"none\");\n")
        }
        "const char" => format!("    printf(\"{label} %s\\n\", {at});\n"),
        _ if ["time_us", "pid", "file_size"].contains(&member) => {
            format!("    printf(\"{label} %d\\n\", {at} != 0);\n")
        }
        _ => format!("    printf(\"{label} %lld\\n\", (long long) {at});\n"),
    }
}

/// The structs that the library reads. It writes the others.
const READ: [&str; 2] = ["cms_options", "cms_attribution"];

/// The call that reads or writes each struct. `IT` stands for the address of the struct.
const CALLS: [(&str, &str); 11] = [
    ("cms_options", "CHECK(cms_open(IT, &store) == CMS_OK);"),
    (
        "cms_error",
        "CHECK(cms_get(store, \"n.a.none\", NULL, 0, NULL) == CMS_ERR_NOT_FOUND);\n    CHECK(cms_last_error(IT) == CMS_OK);",
    ),
    (
        "cms_violation",
        "CHECK(cms_set(store, \"v.a.port\", \"word\") == CMS_ERR_SCHEMA);\n    \
         CHECK(cms_last_violation(0, IT) == CMS_OK);",
    ),
    (
        "cms_section",
        "CHECK(cms_snapshot_open(store, &snapshot) == CMS_OK);\n    \
         CHECK(cms_section_iter_open(snapshot, \"n\", NULL, &sections) == CMS_OK);\n    \
         CHECK(cms_section_iter_next(sections, IT) == CMS_OK);",
    ),
    (
        "cms_option",
        "CHECK(cms_option_iter_open(snapshot, \"n\", \"a\", &options) == CMS_OK);\n    \
         CHECK(cms_option_iter_next(options, IT) == CMS_OK);",
    ),
    (
        "cms_record",
        "CHECK(cms_begin(store, &txn) == CMS_OK && cms_txn_set_message(txn, \"why\") == CMS_OK);\n    \
         CHECK(cms_txn_set(txn, \"n.a.x\", \"2\") == CMS_OK && cms_txn_commit(txn, NULL) == CMS_OK);\n    \
         CHECK(cms_history_open(store, NULL, 0, &history) == CMS_OK);\n    \
         CHECK(cms_history_next(history, IT) == CMS_OK);",
    ),
    ("cms_change", "CHECK(cms_history_next_change(history, IT) == CMS_OK);"),
    (
        "cms_archive",
        "CHECK(cms_archive_create(store, \"before\", NULL) == CMS_OK && cms_archive_iter_open(store, &archives) == CMS_OK);\n    \
         CHECK(cms_archive_iter_next(archives, IT) == CMS_OK);",
    ),
    ("cms_attribution", "CHECK(cms_store_open_as(store, IT, &other) == CMS_OK);\n    cms_close(other);"),
    ("cms_log_info", "CHECK(cms_log_check(store, IT, &report) == CMS_OK);\n    cms_report_close(report);"),
    (
        "cms_repaired",
        "break_package();\n    CHECK(cms_repair(store, &report) == CMS_OK);\n    \
         CHECK(cms_report_next_repaired(report, IT) == CMS_OK);",
    ),
];

const BEGINNING: &str = r#"#include <cms.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define CHECK(what) do { if (!(what)) { char m[256]; cms_last_message(m, sizeof m); \
    fprintf(stderr, "%s: %s\n", #what, m); exit(1); } } while (0)
static cms_store *store, *other;
static cms_snapshot *snapshot;
static cms_section_iter *sections;
static cms_option_iter *options;
static cms_txn *txn;
static cms_history *history;
static cms_archive_iter *archives;
static cms_report *report;
static void break_package(void)
{
    char path[4096];
    FILE *file;
    sprintf(path, "%s/n", getenv("CMS_CONFIG_DIR"));
    CHECK((file = fopen(path, "w")) != NULL);
    fputs("config x 'a\n", file);
    fclose(file);
}
static void intact(const unsigned char *after)
{
    size_t at;
    for (at = 0; at < 64; at++)
        CHECK(after[at] == 0xA5);
}
"#;

/// Writes the program for structs of `count` members.
fn program(structs: &[Struct], count: usize) -> String {
    let mut program = BEGINNING.to_owned();
    for of in structs {
        let name = &of.name;
        writeln!(program, "static struct {{ {name} it; unsigned char after[64]; }} {name}_place;")
            .expect("written");
    }
    program.push_str("int main(void)\n{\n");
    for (name, calls) in CALLS {
        let of = structs.iter().find(|of| of.name == name).expect("a struct of the header");
        // Bytes that the library does not write stay nonzero.
        let fill = if READ.contains(&name) { "0" } else { "0xA5" };
        writeln!(program, "    memset(&{name}_place, 0xA5, sizeof {name}_place);").expect("written");
        writeln!(program, "    memset(&{name}_place.it, {fill}, sizeof {name}_place.it);").expect("written");
        writeln!(program, "    {name}_place.it.size = sizeof {name}_place.it;").expect("written");
        writeln!(program, "    {}", calls.replace("IT", &format!("&{name}_place.it"))).expect("written");
        writeln!(program, "    intact({name}_place.after);").expect("written");
        writeln!(program, "    CHECK({name}_place.it.size == sizeof {name}_place.it);").expect("written");
        if !READ.contains(&name) {
            program.extend(cut(of, count).iter().map(|member| print(name, member)));
        }
    }
    program + "    return 0;\n}\n"
}

/// Compiles the program for structs of `count` members and runs it on a new store; returns its output.
fn run(work: &Path, lib: &Path, structs: &[Struct], count: usize) -> String {
    let own = tempfile::tempdir_in(work).expect("a directory");
    let dir = own.path();
    std::fs::create_dir(dir.join("config")).expect("made");
    std::fs::write(dir.join("config/n"), "config x 'a'\n\tlist l 'one'\n\tlist l 'two'\n").expect("written");
    // It describes itself.
    let described = "config x 'a'\n\toption port '1'\n\nconfig field 'port'\n\toption type 'int'\n";
    std::fs::write(dir.join("config/v"), described).expect("written");
    std::fs::write(dir.join("cms.h"), cut_header(&header(), structs, count)).expect("written");
    std::fs::write(dir.join("layout.c"), program(structs, count)).expect("written");
    let mut compile = compiler();
    compile.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-I"]).arg(dir).arg(dir.join("layout.c"));
    let compiled = compile.arg("-o").arg(dir.join("layout")).arg("-L").arg(lib).arg("-lcms").status();
    assert!(compiled.expect("a C compiler").success(), "{count} members: does not compile");
    let mut layout = Command::new(dir.join("layout"));
    for (variable, name) in [
        ("CMS_CONFIG_DIR", "config"),
        ("CMS_SAVE_DIR", "save"),
        ("CMS_RUN_DIR", "run"),
        ("CMS_STATE_DIR", "state"),
    ] {
        layout.env(variable, dir.join(name));
    }
    let done = layout.env("LD_LIBRARY_PATH", lib).output().expect("run");
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{count} members: {error}");
    // Each program has a directory of its own.
    String::from_utf8(done.stdout).expect("text").replace(&*dir.to_string_lossy(), "")
}

#[test]
fn s12_programs_built_with_any_older_or_newer_header_work() {
    let header = header();
    let structs = structs(&header);
    let names: Vec<&str> = structs.iter().map(|of| of.name.as_str()).collect();
    for name in &names {
        assert!(CALLS.iter().any(|(called, _)| called == name), "{name}: nothing here calls what writes it");
    }
    let work = tempfile::tempdir().expect("a directory");
    let lib = library(work.path());
    let longest = structs.iter().map(|of| of.members.len()).max().expect("structs");
    let all = run(work.path(), &lib, &structs, longest);
    let told = |name: &str, member: &str| {
        let member = member.rsplit([' ', '*']).next().expect("a name");
        all.lines().find(|line| line.starts_with(&format!("{name}.{member} "))).map(str::to_owned)
    };
    assert!(told("cms_error", "message").is_some_and(|line| line.contains("n.a.none")), "{all}");
    assert!(told("cms_repaired", "text_revision").is_some_and(|line| !line.ends_with(" 0")), "{all}");
    for count in 1..=longest + 1 {
        let printed = run(work.path(), &lib, &structs, count);
        let mut expected = String::new();
        for (name, _) in CALLS.iter().filter(|(name, _)| !READ.contains(name)) {
            let of = structs.iter().find(|of| of.name == *name).expect("a struct");
            for member in cut(of, count).iter().skip(1) {
                let line = told(name, member).unwrap_or_else(|| {
                    let member = member.rsplit(' ').next().expect("a name");
                    assert!(member.starts_with("newer_"), "{name}.{member} is not printed");
                    format!("{name}.{member} 0")
                });
                writeln!(expected, "{line}").expect("written");
            }
        }
        assert_eq!(printed, expected, "{count} members");
    }
}
