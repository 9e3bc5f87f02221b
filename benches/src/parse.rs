//! Reading and writing text inside the process.

use std::hint::black_box;
use std::sync::Arc;

use cms::text::{ParseOptions, parse, print, render};
use cms::{Delta, DeltaKind, Package};

use crate::data::hosts;
use crate::report::{Report, medians};

/// Measures how fast text is parsed and indexed, and how that grows.
pub fn run(report: &mut Report, quick: bool) -> Result<(), Box<dyn std::error::Error>> {
    for options in [10_000, 100_000, 1_000_000] {
        let text = Arc::new(hosts(options / 10, 10));
        let name = format!("{}k options, 10 a section", options / 1000);
        one(report, &name, &text, options, if quick { 3 } else { 15 })?;
    }
    let single = Arc::new(hosts(1, 1_000_000));
    one(report, "1000k options, one section", &single, 1_000_000, if quick { 3 } else { 9 })
}

fn read(text: &Arc<Vec<u8>>) -> Package {
    parse(b"bench", Arc::clone(text), &ParseOptions::default()).expect("our own text parses").package
}

fn one(
    report: &mut Report,
    case: &str,
    text: &Arc<Vec<u8>>,
    options: usize,
    repetitions: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let package = read(text);
    let mut edited = package.clone();
    let first = package.sections().next().ok_or("no section")?.name().to_vec();
    let set = Delta::new(DeltaKind::Set, &first, Some(b"opt3"), Some(b"another"));
    edited.apply(&set, cms::text::Dialect::Cms)?;
    let json = to_json(&package);
    let mut newlines = || {
        black_box(memchr::memchr_iter(b'\n', text).count());
    };
    let mut cms_parse = || {
        black_box(read(text));
    };
    let mut serde = || {
        black_box(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
    };
    let mut cms_print = || {
        black_box(print(&package, false));
    };
    let mut cms_render = || {
        black_box(render(&edited, &ParseOptions::default()).is_ok());
    };
    let mut rivals: Vec<(&str, &mut dyn FnMut())> = vec![
        ("memchr newlines (limit)", &mut newlines),
        ("cms parse+index", &mut cms_parse),
        ("serde_json to Value", &mut serde),
        ("cms canonical print", &mut cms_print),
        ("cms edit one line, verified", &mut cms_render),
    ];
    let times = medians(repetitions, &mut rivals);
    let names: Vec<&str> = rivals.iter().map(|rival| rival.0).collect();
    for (name, time) in names.into_iter().zip(times) {
        let bytes = if name.starts_with("serde") { json.len() } else { text.len() };
        report.add("parse", case, name, bytes as f64 / 1e6 / time.as_secs_f64(), "MB/s");
        if name.starts_with("cms parse") {
            let growth = time.as_secs_f64() * 1e9 / options as f64;
            report.add("growth", "parse+index per option", case, growth, "ns");
        }
    }
    Ok(())
}

fn to_json(package: &Package) -> Vec<u8> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut root = serde_json::Map::new();
    for section in package.sections() {
        let options = section.options().map(|option| {
            let value = option.value().items().map(text).collect::<String>();
            (text(option.name()), serde_json::Value::String(value))
        });
        root.insert(text(section.name()), serde_json::Value::Object(options.collect()));
    }
    serde_json::to_vec(&root).unwrap_or_default()
}
