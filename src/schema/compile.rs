//! Makes a schema of its texts. What a later text says of a field counts instead of what an earlier one says; a section or
//! the schema itself takes over each option that the later text sets.

use std::path::PathBuf;
use std::sync::Arc;

use crate::schema::rules::{Field, Names, Schema, SectionRule, Unknown};
use crate::schema::text::{Draft, SectionDraft};

/// Makes the schema of a package from the texts that describe it, the most important one last.
pub(super) fn compile(package: &str, files: Vec<PathBuf>, drafts: Vec<Draft>) -> Schema {
    let mut all = Draft::default();
    drafts.into_iter().for_each(|draft| join(&mut all, draft));
    // A schema without section types describes options of all sections.
    let has_types = !all.sections.is_empty() || all.fields.iter().any(|field| field.section.is_some());
    let unknown = all.unknown.unwrap_or(if has_types { Unknown::Warn } else { Unknown::Allow });
    let fields: Vec<Arc<Field>> = all.fields.into_iter().map(Arc::new).collect();
    for field in &fields {
        // A field may describe a type of sections that has no section of its own.
        if let Some(of) = &field.section
            && all.sections.iter().all(|section| section.section_type != *of)
        {
            all.sections.push(SectionDraft { section_type: of.clone(), ..SectionDraft::default() });
        }
    }
    let general = |field: &&Arc<Field>| field.section.is_none();
    let rule = |section: SectionDraft, is_other: bool| {
        let own =
            fields.iter().filter(|field| !is_other && field.section.as_ref() == Some(&section.section_type));
        let mut mine: Vec<Arc<Field>> = own.cloned().collect();
        let more = fields.iter().filter(general).filter(|_| !section.is_apart);
        let more = more.filter(|field| mine.iter().all(|own| own.name != field.name));
        let more: Vec<_> = more.cloned().collect();
        mine.extend(more);
        rule_of(section, mine, if is_other { Unknown::Allow } else { unknown })
    };
    let sections: Vec<SectionRule> = all.sections.into_iter().map(|section| rule(section, false)).collect();
    let by_type = names(sections.iter().map(|section| &section.section_type));
    Schema {
        package: package.to_owned(),
        version: all.version.unwrap_or_default(),
        description: all.description.unwrap_or_default(),
        enforce: all.enforce.unwrap_or_default(),
        unknown,
        others: rule(SectionDraft::default(), true),
        sections,
        versions: all.versions,
        files,
        mistakes: all.mistakes,
        by_type,
    }
}

fn rule_of(section: SectionDraft, fields: Vec<Arc<Field>>, unknown: Unknown) -> SectionRule {
    let by_name = names(fields.iter().map(|field| &field.name));
    SectionRule {
        section_type: section.section_type,
        description: section.description.unwrap_or_default(),
        named: section.named,
        min: section.min,
        max: section.max,
        unknown: section.unknown.unwrap_or(unknown),
        fields,
        by_name,
    }
}

fn names<'n>(all: impl Iterator<Item = &'n Vec<u8>>) -> Names {
    all.enumerate().map(|(index, name)| (name.as_slice().into(), index)).collect()
}

/// Adds a text to the earlier ones.
fn join(all: &mut Draft, later: Draft) {
    let Draft { version, description, enforce, unknown, sections, fields, versions, mistakes } = later;
    all.version = version.or(all.version.take());
    all.description = description.or(all.description.take());
    all.enforce = enforce.or(all.enforce);
    all.unknown = unknown.or(all.unknown);
    for section in sections {
        match all.sections.iter_mut().find(|known| known.section_type == section.section_type) {
            Some(known) => {
                known.description = section.description.or(known.description.take());
                known.named = section.named.or(known.named);
                known.min = section.min.or(known.min);
                known.max = section.max.or(known.max);
                known.unknown = section.unknown.or(known.unknown);
            }
            None => all.sections.push(section),
        }
    }
    for field in fields {
        let same = |known: &&mut Field| (&known.section, &known.name) == (&field.section, &field.name);
        match all.fields.iter_mut().find(same) {
            Some(known) => *known = field,
            None => all.fields.push(field),
        }
    }
    all.versions.extend(versions);
    all.mistakes.extend(mistakes);
}
