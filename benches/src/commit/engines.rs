//! The engines that commit one key durably: cms, its peers, and bare logs.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use cms::{Durability, Store};

use super::disk_store::DiskStore;
use crate::Result;
use crate::dataset::Dataset;
use crate::ffi::{LmdbWriter, UciCommit};

/// An open store that threads may commit to at the same time.
pub trait Engine: Sync {
    /// Commits one key, on behalf of the thread of that number.
    fn put(&self, thread: usize, key: &str, value: &str) -> Result<()>;

    /// Commits many keys as one transaction.
    fn put_all(&self, entries: &mut dyn Iterator<Item = (String, String)>) -> Result<()>;
}

/// The approximate length of a record of one changed key.
const RECORD: usize = 100;

/// A file that is written from its start, and synced after each write. If it was written before, the writer starts
/// again at its end.
pub struct Raw {
    /// The file.
    file: File,
    /// The offset of the next record.
    at: Mutex<u64>,
    /// The length that was written before; 0 for a file that grows.
    length: u64,
}

impl Raw {
    /// Makes the file, filled with zeros.
    pub fn create(path: &Path, length: usize) -> Result<Self> {
        let mut file = File::create_new(path)?;
        file.write_all(&vec![0; length])?;
        file.sync_all()?;
        Ok(Self { file, at: Mutex::new(0), length: length as u64 })
    }
}

impl Engine for Raw {
    fn put(&self, _: usize, key: &str, value: &str) -> Result<()> {
        let mut record = format!("{key}={value}").into_bytes();
        record.resize(RECORD, b'.');
        let mut at = self.at.lock().map_err(|_| "a thread has panicked")?;
        if self.length > 0 && *at + RECORD as u64 > self.length {
            *at = 0;
        }
        self.file.write_all_at(&record, *at)?;
        *at += RECORD as u64;
        Ok(self.file.sync_data()?)
    }

    fn put_all(&self, entries: &mut dyn Iterator<Item = (String, String)>) -> Result<()> {
        let text: String = entries.map(|(key, value)| format!("{key}={value}\n")).collect();
        self.file.write_all_at(text.as_bytes(), 0)?;
        Ok(self.file.sync_data()?)
    }
}

/// `SQLite` with a write-ahead log, and a connection for each thread.
pub struct Sqlite(Vec<Mutex<rusqlite::Connection>>);

/// The statement that writes a row.
const INSERT: &str = "INSERT OR REPLACE INTO entries VALUES (?, ?)";

impl Sqlite {
    /// Makes a database; `synchronous` is FULL or NORMAL.
    pub fn create(path: &Path, synchronous: &str, threads: usize) -> Result<Self> {
        let connect = |_| -> Result<_> {
            let connection = rusqlite::Connection::open(path)?;
            connection.busy_timeout(Duration::from_secs(60))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", synchronous)?;
            let table = "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID";
            connection.execute(table, [])?;
            Ok(Mutex::new(connection))
        };
        Ok(Self((0..threads).map(connect).collect::<Result<_>>()?))
    }
}

impl Engine for Sqlite {
    fn put(&self, thread: usize, key: &str, value: &str) -> Result<()> {
        let connection = self.0[thread].lock().map_err(|_| "a thread has panicked")?;
        connection.prepare_cached(INSERT)?.execute([key, value])?;
        Ok(())
    }

    fn put_all(&self, entries: &mut dyn Iterator<Item = (String, String)>) -> Result<()> {
        let mut connection = self.0[0].lock().map_err(|_| "a thread has panicked")?;
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare(INSERT)?;
            for (key, value) in entries {
                insert.execute([key, value])?;
            }
        }
        Ok(transaction.commit()?)
    }
}

impl Engine for LmdbWriter {
    fn put(&self, _: usize, key: &str, value: &str) -> Result<()> {
        self.commit(std::iter::once((key.to_owned(), value.to_owned())))
    }

    fn put_all(&self, entries: &mut dyn Iterator<Item = (String, String)>) -> Result<()> {
        self.commit(entries)
    }
}

/// The only table of redb.
const TABLE: redb::TableDefinition<'_, &str, &str> = redb::TableDefinition::new("entries");

impl Engine for redb::Database {
    fn put(&self, _: usize, key: &str, value: &str) -> Result<()> {
        self.put_all(&mut std::iter::once((key.to_owned(), value.to_owned())))
    }

    fn put_all(&self, entries: &mut dyn Iterator<Item = (String, String)>) -> Result<()> {
        let transaction = self.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (key, value) in entries {
                table.insert(key.as_str(), value.as_str())?;
            }
        }
        Ok(transaction.commit()?)
    }
}

/// The Rust library.
pub struct Cms {
    /// The store.
    live: Store,
    /// Where it is.
    pub disk: DiskStore,
}

impl Cms {
    /// Writes the texts and opens the store.
    pub fn create(dir: &Path, dataset: Dataset, durability: Durability) -> Result<Self> {
        let disk = DiskStore::create(dir, dataset)?;
        let live = Store::open(disk.options(durability))?;
        live.get(dataset.key(0).as_bytes(), |_| ())?;
        Ok(Self { live, disk })
    }
}

impl Engine for Cms {
    fn put(&self, _: usize, key: &str, value: &str) -> Result<()> {
        let mut transaction = self.live.begin()?;
        transaction.set(key.as_bytes(), value.as_bytes())?;
        transaction.commit()?;
        Ok(())
    }

    fn put_all(&self, entries: &mut dyn Iterator<Item = (String, String)>) -> Result<()> {
        let mut transaction = self.live.begin()?;
        let mut last = String::new();
        for (key, value) in entries {
            let section = key.rsplit_once('.').map_or(key.as_str(), |(section, _)| section);
            if section != last && transaction.get(section.as_bytes())?.is_none() {
                transaction.set(section.as_bytes(), b"host")?;
                section.clone_into(&mut last);
            }
            transaction.set(key.as_bytes(), value.as_bytes())?;
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Stock libuci in this process, called as by a program that changes one option.
pub struct Uci {
    /// The functions.
    library: UciCommit,
    /// The texts.
    disk: DiskStore,
}

impl Uci {
    /// Writes the texts.
    pub fn create(dir: &Path, dataset: Dataset, library: &Path) -> Result<Self> {
        Ok(Self { library: UciCommit::open(library)?, disk: DiskStore::create(dir, dataset)? })
    }
}

impl Engine for Uci {
    fn put(&self, _: usize, key: &str, value: &str) -> Result<()> {
        self.library.commit(&self.disk.path("config"), &self.disk.path("save"), &format!("{key}={value}"))
    }

    fn put_all(&self, _: &mut dyn Iterator<Item = (String, String)>) -> Result<()> {
        Err("libuci is not asked to".into())
    }
}

/// Two processes of stock uci: `uci set` and `uci commit`.
pub struct UciCommand {
    /// The program.
    program: PathBuf,
    /// The texts.
    disk: DiskStore,
}

impl UciCommand {
    /// Writes the texts.
    pub fn create(dir: &Path, dataset: Dataset, program: &Path) -> Result<Self> {
        Ok(Self { program: program.to_path_buf(), disk: DiskStore::create(dir, dataset)? })
    }
}

impl Engine for UciCommand {
    fn put(&self, _: usize, key: &str, value: &str) -> Result<()> {
        for words in [["set", format!("{key}={value}").as_str()], ["commit", "network"]] {
            let mut command = Command::new(&self.program);
            command.arg("-c").arg(self.disk.path("config")).arg("-t").arg(self.disk.path("save")).args(words);
            let status = command.status()?;
            if !status.success() {
                return Err(format!("uci {}: {status}", words[0]).into());
            }
        }
        Ok(())
    }

    fn put_all(&self, _: &mut dyn Iterator<Item = (String, String)>) -> Result<()> {
        Err("stock uci is not asked to".into())
    }
}
