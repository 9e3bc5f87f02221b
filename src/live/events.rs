//! Watches, subscriptions and verifiers of an open store: see [`crate::watch`] and [`crate::verify`].

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

    /// Opens a watch of the keys that a [`crate::Pattern`] selects. Events start with the transaction after
    /// `since`; with `None`, with the next transaction.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Invalid`] if the pattern is invalid; [`crate::Error::TooOld`] if the log does not go back to
    /// `since`; [`crate::Error::TooMany`] beyond [`crate::MAX_WATCHES`]; [`crate::Error::Missing`] if there is no
    /// log, [`crate::Error::Io`] if it cannot be read.
    pub fn watch(&self, pattern: &str, since: Option<u64>) -> Result<Watch> {
        Watch::open(self.source(), pattern, since)
    }

    /// As [`Store::watch`], but calls `callback` with each event, in order, on a thread of the library. The
    /// callback may read and write the store. It gets errors as well: after [`crate::Error::TooOld`] events go on,
    /// any other error ends the subscription.
    ///
    /// # Errors
    ///
    /// As for [`Store::watch`]; [`crate::Error::Io`] if the system has no thread or descriptor left.
    pub fn subscribe(
        &self,
        pattern: &str,
        since: Option<u64>,
        callback: impl FnMut(Result<Event>) + Send + 'static,
    ) -> Result<Subscription> {
        Subscription::open(&self.source(), pattern, since, callback)
    }

    /// Calls `decide` with each transaction of any process that would change keys that a [`crate::Pattern`]
    /// selects, before it is made. The [`Event`] has no number, since that is not known yet. `Err` refuses the
    /// transaction: the commit fails with [`crate::Error::Refused`] and the reason.
    ///
    /// Each verifier has a thread of the library, which calls `decide` for one transaction after the other. It may
    /// read the store, which shows the state before the transaction; a commit from it fails. The transaction is
    /// refused if `decide` takes longer than [`crate::Options::verify_timeout`], or panics.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Invalid`] if the pattern is invalid; [`crate::Error::Missing`] if there is no run directory;
    /// [`crate::Error::Io`] with `PermissionDenied` unless the user is root or owns the configuration directory, or
    /// if the run directory belongs to another user; [`crate::Error::Io`] if the socket or the thread cannot be
    /// created.
    pub fn verify(
        &self,
        pattern: &str,
        decide: impl FnMut(&Event) -> std::result::Result<(), String> + Send + 'static,
    ) -> Result<Verifier> {
        Verifier::open(&self.engine().core, pattern, decide)
    }
}
