//! Ed25519 and ML-DSA-65.

pub(crate) use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use ml_dsa::{EncodedVerifyingKey, Keypair as _, MlDsa65, Seed};
use quicprochat_wire::Entropy;
use zeroize::Zeroizing;

use crate::rng::EntropyRng;

/// The public key of the seed in front of `seeds`.
pub(crate) fn ml_dsa_public(seeds: &[u8; 64]) -> Vec<u8> {
    key(seeds).verifying_key().encode().to_vec()
}

/// Signs, hedged with `entropy`. `None` if rejection sampling gives up, which does not happen in practice.
pub(crate) fn ml_dsa_sign(
    seeds: &[u8; 64],
    message: &[u8],
    context: &[u8],
    entropy: &mut dyn Entropy,
) -> Option<Vec<u8>> {
    let signature = key(seeds).expanded_key().sign_randomized(message, context, &mut EntropyRng::new(entropy));
    Some(signature.ok()?.encode().to_vec())
}

/// `None` unless the signature is the key's.
pub(crate) fn ml_dsa_verify(public: &[u8], message: &[u8], context: &[u8], signature: &[u8]) -> Option<()> {
    let encoded = EncodedVerifyingKey::<MlDsa65>::try_from(public).ok()?;
    let signature = ml_dsa::Signature::<MlDsa65>::try_from(signature).ok()?;
    ml_dsa::VerifyingKey::decode(&encoded).verify_with_context(message, context, &signature).then_some(())
}

fn key(seeds: &[u8; 64]) -> ml_dsa::SigningKey<MlDsa65> {
    let mut seed = Zeroizing::new(Seed::default());
    for (to, from) in seed.iter_mut().zip(seeds) {
        *to = *from;
    }
    ml_dsa::SigningKey::from_seed(&seed)
}
