//! Frozen samples: encodings computed outside this code from protocol.md. They are added to, never edited.

use quicprochat_identity::{
    AccessSecretKey, AccountName, CREDENTIAL_TYPE, DeviceSecretKey, IdentityDraft, IdentitySecretKey, InboxPublicKey,
    LeafCredential, UnverifiedIdentity, attach_text, authenticate_text, did_key, issue_device_certificate,
    safety_number, sign_key_package_part,
};
use quicprochat_wire::{Challenge, ChannelId, DeviceId, Digest, Fingerprint, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::support::Seeded;

fn hash(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn alice() -> IdentitySecretKey {
    IdentitySecretKey::from_seeds(&[1; 64])
}

fn draft() -> IdentityDraft {
    let mut draft = IdentityDraft {
        name: AccountName::parse("alice").expect("valid"),
        serial: 7,
        time: Timestamp(1_700_000_000_000),
        inbox_key: InboxPublicKey::new([3; InboxPublicKey::LEN]),
        devices: vec![],
        removed: vec![DeviceId::new([8; 16]), DeviceId::new([9; 16])],
        vault_version: 2,
        vault_hash: Digest::new([4; 32]),
    };
    for n in [5, 6] {
        let secret = DeviceSecretKey::from_bytes(&[n; 32]);
        draft.add_device(&alice(), DeviceId::new([n; 16]), secret.public());
    }
    draft
}

#[test]
fn public_key_did_and_safety_number_are_as_frozen() {
    let (alice, bob) = (alice(), IdentitySecretKey::from_seeds(&[2; 64]));
    assert_eq!(hash(alice.public().as_bytes()), "89f7e386ab2167fbac1268508e4885abdee4d4c95f2e3d92d4eadc7b4378c138");
    assert_eq!(did_key(&alice.public().account_id()), "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX");
    assert_eq!(
        safety_number(alice.public(), bob.public()),
        "88440 06114 65388 70631 60644 65529 89917 49770 47353 23837 98175 22823"
    );
}

#[test]
fn the_text_of_an_identity_part_is_as_frozen() {
    let signed = draft().sign(&alice(), &mut Seeded(1)).expect("signs");
    let bytes = signed.signed_bytes();
    let text = &bytes[..bytes.len() - 4 - 3373];
    assert_eq!(hash(text), "ebff8f84846149b470afc57724f5b7755e8746b6f8630dd2bf963216186aff91");
    assert_eq!(bytes[text.len()..][..4], 3373u32.to_le_bytes());
    assert_eq!(hash(bytes), signed.hash().to_string());
    let verified = UnverifiedIdentity::parse(bytes).and_then(UnverifiedIdentity::verify).expect("verifies");
    assert_eq!(verified, signed);
}

#[test]
fn credential_and_key_package_part_are_as_frozen() {
    let (device, secret) = (DeviceId::new([5; 16]), DeviceSecretKey::from_bytes(&[5; 32]));
    let account = alice().public().account_id();
    let certificate = issue_device_certificate(&alice(), device, &secret.public());
    let credential = LeafCredential { account, device, certificate, identity_hash: Digest::new([6; 32]) };
    assert_eq!(CREDENTIAL_TYPE, 0xF1C0);
    assert_eq!(hash(credential.encode()), "cfa415798365a9528be1cd355cfc51b151b3432c147cc354645f7d5da8bd4fe3");
    let part = sign_key_package_part(account, device, Timestamp(1_700_000_000_000), b"package", &secret).expect("fits");
    assert_eq!(hash(part), "b080c7e47147b83dade4e009a679b747650bf47ebd2484a5e0fc513a19aafd34");
}

#[test]
fn challenge_texts_are_as_frozen() {
    let (fingerprint, challenge) = (Fingerprint::new([1; 32]), Challenge::new([2; 32]));
    let account = alice().public().account_id();
    let text = authenticate_text(&fingerprint, &challenge, &account, &DeviceId::new([5; 16]));
    assert_eq!(hash(text), "e612365a8f5ce8be20b16b2ed7ae59b55cb1decbb8b76c39919c2c24e3cc80dd");
    let access = AccessSecretKey::from_seed(&[7; 32]).public();
    assert_eq!(
        hash(attach_text(&fingerprint, &challenge, &ChannelId::new([3; 32]), &access)),
        "08e432c9c56d10f003da0747d092a2a2868713bc09ea11c69d3d12df37489774"
    );
}
