//! Access to files with values of a package: only users with access to the package itself get it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;

use crate::os::files::{Files, OpenFile};

/// The permissions of group and others on a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    /// The text's group; `None` if only the owner has access, so that the group does not matter.
    group: Option<u32>,
    mode: u32,
}

impl Access {
    /// Access for the owner alone.
    const NOBODY: Self = Self { group: None, mode: 0 };

    /// Returns the access for a copy of a text, which only its owner may change.
    pub fn to_copy(text: &Metadata) -> Self {
        Self { group: Some(text.gid()), mode: text.mode() & 0o044 }
    }

    /// Returns the access for the staged changes of a package: a user who may write the package may stage changes.
    /// For a package that does not exist yet, only the owner gets access.
    pub fn to_staged(text: Option<&Metadata>) -> Self {
        text.map_or(Self::NOBODY, |text| Self { group: Some(text.gid()), mode: text.mode() & 0o077 })
    }

    /// Returns the mode of a file with this group. If the group is not the text's, group and others get only the
    /// permissions that both the text's group and others have, since members of the text's group may be among either.
    pub fn mode(self, group: u32) -> u32 {
        let both = self.mode & self.mode >> 3 & 0o7;
        let is_the_same = self.group.is_none_or(|own| own == group);
        0o600 | if is_the_same { self.mode } else { both << 3 | both }
    }

    /// Reports whether a file with this group and mode is open to more users than this access.
    pub fn is_exceeded(self, found: &Metadata) -> bool {
        found.mode() & 0o077 & !self.mode(found.gid()) != 0
    }

    /// Reports whether a file with this group and mode is open to exactly these users. Also true if it is as close as
    /// `user` can set it without being in the group.
    pub fn is_met(self, group: u32, mode: u32, user: u32) -> bool {
        let is_complete = self.mode(group) == 0o600 | self.mode;
        mode & 0o7777 == self.mode(group) && (is_complete || user != 0)
    }

    /// Gives a file that belongs to the caller this access.
    pub fn give(self, files: &Files, open: &OpenFile) -> io::Result<()> {
        let mut group = open.file.metadata()?.gid();
        if let Some(own) = self.group.filter(|own| *own != group)
            && files.set_group(open, own)?
        {
            group = own;
        }
        files.set_mode(open, self.mode(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_group_never_gets_more_than_the_texts_group_and_all_others() {
        let mode = |mode: u32, group: u32| Access { group: Some(7), mode }.mode(group);
        assert_eq!([0o044, 0o040, 0o004, 0].map(|bits| mode(bits, 7)), [0o644, 0o640, 0o604, 0o600]);
        assert_eq!([0o044, 0o040, 0o004, 0].map(|bits| mode(bits, 8)), [0o644, 0o600, 0o600, 0o600]);
        assert_eq!([0o064, 0o066, 0o046].map(|bits| mode(bits, 8)), [0o644, 0o666, 0o644]);
    }

    #[test]
    fn a_file_of_another_group_is_met_only_by_who_cannot_do_better() {
        let access = Access { group: Some(7), mode: 0o040 };
        assert!(access.is_met(7, 0o640, 0) && access.is_met(8, 0o600, 1000));
        assert!(!access.is_met(8, 0o600, 0) && !access.is_met(8, 0o640, 1000) && !access.is_met(7, 0o600, 0));
    }
}
