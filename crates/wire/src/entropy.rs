//! Randomness, handed in.

/// A source of random bytes.
///
/// Pure crates never fetch randomness; the shell hands one in (the operating system's generator), tests and the
/// simulator a seeded one, so that a run can be replayed.
///
/// Secrets:  what it yields becomes keys and nonces; an implementation for production must be a CSPRNG.
pub trait Entropy: Send {
    /// Fills `out` with random bytes.
    fn fill(&mut self, out: &mut [u8]);
}

/// Draws a fixed-size array.
pub fn random_array<const N: usize>(entropy: &mut dyn Entropy) -> [u8; N] {
    let mut out = [0; N];
    entropy.fill(&mut out);
    out
}

/// Draws a number uniformly from `0..bound` (0 for a bound of 0), by rejection.
pub fn random_below(entropy: &mut dyn Entropy, bound: u64) -> u64 {
    if bound < 2 {
        return 0;
    }
    let zone = u64::MAX - (u64::MAX % bound + 1) % bound;
    loop {
        let value = u64::from_le_bytes(random_array(entropy));
        if value <= zone {
            return value % bound;
        }
    }
}

impl<E: Entropy + ?Sized> Entropy for &mut E {
    fn fill(&mut self, out: &mut [u8]) {
        (**self).fill(out);
    }
}

impl<E: Entropy + ?Sized> Entropy for Box<E> {
    fn fill(&mut self, out: &mut [u8]) {
        (**self).fill(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(u8);

    impl Entropy for Counter {
        fn fill(&mut self, out: &mut [u8]) {
            for byte in out {
                self.0 = self.0.wrapping_mul(17).wrapping_add(43);
                *byte = self.0;
            }
        }
    }

    #[test]
    fn below_stays_below() {
        let mut entropy = Counter(1);
        for bound in [0, 1, 2, 3, 10, u64::MAX] {
            for _ in 0..64 {
                let value = random_below(&mut entropy, bound);
                assert!(value < bound.max(1), "{value} is not below {bound}");
            }
        }
    }
}
