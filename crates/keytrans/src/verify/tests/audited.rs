//! A log with a third-party auditor.

use super::*;
use crate::{
    audit::{Auditor, AuditorUpdate},
    error::{AuditorProblem, KeyOf},
    prove::LogError,
    suite::HeadKey,
};

const LAG: u64 = 500;

fn key() -> Box<dyn HeadKey> {
    suite::head_key(CipherSuite::RISTRETTO255, &[9; 32]).unwrap()
}

fn world(start: u64) -> World {
    let mode = DeploymentMode::ThirdPartyAuditing {
        max_auditor_lag: LAG,
        auditor_start_pos: start,
        auditor_public_key: key().public_key(),
    };
    World::with(Configuration { mode, ..config(CipherSuite::RISTRETTO255) })
}

/// The auditor's head after so many entries.
fn audit(world: &World, entries: u64) -> AuditorTreeHead {
    let mut auditor = Auditor::new();
    for entry in 0..entries {
        let bytes = world.log.auditor_update(entry).unwrap().encode().unwrap();
        auditor.update(&AuditorUpdate::decode(&bytes).unwrap()).unwrap();
    }
    auditor.sign(&world.config, &*key()).unwrap()
}

fn search(world: &World, view: Option<&TreeView>, auditor: &AuditorTreeHead) -> Result<Verified<Found>, KeyTransError> {
    let request = SearchRequest { last: view.map(TreeView::size), label: b"alice".to_vec(), version: None };
    let bytes = world.log.search(&request, Some(auditor)).unwrap().encode().unwrap();
    let response = SearchResponse::decode(&bytes, &request, &world.config).unwrap();
    world.verifier().search(view, &request, &response, world.now)
}

#[test]
fn an_auditor_may_lag_as_long_as_the_log_says() {
    let mut world = world(0);
    for entry in 0..9 {
        world.add(200, if entry == 3 { &["alice"] } else { &["bob"] });
    }
    let mut view = None;
    for entries in [7, 8, 9] {
        let found = search(&world, None, &audit(&world, entries)).unwrap();
        assert_eq!((found.view.audited(), found.result.must_monitor), (Some(entries), false));
        view = Some(found.view);
    }
    let found = search(&world, None, &audit(&world, 6));
    let is_behind = |error| matches!(error, KeyTransError::AuditorHead { problem: AuditorProblem::Behind, .. });
    assert!(found.is_err_and(is_behind));
    world.add(200, &["alice"]);
    // What the auditor saw lies within what was known before.
    assert!(search(&world, view.as_ref(), &audit(&world, 9)).is_ok());
}

#[test]
fn an_auditor_that_saw_another_log_is_refused() {
    let (mut one, mut other) = (world(0), world(0));
    for entry in 0..9 {
        one.add(100, &["alice"]);
        other.add(100, if entry == 5 { &["alice", "bob"] } else { &["alice"] });
    }
    let view = search(&one, None, &audit(&one, 9)).unwrap().view;
    one.add(100, &["alice"]);
    for view in [None, Some(&view)] {
        let found = search(&one, view, &audit(&other, 7));
        assert_eq!(found.map(drop), Err(KeyTransError::Signature { by: KeyOf::Auditor }));
    }
}

#[test]
fn an_auditor_that_is_ahead_or_came_late_is_refused() {
    let mut world = world(8);
    for _ in 0..9 {
        world.add(100, &["alice"]);
    }
    let ahead = audit(&world, 9);
    let mut shorter = self::world(8);
    for _ in 0..8 {
        shorter.add(100, &["alice"]);
    }
    let request = SearchRequest { last: None, label: b"alice".to_vec(), version: None };
    let mut response = shorter.log.search(&request, Some(&audit(&shorter, 8))).unwrap();
    if let FullTreeHead::Updated { auditor_tree_head, .. } = &mut response.full_tree_head {
        *auditor_tree_head = Some(ahead.clone());
    }
    let found = shorter.verifier().search(None, &request, &response, shorter.now);
    let is = |wanted| move |error| matches!(error, KeyTransError::AuditorHead { problem, .. } if problem == wanted);
    assert!(found.is_err_and(is(AuditorProblem::Ahead)));
    let view = search(&world, None, &audit(&world, 7)).unwrap().view;
    world.add(100, &["alice"]);
    assert!(search(&world, Some(&view), &audit(&world, 10)).is_err_and(is(AuditorProblem::Gap)));
    assert!(matches!(world.log.search(&request, None), Err(LogError::NoAuditorHead)));
}
