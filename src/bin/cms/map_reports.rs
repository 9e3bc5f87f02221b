//! Reports on the maps of packages.

use cms::MapReport;

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};

/// Returns the reports of the packages named, or of all that have a map.
pub fn reports(context: &Context, names: &[Vec<u8>], verify: bool) -> Result<Vec<MapReport>, Failure> {
    let all = context.store.maps().list(verify);
    if names.is_empty() {
        return Ok(all);
    }
    let mut named = Vec::new();
    for name in context.packages(names)? {
        let place = context.store.packages().find(&name)?;
        let report = all.iter().find(|report| report.package == place.name).cloned();
        named.push(report.ok_or_else(|| {
            let why = "it has no map; one is made when a program reads it, or by 'cms rebuild'";
            Failure::Other(Exit::NotFound, format!("{}: {why}", show(&name)))
        })?);
    }
    Ok(named)
}
