//! The formats of package texts, as the model and the log name them. `crate::format` reads and writes them.

/// The format of a package's text. A format decides which names a package may have and which types of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum FormatKind {
    /// UCI text.
    #[default]
    Uci,
    /// TOML.
    Toml,
    /// JSON, perhaps with comments.
    Json,
}

impl FormatKind {
    /// All of them, in the order of their numbers in the log.
    pub const ALL: [Self; 3] = [Self::Uci, Self::Toml, Self::Json];

    /// Returns the name, as commands take and print it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uci => "uci",
            Self::Toml => "toml",
            Self::Json => "json",
        }
    }

    /// Returns the format of that name.
    #[must_use]
    pub fn of_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|other| other.name().as_bytes() == name)
    }

    /// Returns the ending of the names of such files.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Uci => "",
            Self::Toml => ".toml",
            Self::Json => ".json",
        }
    }

    /// Returns the name and the format of the package that a file of the configuration directory is, by the name of the
    /// file. A name with another dot is no package.
    #[must_use]
    pub fn of_file_name(file: &[u8]) -> Option<(&[u8], Self)> {
        let of = |kind: Self| file.strip_suffix(kind.suffix().as_bytes()).map(|name| (name, kind));
        let (name, kind) = of(Self::Toml).or_else(|| of(Self::Json)).unwrap_or((file, Self::Uci));
        (!name.is_empty() && !name.contains(&b'.')).then_some((name, kind))
    }

    /// Returns its number in the log.
    #[must_use]
    pub fn number(self) -> u8 {
        Self::ALL.iter().zip(0..).find(|(other, _)| **other == self).map_or(0, |(_, number)| number)
    }

    /// Returns the format of that number.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Reports whether a text holds numbers, truth values and nested values, and not strings and lists alone.
    #[must_use]
    pub fn has_types(self) -> bool {
        self != Self::Uci
    }

    /// Reports whether a float may be infinite or `nan`.
    #[must_use]
    pub fn has_infinity(self) -> bool {
        self == Self::Toml
    }

    /// Reports whether an option may be an empty string. In UCI, setting one deletes the option.
    #[must_use]
    pub fn has_empty_strings(self) -> bool {
        self != Self::Uci
    }

    /// Reports whether names of sections and options may be any text, and a package may have options outside of all
    /// sections: those of its root section, whose name is empty.
    #[must_use]
    pub fn has_free_names(self) -> bool {
        self != Self::Uci
    }
}
