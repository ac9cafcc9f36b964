//! A channel's GroupInfo with its ratchet tree, or with the chunks of it, as the server keeps it beside every commit.

use quicprochat_wire::{ChannelId, DecodeError, Entropy, MessageId, Reader, Writer, limits::MAX_GROUP_INFO_BYTES};

use super::{ChannelKeys, ChunkList};
use crate::{
    aead,
    error::{E2eeError, Sealed},
};

/// With the whole tree.
const WHOLE: u8 = 1;
/// With the keys of its chunks.
const CHUNKED: u8 = 2;

/// Which commit a GroupInfo belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupInfoHead {
    /// The channel.
    pub channel: ChannelId,
    /// Position of the commit before: the `afterCommit` of the commit it came with; 0 for the first of a channel.
    pub after_position: u64,
    /// Id of the commit it came with; zero for the first of a channel.
    pub commit: MessageId,
}

impl GroupInfoHead {
    fn text(&self) -> Vec<u8> {
        Writer::labelled("qpc/1 group info").fixed(self.channel).u64(self.after_position).fixed(self.commit).finish()
    }
}

/// GroupInfo (MLSMessage) and ratchet tree of an epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupInfoBody {
    /// GroupInfo as MLSMessage.
    pub group_info: Vec<u8>,
    /// Ratchet tree.
    pub ratchet_tree: Vec<u8>,
}

/// A GroupInfo as it opens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OpenedGroupInfo {
    /// With its tree.
    Whole(GroupInfoBody),
    /// With the chunks that hold its tree.
    Chunked {
        /// GroupInfo as MLSMessage.
        group_info: Vec<u8>,
        /// The chunks.
        chunks: ChunkList,
    },
}

/// Seals a GroupInfo with its whole tree under the channel key in force *after* its commit.
///
/// Errors:   [`E2eeError::TooLarge`].
/// Source:   protocol.md section 7, "GroupInfo".
pub fn seal_group_info(
    keys: &ChannelKeys,
    head: &GroupInfoHead,
    body: &GroupInfoBody,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, E2eeError> {
    let plaintext = Writer::new().u8(WHOLE).bytes(&body.group_info).bytes(&body.ratchet_tree).finish();
    seal(keys, head, plaintext, entropy)
}

/// The same with the chunks that hold its tree.
///
/// Errors:   [`E2eeError::TooLarge`].
pub fn seal_chunked_group_info(
    keys: &ChannelKeys,
    head: &GroupInfoHead,
    group_info: &[u8],
    chunks: &ChunkList,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, E2eeError> {
    let plaintext = chunks.write(Writer::new().u8(CHUNKED).bytes(group_info)).finish();
    seal(keys, head, plaintext, entropy)
}

fn seal(
    keys: &ChannelKeys,
    head: &GroupInfoHead,
    plaintext: Vec<u8>,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, E2eeError> {
    aead::seal_padded(keys.channel_key(), &head.text(), plaintext, Sealed::GroupInfo, MAX_GROUP_INFO_BYTES, entropy)
}

/// Opens a GroupInfo.
pub fn open_group_info(keys: &ChannelKeys, head: &GroupInfoHead, sealed: &[u8]) -> Result<OpenedGroupInfo, E2eeError> {
    let plaintext = aead::open_padded(keys.channel_key(), &head.text(), sealed, Sealed::GroupInfo)?;
    let mut reader = Reader::new(&plaintext);
    let version = reader.u8()?;
    let group_info = reader.bytes(MAX_GROUP_INFO_BYTES)?.to_vec();
    let opened = match version {
        WHOLE => {
            let ratchet_tree = reader.bytes(MAX_GROUP_INFO_BYTES)?.to_vec();
            OpenedGroupInfo::Whole(GroupInfoBody { group_info, ratchet_tree })
        }
        CHUNKED => OpenedGroupInfo::Chunked { group_info, chunks: ChunkList::read(&mut reader)? },
        _ => return Err(DecodeError::WrongLabel.into()),
    };
    reader.finish()?;
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededEntropy;

    #[test]
    fn opens_for_its_commit_only() {
        let keys = ChannelKeys::from_bytes(&[9; 96]);
        let head =
            GroupInfoHead { channel: ChannelId::new([1; 32]), after_position: 5, commit: MessageId::new([2; 16]) };
        let body = GroupInfoBody { group_info: vec![1; 300], ratchet_tree: vec![2; 3000] };
        let sealed = seal_group_info(&keys, &head, &body, &mut SeededEntropy::new(1)).expect("seals");
        assert_eq!(open_group_info(&keys, &head, &sealed), Ok(OpenedGroupInfo::Whole(body)));
        for other in [
            GroupInfoHead { channel: ChannelId::new([3; 32]), ..head },
            GroupInfoHead { after_position: 6, ..head },
            GroupInfoHead { commit: MessageId::new([3; 16]), ..head },
        ] {
            assert_eq!(open_group_info(&keys, &other, &sealed), Err(E2eeError::CannotOpen { what: Sealed::GroupInfo }));
        }
    }
}
