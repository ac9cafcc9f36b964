//! What happened, for whoever watches.

use quicprochat_wire::{AccountId, ChannelId, MessageId, time::Duration};

use crate::store::{ConversationState, LogEntry};

/// Something worth telling. What it tells is in the store already.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A new entry in a conversation's log: a message (also an own one), a change of members or title.
    Logged(LogEntry),
    /// A message waits for the server.
    Queued {
        /// Where.
        channel: ChannelId,
        /// Which.
        intent: MessageId,
    },
    /// A message of this device stands in the log.
    Accepted {
        /// Where.
        channel: ChannelId,
        /// Which intent.
        intent: MessageId,
        /// Entry id.
        id: MessageId,
        /// Position.
        seq: u64,
    },
    /// A waiting message was refused for good and is no longer in the outbox.
    Rejected {
        /// Where.
        channel: ChannelId,
        /// Which intent.
        intent: MessageId,
        /// The server's reason.
        code: quicprochat_wire::ErrorCode,
    },
    /// A conversation's state changed.
    State {
        /// Which.
        channel: ChannelId,
        /// Where it stands.
        state: ConversationState,
    },
    /// Again there are entries of this device that its store does not know: its home is in use twice, or a member pretends so.
    /// It is entered anew with growing pauses.
    UsedTwice {
        /// Where.
        channel: ChannelId,
    },
    /// The server was put back to an older backup, and takes nothing new for a while: what was to be sent waits.
    ServerPutBack {
        /// How long.
        wait: Duration,
    },
    /// The server was put back to an older backup, and took from this device what it had lost of a conversation.
    GivenBack {
        /// Of which.
        channel: ChannelId,
        /// How many entries.
        entries: u64,
    },
    /// A conversation was joined.
    Joined {
        /// Which.
        channel: ChannelId,
        /// Who invited.
        inviter: AccountId,
    },
    /// A stranger's invitation waits for an answer.
    Request {
        /// Which.
        invitation: MessageId,
        /// From whom.
        from: AccountId,
        /// The name its record gives.
        name: String,
    },
    /// Another device of the account changed what they share: settings, read markers, drafts, contacts.
    AccountState,
    /// Together with what other devices wrote, the account's state was too large: drafts that only this device had went.
    DraftsDropped {
        /// How many.
        drafts: usize,
    },
    /// Entries of the past came in from the archive of the account's history. They are no news.
    HistoryImported {
        /// How many.
        entries: usize,
        /// Segments of the archive that are still to come.
        segments_left: usize,
    },
    /// Something about the archive of the account's history that a person must hear of.
    Archive(ArchiveWarning),
    /// Something about keys that a person must hear of.
    Trust(TrustWarning),
    /// The server no longer takes this device.
    DeviceRevoked,
    /// The server does not know this device, and does not say that it was revoked: it was put back to a backup from before the
    /// device was enrolled, or the account was deleted. What needs the account rests, conversations go on; it is looked at again
    /// with every connection.
    DeviceUnknown,
    /// Another device changed the account's keys and handed nothing over to this one: the person has to sign in again.
    SignInNeeded,
    /// Every conversation is rid of a revoked device.
    DeviceRemoved {
        /// Which.
        device: quicprochat_wire::DeviceId,
    },
    /// The clocks of server and device differ.
    ClockOff {
        /// By how much.
        by: Duration,
        /// Whether the device's clock is ahead.
        ahead: bool,
    },
    /// An invitation could not be delivered for good.
    Undelivered {
        /// To whom.
        account: AccountId,
        /// To what.
        channel: ChannelId,
        /// The server's reason.
        code: quicprochat_wire::ErrorCode,
    },
}

/// What is wrong with the archive of the account's history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArchiveWarning {
    /// The server has no room for more.
    Full,
    /// The server withheld or damaged a part of it; nothing of that part was taken over.
    Unreadable,
    /// What was so for long is given up; what this device has of it is put in again.
    Lost(ArchiveLoss),
}

/// What of the archive is lost for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ArchiveLoss {
    /// Objects that were not there, or damaged.
    pub objects: usize,
    /// Positions of conversations that stood in them and that this device does not have.
    pub missing: u64,
}

/// What is wrong with somebody's keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TrustWarning {
    /// A name now comes with another identity key. Blocks sending to it and inviting it.
    KeyChanged {
        /// Whose pinned account.
        account: AccountId,
        /// Under which name.
        name: String,
    },
    /// Another device of the account has pinned another key for a name. This device's own stays in force.
    PinnedOtherwise {
        /// Whom this device has pinned.
        account: AccountId,
        /// Under which name.
        name: String,
    },
    /// The directory offered an older record than one seen before.
    RolledBack {
        /// Whose.
        account: AccountId,
        /// Under which name.
        name: String,
    },
    /// An inbox entry whose signature or record does not verify was dropped.
    BadInboxEntry {
        /// Which.
        id: MessageId,
    },
    /// The server offered an own record or vault that does not follow from what this device knows.
    OwnRecord {
        /// What is wrong with it.
        reason: crate::auth::CeremonyError,
    },
    /// The server showed another issuer key for a token epoch.
    IssuerChanged {
        /// Which epoch.
        epoch: u32,
    },
}
