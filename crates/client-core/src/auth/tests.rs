//! Whole ceremonies against a server's half.

mod link;
mod recovery;
mod require_link;
mod server;

use quicprochat_e2ee::mls::MemoryMlsStore;
use quicprochat_identity::{AccountName, IdentityError, authenticate_text, verify_ed25519};
use quicprochat_wire::{
    AccountId, Challenge, DeviceId, ErrorCode, ServerLink, Timestamp,
    call::{
        auth::{SignInFinish, SignedIn, StretchParams},
        directory::Record,
        vault::{VaultRecord, WAY_PASSWORD},
    },
    limits::MAX_DEVICES,
};
use server::{FINGERPRINT, Sam, is_upload};

use super::*;
use crate::{
    store::{OwnAccount, Standing, Stored as _},
    testing::{SeededEntropy, handed_over, new_key_package},
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const PASSWORD: &str = "correct horse battery staple";
const OTHER_PASSWORD: &str = "a wholly different phrase";

/// A device with the store that holds its KeyPackages' private parts.
struct Device {
    account: DeviceAccount,
    store: MemoryMlsStore,
    key_package: Vec<u8>,
    /// The account's, where this device registered it.
    recovery_key: Option<RecoveryKey>,
}

fn name(text: &str) -> AccountName {
    AccountName::parse(text).expect("valid name")
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

fn register(sam: &mut Sam, who: &str, seed: u64) -> Device {
    let mut entropy = SeededEntropy::new(seed);
    let (request, registration) =
        Registration::start(name(who), password(PASSWORD), Some("code".into()), &mut entropy).expect("starts");
    assert_eq!((request.name.as_str(), request.invite.as_deref()), (who, Some("code")));
    let answer = sam.register_start(&request);
    let prepared = registration.prepare(&answer, &FINGERPRINT, "laptop", NOW, &mut entropy).expect("prepares");
    let store = MemoryMlsStore::default();
    let key_package = new_key_package(&store, &prepared.own_device().expect("enrolled"), &mut entropy);
    let recovery_key = Some(prepared.recovery_key().clone());
    let (request, account) = prepared.finish(&key_package, NOW).expect("finishes");
    assert!(is_upload(&request.upload));
    assert_eq!(sam.register_finish(request), Ok(()));
    Device { account, store, key_package, recovery_key }
}

fn sign_in(sam: &mut Sam, who: &str, phrase: &str, seed: u64) -> Result<OpenVault, CeremonyError> {
    sign_in_by(sam, who, password(phrase), seed)
}

fn sign_in_by(sam: &mut Sam, who: &str, way_in: impl Into<WayIn>, seed: u64) -> Result<OpenVault, CeremonyError> {
    let mut entropy = SeededEntropy::new(seed);
    let (request, sign_in) = SignIn::start(name(who), way_in, &mut entropy)?;
    let answer = sam.sign_in_start(&request);
    let (request, proved) = sign_in.prove(&answer, &FINGERPRINT, &mut entropy)?;
    let answer = sam.sign_in_finish(&request).map_err(|_| CeremonyError::SignInFailed)?;
    let unwrapped = proved.unwrap(&answer)?;
    unwrapped.open(&sam.own_record(who), &sam.vault_fetch(who), None)
}

fn by_password(vault: &OpenVault) -> opaque::ExportKey {
    vault.export_key.clone().expect("opened by the password")
}

/// Opens a vault again with the password that opened `vault`, without stretching it once more.
fn reopen(sam: &Sam, vault: &OpenVault) -> Result<OpenVault, CeremonyError> {
    let who = vault.identity().name();
    let proved = ProvedSignIn { name: who.clone(), way: WAY_PASSWORD, export_key: by_password(vault) };
    let wraps = sam.accounts[who.as_str()].wraps.clone();
    let unwrapped = proved.unwrap(&SignedIn { account: vault.account(), wraps })?;
    unwrapped.open(&sam.own_record(who.as_str()), &sam.vault_fetch(who.as_str()), None)
}

fn enrol(sam: &mut Sam, who: &str, label: &str, seed: u64) -> Device {
    let vault = sign_in(sam, who, PASSWORD, seed).expect("signs in");
    enrol_with(sam, &vault, who, label, seed).expect("enrols")
}

fn enrol_with(sam: &mut Sam, vault: &OpenVault, who: &str, label: &str, seed: u64) -> Result<Device, ErrorCode> {
    let mut entropy = SeededEntropy::new(seed + 500);
    let prepared = vault.enrol(label, NOW, &mut entropy).expect("prepares");
    let store = MemoryMlsStore::default();
    let key_package = new_key_package(&store, &prepared.own_device().expect("enrolled"), &mut entropy);
    let (request, account) = prepared.finish(&key_package, NOW).expect("finishes");
    sam.publish_identity(who, request)?;
    Ok(Device { account, store, key_package, recovery_key: None })
}

/// Lets a device catch up with its account's record.
fn catch_up(sam: &Sam, who: &str, device: &Device) -> Result<Adopted, CeremonyError> {
    let (own, id) = (device.account.account(), device.account.device);
    let open = |sealed: &[u8]| handed_over(&device.store, own, id, &device.key_package, sealed);
    adopt(&device.account, &sam.own_record(who), &sam.vault_fetch(who), open)
}

fn inbox_bytes(keys: &[quicprochat_e2ee::sealed::InboxSecretKey]) -> Vec<Vec<u8>> {
    keys.iter().map(|key| key.as_bytes().to_vec()).collect()
}

#[test]
fn a_registered_account_opens_with_its_password() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let vault = sign_in(&mut sam, "alice", PASSWORD, 2).expect("signs in");
    assert_eq!(*vault.identity(), laptop.account.identity);
    assert_eq!(vault.identity().name().as_str(), "alice");
    assert_eq!(vault.state_key.as_bytes(), laptop.account.state_key.as_bytes());
    assert_eq!(inbox_bytes(&vault.inbox_keys), inbox_bytes(&laptop.account.inbox_keys));
    let labels: Vec<_> = vault.labels().iter().map(|label| (label.device, label.label.as_str())).collect();
    assert_eq!(labels, [(laptop.account.device, "laptop")]);
    assert!(vault.jobs().is_empty());
    assert_eq!((vault.identity().serial(), vault.identity().vault_version()), (1, 1));
}

#[test]
fn a_device_proves_itself_to_one_server_and_challenge() {
    let mut sam = Sam::new();
    let DeviceAccount { identity, device, device_key, .. } = register(&mut sam, "alice", 1).account;
    let challenge = Challenge::new([8; 32]);
    let request = authenticate(&FINGERPRINT, &challenge, identity.account(), device, &device_key);
    let key = identity.device(&device).expect("named").key;
    let text = authenticate_text(&FINGERPRINT, &challenge, &request.account, &request.device);
    assert_eq!(verify_ed25519(key.as_bytes(), &text, &request.signature), Ok(()));
    let other = authenticate_text(&FINGERPRINT, &Challenge::new([9; 32]), &request.account, &request.device);
    assert!(verify_ed25519(key.as_bytes(), &other, &request.signature).is_err());
}

#[test]
fn wrong_password_and_unknown_name_are_the_same_failure() {
    let mut sam = Sam::new();
    register(&mut sam, "alice", 1);
    assert_eq!(sign_in(&mut sam, "alice", OTHER_PASSWORD, 2).err(), Some(CeremonyError::SignInFailed));
    assert_eq!(sign_in(&mut sam, "carol", PASSWORD, 3).err(), Some(CeremonyError::SignInFailed));
    // Another server cannot pass for this one, even with all it stores.
    let mut entropy = SeededEntropy::new(4);
    let (request, attempt) = SignIn::start(name("alice"), password(PASSWORD), &mut entropy).expect("starts");
    let answer = sam.sign_in_start(&request);
    let elsewhere = quicprochat_wire::Fingerprint::new([1; 32]);
    assert_eq!(attempt.prove(&answer, &elsewhere, &mut entropy).err(), Some(CeremonyError::SignInFailed));
    assert!(sam.sign_in_finish(&SignInFinish { finalization: vec![0; 64] }).is_err());
}

#[test]
fn stretching_outside_the_range_is_refused_before_it_is_done() {
    let mut sam = Sam::new();
    register(&mut sam, "alice", 1);
    for (memory_kib, iterations) in [(8, 1), (19 * 1024 - 1, 2), (64 * 1024, 1), (u32::MAX, 3), (64 * 1024, u32::MAX)] {
        let told = StretchParams { memory_kib, iterations, parallelism: 1 };
        sam.stretch_told = Some(told);
        assert_eq!(sign_in(&mut sam, "alice", PASSWORD, 2).err(), Some(CeremonyError::StretchRefused(told)));
    }
}

#[test]
fn malformed_answers_are_told_apart_from_wrong_passwords() {
    let mut sam = Sam::new();
    register(&mut sam, "alice", 1);
    let mut entropy = SeededEntropy::new(2);
    for cut in [0, 10, 100] {
        let (request, attempt) = SignIn::start(name("alice"), password(PASSWORD), &mut entropy).expect("starts");
        let mut answer = sam.sign_in_start(&request);
        answer.response.truncate(cut);
        assert_eq!(attempt.prove(&answer, &FINGERPRINT, &mut entropy).err(), Some(CeremonyError::Malformed));
        let (request, attempt) =
            Registration::start(name("bob"), password(PASSWORD), None, &mut entropy).expect("starts");
        let mut answer = sam.register_start(&request);
        answer.response.truncate(cut.min(60));
        let failed = attempt.prepare(&answer, &FINGERPRINT, "laptop", NOW, &mut entropy);
        assert_eq!(failed.err(), Some(CeremonyError::Malformed));
    }
}

#[test]
fn weak_passwords_and_long_labels_are_refused() {
    let mut sam = Sam::new();
    let mut entropy = SeededEntropy::new(1);
    for weak in ["", "short", "password123", "alicealice"] {
        let started = Registration::start(name("alice"), password(weak), None, &mut entropy);
        assert!(matches!(started, Err(CeremonyError::PasswordWeak { .. })), "{weak}");
    }
    register(&mut sam, "alice", 1);
    let vault = sign_in(&mut sam, "alice", PASSWORD, 2).expect("signs in");
    let weak = PasswordChange::start(&vault, password("password123"), &mut entropy);
    assert!(matches!(weak, Err(CeremonyError::PasswordWeak { .. })));
    let label = "x".repeat(MAX_LABEL_BYTES + 1);
    let (limit, found) = (MAX_LABEL_BYTES, label.len());
    assert_eq!(vault.enrol(&label, NOW, &mut entropy).err(), Some(CeremonyError::LabelTooLong { limit, found }));
}

#[test]
fn a_second_device_has_the_same_vault_and_a_certificate() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let phone = enrol(&mut sam, "alice", "phone", 2);
    assert_ne!(phone.account.device, laptop.account.device);
    assert_eq!(phone.account.state_key.as_bytes(), laptop.account.state_key.as_bytes());
    assert_eq!(phone.account.identity.serial(), 2);
    let own = phone.account.own_device().expect("named");
    assert_eq!(own.identity_hash, phone.account.identity.hash());
    own.credential().verify(own.secret.public().as_bytes()).expect("certified");
    let vault = sign_in(&mut sam, "alice", PASSWORD, 3).expect("signs in");
    let labels: Vec<_> = vault.labels().iter().map(|label| label.label.as_str()).collect();
    assert_eq!(labels, ["laptop", "phone"]);
    // The first device hears of it and goes on with the same keys.
    let adopted = catch_up(&sam, "alice", &laptop).expect("catches up");
    assert!(!adopted.rolled && adopted.jobs.is_empty());
    assert_eq!(adopted.account.identity, phone.account.identity);
}

#[test]
fn two_enrolments_at_once_conflict_and_the_loser_tries_again() {
    let mut sam = Sam::new();
    register(&mut sam, "alice", 1);
    let (one, two) = (sign_in(&mut sam, "alice", PASSWORD, 2), sign_in(&mut sam, "alice", PASSWORD, 3));
    let (one, two) = (one.expect("signs in"), two.expect("signs in"));
    assert!(enrol_with(&mut sam, &one, "alice", "phone", 2).is_ok());
    assert_eq!(enrol_with(&mut sam, &two, "alice", "tablet", 3).err(), Some(ErrorCode::VersionConflict));
    enrol(&mut sam, "alice", "tablet", 4);
    assert_eq!(sign_in(&mut sam, "alice", PASSWORD, 5).expect("signs in").identity().devices().len(), 3);
}

#[test]
fn a_ninth_device_is_one_too_many() {
    let mut sam = Sam::new();
    register(&mut sam, "alice", 1);
    let mut vault = sign_in(&mut sam, "alice", PASSWORD, 50).expect("signs in");
    for seed in 2..=MAX_DEVICES as u64 {
        enrol_with(&mut sam, &vault, "alice", "another", seed).expect("enrols");
        vault = reopen(&sam, &vault).expect("opens");
    }
    let refused = vault.enrol("ninth", NOW, &mut SeededEntropy::new(51)).err();
    assert_eq!(refused, Some(CeremonyError::TooManyDevices { limit: MAX_DEVICES }));
}

#[test]
fn a_revoked_device_is_cut_off_and_the_others_go_on() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let phone = enrol(&mut sam, "alice", "phone", 2);
    let tablet = enrol(&mut sam, "alice", "tablet", 3);
    let stolen = phone.account.device;
    let old_wraps = sam.stored("alice").wraps.clone();

    let vault = sign_in(&mut sam, "alice", PASSWORD, 4).expect("signs in");
    let mut entropy = SeededEntropy::new(5);
    let (request, rolled) = vault.revoke(stolen, &sam.own_record("alice"), NOW, &mut entropy).expect("revokes");
    assert!(rolled.without_handover().is_empty());
    assert_eq!(rolled.jobs().len(), 1);
    sam.publish_identity("alice", request).expect("accepted");
    let laptop_account = rolled.apply(&laptop.account).expect("remains");

    // The new record: serial, vault version, inbox key, removed list.
    let identity = &laptop_account.identity;
    assert_eq!((identity.serial(), identity.vault_version(), identity.removed()), (4, 2, &[stolen][..]));
    assert_ne!(identity.inbox_key(), phone.account.identity.inbox_key());
    assert!(identity.device(&stolen).is_none());
    assert_ne!(laptop_account.state_key.as_bytes(), phone.account.state_key.as_bytes());
    assert_ne!(sam.stored("alice").wraps, old_wraps);

    // The device that revoked keeps the old inbox key behind the new one.
    let kept = inbox_bytes(&laptop_account.inbox_keys);
    assert_eq!((kept.len(), &kept[1..]), (2, &inbox_bytes(&phone.account.inbox_keys)[..]));

    // The tablet goes on by its handover, the password opens the new vault, the stolen phone gets neither.
    let Adopted { account: tablet, jobs: to_do, rolled } = catch_up(&sam, "alice", &tablet).expect("catches up");
    assert!(rolled);
    assert_eq!(to_do, [Job::RemoveDevice(stolen)]);
    assert_eq!(tablet.state_key.as_bytes(), laptop_account.state_key.as_bytes());
    assert_eq!(inbox_bytes(&tablet.inbox_keys), kept);
    let again = sign_in(&mut sam, "alice", PASSWORD, 6).expect("signs in");
    assert_eq!(again.state_key.as_bytes(), laptop_account.state_key.as_bytes());
    assert_eq!(again.labels().iter().map(|label| label.label.as_str()).collect::<Vec<_>>(), ["laptop", "tablet"]);
    let old_key = phone.account.state_key.clone();
    let own = phone.account.account();
    assert!(jobs(&old_key, own, &sam.vault_fetch("alice").records).is_err());
    assert!(device_labels(&old_key, own, &sam.vault_fetch("alice").records).is_err());
    for record in sam.vault_fetch("alice").records.iter().filter(|record| record.id >= 256) {
        assert!(handed_over(&phone.store, own, stolen, &phone.key_package, &record.sealed).is_none());
    }
    let error = catch_up(&sam, "alice", &phone).expect_err("revoked");
    assert_eq!(error, CeremonyError::UnknownDevice { device: stolen });
}

#[test]
fn a_device_that_was_away_for_two_revocations_still_goes_on() {
    let mut sam = Sam::new();
    register(&mut sam, "alice", 1);
    let tablet = enrol(&mut sam, "alice", "tablet", 2);
    for (seed, label) in [(3, "phone"), (4, "watch")] {
        let lost = enrol(&mut sam, "alice", label, seed).account.device;
        let vault = sign_in(&mut sam, "alice", PASSWORD, seed + 10).expect("signs in");
        let record = sam.own_record("alice");
        let (request, _) = vault.revoke(lost, &record, NOW, &mut SeededEntropy::new(seed + 20)).expect("revokes");
        sam.publish_identity("alice", request).expect("accepted");
    }
    let adopted = catch_up(&sam, "alice", &tablet).expect("catches up");
    assert_eq!((adopted.jobs.len(), adopted.account.identity.vault_version()), (2, 3));
    assert_eq!(adopted.account.inbox_keys.len(), 3);
}

#[test]
fn a_handover_that_anybody_else_made_is_not_adopted() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let tablet = enrol(&mut sam, "alice", "tablet", 2);
    let mut entropy = SeededEntropy::new(9);
    let vault = sign_in(&mut sam, "alice", PASSWORD, 4).expect("signs in");
    let record = sam.own_record("alice");
    let (request, _) = vault.revoke(laptop.account.device, &record, NOW, &mut entropy).expect("revokes");
    sam.publish_identity("alice", request).expect("accepted");
    let own = tablet.account.account();
    let forged_key = quicprochat_e2ee::vault::RootKey::generate(&mut entropy).state_key();
    let forged = records::seal_handover(&tablet.key_package, own, tablet.account.device, &forged_key, &mut entropy)
        .expect("seals");
    let stored = &mut sam.stored("alice").records;
    let genuine = stored.insert(256, VaultRecord { id: 256, version: 9, sealed: forged }).expect("was there");
    let error = catch_up(&sam, "alice", &tablet).expect_err("forged");
    assert_eq!(error, CeremonyError::VaultSealed);
    // Beside the genuine one it does no harm.
    sam.stored("alice").records.insert(257, VaultRecord { id: 257, ..genuine });
    assert!(catch_up(&sam, "alice", &tablet).is_ok());
}

#[test]
fn a_device_without_a_key_package_is_named_and_needs_the_password() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let phone = enrol(&mut sam, "alice", "phone", 2);
    let tablet = enrol(&mut sam, "alice", "tablet", 3);
    sam.stored("alice").key_packages.remove(&tablet.account.device);
    let vault = sign_in(&mut sam, "alice", PASSWORD, 4).expect("signs in");
    let record = sam.own_record("alice");
    let mut entropy = SeededEntropy::new(5);
    let (request, rolled) = vault.revoke(phone.account.device, &record, NOW, &mut entropy).expect("revokes");
    assert_eq!(rolled.without_handover(), [tablet.account.device]);
    sam.publish_identity("alice", request).expect("accepted");
    assert!(rolled.apply(&phone.account).is_err(), "revoked");
    assert!(catch_up(&sam, "alice", &laptop).is_ok());
    let error = catch_up(&sam, "alice", &tablet).expect_err("nothing was handed over");
    assert_eq!(error, CeremonyError::VaultSealed);
    let unknown = DeviceId::new([0; 16]);
    let refused = vault.revoke(unknown, &record, NOW, &mut entropy).err();
    assert_eq!(refused, Some(CeremonyError::UnknownDevice { device: unknown }));
}

#[test]
fn an_unknown_record_is_not_lost_in_a_roll() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    sam.stored("alice").records.insert(77, VaultRecord { id: 77, version: 1, sealed: vec![1] });
    let vault = sign_in(&mut sam, "alice", PASSWORD, 2).expect("signs in");
    let record = sam.own_record("alice");
    let refused = vault.revoke(laptop.account.device, &record, NOW, &mut SeededEntropy::new(5)).err();
    assert_eq!(refused, Some(CeremonyError::UnknownRecord { record: 77 }));
}

#[test]
fn a_changed_password_opens_the_same_vault() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let mut vault = sign_in(&mut sam, "alice", PASSWORD, 2).expect("signs in");
    let mut entropy = SeededEntropy::new(3);
    let (request, change) = PasswordChange::start(&vault, password(OTHER_PASSWORD), &mut entropy).expect("starts");
    let answer = sam.password_start("alice", &request);
    let (request, changed) = change.finish(&vault, &answer, &FINGERPRINT, &mut entropy).expect("finishes");
    sam.password_finish("alice", request).expect("accepted");
    changed.apply(&mut vault);
    assert_eq!(sign_in(&mut sam, "alice", PASSWORD, 4).err(), Some(CeremonyError::SignInFailed));
    let again = sign_in(&mut sam, "alice", OTHER_PASSWORD, 5).expect("signs in");
    assert_eq!(again.state_key.as_bytes(), laptop.account.state_key.as_bytes());
    // A roll in the same session wraps for the new password.
    let record = sam.own_record("alice");
    let (request, _) = vault.revoke(laptop.account.device, &record, NOW, &mut entropy).expect("revokes");
    sam.publish_identity("alice", request).expect("accepted");
    assert!(sign_in(&mut sam, "alice", OTHER_PASSWORD, 6).is_ok());
}

#[test]
fn old_vaults_and_records_are_noticed() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let phone = enrol(&mut sam, "alice", "phone", 2);
    let before = sam.stored("alice").clone();
    let vault = sign_in(&mut sam, "alice", PASSWORD, 3).expect("signs in");
    let record = sam.own_record("alice");
    let mut entropy = SeededEntropy::new(4);
    let (request, _) = vault.revoke(phone.account.device, &record, NOW, &mut entropy).expect("revokes");
    sam.publish_identity("alice", request).expect("accepted");
    let after = sam.stored("alice").clone();
    let account = catch_up(&sam, "alice", &laptop).expect("catches up").account;
    let laptop = Device { account, ..laptop };

    // An old vault beside the new record.
    sam.stored("alice").records = before.records.clone();
    sam.stored("alice").wraps = before.wraps.clone();
    let rolled_back = Some(CeremonyError::VaultRolledBack { vault_version: 2 });
    assert_eq!(reopen(&sam, &vault).err(), rolled_back);
    // The new identity record with the old inbox record: its key is not the vault's.
    *sam.stored("alice") = after.clone();
    sam.stored("alice").records.insert(2, before.records[&2].clone());
    assert_eq!(reopen(&sam, &vault).err(), Some(CeremonyError::RecordSealed { record: 2 }));
    // The whole old account: consistent in itself, but a device knows better.
    *sam.stored("alice") = before;
    assert!(reopen(&sam, &vault).is_ok());
    let error = catch_up(&sam, "alice", &laptop).expect_err("old");
    assert_eq!(error, CeremonyError::RecordRolledBack { seen: 3, found: 2 });
}

#[test]
fn a_known_identity_is_compared_at_sign_in() {
    let mut sam = Sam::new();
    let alice = register(&mut sam, "alice", 1).account;
    let carol = register(&mut sam, "carol", 2).account;
    enrol(&mut sam, "alice", "phone", 3);
    let vault = sign_in(&mut sam, "alice", PASSWORD, 7).expect("signs in");
    let attempt = |record: &Record, known: &DeviceAccount| {
        let proved = ProvedSignIn { name: name("alice"), way: WAY_PASSWORD, export_key: by_password(&vault) };
        let answer = SignedIn { account: vault.account(), wraps: sam.accounts["alice"].wraps.clone() };
        let unwrapped = proved.unwrap(&answer).expect("unwraps");
        assert!(unwrapped.requests().1.ids.is_empty());
        unwrapped.open(record, &sam.vault_fetch("alice"), Some(&known.identity)).err()
    };
    let mut record = sam.own_record("alice");
    assert_eq!(attempt(&record, &alice), None);
    let mismatch = |expected: &DeviceAccount, found: &DeviceAccount| {
        Some(CeremonyError::IdentityMismatch { expected: expected.account(), found: found.account() })
    };
    assert_eq!(attempt(&record, &carol), mismatch(&carol, &alice));
    assert_eq!(attempt(&sam.own_record("carol"), &alice), mismatch(&alice, &carol));
    record.identity.0[4000] ^= 1;
    assert!(matches!(attempt(&record, &alice), Some(CeremonyError::Record(IdentityError::BadSignature { .. }))));
}

#[test]
fn damaged_wraps_and_records_are_named() {
    let mut sam = Sam::new();
    register(&mut sam, "alice", 1);
    let vault = sign_in(&mut sam, "alice", PASSWORD, 2).expect("signs in");
    let good = sam.stored("alice").clone();
    sam.stored("alice").wraps[0].sealed[30] ^= 1;
    assert_eq!(reopen(&sam, &vault).err(), Some(CeremonyError::VaultSealed));
    sam.stored("alice").wraps.clear();
    assert_eq!(reopen(&sam, &vault).err(), Some(CeremonyError::VaultSealed));
    for record in [1, 2, 3] {
        *sam.stored("alice") = good.clone();
        sam.stored("alice").records.get_mut(&record).expect("there").sealed[50] ^= 1;
        let expected = match record {
            1 => CeremonyError::VaultRolledBack { vault_version: 1 },
            _ => CeremonyError::RecordSealed { record },
        };
        assert_eq!(reopen(&sam, &vault).err(), Some(expected));
        *sam.stored("alice") = good.clone();
        // Another version: the ciphertext is bound to the one it was made for.
        sam.stored("alice").records.get_mut(&record).expect("there").version += 1;
        assert_eq!(reopen(&sam, &vault).err(), Some(CeremonyError::RecordSealed { record }));
        sam.stored("alice").records.remove(&record);
        assert_eq!(reopen(&sam, &vault).err(), Some(CeremonyError::RecordMissing { record }));
    }
}

#[test]
fn labels_and_jobs_are_rewritten_by_any_device() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let phone = enrol(&mut sam, "alice", "phone", 2);
    let (key, own) = (laptop.account.state_key.clone(), laptop.account.account());
    let mut entropy = SeededEntropy::new(3);
    let fetched = |sam: &Sam| sam.vault_fetch("alice").records;
    let renamed = rename_device(&key, own, &fetched(&sam), phone.account.device, "old phone", &mut entropy);
    sam.vault_store("alice", &renamed.expect("renames")).expect("stored");
    let labels = device_labels(&key, own, &fetched(&sam)).expect("opens");
    assert_eq!(labels.iter().map(|label| label.label.as_str()).collect::<Vec<_>>(), ["laptop", "old phone"]);
    let absent = DeviceId::new([0; 16]);
    let refused = rename_device(&key, own, &fetched(&sam), absent, "x", &mut entropy).err();
    assert_eq!(refused, Some(CeremonyError::UnknownDevice { device: absent }));
    assert_eq!(finish_job(&key, own, &fetched(&sam), &Job::RemoveDevice(absent), &mut entropy), Ok(None));

    let vault = sign_in(&mut sam, "alice", PASSWORD, 4).expect("signs in");
    let record = sam.own_record("alice");
    let (request, rolled) = vault.revoke(phone.account.device, &record, NOW, &mut entropy).expect("revokes");
    sam.publish_identity("alice", request).expect("accepted");
    let job = rolled.jobs()[0];
    let laptop = rolled.apply(&laptop.account).expect("remains");
    let done = finish_job(&laptop.state_key, own, &fetched(&sam), &job, &mut entropy).expect("rewrites");
    sam.vault_store("alice", &done.expect("there was one")).expect("stored");
    assert_eq!(jobs(&laptop.state_key, own, &fetched(&sam)), Ok(Vec::new()));
}

#[test]
fn a_rotated_key_package_replaces_the_part() {
    let mut sam = Sam::new();
    let DeviceAccount { identity, device, device_key, .. } = register(&mut sam, "alice", 1).account;
    let later = Timestamp(NOW.0 + 86_400_000);
    let request = rotate_key_package(identity.account(), device, &device_key, b"fresh", later).expect("fits");
    sam.publish_key_package("alice", request).expect("accepted");
    let record = crate::trust::VerifiedRecord::verify(&sam.own_record("alice")).expect("verifies");
    assert_eq!(
        (record.key_packages[0].key_package(), record.key_packages[0].time()),
        (&b"fresh"[..], later.day_start())
    );
    let large = rotate_key_package(identity.account(), device, &device_key, &[0; 4096], later);
    assert!(matches!(large, Err(CeremonyError::Record(IdentityError::RowFull { .. }))));
}

#[test]
fn a_device_survives_storage() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1).account;
    let link = ServerLink::new("127.0.0.1", 4433, FINGERPRINT).expect("valid");
    let row = laptop.to_stored(link, "chat.example".to_owned()).expect("enrolled");
    assert_eq!((row.name.as_str(), row.account, &row.standing), ("alice", laptop.account(), &Standing::Enrolled));
    let row = OwnAccount::decode(&row.encode().expect("fits")).expect("as stored");
    let restored = DeviceAccount::from_stored(&row).expect("intact");
    assert_eq!((&restored.identity, restored.device), (&laptop.identity, laptop.device));
    assert_eq!(restored.device_key.to_bytes(), laptop.device_key.to_bytes());
    assert_eq!(restored.state_key.as_bytes(), laptop.state_key.as_bytes());
    assert_eq!(restored.inbox_keys, laptop.inbox_keys);
}

#[test]
fn debug_texts_hold_no_secret() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let vault = sign_in(&mut sam, "alice", PASSWORD, 2).expect("signs in");
    let texts = [format!("{:?}", laptop.account), format!("{vault:?}"), format!("{:?}", password(PASSWORD))];
    let state_key = hex::encode(vault.state_key.as_bytes());
    for text in texts {
        assert!(!text.contains(PASSWORD) && !text.contains(&state_key[..16]), "{text}");
    }
    assert_eq!(delete_account(), AccountDelete {});
    assert_ne!(laptop.account.account(), AccountId::new([0; 32]));
}
