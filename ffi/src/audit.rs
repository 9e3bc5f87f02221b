//! Checking the log, and mending it.

use std::ffi::CString;

use cms_core::Repaired;

use crate::handle::{cms_bytes, handle, handle_mut, reclaim, required, text, write_handle};
use crate::library::{AUDIT, guard_if};
use crate::open::cms_store;
use crate::sized::{self, sized};
use crate::status::{Failure, cms_status, guard_void};

/// The findings of cms_log_check, or the work of cms_repair. One thread uses one at a time.
pub struct cms_report {
    problems: std::vec::IntoIter<String>,
    packages: std::vec::IntoIter<Repaired>,
    /// The pointers that C gets point here.
    chain: CString,
    problem: CString,
    package: CString,
}

sized! {
    /// The records of the log.
    #[repr(C)]
    pub struct cms_log_info {
        /// sizeof(cms_log_info), which the caller sets.
        pub size: usize,
        /// The revisions of the oldest and the newest record; 0 if the log is empty.
        pub first: u64,
        pub last: u64,
        /// The chain of the newest record, in hexadecimal digits. It is valid until the report is closed.
        pub chain: cms_bytes,
    }
}

sized! {
    /// A package whose newest text without errors was put back.
    #[repr(C)]
    pub struct cms_repaired {
        /// sizeof(cms_repaired), which the caller sets.
        pub size: usize,
        /// Its name, which is valid until the next cms_report_next_repaired of the same report, or its end.
        pub package: cms_bytes,
        /// The revision whose text it has now.
        pub text_revision: u64,
        /// The transaction that put it back.
        pub revision: u64,
    }
}

/// Checks all records of the log against their chain: each is tied to the one before it, so that none can be changed,
/// taken out or put in without a trace. But a user who can write the log can forge all of it: keep `chain` somewhere
/// else to detect that. Damage is not a failure of the call: cms_report_next_problem lists it. The call reads the whole
/// log.
///
/// CMS_ERR_NOT_FOUND: there is no log, because no state directory can be written. CMS_ERR_IO, CMS_ERR_PERMISSION: it
/// cannot be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_log_check(
    store: *const cms_store,
    info: *mut cms_log_info,
    report: *mut *mut cms_report,
) -> cms_status {
    guard_if::<AUDIT>(|| {
        let place = required(report, "report")?;
        // SAFETY: C7.
        let info = unsafe { sized::output(info, "info") }?;
        // SAFETY: C1.
        let found = unsafe { handle(store, "store") }?.0.engine().audit().check_log()?;
        let report =
            cms_report { chain: text(found.chain.as_bytes()), ..cms_report::of(found.problems, Vec::new()) };
        let chain = cms_bytes::of(report.chain.as_bytes());
        // SAFETY: C7.
        unsafe { info.write(cms_log_info { size: 0, first: found.first, last: found.last, chain }) };
        // SAFETY: not NULL, C5. `chain` points to the heap memory of a string, which stays when the report moves.
        unsafe { write_handle(place, report) };
        Ok(())
    })
}

/// Mends what can be mended: finishes a commit that a crash has interrupted, puts back the newest text without errors
/// of each package whose text has errors, as the log has it, and sets damaged parts of the log aside, in files that end
/// with .damaged; the readable parts stay. cms_report_next_problem lists the damage of the log,
/// cms_report_next_repaired the packages that were put back.
///
/// CMS_ERR_PARSE: a package has errors, and the log has no better text; the others are mended all the same. Otherwise
/// as cms_log_check and cms_txn_commit. Repairs that were made before the failure stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_repair(store: *const cms_store, report: *mut *mut cms_report) -> cms_status {
    guard_if::<AUDIT>(|| {
        let place = required(report, "report")?;
        // SAFETY: C1.
        let live = &unsafe { handle(store, "store") }?.0;
        let done = live.engine().audit().repair();
        let _ = live.refresh();
        let mut done = done?;
        if !done.unmended.is_empty() {
            return Err(done.unmended.swap_remove(0).into());
        }
        // SAFETY: not NULL, C5.
        unsafe { write_handle(place, cms_report::of(done.problems, done.packages)) };
        Ok(())
    })
}

/// Gets the next damage that was found in the log: one line for people, in English. It is valid until the next call
/// with the same report, or its end.
///
/// CMS_ERR_END: there are no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_report_next_problem(
    report: *mut cms_report,
    problem: *mut cms_bytes,
) -> cms_status {
    guard_if::<AUDIT>(|| {
        let place = required(problem, "problem")?;
        // SAFETY: C1, C4.
        let report = unsafe { handle_mut(report, "report") }?;
        report.problem = text(report.problems.next().ok_or(Failure::End)?.as_bytes());
        // SAFETY: not NULL, C5.
        unsafe { place.write(cms_bytes::of(report.problem.as_bytes())) };
        Ok(())
    })
}

/// Gets the next package that was put back.
///
/// CMS_ERR_END: there are no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_report_next_repaired(
    report: *mut cms_report,
    repaired: *mut cms_repaired,
) -> cms_status {
    guard_if::<AUDIT>(|| {
        // SAFETY: C7.
        let place = unsafe { sized::output(repaired, "repaired") }?;
        // SAFETY: C1, C4.
        let report = unsafe { handle_mut(report, "report") }?;
        let found = report.packages.next().ok_or(Failure::End)?;
        report.package = text(found.package.as_bytes());
        let package = cms_bytes::of(report.package.as_bytes());
        let repaired_package =
            cms_repaired { size: 0, package, text_revision: found.revision, revision: found.sequence };
        // SAFETY: C7.
        unsafe { place.write(repaired_package) };
        Ok(())
    })
}

/// Closes a report. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_report_close(report: *mut cms_report) {
    // SAFETY: C6.
    guard_void(|| drop(unsafe { reclaim(report) }));
}

impl cms_report {
    fn of(problems: Vec<String>, packages: Vec<Repaired>) -> Self {
        Self {
            problems: problems.into_iter(),
            packages: packages.into_iter(),
            chain: CString::default(),
            problem: CString::default(),
            package: CString::default(),
        }
    }
}
