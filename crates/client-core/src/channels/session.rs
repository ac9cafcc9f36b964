//! What this process knows of a channel on the link that is up. All of it is lost with the link.

use std::collections::BTreeMap;

use quicprochat_wire::{AccessPublicKey, CallFailure, MessageId, Timestamp, call::channel::ChainPoint, time::Duration};

use super::{records::Search, rejoin::Rejoin, replace::Looking, restore::Restore, tree::TreeBook};
use crate::{engine::Cx, fetch::Fetch, input::SubscriptionId, store::Conversation};

/// Pause after a refusal that names none.
const PAUSE: Duration = Duration::from_secs(2);
/// Pause of commits that nobody asked for, after the first that was not possible; and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Calls of this part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ChannelCall {
    Create,
    /// `read` is how far the log is known to reach when the call leaves: answers short of that show a server that went back.
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
    /// A message once more, of an account that was removed meanwhile.
    Again {
        row: u64,
        id: MessageId,
    },
    Delete,
    /// The GroupInfo to enter anew with.
    GroupInfo,
    /// The chunks of its tree.
    Chunks,
    /// The GroupInfo of the commit that the own one follows.
    ChunksInUse {
        after: ChainPoint,
    },
    /// Entries that are passed over by entering anew.
    Scan,
    /// Whether the server has the channel that is to take this one's place, by attaching to it.
    Replacement {
        number: u32,
    },
    /// Making it.
    ReplacementCreate {
        number: u32,
    },
    /// Entries up to the commit that ended the own key.
    Tail {
        after: u64,
    },
    /// Entries that the server lost.
    Restore,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Session {
    /// The key that is attached and current.
    pub(crate) attached: Option<AccessPublicKey>,
    /// Since when.
    pub(crate) attached_at: Timestamp,
    /// Whether an attach or the look into the keyring is on its way.
    pub(crate) attaching: bool,
    /// The key whose keyring held nothing for this account.
    pub(crate) missed: Option<AccessPublicKey>,
    /// Whether that waits for the newest own record: the keyring may be for an inbox key that this device does not have yet.
    pub(crate) doubt: bool,
    /// Since when that key is in force.
    pub(crate) access_since: u64,
    /// The last commit of the log, as the server last told.
    pub(crate) last_commit: Option<ChainPoint>,
    /// What is known of a group that is to be entered anew.
    pub(crate) rejoin: Rejoin,
    /// What is known of the channel that is to take this one's place.
    pub(crate) replacement: Looking,
    /// Whether what the own key reaches is being read to its end; nothing else is asked meanwhile.
    pub(crate) tail: bool,
    /// What is known of a server that was put back.
    pub(crate) restore: Restore,
    /// Which chunks of the ratchet tree the server has.
    pub(crate) tree: TreeBook,
    /// The end of the log as the server last told.
    pub(crate) head: u64,
    /// How often the server was asked again for the end of the log, which it had told to be further away before.
    pub(crate) rechecks: u32,
    pub(crate) reading: bool,
    /// Whether the log is to be read on even if it ended at the cursor when the server last said something.
    pub(crate) look_again: bool,
    pub(crate) creating: bool,
    pub(crate) deleting: bool,
    /// Whether an entry is on its way: one at a time, so that the order is kept.
    pub(crate) sending: bool,
    pub(crate) stream: Option<SubscriptionId>,
    /// Records of members that this device was never shown.
    pub(crate) book: Search,
    /// Why a message is held back: the leaf is to be renewed before it, and that was refused.
    pub(crate) held: Option<CallFailure>,
    /// When commits that nobody asked for may be built again.
    pub(crate) own_commits: OwnCommits,
    /// Nothing is tried before.
    pub(crate) rest_until: Option<Timestamp>,
    /// Nothing is written before: the server was put back.
    pub(crate) write_after: Option<Timestamp>,
    /// The last refusal, until something is accepted.
    pub(crate) refused: Option<CallFailure>,
    /// Messages the server refused for good, for those who wait for them.
    pub(crate) rejected: BTreeMap<MessageId, CallFailure>,
}

impl Session {
    pub(crate) fn caught_up(&self, conversation: &Conversation) -> bool {
        conversation.is_live()
            && self.attached.is_some()
            && !self.restore.is_on()
            && !self.reading
            && !self.look_again
            && conversation.cursor.position >= self.head
    }

    pub(crate) const fn is_calling(&self) -> bool {
        self.attaching || self.tail || self.reading || self.creating || self.deleting || self.sending
    }

    /// Takes the answers that came about members' records, also where nobody waits for them any more; whether any was awaited.
    pub(crate) fn poll(&mut self, cx: &mut Cx<'_>, fetch: &mut Fetch) -> bool {
        let mut waited = false;
        for search in [&mut self.rejoin.search, &mut self.book] {
            if search.is_looking() {
                search.poll(cx, fetch);
                waited = true;
            }
        }
        waited
    }

    /// The call is over, whatever came of it.
    pub(crate) fn ended(&mut self, call: &ChannelCall) {
        match call {
            ChannelCall::Create | ChannelCall::ReplacementCreate { .. } => self.creating = false,
            ChannelCall::Attach { .. }
            | ChannelCall::Keyring(_)
            | ChannelCall::Again { .. }
            | ChannelCall::Replacement { .. } => {
                self.attaching = false;
            }
            ChannelCall::Read | ChannelCall::Scan | ChannelCall::GroupInfo | ChannelCall::Chunks => {
                self.reading = false
            }
            ChannelCall::Tail { .. } => self.tail = false,
            ChannelCall::Message { .. }
            | ChannelCall::Commit { .. }
            | ChannelCall::ChunksInUse { .. }
            | ChannelCall::Restore => {
                self.sending = false;
            }
            ChannelCall::Delete => self.deleting = false,
        }
    }

    /// Rests after a refusal, for as long as the server says.
    pub(crate) fn back_off(&mut self, cx: &mut Cx<'_>, failure: CallFailure) {
        self.refused = Some(failure);
        self.rest_until = Some(cx.wake_after(failure.retry_after.unwrap_or(PAUSE)));
    }
}

/// The pause of commits that nobody asked for (a fresh leaf, a removal that is due), after one that could not be built or was
/// refused for good: building and sending one costs much in a large group. A commit that is accepted ends it.
#[derive(Default)]
pub(crate) struct OwnCommits {
    /// Until when, and why the last one was not possible.
    until: Option<(Timestamp, CallFailure)>,
    times: u32,
}

impl OwnCommits {
    /// Why none may be built yet, if so; asks to be called when one may.
    pub(crate) fn lasts(&self, cx: &mut Cx<'_>) -> Option<CallFailure> {
        let (until, failure) = self.until.filter(|(until, _)| *until > cx.now)?;
        cx.wake(until);
        Some(CallFailure { retry_after: Some(until.since(cx.now)), ..failure })
    }

    /// Twice as long with each time, up to an hour.
    pub(crate) fn refused(&mut self, cx: &mut Cx<'_>, failure: CallFailure) {
        let pause = (FIRST_PAUSE * 1_u32.checked_shl(self.times).unwrap_or(u32::MAX)).min(LONGEST_PAUSE);
        self.times = self.times.saturating_add(1).min(31);
        self.until = Some((cx.wake_after(pause), failure));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use quicprochat_wire::{ChannelId, ErrorCode};

    use super::*;
    use crate::engine::bed::Bed;

    /// A conversation at the beginning of its log.
    pub(crate) fn conversation() -> Conversation {
        crate::testing::conversation(ChannelId::new([1; 32]))
    }

    #[test]
    fn the_cursor_is_at_the_head_only_if_the_server_says_so_on_this_link() {
        let (mut session, mut conversation) = (Session::default(), conversation());
        assert!(!session.caught_up(&conversation), "not attached");
        session.attached = Some(AccessPublicKey::new([1; 32]));
        assert!(session.caught_up(&conversation));
        session.head = 2;
        assert!(!session.caught_up(&conversation));
        conversation.cursor.position = 2;
        assert!(session.caught_up(&conversation));
        session.look_again = true;
        assert!(!session.caught_up(&conversation));
    }

    #[test]
    fn a_refusal_is_waited_out_as_long_as_the_server_says() {
        let (mut bed, mut session) = (Bed::new(), Session::default());
        let failure = CallFailure::retry(ErrorCode::RateLimited, Duration::from_secs(3));
        bed.at(1_000, |cx| session.back_off(cx, failure));
        assert_eq!((session.rest_until, session.refused), (Some(Timestamp(4_000)), Some(failure)));
        assert_eq!(bed.timers.first(), Some(&Timestamp(4_000)));
        bed.at(1_000, |cx| session.back_off(cx, ErrorCode::Unavailable.into()));
        assert_eq!(session.rest_until, Some(Timestamp(1_000).after(PAUSE)));
    }

    #[test]
    fn commits_that_nobody_asked_for_rest_longer_after_each_refusal_and_an_hour_at_most() {
        let (mut bed, mut commits) = (Bed::new(), OwnCommits::default());
        let failure = CallFailure::from(ErrorCode::TooLarge);
        assert_eq!(bed.at(0, |cx| commits.lasts(cx)), None);
        let mut now = 0;
        for pause in [30_000, 60_000, 120_000] {
            bed.at(now, |cx| commits.refused(cx, failure));
            let why = CallFailure::retry(ErrorCode::TooLarge, Duration::from_millis(1));
            assert_eq!(bed.at(now + pause - 1, |cx| commits.lasts(cx)), Some(why));
            now += pause;
            assert_eq!(bed.at(now, |cx| commits.lasts(cx)), None);
        }
        for _ in 0..40 {
            bed.at(now, |cx| commits.refused(cx, failure));
        }
        assert!(bed.at(now + 3_599_999, |cx| commits.lasts(cx)).is_some());
        assert_eq!(bed.at(now + 3_600_000, |cx| commits.lasts(cx)), None);
    }
}
