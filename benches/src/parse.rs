//! Group `parse`: text to package and back, in this process; stock uci as a whole process beside it.

use std::sync::Arc;

use cms::text::{Dialect, ParseOptions, parse, print, render};
use cms::{Delta, DeltaKind, Package};

use crate::Result;
use crate::contender::{Contender, Spread, race};
use crate::data::{self, Shape};
use crate::environment::{Environment, human};
use crate::process::{Tree, spawn};
use crate::report::{Figure, Report, Unit};

/// The unit of throughput in bytes, and of time in parts of a second.
const MILLION: f64 = 1e6;

/// The microseconds per option of an implementation at one size.
struct Point {
    /// The implementation.
    name: String,
    /// The number of options.
    count: usize,
    /// Microseconds per option.
    time: f64,
}

/// Runs the group.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let mut points = Vec::new();
    for count in environment.counts() {
        points.extend(sections(environment, report, *count)?);
    }
    growth(report, Shape::Sections, &points)?;
    for shape in [Shape::Anonymous, Shape::Wide, Shape::List] {
        let mut points = Vec::new();
        for count in environment.counts() {
            points.push(other_shape(environment, report, shape, *count)?);
        }
        growth(report, shape, &points)?;
    }
    for count in environment.counts() {
        writing(environment, report, *count)?;
    }
    Ok(())
}

/// Chooses fewer repetitions if one takes long.
fn repetitions(environment: &Environment, count: usize) -> usize {
    environment.repetitions(if count > 100_000 { 15 } else { 31 })
}

/// Parses the text.
fn read(source: &Arc<Vec<u8>>) -> Package {
    parse(b"bench", Arc::clone(source), &ParseOptions::new()).expect("the generated text parses").package
}

/// Measures the named sections with all peers.
fn sections(environment: &Environment, report: &mut Report, count: usize) -> Result<Vec<Point>> {
    let source = Arc::new(data::text(Shape::Sections, count));
    let json = data::json(count);
    let mut contenders = [
        Contender::of("newline count (limit)", || memchr::memchr_iter(b'\n', &source).count()),
        Contender::of("cms", || read(&source)),
        Contender::of("serde_json Value", || serde_json::from_slice::<serde_json::Value>(&json)),
    ];
    let mut spreads = race(&mut contenders, repetitions(environment, count))?;
    let mut names: Vec<String> = contenders.into_iter().map(|contender| contender.name).collect();
    if let Some(spread) = stock(environment, &source, count)? {
        names.push("stock uci show, process".to_owned());
        spreads.push(spread);
    }
    let bytes = |name: &str| if name.starts_with("serde_json") { json.len() } else { source.len() };
    let (mut rates, mut times) = (Vec::new(), Vec::new());
    for (name, spread) in names.iter().zip(&spreads) {
        rates.push(Figure::of(name, spread, |seconds| float(bytes(name)) / MILLION / seconds));
        times.push(Figure::of(name, spread, |seconds| seconds * MILLION / float(count)));
    }
    let case = format!("{} {}", human(count), Shape::Sections.name());
    report.case(&format!("parse {case}"), Unit::MegabytesPerSecond, &rates)?;
    report.case(&format!("parse {case}, per option"), Unit::MicrosecondsPerOption, &times)?;
    Ok(times.into_iter().map(|figure| Point { name: figure.name, count, time: figure.value }).collect())
}

/// Times `uci show` of the text, which reads it all.
fn stock(environment: &Environment, source: &[u8], count: usize) -> Result<Option<Spread>> {
    let Some(stock) = environment.rivals.stock.as_ref().filter(|_| environment.stock_can_read(count)) else {
        return Ok(None);
    };
    let tree = Tree::create(environment.dir(), source)?;
    let line = tree.line(stock, &[], &["show", "bench"]);
    let mut contenders = [Contender::timed("stock", || spawn(&line))];
    let repetitions = if count > 100_000 { 1 } else { environment.repetitions(5) };
    Ok(race(&mut contenders, repetitions)?.pop())
}

/// Measures a shape that no peer reads.
fn other_shape(environment: &Environment, report: &mut Report, shape: Shape, count: usize) -> Result<Point> {
    let source = Arc::new(data::text(shape, count));
    let mut contenders = [Contender::of("cms", || read(&source))];
    let spread = race(&mut contenders, repetitions(environment, count))?[0];
    let rate = Figure::of("cms", &spread, |seconds| float(source.len()) / MILLION / seconds);
    report.case(&format!("parse {} {}", human(count), shape.name()), Unit::MegabytesPerSecond, &[rate])?;
    Ok(Point { name: "cms".to_owned(), count, time: spread.median * MILLION / float(count) })
}

/// Reports how the time per option grows from the smallest text to the largest; 1 is linear.
fn growth(report: &mut Report, shape: Shape, points: &[Point]) -> Result<()> {
    for first in points.iter().filter(|point| point.count == points[0].count) {
        let Some(last) = points.iter().rfind(|point| point.name == first.name) else { continue };
        let case = format!("growth {} to {}, {}", human(first.count), human(last.count), shape.name());
        report.case(&case, Unit::Times, &[Figure::exact(&first.name, last.time / first.time)])?;
    }
    Ok(())
}

/// Measures writing: a package back into its text, with one edit and with none, and in canonical form.
fn writing(environment: &Environment, report: &mut Report, count: usize) -> Result<()> {
    let source = Arc::new(data::text(Shape::Sections, count));
    let package = read(&source);
    let mut edited = package.clone();
    edited.apply(&Delta::new(DeltaKind::Set, b"host7", Some(b"opt3"), Some(b"edited")), Dialect::Cms)?;
    let options = ParseOptions::new();
    let cases = [
        ("render unchanged", Contender::of("cms", || render(&package, &options).expect("it renders"))),
        ("render one edit", Contender::of("cms", || render(&edited, &options).expect("it renders"))),
        ("print canonical", Contender::of("cms", || print(&package, false))),
    ];
    for (case, mut contender) in cases {
        let spread = race(std::slice::from_mut(&mut contender), repetitions(environment, count))?[0];
        let figure = Figure::of("cms", &spread, |seconds| float(source.len()) / MILLION / seconds);
        report.case(&format!("{case} {}", human(count)), Unit::MegabytesPerSecond, &[figure])?;
    }
    Ok(())
}

/// Turns a count into a float; exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts and sizes here are far below 2^53")]
pub fn float(count: usize) -> f64 {
    count as f64
}
