//! Drafts a schema from what a package holds: a starting point that accepts the package as it is.

use cms::datatype::{Datatype, Files};
use cms::{Package, Section, Value};

use super::text::{Draft, FieldDraft};

/// The types that are tried, the narrowest first.
const TRIED: [&str; 9] =
    ["bool", "integer", "float", "ip4addr", "ip6addr", "cidr4", "cidr6", "macaddr", "email"];

/// Parts of names whose values are not to be shown.
const SECRET: [&str; 6] = ["password", "passwd", "secret", "private_key", "psk", "token"];

/// Drafts the schema of a package.
pub fn infer(package: &Package) -> Draft {
    let tried: Vec<(&str, Datatype)> =
        TRIED.iter().filter_map(|name| Some((*name, Datatype::parse(name.as_bytes()).ok()?))).collect();
    let mut draft = Draft { package: package.name().to_vec(), sections: Vec::new() };
    for section in package.sections() {
        draft.section(section.section_type());
    }
    for drafted in &mut draft.sections {
        let sections: Vec<Section<'_>> = package.sections_of_type(&drafted.section_type).collect();
        let anonymous = sections.iter().filter(|section| section.is_anonymous()).count();
        drafted.named = (anonymous == 0).then_some(true).or((anonymous == sections.len()).then_some(false));
        let mut names: Vec<&[u8]> = Vec::new();
        for option in sections.iter().flat_map(|section| section.options()) {
            if !names.contains(&option.name()) {
                names.push(option.name());
            }
        }
        drafted.fields = names.into_iter().map(|name| field(name, &sections, &tried)).collect();
    }
    draft
}

/// Drafts an option from its values.
fn field(name: &[u8], sections: &[Section<'_>], tried: &[(&str, Datatype)]) -> FieldDraft {
    let values: Vec<Value<'_>> = sections.iter().filter_map(|section| section.get(name)).collect();
    let items: Vec<&[u8]> = values.iter().flat_map(|value| value.items()).collect();
    let fits = |datatype: &Datatype| {
        !items.is_empty() && items.iter().all(|item| datatype.check(item, &Files::default()).is_ok())
    };
    let found = tried.iter().find(|(_, datatype)| fits(datatype)).map(|(name, _)| *name);
    let shown = name.to_ascii_lowercase();
    let has = |part: &str| shown.windows(part.len()).any(|window| window == part.as_bytes());
    let is_secret = SECRET.iter().any(|part| has(part)) || shown == b"key";
    FieldDraft {
        name: name.to_vec(),
        datatype: found.unwrap_or("string").into(),
        list: values.iter().all(|value| matches!(value, Value::List(_))),
        // One section says nothing of what others need.
        required: sections.len() > 1 && values.len() == sections.len(),
        is_secret,
        default: Vec::new(),
        example: items.first().filter(|_| !is_secret).map(|item| item.to_vec()).unwrap_or_default(),
    }
}
