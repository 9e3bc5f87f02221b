//! Applies recorded changes in order: staged ones, and those of a transaction.

use crate::error::Result;
use crate::model::change::{Delta, DeltaKind};
use crate::model::dialect::Dialect;
use crate::model::package::Package;

/// Applies the lines of one delta file in order.
///
/// A staged `add` names its section by the generated name it had then. If a section of that name was made since, the
/// added section gets another name, and later lines with the old name apply to the added section.
#[derive(Debug)]
pub(crate) struct Replay {
    dialect: Dialect,
    renamed: Vec<(Vec<u8>, Vec<u8>)>,
    pub followups: Vec<Delta>,
}

impl Replay {
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, renamed: Vec::new(), followups: Vec::new() }
    }

    pub fn apply(&mut self, package: &mut Package, delta: &Delta) -> Result<()> {
        if self.dialect == Dialect::Uci {
            let recorded = package.apply(delta, self.dialect)?;
            // A hand-written empty value deletes the option; stock uci records that deletion once more.
            self.followups.extend(
                recorded.filter(|recorded| recorded.kind != delta.kind && delta.kind == DeltaKind::Set),
            );
            return Ok(());
        }
        let taken = package.section(&delta.section).is_some();
        if delta.kind == DeltaKind::Add && delta.option.is_none() && taken {
            let name = package.add_section(delta.value.as_deref().unwrap_or_default())?;
            self.renamed.retain(|(old, _)| *old != delta.section);
            self.renamed.push((delta.section.clone(), name.into_bytes()));
            return Ok(());
        }
        match self.renamed.iter().find(|(old, _)| *old == delta.section) {
            Some((_, new)) => package.make(&Delta { section: new.clone(), ..delta.clone() }, self.dialect)?,
            None => package.make(delta, self.dialect)?,
        };
        Ok(())
    }
}
