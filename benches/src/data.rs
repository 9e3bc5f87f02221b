//! Makes the configuration texts for measurements: the same bytes in every run.

use std::fmt::Arguments;
use std::io::Write;

/// How a large text is built. All values have 22 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Named sections of ten options, with about 40 bytes per option.
    Sections,
    /// The same sections without names.
    Anonymous,
    /// One section that holds all options.
    Wide,
    /// One list option that holds everything as its items.
    List,
}

impl Shape {
    /// The name of the shape in cases.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sections => "sections of 10",
            Self::Anonymous => "anonymous sections",
            Self::Wide => "one section",
            Self::List => "one list",
        }
    }
}

/// How many options a section has.
const PER_SECTION: usize = 10;

/// Writes a text of `count` options (or list items).
pub fn text(shape: Shape, count: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(count * 42 + 64);
    let mut random = Random::default();
    if matches!(shape, Shape::Wide | Shape::List) {
        put(&mut out, format_args!("\nconfig host 'host0'\n"));
    }
    for index in 0..count {
        let (section, option) = (index / PER_SECTION, index % PER_SECTION);
        match shape {
            Shape::Sections if option == 0 => put(&mut out, format_args!("\nconfig host 'host{section}'\n")),
            Shape::Anonymous if option == 0 => put(&mut out, format_args!("\nconfig host\n")),
            _ => {}
        }
        let value = random.next();
        match shape {
            Shape::Sections | Shape::Anonymous => {
                put(&mut out, format_args!("\toption opt{option} 'value-{value:016x}'\n"));
            }
            Shape::Wide => put(&mut out, format_args!("\toption opt{index} 'value-{value:016x}'\n")),
            Shape::List => put(&mut out, format_args!("\tlist item 'value-{value:016x}'\n")),
        }
    }
    out
}

/// Writes a package like those of a router: 20 sections of six options, with lists and comments.
pub fn router() -> Vec<u8> {
    let mut out = b"# interfaces of the router\n".to_vec();
    for index in 0..10 {
        put(&mut out, format_args!("\nconfig interface 'lan{index}'\n\toption device 'br-lan.{index}'\n"));
        put(&mut out, format_args!("\toption proto 'static'\n\toption ipaddr '192.168.{index}.1'\n"));
        put(&mut out, format_args!("\toption netmask '255.255.255.0'\n\toption ip6assign '60'\n"));
        put(&mut out, format_args!("\tlist dns '192.168.{index}.1'\n\tlist dns '192.168.{index}.2'\n"));
    }
    for index in 0..10 {
        put(
            &mut out,
            format_args!("\n# let the peer of lan{index} in\nconfig rule\n\toption name 'Allow-{index}'\n"),
        );
        put(&mut out, format_args!("\toption src 'wan'\n\toption proto 'udp'\n\toption family 'ipv4'\n"));
        put(&mut out, format_args!("\toption dest_port '{}'\n\toption target 'ACCEPT'\n", 5000 + index));
    }
    out
}

/// Writes the data of [`Shape::Sections`] as JSON, for the peers that read JSON.
pub fn json(count: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(count * 42 + 64);
    let mut random = Random::default();
    for index in 0..count {
        let (section, option) = (index / PER_SECTION, index % PER_SECTION);
        let value = random.next();
        match (index, option) {
            (0, _) => put(&mut out, format_args!("{{\"host0\":{{\".type\":\"host\"")),
            (_, 0) => put(&mut out, format_args!("}},\n\"host{section}\":{{\".type\":\"host\"")),
            _ => {}
        }
        put(&mut out, format_args!(",\"opt{option}\":\"value-{value:016x}\""));
    }
    out.extend_from_slice(b"}}\n");
    out
}

/// Appends text.
fn put(out: &mut Vec<u8>, text: Arguments<'_>) {
    out.write_fmt(text).expect("memory takes every byte");
}

/// `SplitMix64`.
pub struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(20_260_801)
    }
}

impl Random {
    /// Starts from a seed; different seeds give different numbers.
    pub fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// Draws a number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        let drawn = u128::from(self.next()) * limit as u128;
        usize::try_from(drawn >> 64).expect("it is below the limit")
    }

    /// Draws a number from 0 to 1.
    pub fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).expect("32 bits are left")) / f64::from(u32::MAX)
    }

    /// Draws a number.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: Vec<u8>) -> cms::Package {
        cms::text::parse(b"p", text.into(), &Default::default()).expect("it parses").package
    }

    fn sizes(text: Vec<u8>) -> (usize, usize) {
        let package = read(text);
        (package.len(), package.sections().map(|section| section.options().count()).sum())
    }

    #[test]
    fn texts_hold_what_their_shape_says() {
        assert_eq!(sizes(text(Shape::Sections, 100)), (10, 100));
        assert_eq!(sizes(text(Shape::Anonymous, 100)), (10, 100));
        assert_eq!(sizes(text(Shape::Wide, 100)), (1, 100));
        assert_eq!(sizes(text(Shape::List, 100)), (1, 1));
        assert_eq!(sizes(router()), (20, 120));
    }

    #[test]
    fn a_million_options_take_40_megabytes() {
        let bytes = text(Shape::Sections, 1_000_000).len();
        assert!((39_000_000..42_000_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn the_json_is_json_and_holds_the_same() {
        let value: serde_json::Value = serde_json::from_slice(&json(20)).expect("JSON");
        let package = read(text(Shape::Sections, 20));
        let expected = value["host1"]["opt9"].as_str().expect("a string");
        assert_eq!(package.get(b"host1", b"opt9"), Some(cms::Value::String(expected.as_bytes())));
    }
}
