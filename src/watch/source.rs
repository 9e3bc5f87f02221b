//! The interface of an open store for its watches. The store is a higher layer: it owns a [`Hub`], and passes itself
//! down as a [`Source`].

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::feed::Feed;
use super::subscription::Dispatcher;
use crate::commit::core::Core;
use crate::error::Result;
use crate::map::{MapDirectory, Table};

/// An open store, as its watches see it.
pub(crate) trait Source: Send + Sync {
    /// Returns the engine, for the log and the texts.
    fn core(&self) -> &Core;

    /// Returns the maps that are open, with the control file.
    fn table(&self) -> Arc<Table>;

    /// Returns the directory of the maps shared with other processes; `None` if the maps are private.
    fn shared(&self) -> Option<MapDirectory>;

    /// Reports whether a package is read from a map of this process alone.
    fn is_private(&self, package: &[u8]) -> bool;

    /// Updates the maps from texts that others have changed, as [`crate::Store::refresh`] does.
    fn refresh(&self) -> Result<bool>;

    /// Returns the state that the watches of this store share.
    fn hub(&self) -> &Hub;
}

// A trait that requires `Debug` links the code that prints a whole store into each program, since vtables are linked
// whole.
impl std::fmt::Debug for dyn Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

/// The state that the watches of an open store share.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    feed: Mutex<Weak<Feed>>,
    /// Runs the subscriptions.
    pub dispatcher: Arc<Dispatcher>,
}

impl Hub {
    /// Returns the feed of the watches of a store, which lives as long as one of them.
    pub fn feed(source: &dyn Source) -> Result<Arc<Feed>> {
        let mut known = source.hub().feed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = known.upgrade() {
            return Ok(feed);
        }
        let feed = Arc::new(Feed::new(source)?);
        *known = Arc::downgrade(&feed);
        Ok(feed)
    }
}
