//! Compares commits to be confirmed, with commits and edits of others at the same time, with a plain model: keys of
//! the former are rolled back, other keys stay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cms::testing::Seams as _;
use cms::text::{ParseOptions, parse, print};
use cms::{Delta, DeltaKind, Engine, Form, Guards, Options, Package, Store, Value};
use proptest::prelude::*;

use super::{CLOCK, fake_clock};
use crate::support::fixture::Fixture;

const PACKAGES: [&str; 2] = ["network", "other"];

/// A section: its type and options. A section without a name is identified by the value of its option `id`.
type Section = (String, BTreeMap<String, Vec<String>>);
type Sections = BTreeMap<String, Section>;

fn package(fixture: &Fixture, name: &str) -> Package {
    let text = Arc::new(std::fs::read(fixture.path("config").join(name)).expect("readable"));
    parse(name.as_bytes(), text, &ParseOptions::new()).expect("no errors").package
}

fn sections(fixture: &Fixture, name: &str) -> (Sections, Order) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let package = package(fixture, name);
    let section = |section: cms::Section<'_>| {
        let options: BTreeMap<String, Vec<String>> = section
            .options()
            .map(|option| {
                let mark = if matches!(option.value(), Value::List(_)) { "list " } else { "" };
                let items = option.value().items().map(text).collect();
                (format!("{mark}{}", text(option.name())), items)
            })
            .collect();
        let key = match section.is_anonymous() {
            true => format!("@{}", options.get("id").expect("each has one")[0]),
            false => text(section.name()),
        };
        (key, (text(section.section_type()), options))
    };
    let all: Vec<(String, Section)> = package.sections().map(section).collect();
    let order = all.iter().map(|(name, _)| name.clone()).collect();
    (all.into_iter().collect(), order)
}

/// The names of the sections in their order.
type Order = Vec<String>;

/// The changes of both packages by a commit that was to be confirmed.
type Done = [[(Sections, Order); 2]; 2];

/// The names of the sections that a change may have moved: those whose order relative to another one has changed.
fn moved([(was, was_order), (is, is_order)]: &[(Sections, Order); 2]) -> Order {
    let stayed = |order: &Order| -> Order {
        order.iter().filter(|name| was.contains_key(*name) && is.contains_key(*name)).cloned().collect()
    };
    let (before, after) = (stayed(was_order), stayed(is_order));
    let split = |order: &Order, name: &String| -> Option<BTreeSet<String>> {
        let at = order.iter().position(|other| other == name)?;
        Some(order[..at].iter().cloned().collect())
    };
    before.iter().filter(|name| split(&before, name) != split(&after, name)).cloned().collect()
}

/// Reverts a change in each of the possible states `all`, and returns the states that are possible then. A section
/// that the change has moved, and that has been deleted since, is restored. Where two sections have changed places,
/// either one may be the one that was moved: `restored` has the sections that the store has restored.
fn take_out_of_each(
    all: Vec<Sections>,
    change: &[(Sections, Order); 2],
    restored: &Sections,
) -> Vec<Sections> {
    let mut possible = all;
    for name in moved(change).iter().filter(|name| restored.contains_key(*name)) {
        let missing = possible.iter().filter(|state| !state.contains_key(name)).cloned();
        let with: Vec<Sections> = missing
            .map(|mut state| {
                state.insert(name.clone(), change[0].0[name].clone());
                state
            })
            .collect();
        possible.extend(with);
    }
    possible.iter_mut().for_each(|state| take_out(state, change));
    possible.sort();
    possible.dedup();
    possible
}

/// Reverts in `now` the changes from `was` to `is`, but for the order.
fn take_out(now: &mut Sections, [(was, _), (is, _)]: &[(Sections, Order); 2]) {
    now.retain(|name, _| was.contains_key(name) || !is.contains_key(name));
    for (name, (kind, options)) in was {
        let old = (kind.clone(), options.clone());
        let Some((new_kind, new_options)) = is.get(name) else {
            now.insert(name.clone(), old);
            continue;
        };
        if (new_kind, new_options) == (kind, options) {
            continue;
        }
        let Some((now_kind, now_options)) = now.get_mut(name) else {
            now.insert(name.clone(), old);
            continue;
        };
        if kind != new_kind {
            now_kind.clone_from(kind);
        }
        // Whether it is a list is part of the value.
        let bare = |name: &str| name.trim_start_matches("list ").to_owned();
        let touched = |name: &String| options.get(name) != new_options.get(name);
        let keys: Vec<String> = options
            .keys()
            .chain(new_options.keys())
            .filter(|name| touched(name))
            .map(|name| bare(name))
            .collect();
        now_options.retain(|name, _| !keys.contains(&bare(name)));
        let back = options.iter().filter(|(name, _)| keys.contains(&bare(name)));
        now_options.extend(back.map(|(name, items)| (name.clone(), items.clone())));
    }
}

#[derive(Debug, Clone)]
enum Edit {
    Set(u8, u8, u8),
    Drop(u8, u8),
    Item(u8, u8),
    NoItem(u8, u8),
    Named(u8),
    Unnamed(u8, u8),
    Remove(u8),
    Rename(u8, u8),
    Move(u8, u8),
    Retype(u8, u8),
}

#[derive(Debug, Clone)]
enum Event {
    /// A commit of edits of the packages (by number), and the time to confirm it.
    Commit(Vec<(usize, Edit)>, Option<u64>),
    /// The same by a transaction of a program.
    Program(Vec<(usize, Edit)>, Option<u64>),
    /// An edit by hand, in place or with the whole file printed anew.
    Hand(usize, Edit, bool),
    Confirm,
    Wait(u64),
    Reboot,
    Reopen,
}

fn edit() -> impl Strategy<Value = Edit> {
    let n = || any::<u8>();
    prop_oneof![
        6 => (n(), n(), n()).prop_map(|(a, b, c)| Edit::Set(a, b, c)),
        2 => (n(), n()).prop_map(|(a, b)| Edit::Drop(a, b)),
        2 => (n(), n()).prop_map(|(a, b)| Edit::Item(a, b)),
        1 => (n(), n()).prop_map(|(a, b)| Edit::NoItem(a, b)),
        2 => n().prop_map(Edit::Named),
        2 => (n(), n()).prop_map(|(a, b)| Edit::Unnamed(a, b)),
        3 => n().prop_map(Edit::Remove),
        1 => (n(), n()).prop_map(|(a, b)| Edit::Rename(a, b)),
        2 => (n(), n()).prop_map(|(a, b)| Edit::Move(a, b)),
        1 => (n(), n()).prop_map(|(a, b)| Edit::Retype(a, b)),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let edits = || prop::collection::vec((0..2_usize, edit()), 1..4);
    let time = || prop_oneof![3 => Just(None), 2 => (5..60_u64).prop_map(Some)];
    prop_oneof![
        5 => (edits(), time()).prop_map(|(edits, time)| Event::Commit(edits, time)),
        3 => (edits(), time()).prop_map(|(edits, time)| Event::Program(edits, time)),
        3 => (0..2_usize, edit(), any::<bool>()).prop_map(|(at, edit, anew)| Event::Hand(at, edit, anew)),
        1 => Just(Event::Confirm),
        3 => (0..40_u64).prop_map(Event::Wait),
        1 => Just(Event::Reboot),
        1 => Just(Event::Reopen),
    ]
}

/// Makes the deltas of an edit for the present package, and applies them to it.
fn deltas(package: &mut Package, edit: &Edit, counter: &mut u32) -> Vec<Delta> {
    let all: Vec<(Vec<u8>, bool)> =
        package.sections().map(|section| (section.name().to_vec(), section.is_anonymous())).collect();
    let pick = |number: u8| all.get(usize::from(number) % all.len().max(1)).map(|(name, _)| name.clone());
    let option = |number: u8| [&b"a"[..], b"b", b"c"][usize::from(number % 3)];
    let delta = |kind, section: &[u8], option: Option<&[u8]>, value: Option<&[u8]>| {
        vec![Delta::new(kind, section, option, value)]
    };
    let number = |number: u8| (number % 5).to_string().into_bytes();
    let wanted =
        match edit {
            Edit::Set(at, name, value) => pick(*at)
                .map(|section| delta(DeltaKind::Set, &section, Some(option(*name)), Some(&number(*value)))),
            Edit::Drop(at, name) => {
                pick(*at).map(|section| delta(DeltaKind::Delete, &section, Some(option(*name)), None))
            }
            Edit::Item(at, value) => pick(*at)
                .map(|section| delta(DeltaKind::AddList, &section, Some(b"l"), Some(&number(*value)))),
            Edit::NoItem(at, value) => pick(*at)
                .map(|section| delta(DeltaKind::DelList, &section, Some(b"l"), Some(&number(*value)))),
            Edit::Named(name) => {
                Some(delta(DeltaKind::Set, format!("s{}", name % 5).as_bytes(), None, Some(b"named")))
            }
            Edit::Unnamed(at, value) => {
                *counter += 1;
                let name = package.next_name(b"rule").into_bytes();
                let mut all = delta(DeltaKind::Add, &name, None, Some(b"rule"));
                let id = counter.to_string();
                all.extend(delta(DeltaKind::Set, &name, Some(b"id"), Some(id.as_bytes())));
                // Without this option, it could also be another section with other values.
                all.extend(delta(DeltaKind::Set, &name, Some(format!("of_{id}").as_bytes()), Some(b"1")));
                all.extend(delta(DeltaKind::Set, &name, Some(b"a"), Some(&number(*value))));
                all.extend(delta(DeltaKind::Reorder, &name, None, Some(&number(*at))));
                Some(all)
            }
            Edit::Remove(at) => pick(*at).map(|section| delta(DeltaKind::Delete, &section, None, None)),
            // A section without a name is identified by its id, so it stays without a name.
            Edit::Rename(at, name) => pick(*at)
                .filter(|section| all.iter().any(|(other, anonymous)| other == section && !anonymous))
                .map(|section| {
                    delta(DeltaKind::Rename, &section, None, Some(format!("s{}", name % 5).as_bytes()))
                }),
            Edit::Move(at, place) => {
                pick(*at).map(|section| delta(DeltaKind::Reorder, &section, None, Some(&number(*place))))
            }
            Edit::Retype(at, kind) => pick(*at)
                .filter(|section| all.iter().any(|(other, anonymous)| other == section && !anonymous))
                .map(|section| {
                    delta(DeltaKind::Set, &section, None, Some([&b"t0"[..], b"t1"][usize::from(kind % 2)]))
                }),
        };
    let mut done = Vec::new();
    for delta in wanted.unwrap_or_default() {
        if package.apply(&delta, cms::text::Dialect::Cms).is_ok_and(|made| made.is_some()) {
            done.push(delta);
        } else if done.is_empty() {
            break;
        }
    }
    done
}

struct World {
    fixture: Fixture,
    store: Engine,
    counter: u32,
    /// The commits that wait to be confirmed, and their deadline: the boot, the start, and the time limit.
    waiting: Vec<Done>,
    deadline: Option<(u8, u64, u64)>,
}

impl World {
    fn new(durability: cms::Durability) -> Self {
        CLOCK.set((1, 1000));
        let text = "# head\nconfig named 's0'\n\toption a '1' # why\n\tlist l '1'\n\nconfig rule\n\toption id 'x'\n\toption of_x '1'\n\
            config rule\n\toption id 'y'\n\toption of_y '1'\n\toption a '2'\nconfig named 's1'\n";
        let fixture = Fixture::new(&[("network", text), ("other", text)]);
        let store =
            Engine::new(fixture.options().uptime(fake_clock).guards(Guards::Nobody).durability(durability));
        store.history().note_edits().expect("noted");
        Self { fixture, store, counter: 0, waiting: Vec::new(), deadline: None }
    }

    fn options(&self) -> Options {
        self.store.options().clone()
    }

    fn state(&self) -> [(Sections, Order); 2] {
        PACKAGES.map(|name| sections(&self.fixture, name))
    }

    fn texts(&self) -> [String; 2] {
        PACKAGES.map(|name| self.fixture.text(name))
    }

    fn is_overdue(&self) -> bool {
        let (boot, now) = CLOCK.get();
        self.deadline.is_some_and(|(armed, since, time)| {
            now.saturating_sub(if boot == armed { since } else { 0 }) >= time
        })
    }

    /// Makes the store roll back what is overdue, and checks the result.
    fn look(&mut self) -> Result<(), TestCaseError> {
        let mut expected = self.state().map(|(sections, _)| vec![sections]);
        let before = self.texts();
        self.store.confirmations().recover().expect("recovered");
        if !self.is_overdue() {
            prop_assert_eq!(self.texts(), before);
            prop_assert_eq!(
                self.store.confirmations().pending().expect("readable").is_some(),
                self.deadline.is_some()
            );
            return Ok(());
        }
        let now = self.state().map(|(sections, _)| sections);
        for done in self.waiting.drain(..).rev() {
            for ((expected, now), one) in expected.iter_mut().zip(&now).zip(&done) {
                *expected = take_out_of_each(std::mem::take(expected), one, now);
            }
        }
        self.deadline = None;
        for (now, expected) in now.iter().zip(&expected) {
            prop_assert!(expected.contains(now), "{now:#?} is none of {expected:#?}, from {before:#?}");
        }
        prop_assert_eq!(self.store.confirmations().pending().expect("readable"), None);
        Ok(())
    }

    /// Records in the model that a commit to be confirmed was made.
    fn made(&mut self, (before, texts): ([(Sections, Order); 2], [String; 2]), time: Option<u64>) {
        let after = self.state();
        // A moved section counts as a change as well.
        let Some(time) = time.filter(|_| self.texts() != texts) else { return };
        let [a, b] = before;
        let [c, d] = after;
        self.waiting.push([[a, c], [b, d]]);
        let (boot, now) = CLOCK.get();
        self.deadline = Some((boot, now, time));
    }

    fn commit(&mut self, edits: &[(usize, Edit)], time: Option<u64>) {
        let before = (self.state(), self.texts());
        let mut packages = PACKAGES.map(|name| package(&self.fixture, name));
        let places = PACKAGES.map(|name| self.store.packages().find(name.as_bytes()).expect("there"));
        for (at, edit) in edits {
            let deltas = deltas(&mut packages[*at], edit, &mut self.counter);
            self.store.staging().stage(&places[*at], &deltas).expect("staged");
        }
        self.store
            .commit_together(&places, Form::Lossless, time.map(Duration::from_secs))
            .expect("committed");
        self.made(before, time);
    }

    fn program(&mut self, edits: &[(usize, Edit)], time: Option<u64>) {
        let before = (self.state(), self.texts());
        let live = Store::open(self.options()).expect("opens");
        let mut transaction = live.begin().expect("begun");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        for (at, edit) in edits {
            let Edit::Set(section, option, value) = edit else { continue };
            let mut package = package(&self.fixture, PACKAGES[*at]);
            for delta in deltas(&mut package, &Edit::Set(*section, *option, *value), &mut self.counter) {
                let key = text(&delta.key(PACKAGES[*at].as_bytes()));
                transaction.set(key.as_bytes(), delta.value.as_deref().unwrap_or_default()).expect("set");
            }
        }
        if let Some(time) = time {
            transaction.set_confirm(Duration::from_secs(time));
        }
        transaction.commit().expect("committed");
        drop(live);
        self.made(before, time);
    }

    fn edit_by_hand(&mut self, at: usize, edit: &Edit, anew: bool) {
        let mut package = package(&self.fixture, PACKAGES[at]);
        deltas(&mut package, edit, &mut self.counter);
        let text = match anew {
            true => print(&package, false),
            false => cms::text::render(&package, &ParseOptions::new()).expect("written"),
        };
        self.fixture.write(PACKAGES[at], &String::from_utf8(text).expect("UTF-8"));
    }

    fn run(&mut self, event: &Event) -> Result<(), TestCaseError> {
        let (boot, now) = CLOCK.get();
        match event {
            Event::Commit(edits, time) => self.commit(edits, *time),
            Event::Program(edits, time) => self.program(edits, *time),
            Event::Hand(at, edit, anew) => self.edit_by_hand(*at, edit, *anew),
            Event::Confirm => {
                prop_assert_eq!(
                    self.store.confirmations().confirm(None, None).is_ok(),
                    self.deadline.take().is_some()
                );
                self.waiting.clear();
            }
            Event::Wait(time) => CLOCK.set((boot, now + time)),
            Event::Reboot => {
                CLOCK.set((boot + 1, 0));
                // The files in `/run` are lost.
                let _ = std::fs::remove_dir_all(self.fixture.path("run"));
                self.store = Engine::new(self.options());
            }
            Event::Reopen => self.store = Engine::new(self.options()),
        }
        self.look()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn s18_keys_to_be_confirmed_go_back_and_other_keys_stay(events in prop::collection::vec(event(), 1..20), level in 0..3_usize) {
        let mut world = World::new([cms::Durability::Full, cms::Durability::Log, cms::Durability::None][level]);
        for event in &events {
            world.run(event)?;
        }
        CLOCK.set((CLOCK.get().0, 1_000_000));
        world.look()?;
    }
}
