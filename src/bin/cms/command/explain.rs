//! `cms explain`: how a key finds its section.

use cms::map::Lookup;
use cms::{Error, Key, Selector, Store, shown};
use serde_json::json;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "explain",
    aliases: &[],
    arguments: "KEY",
    summary: "say how a key finds its section: by its name, its position, an index, or by reading all sections",
    flags: &[],
    writes: Writes::Nothing,
    json: &[Output::members(&WAY)],
    run,
};

/// How a key finds its section.
const WAY: Shape = Shape::of(
    "
    key text the key
    way text name, position, index, common (an index, but very many sections have the value) or scan
    sections number how many sections have to be read",
);

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    let [argument] = call.expect(1, 1)? else { return Ok(Exit::Usage) };
    let key = Key::parse(argument)?;
    let Some(selector) = &key.section else {
        return Err(Failure::Usage(format!("'{}' names no section", key.text())));
    };
    let snapshot = Store::open(context.store.options().clone())?.snapshot()?;
    let package = snapshot.package(&key.package)?;
    let package_name = shown::text(&key.package);
    let (way, sections, text) = match selector {
        Selector::Name(_) => ("name", 1, "by its name: one look-up".to_owned()),
        Selector::Index(..) => {
            ("position", 1, "by its position: the order of the sections says where it is".to_owned())
        }
        Selector::Match(kind, option, value) => {
            let all = package.len_of_type(kind);
            let (kind_shown, option_shown) = (shown::text(kind), shown::text(option));
            match package.lookup(kind, option, value) {
                Lookup::Index => {
                    let found = package.sections_with(kind, option, value).count();
                    let text = format!(
                        "by the index of {option_shown} in sections of type {kind_shown}: {found} of {all} sections"
                    );
                    ("index", found, text)
                }
                Lookup::Common => {
                    let text = format!(
                        "by reading {all} sections: the index of {option_shown} leaves out values that very many \
                         sections have"
                    );
                    ("common", all, text)
                }
                _ => {
                    let text = format!(
                        "by reading {all} sections: the schema of {package_name} has no index '1' for the option {option_shown}"
                    );
                    ("scan", all, text)
                }
            }
        }
        _ => return Err(Error::NotFound { key: key.text() }.into()),
    };
    if context.json {
        let members = json!({"key": key.text(), "way": way, "sections": sections});
        let serde_json::Value::Object(members) = members else { return Ok(Exit::Usage) };
        context.put_map(members)?;
    } else {
        context.print_line(&text)?;
    }
    Ok(Exit::Ok)
}
