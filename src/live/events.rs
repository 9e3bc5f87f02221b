//! Events of an open store, and verifying its transactions: see [`crate::watch`] and [`crate::verify`].

use std::sync::Arc;

use crate::commit::core::Core;
use crate::error::Result;
use crate::live::{Inner, Store};
use crate::map::{MapDirectory, Table};
use crate::verify::Verifier;
use crate::watch::source::{Hub, Source};
use crate::watch::{Event, Subscription, Watch};

impl Source for Inner {
    fn core(&self) -> &Core {
        &self.engine.core
    }

    fn table(&self) -> Arc<Table> {
        self.table.get()
    }

    fn shared(&self) -> Option<MapDirectory> {
        self.shared()
    }

    fn is_private(&self, package: &[u8]) -> bool {
        self.is_private(package)
    }

    fn refresh(&self) -> Result<bool> {
        self.refresh()
    }

    fn hub(&self) -> &Hub {
        &self.hub
    }
}

impl Store {
    fn source(&self) -> Arc<dyn Source> {
        self.inner.clone()
    }

    /// Opens a watch of what a [`crate::Pattern`] selects. Events start with the transaction after `since`, or with the
    /// next one.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Invalid`] if the pattern is none; [`crate::Error::TooOld`] if the log does not go back to `since`;
    /// [`crate::Error::TooMany`] beyond [`crate::MAX_WATCHES`]; [`crate::Error::Missing`] if there is no log, [`crate::Error::Io`] if it
    /// cannot be read.
    pub fn watch(&self, pattern: &str, since: Option<u64>) -> Result<Watch> {
        Watch::open(self.source(), pattern, since)
    }

    /// Calls `callback` with each event, in order, on a thread of the library; otherwise as [`Store::watch`]. It may
    /// read and write the store. An error is told as well: after [`crate::Error::TooOld`] events go on, after any other
    /// the subscription is over.
    ///
    /// # Errors
    ///
    /// As for [`Store::watch`]; [`crate::Error::Io`] if there can be no thread, or no descriptor to wait with.
    pub fn subscribe(
        &self,
        pattern: &str,
        since: Option<u64>,
        callback: impl FnMut(Result<Event>) + Send + 'static,
    ) -> Result<Subscription> {
        Subscription::open(&self.source(), pattern, since, callback)
    }

    /// Has `decide` asked about each transaction, of whatever process, that would change what a
    /// [`crate::Pattern`] selects, before it is made. What it is shown is an [`Event`] without a number, which is not known
    /// yet. With `Err` it refuses the transaction: who commits gets [`crate::Error::Refused`] with the reason.
    ///
    /// It is called on a thread of the library, one for each verifier, one question after the other. It may read
    /// the store, which is as before the transaction; to commit from it is an error. Who commits waits for
    /// [`crate::Options::verify_timeout`] at the longest, and then takes it for refused. So does a panic.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Invalid`] if the pattern is none; [`crate::Error::Missing`] if there is no run directory;
    /// [`crate::Error::Io`] with `PermissionDenied` unless this is root or the owner of the configuration directory, whose
    /// word counts, or if the run directory is of someone else; [`crate::Error::Io`] if there can be no socket or no thread.
    pub fn verify(
        &self,
        pattern: &str,
        decide: impl FnMut(&Event) -> std::result::Result<(), String> + Send + 'static,
    ) -> Result<Verifier> {
        Verifier::open(&self.engine().core, pattern, decide)
    }
}
