//! The keys of a channel (DESIGN L7).

use core::fmt;

use quicprochat_identity::AccessSecretKey;
use quicprochat_wire::AccessPublicKey;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// What the members of a channel share: who has them may read and write entries.
///
/// They come from the exporter of epoch 0, and anew from that of every epoch that a rolling commit begins; joiners get the
/// ones in force with their invitation.
///
/// Entries are opened without the access key, so the signing key is made of its seed only when it is asked for.
///
/// Shape:    access seed (32) || channel key (32) || rejoin key (32).
/// Secrets:  all of it; zeroised on drop.
#[derive(Clone)]
pub struct ChannelKeys {
    access_seed: Zeroizing<[u8; 32]>,
    channel: Zeroizing<[u8; 32]>,
    rejoin: Zeroizing<[u8; 32]>,
}

impl ChannelKeys {
    /// Length of the encoding.
    pub const LEN: usize = 96;
    /// Label of the exporter they come from.
    pub(crate) const EXPORTER_LABEL: &'static str = "qpc/1 channel";

    /// Takes the encoding. Every value is a set of keys.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let (thirds, _) = bytes.as_chunks::<32>();
        let third = |index: usize| Zeroizing::new(thirds.get(index).copied().unwrap_or_default());
        Self { access_seed: third(0), channel: third(1), rejoin: third(2) }
    }

    /// The encoding, for the encrypted store and for invitations.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        let all = self.access_seed.iter().chain(self.channel.iter()).chain(self.rejoin.iter());
        for (out, byte) in bytes.iter_mut().zip(all) {
            *out = *byte;
        }
        bytes
    }

    /// Attaches to the channel.
    #[must_use]
    pub fn access(&self) -> AccessSecretKey {
        AccessSecretKey::from_seed(&self.access_seed)
    }

    /// The public half of [`Self::access`], as the server records it.
    #[must_use]
    pub fn access_public(&self) -> AccessPublicKey {
        self.access().public()
    }

    /// Included as external PSK by whoever enters by external commit (DESIGN M2).
    ///
    /// Secrets:  the caller must not keep a copy.
    #[must_use]
    pub fn rejoin_key(&self) -> &[u8; 32] {
        &self.rejoin
    }

    pub(crate) fn channel_key(&self) -> &[u8; 32] {
        &self.channel
    }
}

impl PartialEq for ChannelKeys {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes().as_slice().ct_eq(other.to_bytes().as_slice()).into()
    }
}

impl Eq for ChannelKeys {}

impl fmt::Debug for ChannelKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelKeys({:?})", self.access_public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_in_order_and_debug_shows_the_public_key_only() {
        let mut bytes = [0; ChannelKeys::LEN];
        bytes[..32].fill(1);
        bytes[32..64].fill(2);
        bytes[64..].fill(3);
        let keys = ChannelKeys::from_bytes(&bytes);
        assert_eq!(*keys.to_bytes(), bytes);
        assert_eq!(
            (keys.access().seed().as_slice(), keys.channel_key(), keys.rejoin_key()),
            (&[1; 32][..], &[2; 32], &[3; 32])
        );
        assert_eq!(format!("{keys:?}"), format!("ChannelKeys(access:{})", keys.access_public().short()));
        bytes[95] = 4;
        assert_ne!(ChannelKeys::from_bytes(&bytes), keys);
    }
}
