//! The account's identity key: ML-DSA-65 and Ed25519 at once, so that breaking one of them forges nothing.
//!
//! Shape:    public key = ML-DSA-65 (1,952) || Ed25519 (32); secret = their seeds (32 || 32); signature = ML-DSA-65 (3,309) ||
//!           Ed25519 (64). Both sign M' = prefix || label || u8 len(context) || context || SHA-512(message); ML-DSA besides takes the
//!           label as its own context.
//! Source:   draft-ietf-lamps-pq-composite-sigs-19, id-MLDSA65-Ed25519-SHA512.

use core::fmt;

use quicprochat_wire::{AccountId, Entropy};
use sha2::{Digest as _, Sha512};
use zeroize::Zeroizing;

use crate::{
    device::usable_key,
    error::{IdentityError, KeyRole, Signed},
    primitive::{
        ML_DSA_PUBLIC_LEN, ML_DSA_SIGNATURE_LEN, Signature, Signer as _, SigningKey, VerifyingKey, ml_dsa_public,
        ml_dsa_sign, ml_dsa_verify,
    },
};

const PREFIX: &[u8] = b"CompositeAlgorithmSignatures2025";
const LABEL: &[u8] = b"COMPSIG-MLDSA65-Ed25519-SHA512";

/// Bytes of a composite signature.
pub const SIGNATURE_LEN: usize = ML_DSA_SIGNATURE_LEN + 64;

/// An account's public identity key.
///
/// Shape:    1,984 bytes, ML-DSA-65 then Ed25519. The Ed25519 half is a point of the curve and none of the weak ones.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdentityPublicKey {
    bytes: Box<[u8; Self::LEN]>,
    account: AccountId,
}

impl IdentityPublicKey {
    /// Length in bytes.
    pub const LEN: usize = ML_DSA_PUBLIC_LEN + 32;

    /// Takes the encoded key.
    ///
    /// Errors:   [`IdentityError::KeyInvalid`] for another length or an unusable Ed25519 half.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdentityError> {
        let invalid = IdentityError::KeyInvalid { key: KeyRole::Identity };
        let bytes = <[u8; Self::LEN]>::try_from(bytes).map_err(|_| invalid.clone())?;
        let classical = bytes.last_chunk::<32>().ok_or_else(|| invalid.clone())?;
        let account = AccountId::new(*classical);
        if usable_key(classical).is_some() { Ok(Self { bytes: Box::new(bytes), account }) } else { Err(invalid) }
    }

    /// The encoded key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.bytes
    }

    /// The account this key stands for: its Ed25519 half.
    #[must_use]
    pub const fn account_id(&self) -> AccountId {
        self.account
    }

    /// Checks both halves of a signature.
    ///
    /// Errors:   [`IdentityError::BadSignature`] if either half fails, [`IdentityError::ContextTooLong`] above 255 bytes.
    pub fn verify(&self, context: &[u8], message: &[u8], signature: &[u8]) -> Result<(), IdentityError> {
        let (post_quantum, classical) = split_signature(signature)?;
        let representative = representative(context, message)?;
        self.check_ed25519(&representative, classical)?;
        self.check_ml_dsa(&representative, post_quantum).ok_or(BAD_SIGNATURE)
    }

    /// Checks the Ed25519 half of a signature and that the whole has the right length; says nothing about the ML-DSA half.
    ///
    /// For the places where only the classical half counts (DESIGN L9).
    ///
    /// Errors:   as [`Self::verify`].
    pub fn verify_ed25519_half(&self, context: &[u8], message: &[u8], signature: &[u8]) -> Result<(), IdentityError> {
        let (_, classical) = split_signature(signature)?;
        self.check_ed25519(&representative(context, message)?, classical)
    }

    fn check_ed25519(&self, representative: &[u8], signature: &[u8; 64]) -> Result<(), IdentityError> {
        let key = VerifyingKey::from_bytes(self.account.as_bytes())
            .map_err(|_| IdentityError::KeyInvalid { key: KeyRole::Identity })?;
        key.verify_strict(representative, &Signature::from_bytes(signature)).map_err(|_| BAD_SIGNATURE)
    }

    fn check_ml_dsa(&self, representative: &[u8], signature: &[u8]) -> Option<()> {
        ml_dsa_verify(self.bytes.get(..ML_DSA_PUBLIC_LEN)?, representative, LABEL, signature)
    }
}

impl fmt::Debug for IdentityPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "identity:{}", self.account.short())
    }
}

/// An account's secret identity key.
///
/// Used only to enrol and revoke devices, under the password or recovery key; never stored in the clear (DESIGN A2).
///
/// Secrets:  the two seeds, zeroised on drop. The expanded ML-DSA key exists only while signing.
pub struct IdentitySecretKey {
    seeds: Zeroizing<[u8; 64]>,
    public: IdentityPublicKey,
}

impl IdentitySecretKey {
    /// Draws a fresh key.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        let mut seeds = Zeroizing::new([0; 64]);
        entropy.fill(seeds.as_mut_slice());
        Self::from_seeds(&seeds)
    }

    /// The key of these seeds: 32 bytes for ML-DSA-65, then 32 for Ed25519. Every value is a key.
    #[must_use]
    pub fn from_seeds(seeds: &[u8; 64]) -> Self {
        let seeds = Zeroizing::new(*seeds);
        let post_quantum = ml_dsa_public(&seeds);
        let account = AccountId::new(ed25519_key(&seeds).verifying_key().to_bytes());
        let mut bytes = Box::new([0; IdentityPublicKey::LEN]);
        for (to, from) in bytes.iter_mut().zip(post_quantum.iter().chain(account.as_bytes())) {
            *to = *from;
        }
        Self { seeds, public: IdentityPublicKey { bytes, account } }
    }

    /// The seeds, to be sealed into the vault.
    #[must_use]
    pub fn seeds(&self) -> Zeroizing<[u8; 64]> {
        self.seeds.clone()
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &IdentityPublicKey {
        &self.public
    }

    /// Signs with both keys; the ML-DSA half is hedged with `entropy`.
    ///
    /// Shape:    [`SIGNATURE_LEN`] bytes.
    /// Errors:   [`IdentityError::ContextTooLong`] above 255 bytes; [`IdentityError::SigningFailed`] if ML-DSA's rejection
    ///           sampling gives up, which does not happen in practice.
    pub fn sign(&self, context: &[u8], message: &[u8], entropy: &mut dyn Entropy) -> Result<Vec<u8>, IdentityError> {
        let representative = representative(context, message)?;
        let post_quantum =
            ml_dsa_sign(&self.seeds, &representative, LABEL, entropy).ok_or(IdentityError::SigningFailed)?;
        let mut signature = Vec::with_capacity(SIGNATURE_LEN);
        signature.extend_from_slice(&post_quantum);
        signature.extend_from_slice(&self.sign_ed25519(&representative));
        Ok(signature)
    }

    /// Signs `message` itself with the Ed25519 half alone, as for device certificates.
    #[must_use]
    pub fn sign_ed25519(&self, message: &[u8]) -> [u8; 64] {
        ed25519_key(&self.seeds).sign(message).to_bytes()
    }
}

impl fmt::Debug for IdentitySecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentitySecretKey({:?})", self.public)
    }
}

const BAD_SIGNATURE: IdentityError = IdentityError::BadSignature { over: Signed::Composite };

fn ed25519_key(seeds: &[u8; 64]) -> SigningKey {
    let mut seed = Zeroizing::new([0; 32]);
    for (to, from) in seed.iter_mut().zip(seeds.iter().skip(32)) {
        *to = *from;
    }
    SigningKey::from_bytes(&seed)
}

fn split_signature(signature: &[u8]) -> Result<(&[u8], &[u8; 64]), IdentityError> {
    match signature.split_last_chunk::<64>() {
        Some((post_quantum, classical)) if post_quantum.len() == ML_DSA_SIGNATURE_LEN => Ok((post_quantum, classical)),
        _ => Err(BAD_SIGNATURE),
    }
}

/// M' of the draft: what both halves sign.
fn representative(context: &[u8], message: &[u8]) -> Result<Vec<u8>, IdentityError> {
    let context_len =
        u8::try_from(context.len()).map_err(|_| IdentityError::ContextTooLong { found: context.len() })?;
    Ok([PREFIX, LABEL, &[context_len], context, &Sha512::digest(message)].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::SeededEntropy;

    fn alice() -> IdentitySecretKey {
        IdentitySecretKey::generate(&mut SeededEntropy::new(1))
    }

    #[test]
    fn signs_and_verifies_within_its_context_only() {
        let alice = alice();
        let signature = alice.sign(b"one", b"hello", &mut SeededEntropy::new(2)).expect("signs");
        assert_eq!(signature.len(), SIGNATURE_LEN);
        let public = alice.public();
        assert_eq!(public.verify(b"one", b"hello", &signature), Ok(()));
        assert_eq!(public.verify_ed25519_half(b"one", b"hello", &signature), Ok(()));
        assert_eq!(public.verify(b"two", b"hello", &signature), Err(BAD_SIGNATURE));
        assert_eq!(public.verify(b"one", b"hullo", &signature), Err(BAD_SIGNATURE));
        assert_eq!(public.verify(b"one", b"hello", &signature[1..]), Err(BAD_SIGNATURE));
        assert_eq!(public.verify(b"one", b"hello", &[]), Err(BAD_SIGNATURE));
        let mallory = IdentitySecretKey::generate(&mut SeededEntropy::new(3));
        assert_eq!(mallory.public().verify(b"one", b"hello", &signature), Err(BAD_SIGNATURE));
    }

    #[test]
    fn each_half_is_needed() {
        let (alice, mallory) = (alice(), IdentitySecretKey::generate(&mut SeededEntropy::new(3)));
        let own = alice.sign(b"", b"hello", &mut SeededEntropy::new(2)).expect("signs");
        let other = mallory.sign(b"", b"hello", &mut SeededEntropy::new(2)).expect("signs");
        let (classical_forged, post_quantum_forged) = (
            [&own[..ML_DSA_SIGNATURE_LEN], &other[ML_DSA_SIGNATURE_LEN..]].concat(),
            [&other[..ML_DSA_SIGNATURE_LEN], &own[ML_DSA_SIGNATURE_LEN..]].concat(),
        );
        assert_eq!(alice.public().verify(b"", b"hello", &classical_forged), Err(BAD_SIGNATURE));
        assert_eq!(alice.public().verify_ed25519_half(b"", b"hello", &classical_forged), Err(BAD_SIGNATURE));
        assert_eq!(alice.public().verify(b"", b"hello", &post_quantum_forged), Err(BAD_SIGNATURE));
        assert_eq!(alice.public().verify_ed25519_half(b"", b"hello", &post_quantum_forged), Ok(()));
    }

    #[test]
    fn long_contexts_are_refused() {
        let alice = alice();
        let refused = Err(IdentityError::ContextTooLong { found: 256 });
        assert_eq!(alice.sign(&[0; 256], b"", &mut SeededEntropy::new(2)), refused);
        let signature = alice.sign(&[0; 255], b"", &mut SeededEntropy::new(2)).expect("signs");
        assert_eq!(alice.public().verify(&[0; 255], b"", &signature), Ok(()));
        assert_eq!(alice.public().verify(&[0; 256], b"", &signature), refused.map(|_| ()));
    }

    #[test]
    fn weak_and_malformed_public_keys_are_refused() {
        let good = *alice().public().as_bytes();
        let with_half = |half: [u8; 32]| [&good[..ML_DSA_PUBLIC_LEN], &half].concat();
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        for bytes in [with_half(identity_point), with_half([0; 32]), with_half([2; 32]), good[1..].to_vec(), vec![]] {
            let refused = Err(IdentityError::KeyInvalid { key: KeyRole::Identity });
            assert_eq!(IdentityPublicKey::from_bytes(&bytes), refused, "{} bytes", bytes.len());
        }
        assert_eq!(IdentityPublicKey::from_bytes(&good).expect("valid"), *alice().public());
    }

    #[test]
    fn seeds_restore_the_key_and_debug_hides_them() {
        let alice = alice();
        let restored = IdentitySecretKey::from_seeds(&alice.seeds());
        assert_eq!(restored.public(), alice.public());
        let printed = format!("{alice:?} {alice:#?}");
        assert_eq!(
            printed.replace(&alice.public().account_id().short(), "A"),
            "IdentitySecretKey(identity:A) IdentitySecretKey(identity:A)"
        );
    }

    /// Threads of a runtime have 2 MiB; a quarter of it must be enough.
    #[test]
    fn generates_signs_and_verifies_on_a_small_stack() {
        let worker = std::thread::Builder::new().stack_size(512 * 1024).spawn(|| {
            let alice = alice();
            let signature = alice.sign(b"", b"hello", &mut SeededEntropy::new(2)).expect("signs");
            alice.public().verify(b"", b"hello", &signature)
        });
        assert_eq!(worker.expect("a thread").join().expect("no overflow"), Ok(()));
    }
}
