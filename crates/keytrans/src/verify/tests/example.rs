//! The worked example of the draft (appendix C.1).

use super::*;

#[test]
fn the_worked_example_has_exactly_the_fields_that_the_draft_names() {
    let mut world = World::new();
    // Version 2 is in the log before entry 11; entry 11 is the rightmost distinguished one.
    for entry in 0..13 {
        let labels: &[&str] = if [1, 5, 9].contains(&entry) { &["alice"] } else { &["bob"] };
        world.add(if entry == 11 { WINDOW } else { 1 }, labels);
        if entry == 3 {
            let view = world.search(None, "bob", None).unwrap().view;
            assert_eq!((view.size(), view.full_subtrees().len(), view.frontier().count()), (4, 1, 1));
        }
    }
    let (old, times) = seen_at_four();
    assert_eq!(old.frontier().map(|(entry, _)| entry).collect::<Vec<_>>(), [3]);
    let request = SearchRequest { last: Some(4), label: b"alice".to_vec(), version: None };
    let response = world.log.search(&request, None).unwrap();
    let proof = &response.search;
    assert_eq!(response.version, Some(2));
    assert_eq!(response.binary_ladder.len(), 4);
    assert_eq!(proof.timestamps, [7, 11, 12].map(|entry: u64| world.log.timestamp(entry).unwrap()));
    assert_eq!(proof.prefix_proofs.iter().map(|proof| proof.results.len()).collect::<Vec<_>>(), [4, 1]);
    assert_eq!(proof.prefix_roots, [world.log.prefix_root(7).unwrap()]);
    assert_eq!(proof.inclusion.elements.len(), 4);
    assert_eq!(times, 4);
    let found = world.verifier().search(Some(&old), &request, &response, world.now).unwrap();
    assert_eq!((found.result.version, found.result.value.as_slice()), (2, b"alice 2".as_slice()));
    assert_eq!((found.result.terminal, found.result.must_monitor), (11, false));
    assert_eq!(found.view.root().unwrap(), world.log.root(13).unwrap());
    assert_eq!(found.view.full_subtrees().len(), 3);
}

/// The view of the example's user, and the number of entries that it is of.
fn seen_at_four() -> (TreeView, u64) {
    let mut world = World::new();
    for entry in 0..4 {
        world.add(1, if entry == 1 { &["alice"] } else { &["bob"] });
    }
    let view = world.search(None, "bob", None).unwrap().view;
    (view.clone(), view.size())
}
