//! Reads the shapes that `cms help` describes, and checks JSON values against them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::schema;
use crate::support::sandbox::Sandbox;

/// The beginnings of the titles of outputs in the help of a command.
const BEGINNINGS: [&str; 2] = ["With --", "The standard input"];

/// A member of an object.
#[derive(Debug, Clone)]
pub struct Member {
    pub name: String,
    pub types: Vec<String>,
    pub is_optional: bool,
    pub meaning: String,
}

/// The output of a command in one case.
#[derive(Debug, Clone)]
pub struct Output {
    pub type_name: String,
    /// Whether the value is in each line with `--json` already.
    pub is_lines: bool,
    /// Whether `--json-lines` prints a line for each member.
    is_split: bool,
    pub members: Vec<Member>,
}

/// All shapes in `cms help`.
pub struct Shapes {
    /// The outputs, by command and by the condition under which they are printed.
    pub outputs: BTreeMap<(String, String), Output>,
    pub named: BTreeMap<String, Vec<Member>>,
    tried: BTreeSet<(String, String)>,
    /// The values that were checked, each with its command.
    pub values: Vec<(String, Json)>,
    /// The members that were found, each with the name of the type or the command before it.
    seen: BTreeSet<(String, String)>,
}

impl Shapes {
    pub fn of_help(sandbox: &Sandbox) -> Self {
        let mut shapes = Self {
            outputs: BTreeMap::new(),
            named: BTreeMap::new(),
            tried: BTreeSet::new(),
            values: Vec::new(),
            seen: BTreeSet::new(),
        };
        let overview = sandbox.ok(&["help"]);
        let lines = overview.lines().skip_while(|line| *line != "Commands:").skip(1);
        let names =
            lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
        for name in names.chain(["json"]) {
            shapes.read(name, &sandbox.ok(&["help", name]));
        }
        shapes
    }

    /// Reads the help of a command: the paragraphs that begin with the condition of an output.
    fn read(&mut self, command: &str, help: &str) {
        for paragraph in help.split("\n\n") {
            let (title, rest) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
            let members: Vec<Member> = rest.lines().filter_map(member).collect();
            match title.split_once(": ") {
                Some((when, what))
                    if command == "json" || BEGINNINGS.iter().any(|one| when.starts_with(one)) =>
                {
                    let words = what.split(" (").next().unwrap_or(what).trim_end();
                    let (type_name, is_lines) =
                        words.strip_suffix(" in each line").map_or((words, false), |name| (name, true));
                    let (type_name, is_split) = match type_name.split_once("; with --json-lines") {
                        Some((name, _)) => (name, true),
                        None => (type_name, false),
                    };
                    let output = Output {
                        type_name: type_name.to_owned(),
                        is_lines: is_lines && !is_split,
                        is_split,
                        members,
                    };
                    self.outputs.insert((command.to_owned(), when.to_owned()), output);
                }
                None if command == "json" && !title.contains([' ', ':']) && !members.is_empty() => {
                    self.named.insert(title.to_owned(), members);
                }
                _ => {}
            }
        }
    }

    /// Reports whether the help of a command describes its output under a condition.
    pub fn is_described(&self, command: &str, when: &str) -> bool {
        self.outputs.contains_key(&(command.to_owned(), when.to_owned()))
    }

    /// Checks the output of a command.
    pub fn check(&mut self, command: &str, when: &str, printed: &[u8]) {
        let key = (command.to_owned(), when.to_owned());
        let output = self.outputs.get(&key).unwrap_or_else(|| panic!("{key:?} is not described")).clone();
        let of = || format!("{command}, {when}: {}", String::from_utf8_lossy(printed));
        if output.type_name == "plain text" {
            assert!(!printed.is_empty(), "{}", of());
            self.tried.insert(key);
            return;
        }
        let values: Vec<Json> = serde_json::Deserializer::from_slice(printed)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{error}: {}", of()));
        assert!(if output.is_lines { !values.is_empty() } else { values.len() == 1 }, "{}", of());
        for value in &values {
            self.is(value, &output.type_name, &output.members, command)
                .unwrap_or_else(|why| panic!("{why}: {}", of()));
            schema::check(command, value);
            self.values.push((command.to_owned(), value.clone()));
        }
        self.tried.insert(key);
    }

    /// Checks the output of a command with `--json-lines`: an array or an object, in lines.
    pub fn check_lines(&mut self, command: &str, printed: &[u8]) {
        let key = (command.to_owned(), "With --json".to_owned());
        let output = self.outputs[&key].clone();
        let name = output.type_name.as_str();
        for line in String::from_utf8_lossy(printed).lines() {
            let row: Json =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{command}: {error}: {line}"));
            let checked = match name.chars().next() {
                Some('[') => self.is_any(&row, &alternatives(name), &output.members, command),
                Some('{') => self.is_any(&row["value"], &alternatives(name), &output.members, command),
                _ if output.is_split => {
                    let member = row["key"].as_str().expect("a key");
                    let member =
                        output.members.iter().find(|one| one.name == member).expect("it is described");
                    self.is_any(&row["value"], &member.types.clone(), &[], command)
                }
                _ => self.is(&row, name, &output.members, command),
            };
            checked.unwrap_or_else(|why| panic!("{command}, --json-lines: {why}: {line}"));
        }
    }

    /// Checks that every described member was printed.
    pub fn assert_all_seen(&self) {
        let untried: Vec<_> = self.outputs.keys().filter(|key| !self.tried.contains(key)).collect();
        assert!(untried.is_empty(), "not tried: {untried:?}");
        let own = self.outputs.iter().map(|((command, _), output)| (command, &output.members));
        let unseen: Vec<String> = own
            .chain(self.named.iter())
            .flat_map(|(of, members)| members.iter().map(move |member| (of.clone(), member.name.clone())))
            .filter(|(of, name)| name != "..." && !self.seen.contains(&(of.clone(), name.clone())))
            .map(|(of, name)| format!("{of}: {name}"))
            .collect();
        assert!(unseen.is_empty(), "described and never printed: {unseen:?}");
    }

    fn is_any(&mut self, value: &Json, types: &[String], own: &[Member], of: &str) -> Result<(), String> {
        let mut why = String::new();
        for name in types {
            match self.is(value, name, own, of) {
                Ok(()) => return Ok(()),
                Err(other) => why += &format!("; not {name}: {other}"),
            }
        }
        Err(why)
    }

    /// Checks a value against a type; `own` are the members of a type without a name.
    fn is(&mut self, value: &Json, name: &str, own: &[Member], of: &str) -> Result<(), String> {
        let is = match name {
            "text" => value.is_string(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "bytes" => value.is_string() || value.get("hex").is_some_and(Json::is_string),
            "value" => match value.as_array() {
                Some(items) => items.iter().try_for_each(|item| self.is(item, "bytes", own, of)).is_ok(),
                None => self.is(value, "bytes", own, of).is_ok(),
            },
            "section" => self.is_section(value),
            "package" => {
                value.as_object().is_some_and(|all| all.values().all(|section| self.is_section(section)))
            }
            "object" => return self.has(value, own, of),
            list if list.starts_with('[') => {
                let items = value.as_array().ok_or("not a list")?;
                return items.iter().try_for_each(|item| self.is_any(item, &alternatives(list), own, of));
            }
            map if map.starts_with('{') => {
                let all = value.as_object().ok_or("not an object")?;
                return all.values().try_for_each(|item| self.is_any(item, &alternatives(map), own, of));
            }
            named => {
                let members = self.named.get(named).ok_or(format!("there is no type '{named}'"))?.clone();
                return self.has(value, &members, named);
            }
        };
        if is { Ok(()) } else { Err(format!("not {name}: {value}")) }
    }

    fn is_section(&mut self, value: &Json) -> bool {
        let Some(members) = value.as_object() else { return false };
        let is_right = |(name, member): (&String, &Json)| match name.as_str() {
            ".type" => member.is_string(),
            ".anonymous" => *member == true,
            _ => true,
        };
        members.contains_key(".type") && members.iter().all(is_right)
    }

    /// Checks that an object has all required members, and no undescribed ones.
    fn has(&mut self, value: &Json, members: &[Member], of: &str) -> Result<(), String> {
        let object = value.as_object().ok_or("not an object")?;
        let all = self.with_included(members, of);
        for (owner, member) in &all {
            match object.get(&member.name) {
                Some(found) => {
                    self.is_any(found, &member.types, &[], owner)
                        .map_err(|why| format!("{}{why}", member.name))?;
                    self.seen.insert((owner.clone(), member.name.clone()));
                }
                None if member.is_optional => {}
                None => return Err(format!("{} is missing", member.name)),
            }
        }
        match object.keys().find(|name| all.iter().all(|(_, member)| member.name != **name)) {
            Some(name) => Err(format!("{name} is not described")),
            None => Ok(()),
        }
    }

    /// Returns members, including those of the types that `...` names.
    pub fn with_included(&self, members: &[Member], of: &str) -> Vec<(String, Member)> {
        let each = |member: &Member| match member.name.as_str() {
            "..." => self.with_included(&self.named[&member.types[0]], &member.types[0]),
            _ => vec![(of.to_owned(), member.clone())],
        };
        members.iter().flat_map(each).collect()
    }
}

/// Returns the types in the brackets of a list or map.
pub fn alternatives(of: &str) -> Vec<String> {
    of[1..of.len() - 1].split(" or ").map(str::to_owned).collect()
}

/// Reads a line: a name, types with "or" between them, and the meaning.
fn member(line: &str) -> Option<Member> {
    let mut words = line.strip_prefix("  ")?.split_whitespace().peekable();
    let name = words.next()?;
    let mut types = vec![words.next()?.to_owned()];
    while words.next_if_eq(&"or").is_some() {
        types.push(words.next()?.to_owned());
    }
    let is_optional = name.ends_with('?');
    let meaning = words.collect::<Vec<_>>().join(" ");
    Some(Member { name: name.trim_end_matches('?').to_owned(), types, is_optional, meaning })
}
