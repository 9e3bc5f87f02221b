//! Files and standard input.

use std::io::{self, Read};
use std::path::Path;

use cms::Error;

use crate::argument::{path, show};
use crate::failure::{Exit, Failure};

/// Opens a file, or standard input if none is named or it is `-`, and returns its name for messages.
pub fn open_input(file: Option<&Vec<u8>>) -> Result<(String, Box<dyn Read>), Failure> {
    let Some(file) = file.filter(|file| *file != b"-") else {
        return Ok(("standard input".into(), Box::new(io::stdin())));
    };
    let open = std::fs::File::open(path(file));
    let open = open.map_err(|source| Error::Io { op: "open", path: path(file).into(), source })?;
    Ok((show(file), Box::new(open)))
}

/// Reads a file, or standard input if there is none or it is `-`.
pub fn read_input(file: Option<&[u8]>) -> Result<Vec<u8>, Failure> {
    let name = path(file.unwrap_or(b"-"));
    let read = cms::named_file::read(name, cms::MAX_TEXT, b"");
    let shown = if name == Path::new("-") { Path::new("standard input") } else { name };
    Ok(read.map_err(|source| Error::Io { op: "read", path: shown.into(), source })?)
}

/// As [`read_input`], for a value: from standard input, which may be endless, it reads no more than the size of the
/// largest value.
pub fn read_value(file: Option<&[u8]>) -> Result<Vec<u8>, Failure> {
    if file.is_some_and(|file| file != b"-") {
        return read_input(file);
    }
    // One byte more, for the newline that ends the last line.
    let read = cms::named_file::read(Path::new("-"), cms::name::MAX_VALUE + 1, b"");
    read.map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => {
            Failure::Other(Exit::Invalid, "standard input: values have less than 4 MiB".into())
        }
        _ => Error::Io { op: "read", path: "standard input".into(), source }.into(),
    })
}
