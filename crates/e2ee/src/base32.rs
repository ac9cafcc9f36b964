//! Crockford's Base32, as people write keys and codes down: no I, L, O and U; case, white space and hyphens do not matter.

use zeroize::Zeroizing;

/// Values in order.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The letters of bytes, five bits each, the highest bit first; the last one is filled with zeros.
pub(crate) fn letters(bytes: &[u8]) -> impl Iterator<Item = u8> {
    (0..(bytes.len() * 8).div_ceil(5)).map(|index| {
        let value = (0..5).fold(0u8, |value, bit| {
            let place = index * 5 + bit;
            let byte = bytes.get(place / 8).copied().unwrap_or(0);
            value << 1 | (byte >> (7 - place % 8) & 1)
        });
        ALPHABET.get(usize::from(value)).copied().unwrap_or(b'0')
    })
}

/// A letter that somebody typed, and its value; O counts as 0, I and L as 1. `None` for what is in no key.
pub(crate) fn letter(typed: char) -> Option<(u8, u8)> {
    let upper = match typed.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    ALPHABET.iter().copied().zip(0u8..).find(|(letter, _)| char::from(*letter) == upper)
}

/// What people put between letters.
pub(crate) const fn is_separator(typed: char) -> bool {
    typed.is_whitespace() || matches!(typed, '-' | '\u{2010}'..='\u{2015}')
}

/// The bytes of values; bits that do not fill a byte are left over. `None` if one of those is set.
pub(crate) fn bytes(values: impl ExactSizeIterator<Item = u8>) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; values.len() * 5 / 8]);
    for (index, value) in values.enumerate() {
        for bit in 0..5 {
            let place = index * 5 + bit;
            let set = value >> (4 - bit) & 1;
            match bytes.get_mut(place / 8) {
                Some(byte) => *byte |= set << (7 - place % 8),
                None if set == 0 => {}
                None => return None,
            }
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_any_length_round_trip() {
        for length in 0..40u8 {
            let original: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(73) ^ 0xA5).collect();
            let text: Vec<u8> = letters(&original).collect();
            assert_eq!(text.len(), (usize::from(length) * 8).div_ceil(5));
            let values: Vec<u8> = text.iter().map(|byte| letter(char::from(*byte)).expect("a letter").1).collect();
            assert_eq!(bytes(values.into_iter()).expect("whole").as_slice(), original);
        }
    }

    #[test]
    fn bits_beyond_the_last_byte_are_zero() {
        assert_eq!(bytes([31, 28].into_iter()).expect("one byte").as_slice(), [0xFF]);
        assert_eq!(bytes([31, 29].into_iter()), None);
    }
}
