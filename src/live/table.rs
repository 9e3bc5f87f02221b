//! Tables: the sections of one type of a package, as rows. The columns are the names of their options.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::live::Store;
use crate::live::snapshot::{Snapshot, check_package};
use crate::map::{Lookup, MapPackage, MapRows, MapSection, MapSections};
use crate::model::name::{is_name, is_type};
use crate::model::order;

/// A table: all sections of one type of a package, in the order of the file, as one commit left them. Each section is a
/// row, and the value of an option is the cell of that column.
///
/// ```
/// # use cms::{DirOptions, Dirs, Options, Store};
/// # let dir = tempfile::tempdir()?;
/// # let root = dir.path();
/// # std::fs::create_dir(root.join("config"))?;
/// # std::fs::write(root.join("config/users"), "config user\n\toption id '1'\n\toption name 'admin'\n")?;
/// # let dirs = DirOptions::new().config(root.join("config")).save(root.join("save"));
/// # let dirs = Dirs::choose(dirs.run(root.join("run")).state(root.join("state")));
/// # let store = Store::open(Options::new().dirs(dirs))?;
/// let mut users = store.table(b"users", b"user")?;
/// let admin = users.find(b"id", b"1")?.expect("a row");
/// assert_eq!(admin.get(b"name"), Some(cms::map::MapValue::String(b"admin")));
///
/// let mut transaction = store.begin()?;
/// transaction.insert_row(b"users", b"user", None, &[(b"id", &[b"2"]), (b"name", &[b"guest"])])?;
/// transaction.commit()?;
/// users.refresh()?;
/// assert_eq!(users.len()?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Table {
    snapshot: Snapshot,
    package: Vec<u8>,
    section_type: Vec<u8>,
}

impl Store {
    /// Opens a table as the last commit left it: the sections of a type of a package. They need not exist.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the name of the package or the type is not allowed; otherwise as for [`Store::get`].
    pub fn table(&self, package: &[u8], section_type: &[u8]) -> Result<Table> {
        self.snapshot()?.table(package, section_type)
    }
}

impl Snapshot {
    /// As [`Store::table`], in the state of the snapshot.
    ///
    /// # Errors
    ///
    /// As for [`Store::table`].
    pub fn table(&self, package: &[u8], section_type: &[u8]) -> Result<Table> {
        check_package(package)?;
        if !is_type(section_type) {
            return Err(Error::invalid(
                section_type,
                "a section type holds printable ASCII characters, no blanks",
            ));
        }
        // From now on the snapshot keeps the state of the package.
        self.map(package)?;
        let (package, section_type) = (package.to_vec(), section_type.to_vec());
        Ok(Table { snapshot: self.clone(), package, section_type })
    }
}

impl Table {
    /// Returns the snapshot that it reads.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Returns the name of the package.
    #[must_use]
    pub fn package(&self) -> &[u8] {
        &self.package
    }

    /// Returns the type of the sections.
    #[must_use]
    pub fn section_type(&self) -> &[u8] {
        &self.section_type
    }

    /// Shows the last commit from now on. Returns whether the store has changed.
    ///
    /// # Errors
    ///
    /// As for [`Store::table`]; the table then shows the state that it showed before.
    pub fn refresh(&mut self) -> Result<bool> {
        let newest = Snapshot::new(self.snapshot.store().clone());
        newest.map(&self.package)?;
        let has_changed = newest.revision() != self.snapshot.revision();
        self.snapshot = newest;
        Ok(has_changed)
    }

    fn sections(&self) -> Result<MapPackage<'_>> {
        self.snapshot.package(&self.package)
    }

    /// Returns the number of rows.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such package; otherwise as for [`Snapshot::get`].
    pub fn len(&self) -> Result<usize> {
        Ok(self.sections()?.len_of_type(&self.section_type))
    }

    /// Reports whether there are no rows.
    ///
    /// # Errors
    ///
    /// As for [`Table::len`].
    pub fn is_empty(&self) -> Result<bool> {
        self.len().map(|rows| rows == 0)
    }

    /// Iterates over the rows in the order of the file.
    ///
    /// # Errors
    ///
    /// As for [`Table::len`].
    pub fn rows(&self) -> Result<MapSections<'_>> {
        Ok(self.sections()?.sections_of_type(&self.section_type))
    }

    /// Returns the names of the columns: of all options that a row has, in the order in which they come first.
    ///
    /// # Errors
    ///
    /// As for [`Table::len`].
    pub fn columns(&self) -> Result<Vec<&[u8]>> {
        let (mut columns, mut known) = (Vec::new(), HashSet::new());
        for (name, _) in self.rows()?.flat_map(|row| row.options()) {
            if known.insert(name) {
                columns.push(name);
            }
        }
        Ok(columns)
    }

    /// Returns the first row, in the order of the file, whose cell of a column has a value, or has it as an item if it
    /// is a list.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if no column can have such a name; otherwise as for [`Table::len`].
    pub fn find(&self, column: &[u8], value: &[u8]) -> Result<Option<MapSection<'_>>> {
        Ok(self.find_all(column, value)?.next())
    }

    /// As [`Table::find`], of all rows.
    ///
    /// # Errors
    ///
    /// As for [`Table::find`].
    pub fn find_all<'v>(&self, column: &'v [u8], value: &'v [u8]) -> Result<MapRows<'_, 'v>> {
        check_column(column)?;
        Ok(self.sections()?.sections_with(&self.section_type, column, value))
    }

    /// Returns how [`Table::find`] finds the rows with a value: by the index of the column, if the schema of the package
    /// has `index '1'` for it, or by reading all rows.
    ///
    /// # Errors
    ///
    /// As for [`Table::len`].
    pub fn lookup(&self, column: &[u8], value: &[u8]) -> Result<Lookup> {
        Ok(self.sections()?.lookup(&self.section_type, column, value))
    }

    /// Returns the row of that name.
    ///
    /// # Errors
    ///
    /// As for [`Table::len`].
    pub fn row(&self, name: &[u8]) -> Result<Option<MapSection<'_>>> {
        let found = self.sections()?.section(name);
        Ok(found.filter(|row| row.section_type() == self.section_type.as_slice()))
    }

    /// Returns the rows in the order of a column: numbers by their value, then other text byte by byte; of a list, the
    /// first item counts. Rows without the column come last. Rows that are equal stay in the order of the file.
    ///
    /// # Errors
    ///
    /// As for [`Table::find`].
    pub fn sorted_by(&self, column: &[u8]) -> Result<Vec<MapSection<'_>>> {
        check_column(column)?;
        let mut rows: Vec<MapSection<'_>> = self.rows()?.collect();
        sort(&mut rows, column);
        Ok(rows)
    }

    /// As [`Table::sorted_by`], of some rows.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if no column can have such a name.
    pub fn sort(rows: &mut Vec<MapSection<'_>>, column: &[u8]) -> Result<()> {
        check_column(column)?;
        sort(rows, column);
        Ok(())
    }
}

/// Sorts rows as [`Table::sorted_by`] does.
fn sort<'m>(rows: &mut Vec<MapSection<'m>>, column: &[u8]) {
    let first = |row: &MapSection<'m>| -> Option<&'m [u8]> { row.get(column)?.items().next() };
    let mut keyed: Vec<_> = rows.iter().map(|row| (first(row), *row)).collect();
    keyed.sort_by(|(a, _), (b, _)| match (a, b) {
        (Some(a), Some(b)) => order::compare(a, b),
        // Rows without the column are last.
        (a, b) => a.is_none().cmp(&b.is_none()),
    });
    *rows = keyed.into_iter().map(|(_, row)| row).collect();
}

/// Refuses a name that no option can have.
pub(crate) fn check_column(column: &[u8]) -> Result<()> {
    match is_name(column) {
        true => Ok(()),
        false => Err(Error::invalid(column, "an option name holds letters, digits and '_' only")),
    }
}
