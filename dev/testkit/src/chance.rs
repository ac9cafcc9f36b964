//! Randomness that a seed repeats.

use quicprochat_wire::{Duration, Entropy};
use sha2::{Digest as _, Sha256};

/// SHA-256 of a label, a seed and a counter: what keys and nonces of a simulated world are made of.
#[derive(Clone, Debug)]
pub struct SeededEntropy {
    key: [u8; 32],
    counter: u64,
}

impl SeededEntropy {
    /// A stream of its own for each (label, seed).
    #[must_use]
    pub fn new(label: &str, seed: u64) -> Self {
        let key = Sha256::new().chain_update(label).chain_update(seed.to_le_bytes()).finalize().into();
        Self { key, counter: 0 }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block = Sha256::new().chain_update(self.key).chain_update(self.counter.to_le_bytes()).finalize();
            for (out, byte) in chunk.iter_mut().zip(block) {
                *out = byte;
            }
            self.counter += 1;
        }
    }
}

/// The dice of a world: quick, and not for keys (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice of their own for each (purpose, seed), so that throwing some more often does not change what others show.
    #[must_use]
    pub fn new(purpose: &str, seed: u64) -> Self {
        let mut state = seed;
        for byte in purpose.bytes() {
            state = state.wrapping_mul(0x0100_0000_01B3) ^ u64::from(byte);
        }
        Self(state)
    }

    /// Any number.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        match bound {
            0 => 0,
            bound => self.number() % bound,
        }
    }

    /// An index into something of this length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// One of them; `None` of nothing.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.index(of.len()))
    }

    /// True in `permille` of 1,000 cases. Draws nothing if that is never, so that switching a fault off costs no number.
    pub const fn chance(&mut self, permille: u32) -> bool {
        permille > 0 && self.below(1_000) < permille as u64
    }

    /// A duration between two, both included, in whole milliseconds.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let (least, most) = (millis(least), millis(most));
        Duration::from_millis(least + self.below(most.saturating_sub(least) + 1))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_another_does_not() {
        let draw = |label, seed| quicprochat_wire::entropy::random_array::<48>(&mut SeededEntropy::new(label, seed));
        assert_eq!(draw("a", 1), draw("a", 1));
        assert_ne!(draw("a", 1), draw("a", 2));
        assert_ne!(draw("a", 1), draw("b", 1));
        let throws = |seed| (0..8).map(|_| Dice::new("x", seed).number()).collect::<Vec<_>>();
        assert_eq!(throws(3), throws(3));
        assert_ne!(throws(3), throws(4));
    }

    #[test]
    fn chances_come_about_as_often_as_they_say() {
        let mut dice = Dice::new("chance", 7);
        let hits = (0..10_000).filter(|_| dice.chance(250)).count();
        assert!((2_200..2_800).contains(&hits), "{hits}");
        assert!(!(0..1_000).any(|_| dice.chance(0)));
        let (least, most) = (Duration::from_millis(3), Duration::from_millis(5));
        let seen: std::collections::BTreeSet<_> = (0..200).map(|_| dice.between(least, most)).collect();
        assert_eq!(seen.len(), 3, "{seen:?}");
    }
}
