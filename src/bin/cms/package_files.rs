//! Packages and files that a command reads as texts.

use cms::{Error, Place};

use crate::argument::path;
use crate::context::Context;
use crate::failure::Failure;

/// Returns the packages or files named, or all packages. A missing package or file is reported.
pub fn places(context: &mut Context, arguments: &[Vec<u8>]) -> Result<Vec<Place>, Failure> {
    if arguments.is_empty() {
        let names = context.store.packages().list()?;
        return Ok(names
            .iter()
            .filter_map(|name| context.store.packages().find(name.as_bytes()).ok())
            .collect());
    }
    let mut places = Vec::new();
    for argument in arguments {
        match context.store.packages().find(argument) {
            Ok(place) => places.push(place),
            Err(_) if path(argument).is_file() => {
                places.push(Place::of_file(path(argument).to_path_buf()));
            }
            Err(error) => context.report(&error.into())?,
        }
    }
    Ok(places)
}

pub fn read(place: &Place) -> Result<Vec<u8>, Failure> {
    let failed = |source| Error::Io { op: "read", path: place.path.clone(), source };
    Ok(cms::named_file::read(&place.path, cms::MAX_TEXT, b"").map_err(failed)?)
}
