//! Conversations and the state of their channels.
//!
//! ```text
//!   Creating ──created──▶ Active ──leave sent──▶ Left
//!   Joining ───joined───▶   │ ├──▶ Removed      by a commit, or cut off while away
//!                           │ ├──▶ NeedsRejoin  this device alone cannot follow (L9); mends itself by entering anew (M2) ──▶ Active
//!                           │ ├──▶ Diverged     the server lost or changed its past (L3); mends itself where somebody gives it back ──▶ Active
//!                           │ ├──▶ Replacing ──▶ Replaced   a key that was not derived was recorded: another channel takes its place (L11)
//!                           │ │        └──────▶ Spoilt      and none could
//!                           └─┴──▶ Gone         the channel does not exist at the server
//! ```

use quicprochat_wire::{
    AccessPublicKey, AccountId, ChannelId, DecodeError, DeviceId, Digest, Reader, Timestamp, Writer,
    call::channel::ChainPoint, call::token::Token,
};
use zeroize::Zeroizing;

use super::{
    StoreFault,
    codec::{Field, List, Stored, stored_enum, stored_rows, stored_struct},
    pending_commit::PendingCommit,
    secret::Secret,
};

stored_enum! {
    /// What a conversation is for.
    ConversationKind {
        /// A group with a title.
        Group = 0,
        /// Two accounts.
        Direct = 1,
    }
}

stored_enum! {
    /// Why this device cannot follow a conversation (L9). It enters anew by external commit as soon as it can (M2).
    RejoinReason {
        /// The GroupInfo of the commit to start at is no longer kept.
        GroupInfoGone = 0,
        /// The Welcome does not open or does not fit the channel.
        BadWelcome = 1,
        /// A commit that everybody else can follow failed here.
        CommitFailed = 2,
        /// Entries between the cursor and the oldest one kept have expired.
        EntriesExpired = 3,
        /// The local group state is missing or damaged.
        GroupLost = 4,
        /// The account is in it, and this device, enrolled since, is not yet: all that is known is from the vault.
        NewDevice = 5,
        /// A commit that everybody else can follow failed here, and what the others must have computed is known.
        CommitSpoilt = 6 {
            /// The epoch that it begins.
            epoch: u64,
            /// Confirmed transcript hash of that epoch.
            transcript: Digest,
        },
        /// The GroupInfo at the server is of another past than what this device has read: it waits for another one.
        OtherPast = 7 {
            /// The epoch in which they differ.
            epoch: u64,
            /// Confirmed transcript hash of that epoch, as this device has it.
            transcript: Digest,
        },
        /// Records of members are missing, without which the keys cannot be rolled.
        RecordsMissing = 8,
        /// The members did not follow this device's entry.
        NotFollowed = 9,
        /// The log has entries of this device that its store does not know: the store was put back to an older copy, or is in
        /// use twice.
        StoreRolledBack = 10,
    }
}

stored_enum! {
    /// Where a conversation stands.
    ConversationState {
        /// Being created at the server.
        Creating = 0,
        /// In it.
        Active = 1,
        /// The wish to leave is in the outbox.
        Leaving = 2,
        /// Left.
        Left = 3,
        /// Removed, or cut off while away.
        Removed = 4,
        /// This device alone cannot follow.
        NeedsRejoin = 5 {
            /// Why.
            reason: RejoinReason,
        },
        /// The server lost or changed its past.
        Diverged = 6,
        /// The server recorded an access key that was not derived, and no other channel could take this one's place.
        Spoilt = 7,
        /// The channel is not there.
        Gone = 8,
        /// The server recorded an access key that was not derived: the channel that is to take this one's place is looked for, and
        /// made if it is not there (L11).
        Replacing = 9 {
            /// Which replacement is tried, from 1.
            number: u32,
            /// When this device read the commit that spoilt the channel.
            since: Timestamp,
        },
        /// Another channel took its place. What was read here stays; nothing is read or written any more.
        Replaced = 10 {
            /// Which.
            by: ChannelId,
        },
    }
}

stored_struct! {
    /// A leaf of the group.
    MemberDevice {
        /// Leaf index.
        leaf: u32,
        /// Whose.
        account: AccountId,
        /// Which device.
        device: DeviceId,
        /// Which identity part the leaf names.
        identity_hash: Digest,
    }
}

stored_struct! {
    /// A member whose wish to leave is in the log and whose removal is not (L10).
    Leaver {
        /// Who.
        account: AccountId,
        /// When this device read it.
        since: Timestamp,
    }
}

stored_struct! {
    /// Keys from the keyring that are newer than what the cursor has reached (L7).
    KeysAhead {
        /// Access seed, channel key, rejoin key.
        keys: Secret<96>,
        /// The epoch that derived them.
        epoch: u64,
    }
}

stored_struct! {
    /// A conversation: one channel, one MLS group.
    Conversation {
        /// Its channel, which is also its id.
        channel: ChannelId,
        /// Group or direct.
        kind: ConversationKind,
        /// Its title; empty for a direct one.
        title: String,
        /// For a direct one: the other account.
        peer: Option<AccountId>,
        /// Where it stands.
        state: ConversationState,
        /// MLS cipher suite number.
        suite: u16,
        /// The last entry read.
        cursor: ChainPoint,
        /// The last commit at or before the cursor.
        last_commit: ChainPoint,
        /// The end of the log as the server last told.
        head: u64,
        /// MLS epoch at the cursor.
        epoch: u64,
        /// Access seed, channel key, rejoin key in force at the cursor.
        keys: Secret<96>,
        /// Position of the commit that derived them, 0 for epoch 0.
        keys_since: u64,
        /// Newer keys from the keyring.
        ahead: Option<KeysAhead>,
        /// The leaves, in order.
        members: List<MemberDevice>,
        /// Who waits to be removed.
        leavers: List<Leaver>,
        /// When the own leaf was last replaced.
        leaf_updated: Timestamp,
        /// Whether the own leaf is still the one from the KeyPackage (M3).
        fresh_leaf: bool,
        /// When this device made or joined it.
        since: Timestamp,
        /// Who invited this device, if somebody did.
        inviter: Option<AccountId>,
        /// Its MLS group, named after the first channel it was in. Not known for certain as long as there are no members.
        group: ChannelId,
        /// The channel that it took the place of (L11).
        replaces: Option<ChannelId>,
        /// How many replacements in a row led here without whoever spoilt a channel having been removed.
        rounds: u32,
        /// Position of the commit whose recorded access key was not the derived one.
        spoilt_at: Option<u64>,
    }
}

/// The row of before channels could be replaced.
const FIRST: u8 = 1;
const VERSION: u8 = 2;

impl Conversation {
    /// What version 2 put at the end, for a row of version 1: its channel, which comes first, is its group's only one.
    fn added_since_first(fields: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let channel = ChannelId::new(Reader::new(fields).array()?);
        let (no_channel, no_rounds, no_position) = (0, 0, 0);
        Ok(Writer::new().fixed(channel).u8(no_channel).u32(no_rounds).u8(no_position).finish())
    }
}

impl Stored for Conversation {
    fn encode(&self) -> Result<Vec<u8>, StoreFault> {
        Ok(self.write(Writer::new().u8(VERSION))?.finish())
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let version = Reader::new(bytes).u8()?;
        let mut fields = Zeroizing::new(bytes.get(1..).unwrap_or_default().to_vec());
        match version {
            FIRST => {
                let added = Self::added_since_first(&fields)?;
                *fields = [fields.as_slice(), &added].concat();
            }
            VERSION => {}
            _ => return Err(DecodeError::WrongLabel),
        }
        let mut reader = Reader::new(&fields);
        let row = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(row)
    }
}

stored_struct! {
    /// A `channel-create` that is not acknowledged; sent again as it stands.
    Creation {
        /// Which channel.
        channel: ChannelId,
        /// Its first access key.
        access: AccessPublicKey,
        /// Sealed GroupInfo of epoch 0.
        group_info: Vec<u8>,
        /// First keyring.
        keyring: Vec<u8>,
        /// What it is paid with, once chosen.
        token: Option<Token>,
    }
}

stored_struct! {
    /// The next access key and keyring of a rolling commit.
    Roll {
        /// Next access key.
        access: AccessPublicKey,
        /// Keyring that goes with it.
        keyring: Vec<u8>,
    }
}

stored_rows! { Creation = 1, RejoinReason = 1, }

/// Where conversations are kept.
pub trait ConversationStore {
    /// By channel.
    fn conversation(&self, channel: &ChannelId) -> Result<Option<Conversation>, StoreFault>;

    /// All, by channel id.
    fn all_conversations(&self) -> Result<Vec<Conversation>, StoreFault>;

    /// Adds or replaces.
    fn put_conversation(&self, conversation: &Conversation) -> Result<(), StoreFault>;

    /// Removes the row; its log stays.
    fn delete_conversation(&self, channel: &ChannelId) -> Result<(), StoreFault>;

    /// The unacknowledged creation of a channel.
    fn creation(&self, channel: &ChannelId) -> Result<Option<Creation>, StoreFault>;

    /// Adds or replaces.
    fn put_creation(&self, creation: &Creation) -> Result<(), StoreFault>;

    /// Removes it, if present.
    fn delete_creation(&self, channel: &ChannelId) -> Result<(), StoreFault>;

    /// The commit on its way in a channel.
    fn pending_commit(&self, channel: &ChannelId) -> Result<Option<PendingCommit>, StoreFault>;

    /// Adds or replaces.
    fn put_pending_commit(&self, commit: &PendingCommit) -> Result<(), StoreFault>;

    /// Removes it, if present.
    fn delete_pending_commit(&self, channel: &ChannelId) -> Result<(), StoreFault>;
}

stored_struct! {
    /// An identity part that was announced inside a conversation (DESIGN L7: keyrings are sealed to these, never to what the
    /// directory alone says).
    AnnouncedRecord {
        /// Where.
        channel: ChannelId,
        /// Whose.
        account: AccountId,
        /// Its serial.
        serial: u64,
        /// Its identity hash.
        hash: Digest,
        /// The signed bytes.
        part: Vec<u8>,
    }
}

stored_rows! { AnnouncedRecord = 1, }

/// Where announced identity parts are kept: all of them, as leaves may name older ones.
pub trait RecordStore {
    /// Adds one; the same (channel, hash) again changes nothing.
    fn put_record(&self, record: &AnnouncedRecord) -> Result<(), StoreFault>;

    /// All of a conversation, by account and then serial.
    fn records_of(&self, channel: &ChannelId) -> Result<Vec<AnnouncedRecord>, StoreFault>;

    /// By the hash a leaf names.
    fn record_by_hash(&self, channel: &ChannelId, hash: &Digest) -> Result<Option<AnnouncedRecord>, StoreFault>;
}

impl Conversation {
    /// Whether there is still something to do at the server: it is being created, or this device is in it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.state, ConversationState::Creating | ConversationState::Active | ConversationState::Leaving)
    }

    /// Whether it is attached to: it is worked on, or has stopped.
    #[must_use]
    pub fn is_looked_at(&self) -> bool {
        self.is_worked_on() || self.has_stopped()
    }

    /// Whether nothing is done there but to look whether the server has again what it had lost.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        matches!(self.state, ConversationState::Diverged | ConversationState::Gone)
    }

    /// Whether it is worked on at the server: it is live, or this device is to enter it anew, or to go on in another channel.
    #[must_use]
    pub fn is_worked_on(&self) -> bool {
        self.is_live() || self.is_replacing() || matches!(self.state, ConversationState::NeedsRejoin { .. })
    }

    /// Whether the channel that is to take its place is looked for.
    #[must_use]
    pub fn is_replacing(&self) -> bool {
        matches!(self.state, ConversationState::Replacing { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::conversation;

    #[test]
    fn a_row_of_before_replacements_is_read_as_the_only_channel_of_its_group() {
        let channel = ChannelId::new([1; 32]);
        let newest = conversation(channel);
        let mut bytes = newest.encode().expect("fits");
        // What version 2 added: a group, and three fields that say nothing.
        bytes.truncate(bytes.len() - 32 - 1 - 4 - 1);
        *bytes.first_mut().expect("a version") = FIRST;
        assert_eq!(Conversation::decode(&bytes), Ok(newest.clone()));
        assert_eq!((newest.group, newest.replaces), (channel, None));
        bytes.push(0);
        assert!(Conversation::decode(&bytes).is_err());
    }
}
