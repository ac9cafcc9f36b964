//! Padding to buckets, so that a length says only a size class.
//!
//! Shape:    content, the byte 0x80, then zero bytes up to the bucket (ISO/IEC 7816-4).
//! Buckets:  512 B, then four steps an octave (each about a fifth larger than the last): at most 25 % overhead above 512 B.

/// The smallest bucket.
pub const MIN_BUCKET: usize = 512;

/// The bucket that content of `len` bytes is padded to (at least one byte of padding).
///
/// Units:    bytes; saturates at `usize::MAX` instead of overflowing.
#[must_use]
pub fn bucket(len: usize) -> usize {
    let needed = len.saturating_add(1);
    if needed <= MIN_BUCKET {
        return MIN_BUCKET;
    }
    // Largest power of two below `needed`, then the first quarter step that holds it.
    let base = match needed.checked_next_power_of_two() {
        Some(power) => power / 2,
        None => return usize::MAX,
    };
    let step = base / 4;
    base.saturating_add((needed - base).div_ceil(step).saturating_mul(step))
}

/// Pads in place to the bucket of the current length.
pub fn pad(content: &mut Vec<u8>) {
    let target = bucket(content.len());
    content.push(0x80);
    content.resize(target, 0);
}

/// The content without its padding; `None` if the padding is not of the form above.
///
/// Secrets:  runs on authenticated plaintext only, so its timing tells nobody who could not read it anyway.
#[must_use]
pub fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let end = padded.iter().rposition(|&byte| byte != 0)?;
    (padded.get(end) == Some(&0x80)).then(|| padded.get(..end)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_round_trips_within_the_overhead() {
        for len in (0..4096).chain([65_535, 65_536, 1_000_000]) {
            let mut content = vec![0x80; len];
            pad(&mut content);
            assert_eq!(content.len(), bucket(len));
            assert!(content.len() <= MIN_BUCKET.max((len + 1) * 5 / 4 + 1), "{len} became {}", content.len());
            assert_eq!(unpad(&content).map(<[u8]>::len), Some(len));
        }
    }

    #[test]
    fn refuses_what_is_not_padded() {
        assert_eq!(unpad(&[]), None);
        assert_eq!(unpad(&[0, 0]), None);
        assert_eq!(unpad(&[1, 2, 3]), None);
    }
}
