//! Records, credentials and names.

use quicprochat_identity::{
    AccountName, LeafCredential, NameAtHost, SafetyNumber, UnverifiedIdentity, UnverifiedKeyPackagePart,
    did_key as print, from_row, parse_did_key, sign_key_package_part, to_row, verify_classical,
};
use quicprochat_wire::limits::{IDENTITY_ROW_BYTES, KEY_PACKAGE_ROW_BYTES};

use crate::{
    cast::{NOW, alice_device, cast},
    choice,
};

/// What parses keeps its bytes; what verifies is what somebody of the cast signed; a row has one form.
pub fn part(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    if how & 1 == 1 {
        return row(bytes, IDENTITY_ROW_BYTES);
    }
    let Ok(identity) = UnverifiedIdentity::parse(bytes) else { return };
    assert_eq!(identity.claimed().signed_bytes(), bytes);
    let classical = verify_classical(&identity);
    if let Ok(classical) = &classical {
        let known = cast()
            .parts
            .iter()
            .any(|part| part.key() == classical.key() && part.next_draft(NOW) == classical.next_draft(NOW));
        assert!(known, "nobody signed it");
    }
    match identity.verify() {
        Ok(identity) => {
            assert!(classical.is_ok() && cast().signed(identity.signed_bytes()));
        }
        Err(_) => assert!(!cast().signed(bytes)),
    }
}

fn row(bytes: &[u8], len: usize) {
    if let Ok(content) = from_row(bytes, len) {
        assert_eq!(to_row(content, len).as_deref(), Ok(bytes));
    }
    if let Ok(row) = to_row(bytes, len) {
        assert_eq!(from_row(&row, len), Ok(bytes));
    }
}

pub(crate) fn part_seeds() -> Vec<Vec<u8>> {
    let row = to_row(cast().bob.identity.signed_bytes(), IDENTITY_ROW_BYTES).expect("fits");
    let parts = cast().parts.iter().take(3).map(|part| choice(0, part.signed_bytes()));
    parts.chain([choice(1, &row)]).collect()
}

fn key_package_parts() -> Vec<Vec<u8>> {
    let alice = &cast().alice;
    let sign = |key_package: &[u8]| {
        sign_key_package_part(alice.identity.account(), alice.own(0).device, NOW, key_package, &alice_device())
            .expect("fits")
    };
    vec![sign(b"a KeyPackage"), sign(&[])]
}

/// What verifies is what alice's device signed; a row has one form.
pub fn key_package_part(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    if how & 1 == 1 {
        return row(bytes, KEY_PACKAGE_ROW_BYTES);
    }
    let Ok(part) = UnverifiedKeyPackagePart::parse(bytes) else { return };
    let claimed = part.claimed_device();
    let verified = part.verify(&cast().alice.identity);
    assert_eq!(verified.is_ok(), key_package_parts().iter().any(|part| part == bytes));
    if let Ok(part) = verified {
        assert_eq!(part.device(), claimed);
        assert!(part.is_fresh(NOW));
    }
}

pub(crate) fn key_package_part_seeds() -> Vec<Vec<u8>> {
    let parts = key_package_parts();
    let row = to_row(&parts[0], KEY_PACKAGE_ROW_BYTES).expect("fits");
    parts.iter().map(|part| choice(0, part)).chain([choice(1, &row)]).collect()
}

/// A key, then a credential: one encoding; the certificate is only good for what alice certified.
pub fn credential(bytes: &[u8]) {
    let Some((key, bytes)) = bytes.split_at_checked(32) else { return };
    let Ok(credential) = LeafCredential::parse(bytes) else { return };
    assert_eq!(credential.encode(), bytes);
    let certified = cast().parts.iter().any(|part| {
        part.account() == credential.account
            && part.device(&credential.device).is_some_and(|entry| {
                entry.key.as_bytes().as_slice() == key && entry.certificate == credential.certificate
            })
    });
    assert_eq!(credential.verify(key).is_ok(), certified);
    assert!(credential.verify(bytes).is_err());
}

pub(crate) fn credential_seeds() -> Vec<Vec<u8>> {
    let of = |own: quicprochat_e2ee::mls::OwnDevice| {
        [own.secret.public().as_bytes().to_vec(), own.credential().encode()].concat()
    };
    vec![of(cast().alice.own(0)), of(cast().alice.own(1)), of(cast().bob.own(0))]
}

/// What parses prints as the same text.
pub fn did_key(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(account) = parse_did_key(text) {
        assert_eq!(print(&account), text);
    }
}

pub(crate) fn did_key_seeds() -> Vec<Vec<u8>> {
    cast().parts.iter().skip(1).take(2).map(|part| print(&part.account()).into_bytes()).collect()
}

/// What parses prints as something that parses to the same.
pub fn names(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(name) = AccountName::parse(text) {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(name) = NameAtHost::parse(text) {
        assert_eq!(NameAtHost::parse(&name.to_string()), Ok(name));
    }
    if let Ok(number) = SafetyNumber::parse(text) {
        assert_eq!(SafetyNumber::parse(&number.to_qr()), Ok(number.clone()));
        assert_eq!(SafetyNumber::parse(number.digits()), Ok(number));
    }
}

pub(crate) fn names_seeds() -> Vec<Vec<u8>> {
    let number = SafetyNumber::of(cast().alice.identity.key(), cast().bob.identity.key());
    let texts = ["alice", "a.b_c-9", "alice@chat.example", "bob@192.0.2.1", "carol@[2001:db8::1]", &number.to_string()];
    texts.into_iter().map(str::to_owned).chain([number.to_qr()]).map(String::into_bytes).collect()
}
