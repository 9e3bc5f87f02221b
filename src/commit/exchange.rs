//! Exchanges whole texts of packages, makes packages and deletes them, as one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::commit::core::Core;
use crate::commit::intent::Intent;
use crate::commit::open_session::session_within;
use crate::commit::opening::Opened;
use crate::commit::part::{Expected, WholeText};
use crate::commit::place::Place;
use crate::commit::staged::CommitOptions;
use crate::commit::write::put_texts_and;
use crate::commit::{publish, retry};
use crate::error::{Error, Result};
use crate::log::{Attribution, Kind};

/// A package's new text, and the text that it was made for: see [`crate::Engine::exchange`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exchange {
    /// The package.
    pub package: Vec<u8>,
    /// Its text before; `None` if there is no such package.
    pub before: Option<Arc<Vec<u8>>>,
    /// Its text after; `None` deletes the package.
    pub after: Option<Arc<Vec<u8>>>,
    /// Whether changes that are staged for the text before are set aside. Otherwise they stay staged.
    pub sets_aside: bool,
}

impl Exchange {
    /// Makes an exchange of texts. Staged changes stay staged, unless the package is deleted.
    #[must_use]
    pub fn new(package: &[u8], before: Option<Arc<Vec<u8>>>, after: Option<Arc<Vec<u8>>>) -> Self {
        let sets_aside = after.is_none();
        Self { package: package.to_vec(), before, after, sets_aside }
    }

    /// Sets whether changes that are staged for the text before are set aside.
    #[must_use]
    pub fn sets_aside(self, sets_aside: bool) -> Self {
        Self { sets_aside, ..self }
    }
}

/// A package's text that was decided elsewhere: see [`crate::Store::adopt`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Adopted {
    /// The package.
    pub package: Vec<u8>,
    /// Its text; `None` if there is no such package.
    pub text: Option<Arc<Vec<u8>>>,
}

impl Adopted {
    /// Makes the state of a package.
    #[must_use]
    pub fn new(package: &[u8], text: Option<Arc<Vec<u8>>>) -> Self {
        Self { package: package.to_vec(), text }
    }
}

/// Replaces the whole content of packages: see [`crate::Engine::replace_together`].
pub(crate) fn replace_together(core: &Core, texts: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
    let mut wanted = BTreeMap::new();
    for (package, text) in texts {
        let whole = replacement(core, package, Expected::Anything, Some(Arc::new(text.clone())))?;
        wanted.insert(whole.place.path.clone(), whole);
    }
    let wanted: Vec<WholeText> = wanted.into_values().collect();
    put_and_set_aside(core, &wanted, &|_| true, &Intent::COMMIT).map(drop)
}

/// Puts texts in place that were decided elsewhere: see [`crate::Store::adopt`].
pub(crate) fn adopt(core: &Core, texts: &[Adopted], by: &Attribution) -> Result<Option<u64>> {
    let mut wanted = BTreeMap::new();
    for Adopted { package, text } in texts {
        let whole = replacement(core, package, Expected::Anything, text.clone())?;
        if let Some(text) = text {
            core.options.format_of(whole.place.format).read_strictly(&whole.place.name, text)?;
        }
        wanted.insert(whole.place.path.clone(), whole);
    }
    let wanted: Vec<WholeText> = wanted.into_values().collect();
    let is_deleted =
        |place: &Place| wanted.iter().any(|whole| whole.text.is_none() && whole.place.path == place.path);
    // Neither verifiers nor schemas may refuse it.
    let by = Some(Arc::new(by.clone()));
    let intent = Intent { by, refusable: false, ..Intent::new(Kind::Remote, 0) };
    put_and_set_aside(core, &wanted, &is_deleted, &intent)
}

/// Deletes packages: see [`crate::Engine::delete_together`].
pub(crate) fn delete_together(core: &Core, packages: &[Vec<u8>]) -> Result<Option<u64>> {
    let mut wanted = BTreeMap::new();
    for package in packages {
        let whole = deletion(core, package)?;
        wanted.insert(whole.place.path.clone(), whole);
    }
    let wanted: Vec<WholeText> = wanted.into_values().collect();
    put_and_set_aside(core, &wanted, &|_| true, &Intent::COMMIT)
}

fn deletion(core: &Core, package: &[u8]) -> Result<WholeText> {
    let found = core.packages.find(package)?;
    if !found.staged || found.overridden {
        return Err(Error::invalid(package, "only a package of the configuration directory can be deleted"));
    }
    // Not the target of a symbolic link: the link is removed.
    let place = core.packages.in_config(&found.name);
    Ok(WholeText { place, expected: Expected::Anything, text: None })
}

/// Replaces the texts of packages that have not changed since: see [`crate::Engine::exchange`].
pub(crate) fn exchange(core: &Core, exchanges: &[Exchange], options: &CommitOptions) -> Result<Option<u64>> {
    let mut wanted = BTreeMap::new();
    for Exchange { package, before, after, sets_aside } in exchanges {
        let expected = Expected::of(before.as_ref().map(|text| text.as_slice()));
        let whole = replacement(core, package, expected, after.clone())?;
        wanted.insert(whole.place.path.clone(), (whole, *sets_aside));
    }
    let (wanted, aside): (Vec<WholeText>, Vec<bool>) = wanted.into_values().unzip();
    let is_set_aside = |place: &Place| {
        wanted.iter().zip(&aside).any(|(whole, aside)| *aside && whole.place.path == place.path)
    };
    let intent = Intent { confirm: options.confirm, force: options.force, ..Intent::COMMIT };
    put_and_set_aside(core, &wanted, &is_set_aside, &intent)
}

/// Puts whole texts in place, as one transaction, and sets the staged changes of some of the packages aside.
fn put_and_set_aside(
    core: &Core,
    wanted: &[WholeText],
    is_set_aside: &dyn Fn(&Place) -> bool,
    intent: &Intent,
) -> Result<Option<u64>> {
    core.settings.check_may_write()?;
    let Some(first) = wanted.first() else { return Ok(None) };
    let revision = retry::with_session(core, session_within, |session| {
        let mut opened = Opened::of(session, wanted.iter().map(|whole| &whole.place))?;
        opened.attempt(&first.place, |opened| {
            let mut staged = Vec::new();
            let done = put_texts_and(opened, wanted, intent, &mut |place| {
                let locked = if is_set_aside(place) { core.staged(place).lock()? } else { None };
                let locked = locked.filter(|locked| !locked.text.is_empty());
                staged.extend(locked.map(|locked| (place, locked)));
                Ok(())
            })?;
            if done.is_some() {
                for (place, locked) in &staged {
                    core.staged(place).set_aside(locked)?;
                }
            }
            Ok(done)
        })
    })?;
    Ok(Some(revision).filter(|revision| *revision != 0))
}

fn replacement(
    core: &Core,
    package: &[u8],
    expected: Expected,
    text: Option<Arc<Vec<u8>>>,
) -> Result<WholeText> {
    let outside = package.split(|byte| *byte == b'/').any(|part| matches!(part, b"" | b"." | b".."));
    if !crate::model::name::is_package(package) || outside {
        return Err(Error::invalid(package, "not a package name"));
    }
    let name = crate::error::shown::name(package);
    let place = core.packages.in_config(&name);
    let place = Place { path: crate::os::named_file::follow(place.path), ..place };
    if let Some(text) = &text {
        publish::check_text(core, &place, text)?;
    }
    Ok(WholeText { place, expected, text })
}
