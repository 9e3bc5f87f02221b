//! Explains in words what a rule expects, and which rule a value breaks.

use super::context::{Context, FileKind, Reference};
use super::failure::Failure;
use super::node::{Kind, Node, Of, Verdict, items, unmarked};
use crate::error::shown;

/// How many alternatives are listed.
const MOST_LISTED: usize = 12;

impl Node {
    /// Returns the failure of a value that does not pass, with the innermost rule that decides.
    pub fn failure(&self, text: &[u8], value: &[u8], context: &dyn Context) -> Failure {
        let fails = |node: &&Node, value: &[u8]| node.test(value, context) != Verdict::Pass;
        match &self.kind {
            Kind::All(nodes) => {
                // A rule that fails says more than one that could not be checked.
                let failed = nodes.iter().find(|node| node.test(value, context) == Verdict::Fail);
                if let Some(node) = failed.or_else(|| nodes.iter().find(|node| fails(node, value))) {
                    return node.failure(text, value, context);
                }
            }
            Kind::Any(nodes) => {
                let [node] = &**nodes else {
                    let unknown = nodes.iter().find(|node| node.test(value, context) == Verdict::Unknown);
                    return unknown.map_or_else(
                        || self.own_failure(text, None),
                        |node| node.failure(text, value, context),
                    );
                };
                return node.failure(text, value, context);
            }
            Kind::Marked(node) if !unmarked(value).is_empty() => {
                return node.failure(text, unmarked(value), context);
            }
            Kind::List(node) => {
                let failed = items(value).find(|item| node.test(item, context) == Verdict::Fail);
                let item = failed.or_else(|| items(value).find(|item| fails(&&**node, item)));
                if let Some(item) = item {
                    let failure = node.failure(text, item, context);
                    return Failure { item: failure.item.or_else(|| Some(item.to_vec())), ..failure };
                }
            }
            Kind::Not(node) if self.test(value, context) == Verdict::Unknown => {
                return node.failure(text, value, context);
            }
            _ => {}
        }
        let unchecked = (self.test(value, context) == Verdict::Unknown).then(|| self.unknown()).flatten();
        self.own_failure(text, unchecked)
    }

    fn own_failure(&self, text: &[u8], unchecked: Option<&'static str>) -> Failure {
        Failure { rule: self.rule(text), expected: self.expected(text), item: None, unchecked }
    }

    /// The text of the rule.
    fn rule(&self, text: &[u8]) -> String {
        shown::text(text.get(self.span.start as usize..self.span.end as usize).unwrap_or_default())
    }

    /// Says what the rule expects, in words that follow "expected".
    pub fn expected(&self, text: &[u8]) -> String {
        match &self.kind {
            Kind::Nothing => format!("nothing: '{}' lacks arguments, so that no value fits", self.rule(text)),
            Kind::Anything => "any text".to_owned(),
            Kind::Literal(literal) => shown::quoted(literal),
            Kind::Number(number) => format!("{number}"),
            Kind::Any(nodes) => join(nodes, text, " or "),
            Kind::All(nodes) => join(nodes, text, " and "),
            Kind::Not(node) => format!("a value other than {}", node.expected(text)),
            Kind::Marked(node) => format!("{}, or that behind '!'", node.expected(text)),
            Kind::List(node) => format!("items separated by blanks, each {}", node.expected(text)),
            Kind::Plain(check) => check.expected.to_owned(),
            Kind::Integer { base, is_signed } => integer(*base, *is_signed),
            Kind::Length { least, most, of } => length(*least, *most, *of),
            Kind::Between { least, most } => between(*least, *most),
            Kind::DecimalBetween { least, most } => decimal(*least, *most),
            Kind::Pattern(_) => format!("text that matches {}", self.rule(text)),
            Kind::File(FileKind::File) => "the path of a file that exists".to_owned(),
            Kind::File(FileKind::Directory) => "the path of a directory that exists".to_owned(),
            Kind::File(FileKind::Device) => "the path of a device that exists".to_owned(),
            Kind::Reference(reference) => reference.expected(),
            Kind::Edge { parts, is_start } => {
                let parts: Vec<String> = parts.iter().map(shown::quoted).collect();
                let parts = parts.join(" or ");
                if *is_start {
                    format!("text that begins with {parts}")
                } else {
                    format!("text that ends with {parts}")
                }
            }
        }
    }
}

fn join(nodes: &[Node], text: &[u8], between: &str) -> String {
    let mut words: Vec<String> = nodes.iter().take(MOST_LISTED).map(|node| node.expected(text)).collect();
    if nodes.len() > MOST_LISTED {
        words.push(format!("one of {} others", nodes.len() - MOST_LISTED));
    }
    let Some(last) = words.pop() else { return String::new() };
    if words.is_empty() { last } else { format!("{}{between}{last}", words.join(", ")) }
}

fn integer(base: u32, is_signed: bool) -> String {
    match (base, is_signed) {
        (0, true) => "a whole number".to_owned(),
        (0, false) => "a whole number that is not negative".to_owned(),
        (base, true) => format!("a whole number in base {base}"),
        (base, false) => format!("a whole number that is not negative, in base {base}"),
    }
}

fn length(least: u64, most: u64, of: Of) -> String {
    let bytes = |count: u64| if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") };
    match (of, least, most) {
        (Of::Text, 0 | 1, u64::MAX) => "any text".to_owned(),
        (Of::Text, least, u64::MAX) => format!("text of at least {}", bytes(least)),
        (Of::Text, least, most) if least == most => format!("text of {}", bytes(least)),
        (Of::Text, 0 | 1, most) => format!("text of at most {}", bytes(most)),
        (Of::Text, least, most) if least > most => {
            format!("text of at least {} and at most {}, which no text has", bytes(least), bytes(most))
        }
        (Of::Text, least, most) => format!("text of {least} to {most} bytes"),
        (Of::Hexadecimal, 0..=2, u64::MAX) => "pairs of hexadecimal digits".to_owned(),
        (Of::Hexadecimal, least, u64::MAX) => {
            format!("pairs of hexadecimal digits, at least {least} digits in all")
        }
        (Of::Hexadecimal, least, most) => {
            format!("pairs of hexadecimal digits, {least} to {most} digits in all")
        }
    }
}

fn between(least: Option<i128>, most: Option<i128>) -> String {
    match (least, most) {
        (None, None) => "a whole number".to_owned(),
        (Some(least), None) => format!("a whole number of at least {least}"),
        (None, Some(most)) => format!("a whole number of at most {most}"),
        (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
    }
}

fn decimal(least: f64, most: f64) -> String {
    match (least.is_finite(), most.is_finite()) {
        (true, true) => format!("a number from {least} to {most}"),
        (true, false) => format!("a number of at least {least}"),
        (false, true) => format!("a number of at most {most}"),
        (false, false) => "a number".to_owned(),
    }
}

impl Reference {
    fn expected(&self) -> String {
        let package = shown::text(&self.package);
        let section = shown::text(&self.section);
        match (&self.option, section.strip_prefix('@')) {
            (None, Some(kind)) => format!("the name of a section of the type '{kind}' of '{package}'"),
            (None, None) => format!("a section '{section}' of '{package}'"),
            (Some(option), Some(kind)) => {
                let option = shown::text(option);
                format!("the value of '{option}' in a section of the type '{kind}' of '{package}'")
            }
            (Some(option), None) => format!("the value of '{package}.{section}.{}'", shown::text(option)),
        }
    }
}
