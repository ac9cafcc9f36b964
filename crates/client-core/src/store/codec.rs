//! How rows become bytes: the plain encoding of the protocol, behind a version byte.
//!
//! A row type lists its fields once, in [`stored_struct!`] or [`stored_enum!`]; reading is bounded and refuses trailing bytes,
//! because a damaged database is input like any other. Writing has the same bounds: what could not be read back is not stored.

use quicprochat_wire::{
    AccessPublicKey, AccountId, ChainHash, ChannelId, ChunkId, DecodeError, DeviceId, DeviceKey, Digest, Fingerprint,
    MessageId, Reader, ServerLink, Timestamp, Writer,
    call::{channel::ChainPoint, token::Token},
};

use super::{
    StoreFault,
    secret::{Secret, SecretBytes},
};

/// Most bytes of one variable field of a row: above the largest frame, so that everything received fits.
const MAX_FIELD_BYTES: usize = 16 * 1024 * 1024;
/// Most items of one list of a row.
const MAX_FIELD_ITEMS: usize = 65_536;
/// Most bytes of a token's nonce.
const MAX_NONCE_BYTES: usize = 64;
/// Most bytes of a token's authenticator.
const MAX_AUTHENTICATOR_BYTES: usize = 128;
/// Most bytes of a server's name.
const MAX_HOST_BYTES: usize = 256;

/// A row as it is stored.
///
/// Shape:    `u8 version || fields` in plain encoding.
/// Secrets:  the bytes may hold keys; a backend keeps them encrypted at rest.
pub trait Stored: Sized {
    /// The bytes to store.
    ///
    /// Errors:   [`StoreFault::TooLarge`] if [`Self::decode`] would refuse them for their size.
    fn encode(&self) -> Result<Vec<u8>, StoreFault>;

    /// Reads back what [`Self::encode`] wrote.
    ///
    /// Errors:   [`DecodeError`] if the bytes are of another version or damaged.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError>;
}

/// Part of a row.
pub(crate) trait Field: Sized {
    fn write(&self, writer: Writer) -> Result<Writer, StoreFault>;
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// Defines a struct whose fields are stored in order.
macro_rules! stored_struct {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct $name { $($(#[$field_doc])* pub $field: $ty,)* }

        impl $crate::store::codec::Field for $name {
            fn write(
                &self,
                writer: quicprochat_wire::Writer,
            ) -> Result<quicprochat_wire::Writer, $crate::store::StoreFault> {
                $(let writer = $crate::store::codec::Field::write(&self.$field, writer)?;)*
                Ok(writer)
            }

            fn read(reader: &mut quicprochat_wire::Reader<'_>) -> Result<Self, quicprochat_wire::DecodeError> {
                Ok(Self { $($field: $crate::store::codec::Field::read(reader)?,)* })
            }
        }
    };
}

/// Defines an enum stored as a number and the fields of the variant.
macro_rules! stored_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal $({ $($(#[$field_doc:meta])* $field:ident: $ty:ty),* $(,)? })?,)* }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum $name { $($(#[$variant_doc])* $variant $({ $($(#[$field_doc])* $field: $ty,)* })?,)* }

        impl $crate::store::codec::Field for $name {
            fn write(
                &self,
                writer: quicprochat_wire::Writer,
            ) -> Result<quicprochat_wire::Writer, $crate::store::StoreFault> {
                match self {
                    $(Self::$variant $({ $($field),* })? => {
                        let writer = writer.u8($number);
                        $($(let writer = $crate::store::codec::Field::write($field, writer)?;)*)?
                        Ok(writer)
                    })*
                }
            }

            fn read(reader: &mut quicprochat_wire::Reader<'_>) -> Result<Self, quicprochat_wire::DecodeError> {
                match reader.u8()? {
                    $($number => Ok(Self::$variant $({ $($field: $crate::store::codec::Field::read(reader)?),* })?),)*
                    found => Err(quicprochat_wire::DecodeError::BadValue { found: u64::from(found) }),
                }
            }
        }
    };
}

/// Makes types rows of their own, behind a version byte.
macro_rules! stored_rows {
    ($($name:ty = $version:literal,)*) => { $(
        impl $crate::store::Stored for $name {
            fn encode(&self) -> Result<Vec<u8>, $crate::store::StoreFault> {
                let writer = quicprochat_wire::Writer::new().u8($version);
                Ok($crate::store::codec::Field::write(self, writer)?.finish())
            }

            fn decode(bytes: &[u8]) -> Result<Self, quicprochat_wire::DecodeError> {
                let mut reader = quicprochat_wire::Reader::new(bytes);
                if reader.u8()? != $version {
                    return Err(quicprochat_wire::DecodeError::WrongLabel);
                }
                let row = $crate::store::codec::Field::read(&mut reader)?;
                reader.finish()?;
                Ok(row)
            }
        }
    )* };
}

pub(crate) use {stored_enum, stored_rows, stored_struct};

/// Bytes or items, if reading takes so many.
fn bounded<T>(items: &[T], most: usize) -> Result<&[T], StoreFault> {
    if items.len() > most { Err(StoreFault::TooLarge) } else { Ok(items) }
}

macro_rules! number_fields {
    ($($ty:ident),*) => { $(
        impl Field for $ty {
            fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
                Ok(writer.$ty(*self))
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                reader.$ty()
            }
        }
    )* };
}

number_fields!(u8, u16, u32, u64);

macro_rules! id_fields {
    ($($ty:ident),*) => { $(
        impl Field for $ty {
            fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
                Ok(writer.fixed(self))
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                reader.array().map(Self::new)
            }
        }
    )* };
}

id_fields!(
    AccessPublicKey,
    AccountId,
    ChainHash,
    ChannelId,
    ChunkId,
    DeviceId,
    DeviceKey,
    Digest,
    Fingerprint,
    MessageId
);

impl<const N: usize> Field for [u8; N] {
    fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
        Ok(writer.fixed(self))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array()
    }
}

impl<const N: usize> Field for Secret<N> {
    fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
        Ok(writer.fixed(self.expose()))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array().map(Self::new)
    }
}

impl Field for SecretBytes {
    fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
        Ok(writer.bytes(bounded(self.expose(), MAX_FIELD_BYTES)?))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.bytes(MAX_FIELD_BYTES).map(|bytes| Self::new(bytes.to_vec()))
    }
}

impl Field for bool {
    fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
        Ok(writer.u8(u8::from(*self)))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(DecodeError::BadValue { found: u64::from(found) }),
        }
    }
}

impl Field for String {
    fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
        bounded(self.as_bytes(), MAX_FIELD_BYTES)?;
        Ok(writer.text(self))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.text(MAX_FIELD_BYTES).map(str::to_owned)
    }
}

/// Raw bytes. A type of its own would buy nothing: rows name what their bytes are.
impl Field for Vec<u8> {
    fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
        Ok(writer.bytes(bounded(self, MAX_FIELD_BYTES)?))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.bytes(MAX_FIELD_BYTES).map(<[u8]>::to_vec)
    }
}

impl Field for Timestamp {
    fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
        Ok(writer.u64(self.0))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.u64().map(Self)
    }
}

impl Field for ChainPoint {
    fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
        Ok(writer.u64(self.position).fixed(self.hash))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { position: reader.u64()?, hash: ChainHash::new(reader.array()?) })
    }
}

impl Field for Token {
    fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
        let nonce = bounded(&self.nonce, MAX_NONCE_BYTES)?;
        let authenticator = bounded(&self.authenticator, MAX_AUTHENTICATOR_BYTES)?;
        Ok(writer.u32(self.epoch).bytes(nonce).bytes(authenticator))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch: reader.u32()?,
            nonce: reader.bytes(MAX_NONCE_BYTES)?.to_vec(),
            authenticator: reader.bytes(MAX_AUTHENTICATOR_BYTES)?.to_vec(),
        })
    }
}

impl Field for ServerLink {
    fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
        bounded(self.host().as_bytes(), MAX_HOST_BYTES)?;
        Ok(writer.text(self.host()).u16(self.port()).fixed(self.fingerprint()))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let host = reader.text(MAX_HOST_BYTES)?.to_owned();
        let port = reader.u16()?;
        let fingerprint = Fingerprint::new(reader.array()?);
        Self::new(&host, port, fingerprint).map_err(|_| DecodeError::BadValue { found: u64::from(port) })
    }
}

impl<T: Field> Field for Option<T> {
    fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
        match self {
            None => Ok(writer.u8(0)),
            Some(value) => value.write(writer.u8(1)),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match bool::read(reader)? {
            false => Ok(None),
            true => T::read(reader).map(Some),
        }
    }
}

/// A list of parts. (A bare `Vec<T>` would overlap with the bytes above.)
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        Self(items)
    }
}

impl<T> core::ops::Deref for List<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T> core::ops::DerefMut for List<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T: Field> Field for List<T> {
    fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
        let count = u32::try_from(bounded(&self.0, MAX_FIELD_ITEMS)?.len()).map_err(|_| StoreFault::TooLarge)?;
        self.0.iter().try_fold(writer.u32(count), |writer, item| item.write(writer))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.list(MAX_FIELD_ITEMS, T::read).map(Self)
    }
}

#[cfg(test)]
mod tests;
