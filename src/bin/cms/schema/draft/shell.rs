//! Reads a shell script as far as the calls in it need: the words of each command, and the function that it is in.

/// A command with its words.
#[derive(Debug, PartialEq)]
pub struct Command {
    /// The line on which it begins, counted from 1.
    pub line: usize,
    pub words: Vec<Word>,
    /// The function around it.
    pub function: Option<String>,
}

/// A word.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Word {
    pub pieces: Vec<Piece>,
    /// Whether a part of it is in quotes, so that it is one word whatever is in its variables.
    pub is_quoted: bool,
}

/// A piece of a word.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    Text(String),
    /// A variable, or an argument of the function, with the value that it has if it is not set.
    Variable {
        name: String,
        otherwise: Option<String>,
    },
    /// What only a shell can say: the output of a command, arithmetic, a part of a variable.
    Computed,
}

impl Word {
    /// Returns the text of a word without variables.
    pub fn literal(&self) -> Option<&str> {
        match &self.pieces[..] {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    fn push(&mut self, text: &str) {
        if let Some(Piece::Text(before)) = self.pieces.last_mut() {
            before.push_str(text);
        } else {
            self.pieces.push(Piece::Text(text.to_owned()));
        }
    }
}

/// Reads the commands of a script, and the line on which a quote begins that is never closed.
pub fn commands(script: &str) -> (Vec<Command>, Option<usize>) {
    let mut reader = Reader {
        rest: script,
        line: 1,
        word: None,
        words: Vec::new(),
        begun: 1,
        commands: Vec::new(),
        functions: Vec::new(),
        depth: 0,
        documents: Vec::new(),
        unclosed: None,
    };
    while reader.step() {}
    reader.end_command();
    (reader.commands, reader.unclosed)
}

struct Reader<'s> {
    rest: &'s str,
    line: usize,
    word: Option<Word>,
    words: Vec<Word>,
    /// The line on which the command begins.
    begun: usize,
    commands: Vec<Command>,
    /// The functions that are open, each with the depth of braces around it.
    functions: Vec<(String, usize)>,
    depth: usize,
    /// The ends of the documents that begin on the next line.
    documents: Vec<String>,
    /// The line on which a quote begins that is not closed.
    unclosed: Option<usize>,
}

impl<'s> Reader<'s> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn take(&mut self, bytes: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn word(&mut self) -> &mut Word {
        self.word.get_or_insert_default()
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        match (self.words.is_empty(), word.literal()) {
            (true, Some("{")) => self.depth += 1,
            (true, Some("}")) => {
                self.depth = self.depth.saturating_sub(1);
                let depth = self.depth;
                self.functions.retain(|(_, around)| *around < depth);
            }
            // What follows these is a command of its own.
            (true, Some("if" | "then" | "else" | "elif" | "do" | "while" | "until" | "!")) => {}
            _ => self.words.push(word),
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        let words = std::mem::take(&mut self.words);
        if !words.is_empty() {
            let function = self.functions.last().map(|(name, _)| name.clone());
            self.commands.push(Command { line: self.begun, words, function });
        }
        self.begun = self.line;
    }

    /// Reads on by one mark or character; `false` at the end.
    fn step(&mut self) -> bool {
        if self.words.is_empty() && self.word.is_none() {
            self.begun = self.line;
        }
        let Some(next) = self.next() else { return false };
        match next {
            '\\' if self.rest.starts_with('\n') => drop(self.next()),
            '\\' => {
                let escaped = self.next().map(String::from).unwrap_or_default();
                self.word().push(&escaped);
            }
            '\n' => {
                self.end_command();
                for end in std::mem::take(&mut self.documents) {
                    self.skip_document(&end);
                }
            }
            ' ' | '\t' | '\r' => self.end_word(),
            '#' if self.word.is_none() => drop(self.take(self.rest.find('\n').unwrap_or(self.rest.len()))),
            '\'' => self.single_quoted(),
            '"' => self.double_quoted(),
            '$' | '`' => {
                let piece = self.expansion(next);
                self.word().pieces.push(piece);
            }
            '(' if self.begins_function() => {}
            '<' if self.rest.starts_with('<') => self.begin_document(),
            '<' | '>' => {
                self.end_word();
                self.take(usize::from(self.rest.starts_with('&')));
            }
            ';' | '&' | '|' | '(' | ')' => self.end_command(),
            other => self.word().push(other.encode_utf8(&mut [0; 4])),
        }
        true
    }

    /// Reads the rest of `NAME ()`.
    fn begins_function(&mut self) -> bool {
        let behind = self.rest.trim_start_matches([' ', '\t']);
        if !behind.starts_with(')') {
            return false;
        }
        self.end_word();
        let [name] = &self.words[..] else { return false };
        let Some(name) = name.literal().map(str::to_owned) else { return false };
        self.take(self.rest.len() - behind.len() + 1);
        self.words.clear();
        self.functions.push((name, self.depth));
        true
    }

    fn single_quoted(&mut self) {
        let line = self.line;
        let end = self.rest.find('\'').unwrap_or(self.rest.len());
        let text = self.take(end);
        if self.next().is_none() {
            self.unclosed = Some(line);
        }
        let word = self.word();
        word.is_quoted = true;
        word.push(text);
    }

    fn double_quoted(&mut self) {
        let line = self.line;
        self.word().is_quoted = true;
        self.word().push("");
        while let Some(next) = self.next() {
            match next {
                '"' => return,
                '\\' if self.rest.starts_with('\n') => drop(self.next()),
                '\\' if self.rest.starts_with(['"', '\\', '$', '`']) => {
                    let escaped = self.next().map(String::from).unwrap_or_default();
                    self.word().push(&escaped);
                }
                '$' | '`' => {
                    let piece = self.expansion(next);
                    self.word().pieces.push(piece);
                }
                other => self.word().push(other.encode_utf8(&mut [0; 4])),
            }
        }
        self.unclosed = Some(line);
    }

    /// Reads what follows a `$` or a backquote.
    fn expansion(&mut self, mark: char) -> Piece {
        if mark == '`' {
            self.take(self.rest.find('`').unwrap_or(self.rest.len()));
            self.next();
            return Piece::Computed;
        }
        if self.rest.starts_with('(') {
            self.skip_nested('(', ')');
            return Piece::Computed;
        }
        if self.rest.starts_with('{') {
            let before = self.rest;
            self.skip_nested('{', '}');
            let length = before.len() - self.rest.len();
            return in_braces(before[..length].trim_start_matches('{').trim_end_matches('}'));
        }
        let name = name(self.rest);
        if name.is_empty() {
            return match self.rest.chars().next() {
                Some('@' | '*' | '#' | '?' | '!' | '-' | '$') => {
                    self.next();
                    Piece::Computed
                }
                _ => Piece::Text("$".to_owned()),
            };
        }
        let name = self.take(name.len()).to_owned();
        Piece::Variable { name, otherwise: None }
    }

    fn skip_nested(&mut self, open: char, close: char) {
        let mut depth = 0_usize;
        while let Some(next) = self.next() {
            match next {
                '\\' => drop(self.next()),
                '\'' => {
                    self.take(self.rest.find('\'').unwrap_or(self.rest.len()));
                    self.next();
                }
                '"' => self.skip_double_quoted(),
                next if next == open => depth += 1,
                next if next == close => {
                    depth -= 1;
                    if depth == 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    fn skip_double_quoted(&mut self) {
        while let Some(next) = self.next() {
            match next {
                '\\' => drop(self.next()),
                '$' if self.rest.starts_with('(') => self.skip_nested('(', ')'),
                '"' => return,
                _ => {}
            }
        }
    }

    /// Reads `<<END`, whose document begins on the next line.
    fn begin_document(&mut self) {
        self.end_word();
        self.next();
        let behind = self.rest.trim_start_matches('-').trim_start_matches([' ', '\t']);
        let behind = behind.trim_start_matches(['\'', '"', '\\']);
        let end = name(behind);
        if !end.is_empty() {
            self.documents.push(end.to_owned());
            let length = self.rest.len() - behind.len() + end.len();
            self.take(length);
            self.take(usize::from(self.rest.starts_with(['\'', '"'])));
        }
    }

    fn skip_document(&mut self, end: &str) {
        while !self.rest.is_empty() {
            let length = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
            if self.take(length).trim() == end {
                return;
            }
        }
    }
}

/// The name of a variable at the beginning of a text, or the digit of an argument.
fn name(text: &str) -> &str {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return &text[..1];
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Reads the inside of `${...}`.
fn in_braces(inside: &str) -> Piece {
    let name = name(inside);
    let behind = &inside[name.len()..];
    let otherwise = behind.strip_prefix(":-").or_else(|| behind.strip_prefix('-'));
    match (name.is_empty(), behind.is_empty(), otherwise) {
        (false, true, _) => Piece::Variable { name: name.to_owned(), otherwise: None },
        (false, _, Some(text)) if !text.contains(['$', '`', '"', '\'']) => {
            Piece::Variable { name: name.to_owned(), otherwise: Some(text.to_owned()) }
        }
        _ => Piece::Computed,
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece, commands};

    /// The commands of a script, as text: unknown pieces are `?`.
    fn read(script: &str) -> Vec<(usize, String, Vec<String>)> {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Variable { name, otherwise } => {
                format!("<{name}{}>", otherwise.as_deref().unwrap_or_default())
            }
            Piece::Computed => "?".to_owned(),
        };
        let words = |command: &super::Command| {
            command.words.iter().map(|word| word.pieces.iter().map(piece).collect()).collect()
        };
        let function = |command: &super::Command| command.function.clone().unwrap_or_default();
        commands(script).0.iter().map(|command| (command.line, function(command), words(command))).collect()
    }

    #[test]
    fn a_command_goes_on_behind_a_backslash_and_a_comment_ends_with_the_line() {
        let script = "a 'x y'\"z\" \\\n\t\"b\\\"$c\" # no more\nd; e && f | g\n";
        let of = |line, words: &[&str]| {
            (line, String::new(), words.iter().map(|word| (*word).to_owned()).collect())
        };
        assert_eq!(
            read(script),
            [of(1, &["a", "x yz", "b\"<c>"]), of(3, &["d"]), of(3, &["e"]), of(3, &["f"]), of(3, &["g"])]
        );
    }

    #[test]
    fn a_function_ends_with_its_brace() {
        let script = "f() {\n\tif a \"${1}\"; then\n\t{ b; }\n\tfi\n}\ng ()\n{\n\tc ${x:-y} $(d 'e)' f) `h` ${i%%:*}\n}\nj\n";
        let found: Vec<(String, Vec<String>)> =
            read(script).into_iter().map(|(_, function, words)| (function, words)).collect();
        let of = |function: &str, words: &[&str]| {
            (function.to_owned(), words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(
            found,
            [
                of("f", &["a", "<1>"]),
                of("f", &["b"]),
                of("f", &["fi"]),
                of("g", &["c", "<xy>", "?", "?", "?"]),
                of("", &["j"])
            ]
        );
    }

    #[test]
    fn a_quote_in_a_computed_piece_ends_there_and_one_that_is_never_closed_is_known() {
        assert_eq!(read("a $(b \"it's )$(c \")\")\") d\ne\n").len(), 2);
        assert_eq!(commands("a\nb 'c").1, Some(2));
        assert_eq!(commands("a\nb \"c\n\n").1, Some(2));
        assert_eq!(commands("a 'b' \"c\"").1, None);
    }

    #[test]
    fn a_document_in_the_script_is_no_command() {
        let script = "cat <<-'EOF' >x\n\tuci_load_validate a b\n\tEOF\nafter 2>&1\n";
        let found: Vec<Vec<String>> = read(script).into_iter().map(|(_, _, words)| words).collect();
        assert_eq!(found, [vec!["cat", "x"], vec!["after", "2", "1"]]);
    }
}
