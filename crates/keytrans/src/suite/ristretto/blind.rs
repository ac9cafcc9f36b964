//! The client's side of blinded evaluation (RFC 9497, section 3.3.2).

use core::fmt;

use curve25519_dalek::Scalar;
use rand_core::CryptoRngCore;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{ELEMENT_LEN, element::Element, finalize, hash_to_point, proven, public_element};
use crate::{KeyTransError, VrfOutput};

/// An input that is hidden from the server, until its answer is there.
///
/// Secrets:  input and blind, which are wiped when it is dropped.
#[derive(ZeroizeOnDrop)]
pub struct BlindInput {
    input: Zeroizing<Vec<u8>>,
    blind: Scalar,
    #[zeroize(skip)]
    blinded: Element,
}

impl BlindInput {
    /// Hides an input.
    ///
    /// Errors:   as [`super::VrfKey::evaluate`]; and [`KeyTransError::VrfInput`] for randomness that is all zero.
    pub fn new(input: &[u8], rng: &mut dyn CryptoRngCore) -> Result<Self, KeyTransError> {
        let mut random = Zeroizing::new([0; 64]);
        rng.fill_bytes(random.as_mut_slice());
        let blind = Scalar::from_bytes_mod_order_wide(&random);
        Self::with_blind(input, blind)
    }

    pub(super) fn with_blind(input: &[u8], blind: Scalar) -> Result<Self, KeyTransError> {
        if blind == Scalar::ZERO {
            return Err(KeyTransError::VrfInput);
        }
        let blinded = Element::of(hash_to_point(input)? * blind);
        Ok(Self { input: Zeroizing::new(input.to_vec()), blind, blinded })
    }

    /// What the server gets to evaluate.
    #[must_use]
    pub const fn request(&self) -> [u8; ELEMENT_LEN] {
        self.blinded.bytes
    }

    /// The output for the input, from the answer of [`super::RistrettoVrfKey::evaluate_blinded`]: the same as without blinding.
    ///
    /// Errors:   [`KeyTransError::PublicKey`], [`KeyTransError::VrfProof`].
    pub fn finalize(&self, public_key: &[u8], answer: &[u8]) -> Result<VrfOutput, KeyTransError> {
        let evaluated = proven(&public_element(public_key)?, &self.blinded, answer)?;
        let inverse = Zeroizing::new(self.blind.invert());
        finalize(&self.input, &Element::of(evaluated.point * *inverse))
    }
}

impl fmt::Debug for BlindInput {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("BlindInput").field("request", &self.blinded.bytes).finish_non_exhaustive()
    }
}
