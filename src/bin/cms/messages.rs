//! The JSON on standard error.

use crate::failure::ERROR;
use crate::records::RECORD;
use crate::shape::{Output, Shape};

/// The messages on standard error, with `--json`.
pub const MESSAGES: &[Output] = &[
    Output::lines(&ERROR).when("Errors"),
    Output::lines(&NOTICE).when("A warning that changed keys wait to be confirmed"),
    Output::lines(&FAILED).when("A batch that has failed, at its end"),
];

/// What [`crate::guard::warn`] prints.
const NOTICE: Shape =
    Shape::of("notice notice the commit that waits to be confirmed").using(&[&NOTICE_INSIDE]);

/// The commit that waits, and the changed keys.
const NOTICE_INSIDE: Shape = Shape::named(
    "notice",
    "
    message text the warning
    revision number the transaction that waits to be confirmed
    seconds_left number how long it still waits
    by record the transaction that has changed keys of it
    keys [text] the keys that are rolled back with it",
)
.using(&[&RECORD]);

/// The output of [`crate::lines::each_line`] at the end if a line has failed.
const FAILED: Shape = Shape::of("batch batch the batch").using(&[&FAILED_INSIDE]);

/// The batch, and the failed lines.
const FAILED_INSIDE: Shape = Shape::named(
    "batch",
    "
    file text its file
    failed [number] the numbers of the lines that failed",
);
