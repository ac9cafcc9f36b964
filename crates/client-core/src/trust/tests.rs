use quicprochat_identity::{
    AccountName, DeviceSecretKey, IdentityDraft, IdentitySecretKey, InboxPublicKey, SafetyNumber, VerifiedIdentity,
    sign_key_package_part,
};
use quicprochat_wire::{
    DeviceId, Digest, Response, Timestamp,
    call::{
        Done,
        directory::{IdentityPart, KeyPackagePart, Record, Subject},
    },
};

use super::*;
use crate::testing::SeededEntropy;

const NOW: Timestamp = Timestamp(1_700_000_000_000).day_start();
const HOUR_MS: u64 = 3_600_000;

/// An account with as many devices as wanted.
struct Person {
    key: IdentitySecretKey,
    devices: Vec<(DeviceId, DeviceSecretKey)>,
    name: &'static str,
}

impl Person {
    fn new(name: &'static str, seed: u64, devices: u8) -> Self {
        let mut entropy = SeededEntropy::new(seed);
        let key = IdentitySecretKey::generate(&mut entropy);
        let device = |n| (DeviceId::new([n; 16]), DeviceSecretKey::generate(&mut entropy));
        Self { key, devices: (0..devices).map(device).collect(), name }
    }

    /// The identity part with this serial and the devices at these places.
    fn part(&self, serial: u64, devices: &[usize]) -> VerifiedIdentity {
        let mut draft = IdentityDraft {
            name: AccountName::parse(self.name).expect("valid"),
            serial,
            time: NOW,
            inbox_key: InboxPublicKey::new([5; InboxPublicKey::LEN]),
            devices: Vec::new(),
            removed: Vec::new(),
            vault_version: 1,
            vault_hash: Digest::new([6; 32]),
        };
        for index in devices {
            let (device, secret) = &self.devices[*index];
            draft.add_device(&self.key, *device, secret.public());
        }
        draft.sign(&self.key, &mut SeededEntropy::new(9)).expect("signs")
    }

    fn key_package(&self, index: usize, time: Timestamp) -> KeyPackagePart {
        let (device, secret) = &self.devices[index];
        let account = self.key.public().account_id();
        let bytes = sign_key_package_part(account, *device, time, b"key package", secret).expect("fits");
        KeyPackagePart { device: *device, bytes }
    }

    fn record(&self, key_packages: Vec<KeyPackagePart>) -> Record {
        Record { identity: IdentityPart(self.part(1, &[0, 1]).signed_bytes().to_vec()), key_packages }
    }
}

#[test]
fn first_use_pins_and_newer_parts_are_taken_with_their_device_changes() {
    let bob = Person::new("bob", 1, 3);
    let mut pin = ContactPin::first_use(&bob.part(1, &[0, 1]), NOW);
    assert_eq!((pin.account(), pin.serial(), pin.is_verified()), (bob.key.public().account_id(), 1, false));
    assert_eq!(pin.observe(&bob.part(1, &[0, 1])), Ok(Observation::Unchanged));
    let changes = DeviceChanges { added: vec![bob.devices[2].0], removed: vec![bob.devices[0].0] };
    let newer = bob.part(4, &[1, 2]);
    assert_eq!(pin.observe(&newer), Ok(Observation::Updated(changes)));
    assert_eq!((pin.serial(), pin.identity_hash()), (4, newer.hash()));
    let nothing = Observation::Updated(DeviceChanges::default());
    assert_eq!(pin.observe(&bob.part(5, &[1, 2])), Ok(nothing));
}

#[test]
fn older_and_forked_parts_are_refused() {
    let bob = Person::new("bob", 1, 2);
    let mut pin = ContactPin::first_use(&bob.part(3, &[0]), NOW);
    let before = pin.clone();
    let rolled = pin.observe(&bob.part(2, &[0])).expect_err("older");
    assert_eq!(rolled, TrustError::RolledBack { seen: 3, found: 2 });
    assert_eq!(pin.observe(&bob.part(3, &[0, 1])), Err(TrustError::Forked { serial: 3 }));
    assert!(rolled.is_alarm());
    assert_eq!(pin, before);
}

#[test]
fn a_changed_key_blocks_until_a_person_accepts_exactly_that_key() {
    let (bob, mallory, carol) = (Person::new("bob", 1, 1), Person::new("bob", 2, 1), Person::new("bob", 3, 1));
    let mut pin = ContactPin::first_use(&bob.part(5, &[0]), NOW);
    let own = Person::new("alice", 9, 0);
    let number = SafetyNumber::of(own.key.public(), bob.key.public());
    pin.verify(own.key.public(), bob.key.public(), &number).expect("the right number");

    let (pinned, found) = (PinnedKey::of(bob.key.public()), PinnedKey::of(mallory.key.public()));
    assert_eq!(pin.observe(&mallory.part(6, &[0])), Err(TrustError::ChangedKey(Box::new(KeyChange { pinned, found }))));
    assert!(pin.is_blocked() && pin.is_verified());
    assert_eq!(pin.pending(), Some(found));
    assert_eq!((pin.key(), pin.serial()), (pinned, 5));
    // The old key showing up again unblocks nothing, and only the key that was shown can be accepted.
    assert_eq!(pin.observe(&bob.part(5, &[0])), Ok(Observation::Unchanged));
    assert!(pin.is_blocked());
    assert_eq!(pin.accept(&carol.part(1, &[0]), NOW), Err(TrustError::NotPending));
    assert_eq!(pin.accept(&mallory.part(1, &[0]), Timestamp(NOW.0 + 1)), Ok(()));
    assert!(!pin.is_blocked() && !pin.is_verified());
    assert_eq!((pin.key(), pin.serial(), pin.pinned_at()), (found, 1, Timestamp(NOW.0 + 1)));
    assert_eq!(pin.accept(&mallory.part(1, &[0]), NOW), Err(TrustError::NotPending));
}

#[test]
fn a_key_with_the_same_classical_half_is_a_changed_key_too() {
    let bob = Person::new("bob", 1, 1);
    let mut seeds = *bob.key.seeds();
    seeds[0] ^= 1;
    let forger = Person { key: IdentitySecretKey::from_seeds(&seeds), ..Person::new("bob", 1, 1) };
    assert_eq!(forger.key.public().account_id(), bob.key.public().account_id());
    let mut pin = ContactPin::first_use(&bob.part(5, &[0]), NOW);
    assert!(matches!(pin.observe(&forger.part(6, &[0])), Err(TrustError::ChangedKey(_))));
}

#[test]
fn a_dismissed_change_leaves_the_pin_as_it_was() {
    let (bob, mallory) = (Person::new("bob", 1, 1), Person::new("bob", 2, 1));
    let mut pin = ContactPin::first_use(&bob.part(5, &[0]), NOW);
    let before = pin.clone();
    assert!(pin.observe(&mallory.part(6, &[0])).is_err());
    pin.dismiss();
    assert_eq!(pin, before);
    assert_eq!(pin.observe(&Person::new("carol", 1, 1).part(6, &[0])), Err(TrustError::WrongName));
}

#[test]
fn only_the_right_safety_number_verifies() {
    let (alice, bob, carol) = (Person::new("alice", 1, 0), Person::new("bob", 2, 1), Person::new("carol", 3, 0));
    let mut pin = ContactPin::first_use(&bob.part(1, &[0]), NOW);
    let (own, theirs) = (alice.key.public(), bob.key.public());
    let wrong = SafetyNumber::of(own, carol.key.public());
    assert_eq!(pin.verify(own, theirs, &wrong), Err(TrustError::SafetyNumberMismatch));
    assert!(matches!(pin.safety_number(own, carol.key.public()), Err(TrustError::ChangedKey(_))));
    assert!(!pin.is_verified());
    let right = pin.safety_number(own, theirs).expect("pinned key");
    assert_eq!(right, SafetyNumber::of(theirs, own));
    assert_eq!(pin.verify(own, theirs, &right), Ok(()));
    assert!(pin.is_verified());
}

#[test]
fn a_pin_survives_storage() {
    let (bob, mallory) = (Person::new("bob", 1, 2), Person::new("bob", 2, 1));
    let mut pin = ContactPin::first_use(&bob.part(5, &[0, 1]), NOW);
    assert_eq!(ContactPin::from_bytes(&pin.to_bytes()), Ok(pin.clone()));
    assert!(pin.observe(&mallory.part(6, &[0])).is_err());
    let bytes = pin.to_bytes();
    assert_eq!(ContactPin::from_bytes(&bytes), Ok(pin));
    for end in 0..bytes.len() {
        assert!(ContactPin::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn a_looked_up_record_is_verified_and_is_the_one_asked_for() {
    let bob = Person::new("bob", 1, 2);
    let record = bob.record(vec![bob.key_package(0, NOW), bob.key_package(1, NOW)]);
    let (by_name, by_account) = (Subject::Name("bob".into()), Subject::Account(bob.key.public().account_id()));
    for subject in [&by_name, &by_account] {
        assert_eq!(PlainDirectory.lookup(subject).name(), "lookup");
        let verified = PlainDirectory.verify(subject, record.clone().into()).expect("verifies");
        assert_eq!((verified.identity.name().as_str(), verified.key_packages.len()), ("bob", 2));
    }
    let verify = |subject: &Subject, record: &Record| PlainDirectory.verify(subject, record.clone().into()).err();
    assert_eq!(verify(&Subject::Name("carol".into()), &record), Some(TrustError::WrongName));
    let other = AccountId::new([7; 32]);
    let expected = TrustError::WrongAccount { expected: other, found: bob.key.public().account_id() };
    assert_eq!(verify(&Subject::Account(other), &record), Some(expected));
    let done = PlainDirectory.verify(&by_name, Response::Done(Done));
    assert_eq!(done, Err(TrustError::UnexpectedAnswer));
}

#[test]
fn a_record_with_a_changed_byte_or_a_misplaced_package_is_refused() {
    let (bob, mallory) = (Person::new("bob", 1, 2), Person::new("bob", 2, 2));
    let good = bob.record(vec![bob.key_package(0, NOW)]);
    let mut signature = good.clone();
    *signature.identity.0.last_mut().expect("bytes") ^= 1;
    assert!(matches!(VerifiedRecord::verify(&signature), Err(TrustError::Record(_))));
    for part in [mallory.key_package(0, NOW), KeyPackagePart { device: bob.devices[0].0, bytes: vec![0; 9] }] {
        assert!(matches!(VerifiedRecord::verify(&bob.record(vec![part])), Err(TrustError::Record(_))));
    }
    let twice = bob.record(vec![bob.key_package(0, NOW), bob.key_package(0, NOW)]);
    let device = bob.devices[0].0;
    assert_eq!(VerifiedRecord::verify(&twice), Err(TrustError::WrongDevice { device }));
    let device = bob.devices[1].0;
    let moved = bob.record(vec![KeyPackagePart { device, ..bob.key_package(0, NOW) }]);
    assert_eq!(VerifiedRecord::verify(&moved), Err(TrustError::WrongDevice { device }));
}

#[test]
fn only_packages_of_the_last_seven_days_are_used() {
    let bob = Person::new("bob", 1, 2);
    let record = bob.record(vec![bob.key_package(0, NOW)]);
    let verified = VerifiedRecord::verify(&record).expect("verifies");
    let (missing, stale) = (bob.devices[1].0, bob.devices[0].0);
    let week = 7 * 24 * HOUR_MS;
    for (later, usable) in [(0, 1), (week, 1), (week + 1, 0)] {
        let now = Timestamp(NOW.0 + later);
        assert_eq!(verified.fresh_key_packages(now).count(), usable, "{later} ms later");
        let expected = if usable == 1 { vec![missing] } else { vec![stale, missing] };
        assert_eq!(verified.unreachable_devices(now), expected);
    }
    assert_eq!(verified.fresh_key_packages(Timestamp(NOW.0 - week - 1)).count(), 0);
}
