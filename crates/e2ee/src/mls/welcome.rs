//! Cutting a Welcome down to the devices of one account (DESIGN M1: each invitee gets its own group secrets only).

use sha2::{Digest as _, Sha256};

use crate::error::E2eeError;
use quicprochat_wire::DecodeError;

const KEY_PACKAGE_REF_LABEL: &[u8] = b"MLS 1.0 KeyPackage Reference";
const MLS10: u16 = 1;
const WIRE_FORMAT_WELCOME: u16 = 3;

/// The same Welcome with the group secrets of `key_packages` only.
///
/// Source:   RFC 9420 section 12.4.3.1.
pub fn welcome_for(welcome: &[u8], key_packages: &[&[u8]]) -> Result<Vec<u8>, E2eeError> {
    let mut reader = TlsReader::new(welcome);
    let head = reader.take(6)?;
    let mut fields = TlsReader::new(head);
    let (version, format) = (fields.u16()?, fields.u16()?);
    if version != MLS10 || format != WIRE_FORMAT_WELCOME {
        return Err(DecodeError::WrongLabel.into());
    }
    let references: Vec<[u8; 32]> = key_packages.iter().map(|package| key_package_reference(package)).collect();
    let mut secrets = TlsReader::new(reader.vector()?);
    let mut kept = Vec::new();
    while !secrets.rest().is_empty() {
        let before = secrets.rest();
        let reference = secrets.vector()?;
        secrets.vector()?;
        secrets.vector()?;
        let item = before.len().checked_sub(secrets.rest().len()).and_then(|len| before.get(..len));
        if references.iter().any(|known| known.as_slice() == reference) {
            kept.extend_from_slice(item.unwrap_or_default());
        }
    }
    let tail = reader.rest();
    let mut check = TlsReader::new(tail);
    check.vector()?;
    if !check.rest().is_empty() {
        return Err(DecodeError::Trailing { extra: check.rest().len() }.into());
    }
    let mut out = head.to_vec();
    write_length(&mut out, kept.len());
    out.extend_from_slice(&kept);
    out.extend_from_slice(tail);
    Ok(out)
}

fn key_package_reference(package: &[u8]) -> [u8; 32] {
    let mut input = Vec::with_capacity(package.len() + 40);
    for field in [KEY_PACKAGE_REF_LABEL, package] {
        write_length(&mut input, field.len());
        input.extend_from_slice(field);
    }
    Sha256::digest(&input).into()
}

/// Reads MLS's TLS syntax from bytes that nobody has checked; borrows, so that no claimed length allocates.
pub(super) struct TlsReader<'a> {
    rest: &'a [u8],
}

impl<'a> TlsReader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let missing = DecodeError::Truncated { missing: len.saturating_sub(self.rest.len()) };
        let (head, rest) = self.rest.split_at_checked(len).ok_or(missing)?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.take(1).map(|bytes| bytes.first().copied().unwrap_or_default())
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes([self.u8()?, self.u8()?]))
    }

    /// A vector with a variable-length length: 1, 2 or 4 bytes, in the shortest form (RFC 9420, section 2.1.2).
    pub(super) fn vector(&mut self) -> Result<&'a [u8], DecodeError> {
        let first = self.u8()?;
        let extra = match first >> 6 {
            0 => 0,
            1 => 1,
            2 => 3,
            _ => return Err(DecodeError::BadValue { found: first.into() }),
        };
        let mut len = usize::from(first & 0x3f);
        for _ in 0..extra {
            len = (len << 8) | usize::from(self.u8()?);
        }
        let shortest = match extra {
            0 => true,
            1 => len >= 1 << 6,
            _ => len >= 1 << 14,
        };
        if shortest { self.take(len) } else { Err(DecodeError::BadValue { found: first.into() }) }
    }
}

pub(super) fn write_length(out: &mut Vec<u8>, len: usize) {
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    let [a, b, c, d] = len.to_be_bytes();
    match len {
        0..=0x3f => out.push(d),
        0x40..=0x3fff => out.extend([0x40 | c, d]),
        _ => out.extend([0x80 | a, b, c, d]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_round_trip_and_only_the_shortest_form_is_read() {
        for len in [0, 1, 63, 64, 16_383, 16_384, 100_000] {
            let mut bytes = Vec::new();
            write_length(&mut bytes, len);
            bytes.resize(bytes.len() + len, 7);
            let mut reader = TlsReader::new(&bytes);
            assert_eq!(reader.vector().map(<[u8]>::len), Ok(len));
            assert!(reader.rest().is_empty());
        }
        for long in [&[0x40, 5, 0, 0, 0, 0, 0][..], &[0x80, 0, 0, 1, 9], &[0xc0]] {
            assert!(TlsReader::new(long).vector().is_err(), "{long:?}");
        }
    }
}
