//! Our suite 0xF001: heads by Ed25519, the VRF is the function of RFC 9497 over ristretto255 in verifiable mode.
//!
//! The output for an input is that of the protocol VOPRF(ristretto255, SHA-512) run with the blind 1, cut to 32 bytes; its proof is the
//! evaluated element with the protocol's proof of equal discrete logarithms. So one key serves both look-ups that show a label and, by
//! [`BlindInput`] and [`RistrettoVrfKey::evaluate_blinded`], those that hide it. `docs/key-transparency-suite.md` has every byte.
//!
//! ```text
//!   P = hash_to_group(input)    Z = k*P     c, s = proof that Z is to P what the public key is to the base point
//!   proof = Z (32) || c (32) || s (32)      output = hash(input, Z), the first 32 bytes
//! ```

mod blind;
mod dleq;
mod element;

#[cfg(test)]
mod tests;

use core::fmt;

use curve25519_dalek::{RistrettoPoint, Scalar};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha512};
use voprf::{Group as _, Mode, Ristretto255};
use zeroize::{ZeroizeOnDrop, Zeroizing};

pub use blind::BlindInput;

use self::element::Element;
use super::{Suite, VrfKey, head, part};
use crate::{DecodeError, KeyTransError, VrfOutput, codec::Reader, config::CipherSuite, error::KeyOf};

/// Bytes of an element: the public key, and what is sent for blinded evaluation.
pub const ELEMENT_LEN: usize = 32;
/// Bytes of a proof.
pub const PROOF_LEN: usize = ELEMENT_LEN + dleq::LEN;
/// Bytes of an input at most (RFC 9497, section 1.2).
pub const INPUT_LIMIT: usize = u16::MAX as usize;

/// The suite.
#[derive(Debug, Clone, Copy)]
pub struct RistrettoSuite;

impl Suite for RistrettoSuite {
    fn id(&self) -> CipherSuite {
        CipherSuite::RISTRETTO255
    }

    fn vrf_proof_len(&self) -> usize {
        PROOF_LEN
    }

    fn verify_vrf(&self, public_key: &[u8], input: &[u8], proof: &[u8]) -> Result<VrfOutput, KeyTransError> {
        let public = public_element(public_key)?;
        let evaluated = proven(&public, &hash_to_group(input)?, proof)?;
        finalize(input, &evaluated)
    }

    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        head::verifies(public_key, message, signature)
    }
}

/// A private key of the suite's random function.
///
/// Secrets:  the scalar, which is wiped when it is dropped.
#[derive(ZeroizeOnDrop)]
pub struct RistrettoVrfKey {
    scalar: Scalar,
    #[zeroize(skip)]
    public: Element,
}

impl RistrettoVrfKey {
    /// The key that `DeriveKeyPair` of RFC 9497 gives in mode 1 for the seed and the info `qpc/1 keytrans vrf key`.
    ///
    /// Errors:   [`KeyTransError::PublicKey`] for a seed without a key (nobody can find one).
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyTransError> {
        Self::derive(seed, super::VRF_KEY)
    }

    fn derive(seed: &[u8; 32], info: &[u8]) -> Result<Self, KeyTransError> {
        let scalar = voprf::derive_key::<Ristretto255>(seed, info, Mode::Voprf);
        let scalar = scalar.map_err(|_| KeyTransError::PublicKey { of: KeyOf::Vrf })?;
        Ok(Self { scalar, public: Element::of(RistrettoPoint::mul_base(&scalar)) })
    }

    /// `BlindEvaluate` of RFC 9497, section 3.3.2: the answer to [`BlindInput::request`], of [`PROOF_LEN`] bytes, with the form of a proof.
    ///
    /// The server learns nothing of the input. Whoever may ask without end can try labels: limiting that is for the caller.
    ///
    /// Errors:   [`KeyTransError::VrfInput`] for what is no element, or the identity.
    pub fn evaluate_blinded(&self, blinded: &[u8]) -> Result<[u8; PROOF_LEN], KeyTransError> {
        let blinded = Element::decode(blinded).ok_or(KeyTransError::VrfInput)?;
        Ok(self.prove_element(&blinded).1)
    }

    fn prove_element(&self, input: &Element) -> (Element, [u8; PROOF_LEN]) {
        let evaluated = Element::of(input.point * self.scalar);
        let dleq = dleq::prove(&self.scalar, &self.public, input, &evaluated, &self.nonce(input));
        let mut proof = [0; PROOF_LEN];
        for (to, from) in proof.iter_mut().zip(evaluated.bytes.iter().chain(&dleq)) {
            *to = *from;
        }
        (evaluated, proof)
    }

    /// A nonce for the element, that nobody else can compute. The element decides everything else in the proof, so that two proofs
    /// with one nonce are one proof.
    fn nonce(&self, input: &Element) -> Zeroizing<Scalar> {
        let key = Zeroizing::new(self.scalar.to_bytes());
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mac = Hmac::<Sha512>::new_from_slice(key.as_slice()).expect("HMAC takes keys of every length");
        let mac = mac.chain_update(b"qpc/1 keytrans vrf nonce").chain_update(input.bytes);
        let hash = Zeroizing::new(<[u8; 64]>::from(mac.finalize().into_bytes()));
        Zeroizing::new(Scalar::from_bytes_mod_order_wide(&hash))
    }
}

impl VrfKey for RistrettoVrfKey {
    fn public_key(&self) -> Vec<u8> {
        self.public.bytes.to_vec()
    }

    fn evaluate(&self, input: &[u8]) -> Result<VrfOutput, KeyTransError> {
        finalize(input, &Element::of(hash_to_point(input)? * self.scalar))
    }

    fn prove(&self, input: &[u8]) -> Result<(VrfOutput, Vec<u8>), KeyTransError> {
        let (evaluated, proof) = self.prove_element(&hash_to_group(input)?);
        Ok((finalize(input, &evaluated)?, proof.to_vec()))
    }
}

impl fmt::Debug for RistrettoVrfKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RistrettoVrfKey").field("public", &self.public.bytes).finish_non_exhaustive()
    }
}

/// Whether bytes are a public key of the VRF.
///
/// Errors:   [`KeyTransError::PublicKey`].
pub(super) fn check_public_key(public_key: &[u8]) -> Result<(), KeyTransError> {
    public_element(public_key).map(|_| ())
}

fn public_element(public_key: &[u8]) -> Result<Element, KeyTransError> {
    Element::decode(public_key).ok_or(KeyTransError::PublicKey { of: KeyOf::Vrf })
}

/// The evaluated element of a proof, if the proof shows that it belongs to the input element.
fn proven(public: &Element, input: &Element, proof: &[u8]) -> Result<Element, KeyTransError> {
    let parts = Reader::whole("VRF proof", proof, |reader| Ok((reader.take(ELEMENT_LEN)?, reader.array()?)));
    let (evaluated, dleq) = parts.map_err(|_| KeyTransError::VrfProof)?;
    let evaluated = Element::decode(evaluated).ok_or(KeyTransError::VrfProof)?;
    if dleq::verify(public, input, &evaluated, &dleq) { Ok(evaluated) } else { Err(KeyTransError::VrfProof) }
}

/// `HashToGroup` of RFC 9497, section 4.1, in mode 1.
fn hash_to_point(input: &[u8]) -> Result<RistrettoPoint, KeyTransError> {
    checked_length(input)?;
    let point = Ristretto255::hash_to_curve::<Sha512>(&[input], &[b"HashToGroup-OPRFV1-\x01-ristretto255-SHA512"]);
    let point = point.map_err(|_| KeyTransError::VrfInput)?;
    if point == Ristretto255::identity_elem() { Err(KeyTransError::VrfInput) } else { Ok(point) }
}

fn hash_to_group(input: &[u8]) -> Result<Element, KeyTransError> {
    hash_to_point(input).map(Element::of)
}

/// The last step of `Finalize` of RFC 9497, section 3.3.2, cut to 32 bytes.
fn finalize(input: &[u8], evaluated: &Element) -> Result<VrfOutput, KeyTransError> {
    Ok(VrfOutput(part(&full_output(input, evaluated)?, 0)))
}

fn full_output(input: &[u8], evaluated: &Element) -> Result<[u8; 64], KeyTransError> {
    let hash = Sha512::new().chain_update(checked_length(input)?).chain_update(input);
    let hash = hash.chain_update([0, 32]).chain_update(evaluated.bytes).chain_update(b"Finalize");
    Ok(hash.finalize().into())
}

fn checked_length(input: &[u8]) -> Result<[u8; 2], KeyTransError> {
    let length =
        u16::try_from(input.len()).map_err(|_| DecodeError::TooLong { limit: INPUT_LIMIT, found: input.len() })?;
    Ok(length.to_be_bytes())
}
