//! A token as a client keeps it until it is spent.

use core::fmt;

use quicprochat_wire::{DecodeError, Reader, Timestamp, Writer, call::token::Token};
use zeroize::Zeroizing;

use super::TokenError;

const VERSION: u8 = 1;

/// A token with the time until which it counts.
///
/// Shape:    `u8 1 || u32 epoch || nonce fixed(32) || authenticator fixed(64) || u64 redeems until`.
/// Secrets:  whoever has it can spend it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// The token.
    pub token: Token,
    /// Until when the server takes it.
    pub redeems_until: Timestamp,
}

impl StoredToken {
    /// Whether the server still takes it.
    #[must_use]
    pub fn is_redeemable(&self, now: Timestamp) -> bool {
        now < self.redeems_until
    }

    /// The stored form.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let Token { epoch, nonce, authenticator } = &self.token;
        let writer = Writer::new().u8(VERSION).u32(*epoch).fixed(nonce).fixed(authenticator);
        Zeroizing::new(writer.u64(self.redeems_until.0).finish())
    }

    /// Reads the stored form.
    ///
    /// Errors:   [`TokenError::Stored`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        let mut reader = Reader::new(bytes);
        read_version(&mut reader, VERSION)?;
        let epoch = reader.u32()?;
        let (nonce, authenticator) = (reader.array::<32>()?.to_vec(), reader.array::<64>()?.to_vec());
        let redeems_until = Timestamp(reader.u64()?);
        reader.finish()?;
        Ok(Self { token: Token { epoch, nonce, authenticator }, redeems_until })
    }
}

impl fmt::Debug for StoredToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredToken(epoch {})", self.token.epoch)
    }
}

/// Reads the version byte that every stored structure begins with.
pub(super) fn read_version(reader: &mut Reader<'_>, version: u8) -> Result<(), DecodeError> {
    if reader.u8()? == version { Ok(()) } else { Err(DecodeError::WrongLabel) }
}
