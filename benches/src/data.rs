//! The configurations to measure on, made up here: the same bytes in every run.

use std::fmt::Write;

/// `sections` named sections of `options` options each, about 40 bytes an option.
pub fn hosts(sections: usize, options: usize) -> Vec<u8> {
    let mut text = String::new();
    let mut state = 0x9e37_79b9_u32;
    for section in 0..sections {
        let _ = writeln!(text, "\nconfig host 'host{section}'");
        for option in 0..options {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let _ = writeln!(text, "\toption opt{option} 'value-{section}-{state:08x}'");
        }
    }
    text.into_bytes()
}

/// A package of the size routers have: 20 sections, 200 options.
pub fn router() -> Vec<u8> {
    hosts(20, 10)
}
