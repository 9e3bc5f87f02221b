//! Changing the rows of a table: sections of one type, with their options as cells.

use super::Transaction;
use crate::error::{Error, Result};
use crate::live::table::check_column;
use crate::model::change::{Delta, DeltaKind};
use crate::model::name::{is_name, is_type};
use crate::model::value_type::ValueType;

/// A cell: the name of the column, and the items of the value: one for a string, none if the row is to have no such cell.
/// Several are a list.
pub type Cell<'c> = (&'c [u8], &'c [&'c [u8]]);

impl Transaction {
    /// Inserts a row behind the others of its package: a section of the type, with these cells. Without a name it is
    /// anonymous. Returns its name, which is generated then. A missing package is made.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if there is a section of that name; otherwise as for [`Transaction::set`]. Nothing is changed
    /// then.
    pub fn insert_row(
        &mut self,
        package: &[u8],
        section_type: &[u8],
        name: Option<&[u8]>,
        cells: &[Cell<'_>],
    ) -> Result<Vec<u8>> {
        if !is_type(section_type) {
            let why = "a section type holds printable ASCII characters, no blanks";
            return Err(Error::invalid(section_type, why));
        }
        let point = self.savepoint();
        let inserted = self.add_row(package, section_type, name, cells);
        self.finish_row(&point, inserted)
    }

    /// Changes cells of a row, and leaves its others as they are.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no section of that type and name; otherwise as for [`Transaction::set`]. Nothing
    /// is changed then.
    pub fn update_row(
        &mut self,
        package: &[u8],
        section_type: &[u8],
        name: &[u8],
        cells: &[Cell<'_>],
    ) -> Result<()> {
        self.check_row(package, section_type, name)?;
        let point = self.savepoint();
        let changed = self.set_cells(package, name, cells);
        self.finish_row(&point, changed)
    }

    /// Deletes a row with all its cells.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no section of that type and name; otherwise as for [`Transaction::delete`].
    pub fn delete_row(&mut self, package: &[u8], section_type: &[u8], name: &[u8]) -> Result<()> {
        self.check_row(package, section_type, name)?;
        self.delete(&[package, name].join(&b'.'))
    }

    /// Commits a change of a row if each change is to be committed at once; takes a change back that has failed.
    fn finish_row<T>(&mut self, point: &super::Savepoint, changed: Result<T>) -> Result<T> {
        match changed {
            Ok(done) => self.commit_if_auto().map(|()| done),
            Err(error) => {
                self.rollback_to(point)?;
                Err(error)
            }
        }
    }

    fn add_row(
        &mut self,
        package: &[u8],
        section_type: &[u8],
        name: Option<&[u8]>,
        cells: &[Cell<'_>],
    ) -> Result<Vec<u8>> {
        let working = self.working_or_made(package)?;
        let name = match name {
            None => {
                let name = working.edit().add_section(section_type)?.into_bytes();
                working.push(Delta::new(DeltaKind::Add, &name, None, Some(section_type)));
                name
            }
            Some(name) => {
                if !is_name(name) {
                    let why = "the name of a row holds letters, digits and '_' only";
                    return Err(Error::invalid(name, why));
                }
                if working.package().section(name).is_some() {
                    let key = crate::error::shown::name(&[package, name].join(&b'.'));
                    return Err(Error::Exists { key });
                }
                self.edit(DeltaKind::Set, &[package, name].join(&b'.'), Some(section_type), None)?;
                name.to_vec()
            }
        };
        self.set_cells(package, &name, cells)?;
        Ok(name)
    }

    fn set_cells(&mut self, package: &[u8], name: &[u8], cells: &[Cell<'_>]) -> Result<()> {
        for (column, items) in cells {
            check_column(column)?;
            let key = [package, name, column].join(&b'.');
            match items {
                [one] => self.edit(DeltaKind::Set, &key, Some(one), None)?,
                [] if self.get(&key)?.is_some() => self.edit(DeltaKind::Delete, &key, None, None)?,
                [] => {}
                several => {
                    let was = self.get_list_type(&key)?;
                    let list_type = was.filter(|was| was.is_list()).unwrap_or(ValueType::List);
                    self.replace_list(&key, was.is_some(), several, list_type)?;
                }
            }
        }
        Ok(())
    }

    /// Refuses a row that does not exist.
    fn check_row(&mut self, package: &[u8], section_type: &[u8], name: &[u8]) -> Result<()> {
        let found = self.working(package)?.package().section(name);
        if found.is_some_and(|row| row.section_type() == section_type) {
            return Ok(());
        }
        Err(Error::NotFound { key: crate::error::shown::name(&[package, name].join(&b'.')) })
    }
}
