//! The number two people compare to make sure that nobody stands between them.
//!
//! Shape:    for each account k = SHA-512(label("qpc/1 safety number") || composite public key), then h = SHA-512(h || k) 5,200 times
//!           from h = k; of h, six groups of 5 bytes, big-endian, modulo 100,000, as 5 digits each. The two halves of 30 digits in
//!           ascending order are the number.
//! Source:   protocol.md, section 6.

use core::fmt;

use sha2::{Digest as _, Sha512};

use crate::{composite::IdentityPublicKey, error::IdentityError};

const LABEL: &[u8] = b"qpc/1 safety number\0";
const ROUNDS: u32 = 5200;
const GROUPS: usize = 12;
const DIGITS: usize = 5 * GROUPS;
const QR_PREFIX: &str = "QPC-SAFETY:1:";

/// The safety number of two accounts: 60 digits, the same whoever computes it.
///
/// It covers both whole composite keys, so neither a classical nor a post-quantum half can be exchanged unseen.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SafetyNumber(String);

impl SafetyNumber {
    /// Computes it; takes some milliseconds on purpose.
    #[must_use]
    pub fn of(one: &IdentityPublicKey, other: &IdentityPublicKey) -> Self {
        let mut halves = [half(one), half(other)];
        halves.sort();
        Self(halves.concat())
    }

    /// The 60 digits without spaces.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The text of a QR code, in characters of its compact alphanumeric mode.
    #[must_use]
    pub fn to_qr(&self) -> String {
        format!("{QR_PREFIX}{}", self.0)
    }

    /// Takes a scanned [`Self::to_qr`], or digits typed with or without white space.
    ///
    /// Errors:   [`IdentityError::SafetyNumberInvalid`] unless there are exactly 60 digits.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let text = text.trim();
        let number: String = text
            .strip_prefix(QR_PREFIX)
            .unwrap_or(text)
            .chars()
            .filter(|c| !c.is_whitespace())
            .take(DIGITS + 1)
            .collect();
        let valid = number.len() == DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
        if valid { Ok(Self(number)) } else { Err(IdentityError::SafetyNumberInvalid) }
    }
}

/// Twelve groups of five digits.
impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, digit) in self.0.chars().enumerate() {
            if index > 0 && index % 5 == 0 {
                f.write_str(" ")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// The safety number of two accounts as people read it: twelve groups of five digits.
#[must_use]
pub fn safety_number(one: &IdentityPublicKey, other: &IdentityPublicKey) -> String {
    SafetyNumber::of(one, other).to_string()
}

fn half(key: &IdentityPublicKey) -> String {
    let start = Sha512::new().chain_update(LABEL).chain_update(key.as_bytes()).finalize();
    let last = (0..ROUNDS).fold(start, |hash, _| Sha512::new().chain_update(hash).chain_update(start).finalize());
    last.chunks_exact(5)
        .take(GROUPS / 2)
        .map(|group| group.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
        .map(|number| format!("{:05}", number % 100_000))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IdentitySecretKey;

    fn key(seed: u8) -> IdentityPublicKey {
        IdentitySecretKey::from_seeds(&[seed; 64]).public().clone()
    }

    #[test]
    fn both_sides_see_the_same_sixty_digits() {
        let (alice, bob) = (key(1), key(2));
        let number = safety_number(&alice, &bob);
        assert_eq!(number, safety_number(&bob, &alice));
        assert_eq!(number.split(' ').map(str::len).collect::<Vec<_>>(), [5; 12]);
        assert_eq!(number.chars().filter(char::is_ascii_digit).count(), 60);
        assert_ne!(number, safety_number(&alice, &key(3)));
        assert_ne!(number, safety_number(&alice, &alice));
    }

    #[test]
    fn exchanging_one_half_of_a_key_changes_the_number() {
        let seeds = |post_quantum: u8, classical: u8| {
            let seeds: [u8; 64] = core::array::from_fn(|index| if index < 32 { post_quantum } else { classical });
            IdentitySecretKey::from_seeds(&seeds).public().clone()
        };
        let honest = safety_number(&key(9), &seeds(1, 1));
        assert_ne!(honest, safety_number(&key(9), &seeds(2, 1)));
        assert_ne!(honest, safety_number(&key(9), &seeds(1, 2)));
    }

    #[test]
    fn a_scan_and_a_typed_number_are_read_back() {
        let number = SafetyNumber::of(&key(1), &key(2));
        for text in [number.to_qr(), number.to_string(), number.digits().to_owned(), format!(" {}\n", number.to_qr())] {
            assert_eq!(SafetyNumber::parse(&text), Ok(number.clone()), "{text}");
        }
        let alphanumeric = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || "$%*+-./: ".contains(c);
        assert!(number.to_qr().chars().all(alphanumeric));
        for bad in [&number.digits()[1..], "", "QPC-SAFETY:1:", &format!("{}1", number.digits()), &"x".repeat(60)] {
            assert_eq!(SafetyNumber::parse(bad), Err(IdentityError::SafetyNumberInvalid), "{bad}");
        }
    }
}
