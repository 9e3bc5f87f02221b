//! Compares the newest orders of sections with the sections.

use std::collections::HashMap;

use super::{Checked, Checker, MapDamage, ensure};
use crate::map::layout::block::Order;
use crate::map::layout::format::{At, ORDER};
use crate::map::layout::index::SlotId;

const WRONG: &str = "the order of sections is wrong";

impl Checker<'_> {
    pub(crate) fn orders(&self) -> Checked<()> {
        let Some(all) = self.map.order(None, None) else {
            return ensure(false, "there is no order of sections", 0);
        };
        let mut listed = vec![false; self.led.len()];
        let mut of_type: HashMap<u32, Vec<SlotId>> = HashMap::new();
        // No slot is visited twice, which bounds this loop for any leaves.
        for slot in all.slots() {
            let offset = self.map.index.word_of(slot);
            let new = listed.get_mut(slot.0 as usize).is_some_and(|listed| !std::mem::replace(listed, true));
            let section = self.map.section_in(slot, None).filter(|_| new);
            let section = section.ok_or(MapDamage { what: WRONG, offset })?;
            of_type.entry(section.block.type_word()).or_default().push(slot);
        }
        let count = of_type.values().map(Vec::len).sum::<usize>();
        ensure(count == self.live && count == all.len(), WRONG, 0)?;
        for (at, kind) in &self.blocks {
            if *kind == ORDER {
                self.order_of_type(*at, &mut of_type)?;
            }
        }
        ensure(of_type.is_empty(), "a type has no order of its sections", 0)
    }

    /// Compares the order at `at`, if it is the newest order of a type, with the sections of that type in the order
    /// of all sections.
    fn order_of_type(&self, at: At, of_type: &mut HashMap<u32, Vec<SlotId>>) -> Checked<()> {
        let Some(block) = self.map.block(at, ORDER).filter(|block| block.type_word() != 0) else {
            return Ok(());
        };
        let newest = self.map.find_order(self.map.name(At(block.type_word())));
        if newest.is_none_or(|newest| newest.at != at) {
            return Ok(());
        }
        let expected = of_type.remove(&block.type_word()).unwrap_or_default();
        let order = Order { region: &self.map.region, block };
        ensure(order.slots().eq(expected), "the order of a type's sections is wrong", at.offset())
    }
}
