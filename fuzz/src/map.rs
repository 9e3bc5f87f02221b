//! Map files of any bytes, mostly an intact map with edits.
//!
//! The first byte selects the map to edit: the golden map (0), one with every kind of block (1), or none, so that the
//! rest is the file (2). The second byte selects the checksums to correct afterwards: none (0), the header's (1),
//! those of all blocks too (2). Then come edits of seven bytes: the operation, the position, the operand.

use std::sync::LazyLock;

use cms::map::fuzzing;

const GOLDEN: &[u8] = include_bytes!("../../tests/data/map-v3.map");

/// The length of the golden map with its free space.
const CAPACITY: usize = 4096;

/// Lists, a split section, an anonymous and a deleted one, a long value, several versions.
static RICH: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let big: String = (0..66).map(|option| format!("\toption o{option} '{option}'\n")).collect();
    // This value needs a wide record.
    let long = format!("config c 'c'\n\toption long '{}'\n", "long".repeat(8200));
    let one = "config a 'one'\n\toption x '1'\n\tlist l 'a'\n\tlist l 'b'\nconfig b\n\toption y '2'\n";
    let first = format!("{one}{long}config a 'big'\n{big}");
    let second = format!("{long}config b\n\toption y '3'\nconfig a 'big'\n{big}\toption more '1'\n");
    let third = format!("{one}{long}config a 'big'\n{}", big.replace("'7'", "'8'"));
    fuzzing::made_of(&[first.as_bytes(), second.as_bytes(), third.as_bytes()])
});

/// Reads `data` as edits, and reads the edited map in every way.
///
/// # Panics
///
/// If reading panics, or if the check of an unchanged map fails.
pub fn map(data: &[u8]) {
    let [base, seal, rest @ ..] = data else { return };
    let (mut bytes, edits) = match base {
        0 => (GOLDEN.to_vec(), rest),
        1 => (RICH.clone(), rest),
        _ => (rest.to_vec(), &[][..]),
    };
    if *base == 0 {
        bytes.resize(CAPACITY, 0);
    }
    for edit in edits.as_chunks().0 {
        apply(&mut bytes, *edit);
    }
    if *seal > 0 {
        fuzzing::seal(&mut bytes, *seal > 1);
    }
    let sound = fuzzing::use_in_every_way(&bytes);
    assert!(sound || *base > 1 || !edits.as_chunks::<7>().0.is_empty(), "a map as it was made is not sound");
}

/// Makes one edit. An edit that does not fit into the map is skipped.
fn apply(bytes: &mut Vec<u8>, [what, at, at_high, a, b, c, d]: [u8; 7]) {
    let at = usize::from(u16::from_le_bytes([at, at_high]));
    let value = [a, b, c, d];
    match what {
        // Replaces one to four bytes anywhere.
        0..=3 => {
            if let Some(there) = bytes.get_mut(at..at + 1 + usize::from(what)) {
                there.copy_from_slice(&value[..there.len()]);
            }
        }
        // A bit.
        4 => {
            if let Some(there) = bytes.get_mut(at) {
                *there ^= 1 << (a % 8);
            }
        }
        // Copies a word from another position, or adds or subtracts a little: for slots and positions.
        5 => {
            let from = usize::from(u16::from_le_bytes([a, b])) & !3;
            let word = bytes.get(from..from + 4).and_then(|word| <[u8; 4]>::try_from(word).ok());
            if let (Some(word), Some(there)) = (word, bytes.get_mut(at & !3..(at & !3) + 4)) {
                there.copy_from_slice(&word);
            }
        }
        6 => {
            if let Some(there) = bytes.get_mut(at & !1..(at & !1) + 4) {
                let word = u32::from_le_bytes([there[0], there[1], there[2], there[3]]);
                there.copy_from_slice(&word.wrapping_add_signed(i32::from(a.cast_signed())).to_le_bytes());
            }
        }
        // Copies some bytes from another position.
        7 => {
            let (from, len) = (usize::from(u16::from_le_bytes([a, b])), usize::from(c));
            if from + len <= bytes.len() && at + len <= bytes.len() {
                bytes.copy_within(from..from + len, at);
            }
        }
        // The end.
        8 => bytes.truncate(at),
        _ => {}
    }
}
