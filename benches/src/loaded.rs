//! A data set that is loaded into every contender, for `lookup`.

use std::path::Path;

use crate::Result;
use crate::dataset::Dataset;
use crate::ffi::{Gvdb, Hashbrown, Library, Libuci, Lmdb, Peer, Store, Uthash};
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
    /// The library.
    library: Library,
    /// The files of its store.
    tmpfs: TmpfsStore,
}

impl Loaded {
    /// Loads the entries into every contender. `libuci` is the library of that peer.
    pub fn set(dataset: Dataset, library: Library, libuci: Option<&Path>, report: &Report) -> Result<Self> {
        let tmpfs = TmpfsStore::create(dataset)?;
        let stock = match (dataset, libuci) {
            (Dataset::Large { .. } | Dataset::Sized { .. }, _) => {
                Err("it takes quadratic time to load such a package".into())
            }
            (_, Some(library)) => boxed(Libuci::open(library, &tmpfs.path("config"))),
            (_, None) => Err("its library was not compiled".into()),
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
        let loaded = Self { dataset, peers, library, tmpfs };
        loaded.check()?;
        Ok(loaded)
    }

    /// Opens another store on the same files.
    pub fn open(&self) -> Result<Store> {
        self.tmpfs.open(self.library)
    }

    /// Reads all entries through every contender, and compares the values. It reads another store than the measured
    /// ones, since a store may remember which keys came first.
    fn check(&self) -> Result<()> {
        let store = self.open()?;
        let snapshot = store.snapshot()?;
        let own = [("cms_get", store.get()), ("cms_snapshot_get", snapshot.get())];
        let peers = self.peers.iter().map(|(name, peer)| (*name, peer.get()));
        let contenders: Vec<_> = own.into_iter().chain(peers).collect();
        for (index, (key, value)) in self.dataset.entries().enumerate() {
            for (name, get) in &contenders {
                if !get.answers(&key, &value) {
                    return Err(format!("{name}: not the value of {key}, entry {index}").into());
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
