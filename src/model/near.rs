//! "Did you mean": the existing name nearest to one that does not exist.

/// Returns the name nearest to a mistyped one, if one is near: the same in other case, the same but for a few letters,
/// or the only one that begins so.
pub fn nearest<N: AsRef<str>>(typed: &str, names: impl Iterator<Item = N>) -> Option<N> {
    let wanted: Vec<char> = typed.to_lowercase().chars().collect();
    let most = (wanted.len() / 3).clamp(1, 3);
    let mut best: Option<(usize, N)> = None;
    let mut begun: Vec<N> = Vec::new();
    for name in names {
        let other: Vec<char> = name.as_ref().to_lowercase().chars().collect();
        if wanted.len().abs_diff(other.len()) > most {
            if wanted.len() >= 2 && other.starts_with(&wanted) {
                begun.push(name);
            }
            continue;
        }
        let distance = distance(&wanted, &other);
        // A name of which every letter is another one is not near.
        let is_near = distance <= most && distance < wanted.len().max(other.len());
        if is_near && best.as_ref().is_none_or(|(least, _)| distance < *least) {
            best = Some((distance, name));
        }
    }
    match best {
        Some((_, name)) => Some(name),
        None if begun.len() == 1 => begun.pop(),
        None => None,
    }
}

/// The number of letters to change, add, remove or swap with the next to turn one word into the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut least = (row[j] + usize::from(x != y)).min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}
