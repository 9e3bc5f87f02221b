//! A transaction in the log of another layer.

/// A transaction of another layer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerRevision {
    /// The name of the layer.
    pub layer: String,
    /// The number of the transaction in the log of that layer.
    pub revision: u64,
}

impl LayerRevision {
    /// Names a transaction of a layer.
    #[must_use]
    pub fn new(layer: impl Into<String>, revision: u64) -> Self {
        Self { layer: layer.into(), revision }
    }
}

impl std::fmt::Display for LayerRevision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.layer, self.revision)
    }
}
