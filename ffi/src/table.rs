//! Tables: the sections of one type of a package, as rows.

use std::ffi::c_char;

use cms_core::map::MapSection;
use cms_core::{Table, Transaction};

use crate::handle::{
    bytes, check, check_buffer, check_text, handle, handle_mut, optional, put_value, reclaim, required,
    write_handle, write_result,
};
use crate::iter::{cms_option, cms_section, cms_section_iter, option_of, section_of};
use crate::list::cms_list;
use crate::open::cms_store;
use crate::sized;
use crate::snapshot::cms_snapshot;
use crate::status::{Failure, cms_status, guard, guard_void};
use crate::txn::cms_txn;

/// The sections of one type of a package, as rows, in the state that the last commit left when it was opened. The
/// columns are the names of their options, and the value of an option is the cell of that column. Any number of threads
/// may read one at the same time; cms_table_refresh needs it alone. It may outlive its store.
pub struct cms_table(Table);

/// Opens a table: the sections of a type of a package. They need not exist yet.
///
/// CMS_ERR_INVALID: the name of the package or the type is not allowed. CMS_ERR_PARSE, CMS_ERR_IO: the package cannot
/// be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_table_open(
    store: *const cms_store,
    package: *const c_char,
    r#type: *const c_char,
    table: *mut *mut cms_table,
) -> cms_status {
    guard(|| {
        let place = required(table, "table")?;
        // SAFETY: C1.
        let store = unsafe { handle(store, "store") }?;
        // SAFETY: C2.
        let (package, section_type) = unsafe { names(package, r#type) }?;
        let opened = store.0.table(package, section_type)?;
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_table(opened)) };
        Ok(())
    })
}

/// As cms_table_open, in the state of a snapshot.
///
/// As cms_table_open, and CMS_ERR_STALE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_snapshot_table_open(
    snapshot: *const cms_snapshot,
    package: *const c_char,
    r#type: *const c_char,
    table: *mut *mut cms_table,
) -> cms_status {
    guard(|| {
        let place = required(table, "table")?;
        // SAFETY: C1.
        let snapshot = unsafe { handle(snapshot, "snapshot") }?;
        // SAFETY: C2.
        let (package, section_type) = unsafe { names(package, r#type) }?;
        let opened = snapshot.0.table(package, section_type)?;
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_table(opened)) };
        Ok(())
    })
}

/// Reads the name of a package and a type.
///
/// # Safety
///
/// C2.
unsafe fn names<'s>(
    package: *const c_char,
    section_type: *const c_char,
) -> Result<(&'s [u8], &'s [u8]), Failure> {
    // SAFETY: the caller's promise.
    let package = unsafe { bytes(package, "package") }?;
    // SAFETY: the same.
    let section_type = unsafe { bytes(section_type, "type") }?;
    check(package, "package")?;
    check(section_type, "type")?;
    Ok((package, section_type))
}

/// Shows the last commit from now on. What was read from the table before is not valid any more. `changed` gets 1 if
/// the store has changed since, else 0; it may be NULL.
///
/// As cms_table_open; on failure the table shows what it showed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_table_refresh(table: *mut cms_table, changed: *mut i32) -> cms_status {
    guard(|| {
        // SAFETY: C1, C4.
        let has_changed = unsafe { handle_mut(table, "table") }?.0.refresh()?;
        // SAFETY: C5.
        unsafe { write_result(changed, i32::from(has_changed)) };
        Ok(())
    })
}

/// Gets the number of rows.
///
/// CMS_ERR_NOT_FOUND: there is no such package. Otherwise as cms_snapshot_get; the same in the functions below.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_table_len(table: *const cms_table, len: *mut usize) -> cms_status {
    guard(|| {
        let place = required(len, "len")?;
        // SAFETY: C1.
        let rows = unsafe { handle(table, "table") }?.0.len()?;
        // SAFETY: C5.
        unsafe { write_result(place, rows) };
        Ok(())
    })
}

/// Lists the names of the columns: of all options that a row has, in the order in which they come first. It reads all
/// rows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_table_list_open(
    table: *const cms_table,
    list: *mut *mut cms_list,
) -> cms_status {
    guard(|| {
        let place = required(list, "list")?;
        // SAFETY: C1.
        let columns = cms_list::of_items(&unsafe { handle(table, "table") }?.0.columns()?);
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, columns) };
        Ok(())
    })
}

/// Finds the first row, in the order of the file, whose cell of `column` is `value`, or a list that has it as an item.
/// The strings are valid until the table is refreshed or closed.
///
/// CMS_ERR_NOT_FOUND: there is no such row.
#[unsafe(no_mangle)]
#[cfg_attr(cms_speed, optimize(speed))]
pub unsafe extern "C" fn cms_table_find(
    table: *const cms_table,
    column: *const c_char,
    value: *const c_char,
    row: *mut cms_section,
) -> cms_status {
    guard(|| {
        // SAFETY: C7.
        let place = unsafe { sized::output(row, "row") }?;
        // SAFETY: C1.
        let table = &unsafe { handle(table, "table") }?.0;
        // SAFETY: C2.
        let column = unsafe { bytes(column, "column") }?;
        // SAFETY: C2.
        let value = unsafe { bytes(value, "value") }?;
        let found = table.find(column, value)?.ok_or_else(|| no_row(table, column, value))?;
        // SAFETY: C7.
        unsafe { place.write(section_of(found)) };
        Ok(())
    })
}

/// The failure where no row has a value.
fn no_row(table: &Table, column: &[u8], value: &[u8]) -> Failure {
    let parts: [&[u8]; 7] = [table.package(), b".@", table.section_type(), b"[", column, b"=", value];
    Failure::Missing([&parts.concat()[..], b"]"].concat())
}

/// Iterates over rows: those whose cell of `column` is `value`, or a list that has it as an item; all if `column` is
/// NULL. They come in the order of the file if `sort` is NULL, else sorted by the column `sort`: numbers by their value,
/// then other text byte by byte; of a list, the first item counts; rows without that column are last. The iterator
/// may outlive the table, and its strings are valid until both the iterator and the table are closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_table_section_iter_open(
    table: *const cms_table,
    column: *const c_char,
    value: *const c_char,
    sort: *const c_char,
    iter: *mut *mut cms_section_iter,
) -> cms_status {
    guard(|| {
        let place = required(iter, "iter")?;
        // SAFETY: C1.
        let table = &unsafe { handle(table, "table") }?.0;
        // SAFETY: C2.
        let column = unsafe { optional(column) };
        // SAFETY: C2.
        let sort = unsafe { optional(sort) };
        let mut rows: Vec<MapSection<'_>> = match column {
            None => table.rows()?.collect(),
            // SAFETY: C2.
            Some(column) => table.find_all(column, unsafe { bytes(value, "value") }?)?.collect(),
        };
        sort.map_or(Ok(()), |sort| Table::sort(&mut rows, sort))?;
        // SAFETY: the rows are of this snapshot.
        let rows = unsafe { cms_section_iter::of_rows(rows, table.snapshot().clone()) };
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, rows) };
        Ok(())
    })
}

/// Finds a cell of the row that is called `row`, a string or a list. It is valid until the table is refreshed or closed.
///
/// CMS_ERR_NOT_FOUND: there is no such row, or it has no such cell.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_table_get(
    table: *const cms_table,
    row: *const c_char,
    column: *const c_char,
    cell: *mut cms_option,
) -> cms_status {
    guard(|| {
        // SAFETY: C7.
        let place = unsafe { sized::output(cell, "cell") }?;
        // SAFETY: C1.
        let table = &unsafe { handle(table, "table") }?.0;
        // SAFETY: C2.
        let row = unsafe { bytes(row, "row") }?;
        // SAFETY: C2.
        let column = unsafe { bytes(column, "column") }?;
        let missing = || Failure::Missing([table.package(), row, column].join(&b'.'));
        let (name, value) = table.row(row)?.and_then(|row| row.option(column)).ok_or_else(missing)?;
        // SAFETY: C7.
        unsafe { place.write(option_of(name, value)) };
        Ok(())
    })
}

/// Inserts a row behind the other sections of the package, in a transaction: with `count` cells, of these `columns` and
/// `values`. It is called `row`, or is anonymous if that is NULL; its name is written to `buffer`, as in cms_get. A
/// missing package is made.
///
/// CMS_ERR_EXISTS: there is a section of that name. On failure the transaction goes on without the row.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_table_insert(
    table: *const cms_table,
    txn: *mut cms_txn,
    row: *const c_char,
    columns: *const *const c_char,
    values: *const *const c_char,
    count: usize,
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
) -> cms_status {
    guard(|| {
        check_buffer(buffer, size)?;
        // SAFETY: C1.
        let table = &unsafe { handle(table, "table") }?.0;
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        let row = unsafe { optional(row) };
        row.map_or(Ok(()), |row| check(row, "row"))?;
        let insert = |txn: &mut Transaction, cells: &[Cell<'_>]| {
            txn.insert_row(table.package(), table.section_type(), row, cells)
        };
        // SAFETY: C2, C3.
        let name = unsafe { with_cells((columns, values, count), txn.transaction(), insert) }?;
        // SAFETY: C3, C5.
        unsafe { put_value(&name, buffer, size, len) };
        Ok(())
    })
}

/// Sets `count` cells of the row that is called `row`, in a transaction: of these `columns`, to these `values`. A value
/// that is NULL or "" deletes the cell. The other cells stay as they are.
///
/// CMS_ERR_NOT_FOUND: there is no such row. On failure the transaction goes on without the change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_table_update(
    table: *const cms_table,
    txn: *mut cms_txn,
    row: *const c_char,
    columns: *const *const c_char,
    values: *const *const c_char,
    count: usize,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let table = &unsafe { handle(table, "table") }?.0;
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        let row = unsafe { bytes(row, "row") }?;
        let update = |txn: &mut Transaction, cells: &[Cell<'_>]| {
            txn.update_row(table.package(), table.section_type(), row, cells)
        };
        // SAFETY: C2, C3.
        unsafe { with_cells((columns, values, count), txn.transaction(), update) }
    })
}

/// Deletes the row that is called `row`, in a transaction.
///
/// CMS_ERR_NOT_FOUND: there is no such row.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_table_delete(
    table: *const cms_table,
    txn: *mut cms_txn,
    row: *const c_char,
) -> cms_status {
    guard(|| {
        // SAFETY: C1.
        let table = &unsafe { handle(table, "table") }?.0;
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        let row = unsafe { bytes(row, "row") }?;
        Ok(txn.transaction().delete_row(table.package(), table.section_type(), row)?)
    })
}

/// Closes a table. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_table_close(table: *mut cms_table) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(table) }));
}

type Cell<'c> = cms_core::Cell<'c>;

/// Calls `change` with the cells of two arrays: the columns and their values, and how many there are.
///
/// # Safety
///
/// C2, C3.
unsafe fn with_cells<T>(
    (columns, values, count): (*const *const c_char, *const *const c_char, usize),
    txn: &mut Transaction,
    change: impl FnOnce(&mut Transaction, &[Cell<'_>]) -> cms_core::Result<T>,
) -> Result<T, Failure> {
    if count > 0 && columns.is_null() {
        return Err(Failure::Null("columns"));
    }
    if count > 0 && values.is_null() {
        return Err(Failure::Null("values"));
    }
    let mut texts = Vec::new();
    for index in 0..count {
        // SAFETY: C3.
        let column = unsafe { element(columns, index) };
        // SAFETY: C3.
        let value = unsafe { element(values, index) };
        // SAFETY: C2.
        let column = unsafe { bytes(column, "a column") }?;
        // SAFETY: C2.
        let value = unsafe { optional(value) }.filter(|value| !value.is_empty());
        check(column, "a column")?;
        value.map_or(Ok(()), |value| check_text(value, "a value"))?;
        texts.push((column, value));
    }
    let items: Vec<Option<[&[u8]; 1]>> = texts.iter().map(|(_, value)| value.map(|value| [value])).collect();
    let cells = texts.iter().zip(&items).map(|((column, _), items)| {
        let items: &[&[u8]] = items.as_ref().map_or(&[], |items| items);
        (*column, items)
    });
    Ok(change(txn, &cells.collect::<Vec<_>>())?)
}

/// Reads an element of an array.
///
/// # Safety
///
/// C3, and the array has more than `index` elements.
unsafe fn element(array: *const *const c_char, index: usize) -> *const c_char {
    // SAFETY: the caller's promise.
    let place = unsafe { array.add(index) };
    // SAFETY: the same.
    unsafe { place.read() }
}
