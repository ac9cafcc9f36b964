//! The own inbox: how far it is read, and the invitations found in it.

use quicprochat_wire::{AccountId, ChannelId, MessageId, Timestamp};

use super::{
    StoreFault,
    codec::{stored_enum, stored_rows, stored_struct},
    secret::SecretBytes,
};

stored_enum! {
    /// What became of an invitation.
    InvitationState {
        /// From a stranger: waits for the person.
        Request = 0,
        /// From a contact, or accepted: to be joined.
        Joining = 1,
        /// Joined.
        Joined = 2,
        /// Turned down.
        Blocked = 3,
        /// From somebody unknown, whom the directory has not vouched for yet; not shown.
        Unchecked = 5,
        /// Could not be joined; the conversation's state says why, where there is one.
        Failed = 4,
    }
}

stored_struct! {
    /// An invitation whose sender's signature and record were verified.
    Invitation {
        /// The inbox entry's id.
        id: MessageId,
        /// To which channel.
        channel: ChannelId,
        /// From whom.
        from: AccountId,
        /// The sender's name as its record says.
        from_name: String,
        /// The sender's identity part.
        identity: Vec<u8>,
        /// The invitation as it was opened.
        body: SecretBytes,
        /// When this device read it.
        received: Timestamp,
        /// What became of it.
        state: InvitationState,
    }
}

stored_rows! { Invitation = 1, }

/// Where they are kept.
pub trait InboxStore {
    /// Position of the last inbox entry read; 0 at first.
    fn inbox_cursor(&self) -> Result<u64, StoreFault>;

    /// Moves it.
    fn put_inbox_cursor(&self, cursor: u64) -> Result<(), StoreFault>;

    /// By id.
    fn invitation(&self, id: &MessageId) -> Result<Option<Invitation>, StoreFault>;

    /// All, by id.
    fn invitations(&self) -> Result<Vec<Invitation>, StoreFault>;

    /// Adds or replaces.
    fn put_invitation(&self, invitation: &Invitation) -> Result<(), StoreFault>;

    /// Removes it, if present.
    fn delete_invitation(&self, id: &MessageId) -> Result<(), StoreFault>;
}
