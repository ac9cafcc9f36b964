//! Accounts that take new devices from their devices only.

use quicprochat_wire::call::vault::{WAY_LINKED, WAY_RECOVERY};

use super::*;

/// Signs in on a device of the account.
fn sign_in_on(sam: &mut Sam, device: &Device, phrase: &str, seed: u64) -> Result<OpenVault, CeremonyError> {
    let mut entropy = SeededEntropy::new(seed);
    let (request, sign_in) = SignIn::start(name("alice"), password(phrase), &mut entropy)?;
    let answer = sam.sign_in_start(&request);
    let (request, proved) = sign_in.prove(&answer, &FINGERPRINT, &mut entropy)?;
    let answer = sam.sign_in_finish(&request).map_err(|_| CeremonyError::SignInFailed)?;
    assert!(proved.needs_link(&answer));
    assert_eq!(link_secret_request().ids, [6]);
    let secret = link_secret(&device.account.state_key, answer.account, &sam.vault_fetch("alice").records)?;
    let unwrapped = proved.unwrap_linked(&answer, &secret)?;
    unwrapped.open(&sam.own_record("alice"), &sam.vault_fetch("alice"), Some(&device.account.identity))
}

fn ways(sam: &mut Sam) -> Vec<u16> {
    let mut ways: Vec<u16> = sam.stored("alice").wraps.iter().map(|wrap| wrap.way).collect();
    ways.sort_unstable();
    ways
}

/// Registers alice, and sets the account so.
fn linked(sam: &mut Sam) -> Device {
    let laptop = register(sam, "alice", 1);
    let vault = sign_in(sam, "alice", PASSWORD, 2).expect("signs in");
    assert!(!vault.requires_link());
    let request = vault.require_link(true, NOW, &mut SeededEntropy::new(3)).expect("made");
    sam.publish_identity("alice", request).expect("accepted");
    assert_eq!(ways(sam), [WAY_RECOVERY, WAY_LINKED]);
    laptop
}

#[test]
fn the_password_alone_opens_nothing_and_with_a_device_everything() {
    let mut sam = Sam::new();
    let laptop = linked(&mut sam);
    assert_eq!(sign_in(&mut sam, "alice", PASSWORD, 4).err(), Some(CeremonyError::LinkRequired));
    assert_eq!(sign_in(&mut sam, "alice", OTHER_PASSWORD, 4).err(), Some(CeremonyError::SignInFailed));
    let vault = sign_in_on(&mut sam, &laptop, PASSWORD, 5).expect("signs in");
    assert!(vault.requires_link());
    assert_eq!(vault.identity().serial(), 2);
    // The other devices go on with the keys they have.
    let adopted = catch_up(&sam, "alice", &laptop).expect("catches up");
    assert!(!adopted.rolled);
}

#[test]
fn the_recovery_key_opens_the_vault_as_before() {
    let mut sam = Sam::new();
    let laptop = linked(&mut sam);
    let vault = sign_in_by(&mut sam, "alice", laptop.recovery_key.expect("registered"), 4).expect("signs in");
    assert!(vault.requires_link());
    let refused = vault.require_link(false, NOW, &mut SeededEntropy::new(5)).err();
    assert_eq!(refused, Some(CeremonyError::PasswordNeeded), "the wrap of the password is made with the password");
    enrol_with(&mut sam, &vault, "alice", "phone", 6).expect("enrols");
}

#[test]
fn a_new_password_and_a_new_recovery_key_leave_it_so() {
    let mut sam = Sam::new();
    let laptop = linked(&mut sam);
    let mut entropy = SeededEntropy::new(4);
    let vault = sign_in_on(&mut sam, &laptop, PASSWORD, 5).expect("signs in");
    let (request, change) = PasswordChange::start(&vault, password(OTHER_PASSWORD), &mut entropy).expect("starts");
    let answer = sam.password_start("alice", &request);
    let (request, _) = change.finish(&vault, &answer, &FINGERPRINT, &mut entropy).expect("finishes");
    sam.password_finish("alice", request).expect("accepted");
    assert_eq!(ways(&mut sam), [WAY_RECOVERY, WAY_LINKED]);
    let vault = sign_in_on(&mut sam, &laptop, OTHER_PASSWORD, 6).expect("signs in");
    let (request, change) = RecoveryChange::start(&mut entropy).expect("starts");
    let answer = sam.password_start("alice", &request);
    let (request, key) = change.finish(vault, &answer, &FINGERPRINT, &mut entropy).expect("finishes");
    sam.password_finish("alice", request).expect("accepted");
    assert_eq!(ways(&mut sam), [WAY_RECOVERY, WAY_LINKED]);
    assert!(sign_in_by(&mut sam, "alice", key, 7).is_ok());
    assert!(sign_in_on(&mut sam, &laptop, OTHER_PASSWORD, 8).is_ok());
}

#[test]
fn a_revocation_rolls_the_link_secret() {
    let mut sam = Sam::new();
    let laptop = linked(&mut sam);
    let vault = sign_in_on(&mut sam, &laptop, PASSWORD, 4).expect("signs in");
    let phone = enrol_with(&mut sam, &vault, "alice", "phone", 5).expect("enrols");
    let (own, old_key) = (phone.account.account(), phone.account.state_key.clone());
    let before = link_secret(&old_key, own, &sam.vault_fetch("alice").records).expect("the phone reads it");
    let vault = sign_in_on(&mut sam, &laptop, PASSWORD, 6).expect("signs in");
    let record = sam.own_record("alice");
    let (request, rolled) =
        vault.revoke(phone.account.device, &record, NOW, &mut SeededEntropy::new(7)).expect("revokes");
    sam.publish_identity("alice", request).expect("accepted");
    let account = rolled.apply(&laptop.account).expect("remains");
    let laptop = Device { account, ..laptop };
    assert_eq!(ways(&mut sam), [WAY_RECOVERY, WAY_LINKED]);
    assert!(sign_in_on(&mut sam, &laptop, PASSWORD, 8).is_ok());
    // The phone opens neither the new record nor the new wrap.
    let records = sam.vault_fetch("alice").records;
    assert_eq!(link_secret(&old_key, own, &records), Err(CeremonyError::NotCaughtUp));
    let after = link_secret(&laptop.account.state_key, own, &records).expect("the laptop reads it");
    assert_ne!(before, after);
    let mut entropy = SeededEntropy::new(9);
    let (request, sign_in) = SignIn::start(name("alice"), password(PASSWORD), &mut entropy).expect("starts");
    let answer = sam.sign_in_start(&request);
    let (request, proved) = sign_in.prove(&answer, &FINGERPRINT, &mut entropy).expect("proves");
    let answer = sam.sign_in_finish(&request).expect("the password is right");
    assert_eq!(proved.unwrap_linked(&answer, &before).err(), Some(CeremonyError::VaultSealed));
}

#[test]
fn it_is_switched_off_again_and_old_wraps_do_not_come_back() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let plain = sam.stored("alice").wraps.clone();
    let vault = sign_in(&mut sam, "alice", PASSWORD, 2).expect("signs in");
    let mut entropy = SeededEntropy::new(3);
    sam.publish_identity("alice", vault.require_link(true, NOW, &mut entropy).expect("made")).expect("accepted");
    // A server that shows the wraps of before is noticed.
    let linked = core::mem::replace(&mut sam.stored("alice").wraps, plain);
    let rolled_back = Some(CeremonyError::VaultRolledBack { vault_version: 1 });
    assert_eq!(sign_in(&mut sam, "alice", PASSWORD, 4).err(), rolled_back);
    sam.stored("alice").wraps = linked;
    let vault = sign_in_on(&mut sam, &laptop, PASSWORD, 5).expect("signs in");
    sam.publish_identity("alice", vault.require_link(false, NOW, &mut entropy).expect("made")).expect("accepted");
    assert_eq!(ways(&mut sam), [WAY_PASSWORD, WAY_RECOVERY]);
    assert!(!sign_in(&mut sam, "alice", PASSWORD, 6).expect("signs in").requires_link());
    enrol(&mut sam, "alice", "phone", 7);
}
