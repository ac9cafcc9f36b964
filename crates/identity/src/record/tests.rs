use proptest::prelude::*;
use quicprochat_wire::{
    DeviceId, DeviceKey, Digest, Timestamp, Writer,
    limits::{IDENTITY_ROW_BYTES, MAX_DEVICES},
};

use super::{content::encode_text, *};
use crate::{
    AccountName, IdentitySecretKey, KeyRole,
    test_support::{Account, SeededEntropy},
};

fn removed(count: u8) -> Vec<DeviceId> {
    (0..count).map(|n| DeviceId::new([100 + n; 16])).collect()
}

fn sign(account: &Account, draft: &IdentityDraft) -> Result<VerifiedIdentity, IdentityError> {
    draft.sign(&account.key, &mut SeededEntropy::new(9))
}

/// Signs whatever the draft says, rules or not, as a hostile account could.
fn sign_unchecked(account: &Account, draft: &IdentityDraft) -> Vec<u8> {
    let text = encode_text(draft, account.key.public());
    let signature = account.key.sign(LABEL.as_bytes(), &text, &mut SeededEntropy::new(9)).expect("signs");
    Writer::new().fixed(text).bytes(signature).finish()
}

#[test]
fn a_signed_part_verifies_and_says_what_was_drafted() {
    let alice = Account::new(1, 3);
    let draft = IdentityDraft { removed: removed(2), ..alice.draft("alice") };
    let signed = sign(&alice, &draft).expect("signs");
    let parsed = UnverifiedIdentity::parse(signed.signed_bytes()).expect("parses");
    let classical = verify_classical(&parsed).expect("verifies");
    let verified = parsed.verify().expect("verifies");
    assert_eq!(verified, signed);
    assert_eq!(*classical, *signed);
    assert_eq!(IdentityDraft { serial: 1, ..verified.next_draft(draft.time) }, draft);
    assert_eq!(verified.account(), alice.key.public().account_id());
    assert_eq!(verified.key(), alice.key.public());
    assert_eq!(verified.device(&DeviceId::new([2; 16])).map(|entry| entry.key), Some(alice.devices[2].1.public()));
    assert_eq!(verified.device(&DeviceId::new([3; 16])), None);
    assert_eq!(verified.hash(), classical.hash());
}

#[test]
fn the_largest_part_fits_its_row() {
    let alice = Account::new(1, MAX_DEVICES as u8);
    let name = "a".repeat(32);
    let draft = IdentityDraft { removed: removed(MAX_REMOVED_DEVICES as u8), ..alice.draft(&name) };
    let signed = sign(&alice, &draft).expect("signs");
    assert_eq!(signed.signed_bytes().len() + 4, 8104);
    let row = to_row(signed.signed_bytes(), IDENTITY_ROW_BYTES).expect("fits");
    assert_eq!(row.len(), 8192);
    assert_eq!(from_row(&row, IDENTITY_ROW_BYTES), Ok(signed.signed_bytes()));
}

#[test]
fn lists_over_their_limit_are_refused_when_signed_and_when_parsed() {
    let alice = Account::new(1, MAX_DEVICES as u8 + 1);
    let many_devices = alice.draft("alice");
    let many_removed = IdentityDraft { devices: vec![], removed: removed(33), ..many_devices.clone() };
    for (draft, limit) in [(many_devices, 8), (many_removed, 32)] {
        let found = limit + 1;
        assert_eq!(sign(&alice, &draft), Err(IdentityError::TooMany { limit, found }));
        let refused = UnverifiedIdentity::parse(&sign_unchecked(&alice, &draft));
        assert_eq!(refused, Err(quicprochat_wire::DecodeError::TooLong { limit, found }.into()));
    }
}

#[test]
fn contradictory_device_lists_are_refused_even_when_signed() {
    let alice = Account::new(1, 2);
    let good = alice.draft("alice");
    let device = good.devices[1].device;
    let mut same_id = good.clone();
    same_id.devices[0].device = device;
    let mut same_key = good.clone();
    same_key.devices[1].key = same_key.devices[0].key;
    let both = IdentityDraft { removed: vec![device], ..good.clone() };
    let twice = IdentityDraft { removed: vec![DeviceId::new([9; 16]); 2], ..good.clone() };
    let mut weak = good;
    weak.devices[0].key = DeviceKey::new([0; 32]);
    let cases = [
        (same_id, IdentityError::DuplicateDevice { device }),
        (same_key, IdentityError::DuplicateDevice { device }),
        (both, IdentityError::RemovedDevice { device }),
        (twice, IdentityError::DuplicateDevice { device: DeviceId::new([9; 16]) }),
        (weak, IdentityError::KeyInvalid { key: KeyRole::Device }),
    ];
    for (draft, refusal) in cases {
        assert_eq!(sign(&alice, &draft), Err(refusal.clone()));
        assert_eq!(UnverifiedIdentity::parse(&sign_unchecked(&alice, &draft)), Err(refusal));
    }
}

#[test]
fn a_certificate_of_another_account_is_refused() {
    let (alice, mallory) = (Account::new(1, 1), Account::new(2, 1));
    let draft = IdentityDraft { devices: mallory.draft("m").devices, ..alice.draft("alice") };
    let refused = IdentityError::BadSignature { over: Signed::DeviceCertificate };
    assert_eq!(sign(&alice, &draft), Err(refused.clone()));
    let parsed = UnverifiedIdentity::parse(&sign_unchecked(&alice, &draft)).expect("well-formed");
    assert_eq!(verify_classical(&parsed), Err(refused.clone()));
    assert_eq!(parsed.verify(), Err(refused));
}

#[test]
fn a_part_whose_ml_dsa_half_is_forged_counts_only_where_the_classical_half_does() {
    let (alice, mallory) = (Account::new(1, 1), Account::new(2, 1));
    let good = sign_unchecked(&alice, &alice.draft("alice"));
    let text = encode_text(&alice.draft("alice"), alice.key.public());
    let other = mallory.key.sign(LABEL.as_bytes(), &text, &mut SeededEntropy::new(9)).expect("signs");
    let mut forged = good.clone();
    forged[text.len() + 4..][..3309].copy_from_slice(&other[..3309]);
    let parsed = UnverifiedIdentity::parse(&forged).expect("well-formed");
    assert!(verify_classical(&parsed).is_ok());
    assert_eq!(parsed.verify(), Err(IdentityError::BadSignature { over: Signed::IdentityPart }));
}

#[test]
fn every_truncation_and_a_flip_in_every_byte_is_refused() {
    let alice = Account::new(1, 2);
    let draft = IdentityDraft { removed: removed(2), ..alice.draft("alice") };
    let bytes = sign(&alice, &draft).expect("signs").signed_bytes().to_vec();
    for end in 0..bytes.len() {
        assert!(UnverifiedIdentity::parse(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert!(UnverifiedIdentity::parse(&[&bytes[..], &[0]].concat()).is_err());
    for (index, byte) in bytes.iter().enumerate() {
        let mut flipped = bytes.clone();
        flipped[index] = byte ^ (1 << (index % 8));
        let verified = UnverifiedIdentity::parse(&flipped).and_then(UnverifiedIdentity::verify);
        assert!(verified.is_err(), "byte {index}");
    }
}

#[test]
fn a_newer_part_an_older_one_a_fork_and_another_key_are_told_apart() {
    let (alice, mallory) = (Account::new(1, 1), Account::new(2, 1));
    let first = sign(&alice, &alice.draft("alice")).expect("signs");
    let second = sign(&alice, &first.next_draft(Timestamp(5))).expect("signs");
    let fork = sign(&alice, &IdentityDraft { time: Timestamp(6), ..alice.draft("alice") }).expect("signs");
    let other = sign(&mallory, &IdentityDraft { serial: 9, ..mallory.draft("alice") }).expect("signs");
    assert_eq!(first.succession(&first), Succession::Same);
    assert_eq!(second.succession(&first), Succession::Newer);
    assert_eq!(first.succession(&second), Succession::Older);
    assert_eq!(fork.succession(&first), Succession::Forked);
    assert_eq!(other.succession(&first), Succession::ChangedKey);
}

#[test]
fn removing_devices_keeps_the_newest_ids() {
    let alice = Account::new(1, 1);
    let mut draft = IdentityDraft { removed: removed(32), ..alice.draft("alice") };
    let device = alice.devices[0].0;
    draft.remove_device(device).expect("present");
    assert_eq!(draft.remove_device(device), Err(IdentityError::UnknownDevice { device }));
    assert_eq!(draft.removed.len(), 32);
    assert_eq!(draft.removed.first(), Some(&DeviceId::new([101; 16])));
    assert_eq!(draft.removed.last(), Some(&device));
    draft.add_device(&alice.key, DeviceId::new([50; 16]), alice.devices[0].1.public());
    assert_eq!(sign(&alice, &draft).expect("signs").devices().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_valid_draft_round_trips(
        name in "[a-z0-9]([a-z0-9._-]{0,30}[a-z0-9])?",
        (serial, time, vault_version) in any::<(u64, u64, u64)>(),
        vault_hash in any::<[u8; 32]>(),
        devices in 0u8..=8,
        gone in 0u8..=32,
        seed in any::<u64>(),
    ) {
        let account = Account::new(seed, devices);
        let draft = IdentityDraft {
            name: AccountName::parse(&name).expect("drawn by the rules"),
            serial,
            time: Timestamp(time),
            removed: removed(gone),
            vault_version,
            vault_hash: Digest::new(vault_hash),
            ..account.draft("x")
        };
        let signed = sign(&account, &draft).expect("signs");
        let row = to_row(signed.signed_bytes(), IDENTITY_ROW_BYTES).expect("fits");
        let content = from_row(&row, IDENTITY_ROW_BYTES).expect("a row");
        let verified = UnverifiedIdentity::parse(content).and_then(UnverifiedIdentity::verify).expect("verifies");
        prop_assert_eq!(verified.next_draft(Timestamp(time)), IdentityDraft { serial: serial.saturating_add(1), ..draft });
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600), labelled in any::<bool>()) {
        let bytes = if labelled { Writer::labelled(LABEL).fixed(bytes).finish() } else { bytes };
        prop_assert!(UnverifiedIdentity::parse(&bytes).is_err());
    }
}

#[test]
fn debug_of_a_draft_signer_shows_no_seed() {
    let key = IdentitySecretKey::from_seeds(&[0xA5; 64]);
    assert!(!format!("{key:?}").to_lowercase().contains("a5a5"));
}
