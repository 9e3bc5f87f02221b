//! The violations of schemas for which a transaction was refused.

use std::ffi::{CString, c_char};
use std::os::unix::ffi::OsStrExt;

use cms_core::Violation;

use crate::handle::text;
use crate::sized::{self, sized};
use crate::status::{Failure, cms_status, guard, see_violation};

sized! {
    /// A value or a section that breaks the schema of its package. The strings end with a NUL byte, are never NULL, and
    /// are valid until the next call of the thread that fails. They need not be freed.
    #[repr(C)]
    pub struct cms_violation {
        /// sizeof(cms_violation), which the caller sets.
        pub size: usize,
        /// The key: of an option, a section or a package.
        pub key: *const c_char,
        /// The file of the package.
        pub file: *const c_char,
        /// The line in that file, as the transaction would have made it, counted from 1; 0 if the key has none.
        pub line: u32,
        /// The rule: "type", "size", "validation", "reference", "list", "required", "depends", "unknown", "named",
        /// "count", "unique" or "read-only".
        pub rule: *const c_char,
        /// The value, or "" if there is none or it is secret.
        pub value: *const c_char,
        /// What is wrong, for people: English, one line.
        pub message: *const c_char,
        /// What is expected instead, in English.
        pub expected: *const c_char,
        /// What a person may do about it, or "".
        pub hint: *const c_char,
    }
}

/// The strings of a violation; the pointers that C gets point here.
pub struct ViolationTexts {
    key: CString,
    file: CString,
    line: u32,
    rule: CString,
    value: CString,
    message: CString,
    expected: CString,
    hint: CString,
}

impl ViolationTexts {
    pub fn of(violation: &Violation) -> Self {
        let file = violation.file.as_ref().map_or(&b""[..], |file| file.as_os_str().as_bytes());
        Self {
            key: text(violation.key.as_bytes()),
            file: text(file),
            line: violation.line,
            rule: text(violation.rule.name().as_bytes()),
            value: text(violation.value.as_deref().unwrap_or_default()),
            message: text(violation.problem.as_bytes()),
            expected: text(violation.expected.as_bytes()),
            hint: text(violation.hint.as_deref().unwrap_or_default().as_bytes()),
        }
    }

    fn pointers(&self) -> cms_violation {
        cms_violation {
            size: 0,
            key: self.key.as_ptr(),
            file: self.file.as_ptr(),
            line: self.line,
            rule: self.rule.as_ptr(),
            value: self.value.as_ptr(),
            message: self.message.as_ptr(),
            expected: self.expected.as_ptr(),
            hint: self.hint.as_ptr(),
        }
    }
}

/// Gets a violation of the schema for which the last call of this thread has failed with CMS_ERR_SCHEMA; `index` counts
/// from 0. CMS_ERR_END: there are no more, or the last failure is another. The transaction makes all of them; violations
/// that were there before it are warnings (on_message of cms_options).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_last_violation(index: usize, violation: *mut cms_violation) -> cms_status {
    guard(|| {
        // SAFETY: C7.
        let place = unsafe { sized::output(violation, "violation") }?;
        let found = see_violation(index, ViolationTexts::pointers).ok_or(Failure::End)?;
        // SAFETY: C7.
        unsafe { place.write(found) };
        Ok(())
    })
}
