//! `GenerateProof` and `VerifyProof` of RFC 9497, section 2.2, for one pair of elements in mode 1.
//!
//! Everything that is multiplied here is public but the key and the nonce: only these are multiplied in constant time.

use curve25519_dalek::{RistrettoPoint, Scalar, traits::VartimeMultiscalarMul as _};
use sha2::{Digest as _, Sha512};
use voprf::{Group as _, Ristretto255};
use zeroize::Zeroizing;

use super::element::Element;
use crate::codec::Reader;

/// Bytes of a proof: c and s.
pub(super) const LEN: usize = 64;

const SEED_DST: &[u8; 33] = b"Seed-OPRFV1-\x01-ristretto255-SHA512";
const SCALAR_DST: &[u8] = b"HashToScalar-OPRFV1-\x01-ristretto255-SHA512";
/// (q + 1) / 2, for the order q of the group.
const HALF: [u8; 32] = [
    0xf7, 0xe9, 0x7a, 0x2e, 0x8d, 0x31, 0x09, 0x2c, 0x6b, 0xce, 0x7b, 0x51, 0xef, 0x7c, 0x6f, 0x0a, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08,
];
/// Elements and their lengths alternate in what is hashed.
const ELEMENT: &[u8] = &[0, 32];

/// Proves that `evaluated` is `key` times `input`, as `public` is `key` times the base point. A nonce must belong to one input alone.
pub(super) fn prove(key: &Scalar, public: &Element, input: &Element, evaluated: &Element, nonce: &Scalar) -> [u8; LEN] {
    let half = half();
    let weight = weight(public, input, evaluated) * half;
    let (m, z) = (times(&weight, input), times(&weight, evaluated));
    let half_nonce = Zeroizing::new(nonce * half);
    let (t2, t3) = (RistrettoPoint::mul_base(&half_nonce), m * nonce);
    let c = challenge(public, [m, z, t2, t3]);
    let s = nonce - c * key;
    let mut proof = [0; LEN];
    for (to, from) in proof.iter_mut().zip(c.as_bytes().iter().chain(s.as_bytes())) {
        *to = *from;
    }
    proof
}

/// Whether a proof is one of [`prove`].
pub(super) fn verify(public: &Element, input: &Element, evaluated: &Element, proof: &[u8; LEN]) -> bool {
    let Some((c, s)) = scalars(proof) else { return false };
    let half = half();
    let weight = weight(public, input, evaluated) * half;
    let (m, z) = (times(&weight, input), times(&weight, evaluated));
    let t2 = RistrettoPoint::vartime_double_scalar_mul_basepoint(&(c * half), &public.point, &(s * half));
    let t3 = RistrettoPoint::vartime_multiscalar_mul([s, c], [m, z]);
    challenge(public, [m, z, t2, t3]) == c
}

fn scalars(proof: &[u8; LEN]) -> Option<(Scalar, Scalar)> {
    let (c, s) = Reader::whole("VRF proof", proof, |reader| Ok((reader.array()?, reader.array()?))).ok()?;
    Option::from(Scalar::from_canonical_bytes(c)).zip(Option::from(Scalar::from_canonical_bytes(s)))
}

/// `ComputeComposites` for one pair: what both its elements are multiplied by.
pub(super) fn weight(public: &Element, input: &Element, evaluated: &Element) -> Scalar {
    let seed = Sha512::new().chain_update(ELEMENT).chain_update(public.bytes);
    let seed = seed.chain_update([0, 33]).chain_update(SEED_DST).finalize();
    hash_to_scalar(&[&[0, 64], &seed, &[0, 0], ELEMENT, &input.bytes, ELEMENT, &evaluated.bytes, b"Composite"])
}

/// The challenge, from the halves of M, Z, t2 and t3: doubled they are encoded together, with one inversion for all of them.
fn challenge(public: &Element, halves: [RistrettoPoint; 4]) -> Scalar {
    let encoded = RistrettoPoint::double_and_compress_batch(&halves);
    let elements = encoded.iter().flat_map(|element| [ELEMENT, element.as_bytes().as_slice()]);
    let parts: Vec<&[u8]> =
        [ELEMENT, &public.bytes].into_iter().chain(elements).chain([b"Challenge".as_slice()]).collect();
    hash_to_scalar(&parts)
}

/// What times two is one.
pub(super) fn half() -> Scalar {
    Scalar::from_bytes_mod_order(HALF)
}

/// `HashToScalar` of RFC 9497, section 4.1, in mode 1.
#[expect(clippy::expect_used, reason = "expanding fails for a tag that is empty or an output above 16,320 bytes only")]
fn hash_to_scalar(parts: &[&[u8]]) -> Scalar {
    Ristretto255::hash_to_scalar::<Sha512>(parts, &[SCALAR_DST]).expect("a tag, and 64 bytes")
}

fn times(scalar: &Scalar, element: &Element) -> RistrettoPoint {
    // The multiple of the base point is none: zero has no digits to add.
    RistrettoPoint::vartime_double_scalar_mul_basepoint(scalar, &element.point, &Scalar::ZERO)
}
