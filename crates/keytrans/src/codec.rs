//! The TLS presentation language (RFC 8446, section 3; draft section 2.1) as it is used here.
//!
//! Integers are big-endian; a vector has its length before it, counted in *elements*, in as many bytes as its ceiling needs; an optional value has a
//! byte 0 or 1 before it. Nothing is reserved before the bytes for it are there.

use crate::{DecodeError, Digest, VrfOutput};

/// Bytes of which a structure is read, from the front.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    structure: &'static str,
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins to read; `structure` is named in errors.
    #[must_use]
    pub const fn new(structure: &'static str, bytes: &'a [u8]) -> Self {
        Self { structure, bytes }
    }

    /// Reads a whole structure with nothing after it.
    ///
    /// Errors:   those of `read`, and [`DecodeError::Trailing`].
    pub fn whole<T>(
        structure: &'static str,
        bytes: &'a [u8],
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let mut reader = Self::new(structure, bytes);
        let value = read(&mut reader)?;
        if reader.bytes.is_empty() {
            Ok(value)
        } else {
            Err(DecodeError::Trailing { structure, left: reader.bytes.len() })
        }
    }

    /// The next bytes, as many as are asked for.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(DecodeError::Truncated {
            structure: self.structure,
            needed: length,
            left: self.bytes.len(),
        })?;
        self.bytes = rest;
        Ok(taken)
    }

    /// All bytes that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.bytes)
    }

    /// The next bytes, as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A `uint8`.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// A `uint16`.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// A `uint32`.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A `uint64`.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A hash.
    pub fn digest(&mut self) -> Result<Digest, DecodeError> {
        self.array().map(Digest)
    }

    /// A place in the prefix tree.
    pub fn vrf_output(&mut self) -> Result<VrfOutput, DecodeError> {
        self.array().map(VrfOutput)
    }

    /// `opaque x<0..2^8-1>`.
    pub fn bytes8(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u8()?;
        self.take(length.into())
    }

    /// `opaque x<0..2^16-1>`.
    pub fn bytes16(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u16()?;
        self.take(length.into())
    }

    /// `opaque x<0..2^32-1>`.
    pub fn bytes32(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u32()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// `T x<0..2^8-1>`.
    pub fn vector8<T>(&mut self, read: impl FnMut(&mut Self) -> Result<T, DecodeError>) -> Result<Vec<T>, DecodeError> {
        let count = self.u8()?;
        self.elements(count.into(), read)
    }

    /// `T x<0..2^16-1>`.
    pub fn vector16<T>(
        &mut self,
        read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.u16()?;
        self.elements(count.into(), read)
    }

    /// `optional<T>`.
    pub fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            other => Err(self.unknown("optional", other.into())),
        }
    }

    /// The error for a value that the field cannot have.
    #[must_use]
    pub const fn unknown(&self, field: &'static str, found: u64) -> DecodeError {
        DecodeError::Unknown { structure: self.structure, field, found }
    }

    fn elements<T>(
        &mut self,
        count: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        // Every element takes at least a byte: more of them than bytes are a lie, and nothing is reserved for it.
        if count > self.bytes.len() {
            return Err(DecodeError::Truncated { structure: self.structure, needed: count, left: self.bytes.len() });
        }
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(read(self)?);
        }
        Ok(elements)
    }
}

/// Bytes of a structure, as they grow.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// The end of what is written for an element.
    ///
    /// Errors:   none.
    pub const fn done(&mut self) -> Result<(), DecodeError> {
        Ok(())
    }

    /// Bytes as they are.
    pub fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A `uint8`.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.put(&[value])
    }

    /// A `uint16`.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    /// A `uint32`.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    /// A `uint64`.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    /// `opaque x<0..2^8-1>`.
    ///
    /// Errors:   [`DecodeError::TooLong`], as of all vectors.
    pub fn bytes8(&mut self, bytes: &[u8]) -> Result<&mut Self, DecodeError> {
        self.length8(bytes.len())?;
        Ok(self.put(bytes))
    }

    /// `opaque x<0..2^16-1>`.
    pub fn bytes16(&mut self, bytes: &[u8]) -> Result<&mut Self, DecodeError> {
        self.length16(bytes.len())?;
        Ok(self.put(bytes))
    }

    /// `opaque x<0..2^32-1>`.
    pub fn bytes32(&mut self, bytes: &[u8]) -> Result<&mut Self, DecodeError> {
        let length = u32::try_from(bytes.len()).map_err(|_| too_long(u32::MAX as usize, bytes.len()))?;
        Ok(self.u32(length).put(bytes))
    }

    /// `T x<0..2^8-1>`.
    pub fn vector8<T>(
        &mut self,
        elements: &[T],
        mut write: impl FnMut(&mut Self, &T) -> Result<(), DecodeError>,
    ) -> Result<&mut Self, DecodeError> {
        self.length8(elements.len())?;
        elements.iter().try_for_each(|element| write(self, element))?;
        Ok(self)
    }

    /// `T x<0..2^16-1>`.
    pub fn vector16<T>(
        &mut self,
        elements: &[T],
        mut write: impl FnMut(&mut Self, &T) -> Result<(), DecodeError>,
    ) -> Result<&mut Self, DecodeError> {
        self.length16(elements.len())?;
        elements.iter().try_for_each(|element| write(self, element))?;
        Ok(self)
    }

    /// `optional<T>`.
    pub fn optional<T>(
        &mut self,
        value: Option<&T>,
        write: impl FnOnce(&mut Self, &T) -> Result<(), DecodeError>,
    ) -> Result<&mut Self, DecodeError> {
        self.u8(value.is_some().into());
        if let Some(value) = value {
            write(self, value)?;
        }
        Ok(self)
    }

    fn length8(&mut self, length: usize) -> Result<(), DecodeError> {
        let short = u8::try_from(length).map_err(|_| too_long(u8::MAX.into(), length))?;
        self.u8(short);
        Ok(())
    }

    fn length16(&mut self, length: usize) -> Result<(), DecodeError> {
        let short = u16::try_from(length).map_err(|_| too_long(u16::MAX.into(), length))?;
        self.u16(short);
        Ok(())
    }
}

const fn too_long(limit: usize, found: usize) -> DecodeError {
    DecodeError::TooLong { limit, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut writer = Writer::new();
        writer.u16(0xf001).u64(7).bytes8(b"alice").unwrap().bytes32(b"keys").unwrap();
        writer.vector16(&[1_u32, 2], |writer, value| writer.u32(*value).done()).unwrap();
        writer.optional(Some(&9_u64), |writer, value| writer.u64(*value).done()).unwrap();
        writer.optional(None::<&u64>, |_, _| Ok(())).unwrap();
        let bytes = writer.finish();
        assert_eq!(bytes[..2], [0xf0, 1]);
        let read = Reader::whole("test", &bytes, |reader| {
            Ok((
                reader.u16()?,
                reader.u64()?,
                reader.bytes8()?.to_vec(),
                reader.bytes32()?.to_vec(),
                reader.vector16(Reader::u32)?,
                reader.optional(Reader::u64)?,
                reader.optional(Reader::u64)?,
            ))
        });
        assert_eq!(read, Ok((0xf001, 7, b"alice".to_vec(), b"keys".to_vec(), vec![1, 2], Some(9), None)));
        for cut in 0..bytes.len() {
            let mut reader = Reader::new("test", &bytes[..cut]);
            assert!(
                reader.u16().and_then(|_| reader.u64()).is_err()
                    || reader.bytes8().and_then(|_| reader.bytes32()).is_err()
                    || reader.vector16(Reader::u32).is_err()
                    || reader.optional(Reader::u64).is_err()
                    || reader.optional(Reader::u64).is_err()
            );
        }
    }

    #[test]
    fn a_length_that_lies_reserves_nothing() {
        let found = Reader::new("test", &[0xff, 0xff, 1]).vector16(|reader| reader.u8());
        assert_eq!(found, Err(DecodeError::Truncated { structure: "test", needed: 65_535, left: 1 }));
        assert!(matches!(Reader::new("test", &[0xff; 8]).bytes32(), Err(DecodeError::Truncated { .. })));
    }

    #[test]
    fn what_is_too_long_or_follows_is_refused() {
        assert_eq!(Writer::new().bytes8(&[0; 256]).map(|_| ()), Err(DecodeError::TooLong { limit: 255, found: 256 }));
        let found = Reader::whole("test", &[1, 2], |reader| reader.u8());
        assert_eq!(found, Err(DecodeError::Trailing { structure: "test", left: 1 }));
        let found = Reader::whole("test", &[2], |reader| reader.optional(Reader::u64));
        assert_eq!(found, Err(DecodeError::Unknown { structure: "test", field: "optional", found: 2 }));
    }
}
