//! `cms table`: prints the sections of a type as a table.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use cms::{Error, Snapshot, Table, name, order, shown};
use serde_json::{Map, Value as Json, json};

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::json;
use crate::paint::Color;
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, FlagValues, Reading, Writes, at, bytes, many, stale, switch};

#[derive(Default)]
pub struct Flags {
    wanted: Vec<Vec<u8>>,
    sort: Option<Vec<u8>>,
    csv: bool,
    reading: Reading,
}

impl FlagValues for Flags {
    fn stale(&self) -> bool {
        self.reading.stale
    }
}

pub const COMMAND: Command<Flags> = Command {
    name: "table",
    aliases: &[],
    arguments: "PACKAGE TYPE",
    summary: "print the sections of a type as a table, with a column for each option",
    flags: &[
        many(
            "where",
            "COLUMN=VALUE",
            "only rows with this value, or with a list that has it; may be repeated",
            |flags: &mut Flags| &mut flags.wanted,
        ),
        bytes("sort", "COLUMN", "sort by this column: numbers by their value, before text", |flags| {
            &mut flags.sort
        }),
        switch("csv", "print CSV", |flags: &mut Flags| &mut flags.csv),
        at(|flags: &mut Flags| &mut flags.reading.at),
        stale(|flags: &mut Flags| &mut flags.reading.stale),
    ],
    writes: Writes::Nothing,
    json: &[Output::rows(&ROW)],
    run,
};

/// A row.
const ROW: Shape = Shape::of(
    "
    name text the name of the section
    anonymous boolean whether that name is only generated
    cells {value} the values of its options",
);

/// A section, with its options in their order.
struct Row {
    name: Vec<u8>,
    /// Its position among the sections of the type.
    index: usize,
    is_anonymous: bool,
    cells: Vec<(Vec<u8>, Cell)>,
}

/// The value of an option.
enum Cell {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
}

impl Cell {
    fn items(&self) -> &[Vec<u8>] {
        match self {
            Self::String(one) => std::slice::from_ref(one),
            Self::List(items) => items,
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::String(one) => json::text(one),
            Self::List(items) => items.iter().map(|item| json::text(item)).collect(),
        }
    }
}

/// A column and the value that a row must have in it.
type Wanted = (Vec<u8>, Vec<u8>);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let [package, section_type] = call.expect(2, 2)? else { return Ok(Exit::Usage) };
    let flags = &call.flags;
    if flags.csv && context.json {
        return Err(Failure::Usage("--csv and --json are two forms of output: one of them".into()));
    }
    let wanted = flags.wanted.iter().map(|text| wanted(text)).collect::<Result<Vec<_>, _>>()?;
    flags.sort.as_deref().map_or(Ok(()), check_column)?;
    context.read_at(flags.reading.at.as_deref())?;
    let mut rows = match context.mapped(package) {
        Some(snapshot) => rows_of_map(&snapshot, package, section_type, &wanted)?,
        None => rows_of_text(context, package, section_type, &wanted)?,
    };
    if let Some(column) = &flags.sort {
        rows.sort_by(|a, b| compare(a.first(column), b.first(column)));
    }
    if context.json {
        context.put_rows(rows.iter().map(Row::json).collect())?;
    } else if flags.csv {
        print_csv(context, &rows, section_type)?;
    } else if !rows.is_empty() {
        print_aligned(context, &rows, section_type)?;
    } else {
        let (package, section_type) = (show(package), show(section_type));
        context.note(&if wanted.is_empty() {
            format!("{package} has no section of type {section_type}")
        } else {
            format!("no section of type {section_type} in {package} has these values")
        });
    }
    Ok(if rows.is_empty() { Exit::NotFound } else { Exit::Ok })
}

/// Reads `COLUMN=VALUE`.
fn wanted(text: &[u8]) -> Result<Wanted, Failure> {
    match text.iter().position(|byte| *byte == b'=') {
        Some(at) => {
            check_column(&text[..at])?;
            Ok((text[..at].to_vec(), text[at + 1..].to_vec()))
        }
        None => Err(Failure::Usage(format!("--where '{}': expected COLUMN=VALUE", show(text)))),
    }
}

fn check_column(column: &[u8]) -> Result<(), Failure> {
    match name::is_name(column) {
        true => Ok(()),
        false => Err(Failure::Usage(format!("'{}' is not the name of an option", show(column)))),
    }
}

/// Compares the sort keys of two rows; a row without the column comes last.
fn compare(a: Option<&[u8]>, b: Option<&[u8]>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => order::compare(a, b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

/// Reads rows from the map of a large package.
fn rows_of_map(
    snapshot: &Snapshot,
    package: &[u8],
    section_type: &[u8],
    wanted: &[Wanted],
) -> Result<Vec<Row>, Error> {
    let table: Table = snapshot.table(package, section_type)?;
    let cell = |value: cms::map::MapValue<'_>| match value {
        cms::map::MapValue::String(one) => Cell::String(one.to_vec()),
        cms::map::MapValue::List(list) => Cell::List(list.iter().map(<[u8]>::to_vec).collect()),
    };
    let row = |(index, row): (usize, cms::map::MapSection<'_>)| Row {
        name: row.name().to_vec(),
        index,
        is_anonymous: row.is_anonymous(),
        cells: row.options().map(|(name, value)| (name.to_vec(), cell(value))).collect(),
    };
    let Some((column, value)) = wanted.first() else {
        return Ok(table.rows()?.enumerate().map(row).collect());
    };
    let found: Vec<_> = table.find_all(column, value)?.collect();
    // The name that selects an anonymous row is its position.
    let mut left = found.iter().peekable();
    let mut rows = Vec::new();
    if found.iter().any(cms::map::MapSection::is_anonymous) {
        let mut is_next =
            |one: &cms::map::MapSection<'_>| left.next_if(|next| next.name() == one.name()).is_some();
        rows.extend(table.rows()?.enumerate().filter(|(_, one)| is_next(one)).map(row));
    } else {
        rows.extend(found.into_iter().map(|found| row((0, found))));
    }
    rows.retain(|row| row.has(wanted));
    Ok(rows)
}

/// Reads rows from the text of a package.
fn rows_of_text(
    context: &mut Context,
    package: &[u8],
    section_type: &[u8],
    wanted: &[Wanted],
) -> Result<Vec<Row>, Failure> {
    let package = &context.load_good(package)?.package;
    let cell = |value: cms::Value<'_>| match value {
        cms::Value::String(one) => Cell::String(one.to_vec()),
        cms::Value::List(list) => Cell::List(list.iter().map(<[u8]>::to_vec).collect()),
    };
    let of_type = package.sections().filter(|section| section.section_type() == section_type);
    let row = |(index, row): (usize, cms::Section<'_>)| Row {
        name: row.name().to_vec(),
        index,
        is_anonymous: row.is_anonymous(),
        cells: row.options().map(|option| (option.name().to_vec(), cell(option.value()))).collect(),
    };
    Ok(of_type.enumerate().map(row).filter(|row| row.has(wanted)).collect())
}

impl Row {
    fn cell(&self, column: &[u8]) -> Option<&Cell> {
        self.cells.iter().find(|(name, _)| name == column).map(|(_, cell)| cell)
    }

    fn first(&self, column: &[u8]) -> Option<&[u8]> {
        self.cell(column)?.items().first().map(Vec::as_slice)
    }

    fn has(&self, wanted: &[Wanted]) -> bool {
        wanted.iter().all(|(column, value)| {
            self.cell(column).is_some_and(|cell| cell.items().iter().any(|item| item == value))
        })
    }

    /// Returns the name by which a key selects it.
    fn shown_name(&self, section_type: &[u8]) -> Vec<u8> {
        match self.is_anonymous {
            true => [b"@", section_type, format!("[{}]", self.index).as_bytes()].concat(),
            false => self.name.clone(),
        }
    }

    fn json(&self) -> Json {
        let cells: Map<String, Json> =
            self.cells.iter().map(|(name, cell)| (show(name), cell.json())).collect();
        json!({"name": show(&self.name), "anonymous": self.is_anonymous, "cells": cells})
    }
}

/// Returns the names of the columns, in the order in which they come first.
fn columns(rows: &[Row]) -> Vec<&[u8]> {
    let mut known = HashSet::new();
    let names = rows.iter().flat_map(|row| row.cells.iter().map(|(name, _)| name.as_slice()));
    names.filter(|name| known.insert(*name)).collect()
}

fn print_csv(context: &mut Context, rows: &[Row], section_type: &[u8]) -> Result<(), Failure> {
    let columns = columns(rows);
    let head = std::iter::once(&b".name"[..]).chain(columns.iter().copied());
    context.put(&csv_line(head.map(<[u8]>::to_vec)))?;
    for row in rows {
        let by_name: BTreeMap<&[u8], &Cell> =
            row.cells.iter().map(|(name, cell)| (name.as_slice(), cell)).collect();
        let cells = columns.iter().map(|column| by_name.get(column).map_or(vec![], |cell| joined(cell)));
        context.put(&csv_line(std::iter::once(row.shown_name(section_type)).chain(cells)))?;
    }
    Ok(())
}

/// Returns a value as one text: the items of a list with blanks between.
fn joined(cell: &Cell) -> Vec<u8> {
    cell.items().join(&b' ')
}

/// Writes a line of CSV, as RFC 4180 says.
fn csv_line(fields: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let quoted = |field: Vec<u8>| match field.iter().any(|byte| b",\"\r\n".contains(byte)) {
        true => {
            let doubled = field.split(|byte| *byte == b'"').collect::<Vec<_>>().join(&b"\"\""[..]);
            [b"\"", doubled.as_slice(), b"\""].concat()
        }
        false => field,
    };
    let mut line = fields.map(quoted).collect::<Vec<_>>().join(&b',');
    line.extend_from_slice(b"\r\n");
    line
}

/// Prints columns below their names; a row without a cell has a dash there.
fn print_aligned(context: &mut Context, rows: &[Row], section_type: &[u8]) -> Result<(), Failure> {
    let columns = columns(rows);
    let mut lines = vec![[b".name".as_slice()].iter().chain(&columns).map(shown::text).collect::<Vec<_>>()];
    for row in rows {
        let cells = columns.iter().map(|column| match row.cell(column) {
            Some(cell) => shown::text(joined(cell)),
            None => "-".to_owned(),
        });
        lines.push(std::iter::once(shown::text(row.shown_name(section_type))).chain(cells).collect());
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..=columns.len()).map(width).collect();
    context.page();
    for (number, line) in lines.iter().enumerate() {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            let padding = width + 2 - cell.chars().count();
            text.extend([cell.as_str(), &" ".repeat(padding)]);
        }
        let text = text.trim_end().as_bytes();
        let text = if number == 0 { context.paint.text(Color::Bold, text) } else { text.to_vec() };
        context.put_line(&text)?;
    }
    Ok(())
}
