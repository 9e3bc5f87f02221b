//! Checks each block by itself, and that its hash leads to it.

use std::sync::atomic::Ordering;

use super::{Checked, Checker, MapDamage, ensure};
use crate::map::layout::block::{Block, Order};
use crate::map::layout::format::{
    At, COLUMN, HEADER, L_COUNT, L_SLOTS, LEAF, LEAF_MAX, N_BYTES, NAME, O_ENTRIES, O_ENTRY, O_LEAVES, ORDER,
    PART, S_NAME, SECTION, SOURCE, SRC_SIZE, Seq, W_BEGUN, W_SOURCE, X_ENTRIES, even,
};
use crate::map::layout::index::{Found, SlotId};
use crate::model::digest::u32_at;

const NOT_FOUND: &str = "a block is not found by its name";

impl Checker<'_> {
    pub(crate) fn block(&mut self, at: At, kind: u32) -> Checked<()> {
        let offset = at.offset();
        let Some(block) = self.map.block(at, kind) else {
            return ensure(false, "a block is gone", offset);
        };
        match kind {
            NAME => self.name_block(at, &block),
            SECTION | PART => {
                self.version(at, &block, S_NAME)?;
                self.section(at, block)
            }
            ORDER => {
                self.version(at, &block, O_ENTRIES)?;
                self.order_block(at, block)
            }
            LEAF => self.leaf(offset, &block),
            SOURCE => self.source(at, &block),
            COLUMN => {
                self.version(at, &block, X_ENTRIES)?;
                self.column(at, block)
            }
            _ => Ok(()),
        }
    }

    fn name_block(&mut self, at: At, block: &Block<'_>) -> Checked<()> {
        let offset = at.offset();
        let sized = |name: &[u8]| block.bytes.len() == even(N_BYTES + name.len() + 1);
        let ended = |name: &[u8]| block.bytes.get(N_BYTES + name.len()) == Some(&0);
        let Some(name) = block.name().filter(|name| sized(name) && ended(name)) else {
            return ensure(false, "a name is not as long as its block", offset);
        };
        if offset == HEADER {
            // The block of the package's name is found by its position.
            return Ok(());
        }
        let is_it = |at: At| self.is_block(at, NAME) && self.map.name(at) == Some(name);
        let found = self.map.index.find(&self.map.region, self.map.name_hash(name), is_it);
        match found {
            Some(found) if found.at == at => self.lead(found.slot),
            _ => return ensure(false, NOT_FOUND, offset),
        }
        Ok(())
    }

    /// Checks the head that all blocks with versions have: the version before must be older.
    fn version(&self, at: At, block: &Block<'_>, least: usize) -> Checked<()> {
        let offset = at.offset();
        ensure(block.bytes.len() >= least, "a block is too small", offset)?;
        // Acquire: as everywhere.
        let begun = Seq(self.map.region.load(W_BEGUN, Ordering::Acquire));
        ensure(!block.seq().is_after(begun), "a block is of a commit to come", offset)?;
        if block.prev().0 == 0 {
            return Ok(());
        }
        let prev = Block::at(&self.map.region, block.prev()).filter(|prev| {
            // The first version of a part follows the last version of the unsplit section.
            let kind = prev.kind == block.kind || (block.kind == PART && prev.kind == SECTION);
            kind && self.is_block(block.prev(), prev.kind) && block.prev().0 < at.0
        });
        let older = prev.is_some_and(|prev| prev.bytes.len() >= least && !prev.seq().is_after(block.seq()));
        ensure(older, "the version before is gone", offset)
    }

    /// Notes the slot in which a block was found, if it is the newest version. No slot leads to an older version.
    pub(crate) fn newest(&mut self, at: At, found: Option<Found>, heir: bool) -> Checked<bool> {
        let Some(found) = found else { return Err(MapDamage { what: NOT_FOUND, offset: at.offset() }) };
        ensure(found.at.0 >= at.0 || heir, "a slot leads to an old version", at.offset())?;
        if found.at == at {
            self.lead(found.slot);
        }
        Ok(found.at == at)
    }

    fn order_block(&mut self, at: At, block: Block<'_>) -> Checked<()> {
        let offset = at.offset();
        let leaves = u32_at(block.bytes, O_LEAVES) as usize;
        let fits = block.bytes.len() - O_ENTRIES == leaves.saturating_mul(O_ENTRY);
        ensure(fits, "an order is not as long as its block", offset)?;
        let order = Order { region: &self.map.region, block };
        let mut total = 0_usize;
        for (leaf, count) in order.leaves() {
            let there = self.is_block(leaf, LEAF) && leaf.0 < at.0;
            let counted = self.map.block(leaf, LEAF).map(|leaf| u32_at(leaf.bytes, L_COUNT) as usize);
            ensure(there && counted == Some(count), "a leaf of an order is gone", offset)?;
            total = total.saturating_add(count);
        }
        ensure(total == order.len(), "an order has another number of sections", offset)?;
        let named = match block.type_word() {
            0 => None,
            name => Some(self.name(At(name), offset)?),
        };
        self.newest(at, self.map.find_order(named), false).map(|_| ())
    }

    fn leaf(&self, offset: usize, block: &Block<'_>) -> Checked<()> {
        let count = u32_at(block.bytes, L_COUNT) as usize;
        let fits = (1..=LEAF_MAX).contains(&count) && block.bytes.len() == L_SLOTS + count * 4;
        ensure(fits, "a leaf is not as long as its block", offset)?;
        let slots = block.bytes.get(L_SLOTS..).unwrap_or_default().chunks_exact(4);
        let known = slots.map(|slot| SlotId(u32_at(slot, 0))).all(|slot| slot.0 < self.map.index.slots());
        ensure(known, "an order has a section that cannot be", offset)
    }

    fn source(&self, at: At, block: &Block<'_>) -> Checked<()> {
        ensure(block.bytes.len() == SRC_SIZE, "what tells the text is of another size", at.offset())?;
        // Acquire: as everywhere.
        let newest = At(self.map.region.load(W_SOURCE, Ordering::Acquire));
        ensure(at.0 <= newest.0 && self.is_block(newest, SOURCE), "another text is recorded", W_SOURCE)
    }
}
