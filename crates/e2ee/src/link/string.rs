//! The short authentication string that both people compare.

use core::fmt;

use zeroize::Zeroizing;

use crate::aead;

/// Decimal digits of a string.
const DIGITS: usize = 6;
const STRINGS: u64 = 1_000_000;

/// Six digits: equal on both devices if nobody stands between them, and else with a chance of one in a million.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LinkString(u32);

impl LinkString {
    /// From the secret of the code and the transcript.
    pub(super) fn new(secret: &[u8], transcript: &[u8]) -> Self {
        let input = Zeroizing::new([secret, transcript].concat());
        let derived = aead::derive_key(&input, "qpc/1 link string");
        let number = derived.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        Self(u32::try_from(number % STRINGS).unwrap_or_default())
    }

    /// Whether a person typed these digits, with any spaces or hyphens between them.
    #[must_use]
    pub fn is(&self, typed: &str) -> bool {
        let digits: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        digits == self.digits()
    }

    /// The digits without a space.
    #[must_use]
    pub fn digits(&self) -> String {
        format!("{:0width$}", self.0, width = DIGITS)
    }
}

impl fmt::Display for LinkString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {:03}", self.0 / 1_000, self.0 % 1_000)
    }
}

impl fmt::Debug for LinkString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkString(..)")
    }
}
