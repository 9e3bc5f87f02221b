//! The shapes of JSON output. A command names its shapes in its entry of the table; help, manual pages and
//! `docs/commands.md` show them, and `tests/it/json_shapes.rs` compares them with what commands print.
//!
//! A shape is text and not a tree of structures, which would take several times its room in the program.

use std::fmt::Write;

/// The members of an object, or the type of another value.
pub struct Shape {
    /// Its name as a type, if several commands print it or it is a part of another.
    pub name: &'static str,
    /// A line for each member: its name, with `?` if it may be missing; its types, with `|` between them; and its
    /// meaning. The line `... TYPE` stands for the members of another shape. A line with the name `.` is about the
    /// value itself, if that is not an object.
    members: &'static str,
    /// The named shapes that the members refer to.
    parts: &'static [&'static Shape],
}

/// The types that are not JSON's own, and the signs in the tables of members.
pub const NOTATION: &[(&str, &str)] = &[
    ("bytes", "a string; {\"hex\": \"c3...\"} if the text is not UTF-8"),
    ("value", "bytes; of a list, a list of bytes; of TOML and JSON also number, boolean, null and objects"),
    (
        "section",
        "{\".type\": text, \".anonymous\": true, OPTION: value, ...}; no .anonymous if it has a name",
    ),
    ("package", "{SECTION: section, ...}"),
    ("[T]", "a list of T; with --json-lines a T in each line"),
    ("{T}", "an object of T by name; with --json-lines {\"key\": ..., \"value\": T} in each line"),
    ("NAME?", "this member may be missing"),
    ("... T", "the members of T as well"),
];

impl Shape {
    /// A shape that one command prints.
    pub const fn of(members: &'static str) -> Self {
        Self { name: "", members, parts: &[] }
    }

    /// A shape that is a type.
    pub const fn named(name: &'static str, members: &'static str) -> Self {
        Self { name, members, parts: &[] }
    }

    /// Names the shapes that the members refer to.
    pub const fn using(mut self, parts: &'static [&'static Self]) -> Self {
        self.parts = parts;
        self
    }

    /// Adds this shape and its parts to `all`, if they have a name and are not in it yet.
    pub fn collect_named(&'static self, named: &mut Vec<&'static Self>) {
        if named.iter().any(|other| !self.name.is_empty() && other.name == self.name) {
            return;
        }
        self.parts.iter().for_each(|part| part.collect_named(named));
        if !self.name.is_empty() {
            named.push(self);
        }
    }

    pub fn rows(&self) -> Vec<Row> {
        let lines = self.members.lines().map(str::trim).filter(|line| !line.is_empty());
        let row = |line: &'static str| {
            let mut parts = line.splitn(3, ' ').map(str::to_owned);
            let mut next = || parts.next().unwrap_or_default();
            Row { name: next(), types: next().replace('|', " or "), meaning: next() }
        };
        lines.map(row).collect()
    }

    /// Adds the lines that help prints.
    pub fn push_to(&self, text: &mut String) {
        for Row { name, types, meaning } in self.rows() {
            let line = format!("  {name:<18} {types:<15} {meaning}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
}

/// A member as help shows it.
pub struct Row {
    pub name: String,
    pub types: String,
    pub meaning: String,
}

/// The form of the output that has a shape.
#[derive(Clone, Copy)]
enum Form {
    Text,
    One,
    Members,
    Map,
    Rows,
    Lines,
}

/// The output of a command with `--json`.
pub struct Output {
    when: &'static str,
    form: Form,
    shape: &'static Shape,
}

impl Output {
    const fn new(form: Form, shape: &'static Shape) -> Self {
        Self { when: "With --json", form, shape }
    }

    /// The same text as without `--json`.
    pub const fn text(what: &'static Shape) -> Self {
        Self::new(Form::Text, what)
    }

    /// One value; see [`crate::context::Context::put_json`].
    pub const fn one(shape: &'static Shape) -> Self {
        Self::new(Form::One, shape)
    }

    /// An object with these members; see [`crate::context::Context::put_map`].
    pub const fn members(shape: &'static Shape) -> Self {
        Self::new(Form::Members, shape)
    }

    /// An object of values of this shape; see [`crate::context::Context::put_map`].
    pub const fn map(shape: &'static Shape) -> Self {
        Self::new(Form::Map, shape)
    }

    /// An array; see [`crate::context::Context::put_rows`].
    pub const fn rows(shape: &'static Shape) -> Self {
        Self::new(Form::Rows, shape)
    }

    /// A value in each line, with `--json` as well.
    pub const fn lines(shape: &'static Shape) -> Self {
        Self::new(Form::Lines, shape)
    }

    /// Says when the output has this shape, if that is not whenever `--json` is given.
    pub const fn when(mut self, when: &'static str) -> Self {
        self.when = when;
        self
    }

    pub fn shape(&self) -> &'static Shape {
        self.shape
    }

    /// Returns when the output is printed, and its type.
    pub fn title(&self) -> String {
        let (of, meaning) = match self.scalar() {
            Some(row) => (row.types, row.meaning),
            None if self.shape.name.is_empty() => ("object".to_owned(), String::new()),
            None => (self.shape.name.to_owned(), String::new()),
        };
        let form = match self.form {
            Form::Text => "plain text".to_owned(),
            Form::One => of,
            Form::Members => format!("{of}; with --json-lines, {{\"key\", \"value\"}} in each line"),
            Form::Map => format!("{{{of}}}"),
            Form::Rows => format!("[{of}]"),
            Form::Lines => format!("{of} in each line"),
        };
        let meaning = if meaning.is_empty() { meaning } else { format!(" ({meaning})") };
        format!("{}: {form}{meaning}", self.when)
    }

    /// Returns the members, or nothing if the type has a name.
    pub fn own_rows(&self) -> Vec<Row> {
        if self.is_short() { Vec::new() } else { self.shape.rows() }
    }

    /// Adds the lines that help prints.
    pub fn push_to(&self, text: &mut String) {
        let _ = writeln!(text, "\n{}", self.title());
        if !self.is_short() {
            self.shape.push_to(text);
        }
    }

    fn is_short(&self) -> bool {
        !self.shape.name.is_empty() || self.scalar().is_some()
    }

    /// Returns the type of a value that is no object.
    fn scalar(&self) -> Option<Row> {
        self.shape.rows().into_iter().next().filter(|row| row.name == ".")
    }
}
