//! The sentences of the source: the string literals that can reach a person's screen.

use std::collections::BTreeMap;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Calls whose literals are no messages: data on standard output, the shapes of JSON, code for others, and what only a
/// programmer sees. A name that ends with `!` is a macro.
const NO_MESSAGES: &[&str] = &[
    "put",
    "put_line",
    "print_line",
    "print",
    "json!",
    "of",
    "named",
    "expect",
    "assert!",
    "assert_eq!",
    "debug_assert!",
    "debug_assert_eq!",
    "unreachable!",
    "panic!",
    "asm!",
    "cfg!",
    "concat!",
    "env!",
    "include_str!",
];

/// All string literals that are no data, with the file each is in. Places are as the catalogue has them: `{name}`, or `{1}`.
pub fn of_source() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of src") {
            let path = entry.expect("an entry").path();
            let relative = path.strip_prefix(&root).expect("below src").display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if relative.ends_with(".rs") && !is_left_out(&relative) {
                let text = std::fs::read_to_string(&path).expect("readable");
                let tokens: TokenStream = text.parse().expect("Rust");
                walk(tokens, &mut |sentence| {
                    found.entry(sentence).or_insert_with(|| relative.clone());
                });
            }
        }
    }
    found
}

/// Tests, models, stock uci's own messages, and the quick path.
fn is_left_out(file: &str) -> bool {
    file.split(['/', '.']).any(|part| part == "tests" || part == "model.rs")
        || file.starts_with("bin/cms/uci/")
        || file.starts_with("map/model")
}

fn walk(tokens: TokenStream, take: &mut impl FnMut(String)) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_punct =
        |at: usize, c: char| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == c);
    let ident = |at: usize| match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => ident.to_string(),
        _ => String::new(),
    };
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => {
                let is_attribute = group.delimiter() == Delimiter::Bracket
                    && at > 0
                    && (is_punct(at - 1, '#') || (at > 1 && is_punct(at - 1, '!') && is_punct(at - 2, '#')));
                let is_test = is_attribute && group.stream().to_string().replace(' ', "") == "cfg(test)";
                if is_test {
                    // What is for tests only ends with its block or a semicolon.
                    while at + 1 < tokens.len() && !is_punct(at, ';') {
                        at += 1;
                        if matches!(&tokens[at], TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
                        {
                            break;
                        }
                    }
                } else if !is_attribute {
                    let name = match at {
                        0 => String::new(),
                        _ if is_punct(at - 1, '!') && at > 1 => format!("{}!", ident(at - 2)),
                        _ => ident(at - 1),
                    };
                    if !NO_MESSAGES.contains(&name.as_str()) {
                        walk(group.stream(), take);
                    }
                }
            }
            TokenTree::Literal(literal) => {
                if let Ok(literal) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                    take(places(&literal.value()));
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Two words of letters with a blank between them, places left out.
pub fn is_sentence(text: &str) -> bool {
    let text = without_names(text);
    let words = text.split(' ').filter(|word| word.chars().filter(|c| c.is_ascii_lowercase()).count() > 1);
    text.contains(' ') && words.count() > 1
}

/// Writes the places of a format string as the catalogue has them: without the way they are formatted, and with numbers
/// if they have no name. Braces around anything else stay: not each sentence is a format string.
pub fn places(format: &str) -> String {
    let (mut out, mut next, mut rest) = (String::new(), 0, format);
    while let Some(open) = rest.find(['{', '}']) {
        out.push_str(&rest[..open]);
        let brace = &rest[open..];
        if brace.starts_with("{{") || brace.starts_with("}}") {
            out.push_str(&brace[..1]);
            rest = &brace[2..];
            continue;
        }
        let close = brace.find('}').filter(|close| *close > 0);
        let name = close.map_or(" ", |close| brace[1..close].split(':').next().unwrap_or_default());
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            out.push_str(&brace[..1]);
            rest = &brace[1..];
            continue;
        }
        if name.is_empty() {
            next += 1;
            out.push_str(&format!("{{{next}}}"));
        } else {
            out.push_str(&format!("{{{name}}}"));
        }
        rest = &brace[close.unwrap_or_default() + 1..];
    }
    out + rest
}

/// Leaves the names of places out, for a comparison.
pub fn without_names(sentence: &str) -> String {
    let mut parts = sentence.split('{');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push('{');
        let name = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').count();
        out.push_str(if part[name..].starts_with('}') { &part[name..] } else { part });
    }
    out
}
