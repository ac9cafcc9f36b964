//! The account's state on this device: the document that all devices share, and what views need of it.

use quicprochat_wire::{AccountId, ChannelId, Digest, Timestamp};

use super::{
    StoreFault,
    codec::{List, stored_rows, stored_struct},
    contact::Relation,
};

stored_struct! {
    /// A key of the document that this device set and that is not known to be in the vault.
    UnsentKey {
        /// Which.
        key: String,
        /// How many operations of this device the document had afterwards.
        clock: u32,
    }
}

stored_struct! {
    /// What stands at the server in the place of a record.
    RecordVersion {
        /// Which record.
        id: u32,
        /// Its version.
        version: u64,
    }
}

stored_struct! {
    /// The document, and how far vault and device know of each other.
    AccountState {
        /// The document as `state::Document` encodes it.
        content: Vec<u8>,
        /// This device's name in it.
        client: u64,
        /// How many operations of this device may be in the vault. More than these are of a copy of this store.
        sent: u32,
        /// What is not known to be there.
        unsent: List<UnsentKey>,
        /// When it is to be written, if there is anything to write.
        due: Option<Timestamp>,
        /// Whether a person changed something since it was written last.
        by_hand: bool,
        /// The records that were last seen or stored.
        versions: List<RecordVersion>,
    }
}

stored_struct! {
    /// What a person set for a conversation, on whichever device.
    ConversationSettings {
        /// Which.
        channel: ChannelId,
        /// Called so in place of its title.
        title: Option<String>,
        /// No notifications until then; the largest time for ever.
        muted_until: Option<Timestamp>,
        /// Put away.
        archived: bool,
        /// Kept on top.
        pinned: bool,
        /// Place among those that have one, the smallest first.
        order: Option<u32>,
        /// What was begun to be written.
        draft: Option<String>,
        /// Position up to which it was read.
        read_to: u64,
    }
}

impl ConversationSettings {
    /// Those of a conversation for which nothing was set.
    #[must_use]
    pub const fn new(channel: ChannelId) -> Self {
        Self {
            channel,
            title: None,
            muted_until: None,
            archived: false,
            pinned: false,
            order: None,
            draft: None,
            read_to: 0,
        }
    }
}

stored_struct! {
    /// What the account's devices know of somebody, whether this one has met them or not.
    KnownContact {
        /// Whom.
        account: AccountId,
        /// The name, without host; empty if no device has pinned it.
        name: String,
        /// Its home, empty for the own server.
        host: String,
        /// SHA-256 of the composite key that a device pinned.
        key: Option<Digest>,
        /// How far it is let in, if a person decided that.
        relation: Option<Relation>,
        /// SHA-256 of the composite key whose safety number was compared.
        verified: Option<Digest>,
    }
}

stored_rows! { AccountState = 1, ConversationSettings = 1, KnownContact = 1, }

/// Where they are kept.
pub trait StateStore {
    /// The document.
    fn account_state(&self) -> Result<Option<AccountState>, StoreFault>;

    /// Adds or replaces.
    fn put_account_state(&self, state: &AccountState) -> Result<(), StoreFault>;

    /// Of one conversation.
    fn conversation_settings(&self, channel: &ChannelId) -> Result<Option<ConversationSettings>, StoreFault>;

    /// Adds or replaces.
    fn put_conversation_settings(&self, settings: &ConversationSettings) -> Result<(), StoreFault>;

    /// By account.
    fn known_contact(&self, account: &AccountId) -> Result<Option<KnownContact>, StoreFault>;

    /// Whoever has a name pinned, by account: more than one where devices pinned different keys for it.
    fn known_contacts_by_name(&self, name: &str, host: &str) -> Result<Vec<KnownContact>, StoreFault>;

    /// Adds or replaces.
    fn put_known_contact(&self, contact: &KnownContact) -> Result<(), StoreFault>;
}
