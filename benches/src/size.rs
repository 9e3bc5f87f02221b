//! Group `size`: the bytes of the stripped binaries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::environment::Environment;
use crate::parse::float;
use crate::report::{Figure, Report, Unit};

/// Runs the group.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let mut figures = Vec::new();
    for (name, path) in &environment.cms {
        figures.push(Figure::exact(name, stripped(path, environment.dir())?));
    }
    if let Some(path) = &environment.rivals.stock {
        let mut bytes = stripped(path, environment.dir())?;
        for library in own_libraries(path) {
            bytes += stripped(&library, environment.dir())?;
        }
        figures.push(Figure::exact("stock uci with its libraries", bytes));
    }
    report.case("stripped binary", Unit::Bytes, &figures)
}

/// Returns the size of a stripped copy, or of the unchanged file if there is no `strip`.
fn stripped(path: &Path, dir: &Path) -> Result<f64> {
    let copy = dir.join("stripped");
    fs::copy(path, &copy)?;
    let stripped = Command::new("strip").arg(&copy).status();
    if !stripped.is_ok_and(|status| status.success()) {
        eprintln!("cms-bench: cannot strip {}: its size is taken as it is", path.display());
    }
    Ok(float(usize::try_from(fs::metadata(&copy)?.len())?))
}

/// Lists the libraries that belong to an installed uci; the one compiled here is linked with them statically.
fn own_libraries(path: &Path) -> Vec<PathBuf> {
    let listed = Command::new("ldd").arg(path).stderr(Stdio::null()).output();
    let listed = listed.map(|output| output.stdout).unwrap_or_default();
    let listed = String::from_utf8_lossy(&listed);
    let paths = listed.lines().filter_map(|line| line.split_whitespace().nth(2)).map(PathBuf::from);
    let own = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("libuci") || name.starts_with("libubox")
    };
    paths.filter(own).collect()
}
