//! Other people's accounts, as this device remembers them.

use quicprochat_wire::{AccountId, Timestamp};

use super::{
    StoreFault,
    codec::{stored_enum, stored_rows, stored_struct},
};

stored_enum! {
    /// How far somebody is let in.
    Relation {
        /// Seen in a group or a request.
        Seen = 0,
        /// Invited, written to, accepted or verified by this account: joins by itself.
        Contact = 1,
        /// Requests are dropped.
        Blocked = 2,
    }
}

stored_struct! {
    /// One account with its pinned identity.
    Contact {
        /// The pinned account.
        account: AccountId,
        /// Its name, without host.
        name: String,
        /// Its home, empty for the own server.
        host: String,
        /// The newest identity part seen and verified.
        identity: Vec<u8>,
        /// Serial of that part; an older one is refused.
        serial: u64,
        /// How far it is let in.
        relation: Relation,
        /// Whether the person compared the safety number.
        verified: bool,
        /// An identity part for the same name under another key: blocks sending and inviting until accepted.
        changed: Option<Vec<u8>>,
        /// Whether the directory vouched for name and account; otherwise the name is only what the account's record claims.
        confirmed: bool,
        /// The pin of a confirmed contact, as `trust::ContactPin` encodes it; empty for others.
        pin: Vec<u8>,
        /// Whether the name belongs to another account since a changed key was accepted.
        superseded: bool,
        /// When it was first pinned.
        first_seen: Timestamp,
    }
}

stored_rows! { Contact = 1, }

/// Where contacts are kept.
pub trait ContactStore {
    /// By account.
    fn contact(&self, account: &AccountId) -> Result<Option<Contact>, StoreFault>;

    /// The confirmed contact that holds a name (never a superseded one).
    fn contact_by_name(&self, name: &str, host: &str) -> Result<Option<Contact>, StoreFault>;

    /// All, by account id.
    fn all_contacts(&self) -> Result<Vec<Contact>, StoreFault>;

    /// Adds or replaces.
    fn put_contact(&self, contact: &Contact) -> Result<(), StoreFault>;
}
