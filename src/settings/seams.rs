//! The seams for tests: what the library uses of the system, and the format of package files, can be replaced.

use std::time::SystemTime;

use crate::format::Format;
use crate::os::clock::Uptime;
use crate::os::files::Files;
use crate::settings::options::Options;

/// Options that only tests set. They are in a trait of their own, so that the page of [`Options`] does not show them.
pub trait Seams {
    /// Sets the file operations, which can be made to fail.
    #[must_use]
    fn files(self, files: Files) -> Self;

    /// Sets the format of the package files. Delta files and the policy are UCI text in any case.
    #[must_use]
    fn format(self, format: &'static dyn Format) -> Self;

    /// Sets the function that returns how long the system has been running.
    #[must_use]
    fn uptime(self, uptime: fn() -> Uptime) -> Self;

    /// Sets the function that returns the time.
    #[must_use]
    fn time(self, time: fn() -> SystemTime) -> Self;
}

impl Seams for Options {
    fn files(self, files: Files) -> Self {
        Self { files, ..self }
    }

    fn format(self, format: &'static dyn Format) -> Self {
        Self { format, ..self }
    }

    fn uptime(self, uptime: fn() -> Uptime) -> Self {
        Self { uptime, ..self }
    }

    fn time(self, time: fn() -> SystemTime) -> Self {
        Self { time, ..self }
    }
}
