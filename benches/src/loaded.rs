//! A data set that is loaded into every contender, for `lookup`.

use std::path::Path;

use crate::Result;
use crate::dataset::{Dataset, Stream};
use crate::ffi::{Get, Gvdb, Hashbrown, Library, Libuci, Lmdb, Peer, Store, Uthash};
use crate::report::Report;
use crate::tmpfs_store::TmpfsStore;

/// A peer and its name.
type Named = (&'static str, Box<dyn Peer>);

/// The name of hashbrown in tables.
pub const HASHBROWN: &str = "hashbrown foldhash";
/// The name of uthash in tables.
pub const UTHASH: &str = "uthash";

/// A store of the library and the peers, all with the same entries.
pub struct Loaded {
    /// The entries.
    pub dataset: Dataset,
    /// The peers.
    pub peers: Vec<Named>,
    /// The library's store; closed before its files are removed.
    pub store: Store,
    /// Its files.
    _tmpfs: TmpfsStore,
}

impl Loaded {
    /// Loads the entries into every contender. `libuci` is the library of that peer.
    pub fn set(dataset: Dataset, library: Library, libuci: Option<&Path>, report: &Report) -> Result<Self> {
        let tmpfs = TmpfsStore::create(dataset)?;
        let store = tmpfs.open(library)?;
        let stock = match (dataset, libuci) {
            (Dataset::Router, Some(library)) => boxed(Libuci::open(library, &tmpfs.path("config"))),
            (Dataset::Router, None) => Err("its library was not compiled".into()),
            (Dataset::Large { .. }, _) => Err("it takes quadratic time to load such a package".into()),
        };
        let mut peers: Vec<Named> = Vec::new();
        let mut add = |name, peer: Result<Box<dyn Peer>>| match peer {
            Ok(peer) => peers.push((name, peer)),
            Err(error) => report.note(&format!("{name} left out: {error}")),
        };
        add(HASHBROWN, Ok(Box::new(Hashbrown::of(dataset.entries()))));
        add(UTHASH, boxed(Uthash::of(dataset.entries())));
        add("LMDB", boxed(Lmdb::create(&tmpfs.path("lmdb"), dataset.entries())));
        add("gvdb, its Rust crate", boxed(Gvdb::of(dataset.entries())));
        add("libuci", stock);
        Ok(Self { dataset, peers, store, _tmpfs: tmpfs })
    }

    /// Lets every contender find a thousand keys of a stream, and compares the values.
    pub fn check(&self, stream: &Stream, own: &[(&'static str, Get<'_>)]) -> Result<()> {
        let peers = self.peers.iter().map(|(name, peer)| (*name, peer.get()));
        for (name, get) in own.iter().copied().chain(peers) {
            for index in stream.distinct.iter().take(1000) {
                let key = self.dataset.key(*index);
                if !get.answers(&key, &self.dataset.value(*index)) {
                    return Err(format!("{name}: not the value of {key}").into());
                }
            }
        }
        Ok(())
    }
}

/// A peer of any kind.
fn boxed(peer: Result<impl Peer + 'static>) -> Result<Box<dyn Peer>> {
    peer.map(|peer| Box::new(peer) as Box<dyn Peer>)
}
