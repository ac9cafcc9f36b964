//! The cryptography of a log, behind one trait: signatures of heads, and the verifiable random function.
//!
//! All suites share SHA-256, commitments by HMAC, heads signed with Ed25519 and outputs of 32 bytes; they differ in the VRF. The draft's
//! suite 0x0001 (P-256) is not there: [`by_id`] answers [`KeyTransError::UnsupportedSuite`] for it, as for every other.
//!
//! ```text
//!   seed (32 bytes) ─┬─ head_key ─▶ HeadKey ─ sign ──────────▶ Suite::verify_signature
//!                    └─ vrf_key ──▶ VrfKey ── prove(VrfInput) ▶ Suite::verify_vrf ─▶ VrfOutput
//! ```

pub mod ed25519;
mod head;
pub mod ristretto;

#[cfg(test)]
mod tests;

use core::fmt::Debug;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

pub use head::Ed25519HeadKey;

use self::{
    ed25519::{EcvrfKey, Ed25519Suite},
    ristretto::{RistrettoSuite, RistrettoVrfKey},
};
use crate::{KeyTransError, VrfOutput, config::CipherSuite, error::KeyOf};

/// What a verifier needs of a suite.
pub trait Suite: Debug + Send + Sync {
    /// The suite's number.
    fn id(&self) -> CipherSuite;

    /// Bytes of a VRF proof (`VRF.Np`).
    fn vrf_proof_len(&self) -> usize;

    /// Verifies a VRF proof for an input, and gives the output that it proves. Not in constant time: all of it is public.
    ///
    /// Errors:   [`KeyTransError::PublicKey`], [`KeyTransError::VrfProof`], and as [`VrfKey::evaluate`] for the input.
    fn verify_vrf(&self, public_key: &[u8], input: &[u8], proof: &[u8]) -> Result<VrfOutput, KeyTransError>;

    /// Verifies a signature of a head; `true` if it does. Weak keys and other encodings than the canonical ones verify nothing.
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool;
}

/// A private key of a verifiable random function: what a log needs of a suite.
///
/// Secrets:  whoever has it learns from a log's tree which labels exist, by trying them.
pub trait VrfKey: Debug + Send + Sync {
    /// The public key's bytes, as in [`crate::config::Configuration::vrf_public_key`].
    fn public_key(&self) -> Vec<u8>;

    /// The output for an input, without a proof. Cheaper than [`Self::prove`].
    ///
    /// Errors:   [`KeyTransError::VrfInput`] for an input without an output (nobody can find one), and in suite 0xF001
    ///           [`crate::DecodeError::TooLong`] for one above 65,535 bytes.
    fn evaluate(&self, input: &[u8]) -> Result<VrfOutput, KeyTransError>;

    /// The output and its proof. The same input gives the same proof.
    ///
    /// Errors:   as [`Self::evaluate`].
    fn prove(&self, input: &[u8]) -> Result<(VrfOutput, Vec<u8>), KeyTransError>;
}

/// A private key for heads.
pub trait HeadKey: Debug + Send + Sync {
    /// The public key's bytes, as in [`crate::config::Configuration::signature_public_key`].
    fn public_key(&self) -> Vec<u8>;

    /// Signs.
    fn sign(&self, message: &[u8]) -> Vec<u8>;
}

/// The suite of this number.
///
/// Errors:   [`KeyTransError::UnsupportedSuite`] for all but [`CipherSuite::ED25519`] and [`CipherSuite::RISTRETTO255`]; so for
///           `KT_128_SHA256_P256` (0x0001), too.
pub fn by_id(suite: CipherSuite) -> Result<&'static dyn Suite, KeyTransError> {
    match suite {
        CipherSuite::ED25519 => Ok(&Ed25519Suite),
        CipherSuite::RISTRETTO255 => Ok(&RistrettoSuite),
        found => Err(KeyTransError::UnsupportedSuite { found }),
    }
}

/// The key of a log's random function, from a seed that a log's operator keeps; the same seed may serve for [`head_key`].
///
/// 0x0002: HMAC-SHA256 with the seed as key, of `qpc/1 keytrans vrf key` and the suite's two bytes, is the secret key of RFC 8032.
/// 0xF001: `DeriveKeyPair` of RFC 9497 in mode 1, of the seed and the info `qpc/1 keytrans vrf key`.
///
/// Errors:   [`KeyTransError::UnsupportedSuite`].
pub fn vrf_key(suite: CipherSuite, seed: &[u8; 32]) -> Result<Box<dyn VrfKey>, KeyTransError> {
    match suite {
        CipherSuite::ED25519 => Ok(Box::new(EcvrfKey::from_secret_key(&derived(seed, VRF_KEY, suite)))),
        CipherSuite::RISTRETTO255 => Ok(Box::new(RistrettoVrfKey::from_seed(seed)?)),
        found => Err(KeyTransError::UnsupportedSuite { found }),
    }
}

/// The key for a log's heads, from a seed that a log's operator keeps; the same seed may serve for [`vrf_key`].
///
/// HMAC-SHA256 with the seed as key, of `qpc/1 keytrans head key` and the suite's two bytes, is the secret key of RFC 8032.
///
/// Errors:   [`KeyTransError::UnsupportedSuite`].
pub fn head_key(suite: CipherSuite, seed: &[u8; 32]) -> Result<Box<dyn HeadKey>, KeyTransError> {
    by_id(suite)?;
    Ok(Box::new(Ed25519HeadKey::from_secret_key(&derived(seed, HEAD_KEY, suite))))
}

/// Whether bytes are a public key of the suite's random function: canonical, and not of small order.
///
/// Errors:   [`KeyTransError::PublicKey`], [`KeyTransError::UnsupportedSuite`].
pub fn check_vrf_key(suite: CipherSuite, public_key: &[u8]) -> Result<(), KeyTransError> {
    match suite {
        CipherSuite::ED25519 => ed25519::check_public_key(public_key),
        CipherSuite::RISTRETTO255 => ristretto::check_public_key(public_key),
        found => Err(KeyTransError::UnsupportedSuite { found }),
    }
}

/// Whether bytes are a key for heads in the suite: canonical, and not of small order.
///
/// Errors:   [`KeyTransError::PublicKey`] of the one who is said to have the key, [`KeyTransError::UnsupportedSuite`].
pub fn check_head_key(suite: CipherSuite, public_key: &[u8], of: KeyOf) -> Result<(), KeyTransError> {
    by_id(suite)?;
    head::verifying_key(public_key).map(|_| ()).ok_or(KeyTransError::PublicKey { of })
}

const VRF_KEY: &[u8] = b"qpc/1 keytrans vrf key";
const HEAD_KEY: &[u8] = b"qpc/1 keytrans head key";

/// A key of its own for each purpose: one Ed25519 key for both heads and ECVRF would take nonces from one stream.
fn derived(seed: &[u8; 32], purpose: &[u8], suite: CipherSuite) -> Zeroizing<[u8; 32]> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mac = Hmac::<Sha256>::new_from_slice(seed).expect("HMAC takes keys of every length");
    Zeroizing::new(mac.chain_update(purpose).chain_update(suite.0.to_be_bytes()).finalize().into_bytes().into())
}

/// `N` bytes of a hash, from a place on.
fn part<const N: usize>(hash: &[u8; 64], from: usize) -> [u8; N] {
    let mut part = [0; N];
    for (to, from) in part.iter_mut().zip(hash.iter().skip(from)) {
        *to = *from;
    }
    part
}
