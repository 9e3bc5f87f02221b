//! "Did you mean": the existing name nearest to one that does not exist, for commands, options and keys (A12).

pub use cms::name::nearest;
use cms::{Error, Key, Missing, Package, Selector};

use crate::argument::show;
use crate::context::{Context, find};
use crate::failure::{Failure, print_error};
use crate::language::message;

/// How many packages are searched for a key that lacks its package.
const PACKAGES: usize = 64;

/// Returns the hint that names something near.
pub fn hint(near: &str) -> String {
    format!("did you mean '{near}'?")
}

/// Adds the nearest existing key to a failure to find one.
pub fn suggest(context: &Context, failure: Failure) -> Failure {
    match (suggestion(context, &failure), failure) {
        (Some(hint), Failure::Engine(error)) => Failure::Suggested(error, hint),
        (_, failure) => failure,
    }
}

/// Returns the hint that names the nearest existing key, for a failure to find one.
pub fn suggestion(context: &Context, failure: &Failure) -> Option<String> {
    let missing = match failure {
        Failure::Engine(Error::NotFound { key }) => key,
        Failure::Engine(Error::Missing(Missing::Unlogged { package })) => package,
        _ => return None,
    };
    near_key(context, missing).map(|near| hint(&near))
}

/// Prints the existing key nearest to a key, if that does not exist now.
pub fn print_near(context: &Context, key: &Key) {
    let is_there = context.load_now(&key.package).is_ok_and(|loaded| find(&loaded.package, key).is_ok());
    let near = if is_there || context.quiet { None } else { near_key(context, &key.text()) };
    if let Some(near) = near {
        let hint = hint(&near);
        print_error(&message(&format!("hint: {hint}")));
    }
}

/// Returns the existing key nearest to a missing one.
fn near_key(context: &Context, missing: &str) -> Option<String> {
    let missing = Key::parse(missing.as_bytes()).ok()?;
    // The message may name only a part of the key that was typed.
    let is_whole =
        |typed: &Key| typed.package == missing.package && typed.text().starts_with(&missing.text());
    let mut typed = context.arguments.iter().filter_map(|word| Some(Key::parse_assignment(word).ok()?.0));
    let key = typed.find(is_whole).unwrap_or_else(|| missing.clone());
    let packages = context.packages_and_new(&[]).ok()?;
    if packages.contains(&key.package) {
        return near_in(&context.load_now(&key.package).ok()?.package, &key);
    }
    let names: Vec<String> = packages.iter().map(|name| show(name)).collect();
    if let Some(whole) = without_package(context, &names, &key) {
        return Some(whole);
    }
    let near = nearest(&show(&key.package), names.into_iter())?;
    let corrected =
        Key::parse([near.as_bytes(), &key.text().as_bytes()[key.package.len()..]].concat().as_slice());
    let Ok(corrected) = corrected else { return Some(near) };
    let Ok(loaded) = context.load_now(near.as_bytes()) else { return Some(near) };
    let is_there = find(&loaded.package, &corrected).is_ok();
    let whole = is_there.then(|| corrected.text()).or_else(|| near_in(&loaded.package, &corrected));
    Some(whole.unwrap_or(near))
}

/// Returns a key that was typed without its package: `lan.ipaddr` for `network.lan.ipaddr`.
fn without_package(context: &Context, packages: &[String], key: &Key) -> Option<String> {
    packages.iter().take(PACKAGES).find_map(|package| {
        let whole = Key::parse(format!("{package}.{}", key.text()).as_bytes()).ok()?;
        let loaded = context.load_now(package.as_bytes()).ok()?;
        find(&loaded.package, &whole).is_ok().then(|| whole.text())
    })
}

/// Returns the key of a package that is nearest to a missing one.
fn near_in(package: &Package, key: &Key) -> Option<String> {
    let name = show(package.name());
    let selector = key.section.as_ref()?;
    let (section, found) = match package.select(selector) {
        Ok(Some(section)) => (selector.text(), section),
        _ => {
            let near = near_section(package, selector)?;
            let found = package.select(&Selector::parse(near.as_bytes()).ok()?).ok()??;
            (near, found)
        }
    };
    let Some(option) = &key.option else { return Some(format!("{name}.{section}")) };
    if found.option(option).is_some() {
        return Some(format!("{name}.{section}.{}", show(option)));
    }
    match nearest(&show(option), found.options().map(|option| show(option.name()))) {
        Some(near) => Some(format!("{name}.{section}.{near}")),
        // The section alone is a suggestion only if it is another one than was typed.
        None => (section != selector.text()).then(|| format!("{name}.{section}")),
    }
}

/// Returns the selector of the section that is nearest to a missing one.
fn near_section(package: &Package, selector: &Selector) -> Option<String> {
    let types = || package.sections().map(|section| show(section.section_type()));
    match selector {
        Selector::Name(typed) => {
            let typed = show(typed);
            let named = package.sections().filter(|section| !section.is_anonymous());
            if let Some(near) = nearest(&typed, named.map(|section| show(section.name()))) {
                return Some(near);
            }
            // The type, or the value of an option that often holds a name.
            if let Some(found) = types().find(|found| *found == typed) {
                return Some(format!("@{found}[0]"));
            }
            let holds = |section: &cms::Section<'_>| {
                let value = section.get(b"name").and_then(|value| value.items().next().map(show));
                value.is_some_and(|value| value == typed)
            };
            let found = package.sections().find(holds)?;
            Some(format!("@{}[name={typed}]", show(found.section_type())))
        }
        Selector::Index(typed, index) => {
            let near = nearest(&show(typed), types())?;
            Some(format!("@{near}[{index}]"))
        }
        Selector::Match(typed, option, value) => {
            let near = nearest(&show(typed), types())?;
            let sections = package.sections_of_type(near.as_bytes());
            let values = sections.filter_map(|section| section.get(option)?.items().next().map(show));
            let value = nearest(&show(value), values)?;
            Some(format!("@{near}[{}={value}]", show(option)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(typed: &str, names: &[&str]) -> Option<String> {
        nearest(typed, names.iter()).map(|name| (*name).to_owned())
    }

    #[test]
    fn a12_a_name_is_near_if_it_differs_in_few_letters() {
        let names = ["network", "firewall", "system", "dhcp", "LAN", "wireless"];
        for (typed, expected) in [
            ("netwrok", Some("network")),
            ("netwrk", Some("network")),
            ("Network", Some("network")),
            ("lan", Some("LAN")),
            ("dchp", Some("dhcp")),
            ("fire", Some("firewall")),
            ("w", None),
            ("xyzzy", None),
            ("", None),
        ] {
            assert_eq!(near(typed, &names).as_deref(), expected, "{typed}");
        }
        assert_eq!(near("a", &["b"]), None, "no letter is the same");
        assert_eq!(near("ne", &["network", "netmask"]), None, "two begin so");
    }
}
