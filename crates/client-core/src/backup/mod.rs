//! What is in a backup: the account's knowledge, and nothing of the device.
//!
//! ```text
//!   item ── one piece: account, contact, conversation, history, end     content ── store ──▶ items
//!   reader ── bytes in pieces of any size ──▶ items                     import ── items ──▶ store
//! ```
//!
//! No ratchet state, no device key, no vault key and no identity key is in it: a backup that is put back anywhere, any number
//! of times, makes no key or nonce come twice. A device that has the account (`login`) and a backup enters each conversation
//! anew. The envelope is `quicprochat_e2ee::backup`. Shape: section 12 of the protocol.

mod content;
mod import;
mod item;
mod reader;

use quicprochat_wire::{AccountId, DecodeError};

pub use content::write;
pub use import::{Checker, Import};
pub use item::{AccountItem, ContactItem, ConversationItem, Counts, Item, MAX_ITEM_BYTES};
pub use reader::ItemReader;

use crate::{history::RecordError, store::StoreFault};

/// Why the content of a backup cannot be taken over.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// What is in it does not read.
    #[error("the content of the backup is damaged: {0}")]
    Damaged(#[from] DecodeError),
    /// A record of its history does not read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Its parts are not those that were written: one is missing, comes twice or in another place.
    #[error("the content of the backup is incomplete")]
    Incomplete,
    /// A contact's identity does not verify.
    #[error("the backup has a contact whose signed record does not verify")]
    BadContact,
    /// It is of another account than this home's.
    #[error("this is a backup of {name}@{host} ({}), another account than this home's", account.short())]
    OtherAccount {
        /// The other account.
        account: AccountId,
        /// Its name.
        name: String,
        /// Its host.
        host: String,
    },
    /// The home has no account to restore into.
    #[error("this home has no account; run login first, with the password or the recovery key")]
    NoAccount,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// What an import did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Imported {
    /// Contacts that were missing, or of which something better is known now.
    pub contacts: u64,
    /// Conversations that were missing.
    pub conversations: u64,
    /// Entries that were missing.
    pub entries: u64,
    /// Entries that were there already.
    pub known: u64,
    /// Entries and parts that only a later version understands.
    pub later: u64,
    /// Conversations on another server, which were left out.
    pub elsewhere: u64,
}

#[cfg(test)]
mod tests;
