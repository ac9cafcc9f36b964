//! What a leaf of a group says about whose device it is, and the certificate that proves it.

use quicprochat_wire::{AccountId, DecodeError, DeviceId, DeviceKey, Digest, Reader, Writer};

use crate::{
    composite::IdentitySecretKey,
    device::verify_as,
    error::{IdentityError, KeyRole, Signed},
};

/// The MLS credential type of [`LeafCredential`], from the private range of RFC 9420.
pub const CREDENTIAL_TYPE: u16 = 0xF1C0;

const VERSION: u8 = 1;

/// The content of a leaf's credential.
///
/// Shape:    `u8 1 || account (32) || device (16) || certificate (64) || identity hash (32)`, 145 bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeafCredential {
    /// The account the device belongs to.
    pub account: AccountId,
    /// The device.
    pub device: DeviceId,
    /// [`issue_device_certificate`] over the device's key.
    pub certificate: [u8; 64],
    /// Hash of the account's identity part as the device last knew it.
    pub identity_hash: Digest,
}

impl LeafCredential {
    /// Length of the encoding.
    pub const LEN: usize = 1 + 32 + 16 + 64 + 32;

    /// The credential's content.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Writer::new()
            .u8(VERSION)
            .fixed(self.account)
            .fixed(self.device)
            .fixed(self.certificate)
            .fixed(self.identity_hash)
            .finish()
    }

    /// Takes the credential's content; the certificate is not checked yet.
    ///
    /// Errors:   [`IdentityError::Decode`].
    pub fn parse(bytes: &[u8]) -> Result<Self, IdentityError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError::WrongLabel.into());
        }
        let credential = Self {
            account: AccountId::new(reader.array()?),
            device: DeviceId::new(reader.array()?),
            certificate: reader.array()?,
            identity_hash: Digest::new(reader.array()?),
        };
        reader.finish()?;
        Ok(credential)
    }

    /// Checks that the account certified exactly the key that the leaf signs with.
    ///
    /// The result depends on the leaf alone (DESIGN L9): Ed25519, no directory.
    ///
    /// Errors:   [`IdentityError::KeyInvalid`] for a key that is no Ed25519 key, else [`IdentityError::BadSignature`].
    pub fn verify(&self, leaf_signature_key: &[u8]) -> Result<(), IdentityError> {
        let key =
            DeviceKey::from_slice(leaf_signature_key).ok_or(IdentityError::KeyInvalid { key: KeyRole::Device })?;
        verify_device_certificate(&self.account, &self.device, &key, &self.certificate)
    }
}

/// Certifies a device's key, with the Ed25519 half of the account's key.
#[must_use]
pub fn issue_device_certificate(identity: &IdentitySecretKey, device: DeviceId, key: &DeviceKey) -> [u8; 64] {
    identity.sign_ed25519(&certificate_text(&identity.public().account_id(), &device, key))
}

/// Checks a device's certificate.
///
/// Errors:   [`IdentityError::KeyInvalid`] if the account id or the device key is no usable key, else
///           [`IdentityError::BadSignature`].
pub fn verify_device_certificate(
    account: &AccountId,
    device: &DeviceId,
    key: &DeviceKey,
    certificate: &[u8; 64],
) -> Result<(), IdentityError> {
    if crate::device::usable_key(key.as_bytes()).is_none() {
        return Err(IdentityError::KeyInvalid { key: KeyRole::Device });
    }
    let text = certificate_text(account, device, key);
    verify_as(account.as_bytes(), &text, certificate, KeyRole::Identity, Signed::DeviceCertificate)
}

fn certificate_text(account: &AccountId, device: &DeviceId, key: &DeviceKey) -> Vec<u8> {
    Writer::labelled("qpc/1 device").fixed(account).fixed(device).fixed(key).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::Account;

    fn credential(account: &Account) -> (LeafCredential, DeviceKey) {
        let (device, secret) = &account.devices[0];
        let credential = LeafCredential {
            account: account.key.public().account_id(),
            device: *device,
            certificate: issue_device_certificate(&account.key, *device, &secret.public()),
            identity_hash: Digest::new([8; 32]),
        };
        (credential, secret.public())
    }

    #[test]
    fn verifies_for_the_certified_key_only() {
        let alice = Account::new(1, 2);
        let (credential, key) = credential(&alice);
        assert_eq!(credential.verify(key.as_bytes()), Ok(()));
        let refused = Err(IdentityError::BadSignature { over: Signed::DeviceCertificate });
        assert_eq!(credential.verify(alice.devices[1].1.public().as_bytes()), refused);
        for length in [0, 31, 33] {
            let refused = Err(IdentityError::KeyInvalid { key: KeyRole::Device });
            assert_eq!(credential.verify(&vec![1; length]), refused);
        }
    }

    #[test]
    fn another_account_or_device_cannot_use_the_certificate() {
        let (alice, mallory) = (Account::new(1, 1), Account::new(2, 1));
        let (credential, key) = credential(&alice);
        let refused = Err(IdentityError::BadSignature { over: Signed::DeviceCertificate });
        let stolen = LeafCredential { account: mallory.key.public().account_id(), ..credential.clone() };
        assert_eq!(stolen.verify(key.as_bytes()), refused);
        let renamed = LeafCredential { device: DeviceId::new([77; 16]), ..credential };
        assert_eq!(renamed.verify(key.as_bytes()), refused);
    }

    #[test]
    fn round_trips_and_refuses_every_other_length_and_version() {
        let (credential, key) = credential(&Account::new(1, 1));
        let bytes = credential.encode();
        assert_eq!(bytes.len(), LeafCredential::LEN);
        assert_eq!(LeafCredential::parse(&bytes), Ok(credential.clone()));
        for end in 0..bytes.len() {
            assert!(LeafCredential::parse(&bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(LeafCredential::parse(&[&bytes[..], &[0]].concat()).is_err());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let verified = LeafCredential::parse(&flipped).and_then(|parsed| parsed.verify(key.as_bytes()));
            let identity_hash = bit / 8 >= LeafCredential::LEN - 32;
            assert_eq!(verified.is_ok(), identity_hash, "bit {bit}");
        }
    }
}
