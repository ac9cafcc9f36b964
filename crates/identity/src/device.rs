//! Plain Ed25519 keys: devices and channel access, and the texts they sign to a server's challenge.

use core::fmt;

use quicprochat_wire::{
    AccessPublicKey, AccountId, Challenge, ChannelId, DeviceId, DeviceKey, Entropy, Fingerprint, Writer,
};
use zeroize::Zeroizing;

use crate::{
    error::{IdentityError, KeyRole, Signed},
    primitive::{Signature, Signer as _, SigningKey, VerifyingKey},
};

/// A device's signing key: signs challenges and KeyPackage parts and is the signature key of the device's leaf in every group.
///
/// Secrets:  the seed, zeroised on drop.
pub struct DeviceSecretKey(SigningKey);

impl DeviceSecretKey {
    /// Draws a fresh key.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        entropy.fill(seed.as_mut_slice());
        Self::from_bytes(&seed)
    }

    /// The key of this seed. Every value is a key.
    #[must_use]
    pub fn from_bytes(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, for the device's own encrypted store.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> DeviceKey {
        DeviceKey::new(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` (RFC 8032, pure Ed25519).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for DeviceSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceSecretKey({:?})", self.public())
    }
}

/// A channel's access key: whoever has it may read and write the channel's entries (DESIGN L7, L8).
///
/// Secrets:  the seed, zeroised on drop; shared by the members of a channel.
pub struct AccessSecretKey(SigningKey);

impl AccessSecretKey {
    /// The key of this seed, as the group's exporter or an invitation yields it. Every value is a key.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half, which the server keeps.
    #[must_use]
    pub fn public(&self) -> AccessPublicKey {
        AccessPublicKey::new(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` (RFC 8032, pure Ed25519).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl Clone for AccessSecretKey {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for AccessSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessSecretKey({:?})", self.public())
    }
}

/// Checks an Ed25519 signature strictly: canonical scalars, no weak points, so that every validator comes to the same result.
///
/// Errors:   [`IdentityError::KeyInvalid`] for a key that is no usable point, else [`IdentityError::BadSignature`].
pub fn verify_ed25519(key: &[u8; 32], message: &[u8], signature: &[u8]) -> Result<(), IdentityError> {
    verify_as(key, message, signature, KeyRole::Signer, Signed::Text)
}

pub(crate) fn verify_as(
    key: &[u8; 32],
    message: &[u8],
    signature: &[u8],
    role: KeyRole,
    over: Signed,
) -> Result<(), IdentityError> {
    let key = usable_key(key).ok_or(IdentityError::KeyInvalid { key: role })?;
    let signature = Signature::from_slice(signature).map_err(|_| IdentityError::BadSignature { over })?;
    key.verify_strict(message, &signature).map_err(|_| IdentityError::BadSignature { over })
}

/// The key as a point, unless it is none, a weak one, or written in another than its one canonical form.
pub(crate) fn usable_key(key: &[u8; 32]) -> Option<VerifyingKey> {
    let point = VerifyingKey::from_bytes(key).ok()?;
    (!point.is_weak() && is_canonical(key)).then_some(point)
}

/// Whether the y coordinate is below the field's prime 2^255 - 19 (RFC 8032, section 5.1.3). The library decodes more.
fn is_canonical(key: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = key;
    *low < 0xed || high & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

/// What a device signs to authenticate a connection (protocol.md, section 2).
#[must_use]
pub fn authenticate_text(
    fingerprint: &Fingerprint,
    challenge: &Challenge,
    account: &AccountId,
    device: &DeviceId,
) -> Vec<u8> {
    Writer::labelled("qpc/1 authenticate").fixed(fingerprint).fixed(challenge).fixed(account).fixed(device).finish()
}

/// What an access key signs to attach to a channel (protocol.md, section 2).
#[must_use]
pub fn attach_text(
    fingerprint: &Fingerprint,
    challenge: &Challenge,
    channel: &ChannelId,
    access: &AccessPublicKey,
) -> Vec<u8> {
    Writer::labelled("qpc/1 attach").fixed(fingerprint).fixed(challenge).fixed(channel).fixed(access).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::SeededEntropy;

    #[test]
    fn a_challenge_signature_is_good_for_one_server_connection_and_device_only() {
        let secret = DeviceSecretKey::generate(&mut SeededEntropy::new(1));
        let text = |f: u8, c: u8, a: u8, d: u8| {
            let (fingerprint, challenge) = (Fingerprint::new([f; 32]), Challenge::new([c; 32]));
            authenticate_text(&fingerprint, &challenge, &AccountId::new([a; 32]), &DeviceId::new([d; 16]))
        };
        assert_eq!(text(1, 2, 3, 4).len(), 19 + 32 * 3 + 16);
        let signature = secret.sign(&text(1, 2, 3, 4));
        let key = secret.public();
        assert_eq!(verify_ed25519(key.as_bytes(), &text(1, 2, 3, 4), &signature), Ok(()));
        for other in [text(9, 2, 3, 4), text(1, 9, 3, 4), text(1, 2, 9, 4), text(1, 2, 3, 9)] {
            let refused = Err(IdentityError::BadSignature { over: Signed::Text });
            assert_eq!(verify_ed25519(key.as_bytes(), &other, &signature), refused);
        }
    }

    #[test]
    fn attach_text_names_server_connection_channel_and_key() {
        let access = AccessSecretKey::from_seed(&[3; 32]);
        let text = attach_text(
            &Fingerprint::new([1; 32]),
            &Challenge::new([2; 32]),
            &ChannelId::new([4; 32]),
            &access.public(),
        );
        let expected =
            [b"qpc/1 attach\0".as_slice(), &[1; 32], &[2; 32], &[4; 32], access.public().as_bytes()].concat();
        assert_eq!(text, expected);
        assert_eq!(verify_ed25519(access.public().as_bytes(), &text, &access.clone().sign(&text)), Ok(()));
    }

    #[test]
    fn seeds_restore_keys_and_debug_hides_them() {
        let device = DeviceSecretKey::generate(&mut SeededEntropy::new(1));
        let access = AccessSecretKey::from_seed(&device.to_bytes());
        assert_eq!(DeviceSecretKey::from_bytes(&device.to_bytes()).public(), device.public());
        assert_eq!(access.seed(), device.to_bytes());
        let short = device.public().short();
        assert_eq!(format!("{device:?}"), format!("DeviceSecretKey(devkey:{short})"));
        assert_eq!(format!("{access:?}"), format!("AccessSecretKey(access:{short})"));
    }

    /// y = p + 3 decodes to the point with y = 3, which is not of small order: only the form is wrong.
    #[test]
    fn keys_have_one_form() {
        let mut same_point = [0xff; 32];
        (same_point[0], same_point[31]) = (0xed + 3, 0x7f);
        assert!(VerifyingKey::from_bytes(&same_point).is_ok_and(|point| !point.is_weak()));
        assert_eq!(usable_key(&same_point), None);
        let mut canonical = [0; 32];
        canonical[0] = 3;
        assert!(usable_key(&canonical).is_some());
        let mut below_prime = same_point;
        below_prime[0] = 0xec;
        assert!(is_canonical(&below_prime));
    }

    #[test]
    fn weak_keys_and_wrong_lengths_are_refused() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        let refused = Err(IdentityError::KeyInvalid { key: KeyRole::Signer });
        assert_eq!(verify_ed25519(&identity_point, b"", &[0; 64]), refused);
        let key = DeviceSecretKey::from_bytes(&[1; 32]).public();
        for signature in [&[0; 63][..], &[0; 65], &[]] {
            let refused = Err(IdentityError::BadSignature { over: Signed::Text });
            assert_eq!(verify_ed25519(key.as_bytes(), b"", signature), refused);
        }
    }
}
