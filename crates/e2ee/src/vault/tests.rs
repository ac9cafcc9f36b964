use quicprochat_wire::{AccountId, DeviceId};

use super::{
    DevicesRecord, InboxRecord, Job, JobsRecord, LinkRecord, LinkSecret, RootKey, StateRecord, open_handover,
    open_identity, open_record, seal_handover, seal_identity, seal_record, vault_hash,
};
use crate::{
    E2eeError, Sealed, StateFault,
    mls::{MemoryMlsStore, Provider, Suite, delete_key_package, new_key_package},
    sealed::InboxSecretKey,
    testing::{Person, SeededEntropy},
};

const ALICE: AccountId = AccountId::new([1; 32]);

#[test]
fn the_wrap_opens_with_the_same_secret_for_the_same_account_only() {
    let mut entropy = SeededEntropy::new(1);
    let root = RootKey::generate(&mut entropy);
    let wrap = root.wrap(&ALICE, &[7; 64], &mut entropy).expect("wraps");
    let opened = RootKey::unwrap(&ALICE, &[7; 64], &wrap).expect("unwraps");
    assert_eq!(opened.state_key().as_bytes(), root.state_key().as_bytes());
    let refused = Some(E2eeError::CannotOpen { what: Sealed::Wrap });
    assert_eq!(RootKey::unwrap(&ALICE, &[8; 64], &wrap).err(), refused);
    assert_eq!(RootKey::unwrap(&AccountId::new([2; 32]), &[7; 64], &wrap).err(), refused);
    assert_eq!(RootKey::unwrap(&ALICE, &[7; 64], &wrap[..20]).err(), refused);
}

#[test]
fn a_linked_wrap_needs_the_password_and_the_link_secret() {
    let mut entropy = SeededEntropy::new(1);
    let root = RootKey::generate(&mut entropy);
    let (secret, other) = (LinkSecret::generate(&mut entropy), LinkSecret::generate(&mut entropy));
    let wrap = root.wrap_linked(&ALICE, &[7; 64], &secret, &mut entropy).expect("wraps");
    let opened = RootKey::unwrap_linked(&ALICE, &[7; 64], &secret, &wrap).expect("unwraps");
    assert_eq!(opened.state_key().as_bytes(), root.state_key().as_bytes());
    let refused = Some(E2eeError::CannotOpen { what: Sealed::Wrap });
    assert_eq!(RootKey::unwrap_linked(&ALICE, &[7; 64], &other, &wrap).err(), refused);
    assert_eq!(RootKey::unwrap_linked(&ALICE, &[8; 64], &secret, &wrap).err(), refused);
    assert_eq!(RootKey::unwrap_linked(&AccountId::new([2; 32]), &[7; 64], &secret, &wrap).err(), refused);
    assert_eq!(RootKey::unwrap(&ALICE, &[7; 64], &wrap).err(), refused, "the password alone");
    let plain = root.wrap(&ALICE, &[7; 64], &mut entropy).expect("wraps");
    assert_eq!(RootKey::unwrap_linked(&ALICE, &[7; 64], &secret, &plain).err(), refused);
}

fn round_trip<T: StateRecord + PartialEq + core::fmt::Debug>(record: &T) {
    let mut entropy = SeededEntropy::new(1);
    let key = RootKey::generate(&mut entropy).state_key();
    let sealed = seal_record(&key, ALICE, 3, record, &mut entropy).expect("seals");
    assert_eq!(sealed.len(), 24 + 512 + 16, "padded");
    assert_eq!(open_record::<T>(&key, ALICE, 3, &sealed).as_ref(), Ok(record));
    let refused = Some(E2eeError::CannotOpen { what: Sealed::VaultRecord });
    assert_eq!(open_record::<T>(&key, ALICE, 2, &sealed).err(), refused, "an old version");
    assert_eq!(open_record::<T>(&key, AccountId::new([2; 32]), 3, &sealed).err(), refused);
    let other = RootKey::generate(&mut entropy).state_key();
    assert_eq!(open_record::<T>(&other, ALICE, 3, &sealed).err(), refused);
    for end in 0..record.encode().len() {
        assert!(T::parse(&record.encode()[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn records_round_trip_under_their_version() {
    let mut entropy = SeededEntropy::new(2);
    round_trip(&InboxRecord(vec![InboxSecretKey::generate(&mut entropy), InboxSecretKey::generate(&mut entropy)]));
    round_trip(&DevicesRecord(vec![(DeviceId::new([3; 16]), "phone".to_owned())]));
    round_trip(&JobsRecord(vec![Job::RemoveDevice(DeviceId::new([4; 16]))]));
    round_trip(&JobsRecord::default());
    round_trip(&LinkRecord(LinkSecret::generate(&mut entropy)));
}

#[test]
fn a_record_cannot_stand_in_for_another() {
    let mut entropy = SeededEntropy::new(1);
    let key = RootKey::generate(&mut entropy).state_key();
    let sealed = seal_record(&key, ALICE, 1, &JobsRecord::default(), &mut entropy).expect("seals");
    assert!(open_record::<InboxRecord>(&key, ALICE, 1, &sealed).is_err());
}

#[test]
fn the_identity_key_needs_the_root_key() {
    let mut entropy = SeededEntropy::new(1);
    let alice = Person::new("alice");
    let root = RootKey::generate(&mut entropy);
    let sealed = seal_identity(&root, ALICE, 1, &alice.key, &mut entropy).expect("seals");
    let opened = open_identity(&root, ALICE, 1, &sealed).expect("opens");
    assert_eq!(opened.seeds(), alice.key.seeds());
    assert!(open_identity(&RootKey::generate(&mut entropy), ALICE, 1, &sealed).is_err());
    assert_ne!(vault_hash(&sealed), vault_hash(&sealed[1..]));
}

#[test]
fn a_handover_opens_for_the_device_of_the_key_package_only() {
    let (store, mut entropy) = (MemoryMlsStore::new(), SeededEntropy::new(3));
    let alice = Person::new("alice");
    let account = alice.identity.account();
    let state = RootKey::generate(&mut entropy).state_key();
    let package = new_key_package(&Provider::new(&store, &mut entropy), &alice.own(), Suite::Hybrid).expect("made");
    let classical =
        new_key_package(&Provider::new(&store, &mut entropy), &alice.own(), Suite::Classical).expect("made");
    let record = seal_handover(&account, &alice.device, &package, &state, &mut entropy).expect("seals");
    let refused = seal_handover(&account, &alice.device, &classical, &state, &mut entropy);
    assert!(matches!(refused, Err(E2eeError::Unsupported { .. })));

    let provider = Provider::new(&store, &mut entropy);
    let opened = open_handover(&provider, &account, &alice.device, &package, &record).expect("opens");
    assert_eq!(opened.as_bytes(), state.as_bytes());
    let cannot = Some(E2eeError::CannotOpen { what: Sealed::Handover });
    assert_eq!(open_handover(&provider, &account, &DeviceId::new([9; 16]), &package, &record).err(), cannot);
    delete_key_package(&provider, &package).expect("deleted");
    let gone = open_handover(&provider, &account, &alice.device, &package, &record).err();
    assert_eq!(gone, Some(StateFault::NoKeyPackage.into()));
}

#[test]
fn secrets_do_not_show() {
    let root = RootKey::generate(&mut SeededEntropy::new(1));
    assert_eq!(format!("{root:?} {:?}", root.state_key()), "RootKey(..) StateKey(..)");
}
