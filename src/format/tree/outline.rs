//! The sections of a document.

use std::collections::HashMap;

use super::spelling;
use super::{Document, Kind, Member, Node, Text};
use crate::error::Result;
use crate::format::{Builder, ParseOptions, Parsed, Piece};
use crate::model::format_kind::FormatKind;
use crate::model::key_part;
use crate::model::name::MAX_NAME;
use crate::model::package::Package;
use crate::model::value_type::ValueType;

/// The name of the option that is a whole document: the empty name, as keys have it.
pub const NO_NAME: &[u8] = b"\"\"";

/// A value of an option.
#[derive(Debug)]
pub enum Spelled {
    One(Text, ValueType),
    List(Vec<Text>, ValueType),
}

/// A section of a document.
#[derive(Debug)]
pub struct Found<'t> {
    /// The dotted name. That of an anonymous section is its type.
    pub path: Vec<u8>,
    pub is_anonymous: bool,
    pub node: &'t Node,
    /// The member that each option is, by its position; none for a document that is one value.
    pub options: Vec<(Option<usize>, Spelled)>,
}

impl<'t> Found<'t> {
    /// Returns the members of its object.
    pub fn members(&self) -> &'t [Member] {
        members(self.node).unwrap_or_default()
    }
}

/// Returns the members of an object.
pub fn members(node: &Node) -> Option<&[Member]> {
    match &node.kind {
        Kind::Object(members, _) => Some(members),
        _ => None,
    }
}

/// How a value is part of a package.
pub enum Shape<'t> {
    Section,
    Row(&'t [Node]),
    Option(Spelled),
}

/// The sections of a document in the order of the text.
#[derive(Debug)]
pub struct Outline<'t> {
    pub sections: Vec<Found<'t>>,
    /// The document is one value, and not an object of options and sections.
    pub is_one_value: bool,
}

struct Finder<'t> {
    document: &'t Document,
    is_json: bool,
    found: Vec<Found<'t>>,
}

/// Finds the sections of a document.
pub fn outline(document: &Document, kind: FormatKind) -> Outline<'_> {
    let mut finder = Finder { document, is_json: kind == FormatKind::Json, found: Vec::new() };
    let root = &document.root;
    let is_one_value = finder.is_one_value();
    if is_one_value {
        let text = spelling::text(document, root, finder.is_json);
        let options = vec![(None, Spelled::One(text, ValueType::Json))];
        finder.found.push(Found { path: Vec::new(), is_anonymous: false, node: root, options });
    } else {
        finder.object(root, Vec::new());
    }
    let mut sections = finder.found;
    sections.sort_by_key(|section| if section.path.is_empty() { 0 } else { section.node.span.start + 1 });
    Outline { sections, is_one_value }
}

/// Decides how a value of a JSON document is part of a package; `in_row` for the members of objects in arrays.
pub fn shape<'t>(document: &'t Document, node: &'t Node, in_row: bool) -> Shape<'t> {
    Finder { document, is_json: true, found: Vec::new() }.shape(node, in_row)
}

impl<'t> Finder<'t> {
    fn source(&self) -> &'t [u8] {
        &self.document.source
    }

    /// Reports whether the document is no object that can be read as sections. An object whose only value has an empty
    /// name, and is nested, would be taken for a document of that value.
    fn is_one_value(&self) -> bool {
        let Some(members) = members(&self.document.root) else { return true };
        let is_ambiguous = || match members {
            [member] if member.name.of(self.source()).is_empty() => {
                matches!(self.shape(&member.node, false), Shape::Option(Spelled::One(_, ValueType::Json)))
            }
            _ => false,
        };
        !self.has_fit_names(members) || is_ambiguous()
    }

    /// Reports whether all names can be names of options and sections.
    fn has_fit_names(&self, members: &[Member]) -> bool {
        members.iter().all(|member| {
            // In quotes a byte takes up to six.
            member.name.of(self.source()).len() <= MAX_NAME / 8
        })
    }

    fn is_section(&self, node: &Node) -> bool {
        members(node).is_some_and(|members| self.has_fit_names(members))
    }

    /// Decides how a value is part of a package. In a row, objects are values.
    fn shape(&self, node: &'t Node, in_row: bool) -> Shape<'t> {
        let source = self.source();
        let one = |text: &Text, of: ValueType| Shape::Option(Spelled::One(text.clone(), of));
        let json = || {
            Shape::Option(Spelled::One(spelling::text(self.document, node, self.is_json), ValueType::Json))
        };
        match &node.kind {
            Kind::Null => one(&Text::Slice(node.span.clone()), ValueType::Null),
            Kind::Bool(_) => one(&Text::Slice(node.span.clone()), ValueType::Bool),
            Kind::Int(text) => one(text, ValueType::Int),
            Kind::Float(text) => one(text, ValueType::Float),
            Kind::Date(text) => one(text, ValueType::String),
            Kind::String(text) if !text.of(source).contains(&0) => one(text, ValueType::String),
            Kind::Object(..) if !in_row && self.is_section(node) => Shape::Section,
            Kind::Array(items, _)
                if !in_row && !items.is_empty() && items.iter().all(|item| self.is_section(item)) =>
            {
                Shape::Row(items)
            }
            Kind::Array(items, _) => self.list(items).map_or_else(json, Shape::Option),
            Kind::String(_) | Kind::Object(..) => json(),
        }
    }

    /// Reads an array as a list of items of one type.
    fn list(&self, items: &[Node]) -> Option<Spelled> {
        let texts: Option<Vec<(Text, ValueType)>> = items
            .iter()
            .map(|item| match &item.kind {
                Kind::Bool(_) => Some((Text::Slice(item.span.clone()), ValueType::BoolList)),
                Kind::Int(text) => Some((text.clone(), ValueType::IntList)),
                Kind::Float(text) => Some((text.clone(), ValueType::FloatList)),
                Kind::Date(text) => Some((text.clone(), ValueType::List)),
                Kind::String(text) if !text.of(self.source()).contains(&0) => {
                    Some((text.clone(), ValueType::List))
                }
                _ => None,
            })
            .collect();
        let (texts, types): (Vec<_>, Vec<_>) = texts?.into_iter().unzip();
        let of = types.first().copied().unwrap_or(ValueType::List);
        let is_date = |item: &Node| matches!(item.kind, Kind::Date(_));
        let dates = items.iter().filter(|item| is_date(item)).count();
        (types.iter().all(|other| *other == of) && (dates == 0 || dates == items.len()))
            .then_some(Spelled::List(texts, of))
    }

    fn object(&mut self, node: &'t Node, path: Vec<u8>) {
        let members = members(node).unwrap_or_default();
        let mut options = Vec::new();
        let mut has_children = false;
        for (index, member) in members.iter().enumerate() {
            let nested = |path: &[u8]| {
                let name = key_part::quote(member.name.of(&self.document.source));
                match path.is_empty() {
                    true => name.into_owned(),
                    false => [path, b".", &name].concat(),
                }
            };
            match self.shape(&member.node, false) {
                Shape::Option(spelled) => options.push((Some(index), spelled)),
                Shape::Section => {
                    has_children = true;
                    let nested = nested(&path);
                    self.object(&member.node, nested);
                }
                Shape::Row(items) => {
                    has_children = true;
                    let nested = nested(&path);
                    for item in items {
                        self.item(item, nested.clone());
                    }
                }
            }
        }
        if !options.is_empty() || (!has_children && !path.is_empty()) {
            self.found.push(Found { path, is_anonymous: false, node, options });
        }
    }

    /// Finds the section that an object of an array is.
    fn item(&mut self, node: &'t Node, path: Vec<u8>) {
        let members = members(node).unwrap_or_default();
        let options = members
            .iter()
            .enumerate()
            .filter_map(|(index, member)| match self.shape(&member.node, true) {
                Shape::Option(spelled) => Some((Some(index), spelled)),
                _ => None,
            })
            .collect();
        self.found.push(Found { path, is_anonymous: true, node, options });
    }
}

/// Makes the package of a document that was read with `options`.
///
/// # Errors
///
/// As for [`Builder::new`].
pub fn parsed(
    name: &[u8],
    document: &Document,
    kind: FormatKind,
    options: &ParseOptions<'_>,
) -> Result<Parsed> {
    let package = package(name, document, kind)?;
    let len = document.source.len();
    if let Some(progress) = options.progress {
        progress(len, len);
    }
    Ok(Parsed::new(package, Vec::new()))
}

/// Makes the package of a document.
///
/// # Errors
///
/// As for [`Builder::new`].
pub fn package(name: &[u8], document: &Document, kind: FormatKind) -> Result<Package> {
    let mut builder = Builder::of_format(name, document.source.clone(), kind)?;
    for found in outline(document, kind).sections {
        let path = Piece::Apart(&found.path);
        let section = match found.is_anonymous {
            true => builder.section(path, None)?,
            false => builder.section(path.clone(), Some(path))?,
        };
        for (index, spelled) in &found.options {
            let quoted;
            let option = match index {
                Some(index) => {
                    let name = &found.members()[*index].name;
                    quoted = key_part::quote(name.of(&document.source));
                    if key_part::is_plain(name.of(&document.source)) {
                        name.piece()
                    } else {
                        Piece::Apart(&quoted)
                    }
                }
                None => Piece::Apart(NO_NAME),
            };
            match spelled {
                Spelled::One(text, of) => builder.typed(section, &option, text.piece(), *of)?,
                Spelled::List(items, of) => {
                    builder.list(section, &option, items.iter().map(Text::piece), *of)?;
                }
            }
        }
    }
    Ok(builder.finish())
}

/// Reports the first name that two members of an object share, by the position of the second one.
pub fn duplicate(members: &[Member], source: &[u8]) -> Option<usize> {
    let mut names: HashMap<&[u8], ()> = HashMap::with_capacity(members.len());
    members
        .iter()
        .find(|member| names.insert(member.name.of(source), ()).is_some())
        .map(|member| member.name_span.start)
}
