//! `txn`: changes to any number of packages that happen together or not at all.

use std::io::BufReader;

use cms::{Error, Key, Live, Transaction};

use super::batch::next_line;
use super::context::{Context, open_input, show};
use super::failure::{Exit, Failure, tell};
use super::line::Line;

/// Reads changes, one a line, and commits them as one transaction. The first that cannot be made ends it, and
/// nothing is changed.
pub fn txn(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let (name, input) = open_input(line.expect(0, 1)?.first())?;
    let live = Live::open(context.store.options().clone())?;
    let mut transaction = live.begin()?;
    let mut input = BufReader::new(input);
    let mut number = 0;
    loop {
        let start = number + 1;
        let made = match next_line(&mut input, &mut number) {
            Ok(None) => break,
            Ok(Some(words)) => change(context, &mut transaction, &words),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = made {
            if !context.json {
                tell(&format!("cms: {name}: line {start} cannot be done, so nothing is changed"));
            }
            return Err(failure);
        }
    }
    if context.dry_run {
        return Ok(Exit::Ok);
    }
    let revision = transaction.commit()?;
    context.verbose(&format!("committed as revision {revision}"));
    if context.json {
        context.put_json(&serde_json::json!({"revision": revision}))?;
    }
    Ok(Exit::Ok)
}

/// Makes one change.
fn change(context: &mut Context, transaction: &mut Transaction, words: &[Vec<u8>]) -> Result<(), Failure> {
    let Some((command, arguments)) = words.split_first() else { return Ok(()) };
    let command = show(command);
    let assigned = |argument: &[u8]| -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let (key, value) = Key::parse_assignment(argument)?;
        let missing = || Failure::Usage(format!("'{}': '=VALUE' is missing", show(argument)));
        Ok((key.text().into_bytes(), value.ok_or_else(missing)?.to_vec()))
    };
    if arguments.is_empty() {
        return Err(Failure::Usage(format!("{command}: an argument is missing")));
    }
    match command.as_str() {
        "add" => {
            let [package, section_type, options @ ..] = arguments else {
                return Err(Failure::Usage("add PACKAGE TYPE [OPTION=VALUE...]".into()));
            };
            let section = transaction.add_section(package, section_type)?;
            for option in options {
                let key = [package.as_slice(), b".", section.as_bytes(), b".", option].concat();
                let (key, value) = assigned(&key)?;
                transaction.set(&key, &value)?;
            }
            context.say(&section)
        }
        "get" => {
            for argument in arguments {
                let missing = || Error::NotFound { key: show(argument) };
                let items = transaction.get(argument)?.ok_or_else(missing)?;
                context.put_line(&items.join(&b' '))?;
            }
            Ok(())
        }
        "delete" | "del" => arguments.iter().try_for_each(|argument| Ok(transaction.delete(argument)?)),
        "set" | "add_list" | "del_list" | "rename" | "reorder" => arguments.iter().try_for_each(|argument| {
            let (key, value) = assigned(argument)?;
            match command.as_str() {
                "set" => transaction.set(&key, &value)?,
                "add_list" => transaction.add_list(&key, &value)?,
                "del_list" => transaction.del_list(&key, &value)?,
                "rename" => transaction.rename(&key, &value)?,
                _ => {
                    let position = std::str::from_utf8(&value).ok().and_then(|value| value.parse().ok());
                    let wrong = || Failure::Usage(format!("'{}' is not a position", show(&value)));
                    transaction.reorder(&key, position.ok_or_else(wrong)?)?;
                }
            }
            Ok(())
        }),
        _ => Err(Failure::Usage(format!(
            "no command '{command}' in a transaction: set, get, add, add_list, del_list, delete, rename or reorder"
        ))),
    }
}
