//! What is to leave this device: messages waiting for their channel, and deliveries to other people's inboxes.

use quicprochat_wire::{
    AccountId, ChannelId, MessageId, Timestamp,
    call::{channel::ChainPoint, token::Token},
};

use super::{
    StoreFault,
    codec::{stored_enum, stored_rows, stored_struct},
    secret::SecretBytes,
};

stored_struct! {
    /// A claim of one process on a row, so that two processes on one store do not both send it. Correctness never rests on
    /// it: whatever is sent twice is byte-identical under one id.
    Lease {
        /// The engine that holds it: random, new with every start.
        owner: [u8; 16],
        /// Until when.
        until: Timestamp,
    }
}

stored_struct! {
    /// A message encrypted for one point of the log. Lost when another commit comes first.
    Attempt {
        /// Entry id; another attempt has another.
        id: MessageId,
        /// The commit it names.
        after: ChainPoint,
        /// The entry.
        sealed: Vec<u8>,
    }
}

stored_enum! {
    /// What a waiting message is.
    MessagePurpose {
        /// Something a person or program wrote.
        Content = 0,
        /// The wish to leave (L10).
        Leave = 1,
        /// Something that clients tell each other and do not show (protocol.md, section 9).
        Control = 2,
    }
}

stored_struct! {
    /// A message that is to be written into its channel.
    OutboxMessage {
        /// Order in the outbox; 0 before it is stored.
        row: u64,
        /// The intent's own id, known to whoever asked for it.
        intent: MessageId,
        /// Which channel.
        channel: ChannelId,
        /// What it is.
        purpose: MessagePurpose,
        /// MIMI content.
        content: Vec<u8>,
        /// When it was put here.
        queued: Timestamp,
        /// The attempt that may be on its way.
        attempt: Option<Attempt>,
        /// How many attempts lost against a commit.
        tries: u32,
        /// Not to be tried before.
        not_before: Timestamp,
        /// Which process is sending it.
        lease: Option<Lease>,
    }
}

stored_enum! {
    /// What is delivered.
    DeliveryBody {
        /// Waits for its commit: what an invitation consists of beside the commit's position.
        Staged = 0 {
            /// The recipient's inbox key, from its verified record.
            inbox_key: Vec<u8>,
            /// The Welcome with only this account's group secrets.
            welcome: SecretBytes,
        },
        /// Ready: an inbox entry sealed to the recipient.
        Sealed = 1 {
            /// The bytes.
            sealed: Vec<u8>,
        },
    }
}

stored_struct! {
    /// A delivery to somebody's inbox.
    Delivery {
        /// Idempotency id.
        id: MessageId,
        /// To whom.
        account: AccountId,
        /// The conversation it invites to.
        channel: ChannelId,
        /// The commit that must be accepted first; it stays named afterwards.
        commit: MessageId,
        /// What.
        body: DeliveryBody,
        /// What it is paid with, once chosen.
        token: Option<Token>,
        /// Not before (a random delay after acceptance).
        not_before: Timestamp,
        /// How often it was refused.
        tries: u32,
        /// Which process is sending it.
        lease: Option<Lease>,
    }
}

stored_rows! { OutboxMessage = 1, Delivery = 1, }

/// Where both are kept.
pub trait OutboxStore {
    /// Appends and returns the row number.
    fn push_outbox(&self, message: &OutboxMessage) -> Result<u64, StoreFault>;

    /// Replaces the row of the same number.
    fn put_outbox(&self, message: &OutboxMessage) -> Result<(), StoreFault>;

    /// Removes a row, if present.
    fn delete_outbox(&self, row: u64) -> Result<(), StoreFault>;

    /// Messages waiting in a channel, in order.
    fn outbox_of(&self, channel: &ChannelId) -> Result<Vec<OutboxMessage>, StoreFault>;

    /// Channels with waiting messages, by id, each once.
    fn outbox_channels(&self) -> Result<Vec<ChannelId>, StoreFault>;

    /// The waiting message of an intent.
    fn outbox_by_intent(&self, intent: &MessageId) -> Result<Option<OutboxMessage>, StoreFault>;

    /// Adds or replaces, by id.
    fn put_delivery(&self, delivery: &Delivery) -> Result<(), StoreFault>;

    /// Removes a delivery, if present.
    fn delete_delivery(&self, id: &MessageId) -> Result<(), StoreFault>;

    /// By id.
    fn delivery(&self, id: &MessageId) -> Result<Option<Delivery>, StoreFault>;

    /// All, by id.
    fn deliveries(&self) -> Result<Vec<Delivery>, StoreFault>;
}
