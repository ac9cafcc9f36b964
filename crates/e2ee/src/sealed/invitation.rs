//! What an invited account needs to join a conversation (DESIGN M1).

use quicprochat_wire::{
    ChainHash, ChannelId, DecodeError, MessageId, Reader, ServerLink, Writer,
    call::channel::ChainPoint,
    limits::{IDENTITY_ROW_BYTES, MAX_GROUP_LEAVES, MAX_INBOX_BYTES},
};
use zeroize::Zeroizing;

use crate::{channel::ChannelKeys, error::E2eeError};

const VERSION: u8 = 1;
const MAX_LINK_BYTES: usize = 512;

/// An invitation to a conversation.
///
/// Shape:    `u8 1 || link text || channel (32) || start (u64, hash (32)) || commit id (16) || welcome bytes || access seed,
///           channel key, rejoin key (32 each) || since u64 || records list of bytes`.
/// Secrets:  the keys.
/// Source:   protocol.md section 8.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invitation {
    /// The channel's server.
    pub link: ServerLink,
    /// The channel.
    pub channel: ChannelId,
    /// The commit that adds the account: the log begins here for it.
    pub start: ChainPoint,
    /// Id of that commit, under which the channel's GroupInfo has the tree.
    pub commit: MessageId,
    /// Welcome (MLSMessage) with this account's group secrets only.
    pub welcome: Vec<u8>,
    /// The channel's keys in force.
    pub keys: ChannelKeys,
    /// Position of the commit that derived them; 0 for epoch 0.
    pub since: u64,
    /// The members' identity parts.
    pub records: Vec<Vec<u8>>,
}

impl Invitation {
    /// The body of an inbox entry.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let writer = Writer::new()
            .u8(VERSION)
            .text(&self.link.to_string())
            .fixed(self.channel)
            .u64(self.start.position)
            .fixed(self.start.hash)
            .fixed(self.commit)
            .bytes(&self.welcome)
            .fixed(self.keys.to_bytes().as_slice())
            .u64(self.since)
            .list(&self.records, |writer, record| writer.bytes(record));
        Zeroizing::new(writer.finish())
    }

    /// Takes the body of an inbox entry.
    pub fn parse(bytes: &[u8]) -> Result<Self, E2eeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError::WrongLabel.into());
        }
        let link = reader.text(MAX_LINK_BYTES)?;
        let link = link.parse().map_err(|_| DecodeError::BadValue { found: 0 })?;
        let channel = ChannelId::new(reader.array()?);
        let start = ChainPoint { position: reader.u64()?, hash: ChainHash::new(reader.array()?) };
        let commit = MessageId::new(reader.array()?);
        let welcome = reader.bytes(MAX_INBOX_BYTES)?.to_vec();
        let keys = ChannelKeys::from_bytes(&Zeroizing::new(reader.array()?));
        let since = reader.u64()?;
        let records =
            reader.list::<_, DecodeError>(MAX_GROUP_LEAVES, |item| Ok(item.bytes(IDENTITY_ROW_BYTES)?.to_vec()))?;
        reader.finish()?;
        Ok(Self { link, channel, start, commit, welcome, keys, since, records })
    }
}
