//! Hashes and places: 32 bytes each in every suite.

use core::fmt;

use sha2::{Digest as _, Sha256};

/// Output of the suite's hash, SHA-256 in all suites (`Hash.Nh` is 32).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

/// Where a label-version pair stands in the prefix tree (`VRF.Nh` is 32 in all suites).
///
/// Its bits, the highest of the first byte first, are the way from the root.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VrfOutput(pub [u8; 32]);

impl Digest {
    /// What stands for a child that is not there.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of these parts, one after the other.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl VrfOutput {
    /// The bit that decides at this depth whether the way goes right. Depths from 256 on have none, and count as left.
    #[must_use]
    pub fn bit(&self, depth: usize) -> bool {
        self.0.get(depth / 8).is_some_and(|byte| byte >> (7 - depth % 8) & 1 == 1)
    }

    /// How many bits from the first one on are the same in both: 256 if they are equal.
    #[must_use]
    pub fn common_prefix(&self, other: &Self) -> usize {
        let differs = self.0.iter().zip(&other.0).position(|(one, two)| one != two);
        differs.map_or(256, |at| {
            let (one, two) = (self.0.get(at).copied().unwrap_or(0), other.0.get(at).copied().unwrap_or(0));
            at * 8 + (one ^ two).leading_zeros() as usize
        })
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for VrfOutput {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bit_of_the_first_byte_comes_first() {
        let mut place = VrfOutput([0; 32]);
        place.0[0] = 0b1010_0000;
        place.0[31] = 1;
        assert_eq!((0..4).map(|depth| place.bit(depth)).collect::<Vec<_>>(), [true, false, true, false]);
        assert!(place.bit(255) && !place.bit(254) && !place.bit(256));
    }

    #[test]
    fn a_common_prefix_is_counted_in_bits() {
        let zero = VrfOutput([0; 32]);
        for bit in 0..256 {
            let mut other = zero;
            other.0[bit / 8] |= 0x80 >> (bit % 8);
            other.0[31] |= 1;
            assert_eq!(zero.common_prefix(&other), bit);
        }
        assert_eq!(zero.common_prefix(&zero), 256);
    }
}
