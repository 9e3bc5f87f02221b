//! Iterating over what a transaction sees.

use std::ffi::{CString, c_char};

use cms_core::log::Content;
use cms_core::{SectionHead, ValueType};

use crate::handle::{bytes, check, handle_mut, optional, required, text, write_handle};
use crate::iter::{OptionCopy, SectionCopy, cms_option_iter, cms_package_iter, cms_section_iter};
use crate::status::{cms_status, guard};
use crate::txn::cms_txn;

/// Iterates over the names of all packages as a transaction sees them, in byte order: with those that it makes,
/// and without those that it deletes. The iterator may outlive the transaction, and changes made meanwhile do not show.
///
/// CMS_ERR_IO: the configuration directory cannot be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_package_iter_open(
    txn: *mut cms_txn,
    iter: *mut *mut cms_package_iter,
) -> cms_status {
    guard(|| {
        let place = required(iter, "iter")?;
        // SAFETY: C1, C4.
        let names = unsafe { handle_mut(txn, "txn") }?.transaction().packages()?;
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_package_iter::of(names)) };
        Ok(())
    })
}

/// Iterates over the sections of a package as a transaction sees them: as cms_section_iter_open. The sections count as
/// read, as after cms_txn_get. The iterator may outlive the transaction, and changes made meanwhile do not show; the
/// strings are valid until it is closed.
///
/// CMS_ERR_NOT_FOUND: there is no such package.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_section_iter_open(
    txn: *mut cms_txn,
    package: *const c_char,
    r#type: *const c_char,
    iter: *mut *mut cms_section_iter,
) -> cms_status {
    guard(|| {
        let place = required(iter, "iter")?;
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        let package = unsafe { bytes(package, "package") }?;
        // SAFETY: C2.
        let section_type = unsafe { optional(r#type) }.unwrap_or_default();
        check(package, "package")?;
        check(section_type, "type")?;
        let heads = txn.transaction().sections(package)?.into_iter();
        let wanted = heads.filter(|head| section_type.is_empty() || head.section_type == section_type);
        let sections = wanted.map(|head| section_copy(&head)).collect();
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_section_iter::of_copies(sections)) };
        Ok(())
    })
}

/// Iterates over the options of a section as a transaction sees them: as cms_option_iter_open. The options count as
/// read, as after cms_txn_get. The iterator may outlive the transaction, and changes made meanwhile do not show; the
/// strings are valid until it is closed.
///
/// CMS_ERR_NOT_FOUND: there is no such package or section.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_txn_option_iter_open(
    txn: *mut cms_txn,
    package: *const c_char,
    section: *const c_char,
    iter: *mut *mut cms_option_iter,
) -> cms_status {
    guard(|| {
        let place = required(iter, "iter")?;
        // SAFETY: C1, C4.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        let package = unsafe { bytes(package, "package") }?;
        // SAFETY: C2.
        let section = unsafe { bytes(section, "section") }?;
        check(package, "package")?;
        check(section, "section")?;
        let options =
            txn.transaction().options_typed(package, section)?.into_iter().map(option_copy).collect();
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_option_iter::of_copies(options)) };
        Ok(())
    })
}

fn section_copy(head: &SectionHead) -> SectionCopy {
    SectionCopy { name: text(&head.name), r#type: text(&head.section_type), is_anonymous: head.is_anonymous }
}

fn option_copy((name, value, value_type): (Vec<u8>, Content, ValueType)) -> OptionCopy {
    let name: CString = text(&name);
    let items = value.items().iter().flat_map(|item| [item.as_slice(), b"\0".as_slice()].concat()).collect();
    OptionCopy { name, items, value_type }
}
