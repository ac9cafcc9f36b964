//! Stand-ins: hashes in the sizes of Ed25519 and ML-DSA-65. Anybody can forge them; a wrong key or text fails all the same.

use quicprochat_wire::Entropy;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{ML_DSA_PUBLIC_LEN, ML_DSA_SIGNATURE_LEN};

/// SHA-256 of parts, each after its length.
#[must_use]
pub fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// So many bytes that follow from a digest; quick, and not for keys (SplitMix64).
#[must_use]
pub fn expand(digest: &[u8; 32], len: usize) -> Vec<u8> {
    let mut state = 0;
    for word in digest.as_chunks::<8>().0 {
        state = mixed(state ^ u64::from_le_bytes(*word));
    }
    let mut out = digest.to_vec();
    while out.len() < len {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        out.extend_from_slice(&mixed(state).to_le_bytes());
    }
    out.truncate(len);
    out
}

const fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

/// In place of the library's.
#[derive(Debug)]
pub(crate) struct Invalid;

/// In place of `ed25519_dalek::Signer`.
pub(crate) trait Signer {
    fn sign(&self, message: &[u8]) -> Signature;
}

/// In place of an Ed25519 secret key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct SigningKey {
    seed: [u8; 32],
    public: [u8; 32],
}

impl SigningKey {
    pub(crate) fn from_bytes(seed: &[u8; 32]) -> Self {
        Self { seed: *seed, public: digest(&[b"ed25519 public", seed]) }
    }

    pub(crate) const fn to_bytes(&self) -> [u8; 32] {
        self.seed
    }

    pub(crate) const fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.public)
    }
}

impl Signer for SigningKey {
    fn sign(&self, message: &[u8]) -> Signature {
        Signature(signature(&self.public, message))
    }
}

/// In place of an Ed25519 public key.
pub(crate) struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    #[expect(clippy::unnecessary_wraps, reason = "the shape of what it stands for")]
    pub(crate) const fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Invalid> {
        Ok(Self(*bytes))
    }

    pub(crate) const fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    pub(crate) fn is_weak(&self) -> bool {
        self.0 == [0; 32]
    }

    pub(crate) fn verify_strict(&self, message: &[u8], found: &Signature) -> Result<(), Invalid> {
        if signature(&self.0, message) == found.0 { Ok(()) } else { Err(Invalid) }
    }
}

/// In place of an Ed25519 signature.
pub(crate) struct Signature([u8; 64]);

impl Signature {
    pub(crate) const fn from_bytes(bytes: &[u8; 64]) -> Self {
        Self(*bytes)
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Result<Self, Invalid> {
        bytes.try_into().map(Self).map_err(|_| Invalid)
    }

    pub(crate) const fn to_bytes(&self) -> [u8; 64] {
        self.0
    }
}

fn signature(public: &[u8; 32], message: &[u8]) -> [u8; 64] {
    let mut out = [0; 64];
    let bytes = expand(&digest(&[b"ed25519 signature", public, message]), 64);
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = from;
    }
    out
}

/// In place of an ML-DSA-65 public key.
pub(crate) fn ml_dsa_public(seeds: &[u8; 64]) -> Vec<u8> {
    expand(&digest(&[b"ml-dsa public", seeds.get(..32).unwrap_or_default()]), ML_DSA_PUBLIC_LEN)
}

/// In place of signing with ML-DSA-65; draws as much as that does.
pub(crate) fn ml_dsa_sign(
    seeds: &[u8; 64],
    message: &[u8],
    context: &[u8],
    entropy: &mut dyn Entropy,
) -> Option<Vec<u8>> {
    entropy.fill(&mut [0; 32]);
    Some(ml_dsa_signature(&ml_dsa_public(seeds), message, context))
}

/// In place of verifying an ML-DSA-65 signature.
pub(crate) fn ml_dsa_verify(public: &[u8], message: &[u8], context: &[u8], signature: &[u8]) -> Option<()> {
    (public.len() == ML_DSA_PUBLIC_LEN && ml_dsa_signature(public, message, context) == signature).then_some(())
}

fn ml_dsa_signature(public: &[u8], message: &[u8], context: &[u8]) -> Vec<u8> {
    expand(&digest(&[b"ml-dsa signature", public, message, context]), ML_DSA_SIGNATURE_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_fails_for_another_key_or_text() {
        let (alice, mallory) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let signed = alice.sign(b"text");
        assert!(alice.verifying_key().verify_strict(b"text", &signed).is_ok());
        assert!(alice.verifying_key().verify_strict(b"texts", &signed).is_err());
        assert!(mallory.verifying_key().verify_strict(b"text", &signed).is_err());
        let mut entropy = crate::test_support::SeededEntropy::new(1);
        let signed = ml_dsa_sign(&[1; 64], b"text", b"context", &mut entropy).expect("signs");
        assert_eq!(signed.len(), ML_DSA_SIGNATURE_LEN);
        assert_eq!(ml_dsa_verify(&ml_dsa_public(&[1; 64]), b"text", b"context", &signed), Some(()));
        assert_eq!(ml_dsa_verify(&ml_dsa_public(&[2; 64]), b"text", b"context", &signed), None);
        assert_eq!(ml_dsa_verify(&ml_dsa_public(&[1; 64]), b"text", b"other", &signed), None);
        assert_eq!(ml_dsa_verify(&ml_dsa_public(&[1; 64]), b"text", b"context", &[]), None);
    }
}
