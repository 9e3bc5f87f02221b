//! Makes a whole map: one pass over the sections writes their blocks; then it makes the index and the orders.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use super::column::{self, NewColumn};
use super::content::{Content, Head, Sections, check, check_name};
use super::encode::{self, Version, parts_for};
use super::new_index::NewIndex;
use crate::error::{Error, Result};
use crate::map::layout::block::{Block, SectionBlock, Split, same};
use crate::map::layout::columns::Columns;
use crate::map::layout::format::{
    At, BUCKET, HEADER, INDEX, KIND_BITS, LEAF_MAX, PART, SECTION, SPLIT_ABOVE, Seq,
};
use crate::map::layout::hash::{Kind, hash, of_column, of_columns, of_part, of_twin, part_number};
use crate::map::layout::header::{Header, Unusable};
use crate::map::layout::index::{BLOCK, Index, SlotId};
use crate::map::layout::region::Region;
use crate::map::layout::source::Source;
use crate::map::read::column::ColumnId;
use crate::map::read::map::Map;

/// The contents of a map besides its sections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Making<'c> {
    /// The seed of the store.
    pub seed: u64,
    /// The commit the map starts from.
    pub base: Seq,
    /// The text it is made from.
    pub source: Source,
    /// How much of the map stays free.
    pub slack: Slack,
    /// The columns that get an index.
    pub columns: &'c Columns,
}

/// The bytes of a map, up to its free space, and its length.
pub(crate) struct Image {
    pub bytes: Vec<u8>,
    pub capacity: usize,
}

impl Map {
    /// Makes a map for this process alone.
    pub fn private(image: &Image) -> std::result::Result<Self, Unusable> {
        Self::new(Region::heap(&image.bytes, image.capacity))
    }
}

/// How full the index of a new map is: eight slots of twelve.
const FILL: (usize, usize) = (8, 12);

/// How much of a new map is free: a share of the used bytes, as a divisor, and at least so many bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slack {
    pub share: usize,
    pub least: usize,
}

impl Slack {
    /// For the first map of a package: most packages are never changed.
    pub const NEW: Self = Self { share: 64, least: 1024 };
    /// For a map that has grown. A package that was changed is usually changed again: with room for about a hundred
    /// small commits, new maps are rare, and so are snapshots that are too old for a new map.
    pub const GROWN: Self = Self { share: 4, least: 32 * 1024 };
}
/// The beginning of generated names.
const GENERATED: &[u8] = b"cfg";
/// Files take whole pages.
const PAGE: usize = 4096;

/// Makes a map of sections.
pub(crate) fn build(package: &[u8], sections: &impl Sections, making: &Making<'_>) -> Result<Image> {
    check_name(package)?;
    let mut builder = Builder::new(package, *making, sections.size_hint())?;
    for (head, options) in sections.sections() {
        builder.section(head, options)?;
    }
    builder.finish()
}

/// A map that is being made.
pub(super) struct Builder<'c> {
    making: Making<'c>,
    package: &'c [u8],
    /// The version of all blocks that have one.
    version: Version,
    out: Vec<u8>,
    names: HashMap<&'c [u8], At, FixedState>,
    /// The option names of the previous section: the next one is likely to have the same.
    before: Vec<(&'c [u8], At)>,
    /// An entry for the index: the hash and the word of its slot.
    entries: Vec<(u64, u32)>,
    /// The key of the section, with a dot behind it.
    key: Vec<u8>,
    /// For each section its entry and its type.
    sections: Vec<(usize, At)>,
    type_before: Option<(&'c [u8], At)>,
    /// Given names that could also be the generated name of a later section.
    like_generated: HashSet<&'c [u8], FixedState>,
    /// The columns that get an index. None, if a section is not found by its name: the index could not be kept up.
    columns: Vec<NewColumn>,
    scratch: Vec<u8>,
}

fn too_large() -> Error {
    Error::invalid(b"package", "too large for a map: 4 GiB is the limit")
}

impl<'c> Builder<'c> {
    /// Begins a map of about `size` bytes.
    pub(super) fn new(package: &'c [u8], making: Making<'c>, size: usize) -> Result<Self> {
        let mut out = Vec::with_capacity(size + size / 8 + 4096);
        out.resize(HEADER, 0);
        encode::name(&mut out, package);
        let mut builder = Self {
            making,
            package,
            key: Vec::new(),
            version: Version { prev: At(0), seq: making.base },
            out,
            names: HashMap::default(),
            before: Vec::new(),
            entries: Vec::new(),
            sections: Vec::new(),
            type_before: None,
            like_generated: HashSet::default(),
            columns: Vec::new(),
            scratch: Vec::new(),
        };
        for (section_type, option) in making.columns.iter() {
            let hash = of_column(making.seed, section_type, option);
            let (section_type, option) = (builder.name(section_type)?, builder.name(option)?);
            builder.columns.push(NewColumn::new(ColumnId { section_type, option, hash }));
        }
        Ok(builder)
    }

    /// Adds the values of a section to the indexes of its columns, before the section is entered. `value_of` finds the
    /// value of an option.
    #[inline(always)]
    fn index_section<V: Content>(&mut self, section_type: At, value_of: impl Fn(At) -> Option<V>) {
        let number = u32::try_from(self.sections.len()).unwrap_or(u32::MAX);
        for column in self.columns.iter_mut().filter(|column| column.id.section_type == section_type) {
            if let Some(value) = value_of(column.id.option) {
                column.add(number, value, &mut self.scratch);
            }
        }
    }

    fn at(&self) -> Result<At> {
        At::of(self.out.len()).ok_or_else(too_large)
    }

    /// Returns the position of a name, and writes it if it is new.
    fn name(&mut self, name: &'c [u8]) -> Result<At> {
        if let Some(at) = self.names.get(name) {
            return Ok(*at);
        }
        check_name(name)?;
        let at = self.at()?;
        encode::name(&mut self.out, name);
        self.entries.push((hash(Kind::Name, self.making.seed, name), at.0 | BLOCK));
        self.names.insert(name, at);
        Ok(at)
    }

    /// As [`Builder::name`], for the option at `index` of a section.
    #[inline]
    pub(super) fn option_name(&mut self, index: usize, name: &'c [u8]) -> Result<At> {
        if let Some((_, at)) = self.before.get(index).filter(|(before, _)| same(before, name)) {
            return Ok(*at);
        }
        let at = self.name(name)?;
        if let Some(before) = self.before.get_mut(index) {
            *before = (name, at);
        } else if index == self.before.len() && index < SPLIT_ABOVE {
            self.before.push((name, at));
        }
        Ok(at)
    }

    /// As [`Builder::name`], for the type of a section.
    pub(super) fn section_type(&mut self, name: &'c [u8]) -> Result<At> {
        if let Some((_, at)) = self.type_before.filter(|(before, _)| *before == name) {
            return Ok(at);
        }
        let at = self.name(name)?;
        self.type_before = Some((name, at));
        Ok(at)
    }

    /// Starts the key of a section, and returns its hash.
    fn start_key(&mut self, section: &[u8]) -> u64 {
        self.key.clear();
        for part in [self.package, b".", section] {
            self.key.extend_from_slice(part);
        }
        let hash = hash(Kind::Key, self.making.seed, &self.key);
        self.key.push(b'.');
        hash
    }

    /// Adds index entries for the records of the block at `at`, whose options are `names`.
    fn enter_records<'n>(&mut self, at: At, kind: u32, names: impl Iterator<Item = &'n [u8]>) {
        let prefix = self.key.len();
        let block = Block { kind, bytes: &self.out[at.offset()..] };
        for (record, name) in (SectionBlock { block }).records().zip(names) {
            self.key.truncate(prefix);
            self.key.extend_from_slice(name);
            let word = at.0 + u32::try_from(record.start / 2).unwrap_or(0);
            self.entries.push((hash(Kind::Key, self.making.seed, &self.key), word));
        }
        self.key.truncate(prefix);
    }

    /// Writes a section with its options, in parts if there are many.
    fn section<V: Content>(
        &mut self,
        head: Head<'c>,
        options: impl Iterator<Item = (&'c [u8], V)>,
    ) -> Result<()> {
        check_name(head.name)?;
        let section_type = self.section_type(head.section_type)?;
        let mut entered: Vec<(&[u8], At, V)> = Vec::with_capacity(self.before.len());
        for (index, (name, value)) in options.enumerate() {
            check(name, value)?;
            let id = self.option_name(index, name)?;
            entered.push((name, id, value));
        }
        if self.is_twin(&head) {
            return self.twin(&head, section_type, &entered);
        }
        if entered.len() > SPLIT_ABOVE {
            return self.split(&head, section_type, &entered);
        }
        self.index_section(section_type, |name| value_of(&entered, name));
        let at = self.at()?;
        let options = entered.iter().map(|(_, id, value)| (*id, Some(*value)));
        encode::section(&mut self.out, self.version, &head, section_type, options);
        let hash = self.start_key(head.name);
        self.enter_section(hash, at, section_type);
        self.enter_records(at, SECTION, entered.iter().map(|(name, ..)| *name));
        Ok(())
    }

    pub(super) fn split<V: Content>(
        &mut self,
        head: &Head<'_>,
        section_type: At,
        options: &[(&[u8], At, V)],
    ) -> Result<()> {
        self.index_section(section_type, |name| value_of(options, name));
        let parts = parts_for(options.len());
        let total = u32::try_from(options.len()).map_err(|_| too_large())?;
        let mut groups: Vec<Vec<u32>> = vec![Vec::new(); parts as usize];
        for (rank, (name, ..)) in (0..).zip(options) {
            let number = part_number(hash(Kind::Name, self.making.seed, name), parts);
            groups[number as usize].push(rank);
        }
        let section = self.start_key(head.name);
        for (number, group) in (0..).zip(&groups) {
            let at = self.at()?;
            let option = |rank: &u32| &options[*rank as usize];
            let written: Vec<_> =
                group.iter().map(|rank| ((option(rank).1, Some(option(rank).2)), *rank)).collect();
            encode::part(&mut self.out, self.version, head.name, number, &written);
            self.entries.push((of_part(section, number), at.0 | BLOCK));
            self.enter_records(at, PART, group.iter().map(|rank| option(rank).0));
        }
        let at = self.at()?;
        encode::split_section(
            &mut self.out,
            self.version,
            head,
            section_type,
            Split { parts, options: total, next_rank: total },
        );
        self.enter_section(section, at, section_type);
        Ok(())
    }

    /// Reports whether the generated name of a section equals the given name of an earlier section.
    fn is_twin(&mut self, head: &Head<'c>) -> bool {
        if head.anonymous {
            return self.like_generated.contains(head.name);
        }
        if head.name.starts_with(GENERATED) {
            self.like_generated.insert(head.name);
        }
        false
    }

    /// Writes a section that look-ups by name cannot find, since its name leads to another section.
    fn twin<V: Content>(
        &mut self,
        head: &Head<'c>,
        section_type: At,
        options: &[(&[u8], At, V)],
    ) -> Result<()> {
        if options.len() > SPLIT_ABOVE {
            let why = "two sections have this name, given and generated, and the second has too many options";
            return Err(Error::invalid(head.name, why));
        }
        self.columns.clear();
        let at = self.at()?;
        let options = options.iter().map(|(_, id, value)| (*id, Some(*value)));
        encode::section(&mut self.out, self.version, head, section_type, options);
        let hash = of_twin(self.start_key(head.name));
        self.enter_section(hash, at, section_type);
        Ok(())
    }

    /// Appends a section that is written already. `records` has the hash of each record's key, and where the record is in
    /// the block, in units of 2 bytes.
    #[cfg_attr(cms_speed, optimize(speed))]
    pub(super) fn append_section(
        &mut self,
        block: &[u8],
        hash: u64,
        section_type: At,
        records: &[(u64, u32)],
    ) -> Result<()> {
        if !self.columns.is_empty() {
            let section = SectionBlock { block: Block { kind: SECTION, bytes: block } };
            self.index_section(section_type, |name| section.find(name));
        }
        let at = self.at()?;
        self.out.extend_from_slice(block);
        self.enter_section(hash, at, section_type);
        self.entries.extend(records.iter().map(|(hash, place)| (*hash, at.0 + place)));
        Ok(())
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn seed(&self) -> u64 {
        self.making.seed
    }

    /// Returns about how many bytes of memory are in use.
    pub(super) fn memory(&self) -> usize {
        let entries = size_of::<(u64, u32)>() * self.entries.len();
        // A table of hashes, and an entry of a map for each name.
        self.out.len() + entries + self.sections.len() * 32 + self.names.len() * 32
    }

    fn enter_section(&mut self, hash: u64, at: At, section_type: At) {
        self.sections.push((self.entries.len(), section_type));
        self.entries.push((hash, at.0 | BLOCK));
    }

    /// Writes index, orders, source and header.
    pub(super) fn finish(mut self) -> Result<Image> {
        for column in &mut self.columns {
            column.parts = column::parts_for(column.cells.len());
        }
        let (mut index, slots) = self.index()?;
        let block = self.out.len();
        let start = (block + 8).next_multiple_of(BUCKET);
        self.out.extend_from_slice(&[0; BUCKET + 8][..start - block]);
        self.out.extend_from_slice(index.bytes());
        let size = u32::try_from(self.out.len() - block).map_err(|_| too_large())? << KIND_BITS | INDEX;
        self.out[block..block + 4].copy_from_slice(&size.to_le_bytes());
        for (type_hash, at) in self.orders(&slots)? {
            index.enter(type_hash, at.0 | BLOCK).ok_or_else(too_large)?;
        }
        for (part_hash, at) in self.write_columns(&slots)? {
            index.enter(part_hash, at.0 | BLOCK).ok_or_else(too_large)?;
        }
        let source = self.at()?;
        encode::source(&mut self.out, &self.making.source.with_columns(self.making.columns));
        self.out[start..start + index.bytes().len()].copy_from_slice(index.bytes());
        self.head(start, index.buckets(), source)
    }

    /// Makes the index, with room for the orders, in separate memory. Also returns the entries' slots.
    fn index(&self) -> Result<(NewIndex, Vec<SlotId>)> {
        let parts: usize = self.columns.iter().map(|column| column.parts as usize + 1).sum();
        let wanted = self.entries.len() + self.names.len() + 1 + parts;
        let mut buckets = u32::try_from((wanted * FILL.1 / FILL.0).div_ceil(12)).map_err(|_| too_large())?;
        loop {
            let mut index = NewIndex::new(buckets);
            if let Some(slots) = index.enter_all(&self.entries) {
                return Ok((index, slots));
            }
            buckets = buckets.checked_add(buckets / 4 + 1).ok_or_else(too_large)?;
        }
    }

    /// Writes the order of all sections and those of the types. Returns their hashes and positions.
    fn orders(&mut self, slots: &[SlotId]) -> Result<Vec<(u64, At)>> {
        let mut of_type: HashMap<u32, Vec<SlotId>, FixedState> = HashMap::default();
        let mut types: Vec<At> = Vec::new();
        let mut all = Vec::with_capacity(self.sections.len());
        for (entry, section_type) in &self.sections {
            let slot = slots[*entry];
            all.push(slot);
            let mine = of_type.entry(section_type.0).or_default();
            if mine.is_empty() {
                types.push(*section_type);
            }
            mine.push(slot);
        }
        let seed = self.making.seed;
        let mut roots = vec![(hash(Kind::Order, seed, b""), self.order(At(0), &all)?)];
        let names: HashMap<u32, &[u8], FixedState> =
            self.names.iter().map(|(name, at)| (at.0, *name)).collect();
        for section_type in types {
            let name = names.get(&section_type.0).copied().unwrap_or_default();
            let slots = of_type.remove(&section_type.0).unwrap_or_default();
            roots.push((hash(Kind::Order, seed, name), self.order(section_type, &slots)?));
        }
        Ok(roots)
    }

    /// Writes the indexes of the columns. Returns the hashes and positions of their parts.
    fn write_columns(&mut self, slots: &[SlotId]) -> Result<Vec<(u64, At)>> {
        let columns = std::mem::take(&mut self.columns);
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let slot =
            |number: u32| self.sections.get(number as usize).map_or(SlotId(0), |(entry, _)| slots[*entry]);
        let made: Vec<_> = columns.iter().map(|column| (column, column.entries(slot))).collect();
        let mut parts = vec![(of_columns(self.making.seed), self.at()?)];
        let ids: Vec<ColumnId> = columns.iter().map(|column| column.id).collect();
        encode::column_list(&mut self.out, self.version, &ids);
        for (column, entries) in made {
            for (number, entries) in (0..).zip(&entries) {
                parts.push((of_part(column.id.hash, number), self.at()?));
                let of = (number, column.parts);
                encode::column_part(&mut self.out, self.version, &column.id, of, entries);
            }
        }
        Ok(parts)
    }

    fn order(&mut self, section_type: At, slots: &[SlotId]) -> Result<At> {
        let mut leaves = Vec::new();
        for chunk in slots.chunks(LEAF_MAX) {
            let count = u32::try_from(chunk.len()).map_err(|_| too_large())?;
            leaves.push((self.at()?, count));
            encode::leaf(&mut self.out, chunk);
        }
        let at = self.at()?;
        encode::order(&mut self.out, self.version, section_type, &leaves);
        Ok(at)
    }

    fn head(mut self, index: usize, buckets: u32, source: At) -> Result<Image> {
        let used = self.out.len();
        let Slack { share, least } = self.making.slack;
        let capacity = (used + used / share + least).next_multiple_of(PAGE);
        let header =
            Header { index: Index { start: index, buckets }, seed: self.making.seed, base: self.making.base };
        header.write(&mut self.out, capacity, used, source).ok_or_else(too_large)?;
        Ok(Image { bytes: self.out, capacity })
    }
}

/// Returns the value of the option whose name is at `name`.
fn value_of<V: Content>(options: &[(&[u8], At, V)], name: At) -> Option<V> {
    options.iter().find(|(_, at, _)| *at == name).map(|(.., value)| *value)
}
