//! Symbolic links on the way to the files of packages, and to the configuration directory: an edit may arrive in the
//! directory that a link leads to, or by a link that leads elsewhere from then on, as volumes that Kubernetes mounts
//! are swapped.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// How many links are followed, as the system does.
const MOST: usize = 40;

/// What an entry of a directory matters for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Matter {
    /// The text of this package.
    Package(String),
    /// Which directory the configuration is in.
    Config,
}

/// The entries of directories that matter, by the directory.
#[derive(Debug, Default)]
pub(super) struct Links(HashMap<PathBuf, HashMap<OsString, BTreeSet<Matter>>>);

impl Links {
    /// Follows the path of the configuration directory, and of each package in it that is a link.
    pub fn of(config: &Path) -> Self {
        let mut links = Self::default();
        let absolute = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
        links.follow(&absolute, &Matter::Config);
        for entry in std::fs::read_dir(config).into_iter().flatten().flatten() {
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if let Some(name) = entry.file_name().to_str().filter(|name| is_link && !name.contains('.')) {
                links.follow(&absolute.join(name), &Matter::Package(name.to_owned()));
            }
        }
        links
    }

    /// Notes each link on the way along a path, and what stands at its end.
    fn follow(&mut self, path: &Path, matter: &Matter) {
        let own = |path: &Path| -> Vec<OsString> {
            path.components().map(|part| part.as_os_str().to_owned()).collect()
        };
        let mut left: VecDeque<OsString> = own(path).into();
        let (mut dir, mut links) = (PathBuf::from("/"), 0);
        while let Some(part) = left.pop_front() {
            match Path::new(&part).components().next() {
                Some(Component::RootDir) => dir = PathBuf::from("/"),
                Some(Component::ParentDir) => drop(dir.pop()),
                Some(Component::Normal(_)) => {
                    let target = std::fs::read_link(dir.join(&part)).ok().filter(|_| links < MOST);
                    if target.is_some() || left.is_empty() {
                        let entries = self.0.entry(dir.clone()).or_default();
                        entries.entry(part.clone()).or_default().insert(matter.clone());
                    }
                    match target {
                        Some(target) => {
                            links += 1;
                            own(&target).into_iter().rev().for_each(|part| left.push_front(part));
                        }
                        None => dir.push(&part),
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns the directories whose entries matter, and whether a text may be written there.
    pub fn dirs(&self) -> impl Iterator<Item = (&Path, bool)> {
        self.0.iter().map(|(dir, entries)| {
            let of_text = |matters: &BTreeSet<Matter>| matters.iter().any(|matter| *matter != Matter::Config);
            (dir.as_path(), entries.values().any(of_text))
        })
    }

    /// Returns what an entry of a directory matters for.
    pub fn matters(&self, dir: &Path, name: &OsStr) -> impl Iterator<Item = &Matter> {
        self.0.get(dir).and_then(|entries| entries.get(name)).into_iter().flatten()
    }
}
