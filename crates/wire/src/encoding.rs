//! The one byte encoding of everything that is signed, hashed, sealed or stored outside Cap'n Proto.
//!
//! Shape:    fields in order without tags; integers little-endian; fixed-size values as they are; `bytes` and `text` as a
//!           `u32` length and then the content; lists as a `u32` count and then the items. There is exactly one encoding
//!           of a value: a reader refuses trailing bytes.

use core::fmt;

/// Appends fields.
#[derive(Default, Clone)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// An empty encoding.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins with a label and a zero byte, so that signatures over different structures never collide.
    #[must_use]
    pub fn labelled(label: &str) -> Self {
        let mut writer = Self::new();
        writer.out.extend_from_slice(label.as_bytes());
        writer.out.push(0);
        writer
    }

    /// One byte.
    #[must_use]
    pub fn u8(mut self, value: u8) -> Self {
        self.out.push(value);
        self
    }

    /// Two bytes, little-endian.
    #[must_use]
    pub fn u16(mut self, value: u16) -> Self {
        self.out.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Four bytes, little-endian.
    #[must_use]
    pub fn u32(mut self, value: u32) -> Self {
        self.out.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Eight bytes, little-endian.
    #[must_use]
    pub fn u64(mut self, value: u64) -> Self {
        self.out.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A fixed-size value, without a length.
    #[must_use]
    pub fn fixed(mut self, value: impl AsRef<[u8]>) -> Self {
        self.out.extend_from_slice(value.as_ref());
        self
    }

    /// Length and content. Content over 4 GiB does not occur: every caller's limit is far below.
    #[must_use]
    pub fn bytes(self, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX)).fixed(value)
    }

    /// Length and UTF-8.
    #[must_use]
    pub fn text(self, value: &str) -> Self {
        self.bytes(value.as_bytes())
    }

    /// A count, then each item as `item` writes it.
    #[must_use]
    pub fn list<T>(self, items: &[T], item: impl Fn(Self, &T) -> Self) -> Self {
        let writer = self.u32(u32::try_from(items.len()).unwrap_or(u32::MAX));
        items.iter().fold(writer, item)
    }

    /// The encoding.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.out
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({} bytes)", self.out.len())
    }
}

/// Why bytes are not an encoding of what was expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the value does.
    #[error("the encoding ends early: {missing} more bytes expected")]
    Truncated {
        /// How many bytes are missing at least.
        missing: usize,
    },
    /// A length or count is above the limit of its field.
    #[error("a field of {found} exceeds its limit of {limit}")]
    TooLong {
        /// Limit of the field.
        limit: usize,
        /// Length found.
        found: usize,
    },
    /// Bytes follow the value.
    #[error("{extra} bytes follow the value")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// Text is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// The label or version at the start is another.
    #[error("the encoding begins with another label or version")]
    WrongLabel,
    /// A number stands for nothing.
    #[error("{found} is no valid value of its field")]
    BadValue {
        /// Value found.
        found: u64,
    },
}

/// Takes fields, in order, from bytes that nobody has checked; never panics, never allocates more than a field's limit.
#[derive(Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Reads the label that [`Writer::labelled`] wrote.
    pub fn labelled(bytes: &'a [u8], label: &str) -> Result<Self, DecodeError> {
        let rest = bytes
            .strip_prefix(label.as_bytes())
            .and_then(|rest| rest.strip_prefix(&[0]))
            .ok_or(DecodeError::WrongLabel)?;
        Ok(Self { rest })
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(DecodeError::Truncated { missing: len.saturating_sub(self.rest.len()) })?;
        self.rest = rest;
        Ok(head)
    }

    /// A fixed-size value.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Content of at most `limit` bytes.
    pub fn bytes(&mut self, limit: usize) -> Result<&'a [u8], DecodeError> {
        let found = self.count(limit)?;
        self.take(found)
    }

    /// UTF-8 of at most `limit` bytes.
    pub fn text(&mut self, limit: usize) -> Result<&'a str, DecodeError> {
        core::str::from_utf8(self.bytes(limit)?).map_err(|_| DecodeError::NotUtf8)
    }

    /// A list of at most `limit` items, each read by `item`. Allocates as items arrive, not by the count claimed.
    pub fn list<T, E: From<DecodeError>>(
        &mut self,
        limit: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        let count = self.count(limit)?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Ends reading; nothing may be left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            extra => Err(DecodeError::Trailing { extra }),
        }
    }

    /// What has not been read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn count(&mut self, limit: usize) -> Result<usize, DecodeError> {
        let found = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if found > limit { Err(DecodeError::TooLong { limit, found }) } else { Ok(found) }
    }
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({} bytes left)", self.rest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_every_field_and_refuses_the_rest() {
        let bytes = Writer::labelled("x").u8(1).u16(2).u32(3).u64(4).bytes([5, 6]).text("sieben").finish();
        let mut reader = Reader::labelled(&bytes, "x").expect("same label");
        assert_eq!((reader.u8(), reader.u16(), reader.u32(), reader.u64()), (Ok(1), Ok(2), Ok(3), Ok(4)));
        assert_eq!(reader.bytes(2), Ok(&[5, 6][..]));
        assert_eq!(reader.clone().text(5), Err(DecodeError::TooLong { limit: 5, found: 6 }));
        assert_eq!(reader.clone().finish(), Err(DecodeError::Trailing { extra: 10 }));
        assert_eq!(reader.text(6), Ok("sieben"));
        assert_eq!(reader.finish(), Ok(()));
        assert_eq!(Reader::labelled(&bytes, "y").err(), Some(DecodeError::WrongLabel));
        for end in 0..bytes.len() {
            let mut reader = Reader::new(&bytes[..end]);
            let read = (|| {
                reader.take(2)?;
                reader.array::<15>()?;
                reader.bytes(9)?;
                reader.bytes(9)
            })();
            assert!(read.is_err(), "cut at {end}");
        }
    }
}
