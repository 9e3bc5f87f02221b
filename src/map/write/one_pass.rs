//! Makes a map of UCI text in one pass: each line becomes a record at once, without a package in between.
//!
//! That works for texts as nearly all are. One with an error, a word of several parts, or a section or an option that
//! comes twice is left to `build`, which also defines the result: both make the same bytes.

use std::borrow::Cow;
use std::collections::HashSet;

use foldhash::fast::FixedState;

use super::build::{Builder, Image, Making};
use super::content::{Head, check_name};
use crate::error::{Error, Result, memory};
use crate::format::uci::{Command, Opened, Statement, Statements, Word};
use crate::map::layout::block::{Record, block_checksum, same};
use crate::map::layout::format::{
    At, B_CHECKSUM, B_SIZE, F_ANONYMOUS, KIND_BITS, LEN_BITS, MAX_LEN, R_VALUE, S_COUNT, S_FLAGS, S_NAME,
    S_NAME_LEN, SECTION, SPLIT_ABOVE, V_PREV, V_SEQ, V_TYPE, W_VALUE, WIDE, WIDE_LEN_BITS, behind_name, even,
};
use crate::map::layout::hash::{Kind, hash};
use crate::model::dialect::Dialect;
use crate::model::digest::u16_at;
use crate::model::name::{MAX_VALUE, generated};
use crate::model::package::MAX_TEXT;
use crate::model::value_type::ValueType;

/// How many options are read between two reports of progress.
const REPORT: usize = 0x4000;

/// Makes a map of the text of a package; `None` if the text has to be read as a package first. `progress` is called now
/// and then with the number of bytes read and the number of all bytes.
///
/// # Errors
///
/// [`Error::OutOfMemory`], and those of `build`.
pub(crate) fn build_of_text(
    package: &[u8],
    text: &[u8],
    making: &Making<'_>,
    progress: Option<&dyn Fn(usize, usize)>,
) -> Result<Option<Image>> {
    check_name(package)?;
    if text.len() > MAX_TEXT {
        return Ok(None);
    }
    let mut pass = OnePass::new(package, text, making)?;
    match pass.read_all(text, progress) {
        Ok(()) => pass.builder.finish().map(Some),
        Err(Stop::Unusual) => Ok(None),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// Why a text was not read to its end.
enum Stop {
    /// It is not of the usual form.
    Unusual,
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

type Step = std::result::Result<(), Stop>;

struct OnePass<'c> {
    builder: Builder<'c>,
    /// The hashes of all sections.
    sections: Hashes,
    /// How large the map may become before more memory is asked for.
    room: usize,
    /// Whether a section is open; what follows describes it.
    open: bool,
    section_hash: u64,
    section_type: At,
    /// Its block, up to `used`.
    block: Vec<u8>,
    used: usize,
    /// The name of the package with a dot behind it, up to `package`; then the name of the section with a dot behind
    /// it, up to `prefix`.
    key: Vec<u8>,
    package: usize,
    prefix: usize,
    /// Its options so far.
    count: usize,
    names: Vec<(At, &'c [u8])>,
    /// For each the hash of its key, and where its record is in the block, in units of 2 bytes.
    records: Vec<(u64, u32)>,
    /// A bit for each name, which differs for most names.
    seen: u64,
    /// Where the names are, if they are so many that the section is split.
    many: HashSet<u32, FixedState>,
    /// The last option, if it is a list.
    list: Option<OpenList<'c>>,
}

/// A list that may get more items.
#[derive(Clone, Copy)]
struct OpenList<'c> {
    name: &'c [u8],
    id: At,
    /// Where its record starts in the block.
    start: usize,
    /// How many bytes its items take.
    len: usize,
}

impl<'c> OnePass<'c> {
    fn new(package: &'c [u8], text: &'c [u8], making: &Making<'c>) -> Result<Self> {
        memory::check_available(text.len().saturating_mul(2))?;
        Ok(Self {
            builder: Builder::new(package, *making, text.len())?,
            sections: Hashes::default(),
            room: text.len(),
            open: false,
            section_hash: 0,
            section_type: At(0),
            block: vec![0; 4096],
            used: 0,
            key: [package, &b"."[..], &[0; 128]].concat(),
            package: package.len() + 1,
            prefix: 0,
            count: 0,
            names: vec![(At(0), &[]); SPLIT_ABOVE],
            records: vec![(0, 0); SPLIT_ABOVE],
            seen: 0,
            many: HashSet::default(),
            list: None,
        })
    }

    #[cfg_attr(cms_speed, optimize(speed))]
    fn read_all(&mut self, text: &'c [u8], progress: Option<&dyn Fn(usize, usize)>) -> Step {
        let mut statements = Statements::new(text, Dialect::Cms, true);
        for number in 1_usize.. {
            if self.open
                && let Some(line) = statements.plain_option()
            {
                if line.is_list || !line.value.is_empty() {
                    self.option(&text[line.name], &text[line.value], line.is_list)?;
                }
            } else if let Some(section) = statements.plain_section() {
                self.end_section()?;
                self.section(&text[section.section_type], &text[section.name])?;
            } else {
                match statements.next(Opened { package: true, section: self.open }) {
                    Ok(Some(statement)) => self.statement(&statement)?,
                    Ok(None) => break,
                    // `build` reports the error.
                    Err(_) => return Err(Stop::Unusual),
                }
            }
            if number.is_multiple_of(REPORT)
                && let Some(progress) = progress
            {
                progress(statements.position(), text.len());
            }
        }
        self.end_section()?;
        if let Some(progress) = progress {
            progress(text.len(), text.len());
        }
        Ok(())
    }

    fn statement(&mut self, statement: &Statement<'c>) -> Step {
        match statement.command {
            Command::Package => Ok(()),
            Command::Config => {
                self.end_section()?;
                self.section(in_text(&statement.first)?, in_text(&statement.second)?)
            }
            Command::Option if statement.second.is_empty() => Ok(()),
            command => {
                let (name, value) = (in_text(&statement.first)?, in_text(&statement.second)?);
                self.option(name, value, command == Command::List)
            }
        }
    }

    /// Begins a section; without a name it is anonymous.
    #[cfg_attr(cms_speed, optimize(speed))]
    fn section(&mut self, section_type: &'c [u8], given: &[u8]) -> Step {
        self.make_room()?;
        let generated = match given.is_empty() {
            true => generated(self.sections.count.wrapping_add(1), section_type),
            false => String::new(),
        };
        let name = if given.is_empty() { generated.as_bytes() } else { given };
        check_name(name)?;
        self.section_type = self.builder.section_type(section_type)?;
        self.section_hash = self.hash(self.package, name);
        if !self.sections.insert(self.section_hash) {
            return Err(Stop::Unusual);
        }
        self.prefix = self.package + name.len() + 1;
        self.key[self.prefix - 1] = b'.';
        (self.open, self.count, self.seen, self.list) = (true, 0, 0, None);
        self.many.clear();
        let used = behind_name(name.len());
        self.grow_block(used)?;
        self.used = used;
        let version = self.builder.version();
        let flags = if given.is_empty() { F_ANONYMOUS } else { 0 };
        let name_len = u16::try_from(name.len()).expect("checked before");
        let block = &mut self.block[..self.used];
        block[V_PREV..V_PREV + 4].copy_from_slice(&version.prev.0.to_le_bytes());
        block[V_SEQ..V_SEQ + 4].copy_from_slice(&version.seq.0.to_le_bytes());
        block[V_TYPE..V_TYPE + 4].copy_from_slice(&self.section_type.0.to_le_bytes());
        block[S_NAME_LEN..S_NAME_LEN + 2].copy_from_slice(&name_len.to_le_bytes());
        block[S_FLAGS..S_FLAGS + 2].copy_from_slice(&flags.to_le_bytes());
        let (place, end) = block[S_NAME..].split_at_mut(name.len());
        copy(place, name);
        end.fill(0);
        Ok(())
    }

    /// Adds an option, or an item to the list that is open.
    #[cfg_attr(cms_speed, optimize(speed))]
    fn option(&mut self, name: &'c [u8], value: &'c [u8], is_list: bool) -> Step {
        if is_list
            && let Some(list) = self.list
            && same(list.name, name)
        {
            return self.item(list, value);
        }
        // The first item of a list is written as a string is.
        let len = value.len() + 1;
        if len > MAX_VALUE {
            return Err(Stop::Unusual);
        }
        let id = self.builder.option_name(self.count, name)?;
        if self.is_double(id) {
            return Err(Stop::Unusual);
        }
        let start = self.used;
        if self.count == self.names.len() {
            self.names.resize(self.count * 2, (At(0), &[]));
            self.records.resize(self.count * 2, (0, 0));
        }
        self.names[self.count] = (id, name);
        self.records[self.count] =
            (self.hash(self.prefix, name), u32::try_from(start / 2).unwrap_or(u32::MAX));
        self.count += 1;
        self.list = is_list.then_some(OpenList { name, id, start, len });
        self.grow_block(start + W_VALUE + len + 1)?;
        let record = &mut self.block[start..];
        let value_type = if is_list { ValueType::List } else { ValueType::String };
        let head = match narrow(id, start, len, value_type) {
            Some(head) => {
                record[..R_VALUE].copy_from_slice(&head);
                R_VALUE
            }
            None => {
                record[..W_VALUE].copy_from_slice(&wide(id, start, len, value_type));
                W_VALUE
            }
        };
        let record = &mut record[head..][..value.len() + 2];
        let (place, end) = record.split_at_mut(value.len());
        copy(place, value);
        end.copy_from_slice(&[0; 2]);
        self.used = even(start + head + len);
        Ok(())
    }

    /// Reports whether the section has an option of that name.
    #[inline(always)]
    fn is_double(&mut self, name: At) -> bool {
        if self.count >= SPLIT_ABOVE {
            return self.is_double_of_many(name);
        }
        let bit = 1 << (name.0.wrapping_mul(0x9e37_79b9) >> 26);
        let maybe = self.seen & bit != 0;
        self.seen |= bit;
        maybe && self.names[..self.count].iter().any(|(other, _)| other.0 == name.0)
    }

    fn is_double_of_many(&mut self, name: At) -> bool {
        if self.many.is_empty() {
            self.many.extend(self.names[..self.count].iter().map(|(other, _)| other.0));
        }
        !self.many.insert(name.0)
    }

    /// Hashes the key of a section or option: its name is put into the key at `at`.
    #[inline(always)]
    fn hash(&mut self, at: usize, name: &[u8]) -> u64 {
        let end = at + name.len();
        if self.key.len() <= end {
            self.key.resize(end * 2, 0);
        }
        copy(&mut self.key[at..end], name);
        hash(Kind::Key, self.builder.seed(), &self.key[..end])
    }

    /// Appends an item to the last option.
    fn item(&mut self, list: OpenList<'c>, value: &[u8]) -> Step {
        let OpenList { start, id, len: before, .. } = list;
        let is_wide = self.block[start..][..2] == WIDE.to_le_bytes();
        let len = before + value.len() + 1;
        if len > MAX_VALUE {
            return Err(Stop::Unusual);
        }
        self.grow_block(start + W_VALUE + len + 1)?;
        let head = match narrow(id, start, len, ValueType::List).filter(|_| !is_wide) {
            Some(head) => {
                self.block[start..][..R_VALUE].copy_from_slice(&head);
                R_VALUE
            }
            None => {
                if !is_wide {
                    let items = start + R_VALUE;
                    self.block.copy_within(items..items + before, start + W_VALUE);
                }
                self.block[start..][..W_VALUE].copy_from_slice(&wide(id, start, len, ValueType::List));
                W_VALUE
            }
        };
        let (place, behind) = self.block[start + head + before..].split_at_mut(value.len());
        place.copy_from_slice(value);
        behind[..2].copy_from_slice(&[0; 2]);
        self.list = Some(OpenList { len, ..list });
        self.used = even(start + head + len);
        Ok(())
    }

    /// Appends the block of the open section to the map.
    #[cfg_attr(cms_speed, optimize(speed))]
    fn end_section(&mut self) -> Step {
        if !self.open {
            return Ok(());
        }
        if self.count > SPLIT_ABOVE {
            return self.end_large_section();
        }
        let (block, count) = (&mut self.block[..self.used], self.count);
        let size = u32::try_from(self.used).expect("values were checked") << KIND_BITS | SECTION;
        block[B_SIZE..B_SIZE + 4].copy_from_slice(&size.to_le_bytes());
        block[S_COUNT..S_COUNT + 2].copy_from_slice(&u16::try_from(count).expect("few").to_le_bytes());
        let checksum = block_checksum(block);
        block[B_CHECKSUM..B_CHECKSUM + 4].copy_from_slice(&checksum.to_le_bytes());
        let records = &self.records[..count];
        self.builder.append_section(block, self.section_hash, self.section_type, records)?;
        Ok(())
    }

    /// Splits the open section: its options are taken from the records that were written.
    fn end_large_section(&mut self) -> Step {
        let block = &self.block[..self.used];
        let name_len = usize::from(u16_at(block, S_NAME_LEN));
        let anonymous = u16_at(block, S_FLAGS) & F_ANONYMOUS != 0;
        let head = Head { name: &block[S_NAME..S_NAME + name_len], section_type: &[], anonymous };
        let written = self.names[..self.count].iter().zip(&self.records);
        let option = |((id, name), (_, place)): (&(At, &'c [u8]), &(u64, u32))| {
            let record = Record::at(block, At(*place).offset())?;
            Some((*name, *id, record.value?))
        };
        let options: Vec<_> = written.map(option).collect::<Option<_>>().ok_or(Stop::Unusual)?;
        self.builder.split(&head, self.section_type, &options)?;
        Ok(())
    }

    #[inline(always)]
    fn grow_block(&mut self, len: usize) -> Result<()> {
        if self.block.len() < len { self.make_block(len) } else { Ok(()) }
    }

    #[cold]
    fn make_block(&mut self, len: usize) -> Result<()> {
        // The block, and its options and index if the section is large.
        memory::check_available(len.saturating_mul(8))?;
        let mut larger = vec![0; len * 2];
        larger[..self.used].copy_from_slice(&self.block[..self.used]);
        self.block = larger;
        Ok(())
    }

    /// Checks that there is memory for the map to grow, before much of it is used.
    fn make_room(&mut self) -> Result<()> {
        let used = self.builder.memory();
        if used > self.room {
            // Until the next check the map doubles, in vectors that do so as well; and the index is still to come.
            memory::check_available(used.saturating_mul(6))?;
            self.room = used.saturating_mul(2);
        }
        Ok(())
    }
}

/// Copies bytes to a place of the same length. Most have up to 48 bytes: a call would take longer.
#[inline(always)]
fn copy(place: &mut [u8], bytes: &[u8]) {
    let len = bytes.len();
    if !(8..=48).contains(&len) || place.len() != len {
        return place.copy_from_slice(bytes);
    }
    let mut piece = |at: usize| place[at..at + 8].copy_from_slice(&bytes[at..at + 8]);
    let mut at = 0;
    while at + 8 < len {
        piece(at);
        at += 8;
    }
    // The last piece may overlap the one before.
    piece(len - 8);
}

/// Returns the value of a word if it is a slice of the text.
fn in_text<'c>(word: &Word<'c>) -> std::result::Result<&'c [u8], Stop> {
    match word.value {
        Cow::Borrowed(value) => Ok(value),
        Cow::Owned(_) => Err(Stop::Unusual),
    }
}

/// Returns the head of a record, if it fits into 16 bits for each number.
#[inline(always)]
fn narrow(name: At, start: usize, len: usize, value_type: ValueType) -> Option<[u8; R_VALUE]> {
    let name = u16::try_from(name.0).ok().filter(|name| *name != WIDE)?;
    let back = u16::try_from(start / 2).ok()?;
    let len = u16::try_from(len).ok().filter(|len| *len <= MAX_LEN)?;
    let len = len | u16::from(value_type.number()) << LEN_BITS;
    let [a, b, c, d, e, f, ..] =
        (u64::from(name) | u64::from(back) << 16 | u64::from(len) << 32).to_le_bytes();
    Some([a, b, c, d, e, f])
}

/// Returns the head of a wide record. Its value and block were checked.
fn wide(name: At, start: usize, len: usize, value_type: ValueType) -> [u8; W_VALUE] {
    let back = u32::try_from(start / 2).expect("a block is smaller");
    let len = u32::try_from(len).expect("checked before") | u32::from(value_type.number()) << WIDE_LEN_BITS;
    let mut head = [0; W_VALUE];
    head.copy_from_slice([u32::from(WIDE), name.0, back, len].map(u32::to_le_bytes).as_flattened());
    head
}

/// A set of hashes.
#[derive(Default)]
struct Hashes {
    /// A power of two, at least twice as many as there are hashes; 0 is free.
    table: Vec<u64>,
    count: u32,
}

impl Hashes {
    /// Adds a hash; returns whether it is new.
    #[cfg_attr(cms_speed, optimize(speed))]
    fn insert(&mut self, hash: u64) -> bool {
        if self.count as usize * 2 >= self.table.len() {
            let larger = (self.table.len() * 4).max(256);
            let old = std::mem::replace(&mut self.table, vec![0; larger]);
            old.into_iter().filter(|hash| *hash != 0).for_each(|hash| {
                self.place(hash);
            });
        }
        let new = self.place(hash.max(1));
        self.count += u32::from(new);
        new
    }

    #[inline(always)]
    fn place(&mut self, hash: u64) -> bool {
        let mask = self.table.len() - 1;
        // The index uses the upper bits: so neighbours there are no neighbours here.
        let mut at = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0) & mask;
        while self.table[at] != 0 {
            if self.table[at] == hash {
                return false;
            }
            at = (at + 1) & mask;
        }
        self.table[at] = hash;
        true
    }
}
