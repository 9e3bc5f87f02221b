//! A folder of `src` is a layer: no file names a folder below its own in the table of `docs/design.md`.
//!
//! The test reads all paths that begin with `crate::`, and all calls of methods whose name only one inherent `impl`
//! of the crate defines: a method needs no import, so a folder could otherwise use another unnoticed. The folders and
//! files inside `map` have an order of their own, by the second table; its files name each other in full, or from the
//! folder above, and never through the gate `map/mod.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// Names of methods that standard types have as well: a call of one does not show which type it belongs to.
const COMMON: &[&str] = &[
    "as_bytes",
    "collect",
    "compare",
    "empty",
    "entry",
    "extend",
    "is_file",
    "join",
    "lines",
    "lock",
    "metadata",
    "mode",
    "owner",
    "push",
    "read",
    "rename",
    "show",
    "scan",
    "skip",
    "swap",
    "symlink",
    "truncate",
    "update",
    "values",
    "write",
    "before",
    "invalid",
    "io",
    "code",
    "kind",
    "floor",
    "expect",
    "sort",
    "create",
    "file_name",
    "digest",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The folders, the lowest first, as `docs/design.md` lists them.
fn layers() -> Vec<String> {
    table("folder")
}

/// The first column of a table of `docs/design.md`, by the title of that column.
fn table(title: &str) -> Vec<String> {
    let design = std::fs::read_to_string(root().join("../docs/design.md")).expect("docs/design.md");
    let head = format!("\n| {title} | what it is |\n|---|---|\n");
    let table = design.split(&head).nth(1).expect("the table");
    let row =
        |line: &str| line.strip_prefix("| `").and_then(|rest| rest.split('`').next()).map(str::to_owned);
    table.lines().map_while(row).collect()
}

/// A source file of the library, tests left out.
struct Source {
    /// Relative to `src`.
    path: PathBuf,
    file: syn::File,
}

impl Source {
    fn layer(&self) -> String {
        let first = self.path.iter().next().expect("a path").to_string_lossy();
        first.trim_end_matches(".rs").to_owned()
    }

    /// The folder or file inside `map`; `None` if it is none of `map`, or its gate.
    fn part_of_map(&self) -> Option<String> {
        let part = self.path.strip_prefix("map").ok()?.iter().next()?.to_string_lossy().into_owned();
        Some(part.trim_end_matches(".rs").to_owned()).filter(|part| part != "mod")
    }
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of src") {
            let path = entry.expect("an entry").path();
            let relative = path.strip_prefix(root()).expect("below src").to_owned();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            // Code for loom counts as a test as well.
            let is_for_tests = name.trim_end_matches(".rs") == "tests"
                || relative.starts_with("map/model")
                || relative == Path::new("map/model.rs");
            if path.is_dir() {
                if name != "bin" && !is_for_tests {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") && !is_for_tests && name != "lib.rs" {
                let text = std::fs::read_to_string(&path).expect("readable");
                let file =
                    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                found.push(Source { path: relative, file });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Reports whether an item is compiled for tests, models and fuzz targets only.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && {
            let tokens =
                attribute.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default();
            tokens.split(|c: char| !c.is_alphanumeric()).any(|word| word == "test")
                && !tokens.replace(' ', "").contains("not(test")
        }
    })
}

/// The linker keeps each function of a table of functions. A trait that requires `Debug` and is used as `dyn` puts
/// the code that prints a whole store into each program, which once made 88 kB of the library; `impl Debug for dyn
/// Trait` does not. Public traits are left out: programs implement them, by small types.
#[test]
fn no_private_trait_requires_debug() {
    let mut found = Vec::new();
    for source in sources() {
        for item in &source.file.items {
            let syn::Item::Trait(item) = item else { continue };
            let requires_debug = item.supertraits.iter().any(|bound| match bound {
                syn::TypeParamBound::Trait(bound) => {
                    bound.path.segments.last().is_some_and(|last| last.ident == "Debug")
                }
                _ => false,
            });
            if requires_debug && !matches!(item.vis, syn::Visibility::Public(_)) {
                found.push(format!("{}: {}", source.path.display(), item.ident));
            }
        }
    }
    assert!(found.is_empty(), "{found:?}");
}

/// The names that a file uses, with their lines.
#[derive(Default)]
struct Uses {
    /// The first part of each path behind `crate::`.
    paths: Vec<(String, usize)>,
    /// The methods and associated functions that are called.
    calls: Vec<(String, usize)>,
    /// The functions that `impl`s define, and whether another file can call them.
    defined: BTreeMap<String, bool>,
}

fn line(ident: &syn::Ident) -> usize {
    ident.span().start().line
}

impl Uses {
    fn of(source: &Source) -> Self {
        let mut uses = Self::default();
        uses.visit_file(&source.file);
        uses
    }

    fn add_tree(&mut self, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => self.paths.push((path.ident.to_string(), line(&path.ident))),
            syn::UseTree::Name(name) => self.paths.push((name.ident.to_string(), line(&name.ident))),
            syn::UseTree::Rename(name) => self.paths.push((name.ident.to_string(), line(&name.ident))),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(tree)),
            syn::UseTree::Glob(_) => {}
        }
    }
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes: &[syn::Attribute] = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if let syn::UseTree::Path(path) = &item.tree
            && path.ident == "crate"
        {
            self.add_tree(&path.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut parts = path.segments.iter();
        if parts.next().is_some_and(|first| first.ident == "crate")
            && let Some(second) = parts.next()
        {
            self.paths.push((second.ident.to_string(), line(&second.ident)));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        // Code within a macro is not parsed; its paths are found in the text.
        let text = call.tokens.to_string();
        for part in text.split("crate :: ").skip(1) {
            let name: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            self.paths.push((name, call.path.segments.last().map_or(0, |last| line(&last.ident))));
        }
        visit::visit_macro(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.calls.push((call.method.to_string(), line(&call.method)));
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        let parts: Vec<&syn::Ident> = path.path.segments.iter().map(|part| &part.ident).collect();
        if let [of, last] = parts[..]
            && of.to_string().starts_with(char::is_uppercase)
        {
            self.calls.push((last.to_string(), line(last)));
        }
        visit::visit_expr_path(self, path);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        for item in &item.items {
            if let syn::ImplItem::Fn(function) = item
                && !is_for_tests(&function.attrs)
            {
                let is_open = !matches!(function.vis, syn::Visibility::Inherited);
                *self.defined.entry(function.sig.ident.to_string()).or_default() |= is_open;
            }
        }
        visit::visit_item_impl(self, item);
    }
}

/// The uses of one folder by another, as `FILE:LINE: NAME`.
type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

/// The arrows between the folders that `folder` puts the sources into: `paths` are the uses by paths, the others are
/// calls.
fn arrows(
    sources: &[Source],
    folder: impl Fn(&Source) -> Option<String>,
    paths: impl Fn(&Uses) -> &[(String, usize)],
) -> Arrows {
    let uses: Vec<Uses> = sources.iter().map(Uses::of).collect();
    let mut definitions: BTreeMap<&str, Vec<(Option<String>, bool)>> = BTreeMap::new();
    for (source, uses) in sources.iter().zip(&uses) {
        for (name, is_open) in &uses.defined {
            definitions.entry(name).or_default().push((folder(source), *is_open));
        }
    }
    let mut arrows = Arrows::new();
    for (source, uses) in sources.iter().zip(&uses) {
        let Some(from) = folder(source) else { continue };
        let mut add = |to: &str, line: usize, what: String| {
            if to != from {
                let place = format!("src/{}:{line}: {what}", source.path.display());
                arrows.entry((from.clone(), to.to_owned())).or_default().insert(place);
            }
        };
        for (name, line) in paths(uses) {
            add(name, *line, format!("crate::{name}"));
        }
        for (name, line) in &uses.calls {
            if let Some([(Some(layer), true)]) = definitions.get(name.as_str()).map(Vec::as_slice)
                && !COMMON.contains(&name.as_str())
            {
                add(layer, *line, format!("{name}()"));
            }
        }
    }
    arrows
}

#[test]
fn no_file_names_a_folder_below_its_own_in_the_table() {
    let layers = layers();
    let sources = sources();
    for source in &sources {
        assert!(
            layers.contains(&source.layer()),
            "src/{} is in no layer of docs/design.md",
            source.path.display()
        );
    }
    let upward = upward(arrows(&sources, |source| Some(source.layer()), |uses| &uses.paths), &layers);
    assert!(upward.is_empty(), "layers that name what stands below them in the table:\n{upward}");
}

/// The arrows that lead to a lower row of a table. A name without a row is one that `lib.rs` makes public, which is
/// above all folders.
fn upward(arrows: Arrows, rows: &[String]) -> String {
    let rank = |folder: &str| rows.iter().position(|row| row == folder);
    let is_upward = |(from, to): &(String, String)| rank(to).is_none_or(|to| Some(to) > rank(from));
    let mut found = String::new();
    for ((from, to), places) in arrows.into_iter().filter(|(arrow, _)| is_upward(arrow)) {
        found.push_str(&format!("\n{from} -> {to}\n"));
        found.extend(places.iter().map(|place| format!("    {place}\n")));
    }
    found
}

#[test]
fn no_file_of_map_names_what_is_below_its_own_folder_in_the_table() {
    let parts = table("part of `map`");
    let sources = sources();
    let found: BTreeSet<String> = sources.iter().filter_map(Source::part_of_map).collect();
    assert_eq!(parts.iter().cloned().collect::<BTreeSet<_>>(), found);
    assert_eq!(parts.len(), found.len());
    let mut arrows = arrows(&sources, Source::part_of_map, |_| &[]);
    for (module, named) in files_of(&root(), "bin") {
        let [map, from, ..] = &module[..] else { continue };
        if from == "model" {
            continue;
        }
        for name in named.iter().filter(|name| map == "map" && name.first() == Some(map)) {
            let to = name.get(1).map_or("the gate, map/mod.rs", |part| part);
            if to != from {
                let place = format!("src/{}.rs: {}", module.join("/"), name.join("::"));
                arrows.entry((from.clone(), to.to_owned())).or_default().insert(place);
            }
        }
    }
    let upward = upward(arrows, &parts);
    assert!(upward.is_empty(), "parts of map that name what stands below them in the table:\n{upward}");
}

#[test]
fn the_table_lists_each_folder_once() {
    let layers = layers();
    let found: BTreeSet<String> = sources().iter().map(Source::layer).collect();
    assert_eq!(layers.iter().cloned().collect::<BTreeSet<_>>(), found);
    assert_eq!(layers.len(), found.len());
}

/// A file of a crate, by the path that `crate::` leads to it with: `["command", "get"]`.
type Module = Vec<String>;

fn command_files() -> BTreeMap<Module, BTreeSet<Module>> {
    files_of(&root().join("bin/cms"), "")
}

/// The files of a crate, with the files that each names. Tests and the folder `without` are left out.
fn files_of(folder: &Path, without: &str) -> BTreeMap<Module, BTreeSet<Module>> {
    let module = |path: &Path| -> Module {
        let relative = path.strip_prefix(folder).expect("below the folder").with_extension("");
        let parts = relative.iter().map(|part| part.to_string_lossy().into_owned());
        parts.filter(|part| !["mod", "main", "lib"].contains(&part.as_str())).collect()
    };
    let files: BTreeMap<Module, syn::File> = rust_files(folder)
        .into_iter()
        .map(|path| (module(&path), path))
        .filter(|(module, _)| !module.iter().any(|part| part == without || part == "tests"))
        .map(|(module, path)| {
            let text = std::fs::read_to_string(&path).expect("readable");
            (module, syn::parse_file(&text).expect("Rust"))
        })
        .collect();
    let named = |module: &Module, file: &syn::File| {
        let mut names =
            Names { module: module.clone(), known: files.keys().cloned().collect(), found: BTreeSet::new() };
        names.visit_file(file);
        names.found.remove(module);
        names.found
    };
    files.iter().map(|(module, file)| (module.clone(), named(module, file))).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The files that a file names, in imports and in code.
struct Names {
    module: Module,
    known: BTreeSet<Module>,
    found: BTreeSet<Module>,
}

impl Names {
    /// Notes the file that a path leads to: from the root of the crate, from the module above, or from this one.
    fn add(&mut self, path: &[String]) {
        let above = path.iter().take_while(|part| *part == "super").count();
        let (mut at, rest) = match path {
            [first, rest @ ..] if first == "crate" => (Module::new(), rest),
            path => (self.module[..self.module.len().saturating_sub(above)].to_vec(), &path[above..]),
        };
        let is_relative = rest.len() == path.len();
        let start = at.len();
        for part in rest {
            at.push(part.clone());
            if !self.known.contains(&at) {
                at.pop();
                break;
            }
        }
        if !is_relative || at.len() > start {
            self.found.insert(at);
        }
    }

    fn add_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.add(&with(&name.ident)),
            syn::UseTree::Rename(name) => self.add(&with(&name.ident)),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(before, tree)),
            syn::UseTree::Glob(_) => self.add(before),
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if parts.len() > 1 {
            self.add(&parts);
        }
        visit::visit_path(self, path);
    }
}

#[test]
fn the_files_of_the_command_name_each_other_in_no_circle() {
    no_circle(command_files());
}

#[test]
fn the_files_of_map_name_each_other_in_no_circle() {
    let mut files = files_of(&root(), "bin");
    // The gate names all of them; the test above finds the files that name the gate.
    files.retain(|module, _| module.len() > 1 && module[0] == "map");
    no_circle(files);
}

#[test]
fn the_files_of_a_commit_name_each_other_in_no_circle() {
    let mut files = files_of(&root(), "bin");
    files.retain(|module, _| module.len() > 1 && module[0] == "commit");
    assert!(files.len() > 30);
    no_circle(files);
}

fn no_circle(mut left: BTreeMap<Module, BTreeSet<Module>>) {
    // A file that names no remaining file is in no circle, and is removed.
    while let Some(module) = {
        let names_none =
            |(_, named): &(&Module, &BTreeSet<Module>)| !named.iter().any(|name| left.contains_key(name));
        left.iter().find(names_none).map(|(module, _)| module.clone())
    } {
        left.remove(&module);
    }
    let arrows: String = left
        .iter()
        .map(|(module, named)| {
            let named: Vec<String> =
                named.iter().filter(|name| left.contains_key(*name)).map(|name| name.join("/")).collect();
            format!("\n{} -> {}", module.join("/"), named.join(", "))
        })
        .collect();
    assert!(left.is_empty(), "files in a circle, and files that name one of them:{arrows}");
}

#[test]
fn no_command_names_another_nor_the_table() {
    let is_command = |module: &Module| module.first().is_some_and(|first| first == "command");
    let files = command_files();
    assert!(files.keys().filter(|module| is_command(module)).count() > 40);
    for (module, named) in files.iter().filter(|(module, _)| is_command(module)) {
        let wrong: Vec<&Module> =
            named.iter().filter(|name| is_command(name) || name[..] == ["table"]).collect();
        assert!(wrong.is_empty(), "{} names {wrong:?}", module.join("/"));
    }
    // Only the table names commands, and only `main` names the table.
    for (module, named) in files.iter().filter(|(module, _)| !is_command(module)) {
        let may_name_commands = module[..] == ["table"] || module.is_empty();
        assert!(may_name_commands || !named.iter().any(is_command), "{} names a command", module.join("/"));
        assert!(
            module.is_empty() || !named.contains(&vec!["table".to_owned()]),
            "{} names the table",
            module.join("/")
        );
    }
}
