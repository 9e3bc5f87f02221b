//! Matches the anonymous sections of one state to those of the next.
//!
//! Generated names do not identify sections: they contain a count, so a section inserted in front renames all others.
//! Equal sections at both ends of two states are matched first; those between are matched in order, with the most
//! content in common; of the rest, similar sections count as moved.

use super::{Id, Section};

/// Above this number of pairs, the best match is not searched for.
const MAX_PAIRS: usize = 1 << 18;

/// The least likeness of two sections that count as one moved section: half of the content.
const MIN_LIKENESS: u64 = 450;

/// Assigns ids to the sections of the first state.
pub(super) fn begin(mut sections: Vec<Section>, next: &mut usize) -> Vec<Section> {
    sections.iter_mut().for_each(|section| number(section, next));
    sections
}

fn number(section: &mut Section, next: &mut usize) {
    if section.id == Id::Anonymous(usize::MAX) {
        section.id = Id::Anonymous(*next);
        *next += 1;
    }
}

/// Assigns the ids of the previous state to the sections of a state, and new ids to new sections.
pub(super) fn follow(was: &[Section], mut is: Vec<Section>, next: &mut usize) -> Vec<Section> {
    let unnamed = |section: &&Section| section.is.name.is_none();
    let before: Vec<&Section> = was.iter().filter(unnamed).collect();
    let after: Vec<&Section> = is.iter().filter(unnamed).collect();
    let ids: Vec<Option<Id>> =
        matched(&before, &after).into_iter().map(|found| found.map(|at| before[at].id.clone())).collect();
    let mut ids = ids.into_iter();
    for section in is.iter_mut().filter(|section| section.is.name.is_none()) {
        match ids.next().flatten() {
            Some(id) => section.id = id,
            None => number(section, next),
        }
    }
    is
}

/// Returns, for each section after, the index of its match before.
fn matched(before: &[&Section], after: &[&Section]) -> Vec<Option<usize>> {
    let mut found = vec![None; after.len()];
    let head = before.iter().zip(after).take_while(|(a, b)| has_same_content(a, b)).count();
    let (rest_before, rest_after) = (&before[head..], &after[head..]);
    let tail = rest_before
        .iter()
        .rev()
        .zip(rest_after.iter().rev())
        .take_while(|(a, b)| has_same_content(a, b))
        .count();
    found.iter_mut().take(head).zip(0..).for_each(|(place, at)| *place = Some(at));
    found.iter_mut().rev().take(tail).zip((0..before.len()).rev()).for_each(|(place, at)| *place = Some(at));
    let mut taken = vec![false; before.len()];
    found.iter().flatten().for_each(|at: &usize| taken[*at] = true);
    // Match similar sections in order, then moved ones; then the rest in order.
    match_in_order(before, after, &mut taken, &mut found, MIN_LIKENESS);
    match_elsewhere(before, after, &mut taken, &mut found);
    match_in_order(before, after, &mut taken, &mut found, 1);
    found
}

/// Returns the indexes that are not matched yet.
fn left(taken: &[bool], found: &[Option<usize>]) -> (Vec<usize>, Vec<usize>) {
    let gone = (0..taken.len()).filter(|at| !taken[*at]).collect();
    (gone, (0..found.len()).filter(|place| found[*place].is_none()).collect())
}

fn match_in_order(
    before: &[&Section],
    after: &[&Section],
    taken: &mut [bool],
    found: &mut [Option<usize>],
    least: u64,
) {
    let (gone, new) = left(taken, found);
    let old: Vec<&Section> = gone.iter().map(|at| before[*at]).collect();
    let now: Vec<&Section> = new.iter().map(|place| after[*place]).collect();
    for (at, place) in pairs(&old, &now, least) {
        taken[gone[at]] = true;
        found[new[place]] = Some(gone[at]);
    }
}

/// Matches moved sections that have kept most of their content.
fn match_elsewhere(before: &[&Section], after: &[&Section], taken: &mut [bool], found: &mut [Option<usize>]) {
    let (gone, new) = left(taken, found);
    if gone.len().saturating_mul(new.len()) > MAX_PAIRS {
        return;
    }
    let pair = |at: usize, place: usize| (likeness(before[at], after[place]), at, place);
    let mut pairs: Vec<_> =
        gone.iter().flat_map(|at| new.iter().map(move |place| pair(*at, *place))).collect();
    pairs.retain(|(likeness, ..)| *likeness >= MIN_LIKENESS);
    // Among equals, prefer the first.
    pairs.sort_by_key(|(likeness, at, place)| (std::cmp::Reverse(*likeness), *at, *place));
    for (_, at, place) in pairs {
        if !taken[at] && found[place].is_none() {
            taken[at] = true;
            found[place] = Some(at);
        }
    }
}

fn has_same_content(a: &Section, b: &Section) -> bool {
    a.is.kind == b.is.kind && a.is.options == b.is.options
}

/// Returns how much content two sections have in common, up to 1000; 0 if they cannot match.
fn likeness(a: &Section, b: &Section) -> u64 {
    if a.is.kind != b.is.kind {
        return 0;
    }
    if a.is.options == b.is.options {
        return 1000;
    }
    let (few, most) = match a.is.options.len() <= b.is.options.len() {
        true => (a.is.options.len(), b.is.options.len()),
        false => (b.is.options.len(), a.is.options.len()),
    };
    let (mut same, mut named) = (0, 0);
    for (name, held) in &a.is.options {
        if let Some((_, other)) = b.is.options.iter().find(|(other, _)| other == name) {
            named += 1;
            same += usize::from(held == other);
        }
    }
    // With fewer than half of the values in common, sections match only if they have the same options, or one has none.
    if same * 2 < few && (named < most || few < most) {
        return 0;
    }
    let share = |part: usize, of: u64| of * part as u64 / most.max(1) as u64;
    100 + share(same, 700) + share(named, 100)
}

/// Matches sections in order, so that the total likeness is the largest; each pair has at least `least`.
fn pairs(old: &[&Section], new: &[&Section], least: u64) -> Vec<(usize, usize)> {
    if old.is_empty() || new.is_empty() {
        return Vec::new();
    }
    if old.len().saturating_mul(new.len()) > MAX_PAIRS {
        let both = old.iter().zip(new).enumerate();
        return both.filter(|(_, (a, b))| likeness(a, b) >= least).map(|(at, _)| (at, at)).collect();
    }
    let width = new.len() + 1;
    // The largest total likeness of the sections from these indexes on.
    let mut best = vec![0_u64; (old.len() + 1) * width];
    for a in (0..old.len()).rev() {
        for b in (0..new.len()).rev() {
            let likeness = likeness(old[a], new[b]);
            let with = if likeness >= least { likeness + best[(a + 1) * width + b + 1] } else { 0 };
            best[a * width + b] = with.max(best[(a + 1) * width + b]).max(best[a * width + b + 1]);
        }
    }
    let (mut a, mut b, mut pairs) = (0, 0, Vec::new());
    while a < old.len() && b < new.len() {
        let likeness = likeness(old[a], new[b]);
        if likeness >= least && best[a * width + b] == likeness + best[(a + 1) * width + b + 1] {
            pairs.push((a, b));
            (a, b) = (a + 1, b + 1);
        } else if best[a * width + b] == best[(a + 1) * width + b] {
            a += 1;
        } else {
            b += 1;
        }
    }
    pairs
}
