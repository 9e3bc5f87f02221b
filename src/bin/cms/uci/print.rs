//! The commands that print: `get`, `show`, `export`, `changes`.

use cms::text::quoted;
use cms::{DeltaKind, Loaded, OptionView, Package, Section, Value};

use super::tuple::{Failure, Lookup};
use super::{Outcome, Session};

impl Session {
    pub(super) fn get(&mut self, lookup: &Lookup) -> Outcome {
        if !lookup.is_complete() {
            return Err(Failure::NotFound);
        }
        let Some(section) = lookup.found_section() else { return Ok(()) };
        let mut line = match &lookup.tuple.option {
            None => section.section_type().to_vec(),
            Some(option) => match section.get(option) {
                Some(Value::String(value)) => value.to_vec(),
                Some(value) => self.joined(value, |item| {
                    match item.iter().any(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')) {
                        true => quoted(item),
                        false => item.to_vec(),
                    }
                }),
                None => return Err(Failure::NotFound),
            },
        };
        line.push(b'\n');
        self.put(&line);
        Ok(())
    }

    fn joined(&self, value: Value<'_>, item: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        value.items().map(item).collect::<Vec<_>>().join(self.settings.delimiter.as_slice())
    }

    pub(super) fn show(&mut self, lookup: &Lookup) -> Outcome {
        if !lookup.is_complete() {
            return Err(Failure::NotFound);
        }
        let package = lookup.package();
        match (lookup.found_section(), &lookup.tuple.option) {
            (None, _) => self.show_package(package),
            (Some(section), None) => self.show_section(package, section, section.name()),
            (Some(section), Some(option)) => {
                let option = section.option(option).ok_or(Failure::NotFound)?;
                self.show_option(package, section.name(), option);
            }
        }
        Ok(())
    }

    fn show_package(&mut self, package: &Package) {
        let mut counts: Vec<(&[u8], usize)> = Vec::new();
        let mut by_type = std::collections::HashMap::new();
        for section in package.sections() {
            let kind = section.section_type();
            let slot = *by_type.entry(kind).or_insert_with(|| {
                counts.push((kind, 0));
                counts.len() - 1
            });
            let index = counts[slot].1;
            counts[slot].1 += 1;
            if section.is_anonymous() && !self.settings.real_names {
                let name = [b"@", kind, format!("[{index}]").as_bytes()].concat();
                self.show_section(package, section, &name);
            } else {
                self.show_section(package, section, section.name());
            }
        }
    }

    fn show_section(&mut self, package: &Package, section: Section<'_>, name: &[u8]) {
        self.put(&[package.name(), b".", name, b"=", section.section_type(), b"\n"].concat());
        for option in section.options() {
            self.show_option(package, name, option);
        }
    }

    fn show_option(&mut self, package: &Package, section: &[u8], option: OptionView<'_>) {
        let value = self.joined(option.value(), quoted);
        self.put(&[package.name(), b".", section, b".", option.name(), b"=", &value, b"\n"].concat());
    }

    pub(super) fn export(&mut self, package: &Package) {
        let name = quoted(package.name());
        self.put(&[b"package ", &name[1..name.len() - 1], b"\n"].concat());
        let text = cms::text::print(package, self.settings.names);
        self.put(&text);
    }

    pub(super) fn changes(&mut self, loaded: &Loaded) {
        for change in &loaded.changes {
            let delta = &change.delta;
            let key = delta.key(loaded.package.name());
            let value = quoted(delta.value.as_deref().unwrap_or_default());
            let line = match delta.kind {
                DeltaKind::Delete => [b"-", key.as_slice()].concat(),
                DeltaKind::AddList => [&key, &b"+="[..], &value].concat(),
                DeltaKind::DelList => [&key, &b"-="[..], &value].concat(),
                _ => [&key, &b"="[..], &value].concat(),
            };
            self.put(&line);
            self.put(b"\n");
        }
    }
}
