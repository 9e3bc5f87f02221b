//! Symbolic links in the paths of package files and of the configuration directory. An edit may change a file in
//! the directory that a link leads to, or replace a link, as Kubernetes does to swap a mounted volume.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// How many links are followed at most: as many as the kernel follows.
const MAX_LINKS: usize = 40;

/// The effect that a change of a directory entry has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// The text of this package.
    Package(String),
    /// The configuration directory.
    Config,
}

/// The entries to watch, by directory.
#[derive(Debug, Default)]
pub(super) struct Links(HashMap<PathBuf, HashMap<OsString, BTreeSet<Target>>>);

impl Links {
    /// Follows the path of the configuration directory, and of each package in it that is a link.
    pub fn of(config: &Path) -> Self {
        let mut links = Self::default();
        let absolute = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
        links.follow(&absolute, &Target::Config);
        for entry in std::fs::read_dir(config).into_iter().flatten().flatten() {
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if let Some(name) = entry.file_name().to_str().filter(|name| is_link && !name.contains('.')) {
                links.follow(&absolute.join(name), &Target::Package(name.to_owned()));
            }
        }
        links
    }

    /// Adds each link in a path, and the entry at its end.
    fn follow(&mut self, path: &Path, target: &Target) {
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
                    let link = std::fs::read_link(dir.join(&part)).ok().filter(|_| links < MAX_LINKS);
                    if link.is_some() || left.is_empty() {
                        let entries = self.0.entry(dir.clone()).or_default();
                        entries.entry(part.clone()).or_default().insert(target.clone());
                    }
                    match link {
                        Some(link) => {
                            links += 1;
                            own(&link).into_iter().rev().for_each(|part| left.push_front(part));
                        }
                        None => dir.push(&part),
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns the directories to watch, each with whether a package file may be written in it.
    pub fn dirs(&self) -> impl Iterator<Item = (&Path, bool)> {
        self.0.iter().map(|(dir, entries)| {
            let of_text = |targets: &BTreeSet<Target>| targets.iter().any(|target| *target != Target::Config);
            (dir.as_path(), entries.values().any(of_text))
        })
    }

    /// Returns the targets of a directory entry.
    pub fn targets(&self, dir: &Path, name: &OsStr) -> impl Iterator<Item = &Target> {
        self.0.get(dir).and_then(|entries| entries.get(name)).into_iter().flatten()
    }
}
