//! The readable log of each conversation.

use quicprochat_wire::{AccountId, ChannelId, DeviceId, MessageId, Timestamp};

use super::{
    StoreFault,
    codec::{List, stored_enum, stored_rows, stored_struct},
};

stored_enum! {
    /// What an entry of the channel meant.
    LogBody {
        /// An application message: MIMI content.
        Content = 0 {
            /// The decrypted content.
            content: Vec<u8>,
        },
        /// A commit changed who is in the group.
        Membership = 1 {
            /// Accounts that had no leaf before.
            added: List<AccountId>,
            /// Accounts that have no leaf any more.
            removed: List<AccountId>,
            /// Devices added to accounts that were members already.
            devices_added: u32,
            /// Devices removed from accounts that stay.
            devices_removed: u32,
        },
        /// A commit changed the title.
        Renamed = 2 {
            /// The new title.
            title: String,
        },
        /// The sender wishes to leave.
        Leave = 3,
        /// This device made the conversation or joined here.
        Joined = 4,
        /// A commit that only renewed a leaf.
        Updated = 5,
        /// This device entered anew and cannot read what was written in between (M2).
        Gap = 6 {
            /// First position that is missing.
            from: u64,
            /// Last one.
            to: u64,
        },
        /// An application message that this device could not read, as a member sent it again (M2): it may not be what was
        /// written, or by whom.
        Relayed = 7 {
            /// Who sent it again.
            by: AccountId,
            /// The content, as that member has it.
            content: Vec<u8>,
        },
        /// Here the conversation goes on from another channel, for which somebody had a key recorded that does not belong to it
        /// (L11).
        Replaced = 8 {
            /// Who did, if it is known.
            culprit: Option<AccountId>,
        },
    }
}

stored_struct! {
    /// One entry of a channel's log that this device could read.
    LogEntry {
        /// Order of arrival on this device, over all conversations; 0 before it is stored, and for what was imported.
        index: u64,
        /// Which conversation.
        channel: ChannelId,
        /// Position in the channel.
        seq: u64,
        /// The entry's id.
        id: MessageId,
        /// Who wrote it.
        sender: AccountId,
        /// On which device.
        device: DeviceId,
        /// When the server took it, to the minute.
        time: Timestamp,
        /// When the writer says it was written; the server's time where nothing is said.
        sent_at: Timestamp,
        /// For a message of this device: the intent it was queued under.
        intent: Option<MessageId>,
        /// What it says.
        body: LogBody,
    }
}

stored_rows! { LogEntry = 1, }

/// Where the logs are kept.
pub trait MessageStore {
    /// Appends and returns the entry's index. An entry that stands at (channel, seq) already is kept as it is; its index is
    /// returned.
    fn append_message(&self, entry: &LogEntry) -> Result<u64, StoreFault>;

    /// Puts in an entry of the past, which this device did not hear itself (from a backup, an archive, another device), and
    /// says whether it was missing. An entry that stands at (channel, seq) already is kept as it is. What was imported has no
    /// order of arrival: its index is 0, and [`Self::arrivals`] and [`Self::last_arrival`] know nothing of it, also when
    /// others are appended later.
    fn import_message(&self, entry: &LogEntry) -> Result<bool, StoreFault>;

    /// Says anew what the entry at (channel, seq) meant; nothing happens if there is none. Only gaps change.
    fn replace_body(&self, channel: &ChannelId, seq: u64, body: &LogBody) -> Result<(), StoreFault>;

    /// Puts an entry in the place of the one at (channel, seq), which keeps its index; nothing happens if there is none. Only
    /// what members sent again changes: an own device knows better.
    fn replace_message(&self, entry: &LogEntry) -> Result<(), StoreFault>;

    /// Whether `sender` has written `id` in this channel before (DESIGN L5).
    fn message_seen(&self, channel: &ChannelId, sender: &AccountId, id: &MessageId) -> Result<bool, StoreFault>;

    /// The entry with this id, by whomever.
    fn message_by_id(&self, channel: &ChannelId, id: &MessageId) -> Result<Option<LogEntry>, StoreFault>;

    /// Entries of a channel with a position above `after`, in order, at most `limit`.
    fn messages_of(&self, channel: &ChannelId, after: u64, limit: usize) -> Result<Vec<LogEntry>, StoreFault>;

    /// The last entries of a channel, in order, at most `limit`.
    fn last_messages(&self, channel: &ChannelId, limit: usize) -> Result<Vec<LogEntry>, StoreFault>;

    /// Entries of all conversations in order of arrival, with an index above `after`, at most `limit`.
    fn arrivals(&self, after: u64, limit: usize) -> Result<Vec<LogEntry>, StoreFault>;

    /// The highest index there is, 0 for none.
    fn last_arrival(&self) -> Result<u64, StoreFault>;
}
