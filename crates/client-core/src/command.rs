//! What a person or program asks of the engine, and what they get back.

use quicprochat_wire::{AccountId, ChannelId, DeviceId, ErrorCode, MessageId, Timestamp};

use crate::{
    event::ArchiveLoss,
    store::{ConversationState, InvitationState},
};

/// Chosen by the caller; the answer carries it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CommandId(pub u64);

/// The cipher suites a group can be asked for. There is no silent fall-back from one to the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum SuiteChoice {
    /// X25519 and ML-KEM-768: MLS suite 0x004F.
    #[default]
    Hybrid,
    /// X25519 only: MLS suite 0x0001. Refused as [`CommandError::Unsupported`]: the directory has no KeyPackages of it.
    Classical,
}

/// What is asked. Names are without host; accounts are found by them through the directory.
///
/// Everything but [`Command::Send`] to a conversation that exists needs the server and fails with
/// [`CommandError::Unreachable`] when it is away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Makes a group of this device alone.
    CreateGroup {
        /// Its title.
        title: String,
        /// Its cipher suite.
        suite: SuiteChoice,
    },
    /// Adds accounts with all their devices, in one commit.
    Invite {
        /// Into which conversation.
        channel: ChannelId,
        /// Whom; at most 32.
        names: Vec<String>,
    },
    /// Removes an account with all its devices.
    Remove {
        /// From which conversation.
        channel: ChannelId,
        /// Whom.
        name: String,
    },
    /// Removes a revoked device of the own account from every conversation (A5); survives as a job until done.
    RemoveDevice {
        /// Which.
        device: DeviceId,
    },
    /// Leaves; the last member deletes the channel.
    Leave {
        /// Which conversation.
        channel: ChannelId,
    },
    /// Gives a group another title.
    Rename {
        /// Which conversation.
        channel: ChannelId,
        /// Its new title.
        title: String,
    },
    /// Writes a message; queued when the server is away.
    Send {
        /// Into which conversation.
        channel: ChannelId,
        /// MIMI content.
        content: Vec<u8>,
    },
    /// Writes to one account, in the conversation of the two, which is made if there is none.
    Dm {
        /// To whom.
        name: String,
        /// MIMI content.
        content: Vec<u8>,
        /// Cipher suite, if one is made.
        suite: SuiteChoice,
    },
    /// Joins a conversation that a stranger invited to; makes the stranger a contact.
    AcceptRequest {
        /// Which.
        invitation: MessageId,
    },
    /// Turns down an invitation and drops later ones of its sender.
    BlockRequest {
        /// Which.
        invitation: MessageId,
    },
    /// Accepts the changed key that blocks a contact.
    AcceptChangedKey {
        /// Whose.
        name: String,
    },
    /// Records that the safety number was compared.
    Verify {
        /// With whom.
        name: String,
    },
    /// Looks somebody up and pins the identity found.
    LookUp {
        /// Whom.
        name: String,
    },
    /// Marks a conversation as read, on every device of the account. Needs no server: the others hear of it with the next
    /// `Sync` or `Listen`.
    MarkRead {
        /// Which conversation.
        channel: ChannelId,
        /// Up to which position; up to the last one that this device has if nothing is said. A marker never goes back.
        position: Option<u64>,
    },
    /// Has the account's history kept at its server for devices to come, or not, from the next `Sync` or `Listen` of this
    /// device on. What was kept is deleted when it is turned off.
    SetHistory {
        /// Of one conversation; of all of them if nothing is said.
        channel: Option<ChannelId>,
        /// Whether it is kept.
        on: bool,
    },
    /// As [`Command::Sync`], and puts everything into the archive of the account's history that it lacks, takes everything out
    /// that this device lacks, and asks what it takes at the server.
    SyncHistory,
    /// Sets something for a conversation, on every device of the account. Needs no server, as [`Command::MarkRead`].
    SetConversation {
        /// Which conversation.
        channel: ChannelId,
        /// What.
        change: ConversationChange,
    },
    /// Catches up: inbox, then channels, then whatever waits to leave. Done when nothing is left to do.
    Sync,
    /// As [`Self::Sync`], and at once what mends itself in time: enters conversations anew whatever pause is left, asks again
    /// for every gap, and looks at every object of the archive.
    Repair,
    /// Stays subscribed to inbox and channels. Never done by itself.
    Listen,
    /// Ends [`Command::Listen`].
    StopListening,
    /// Fills the stock of tokens.
    RefillTokens,
    /// Hands tokens out of the stock, for another program to spend.
    TakeTokens {
        /// How many.
        count: u16,
    },
    /// Publishes a fresh KeyPackage.
    RotateKeyPackage,
    /// Leaves every conversation (account deletion).
    LeaveAll,
}

/// What a person sets for a conversation, for the own account alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConversationChange {
    /// A title in place of its own.
    Title(Option<String>),
    /// No notifications until then; the largest time for ever.
    MutedUntil(Option<Timestamp>),
    /// Put away.
    Archived(bool),
    /// Kept on top.
    Pinned(bool),
    /// Its place among those that have one, the smallest first.
    Order(Option<u32>),
    /// What was begun to be written.
    Draft(Option<String>),
}

/// What came of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Done; there is nothing to say.
    Done,
    /// A group was made.
    Created {
        /// Its id.
        channel: ChannelId,
    },
    /// A commit was accepted.
    Committed {
        /// Where.
        seq: u64,
        /// Accounts it added, whose invitations were delivered.
        added: Vec<AccountId>,
        /// Accounts whose invitation is still to be delivered by the next `Sync` or `Listen`.
        undelivered: Vec<AccountId>,
    },
    /// A message stands in the log.
    Sent {
        /// In which channel.
        channel: ChannelId,
        /// Its id.
        id: MessageId,
        /// Its position.
        seq: u64,
    },
    /// A message waits for the server.
    Queued {
        /// In which channel.
        channel: ChannelId,
        /// The intent, under which events speak of it.
        intent: MessageId,
    },
    /// A conversation was joined.
    Joined {
        /// Which.
        channel: ChannelId,
    },
    /// A look-up found this account.
    Found {
        /// Which.
        account: AccountId,
    },
    /// Caught up.
    Synced {
        /// Messages still waiting (for a conversation that cannot be written to).
        waiting: usize,
        /// Invitations that could not be delivered.
        undelivered: usize,
        /// Whether the vault could not be told, or asked, what the account's devices share: they do not hear of what changed.
        untold: bool,
    },
    /// Caught up, and tried to mend these.
    Repaired {
        /// The conversations in which something was amiss.
        conversations: Vec<RepairedConversation>,
        /// What of the archive of the account's history was lost.
        archive: ArchiveLoss,
    },
    /// Tokens, to be spent by somebody else.
    Tokens {
        /// The tokens.
        tokens: Vec<quicprochat_wire::call::token::Token>,
    },
}

/// A conversation in which something was amiss.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RepairedConversation {
    /// Which.
    pub channel: ChannelId,
    /// Where it stood.
    pub was: ConversationState,
    /// Where it stands.
    pub is: ConversationState,
    /// How many positions this device cannot read, and members are asked for.
    pub missing: u64,
}

/// Why a command failed. Nothing was changed unless the variant says otherwise.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The server is away.
    #[error("the server cannot be reached{}", if *.unfinished { "; what was begun goes on with the next sync" } else { "" })]
    Unreachable {
        /// Whether something was begun that the next `Sync` or `Listen` finishes.
        unfinished: bool,
    },
    /// No account on this device.
    #[error("this device has no account")]
    NoAccount,
    /// The device was revoked, or the account deleted.
    #[error("this device is no longer part of the account")]
    DeviceRevoked,
    /// The server does not know this device, and does not say that it was revoked: it was put back to a backup from before the
    /// device was enrolled, or the account was deleted. Conversations go on.
    #[error("the server does not know this device (any more)")]
    DeviceUnknown,
    /// The conversation is unknown here.
    #[error("no such conversation")]
    UnknownConversation,
    /// The conversation is not in a state that allows it.
    #[error("the conversation does not allow it in its state")]
    ConversationState {
        /// Where it stands.
        state: ConversationState,
    },
    /// Nobody of that name.
    #[error("no account is called {name}")]
    UnknownName {
        /// The name.
        name: String,
    },
    /// The name belongs to the own account.
    #[error("that is the own account")]
    OwnAccount,
    /// All of them are members already.
    #[error("already in the conversation")]
    MemberAlreadyIn,
    /// Not a member.
    #[error("{name} is not in the conversation")]
    NotAMember {
        /// The name.
        name: String,
    },
    /// A direct conversation has two members and no title.
    #[error("a direct conversation has two members and no title")]
    DirectConversation,
    /// More accounts or devices than a commit or group takes.
    #[error("{found} exceed the limit of {limit}")]
    TooMany {
        /// The limit.
        limit: usize,
        /// How many there would be.
        found: usize,
    },
    /// A title or draft is too long, or the account's state has no room left for it.
    #[error("{found} bytes do not fit, the limit is {limit}")]
    DoesNotFit {
        /// The limit in bytes.
        limit: usize,
        /// How many there would be.
        found: usize,
    },
    /// The message is too large.
    #[error("the message has {found} bytes, above the limit of {limit}")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
        /// Its size.
        found: usize,
    },
    /// The contact's key changed; blocked until the person accepts it.
    #[error("the key of {name} changed: compare safety numbers, then accept it")]
    KeyChanged {
        /// Whose.
        name: String,
    },
    /// A record or KeyPackage does not verify.
    #[error("the record of {name} does not verify: {fault}")]
    BadRecord {
        /// Whose.
        name: String,
        /// What is wrong.
        fault: RecordFault,
    },
    /// No such request.
    #[error("no such request")]
    UnknownRequest,
    /// The request was answered before.
    #[error("the request was answered before")]
    RequestState {
        /// How it stands.
        state: InvitationState,
    },
    /// The invitation leads nowhere any more.
    #[error("the invitation cannot be followed; ask for another")]
    JoinFailed,
    /// No token in stock, and none to be had.
    #[error("no tokens to pay with")]
    NoTokens,
    /// The server refused.
    #[error("the server refused: {}", .0.code.name())]
    Refused(quicprochat_wire::CallFailure),
    /// The server's answer is not of the protocol.
    #[error("the server broke the protocol")]
    Protocol,
    /// Nobody could be invited into a conversation of this suite: the directory has hybrid KeyPackages only.
    #[error("conversations of the suite {suite:?} are not supported: nobody has KeyPackages for them")]
    Unsupported {
        /// The suite asked for.
        suite: SuiteChoice,
    },
    /// Lost against other commits again and again.
    #[error("others changed the conversation at the same time, {tries} times over; try again")]
    Contended {
        /// How often it was tried.
        tries: u32,
    },
    /// New keys cannot be handed to everybody who stays.
    #[error("the records of {missing} members cannot be had now, so nobody can be removed; try again later")]
    RecordsMissing {
        /// How many have none.
        missing: usize,
    },
    /// The server has no room for more of the account's history. Everything else goes on.
    #[error("the server has no room left for this account's history")]
    ArchiveFull,
    /// The server withheld or damaged a part of the account's history; nothing of that part was taken over.
    #[error("a part of the account's history at the server is damaged or missing")]
    ArchiveUnreadable,
    /// The cryptography refused, which no well-formed state does.
    #[error("the conversation's state does not allow the operation")]
    Crypto,
}

/// What is wrong with a directory record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordFault {
    /// The identity part does not parse or its signature is bad.
    #[error("the identity part is not validly signed")]
    Identity,
    /// It is for another name or account than asked.
    #[error("it is another account's")]
    WrongSubject,
    /// It is older than one seen before.
    #[error("it is older than one seen before")]
    RolledBack,
    /// A KeyPackage part does not parse or verify.
    #[error("a KeyPackage is not validly signed")]
    KeyPackage,
    /// A KeyPackage part's time is more than 7 days away.
    #[error("a KeyPackage is stale, or the clock is off")]
    StaleKeyPackage,
    /// It has no device with a KeyPackage of the group's suite.
    #[error("no device can be added")]
    NoDevice,
}

impl CommandError {
    /// The server's code, if it refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        if let Self::Refused(failure) = self { Some(failure.code) } else { None }
    }
}
