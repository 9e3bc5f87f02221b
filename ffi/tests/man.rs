//! The manual pages of the library, which the installation makes from the header (M28, A16).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

mod support;
use support::header;

/// The pages by their names.
fn pages(dir: &Path) -> BTreeMap<String, String> {
    let pages = dir.join("man3");
    support::manual(&pages);
    let entries = std::fs::read_dir(&pages).expect("the pages").map(|entry| entry.expect("a page").path());
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).expect("text"))
    };
    entries.map(read).collect()
}

/// Returns the page that a name leads to.
fn found<'p>(pages: &'p BTreeMap<String, String>, name: &str) -> &'p str {
    let page = pages.get(name).unwrap_or_else(|| panic!("{name} has no page"));
    match page.strip_prefix(".so man3/") {
        Some(rest) => {
            let to = rest.trim_end().strip_suffix(".3").expect("a page of section 3");
            let page = &pages[to];
            assert!(!page.starts_with(".so "), "{name} leads to {to}, which leads on");
            page
        }
        None => page,
    }
}

fn functions() -> Vec<String> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("symbols.txt");
    let list = std::fs::read_to_string(list).expect("the list of symbols");
    list.lines().map(|line| line.split('@').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn m28_every_function_has_a_page_with_its_declaration_and_its_explanation() {
    let dir = tempfile::tempdir().expect("a directory");
    let (pages, functions) = (pages(dir.path()), functions());
    assert!(functions.len() > 150, "{}", functions.len());
    for name in &functions {
        let page = found(&pages, name);
        let heading = page.split(".SH SYNOPSIS").next().unwrap_or_default();
        let named = heading.lines().any(|line| line.trim_end_matches(',') == name);
        assert!(named, "the page does not name {name}");
        assert!(page.contains(&format!("{name}(")), "the page does not declare {name}");
        let (_, about) = page.split_once(&format!("\n.SS {name}\n")).unwrap_or_else(|| panic!("{name}"));
        let first = about.lines().next().unwrap_or_default();
        assert!(first.ends_with(|c: char| c != ':') && !first.starts_with('.'), "{name}: {first}");
    }
}

#[test]
fn m28_every_type_and_every_constant_of_the_header_is_explained_on_a_page() {
    let dir = tempfile::tempdir().expect("a directory");
    let (pages, header) = (pages(dir.path()), header());
    let code: Vec<&str> = header.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut types = 0;
    for line in &code {
        let structs = line.strip_prefix("} ").or_else(|| line.strip_prefix("typedef struct cms_"));
        let structs = structs.and_then(|rest| rest.rsplit(' ').next()?.strip_suffix(';'));
        let callback = line.strip_prefix("typedef ").and_then(|rest| rest.split_once("(*"));
        let callback = callback.and_then(|(_, rest)| rest.split(')').next());
        let Some(name) = structs.or(callback).filter(|name| name.starts_with("cms_")) else { continue };
        types += 1;
        let page = found(&pages, name);
        assert!(name == "cms_status" || page.contains(&format!("\n.SS {name}\n")), "{name}");
    }
    assert!(types > 30, "{types}");
    let all: String = pages.values().cloned().collect();
    for line in code.iter().filter_map(|line| line.strip_prefix("#define CMS_")) {
        let name = line.split(' ').next().unwrap_or_default();
        if !name.starts_with("VERSION") && !name.starts_with("CONFIG_H") {
            assert!(all.contains(&format!("\n.B CMS_{name}\n")), "CMS_{name}");
        }
    }
}

#[test]
fn a16_the_page_of_the_library_names_all_functions_and_statuses_and_no_others() {
    let dir = tempfile::tempdir().expect("a directory");
    let pages = pages(dir.path());
    let page = &pages["libcms"];
    let words = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let named: BTreeSet<&str> = words.filter(|word| word.starts_with("cms_")).collect();
    let functions = functions();
    for name in &functions {
        assert!(named.contains(name.as_str()), "{name} is not named");
    }
    for name in named {
        let is_known = functions.iter().any(|function| function == name) || pages.contains_key(name);
        assert!(is_known, "there is no {name}");
    }
    let is_status = |name: &&str| *name == "OK = 0," || name.starts_with("ERR_");
    let names = header();
    for line in names.lines().filter_map(|line| line.trim_start().strip_prefix("CMS_")).filter(is_status) {
        let status = line.trim_end_matches(',');
        assert!(page.contains(&format!("\n.B CMS_{status}\n")), "{status}");
    }
    for rule in ["Keys", "Results", "Threads", "fork", "Manners"] {
        assert!(page.contains(&format!("\n.B {rule}\n")), "{rule}");
    }
}

/// Runs a checker on a page; `None` if it is not installed.
fn complaints(program: &str, words: &[&str], page: &Path) -> Option<String> {
    let checked = Command::new(program).args(words).arg(page).env("LC_ALL", "C.UTF-8").output().ok()?;
    let said = [checked.stdout, checked.stderr].concat();
    Some(String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn the_pages_are_without_warnings_of_troff() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut checked = 0;
    for (name, page) in pages(dir.path()) {
        let path = dir.path().join("man3").join(format!("{name}.3"));
        if page.starts_with(".so ") {
            continue;
        }
        let troff = complaints("groff", &["-man", "-ww", "-Tutf8", "-z"], &path);
        // A page from a header has long lines of code, and no date.
        let mandoc = complaints("mandoc", &["-Tlint", "-Wwarning"], &path).map(|said| {
            let kept = said.lines().filter(|line| !line.contains("missing date"));
            kept.collect::<Vec<_>>().join("\n")
        });
        for said in [troff, mandoc].into_iter().flatten() {
            assert_eq!(said, "", "{name}");
            checked += 1;
        }
    }
    if checked == 0 {
        println!("skipped: neither groff nor mandoc is installed");
    }
}
