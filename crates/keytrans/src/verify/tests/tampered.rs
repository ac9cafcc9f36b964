//! Responses with one byte changed: refused, or of no effect.

use super::*;

fn world() -> World {
    let mut world = World::new();
    for entry in 0..11_u64 {
        world.add(if entry == 6 { 1500 } else { 50 }, if entry % 3 == 0 { &["alice", "bob"] } else { &["bob"] });
    }
    world
}

#[test]
fn a_changed_byte_of_a_search_is_refused_or_of_no_effect() {
    let world = world();
    let old = {
        let mut world = World::new();
        world.add(50, &["alice", "bob"]);
        world.add(50, &["bob"]);
        world.search(None, "bob", None).unwrap().view
    };
    for (view, version) in [(None, None), (Some(&old), None), (None, Some(2)), (Some(&old), Some(0))] {
        let request = SearchRequest { last: view.map(TreeView::size), label: b"alice".to_vec(), version };
        let bytes = world.log.search(&request, None).unwrap().encode().unwrap();
        let verify = |bytes: &[u8]| {
            let response = SearchResponse::decode(bytes, &request, &world.config)?;
            world.verifier().search(view, &request, &response, world.now)
        };
        let truth = verify(&bytes).unwrap();
        for at in 0..bytes.len() {
            for bit in [1, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= bit;
                let found = verify(&changed);
                assert!(
                    found.is_err() || found.as_ref() == Ok(&truth),
                    "byte {at} of {} (bit {bit:#x}): {found:?} beside {truth:?}",
                    bytes.len()
                );
            }
            assert!(verify(&bytes[..at]).is_err());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(verify(&longer).is_err());
    }
}

#[test]
fn a_response_is_of_one_label_version_and_configuration() {
    let world = world();
    let request = SearchRequest { last: None, label: b"alice".to_vec(), version: Some(1) };
    let response = world.log.search(&request, None).unwrap();
    let verify = |request: &SearchRequest, config: &Configuration, now: u64| {
        Verifier::new(config).search(None, request, &response, now)
    };
    assert!(verify(&request, &world.config, world.now).is_ok());
    let other = SearchRequest { label: b"bob".to_vec(), ..request.clone() };
    assert_eq!(verify(&other, &world.config, world.now), Err(KeyTransError::VrfProof));
    let other = SearchRequest { version: Some(2), ..request.clone() };
    assert!(verify(&other, &world.config, world.now).is_err());
    let other = Configuration { reasonable_monitoring_window: WINDOW + 1, ..world.config.clone() };
    assert!(verify(&request, &other, world.now).is_err());
    let other = Configuration {
        signature_public_key: suite::head_key(CipherSuite::RISTRETTO255, &[8; 32]).unwrap().public_key(),
        ..world.config.clone()
    };
    let found = verify(&request, &other, world.now);
    assert!(matches!(found, Err(KeyTransError::Signature { .. })), "{found:?}");
    let found = verify(&request, &Configuration { cipher_suite: CipherSuite(1), ..world.config.clone() }, world.now);
    assert!(matches!(found, Err(KeyTransError::UnsupportedSuite { .. })), "{found:?}");
    for now in [world.now - 101, world.now + 1_000_001] {
        let found = verify(&request, &world.config, now);
        assert!(matches!(found, Err(KeyTransError::Clock { .. })), "{found:?}");
    }
}
