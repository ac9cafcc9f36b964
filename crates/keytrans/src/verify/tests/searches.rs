//! Searches and contact monitoring in logs made by chance.

use proptest::prelude::*;

use super::*;
use crate::{message::ContactMonitorRequest, prove::LogError};

const LABELS: [&str; 3] = ["alice", "bob", "carol"];

#[derive(Debug, Clone)]
enum Step {
    /// An entry so much later, with versions of some labels.
    Add(u64, Vec<usize>),
    /// Somebody searches a label, the greatest version or one of the others.
    Search { who: usize, label: usize, version: Option<prop::sample::Index> },
    /// Somebody monitors what was searched.
    Monitor { who: usize, label: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (prop_oneof![Just(1_u64), Just(100), Just(600), Just(2500)], prop::collection::vec(0..3_usize, 0..4))
            .prop_map(|(later, labels)| Step::Add(later, labels)),
        2 => (0..2_usize, 0..3_usize, proptest::option::of(any::<prop::sample::Index>()))
            .prop_map(|(who, label, version)| Step::Search { who, label, version }),
        1 => (0..2_usize, 0..3_usize).prop_map(|(who, label)| Step::Monitor { who, label }),
    ]
}

#[derive(Default)]
struct Person {
    view: Option<TreeView>,
    watched: BTreeMap<usize, Watched>,
}

impl Person {
    fn search(&mut self, world: &World, label: usize, version: Option<u32>) {
        let found = world.search(self.view.as_ref(), LABELS[label], version).unwrap();
        let truth = &world.truth[LABELS[label]];
        let expected = version.unwrap_or(truth.len() as u32 - 1);
        assert_eq!((found.result.version, &found.result.value), (expected, &truth[expected as usize].0));
        assert!(found.result.terminal >= truth[expected as usize].1);
        assert_eq!(found.view.root().unwrap(), world.log.root(world.log.size()).unwrap());
        self.watched.entry(label).or_default().watch(&found.result);
        self.keep(found.view);
    }

    fn monitor(&mut self, world: &World, label: usize) {
        let Some(watched) = self.watched.get(&label).filter(|watched| !watched.is_empty()) else { return };
        let watched = Watched::decode(&watched.encode().unwrap()).unwrap();
        let request = watched.request(LABELS[label].as_bytes(), self.view.as_ref());
        assert_eq!(ContactMonitorRequest::decode(&request.encode().unwrap()).unwrap(), request);
        let response = world.log.contact_monitor(&request, None).unwrap();
        let found = world.verifier().contact_monitor(self.view.as_ref(), &watched, &response, world.now).unwrap();
        // All that is left lies on the frontier.
        let frontier: Vec<u64> = found.view.frontier().map(|(entry, _)| entry).collect();
        assert!(found.result.map().keys().all(|entry| frontier.contains(entry)));
        self.watched.insert(label, found.result);
        self.keep(found.view);
    }

    fn keep(&mut self, view: TreeView) {
        let kept = TreeView::decode(&view.encode().unwrap()).unwrap();
        assert_eq!(kept, view);
        self.view = Some(kept);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_searches_and_monitors_an_honest_log_finds_what_is_true(
        steps in prop::collection::vec(step(), 1..50),
        is_ours in any::<bool>(),
    ) {
        let suite = if is_ours { CipherSuite::RISTRETTO255 } else { CipherSuite::ED25519 };
        let mut world = World::with(config(suite));
        let mut people = [Person::default(), Person::default()];
        for step in steps {
            match step {
                Step::Add(later, labels) => {
                    let labels: Vec<&str> = labels.into_iter().map(|label| LABELS[label]).collect();
                    world.add(later, &labels);
                }
                Step::Search { who, label, version } => {
                    let Some(truth) = world.truth.get(LABELS[label]) else { continue };
                    let version = version.map(|version| version.index(truth.len()) as u32);
                    people[who].search(&world, label, version);
                }
                Step::Monitor { who, label } => people[who].monitor(&world, label),
            }
        }
    }
}

#[test]
fn what_was_searched_recently_is_monitored_until_a_distinguished_entry_has_it() {
    let mut world = World::new();
    world.add(0, &["bob"]);
    world.add(1, &["bob"]);
    world.add(1, &["alice"]);
    let mut person = Person::default();
    person.search(&world, 0, None);
    assert_eq!(person.watched[&0].map().len(), 1);
    for _ in 0..6 {
        world.add(400, &["bob"]);
        person.monitor(&world, 0);
    }
    assert!(person.watched[&0].is_empty());
}

#[test]
fn a_version_that_never_was_is_not_found() {
    let mut world = World::new();
    world.add(0, &["alice"]);
    let request = SearchRequest { last: None, label: b"alice".to_vec(), version: Some(1) };
    let is_missing = |error| matches!(error, LogError::KeyTrans(KeyTransError::NoSuchVersion { .. }));
    assert!(world.log.search(&request, None).is_err_and(is_missing));
    let request = SearchRequest { last: None, label: b"dave".to_vec(), version: None };
    assert!(world.log.search(&request, None).is_err_and(is_missing));
}

#[test]
fn a_version_that_is_older_than_the_log_keeps_has_expired() {
    let mut world = World::with(Configuration { maximum_lifetime: Some(3000), ..config(CipherSuite::RISTRETTO255) });
    world.add(0, &["alice"]);
    world.add(1, &["alice"]);
    for _ in 0..8 {
        world.add(900, &["bob"]);
    }
    let request = SearchRequest { last: None, label: b"alice".to_vec(), version: Some(0) };
    let found = world.log.search(&request, None);
    assert!(matches!(found, Err(LogError::KeyTrans(KeyTransError::Expired { version: 0 }))), "{found:?}");
    // The greatest version is found all the same.
    assert_eq!(world.search(None, "alice", None).unwrap().result.version, 1);
}
