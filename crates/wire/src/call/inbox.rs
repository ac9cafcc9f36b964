//! Inboxes: a log per account of entries sealed to its inbox key (DESIGN A3).

use super::token::Token;
use crate::id::{AccountId, MessageId};

/// Leaves an entry in somebody's inbox. Costs a token. Idempotent by `id`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InboxDeliver {
    /// To whom.
    pub account: AccountId,
    /// Client-chosen; the same id again is answered `done` and changes nothing (the token is not spent again).
    pub id: MessageId,
    /// HPKE-sealed, padded.
    pub sealed: Vec<u8>,
    /// Pays for it.
    pub token: Token,
}

/// Reads a page of one's own inbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InboxRead {
    /// Entries with a sequence number above this; the first has number 1.
    pub after: u64,
    /// Most entries wanted; 0 for no other limit than that of a page.
    pub limit: u16,
}

/// Reads the inbox and goes on with what arrives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InboxSubscribe {
    /// Entries with a sequence number above this.
    pub after: u64,
}

/// Entries in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InboxPage {
    /// In order of `seq`.
    pub entries: Vec<InboxEntry>,
    /// Whether there is more at this moment.
    pub more: bool,
}

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InboxEntry {
    /// Position in the inbox.
    pub seq: u64,
    /// As chosen by the sender.
    pub id: MessageId,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
}
