//! The longest rising sequence: which of several moved things can stay where they are.

/// Finds a longest sequence of things whose positions rise. They stay; the others move, and so do those without a position.
pub(crate) fn longest_rising(order: &[Option<usize>]) -> Vec<bool> {
    let mut tails: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = vec![None; order.len()];
    for (index, position) in order.iter().enumerate() {
        if position.is_none() {
            continue;
        }
        let length = tails.partition_point(|tail| order[*tail] < *position);
        previous[index] = length.checked_sub(1).map(|shorter| tails[shorter]);
        if length == tails.len() {
            tails.push(index);
        } else {
            tails[length] = index;
        }
    }
    let mut stable = vec![false; order.len()];
    let mut next = tails.last().copied();
    while let Some(index) = next {
        stable[index] = true;
        next = previous[index];
    }
    stable
}
