//! Matching sections without a name: see `toward`. The time is near-linear in the number of sections, unless very many
//! are equal.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::toward::Extent;
use super::{Package, Section, Value};

/// Above this many pairs of equal sections their order is not compared in full.
const MOST_PAIRS: usize = 1 << 21;

/// An item that more sections than this share says little about a section.
const COMMON: usize = 64;

/// A section without a name, and its position among all sections of its package.
struct Unnamed<'p> {
    at: usize,
    section: Section<'p>,
    /// A digest of its type, options and values. The order of options does not count.
    content: u64,
}

fn unnamed(package: &Package) -> Vec<Unnamed<'_>> {
    let sections = package.sections().enumerate().filter(|(_, section)| section.is_anonymous());
    sections.map(|(at, section)| Unnamed { at, section, content: content(section) }).collect()
}

fn content(section: Section<'_>) -> u64 {
    let mut options: Vec<_> = section.options().collect();
    options.sort_by_key(|option| option.name());
    let mut hasher = DefaultHasher::new();
    section.section_type().hash(&mut hasher);
    for option in options {
        option.name().hash(&mut hasher);
        matches!(option.value(), Value::List(_)).hash(&mut hasher);
        option.value().items().for_each(|item| item.hash(&mut hasher));
    }
    hasher.finish()
}

/// A section of the wanted state with a name that no section has been given yet.
struct NewName {
    at: usize,
    content: u64,
    /// The position of the section that this name was generated for.
    owner: Option<usize>,
}

fn new_names(have: &Package, wanted: &Package) -> Vec<NewName> {
    let known: HashMap<&[u8], (usize, bool)> =
        have.sections().enumerate().map(|(at, one)| (one.name(), (at, one.is_anonymous()))).collect();
    let new_name = |(at, section): (usize, Section<'_>)| {
        let owner = match known.get(section.name()) {
            Some((_, false)) => return None,
            Some((owner, true)) => Some(*owner),
            None => None,
        };
        (!section.is_anonymous()).then(|| NewName { at, content: content(section), owner })
    };
    wanted.sections().enumerate().filter_map(new_name).collect()
}

/// Matches the sections of `wanted` that have no name, or a new one, with those of `have` that have none. Returns the
/// position in `have` for each position in `wanted` that has a match.
pub(super) fn match_unnamed(package: &Package, wanted: &Package, extent: Extent) -> HashMap<usize, usize> {
    let (have, want) = (unnamed(package), unnamed(wanted));
    let mut named = Vec::new();
    let mut matching = Matching::new(have.len(), want.len());
    matching.equal_in_order(&have, &want);
    matching.equal_elsewhere(&have, &want);
    match extent {
        Extent::Part => matching.contained(&have, &want),
        Extent::Whole => {
            named = matching.named(&have, &new_names(package, wanted));
            matching.similar(&have, &want);
            matching.at_same_place(&have, &want);
        }
    }
    let pairs = matching.of_want.iter().enumerate();
    let pairs = pairs.filter_map(|(w, h)| h.map(|h| (want[w].at, have[h].at)));
    pairs.chain(named.into_iter().map(|(at, h)| (at, have[h].at))).collect()
}

/// The pairs so far, by the positions among the sections without a name.
struct Matching {
    of_have: Vec<Option<usize>>,
    of_want: Vec<Option<usize>>,
}

impl Matching {
    fn new(have: usize, want: usize) -> Self {
        Self { of_have: vec![None; have], of_want: vec![None; want] }
    }

    fn pair(&mut self, h: usize, w: usize) {
        (self.of_have[h], self.of_want[w]) = (Some(w), Some(h));
    }

    fn free(&self, h: usize, w: usize) -> bool {
        self.of_have[h].is_none() && self.of_want[w].is_none()
    }

    /// Pairs the longest sequence of equal sections that both have in the same order.
    fn equal_in_order(&mut self, have: &[Unnamed<'_>], want: &[Unnamed<'_>]) {
        let same = |(a, b): &(&Unnamed<'_>, &Unnamed<'_>)| a.content == b.content;
        let head = have.iter().zip(want).take_while(same).count();
        let (have_rest, want_rest) = (&have[head..], &want[head..]);
        let tail = have_rest.iter().rev().zip(want_rest.iter().rev()).take_while(same).count();
        (0..head).for_each(|at| self.pair(at, at));
        (1..=tail).for_each(|back| self.pair(have.len() - back, want.len() - back));
        let middle = &have_rest[..have_rest.len() - tail];
        let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
        for (at, one) in middle.iter().enumerate() {
            places.entry(one.content).or_default().push(at);
        }
        let targets = &want_rest[..want_rest.len() - tail];
        let empty = Vec::new();
        let found: Vec<&Vec<usize>> =
            targets.iter().map(|one| places.get(&one.content).unwrap_or(&empty)).collect();
        if found.iter().map(|places| places.len()).sum::<usize>() > MOST_PAIRS {
            return;
        }
        for (h, w) in longest_common(&found) {
            self.pair(head + h, head + w);
        }
    }

    /// Pairs equal sections that have moved.
    fn equal_elsewhere(&mut self, have: &[Unnamed<'_>], want: &[Unnamed<'_>]) {
        let mut left: HashMap<u64, Vec<usize>> = HashMap::new();
        for (h, one) in have.iter().enumerate().rev().filter(|(h, _)| self.of_have[*h].is_none()) {
            left.entry(one.content).or_default().push(h);
        }
        for (w, one) in want.iter().enumerate() {
            if self.of_want[w].is_none()
                && let Some(h) = left.get_mut(&one.content).and_then(Vec::pop)
            {
                self.pair(h, w);
            }
        }
    }

    /// Pairs a section with one that has all its options and more.
    fn contained(&mut self, have: &[Unnamed<'_>], want: &[Unnamed<'_>]) {
        let index = Index::of(have, |h| self.of_have[h].is_none());
        for (w, one) in want.iter().enumerate() {
            if self.of_want[w].is_some() {
                continue;
            }
            let rarest = items(one.section).map(|item| index.with(item)).min_by_key(|found| found.len());
            let found = rarest
                .into_iter()
                .flatten()
                .copied()
                .find(|h| self.of_have[*h].is_none() && holds_all(have[*h].section, one.section));
            if let Some(h) = found {
                self.pair(h, w);
            }
        }
    }

    /// Pairs sections that have got a name, and are the same otherwise. Returns the positions in `wanted` and `have`.
    fn named(&mut self, have: &[Unnamed<'_>], new: &[NewName]) -> Vec<(usize, usize)> {
        let mut left: HashMap<u64, Vec<usize>> = HashMap::new();
        for (h, one) in have.iter().enumerate().rev().filter(|(h, _)| self.of_have[*h].is_none()) {
            left.entry(one.content).or_default().push(h);
        }
        let mut pairs = Vec::new();
        // A name that was generated can only be given to its section, as long as that is there.
        let (owned, others): (Vec<_>, Vec<_>) = new.iter().partition(|one| one.owner.is_some());
        for one in owned.into_iter().chain(others) {
            let Some(found) = left.get_mut(&one.content) else { continue };
            let place = match one.owner {
                Some(owner) => found.iter().position(|h| have[*h].at == owner),
                None => found.len().checked_sub(1),
            };
            if let Some(place) = place {
                pairs.push((one.at, found.remove(place)));
            }
        }
        // They are not free any more, though no section without a name is paired with them.
        pairs.iter().for_each(|(_, h)| self.of_have[*h] = Some(usize::MAX));
        pairs
    }

    /// Pairs sections that share at least half of their items, those first that share the most.
    fn similar(&mut self, have: &[Unnamed<'_>], want: &[Unnamed<'_>]) {
        let index = Index::of(have, |h| self.of_have[h].is_none());
        let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
        for (w, one) in want.iter().enumerate().filter(|(w, _)| self.of_want[*w].is_none()) {
            let mut shared: HashMap<usize, usize> = HashMap::new();
            for item in items(one.section) {
                let found = index.with(item);
                if found.len() <= COMMON {
                    found.iter().for_each(|h| *shared.entry(*h).or_default() += 1);
                }
            }
            let count = items(one.section).count();
            let all = shared.into_keys().filter_map(|h| {
                let both = shared_items(have[h].section, one.section);
                (2 * both >= count.max(items(have[h].section).count())).then_some((both, h, w))
            });
            pairs.extend(all);
        }
        pairs.sort_by_key(|(both, h, w)| (usize::MAX - both, h.abs_diff(*w), *h, *w));
        for (_, h, w) in pairs {
            if self.free(h, w) {
                self.pair(h, w);
            }
        }
    }

    /// Pairs sections that follow paired ones, and have the same type and options.
    fn at_same_place(&mut self, have: &[Unnamed<'_>], want: &[Unnamed<'_>]) {
        for (w, one) in want.iter().enumerate() {
            let h = match w.checked_sub(1) {
                None => Some(0),
                Some(before) => self.of_want[before].map(|h| h + 1),
            };
            let Some(h) = h.filter(|h| *h < have.len() && self.free(*h, w)) else { continue };
            if is_shaped_alike(have[h].section, one.section) {
                self.pair(h, w);
            }
        }
    }
}

/// An item of a section: its type, the name of the option, and the value or one item of the list.
type Item<'p> = (&'p [u8], &'p [u8], &'p [u8]);

fn items<'p>(section: Section<'p>) -> impl Iterator<Item = Item<'p>> {
    let kind = section.section_type();
    section
        .options()
        .flat_map(move |option| option.value().items().map(move |item| (kind, option.name(), item)))
}

/// The sections that have an item.
struct Index<'p>(HashMap<Item<'p>, Vec<usize>>);

impl<'p> Index<'p> {
    fn of(sections: &[Unnamed<'p>], mut is_wanted: impl FnMut(usize) -> bool) -> Self {
        let mut index: HashMap<Item<'p>, Vec<usize>> = HashMap::new();
        for (at, one) in sections.iter().enumerate().filter(|(at, _)| is_wanted(*at)) {
            items(one.section).for_each(|item| index.entry(item).or_default().push(at));
        }
        Self(index)
    }

    fn with<'s>(&'s self, item: Item<'s>) -> &'s [usize] {
        self.0.get(&item).map_or(&[], Vec::as_slice)
    }
}

/// Counts the items of a section that the other one has as well.
fn shared_items(a: Section<'_>, b: Section<'_>) -> usize {
    let is_shared = |(_, name, item): &Item<'_>| {
        b.get(name).is_some_and(|value| value.items().any(|other| other == *item))
    };
    items(a).filter(is_shared).count()
}

/// Reports whether a section has all the options of another one, with the same values, and all items of its lists.
fn holds_all(have: Section<'_>, want: Section<'_>) -> bool {
    want.options().all(|option| match (have.get(option.name()), option.value()) {
        (Some(now), Value::List(list)) => list.iter().all(|item| now.items().any(|other| other == item)),
        (Some(now), value) => now == value,
        (None, _) => false,
    })
}

fn is_shaped_alike(a: Section<'_>, b: Section<'_>) -> bool {
    a.section_type() == b.section_type()
        && a.options().count() == b.options().count()
        && a.options().all(|option| b.option(option.name()).is_some())
}

/// Returns a longest sequence of pairs whose positions rise on both sides. `found` has, for each position on the right, the
/// equal ones on the left in rising order.
fn longest_common(found: &[&Vec<usize>]) -> Vec<(usize, usize)> {
    /// A pair, and the one before it.
    struct Link {
        pair: (usize, usize),
        before: Option<usize>,
    }
    let mut links: Vec<Link> = Vec::new();
    // The last link of the best sequence of each length.
    let mut ends: Vec<usize> = Vec::new();
    for (w, places) in found.iter().enumerate() {
        for h in places.iter().rev() {
            let length = ends.partition_point(|end| links[*end].pair.0 < *h);
            let before = length.checked_sub(1).map(|shorter| ends[shorter]);
            links.push(Link { pair: (*h, w), before });
            match ends.get_mut(length) {
                Some(end) => *end = links.len() - 1,
                None => ends.push(links.len() - 1),
            }
        }
    }
    let mut pairs = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(at) = next {
        pairs.push(links[at].pair);
        next = links[at].before;
    }
    pairs
}
