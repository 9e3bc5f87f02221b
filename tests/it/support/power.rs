//! A disk whose power can be cut: it keeps written and durable content separately.
//!
//! It is a [`Probe`]: at each system call of a run it examines all files below a directory. Changes since the call
//! before count as written. The content of a file at its sync is durable, and so are the entries of a directory at
//! its sync. All later changes may survive a power cut or not: of a file any mixture of the sectors written since, of
//! a directory any of the changes.
//!
//! Files keep their inodes and times in the images that are made of them, since journals identify files by these.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use cms::testing::{Call, Files, Probe};

use super::dice::Dice;

const SECTOR: usize = 512;

/// The bits of a mode that mark a file that is not regular here: a symbolic link, a pipe, a socket.
const ODD: u32 = 0o170_000;

/// The content of a file at some time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Content {
    bytes: Vec<u8>,
    mode: u32,
    modified: SystemTime,
}

#[derive(Debug, Clone)]
struct Inode {
    durable: Arc<Content>,
    /// The contents that were written since, the newest last.
    pending: Vec<Arc<Content>>,
}

impl Inode {
    fn newest(&self) -> &Arc<Content> {
        self.pending.last().unwrap_or(&self.durable)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Node {
    File(u64),
    Dir,
}

type Listing = BTreeMap<OsString, Node>;

#[derive(Debug, Clone, Default)]
struct Directory {
    durable: Listing,
    /// The changes since; each takes effect wholly or not at all.
    pending: Vec<BTreeMap<OsString, Option<Node>>>,
}

impl Directory {
    fn newest(&self) -> Listing {
        let mut listing = self.durable.clone();
        self.pending.iter().for_each(|change| apply(&mut listing, change));
        listing
    }
}

fn apply(listing: &mut Listing, change: &BTreeMap<OsString, Option<Node>>) {
    for (name, node) in change {
        match node {
            Some(node) => drop(listing.insert(name.clone(), *node)),
            None => drop(listing.remove(name)),
        }
    }
}

/// The state of the disk at one moment.
#[derive(Debug, Clone, Default)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    /// The directories, by their paths below the root; "" is the root itself.
    dirs: BTreeMap<PathBuf, Directory>,
}

/// A moment at which the power may be cut.
#[derive(Debug, Clone)]
pub struct Moment {
    state: State,
    pub what: String,
    /// The numbers of acknowledged and of begun transactions at that moment.
    pub acknowledged: u64,
    pub begun: u64,
}

#[derive(Debug, Default)]
struct Record {
    state: State,
    /// The content that the present call makes durable.
    syncing: Option<Synced>,
    moments: Vec<Moment>,
    acknowledged: u64,
    begun: u64,
}

#[derive(Debug)]
enum Synced {
    File(u64, Arc<Content>),
    Dir(PathBuf, Listing),
}

/// See the module documentation.
#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
    /// A directory with a hard link to every file, so that its inode is not reused.
    vault: PathBuf,
    record: Mutex<Record>,
}

/// The directory that is on a volatile file system.
const VOLATILE: &str = "run";

impl Disk {
    /// Starts with all files below `root` as durable. `vault` is a directory beside it.
    pub fn new(root: &Path, vault: &Path) -> Arc<Self> {
        let disk = Self { root: root.into(), vault: vault.into(), record: Mutex::default() };
        disk.settle();
        Arc::new(disk)
    }

    pub fn files(self: &Arc<Self>) -> Files {
        Files::probed(Arc::clone(self) as Arc<dyn Probe>)
    }

    /// Makes all files durable, and forgets directories that were removed.
    pub fn settle(&self) {
        let mut record = self.record.lock().expect("no panic");
        self.look(&mut record.state);
        let state = &mut record.state;
        state.dirs.retain(|dir, _| self.root.join(dir).is_dir());
        for inode in state.inodes.values_mut() {
            *inode = Inode { durable: Arc::clone(inode.newest()), pending: Vec::new() };
        }
        for dir in state.dirs.values_mut() {
            *dir = Directory { durable: dir.newest(), pending: Vec::new() };
        }
    }

    /// Makes the image of all there is.
    pub fn now(&self) -> Image {
        let mut record = self.record.lock().expect("no panic");
        self.moment(&mut record, "now".into());
        let [_, all] = record.moments.pop().expect("one").extremes();
        all
    }

    /// Notes that a transaction begins.
    pub fn begin(&self, number: u64) {
        self.record.lock().expect("no panic").begun = number;
    }

    /// Notes that a transaction was acknowledged.
    pub fn acknowledge(&self, number: u64) {
        let mut record = self.record.lock().expect("no panic");
        record.acknowledged = number;
        self.moment(&mut record, format!("after {number} was acknowledged"));
    }

    /// Ends the recording. Equal consecutive moments are merged.
    pub fn moments(&self, what: &str) -> Vec<Moment> {
        let mut record = self.record.lock().expect("no panic");
        self.moment(&mut record, what.into());
        std::mem::take(&mut record.moments)
    }

    fn moment(&self, record: &mut Record, what: String) {
        self.look(&mut record.state);
        match record.syncing.take() {
            Some(Synced::File(number, content)) => {
                let inode = record.state.inodes.get_mut(&number).expect("it was seen");
                if let Some(at) = inode.pending.iter().position(|pending| Arc::ptr_eq(pending, &content)) {
                    inode.pending.drain(..=at);
                }
                inode.durable = content;
            }
            Some(Synced::Dir(path, listing)) => {
                // Only another process could change a file during its sync, and there is none.
                record.state.dirs.insert(path, Directory { durable: listing, pending: Vec::new() });
            }
            None => {}
        }
        let (state, acknowledged, begun) = (record.state.clone(), record.acknowledged, record.begun);
        record.moments.push(Moment { state, what, acknowledged, begun });
    }

    /// Examines all files, and records what was written and renamed.
    fn look(&self, state: &mut State) {
        self.look_at(state, Path::new(""));
        // A removed directory is not examined again.
    }

    fn look_at(&self, state: &mut State, dir: &Path) {
        let mut now = Listing::new();
        let mut below = Vec::new();
        for entry in std::fs::read_dir(self.root.join(dir)).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if dir.as_os_str().is_empty() && name == VOLATILE {
                continue;
            }
            let found = entry.metadata().expect("it is there");
            if found.is_dir() {
                below.push(dir.join(&name));
                now.insert(name, Node::Dir);
            } else {
                self.look_at_file(state, &entry.path(), &found);
                now.insert(name, Node::File(found.ino()));
            }
        }
        let known = state.dirs.entry(dir.into()).or_default();
        let before = known.newest();
        let mut change = BTreeMap::new();
        for (name, node) in &now {
            if before.get(name) != Some(node) {
                change.insert(name.clone(), Some(*node));
            }
        }
        for name in before.keys().filter(|name| !now.contains_key(*name)) {
            change.insert(name.clone(), None);
        }
        if !change.is_empty() {
            known.pending.push(change);
        }
        below.iter().for_each(|dir| self.look_at(state, dir));
    }

    fn look_at_file(&self, state: &mut State, path: &Path, found: &std::fs::Metadata) {
        let modified = found.modified().expect("known");
        let is_odd = !found.is_file();
        let bytes = match is_odd {
            true => std::fs::read_link(path).unwrap_or_default().into_os_string().into_encoded_bytes(),
            false => std::fs::read(path).expect("it can be read"),
        };
        let mode = if is_odd { found.mode() & ODD } else { found.mode() & 0o7777 };
        let content = Content { bytes, mode, modified };
        let number = found.ino();
        let inode = state.inodes.entry(number).or_insert_with(|| {
            let _ = std::fs::hard_link(path, self.vault.join(number.to_string()));
            if is_odd {
                return Inode { durable: Arc::new(content.clone()), pending: Vec::new() };
            }
            let empty = Content { bytes: Vec::new(), mode: 0o600, modified };
            Inode { durable: Arc::new(empty), pending: Vec::new() }
        });
        if **inode.newest() != content {
            inode.pending.push(Arc::new(content));
        }
    }
}

impl Probe for Disk {
    fn before(&self, call: Call, path: &Path) -> io::Result<usize> {
        let mut record = self.record.lock().expect("no panic");
        let what = format!("before {call:?} {}", path.display());
        self.moment(&mut record, what);
        let Ok(inside) = path.strip_prefix(&self.root) else { return Ok(usize::MAX) };
        if inside.starts_with(VOLATILE) {
            return Ok(usize::MAX);
        }
        record.syncing = match call {
            Call::Sync => {
                let number = std::fs::metadata(path)?.ino();
                record.state.inodes.get(&number).map(|it| Synced::File(number, Arc::clone(it.newest())))
            }
            Call::SyncDir => record.state.dirs.get(inside).map(|it| Synced::Dir(inside.into(), it.newest())),
            _ => None,
        };
        Ok(usize::MAX)
    }
}

/// A possible content of the disk after a power cut.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Image {
    dirs: BTreeMap<PathBuf, Listing>,
    files: BTreeMap<u64, Content>,
}

impl Image {
    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        Hash::hash(self, &mut hasher);
        hasher.finish()
    }
}

impl Moment {
    /// Makes the image without any unsynced change, and the image with all of them.
    pub fn extremes(&self) -> [Image; 2] {
        let nothing = self.image(|inode| (*inode.durable).clone(), |_| Vec::new());
        [nothing, self.image(|inode| (**inode.newest()).clone(), |dir| dir.pending.iter().collect())]
    }

    /// Makes the image with all renames, and with the files as last synced: as on file systems that journal names,
    /// and write data later.
    pub fn renames_only(&self) -> Image {
        self.image(|inode| (*inode.durable).clone(), |dir| dir.pending.iter().collect())
    }

    /// Makes the image in which exactly one unsynced change is present, or exactly one is missing: `index` counts the
    /// files and directories with such changes. `None` if there are fewer.
    pub fn single(&self, index: usize, is_there: bool) -> Option<Image> {
        let files = self.state.inodes.iter().filter(|(_, inode)| !inode.pending.is_empty()).map(|(n, _)| *n);
        let dirs = self.state.dirs.iter().filter(|(_, dir)| !dir.pending.is_empty()).map(|(path, _)| path);
        let things: Vec<_> = files.map(Ok).chain(dirs.map(Err)).collect();
        let thing = things.get(index).filter(|_| things.len() > 1)?;
        let file = |number: u64| (*thing == Ok(number)) == is_there;
        let dir = |path: &PathBuf| (*thing == Err(path)) == is_there;
        Some(self.image_of(
            |number, inode| if file(number) { (**inode.newest()).clone() } else { (*inode.durable).clone() },
            |path, it| if dir(path) { it.pending.iter().collect() } else { Vec::new() },
        ))
    }

    /// Makes a random image: for each file and directory with none, all, or some of the unsynced changes.
    pub fn random(&self, dice: &mut Dice) -> Image {
        let dice = std::cell::RefCell::new(dice);
        self.image(
            |inode| mixture(inode, &mut dice.borrow_mut()),
            |dir| {
                let mut dice = dice.borrow_mut();
                match dice.roll(4) {
                    0 => Vec::new(),
                    1 => dir.pending.iter().collect(),
                    2 => dir.pending.iter().take(dice.roll(dir.pending.len() + 1)).collect(),
                    _ => dir.pending.iter().filter(|_| dice.roll(2) == 0).collect(),
                }
            },
        )
    }

    fn image<'s>(
        &'s self,
        file: impl Fn(&Inode) -> Content,
        dir: impl Fn(&'s Directory) -> Vec<&'s BTreeMap<OsString, Option<Node>>>,
    ) -> Image {
        self.image_of(|_, inode| file(inode), |_, it| dir(it))
    }

    fn image_of<'s>(
        &'s self,
        file: impl Fn(u64, &Inode) -> Content,
        dir: impl Fn(&'s PathBuf, &'s Directory) -> Vec<&'s BTreeMap<OsString, Option<Node>>>,
    ) -> Image {
        let mut image = Image { dirs: BTreeMap::new(), files: BTreeMap::new() };
        let mut left = vec![PathBuf::new()];
        while let Some(path) = left.pop() {
            let Some((path, known)) = self.state.dirs.get_key_value(&path) else { continue };
            let mut listing = known.durable.clone();
            dir(path, known).into_iter().for_each(|change| apply(&mut listing, change));
            for (name, node) in &listing {
                match node {
                    Node::Dir => left.push(path.join(name)),
                    Node::File(number) => {
                        let content = || file(*number, &self.state.inodes[number]);
                        image.files.entry(*number).or_insert_with(content);
                    }
                }
            }
            image.dirs.insert(path.clone(), listing);
        }
        image
    }
}

/// Mixes the possible contents of a file, sector by sector.
fn mixture(inode: &Inode, dice: &mut Dice) -> Content {
    let all: Vec<&Arc<Content>> = [&inode.durable].into_iter().chain(&inode.pending).collect();
    match dice.roll(4) {
        0 => return (*inode.durable).clone(),
        1 => return (**inode.newest()).clone(),
        _ => {}
    }
    let frame = all[dice.roll(all.len())];
    let mut content = (**frame).clone();
    for (index, sector) in content.bytes.chunks_mut(SECTOR).enumerate() {
        let from = all[dice.roll(all.len())].bytes.get(index * SECTOR..).unwrap_or_default();
        let len = from.len().min(sector.len());
        sector[..len].copy_from_slice(&from[..len]);
        sector[len..].fill(0);
    }
    content
}

impl Disk {
    /// Makes the disk what an image says.
    pub fn restore(&self, image: &Image) {
        for entry in std::fs::read_dir(&self.root).into_iter().flatten().flatten() {
            std::fs::remove_dir_all(entry.path()).expect("removed");
        }
        for (dir, listing) in &image.dirs {
            std::fs::create_dir_all(self.root.join(dir)).expect("made");
            for (name, node) in listing {
                if let Node::File(number) = node {
                    let to = self.root.join(dir).join(name);
                    std::fs::hard_link(self.vault.join(number.to_string()), to).expect("linked");
                }
            }
        }
        // The target of a symbolic link is durable together with its name.
        for (number, content) in image.files.iter().filter(|(_, content)| content.mode & ODD == 0) {
            let path = self.vault.join(number.to_string());
            std::fs::write(&path, &content.bytes).expect("written");
            let file = File::options().write(true).open(&path).expect("opened");
            file.set_permissions(Permissions::from_mode(content.mode)).expect("set");
            file.set_modified(content.modified).expect("set");
        }
    }

    /// Continues from a moment at which the process died and the power stayed on: all written data is there, and
    /// unsynced data may still be lost.
    pub fn resume(&self, moment: &Moment) {
        let [_, all] = moment.extremes();
        self.restore(&all);
        let (state, acknowledged, begun) = (moment.state.clone(), moment.acknowledged, moment.begun);
        let record = Record { state, acknowledged, begun, ..Record::default() };
        *self.record.lock().expect("no panic") = record;
    }

    /// Clears the recording, and makes the present files durable.
    pub fn restart(&self, acknowledged: u64, begun: u64) {
        *self.record.lock().expect("no panic") = Record { acknowledged, begun, ..Record::default() };
        self.settle();
    }
}
