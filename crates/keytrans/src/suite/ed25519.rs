//! The draft's suite 0x0002, `KT_128_SHA256_Ed25519`: heads by Ed25519, the VRF is ECVRF-EDWARDS25519-SHA512-TAI.
//!
//! The VRF is that of RFC 9381, section 5, with suite string 0x03 and `validate_key` always TRUE. Its output is cut to 32 bytes.
//!
//! ```text
//!   H = encode_to_curve(public key, input)   Gamma = x*H   c = hash(Y, H, Gamma, k*B, k*H)   s = k + c*x
//!   proof = Gamma (32) || c (16) || s (32)                 output = hash(8*Gamma), the first 32 bytes
//! ```

#[cfg(test)]
mod tests;

use core::fmt;

use curve25519_dalek::{
    EdwardsPoint, Scalar,
    edwards::CompressedEdwardsY,
    scalar::clamp_integer,
    traits::{IsIdentity as _, VartimeMultiscalarMul as _},
};
use sha2::{Digest as _, Sha512};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{Suite, VrfKey, head, part};
use crate::{KeyTransError, VrfOutput, codec::Reader, config::CipherSuite, error::KeyOf};

/// The suite.
#[derive(Debug, Clone, Copy)]
pub struct Ed25519Suite;

impl Suite for Ed25519Suite {
    fn id(&self) -> CipherSuite {
        CipherSuite::ED25519
    }

    fn vrf_proof_len(&self) -> usize {
        PROOF_LEN
    }

    fn verify_vrf(&self, public_key: &[u8], input: &[u8], proof: &[u8]) -> Result<VrfOutput, KeyTransError> {
        let public = public_point(public_key).ok_or(KeyTransError::PublicKey { of: KeyOf::Vrf })?;
        let proof = Proof::decode(proof)?;
        let hashed = encode_to_curve(public.encoded.as_bytes(), input)?;
        let u = EdwardsPoint::vartime_double_scalar_mul_basepoint(&proof.challenge(), &-public.point, &proof.s);
        let v = EdwardsPoint::vartime_multiscalar_mul([proof.s, proof.challenge()], [hashed, -proof.gamma.point]);
        let found =
            challenge([&public.encoded, &hashed.compress(), &proof.gamma.encoded, &u.compress(), &v.compress()]);
        if found == proof.c { Ok(output(&proof.gamma.point)) } else { Err(KeyTransError::VrfProof) }
    }

    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        head::verifies(public_key, message, signature)
    }
}

/// A private key of ECVRF-EDWARDS25519-SHA512-TAI.
///
/// Secrets:  the scalar and the prefix of nonces, which are wiped when it is dropped.
#[derive(ZeroizeOnDrop)]
pub struct EcvrfKey {
    scalar: Scalar,
    nonce_prefix: [u8; 32],
    #[zeroize(skip)]
    public: CompressedEdwardsY,
}

impl EcvrfKey {
    /// The key of a 32 byte secret key of RFC 8032, section 5.1.5. It must not sign anything, too.
    #[must_use]
    pub fn from_secret_key(secret_key: &[u8; 32]) -> Self {
        let hash = Zeroizing::new(<[u8; 64]>::from(Sha512::digest(secret_key)));
        let clamped = Zeroizing::new(clamp_integer(part(&hash, 0)));
        let scalar = Scalar::from_bytes_mod_order(*clamped);
        Self { scalar, nonce_prefix: part(&hash, 32), public: EdwardsPoint::mul_base(&scalar).compress() }
    }

    /// `ECVRF_nonce_generation` of RFC 9381, section 5.4.2.2.
    fn nonce(&self, hashed: &CompressedEdwardsY) -> Zeroizing<Scalar> {
        let hash = Sha512::new().chain_update(self.nonce_prefix).chain_update(hashed.as_bytes()).finalize();
        let hash = Zeroizing::new(<[u8; 64]>::from(hash));
        Zeroizing::new(Scalar::from_bytes_mod_order_wide(&hash))
    }

    /// `ECVRF_prove` of RFC 9381, section 5.1, from step 4 on.
    fn prove_point(&self, hashed: &EdwardsPoint, gamma: &EdwardsPoint, nonce: &Scalar) -> [u8; PROOF_LEN] {
        let (u, v) = (EdwardsPoint::mul_base(nonce), hashed * nonce);
        let gamma = gamma.compress();
        let c = challenge([&self.public, &hashed.compress(), &gamma, &u.compress(), &v.compress()]);
        let s = nonce + Scalar::from(u128::from_le_bytes(c)) * self.scalar;
        let mut proof = [0; PROOF_LEN];
        for (to, from) in proof.iter_mut().zip(gamma.as_bytes().iter().chain(&c).chain(s.as_bytes())) {
            *to = *from;
        }
        proof
    }
}

impl VrfKey for EcvrfKey {
    fn public_key(&self) -> Vec<u8> {
        self.public.as_bytes().to_vec()
    }

    fn evaluate(&self, input: &[u8]) -> Result<VrfOutput, KeyTransError> {
        Ok(output(&(encode_to_curve(self.public.as_bytes(), input)? * self.scalar)))
    }

    fn prove(&self, input: &[u8]) -> Result<(VrfOutput, Vec<u8>), KeyTransError> {
        let hashed = encode_to_curve(self.public.as_bytes(), input)?;
        let gamma = hashed * self.scalar;
        let nonce = self.nonce(&hashed.compress());
        Ok((output(&gamma), self.prove_point(&hashed, &gamma, &nonce).to_vec()))
    }
}

impl fmt::Debug for EcvrfKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("EcvrfKey").field("public", self.public.as_bytes()).finish_non_exhaustive()
    }
}

/// Whether bytes are a public key of the VRF.
///
/// Errors:   [`KeyTransError::PublicKey`].
pub(super) fn check_public_key(public_key: &[u8]) -> Result<(), KeyTransError> {
    public_point(public_key).map(|_| ()).ok_or(KeyTransError::PublicKey { of: KeyOf::Vrf })
}

const SUITE_STRING: u8 = 0x03;
const PROOF_LEN: usize = 80;

/// A point and how it was encoded.
#[derive(Clone, Copy)]
struct Encoded {
    point: EdwardsPoint,
    encoded: CompressedEdwardsY,
}

/// What a proof holds (RFC 9381, section 5.4.4).
struct Proof {
    gamma: Encoded,
    c: [u8; 16],
    s: Scalar,
}

impl Proof {
    fn decode(proof: &[u8]) -> Result<Self, KeyTransError> {
        let parts = Reader::whole("VRF proof", proof, |reader| Ok((reader.array()?, reader.array()?, reader.array()?)));
        let (gamma, c, s): ([u8; 32], _, _) = parts.map_err(|_| KeyTransError::VrfProof)?;
        let point = decode_point(&gamma).ok_or(KeyTransError::VrfProof)?;
        let s = Option::from(Scalar::from_canonical_bytes(s)).ok_or(KeyTransError::VrfProof)?;
        Ok(Self { gamma: Encoded { point, encoded: CompressedEdwardsY(gamma) }, c, s })
    }

    fn challenge(&self) -> Scalar {
        Scalar::from(u128::from_le_bytes(self.c))
    }
}

/// `string_to_point` and `ECVRF_validate_key` of RFC 9381, section 5.4.5.
fn public_point(public_key: &[u8]) -> Option<Encoded> {
    let encoded = CompressedEdwardsY::from_slice(public_key).ok()?;
    let point = decode_point(public_key).filter(|point| !point.is_small_order())?;
    Some(Encoded { point, encoded })
}

/// `ECVRF_encode_to_curve_try_and_increment` of RFC 9381, section 5.4.1.1. Its time depends on the input.
fn encode_to_curve(salt: &[u8; 32], input: &[u8]) -> Result<EdwardsPoint, KeyTransError> {
    let start = Sha512::new().chain_update([SUITE_STRING, 0x01]).chain_update(salt).chain_update(input);
    let attempt = |counter: u8| {
        let hash = <[u8; 64]>::from(start.clone().chain_update([counter, 0x00]).finalize());
        let point = decode_point(&part::<32>(&hash, 0))?.mul_by_cofactor();
        Some(point).filter(|point| !point.is_identity())
    };
    (0..=u8::MAX).find_map(attempt).ok_or(KeyTransError::VrfInput)
}

/// `ECVRF_challenge_generation` of RFC 9381, section 5.4.3.
fn challenge(points: [&CompressedEdwardsY; 5]) -> [u8; 16] {
    let start = Sha512::new().chain_update([SUITE_STRING, 0x02]);
    let hash = points.iter().fold(start, |hash, point| hash.chain_update(point.as_bytes()));
    let hash = <[u8; 64]>::from(hash.chain_update([0x00]).finalize());
    part(&hash, 0)
}

/// `ECVRF_proof_to_hash` of RFC 9381, section 5.2, cut to 32 bytes as the draft says.
fn output(gamma: &EdwardsPoint) -> VrfOutput {
    VrfOutput(part(&full_output(gamma), 0))
}

fn full_output(gamma: &EdwardsPoint) -> [u8; 64] {
    let cleared = gamma.mul_by_cofactor().compress();
    let hash = Sha512::new().chain_update([SUITE_STRING, 0x03]).chain_update(cleared.as_bytes()).chain_update([0x00]);
    hash.finalize().into()
}

/// A point, decoded as RFC 8032, section 5.1.3 says: nothing for a y of 2^255 - 19 and above, and for a negative x of 0.
///
/// The library by itself takes both.
pub(super) fn decode_point(bytes: &[u8]) -> Option<EdwardsPoint> {
    let encoded = CompressedEdwardsY::from_slice(bytes).ok()?;
    let (low, middle, high) = match bytes {
        [low, middle @ .., high] => (*low, middle, *high),
        _ => return None,
    };
    let (sign, high) = (high & 0x80 != 0, high & 0x7f);
    // 2^255 - 19 is ed ff .. ff 7f; x is 0 for the y of 1 and of -1, which is ec ff .. ff 7f.
    let near_the_end = high == 0x7f && middle.iter().all(|byte| *byte == 0xff);
    let is_one = low == 1 && high == 0 && middle.iter().all(|byte| *byte == 0);
    let x_is_zero = is_one || (near_the_end && low == 0xec);
    if (near_the_end && low >= 0xed) || (sign && x_is_zero) {
        return None;
    }
    encoded.decompress()
}
