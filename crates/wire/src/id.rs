//! Ids and public keys as newtypes over fixed bytes, printed short and prefixed.

use core::fmt;

/// Defines a fixed-size public value with hex `Display`, short `Debug`, and parsing.
macro_rules! fixed_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Wraps raw bytes; every bit pattern is a valid value.
            #[must_use]
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Takes exactly [`Self::LEN`] bytes, or `None` for any other length.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                <[u8; $len]>::try_from(bytes).ok().map(Self)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads the lower- or upper-case hex form of the whole value.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                let mut bytes = [0u8; $len];
                hex::decode_to_slice(text, &mut bytes).ok()?;
                Some(Self(bytes))
            }

            /// The first eight hex digits, for people.
            #[must_use]
            pub fn short(&self) -> String {
                hex::encode(self.0.get(..4).unwrap_or(&self.0))
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}:{}", $prefix, self.short())
            }
        }
    };
}

fixed_bytes!(
    /// An account: the Ed25519 half of its identity key, which is also what its `did:key` names.
    AccountId, 32, "acct"
);
fixed_bytes!(
    /// A device of an account, random, unique within the account.
    DeviceId, 16, "dev"
);
fixed_bytes!(
    /// A device's Ed25519 public key: signs challenges and is its leaf's signature key in every group.
    DeviceKey, 32, "devkey"
);
fixed_bytes!(
    /// A channel: random, known to its members and to its hub server.
    ChannelId, 32, "chan"
);
fixed_bytes!(
    /// A client-chosen id that makes an enqueue or a delivery idempotent.
    MessageId, 16, "msg"
);
fixed_bytes!(
    /// An object of an account's archive, random.
    ObjectId, 16, "obj"
);
fixed_bytes!(
    /// The public half of a channel's access key (Ed25519).
    AccessPublicKey, 32, "access"
);
fixed_bytes!(
    /// A sealed piece of a channel's ratchet tree.
    ChunkId, 32, "chunk"
);
fixed_bytes!(
    /// A link of a channel's hash chain (protocol.md, "Chain").
    ChainHash, 32, "h"
);
fixed_bytes!(
    /// Random bytes a server gives each connection; what is signed to it cannot be replayed on another.
    Challenge, 32, "challenge"
);
fixed_bytes!(
    /// SHA-256 of the server's public key (SPKI, DER).
    Fingerprint, 32, "spki"
);
fixed_bytes!(
    /// Where two devices meet while one is linked to an account.
    LinkId, 16, "meet"
);
fixed_bytes!(
    /// A SHA-256 digest.
    Digest, 32, "sha256"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trip_and_length_checks() {
        let id = MessageId::new([7; 16]);
        assert_eq!(MessageId::from_hex(&id.to_string()), Some(id));
        assert_eq!(MessageId::from_hex("07"), None);
        assert_eq!(MessageId::from_slice(&[0; 15]), None);
        assert_eq!(format!("{id:?}"), "msg:07070707");
    }
}
