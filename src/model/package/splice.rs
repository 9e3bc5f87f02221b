//! Replaces one section or one value of a text without reading the rest of it.
//!
//! This is a shortcut for the simplest cases. In all others the functions return `None`, and the whole text is read.

use std::ops::Range;
use std::sync::Arc;

use crate::bytes;

use super::{ADDED, MAX_TEXT, OptionData, OptionId, Package, SectionData, SectionId, SharedVec, Slot, Span};

impl Package {
    /// Returns the lines of a section in the text of a package that was just read, for formats in which a section ends
    /// where the next one begins: from the line of its type to that of the next section's. `continues` reports whether
    /// the line behind a text belongs to the statement before it.
    pub(crate) fn section_text(
        &self,
        section: &[u8],
        continues: impl Fn(&[u8]) -> bool,
    ) -> Option<Range<usize>> {
        let id = self.section_id(section).filter(|_| !self.duplicates && self.is_as_read())?;
        let line_of = |data: &SectionData| {
            let at = Some(data.kind.start).filter(|start| start & ADDED == 0)? as usize;
            let start = bytes::find_last(b'\n', &self.text.source[..at]).map_or(0, |newline| newline + 1);
            (!continues(&self.text.source[..start])).then_some(start)
        };
        let start = line_of(self.data(id)).filter(|_| !self.data(id).anonymous)?;
        let end = match self.sections.get(id.0 as usize + 1) {
            Some(next) => line_of(next)?,
            None => self.text.source.len(),
        };
        (start < end).then_some(start..end)
    }

    /// Reports whether no section was added, deleted or moved since the package was read.
    fn is_as_read(&self) -> bool {
        let in_order = self.order.iter().zip(0..).all(|(id, index)| *id == index);
        in_order && self.order.len() == self.sections.len()
    }

    /// Reports whether `piece`, read from the text at `start` alone, is the whole section and nothing else: each word
    /// has the same position as in the whole text.
    pub(crate) fn is_same_section(&self, section: &[u8], start: usize, piece: &Self) -> bool {
        let (Some(id), [other]) = (self.section_id(section), piece.sections.as_slice()) else { return false };
        let data = self.data(id);
        let same = |a: Span, b: Span| {
            let moved = b.start as usize + if b.start & ADDED == 0 { start } else { 0 };
            let in_place = (a.start | b.start) & ADDED != 0 || a.start as usize == moved;
            in_place && (a.start ^ b.start) & ADDED == 0 && self.text.get(a) == piece.text.get(b)
        };
        let same_option = |(a, b): (&OptionData, &OptionData)| {
            let value = match (a.value, b.value) {
                (Slot::String(a), Slot::String(b)) => same(a, b),
                (Slot::List(a), Slot::List(b)) => {
                    let (a, b) = (&self.lists[a as usize], &piece.lists[b as usize]);
                    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(*a, *b))
                }
                _ => false,
            };
            a.alive && b.alive && value && a.value_type == b.value_type && same(a.name, b.name)
        };
        !piece.duplicates
            && data.anonymous == other.anonymous
            && same(data.kind, other.kind)
            && same(data.name, other.name)
            && data.options.len() == other.options.len()
            && data.options.iter().zip(other.options.iter()).all(same_option)
    }

    /// Returns the package as it would be read from the text with the piece of one section replaced by another.
    /// `None` if that would not save time.
    pub(crate) fn with_section(&self, section: &[u8], place: Range<usize>, piece: &Self) -> Option<Self> {
        let id = self.section_id(section)?;
        let [new] = piece.sections.as_slice() else { return None };
        // The added bytes of replaced sections are never freed, so do this only a limited number of times.
        let added = self.text.added.len() + piece.text.added.len();
        if !piece.text.added.is_empty() && added > self.text.source.len() / 2 {
            return None;
        }
        let mut package = self.replaced(&place, &piece.text.source)?;
        package.text.added.extend_from_slice(&piece.text.added);
        let (start, before) = (u32::try_from(place.start).ok()?, u32::try_from(self.text.added.len()).ok()?);
        let taken = |span: Span| Span {
            start: span.start + if span.start & ADDED == 0 { start } else { before },
            ..span
        };
        package.put_section(id, new, &piece.lists, taken);
        Some(package)
    }

    /// Returns the package with a piece of its source replaced, and all later spans moved; the caller adjusts the spans
    /// inside the piece. `None` if the text would be too long.
    fn replaced(&self, place: &Range<usize>, text: &[u8]) -> Option<Self> {
        let len = self.text.source.len() - place.len() + text.len();
        if len > MAX_TEXT {
            return None;
        }
        let mut source = Vec::with_capacity(len);
        source.extend_from_slice(&self.text.source[..place.start]);
        source.extend_from_slice(text);
        source.extend_from_slice(&self.text.source[place.end..]);
        let longer = i64::try_from(text.len()).ok()? - i64::try_from(place.len()).ok()?;
        let mut package = self.clone();
        package.text.source = Arc::new(source);
        if longer == 0 {
            return Some(package);
        }
        let behind = u32::try_from(place.end).ok()?;
        let moved = |span: &mut Span| {
            if span.start & ADDED == 0 && span.start >= behind {
                // It fits: the text is no longer than MAX_TEXT.
                span.start = u32::try_from(i64::from(span.start) + longer).unwrap_or(ADDED - 1);
            }
        };
        for data in &mut package.sections {
            moved(&mut data.kind);
            moved(&mut data.name);
            // Sections before the piece keep sharing their options.
            let moves = |span: Span| span.start & ADDED == 0 && span.start >= behind;
            let value_moves = |value: Slot| matches!(value, Slot::String(span) if moves(span));
            if !data.options.iter().any(|option| moves(option.name) || value_moves(option.value)) {
                continue;
            }
            data.options.to_mut().iter_mut().for_each(|option| {
                moved(&mut option.name);
                if let Slot::String(span) = &mut option.value {
                    moved(span);
                }
            });
        }
        package.lists.iter_mut().flatten().for_each(moved);
        Some(package)
    }

    /// Returns the spans of an option's name and of its string value in the text of a package that was just read;
    /// `None` if they are not slices of it.
    pub(crate) fn value_text(&self, section: &[u8], option: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
        let id = self.section_id(section).filter(|_| !self.duplicates && self.is_as_read())?;
        let OptionId(index) = self.option_id(id, option)?;
        let OptionData { name, value: Slot::String(value), .. } = self.data(id).options[index as usize]
        else {
            return None;
        };
        let piece = |span: Span| {
            let start = Some(span.start).filter(|start| start & ADDED == 0)? as usize;
            Some(start..start + span.len as usize)
        };
        piece(name).zip(piece(value))
    }

    /// Returns the package as it would be read from the text with one string replaced, at the span that
    /// [`Package::value_text`] has found.
    pub(crate) fn with_value(
        &self,
        section: &[u8],
        option: &[u8],
        place: &Range<usize>,
        value: &[u8],
    ) -> Option<Self> {
        let id = self.section_id(section)?;
        let found = self.option_id(id, option)?;
        let mut package = self.replaced(place, value)?;
        let span = Span::of_source(place.start, value.len());
        package.sections[id.0 as usize].options.to_mut()[found.0 as usize].value = Slot::String(span);
        Some(package)
    }

    /// Replaces a section by one of another package; `taken` leads from spans there to those here.
    fn put_section(
        &mut self,
        id: SectionId,
        new: &SectionData,
        lists: &[Vec<Span>],
        taken: impl Fn(Span) -> Span,
    ) {
        let none = SharedVec::from(Vec::new());
        let old = std::mem::replace(&mut self.sections[id.0 as usize].options, none);
        let mut free = old.iter().filter_map(|option| match option.value {
            Slot::List(list) => Some(list),
            Slot::String(_) => None,
        });
        let mut options = Vec::with_capacity(new.options.len());
        for option in new.options.iter() {
            let value = match option.value {
                Slot::String(span) => Slot::String(taken(span)),
                Slot::List(list) => {
                    let items = lists[list as usize].iter().map(|span| taken(*span)).collect();
                    match free.next() {
                        Some(slot) => {
                            self.lists[slot as usize] = items;
                            Slot::List(slot)
                        }
                        None => self.new_list(items),
                    }
                }
            };
            options.push(OptionData { name: taken(option.name), value, ..*option });
        }
        let origin = self.data(id).origin;
        let (kind, name) = (taken(new.kind), taken(new.name));
        self.sections[id.0 as usize] =
            SectionData { kind, name, origin, options: options.into(), ..new.clone() };
    }
}
