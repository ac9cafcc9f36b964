use quicprochat_wire::{
    ConnectionKind, ErrorCode,
    call::{
        Done,
        session::Registration,
        vault::{VaultFetch, VaultRecord, VaultStore, VaultSubscribe, VaultVersion, VaultVersions, VaultWrap},
    },
    limits::{MAX_VAULT_BYTES, MAX_VAULT_RECORDS},
};

use super::check_wraps;
use crate::{
    Limits,
    test_support::{Line, PASSWORD, Person, Sam, record, refused, wrap},
};

fn line(sam: &Sam) -> Line<'_> {
    let alice = Person::new("alice", 1);
    alice.register(sam).expect("registers");
    alice.line(sam)
}

fn store(line: &Line<'_>, records: &[VaultRecord]) -> Result<Done, quicprochat_wire::CallFailure> {
    line.call(VaultStore { records: records.to_vec() })
}

fn fetch(line: &Line<'_>, ids: &[u32]) -> Vec<VaultRecord> {
    line.call(VaultFetch { ids: ids.to_vec() }).expect("fetches").records
}

#[test]
fn a_record_is_replaced_by_the_next_version_alone() {
    let sam = Sam::new();
    let line = line(&sam);
    for version in [0, 1, 3, u64::MAX] {
        assert_eq!(store(&line, &[record(1, version)]), refused(ErrorCode::VersionConflict));
    }
    let newer = VaultRecord { sealed: vec![8; 600], ..record(1, 2) };
    assert_eq!(store(&line, core::slice::from_ref(&newer)), Ok(Done));
    assert_eq!(fetch(&line, &[1]), [newer]);
}

#[test]
fn records_are_stored_all_or_none() {
    let sam = Sam::new();
    let line = line(&sam);
    assert_eq!(store(&line, &[record(1, 2), record(9, 1), record(2, 1)]), refused(ErrorCode::VersionConflict));
    assert_eq!(store(&line, &[record(1, 2), record(1, 3)]), refused(ErrorCode::BadRequest));
    assert_eq!(fetch(&line, &[]), [record(1, 1), record(2, 1)]);
}

#[test]
fn a_removed_record_keeps_its_version() {
    let sam = Sam::new();
    let line = line(&sam);
    let removal = VaultRecord { id: 1, version: 2, sealed: Vec::new() };
    assert_eq!(store(&line, core::slice::from_ref(&removal)), Ok(Done));
    assert_eq!(fetch(&line, &[]), [record(2, 1)]);
    assert_eq!(fetch(&line, &[2, 1, 1, 77]), [removal, record(2, 1)]);
    assert_eq!(store(&line, &[record(1, 1)]), refused(ErrorCode::VersionConflict));
    assert_eq!(store(&line, &[record(1, 3)]), Ok(Done));
}

#[test]
fn a_vault_has_its_limits() {
    let sam = Sam::with(Registration::Open, Limits { vault_bytes: 66_000, ..Limits::default() });
    let line = line(&sam);
    let sized = |id, length| VaultRecord { id, version: 1, sealed: vec![1; length] };
    assert_eq!(store(&line, &[sized(5, MAX_VAULT_BYTES + 1)]), refused(ErrorCode::TooLarge));
    assert_eq!(store(&line, &[sized(5, 64_000), sized(6, 2_000)]), refused(ErrorCode::QuotaFull));
    let small =
        |count: usize| (0..count).map(|index| sized(100 + u32::try_from(index).expect("few"), 1)).collect::<Vec<_>>();
    assert_eq!(store(&line, &small(MAX_VAULT_RECORDS - 1)), refused(ErrorCode::QuotaFull));
    assert_eq!(store(&line, &small(MAX_VAULT_RECORDS - 2)), Ok(Done));
    assert_eq!(line.call(VaultFetch { ids: vec![1; 65] }), refused(ErrorCode::TooLarge));
}

#[test]
fn ids_that_were_used_are_bounded_too() {
    let sam = Sam::new();
    let line = line(&sam);
    let removal = |id| VaultRecord { id, version: 1, sealed: Vec::new() };
    let many: Vec<_> = (100..1_122).map(removal).collect();
    assert_eq!(store(&line, &many), Ok(Done));
    assert_eq!(store(&line, &[removal(5_000)]), refused(ErrorCode::QuotaFull));
}

#[test]
fn a_vault_is_shown_to_its_owner_alone() {
    let sam = Sam::new();
    let _alice = line(&sam);
    let bob = Person::new("bob", 2);
    bob.register(&sam).expect("registers");
    let line = bob.line(&sam);
    store(&line, &[record(3, 1)]).expect("stores");
    assert_eq!(fetch(&line, &[]).len(), 3);
    let alice = sam.connect(ConnectionKind::Account);
    assert_eq!(alice.call(VaultFetch { ids: Vec::new() }), refused(ErrorCode::NotAuthenticated));
    alice.sign_in("alice", PASSWORD).expect("signs in");
    assert_eq!(fetch(&alice, &[]).len(), 2, "signed in she may fetch");
    assert_eq!(store(&alice, &[record(3, 1)]), refused(ErrorCode::NotAuthenticated), "but only a device stores");
}

#[test]
fn wraps_are_at_least_one_and_each_way_once() {
    let way = |way, length| VaultWrap { way, sealed: vec![1; length] };
    assert_eq!(check_wraps(&[wrap(1), way(2, 72)]), Ok(()));
    assert_eq!(check_wraps(&[]), Err(ErrorCode::BadRequest));
    assert_eq!(check_wraps(&[wrap(1), wrap(2)]), Err(ErrorCode::BadRequest));
    assert_eq!(check_wraps(&[way(1, 0)]), Err(ErrorCode::BadRequest));
    assert_eq!(check_wraps(&[way(1, MAX_VAULT_BYTES + 1)]), Err(ErrorCode::TooLarge));
    assert_eq!(check_wraps(&(0..9).map(|index| way(index, 1)).collect::<Vec<_>>()), Err(ErrorCode::QuotaFull));
}

fn versions(of: &[(u32, u64)]) -> Option<Result<VaultVersions, quicprochat_wire::CallFailure>> {
    let versions = of.iter().map(|(id, version)| VaultVersion { id: *id, version: *version }).collect();
    Some(Ok(VaultVersions { versions }))
}

#[test]
fn a_subscription_tells_all_versions_at_once_and_then_what_is_stored() {
    let sam = Sam::new();
    let line = line(&sam);
    let mut watching = line.subscribe(VaultSubscribe {}).expect("subscribes");
    assert_eq!(watching.next(), versions(&[(1, 1), (2, 1)]), "what registration stored");
    assert!(watching.next().is_none(), "nothing was stored");
    store(&line, &[record(2, 2), record(32, 1)]).expect("stores");
    assert_eq!(watching.next(), versions(&[(2, 2), (32, 1)]));
    assert_eq!(store(&line, &[record(2, 2)]), refused(ErrorCode::VersionConflict));
    assert!(watching.next().is_none(), "what is refused is no news");
    store(&line, &[record(32, 2)]).expect("stores");
    store(&line, &[record(32, 3)]).expect("stores");
    assert_eq!(watching.next(), versions(&[(32, 3)]), "what came in between is not told one by one");
    let removal = VaultRecord { id: 32, version: 4, sealed: Vec::new() };
    store(&line, core::slice::from_ref(&removal)).expect("stores");
    assert_eq!(watching.next(), versions(&[(32, 4)]), "a removal is a change");
    let mut late = line.subscribe(VaultSubscribe {}).expect("subscribes");
    assert_eq!(late.next(), versions(&[(1, 1), (2, 2), (32, 4)]));
    sam.server.drain();
    assert_eq!(late.next(), Some(refused(ErrorCode::Unavailable)));
}

#[test]
fn a_vault_is_watched_by_its_own_devices_alone() {
    let sam = Sam::new();
    let _alice = line(&sam);
    let bob = Person::new("bob", 2);
    bob.register(&sam).expect("registers");
    let bob = bob.line(&sam);
    let mut watching = bob.subscribe(VaultSubscribe {}).expect("subscribes");
    assert_eq!(watching.next(), versions(&[(1, 1), (2, 1)]));
    store(&_alice, &[record(32, 1)]).expect("stores");
    assert!(watching.next().is_none(), "another account's");
    let stranger = sam.connect(ConnectionKind::Account);
    assert_eq!(stranger.subscribe(VaultSubscribe {}).err(), Some(ErrorCode::NotAuthenticated.into()));
    stranger.sign_in("alice", PASSWORD).expect("signs in");
    assert_eq!(stranger.subscribe(VaultSubscribe {}).err(), Some(ErrorCode::NotAuthenticated.into()), "a device only");
}
