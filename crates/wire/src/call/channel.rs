//! Channels: one ordered log of ciphertext per conversation (DESIGN L1 to L13).

use super::token::Token;
use crate::{
    chain,
    id::{AccessPublicKey, ChainHash, ChannelId, ChunkId, MessageId},
    time::Timestamp,
};

/// A position in the log together with the chain's value there. Position 0 is the empty log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct ChainPoint {
    /// Sequence number; the first entry has 1.
    pub position: u64,
    /// `h(position)` (DESIGN L2).
    pub hash: ChainHash,
}

/// What the server may know of an entry's content.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum EntryKind {
    /// An application message.
    Message,
    /// A commit.
    Commit,
}

/// Creates a channel; its log is empty. Costs a token. Idempotent: the same id with the same contents is answered `done`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelCreate {
    /// Random.
    pub channel: ChannelId,
    /// First access key.
    pub access: AccessPublicKey,
    /// Sealed GroupInfo of the group's first epoch, at position 0.
    pub group_info: Vec<u8>,
    /// First keyring.
    pub keyring: Vec<u8>,
    /// Pays for it.
    pub token: Token,
}

/// Proves possession of an access key, once per connection and key (DESIGN L8). Any key the channel ever had may attach;
/// only the current one gets entries and may enqueue, an earlier one gets the keyring.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelAttach {
    /// Which channel.
    pub channel: ChannelId,
    /// Which key.
    pub access: AccessPublicKey,
    /// Ed25519 by the access key over the attach text of protocol.md. 64 bytes.
    pub signature: Vec<u8>,
}

/// Where a channel stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelState {
    /// Whether the attached key is the current one.
    pub current: bool,
    /// The key in force, whether or not it is the one attached: members check it against the derived one, and the keyring opens
    /// only with it (L7).
    pub access: AccessPublicKey,
    /// Since which position the current key is in force.
    pub access_since: u64,
    /// The last commit; position 0 if there is none. Zero hash if `current` is false.
    pub last_commit: ChainPoint,
    /// The last entry of the log.
    pub last: ChainPoint,
    /// The lowest sequence number that is still kept.
    pub first: u64,
}

/// Appends an entry if it names the last commit (DESIGN L3). Idempotent by `id`, looked up before the comparison (L5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelEnqueue {
    /// Which channel; its current key must be attached on this connection.
    pub channel: ChannelId,
    /// Client-chosen.
    pub id: MessageId,
    /// The last commit as the writer knows it.
    pub after_commit: ChainPoint,
    /// The sealed entry.
    pub sealed: Vec<u8>,
    /// Present for commits.
    pub commit: Option<CommitParts>,
}

/// What a commit brings along, stored in the same transaction (DESIGN L6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitParts {
    /// Sealed GroupInfo of the epoch it begins. Empty in a [`RestoredEntry`] whose holder has none.
    pub group_info: Vec<u8>,
    /// For a rolling commit: the next access key, in force for every later entry, and the keyring that goes with it.
    pub roll: Option<AccessRoll>,
    /// Which chunks of the ratchet tree change.
    pub tree: TreeChange,
}

/// How the chunks that a GroupInfo names differ from those that the one before names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TreeChange {
    /// Chunks that are new; their ids are new to the channel.
    pub added: Vec<TreeChunk>,
    /// Chunks in use that it does not name any more. They are kept as long as a GroupInfo that may name them.
    pub ended: Vec<ChunkId>,
    /// Ends all chunks in use, whichever they are; `ended` is empty.
    pub ends_all: bool,
}

/// A sealed piece of a ratchet tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreeChunk {
    /// As chosen by the writer.
    pub id: ChunkId,
    /// Its bytes.
    pub sealed: Vec<u8>,
}

/// What a rolling commit changes (DESIGN L7).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessRoll {
    /// The next access key.
    pub access: AccessPublicKey,
    /// The new keys, sealed to each remaining account.
    pub keyring: Vec<u8>,
}

/// What became of an enqueue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Enqueued {
    /// In the log, synced to disk.
    Accepted {
        /// Its position and the chain's value there.
        at: ChainPoint,
        /// When the server accepted it, rounded down to the minute, as readers are told; `None` if what stands there has
        /// expired.
        time: Option<Timestamp>,
    },
    /// Another commit came first; read on from there, rebuild, and try again.
    Stale {
        /// The last commit.
        last_commit: ChainPoint,
    },
    /// The server does not know the commit that was named: it lost or changed its past.
    Diverged {
        /// The last commit it knows.
        last_commit: ChainPoint,
        /// The end of the log it knows.
        last: ChainPoint,
    },
}

/// Offers entries that the server lost, as they stood in the log (DESIGN L3): all of them are in it afterwards, or nothing is
/// done. What is there already is passed over, so that any number of holders may offer the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelRestore {
    /// Which channel; its current key must be attached on this connection.
    pub channel: ChannelId,
    /// What the first entry follows: where the log of the server, as `channel-attach` told its end, agrees with the holder's.
    pub after: ChainPoint,
    /// In order and without gaps, 1 to 512, and no more than fit a frame. One that brings the next access key is the last.
    pub entries: Vec<RestoredEntry>,
}

/// An entry that is offered again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RestoredEntry {
    /// As chosen by its writer.
    pub id: MessageId,
    /// The commit it named.
    pub after_commit: ChainPoint,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
    /// As readers were told it. The server takes one not before that of the entry before, nor after its own time.
    pub time: Timestamp,
    /// Present for commits. Without a GroupInfo `tree` changes nothing.
    pub commit: Option<CommitParts>,
}

impl RestoredEntry {
    /// Message or commit.
    #[must_use]
    pub const fn kind(&self) -> EntryKind {
        if self.commit.is_some() { EntryKind::Commit } else { EntryKind::Message }
    }

    /// Where it stands, given what it follows.
    #[must_use]
    pub fn at(&self, after: &ChainPoint) -> ChainPoint {
        let position = after.position.saturating_add(1);
        let hash = chain::link(&after.hash, position, &self.id, self.kind(), &self.after_commit, &self.sealed);
        ChainPoint { position, hash }
    }
}

/// What became of the entries of a [`ChannelRestore`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum RestoreOutcome {
    /// All are in the log, synced to disk.
    Whole,
    /// The log ends before `after`; nothing was done. Begin at its end.
    Short,
    /// Something else stands at one of their positions; nothing was done.
    Diverged,
}

/// Answer to [`ChannelRestore`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Restored {
    /// What became of them.
    pub outcome: RestoreOutcome,
    /// How many of them the server did not have.
    pub added: u32,
    /// The last commit after the call.
    pub last_commit: ChainPoint,
    /// The end of the log after the call.
    pub last: ChainPoint,
}

/// Reads a page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelRead {
    /// Which channel; its current key must be attached.
    pub channel: ChannelId,
    /// Entries with a sequence number above this.
    pub after: u64,
    /// Most entries wanted; 0 for no other limit than that of a page.
    pub limit: u16,
}

/// Reads the log and goes on with what arrives. Ends with `access-denied` when the attached key is replaced and the rolling
/// commit has been pushed; attach the next key and subscribe again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelSubscribe {
    /// Which channel; its current key must be attached.
    pub channel: ChannelId,
    /// Entries with a sequence number above this.
    pub after: u64,
}

/// Entries in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelPage {
    /// In order of `seq`, without gaps.
    pub entries: Vec<ChannelEntry>,
    /// Whether there is more at this moment.
    pub more: bool,
}

/// One entry of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelEntry {
    /// Position.
    pub seq: u64,
    /// As chosen by the writer.
    pub id: MessageId,
    /// Message or commit.
    pub kind: EntryKind,
    /// The commit it named.
    pub after_commit: ChainPoint,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
    /// For a rolling commit: the access key the server recorded.
    pub next_access: Option<AccessPublicKey>,
    /// When the server accepted it, rounded down to the minute.
    pub time: Timestamp,
}

/// Fetches the GroupInfo stored by the commit at `position` (0: by `channel-create`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelGroupInfo {
    /// Which channel; its current key must be attached.
    pub channel: ChannelId,
    /// Which commit; `u64::MAX` for the last.
    pub position: u64,
}

/// A sealed GroupInfo.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupInfo {
    /// The commit that stored it.
    pub at: ChainPoint,
    /// Sealed under the channel key in force after that commit.
    pub sealed: Vec<u8>,
    /// Id of that commit; zero for `channel-create`.
    pub commit: MessageId,
    /// The commit that it named; the empty log for `channel-create`. Known also when the commit's content has expired.
    pub after_commit: ChainPoint,
}

/// Fetches chunks of the ratchet tree, as a GroupInfo names them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelChunks {
    /// Which channel; its current key must be attached.
    pub channel: ChannelId,
    /// Which chunks; one at least.
    pub ids: Vec<ChunkId>,
}

/// Chunks of a ratchet tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreeChunks {
    /// Those of the first ids asked for, in their order: one at least, and as many as fit a page. Empty where there is none.
    pub chunks: Vec<Vec<u8>>,
}

/// Fetches the current keyring; any key the channel ever had may (DESIGN L7).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelKeyring {
    /// Which channel.
    pub channel: ChannelId,
}

/// The current keyring.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keyring {
    /// The commit that stored it.
    pub at: ChainPoint,
    /// As `quicprochat-e2ee` encodes it.
    pub keyring: Vec<u8>,
}

/// Deletes the channel and everything in it; the last member does (DESIGN L10).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelDelete {
    /// Which channel; its current key must be attached.
    pub channel: ChannelId,
}
