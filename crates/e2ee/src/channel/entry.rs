//! An entry's outer layer: hides which group, epoch, sender and kind of MLS message it carries (DESIGN L1).

use quicprochat_wire::{
    ChannelId, DecodeError, Entropy, MessageId, Reader, Writer,
    call::channel::{ChainPoint, EntryKind},
    chain,
    limits::{IDENTITY_ROW_BYTES, MAX_COMMIT_BYTES, MAX_GROUP_LEAVES, MAX_MESSAGE_BYTES},
};

use super::ChannelKeys;
use crate::{
    aead,
    error::{E2eeError, Sealed},
    mls::Aad,
};

const VERSION: u8 = 1;

/// What the server sees of an entry, and what its ciphertext is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryHead {
    /// The channel.
    pub channel: ChannelId,
    /// Client-chosen id.
    pub id: MessageId,
    /// Message or commit.
    pub kind: EntryKind,
    /// The last commit as the writer knows it.
    pub after: ChainPoint,
}

impl EntryHead {
    /// The authenticated data that the MLS message inside must have.
    #[must_use]
    pub const fn aad(&self) -> Aad {
        Aad { id: self.id, after: self.after }
    }

    fn text(&self) -> Vec<u8> {
        Writer::labelled("qpc/1 entry")
            .fixed(self.channel)
            .fixed(self.id)
            .u8(chain::kind_byte(self.kind))
            .u64(self.after.position)
            .fixed(self.after.hash)
            .finish()
    }

    const fn limit(&self) -> usize {
        match self.kind {
            EntryKind::Message => MAX_MESSAGE_BYTES,
            EntryKind::Commit => MAX_COMMIT_BYTES,
        }
    }
}

/// What an entry carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryBody {
    /// The MLS message.
    pub mls: Vec<u8>,
    /// Identity parts that come along: of accounts that a commit adds, and of a committer whose part is new.
    pub records: Vec<Vec<u8>>,
}

/// Seals an entry under the channel key in force (a rolling commit under the old one).
///
/// Errors:   [`E2eeError::TooLarge`] above the limit of its kind.
/// Source:   protocol.md section 7, "Entry".
pub fn seal_entry(
    keys: &ChannelKeys,
    head: &EntryHead,
    body: &EntryBody,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, E2eeError> {
    let plaintext =
        Writer::new().u8(VERSION).bytes(&body.mls).list(&body.records, |writer, record| writer.bytes(record)).finish();
    aead::seal_padded(keys.channel_key(), &head.text(), plaintext, Sealed::Entry, head.limit(), entropy)
}

/// Opens an entry.
///
/// Errors:   any error means that the entry does not count, for all members alike: it is skipped and keeps its place.
pub fn open_entry(keys: &ChannelKeys, head: &EntryHead, sealed: &[u8]) -> Result<EntryBody, E2eeError> {
    let limit = head.limit();
    if sealed.len() > limit {
        return Err(E2eeError::TooLarge { what: Sealed::Entry, limit, found: sealed.len() });
    }
    let plaintext = aead::open_padded(keys.channel_key(), &head.text(), sealed, Sealed::Entry)?;
    let mut reader = Reader::new(&plaintext);
    if reader.u8()? != VERSION {
        return Err(DecodeError::WrongLabel.into());
    }
    let mls = reader.bytes(limit)?.to_vec();
    let records =
        reader.list::<_, DecodeError>(MAX_GROUP_LEAVES, |item| Ok(item.bytes(IDENTITY_ROW_BYTES)?.to_vec()))?;
    reader.finish()?;
    Ok(EntryBody { mls, records })
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::ChainHash;

    use super::*;
    use crate::testing::SeededEntropy;

    fn head() -> EntryHead {
        EntryHead {
            channel: ChannelId::new([1; 32]),
            id: MessageId::new([2; 16]),
            kind: EntryKind::Commit,
            after: ChainPoint { position: 3, hash: ChainHash::new([4; 32]) },
        }
    }

    #[test]
    fn opens_in_its_place_only() {
        let keys = ChannelKeys::from_bytes(&[9; 96]);
        let body = EntryBody { mls: vec![5; 1000], records: vec![vec![6; 10], vec![]] };
        let sealed = seal_entry(&keys, &head(), &body, &mut SeededEntropy::new(1)).expect("seals");
        assert_eq!(sealed.len(), 24 + 1280 + 16, "padded to a bucket");
        assert_eq!(open_entry(&keys, &head(), &sealed), Ok(body));
        let moved = [
            EntryHead { channel: ChannelId::new([9; 32]), ..head() },
            EntryHead { id: MessageId::new([9; 16]), ..head() },
            EntryHead { kind: EntryKind::Message, ..head() },
            EntryHead { after: ChainPoint { position: 4, ..head().after }, ..head() },
            EntryHead { after: ChainPoint { hash: ChainHash::new([9; 32]), ..head().after }, ..head() },
        ];
        let refused = Err(E2eeError::CannotOpen { what: Sealed::Entry });
        for moved in moved {
            assert_eq!(open_entry(&keys, &moved, &sealed), refused);
        }
        assert_eq!(open_entry(&ChannelKeys::from_bytes(&[8; 96]), &head(), &sealed), refused);
        for index in [0, 24, sealed.len() - 1] {
            let mut tampered = sealed.clone();
            tampered[index] ^= 1;
            assert_eq!(open_entry(&keys, &head(), &tampered), refused);
        }
        assert_eq!(open_entry(&keys, &head(), &[]), refused);
    }

    #[test]
    fn limits_are_those_of_the_kind() {
        let keys = ChannelKeys::from_bytes(&[9; 96]);
        let body = EntryBody { mls: vec![0; MAX_MESSAGE_BYTES], records: Vec::new() };
        assert!(seal_entry(&keys, &head(), &body, &mut SeededEntropy::new(1)).is_ok());
        let message = EntryHead { kind: EntryKind::Message, ..head() };
        let refused = seal_entry(&keys, &message, &body, &mut SeededEntropy::new(1));
        assert!(matches!(refused, Err(E2eeError::TooLarge { limit: MAX_MESSAGE_BYTES, .. })));
    }
}
