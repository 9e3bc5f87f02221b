//! Prints drafts of schemas.

use crate::argument::{path, show};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::input::read_input;
use crate::schema::draft::{infer, init_script};

/// Prints the schema of what an init script of OpenWrt validates, of one package if it validates several.
pub fn import(context: &mut Context, script: &[u8], package: Option<&[u8]>) -> Result<Exit, Failure> {
    let file = path(script);
    let imported = init_script::read(&String::from_utf8_lossy(&read_input(Some(script))?));
    for (line, problem) in &imported.problems {
        context.note(&format!("warning: {}:{line}: {problem}", file.display()));
    }
    let names: Vec<String> = imported.drafts.iter().map(|draft| show(&draft.package)).collect();
    let wanted = |name: &&Vec<u8>| package.is_none_or(|package| package == name.as_slice());
    let found: Vec<_> = imported.drafts.iter().filter(|draft| wanted(&&draft.package)).collect();
    match found[..] {
        [draft] => {
            context.put(&draft.text())?;
            Ok(Exit::Ok)
        }
        [] if names.is_empty() => {
            let why = format!("{}: no call of uci_load_validate or uci_validate_section", file.display());
            Err(Failure::Other(Exit::NotFound, why))
        }
        [] => {
            let why = format!("{}: it validates nothing of this package", file.display());
            Err(Failure::Hinted(Exit::NotFound, why, format!("it validates {}", names.join(", "))))
        }
        _ => {
            let why = format!("{}: it validates several packages: {}", file.display(), names.join(", "));
            Err(Failure::Hinted(Exit::Usage, why, "name one of them behind the script".into()))
        }
    }
}

/// Prints a draft of the schema of a package, from what it holds.
pub fn infer(context: &mut Context, package: &[u8]) -> Result<Exit, Failure> {
    let draft = infer::infer(&context.load(package)?.package);
    context.put(&draft.text())?;
    Ok(Exit::Ok)
}
