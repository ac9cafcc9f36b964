//! A commit on its way, with the GroupInfo that goes with it.

use quicprochat_wire::{
    ChannelId, ChunkId, DecodeError, MessageId, Reader, Writer,
    call::channel::{ChainPoint, TreeChange, TreeChunk},
};

use super::{
    StoreFault,
    codec::{Field, List, Stored, stored_enum, stored_struct},
    conversation::Roll,
    outbox::Lease,
    secret::Secret,
};

/// The row of before trees were cut into chunks.
const WITHOUT_CHUNKS: u8 = 1;
const VERSION: u8 = 2;

stored_struct! {
    /// A sealed piece of a ratchet tree.
    StoredChunk {
        /// Its id.
        id: ChunkId,
        /// Its bytes.
        sealed: Vec<u8>,
    }
}

stored_enum! {
    /// The GroupInfo of the epoch that a commit begins.
    PendingGroupInfo {
        /// As it is sent, and sent again.
        Sealed = 0 {
            /// The sealed bytes.
            sealed: Vec<u8>,
            /// Chunks that are new.
            added: List<StoredChunk>,
            /// Chunks that it does not name any more.
            ended: List<ChunkId>,
            /// Whether that is all there are.
            ends_all: bool,
        },
        /// To be sealed once it is known which chunks the server has.
        Open = 1 {
            /// GroupInfo as MLSMessage.
            group_info: Vec<u8>,
            /// Ratchet tree.
            ratchet_tree: Vec<u8>,
        },
    }
}

impl PendingGroupInfo {
    /// As it is to be sent.
    #[must_use]
    pub fn sealed(sealed: Vec<u8>, change: TreeChange) -> Self {
        let chunk = |chunk: TreeChunk| StoredChunk { id: chunk.id, sealed: chunk.sealed };
        let added = change.added.into_iter().map(chunk).collect::<Vec<_>>().into();
        Self::Sealed { sealed, added, ended: change.ended.into(), ends_all: change.ends_all }
    }

    /// What to send; `None` as long as it is not sealed.
    #[must_use]
    pub fn to_send(&self) -> Option<(Vec<u8>, TreeChange)> {
        let Self::Sealed { sealed, added, ended, ends_all } = self else { return None };
        let chunk = |chunk: &StoredChunk| TreeChunk { id: chunk.id, sealed: chunk.sealed.clone() };
        let added = added.iter().map(chunk).collect();
        Some((sealed.clone(), TreeChange { added, ended: ended.to_vec(), ends_all: *ends_all }))
    }
}

stored_struct! {
    /// A commit of this device that is on its way (L3 to L6): at most one a channel. It is sent again as it stands until the
    /// log shows what became of it.
    PendingCommit {
        /// Which channel.
        channel: ChannelId,
        /// Entry id.
        id: MessageId,
        /// The commit it follows.
        after: ChainPoint,
        /// The entry.
        sealed: Vec<u8>,
        /// The GroupInfo of the epoch it begins.
        group_info: PendingGroupInfo,
        /// For a rolling commit.
        roll: Option<Roll>,
        /// Keys in force after it.
        next_keys: Secret<96>,
        /// Identity parts that the entry announces.
        records: List<Vec<u8>>,
        /// Which process is sending it.
        lease: Option<Lease>,
    }
}

stored_struct! {
    /// What a row of version 1 holds.
    WholeCommit {
        /// Which channel.
        channel: ChannelId,
        /// Entry id.
        id: MessageId,
        /// The commit it follows.
        after: ChainPoint,
        /// The entry.
        sealed: Vec<u8>,
        /// Sealed GroupInfo with its whole tree.
        group_info: Vec<u8>,
        /// For a rolling commit.
        roll: Option<Roll>,
        /// Keys in force after it.
        next_keys: Secret<96>,
        /// Identity parts that the entry announces.
        records: List<Vec<u8>>,
        /// Which process is sending it.
        lease: Option<Lease>,
    }
}

impl From<WholeCommit> for PendingCommit {
    fn from(row: WholeCommit) -> Self {
        let WholeCommit { channel, id, after, sealed, group_info, roll, next_keys, records, lease } = row;
        let group_info = PendingGroupInfo::sealed(group_info, TreeChange::default());
        Self { channel, id, after, sealed, group_info, roll, next_keys, records, lease }
    }
}

impl Stored for PendingCommit {
    fn encode(&self) -> Result<Vec<u8>, StoreFault> {
        Ok(self.write(Writer::new().u8(VERSION))?.finish())
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let row = match reader.u8()? {
            WITHOUT_CHUNKS => WholeCommit::read(&mut reader)?.into(),
            VERSION => Self::read(&mut reader)?,
            _ => return Err(DecodeError::WrongLabel),
        };
        reader.finish()?;
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::ChainHash;

    use super::*;

    fn whole() -> WholeCommit {
        WholeCommit {
            channel: ChannelId::new([1; 32]),
            id: MessageId::new([2; 16]),
            after: ChainPoint { position: 3, hash: ChainHash::new([4; 32]) },
            sealed: vec![5; 600],
            group_info: vec![6; 700],
            roll: None,
            next_keys: Secret::new([7; 96]),
            records: vec![vec![8]].into(),
            lease: None,
        }
    }

    #[test]
    fn a_row_of_before_chunks_is_read_and_sent_as_it_stood() {
        let bytes = whole().write(Writer::new().u8(WITHOUT_CHUNKS)).expect("fits").finish();
        let read = PendingCommit::decode(&bytes).expect("a row of version 1");
        assert_eq!(read.group_info.to_send(), Some((vec![6; 700], TreeChange::default())));
        assert_eq!((&read.sealed, &read.after), (&whole().sealed, &whole().after));
        assert_eq!(PendingCommit::decode(&read.encode().expect("fits")), Ok(read));
        assert_eq!(PendingCommit::decode(&[&[3], &bytes[1..]].concat()), Err(DecodeError::WrongLabel));
    }

    #[test]
    fn both_forms_of_a_group_info_are_stored() {
        let chunk = |number: u8| TreeChunk { id: ChunkId::new([number; 32]), sealed: vec![number; 600] };
        let change =
            TreeChange { added: vec![chunk(1), chunk(2)], ended: vec![ChunkId::new([3; 32])], ends_all: false };
        let open = PendingGroupInfo::Open { group_info: vec![1; 9], ratchet_tree: vec![2; 9] };
        assert_eq!(open.to_send(), None);
        let sealed = PendingGroupInfo::sealed(vec![9; 600], change.clone());
        assert_eq!(sealed.to_send(), Some((vec![9; 600], change)));
        for group_info in [open, sealed] {
            let row = PendingCommit { group_info, ..whole().into() };
            assert_eq!(PendingCommit::decode(&row.encode().expect("fits")), Ok(row));
        }
    }
}
