//! Group `tables`: a row of many found by a column, with an index and without, and `SQLite` with an index on the same
//! rows; the first read, which makes the map; and the commit of one row.

use std::ffi::CString;
use std::fmt::Write;
use std::fs;
use std::time::Instant;

use crate::Result;
use crate::environment::{Environment, human};
use crate::ffi::{Library, Store, Table, use_schemas};
use crate::parse::float;
use crate::report::{Bound, Figure, Report, Unit};
use crate::rounds::{Entrant, Rounds};
use crate::tmpfs_store::{TmpfsStore, library_path};

/// The schema that gives the column `id` an index.
const SCHEMA: &str = "config field\n\toption section 'user'\n\toption name 'id'\n\toption index '1'\n";
/// The names of the contenders.
const CMS: &str = "cms_table_find";
/// See above.
const SQLITE: &str = "SQLite, SELECT by an index";

/// Runs the group.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let Some(path) = library_path() else {
        report.note("left out: CMS_LIB does not name a libcms.so");
        return Ok(());
    };
    let library = Library::load(&path)?;
    let count = if environment.large().len() < 1_000_000 { 10_000 } else { 1_000_000 };
    let case = format!("{} rows", human(count));
    let plain = filled(count)?;
    let indexed = filled(count)?;
    let none = indexed.path("none");
    use_schemas(&none);
    let (plain_store, without) = first_read(&plain, library)?;
    let schema = indexed.path("schema");
    fs::create_dir(&schema)?;
    fs::write(schema.join("users"), SCHEMA)?;
    use_schemas(&schema);
    let (store, with) = first_read(&indexed, library)?;
    let built = [Figure::exact("with an index", with), Figure::exact("without", without)];
    report.case(&format!("{case}: the first read, which makes the map"), Unit::Milliseconds, &built)?;
    let table = Table::open(&path, &store, "users", "user")?;
    let values: Vec<CString> =
        (0..2000).map(|turn| CString::new(id(turn * 7919 % count))).collect::<std::result::Result<_, _>>()?;
    let database = sqlite(count)?;
    let entrants: Vec<Entrant<'_>> = vec![
        (CMS, Box::new(|| table.find_all("id", &values))),
        (SQLITE, Box::new(|| select_all(&database, &values))),
    ];
    let rounds = Rounds::rotate(&entrants, environment.repetitions(31))?;
    report.case(
        &format!("{case}: one found by a column"),
        Unit::Nanoseconds,
        &rounds.figures_to(&[SQLITE]),
    )?;
    if let (Some(median), Some(ratio)) = (rounds.median(CMS), rounds.ratio(SQLITE, CMS)) {
        report.goal(&format!("{case}: one found by a column, ns"), median, Bound::AtMost(2000.0))?;
        report.goal(&format!("{case}: SQLite to cms"), ratio.median, Bound::AtLeast(2.0))?;
    }
    let scanned = Table::open(&path, &plain_store, "users", "user")?;
    let last = [CString::new(id(count - 1))?];
    let scan = Figure::exact("without an index, the last row", scanned.find_all("id", &last)?);
    report.case(&format!("{case}: one found by a scan"), Unit::Nanoseconds, &[scan])?;
    let commits: Vec<Entrant<'_>> = vec![
        ("with an index", Box::new(|| commit(&store, count))),
        ("without", Box::new(|| commit(&plain_store, count))),
    ];
    let rounds = Rounds::rotate(&commits, environment.repetitions(5))?;
    report.case(
        &format!("{case}: the commit of one row"),
        Unit::Milliseconds,
        &rounds.figures_to(&["without"]),
    )?;
    if let Some(ratio) = rounds.ratio("with an index", "without") {
        report.goal(
            &format!("{case}: commit with an index to one without"),
            ratio.median,
            Bound::AtMost(2.0),
        )?;
    }
    Ok(())
}

/// The value of the column `id` of a row.
fn id(row: usize) -> String {
    format!("user-{row:07}")
}

/// Writes a package of rows.
fn filled(count: usize) -> Result<TmpfsStore> {
    let tmpfs = TmpfsStore::empty()?;
    let mut text = String::new();
    for row in 0..count {
        let id = id(row);
        write!(
            text,
            "config user 'r{row}'\n\toption id '{id}'\n\toption name 'name of {row}'\n\toption shell '/bin/sh'\n"
        )?;
    }
    tmpfs.add("users", &text)?;
    Ok(tmpfs)
}

/// Opens a store, reads one key, and returns the milliseconds that this took.
fn first_read(tmpfs: &TmpfsStore, library: Library) -> Result<(Store, f64)> {
    let begun = Instant::now();
    let store = tmpfs.open(library)?;
    if !store.get().answers("users.r0.id", &id(0)) {
        return Err("the first row is not there".into());
    }
    Ok((store, begun.elapsed().as_secs_f64() * 1e3))
}

/// Commits another value of one row, and returns the milliseconds that this took.
fn commit(store: &Store, count: usize) -> Result<f64> {
    let begun = Instant::now();
    let mut transaction = store.begin()?;
    let nanoseconds = begun.elapsed().subsec_nanos();
    transaction.set(&format!("users.r{}.id", count / 2), &format!("changed-{nanoseconds}"))?;
    transaction.commit()?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// Makes the same rows in `SQLite`, in memory, with an index of `id`.
fn sqlite(count: usize) -> Result<rusqlite::Connection> {
    let mut connection = rusqlite::Connection::open_in_memory()?;
    connection.execute_batch(
        "CREATE TABLE user (id TEXT, name TEXT, shell TEXT); CREATE INDEX by_id ON user (id)",
    )?;
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare("INSERT INTO user VALUES (?, ?, '/bin/sh')")?;
        for row in 0..count {
            insert.execute([id(row), format!("name of {row}")])?;
        }
    }
    transaction.commit()?;
    Ok(connection)
}

/// Selects a row for each value, and returns the nanoseconds that one takes.
fn select_all(connection: &rusqlite::Connection, values: &[CString]) -> Result<f64> {
    let mut select = connection.prepare_cached("SELECT name FROM user WHERE id = ?")?;
    let begun = Instant::now();
    for value in values {
        let length = select
            .query_row([value.to_str()?], |row| row.get_ref(0)?.as_str().map(str::len).map_err(Into::into))?;
        if length == 0 {
            return Err("a row without a name".into());
        }
    }
    Ok(begun.elapsed().as_secs_f64() * 1e9 / float(values.len()))
}
