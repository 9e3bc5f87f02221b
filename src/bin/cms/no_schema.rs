//! Without the feature `schema`, nothing is checked: see `schema`.

pub mod checked {
    use std::sync::Arc;

    use cms::{Engine, Loaded, Package, Place, Violation};

    use crate::context::Context;
    use crate::failure::Failure;
    use crate::package_files::TextFile;

    /// Accepts all changes.
    pub fn check_staged(_: &Context, _: &Place, _: (&Package, &Package), _: bool) -> Result<(), Failure> {
        Ok(())
    }

    /// Finds no violations.
    pub fn check_file(
        _: &Context,
        _: Option<&[u8]>,
        _: &TextFile,
        _: &Arc<Vec<u8>>,
    ) -> Result<Vec<Violation>, Failure> {
        Ok(Vec::new())
    }

    /// Accepts all commits.
    pub fn check_commit(_: &Context, _: &Loaded) -> Result<(), Failure> {
        Ok(())
    }

    /// Finds nothing.
    pub fn schema_drift(_: &Engine, _: &Loaded) -> Vec<(Place, Violation)> {
        Vec::new()
    }
}
