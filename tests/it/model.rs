//! Compares random sequences of changes with a plain model: vectors with linear search.

use cms::text::Dialect;
use cms::{Delta, DeltaKind, Package, Value};
use proptest::prelude::*;

/// A section: name, type, options with their items, and whether each is a list.
#[derive(Debug, Clone, PartialEq)]
struct Section {
    name: String,
    kind: String,
    options: Vec<(String, bool, Vec<String>)>,
}

#[derive(Debug, Default)]
struct Model(Vec<Section>);

impl Model {
    /// Applies a change the slow and obvious way; `false` if it is refused.
    fn apply(&mut self, kind: DeltaKind, section: &str, option: Option<&str>, value: &str) -> bool {
        let at = self.0.iter().position(|s| s.name == section);
        let Some(option) = option else { return self.apply_to_section(kind, at, section, value) };
        let Some(at) = at else { return false };
        let options = &mut self.0[at].options;
        let found = options.iter().position(|o| o.0 == option);
        match (kind, found) {
            (DeltaKind::Set, None) if value.is_empty() => {}
            (DeltaKind::Set, None) => options.push((option.into(), false, vec![value.into()])),
            (DeltaKind::Set, Some(i)) if value.is_empty() => drop(options.remove(i)),
            (DeltaKind::Set, Some(i)) => (options[i].1, options[i].2) = (false, vec![value.into()]),
            (DeltaKind::Delete, Some(i)) => drop(options.remove(i)),
            (DeltaKind::AddList, None) => options.push((option.into(), true, vec![value.into()])),
            (DeltaKind::AddList, Some(i)) => {
                options[i].1 = true;
                options[i].2.push(value.into());
            }
            (DeltaKind::DelList, Some(i)) if options[i].1 => options[i].2.retain(|item| item != value),
            (DeltaKind::DelList, _) => {}
            (DeltaKind::Rename, Some(i)) if options.iter().all(|o| o.0 != value || o.0 == option) => {
                options[i].0 = value.into();
            }
            _ => return false,
        }
        true
    }

    fn apply_to_section(&mut self, kind: DeltaKind, at: Option<usize>, name: &str, value: &str) -> bool {
        match (kind, at) {
            (DeltaKind::Set, Some(at)) => self.0[at].kind = value.into(),
            (DeltaKind::Set, None) => {
                self.0.push(Section { name: name.into(), kind: value.into(), options: Vec::new() });
            }
            (DeltaKind::Delete, Some(at)) => drop(self.0.remove(at)),
            (DeltaKind::Rename, Some(at)) if self.0.iter().all(|s| s.name != value || s.name == name) => {
                self.0[at].name = value.into();
            }
            (DeltaKind::Reorder, Some(at)) => {
                let section = self.0.remove(at);
                let to = value.parse::<usize>().unwrap_or(0).min(self.0.len());
                self.0.insert(to, section);
            }
            _ => return false,
        }
        true
    }
}

/// Reads a package into the model's form.
fn state(package: &Package) -> Vec<Section> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    package
        .sections()
        .map(|section| Section {
            name: text(section.name()),
            kind: text(section.section_type()),
            options: section
                .options()
                .map(|o| {
                    (
                        text(o.name()),
                        matches!(o.value(), Value::List(_)),
                        o.value().items().map(text).collect(),
                    )
                })
                .collect(),
        })
        .collect()
}

type Step = (DeltaKind, &'static str, Option<String>, &'static str);

fn step() -> impl Strategy<Value = Step> {
    let sections = prop::sample::select(vec!["a", "b", "c", "d"]);
    // More names than a section may have without a table of names.
    let option = (0..40_u8).prop_map(|n| format!("o{n}"));
    let of_option = (
        prop::sample::select(vec![
            DeltaKind::Set,
            DeltaKind::Set,
            DeltaKind::Set,
            DeltaKind::Delete,
            DeltaKind::AddList,
            DeltaKind::DelList,
            DeltaKind::Rename,
        ]),
        sections.clone(),
        option.prop_map(Some),
        prop::sample::select(vec!["o1", "o2", "o3", "o4"]),
    );
    let of_section = (
        prop::sample::select(vec![
            DeltaKind::Set,
            DeltaKind::Set,
            DeltaKind::Delete,
            DeltaKind::Rename,
            DeltaKind::Reorder,
        ]),
        sections,
        Just(None),
        prop::sample::select(vec!["a", "b", "c", "d"]),
    );
    let reorder = |step: Step| match step {
        (DeltaKind::Reorder, section, option, value) => {
            (DeltaKind::Reorder, section, option, if value < "c" { "0" } else { "2" })
        }
        step => step,
    };
    prop_oneof![5 => of_option, 1 => of_section.prop_map(reorder)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_package_does_what_a_plain_model_does(steps in prop::collection::vec(step(), 1..150)) {
        let mut model = Model::default();
        let mut package = Package::new(b"n");
        for (kind, section, option, value) in &steps {
            let given = (*kind != DeltaKind::Delete).then_some(value.as_bytes());
            let delta = Delta::new(*kind, section.as_bytes(), option.as_deref().map(str::as_bytes), given);
            let accepted = package.apply(&delta, Dialect::Cms).is_ok();
            prop_assert_eq!(accepted, model.apply(*kind, section, option.as_deref(), value), "{:?}", delta);
            prop_assert_eq!(&state(&package), &model.0);
        }
        for section in &model.0 {
            for (name, _, items) in &section.options {
                let value = package.get(section.name.as_bytes(), name.as_bytes()).expect("found by name");
                prop_assert!(value.items().eq(items.iter().map(String::as_bytes)));
            }
        }
    }
}
