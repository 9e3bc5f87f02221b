//! Lists schemas, and the versions of one.

use serde_json::json;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::shape::Shape;

/// A schema.
pub const LISTED: Shape = Shape::of(
    "
    package text its package
    version text its version; empty if it has none
    description text its description
    files [text] the files that it is made of, the most important last
    mistakes number how many mistakes are in them",
);

/// A version of a schema.
pub const VERSION: Shape = Shape::of(
    "
    version text the version
    from text the version before it
    current boolean whether it is the version of the schema
    description text what changes with it
    created text when it was made",
);

/// Lists all schemas.
pub fn all(context: &mut Context) -> Result<Exit, Failure> {
    let schemas = context.store.schemas();
    let found: Vec<_> = schemas.list().iter().filter_map(|package| schemas.find(package)).collect();
    if context.json {
        let row = |schema: &std::sync::Arc<cms::schema::Schema>| {
            json!({
                "package": schema.package,
                "version": schema.version,
                "description": schema.description,
                "files": schema.files,
                "mistakes": schema.mistakes.len(),
            })
        };
        context.put_rows(found.iter().map(row).collect())?;
        return Ok(Exit::Ok);
    }
    let width = found.iter().map(|schema| schema.package.len()).max().unwrap_or_default();
    for schema in found {
        let (package, version, description) = (&schema.package, &schema.version, &schema.description);
        let line = format!("{package:width$}  {version:8}  {description}");
        context.print_line(cms::shown::text(line.trim_end()).as_str())?;
    }
    Ok(Exit::Ok)
}

/// Lists the versions of a schema.
pub fn versions(context: &mut Context, schema: &cms::schema::Schema) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for version in &schema.versions {
        let is_current = version.to == schema.version;
        let (from, to, description) = (&version.from, &version.to, &version.description);
        if context.json {
            let created = &version.created;
            rows.push(json!({"version": to, "from": from, "current": is_current, "description": description, "created": created}));
            continue;
        }
        let mark = if is_current { "*" } else { " " };
        let line = format!("{mark} {to:8}  {:10}  {description}", version.created);
        context.print_line(cms::shown::text(line.trim_end()).as_str())?;
    }
    let is_listed = schema.versions.iter().any(|version| version.to == schema.version);
    if !is_listed && !schema.version.is_empty() {
        let version = &schema.version;
        if context.json {
            let description = &schema.description;
            rows.push(json!({"version": version, "from": "", "current": true, "description": description, "created": ""}));
        } else {
            context.print_line(cms::shown::text(format!("* {version}")).as_str())?;
        }
    }
    if context.json {
        context.put_rows(rows)?;
    }
    Ok(Exit::Ok)
}
