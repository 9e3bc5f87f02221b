//! Writes an edited package back into the text it was read from.

use std::sync::Arc;

use super::print;
use crate::error::Result;
use crate::error::memory;
use crate::format::tree::Document;
use crate::format::tree::brackets::Style;
use crate::format::tree::commas::line_end;
use crate::format::tree::edit::{Writer, commas_of};
use crate::format::tree::outline::{members, package};
use crate::format::tree::wanted::{same, wanted};
use crate::format::{ParseOptions, check_values, unwritable};
use crate::model::format_kind::FormatKind;
use crate::model::package::Package;

/// Returns the style of a document, by the members of its root.
fn style_of(document: &Document) -> Style {
    let source = document.source.as_slice();
    let mut style = Style { line_end: line_end(source), ..print::style() };
    let Some(first) = members(&document.root).and_then(<[_]>::first) else { return style };
    let commas = commas_of(document, &document.root);
    style.in_lines = commas.is_in_lines().unwrap_or(true);
    style.unit = commas.indent().filter(|unit| !unit.is_empty()).unwrap_or(style.unit);
    let colon = &source[first.name_span.end..first.node.span.start];
    if colon.iter().all(|byte| matches!(byte, b' ' | b':')) {
        style.colon = colon.to_vec();
    }
    style
}

/// Writes `edited` into the text of `original`: see [`crate::format::Format::rewrite`].
pub fn rewrite(original: &Package, edited: &Package, options: &ParseOptions<'_>) -> Result<Package> {
    if original == edited {
        return Ok(original.clone());
    }
    check_values(original, edited, FormatKind::Json)?;
    let want = wanted(edited, false);
    if let Some(refused) = want.refused {
        return Err(refused);
    }
    memory::check_available_to_edit(original.source().len())?;
    let text = match original.source().trim_ascii().is_empty() {
        true => print::document(&want.root),
        false => {
            let document = super::read::read(original.source().clone())?;
            Writer::new(&document, original, style_of(&document)).document(&want.root)
        }
    };
    let document = super::read::read(Arc::new(text)).map_err(|_| unwritable(edited))?;
    let written = package(edited.name(), &document, FormatKind::Json)?;
    if let Some(progress) = options.progress {
        progress(written.source().len(), written.source().len());
    }
    if same(&written, edited) { Ok(written) } else { Err(unwritable(edited)) }
}
