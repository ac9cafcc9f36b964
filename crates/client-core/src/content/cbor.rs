//! As much CBOR (RFC 8949) as the content format needs, in its deterministic encoding (section 4.2.1) only.

use super::ContentError;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
/// The one NaN there is: the quiet one in half width.
const HALF_NAN: u64 = 0x7e00;

/// Appends values in their shortest form.
#[derive(Default)]
pub(super) struct Encoder {
    out: Vec<u8>,
}

impl Encoder {
    pub(super) fn unsigned(&mut self, value: u64) {
        self.head(UNSIGNED, value);
    }

    /// The number -1 - `value`.
    pub(super) fn negative(&mut self, value: u64) {
        self.head(NEGATIVE, value);
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.head(BYTES, value.len() as u64);
        self.out.extend_from_slice(value);
    }

    pub(super) fn text(&mut self, value: &str) {
        self.head(TEXT, value.len() as u64);
        self.out.extend_from_slice(value.as_bytes());
    }

    pub(super) fn array(&mut self, len: usize) {
        self.head(ARRAY, len as u64);
    }

    pub(super) fn map(&mut self, len: usize) {
        self.head(MAP, len as u64);
    }

    pub(super) fn null(&mut self) {
        self.out.push(NULL);
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.out.push(if value { TRUE } else { FALSE });
    }

    /// A value that is encoded already.
    pub(super) fn encoded(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    fn head(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        if let Ok(short) = u8::try_from(argument) {
            match short {
                0..=23 => self.out.push(major | short),
                24..=u8::MAX => self.out.extend_from_slice(&[major | 24, short]),
            }
        } else if let Ok(short) = u16::try_from(argument) {
            self.out.push(major | 25);
            self.out.extend_from_slice(&short.to_be_bytes());
        } else if let Ok(short) = u32::try_from(argument) {
            self.out.push(major | 26);
            self.out.extend_from_slice(&short.to_be_bytes());
        } else {
            self.out.push(major | 27);
            self.out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

/// Takes values off bytes that nobody has checked; allocates nothing.
#[derive(Clone, Copy)]
pub(super) struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) const fn finish(self) -> Result<(), ContentError> {
        match self.rest.len() {
            0 => Ok(()),
            extra => Err(ContentError::Trailing { extra }),
        }
    }

    pub(super) fn unsigned(&mut self, field: &'static str, limit: u64) -> Result<u64, ContentError> {
        let found = self.typed(UNSIGNED, "an unsigned integer")?;
        if found > limit { Err(ContentError::BadValue { field, found }) } else { Ok(found) }
    }

    pub(super) fn bytes(&mut self, field: &'static str, limit: usize) -> Result<&'a [u8], ContentError> {
        let len = self.typed(BYTES, "a byte string")?;
        self.string(field, len, limit)
    }

    pub(super) fn text(&mut self, field: &'static str, limit: usize) -> Result<&'a str, ContentError> {
        let len = self.typed(TEXT, "a text string")?;
        core::str::from_utf8(self.string(field, len, limit)?).map_err(|_| ContentError::NotUtf8)
    }

    /// The count of an array whose items follow.
    pub(super) fn array(&mut self) -> Result<u64, ContentError> {
        self.typed(ARRAY, "an array")
    }

    /// The count of a map whose keys and values follow.
    pub(super) fn map(&mut self) -> Result<u64, ContentError> {
        self.typed(MAP, "a map")
    }

    pub(super) fn bool(&mut self) -> Result<bool, ContentError> {
        match self.take_byte()? {
            FALSE => Ok(false),
            TRUE => Ok(true),
            _ => Err(ContentError::WrongType { expected: "a boolean" }),
        }
    }

    /// Takes a null if one comes next.
    pub(super) fn null(&mut self) -> bool {
        match self.rest.strip_prefix(&[NULL]) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The next integer or text string, to be used as a map key.
    pub(super) fn key(&mut self, text_limit: usize) -> Result<Key<'a>, ContentError> {
        let (major, argument) = self.head()?;
        match major {
            UNSIGNED => Ok(Key::Unsigned(argument)),
            NEGATIVE => Ok(Key::Negative(argument)),
            TEXT => {
                let text = self.string("map key", argument, text_limit)?;
                core::str::from_utf8(text).map(Key::Text).map_err(|_| ContentError::NotUtf8)
            }
            _ => Err(ContentError::WrongType { expected: "an integer or text string" }),
        }
    }

    /// The encoded bytes of the next value of any type, with at most `depth` levels of arrays, maps and tags.
    pub(super) fn any(&mut self, depth: usize) -> Result<&'a [u8], ContentError> {
        let start = self.rest;
        self.skip(depth)?;
        let len = start.len().saturating_sub(self.rest.len());
        start.get(..len).ok_or(ContentError::Truncated)
    }

    fn skip(&mut self, depth: usize) -> Result<(), ContentError> {
        let first = *self.rest.first().ok_or(ContentError::Truncated)?;
        let (major, argument) = self.head()?;
        match major {
            UNSIGNED | NEGATIVE => Ok(()),
            BYTES => self.string("byte string", argument, usize::MAX).map(drop),
            TEXT => {
                let text = self.string("text string", argument, usize::MAX)?;
                core::str::from_utf8(text).map(drop).map_err(|_| ContentError::NotUtf8)
            }
            ARRAY => {
                let depth = deeper(depth)?;
                for _ in 0..argument {
                    self.skip(depth)?;
                }
                Ok(())
            }
            MAP => self.skip_map(argument, deeper(depth)?),
            TAG => {
                // A big number that an integer can express, or that begins with zeros, has a shorter form.
                let depth = deeper(depth)?;
                if matches!(argument, 2 | 3) {
                    let big = self.bytes("big number", usize::MAX)?;
                    return if big.len() <= 8 || big.first() == Some(&0) {
                        Err(ContentError::NotDeterministic)
                    } else {
                        Ok(())
                    };
                }
                self.skip(depth)
            }
            _ => simple_or_float(first & 0x1f, argument),
        }
    }

    fn skip_map(&mut self, count: u64, depth: usize) -> Result<(), ContentError> {
        let mut previous: Option<&[u8]> = None;
        for _ in 0..count {
            let major = self.rest.first().ok_or(ContentError::Truncated)? >> 5;
            if !matches!(major, UNSIGNED | NEGATIVE | BYTES | TEXT) {
                return Err(ContentError::WrongType { expected: "an integer, text or byte string" });
            }
            let key = self.any(depth)?;
            if previous.is_some_and(|previous| previous >= key) {
                return Err(ContentError::NotDeterministic);
            }
            previous = Some(key);
            self.skip(depth)?;
        }
        Ok(())
    }

    fn typed(&mut self, expected: u8, name: &'static str) -> Result<u64, ContentError> {
        let (major, argument) = self.head()?;
        if major == expected { Ok(argument) } else { Err(ContentError::WrongType { expected: name }) }
    }

    /// Major type and argument. For type 7 with more than a byte, the argument is the bits of a float.
    fn head(&mut self) -> Result<(u8, u64), ContentError> {
        let first = self.take_byte()?;
        let (major, info) = (first >> 5, first & 0x1f);
        let (argument, shortest) = match info {
            0..=23 => return Ok((major, u64::from(info))),
            24 => (u64::from(self.take_byte()?), 24),
            25 => (u64::from(u16::from_be_bytes(self.take_array()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.take_array()?)), 1 << 16),
            27 => (u64::from_be_bytes(self.take_array()?), 1 << 32),
            _ => return Err(ContentError::NotDeterministic),
        };
        if major != SIMPLE && argument < shortest {
            return Err(ContentError::NotDeterministic);
        }
        Ok((major, argument))
    }

    fn string(&mut self, field: &'static str, len: u64, limit: usize) -> Result<&'a [u8], ContentError> {
        let len = usize::try_from(len).map_err(|_| ContentError::Truncated)?;
        if len > limit {
            return Err(ContentError::TooLong { field, limit, found: len });
        }
        let (head, rest) = self.rest.split_at_checked(len).ok_or(ContentError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    fn take_byte(&mut self) -> Result<u8, ContentError> {
        self.take_array::<1>().map(|[byte]| byte)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], ContentError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(ContentError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }
}

/// A map key of the content format.
pub(super) enum Key<'a> {
    Unsigned(u64),
    /// The number -1 - n.
    Negative(u64),
    Text(&'a str),
}

const fn deeper(depth: usize) -> Result<usize, ContentError> {
    match depth.checked_sub(1) {
        Some(depth) => Ok(depth),
        None => Err(ContentError::TooDeep { limit: super::MAX_EXTENSION_DEPTH }),
    }
}

/// Checks a value of major type 7 for its shortest form.
fn simple_or_float(info: u8, argument: u64) -> Result<(), ContentError> {
    let shortest = match info {
        0..=23 => true,
        24 => argument >= 32,
        25 => argument & 0x7c00 != 0x7c00 || argument & 0x03ff == 0 || argument == HALF_NAN,
        26 => u32::try_from(argument).is_ok_and(|bits| {
            let value = f32::from_bits(bits);
            !value.is_nan() && !fits_half(value)
        }),
        _ => {
            let value = f64::from_bits(argument);
            #[expect(clippy::cast_possible_truncation, reason = "the loss is what is looked for")]
            let narrow = value as f32;
            !value.is_nan() && f64::from(narrow).to_bits() != argument
        }
    };
    if shortest { Ok(()) } else { Err(ContentError::NotDeterministic) }
}

/// Whether a half-width float expresses the value exactly.
fn fits_half(value: f32) -> bool {
    let bits = value.to_bits();
    let mantissa = bits & 0x007f_ffff;
    let biased = (bits >> 23) & 0xff;
    match biased {
        // Zero fits; no subnormal of single width does.
        0 => mantissa == 0,
        // Infinity fits.
        255 => true,
        // Normal in half width: the lowest 13 of 23 bits are zero.
        113..=142 => mantissa.trailing_zeros() >= 13,
        // Subnormal in half width: a bit less for each step down.
        103..=112 => (mantissa | 0x0080_0000).trailing_zeros() >= 126 - biased,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(hex: &str) -> Result<(), ContentError> {
        let bytes = hex::decode(hex).expect("hex");
        let mut decoder = Decoder::new(&bytes);
        assert!(decoder.any(3)?.len() <= bytes.len());
        decoder.finish()
    }

    #[test]
    fn takes_the_shortest_form_of_each_type() {
        for hex in [
            "00",
            "17",
            "1818",
            "190100",
            "1a00010000",
            "1b0000000100000000",
            "20",
            "3863",
            "40",
            "4401020304",
            "60",
            "6161",
            "80",
            "83010203",
            "a0",
            "a10102",
            "a201020304",
            "c074323031332d30332d32315432303a30343a30305a",
            "c249010000000000000000",
            "f4",
            "f5",
            "f6",
            "f7",
            "f0",
            "f8ff",
            "f90000",
            "f93c00",
            "f97e00",
            "f97c00",
            "fa47c35000",
            "fa7f7fffff",
            "fb3ff199999999999a",
            "fb7e37e43c8800759c",
        ] {
            assert_eq!(accepts(hex), Ok(()), "{hex}");
        }
    }

    #[test]
    fn refuses_longer_and_indefinite_forms() {
        for hex in [
            "1800",
            "1817",
            "190000",
            "1900ff",
            "1a0000ffff",
            "1b00000000ffffffff",
            "5800",
            "7800",
            "9800",
            "b800",
            "5f4101ff",
            "7f6161ff",
            "9fff",
            "bfff",
            "f800",
            "f81f",
            "fa3f800000",
            "fa7f800000",
            "fa7fc00000",
            "fb3ff0000000000000",
            "fb7ff8000000000000",
            "f97e01",
            "fa33800000",
            "a202010101",
            "a201010102",
            "c240",
            "c24101",
            "c2490000000000000000ff",
            "1c",
            "ff",
            "d80001",
        ] {
            assert_eq!(accepts(hex), Err(ContentError::NotDeterministic), "{hex}");
        }
    }

    #[test]
    fn refuses_truncation_depth_and_odd_keys() {
        for hex in
            ["", "18", "19ff", "41", "6261", "81", "9bffffffffffffffff", "a1", "a101", "bbffffffffffffffff", "c1"]
        {
            assert_eq!(accepts(hex), Err(ContentError::Truncated), "{hex}");
        }
        assert_eq!(accepts("81818100"), Ok(()));
        assert_eq!(accepts("8181818100"), Err(ContentError::TooDeep { limit: 4 }));
        assert_eq!(accepts("c1c1c1c100"), Err(ContentError::TooDeep { limit: 4 }));
        assert!(matches!(accepts("a1f600"), Err(ContentError::WrongType { .. })));
        assert_eq!(accepts("61ff"), Err(ContentError::NotUtf8));
    }

    #[test]
    fn half_width_holds_exactly_what_the_standard_says() {
        for fits in [0.0, -0.0, 1.0, 1.5, 65504.0, 5.960_464_5e-8, 6.103_515_6e-5, 6.097_555e-5, f32::INFINITY] {
            assert!(fits_half(fits), "{fits}");
        }
        for not in [65505.0, 65536.0, 1.000_1, 2.980_232_2e-8, 8.940_697e-8, f32::MIN_POSITIVE, 1e-40] {
            assert!(!fits_half(not), "{not}");
        }
    }
}
