//! The handed-in randomness under the traits that the cryptographic crates ask for.

use core::convert::Infallible;

use quicprochat_wire::Entropy;
use zeroize::Zeroizing;

/// An [`Entropy`] as a random number generator of both generations of `rand_core` in the tree (0.6 and 0.10).
pub struct EntropyRng<'a>(&'a mut dyn Entropy);

impl<'a> EntropyRng<'a> {
    /// Draws from `entropy`.
    pub fn new(entropy: &'a mut dyn Entropy) -> Self {
        Self(entropy)
    }

    fn draw<const N: usize>(&mut self) -> Zeroizing<[u8; N]> {
        let mut bytes = Zeroizing::new([0; N]);
        self.0.fill(bytes.as_mut_slice());
        bytes
    }
}

impl core::fmt::Debug for EntropyRng<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("EntropyRng")
    }
}

impl rand_core::RngCore for EntropyRng<'_> {
    fn next_u32(&mut self) -> u32 {
        u32::from_le_bytes(*self.draw())
    }

    fn next_u64(&mut self) -> u64 {
        u64::from_le_bytes(*self.draw())
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.0.fill(dest);
        Ok(())
    }
}

impl rand_core::CryptoRng for EntropyRng<'_> {}

impl rand_core_next::TryRng for EntropyRng<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(*self.draw()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(*self.draw()))
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(dest);
        Ok(())
    }
}

impl rand_core_next::TryCryptoRng for EntropyRng<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::SeededEntropy;

    #[test]
    fn both_generations_draw_the_same_bytes() {
        let (mut old, mut new) = (SeededEntropy::new(1), SeededEntropy::new(1));
        let (mut old, mut new) = (EntropyRng::new(&mut old), EntropyRng::new(&mut new));
        assert_eq!(rand_core::RngCore::next_u64(&mut old), rand_core_next::Rng::next_u64(&mut new));
        assert_eq!(rand_core::RngCore::next_u32(&mut old), rand_core_next::Rng::next_u32(&mut new));
        let (mut left, mut right) = ([0; 40], [0; 40]);
        rand_core::RngCore::fill_bytes(&mut old, &mut left);
        rand_core_next::Rng::fill_bytes(&mut new, &mut right);
        assert_eq!(left, right);
        assert_ne!(left, [0; 40]);
    }
}
