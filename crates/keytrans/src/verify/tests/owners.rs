//! Owners of labels in logs made by chance, and the walk over distinguished entries.

use proptest::prelude::*;

use super::*;
use crate::message::{DistinguishedResponse, OwnerInitRequest, OwnerMonitorResponse, UpdateResponse};

/// Somebody who owns alice's label.
struct Person {
    view: Option<TreeView>,
    owner: Option<Owner>,
}

impl Person {
    fn begin(&mut self, world: &World) {
        let heads = self.heads(world);
        let Some(start) = heads.last().map(KnownHead::entry) else { return };
        let request = OwnerInitRequest { last: self.last(), label: b"alice".to_vec(), start };
        let response = world.log.owner_init(&request, None).unwrap();
        let found = world.verifier().owner_init(self.view.as_ref(), &request, &response, world.now).unwrap();
        assert_eq!(found.result.greatest(), greatest_at(world, start));
        self.owner = Some(found.result);
        self.view = Some(found.view);
    }

    /// Processes all new versions, then monitors to the end.
    fn catch_up(&mut self, world: &World) {
        self.updates(world);
        for _ in 0..10 {
            let Some(owner) = &self.owner else { return };
            assert_eq!(Owner::decode(&owner.encode().unwrap()).as_ref(), Ok(owner));
            let request = owner.monitor_request(self.view.as_ref());
            let bytes = world.log.owner_monitor(&request, None).unwrap().encode().unwrap();
            let response = OwnerMonitorResponse::decode(&bytes, &world.config).unwrap();
            let found = world.verifier().owner_monitor(self.view.as_ref(), owner, &response, world.now).unwrap();
            self.owner = Some(found.result.owner);
            self.view = Some(found.view);
            if found.result.is_complete {
                return;
            }
        }
        panic!("monitoring never ends");
    }

    fn updates(&mut self, world: &World) {
        while let Some(owner) = &self.owner
            && owner.greatest() != world.truth.get("alice").and_then(|versions| (versions.len() as u32).checked_sub(1))
        {
            let request = owner.update_request(self.view.as_ref(), Vec::new());
            let bytes = world.log.update(&request, owner.known_to(), None).unwrap().encode().unwrap();
            let response = UpdateResponse::decode(&bytes, &world.config).unwrap();
            let first = owner.greatest().map_or(0, |greatest| greatest as usize + 1);
            let found = world.verifier().update(self.view.as_ref(), owner, &request, &response, world.now).unwrap();
            let Updated { owner, values } = found.result;
            let truth: Vec<&Vec<u8>> = world.truth["alice"].iter().map(|(value, _)| value).collect();
            assert_eq!(values.iter().collect::<Vec<_>>(), truth[first..first + values.len()]);
            self.owner = Some(owner);
            self.view = Some(found.view);
        }
    }

    fn heads(&mut self, world: &World) -> Vec<KnownHead> {
        let request = DistinguishedRequest { last: self.last(), stop: None };
        let bytes = world.log.distinguished(&request, None).unwrap().encode().unwrap();
        let response = DistinguishedResponse::decode(&bytes, &world.config).unwrap();
        let found = world.verifier().distinguished(self.view.as_ref(), &request, &response, world.now).unwrap();
        for head in &found.result {
            assert_eq!(head.view().root().unwrap(), world.log.root(head.entry() + 1).unwrap());
        }
        self.view = Some(found.view);
        found.result
    }

    fn last(&self) -> Option<u64> {
        self.view.as_ref().map(TreeView::size)
    }
}

fn greatest_at(world: &World, entry: u64) -> Option<u32> {
    let versions = world.truth.get("alice")?;
    (versions.iter().filter(|(_, position)| *position <= entry).count() as u32).checked_sub(1)
}

fn nobody() -> Person {
    Person { view: None, owner: None }
}

#[derive(Debug, Clone)]
enum Step {
    Add(u64, usize, bool),
    Begin,
    CatchUp,
    Updates,
}

fn step() -> impl Strategy<Value = Step> {
    let later = prop_oneof![Just(1_u64), Just(150), Just(700), Just(2500)];
    prop_oneof![
        6 => (later, prop_oneof![3 => Just(0_usize), 2 => Just(1), 1 => Just(3)], any::<bool>())
            .prop_map(|(later, versions, bob)| Step::Add(later, versions, bob)),
        1 => Just(Step::Begin),
        2 => Just(Step::CatchUp),
        1 => Just(Step::Updates),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_owner_follows_an_honest_log_to_its_end(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        world.add(0, &["bob"]);
        let mut person = nobody();
        for step in steps {
            match step {
                Step::Add(later, versions, bob) => {
                    let mut labels = vec!["alice"; versions];
                    labels.extend(bob.then_some("bob"));
                    world.add(later, &labels);
                }
                Step::Begin if person.owner.is_none() => person.begin(&world),
                Step::Begin | Step::CatchUp => person.catch_up(&world),
                Step::Updates => person.updates(&world),
            }
        }
        if person.owner.is_none() {
            person.begin(&world);
        }
        person.catch_up(&world);
        prop_assert!(person.owner.is_some());
        let verified = person.owner.as_ref().map(Owner::start);
        if verified.is_some() {
            prop_assert_eq!(verified, person.heads(&world).last().map(KnownHead::entry));
        }
    }
}

#[test]
fn an_owner_sees_a_version_that_somebody_else_added() {
    let mut world = World::new();
    world.add(0, &["alice"]);
    let mut person = nobody();
    person.begin(&world);
    person.catch_up(&world);
    world.add(1500, &["alice"]);
    world.add(1500, &["bob"]);
    let owner = person.owner.clone().unwrap();
    // The prover stops before that version; an owner who is not told of it does not come to the end.
    let response = world.log.owner_monitor(&owner.monitor_request(person.view.as_ref()), None).unwrap();
    let found = world.verifier().owner_monitor(person.view.as_ref(), &owner, &response, world.now).unwrap();
    assert!(!found.result.is_complete);
    person.updates(&world);
    assert_eq!(person.owner.as_ref().unwrap().greatest(), Some(1));
}

#[test]
fn a_credential_is_verified_without_the_log_and_finally_with_its_update() {
    let mut world = World::new();
    world.add(0, &["alice"]);
    world.add(1500, &["bob"]);
    let mut receiver = nobody();
    let heads = receiver.heads(&world);
    let base = heads.last().unwrap().entry();
    let standard = world.log.credential(b"alice", base).unwrap();
    let presented = world.verifier().credential(&standard, &heads).unwrap();
    assert_eq!((presented.value.as_slice(), &presented.status), (b"alice 0".as_slice(), &Status::Final));

    world.add(10, &["alice"]);
    let credential = world.log.credential(b"alice", base).unwrap();
    let bytes = credential.encode().unwrap();
    let credential = crate::message::Credential::decode(&bytes, &world.config).unwrap();
    let presented = world.verifier().credential(&credential, &heads).unwrap();
    assert_eq!(presented.value, b"alice 1");
    let Status::Provisional(provisional) = presented.status else { panic!("nothing later is distinguished") };
    for _ in 0..5 {
        world.add(700, &["bob"]);
    }
    let later = receiver.heads(&world).into_iter().find(|head| head.entry() >= 3).unwrap();
    let update = world.log.credential_update(b"alice", (provisional.terminal, 1), 3, later.entry()).unwrap();
    let update = crate::message::CredentialUpdate::decode(&update.encode().unwrap()).unwrap();
    world.verifier().finish_credential(&provisional, &update, &later).unwrap();

    // A credential of another log with the same keys is not of this one.
    let mut other = World::new();
    other.add(0, &["alice"]);
    other.add(1500, &["bob"]);
    other.add(10, &["alice", "alice"]);
    let lie = other.log.credential(b"alice", base).unwrap();
    let Status::Provisional(lie) = world.verifier().credential(&lie, &heads).unwrap().status else { panic!() };
    let found = world.verifier().finish_credential(&lie, &update, &later);
    assert!(found.is_err(), "{found:?}");
    for _ in 0..5 {
        other.add(700, &["bob"]);
    }
    let update = other.log.credential_update(b"alice", (lie.terminal, 2), 3, later.entry()).unwrap();
    let found = world.verifier().finish_credential(&lie, &update, &later);
    assert!(matches!(found, Err(KeyTransError::Root { .. })), "{found:?}");
}
