//! Iterating over a snapshot: packages, sections, options, in the order of the files.

use std::ffi::{CString, c_char};

use cms_core::map::{MapOptions, MapSection, MapSections, MapValue, TypedValue};
use cms_core::{Error, Snapshot, ValueType};

use crate::handle::{bytes, check, cms_bytes, handle, handle_mut, optional, reclaim, required, write_handle};
use crate::sized::{self, sized};
use crate::snapshot::{cms_snapshot, items_of};
use crate::status::{Failure, cms_status, guard, guard_void};
use crate::value_type::cms_type;

/// Iterates over packages. One thread uses one at a time.
pub struct cms_package_iter(std::vec::IntoIter<CString>, CString);

impl cms_package_iter {
    pub(crate) fn of(names: Vec<String>) -> Self {
        let names: Vec<CString> = names.into_iter().filter_map(|name| CString::new(name).ok()).collect();
        Self(names.into_iter(), CString::default())
    }
}

/// Iterates over sections. One thread uses one at a time. It keeps its snapshot alive.
pub struct cms_section_iter(Sections);

enum Sections {
    /// `sections` borrows from `_snapshot`, which goes after it.
    Map { sections: MapSections<'static>, _snapshot: Snapshot },
    /// Rows of a table. They borrow from `_snapshot` as well.
    Rows { rows: std::vec::IntoIter<MapSection<'static>>, _snapshot: Snapshot },
    /// Those of a transaction, copied, and how many of them are done.
    Copied(Vec<SectionCopy>, usize),
}

/// Iterates over options. One thread uses one at a time. It keeps its snapshot alive.
pub struct cms_option_iter(Options);

enum Options {
    /// `options` borrows from `_snapshot`, which goes after it.
    Map { options: MapOptions<'static>, _snapshot: Snapshot },
    /// Those of a transaction, copied, and how many of them are done.
    Copied(Vec<OptionCopy>, usize),
}

/// A section of a transaction.
pub struct SectionCopy {
    pub name: CString,
    pub r#type: CString,
    pub is_anonymous: bool,
}

/// An option of a transaction.
pub struct OptionCopy {
    pub name: CString,
    /// Each item with a NUL byte behind it; just one for a string.
    pub items: Vec<u8>,
    pub value_type: ValueType,
}

impl cms_section_iter {
    pub fn of_copies(sections: Vec<SectionCopy>) -> Self {
        Self(Sections::Copied(sections, 0))
    }

    /// Iterates over rows that were found in a snapshot.
    ///
    /// # Safety
    ///
    /// They are of this snapshot.
    pub unsafe fn of_rows(rows: Vec<MapSection<'_>>, snapshot: Snapshot) -> Self {
        // SAFETY: as in `cms_section_iter_open`: the snapshot keeps what the rows borrow from alive.
        let rows = unsafe { std::mem::transmute::<Vec<MapSection<'_>>, Vec<MapSection<'static>>>(rows) };
        Self(Sections::Rows { rows: rows.into_iter(), _snapshot: snapshot })
    }
}

impl cms_option_iter {
    pub fn of_copies(options: Vec<OptionCopy>) -> Self {
        Self(Options::Copied(options, 0))
    }
}

/// Takes the next of the copies.
fn next_copy<'c, T>(copies: &'c [T], done: &mut usize) -> Result<&'c T, Failure> {
    let copy = copies.get(*done).ok_or(Failure::End)?;
    *done += 1;
    Ok(copy)
}

sized! {
    /// A section. The strings are valid until both the iterator and the snapshot are closed.
    #[repr(C)]
    pub struct cms_section {
        /// sizeof(cms_section), which the caller sets.
        pub size: usize,
        /// The name, given or generated.
        pub name: cms_bytes,
        pub r#type: cms_bytes,
        /// 1 if the name is only generated, else 0.
        pub anonymous: i32,
    }
}

sized! {
    /// An option. The strings are valid until both the iterator and the snapshot are closed.
    #[repr(C)]
    pub struct cms_option {
        /// sizeof(cms_option), which the caller sets.
        pub size: usize,
        pub name: cms_bytes,
        /// The value, or the first item of a list ("" if it has none).
        pub value: cms_bytes,
        /// All items, for cms_bytes_next; just one for a string.
        pub items: cms_bytes,
        /// CMS_OPTION_STRING or CMS_OPTION_LIST.
        pub kind: i32,
        pub r#type: cms_type,
    }
}

/// Describes a section.
pub fn section_of(found: MapSection<'_>) -> cms_section {
    let (name, r#type) = (cms_bytes::of(found.name()), cms_bytes::of(found.section_type()));
    cms_section { size: size_of::<cms_section>(), name, r#type, anonymous: i32::from(found.is_anonymous()) }
}

/// Describes an option.
pub fn option_of(name: &[u8], found: TypedValue<'_>) -> cms_option {
    let (value, kind) = match found.value {
        MapValue::String(string) => (string, CMS_OPTION_STRING),
        MapValue::List(list) => (list.get(0).unwrap_or_default(), CMS_OPTION_LIST),
    };
    let value = if value.is_empty() { cms_bytes::EMPTY } else { cms_bytes::of(value) };
    let (name, items) = (cms_bytes::of(name), items_of(found.value));
    let r#type = cms_type::of(found.value_type);
    cms_option { size: size_of::<cms_option>(), name, value, items, kind, r#type }
}

/// An option that holds one string.
pub const CMS_OPTION_STRING: i32 = 1;
/// An option that holds a list of strings.
pub const CMS_OPTION_LIST: i32 = 2;

/// Iterates over the names of all packages, in byte order. It lists the packages that exist now, also those that were
/// created after the snapshot was opened.
///
/// CMS_ERR_NOT_FOUND, CMS_ERR_IO: the configuration directory cannot be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_package_iter_open(
    snapshot: *const cms_snapshot,
    iter: *mut *mut cms_package_iter,
) -> cms_status {
    guard(|| {
        let place = required(iter, "iter")?;
        // SAFETY: C1.
        let names = unsafe { handle(snapshot, "snapshot") }?.0.packages()?;
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_package_iter::of(names)) };
        Ok(())
    })
}

/// Gets the next package. The name is valid until the next call with the same iterator.
///
/// CMS_ERR_END: there are no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_package_iter_next(
    iter: *mut cms_package_iter,
    name: *mut cms_bytes,
) -> cms_status {
    guard(|| {
        let place = required(name, "name")?;
        // SAFETY: C1, C4.
        let iter = unsafe { handle_mut(iter, "iter") }?;
        iter.1 = iter.0.next().ok_or(Failure::End)?;
        // SAFETY: not NULL, C5.
        unsafe { place.write(cms_bytes::of(iter.1.as_bytes())) };
        Ok(())
    })
}

/// Closes an iterator. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_package_iter_close(iter: *mut cms_package_iter) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(iter) }));
}

/// Iterates over the sections of a package, in the order of the file: all of them if `type` is NULL or "", else those
/// of the type, perhaps none.
///
/// CMS_ERR_NOT_FOUND: there is no such package. Otherwise as cms_snapshot_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_section_iter_open(
    snapshot: *const cms_snapshot,
    package: *const c_char,
    r#type: *const c_char,
    iter: *mut *mut cms_section_iter,
) -> cms_status {
    guard(|| {
        let place = required(iter, "iter")?;
        // SAFETY: C1.
        let handle = unsafe { handle(snapshot, "snapshot") }?;
        // SAFETY: C2.
        let package = unsafe { bytes(package, "package") }?;
        // SAFETY: C2.
        let section_type = unsafe { optional(r#type) }.unwrap_or_default();
        check(package, "package")?;
        check(section_type, "type")?;
        let snapshot = handle.0.clone();
        let sections = snapshot.package(package)?.sections_of_type(section_type);
        // SAFETY: the sections borrow from data that the clone keeps alive by a reference count. The clone moves into
        // the iterator and is dropped with it; the data does not move. The fields are private, so that `'static` does
        // not leave this file.
        let sections = unsafe { std::mem::transmute::<MapSections<'_>, MapSections<'static>>(sections) };
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_section_iter(Sections::Map { sections, _snapshot: snapshot })) };
        Ok(())
    })
}

/// Finds the next section.
///
/// CMS_ERR_END: there are no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_section_iter_next(
    iter: *mut cms_section_iter,
    section: *mut cms_section,
) -> cms_status {
    guard(|| {
        // SAFETY: C7.
        let place = unsafe { sized::output(section, "section") }?;
        // SAFETY: C1, C4.
        let iter = unsafe { handle_mut(iter, "iter") }?;
        let section = match &mut iter.0 {
            Sections::Map { sections, .. } => section_of(sections.next().ok_or(Failure::End)?),
            Sections::Rows { rows, .. } => section_of(rows.next().ok_or(Failure::End)?),
            Sections::Copied(copies, done) => {
                let found = next_copy(copies, done)?;
                let (name, kind) = (found.name.as_bytes(), found.r#type.as_bytes());
                let (name, r#type) = (cms_bytes::of(name), cms_bytes::of(kind));
                cms_section { size: 0, name, r#type, anonymous: i32::from(found.is_anonymous) }
            }
        };
        // SAFETY: C7.
        unsafe { place.write(section) };
        Ok(())
    })
}

/// Closes an iterator. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_section_iter_close(iter: *mut cms_section_iter) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(iter) }));
}

/// Iterates over the options of a section, in the order of the file. `section` is its name.
///
/// CMS_ERR_NOT_FOUND: there is no such package or section. Otherwise as cms_snapshot_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_option_iter_open(
    snapshot: *const cms_snapshot,
    package: *const c_char,
    section: *const c_char,
    iter: *mut *mut cms_option_iter,
) -> cms_status {
    guard(|| {
        let place = required(iter, "iter")?;
        // SAFETY: C1.
        let handle = unsafe { handle(snapshot, "snapshot") }?;
        // SAFETY: C2.
        let package = unsafe { bytes(package, "package") }?;
        // SAFETY: C2.
        let name = unsafe { bytes(section, "section") }?;
        check(package, "package")?;
        check(name, "section")?;
        let snapshot = handle.0.clone();
        let section = snapshot.package(package)?.section(name);
        let missing =
            || Error::NotFound { key: String::from_utf8_lossy(&[package, b".", name].concat()).into() };
        let options = section.ok_or_else(missing)?.options();
        // SAFETY: as for the sections in `cms_section_iter_open`.
        let options = unsafe { std::mem::transmute::<MapOptions<'_>, MapOptions<'static>>(options) };
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_option_iter(Options::Map { options, _snapshot: snapshot })) };
        Ok(())
    })
}

/// Finds the next option.
///
/// CMS_ERR_END: there are no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_option_iter_next(
    iter: *mut cms_option_iter,
    option: *mut cms_option,
) -> cms_status {
    guard(|| {
        // SAFETY: C7.
        let place = unsafe { sized::output(option, "option") }?;
        // SAFETY: C1, C4.
        let iter = unsafe { handle_mut(iter, "iter") }?;
        let option = match &mut iter.0 {
            Options::Map { options, .. } => {
                let (name, found) = options.next_typed().ok_or(Failure::End)?;
                option_of(name, found)
            }
            Options::Copied(copies, done) => {
                let found = next_copy(copies, done)?;
                let first = found.items.split(|byte| *byte == 0).next().unwrap_or_default();
                let value = if first.is_empty() { cms_bytes::EMPTY } else { cms_bytes::of(first) };
                let is_list = found.value_type.is_list();
                let kind = if is_list { CMS_OPTION_LIST } else { CMS_OPTION_STRING };
                let (name, items) = (cms_bytes::of(found.name.as_bytes()), cms_bytes::of(&found.items));
                cms_option { size: 0, name, value, items, kind, r#type: cms_type::of(found.value_type) }
            }
        };
        // SAFETY: C7.
        unsafe { place.write(option) };
        Ok(())
    })
}

/// Closes an iterator. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_option_iter_close(iter: *mut cms_option_iter) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(iter) }));
}
