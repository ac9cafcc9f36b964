//! Signatures of heads: Ed25519 (RFC 8032) in both suites.

use core::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::{HeadKey, ed25519::decode_point};

/// A private key for heads.
///
/// Secrets:  whoever has it shows other logs than the operator's. It is wiped when it is dropped.
pub struct Ed25519HeadKey(SigningKey);

impl Ed25519HeadKey {
    /// The key of a 32 byte secret key of RFC 8032, section 5.1.5.
    #[must_use]
    pub fn from_secret_key(secret_key: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret_key))
    }
}

impl HeadKey for Ed25519HeadKey {
    fn public_key(&self) -> Vec<u8> {
        self.0.verifying_key().as_bytes().to_vec()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).to_vec()
    }
}

impl fmt::Debug for Ed25519HeadKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ed25519HeadKey").field("public", &self.0.verifying_key().to_bytes()).finish_non_exhaustive()
    }
}

/// A public key, if it is canonical and not of small order.
pub(super) fn verifying_key(public_key: &[u8]) -> Option<VerifyingKey> {
    // `VerifyingKey` itself takes encodings that RFC 8032, section 5.1.3 refuses.
    decode_point(public_key)?;
    VerifyingKey::try_from(public_key).ok().filter(|key| !key.is_weak())
}

/// Whether a signature is right: s below the order, R and key canonical and not of small order, no cofactor.
pub(super) fn verifies(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Some((key, signature)) = verifying_key(public_key).zip(Signature::from_slice(signature).ok()) else {
        return false;
    };
    key.verify_strict(message, &signature).is_ok()
}
