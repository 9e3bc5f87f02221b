//! A segment with its damage; and the list of known damage, in `repaired` beside the segments: a line `SEGMENT FROM
//! TO NEXT HASH` for each piece that `repair` has set aside, so that it is not reported again.

use std::path::PathBuf;

use super::scan::{Gap, Scan, scan};
use super::segment::{self, Chain, HEAD, Head, ORIGIN};
use super::{Log, size_of};
use crate::error::{Damage, Error, Result};
use crate::os::files::OpenFile;

/// The error for a segment that was copied or renamed.
pub(super) const WRONG: &str = "its first record is not the one in its name";

/// A segment that was read, damaged or not.
#[derive(Debug)]
pub(super) struct Whole {
    pub first: u64,
    pub head: Head,
    pub bytes: Vec<u8>,
    /// Whether the head was damaged; then most of its fields are unknown.
    is_headless: bool,
    /// Chains that its first record may follow from.
    pub before: Vec<Chain>,
    /// The first record of the next segment.
    next: Option<u64>,
    /// Whether the next segment is missing: the list of keys exists, which is written only after the next segment is
    /// made.
    was_followed: bool,
    /// The minimum length of a segment.
    length: usize,
}

impl Whole {
    /// Reads the records, and finds the damage.
    pub fn scan(&self) -> Scan<'_> {
        let mut found = scan(&self.bytes, HEAD.min(self.bytes.len()), &self.before, self.first - 1);
        if self.is_headless && found.gaps.first().is_none_or(|gap| gap.from != 0) {
            let before = found.frames.first().map(|(number, _)| *number);
            found.gaps.insert(0, Gap { from: 0, to: HEAD, after: self.first - 1, before, missing: 0 });
        }
        let (end, after) = (found.end, found.last);
        let has_tail = found.gaps.last().is_some_and(|gap| gap.before.is_none());
        let cut = self.length.max(self.bytes.len().next_multiple_of(4096));
        let tail = match () {
            () if has_tail => None,
            // Segments have whole pages.
            () if !self.bytes.len().is_multiple_of(4096) => Some(cut),
            // The hint names the last record, but the record is not there.
            () if !self.is_headless && self.head.hint as usize >= end => Some(self.head.hint as usize + 1),
            () => None,
        };
        if let Some(to) = tail {
            let gap = Gap { from: end.min(to), to, after, before: None, missing: 0 };
            found.last = gap.lost().end - 1;
            found.gaps.push(gap);
        } else if self.was_followed && !has_tail {
            let gap = Gap { from: end, to: end, after, before: None, missing: self.length };
            found.last = gap.lost().end - 1;
            found.gaps.push(gap);
        }
        if let Some(next) = self.next {
            match found.gaps.last_mut().filter(|gap| gap.before.is_none()) {
                Some(gap) => gap.before = Some(next.max(gap.after + 1)),
                None if next > after + 1 => {
                    found.gaps.push(Gap { from: end, to: end, after, before: Some(next), missing: 0 });
                }
                None => {}
            }
        }
        found
    }

    /// Returns the line in `repaired` for a gap.
    fn line(&self, gap: &Gap) -> String {
        let (from, to) = (gap.from.min(self.bytes.len()), gap.to.min(self.bytes.len()));
        let hash = crate::model::digest::of_text(&self.bytes[from..to]);
        format!("{} {} {} {} {hash:016x}", self.first, gap.from, gap.to, gap.before.unwrap_or(0))
    }
}

/// A piece of damage.
#[derive(Debug)]
pub(super) struct Found {
    pub text: String,
    line: String,
    /// The damaged bytes, to be set aside.
    segment: u64,
    from: usize,
    bytes: Vec<u8>,
}

impl Log {
    /// Returns the head of a segment if the head and the first record are intact, so that the records can be read
    /// from the start.
    pub(super) fn sound_head(&self, open: &OpenFile, first: u64) -> Option<Head> {
        let bytes = self.files.read_at(open, 0, super::end::GLANCE).ok()?;
        let head = Head::decode(&bytes).ok().filter(|head| head.first == first)?;
        let frame = segment::frames(&bytes, HEAD, head.chain).next()?;
        (segment::sequence(&frame) == Some(first)).then_some(head)
    }

    /// Reads a segment; `None` if it does not exist any more, or holds the records of another one.
    pub(super) fn read(&self, first: u64) -> Result<Option<Whole>> {
        let path = self.path(first);
        let open = match self.files.open(&path) {
            Ok(open) => open,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        let bytes = self.files.read(&open).map_err(Error::io("read", &path))?;
        let is_right = |chain: Chain| {
            let found = segment::frames(&bytes, HEAD, chain).next();
            found.is_some_and(|frame| segment::sequence(&frame) == Some(first))
        };
        let told = segment::told_chains(&bytes);
        let told = told.into_iter().find(|chain| is_right(*chain)).unwrap_or(told[0]);
        let (head, is_headless) = match Head::decode(&bytes) {
            Ok(head) if head.first == first => (head, false),
            // The segment was copied or renamed.
            Ok(head) if !is_right(told) || segment::begins_with(&bytes, head.first) => {
                self.note(format!("{}: {WRONG}", path.display()));
                return Ok(None);
            }
            Err(why) if why == segment::LATER && !is_right(told) => {
                return Err(Error::Damaged { what: Damage::Log, path, why: why.into() });
            }
            Ok(_) | Err(_) => (Head { first, chain: told, created: 0, hint: 0, is_old: true }, true),
        };
        // The list is checked first: if it exists now, the next segment has existed before.
        let has_list = size_of(&self.keys_path(first)) > 0;
        let firsts = self.segments()?;
        let next = firsts.iter().copied().find(|other| *other > first);
        let mut before = vec![head.chain];
        if !is_right(head.chain) {
            before.extend((first == 1).then_some(ORIGIN));
            let previous = firsts.into_iter().rev().find(|other| *other < first);
            if let Some(previous) = previous.map(|previous| self.read(previous)).transpose()?.flatten() {
                before.push(previous.scan().chain);
            }
        }
        let length = self.limits().segment();
        let was_followed = has_list && next.is_none();
        Ok(Some(Whole { first, head, bytes, is_headless, before, next, was_followed, length }))
    }

    fn known_path(&self) -> PathBuf {
        self.dir.join("repaired")
    }

    fn known(&self) -> Vec<String> {
        let text = self.files.open(&self.known_path()).and_then(|open| self.files.read(&open));
        String::from_utf8_lossy(&text.unwrap_or_default()).lines().map(str::to_owned).collect()
    }

    /// Reads the records of a segment, and notes its damage that was not known before.
    pub(super) fn scan<'w>(&self, whole: &'w Whole) -> Scan<'w> {
        let scan = whole.scan();
        if !scan.gaps.is_empty() {
            self.unknown(whole, &scan).into_iter().for_each(|found| self.note(found.text));
        }
        scan
    }

    fn note(&self, problem: String) {
        self.problems.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(problem);
    }

    /// Returns the damage of a segment that was not known before.
    pub(super) fn unknown(&self, whole: &Whole, scan: &Scan<'_>) -> Vec<Found> {
        let known = self.known();
        let found = |gap: &Gap| {
            let (from, to) = (gap.from.min(whole.bytes.len()), gap.to.min(whole.bytes.len()));
            Found {
                text: format!("{}: {}", self.path(whole.first).display(), gap.describe()),
                line: whole.line(gap),
                segment: whole.first,
                from: gap.from,
                bytes: whole.bytes[from..to].to_vec(),
            }
        };
        scan.gaps.iter().map(found).filter(|found| !known.contains(&found.line)).collect()
    }

    /// Returns the damage that all reads through this handle have found so far.
    pub fn problems(&self) -> Vec<String> {
        let problems = self.problems.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        problems.iter().cloned().collect()
    }

    /// Sets damaged bytes aside, each piece in a separate file that ends with `.damaged`, and notes them as known
    /// damage. The segments stay, with all their readable records.
    pub(super) fn set_aside_pieces(&self, found: &[Found]) -> Result<()> {
        let mut known = self.known();
        for found in found {
            if !found.bytes.is_empty() {
                let path = self.dir.join(format!("{:020}-{}.damaged", found.segment, found.from));
                self.write_beside(&path, &found.bytes)?;
            }
            known.push(found.line.clone());
        }
        let text: String = known.iter().map(|line| format!("{line}\n")).collect();
        self.write_beside(&self.known_path(), text.as_bytes())?;
        self.files.sync_dir(&self.dir).map_err(Error::io("sync", &self.dir))?;
        self.problems.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
        Ok(())
    }

    /// Renames segments whose names do not match their first records; if the right name is taken, the segment is set
    /// aside.
    pub(super) fn rename_wrong(&self, wrong: &[u64]) -> Result<()> {
        let mut renamed = Vec::new();
        for first in wrong {
            let path = self.path(*first);
            let aside = path.with_extension("damaged");
            self.files.rename(&path, &aside).map_err(Error::io("rename", path))?;
            renamed.push(aside);
        }
        for aside in renamed {
            let bytes = self.files.open(&aside).and_then(|open| self.files.read_at(&open, 0, HEAD));
            let head = bytes.ok().and_then(|bytes| Head::decode(&bytes).ok());
            if let Some(path) = head.map(|head| self.path(head.first)).filter(|path| !path.exists()) {
                self.files.rename(&aside, &path).map_err(Error::io("rename", aside))?;
            }
        }
        Ok(())
    }

    fn write_beside(&self, path: &std::path::Path, bytes: &[u8]) -> Result<()> {
        let files = &self.files;
        let new =
            files.create_unique(&self.dir, "repair").map_err(Error::io("create a file in", &self.dir))?;
        let written = files
            .write(&new, bytes)
            .and_then(|()| files.sync(&new))
            .and_then(|()| files.rename(&new.path, path));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&new.path);
            Error::io("write", path)(error)
        })
    }

    /// Makes other handles notice that a segment is damaged: a handle that has read it keeps using its open file
    /// unless another file is at the path.
    pub(super) fn renew(&self, first: u64) -> Result<()> {
        let path = self.path(first);
        let bytes = self.files.open(&path).and_then(|open| self.files.read(&open));
        let bytes = bytes.map_err(Error::io("read", &path))?;
        self.write_beside(&path, &bytes)
    }

    /// Returns the largest record number in use, as far as the other files in the directory show it: segments that
    /// were set aside, lists of keys, and snapshots.
    pub fn floor(&self) -> u64 {
        let names = |dir: PathBuf| {
            let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
            entries.filter_map(|entry| entry.file_name().into_string().ok())
        };
        let digits = |name: String| {
            let start = name.strip_prefix('@').unwrap_or(&name);
            start.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok())
        };
        let here =
            names(self.dir.clone()).filter(|name| name.len() > 20 && size_of(&self.dir.join(name)) > 0);
        let automatic = names(self.dir.join("snapshots")).filter(|name| name.starts_with('@'));
        here.filter_map(digits).chain(automatic.filter_map(digits)).max().unwrap_or(0)
    }
}
