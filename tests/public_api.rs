//! The public face of the library: the seams for tests are in the hidden module `testing`, and nowhere else; a list of
//! all variants of an enum has them all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// The type of a seam that `testing` does not list by name: it is in `testing::format`.
const FORMAT: &str = "Format";

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn parse(path: &Path) -> syn::File {
    let text = std::fs::read_to_string(path).expect("readable");
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Adds the last names of a `use` to `names`.
fn add_used(tree: &syn::UseTree, names: &mut BTreeSet<String>) {
    match tree {
        syn::UseTree::Path(path) => add_used(&path.tree, names),
        syn::UseTree::Name(name) => drop(names.insert(name.ident.to_string())),
        syn::UseTree::Rename(rename) => drop(names.insert(rename.rename.to_string())),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| add_used(tree, names)),
        syn::UseTree::Glob(_) => {}
    }
}

/// The names that a file or module exports, without those of its hidden items.
fn exported(items: &[syn::Item]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for item in items {
        match item {
            syn::Item::Use(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                add_used(&item.tree, &mut names);
            }
            syn::Item::Mod(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                names.insert(item.ident.to_string());
                names.extend(item.content.iter().flat_map(|(_, items)| exported(items)));
            }
            _ => {}
        }
    }
    names
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

fn is_hidden(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "hidden")
    })
}

/// The module `testing`.
fn testing(library: &syn::File) -> &syn::ItemMod {
    let found = library.items.iter().find_map(|item| match item {
        syn::Item::Mod(item) if item.ident == "testing" => Some(item),
        _ => None,
    });
    found.expect("the module `testing` in src/lib.rs")
}

/// Looks for names of seams in what exported types show: their public fields, and the signatures of their methods.
struct Finder<'f> {
    seams: &'f BTreeSet<String>,
    types: &'f BTreeSet<String>,
    /// The number of signatures and fields that were looked at.
    seen: usize,
    found: Vec<String>,
}

/// The names in a signature or a type.
#[derive(Default)]
struct Names(Vec<String>);

impl Visit<'_> for Names {
    fn visit_ident(&mut self, name: &syn::Ident) {
        self.0.push(name.to_string());
    }
}

impl Finder<'_> {
    fn look(&mut self, of: &str, names: &Names) {
        self.seen += 1;
        if names.0.iter().any(|name| self.seams.contains(name)) {
            self.found.push(format!("{of}: {}", names.0.join(" ")));
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        let name = item.ident.to_string();
        if is_public(&item.vis) && self.types.contains(&name) {
            for field in item.fields.iter().filter(|field| is_public(&field.vis) && !is_hidden(&field.attrs))
            {
                let mut names = Names::default();
                names.visit_field(field);
                self.look(&name, &names);
            }
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        let Some(name) = name.filter(|name| item.trait_.is_none() && self.types.contains(name)) else {
            return;
        };
        for item in &item.items {
            if let syn::ImplItem::Fn(function) = item
                && is_public(&function.vis)
                && !is_hidden(&function.attrs)
            {
                let mut names = Names::default();
                names.visit_signature(&function.sig);
                self.look(&name, &names);
            }
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.ident != "tests" {
            visit::visit_item_mod(self, item);
        }
    }
}

fn visit_sources(folder: &Path, finder: &mut Finder<'_>) {
    for entry in std::fs::read_dir(folder).expect("a folder of src") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("bin") {
            visit_sources(&path, finder);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            finder.visit_file(&parse(&path));
        }
    }
}

#[test]
fn the_documentation_shows_no_seam_for_tests() {
    let library = parse(&src().join("lib.rs"));
    let testing = testing(&library);
    assert!(is_hidden(&testing.attrs), "`testing` is in the documentation");
    let mut seams = exported(testing.content.as_ref().map_or(&[], |(_, items)| items));
    assert!(
        ["Call", "Files", "Probe", "Seams", "format"].iter().all(|name| seams.contains(*name)),
        "{seams:?}"
    );
    let types = exported(&library.items);
    assert!(types.contains("Options") && types.contains("DeltaLine"), "{types:?}");
    let doubly: Vec<_> = types.intersection(&seams).collect();
    assert!(doubly.is_empty(), "exported from `testing` and elsewhere: {doubly:?}");
    assert!(["files", "format", "seams"].iter().all(|module| !types.contains(*module)), "{types:?}");
    // The module has the name of a function, and its trait is the seam.
    seams.remove("format");
    seams.insert(FORMAT.to_owned());
    let mut finder = Finder { seams: &seams, types: &types, seen: 0, found: Vec::new() };
    visit_sources(&src(), &mut finder);
    assert!(finder.seen > 200, "{}", finder.seen);
    assert!(finder.found.is_empty(), "{:#?}", finder.found);
}

/// Compares the constants `ALL` with the variants of their enums.
#[derive(Default)]
struct Lists {
    variants: BTreeMap<String, BTreeSet<String>>,
    listed: BTreeMap<String, BTreeSet<String>>,
}

impl<'ast> Visit<'ast> for Lists {
    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        let variants = item.variants.iter().map(|variant| variant.ident.to_string()).collect();
        self.variants.insert(item.ident.to_string(), variants);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let syn::Type::Path(of) = &*item.self_ty else { return };
        let Some(name) = of.path.segments.last().map(|last| last.ident.to_string()) else { return };
        for item in &item.items {
            if let syn::ImplItem::Const(item) = item
                && item.ident == "ALL"
            {
                let mut names = Names::default();
                names.visit_expr(&item.expr);
                self.listed.insert(name.clone(), names.0.into_iter().filter(|name| name != "Self").collect());
            }
        }
    }
}

/// The C library and the command translate each variant of these enums. They cannot match without a wildcard, as the
/// enums are `non_exhaustive`, so their tests go through the lists.
#[test]
fn a_list_of_all_variants_has_each_of_them() {
    let mut lists = Lists::default();
    for file in ["error/code.rs", "log/record.rs", "settings/resolved.rs"] {
        lists.visit_file(&parse(&src().join(file)));
    }
    assert_eq!(lists.listed.keys().collect::<Vec<_>>(), ["Code", "Kind", "Setting"]);
    for (name, listed) in &lists.listed {
        assert_eq!(Some(listed), lists.variants.get(name), "{name}");
    }
}
