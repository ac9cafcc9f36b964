//! What this process knows of a channel on the link that is up. All of it is lost with the link.

use std::collections::BTreeMap;

use quicprochat_wire::{AccessPublicKey, CallFailure, MessageId, Timestamp, time::Duration};

use crate::{engine::Cx, input::SubscriptionId, store::Conversation};

/// Pause after a refusal that names none.
const PAUSE: Duration = Duration::from_secs(2);

/// Calls of this part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ChannelCall {
    Create,
    /// `read` is the position of the cursor when the call left: answers older than that show a server that went back.
    Attach {
        key: AccessPublicKey,
        read: u64,
    },
    Keyring(AccessPublicKey),
    Read,
    Message {
        row: u64,
        id: MessageId,
    },
    Commit {
        id: MessageId,
    },
    Delete,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Session {
    /// The key that is attached and current.
    pub(crate) attached: Option<AccessPublicKey>,
    /// Whether an attach or the look into the keyring is on its way.
    pub(crate) attaching: bool,
    /// The key whose keyring held nothing for this account.
    pub(crate) missed: Option<AccessPublicKey>,
    /// The end of the log as the server last told.
    pub(crate) head: u64,
    pub(crate) reading: bool,
    /// Whether the log is to be read on even if it ended at the cursor when the server last said something.
    pub(crate) look_again: bool,
    pub(crate) creating: bool,
    pub(crate) deleting: bool,
    /// Whether an entry is on its way: one at a time, so that the order is kept.
    pub(crate) sending: bool,
    pub(crate) stream: Option<SubscriptionId>,
    /// Whether a commit that was due could not be built: not tried again on this link.
    pub(crate) tended: bool,
    /// Nothing is tried before.
    pub(crate) rest_until: Option<Timestamp>,
    /// The last refusal, until something is accepted.
    pub(crate) refused: Option<CallFailure>,
    /// Messages the server refused for good, for those who wait for them.
    pub(crate) rejected: BTreeMap<MessageId, CallFailure>,
}

impl Session {
    pub(crate) fn caught_up(&self, conversation: &Conversation) -> bool {
        self.attached.is_some() && !self.reading && !self.look_again && conversation.cursor.position >= self.head
    }

    pub(crate) const fn is_calling(&self) -> bool {
        self.attaching || self.reading || self.creating || self.deleting || self.sending
    }

    /// The call is over, whatever came of it.
    pub(crate) fn ended(&mut self, call: &ChannelCall) {
        match call {
            ChannelCall::Create => self.creating = false,
            ChannelCall::Attach { .. } | ChannelCall::Keyring(_) => self.attaching = false,
            ChannelCall::Read => self.reading = false,
            ChannelCall::Message { .. } | ChannelCall::Commit { .. } => self.sending = false,
            ChannelCall::Delete => self.deleting = false,
        }
    }

    /// Rests after a refusal, for as long as the server says.
    pub(crate) fn back_off(&mut self, cx: &mut Cx<'_>, failure: CallFailure) {
        self.refused = Some(failure);
        self.rest_until = Some(cx.wake_after(failure.retry_after.unwrap_or(PAUSE)));
    }
}
