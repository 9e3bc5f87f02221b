//! The commands that change something: `set`, `add_list`, `del_list`, `delete`, `rename`, `reorder`.
//!
//! Some of what stock uci stages is refused when it is read back. Scripts rely on the exit codes, so such
//! lines are staged here as well; the `cms` command refuses them.

use cms::{Delta, DeltaKind, name};

use super::tuple::{Failure, Lookup};
use super::{Outcome, Session};

impl Session {
    pub(super) fn edit(&mut self, command: &[u8], mut lookup: Lookup) -> Outcome {
        let delta = match command {
            b"set" => set(&lookup)?,
            b"add_list" => list(&lookup, DeltaKind::AddList)?,
            b"del_list" => list(&lookup, DeltaKind::DelList)?,
            b"delete" | b"del" => Some(delete(&lookup)?),
            b"rename" | b"ren" => Some(rename(&lookup)?),
            _ => Some(reorder(&lookup)?),
        };
        let recorded = match delta {
            None => None,
            Some(delta) if is_dead(&delta) => Some(delta),
            Some(delta) => {
                let dialect = self.settings.store.options().get_dialect();
                lookup.loaded.package.apply(&delta, dialect)?
            }
        };
        self.save(lookup.loaded, recorded.into_iter().collect())
    }
}

/// Reports whether a change cannot be read back once it is staged.
fn is_dead(delta: &Delta) -> bool {
    match delta.kind {
        DeltaKind::AddList => delta.option.is_none(),
        DeltaKind::Set => !name::is_name(&delta.section),
        _ => false,
    }
}

fn delta(lookup: &Lookup, kind: DeltaKind) -> Delta {
    let section = lookup.section.as_deref().unwrap_or_default();
    Delta::new(kind, section, lookup.tuple.option.as_deref(), lookup.tuple.value.as_deref())
}

fn set(lookup: &Lookup) -> Result<Option<Delta>, Failure> {
    let value = lookup.tuple.value.as_deref().ok_or(Failure::Invalid)?;
    let exists = lookup.found_section().is_some();
    match (&lookup.section, &lookup.tuple.option) {
        (None, _) => return Err(Failure::Invalid),
        (Some(_), Some(_)) if !exists => return Err(Failure::Invalid),
        (Some(_), None) if !value.is_empty() && !name::is_type(value) => return Err(Failure::Invalid),
        _ => {}
    }
    let nothing = value.is_empty() && !lookup.is_complete();
    Ok((!nothing).then(|| delta(lookup, DeltaKind::Set)))
}

fn list(lookup: &Lookup, kind: DeltaKind) -> Result<Option<Delta>, Failure> {
    if lookup.found_section().is_none() || lookup.tuple.value.is_none() {
        return Err(Failure::Invalid);
    }
    let nothing = kind == DeltaKind::DelList && lookup.tuple.option.is_none();
    Ok((!nothing).then(|| delta(lookup, kind)))
}

fn delete(lookup: &Lookup) -> Result<Delta, Failure> {
    let value = lookup.tuple.value.as_deref().unwrap_or_default();
    if !value.is_empty() && name::integer_prefix(value).is_none() {
        return Err(Failure::Silent);
    }
    if !lookup.is_complete() {
        return Err(Failure::NotFound);
    }
    if lookup.section.is_none() {
        return Err(Failure::Invalid);
    }
    Ok(delta(lookup, DeltaKind::Delete))
}

fn rename(lookup: &Lookup) -> Result<Delta, Failure> {
    if !lookup.is_complete() {
        return Err(Failure::NotFound);
    }
    if lookup.section.is_none() || lookup.tuple.value.is_none() {
        return Err(Failure::Invalid);
    }
    Ok(delta(lookup, DeltaKind::Rename))
}

fn reorder(lookup: &Lookup) -> Result<Delta, Failure> {
    if lookup.found_section().is_none() || lookup.tuple.value.is_none() {
        return Err(Failure::NotFound);
    }
    let mut delta = delta(lookup, DeltaKind::Reorder);
    delta.option = None;
    Ok(delta)
}
