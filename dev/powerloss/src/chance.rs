//! Numbers that look random and are the same for the same seed.

/// A sequence of numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The sequence of this seed.
    #[must_use]
    pub const fn of_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `most`, both possible.
    pub const fn up_to(&mut self, most: usize) -> usize {
        match (most as u64).checked_add(1) {
            Some(choices) => (self.draw() % choices) as usize,
            None => self.draw() as usize,
        }
    }

    /// True in half of the cases.
    pub const fn coin(&mut self) -> bool {
        self.draw() & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_within_the_bound() {
        let draw = |seed| {
            let mut chance = Chance::of_seed(seed);
            (0..200).map(|_| chance.up_to(6)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!((0..=6).all(|number| draw(1).contains(&number)) && draw(1).iter().all(|number| *number <= 6));
    }
}
