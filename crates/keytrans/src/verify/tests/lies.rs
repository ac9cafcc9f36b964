//! Logs that lie: to one person, about the past, or by saying nothing.

use super::*;

fn honest() -> World {
    let mut world = World::new();
    for entry in 0..6_u64 {
        world.add(300, if entry == 2 { &["alice"] } else { &["bob"] });
    }
    world
}

#[test]
fn a_fork_is_refused_by_whoever_saw_the_other_side() {
    let world = honest();
    let view = world.search(None, "alice", None).unwrap().view;
    for size in [7_u64, 8, 9, 16] {
        let mut same = World::new();
        let mut fork = World::new();
        for entry in 0..size {
            same.add(300, if entry == 2 { &["alice"] } else { &["bob"] });
            fork.add(300, if entry == 2 || entry == 4 { &["alice"] } else { &["bob"] });
        }
        assert!(same.search(Some(&view), "alice", None).is_ok());
        let found = fork.search(Some(&view), "alice", None);
        assert!(found.is_err(), "{size}: {found:?}");
    }
}

#[test]
fn a_log_that_went_back_is_refused() {
    let mut world = honest();
    world.add(10, &["bob"]);
    let view = world.search(None, "alice", None).unwrap().view;
    let older = honest();
    let request = SearchRequest { last: None, label: b"alice".to_vec(), version: None };
    let response = older.log.search(&request, None).unwrap();
    let request = SearchRequest { last: Some(view.size()), ..request };
    let found = older.verifier().search(Some(&view), &request, &response, world.now);
    assert_eq!(found, Err(KeyTransError::TreeSize { least: view.size() + 1, found: 6 }));
    assert!(older.log.search(&request, None).is_err());
}

#[test]
fn an_older_version_cannot_be_called_the_greatest() {
    let mut world = honest();
    world.add(10, &["alice"]);
    let request = SearchRequest { last: None, label: b"alice".to_vec(), version: Some(0) };
    let mut response = world.log.search(&request, None).unwrap();
    response.version = Some(0);
    for step in response.binary_ladder.iter_mut().skip(1) {
        step.commitment = None;
    }
    let request = SearchRequest { version: None, ..request };
    assert!(world.verifier().search(None, &request, &response, world.now).is_err());
}

#[test]
fn an_unchanged_head_must_have_been_known() {
    let world = honest();
    let view = world.search(None, "alice", None).unwrap().view;
    let request = SearchRequest { last: Some(6), label: b"alice".to_vec(), version: None };
    let response = world.log.search(&request, None).unwrap();
    assert_eq!(response.full_tree_head, FullTreeHead::Same);
    let found = world.verifier().search(Some(&view), &request, &response, world.now).unwrap();
    assert_eq!((found.view, found.head), (view, None));
    let found = world.verifier().search(None, &SearchRequest { last: None, ..request }, &response, world.now);
    assert_eq!(found, Err(KeyTransError::NoKnownHead));
}

#[test]
fn times_that_run_backwards_are_refused() {
    let world = honest();
    let request = SearchRequest { last: None, label: b"alice".to_vec(), version: None };
    let mut response = world.log.search(&request, None).unwrap();
    response.search.timestamps.swap(0, 1);
    let found = world.verifier().search(None, &request, &response, world.now);
    assert!(matches!(found, Err(KeyTransError::TimestampOrder { .. })), "{found:?}");
}
