//! The recovery key beside the password.

use quicprochat_identity::password::RECOVERY_STRETCH;
use quicprochat_wire::call::vault::{VaultWrap, WAY_RECOVERY};

use super::*;

fn key_of(device: &Device) -> RecoveryKey {
    device.recovery_key.clone().expect("it registered the account")
}

/// Replaces the recovery key of an account whose vault is open.
fn replace_key(sam: &mut Sam, vault: OpenVault, seed: u64) -> Result<RecoveryKey, ErrorCode> {
    let mut entropy = SeededEntropy::new(seed);
    let who = vault.identity().name().to_string();
    let (request, change) = RecoveryChange::start(&mut entropy).expect("starts");
    let answer = sam.password_start(&who, &request);
    let (request, key) = change.finish(vault, &answer, &FINGERPRINT, &mut entropy).expect("finishes");
    assert_eq!((request.way, request.stretch), (WAY_RECOVERY, RECOVERY_STRETCH));
    sam.password_finish(&who, request).map(|()| key)
}

#[test]
fn the_key_of_a_registration_opens_the_vault_and_enrols() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let key = key_of(&laptop);
    let vault = sign_in_by(&mut sam, "alice", key.clone(), 2).expect("signs in");
    assert_eq!(vault.state_key.as_bytes(), laptop.account.state_key.as_bytes());
    let phone = enrol_with(&mut sam, &vault, "alice", "phone", 3).expect("enrols");
    assert_eq!(phone.account.identity.devices().len(), 2);
    // The password shows the same key again.
    let vault = sign_in(&mut sam, "alice", PASSWORD, 4).expect("signs in");
    assert_eq!(vault.recovery_key(), Ok(&key));
    let other = RecoveryKey::generate(&mut SeededEntropy::new(9));
    assert_eq!(sign_in_by(&mut sam, "alice", other, 5).err(), Some(CeremonyError::SignInFailed));
    assert_eq!(sign_in_by(&mut sam, "carol", key, 6).err(), Some(CeremonyError::SignInFailed));
}

#[test]
fn a_forgotten_password_is_replaced_and_the_key_stays() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let phone = enrol(&mut sam, "alice", "phone", 2);
    let key = key_of(&laptop);
    let mut vault = sign_in_by(&mut sam, "alice", key.clone(), 3).expect("signs in");
    let record = sam.own_record("alice");
    let mut entropy = SeededEntropy::new(4);
    // A roll wraps for the password too, which nobody has given yet.
    let refused = vault.revoke(phone.account.device, &record, NOW, &mut entropy).err();
    assert_eq!(refused, Some(CeremonyError::PasswordNeeded));
    let (request, change) = PasswordChange::start(&vault, password(OTHER_PASSWORD), &mut entropy).expect("starts");
    let answer = sam.password_start("alice", &request);
    let (request, changed) = change.finish(&vault, &answer, &FINGERPRINT, &mut entropy).expect("finishes");
    sam.password_finish("alice", request).expect("accepted");
    changed.apply(&mut vault);
    assert_eq!(sign_in(&mut sam, "alice", PASSWORD, 5).err(), Some(CeremonyError::SignInFailed));
    assert!(sign_in(&mut sam, "alice", OTHER_PASSWORD, 6).is_ok());
    assert!(sign_in_by(&mut sam, "alice", key.clone(), 7).is_ok());
    let (request, _) = vault.revoke(phone.account.device, &record, NOW, &mut entropy).expect("revokes now");
    sam.publish_identity("alice", request).expect("accepted");
    for way_in in [WayIn::from(password(OTHER_PASSWORD)), key.into()] {
        assert!(sign_in_by(&mut sam, "alice", way_in, 8).is_ok());
    }
}

#[test]
fn a_roll_wraps_the_new_root_key_for_both_ways() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let phone = enrol(&mut sam, "alice", "phone", 2);
    let (key, before) = (key_of(&laptop), sam.stored("alice").wraps.clone());
    let vault = sign_in(&mut sam, "alice", PASSWORD, 3).expect("signs in");
    let record = sam.own_record("alice");
    let mut entropy = SeededEntropy::new(4);
    let (request, rolled) = vault.revoke(phone.account.device, &record, NOW, &mut entropy).expect("revokes");
    sam.publish_identity("alice", request).expect("accepted");
    let account = rolled.apply(&laptop.account).expect("remains");
    let after = sam.stored("alice").wraps.clone();
    assert_eq!(after.iter().map(|wrap| wrap.way).collect::<Vec<_>>(), [WAY_PASSWORD, WAY_RECOVERY]);
    assert!(after.iter().all(|wrap| !before.contains(wrap)));
    let vault = sign_in_by(&mut sam, "alice", key.clone(), 5).expect("the key opens the new vault");
    assert_eq!(vault.state_key.as_bytes(), account.state_key.as_bytes());
    assert_eq!(sign_in(&mut sam, "alice", PASSWORD, 6).expect("signs in").recovery_key(), Ok(&key));
    // The phone's keys open neither the record nor anything else of the new vault.
    let records = sam.vault_fetch("alice").records;
    assert!(jobs(&phone.account.state_key, account.account(), &records).is_err());
}

#[test]
fn a_replaced_key_opens_nothing_and_the_new_one_is_shown() {
    let mut sam = Sam::new();
    let old = key_of(&register(&mut sam, "alice", 1));
    let (first, second) = (sign_in(&mut sam, "alice", PASSWORD, 2), sign_in(&mut sam, "alice", PASSWORD, 3));
    let new = replace_key(&mut sam, first.expect("signs in"), 4).expect("accepted");
    assert_ne!(old, new);
    assert_eq!(sign_in_by(&mut sam, "alice", old.clone(), 5).err(), Some(CeremonyError::SignInFailed));
    let vault = sign_in_by(&mut sam, "alice", new.clone(), 6).expect("signs in");
    assert_eq!(vault.recovery_key(), Ok(&new));
    // Two at once: the other one is refused as a whole.
    let late = replace_key(&mut sam, second.expect("signed in before"), 7);
    assert_eq!(late.err(), Some(ErrorCode::VersionConflict));
    assert!(sign_in_by(&mut sam, "alice", new, 8).is_ok());
    assert!(sign_in(&mut sam, "alice", PASSWORD, 9).is_ok());
}

#[test]
fn an_account_without_a_key_gets_one_and_a_lost_record_is_noticed() {
    let mut sam = Sam::new();
    register(&mut sam, "alice", 1);
    // As accounts are that were made without one.
    let stored = sam.stored("alice");
    stored.records.remove(&5);
    let wraps = stored.wraps.clone();
    stored.wraps.retain(|wrap| wrap.way == WAY_PASSWORD);
    let vault = sign_in(&mut sam, "alice", PASSWORD, 2).expect("signs in");
    assert_eq!(vault.recovery_key().err(), Some(CeremonyError::NoRecoveryKey));
    // A wrap without the record: a server holds the record back, and a roll would drop the way unseen.
    sam.stored("alice").wraps = wraps;
    assert_eq!(reopen(&sam, &vault).err(), Some(CeremonyError::RecordMissing { record: 5 }));
    sam.stored("alice").wraps.retain(|wrap| wrap.way == WAY_PASSWORD);
    let key = replace_key(&mut sam, vault, 3).expect("accepted");
    assert!(sign_in_by(&mut sam, "alice", key, 4).is_ok());
}

#[test]
fn a_way_of_a_newer_client_is_not_lost() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let passkey = VaultWrap { way: 3, sealed: vec![9; 72] };
    sam.stored("alice").wraps.push(passkey.clone());
    let vault = sign_in(&mut sam, "alice", PASSWORD, 2).expect("signs in");
    let record = sam.own_record("alice");
    let refused = vault.revoke(laptop.account.device, &record, NOW, &mut SeededEntropy::new(3)).err();
    assert_eq!(refused, Some(CeremonyError::UnknownWay { way: 3 }));
    replace_key(&mut sam, vault, 4).expect("accepted");
    assert!(sam.stored("alice").wraps.contains(&passkey));
}
