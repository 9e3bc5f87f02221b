//! Names without a dot: one that is no package is the root key of that name in the package `default`.

use cms::Key;

use crate::context::Context;
use crate::failure::Failure;

/// The package of names without a dot.
const PACKAGE: &[u8] = b"default";

/// Returns the key that a name without a dot stands for, if there is no package of that name, staged ones included.
fn of(context: &Context, key: &Key) -> Result<Option<Key>, Failure> {
    let packages = context.store.packages();
    let is_package = packages.find(&key.package).is_ok()
        || packages.list_new().iter().any(|name| name.as_bytes() == key.package);
    if key.section.is_some() || is_package {
        return Ok(None);
    }
    Ok(Some(Key::parse(&[PACKAGE, b"..", &cms::key_part::quote(&key.package)].concat())?))
}

/// Returns the key to set for a key that was typed.
pub fn to_set(context: &Context, key: Key) -> Result<Key, Failure> {
    Ok(of(context, &key)?.unwrap_or(key))
}

/// Returns the key to read for a key that was typed: it stays as it is if the package `default` has no such key.
pub fn to_get(context: &mut Context, key: Key) -> Result<Key, Failure> {
    if key.section.is_some() || context.store.packages().has_free_names(PACKAGE) != Some(true) {
        return Ok(key);
    }
    let Some(flat) = of(context, &key)? else { return Ok(key) };
    let package = &context.load_good(PACKAGE)?.package;
    Ok(if crate::context::find(package, &flat).is_ok() { flat } else { key })
}
